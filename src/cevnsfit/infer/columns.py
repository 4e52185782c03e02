"""The profiled curve of one parameter, over a grid that is widened until both of its ends are excluded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.curve import Curve, minima
from cevnsfit.infer.lines import search_grid, wider
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.profile import profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.infer.results import ProfileResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

WIDENINGS: Final = 40
"""Times that a window is widened, at most."""

FLAT: Final = 1e-9
"""Change of -2 ln lambda over a whole widening below which the parameter has no effect there, and no end is excluded farther out."""

NEAR: Final = 5.0
STEEP: Final = 5.0
"""Height in standard deviations below which a point matters, and change of it beyond which the step to the next point is halved."""

HALVINGS: Final = 40
"""Times that steps are halved, at most."""

LOWER: Final = 1e-3
"""Change of -2 ln lambda beyond which another minimum is a lower one."""


def column(
    joint: Joint,
    poi: str,
    values: NDArray[np.float64],
    *,
    at: Mapping[str, float],
    data: Data | None = None,
    start: NDArray[np.float64] | None = None,
) -> Curve:
    """Return the profiled curve of `poi` at `values`, with refined local minima added.

    Parameters
    ----------
    joint, at, data
        As for `infer.hypothesis.hypothesis`.
    poi
        The parameter of interest.
    values
        Increasing values, at least three, shape (n,).
    start
        Starting values of all parameters, shape (n,), for example a solution nearby.
    """
    found = _refined(joint, poi, values, profile_minima(joint, at_values(poi, values, at), data=data, start=start), at=at, data=data)
    return mended(joint, poi, found, at=at, data=data)


def _refined(
    joint: Joint, poi: str, values: NDArray[np.float64], first: ProfileResult, *, at: Mapping[str, float], data: Data | None
) -> Curve:
    """Return a profiled curve with the minima beside its lowest points, and values on the steep steps beside them, added."""
    position = joint.parameters.index(poi)
    seeds = minima(first.nll2)
    seeds = seeds if seeds else [int(np.argmin(first.nll2))]  # all are infinite
    floating = tuple(p.name for p in joint.parameters if (not p.fixed or p.name == poi) and p.name not in at)
    held_arrays = {name: np.full(len(seeds), value) for name, value in at.items()}
    free = profile(joint, held_arrays, data=data, start=first.theta[seeds], floating=floating)
    found = free.theta[:, position]
    low, high = values[np.maximum(np.array(seeds) - 1, 0)], values[np.minimum(np.array(seeds) + 1, len(values) - 1)]
    good = free.converged & (low < found) & (found < high) & ~np.isin(found, values) & (free.nll2 <= first.nll2[seeds])
    keep = np.flatnonzero(good)
    values, first = _merged(values, first, found[keep], free.take(keep))
    for _ in range(HALVINGS):
        wide = _steep(first.nll2)
        new = 0.5 * (values[wide] + values[wide + 1])
        between = (values[wide] < new) & (new < values[wide + 1])  # neighbouring numbers have none
        wide, new = wide[between], new[between]
        if not len(wide):
            break
        more = profile_minima(joint, at_values(poi, new, at), data=data, start=first.theta[wide])
        values, first = _merged(values, first, new, more)
    return Curve(values, first.nll2, first.converged, first.theta, first.fallbacks)


def mended(joint: Joint, poi: str, curve: Curve, *, at: Mapping[str, float], data: Data | None) -> Curve:
    """Return a curve in which the higher ends of jumps, and spikes, begin beside them where that leads to lower minima, until none is left."""
    for _ in range(HALVINGS):
        wide, spikes = _steep(curve.nll2), _spikes(curve.nll2)
        low = np.append(np.where(curve.nll2[wide] <= curve.nll2[wide + 1], wide, wide + 1), spikes - 1)
        high = np.append(2 * wide + 1 - low[: len(wide)], spikes)
        if not len(high):
            break
        more = profile_minima(joint, at_values(poi, curve.values[high], at), data=data, start=curve.theta[low])
        better = np.flatnonzero(more.converged & (more.nll2 < curve.nll2[high] - LOWER))
        if not len(better):
            break
        nll2, valid, theta = curve.nll2.copy(), curve.valid.copy(), curve.theta.copy()
        nll2[high[better]], valid[high[better]], theta[high[better]] = more.nll2[better], True, more.theta[better]
        curve = Curve(curve.values, nll2, valid, theta, curve.fallbacks + more.fallbacks)
    return curve


def _spikes(nll2: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the points that stand out above both neighbours by a standard deviation or more, where all are finite."""
    finite = np.where(np.isfinite(nll2), nll2, np.nan)
    height = np.sqrt(finite - np.nanmin(np.append(finite, np.inf)))
    return np.flatnonzero(height[1:-1] > 1.0 + np.maximum(height[:-2], height[2:])) + 1


def _steep(nll2: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the steps in which a curve leaves the neighbourhood of its minimum at once: no scale of the parameter has told of it."""
    known = np.isfinite(nll2)
    if not known.any():
        return np.empty(0, dtype=np.int64)
    height = np.sqrt(np.where(known, nll2, nll2[known].max()) - nll2[known].min())
    near = np.minimum(height[1:], height[:-1]) < NEAR
    return np.flatnonzero(known[1:] & known[:-1] & near & (np.abs(np.diff(height)) > STEEP))


def _merged(
    values: NDArray[np.float64], found: ProfileResult, new: NDArray[np.float64], more: ProfileResult
) -> tuple[NDArray[np.float64], ProfileResult]:
    """Return values and the profile there with more of both, increasing."""
    order = np.argsort(np.append(values, new))
    return np.append(values, new)[order], found.extended(more).take(order)


def searched(
    joint: Joint, poi: str, rise: float, *, at: Mapping[str, float], data: Data | None = None, grid: NDArray[np.float64] | None = None
) -> Curve:
    """Return the curve of `widened`, mended."""
    return mended(joint, poi, widened(joint, poi, rise, at=at, data=data, grid=grid), at=at, data=data)


def widened(
    joint: Joint, poi: str, rise: float, *, at: Mapping[str, float], data: Data | None = None, grid: NDArray[np.float64] | None = None
) -> Curve:
    """Return the curve over a grid that is widened until both ends are excluded or at the ends of the domain.

    Its minima are starts: that one of them is not the lowest at its value leads to others.

    Parameters
    ----------
    joint, poi, at, data
        As for `column`.
    rise
        Height above the minimum from which on a value is excluded.
    grid
        First values; those of `search_grid` by default.
    """
    values = search_grid(joint, poi) if grid is None else grid
    found = profile_minima(joint, at_values(poi, values, at), data=data)
    steady = np.zeros(2, dtype=np.bool_)
    for _ in range(WIDENINGS):
        ends = found.nll2[[0, -1]]
        low, high = (ends <= found.nll2.min() + rise) & ~steady
        new = np.setdiff1d(wider(values, joint.parameters[poi], low=bool(low), high=bool(high)), values)
        if not len(new):
            break
        values, found = _merged(values, found, new, profile_minima(joint, at_values(poi, new, at), data=data))
        steady |= np.isclose(found.nll2[[0, -1]], ends, rtol=0.0, atol=FLAT) & (low, high)
    return _refined(joint, poi, values, found, at=at, data=data)


def at_values(poi: str, values: NDArray[np.float64], at: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    """Return the held parameters at each of some values of one of them."""
    return {poi: values, **{name: np.full(len(values), value) for name, value in at.items()}}
