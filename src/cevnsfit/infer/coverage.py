"""How often do intervals contain the truth: empirical coverage of three methods.

Pseudo-experiments are generated at a true value, with the nuisances that fit the observed data best there. The profile-likelihood interval of
each contains the truth when t(truth) does not exceed the asymptotic threshold. The Feldman-Cousins interval contains it when at least 1 - CL
of further pseudo-experiments, generated at the nuisances that fit that pseudo-experiment best at the truth, have a larger t. The truth lies below
the asymptotic CLs limit when its CLs, from the Asimov data of that pseudo-experiment without signal, is at least 1 - CL.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.cls import asymptotic_tails, cut, require_growth
from cevnsfit.infer.feldman_cousins import FAR
from cevnsfit.infer.hypothesis import hypothesis, likelihood_ratio, q_tilde, t, with_best_fit
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.minima import conditional_fits
from cevnsfit.infer.runner import Call, every
from cevnsfit.infer.toys import SURE, Chunk, measured, p_value
from cevnsfit.stats.data import asimov_data, observing, stack, toy_data

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


INNER: Final = (64, 192, 512)
"""Further pseudo-experiments of one Feldman-Cousins decision, added while it is not clear."""

PER_UNIT: Final = 16
"""Pseudo-experiments of one unit of work when Feldman-Cousins intervals are studied."""

QUANTITIES: Final = 4
"""Numbers measured on each pseudo-experiment: those of `likelihood_ratio`, and the Feldman-Cousins p-value or CLs of the truth; infinite
where that is not asked for."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage of one method at one true value.

    Attributes
    ----------
    truth
        The true value.
    method
        "profile", "feldman-cousins" or "cls".
    cl
        Nominal coverage.
    covered, error
        Fraction of pseudo-experiments whose interval contains the truth, and its binomial error.
    toys, failed
        Pseudo-experiments that count, and those whose fits failed.
    quantile
        The value of t that is exceeded with probability 1 - CL: what the asymptotic threshold should be; NaN for other methods.
    """

    truth: float
    method: str
    cl: float
    covered: float
    error: float
    toys: int
    failed: int
    quantile: float = math.nan


def studied(one: Hypothesis, *, cl: float, toys: Toys, nested: int, point: int) -> Procedure[tuple[Coverage, ...]]:
    """Return the coverage of each method at one true value.

    Parameters
    ----------
    one
        The true value, from `infer.hypothesis.at_value`.
    cl
        Confidence level.
    toys
        Number and seed of the pseudo-experiments for profile-likelihood intervals, and for CLs limits where counts grow with the parameter.
    nested
        Number of those for Feldman-Cousins intervals; 0 for none.
    point
        Place of the value among the random streams; that of Feldman-Cousins intervals is the next one.
    """
    limits, inside = yield [Call(has_limits, (one,)), Call(_physical, (one,)) if nested else every([])]
    chunk = Chunk(functools.partial(toy_data, one.joint, one.theta), functools.partial(_plain, test=one, limits=limits), toys.seed, point)
    plain, ordered = yield [measured(chunk, toys.chunks), _ordered(inside, toys.seed, point + 1, nested, 1 - cl) if nested else every([])]
    found = coverage_of(one.value, plain, cl=cl, nested=False)
    return found if not nested else (*found, coverage_of(one.value, ordered, cl=cl, nested=True)[1])


def _physical(test: Hypothesis) -> Hypothesis:
    """Return a hypothesis with its best fit in the physical domain."""
    return with_best_fit(hypothesis(test.joint.physical, test.poi, test.value, at=test.at, data=test.data))


def _ordered(test: Hypothesis, seed: int, point: int, toys: int, alpha: float) -> Procedure[Floats]:
    """Return what `measure_nested` measures, in units of `PER_UNIT` pseudo-experiments."""
    generate, chunks = functools.partial(toy_data, test.joint, test.theta), []
    for number in range(-(-toys // PER_UNIT)):
        stream = np.random.SeedSequence(seed, spawn_key=(point, number))
        measure = functools.partial(measure_nested, test=test, alpha=alpha, stream=stream)
        chunks.append(Chunk(generate, measure, seed, point, number).call)
    return np.concatenate((yield chunks))


def is_near(one: Hypothesis) -> bool:
    """Return whether the observed data do not exclude a true value by `FAR` or more, as all methods do without pseudo-experiments."""
    return one.nll2 - one.best < FAR


def has_limits(test: Hypothesis) -> bool:
    """Return whether CLs limits exist: the value without signal is in the domain, and counts grow with the parameter from there on."""
    parameter = test.joint.parameters[test.poi]
    if not parameter.lower <= parameter.null < parameter.upper:
        return False
    try:
        require_growth(cut(test.joint, test.poi, parameter.null), test.poi, test.at)
    except CevnsfitError:
        return False
    return True


def _plain(data: Data, *, test: Hypothesis, limits: bool) -> Floats:
    """Return what `likelihood_ratio` measures at the truth, and CLs of the truth (infinity without `limits`), shape (P, 4)."""
    found = likelihood_ratio(data, test=test)
    return np.column_stack([found, _cls(data, found, test) if limits else np.full(len(data.aux), np.inf)])


def _cls(data: Data, found: Floats, test: Hypothesis) -> Floats:
    """Return the asymptotic CLs of the truth for each data set, shape (P,), as `infer.cls` has it for the observed data."""
    starts = np.concatenate([test.theta[None], test.alternatives[0].starts])
    floor = test.joint.parameters[test.poi].null
    without = {**test.at, test.poi: floor}
    lowest, null = conditional_fits(test.joint, data, starts, at=without)
    null = np.where(np.isnan(null), test.theta, null)
    asimov = stack([asimov_data(observing(test.joint, data.take(row)), theta) for row, theta in enumerate(null)])
    heights = [conditional_fits(test.joint, asimov, starts, at=held)[0] for held in (test.held, without)]
    best = np.where(found[:, 2] < floor, lowest, found[:, 1])
    q = q_tilde(np.column_stack([found[:, 0], best, found[:, 2]]), test.value)
    with_signal, background = asymptotic_tails(q, np.maximum(heights[0] - heights[1], 0.0))
    return np.exp(with_signal - background)


def measure_nested(data: Data, *, test: Hypothesis, alpha: float, stream: np.random.SeedSequence) -> Floats:
    """Return what `likelihood_ratio` measures at the truth, and the Feldman-Cousins p-value of the truth, shape (P, 4).

    Only the first `PER_UNIT` data sets are measured, the rest is infinite. `stream` is that of the unit.
    """
    found = np.full((len(data.aux), QUANTITIES), np.inf)
    data = data.rows(np.arange(min(PER_UNIT, len(data.aux))))
    size = len(data.aux)
    found[:size, :3] = likelihood_ratio(data, test=test)
    _, theta = conditional_fits(test.joint, data, np.concatenate([test.theta[None], test.alternatives[0].starts]), at=test.held)
    statistic = found[:size, 0] - found[:size, 1]
    for row in range(size):
        rng = np.random.default_rng(np.random.SeedSequence(stream.entropy, spawn_key=(*stream.spawn_key, row)))
        joint = observing(test.joint, data.take(row))
        found[row, 3] = _decision(replace(test, theta=theta[row]), joint, float(statistic[row]), alpha, rng)
    return found


def _decision(test: Hypothesis, joint: Joint, observed: float, alpha: float, rng: np.random.Generator) -> float:
    """Return the p-value of a statistic, with more pseudo-experiments while it is not clear whether it is below alpha; NaN where it has none.

    They are generated in `joint`, which observes the data set.
    """
    if not np.isfinite(observed) or not np.isfinite(test.theta).all():
        return math.nan
    toys = np.empty(0)
    for size in INNER:
        rows = likelihood_ratio(toy_data(joint, test.theta, rng, size), test=test)
        toys = np.concatenate([toys, t(rows)])
        p, error = p_value(toys[~np.isnan(toys)], observed)
        if abs(p - alpha) > SURE * error:
            break
    return p


def coverage_of(truth: float, rows: Floats, *, cl: float, nested: bool) -> tuple[Coverage, ...]:
    """Return the coverage of each method from what was measured, shape (P, 4).

    Parameters
    ----------
    truth
        The true value.
    rows
        Of all units.
    cl
        Confidence level.
    nested
        Whether Feldman-Cousins intervals were studied.
    """
    used = rows[~np.isposinf(rows[:, 1])]
    counted = used[~np.isnan(used).any(axis=1)]
    failed = len(used) - len(counted)
    statistic = t(counted)
    quantile = float(np.quantile(statistic, cl)) if len(statistic) else math.nan
    profiled = _coverage(truth, "profile", cl, statistic <= threshold(cl, 1), failed)
    result = [replace(profiled, quantile=quantile)]
    if nested or np.isfinite(counted[:, 3]).any():
        result.append(_coverage(truth, "feldman-cousins" if nested else "cls", cl, counted[:, 3] >= 1 - cl, failed))
    return tuple(result)


def _coverage(truth: float, method: str, cl: float, inside: Bools, failed: int) -> Coverage:
    covered = float(inside.mean()) if len(inside) else math.nan
    smooth = (np.count_nonzero(inside) + 1) / (len(inside) + 2)
    return Coverage(truth, method, cl, covered, math.sqrt(smooth * (1 - smooth) / max(len(inside), 1)), len(inside), failed)
