"""Fits from several starts: the profile over couplings that float, at many points or of many data sets together.

Counts are a quartic in a coupling, so that -2 ln lambda has two minima in it as a rule, and a minimum found from one start belongs to that
start. Many starts are looked at, the promising ones are minimised, and the lowest minimum of each point is kept. Where no such coupling floats
this is the plain profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.lines import coupling_scales, curved_couplings
from cevnsfit.infer.profile import profile
from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2_at
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.infer.results import ProfileResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


SWEEPS: Final = 8
"""Rounds over the couplings in which the lowest point of a parabola inside their domains is found."""

REACH: Final = 3.0
"""Starts lie within this many coupling scales of the values with the fewest signal counts, about which the minima lie on both sides."""

RUNGS: Final = 48
"""Starts along one coupling, and for each one of several; an even number, so that none is the stationary point in the middle."""

APART: Final = 0.25
"""Distance in coupling scales below which starts in several couplings are taken to lead to the same minimum."""

ON_TOP: Final = 0.2
"""Distance from the coupling with the fewest counts, relative to it, within which a start says nothing of the side it leads to."""

KEPT: Final = (4, 6)
"""Starts of each point that are minimised when one and when several couplings float, at most."""

MANY: Final = 24
"""Starts that are minimised in total, at most, where points are few."""

NARROWEST: Final = 0.02
WIDEST: Final = 1e4
"""Range of the scale of a coupling at a point, relative to the one with other couplings at zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Starts of P points in their couplings.

    Attributes
    ----------
    values
        The couplings at each start, shape (P, S, couplings).
    heights
        -2 ln lambda there, shape (P, S).
    """

    values: Floats
    heights: Floats


def promising(starts: Starts, *, middle: Floats, apart: Floats, kept: int, shallow: float = np.inf) -> Bools:
    """Return the starts of each point that are worth a minimisation, at most `kept` of them, shape (P, S).

    Along one coupling these are the minima among its starts, and the lowest on either side of the `middle` (P, couplings), about which minima
    come in pairs, unless it is `shallow` above the lowest of all; starts within `ON_TOP` of the middle say nothing of the side they lead to. In several couplings it is the lowest start, the lowest that is farther than `apart` (P, couplings) from that one, and so on.
    """
    chosen = _along_one(starts, middle[:, 0], shallow) if starts.values.shape[2] == 1 else _spread(starts, apart, kept)
    ranked = np.sort(np.where(chosen, starts.heights, np.inf), axis=1)
    worst = ranked[:, min(kept, ranked.shape[1]) - 1]
    result: Bools = chosen & (starts.heights <= worst[:, None])
    return result


def _along_one(starts: Starts, middle: Floats, shallow: float) -> Bools:
    along, heights = starts.values[:, :, 0], starts.heights
    order = np.argsort(along, axis=1, kind="stable")
    ranked = np.pad(np.take_along_axis(heights, order, axis=1), ((0, 0), (1, 1)), constant_values=np.inf)
    chosen = np.zeros(heights.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, (ranked[:, 1:-1] <= ranked[:, :-2]) & (ranked[:, 1:-1] < ranked[:, 2:]), axis=1)
    beside = (along - middle[:, None]) / np.where(middle == 0.0, 1.0, np.abs(middle))[:, None]
    for side in (beside > ON_TOP, beside < -ON_TOP):
        inside = np.where(side, heights, np.inf)
        chosen[np.arange(len(heights)), inside.argmin(axis=1)] |= inside.min(axis=1) - heights.min(axis=1) < shallow
    return chosen


def _spread(starts: Starts, apart: Floats, kept: int) -> Bools:
    left, points = starts.heights.copy(), np.arange(len(starts.heights))
    chosen = np.zeros(left.shape, dtype=np.bool_)
    for _ in range(kept):
        best = left.argmin(axis=1)
        chosen[points, best] |= np.isfinite(left[points, best])
        left[(np.abs(starts.values - starts.values[points, best][:, None]) <= apart[:, None]).all(axis=2)] = np.inf
    return chosen


def profile_minima(joint: Joint, at: Mapping[str, Floats], *, data: Data | None = None, start: Floats | None = None) -> ProfileResult:
    """Return -2 ln lambda minimised over all parameters that are neither in `at` nor held by default, at P points.

    Parameters
    ----------
    joint, at, data, start
        As for `profile`; the couplings of `start` are one of the starts.
    """
    names = curved_couplings(joint, at)
    if not names:
        return profile(joint, at, data=data, start=start)
    data = observed_data(joint) if data is None else data
    theta = _base(joint, at, data, start)
    columns = np.array([joint.parameters.index(name) for name in names])
    middle, units = _fewest(joint, theta, columns, coupling_scales(joint, names))
    values = _cloud(joint, columns, middle, units)
    starts = Starts(values, _heights(joint, theta, columns, values, data))
    kept = max(KEPT[len(names) > 1], MANY // len(theta))
    chosen = promising(starts, middle=middle, apart=APART * units, kept=kept)
    if start is not None:
        values = np.concatenate([values, theta[:, None, columns]], axis=1)
        chosen = np.pad(chosen, ((0, 0), (0, 1)), constant_values=True)
    rows, which = np.nonzero(chosen)
    begin = theta[rows]
    begin[:, columns] = values[rows, which]
    held = {name: np.broadcast_to(item, (len(theta),))[rows] for name, item in at.items()}
    found = profile(joint, held, data=data if data.size is None else data.rows(rows), start=begin)
    return lowest_of(found, rows, len(theta))


def lowest_of(found: ProfileResult, rows: Ints, size: int) -> ProfileResult:
    """Return the lowest converged result of each of `size` points, or the lowest where none converged; `rows` (k,) are their points."""
    good = np.zeros(size, dtype=np.bool_)
    np.logical_or.at(good, rows, found.converged)
    heights = np.where(found.converged | ~good[rows], found.nll2, np.inf)
    order = np.lexsort((np.where(np.isnan(heights), np.inf, heights), rows))
    first = order[np.searchsorted(rows[order], np.arange(size))]
    return found.take(first)


def _base(joint: Joint, at: Mapping[str, Floats], data: Data, start: Floats | None) -> Floats:
    """Return all parameters at each point before anything floats, shape (P, n)."""
    theta = np.atleast_2d(joint.parameters.defaults() if start is None else start)
    sizes = [len(theta), *(len(np.atleast_1d(item)) for item in at.values()), 1 if data.size is None else data.size]
    theta = np.broadcast_to(theta, (max(sizes), theta.shape[1])).copy()
    for name, item in at.items():
        theta[:, joint.parameters.index(name)] = item
    return theta


def unit_cloud(size: int, count: int) -> Floats:
    """Return points of the unit cube, evenly spaced in one dimension and quasi-random in several, shape (count, size)."""
    if size == 1:
        return np.linspace(0.0, 1.0, count)[:, None]
    from scipy.stats import qmc

    points: Floats = qmc.Halton(size, scramble=False).random(count)
    return points


def _cloud(joint: Joint, columns: Ints, middle: Floats, units: Floats) -> Floats:
    """Return starting values of the couplings at each point, shape (P, starts, couplings); their defaults are the first one where they lie far from all."""
    unit = unit_cloud(len(columns), RUNGS * len(columns))
    parameters = [joint.parameters.parameters[column] for column in columns]
    first, last = np.array([p.lower for p in parameters]), np.array([p.upper for p in parameters])
    lower, upper = np.maximum(middle - REACH * units, first), np.minimum(middle + REACH * units, last)
    cloud = lower[:, None] + (upper - lower)[:, None] * unit
    defaults = np.clip([p.default for p in parameters], first, last)
    cloud[((defaults < lower) | (defaults > upper)).any(axis=1), 0] = defaults
    return np.asarray(cloud)


def _fewest(joint: Joint, theta: Floats, columns: Ints, scales: Floats) -> tuple[Floats, Floats]:
    """Return the couplings at which the parabola of all signal counts in them is lowest, and their scales at each point, each of shape (P, n).

    The other parameters stay as they are: where they leave less curvature than at their defaults, the scale is larger.
    """
    size = len(columns)
    base = theta.copy()
    base[:, columns] = 0.0

    def counts(step: Floats) -> Floats:
        moved = base.copy()
        moved[:, columns] = step * scales
        return _signal(joint, moved)

    unit, origin = np.eye(size), counts(np.zeros(size))
    up, down = np.array([counts(row) for row in unit]), np.array([counts(-row) for row in unit])
    matrix = np.empty((len(theta), size, size))
    for i in range(size):
        for j in range(size):
            matrix[:, i, j] = up[i] + down[i] - 2 * origin if i == j else counts(unit[i] + unit[j]) - up[i] - up[j] + origin
    slope = (up - down).T / 2.0
    ends = np.array(
        [
            [end / scale for end in (joint.parameters.parameters[k].lower, joint.parameters.parameters[k].upper)]
            for k, scale in zip(columns, scales, strict=True)
        ]
    )
    lowest = _inside(-np.einsum("pij,pj->pi", np.linalg.pinv(matrix, rcond=1e-6, hermitian=True), slope), matrix, slope, ends) * scales
    curvature = np.einsum("pii->pi", matrix) / 2.0
    usual = _signal(joint, joint.parameters.defaults()[None])
    size_here = np.sqrt(np.divide(usual[:, None], curvature, out=np.ones_like(curvature), where=(curvature > 0) & (usual[:, None] > 0)))
    return np.asarray(lowest), scales * np.clip(size_here, NARROWEST, WIDEST)


def _inside(lowest: Floats, matrix: Floats, slope: Floats, ends: Floats) -> Floats:
    """Return the lowest points (P, n) of parabolas inside a box with `ends` (n, 2): a coupling at an end moves the others."""
    inside = np.clip(lowest, ends[:, 0], ends[:, 1])
    if lowest.shape[1] == 1 or np.array_equal(inside, lowest):
        return inside
    for i in (*range(lowest.shape[1]),) * SWEEPS:
        curvature = matrix[:, i, i]
        other = np.einsum("pj,pj->p", matrix[:, i], inside) - curvature * inside[:, i]
        moved = np.divide(-slope[:, i] - other, curvature, out=inside[:, i].copy(), where=curvature > 0)
        inside[:, i] = np.clip(moved, *ends[i])
    return inside


def _signal(joint: Joint, theta: Floats) -> Floats:
    """Return the signal counts of all channels, shape (P,)."""
    total = np.zeros(len(theta))
    for channel, local in zip(joint.channels, joint.local, strict=True):
        signal = np.array([component == SIGNAL for component in channel.components])
        total += amplitudes(channel.coefficients, theta[:, local]) @ (channel.templates.sum(axis=1) * signal)
    return total


def _heights(joint: Joint, theta: Floats, columns: Ints, values: Floats, data: Data) -> Floats:
    """Return -2 ln lambda at each point with the couplings at each start, shape (P, starts)."""
    points, starts = values.shape[:2]
    full = np.repeat(theta, starts, axis=0)
    full[:, columns] = values.reshape(points * starts, -1)
    bound = bind_data(joint, data, np.empty(0, dtype=np.int64), np.flatnonzero(np.all(full == 0.0, axis=0)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        heights = nll2_at(bound, full, np.repeat(np.arange(points), starts))
    return np.where(np.isfinite(heights), heights, np.finfo(np.float64).max).reshape(points, starts)
