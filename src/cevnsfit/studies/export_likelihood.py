"""Exports of likelihoods: pyhf workspaces and patchsets, and tables of Delta chi2."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import plain, write_document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import VERSION, package_versions
from cevnsfit.infer.columns import column
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.intervals import METHOD
from cevnsfit.infer.lines import coupling_scale
from cevnsfit.infer.profile import profile
from cevnsfit.io.exports import histfactory
from cevnsfit.io.exports.hs3 import hs3_document
from cevnsfit.io.exports.simplified import tabulate
from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import LEPTONS, weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import Target
from cevnsfit.physics.nuclei import composition
from cevnsfit.spec.workspaces import validate
from cevnsfit.stats.data import observed_or_asimov, without_block
from cevnsfit.studies.fitting import unheld
from cevnsfit.studies.frozen import frozen_in_export
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.provenance import companion
from cevnsfit.studies.scan import data_of
from cevnsfit.studies.setup import TEMPLATES, check_model
from cevnsfit.studies.verbs import about

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.io.exports.simplified import Simplified
    from cevnsfit.physics.interactions.terms import SignalModel
    from cevnsfit.stats.constraints import Constraints
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.frozen import Frozen

RECORD: Final = "ins0000000"
"""Placeholder of the INSPIRE identifier that the schema of patchsets asks for."""

_POSITIVE: Final = "expected counts below 0, or 0 where events were seen: -2 ln L is infinite in cevnsfit, NaN in pyhf"
_RATIO: Final = (
    "pyhs3 knows no normal distribution in several dimensions, and gives every normsys and histosys a unit normal: the auxiliary distribution "
    "is the block of constraints (misc) over the unit normals of its parameters"
)
_MONOMIALS: Final = "the normfactors of couplings are not independent: set each to its monomial; they are held in the workspace"


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


def about_model(name: str, at: Mapping[str, float]) -> dict[str, Any]:
    """Return what defines a model: Lagrangian, charges, references, and the values of all its held parameters; the empty name is that of none."""
    if not name:
        return {"model": name, "held": dict(at)}
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
    found: dict[str, dict[str, float]] = {f"nu_{flavour}": {} for flavour in LEPTONS}
    for nucleon, (z, n) in {"proton": (1.0, 0.0), "neutron": (0.0, 1.0)}.items():
        for term in model.prepare(_nucleon(z, n))(shapes):
            if term.kernel != "vector":
                return {}
            for monomial, values in term.charge.items():
                if monomial == (("g", 2),):
                    product = float(np.asarray(values)[0]) * math.sqrt(2.0) * FERMI_CONSTANT * mass**2
                    flavour = f"nu_{term.flavour}" if term.flavour in LEPTONS else term.flavour
                    found.setdefault(flavour, {})[nucleon] = round(product, 12) + 0.0
    table = {flavour: entry for flavour, entry in found.items() if entry}
    return {"definition": "q_nu q_N at q^2 = 0, coefficient of g^2/(sqrt2 G_F M^2) in the weak charge", **table} if table else {}


def _nucleon(z: float, n: float) -> Target:
    ((nuclide, _),) = composition("I", {})
    one = np.ones(1)
    return Target(nuclide, 0.0 * one, 0.0 * one, z * one, n * one, weak_couplings("tree"), form_factor("helm"))


def about_likelihood(likelihood: Likelihood, at: Mapping[str, float]) -> dict[str, Any]:
    """Return the metadata of an exported likelihood."""
    known, origin, data = about(likelihood, at), likelihood.origin, data_of(likelihood)
    channels = likelihood.at({}).channels
    owners = {channel.name: channel.experiment for channel in channels if channel.experiment}
    beside = [channel.name for channel in channels if channel.auxiliary]
    options = {} if origin is None else {key: value for key, value in plain(origin).items() if key not in {"experiments", "model", "at"}}
    return {
        **about_model(known.model, at),
        "experiments": list(likelihood.experiments),
        **({"channels": owners} if owners else {}),
        **({"auxiliary": beside} if beside else {}),
        "caveat": known.caveat,
        "data": data if data else "observed",
        "options": options,
        "inputs": {name: dict(digests) for name, digests in likelihood.inputs.items()},
        "version": VERSION,
        "exported_with": package_versions(),
    }


@on_one_thread
def workspaces(
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    grid: Mapping[str, ArrayLike] | None = None,
    record: str = RECORD,
    block: bool = False,
) -> Workspaces:
    """Return a likelihood as a pyhf workspace, or as a workspace and a patchset over one nonlinear parameter.

    Parameters
    ----------
    at
        Held parameters: the nonlinear parameters of the workspace, and couplings or nuisances that are to be fixed.
    grid
        One nonlinear parameter and its values, for a patchset.
    record
        INSPIRE identifier of the paper, for a patchset.
    block
        Whether what takes the workspace has a place for constraints that are given, or correlated.
    """
    held = _held(likelihood, at)
    metadata, data = about_likelihood(likelihood, held), observed_or_asimov(likelihood.at({}))
    points = [held] if not grid else [{**held, name: value} for name, values in grid.items() for value in _checked(values)]
    label = next(iter(grid)) if grid else ""
    if grid and (len(grid) > 1 or label in held or label not in likelihood.nonlinear):
        message = f"a patchset is made over one nonlinear parameter that is not held, for example mass; got {', '.join(grid)}"
        raise CevnsfitError(message)
    if missing := unheld(likelihood, points[0]):
        message = f"{', '.join(missing)} must be held for a workspace: add --at {missing[0]}=VALUE, or --grid for a patchset"
        raise CevnsfitError(message)
    made, frozen = [], frozen_in_export(likelihood, points, data)
    for point in points:
        joint, values = joint_at(likelihood, point)
        joint, there, constraints = without_block(joint, data)
        there = there if block else replace(there, aux=_centres(joint, there, constraints))
        made.append(histfactory.workspace(joint, there, {**values, **({} if frozen is None else frozen.values)}))
    metadata |= {"shape": {p.name: float(held.get(p.name, p.default)) for p in likelihood.nonlinear if p.name != label}}
    metadata |= {"couplings": _about_couplings(likelihood, made[0]), **_about_workspace(made[0], frozen)}
    if block and constraints.names:
        own = {entry["name"] for entry in made[0].spec["measurements"][0]["config"]["parameters"]}.union(*made[0].monomials.values())
        metadata["constraints"] = plain(constraints.given({} if frozen is None else frozen.values).of(own))
    if not grid:
        validate(made[0].spec, "workspace")
        return Workspaces(made[0].spec, None, metadata)
    base = histfactory.without_couplings(made[0])
    by_value = {float(point[label]): exported for point, exported in zip(points, made, strict=True)}
    about = f"{metadata['model']}: {', '.join(metadata['experiments'])}, one patch for each value of {label} [{likelihood.nonlinear[label].unit}]"
    extra = {"cevnsfit": plain(metadata)}
    patches = histfactory.patchset(base, by_value, label, description=about, record=record, extra=extra)
    validate(base, "workspace")
    validate(patches, "patchset")
    return Workspaces(base, patches, metadata)


def _centres(joint: Joint, data: Data, constraints: Constraints) -> NDArray[np.float64]:
    """Return the centres of all constraints, shape (n,); CevnsfitError unless those that are given are unit normals, which is all a workspace knows."""
    rows = zip(constraints.names, np.eye(len(constraints.names)) != constraints.covariance, strict=True)
    unlike = [name for name, row in rows if row.any() or name not in joint.parameters or not joint.parameters[name].constrained]
    if unlike:
        message = (
            "a workspace of pyhf knows no correlations, and of a normsys or histosys a unit normal around any centre alone: the constraint of "
            f"{', '.join(unlike)} is none; `--to hs3` takes it"
        )
        raise CevnsfitError(message)
    given = dict(zip(constraints.names, constraints.centres.tolist(), strict=True))
    return np.array([given.get(name, centre) for name, centre in zip(joint.parameters.names, data.aux.tolist(), strict=True)])


def _held(likelihood: Likelihood, at: Mapping[str, float] | None) -> dict[str, float]:
    """Return the held parameters of a likelihood whose data the model can make."""
    require_possible(likelihood.at({}), likelihood.axes)
    return {} if at is None else {name: float(value) for name, value in at.items()}


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.unique(np.asarray(values, dtype=np.float64))
    if not 1 <= len(array) <= 1000:
        message = f"a patchset takes 1 to 1000 values, got {len(array)}"
        raise CevnsfitError(message)
    return array


def _about_couplings(likelihood: Likelihood, exported: histfactory.Exported) -> dict[str, Any]:
    names = dict.fromkeys(name for powers in exported.monomials.values() for name in powers)
    fields = ("default", "lower", "upper", "least", "unit", "scale", "fixed", "description")
    return {name: {key: getattr(likelihood.parameters[name], key) for key in fields} for name in names}


def _about_workspace(exported: histfactory.Exported, frozen: Frozen | None) -> dict[str, Any]:
    """Return how to read a workspace, and what it does not hold."""
    notes = ["a nonlinear parameter (mass, radius) has one value in a workspace; other values are other workspaces or patches", _POSITIVE]
    if any(powers != {name: 1} for name, powers in exported.monomials.items()):
        notes.append(_MONOMIALS)
    if any(channel["name"].endswith("_control") for channel in exported.spec["channels"]):
        notes.append("a background measured in a control region has one shapefactor a bin; cevnsfit profiles it in closed form")
    if exported.without_effect:
        notes.append(f"constrained parameters that change no template have no counterpart: {', '.join(exported.without_effect)}")
    if frozen is not None:
        notes.append(str(frozen))
    return {
        "normfactors": exported.monomials,
        **({} if frozen is None else {"frozen": plain(frozen)}),
        "modifier_settings": histfactory.INTERPOLATION,
        "not_expressed": notes,
        "constants": "-2 ln L of pyhf minus that of cevnsfit = sum 2 (n - n ln n + ln n!) over all bins + ln(2 pi) for each constrained parameter",
    }


def write_workspaces(made: Workspaces, path: Path) -> tuple[Path, ...]:
    """Write a workspace with the files beside it: FILE.json, FILE.metadata.json and, where there are patches, FILE.patchset.json.

    A path that does not end in .json is a folder, for workspace.json.
    """
    main = path if path.suffix == ".json" else path / "workspace.json"
    documents = {main: made.base, companion(main, "metadata"): plain(made.metadata)}
    if made.patches is not None:
        documents[companion(main, "patchset")] = made.patches
    return tuple(write_document(file, values) for file, values in documents.items())


@on_one_thread
def hs3(likelihood: Likelihood, *, at: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return a likelihood at fixed nonlinear parameters as an HS3 document, in which the couplings float.

    Parameters
    ----------
    at
        Held parameters, as in `workspaces`.
    """
    made = workspaces(likelihood, at=at, block=True)
    return hs3_document(made.base, {**made.metadata, **_about_hs3(made)})


def _about_hs3(made: Workspaces) -> dict[str, Any]:
    """Return how an HS3 document differs from cevnsfit's likelihood, in place of what is said of a workspace."""
    mine = [note for note in made.metadata["not_expressed"] if note not in (_POSITIVE, _MONOMIALS)]
    return {
        "not_expressed": [
            *mine,
            *([_RATIO] if "constraints" in made.metadata else []),
            "expected counts below 0, or 0 where events were seen: -2 ln L is infinite in cevnsfit, NaN in pyhs3",
            "bins in which nothing is expected at any parameters and nothing was seen are left out; bins lists those that are kept, in C order",
            "the axes of a channel are replaced by the number of the bin",
        ],
        "constants": made.metadata["constants"].replace("pyhf", "pyhs3"),
    }


@on_one_thread
def simplified(likelihood: Likelihood, ends: tuple[float, float], *, at: Mapping[str, float] | None = None) -> Simplified:
    """Return Delta chi2 over the mass and the coupling of a mediator as a table that numpy alone can interpolate.

    Parameters
    ----------
    ends
        Smallest and largest mass in MeV.
    at
        Other held parameters.

    Raises
    ------
    CevnsfitError
        If the model has no mass, or not exactly one coupling on a logarithmic scale.
    """
    held = _held(likelihood, at)
    joint_at(likelihood, held)
    couplings = [p for p in likelihood.parameters if p.kind == "polynomial" and p.scale == "log" and not p.fixed]
    if "mass" not in likelihood.nonlinear or len(couplings) != 1 or {"mass", couplings[0].name} & set(held):
        own = ", ".join(p.name for p in likelihood.parameters if p.kind != "nuisance" and not p.fixed and p.name not in held)
        message = f"a simplified likelihood is made over the mass and the coupling of a mediator; this one has other free parameters: {own}"
        raise CevnsfitError(message)
    mass, name = likelihood.nonlinear["mass"], couplings[0].name
    for end in ends:
        mass.checked(end)
    data = observed_or_asimov(likelihood.at({}))
    joint, values = joint_at(likelihood, {**held, "mass": ends[0]})
    standard = profile(joint, {key: np.array([value]) for key, value in {**values, name: 0.0}.items()}, data=data)
    curves = _Curves(likelihood, held, name, data, standard.theta[0])
    best = min(curves.minimum(float(x)) for x in np.geomspace(*ends, 25))
    metadata = {
        **about_likelihood(likelihood, held),
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
        return joint_at(self.likelihood, {**self.held, "mass": mass})

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
        curve = column(joint, self.name, grid, at=values, data=self.data, start=self.start)
        place = int(np.argmin(curve.nll2))
        return float(curve.nll2[place]), float(curve.values[place]), mass
