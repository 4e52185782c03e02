"""Boundaries of a plane: where its columns, or the surface over it, cross a level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cevnsfit.infer.contour import HIGH, contour, sections, trace
from cevnsfit.infer.curve import Curve, crossings, spline_allowed
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.intervals import Level, profiled
from cevnsfit.infer.planes import Plane, PlaneAxis, Region, known_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.grid import Grid, GridColumn
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.results import ProfileResult


def levels_of(plane: Plane, asked: Sequence[Level]) -> tuple[float, ...]:
    """Return the level of -2 ln lambda of each confidence level above the best fit of the plane."""
    return tuple(plane.best["nll2"] + level.threshold for level in asked)


class Boundary(NamedTuple):
    """The allowed intervals of a column at each level, and what was profiled for them: values in units of its scale (k,), all parameters (k, n)."""

    allowed: tuple[tuple[Interval, ...], ...]
    places: Floats
    theta: Floats


def block_intervals(
    grid: Grid, block: int, finished: Sequence[GridColumn], levels: Sequence[float]
) -> tuple[tuple[tuple[Interval, ...], ...], ...]:
    """Return the allowed intervals of the finished columns of one of the blocks of a plane, at each level of -2 ln lambda."""
    found: list[Boundary] = []
    for index, entry in zip(grid.blocks[block], finished, strict=True):
        found.append(column_boundary(grid, index, entry, levels, found[-1] if found else None))
    return tuple(boundary.allowed for boundary in found)


def column_boundary(grid: Grid, index: int, finished: GridColumn, levels: Sequence[float], before: Boundary | None = None) -> Boundary:
    """Return the allowed intervals of one finished column at each level of -2 ln lambda; its profiles start from the boundary `before`.

    Crossings are refined along the second parameter, but for planes whose points all have templates of their own: there they are those of a
    spline through the column.
    """
    x, y = grid.axes
    if grid.sort == "points":
        heights = [np.nan_to_num(finished.nll2 - level, nan=HIGH, posinf=HIGH) for level in levels]
        return Boundary(tuple(spline_allowed(y.values, one, 0.0, log=y.scale == "log") for one in heights), np.empty(0), np.empty((0, 0)))
    joint, held = joint_at(grid.likelihood, {**grid.at, x.name: float(x.values[index])})
    curve, heights_of = _curve(y, finished), profiled(joint, y.name, at=held, data=grid.data)
    places, theta = [np.empty(0)], [np.empty((0, len(grid.start)))]

    def noted(values: Floats, start: Floats | None) -> ProfileResult:
        if before is not None and len(before.places) and len(places) == 1:
            start = before.theta[np.abs(before.places - values[:, None] / finished.scale).argmin(axis=1)]
        result = heights_of(values, start)
        places.append(values / finished.scale)
        theta.append(result.theta)
        return result

    cuts = crossings(noted, curve, levels, grid.start)
    allowed = tuple(curve.allowed(found, level) for found, level in zip(cuts, levels, strict=True))
    return Boundary(allowed, np.concatenate(places), np.concatenate(theta))


def _curve(y: PlaneAxis, finished: GridColumn) -> Curve:
    known = finished.minima[np.isfinite(finished.minima[:, 0])]
    new = known[~np.isin(known[:, 0], y.values)]
    values = np.concatenate([y.values, new[:, 0]])
    order = np.argsort(values)
    nll2 = np.concatenate([finished.nll2, new[:, 1]])[order]
    valid = np.concatenate([finished.valid, np.ones(len(new), dtype=np.bool_)])[order]
    return Curve(values[order], nll2, valid, fallbacks=finished.fallbacks)


def region(grid: Grid, plane: Plane, columns: Sequence[GridColumn], intervals: Sequence[tuple[Interval, ...]], level: Level) -> Region:
    """Return the allowed region of one confidence level.

    Parameters
    ----------
    grid, plane, columns
        The plane and its columns.
    intervals
        Allowed intervals of each column.
    level
        The confidence level.
    """
    known = np.empty((0, 2))
    if grid.sort == "columns":
        known = known_ends(plane.x, plane.y, intervals)
        allowed, excluded, branches = trace(plane.x, plane.y, intervals, np.array([entry.scale for entry in columns]))
    else:
        allowed, excluded, branches = contour(plane.x, plane.y, plane.nll2 - plane.best["nll2"], level.threshold)
    return Region(level.cl, level.dof, level.threshold, tuple(tuple(entry) for entry in intervals), allowed, excluded, branches, known)


def turned(found: Region, x: PlaneAxis, y: PlaneAxis) -> Region:
    """Return a region with its axes exchanged; `x` and `y` are those of the result. Its intervals are cut out of its boundary lines."""
    allowed, excluded = (
        tuple(tuple(ring[:, ::-1] for ring in polygon) for polygon in polygons) for polygons in (found.allowed, found.excluded)
    )
    branches = tuple(branch[:, ::-1] for branch in found.branches)
    return replace(
        found, columns=sections(x, y, allowed), allowed=allowed, excluded=excluded, branches=branches, known=found.known[:, ::-1]
    )
