"""Stored results, opened again with their likelihoods; likelihoods that were exported."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import read_document
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.toys import CHUNK, Toys, run_chunk
from cevnsfit.io.exports.hs3 import read_hs3
from cevnsfit.io.exports.workspace import read_workspace
from cevnsfit.io.layouts import POSTERIOR, SCAN, SUSY, TOYS, kept_chunks, read_toys
from cevnsfit.io.store import store_exists
from cevnsfit.spec.workspaces import MAX_BYTES
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.infer.critical import CriticalValues
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.coverage import CoverageStudy
    from cevnsfit.studies.posterior import Posterior
    from cevnsfit.studies.scan import Scan
    from cevnsfit.studies.susy import SusyScan
    from cevnsfit.studies.toy_regions import ToyRegion

T = TypeVar("T")

_VERBS: Final = {
    "feldman-cousins": "intervals",
    "cls": "intervals",
    "discovery": "significance",
    "global-significance": "global_significance",
    "gof": "goodness",
    "compatibility": "compatibility",
    "coverage": "coverage",
    "feldman-cousins-region": "region",
    "critical-values": "critical_values",
}
"""The verb that keeps pseudo-experiments of each method."""


def open(
    folder: str | Path, plane: str | None = None
) -> Scan | Posterior | SusyScan | ToyRegion | CriticalValues | CoverageStudy | Intervals:
    """Return a stored result: a scan with its likelihood, built from the files that it names, a posterior, superpartners, or what toys say.

    Parameters
    ----------
    folder
        The `store` of a result, or the folder of the command `scan`, `run`, `posterior`, `susy-scan`, `region`, `coverage` or `intervals`; the scan
        where it holds several.
    plane
        Label of one plane of several; by default the last one of a combination of experiments, or the last one.

    Returns
    -------
    The finished scan; or the posterior, of the blocks that all ensembles have, with its default parameter of interest and intervals at 90 %; or the
    points of superpartners, of the chunks that are finished; or what its pseudo-experiments say.

    Raises
    ------
    ResultError
        If the folder holds none of them or no such plane, or the result is not finished, or its inputs have changed since. Pseudo-experiments of
        other studies are resumed by the verb that made them, which the error names.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> scan = cf.open("out/")  # doctest: +SKIP
    >>> scan.contour(cl=0.95).branches  # doctest: +SKIP
    """
    place = Path(folder)
    if not store_exists(place, SCAN):
        if plane is None and store_exists(place, POSTERIOR):
            from cevnsfit.studies.posterior import stored_posterior

            return stored_posterior(place)
        if plane is None and store_exists(place, SUSY):
            from cevnsfit.studies.susy import stored_susy_scan

            return stored_susy_scan(place)
        if plane is None and store_exists(place, TOYS):
            return _replayed(place)
        raise ResultError(_instead(place))
    scans = {scan.plane.label: scan for scan in stored_scans(place)}
    if plane is None:
        combined = [scan for scan in scans.values() if len(scan.plane.experiments) > 1]
        return (combined if combined else [*scans.values()])[-1]
    if plane not in scans:
        message = f"{folder}: holds no plane {plane!r}; there are {', '.join(scans)}"
        raise ResultError(message)
    return scans[plane]


_ASKED: Final[Mapping[object, tuple[str, ...]]] = {
    **dict.fromkeys(("feldman-cousins-region", "critical-values"), ("grid", "order")),
    "coverage": ("poi", "truths", "over"),
    **dict.fromkeys(("feldman-cousins", "cls"), ("poi",)),
}
"""What was asked for, of the methods whose results pseudo-experiments alone give again."""


class _Kept(ThreadPoolExecutor):
    """An executor of this process that makes no pseudo-experiments: what needs some that are not kept is not finished."""

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Return the finished future of any other call."""
        if function is run_chunk:
            message = "these pseudo-experiments are not finished; the same command continues them"
            raise ResultError(message)
        future: Future[T] = Future()
        future.set_result(function(*arguments, **options))
        return future


def _replayed(place: Path) -> ToyRegion | CriticalValues | CoverageStudy | Intervals:
    """Return the result of the pseudo-experiments in a folder, without any new ones; ResultError for those of other studies."""
    from cevnsfit.infer.coverage import PER_UNIT
    from cevnsfit.studies.coverage import coverage
    from cevnsfit.studies.critical_values import critical_values
    from cevnsfit.studies.limits import intervals
    from cevnsfit.studies.toy_regions import region

    store = read_toys(place)
    known, kept = store.analysis, kept_chunks(store)
    method = known.get("method")
    if method not in _ASKED or not kept:
        raise ResultError(_instead(place))
    try:
        analysis, seed, cl = Analysis.of(known), int(known["seed"]), known["cl"]
        plain = max(count for point, count in kept.items() if method != "coverage" or point % 2 == 0)
        shared: dict[str, Any] = {"at": analysis.held, "cl": cl, "toys": Toys(CHUNK * plain, seed), "store": place, "workers": _Kept()}
        asked = {name: known[name] for name in _ASKED[method]}
    except (KeyError, TypeError, ValueError, AttributeError):
        store.refuse("pseudo-experiments")
    likelihood = build(analysis)
    if method in {"feldman-cousins-region", "critical-values"}:
        plane = region if method == "feldman-cousins-region" else critical_values
        return plane(likelihood, ordering=asked["order"], **shared, **asked["grid"])
    if method == "coverage":
        nested = PER_UNIT * max((count for point, count in kept.items() if point % 2), default=0)
        return coverage(likelihood, asked["poi"], asked["truths"], nested=nested, over=asked["over"], **shared)
    return intervals(likelihood, asked["poi"], method=str(method), **shared)


def stored_map(folder: Path) -> CriticalValues | None:
    """Return the map of critical values in a folder, None if it holds something else."""
    if not store_exists(folder, TOYS) or read_toys(folder).analysis.get("method") != "critical-values":
        return None
    return cast("CriticalValues", _replayed(folder))


def load_likelihood(path: str | Path, *, patchset: str | Path | None = None, patch: str | None = None, measurement: str = "") -> Likelihood:
    """Return the likelihood of a file in a format of other tools: one that `export` wrote, or another pyhf workspace or HS3 document.

    Every verb works on it that does not need the experiments: the bins have no axes, and a store cannot say what it was made from.

    Parameters
    ----------
    path
        A workspace of pyhf, or an HS3 document. `FILE.metadata.json` beside a workspace says which of its parameters are powers of couplings.
    patchset, patch
        A patchset of the workspace, and the name of the patch to apply.
    measurement
        The measurement of a workspace, or the analysis of an HS3 document, that is meant where there are several.

    Raises
    ------
    ResultError
        If a file is not readable, too large, not valid, or holds what has no counterpart here.
    CevnsfitError
        If a patchset is given without a patch, a patch without a patchset, or either for an HS3 document.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.load_likelihood("likelihood/workspace.json")  # doctest: +SKIP
    >>> cf.fit(likelihood).nll2  # doctest: +SKIP
    """
    place = Path(path)
    hs3 = "distributions" in read_document(place, MAX_BYTES)
    if (patchset is None) != (patch is None) or (hs3 and patchset is not None):
        message = f"{place}: " + ("an HS3 document has no patches" if hs3 else "a patchset and the name of a patch belong together")
        raise CevnsfitError(message)
    likelihood = (
        read_hs3(place, measurement) if hs3 else read_workspace(place, None if patchset is None else Path(patchset), patch, measurement)
    )
    return replace(likelihood, profiler=profile_minima)


def _instead(folder: Path) -> str:
    """Return what a folder holds that is no scan, and what reads it."""
    if not folder.is_dir():
        return f"{folder}: no such folder"
    if store_exists(folder, POSTERIOR):
        return f"{folder}: holds a posterior, which has no planes"
    if store_exists(folder, TOYS):
        known = read_toys(folder).analysis
        verb, seed = _VERBS.get(str(known.get("method")), "intervals"), known.get("seed")
        call = f"cf.{verb}(likelihood, ..., toys=cf.Toys(number, seed={seed}), store={str(folder)!r})"
        return f"{folder}: holds pseudo-experiments; {call} resumes them and returns their result"
    return f"{folder}: no result is stored here (there is no {SCAN}.zarr)"
