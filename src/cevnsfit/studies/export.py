"""Exports of stored scans: limits with everything that one must know to use them, and where a result comes from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.documents import plain, read_document
from cevnsfit.core.errors import CevnsfitError, ResultError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import package_versions
from cevnsfit.infer.intervals import METHOD, Level
from cevnsfit.io.exports import darkcast, hepdata, netcdf, root, text
from cevnsfit.io.exports.limits import Limits
from cevnsfit.io.layouts import read_scan
from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.studies.exclusion import regions_of
from cevnsfit.studies.provenance import companion, section
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.setup import TEMPLATES, check_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.physics.interactions.terms import SignalModel

    Writer = Callable[[Limits, Path], tuple[Path, ...]]


def writers() -> dict[str, Writer]:
    """Return the writers of limits by format."""
    return {
        "csv": text.write_csv,
        "json": text.write_json,
        "hepdata": hepdata.write_hepdata,
        "root": root.write_root,
        "darkcast": darkcast.write_darkcast,
        "netcdf": netcdf.write_netcdf,
    }


@on_one_thread
def stored_limits(folder: Path, levels: Sequence[Level]) -> Limits:
    """Return the limits of a finished scan at each confidence level.

    Raises
    ------
    ResultError
        If the scan is not finished, or its inputs are no longer those that it was made with.
    """
    known = read_scan(folder).analysis
    results = regions_of(stored_scans(folder), levels)
    first = known["parts"][0]
    about = ("label", "experiments", "caveat", "best_fit", "reference_nll2", "doubtful_points", "fallbacks")
    metadata = {
        **about_model(first["model"], known["at"]),
        "method": f"{METHOD}; branches are every boundary between allowed and excluded",
        "confidence": [{"cl": r.cl, "dof": r.dof, "threshold": r.threshold} for r in results[0].regions],
        "planes": [{key: value for key, value in plain(entry).items() if key in about} for entry in results],
        "grid": known["grid"],
        "options": {key: first[key] for key in ("overrides", "signal_systematics", "allow_overlap", "electrons")},
        "inputs": known["inputs"],
        "version": known["version"],
        "made_with": dict(read_scan(folder).packages),
        "exported_with": package_versions(),
    }
    return Limits(tuple((entry.plane, entry.regions) for entry in results), metadata)


def export_limits(limits: Limits, kind: str, path: Path, *, attach: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Write limits in one format and return the files.

    Parameters
    ----------
    limits
        From `stored_limits` or `read_json`.
    kind
        One of `writers()`.
    path
        The file, or the folder of a format of several files.
    attach
        Exported likelihoods that go into a HEPData submission; they must have the same inputs.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    ResultError
        If an attached likelihood was made from other inputs.
    """
    known = writers()
    if kind not in known:
        what = "format"
        raise UnknownNameError(what, kind, known)
    if attach and kind != "hepdata":
        message = f"likelihoods can be attached to a HEPData submission only, not to {kind}"
        raise CevnsfitError(message)
    for file in attach:
        require_same_inputs(limits.metadata["inputs"], attached_inputs(file), str(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    if attach:
        return hepdata.write_hepdata(limits, path, attach)
    return known[kind](limits, path)


def attached_inputs(file: Path) -> dict[str, Any]:
    """Return the digests of the inputs of an exported likelihood, from the file itself or the `.metadata.json` beside it."""
    beside = companion(file, "metadata")
    values = read_document(beside if beside.exists() else file)
    sections = (values, section(values, "metadata"), section(values, "misc", "cevnsfit"), section(values, "metadata", "cevnsfit"))
    found = next((section["inputs"] for section in sections if "inputs" in section), None)
    if not isinstance(found, dict):
        message = f"{file}: does not say which inputs it was made from"
        raise ResultError(message)
    return found


def require_same_inputs(known: Mapping[str, Any], other: Mapping[str, Any], what: str) -> None:
    """Raise ResultError if an experiment that both name has different input files."""
    different = [name for name in known if name in other and known[name] != other[name]]
    strangers = [name for name in other if name not in known]
    if different or strangers:
        message = f"{what}: made from other inputs ({', '.join((*different, *strangers))}); they cannot go together"
        raise ResultError(message)


def about_model(name: str, at: Mapping[str, float]) -> dict[str, Any]:
    """Return what defines a model: Lagrangian, charges, references, and the values of all its held parameters."""
    model = check_model(name)
    if model is None:
        return {"model": name, "lagrangian": TEMPLATES, "held": dict(at)}
    options = {p.name: float(at.get(p.name, p.default)) for p in model.parameters if p.fixed or p.name in at}
    return {
        "model": name,
        "lagrangian": model.lagrangian,
        "charges": charges(model, options),
        "references": list(model.references),
        "held": {**options, **{key: float(value) for key, value in at.items()}},
    }


def charges(model: SignalModel, at: Mapping[str, float]) -> dict[str, Any]:
    """Return the charges of a vector mediator as seen in scattering: q_nu q_N for proton and neutron, at q^2 = 0; empty for other models.

    They are read off the coefficient of g^2 in the weak charge, g^2 q_nu q_N/(sqrt2 G_F M^2).
    """
    names = {parameter.name for parameter in model.parameters}
    if not {"g", "mass"} <= names:
        return {}
    mass = 1e3
    shapes = {**model.shapes(), **{key: value for key, value in at.items() if key in model.shapes()}, "mass": mass}
    found: dict[str, dict[str, float]] = {flavour: {} for flavour in LEPTONS}
    for nucleon, (z, n) in {"proton": (1.0, 0.0), "neutron": (0.0, 1.0)}.items():
        for term in model.prepare(_nucleon(z, n))(shapes):
            if term.kernel != "vector":
                return {}
            for monomial, values in term.charge.items():
                if monomial == (("g", 2),):
                    product = float(np.asarray(values)[0]) * math.sqrt(2.0) * FERMI_CONSTANT * mass**2
                    found[term.flavour][nucleon] = round(product, 12) + 0.0
    table = {f"nu_{flavour}": entry for flavour, entry in found.items() if entry}
    return {"definition": "q_nu q_N at q^2 = 0, coefficient of g^2/(sqrt2 G_F M^2) in the weak charge", **table} if table else {}


def _nucleon(z: float, n: float) -> Target:
    from cevnsfit.physics.couplings import weak_couplings
    from cevnsfit.physics.nuclei import composition

    ((nuclide, _),) = composition("I", {})
    one = np.ones(1)
    return Target(nuclide, 0.0 * one, 0.0 * one, z * one, n * one, weak_couplings("tree"), form_factor("helm"))
