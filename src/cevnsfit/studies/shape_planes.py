"""Planes in which every point has templates of its own: two radii, a mass and a radius, or a mass that floats.

They are small and are computed in one go, without the store of `studies.scan`; boundaries are those of the surface over the plane.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.contour import contour
from cevnsfit.infer.fit import fit
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.infer.shapes import point_values
from cevnsfit.studies.parts import load_parts
from cevnsfit.studies.setup import (
    Analysis,
    Pinned,
    build,
    build_pinned,
    caveat,
    check_floating,
    check_model,
    data_or_asimov,
    digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.infer.planes import Interval
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.parts import Part

    Row = tuple[NDArray[np.float64], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class ShapeScan:
    """A finished plane; the fields are those of `studies.scan.Scan`.

    Attributes
    ----------
    plane
        The profiled grid.
    likelihood
        The likelihood.
    at
        Held parameters.
    analysis
        What was fitted.
    """

    plane: Plane
    likelihood: Likelihood
    at: Mapping[str, float]
    analysis: Analysis

    @on_one_thread
    def all_regions(self, confidence: Sequence[tuple[float, int]], _: Executor | None = None) -> tuple[Region, ...]:
        """Return the allowed region of each (cl, dof)."""
        return tuple(_region(self.plane, cl, dof) for cl, dof in confidence)


def needs_templates_everywhere(analysis: Analysis, grid: Mapping[str, ArrayLike]) -> bool:
    """Return whether a plane has no columns that share templates: both parameters rebuild them, or one that does floats."""
    model = check_model(analysis.model)
    shapes = {p.name for p in (() if model is None else model.parameters) if p.kind == "nonlinear"}
    return len(grid) == 2 and (set(grid) <= shapes or bool(shapes & set(analysis.floating)))


@on_one_thread
def shape_scans(
    parts: Sequence[Part],
    grid: Mapping[str, ArrayLike],
    *,
    at: Mapping[str, float],
    loaded: Mapping[str, Sequence[Experiment]] | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ShapeScan, ...]:
    """Return the planes of several analyses.

    Parameters
    ----------
    parts
        The planes; they share model parameters and grid.
    grid
        Two parameters and their increasing values.
    at
        Held parameters.
    loaded
        The experiments of each part by its label, when they are read already.
    executor
        Where rows are computed; this process by default.
    progress
        Called with (finished, all) rows.

    Raises
    ------
    CevnsfitError
        If a parameter is scanned and held or profiled.
    DomainError
        If a value lies outside its domain.
    """
    both = sorted(set(grid) & set(at))
    if both:
        message = f"{', '.join(both)} cannot be both scanned and held"
        raise CevnsfitError(message)
    known = load_parts(parts) if loaded is None else loaded
    scans: list[ShapeScan] = []
    total = sum(len(np.asarray(next(iter(grid.values())))) for _ in parts)
    for part in parts:
        check_floating(part.analysis, (*at, *grid))
        experiments = known[part.label]
        likelihood = build(part.analysis, experiments)
        axes = _axes(likelihood, grid)
        count = len(axes[0].values)
        if executor is None:
            rows = (_row(likelihood, part.analysis, axes, i, at) for i in range(count))
        else:
            pinned = Pinned(part.analysis, digest_of(experiments))
            tasks = [executor.submit(row_task, pinned, axes, i, dict(at)) for i in range(count)]
            rows = (task.result() for task in tasks)
        found: list[Row] = []
        for row in rows:
            found.append(row)
            if progress is not None:
                progress(len(scans) * count + len(found), total)
        scans.append(ShapeScan(_plane(part, likelihood, axes, found, at), likelihood, at, part.analysis))
    return tuple(scans)


def row_task(pinned: Pinned, axes: tuple[PlaneAxis, PlaneAxis], index: int, at: Mapping[str, float]) -> Row:
    """Return one row of a plane in another process."""
    return _row(build_pinned(pinned), pinned.analysis, axes, index, at)


def _row(likelihood: Likelihood, analysis: Analysis, axes: tuple[PlaneAxis, PlaneAxis], index: int, at: Mapping[str, float]) -> Row:
    x, y = axes
    points = {x.name: np.full(len(y.values), x.values[index]), y.name: y.values}
    floating = [name for name in analysis.floating if name in likelihood.nonlinear]
    return point_values(likelihood, points, held=at, floating=floating, data=data_or_asimov(likelihood))


def _axes(likelihood: Likelihood, grid: Mapping[str, ArrayLike]) -> tuple[PlaneAxis, PlaneAxis]:
    axes = []
    for name, given in grid.items():
        parameter = likelihood.parameters[name]
        values = np.asarray(given, dtype=np.float64)
        for end in (values[0], values[-1]):
            parameter.checked(float(end))
        spaced = values[0] > 0.0 and np.allclose(np.diff(np.log(values)), np.log(values[1] / values[0]), rtol=1e-6)
        axes.append(PlaneAxis(name, parameter.unit, values, "log" if spaced else "linear"))
    return axes[0], axes[1]


def _plane(part: Part, likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], rows: Sequence[Row], at: Mapping[str, float]) -> Plane:
    x, y = axes
    nll2 = np.array([values for values, _ in rows])
    names = tuple(channel.name for channel in likelihood.at({}).channels)
    best = _best(likelihood, part.analysis, axes, nll2, at)
    plane = Plane(part.label, names, part.analysis.model, x, y, nll2, np.array([valid for _, valid in rows]), best, float("nan"), 0)
    return dataclasses.replace(plane, caveat=caveat(part.analysis, at, (x.name, y.name)))


def _best(
    likelihood: Likelihood, analysis: Analysis, axes: tuple[PlaneAxis, PlaneAxis], nll2: NDArray[np.float64], at: Mapping[str, float]
) -> dict[str, float]:
    """Return the best fit in the plane: that of a fit of both parameters where it lies inside, else the lowest grid point."""
    x, y = axes
    i, j = np.unravel_index(int(np.nanargmin(nll2)), nll2.shape)
    lowest = {x.name: float(x.values[i]), y.name: float(y.values[j]), "nll2": float(nll2[i, j])}
    free = {x.name, y.name, *analysis.floating}
    fixed = {p.name: p.default for p in likelihood.nonlinear if p.name not in free} | dict(at)
    found = fit(likelihood, fixed=fixed, floating=free, data=data_or_asimov(likelihood), minos=())
    inside = all(axis.values[0] <= found.values[axis.name] <= axis.values[-1] for axis in axes)
    if not found.valid or not inside or found.nll2 > lowest["nll2"]:
        return lowest
    return {x.name: found.values[x.name], y.name: found.values[y.name], "nll2": found.nll2}


def _region(plane: Plane, cl: float, dof: int) -> Region:
    rise, level = plane.nll2 - plane.best["nll2"], threshold(cl, dof)
    allowed, excluded, branches = contour(plane.x, plane.y, rise, level)
    return Region(cl, dof, level, tuple(_column(plane.y, row, level) for row in rise), allowed, excluded, branches)


def _column(y: PlaneAxis, rise: NDArray[np.float64], level: float) -> tuple[Interval, ...]:
    """Return where a spline through a row of the plane lies below a level."""
    from scipy.interpolate import CubicSpline

    position = np.log(y.values) if y.scale == "log" else y.values
    spline = CubicSpline(position, rise - level)
    ends = np.unique(np.concatenate([position[[0, -1]], spline.roots(extrapolate=False)]))
    middle = spline(0.5 * (ends[1:] + ends[:-1]))
    back = np.exp(ends) if y.scale == "log" else ends
    return tuple((float(low), float(high)) for low, high, height in zip(back[:-1], back[1:], middle, strict=True) if height < 0.0)
