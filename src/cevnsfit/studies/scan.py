"""Scans of a plane of two parameters, resumable, with their regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.infer.grid import GridColumn, assemble, column_intervals, levels_of, region, scan_column
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.io.store import axes_of, load_columns, open_scan, read_scan, save_column
from cevnsfit.studies.setup import Analysis, build, caveat, load_experiments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

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
    """

    plane: Plane
    columns: tuple[GridColumn, ...]
    likelihood: Likelihood
    at: Mapping[str, float]

    def regions(self, cl: float = 0.90, dof: int = 2) -> Region:
        """Return the allowed region of one confidence level."""
        return self.all_regions([(cl, dof)])[0]

    def all_regions(self, confidence: Sequence[tuple[float, int]]) -> tuple[Region, ...]:
        """Return the allowed region of each (cl, dof)."""
        levels = levels_of(self.plane, confidence)
        axes = (self.plane.x, self.plane.y)
        by_column = [column_intervals(self.likelihood, axes, i, finished, levels, at=self.at) for i, finished in enumerate(self.columns)]
        return tuple(region(self.plane, self.columns, [entry[k] for entry in by_column], cl, dof) for k, (cl, dof) in enumerate(confidence))


def plane_axes(likelihood: Likelihood, grid: Mapping[str, ArrayLike]) -> tuple[PlaneAxis, PlaneAxis]:
    """Return the axes of a grid of two parameters; a shape parameter becomes the first.

    Raises
    ------
    CevnsfitError
        Unless there are two parameters with increasing values inside their domains, at most one of them a shape parameter.
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
    axes.sort(key=lambda entry: entry[0] != "shape")
    if axes[1][0] == "shape":
        message = f"{axes[0][1].name} and {axes[1][1].name} both rebuild the templates; scan one of them with a coupling"
        raise CevnsfitError(message)
    return axes[0][1], axes[1][1]


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
    columns = tuple(scan_column(likelihood, axes, index, at=held) for index in range(len(axes[0].values)))
    names = tuple(channel.name for channel in likelihood.at({}).channels)
    return Scan(assemble(" + ".join(names), names, "", axes, columns), columns, likelihood, held)


def describe(analysis: Analysis, axes: tuple[PlaneAxis, PlaneAxis], at: Mapping[str, float]) -> dict[str, Any]:
    """Return what identifies a scan: names, changes, grids, and the digests of all input files."""
    digests = {experiment.name: dict(experiment.digests) for experiment in load_experiments(analysis)}
    return {
        "experiments": list(analysis.experiments),
        "model": analysis.model,
        "overrides": dict(analysis.overrides),
        "signal_systematics": analysis.signal_systematics,
        "allow_overlap": analysis.allow_overlap,
        "at": dict(at),
        "grid": {axis.name: [float(axis.values[0]), float(axis.values[-1]), len(axis.values), axis.scale] for axis in axes},
        "inputs": digests,
    }


def run_scan(
    analysis: Analysis,
    grid: Mapping[str, ArrayLike],
    folder: Path,
    *,
    at: Mapping[str, float] | None = None,
    each: bool = False,
    progress: Progress | None = None,
) -> tuple[Scan, ...]:
    """Return the scans of an analysis, stored column by column in `folder` and continued where a former run stopped.

    Parameters
    ----------
    analysis
        What to fit.
    grid
        Two parameters and their values.
    folder
        Where the store lies or will lie.
    at
        Held parameters.
    each
        Add a plane for each single experiment, before the combination.
    progress
        Called with (finished, all) columns.

    Returns
    -------
    One scan for each single experiment when `each` and there are several, then the combination.
    """
    held = {} if at is None else dict(at)
    parts = _parts(analysis, each=each)
    likelihoods = [build(part) for part in parts]
    axes = plane_axes(likelihoods[-1], grid)
    labels = tuple(" + ".join(experiment.name for experiment in load_experiments(part)) for part in parts)
    store = open_scan(folder, describe(analysis, axes, held), labels, axes)
    if store.labels != labels:
        message = (
            f"{store.path} holds the planes {', '.join(store.labels)}, not {', '.join(labels)}; choose another folder (or the same --each)"
        )
        raise ResultError(message)
    total = len(labels) * len(axes[0].values)
    scans = []
    for number, (label, part, likelihood) in enumerate(zip(labels, parts, likelihoods, strict=True)):
        columns: list[GridColumn] = []
        for index, known in enumerate(load_columns(store, label)):
            finished = scan_column(likelihood, axes, index, at=held) if known is None else known
            if known is None:
                save_column(store, label, index, finished)
            columns.append(finished)
            if progress is not None:
                progress(number * len(axes[0].values) + index + 1, total)
        names = tuple(label.split(" + "))
        scans.append(Scan(assemble(label, names, part.model, axes, columns, caveat(part.model)), tuple(columns), likelihood, held))
    return tuple(scans)


def _parts(analysis: Analysis, *, each: bool) -> tuple[Analysis, ...]:
    if not each or len(analysis.experiments) == 1:
        return (analysis,)
    singles = tuple(
        Analysis((name,), analysis.model, analysis.overrides, analysis.signal_systematics, analysis.allow_overlap)
        for name in analysis.experiments
    )
    return (*singles, analysis)


def stored_scans(folder: Path) -> tuple[Analysis, tuple[Scan, ...]]:
    """Return the analysis and the scans of a finished store, rebuilt from the inputs it names.

    Raises
    ------
    ResultError
        If columns are missing, or the inputs are no longer those of the scan.
    """
    store = read_scan(folder)
    known = store.analysis
    analysis = Analysis(
        tuple(known["experiments"]), known["model"], known["overrides"], known["signal_systematics"], known["allow_overlap"]
    )
    axes = axes_of(store, store.labels[-1])
    if describe(analysis, axes, known["at"])["inputs"] != known["inputs"]:
        message = f"{store.path}: the experiments have changed since this scan was made"
        raise ResultError(message)
    scans = []
    for label, part in zip(store.labels, _parts(analysis, each=len(store.labels) > 1), strict=True):
        columns = load_columns(store, label)
        finished = [column for column in columns if column is not None]
        if len(finished) < len(columns):
            message = f"{store.path}: {len(columns) - len(finished)} of {len(columns)} columns of '{label}' are missing; run the same scan again to finish it"
            raise ResultError(message)
        plane = assemble(label, tuple(label.split(" + ")), part.model, axes, finished, caveat(part.model))
        scans.append(Scan(plane, tuple(finished), build(part), known["at"]))
    return analysis, tuple(scans)


def parse_grid(text: str) -> tuple[str, np.ndarray]:
    """Return name and values of "name=start:stop:count[:log]".

    Raises
    ------
    CevnsfitError
        If the text is not of this form.
    """
    name, equals, rest = text.partition("=")
    parts = rest.split(":")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        equals = ""
        start, stop, count = 0.0, 0.0, 0
    log = len(parts) == 4 and parts[3] == "log"
    if not equals or not name or len(parts) not in {3, 4} or (len(parts) == 4 and not log):
        message = f"'{text}' should read name=start:stop:count or name=start:stop:count:log, for example mass=1:1000:60:log"
        raise CevnsfitError(message)
    if count < 3 or count > 100_000 or not start < stop or (log and start <= 0):
        message = f"'{text}' needs 3 to 100000 points, start < stop, and start > 0 on a log grid"
        raise CevnsfitError(message)
    return name, np.geomspace(start, stop, count) if log else np.linspace(start, stop, count)


def parse_grids(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the grids of several texts; a name given twice is an error."""
    grids: dict[str, np.ndarray] = {}
    for text in texts:
        name, values = parse_grid(text)
        if name in grids:
            message = f"{name} has two grids"
            raise CevnsfitError(message)
        grids[name] = values
    return grids
