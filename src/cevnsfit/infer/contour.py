"""Regions in a plane: from the allowed intervals of its columns, or from the surface over it.

`trace` is for planes whose first parameter rebuilds the templates (a mass). Each column knows its boundary exactly, narrow branches included.
A signed distance to the nearest boundary along the column, on a mesh whose rows follow the coupling scale from column to column, is contoured
at zero: the contour passes through every boundary point, and branches that run diagonally through the plane stay in one piece however narrow
they are, down to 1e-4 of the height of the mesh. A region that ends between two columns is cut off at the last one.

`contour` is for planes of two couplings, where regions are closed curves and both directions are alike. There -2 ln lambda is nearly a
polynomial of fourth degree: a bicubic spline through the grid gives it on a finer mesh, and its square root, which is nearly linear across the
boundary, is contoured. A bicubic spline reproduces a parabola exactly, so that a valley may be narrower than a step of the grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Interval, PlaneAxis

    Polygons = tuple[tuple[NDArray[np.float64], ...], ...]
    Transform = Callable[[NDArray[np.float64]], NDArray[np.float64]]

ROWS: Final = (1500, 20_000)
"""Fewest and most rows of the mesh; no likelihood is evaluated on it."""

CELLS: Final = 4_000_000
"""Most points of the mesh."""

FINER: Final = 800
"""Steps of the finer mesh along each axis, at least; each step of the grid is divided evenly."""

SOFT: Final = 30.0
"""Rise of -2 ln lambda from which on the surface of `pieces` is logarithmic."""

HIGH: Final = 1e3
"""Rise of -2 ln lambda at which the surface is cut off: beyond it profiled values are upper bounds only."""


def trace(
    x: PlaneAxis, y: PlaneAxis, columns: Sequence[Sequence[Interval]], scales: NDArray[np.float64]
) -> tuple[Polygons, Polygons, tuple[NDArray[np.float64], ...]]:
    """Return the allowed polygons, the excluded polygons and the boundary lines of a region.

    Parameters
    ----------
    x, y
        The axes of the plane.
    columns
        Allowed intervals of y at each value of x, inside the range of y.
    scales
        A positive scale of y at each x along which features run, shape (nx,); used for a logarithmic y only.

    Returns
    -------
    Polygons as tuples (outer ring, holes...), and open or closed lines, all of shape (n, 2) in (x, y).
    """
    forward_x, _ = _transforms(x)
    forward_y, _ = _transforms(y)
    low, high = (float(end) for end in forward_y(np.array([y.values[0], y.values[-1]])))
    shift = np.log(scales) if y.scale == "log" else np.zeros(len(x.values))
    inside = [[forward_y(np.array(pair)) for pair in _inside(column, y)] for column in columns]
    bottom, top = low - float(shift.max()), high - float(shift.min())
    rows = np.linspace(bottom, top, _row_count(inside, top - bottom))
    v = np.clip(rows[:, None] + shift[None, :], low, high)
    u = np.broadcast_to(forward_x(x.values), v.shape)
    z = np.stack([_signed_distance(v[:, i], pairs, low, high) for i, pairs in enumerate(inside)], axis=1)
    return _cut((x, y), u, v, z)


def contour(
    x: PlaneAxis, y: PlaneAxis, rise: NDArray[np.float64], level: float
) -> tuple[Polygons, Polygons, tuple[NDArray[np.float64], ...]]:
    """Return the allowed polygons, the excluded polygons and the boundary lines of a region under a smooth surface.

    Parameters
    ----------
    x, y
        The axes of the plane, at least three values each.
    rise
        -2 ln lambda above its minimum at the grid points, shape (nx, ny).
    level
        Its value at the boundary.

    Returns
    -------
    As `trace`.
    """
    u, v, height = _surface(x, y, np.clip(np.nan_to_num(rise, nan=HIGH), None, HIGH))
    return _cut((x, y), *np.meshgrid(u, v), (np.sqrt(level) - np.sqrt(np.maximum(height, 0.0))).T)


def sections(x: PlaneAxis, y: PlaneAxis, polygons: Polygons) -> tuple[tuple[Interval, ...], ...]:
    """Return the intervals of y that polygons of the plane cover at each value of x; their edges are straight on the scales of the axes.

    Parameters
    ----------
    x, y
        The axes of the plane.
    polygons
        From `trace` or `contour`, over the same plane.
    """
    (forward_x, _), (forward_y, back_y) = _transforms(x), _transforms(y)
    rings = [np.column_stack([forward_x(ring[:, 0]), forward_y(ring[:, 1])]) for polygon in polygons for ring in polygon]
    places = forward_x(x.values)
    inset = 1e-9 * (places[-1] - places[0])  # polygons have edges along the ends of the plane, which are not crossed
    found = []
    for place in np.clip(places, places[0] + inset, places[-1] - inset):
        ends = back_y(np.sort(np.concatenate([_crossed(ring, place) for ring in rings]))) if rings else np.empty(0)
        ends = np.clip(ends, y.values[0], y.values[-1])
        found.append(tuple((float(low), float(high)) for low, high in ends.reshape(-1, 2)))
    return tuple(found)


def _crossed(ring: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Return where a closed ring crosses a line of constant first coordinate."""
    start, end = ring, np.roll(ring, -1, axis=0)
    cut = np.flatnonzero((start[:, 0] <= place) != (end[:, 0] <= place))
    part = (place - start[cut, 0]) / (end[cut, 0] - start[cut, 0])
    return np.asarray(start[cut, 1] + part * (end[cut, 1] - start[cut, 1]))


def pieces(x: PlaneAxis, y: PlaneAxis, rise: NDArray[np.float64], level: float) -> tuple[int, int]:
    """Return the number of allowed polygons of `contour`, and that under a spline through ln(1 + rise/`SOFT`).

    Where a grid is too coarse for a surface that rises steeply the two differ: one of them joins or loses an island.

    Parameters
    ----------
    x, y, rise, level
        As for `contour`.
    """
    soft = np.log1p(np.clip(np.nan_to_num(rise, nan=HIGH), 0.0, HIGH) / SOFT)
    u, v, height = _surface(x, y, soft)
    other = _cut((x, y), *np.meshgrid(u, v), (np.log1p(level / SOFT) - height).T)[0]
    return len(contour(x, y, rise, level)[0]), len(other)


def _surface(
    x: PlaneAxis, y: PlaneAxis, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a bicubic spline through grid values on the finer mesh: its coordinates, and its values, shape (nu, nv)."""
    from scipy.interpolate import RectBivariateSpline

    u, v = (_transforms(axis)[0](axis.values) for axis in (x, y))
    surface = RectBivariateSpline(u, v, values, kx=min(3, len(u) - 1), ky=min(3, len(v) - 1))
    fine_u, fine_v = _finer(u), _finer(v)
    return fine_u, fine_v, np.asarray(surface(fine_u, fine_v))


def _finer(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with every step divided evenly into as many as make `FINER` of them."""
    parts = -(-FINER // (len(values) - 1))
    position = np.arange((len(values) - 1) * parts + 1) / parts
    return np.interp(position, np.arange(len(values)), values)


def _cut(
    axes: tuple[PlaneAxis, PlaneAxis], u: NDArray[np.float64], v: NDArray[np.float64], z: NDArray[np.float64]
) -> tuple[Polygons, Polygons, tuple[NDArray[np.float64], ...]]:
    """Return where z is positive, where it is negative, and the lines in between, for a mesh in transformed coordinates."""
    from contourpy import FillType, LineType, contour_generator

    back_x, back_y = (_transforms(axis)[1] for axis in axes)
    generator = contour_generator(u, v, z, fill_type=FillType.OuterOffset, line_type=LineType.Separate)
    span = 2.0 * float(np.abs(z).max()) + 1.0

    def to_plane(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([back_x(points[:, 0]), back_y(points[:, 1])])

    def polygons(bottom: float, top: float) -> Polygons:
        points, offsets = cast("tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]", generator.filled(bottom, top))
        return tuple(
            tuple(to_plane(ring) for ring in np.split(part, offset[1:-1].astype(np.int64)))
            for part, offset in zip(points, offsets, strict=True)
        )

    lines = tuple(to_plane(line) for line in cast("list[NDArray[np.float64]]", generator.lines(0.0)) if len(line) > 1)
    return polygons(0.0, span), polygons(-span, 0.0), lines


def _transforms(axis: PlaneAxis) -> tuple[Transform, Transform]:
    return (np.log, np.exp) if axis.scale == "log" else (np.asarray, np.asarray)


def _inside(column: Sequence[Interval], y: PlaneAxis) -> list[Interval]:
    """Return the intervals cut to the range of the axis."""
    low, high = float(y.values[0]), float(y.values[-1])
    return [(max(a, low), min(b, high)) for a, b in column if b > low and a < high]


def _row_count(columns: Sequence[Sequence[NDArray[np.float64]]], height: float) -> int:
    """Return how many rows put one inside the narrowest interval or gap, next to each of its ends."""
    ends = [np.unique(np.concatenate(pairs)) for pairs in columns if pairs]
    narrow = min((float(np.diff(entry).min()) for entry in ends if len(entry) > 1), default=height)
    fewest, most = ROWS
    return int(np.clip(2.5 * height / narrow, fewest, max(fewest, min(most, CELLS // len(columns)))))


def _signed_distance(v: NDArray[np.float64], intervals: Sequence[NDArray[np.float64]], low: float, high: float) -> NDArray[np.float64]:
    """Return the distance to the nearest boundary along a column, positive inside; the ends of the plane are no boundaries."""
    far = high - low
    distance = np.full(len(v), far)
    inside = np.zeros(len(v), dtype=np.bool_)
    for a, b in intervals:
        inside |= (v >= a) & (v <= b)
        for end in (a, b):
            if low < end < high:
                distance = np.minimum(distance, np.abs(v - end))
    return np.where(inside, distance, -distance)
