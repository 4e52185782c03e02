"""Expected limits from pseudo-experiments."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.curve import interpolated
from cevnsfit.infer.profile import profile
from cevnsfit.infer.runner import HERE, every
from cevnsfit.infer.sensitivity import FAR, SIGMAS, Sensitivity
from cevnsfit.infer.toys import Chunk
from cevnsfit.stats.data import Data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.sensitivity import Outlook
    from cevnsfit.infer.toys import Toys

    Floats = NDArray[np.float64]

BLOCK: Final = 25
"""Pseudo-experiments that are profiled together."""


def toy_bands(expected: Outlook, asymptotic: Sensitivity, toys: Toys, run: Runner = HERE) -> Sensitivity:
    """Return the sensitivity with bands from pseudo-experiments.

    Parameters
    ----------
    expected
        As for `sensitivity`.
    asymptotic
        The sensitivity with asymptotic bands.
    toys
        Number and seed of the pseudo-experiments.
    run
        Where they are generated: the numbers do not depend on it.
    """
    limits = toy_limits(expected, toys, run)
    good = limits[np.isfinite(limits) | (limits == math.inf)]
    quantiles = [NormalDist().cdf(z) for z in SIGMAS]
    bands = tuple(float(x) for x in np.quantile(good, quantiles, method="inverted_cdf")) if len(good) else (math.nan,) * len(SIGMAS)
    return replace(asymptotic, bands=bands, bands_method=f"{toys.number} toys, seed {toys.seed}", failed=toys.number - len(good))


def toy_limits(expected: Outlook, toys: Toys, run: Runner = HERE) -> Floats:
    """Return the limit of each pseudo-experiment, shape (toys,): infinite when nothing is excluded, NaN when a point did not converge.

    Counts and control counts of the fluctuating channels are Poisson around the Asimov data; the centres of constraints are unit normals,
    but for those of parameters of a channel with real data.
    """
    generate, measure = functools.partial(_fluctuated, expected=expected), functools.partial(_limits, expected=expected)
    begins = range(0, toys.number, BLOCK)
    blocks = [
        Chunk(generate, measure, toys.seed, number=number, size=min(BLOCK, toys.number - begin)).call for number, begin in enumerate(begins)
    ]
    return np.concatenate(run(every(blocks)))[:, 0]


def _fluctuated(rng: np.random.Generator, size: int, *, expected: Outlook) -> Data:
    """Return `size` pseudo-experiments around the Asimov data, in the channels that fluctuate."""
    base, joint = expected.real.data, expected.real.joint
    moving = [channel.name in expected.fluctuating for channel in joint.channels]

    def poisson(mean: Floats, moves: bool) -> Floats:
        return rng.poisson(mean, (size, len(mean))).astype(np.float64) if moves else np.broadcast_to(mean, (size, len(mean)))

    counts = tuple(poisson(mean, moves) for mean, moves in zip(base.counts, moving, strict=True))
    control = tuple(None if mean is None else poisson(mean, moves) for mean, moves in zip(base.control, moving, strict=True))
    free = joint.constrained.copy()
    for local, moves in zip(joint.local, moving, strict=True):
        free[local] &= moves
    return Data(counts, control, np.where(free, rng.standard_normal((size, len(free))), 0.0))


def _limits(data: Data, *, expected: Outlook) -> Floats:
    """Return the limit of each data set, shape (P, 1)."""
    test, values, size = expected.real, expected.values, len(data.aux)
    joint, level = test.joint, math.sqrt(expected.level)
    held = {name: np.full(size * len(values), value) for name, value in test.at.items()}
    repeated = data.rows(np.repeat(np.arange(size), len(values)))
    found = profile(joint, {**held, test.poi: np.tile(values, size)}, data=repeated)
    nll2, converged = found.nll2.reshape(size, -1), found.converged.reshape(size, -1)
    best = np.argmin(nll2, axis=1)
    start = found.theta.reshape(size, len(values), -1)[np.arange(size), best]
    floating = [p.name for p in joint.parameters if not p.fixed and p.name not in test.at]
    free = profile(joint, {name: np.full(size, value) for name, value in test.at.items()}, data=data, start=start, floating=floating)
    lowest = np.minimum(nll2.min(axis=1), np.where(free.converged, free.nll2, np.inf))
    distance = np.sqrt(np.maximum(nll2 - lowest[:, None], 0.0))
    limits = np.array([_edge(values, row, level, (test.value, expected.top)) for row in distance])
    failed = np.any(~converged & ~(distance > FAR), axis=1)
    return np.where(failed, np.nan, limits)[:, None]


def _edge(values: Floats, distance: Floats, level: float, branch: Interval) -> float:
    """Return the last crossing of the level on the branch; its lower end when all of it is excluded, infinity when its top is allowed."""
    place = np.flatnonzero((values >= branch[0]) & (values <= branch[1]))
    allowed = place[distance[place] <= level]
    if not len(allowed):
        return branch[0]
    last = int(allowed[-1])
    return math.inf if last == place[-1] else interpolated(values[last : last + 2], distance[last : last + 2], level)
