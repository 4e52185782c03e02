"""The scan of superpartners and a light boson that explain two magnetic moments, and the CEvNS limits that go with it."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from scipy.interpolate import make_interp_spline

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import Document, plain
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError, UnknownNameError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.runner import Call, Runner, carrying, every
from cevnsfit.io.description import unlike
from cevnsfit.io.layouts import load_points, open_points, read_points, save_points, size_of
from cevnsfit.moments.boson_window import BosonLimit, boson_window, computed_limits
from cevnsfit.moments.decays import LSP_KINDS
from cevnsfit.moments.measured import deviation
from cevnsfit.moments.ranges import RANGES, SIGNS, UNITS, Range
from cevnsfit.moments.sleptons import CHUNK, COLUMNS, Draw, shipped_maps, slepton_log, susy_chunk
from cevnsfit.spec.catalog import experiment_names, located
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.grids import quantity
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.setup import build
from cevnsfit.studies.workers import executing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.moments.sleptons import KeptPoints
    from cevnsfit.studies.workers import Progress, Workers

    Array = NDArray[np.float64]

ALL: Final = "all"
NONE: Final = "none"
COMPUTED: Final = ("ccfr", "charm-ii", "borexino")
"""Limits on the boson that need no likelihood."""

LONGEST: Final = 1.0
"""Longest lifetime in s that leaves the early universe alone: nucleosynthesis begins then."""

_CEVNS_MASSES: Final = 13
_CEVNS_LOGS: Final = 5
_CHARGED: Final = ("charged slepton", "chargino")


@dataclass(frozen=True, slots=True, kw_only=True)
class SusyInputs:
    """What a scan of superpartners asks, as plain values.

    Attributes
    ----------
    ranges
        Where parameters are drawn that are not drawn as in `RANGES`: each a `Range` or a text "low:high[:log]", of a fixed value "value".
    mu_sign, m1_sign, m2_sign
        -1, 1 or "both".
    electron, electron_measured, muon, muon_measured
        Names of predictions and measurements.
    sigmas
        Largest distance from each deviation in errors.
    boson
        Whether there is a boson of L_mu - L_tau.
    boson_limits
        What it must pass: "all" (`COMPUTED`, and the experiments together), "none", or some of `COMPUTED` and names of experiments, each with its
        confidence level behind a colon where it is another one.
    experiments
        Experiments of CEvNS whose limit belongs to "all".
    cl
        Confidence level of the limits of CEvNS; those that are computed have 0.95.
    lightest_chargino, lightest_slepton
        Charginos, and charged sleptons, lighter than this in GeV are not physical.
    seed
        Of the points.
    """

    ranges: Mapping[str, Range | str] = field(default_factory=dict)
    mu_sign: int | str = SIGNS["mu"]
    m1_sign: int | str = SIGNS["M1"]
    m2_sign: int | str = SIGNS["M2"]
    electron: str = "electron-rb-2020"
    electron_measured: str = "electron-2023"
    muon: str = "muon-2025"
    muon_measured: str = "muon-2025"
    sigmas: float = 2.0
    boson: bool = True
    boson_limits: tuple[str, ...] = (ALL,)
    experiments: tuple[str, ...] = ()
    cl: float = 0.90
    lightest_chargino: float = 100.0
    lightest_slepton: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SusyScan(Document):
    """The points of a scan whose sleptons explain the electron's moment, and with some boson that passes the muon's.

    Attributes
    ----------
    columns
        Values of the kept points by name (`COLUMNS`), shape (n,) each.
    tried
        How many points were drawn.
    counts
        How many are physical, explain the electron, explain both without a boson, and with one within the ranges alone.
    smallest_hierarchy_ranges
        The smallest hierarchy of the latter, NaN without any.
    draw
        What was asked.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: key for key in ("physical", "electron_explained", "kept", "kept_drawn", "kept_alive", "kept_without_boson", "kept_ranges")},
        **{key: key for key in ("smallest_hierarchy", "ranges", "lsp", "lhc", "bbn", "compatible", "correlations")},
        **{key: f"draw.{key}" for key in ("sigmas", "electron", "muon", "seed", "signs")},
        "drawn_within": "draw.ranges",
        "boson": "draw.window",
        "columns": "names",
        "slepton_log": "slepton_logs",
        "counts": None,
        "draw": None,
    }

    columns: Mapping[str, Array]
    tried: int
    counts: Mapping[str, int]
    smallest_hierarchy_ranges: float
    draw: Draw

    @property
    def physical(self) -> int:
        """Return how many points have no tachyon and nothing charged that is too light."""
        return self.counts["physical"]

    @property
    def electron_explained(self) -> int:
        """Return how many physical points explain the electron."""
        return self.counts["electron_explained"]

    @property
    def kept_without_boson(self) -> int:
        """Return how many points explain both moments by sleptons alone."""
        return self.counts["kept_without_boson"]

    @property
    def kept_ranges(self) -> int:
        """Return how many points explain both moments with some boson of the ranges, whatever the limits."""
        return self.counts["kept_ranges"]

    @property
    def kept(self) -> int:
        """Return how many points explain both moments with some boson that passes."""
        return len(self.columns["a_mu"])

    @property
    def kept_drawn(self) -> int:
        """Return how many of these do so with the boson that was drawn."""
        return int(self.columns["drawn"].sum())

    @property
    def neutral(self) -> NDArray[np.bool_]:
        """Return which kept points have a neutral lightest superpartner."""
        return np.asarray(~np.isin(self.columns["lsp"], [LSP_KINDS.index(kind) for kind in _CHARGED]))

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Return which kept points have a neutral lightest superpartner, are not excluded by the LHC, and leave the early universe alone."""
        return np.asarray(self.neutral & ~(self.columns["lhc_ratio"] > 1.0) & ~(self.columns["lifetime"] > LONGEST))

    def within(self, sigmas: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which kept points explain both moments within so many errors, no more than those of the scan, with some boson; and with their own."""
        draw, columns = self.draw, self.columns
        electron = draw.electron.explains(columns["a_e"], sigmas)
        missing, reach = draw.muon.value - columns["a_mu"], sigmas * draw.muon.error
        own = draw.muon.explains(columns["a_mu"] + columns["a_boson"], sigmas) & (columns["drawn"] > 0.0)
        if draw.window is None:
            return electron & (np.abs(missing) <= reach), electron & own
        return electron & draw.window.explains(missing - reach, missing + reach, slepton_log(columns["stau_ratio"])), electron & own

    @property
    def kept_alive(self) -> int:
        """Return the number of kept points that are alive."""
        return int(self.alive.sum())

    @property
    def smallest_hierarchy(self) -> float:
        """Return the smallest m_smuon/m_selectron of the kept points, NaN without any."""
        return float(self.columns["hierarchy"].min()) if self.kept else np.nan

    @property
    def lsp(self) -> dict[str, float] | None:
        """Return the fractions of the kept points by the kind of the lightest superpartner; None without any."""
        if not self.kept:
            return None
        return {kind: float((self.columns["lsp"] == code).mean()) for code, kind in enumerate(LSP_KINDS)}

    @property
    def lhc(self) -> dict[str, Any] | None:
        """Return the fractions of the kept points that some map tests and excludes, the latter by the analysis that does so best; None without any."""
        if not self.kept:
            return None
        ratio, maps = self.columns["lhc_ratio"], shipped_maps()
        codes = self.columns["lhc_analysis"][ratio > 1.0].astype(np.int64)
        names, counts = np.unique([maps[code].analysis for code in codes], return_counts=True)
        return {
            "tested": float(np.isfinite(ratio).mean()),
            "excluded": float((ratio > 1.0).mean()),
            "by_analysis": {str(name): float(count / self.kept) for name, count in zip(names, counts, strict=True)},
            "fewer_muons": float(((ratio > 1.0) & (self.columns["lhc_fewer_muons"] > 0.0)).mean()),
            "cl": 0.95,
        }

    @property
    def bbn(self) -> dict[str, float] | None:
        """Return the fractions of the kept points in which a superpartner decays to the B'-ino, and does so after `LONGEST`; None without any."""
        if not self.kept:
            return None
        lifetime = self.columns["lifetime"]
        return {"relevant": float((~np.isnan(lifetime)).mean()), "excluded": float((lifetime > LONGEST).mean()), "longest": LONGEST}

    @property
    def compatible(self) -> dict[str, bool]:
        """Return which deviations are compatible with 0."""
        return {name: bool(found.explains(np.zeros(1), self.draw.sigmas)[0]) for name, found in self.deviations.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self.columns)

    @property
    def deviations(self) -> dict[str, Deviation]:
        """Return the deviations by lepton."""
        return {"e": self.draw.electron, "mu": self.draw.muon}

    @property
    def ranges(self) -> dict[str, dict[str, float]]:
        """Return smallest value, median and largest value of each column, without NaN; empty without points."""
        if not self.kept:
            return {}
        known = {name: x if np.isnan(x).all() else x[~np.isnan(x)] for name, x in self.columns.items()}
        return {name: {"min": float(x.min()), "median": float(np.median(x)), "max": float(x.max())} for name, x in known.items()}

    @property
    def correlations(self) -> Array:
        """Return Spearman's rank correlations, shape (columns, columns); NaN with fewer than three points, and for columns with equal values."""
        size = len(self.columns)
        if self.kept < 3:
            return np.full((size, size), np.nan)
        ranks = np.array([np.argsort(np.argsort(x)) for x in self.columns.values()], dtype=np.float64)
        ranks[[len(np.unique(x)) < len(x) for x in self.columns.values()]] = np.nan
        return np.asarray(np.corrcoef(ranks))

    @property
    def slepton_logs(self) -> dict[str, float]:
        """Return slepton_log of the smallest, median and largest m_stau/m_smuon."""
        return {key: float(slepton_log(np.array(value))) for key, value in self.ranges.get("stau_ratio", {}).items()}


# --- what is asked ------------------------------------------------------------------------------------------------------------------


def parse_range(name: str, text: str) -> Range:
    """Return the range of a parameter from "low:high", "low:high:log" or one value.

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
    ends, log = (text.removesuffix(":log"), True) if text.endswith(":log") else (text, False)
    parts = ends.split(":")
    units = {key: UNITS.get(key, "1") for key in RANGES}
    try:
        low, high = (quantity(name, part, units) for part in (parts[0], parts[-1]))
    except ValueError:
        parts = []
    if len(parts) not in {1, 2}:
        message = f"{name}: '{text}' should read LOW:HIGH, LOW:HIGH:log or one value, for example 1:100:log"
        raise CevnsfitError(message)
    try:
        return Range(low, high, log)
    except DomainError as error:
        message = f"{name}: {error}"
        raise DomainError(message) from None


def draw_of(inputs: SusyInputs) -> Draw:
    """Return what is drawn; errors are those of names, ranges and signs that do not suit."""
    asked = {name: parse_range(name, chosen) if isinstance(chosen, str) else chosen for name, chosen in inputs.ranges.items()}
    signs = {"M1": _sign(inputs.m1_sign), "M2": _sign(inputs.m2_sign), "mu": _sign(inputs.mu_sign)}
    deviations = deviation(inputs.electron_measured, inputs.electron), deviation(inputs.muon_measured, inputs.muon)
    for found, lepton in zip(deviations, ("e", "mu"), strict=True):
        if found.lepton != lepton:
            message = f"'{found.predicted}' is a moment of {found.lepton}, not of {lepton}"
            raise CevnsfitError(message)
    smallest = inputs.lightest_chargino, inputs.lightest_slepton
    draw = Draw(*deviations, None, {**RANGES, **asked}, signs, inputs.sigmas, inputs.seed, *smallest)
    if not inputs.boson:
        return draw
    stau = draw.ranges["stau_ratio"]
    low, high = slepton_log(np.array([stau.low, stau.high]))
    return replace(
        draw, window=boson_window(draw.ranges["boson_mass"], draw.ranges["boson_g"], (float(low), float(high)), boson_limits(inputs))
    )


def _sign(text: int | str) -> int:
    signs = {"-1": -1, "1": 1, "+1": 1, "both": 0}
    if str(text) not in signs:
        message = f"a sign is -1, 1 or both, not '{text}'"
        raise DomainError(message)
    return signs[str(text)]


def boson_limits(inputs: SusyInputs) -> dict[BosonLimit, Callable[[Array, Array], Array]]:
    """Return the limits on the boson that are asked for; CevnsfitError for a name or a confidence level that is none."""
    names = tuple(dict.fromkeys(inputs.boson_limits))
    if NONE in names and len(names) > 1:
        message = f"limits on the boson are 'none' or some, not {', '.join(names)}"
        raise CevnsfitError(message)
    found: dict[BosonLimit, Callable[[Array, Array], Array]] = {}
    for text in names:
        name, _, level = text.partition(":")
        try:
            cl = float(level) if level else None
        except ValueError:
            message = f"'{text}' should read NAME or NAME:CL, for example ccfr:0.9"
            raise CevnsfitError(message) from None
        threshold(0.95 if cl is None else cl, 1)
        computed = computed_limits(0.95 if cl is None else cl)
        if name == ALL:
            found |= computed
            found |= _cevns_limit(inputs.experiments, inputs.cl if cl is None else cl) if inputs.experiments else {}
        elif name in COMPUTED:
            found |= {limit: function for limit, function in computed.items() if limit.name == name}
        elif name != NONE:
            found |= _cevns_limit((_experiment(name),), inputs.cl if cl is None else cl)
    return found


def _experiment(name: str) -> str:
    if name not in experiment_names() and not Path(name).is_dir():
        kind = "limit on the boson"
        raise UnknownNameError(kind, name, (ALL, NONE, *COMPUTED, *experiment_names()))
    return name


def _cevns_limit(experiments: Sequence[str], cl: float) -> dict[BosonLimit, Callable[[Array, Array], Array]]:
    """Return the upper limit on g of the CEvNS data of some experiments."""
    threshold(cl, 1)
    limit = BosonLimit(" + ".join(experiments), cl, "CEvNS, profile likelihood, upper end of the allowed interval from g = 0")
    return {limit: functools.partial(_cevns_ceiling, tuple(experiments), cl)}


def _cevns_ceiling(experiments: tuple[str, ...], cl: float, masses: Array, logs: Array) -> Array:
    """Return the largest g at masses and slepton_log: of some of them, with splines of ln g (better than 1 %) between."""
    likelihood = build(Analysis(located(experiments), "lmu-ltau"))
    few = np.geomspace(masses[0], masses[-1], _CEVNS_MASSES) if len(masses) > 1 else masses
    mixings = np.linspace(logs[0, 0], logs[-1, 0], _CEVNS_LOGS) if len(logs) > 1 else logs[:, 0]
    ends = [[intervals(likelihood, at={"mass": mass, "slepton_log": log}, cl=cl).allowed for mass in few] for log in mixings]
    values = np.log([[allowed[0][1] if allowed else np.finfo(float).tiny for allowed in row] for row in ends])
    for axis, (nodes, wanted) in {1: (np.log(few), np.log(masses)), 0: (mixings, logs[:, 0])}.items():
        if len(nodes) > 1:
            values = make_interp_spline(nodes, values, axis=axis)(wanted)
    return np.asarray(np.exp(values))


# --- the scan -----------------------------------------------------------------------------------------------------------------------


@on_one_thread
def susy_scan(
    points: int = 1_000_000,
    inputs: SusyInputs | None = None,
    *,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> SusyScan:
    """Return the points whose sleptons explain the electron's moment, and together with some boson that passes its limits the muon's.

    Parameters
    ----------
    points
        How many to draw.
    inputs
        What is drawn and asked.
    store
        Folder in which finished chunks of points are kept: the same call continues a stopped one.
    workers
        Number of processes, address of a Dask scheduler, or an executor; the numbers do not depend on it.
    progress
        Called with (finished, all) chunks.

    Raises
    ------
    CevnsfitError
        If a name or a number does not suit.
    ResultError
        If the folder holds another scan.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> inputs = cf.moments.SusyInputs(electron_measured="electron-2008", electron="electron-cs-2018", muon="muon-2020", mu_sign=-1)
    >>> scan = cf.moments.susy_scan(20_000, inputs)
    >>> scan.kept > 300 and scan.kept_without_boson == 0
    True
    """
    if points < 1:
        message = f"the number of points is positive, got {points}"
        raise DomainError(message)
    asked = SusyInputs() if inputs is None else inputs
    draw = draw_of(asked)
    load = save = None
    with ExitStack() as stack:
        if store is not None:
            kept = stack.enter_context(open_points(Path(store), _identity(asked, draw)))
            load, save = functools.partial(load_points, kept), functools.partial(save_points, kept)
        executor = stack.enter_context(executing(workers))
        function = carrying(susy_chunk, draw, executor)
        sizes = [min(CHUNK, points - start) for start in range(0, points, CHUNK)]
        calls = [Call(function, (number, size), (number, size)) for number, size in enumerate(sizes)]
        return _scan_of(draw, Runner(executor, load, save, progress)(every(calls)), points)


def _scan_of(draw: Draw, chunks: Sequence[KeptPoints], tried: int) -> SusyScan:
    smallest = [chunk.counts["smallest_hierarchy_ranges"] for chunk in chunks]
    names = [name for name in chunks[0].counts if name != "smallest_hierarchy_ranges"]
    return SusyScan(
        {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in COLUMNS},
        tried,
        {name: int(sum(chunk.counts[name] for chunk in chunks)) for name in names},
        float(np.fmin.reduce(smallest)),
        draw,
    )


def _identity(inputs: SusyInputs, draw: Draw) -> dict[str, Any]:
    """Return what identifies a scan, all but the number of its points."""
    named = {name.partition(":")[0] for name in inputs.boson_limits}
    experiments = [*inputs.experiments, *sorted(named - {ALL, NONE, *COMPUTED})]
    return {
        "susy": plain({**{name: getattr(inputs, name) for name in SusyInputs.__slots__}, "ranges": draw.ranges}),
        "deviations": plain([draw.electron, draw.muon]),
        "limits": plain(() if draw.window is None else draw.window.limits),
        "inputs": {experiment.name: dict(experiment.digests) for experiment in map(load_experiment, located(experiments))},
        "chunk": CHUNK,
        "version": installed_version(),
    }


@on_one_thread
def stored_susy_scan(folder: str | Path) -> SusyScan:
    """Return a stored scan again, of the chunks that are finished before the first one that is not.

    Raises
    ------
    ResultError
        If there is none or nothing is finished, or what it was made with has changed.
    """
    store = read_points(Path(folder))
    try:
        known = dict(store.analysis["susy"])
        ranges = {name: Range(**ends) for name, ends in known["ranges"].items()}
        lists = {name: tuple(known[name]) for name in ("boson_limits", "experiments")}
        inputs = SusyInputs(**{**known, **lists, "ranges": ranges})
    except (KeyError, TypeError, ValueError, AttributeError):
        message = f"{store.path}: the description is not that of a scan of superpartners; remove the folder to start anew"
        raise ResultError(message) from None
    draw = draw_of(inputs)
    changed = unlike({**store.analysis, "version": installed_version()}, plain(_identity(inputs, draw)))
    if changed:
        message = f"{store.path}: what this scan was made with has changed ({changed})"
        raise ResultError(message)
    chunks: list[KeptPoints] = []
    tried = 0
    while (size := size_of(store, len(chunks))) and (found := load_points(store, len(chunks), size)) is not None:
        chunks.append(found)
        tried += size
    if not chunks:
        message = f"{store.path}: no chunk of points is finished yet; run the same scan again to continue it"
        raise ResultError(message)
    return _scan_of(draw, chunks, tried)


@on_one_thread
def hierarchy_limits(scan: SusyScan, experiments: Sequence[str], *, mass: float, cl: float = 0.90) -> dict[str, Intervals]:
    """Return the CEvNS intervals of g in L_mu - L_tau at the smallest, median and largest slepton_log of the kept points.

    Parameters
    ----------
    scan
        The kept points; without any the result is empty.
    experiments
        Names or folders.
    mass
        Of the boson in MeV.
    cl
        Confidence level, one degree of freedom.
    """
    analysis = Analysis(tuple(experiments), "lmu-ltau")
    likelihood = build(analysis)
    known: dict[float, Intervals] = {}
    for log in scan.slepton_logs.values():
        if log not in known:
            known[log] = intervals(likelihood, at={"mass": mass, "slepton_log": log}, cl=cl)
    return {name: known[log] for name, log in scan.slepton_logs.items()}
