"""How often do intervals contain the truth: empirical coverage of three methods.

Pseudo-experiments are thrown at a true value, with the nuisances that fit the observed data best there. The profile-likelihood interval of
each contains the truth when t(truth) does not exceed the asymptotic threshold. The Feldman-Cousins interval contains it when at least 1 - CL
of further pseudo-experiments, thrown at the nuisances that fit that pseudo-experiment best at the truth, have a larger t. The truth lies below
the asymptotic CLs limit when its CLs, from the Asimov data of that pseudo-experiment without signal, is at least 1 - CL.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.cls import asymptotic_tails, cut, require_growth
from cevnsfit.infer.feldman_cousins import FAR, SURE, p_value
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.minima import conditional_fits
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import CHUNK, Unit, likelihood_ratio
from cevnsfit.stats.data import Data, asimov_data, observing, toy_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.infer.feldman_cousins import Hypotheses
    from cevnsfit.infer.toys import Measure, Rival
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

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
    quantile: float


def coverage_units(tests: Hypotheses, truth: float, toys: int, stream: tuple[int, int], *, alpha: float | None) -> list[Unit]:
    """Return the units of work of one true value.

    Parameters
    ----------
    tests
        From `hypotheses`.
    truth
        The true value.
    toys
        Number of pseudo-experiments.
    stream
        Seed, and place of the value among the random streams.
    alpha
        1 - CL of the Feldman-Cousins intervals; None for profile-likelihood intervals, and CLs limits where counts grow with the parameter.
    """
    seed, place = stream
    held = {**tests.held, tests.poi: tests.joint.parameters[tests.poi].checked(truth)}
    theta = profile(tests.joint, {name: np.array([value]) for name, value in held.items()}, data=tests.data).theta[0]
    point = TruePoint(tests.joint, tests.poi, held, theta, tests.rivals)
    if alpha is None:
        measure = functools.partial(_plain, point=point, limits=has_limits(tests))
        return [Unit(place, k, tests.joint, theta, measure, seed) for k in range(-(-toys // CHUNK))]
    nested = functools.partial(measure_nested, point=point, alpha=alpha)
    units = range(-(-toys // PER_UNIT))
    return [Unit(place, k, tests.joint, theta, functools.partial(nested, stream=(seed, place, k)), seed) for k in units]


@dataclass(frozen=True, slots=True, eq=False)
class TruePoint:
    """A true value: the likelihood, the parameters held at it, all parameters of its fit to the observed data, and who competes for the best fit."""

    joint: Joint
    poi: str
    held: Mapping[str, float]
    theta: Floats
    rivals: tuple[Rival, ...]


def _ratio(data: Data, point: TruePoint, start: Floats) -> Floats:
    return likelihood_ratio(data, joint=point.joint, poi=point.poi, held=point.held, start=start, rivals=point.rivals)


def is_near(tests: Hypotheses, truth: float) -> bool:
    """Return whether the observed data do not exclude a true value by `FAR` or more, as all methods do without pseudo-experiments."""
    held = {**tests.held, tests.poi: truth}
    found = profile(tests.joint, {name: np.array([value]) for name, value in held.items()}, data=tests.data)
    return bool(found.nll2[0] - tests.best < FAR)


def has_limits(tests: Hypotheses) -> bool:
    """Return whether CLs limits exist: 0 is in the domain, and counts grow with the parameter from there on."""
    parameter = tests.joint.parameters[tests.poi]
    if not parameter.lower <= 0.0 < parameter.upper:
        return False
    try:
        require_growth(cut(tests.joint, tests.poi, 0.0), tests.poi, tests.held)
    except CevnsfitError:
        return False
    return True


def _plain(data: Data, *, point: TruePoint, limits: bool) -> Floats:
    """Return what `likelihood_ratio` measures at the truth, and CLs of the truth (infinity without `limits`), shape (P, 4)."""
    found = _ratio(data, point, point.theta)
    return np.column_stack([found, _cls(data, found, point) if limits else np.full(len(data.aux), np.inf)])


def _cls(data: Data, found: Floats, point: TruePoint) -> Floats:
    """Return the asymptotic CLs of the truth for each data set, shape (P,), as `infer.cls` has it for the observed data."""
    truth = point.held[point.poi]
    starts = np.concatenate([point.theta[None], point.rivals[0].starts])
    without = {**point.held, point.poi: 0.0}
    lowest, null = conditional_fits(point.joint, data, starts, held=without)
    null = np.where(np.isnan(null), point.theta, null)
    single = [asimov_data(observing(point.joint, data.take(row)), theta) for row, theta in enumerate(null)]
    asimov = Data(
        tuple(np.array(counts) for counts in zip(*(one.counts for one in single), strict=True)),
        tuple(None if parts[0] is None else np.array(parts) for parts in zip(*(one.control for one in single), strict=True)),
        np.array([one.aux for one in single]),
    )
    heights = [conditional_fits(point.joint, asimov, starts, held=held)[0] for held in (point.held, without)]
    best = np.where(found[:, 2] < 0.0, lowest, found[:, 1])
    q = np.where(found[:, 2] > truth, 0.0, np.maximum(found[:, 0] - best, 0.0))
    with_signal, background = asymptotic_tails(q, np.maximum(heights[0] - heights[1], 0.0))
    return with_signal / background


def measure_nested(data: Data, *, point: TruePoint, alpha: float, stream: tuple[int, int, int]) -> Floats:
    """Return what `likelihood_ratio` measures at the truth, and the Feldman-Cousins p-value of the truth, shape (P, 4).

    Only the first `PER_UNIT` data sets are measured, the rest is infinite. `stream` is the seed, the place and the number of the unit.
    """
    found = np.full((len(data.aux), QUANTITIES), np.inf)
    data = data.rows(np.arange(min(PER_UNIT, len(data.aux))))
    size = len(data.aux)
    found[:size, :3] = _ratio(data, point, point.theta)
    _, theta = conditional_fits(point.joint, data, np.concatenate([point.theta[None], point.rivals[0].starts]), held=point.held)
    for row in range(size):
        rng = np.random.default_rng(np.random.SeedSequence(stream[0], spawn_key=(*stream[1:], row)))
        ratio = functools.partial(_ratio, point=point, start=theta[row])
        found[row, 3] = _decision(observing(point.joint, data.take(row)), theta[row], found[row, 0] - found[row, 1], ratio, (rng, alpha))
    return found


def _decision(joint: Joint, theta: Floats, observed: float, ratio: Measure, how: tuple[np.random.Generator, float]) -> float:
    """Return the p-value of a statistic, with more pseudo-experiments while it is not clear whether it is below alpha; NaN where it has none."""
    rng, alpha = how
    if not np.isfinite(observed) or not np.isfinite(theta).all():
        return math.nan
    toys = np.empty(0)
    for size in INNER:
        rows = ratio(toy_data(joint, theta, rng, size))
        good = ~np.isnan(rows).any(axis=1)
        toys = np.concatenate([toys, rows[good, 0] - rows[good, 1]])
        p, error = p_value(toys, observed)
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
    good = used[~np.isnan(used).any(axis=1)]
    failed = len(used) - len(good)
    t = np.maximum(good[:, 0] - good[:, 1], 0.0)
    quantile = float(np.quantile(t, cl)) if len(t) else math.nan
    result = [_coverage(truth, "profile", cl, t <= threshold(cl, 1), (failed, quantile))]
    if nested or np.isfinite(good[:, 3]).any():
        result.append(_coverage(truth, "feldman-cousins" if nested else "cls", cl, good[:, 3] >= 1 - cl, (failed, math.nan)))
    return tuple(result)


def _coverage(truth: float, method: str, cl: float, inside: NDArray[np.bool_], about: tuple[int, float]) -> Coverage:
    covered = float(inside.mean()) if len(inside) else math.nan
    smooth = (np.count_nonzero(inside) + 1) / (len(inside) + 2)
    failed, quantile = about
    return Coverage(truth, method, cl, covered, math.sqrt(smooth * (1 - smooth) / max(len(inside), 1)), len(inside), failed, quantile)
