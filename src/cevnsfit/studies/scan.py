"""Scans of planes of two parameters of any kind, resumable, with their regions."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import Result, keys_of, plain
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import package_versions
from cevnsfit.infer.boundaries import block_intervals, levels_of, region, turned
from cevnsfit.infer.grid import Grid, GridColumn, assemble, grid_block, prepare_grid
from cevnsfit.infer.intervals import METHOD, Level
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.infer.runner import Call, Runner, every
from cevnsfit.io.description import unlike
from cevnsfit.io.exports.netcdf import data_frame, dataset
from cevnsfit.io.layouts import axes_of, load_columns, open_scan, read_scan, save_column
from cevnsfit.stats.likelihood import Observing
from cevnsfit.studies.grids import axis_of
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.provenance import made_from, origin_of
from cevnsfit.studies.setup import asked_to_float, build_each, check_floating
from cevnsfit.studies.verbs import about, checked_at
from cevnsfit.studies.workers import executing, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    import pandas as pd
    import xarray
    from numpy.typing import ArrayLike

    from cevnsfit.io.store import Store
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers

    Axes = tuple[PlaneAxis, PlaneAxis]


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scan(Result):
    """A finished plane that can still give regions.

    Attributes
    ----------
    plane
        The profiled grid, its axes in the order that was asked for.
    columns
        Its columns with their minima.
    grid
        What the columns share, for the refinement of boundaries.
    made_with
        The versions of the packages that it was begun with.
    method
        How thresholds are found.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **dict.fromkeys(("plane", "columns", "grid", "made_with")),
        **keys_of(Plane, "plane"),
        "method": "method",
        "at": "grid.at",
    }

    plane: Plane
    columns: tuple[GridColumn, ...]
    grid: Grid
    made_with: Mapping[str, str]
    method: str = METHOD

    @property
    def likelihood(self) -> Likelihood:
        """Return the likelihood."""
        return self.grid.likelihood

    def contour(self, cl: float = 0.90, dof: int = 2) -> Region:
        """Return the allowed region of one confidence level, by the asymptotic threshold."""
        return self.contours([Level(cl, dof)])[0]

    @on_one_thread
    def contours(self, levels: Sequence[Level], workers: Workers = None) -> tuple[Region, ...]:
        """Return the allowed region of each confidence level; the numbers do not depend on the workers."""
        heights = levels_of(self.plane, levels)
        with executing(workers) as given:
            executor = None if self.grid.sort == "points" else given
            tasks = [(self.grid, b, tuple(self.columns[i] for i in block), heights) for b, block in enumerate(self.grid.blocks)]
            by_block = results(executor, block_intervals, tasks)
        by_column = [each for block in by_block for each in block]
        as_asked = self.plane.x == self.grid.axes[0]
        plane = self.plane if as_asked else self.plane.turned()
        found = [region(self.grid, plane, self.columns, [each[k] for each in by_column], level) for k, level in enumerate(levels)]
        return tuple(found if as_asked else [turned(each, self.plane.x, self.plane.y) for each in found])

    def to_xarray(self) -> xarray.Dataset:
        """Return -2 ln lambda over both parameters with their units, and what is known of the scan as attributes; needs the extra `xarray`."""
        return dataset(self.plane, {key: value for key, value in self.to_dict().items() if key not in {"x", "y", "nll2", "valid"}})

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each point of the grid, and in its `attrs` what it is about; needs the extra `dataframe`."""
        frame = data_frame(self.plane)
        frame.attrs["notes"] = list(self.about.notes)
        return frame


MAX_POINTS: Final = 10_000_000
"""Most points of a plane: each takes some hundred bytes and about 0.1 ms."""


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
        message = f"a plane needs two parameters, got {len(grid)} ({', '.join(grid)}); give their values as mass=[...], g=[...]"
        raise CevnsfitError(message)
    x, y = (axis_of(likelihood, name, given) for name, given in grid.items())
    if (points := len(x.values) * len(y.values)) > MAX_POINTS:
        message = f"a plane of {points:.3g} points; at most {MAX_POINTS:.0e} are possible (boundaries are found between the points)"
        raise DomainError(message)
    return x, y


def checked_plane(likelihood: Likelihood, grid: Mapping[str, ArrayLike], at: Mapping[str, float]) -> Axes:
    """Return the axes of a plane of a likelihood; errors are those of `scan`."""
    axes = plane_axes(likelihood, grid)
    require_unheld(grid, at)
    check_floating(likelihood, at, grid)
    require_possible(likelihood.at({}), likelihood.axes)
    return axes


def require_unheld(grid: Iterable[str], at: Mapping[str, float]) -> None:
    """Raise CevnsfitError if a parameter of a grid is held."""
    both = [name for name in grid if name in at]
    if both:
        message = f"{', '.join(both)} cannot be both scanned and held"
        raise CevnsfitError(message)


def scan(
    likelihood: Likelihood,
    /,
    *,
    at: Mapping[str, float] | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
    **grid: ArrayLike,
) -> Scan:
    """Return the profiled plane of two parameters of any kind, given as `name=values`, for example mass=..., g=...

    Parameters
    ----------
    likelihood
        From `build_likelihood`. Experiments without data enter with the expectation of the Standard Model (Asimov data).
    at
        Held parameters.
    store
        Folder in which finished columns are kept; the same call resumes a stopped scan, and `open` returns a finished one.
    workers
        Number of processes, address of a Dask scheduler, or an executor; the results do not depend on it.
    progress
        Called with (finished, all) columns.
    grid
        The two parameters and their increasing values; the first is drawn horizontally.

    Raises
    ------
    CevnsfitError
        If a parameter is scanned and held or profiled, or the likelihood does not know what it was built from and is to be stored.
    DomainError
        If a value lies outside its domain.
    ResultError
        If the folder holds another scan.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    >>> scan = cf.scan(likelihood, mass=[300.0, 500.0, 1000.0], g=[1e-4, 1e-3, 1e-2])
    >>> [round(end, 4) for end in scan.contour(cl=0.90).columns[0][0]]
    [0.0001, 0.0081]
    """
    return scans({"": likelihood}, grid, at=checked_at(likelihood, at), store=store, workers=workers, progress=progress)[0]


@on_one_thread
def scans(
    likelihoods: Mapping[str, Likelihood],
    grid: Mapping[str, ArrayLike],
    *,
    at: Mapping[str, float] | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> tuple[Scan, ...]:
    """Return the scans of several likelihoods over the same grid, kept in one store, by the labels of their planes; the rest is as in `scan`.

    The label of a plane is that of its experiments, joined with " + ", where it is empty.
    """
    named = {label if label else " + ".join(likelihood.experiments): likelihood for label, likelihood in likelihoods.items()}
    held = {} if at is None else {name: float(value) for name, value in at.items()}
    *_, asked = [checked_plane(likelihood, grid, held) for likelihood in named.values()]
    with ExitStack() as stack:
        executor = stack.enter_context(executing(workers))
        grids = {label: _grid(likelihood, asked, held) for label, likelihood in named.items()}
        kept = None
        if store is not None:
            axes = [*grids.values()][-1].axes
            kept = stack.enter_context(open_scan(Path(store), describe(grids, asked), tuple(grids), axes))
        columns = _columns(grids, kept, executor, progress)
    made_with = package_versions() if kept is None else kept.made_with
    return tuple(_scan(label, grids[label], asked, columns[label], made_with) for label in grids)


def given_to(likelihood: Likelihood) -> list[str]:
    """Return the names of the channels whose data were given to `Likelihood.with_data`."""
    build, names = likelihood.build, list[str]()
    while isinstance(build, Observing):
        names = [*names, *(name for name in build.counts if name not in names)]
        build = build.build
    return names


def data_of(likelihood: Likelihood) -> str:
    """Return what data are fitted, empty where all are the observed ones."""
    expected = [channel.name for channel in likelihood.at({}).channels if channel.observed is None]
    texts = {"Asimov data of the Standard Model for": expected, "not the observed data of": given_to(likelihood)}
    return "; ".join(f"{text} {', '.join(names)}" for text, names in texts.items() if names)


def _grid(likelihood: Likelihood, asked: Axes, at: Mapping[str, float]) -> Grid:
    return prepare_grid(likelihood, asked, at=at, floating=asked_to_float(likelihood, [axis.name for axis in asked]))


def _scan(label: str, grid: Grid, asked: Axes, columns: Sequence[GridColumn], made_with: Mapping[str, str]) -> Scan:
    """Return a finished plane, its axes in the order that was asked for."""
    known = about(grid.likelihood, grid.at, free=[axis.name for axis in asked])
    data = data_of(grid.likelihood)
    known = replace(known, caveat="; ".join(text for text in (known.caveat, data) if text))
    plane = assemble(grid, columns, label=label, model=known.model, caveat=known.caveat)
    return Scan(plane if grid.axes == asked else plane.turned(), tuple(columns), grid, made_with, about=known)


def _columns(
    grids: Mapping[str, Grid], store: Store | None, executor: Executor | None, progress: Progress | None
) -> dict[str, list[GridColumn]]:
    """Return the columns of all planes, those that are missing in the store computed, and stored as they finish."""
    labels = list(grids)
    known: list[list[GridColumn | None]] = [
        [None] * len(grid.axes[0].values) if store is None else list(load_columns(store, label)) for label, grid in grids.items()
    ]
    blocks = [grid.blocks for grid in grids.values()]
    missing = [(n, b) for n, own in enumerate(blocks) for b, block in enumerate(own) if any(known[n][i] is None for i in block)]
    total = sum(map(len, known))

    def tell() -> None:
        if progress is not None:
            progress(sum(column is not None for columns in known for column in columns), total)

    def keep(n: int, b: int, columns: Sequence[GridColumn]) -> None:
        for i, column in zip(blocks[n][b], columns, strict=True):
            if known[n][i] is None:
                if store is not None:
                    save_column(store, labels[n], i, column)
                known[n][i] = column
                tell()

    _log.info("%d of %d blocks of columns are to be made", len(missing), sum(map(len, blocks)))
    tell()
    Runner(executor, save=keep)(every([Call(grid_block, (grids[labels[n]], b), (n, b)) for n, b in missing]))
    return {label: [column for column in columns if column is not None] for label, columns in zip(labels, known, strict=True)}


# --- stored scans ------------------------------------------------------------------------------------------------------------------


def describe(grids: Mapping[str, Grid], asked: Axes) -> dict[str, Any]:
    """Return what identifies a scan: names, changes, grids, and what its numbers depend on.

    `asked` are the axes in the order in which they are drawn, which is kept where it is not that of the columns.
    """
    *_, last = grids.values()
    analyses = {label: plain(origin_of(grid.likelihood)) for label, grid in grids.items()}
    given = {label: given_to(grid.likelihood) for label, grid in grids.items()}
    points = [{**last.at, **{axis.name: float(axis.values[k * (len(axis.values) - 1) // 2]) for axis in last.axes}} for k in range(3)]
    return {
        "parts": [{"label": label, **{key: value for key, value in known.items() if key != "at"}} for label, known in analyses.items()],
        "at": dict(last.at),
        "grid": ends_of(last.axes),
        **({"drawn": [axis.name for axis in asked]} if asked != last.axes else {}),
        **({"data": given} if any(given.values()) else {}),
        **made_from({label: grid.likelihood for label, grid in grids.items()}, points),
    }


def ends_of(axes: Axes) -> dict[str, list[float | int | str]]:
    """Return first and last value, number and spacing of the values along each axis."""
    return {axis.name: [float(axis.values[0]), float(axis.values[-1]), len(axis.values), axis.scale] for axis in axes}


@on_one_thread
def stored_scans(folder: Path) -> tuple[Scan, ...]:
    """Return the scans of a finished store, rebuilt from the inputs it names.

    Raises
    ------
    ResultError
        If columns are missing, or the inputs are no longer those of the scan.
    """
    store = read_scan(folder)
    known, axes = store.analysis, axes_of(store)
    try:
        analyses = {str(entry["label"]): Analysis.of({**entry, "at": known["at"]}) for entry in known["parts"]}
        inputs, turn = known["inputs"], "drawn" in known
    except (KeyError, TypeError, ValueError, AttributeError):
        store.refuse("a scan")
    if "data" in known:
        message = (
            f"{store.path}: was made from a likelihood with given data: scan that again with the same store=, which reuses what is here"
        )
        raise ResultError(message)
    likelihoods = build_each(analyses)
    asked = axes[::-1] if turn else axes
    now = {name: dict(digests) for likelihood in likelihoods.values() for name, digests in likelihood.inputs.items()}
    if now != inputs:
        message = f"{store.path}: the experiments have changed since this scan was made"
        raise ResultError(message)
    grids = {label: _grid(likelihood, asked, analyses[label].held) for label, likelihood in likelihoods.items()}
    described = plain(describe(grids, asked))
    found = unlike({**known, "version": described["version"]}, described)
    if found:
        message = f"{store.path}: what this scan was made with has changed ({found})"
        raise ResultError(message)
    return tuple(_scan(label, grid, asked, _finished(store, label), store.made_with) for label, grid in grids.items())


def _finished(store: Store, label: str) -> list[GridColumn]:
    """Return the columns of a plane; ResultError if some are missing."""
    columns = load_columns(store, label)
    finished = [column for column in columns if column is not None]
    if len(finished) < len(columns):
        missing = len(columns) - len(finished)
        message = f"{store.path}: {missing} of {len(columns)} columns of '{label}' are missing; run the same scan again to finish it"
        raise ResultError(message)
    return finished
