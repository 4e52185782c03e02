"""Feldman-Cousins intervals: the ordering of the observed likelihood ratio among pseudo-experiments.

The statistic of a value is t = -2 ln lambda(value) + 2 ln lambda(best fit). Pseudo-experiments are thrown at the value with the nuisances
that fit the observed data best there, auxiliary data included, and the value belongs to the interval when at least a fraction 1 - CL of them
have a larger t. Values far from the best fit need none. More are thrown only where the decision is within the Monte Carlo error.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, section IV; for nuisances Cranmer, PHYSTAT 2005, physics/0511028, section 4.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.infer.intervals import Intervals, column, complement, search_grid, threshold
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.toys import CHUNK, Rival, Unit, in_this_process, likelihood_ratio
from cevnsfit.stats.data import observed_data, observing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.intervals import Column
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

METHOD: Final = "Feldman-Cousins, nuisances profiled"

FAR: Final = 25.0
"""Statistic beyond which a value is excluded without pseudo-experiments: five standard deviations."""

SURE: Final = 3.0
"""Monte Carlo errors between p and 1 - CL at which a decision is clear."""

REFINED: Final = 3
"""Times that the distance between an allowed and an excluded value is halved."""

_STEPS: Final = (0.5, 1.5, 2.5, 3.5, 5.0, 8.0, FAR)
"""The statistic takes at least one value between neighbours of these on each side of a minimum."""


@dataclass(frozen=True, slots=True)
class ToyPlan:
    """How many pseudo-experiments.

    Attributes
    ----------
    toys
        At most for one value, in whole chunks.
    seed
        Of all random streams.
    """

    toys: int = 2048
    seed: int = 1

    def __post_init__(self) -> None:
        if self.toys < 1 or self.seed < 0:
            message = f"pseudo-experiments need a number of at least 1 and a seed of at least 0, got {self.toys} and {self.seed}"
            raise DomainError(message)

    @property
    def chunks(self) -> int:
        """Return the number of chunks of one value, at most."""
        return -(-self.toys // CHUNK)


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """The values of one parameter that are tested, one likelihood and data set.

    Attributes
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter.
    held
        Other parameters that are held, by name.
    data
        The observed data set.
    rivals
        The likelihoods among which the best fit is looked for.
    best
        -2 ln lambda of the best fit to the observed data.
    """

    joint: Joint
    poi: str
    held: Mapping[str, float]
    data: Data
    rivals: tuple[Rival, ...]
    best: float


@dataclass(slots=True, eq=False)
class Tested:
    """One value under test: its place among the random streams, all parameters of its fit to the data, and the toys so far."""

    place: int
    value: float
    theta: Floats
    statistic: float
    toys: Floats = field(default_factory=lambda: np.empty(0))
    failed: int = 0
    chunks: int = 0


def p_value(toys: Floats, observed: float) -> tuple[float, float]:
    """Return the fraction of pseudo-experiments whose statistic is at least the observed one, and its binomial error.

    The error is that of (k + 1)/(N + 2): it does not vanish for k = 0.

    Examples
    --------
    >>> p, error = p_value(np.array([0.1, 1.0, 2.0, 5.0]), 2.0)
    >>> p, round(error, 3)
    (0.5, 0.25)
    """
    if not len(toys):
        return math.nan, math.inf
    above = int(np.count_nonzero(toys >= observed))
    smooth = (above + 1) / (len(toys) + 2)
    return above / len(toys), math.sqrt(smooth * (1 - smooth) / len(toys))


def hypotheses(
    joint: Joint, poi: str, *, held: Mapping[str, float], data: Data | None = None, rivals: Sequence[Rival] | None = None
) -> Hypotheses:
    """Return the values of `poi` as hypotheses.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters; with `rivals` one that observes the data set.
    poi
        The parameter.
    held
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    rivals
        The likelihoods among which the best fit is looked for; `joint` alone by default.
    """
    data = observed_data(joint) if data is None else data
    if rivals is None:
        joint = observing(joint, data)
        rivals = (Rival(joint, start_set(joint, data, held=held)),)
    fits = [free_fits(rival.joint, data.batch(), rival.starts, held=held)[0][0] for rival in rivals]
    return Hypotheses(joint, poi, held, data, tuple(rivals), float(np.nanmin([*fits, np.inf])))


def feldman_cousins(tests: Hypotheses, *, cl: float, plan: ToyPlan, throw: Thrower = in_this_process, first: int = 0) -> Intervals:
    """Return the Feldman-Cousins interval of one parameter.

    Parameters
    ----------
    tests
        From `hypotheses`.
    cl
        Confidence level.
    plan
        Number and seed of the pseudo-experiments.
    throw
        Returns the chunks of some units, in order.
    first
        Place of the first value among the random streams.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1.
    """
    threshold(cl, 1)
    curve = column(tests.joint, tests.poi, search_grid(tests.joint, tests.poi), held=tests.held, data=tests.data)
    best = min(tests.best, float(curve.nll2.min()))
    chosen = grid_points(curve, best)
    points = [
        Tested(first + (k << REFINED), float(curve.values[i]), curve.theta[i], max(float(curve.nll2[i]) - best, 0.0))
        for k, i in enumerate(chosen)
    ]
    decide(tests, points, 1 - cl, plan, throw)
    for level in range(REFINED):
        middles = _middles(tests, points, 1 - cl, 1 << (REFINED - level), best)
        decide(tests, middles, 1 - cl, plan, throw)
        points = sorted([*points, *middles], key=lambda point: point.value)
    return _result(tests, curve, points, cl, plan.seed)


def grid_points(curve: Column, best: float) -> list[int]:
    """Return which points of a profiled curve are tested: extremes, and one wherever the statistic passes one of the steps."""
    statistic = np.clip(curve.nll2 - best, 0.0, 1e12)
    step = np.searchsorted(_STEPS, statistic, side="right")
    slope = np.sign(np.diff(statistic))
    chosen = [0]
    for i in range(1, len(statistic) - 1):
        extreme = slope[i] != slope[i - 1] and statistic[i] < FAR
        before_excluded = step[i] < len(_STEPS) <= max(step[i + 1], step[i - 1])
        if extreme or before_excluded or step[i] != step[chosen[-1]]:
            chosen.append(i)
    return [*chosen, len(statistic) - 1]


def decide(tests: Hypotheses, points: Sequence[Tested], alpha: float, plan: ToyPlan, throw: Thrower) -> None:
    """Throw pseudo-experiments until each point is clearly allowed or excluded, or has its full number; the points are updated in place."""
    open_points = [point for point in points if point.statistic < FAR]
    while open_points:
        wanted = [(point, chunk) for point in open_points for chunk in range(point.chunks, min(max(1, 2 * point.chunks), plan.chunks))]
        found = throw([_unit(tests, point, chunk, plan.seed) for point, chunk in wanted])
        for (point, chunk), measured in zip(wanted, found, strict=True):
            good = ~np.isnan(measured).any(axis=1)
            point.toys = np.concatenate([point.toys, measured[good, 0] - measured[good, 1]])
            point.failed += int(np.count_nonzero(~good))
            point.chunks = chunk + 1
        open_points = [point for point in open_points if point.chunks < plan.chunks and not is_clear(point, alpha)]


def is_clear(point: Tested, alpha: float) -> bool:
    """Return whether p is farther than the Monte Carlo error allows from `alpha`, or the point needs no pseudo-experiments."""
    if point.statistic >= FAR:
        return True
    p, error = p_value(point.toys, point.statistic)
    return abs(p - alpha) > SURE * error


def _unit(tests: Hypotheses, point: Tested, chunk: int, seed: int) -> Unit:
    measure = functools.partial(
        likelihood_ratio,
        joint=tests.joint,
        poi=tests.poi,
        held={**tests.held, tests.poi: point.value},
        start=point.theta,
        rivals=tests.rivals,
    )
    return Unit(point.place, chunk, tests.joint, point.theta, measure, seed)


def _p(point: Tested) -> float:
    return 0.0 if point.statistic >= FAR else p_value(point.toys, point.statistic)[0]


def _is_allowed(point: Tested, alpha: float) -> bool:
    """Return whether a value is in the interval; one whose pseudo-experiments all failed is."""
    return not _p(point) < alpha


def _middles(tests: Hypotheses, points: Sequence[Tested], alpha: float, gap: int, best: float) -> list[Tested]:
    """Return the values half way between neighbours, `gap` places apart, of which one is clearly allowed and the other clearly not."""
    clear = [(a, b) for a, b in itertools.pairwise(points) if is_clear(a, alpha) and is_clear(b, alpha) and b.place - a.place == gap]
    pairs = [(a, b) for a, b in clear if _is_allowed(a, alpha) != _is_allowed(b, alpha)]
    if not pairs:
        return []
    values = np.array([0.5 * (a.value + b.value) for a, b in pairs])
    start = np.array([0.5 * (a.theta + b.theta) for a, b in pairs])
    held = {name: np.full(len(values), value) for name, value in tests.held.items()}
    found = profile(tests.joint, {**held, tests.poi: values}, data=tests.data, start=start)
    return [
        Tested(a.place + gap // 2, float(value), theta, max(float(height) - best, 0.0))
        for (a, _), value, theta, height in zip(pairs, values, found.theta, found.nll2, strict=True)
    ]


def _result(tests: Hypotheses, curve: Column, points: Sequence[Tested], cl: float, seed: int) -> Intervals:
    parameter = tests.joint.parameters[tests.poi]
    last = float(curve.values[-1])
    domain = (float(max(parameter.lower, curve.values[0])), float(parameter.upper if np.isfinite(parameter.upper) else last))
    allowed = tuple((low, domain[1] if high == last else high) for low, high in allowed_intervals(points, 1 - cl))
    lowest = int(np.argmin(curve.nll2))
    record = ToyRecord(seed, tuple(_point_test(point, 1 - cl) for point in points))
    return Intervals(
        poi=tests.poi,
        best_fit=float(curve.values[lowest]),
        nll2=float(curve.nll2[lowest]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=tuple((float(curve.values[i]), float(curve.nll2[i])) for i in curve.minima),
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=1,
        valid=bool(curve.valid[curve.nll2 - curve.nll2[lowest] < 100.0].all()) and all(p.toys > 0 or p.p == 0.0 for p in record.points),
        toys=record,
    )


def _point_test(point: Tested, alpha: float) -> PointTest:
    p, error = (0.0, 0.0) if point.statistic >= FAR else p_value(point.toys, point.statistic)
    return PointTest(point.value, point.statistic, p, error, len(point.toys), point.failed, is_clear(point, alpha))


def allowed_intervals(points: Sequence[Tested], alpha: float) -> tuple[Interval, ...]:
    """Return the intervals of values with p >= alpha; p is linear between the tested values, which are increasing."""
    allowed: list[Interval] = []
    start = points[0].value if _is_allowed(points[0], alpha) else None
    for a, b in itertools.pairwise(points):
        if _is_allowed(a, alpha) == _is_allowed(b, alpha):
            continue
        fraction = (alpha - _p(a)) / (_p(b) - _p(a)) if math.isfinite(_p(a)) and math.isfinite(_p(b)) else 0.5
        edge = a.value + fraction * (b.value - a.value)
        if start is None:
            start = edge
        else:
            allowed.append((start, edge))
            start = None
    return (*allowed, *(() if start is None else ((start, points[-1].value),)))
