"""Curves of one parameter: their minima, where they cross a level, and the intervals in which they lie below it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.results import ProfileResult

    Profiled = Callable[[Floats, Floats | None], ProfileResult]

BARRIER: Final = 1e-2
"""Rise of -2 ln lambda between two minima, above both, from which on they are different ones."""

_WINDOW: Final = 1 / 16
_NODES: Final = 5
"""Size of a window about a crossing, relative to its bracket, and the points that are profiled in it, or in one that is larger."""

_DOUBLINGS: Final = 60

_BESIDE: Final = 1e-6
_END: Final = 1e-9
"""Where it is tried first whether a curve ends at a value, and the precision of its end; both relative to a cell."""

_LEAST_ABSOLUTE: Final = 1e-300
_LEAST_RELATIVE: Final = 1e-15
"""Precision of a root, at best."""


class Minimum(NamedTuple("Minimum", [("value", float), ("nll2", float)])):
    """A local minimum: the parameter, and -2 ln lambda there; JSON shows it by these names."""

    __slots__ = ()
    document: ClassVar[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """-2 ln lambda along one parameter, all others profiled.

    Attributes
    ----------
    values
        Increasing parameter values, shape (n,).
    nll2
        -2 ln lambda, shape (n,).
    valid
        Whether each point converged, shape (n,).
    theta
        All parameters at each point, shape (n, parameters): starts for points nearby; empty where they are not kept.
    fallbacks
        Number of points handed to iminuit.
    """

    values: Floats
    nll2: Floats
    valid: Bools
    theta: Floats = field(default_factory=lambda: np.empty((0, 0)))
    fallbacks: int = 0

    @property
    def lowest(self) -> int:
        """Return the position of the lowest point."""
        return int(np.argmin(self.nll2))

    @property
    def minima(self) -> tuple[int, ...]:
        """Return the positions of the local minima; of two without a barrier of `BARRIER` between them the lower one."""
        found: list[int] = []
        for i in minima(self.nll2):
            if not found or self.nll2[found[-1] : i].max() > max(self.nll2[found[-1]], self.nll2[i]) + BARRIER:
                found.append(i)
            elif self.nll2[i] < self.nll2[found[-1]]:
                found[-1] = i
        return tuple(found)

    @property
    def lows(self) -> tuple[Minimum, ...]:
        """Return the local minima, see `minima`."""
        return tuple(Minimum(float(self.values[i]), float(self.nll2[i])) for i in self.minima)

    def allowed(self, cuts: Sequence[float], level: float) -> tuple[Interval, ...]:
        """Return the intervals between crossings, increasing, in which the curve is at or below a level."""
        return between((float(self.values[0]), *cuts, float(self.values[-1])), inside=bool(self.nll2[0] <= level))


def minima(heights: Floats) -> list[int]:
    """Return the positions of the local minima of a sampled curve, its ends included; the last one of a flat stretch."""
    padded = np.concatenate([[np.inf], heights, [np.inf]])
    return [int(i) for i in np.flatnonzero((heights <= padded[:-2]) & (heights < padded[2:]))]


def changes(flags: Bools) -> Ints:
    """Return the positions after which flags change."""
    return np.flatnonzero(flags[1:] != flags[:-1])


def between(ends: Sequence[float], *, inside: bool) -> tuple[Interval, ...]:
    """Return every other one of the intervals between increasing ends, beginning with the first one where `inside`.

    Examples
    --------
    >>> between((0.0, 1.0, 2.0, 5.0), inside=True)
    ((0.0, 1.0), (2.0, 5.0))
    """
    return tuple(itertools.pairwise(ends))[0 if inside else 1 :: 2]


def complement(allowed: Sequence[Interval], domain: Interval) -> tuple[Interval, ...]:
    """Return what is left of `domain` without the allowed intervals."""
    edges = [domain[0], *(end for interval in allowed for end in interval), domain[1]]
    return tuple((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if high > low)


# --- curves that can be calculated anywhere ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Heights:
    """Critical values along one parameter.

    Attributes
    ----------
    nodes, values
        The parameter, increasing, and the critical values there, shape (n,).
    log
        Whether they are linear in its logarithm.
    """

    nodes: Floats
    values: Floats
    log: bool

    def __call__(self, values: ArrayLike) -> Floats:
        """Return the critical value at each of some values; that of the last node beyond it."""
        inside = np.clip(values, self.nodes[0], self.nodes[-1])
        return np.asarray(
            np.interp(np.log(inside), np.log(self.nodes), self.values) if self.log else np.interp(inside, self.nodes, self.values)
        )


def crossings(profiled: Profiled, curve: Curve, levels: Sequence[float], start: Floats | None = None) -> tuple[tuple[float, ...], ...]:
    """Return for each level every value at which a profiled curve crosses it, increasing.

    Neighbouring points of the curve bracket the crossings. In sqrt(-2 ln lambda - its minimum), which is nearly linear in the parameter, a cubic
    through the nearest points says where in its bracket each crosses. Where it does not in a small window there, one is tried where a straight line
    through that leads, and then the bracket is divided until it is as small. All are profiled together; a cubic spline through the nodes of a window gives the crossing to 1e-7 of the bracket or better.

    Parameters
    ----------
    profiled
        Returns the profile at P values, given starts of all parameters, shape (n,) or (P, n), or None.
    curve
        The curve.
    levels
        Of -2 ln lambda.
    start
        Where the first profiles start.
    """
    jobs = [(k, int(i)) for k, level in enumerate(levels) for i in changes(curve.nll2 > level)]
    floor = float(curve.nll2.min())
    heights = np.sqrt(np.maximum(np.array([levels[k] for k, _ in jobs]) - floor, 0.0))
    whole = np.array([(curve.values[i], curve.values[i + 1]) for _, i in jobs])
    ends = np.array([_window(curve, i, height) for (_, i), height in zip(jobs, heights, strict=True)])
    found, left, tries = [math.nan] * len(jobs), np.arange(len(jobs)), 2
    while left.size:
        nodes = ends[left, :1] + (ends[left, 1:] - ends[left, :1]) * np.linspace(0.0, 1.0, _NODES)
        result = profiled(nodes.ravel(), start)
        excess = np.sqrt(np.maximum(result.nll2 - floor, 0.0)).reshape(nodes.shape) - heights[left, None]
        cells, rows = np.array([_cell(row) for row in excess]), np.arange(len(left))
        theta = result.theta.reshape(*nodes.shape, -1)[rows, cells]
        wide = np.ptp(ends[left], axis=1) > 1.01 * _WINDOW * np.ptp(whole[left], axis=1)
        missed = ~wide & (tries > 0) & ((excess[:, 0] > 0.0) == (excess[:, -1] > 0.0))
        for row in np.flatnonzero(~wide & ~missed):
            root = _spline_root(nodes[row], excess[row], cells[row])
            found[left[row]] = _end(profiled, nodes[row, cells[row] :][:2], theta[row]) if math.isnan(root) else root
        ends[left] = np.stack([nodes[rows, cells], nodes[rows, cells + 1]], axis=1)
        for row in np.flatnonzero(missed):
            ahead = interpolated(nodes[row, [0, -1]], excess[row, [0, -1]], 0.0)
            ends[left[row]] = _about(ahead, *whole[left[row]]) if tries > 1 else whole[left[row]]
        left, start, tries = left[wide | missed], np.repeat(theta[wide | missed], _NODES, axis=0), tries - 1
    return tuple(tuple(sorted(value for (k, _), value in zip(jobs, found, strict=True) if k == wanted)) for wanted in range(len(levels)))


def _window(curve: Curve, cell: int, height: float) -> tuple[float, float]:
    """Return a small window in a cell of a curve about the place where a cubic through the nearest points crosses a height."""
    near = slice(max(cell - 1, 0), cell + 3)
    rise = np.maximum(curve.nll2[near] - curve.nll2.min(), 0.0)
    falls = rise[1:] < rise[:-1]
    excess = rise - height**2 if falls.any() and not falls.all() else np.sqrt(rise) - height  # the root has a kink at a minimum
    place = _spline_root(curve.values[near], excess, cell - near.start)
    low, high = curve.values[cell : cell + 2].tolist()
    return (low, high) if math.isnan(place) else _about(place, low, high)


def _about(place: float, low: float, high: float) -> tuple[float, float]:
    """Return the window between two values about one of them."""
    size = _WINDOW * (high - low)
    begin = min(max(place - 0.5 * size, low), high - size)
    return begin, begin + size


def _end(profiled: Profiled, ends: Floats, start: Floats | None) -> float:
    """Return the last value at which a curve is finite between two values, of which one has a finite height."""

    def height(x: float) -> float:
        return math.inf if np.isinf(profiled(np.array([x]), start).nll2[0]) else -1.0

    low, high = sorted(ends.tolist(), key=height)
    beside = low + _BESIDE * (high - low)
    return low if math.isinf(height(beside)) else root(height, beside, high, precision=_END)


def _cell(excess: Floats) -> int:
    """Return the cell in which a row of values changes sign, or the one beside the value nearest to zero."""
    found = changes(excess > 0.0)
    return int(found[0]) if len(found) else min(int(np.argmin(np.abs(excess))), len(excess) - 2)


def _spline_root(x: Floats, excess: Floats, cell: int) -> float:
    """Return the zero of a cubic spline in a cell where it changes sign; NaN where one of its ends is infinite."""
    from scipy.interpolate import CubicSpline

    if x[cell] == x[cell + 1]:  # neighbouring numbers
        return float(x[cell])
    known = np.isfinite(excess) & np.append(True, np.diff(x) > 0.0)
    if not known[cell : cell + 2].all():
        return math.nan
    zeros = CubicSpline(x[known], excess[known]).solve(0.0, extrapolate=False)
    inside = [float(zero) for zero in zeros if x[cell] <= zero <= x[cell + 1]]
    return inside[0] if inside else float(x[cell])


def root(excess: Callable[[float], float], low: float, high: float, *, precision: float = 0.0, relative: float = 0.0) -> float:
    """Return where a function changes sign between two values; NaN where it does not, or has no value.

    Parameters
    ----------
    excess
        The function.
    low, high
        The two values, in any order.
    precision, relative
        Of the root, relative to the distance of the two values, and relative to itself; it has the larger of both.

    Examples
    --------
    >>> round(root(lambda x: x * x - 2.0, 0.0, 2.0, precision=1e-9), 6)
    1.414214
    >>> root(lambda x: x * x + 2.0, 0.0, 2.0, precision=1e-9)
    nan
    """
    from scipy.optimize import brentq

    known: dict[float, float] = {}

    def once(x: float) -> float:
        if x not in known:
            known[x] = excess(x)
        return known[x]

    xtol = max(precision * abs(high - low), _LEAST_ABSOLUTE)
    while math.isinf(once(low)) != math.isinf(once(high)):
        middle = 0.5 * (low + high)
        if abs(high - low) <= max(xtol, relative * abs(middle), 4.0 * _LEAST_RELATIVE * max(abs(low), abs(high))):
            return high if math.isinf(once(low)) else low  # the end of the domain of the function
        low, high = (middle, high) if once(low) * once(middle) > 0.0 else (low, middle)
    if low == high or not once(low) * once(high) <= 0.0:
        return math.nan
    try:
        return float(brentq(once, low, high, xtol=xtol, rtol=max(relative, _LEAST_RELATIVE), disp=False))
    except ValueError:
        if any(math.isnan(height) for height in known.values()):
            return math.nan
        raise


def outward_root(
    excess: Callable[[float], float], start: float, step: float, limit: float, *, precision: float = 0.0, relative: float = 0.0
) -> float:
    """Return where a function first turns positive on the way from `start` to `limit`, in steps that double.

    Parameters
    ----------
    excess
        The function, not positive at `start`.
    start, step
        Where the search begins, and the length of its first step.
    limit
        Where it ends; it is returned when the function is not positive there, NaN when the function has no value on the way.
    precision, relative
        Of the root, relative to the distance of its bracket from `start`, and relative to itself; it has the larger of both.

    Examples
    --------
    >>> round(outward_root(lambda x: x - 10.0, 0.0, 1.0, 100.0, precision=1e-9), 6)
    10.0
    >>> outward_root(lambda x: x - 10.0, 0.0, 1.0, 5.0, precision=1e-9)
    5.0
    """
    inside, sign = start, math.copysign(1.0, limit - start)
    for _ in range(_DOUBLINGS):
        outside = start + sign * step if abs(limit - start) > step else limit
        height = excess(outside)
        if math.isnan(height):
            return math.nan
        if height > 0.0:
            return root(excess, inside, outside, precision=precision * abs(outside - start) / abs(outside - inside), relative=relative)
        if outside == limit:
            return limit
        inside, step = outside, 2.0 * step
    return math.nan


# --- curves that are known at some values ------------------------------------------------------------------------------------------


def interpolated(values: ArrayLike, heights: ArrayLike, level: float) -> float:
    """Return where the straight line through two points crosses a level; half way where that is not known."""
    (a, b), (low, high) = np.asarray(values).tolist(), np.asarray(heights).tolist()
    fraction = (level - low) / (high - low) if math.isfinite(high - low) and high != low else 0.5
    return float(a + fraction * (b - a))


def falling(curve: Floats) -> Floats:
    """Return a curve that falls but for fluctuations as one that never rises: halfway between the nearest ones above and below it."""
    above, below = np.maximum.accumulate(curve[::-1])[::-1], np.minimum.accumulate(curve)
    return np.asarray(0.5 * (above + below))


def spline_allowed(values: Floats, heights: Floats, level: float, *, log: bool) -> tuple[Interval, ...]:
    """Return the intervals in which a cubic spline through a sampled curve lies below a level; in the logarithm of the values where `log`."""
    from scipy.interpolate import CubicSpline

    position = np.log(values) if log else values
    spline = CubicSpline(position, heights - level)
    ends = np.unique(np.concatenate([position[[0, -1]], spline.roots(extrapolate=False)]))
    middle = spline(0.5 * (ends[1:] + ends[:-1]))
    back = np.exp(ends) if log else ends
    return tuple((float(low), float(high)) for low, high, height in zip(back[:-1], back[1:], middle, strict=True) if height < 0.0)
