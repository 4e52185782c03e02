"""The scan of superpartners and a light boson that explain two magnetic moments, and the CEvNS limits that go with it."""

from __future__ import annotations

import functools
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import About, Document, plain
from cevnsfit.core.errors import DomainError, ResultError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import VERSION
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.description import unlike
from cevnsfit.io.layouts import kept_chunks, load_points, open_points, read_points, save_points
from cevnsfit.moments.decays import LSP_KINDS
from cevnsfit.moments.ranges import Range
from cevnsfit.moments.sleptons import CHUNK, CODES, COLUMNS, COUNTS, Draw, shipped_maps, slepton_log, susy_chunk
from cevnsfit.spec.catalog import located
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.setup import build, lagrangian_of
from cevnsfit.studies.susy_inputs import MODEL, SusyInputs, draw_of, experiments_of, names_of
from cevnsfit.studies.workers import executing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.moments.sleptons import KeptPoints
    from cevnsfit.studies.workers import Progress, Workers


_MOST: Final = 1_000_000_000
"""Most points of a scan."""

LONGEST: Final = 1.0
"""Longest lifetime in s that leaves the early universe alone: nucleosynthesis begins then."""

_CHARGED: Final = ("charged slepton", "chargino")


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SusyScan(Document):
    """The points of a scan whose sleptons explain the electron's moment, and with some boson that passes the muon's.

    Attributes
    ----------
    columns
        Values of the kept points by name (`COLUMNS`), shape (n,) each.
    tried
        How many points were drawn.
    physical, electron_explained
        How many of these have no tachyon and nothing charged that is too light, and how many of those explain the electron.
    kept_without_boson, kept_ranges
        How many of the latter explain the muon by sleptons alone, and with some boson of the ranges, whatever the limits.
    smallest_hierarchy_ranges
        The smallest hierarchy of the last ones, NaN without any.
    draw
        What was asked.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **{key: key for key in ("kept", "kept_drawn", "kept_alive", "smallest_hierarchy", "ranges", "lsp", "lhc", "bbn", "compatible")},
        "correlations": "correlations",
        **{key: f"draw.{key}" for key in ("sigmas", "electron", "muon", "seed", "signs")},
        "drawn_within": "draw.ranges",
        "boson": "draw.window",
        "columns": "names",
        "slepton_log": "slepton_logs",
        "draw": None,
    }

    columns: Mapping[str, Floats]
    tried: int
    physical: int
    electron_explained: int
    kept_without_boson: int
    kept_ranges: int
    smallest_hierarchy_ranges: float
    draw: Draw

    @property
    def about(self) -> About:
        """Return the model of the boson with its Lagrangian, nothing without one."""
        return About(model=MODEL, lagrangian=lagrangian_of(MODEL)) if self.draw.window is not None else About()

    @property
    def kept(self) -> int:
        """Return how many points explain both moments with some boson that passes."""
        return len(self.columns["a_mu"])

    @property
    def kept_drawn(self) -> int:
        """Return how many of these do so with the boson that was drawn."""
        return int(self.columns["drawn"].sum())

    @property
    def neutral(self) -> Bools:
        """Return which kept points have a neutral lightest superpartner."""
        return np.asarray(~np.isin(self.columns["lsp"], [LSP_KINDS.index(kind) for kind in _CHARGED]))

    @property
    def alive(self) -> Bools:
        """Return which kept points have a neutral lightest superpartner, are not excluded by the LHC, and leave the early universe alone."""
        return np.asarray(self.neutral & ~(self.columns["lhc_ratio"] > 1.0) & ~(self.columns["lifetime"] > LONGEST))

    def within(self, sigmas: float) -> tuple[Bools, Bools]:
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
    def correlations(self) -> Floats:
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
        Number of processes, address of a Dask scheduler, or an executor; the results do not depend on it.
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
    if not 1 <= points <= _MOST or points % 1:
        message = f"the number of points is positive and whole, at most {_MOST:.0e}, got {points}"
        raise DomainError(message)
    asked = SusyInputs() if inputs is None else inputs
    draw = draw_of(asked)
    load = save = None
    with ExitStack() as stack:
        if store is not None:
            kept = stack.enter_context(open_points(Path(store), _identity(asked, draw)))
            load, save = functools.partial(load_points, kept), functools.partial(save_points, kept)
        executor = stack.enter_context(executing(workers))
        sizes = [min(CHUNK, int(points) - start) for start in range(0, int(points), CHUNK)]
        calls = [Call(susy_chunk, (draw, number, size), (number, size)) for number, size in enumerate(sizes)]
        return _scan_of(draw, Runner(executor, load, save, progress)(every(calls)))


def _scan_of(draw: Draw, chunks: Sequence[KeptPoints]) -> SusyScan:
    columns = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in COLUMNS}
    counts = {name: [chunk.counts[name] for chunk in chunks] for name in COUNTS}
    smallest = float(np.fmin.reduce(counts.pop("smallest_hierarchy_ranges")))
    return SusyScan(columns, **{name: int(sum(each)) for name, each in counts.items()}, smallest_hierarchy_ranges=smallest, draw=draw)


def _identity(inputs: SusyInputs, draw: Draw) -> dict[str, Any]:
    """Return what identifies a scan, all but the number of its points."""
    asked = {name: getattr(inputs, name) for name in SusyInputs.__slots__}
    signs = {f"{name.lower()}_sign": str(sign) if sign else "both" for name, sign in draw.signs.items()}
    return {
        "susy": plain({**asked, **signs, "ranges": draw.ranges, "boson_limits": names_of(inputs)}),
        "deviations": {found.lepton: [found.value, found.error] for found in (draw.electron, draw.muon)},
        "limits": plain(() if draw.window is None else draw.window.limits),
        "inputs": {experiment.name: dict(experiment.digests) for experiment in map(load_experiment, located(experiments_of(inputs)))},
        "codes": plain({**CODES, "lhc_analysis": [each.name for each in shipped_maps().maps]}),
        "chunk": CHUNK,
        "version": VERSION,
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
        store.refuse("a scan of superpartners")
    draw = draw_of(inputs)
    changed = unlike({**store.analysis, "version": VERSION}, plain(_identity(inputs, draw)))
    if changed:
        message = f"{store.path}: what this scan was made with has changed ({changed})"
        raise ResultError(message)
    kept = kept_chunks(store)
    chunks: list[KeptPoints] = []
    while (found := load_points(store, len(chunks))) is not None:
        chunks.append(found)
    if len(chunks) in kept:
        message = (
            f"{store.path}: chunk {len(chunks)} of the points is damaged or not whole; run the same scan again, which computes it again"
        )
        raise ResultError(message)
    if any(number > len(chunks) for number in kept):
        _log.warning(
            "%s: chunk %d of the points is missing, and those behind it are left out; run the same scan again", store.path, len(chunks)
        )
    if not chunks:
        message = f"{store.path}: no chunk of points is finished yet; run the same scan again to continue it"
        raise ResultError(message)
    return _scan_of(draw, chunks)


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
    analysis = Analysis(tuple(experiments), MODEL)
    likelihood = build(analysis)
    known: dict[float, Intervals] = {}
    for log in scan.slepton_logs.values():
        if log not in known:
            known[log] = intervals(likelihood, at={"mass": mass, "slepton_log": log}, cl=cl)
    return {name: known[log] for name, log in scan.slepton_logs.items()}
