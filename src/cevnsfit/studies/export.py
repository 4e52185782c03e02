"""Exports of stored scans and of likelihoods: numbers with everything that one must know to use them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, ResultError, UnknownNameError
from cevnsfit.core.version import installed_version
from cevnsfit.infer.intervals import METHOD, column, coupling_scale
from cevnsfit.infer.profile import profile
from cevnsfit.io.exports import darkcast, hepdata, histfactory, netcdf, root, text
from cevnsfit.io.exports.limits import Limits, plain
from cevnsfit.io.exports.simplified import Simplified, tabulate
from cevnsfit.io.store import read_scan
from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.studies.exclusion import doubtful, regions_of
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.setup import build, caveat, check_model, data_or_asimov, fix, load_experiments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.physics.interactions.terms import SignalModel
    from cevnsfit.stats.joint import Data, Joint
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.setup import Analysis

    Writer = Callable[[Limits, Path], tuple[Path, ...]]

PACKAGES: Final = ("numpy", "scipy", "iminuit", "pyhf", "uproot", "contourpy")
RECORD: Final = "ins0000000"
"""Placeholder of the INSPIRE identifier that the schema of patchsets asks for."""


# --- limits ------------------------------------------------------------------------------------------------------------------------


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


def stored_limits(folder: Path, confidence: Sequence[tuple[float, int]]) -> Limits:
    """Return the limits of a finished scan at each (cl, dof).

    Raises
    ------
    ResultError
        If the scan is not finished, or its inputs are no longer those that it was made with.
    """
    known = read_scan(folder).analysis
    results = regions_of(stored_scans(folder), confidence)
    first = known["parts"][0]
    planes = [
        {
            "label": plane.label,
            "experiments": list(plane.experiments),
            "caveat": plane.caveat,
            "best_fit": dict(plane.best),
            "reference_nll2": plane.reference_nll2,
            "doubtful_points": doubtful(plane),
            "fallbacks": plane.fallbacks,
        }
        for plane, _ in results
    ]
    metadata = {
        **about_model(first["model"], known["at"]),
        "method": f"{METHOD}; branches are every boundary between allowed and excluded",
        "confidence": [{"cl": r.cl, "dof": r.dof, "threshold": r.threshold} for r in results[0][1]],
        "planes": planes,
        "grid": known["grid"],
        "options": {key: first[key] for key in ("overrides", "signal_systematics", "allow_overlap", "electrons")},
        "inputs": known["inputs"],
        "version": known["version"],
        "exported_with": versions(),
    }
    return Limits(results, metadata)


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
    values = text.read_document(beside if beside.exists() else file)
    found = values.get("inputs", values.get("metadata", {}).get("inputs") if isinstance(values.get("metadata"), dict) else None)
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
        return {"model": name, "lagrangian": "the released templates times signal_strength", "held": dict(at)}
    options = {p.name: float(at.get(p.name, p.default)) for p in model.parameters if p.fixed or p.name in at}
    return {
        "model": name,
        "lagrangian": model.lagrangian,
        "charges": charges(model, options),
        "references": list(model.references),
        "held": {**options, **{key: float(value) for key, value in at.items()}},
    }


def charges(model: SignalModel, held: Mapping[str, float]) -> dict[str, Any]:
    """Return the charges of a vector mediator as seen in scattering: q_nu q_N for proton and neutron, at q^2 = 0; empty for other models.

    They are read off the coefficient of g^2 in the weak charge, g^2 q_nu q_N/(sqrt2 G_F M^2).
    """
    names = {parameter.name for parameter in model.parameters}
    if not {"g", "mass"} <= names:
        return {}
    mass = 1e3
    shapes = {**model.shapes(), **{key: value for key, value in held.items() if key in model.shapes()}, "mass": mass}
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


def versions() -> dict[str, str]:
    """Return the versions of cevnsfit and of the packages that make the numbers."""
    found = {"cevnsfit": installed_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def stored_provenance(path: Path) -> dict[str, Any]:
    """Return what a stored scan, or a document of limits or of a likelihood, says of its origin.

    Raises
    ------
    ResultError
        If it cannot be read.
    """
    if path.is_dir():
        store = read_scan(path)
        return {"kind": "scan", "planes": list(store.labels), **store.analysis}
    values = text.read_document(path)
    beside = companion(path, "metadata")
    if "metadata" in values and isinstance(values["metadata"], dict):
        return {"kind": str(values.get("schema", "pyhf patchset")), **values["metadata"]}
    if "channels" in values and beside.exists():
        return {"kind": "pyhf workspace", **text.read_document(beside)}
    message = f"{path}: says nothing of its origin"
    raise ResultError(message)


# --- likelihoods -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Workspaces:
    """A likelihood in HistFactory's terms.

    Attributes
    ----------
    base
        The workspace: complete, or without couplings where `patches` add them.
    patches
        The patchset, or None.
    metadata
        What the numbers are.
    """

    base: dict[str, Any]
    patches: dict[str, Any] | None
    metadata: dict[str, Any]


def about_likelihood(analysis: Analysis, at: Mapping[str, float]) -> dict[str, Any]:
    """Return the metadata of an exported likelihood."""
    experiments = load_experiments(analysis)
    projected = [experiment.name for experiment in experiments if experiment.spec.observed is None]
    return {
        **about_model(analysis.model, at),
        "experiments": [experiment.name for experiment in experiments],
        "caveat": caveat(analysis),
        "data": f"Asimov data of the Standard Model for {', '.join(projected)}" if projected else "observed",
        "options": {key: plain(value) for key, value in asdict(analysis).items() if key not in {"experiments", "model"}},
        "inputs": {experiment.name: dict(experiment.digests) for experiment in experiments},
        "version": installed_version(),
        "exported_with": versions(),
    }


def workspaces(
    analysis: Analysis,
    *,
    at: Mapping[str, float] | None = None,
    grid: Mapping[str, ArrayLike] | None = None,
    record: str = RECORD,
) -> Workspaces:
    """Return an analysis as a pyhf workspace, or as a workspace and a patchset over one shape parameter.

    Parameters
    ----------
    analysis
        The analysis.
    at
        Held parameters: the shape parameters of the workspace, and couplings or nuisances that are to be fixed.
    grid
        One shape parameter and its values, for a patchset.
    record
        INSPIRE identifier of the paper, for a patchset.
    """
    held = {} if at is None else dict(at)
    likelihood, metadata = build(analysis), about_likelihood(analysis, held)
    data = data_or_asimov(likelihood)
    points = [held] if not grid else [{**held, name: value} for name, values in grid.items() for value in _checked(values)]
    label = next(iter(grid)) if grid else ""
    if grid and (len(grid) > 1 or label in held or label not in likelihood.shape):
        message = f"a patchset is made over one shape parameter that is not held, for example mass; got {', '.join(grid)}"
        raise CevnsfitError(message)
    missing = [p.name for p in likelihood.shape if not p.fixed and p.name not in points[0]]
    if missing:
        message = f"{', '.join(missing)} must be held for a workspace: add --at {missing[0]}=VALUE, or --grid for a patchset"
        raise CevnsfitError(message)
    made = []
    for point in points:
        joint, values = fix(likelihood, point)
        made.append(histfactory.workspace(joint, data, values))
    metadata |= {"shape": {p.name: float(held.get(p.name, p.default)) for p in likelihood.shape if p.name != label}}
    metadata |= _about_workspace(made[0])
    if not grid:
        histfactory.validate(made[0].spec, "workspace")
        return Workspaces(made[0].spec, None, metadata)
    base = histfactory.without_couplings(made[0])
    by_value = {float(point[label]): exported for point, exported in zip(points, made, strict=True)}
    about = f"{analysis.model}: {', '.join(metadata['experiments'])}, one patch for each value of {label} [{likelihood.shape[label].unit}]"
    extra = {"cevnsfit": plain(metadata)}
    patches = histfactory.patchset(base, by_value, label, description=about, record=record, extra=extra)
    histfactory.validate(base, "workspace")
    histfactory.validate(patches, "patchset")
    return Workspaces(base, patches, metadata)


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.unique(np.asarray(values, dtype=np.float64))
    if not 1 <= len(array) <= 1000:
        message = f"a patchset takes 1 to 1000 values, got {len(array)}"
        raise CevnsfitError(message)
    return array


def _about_workspace(exported: histfactory.Exported) -> dict[str, Any]:
    """Return how to read a workspace, and what it does not hold."""
    notes = [
        "a shape parameter (mass, radius) has one value in a workspace; other values are other workspaces or patches",
        "expected counts that are not positive where events were seen: cevnsfit goes on with a parabola below 1e-10, pyhf gives NaN",
    ]
    if any(powers != {name: 1} for name, powers in exported.monomials.items()):
        notes.append("the normfactors of couplings are not independent: set each to its monomial; they are held in the workspace")
    if any(channel["name"].endswith("_control") for channel in exported.spec["channels"]):
        notes.append("a background measured in a control region has one shapefactor a bin; cevnsfit profiles it in closed form")
    if exported.without_effect:
        notes.append(f"constrained parameters that change no template have no counterpart: {', '.join(exported.without_effect)}")
    return {
        "normfactors": exported.monomials,
        "modifier_settings": histfactory.INTERPOLATION,
        "not_expressed": notes,
        "constants": "-2 ln L of pyhf minus that of cevnsfit = sum 2 (n - n ln n + ln n!) over all bins + ln(2 pi) for each constrained parameter",
    }


def write_workspaces(made: Workspaces, path: Path) -> tuple[Path, ...]:
    """Write a workspace with the files beside it: FILE.json, FILE.metadata.json and, where there are patches, FILE.patchset.json.

    A path that does not end in .json is a folder, for workspace.json.
    """
    main = path if path.suffix == ".json" else path / "workspace.json"
    main.parent.mkdir(parents=True, exist_ok=True)
    documents = {main: made.base, companion(main, "metadata"): plain(made.metadata)}
    if made.patches is not None:
        documents[companion(main, "patchset")] = made.patches
    for file, values in documents.items():
        file.write_text(json.dumps(values, allow_nan=False) + "\n", encoding="utf-8")
    return tuple(documents)


def companion(path: Path, kind: str) -> Path:
    """Return the file of one kind ("metadata", "patchset") beside an exported likelihood."""
    return path.with_name(f"{path.stem}.{kind}.json")


def simplified(analysis: Analysis, ends: tuple[float, float], *, at: Mapping[str, float] | None = None) -> Simplified:
    """Return Delta chi2 over the mass and the coupling of a mediator as a table that numpy alone can interpolate.

    Parameters
    ----------
    analysis
        The analysis.
    ends
        Smallest and largest mass in MeV.
    at
        Other held parameters.

    Raises
    ------
    CevnsfitError
        If the model has no mass, or not exactly one coupling on a logarithmic scale.
    """
    held = {} if at is None else dict(at)
    likelihood = build(analysis)
    fix(likelihood, held)
    couplings = [p for p in likelihood.parameters if p.kind == "polynomial" and p.scale == "log" and not p.fixed]
    if "mass" not in likelihood.shape or len(couplings) != 1 or {"mass", couplings[0].name} & set(held):
        message = (
            f"a simplified likelihood is made over the mass and the coupling of a mediator; {analysis.model} has other free parameters"
        )
        raise CevnsfitError(message)
    mass, name = likelihood.shape["mass"], couplings[0].name
    for end in ends:
        mass.checked(end)
    data = data_or_asimov(likelihood)
    joint, values = fix(likelihood, {**held, "mass": ends[0]})
    standard = profile(joint, {key: np.array([value]) for key, value in {**values, name: 0.0}.items()}, data=data)
    curves = _Curves(likelihood, held, name, data, standard.theta[0])
    best = min(curves.minimum(float(x)) for x in np.geomspace(*ends, 25))
    metadata = {
        **about_likelihood(analysis, held),
        "method": METHOD,
        "best_fit": {"nll2": best[0], name: best[1], "mass": best[2]},
        "standard_model_nll2": float(standard.nll2[0]),
    }
    return tabulate(curves.nll2, curves.scale, ends, names=("mass", name, mass.unit), metadata=metadata, minimum=best[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Curves:
    """Profiled curves of a coupling at any mass."""

    likelihood: Likelihood
    held: Mapping[str, float]
    name: str
    data: Data
    start: NDArray[np.float64]

    def at(self, mass: float) -> tuple[Joint, dict[str, float]]:
        return fix(self.likelihood, {**self.held, "mass": mass})

    def nll2(self, mass: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        joint, values = self.at(mass)
        fixed = {self.name: y, **{key: np.full(len(y), value) for key, value in values.items()}}
        return profile(joint, fixed, data=self.data, start=self.start).nll2

    def scale(self, mass: float) -> float:
        return coupling_scale(self.at(mass)[0], self.name)

    def minimum(self, mass: float) -> tuple[float, float, float]:
        """Return the smallest -2 ln lambda at one mass, the coupling there, and the mass."""
        joint, values = self.at(mass)
        grid = np.concatenate([np.zeros(1), np.geomspace(1e-2, 4.0, 61) * coupling_scale(joint, self.name)])
        curve = column(joint, self.name, grid, held=values, data=self.data, start=self.start)
        place = int(np.argmin(curve.nll2))
        return float(curve.nll2[place]), float(curve.values[place]), mass
