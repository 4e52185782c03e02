"""Scans of a plane of two parameters of any kind, resumable, with their regions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import Document, keys_of, plain
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.grid import Grid, GridColumn, assemble, column_intervals, grid_column, levels_of, prepare_grid, region, turned
from cevnsfit.infer.intervals import Level
from cevnsfit.infer.planes import Plane, PlaneAxis, Region, spacing
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.description import unlike
from cevnsfit.io.layouts import axes_of, labels_of, load_columns, open_scan, read_scan, save_column
from cevnsfit.studies.identity import made_from
from cevnsfit.studies.parts import Part, load_parts
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.setup import build, caveat, check_floating, load_experiments, require_digest
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import ArrayLike

    from cevnsfit.infer.planes import Interval
    from cevnsfit.io.store import Store
    from cevnsfit.stats.likelihood import Likelihood

    Axes = tuple[PlaneAxis, PlaneAxis]
    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PlaneTask:
    """A plane as plain values, from which a worker process makes it.

    Attributes
    ----------
    analysis
        What is fitted.
    digest
        Of all files of its experiments, see `studies.setup.digest_of`.
    axes
        The two parameters.
    """

    analysis: Analysis
    digest: str
    axes: Axes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scan(Document):
    """A finished plane that can still give regions.

    Attributes
    ----------
    plane
        The profiled grid, its axes in the order that was asked for.
    columns
        Its columns with their minima.
    grid
        What the columns share, for the refinement of boundaries.
    task
        What the likelihood was built from, for worker processes; None for a likelihood that was handed over.
    """

    document: ClassVar[Mapping[str, str | None]] = {"plane": None, "columns": None, "grid": None, "task": None, **keys_of(Plane, "plane")}

    plane: Plane
    columns: tuple[GridColumn, ...]
    grid: Grid
    task: PlaneTask | None = None

    def regions(self, cl: float = 0.90, dof: int = 2) -> Region:
        """Return the allowed region of one confidence level."""
        return self.all_regions([Level(cl, dof)])[0]

    @on_one_thread
    def all_regions(self, asked: Sequence[Level], executor: Executor | None = None) -> tuple[Region, ...]:
        """Return the allowed region of each confidence level; the numbers do not depend on the executor."""
        levels = levels_of(self.plane, asked)
        if executor is None or self.task is None or self.grid.sort == "points":
            by_column = [column_intervals(self.grid, i, finished, levels) for i, finished in enumerate(self.columns)]
        else:
            by_column = results(executor, intervals_task, [(self.task, i, finished, levels) for i, finished in enumerate(self.columns)])
        as_asked = self.plane.x == self.grid.axes[0]
        plane = self.plane if as_asked else self.plane.turned()
        found = [region(self.grid, plane, self.columns, [each[k] for each in by_column], level) for k, level in enumerate(asked)]
        return tuple(found if as_asked else [turned(each, self.plane.x, self.plane.y) for each in found])


def plane_axes(likelihood: Likelihood, grid: Mapping[str, ArrayLike]) -> Axes:
    """Return the axes of a grid of two parameters, in its order.

    Raises
    ------
    CevnsfitError
        Unless there are two parameters with increasing values.
    DomainError
        If a value lies outside its domain.
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
        axes.append(PlaneAxis(name, parameter.unit, values, spacing(values)))
    return axes[0], axes[1]


def check_held(axes: Axes, at: Mapping[str, float]) -> None:
    """Raise CevnsfitError if a parameter is both scanned and held."""
    both = [axis.name for axis in axes if axis.name in at]
    if both:
        message = f"{', '.join(both)} cannot be both scanned and held"
        raise CevnsfitError(message)


@on_one_thread
def scan(likelihood: Likelihood, /, *, at: Mapping[str, float] | None = None, **grid: ArrayLike) -> Scan:
    """Return the profiled plane of two parameters given as `name=values`, for example mass=..., g=...

    Parameters
    ----------
    likelihood
        From `likelihood_of`.
    at
        Parameters held at other values than their defaults.
    grid
        The two parameters and their increasing values; the first is drawn horizontally.
    """
    require_possible(likelihood.at({}), likelihood.axes)
    axes = plane_axes(likelihood, grid)
    held = {} if at is None else dict(at)
    check_held(axes, held)
    made = prepare_grid(likelihood, axes, at=held)
    return _scan(made, axes, [grid_column(made, index) for index in range(len(made.axes[0].values))])


def _scan(grid: Grid, asked: Axes, columns: Sequence[GridColumn], label: str = "", task: PlaneTask | None = None) -> Scan:
    """Return a finished plane, its axes in the order that was asked for."""
    origin = grid.likelihood.origin
    known = "" if origin is None else caveat(origin.holding(grid.at), free=[axis.name for axis in asked])
    expected = [channel.name for channel in grid.likelihood.at({}).channels if channel.observed is None]
    asimov = f"Asimov data of the Standard Model for {', '.join(expected)}" if expected else ""
    text = "; ".join(part for part in (known, asimov) if part)
    plane = assemble(grid, columns, label=label, model="" if origin is None else origin.model, caveat=text)
    return Scan(plane if grid.axes == asked else plane.turned(), tuple(columns), grid, task)


# --- stored scans ------------------------------------------------------------------------------------------------------------------


@on_one_thread
def run_scan(
    parts: Sequence[Part],
    grid: Mapping[str, ArrayLike],
    folder: Path,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Scan, ...]:
    """Return the scans of several planes, stored column by column in `folder` and continued where a former run stopped.

    Parameters
    ----------
    parts
        The planes, from `parts_of`; they share model parameters, grid and held parameters.
    grid
        Two parameters and their increasing values; the first is drawn horizontally.
    folder
        Where the columns are stored.
    executor
        Where columns are computed; this process by default. The numbers do not depend on it.
    progress
        Called with (finished, all) columns.

    Returns
    -------
    One scan for each part, in order.

    Raises
    ------
    CevnsfitError
        If a parameter is scanned and held or profiled.
    DomainError
        If a value lies outside its domain.
    ResultError
        If the folder holds another scan.
    """
    likelihoods = [build(part.analysis, part.experiments) for part in parts]
    asked = plane_axes(likelihoods[-1], grid)
    for part in parts:
        check_held(asked, part.analysis.held)
        check_floating(part.analysis.floating, part.analysis.held, grid)
    grids = [_grid(part.analysis, likelihood, asked) for part, likelihood in zip(parts, likelihoods, strict=True)]
    labels = tuple(part.label for part in parts)
    tasks = [PlaneTask(part.analysis, part.digest, asked) for part in parts]
    with open_scan(folder, describe(parts, grids, asked), labels, grids[-1].axes) as store:
        columns = _columns(store, tasks, grids, executor, progress)
    return tuple(_scan(grids[n], asked, columns[n], label, tasks[n]) for n, label in enumerate(labels))


def describe(parts: Sequence[Part], grids: Sequence[Grid], asked: Axes) -> dict[str, Any]:
    """Return what identifies a scan: names, changes, grids, and what its numbers depend on.

    `asked` are the axes in the order in which they are drawn, which is kept where it is not that of the columns.
    """
    analyses = [plain(part.analysis) for part in parts]
    held = [analysis.pop("at") for analysis in analyses]
    if any(other != held[-1] for other in held):
        message = "the planes of one scan hold the same parameters at the same values"
        raise CevnsfitError(message)
    axes, likelihoods = grids[-1].axes, {part.label: grid.likelihood for part, grid in zip(parts, grids, strict=True)}
    points = [{**held[-1], **{axis.name: float(axis.values[k * (len(axis.values) - 1) // 2]) for axis in axes}} for k in range(3)]
    return {
        "parts": [{"label": part.label, **analysis} for part, analysis in zip(parts, analyses, strict=True)],
        "at": held[-1],
        "grid": {axis.name: [float(axis.values[0]), float(axis.values[-1]), len(axis.values), axis.scale] for axis in axes},
        **({"drawn": [axis.name for axis in asked]} if asked != axes else {}),
        **made_from(
            [part.analysis for part in parts], [experiment for part in parts for experiment in part.experiments], likelihoods, points
        ),
    }


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
    axes = axes_of(store)
    try:
        analyses = {str(entry["label"]): Analysis.of({**entry, "at": known["at"]}) for entry in known["parts"]}
        inputs, turn = known["inputs"], "drawn" in known
    except (KeyError, TypeError, ValueError, AttributeError):
        message = f"{store.path}: the description of the analysis is not that of a scan; remove the folder to start anew"
        raise ResultError(message) from None
    parts = load_parts(analyses)
    asked = axes[::-1] if turn else axes
    if {experiment.name: experiment.digests for part in parts for experiment in part.experiments} != inputs:
        message = f"{store.path}: the experiments have changed since this scan was made"
        raise ResultError(message)
    grids = [_grid(part.analysis, build(part.analysis, part.experiments), asked) for part in parts]
    now = plain(describe(parts, grids, asked))
    found = unlike({**known, "version": now["version"]}, now)
    if found:
        message = f"{store.path}: what this scan was made with has changed ({found})"
        raise ResultError(message)
    scans = []
    for part, grid in zip(parts, grids, strict=True):
        columns = load_columns(store, part.label)
        finished = [column for column in columns if column is not None]
        if len(finished) < len(columns):
            missing = len(columns) - len(finished)
            message = (
                f"{store.path}: {missing} of {len(columns)} columns of '{part.label}' are missing; run the same scan again to finish it"
            )
            raise ResultError(message)
        scans.append(_scan(grid, asked, finished, part.label, PlaneTask(part.analysis, part.digest, asked)))
    return tuple(scans)


# --- columns, here and in worker processes -----------------------------------------------------------------------------------------


def _grid(analysis: Analysis, likelihood: Likelihood, axes: Axes) -> Grid:
    return prepare_grid(likelihood, axes, at=analysis.held, floating=analysis.floating)


def _columns(
    store: Store, tasks: Sequence[PlaneTask], grids: Sequence[Grid], executor: Executor | None, progress: Progress | None
) -> list[list[GridColumn]]:
    """Return the columns of all planes, those that are missing in the store computed and stored as they finish."""
    labels = labels_of(store)
    known = [list(load_columns(store, label)) for label in labels]
    missing = [(n, i) for n, columns in enumerate(known) for i, column in enumerate(columns) if column is None]
    total = sum(len(columns) for columns in known)

    def keep(n: int, i: int, column: GridColumn) -> None:
        save_column(store, labels[n], i, column)
        known[n][i] = column

    def tell(finished: int, _: int) -> None:
        if progress is not None:
            progress(total - len(missing) + finished, total)

    tell(0, 0)
    here = executor is None
    calls = [Call(grid_column if here else column_task, (grids[n] if here else tasks[n], i), (n, i)) for n, i in missing]
    Runner(executor, save=keep, progress=tell)(every(calls))
    return [[column for column in columns if column is not None] for columns in known]


def column_task(task: PlaneTask, index: int) -> GridColumn:
    """Return one column in a worker process, which prepares what the columns share once."""
    return grid_column(grid_of(task), index)


def intervals_task(task: PlaneTask, index: int, finished: GridColumn, levels: tuple[float, ...]) -> tuple[tuple[Interval, ...], ...]:
    """Return the allowed intervals of one column in a worker process."""
    return column_intervals(grid_of(task), index, finished, levels)


@functools.lru_cache(maxsize=8)
def grid_of(task: PlaneTask) -> Grid:
    """Return what the columns of a plane share, made from what it names.

    Raises
    ------
    ResultError
        If the files are no longer those that the task was made with.
    """
    experiments = load_experiments(task.analysis)
    require_digest(experiments, task.digest)
    return _grid(task.analysis, build(task.analysis, experiments), task.axes)
