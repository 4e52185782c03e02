"""Scans of a plane of two parameters, resumable, with their regions."""

from __future__ import annotations

import dataclasses
import functools
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.grid import GridColumn, assemble, column_intervals, levels_of, located, plane_start, rebuilds, region, scan_column
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.io.description import plain, unlike
from cevnsfit.io.layouts import axes_of, load_columns, open_scan, read_scan, save_column
from cevnsfit.studies.identity import made_from
from cevnsfit.studies.parts import Part, load_parts
from cevnsfit.studies.setup import Analysis, Pinned, analysis_from, build, build_pinned, caveat, check_floating, data_or_asimov, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.infer.planes import Interval
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.likelihood import Likelihood

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A finished plane that can still give regions.

    Attributes
    ----------
    plane
        The profiled grid.
    columns
        Its columns with their minima.
    likelihood
        The likelihood, for the refinement of boundaries.
    at
        Held parameters.
    analysis
        What the likelihood was built from, for worker processes; None for a likelihood that was handed over.
    digest
        Of the files that were read for it.
    """

    plane: Plane
    columns: tuple[GridColumn, ...]
    likelihood: Likelihood
    at: Mapping[str, float]
    analysis: Analysis | None = None
    digest: str = ""

    def regions(self, cl: float = 0.90, dof: int = 2) -> Region:
        """Return the allowed region of one confidence level."""
        return self.all_regions([(cl, dof)])[0]

    @on_one_thread
    def all_regions(self, confidence: Sequence[tuple[float, int]], executor: Executor | None = None) -> tuple[Region, ...]:
        """Return the allowed region of each (cl, dof); the numbers do not depend on the executor."""
        levels = levels_of(self.plane, confidence)
        axes = (self.plane.x, self.plane.y)
        if executor is None or self.analysis is None:
            setting = prepare_columns(self.likelihood, axes, self.at)
            by_column = [_intervals(setting, axes, i, finished, levels, self.at) for i, finished in enumerate(self.columns)]
        else:
            pinned = Pinned(self.analysis, self.digest)
            tasks = [
                executor.submit(intervals_task, pinned, axes, i, finished, levels, dict(self.at)) for i, finished in enumerate(self.columns)
            ]
            by_column = [task.result() for task in tasks]
        alike = not rebuilds(self.likelihood, self.plane.x)
        return tuple(
            region(self.plane, self.columns, [entry[k] for entry in by_column], cl, dof, alike=alike)
            for k, (cl, dof) in enumerate(confidence)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What all columns of a plane share.

    Attributes
    ----------
    likelihood
        The likelihood.
    data
        Its data set, Asimov where there is none.
    start
        Where the profiles start, shape (n,).
    """

    likelihood: Likelihood
    data: Data
    start: NDArray[np.float64]


def prepare_columns(likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], at: Mapping[str, float]) -> Setting:
    """Return what all columns of a plane share."""
    data = data_or_asimov(likelihood)
    return Setting(likelihood, data, plane_start(likelihood, axes, at=at, data=data))


def plane_axes(likelihood: Likelihood, grid: Mapping[str, ArrayLike]) -> tuple[PlaneAxis, PlaneAxis]:
    """Return the axes of a grid of two parameters; a nonlinear parameter becomes the first.

    Raises
    ------
    CevnsfitError
        Unless there are two parameters with increasing values inside their domains, at most one of them a nonlinear parameter.
    """
    if len(grid) != 2:
        message = f"a scan needs two parameters, got {len(grid)} ({', '.join(grid)})"
        raise CevnsfitError(message)
    axes = []
    for name, given in grid.items():
        parameter = likelihood.parameters[name]
        values = np.asarray(given, dtype=np.float64)
        if values.ndim != 1 or len(values) < 3 or not np.all(np.diff(values) > 0):
            message = f"{name}: a grid needs at least three increasing values"
            raise CevnsfitError(message)
        for end in (values[0], values[-1]):
            parameter.checked(float(end))
        ratios = np.diff(np.log(values)) if values[0] > 0 else np.array([0.0, 1.0])
        scale = "log" if np.allclose(ratios, ratios[0], rtol=1e-6) else "linear"
        axes.append((parameter.kind, PlaneAxis(name, parameter.unit, values, "log" if scale == "log" else "linear")))
    axes.sort(key=lambda entry: entry[0] != "nonlinear")
    if axes[1][0] == "nonlinear":
        message = f"{axes[0][1].name} and {axes[1][1].name} both rebuild the templates; scan one of them with a coupling"
        raise CevnsfitError(message)
    return axes[0][1], axes[1][1]


def check_held(axes: tuple[PlaneAxis, PlaneAxis], at: Mapping[str, float]) -> None:
    """Raise CevnsfitError if a parameter is both scanned and held."""
    both = [axis.name for axis in axes if axis.name in at]
    if both:
        message = f"{', '.join(both)} cannot be both scanned and held"
        raise CevnsfitError(message)


def _check_profiled(likelihood: Likelihood, names: Sequence[str]) -> None:
    """Raise CevnsfitError if a parameter that rebuilds the templates is to be profiled."""
    shapes = [name for name in names if likelihood.parameters[name].kind == "nonlinear"]
    if shapes:
        message = f"{', '.join(shapes)} rebuilds the templates and cannot be profiled in a plane; scan it or hold it (--at)"
        raise CevnsfitError(message)


@on_one_thread
def scan(likelihood: Likelihood, /, *, at: Mapping[str, float] | None = None, **grid: ArrayLike) -> Scan:
    """Return the profiled plane of two parameters given as `name=values`, for example mass=..., g=...

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    at
        Parameters held at other values than their defaults.
    grid
        The two parameters and their increasing values.
    """
    held = {} if at is None else dict(at)
    axes = plane_axes(likelihood, grid)
    check_held(axes, held)
    setting = prepare_columns(likelihood, axes, held)
    columns = tuple(_column(setting, axes, index, held) for index in range(len(axes[0].values)))
    names = tuple(channel.name for channel in likelihood.at({}).channels)
    plane = located(assemble(" + ".join(names), names, "", axes, columns), likelihood, at=held, data=setting.data, start=setting.start)
    return Scan(plane, columns, likelihood, held)


def describe(
    parts: Sequence[Part],
    loaded: Mapping[str, Sequence[Experiment]],
    likelihoods: Sequence[Likelihood],
    axes: tuple[PlaneAxis, PlaneAxis],
    at: Mapping[str, float],
) -> dict[str, Any]:
    """Return what identifies a scan: names, changes, grids, and what its numbers depend on."""
    experiments = [experiment for part in parts for experiment in loaded[part.label]]
    by_label = {part.label: likelihood for part, likelihood in zip(parts, likelihoods, strict=True)}
    points = [{**at, **{axis.name: float(axis.values[place * (len(axis.values) - 1) // 2]) for axis in axes}} for place in range(3)]
    return {
        "parts": [{"label": part.label, **dataclasses.asdict(part.analysis)} for part in parts],
        "at": dict(at),
        "grid": {axis.name: [float(axis.values[0]), float(axis.values[-1]), len(axis.values), axis.scale] for axis in axes},
        **made_from([part.analysis for part in parts], experiments, by_label, points),
    }


@on_one_thread
def run_scan(
    parts: Sequence[Part],
    grid: Mapping[str, ArrayLike],
    folder: Path,
    *,
    at: Mapping[str, float] | None = None,
    loaded: Mapping[str, Sequence[Experiment]] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Scan, ...]:
    """Return the scans of several planes, stored column by column in `folder` and continued where a former run stopped.

    Parameters
    ----------
    parts
        The planes, see `parts_of`; they share model parameters and grid.
    grid
        Two parameters and their values.
    folder
        Where the store lies or will lie.
    at
        Held parameters.
    loaded
        The experiments of each part by its label, from `load_parts`, when they are read already.
    executor
        Where columns are computed; this process by default. The numbers do not depend on it.
    progress
        Called with (finished, all) columns.

    Returns
    -------
    One scan for each part, in order.
    """
    held = {} if at is None else dict(at)
    loaded = load_parts(parts) if loaded is None else loaded
    likelihoods = [build(part.analysis, loaded[part.label]) for part in parts]
    axes = plane_axes(likelihoods[-1], grid)
    check_held(axes, held)
    check_floating(parts[-1].analysis, (*held, *grid))
    _check_profiled(likelihoods[-1], parts[-1].analysis.floating)
    labels = tuple(part.label for part in parts)
    pinned = [Pinned(part.analysis, digest_of(loaded[part.label])) for part in parts]
    with open_scan(folder, describe(parts, loaded, likelihoods, axes, held), labels, axes) as store:
        known = {label: list(load_columns(store, label)) for label in labels}
        missing = [(n, i) for n, label in enumerate(labels) for i, column in enumerate(known[label]) if column is None]
        everything = len(labels) * len(axes[0].values)
        done = everything - len(missing)
        if progress is not None:
            progress(done, everything)
        tasks = [(n, i, pinned[n]) for n, i in missing]
        for n, i, column in _columns(tasks, likelihoods, axes, held, executor):
            save_column(store, labels[n], i, column)
            known[labels[n]][i] = column
            done += 1
            if progress is not None:
                progress(done, everything)
    finished = {label: [column for column in columns if column is not None] for label, columns in known.items()}
    return tuple(
        _scan(entry, part.label, likelihood, axes, finished[part.label], held)
        for entry, part, likelihood in zip(pinned, parts, likelihoods, strict=True)
    )


def _scan(
    pinned: Pinned,
    label: str,
    likelihood: Likelihood,
    axes: tuple[PlaneAxis, PlaneAxis],
    columns: Sequence[GridColumn],
    at: Mapping[str, float],
) -> Scan:
    analysis = pinned.analysis
    names = tuple(channel.name for channel in likelihood.at({}).channels)
    setting = prepare_columns(likelihood, axes, at)
    plane = assemble(label, names, analysis.model, axes, columns, caveat(analysis))
    best = located(plane, likelihood, at=at, data=setting.data, start=setting.start)
    return Scan(best, tuple(columns), likelihood, at, analysis, pinned.digest)


def _columns(
    tasks: Sequence[tuple[int, int, Pinned]],
    likelihoods: Sequence[Likelihood],
    axes: tuple[PlaneAxis, PlaneAxis],
    at: Mapping[str, float],
    executor: Executor | None,
) -> Iterator[tuple[int, int, GridColumn]]:
    """Yield (plane, column, result) as they finish."""
    if executor is None:
        settings = {n: prepare_columns(likelihoods[n], axes, at) for n in sorted({n for n, _, _ in tasks})}
        for n, i, _ in tasks:
            yield n, i, _column(settings[n], axes, i, at)
        return
    pending = {executor.submit(column_task, pinned, axes, i, dict(at)): (n, i) for n, i, pinned in tasks}
    try:
        for future in as_completed(pending):
            yield (*pending[future], future.result())
    finally:
        for future in pending:
            future.cancel()


def column_task(pinned: Pinned, axes: tuple[PlaneAxis, PlaneAxis], index: int, at: Mapping[str, float]) -> GridColumn:
    """Return one column in a worker process, which settles what the columns share once."""
    x, y = axes
    return _column(_settled(pinned, (x.name, float(x.values[0])), y.name, tuple(at.items())), axes, index, at)


@functools.lru_cache(maxsize=8)
def _settled(pinned: Pinned, first: tuple[str, float], second: str, at: tuple[tuple[str, float], ...]) -> Setting:
    axes = (PlaneAxis(first[0], "", np.array([first[1]]), "linear"), PlaneAxis(second, "", np.empty(0), "linear"))
    return prepare_columns(build_pinned(pinned), axes, dict(at))


def _column(setting: Setting, axes: tuple[PlaneAxis, PlaneAxis], index: int, at: Mapping[str, float]) -> GridColumn:
    return scan_column(setting.likelihood, axes, index, at=at, data=setting.data, start=setting.start)


def intervals_task(
    pinned: Pinned,
    axes: tuple[PlaneAxis, PlaneAxis],
    index: int,
    finished: GridColumn,
    levels: tuple[float, ...],
    at: Mapping[str, float],
) -> tuple[tuple[Interval, ...], ...]:
    """Return the allowed intervals of one column in a worker process."""
    x, y = axes
    return _intervals(_settled(pinned, (x.name, float(x.values[0])), y.name, tuple(at.items())), axes, index, finished, levels, at)


def _intervals(
    setting: Setting,
    axes: tuple[PlaneAxis, PlaneAxis],
    index: int,
    finished: GridColumn,
    levels: tuple[float, ...],
    at: Mapping[str, float],
) -> tuple[tuple[Interval, ...], ...]:
    return column_intervals(setting.likelihood, axes, index, finished, levels, at=at, start=setting.start, data=setting.data)


@on_one_thread
def stored_scans(folder: Path) -> tuple[Scan, ...]:
    """Return the scans of a finished store, rebuilt from the inputs it names.

    Raises
    ------
    ResultError
        If columns are missing, or the inputs are no longer those of the scan.
    """
    store = read_scan(folder)
    known = store.analysis
    try:
        parts = tuple(Part(str(entry["label"]), analysis_from(entry)) for entry in known["parts"])
        at, inputs = {str(name): float(value) for name, value in known["at"].items()}, known["inputs"]
    except (KeyError, TypeError, ValueError, AttributeError):
        message = f"{store.path}: the description of the analysis is not that of a scan; remove the folder to start anew"
        raise ResultError(message) from None
    axes = axes_of(store)
    loaded = load_parts(parts)
    if {experiment.name: experiment.digests for part in parts for experiment in loaded[part.label]} != inputs:
        message = f"{store.path}: the experiments have changed since this scan was made"
        raise ResultError(message)
    likelihoods = [build(part.analysis, loaded[part.label]) for part in parts]
    now = plain(describe(parts, loaded, likelihoods, axes, at))
    found = unlike({**known, "version": now["version"]}, now)
    if found:
        message = f"{store.path}: what this scan was made with has changed ({found})"
        raise ResultError(message)
    scans = []
    for part, likelihood in zip(parts, likelihoods, strict=True):
        columns = load_columns(store, part.label)
        finished = [column for column in columns if column is not None]
        if len(finished) < len(columns):
            missing = len(columns) - len(finished)
            message = (
                f"{store.path}: {missing} of {len(columns)} columns of '{part.label}' are missing; run the same scan again to finish it"
            )
            raise ResultError(message)
        pinned = Pinned(part.analysis, digest_of(loaded[part.label]))
        scans.append(_scan(pinned, part.label, likelihood, axes, finished, at))
    return tuple(scans)
