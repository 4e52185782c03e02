"""The library of limits of others: computed ones, bands of magnetic moments, and tables of data/overlays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.core.paths import data_root, inside, is_file
from cevnsfit.infer.limit import UNBOUNDED, Limit
from cevnsfit.io.overlays import MASS_AND_COUPLING, read_overlay
from cevnsfit.moments.bands import moment_band
from cevnsfit.moments.measured import deviation, latest_deviation, moments
from cevnsfit.physics import borexino, early_universe, trident
from cevnsfit.physics.constants import FM
from cevnsfit.physics.interactions import model_names, models
from cevnsfit.physics.interactions.vector_mediators import lepton_charges
from cevnsfit.studies.setup import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.io.overlays import PlaneUnits

    Ends = tuple[float, float]

POINTS: Final = 401
"""Masses at which a limit is computed."""

OLD_NAMES: Final = {"neutrino-trident": "ccfr-trident"}

_GLASS: Final = 2.955 * FM  # rms charge radii of Si-28 and O-16, weighted by Z^2 in SiO2 (Angeli and Marinova 2013)
_NORMALISATION: Final = "L = g Z'_mu [q_l lbar gamma^mu l + q_l nubar_l gamma^mu P_L nu_l] with the charges of the model"
_CHOSEN: Final = "95 % CL (1.96 standard errors)"
_TRIDENT: Final = "nu N -> nu mu mu N in the equivalent-photon approximation; g is divided by the muon's charge"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KnownLimit(Document):
    """A limit or a band of the library.

    Attributes
    ----------
    name, title
        Name in the library, and on a picture.
    kind
        "computed", "band" or "table".
    models
        Models for which it is there.
    level
        Confidence level; of a computed limit that of its default.
    source, normalisation, made
        Papers, what the coupling multiplies, and how it was made.
    """

    document: ClassVar[Mapping[str, str | None]] = {"compute": None}

    name: str
    title: str
    kind: str
    models: tuple[str, ...]
    level: str
    source: str
    normalisation: str
    made: str
    compute: Callable[[str, Floats, float], Floats] | None = None


def library() -> dict[str, KnownLimit]:
    """Return the library by name."""
    found = {entry.name: entry for entry in (*_computed(), *map(_moment_band, moments("predictions")))}
    for path in sorted((data_root() / "overlays").glob("*.csv")):
        limit = read_overlay(path)
        name = path.stem.removeprefix(f"{limit.model}-")
        models = (*(found[name].models if name in found else ()), limit.model)
        found[name] = KnownLimit(name, limit.label, "table", models, limit.level, limit.source, limit.normalisation, limit.made)
    return found


def overlay(name: str | Path, model: str = "lmu-ltau", mass: Ends = (1.0, 1000.0), *, cl: float = 0.95, label: str | None = None) -> Limit:
    """Return a limit or a band in the plane of mass and coupling.

    Parameters
    ----------
    name
        A name of the library; PREDICTION or MEASUREMENT/PREDICTION of a magnetic moment; or a file, see docs/overlays.md.
    model
        The model of the plane.
    mass
        Smallest and largest mass in MeV.
    cl
        Confidence level of limits that are computed.
    label
        Its name; that of the library or in the file by default.

    Raises
    ------
    UnknownNameError
        If it is neither a name nor a file.
    CevnsfitError
        If the limit is one of other models, and not known for this one.

    Examples
    --------
    >>> limit = overlay("borexino", "lmu-ltau")
    >>> [(f"{low:.3g}", high) for low, high in limit.excluded(25.0)]
    [('0.000978', inf)]
    """
    if _is_file(name):
        return _of_file(Path(name), model, MASS_AND_COUPLING, label)
    chosen, known = OLD_NAMES.get(str(name), str(name)), library()
    if "/" in chosen:
        known[chosen] = _moment_band(chosen)
    if chosen not in known:
        what = "overlay"
        raise UnknownNameError(what, chosen, known)
    entry = known[chosen]
    if model not in entry.models:
        units_of(model)
        message = f"'{name}' is a limit in (mass, g) of the models {', '.join(entry.models)}; for {model} there is no exact recast"
        raise CevnsfitError(message)
    if entry.compute is None:
        return replace(read_overlay(data_root() / "overlays" / f"{model}-{chosen}.csv", label=label), name=chosen)
    if not (0.0 < mass[0] < mass[1] and 0.0 < cl < 1.0):
        message = f"masses are positive and increase, a confidence level is between 0 and 1; got {mass[0]:g} and {mass[1]:g} MeV, {cl:g}"
        raise DomainError(message)
    points = entry.compute(model, np.geomspace(*mass, POINTS), cl)
    title, level = entry.title if label is None else label, f"{100 * cl:g} % CL" if entry.level == _CHOSEN else entry.level
    kind: Literal["band", "limit"] = "band" if entry.kind == "band" else "limit"
    return Limit(title, points, kind, chosen, model, level, entry.source, entry.normalisation, entry.made)


def _of_file(path: Path, model: str, plane: PlaneUnits, label: str | None) -> Limit:
    """Return the limit of a file, CevnsfitError if it names another model than that of the plane."""
    found = read_overlay(path, plane, label)
    if found.model in model_names() and found.model != model:
        message = f"{path}: a limit in {found.model}; for {model} there is no exact recast"
        raise CevnsfitError(message)
    return found


def in_folder(name: str, folder: Path) -> str | Path:
    """Return what an analysis file in `folder` names: a limit of the library, or a file there; CevnsfitError for a file elsewhere."""
    return inside(folder, name) if _is_file(name) or is_file(folder / name) else name


def _is_file(name: str | Path) -> bool:
    return isinstance(name, Path) or Path(name).suffix.lower() in {".csv", ".lmt"} or is_file(Path(name))


# --- what is computed --------------------------------------------------------------------------------------------------------------


def _models(wanted: Callable[[Mapping[str, float]], bool]) -> tuple[str, ...]:
    """Return the models with fixed lepton charges that suit."""
    return tuple(name for name in model_names() if (charges := lepton_charges(name)) and wanted(charges))


def _computed() -> tuple[KnownLimit, ...]:
    muons, electrons = _models(lambda q: q["mu"] != 0.0), ("lmu-ltau", *_models(lambda q: q["e"] != 0.0))
    quoted = "as quoted in arXiv:1902.06765"
    return (
        KnownLimit(
            "ccfr-trident", "CCFR tridents", "computed", muons, _CHOSEN, f"sigma/sigma_SM = 0.82 +- 0.28, CCFR, Phys. Rev. Lett. 66, 3117 (1991), {quoted}",
            _NORMALISATION, f"{_TRIDENT}; neutrinos of 160 GeV on iron", _trident(trident.CCFR_RATIO),
        ),
        KnownLimit(
            "charm-ii-trident", "CHARM-II tridents", "computed", muons, _CHOSEN, f"sigma/sigma_SM = 1.58 +- 0.64, CHARM-II, Phys. Lett. B 245, 271 (1990), {quoted}",
            _NORMALISATION, f"{_TRIDENT}; neutrinos of 23.7 GeV (arXiv:1803.05466) on glass, one radius for silicon and oxygen", _trident((1.58, 0.64), 23.7e3, _GLASS),
        ),
        KnownLimit(
            "borexino", "Borexino 7Be", "computed", electrons, _CHOSEN, "46.0 +- 1.5 +1.6 -1.5 counts/(day 100 t), Phys. Rev. Lett. 107, 141302 (2011), arXiv:1104.1816",
            _NORMALISATION, "against 46.7 counts/(day 100 t) (high metallicity, without its error), P_ee = 0.51; electrons through the lepton loop in L_mu - L_tau", _borexino,
        ),
        KnownLimit(
            "n-eff", "N_eff, approximate", "computed", ("lmu-ltau",), "Delta N_eff < 0.28, 95 % CL (assumed)", "Planck 2018 (assumed, from memory); method of arXiv:1504.00711",
            _NORMALISATION, "a boson in equilibrium heats decoupled nu_mu and nu_tau; instantaneous decoupling at 1.5 MeV, so a line within some MeV and no sharp limit", _n_eff,
        ),
    )  # fmt: skip


def _trident(measured: Ends, *energy_and_radius: float) -> Callable[[str, Floats, float], Floats]:
    def compute(model: str, mass: Floats, cl: float) -> Floats:
        masses = np.geomspace(max(mass[0], trident.SMALLEST_MASS), mass[-1], len(mass))
        limit = trident.trident_limit(masses, trident.trident_spectrum(*energy_and_radius), cl=cl, measured=measured)
        return np.column_stack([masses, limit / abs(lepton_charges(model)["mu"])])

    return compute


def _borexino(model: str, mass: Floats, cl: float) -> Floats:
    if model == "lmu-ltau":
        return np.column_stack([mass, borexino.borexino_limit(mass, cl=cl)])
    return np.column_stack([mass, borexino.borexino_tree_limit(mass, lepton_charges(model), cl=cl)])


def _n_eff(_: str, mass: Floats, __: float) -> Floats:
    end = early_universe.smallest_mass()
    masses = np.append(mass[mass < end], end)
    low = early_universe.equilibrium_coupling(masses)
    return np.concatenate([np.column_stack([masses, low]), [[end, UNBOUNDED], [masses[0], UNBOUNDED], [masses[0], low[0]]]])


def _moment_band(name: str) -> KnownLimit:
    """Return the band of PREDICTION, or of MEASUREMENT/PREDICTION."""
    measured, _, predicted = name.rpartition("/")
    reference = deviation(measured, predicted) if measured else latest_deviation(predicted)
    if reference is None:
        message = "'none' is not a prediction"
        raise CevnsfitError(message)
    couplings = {model.name: (kind, charge) for model in models() for lepton, kind, charge in model.leptons if lepton == reference.lepton}
    given = reference

    def compute(model: str, mass: Floats, _: float) -> Floats:
        kind, charge = couplings[model]
        low, high = (np.column_stack([mass, end]) for end in moment_band(given, mass, kind, charge=charge))
        pieces = [piece for end in (low, high) for piece in (end[end[:, 1] > 0.0], np.full((1, 2), np.nan)) if len(piece)]
        return np.concatenate(pieces[:-1])

    title = f"(g - 2) of the {'electron' if reference.lepton == 'e' else 'muon'}, {name}"
    source = reference.label.replace("$", "").replace("\\", "")
    return KnownLimit(
        name, title, "band", tuple(couplings), "2 standard errors", source, _NORMALISATION, "one loop, see docs/physics.md", compute
    )


def plane_limit(source: str | Path, model: str, grid: Mapping[str, Floats], label: str | None = None) -> Limit:
    """Return a limit for the plane of a grid: a name of the library, or a file in the parameters of the plane; errors are those of `overlay`."""
    (x, horizontal), (y, vertical) = grid.items()
    if _is_file(source):
        units = units_of(model)
        found = _of_file(Path(source), model, ((x, units.get(x, "1")), (y, units.get(y, "1"))), label)
    elif (x, y) != ("mass", "g"):
        overlay(source, model)
        message = f"'{source}' is a limit in (mass, g); the plane is one of {x} and {y}"
        raise CevnsfitError(message)
    else:
        found = overlay(source, model, (float(horizontal[0]), float(horizontal[-1])), label=label)
    return found.inside((float(horizontal[0]), float(horizontal[-1])), (float(vertical[0]), float(vertical[-1])))


def labelled(text: str) -> tuple[str | None, str]:
    """Return label and source of NAME, FILE, LABEL=NAME or LABEL=FILE.

    Raises
    ------
    CevnsfitError
        If a label or what it stands for is missing.
    """
    label, equals, source = text.partition("=")
    if not equals or is_file(Path(text)):
        return None, text
    if not label or not source:
        message = f"'{text}' should read NAME, FILE, LABEL=NAME or LABEL=FILE"
        raise CevnsfitError(message)
    return label, source
