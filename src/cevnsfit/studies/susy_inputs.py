"""What a scan of superpartners and of a light boson asks, and what the boson must pass."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.interpolate import make_interp_spline

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.infer.intervals import threshold
from cevnsfit.moments.boson_window import BosonLimit, boson_window
from cevnsfit.moments.measured import deviation
from cevnsfit.moments.ranges import RANGES, SIGNS, UNITS, Range
from cevnsfit.moments.sleptons import Draw, slepton_log
from cevnsfit.physics.borexino import borexino_limit
from cevnsfit.spec.catalog import experiment_names, located
from cevnsfit.studies.grids import quantity
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.overlays import library, overlay
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.boson_window import Ceiling
    from cevnsfit.studies.overlays import KnownLimit


ALL: Final = "all"
NONE: Final = "none"
MODEL: Final = "lmu-ltau"
COMPUTED: Final = ("ccfr-trident", "charm-ii-trident", "borexino")
"""Limits of the library that "all" stands for, with the experiments."""

_CEVNS_MASSES: Final = 13
_CEVNS_LOGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SusyInputs:
    """What a scan of superpartners asks, as plain values.

    Attributes
    ----------
    ranges
        Where parameters are drawn that are not drawn as in `RANGES`: each a `Range`, a text "low:high[:log]", or one value.
    mu_sign, m1_sign, m2_sign
        -1, 1 or "both".
    electron, electron_measured, muon, muon_measured
        Names of predictions and measurements.
    sigmas
        Largest distance from each deviation in errors.
    boson
        Whether there is a boson of L_mu - L_tau.
    boson_limits
        What it must pass: "all" (`COMPUTED`, and the experiments together), "none", or names of limits (`overlay`) and of experiments, of what is
        computed with its confidence level behind a colon where it is another one.
    experiments
        Experiments of CEvNS whose limit belongs to "all".
    cl
        Confidence level of the limits of CEvNS; those that are computed have 0.95.
    lightest_chargino, lightest_slepton
        Charginos, and charged sleptons, lighter than this in GeV are not physical.
    seed
        Of the points.
    """

    ranges: Mapping[str, Range | str | float] = field(default_factory=dict)
    mu_sign: int | str = SIGNS["mu"]
    m1_sign: int | str = SIGNS["M1"]
    m2_sign: int | str = SIGNS["M2"]
    electron: str = "electron-rb-2020"
    electron_measured: str = "electron-2023"
    muon: str = "muon-2025"
    muon_measured: str = "muon-2025"
    sigmas: float = 2.0
    boson: bool = True
    boson_limits: tuple[str, ...] | str = (ALL,)
    experiments: tuple[str, ...] = ()
    cl: float = 0.90
    lightest_chargino: float = 100.0
    lightest_slepton: float = 0.0
    seed: int = 0


def parse_range(name: str, text: Range | str | float) -> Range:
    """Return the range of a parameter, also from "low:high", "low:high:log" or one value.

    Raises
    ------
    UnknownNameError
        If there is no such parameter.
    CevnsfitError
        If the text is not of this form, or the range does not suit.
    """
    if name not in RANGES:
        kind = "parameter of the scan"
        raise UnknownNameError(kind, name, RANGES)
    if isinstance(text, Range):
        return text
    log = str(text).endswith(":log")
    parts = str(text).removesuffix(":log").split(":")
    try:
        low, high = (quantity(name, part, {name: UNITS.get(name, "1")}) for part in (parts[0], parts[-1]))
    except ValueError:
        parts = []
    if len(parts) not in {1, 2} or (log and len(parts) == 1):
        message = f"{name}: '{text}' should read LOW:HIGH, LOW:HIGH:log or one value, for example 1:100:log"
        raise CevnsfitError(message)
    try:
        return Range(low, high, log)
    except DomainError as error:
        message = f"{name}: {error}"
        raise DomainError(message) from None


def draw_of(inputs: SusyInputs) -> Draw:
    """Return what is drawn; errors are those of names, ranges and signs that do not suit."""
    asked = {name: parse_range(name, chosen) for name, chosen in inputs.ranges.items()}
    signs = {"M1": _sign(inputs.m1_sign), "M2": _sign(inputs.m2_sign), "mu": _sign(inputs.mu_sign)}
    deviations = deviation(inputs.electron_measured, inputs.electron), deviation(inputs.muon_measured, inputs.muon)
    for found, lepton in zip(deviations, ("e", "mu"), strict=True):
        if found.lepton != lepton:
            message = f"'{found.predicted}' is a moment of {found.lepton}, not of {lepton}"
            raise CevnsfitError(message)
    smallest = inputs.lightest_chargino, inputs.lightest_slepton
    draw = Draw(*deviations, None, {**RANGES, **asked}, signs, inputs.sigmas, inputs.seed, *smallest)
    if not inputs.boson:
        if names_of(inputs) not in {(ALL,), (NONE,)}:
            message = f"there is no boson that could pass {', '.join(names_of(inputs))}; give it ranges, or leave the limits out"
            raise CevnsfitError(message)
        return draw
    mass, g, stau = (draw.ranges[name] for name in ("boson_mass", "boson_g", "stau_ratio"))
    return replace(draw, window=boson_window(mass, g, slepton_log(np.array([stau.low, stau.high])), boson_limits(inputs)))


def _sign(text: int | str) -> int:
    signs = {"-1": -1, "1": 1, "+1": 1, "both": 0}
    if str(text) not in signs:
        message = f"a sign is -1, 1 or both, not '{text}'"
        raise DomainError(message)
    return signs[str(text)]


def boson_limits(inputs: SusyInputs) -> dict[BosonLimit, Ceiling]:
    """Return the limits on the boson that are asked for.

    Raises
    ------
    UnknownNameError
        If a name is neither that of a limit nor that of an experiment.
    CevnsfitError
        If a confidence level does not suit, or a limit is none in L_mu - L_tau.
    """
    names = names_of(inputs)
    if NONE in names and len(names) > 1:
        message = f"limits on the boson are 'none' or some, not {', '.join(names)}"
        raise CevnsfitError(message)
    known = library()
    found: dict[BosonLimit, Ceiling] = {}
    for text in (*(COMPUTED if ALL in names else ()), *names):
        name, _, level = text.partition(":")
        cl = None if not level else _level(text, level)
        if name in known:
            found |= _library_limit(known[name], cl)
        elif text == ALL:
            found |= _cevns_limit(inputs.experiments, inputs.cl) if inputs.experiments else {}
        elif name in experiment_names() or Path(name).is_dir():
            found |= _cevns_limit((name,), inputs.cl if cl is None else cl)
        elif text != NONE:
            kind = "limit on the boson"
            applicable = (each for each, entry in known.items() if entry.kind != "band" and "lmu-ltau" in entry.models)
            raise UnknownNameError(kind, name, (ALL, NONE, *applicable, *experiment_names()))
    return found


def names_of(inputs: SusyInputs) -> tuple[str, ...]:
    """Return what the boson must pass, by name, each once."""
    limits = inputs.boson_limits
    return (limits,) if isinstance(limits, str) else tuple(dict.fromkeys(limits))


def experiments_of(inputs: SusyInputs) -> tuple[str, ...]:
    """Return the experiments of CEvNS that the boson must pass."""
    known = {ALL, NONE, *library()}
    named = (text.partition(":")[0] for text in names_of(inputs))
    return (*(inputs.experiments if ALL in names_of(inputs) else ()), *(name for name in named if name not in known))


def _level(text: str, level: str) -> float:
    try:
        cl = float(level)
    except ValueError:
        message = f"'{text}' should read NAME or NAME:CL, for example ccfr-trident:0.9"
        raise CevnsfitError(message) from None
    threshold(cl, 1)
    return cl


def _library_limit(entry: KnownLimit, cl: float | None) -> dict[BosonLimit, Ceiling]:
    """Return a limit of the library; but for Borexino, what it assumes of the mixing is that of leptons alone."""
    fixed = entry.name not in COMPUTED
    if entry.kind == "band" or (cl is not None and fixed):
        trouble = "is a band and no limit" if entry.kind == "band" else f"has a confidence level of its own: {entry.level}"
        message = f"{entry.name} {trouble}"
        raise CevnsfitError(message)
    level = 0.95 if cl is None else cl
    if entry.name == "borexino":
        return {BosonLimit(entry.name, level, entry.source): lambda masses, logs: borexino_limit(masses, slepton_log=logs, cl=level)}
    if fixed:
        overlay(entry.name, MODEL)  # one of other models raises
    about = f"{entry.level}; {entry.source}; for the mixing that leptons alone make" if fixed else entry.source
    return {BosonLimit(entry.name, None if fixed else level, about): functools.partial(_lowest_edge, entry.name, level)}


def _lowest_edge(name: str, cl: float, masses: Floats, _: Floats) -> Floats:
    """Return the smallest excluded coupling at each mass, infinite where there is none."""
    limit = overlay(name, MODEL, (0.5 * float(masses[0]), 2.0 * float(masses[-1])), cl=cl)
    return np.array([next((low for low, _ in limit.excluded(float(mass))), np.inf) for mass in masses])


def _cevns_limit(experiments: Sequence[str], cl: float) -> dict[BosonLimit, Ceiling]:
    """Return the upper limit on g of the CEvNS data of some experiments."""
    threshold(cl, 1)
    limit = BosonLimit(" + ".join(experiments), cl, "CEvNS, profile likelihood, upper end of the first allowed interval")
    return {limit: functools.partial(_cevns_ceiling, tuple(experiments), cl)}


def _cevns_ceiling(experiments: tuple[str, ...], cl: float, masses: Floats, logs: Floats) -> Floats:
    """Return the largest g at masses and slepton_log: of some of them, with splines of ln g (better than 1 %) between."""
    likelihood = build(Analysis(located(experiments), MODEL))
    few = np.geomspace(masses[0], masses[-1], _CEVNS_MASSES) if len(masses) > 1 else masses
    mixings = np.linspace(logs[0, 0], logs[-1, 0], _CEVNS_LOGS) if len(logs) > 1 else logs[:, 0]
    ends = [[intervals(likelihood, at={"mass": mass, "slepton_log": log}, cl=cl).allowed for mass in few] for log in mixings]
    values = np.log([[allowed[0][1] if allowed else np.finfo(float).tiny for allowed in row] for row in ends])
    for axis, (nodes, wanted) in {1: (np.log(few), np.log(masses)), 0: (mixings, logs[:, 0])}.items():
        if len(nodes) > 1:
            values = make_interp_spline(nodes, values, axis=axis)(wanted)
    return np.asarray(np.exp(values))
