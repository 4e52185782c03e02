"""The profile over couplings that float: started in several basins.

Counts are a quartic in a coupling, so that -2 ln lambda has two minima in it as a rule, and a minimum found from one start belongs to that
start. Where no such coupling floats this is the plain profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import ProfileResult
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import bind_data, evaluate_problem
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

REACH: Final = 3.0
"""Starts lie within this many coupling scales of the values with the fewest signal counts, about which the minima lie on both sides."""

RUNGS: Final = 48
"""Starts along one coupling, and for each one of several; an even number, so that none is the stationary point in the middle."""

APART: Final = 0.25
"""Distance in coupling scales below which starts in several couplings are taken to lead to the same minimum."""

KEPT: Final = (4, 6)
"""Starts of each point that are minimised when one and when several couplings float."""


def floating_couplings(joint: Joint, fixed: Mapping[str, object]) -> tuple[str, ...]:
    """Return the couplings that float and in which the counts are not linear."""
    free = [i for i, p in enumerate(joint.parameters) if p.kind == "polynomial" and not p.fixed and p.name not in fixed]
    curved: set[int] = set()
    for channel, local in zip(joint.channels, joint.local, strict=True):
        powers = channel.coefficients.powers * np.isin(local, free)
        rows = powers[powers.sum(axis=1) > 1]
        curved |= {int(local[column]) for column in np.flatnonzero(rows.any(axis=0))}
    return tuple(joint.parameters.names[i] for i in sorted(curved))


def profile_basins(joint: Joint, fixed: Mapping[str, Floats], *, data: Data | None = None, start: Floats | None = None) -> ProfileResult:
    """Return -2 ln lambda minimised over all parameters that are neither in `fixed` nor held by default, at P points.

    Parameters
    ----------
    joint, fixed, data, start
        As for `profile`; the couplings of `start` are one of the starts.
    """
    names = floating_couplings(joint, fixed)
    if not names:
        return profile(joint, fixed, data=data, start=start)
    data = observed_data(joint) if data is None else data
    theta = _base(joint, fixed, data, start)
    columns = np.array([joint.parameters.index(name) for name in names])
    scales = _scales(joint, names)
    values = np.concatenate([_ladder(joint, theta, columns, scales), theta[:, None, columns]], axis=1)
    tried = _heights(joint, theta, columns, values, data)
    apart = APART * scales
    if len(names) == 1:
        tried, apart = _minima(tried), np.zeros(1)
    results = []
    for _ in range(KEPT[0] if len(names) == 1 else KEPT[1]):
        best = values[np.arange(len(theta)), tried.argmin(axis=1)]
        tried[(np.abs(values - best[:, None]) <= apart).all(axis=2)] = np.inf
        begin = theta.copy()
        begin[:, columns] = best
        results.append(profile(joint, fixed, data=data, start=begin))
    return _lowest(results)


def _base(joint: Joint, fixed: Mapping[str, Floats], data: Data, start: Floats | None) -> Floats:
    """Return all parameters at each point before anything floats, shape (P, n)."""
    theta = np.atleast_2d(joint.parameters.defaults() if start is None else start)
    sizes = [len(theta), *(len(np.atleast_1d(item)) for item in fixed.values()), 1 if data.size is None else data.size]
    theta = np.broadcast_to(theta, (max(sizes), theta.shape[1])).copy()
    for name, item in fixed.items():
        theta[:, joint.parameters.index(name)] = item
    return theta


def _scales(joint: Joint, names: Sequence[str]) -> Floats:
    from cevnsfit.infer.intervals import coupling_scale  # which uses this module

    return np.array([coupling_scale(joint, name) for name in names])


def _ladder(joint: Joint, theta: Floats, columns: Ints, scales: Floats) -> Floats:
    """Return starting values of the couplings at each point, shape (P, starts, couplings)."""
    if len(columns) == 1:
        unit = np.linspace(0.0, 1.0, RUNGS)[:, None]
    else:
        from scipy.stats import qmc

        unit = qmc.Halton(len(columns), scramble=False).random(RUNGS * len(columns))
    parameters = [joint.parameters.parameters[column] for column in columns]
    first, last = np.array([p.lower for p in parameters]), np.array([p.upper for p in parameters])
    middle = np.clip(_fewest(joint, theta, columns, scales), first, last)
    lower, upper = np.maximum(middle - REACH * scales, first), np.minimum(middle + REACH * scales, last)
    return np.asarray(lower[:, None] + (upper - lower)[:, None] * unit)


def _fewest(joint: Joint, theta: Floats, columns: Ints, scales: Floats) -> Floats:
    """Return the couplings at which the parabola of all signal counts in them is lowest, the other parameters as they are, shape (P, n)."""
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
    return np.asarray(-np.einsum("pij,pj->pi", np.linalg.pinv(matrix, rcond=1e-6, hermitian=True), slope) * scales)


def _signal(joint: Joint, theta: Floats) -> Floats:
    """Return the signal counts of all channels, shape (P,)."""
    total = np.zeros(len(theta))
    for channel, local in zip(joint.channels, joint.local, strict=True):
        signal = np.array([component == "cevns" for component in channel.components])
        total += amplitudes(channel.coefficients, theta[:, local]) @ (channel.templates.sum(axis=1) * signal)
    return total


def _heights(joint: Joint, theta: Floats, columns: Ints, values: Floats, data: Data) -> Floats:
    """Return -2 ln lambda at each point with the couplings at each start, shape (P, starts)."""
    points, starts = values.shape[:2]
    full = np.repeat(theta, starts, axis=0)
    full[:, columns] = values.reshape(points * starts, -1)
    bound = bind_data(joint, data, np.empty(0, dtype=np.int64), np.flatnonzero(np.all(full == 0.0, axis=0)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = evaluate_problem(bound, full, np.repeat(np.arange(points), starts))
    return np.where(np.isfinite(result.value) & ~result.impossible, result.value, np.finfo(np.float64).max).reshape(points, starts)


def _minima(heights: Floats) -> Floats:
    """Return the heights (P, starts) of a ladder and, last, of one more start; infinite but for the minima, the lowest of each half, and the last."""
    ladder = np.pad(heights[:, :-1], ((0, 0), (1, 1)), constant_values=np.inf)
    lowest = (ladder[:, 1:-1] <= ladder[:, :-2]) & (ladder[:, 1:-1] <= ladder[:, 2:])
    points, middle = np.arange(len(heights)), lowest.shape[1] // 2
    lowest[points, heights[:, :middle].argmin(axis=1)] = True
    lowest[points, middle + heights[:, middle:-1].argmin(axis=1)] = True
    return np.concatenate([np.where(lowest, heights[:, :-1], np.inf), heights[:, -1:]], axis=1)


def _lowest(results: list[ProfileResult]) -> ProfileResult:
    """Return the lowest converged result of each point, or the lowest where none converged."""
    nll2 = np.array([entry.nll2 for entry in results])
    good = np.array([entry.converged for entry in results])
    chosen = np.where(good | ~good.any(axis=0), nll2, np.inf).argmin(axis=0)
    points = np.arange(nll2.shape[1])

    def pick(name: str) -> Floats:
        picked: Floats = np.array([getattr(entry, name) for entry in results])[chosen, points]
        return picked

    fallbacks = sum(entry.fallbacks for entry in results)
    return ProfileResult(pick("nll2"), pick("theta"), pick("edm"), good[chosen, points], pick("iterations").astype(np.int64), fallbacks)
