"""Expected limits from pseudo-experiments."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.infer.profile import profile
from cevnsfit.infer.sensitivity import FAR, SIGMAS, LimitTest, Sensitivity, asimov_curve, within
from cevnsfit.stats.data import Data, observed_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]
    Calls = Callable[[Callable[..., Floats], Sequence[tuple[Any, ...]]], list[Floats]]

BLOCK: Final = 25
"""Pseudo-experiments that are profiled together."""


def in_order(function: Callable[..., Floats], tasks: Sequence[tuple[Any, ...]]) -> list[Floats]:
    """Return what a function returns for each tuple of arguments."""
    return [function(*task) for task in tasks]


def toy_bands(
    asimov: Joint, real: Joint, test: LimitTest, expected: Sensitivity, toys: tuple[int, int], calls: Calls = in_order
) -> Sensitivity:
    """Return the sensitivity with bands from pseudo-experiments.

    Parameters
    ----------
    asimov, real, test
        As for `sensitivity`.
    expected
        The sensitivity with asymptotic bands, at the true value `asimov` was made for.
    toys
        Number and seed of the pseudo-experiments.
    calls
        Returns what a function returns for each tuple of arguments, in order: the numbers do not depend on where.
    """
    number, seed = toys
    limits = toy_limits(asimov, real, test, expected.top, toys, calls)
    good = limits[np.isfinite(limits) | (limits == math.inf)]
    quantiles = [NormalDist().cdf(z) for z in SIGMAS]
    bands = tuple(float(x) for x in np.quantile(good, quantiles, method="inverted_cdf")) if len(good) else (math.nan,) * len(SIGMAS)
    return replace(expected, bands=bands, bands_method=f"{number} toys, seed {seed}", failed=number - len(good))


def toy_limits(asimov: Joint, real: Joint, test: LimitTest, top: float, toys: tuple[int, int], calls: Calls = in_order) -> Floats:
    """Return the limit of each pseudo-experiment, shape (toys,): infinite when nothing is excluded, NaN when a point did not converge.

    Counts and control counts of the fluctuating channels are Poisson around the Asimov data; the centres of constraints are unit normals,
    but for those of parameters of a channel with real data.

    Raises
    ------
    DomainError
        Unless there is at least one pseudo-experiment.
    """
    number, seed = toys
    if number < 1 or seed < 0:
        message = f"pseudo-experiments need a number of at least 1 and a seed of at least 0, got {number} and {seed}"
        raise DomainError(message)
    values = within(asimov_curve(asimov, test), math.sqrt(test.level) + FAR)
    sizes = [min(BLOCK, number - start) for start in range(0, number, BLOCK)]
    return np.concatenate(calls(block_limits, [(real, test, values, top, (seed, block, size)) for block, size in enumerate(sizes)]))


def block_limits(real: Joint, test: LimitTest, values: Floats, top: float, stream: tuple[int, int, int]) -> Floats:
    """Return the limits of one block of pseudo-experiments, shape (size,); `stream` is the seed, the number of the block, and its size."""
    seed, block, size = stream
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
    return _limits(real, _fluctuated(real, observed_data(real), test, rng, size), test, values, top)


def _fluctuated(joint: Joint, base: Data, test: LimitTest, rng: np.random.Generator, size: int) -> Data:
    moving = [channel.name in test.fluctuating for channel in joint.channels]

    def poisson(mean: Floats, moves: bool) -> Floats:
        return rng.poisson(mean, (size, len(mean))).astype(np.float64) if moves else np.broadcast_to(mean, (size, len(mean)))

    counts = tuple(poisson(mean, moves) for mean, moves in zip(base.counts, moving, strict=True))
    control = tuple(None if mean is None else poisson(mean, moves) for mean, moves in zip(base.control, moving, strict=True))
    free = joint.constrained.copy()
    for local, moves in zip(joint.local, moving, strict=True):
        free[local] &= moves
    return Data(counts, control, np.where(free, rng.standard_normal((size, len(free))), 0.0))


def _limits(joint: Joint, data: Data, test: LimitTest, values: Floats, top: float) -> Floats:
    size = len(data.aux)
    rows = np.repeat(np.arange(size), len(values))
    repeated = data.rows(rows)
    held = {name: np.full(len(rows), value) for name, value in test.held.items()}
    found = profile(joint, {**held, test.poi: np.tile(values, size)}, data=repeated)
    nll2, good = found.nll2.reshape(size, -1), found.converged.reshape(size, -1)
    best = np.argmin(nll2, axis=1)
    start = found.theta.reshape(size, len(values), -1)[np.arange(size), best]
    floating = [p.name for p in joint.parameters if not p.fixed and p.name not in test.held]
    free = profile(joint, {name: np.full(size, value) for name, value in test.held.items()}, data=data, start=start, floating=floating)
    lowest = np.minimum(nll2.min(axis=1), np.where(free.converged, free.nll2, np.inf))
    distance = np.sqrt(np.maximum(nll2 - lowest[:, None], 0.0))
    limits = np.array([_edge(values, row, math.sqrt(test.level), (test.truth, top)) for row in distance])
    failed = np.any(~good & ~(distance > FAR), axis=1)
    return np.where(failed, np.nan, limits)


def _edge(values: Floats, distance: Floats, level: float, branch: tuple[float, float]) -> float:
    """Return the last crossing of the level on the branch; its lower end when all of it is excluded, infinity when its top is allowed."""
    truth, top = branch
    place = np.flatnonzero((values >= truth) & (values <= top))
    allowed = place[distance[place] <= level]
    if not len(allowed):
        return truth
    last = allowed[-1]
    if last == place[-1]:
        return math.inf
    fraction = (level - distance[last]) / (distance[last + 1] - distance[last])
    return float(values[last] + fraction * (values[last + 1] - values[last]))
