"""Feldman-Cousins intervals and regions: the ordering of the observed likelihood ratio among pseudo-experiments.

The statistic of a value is t = -2 ln lambda(value) + 2 ln lambda(best fit), both inside the physical domain. Pseudo-experiments are generated
at the value with the nuisances that fit the observed data best there, auxiliary data included, and the value belongs to the interval when at
least a fraction 1 - CL of them have a larger t.

The values follow from the profiled curve: its extremes, and where sqrt(t) passes some steps on the way from a minimum to where a value is
excluded without pseudo-experiments, or to the end of the domain. Steps at whose ends the decisions differ are divided for as long as the
p-values there differ by more than their Monte Carlo errors. More pseudo-experiments are generated only where a decision is within its error.

In a region, which has many columns (`infer.toy_planes`), pseudo-experiments are generated only where the asymptotic p-value is not far from 1 - CL, a
division is where the p-values say that the boundary is, and the best fit is looked for only in those columns that the first pseudo-experiments of
the same point have needed.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, sections IV and V; for nuisances Cranmer, PHYSTAT 2005, physics/0511028, section 4.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import gammaincc

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.columns import searched
from cevnsfit.infer.curve import between, changes, complement, falling, interpolated
from cevnsfit.infer.hypothesis import at_values, lowest_fits, ratio_of, t, toys_of
from cevnsfit.infer.intervals import Intervals, domain_ends, threshold
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.runner import HERE, Call
from cevnsfit.infer.toys import SURE, calls, point_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.infer.curve import Curve
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.toys import Chunk, Toys
    from cevnsfit.stats.data import Data


METHOD: Final = "Feldman-Cousins, nuisances profiled"

FAR: Final = 25.0
"""Statistic beyond which a value is excluded without pseudo-experiments: five standard deviations."""

REFINED: Final = 7
"""Times that the distance between an allowed and an excluded value is halved, at most."""

STEPS: Final = (0.25, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.7)
"""Of sqrt(t), relative to the asymptotic threshold: between neighbours a value is tested on each side of a minimum."""

_BEYOND: Final = 1.05
"""Of sqrt(t), relative to `FAR`: the values that close the search."""

FEW_STEPS: Final = (0.75, 0.95, 1.15)
"""The same as `STEPS` in a region, relative to the threshold of its degrees of freedom."""

ASYMPTOTIC: Final = (0.03, 5.0)
"""Of the asymptotic p-value in a region, relative to 1 - CL: outside it decides."""

SETTLED: Final = 2.0
"""Monte Carlo errors between p and 1 - CL up to which a boundary of a region is not located more closely."""

INSIDE: Final = (0.1, 0.9)
"""Part of a step of a region within which it is divided."""

CLOSE: Final = 0.1
"""An alternative is not needed where an earlier one has a minimum within this of the lowest."""

MEASURED: Final = 4
"""Numbers measured on each pseudo-experiment of a region: those of `likelihood_ratio`, and the first alternative that is as good as the best."""


def feldman_cousins(test: Hypothesis, *, cl: float, toys: Toys, run: Runner = HERE) -> Intervals:
    """Return the Feldman-Cousins interval of one parameter.

    Parameters
    ----------
    test
        Any value of the parameter, with its best fit, in the physical domain (`Joint.physical`).
    cl
        Confidence level.
    toys
        Number and seed of the pseudo-experiments.
    run
        Where they are generated.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1.
    CevnsfitError
        If no value is allowed: the best fit, which is, was not found.
    """
    return require_allowed(run(construction(test, cl=cl, toys=toys)))


def require_allowed(*found: Intervals) -> Intervals:
    """Return the first of several intervals; CevnsfitError unless one of them allows a value, as the best fit must be."""
    if any(entry.allowed for entry in found):
        return found[0]
    tested = sum(len(entry.toys.points) for entry in found if entry.toys is not None)
    message = (
        f"none of {tested} tested values of {found[0].poi} is allowed, and so not even the best fit: it was not found, or cannot be tested"
    )
    raise CevnsfitError(message)


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How values are decided.

    Attributes
    ----------
    alpha
        1 - CL.
    toys
        Number, at most, and seed of the pseudo-experiments of a value.
    dof
        Degrees of freedom of the asymptotic p-value that decides far from the boundaries of a region; 0 where pseudo-experiments decide up to `far`.
    far
        Statistic from which on there are no pseudo-experiments.
    """

    alpha: float
    toys: Toys
    dof: int = 0
    far: float = FAR

    @property
    def heights(self) -> Floats:
        """Return the steps of sqrt(t) between which values are tested."""
        steps = np.multiply(FEW_STEPS if self.dof else STEPS, math.sqrt(threshold(1.0 - self.alpha, max(self.dof, 1))))
        return np.append(steps, _BEYOND * math.sqrt(FAR))

    def without_toys(self, test: Hypothesis) -> PointTest | None:
        """Return a value that is decided without pseudo-experiments; None where they have to decide."""
        statistic = float(t(test.observed)[0])
        p = 0.0 if statistic >= self.far else float(gammaincc(self.dof / 2.0, statistic / 2.0)) if self.dof else math.nan
        low, high = np.multiply(ASYMPTOTIC, self.alpha)
        known = statistic >= self.far or p < low or p > high
        return PointTest(test.value, statistic, p=p, error=0.0, toys=0, failed=0, decided=True) if known else None

    def divides(self, a: PointTest, b: PointTest) -> bool:
        """Return whether the boundary between two neighbours can be located more closely: their p-values differ by more than their Monte Carlo errors."""
        far = abs(a.p - b.p) > SURE * math.hypot(a.error, b.error)
        if self.dof == 0 or not far:
            return far
        return not any(point.toys and abs(point.p - self.alpha) < SETTLED * point.error for point in (a, b))

    def part(self, a: PointTest, b: PointTest) -> float:
        """Return where the step between two neighbours is divided, relative to its length."""
        if self.dof == 0:
            return 0.5
        heights = [math.log(max(point.p, ASYMPTOTIC[0] * self.alpha)) for point in (a, b)]
        return float(np.clip(interpolated((0.0, 1.0), heights, math.log(self.alpha)), *INSIDE))


def construction(test: Hypothesis, *, cl: float, toys: Toys, first: int = 0, dof: int = 0) -> Procedure[Intervals]:
    """Return the Feldman-Cousins interval, as a procedure.

    Nothing may be allowed where the best fit is looked for elsewhere too.

    Parameters
    ----------
    test, cl, toys
        As for `feldman_cousins`.
    first
        The place of its first value among the random streams.
    dof
        As for `DecisionRule`.

    Raises
    ------
    CevnsfitError
        If -2 ln lambda is infinite everywhere.
    """
    (curve,) = yield [Call(functools.partial(searched, test.joint, test.poi, FAR, at=test.at, data=test.data), ())]
    test = replace(test, best=float(np.fmin(test.best, curve.nll2.min())))
    if not math.isfinite(test.best):
        message = f"no value of {test.poi} can be tested: the model cannot make the data"
        raise CevnsfitError(message)
    rule = DecisionRule(1 - cl, toys, dof)
    values = first_values(curve, test.best, rule.heights)
    start = curve.theta[np.abs(curve.values[:, None] - values).argmin(axis=0)]
    (tests,) = yield [Call(at_values, (test, values, start))]
    found = yield [_stretch(part, rule) for part in _stretches({first + (k << REFINED): one for k, one in enumerate(tests)}, rule)]
    points = {place: point for part in found for place, point in part.items()}
    record = ToyRecord(toys.seed, tuple(points[place] for place in sorted(points)))
    return in_intervals(test, curve, allowed_intervals(record.points, 1 - cl), cl, record)


def _stretches(tests: Mapping[int, Hypothesis], rule: DecisionRule) -> list[dict[int, Hypothesis]]:
    """Return the stretches between values that need no pseudo-experiments, which belong to both sides: no stretch waits for another."""
    places = sorted(tests)
    cuts = {i for i, place in enumerate(places) if rule.without_toys(tests[place]) is not None}
    ends = sorted({0, *cuts, len(places) - 1})
    return [{place: tests[place] for place in places[a : b + 1]} for a, b in itertools.pairwise(ends)]


def _stretch(tests: dict[int, Hypothesis], rule: DecisionRule) -> Procedure[dict[int, PointTest]]:
    """Return the values of a stretch tested, by place, and those between them that locate its boundaries."""
    new, points = dict(tests), dict[int, PointTest]()
    for level in range(REFINED + 1):
        found = yield [decided(one, place, rule) for place, one in new.items()]
        points |= dict(zip(new, found, strict=True))
        gap = 1 << (REFINED - level)
        pairs = _pairs(points, gap, rule)
        if level == REFINED or not pairs:
            break
        parts = np.array([rule.part(points[a], points[b]) for a, b in pairs])
        lows, highs = ([tests[place] for place in places] for places in zip(*pairs, strict=True))
        values = _along([one.value for one in lows], [one.value for one in highs], parts)
        start = _along([one.theta for one in lows], [one.theta for one in highs], parts[:, None])
        (middles,) = yield [Call(at_values, (lows[0], values, start))]
        new = {a + gap // 2: one for (a, _), one in zip(pairs, middles, strict=True)}
        tests |= new
    return points


def first_values(curve: Curve, best: float, heights: Floats) -> Floats:
    """Return the values that are tested first, increasing: extremes and ends of a profiled curve, and where sqrt(t) passes a step.

    Parameters
    ----------
    curve
        The curve.
    best
        Its reference: -2 ln lambda of the best fit.
    heights
        The steps.
    """
    height = np.sqrt(np.maximum(curve.nll2 - best, 0.0))
    passed = [interpolated(curve.values[i : i + 2], height[i : i + 2], step) for step in heights for i in changes(height > step)]
    slope = np.sign(np.diff(np.minimum(height, FAR)))
    extreme = np.append(np.insert(slope[1:] != slope[:-1], 0, True), True) & (height < math.sqrt(FAR))
    extreme[[0, -1]] = True
    return np.unique([*passed, *curve.values[extreme]])


def decided(test: Hypothesis, place: int, rule: DecisionRule) -> Procedure[PointTest]:
    """Return a value tested with pseudo-experiments, until it is clearly allowed or excluded, or has its full number."""
    known = rule.without_toys(test)
    if known is not None:
        return known
    statistic, chunks = float(t(test.observed)[0]), 0
    rows: list[Floats] = []
    while True:
        more = range(chunks, min(max(1, 2 * chunks), rule.toys.chunks))
        rows, chunks = [*rows, *(yield calls(_chunk(test, place, rule), more))], more.stop
        point = point_test(test.value, statistic, [t(np.concatenate(rows))], rule.alpha)
        if point.decided or chunks >= rule.toys.chunks:
            return point
        if chunks == 1 and rule.dof:
            test = _needed(test, rows[0])


def _chunk(test: Hypothesis, place: int, rule: DecisionRule) -> Chunk:
    chunk = toys_of(test, rule.toys.seed, place)
    return chunk if rule.dof == 0 else replace(chunk, measure=functools.partial(measure_plane, test=test))


def measure_plane(data: Data, *, test: Hypothesis) -> Floats:
    """Return what `likelihood_ratio` measures, and the first alternative whose minimum is within `CLOSE` of the lowest, shape (P, 4)."""
    tested, lowest, estimates = lowest_fits(data, test=test)
    found = ratio_of(tested, lowest, estimates, test.value)
    return np.column_stack([found, (lowest <= found[:, 1] + CLOSE).argmax(axis=0)])


def _needed(test: Hypothesis, rows: Floats) -> Hypothesis:
    """Return a hypothesis with the alternatives that some pseudo-experiments have needed, and its own."""
    needed = {0, *(int(i) for i in np.unique(rows[:, 3]))}
    return replace(test, alternatives=tuple(test.alternatives[i] for i in sorted(needed)))


def _allowed(points: Sequence[PointTest], alpha: float) -> Bools:
    """Return which values are in the interval; one whose pseudo-experiments all failed is."""
    return ~(np.array([point.p for point in points]) < alpha)


def _along(low: ArrayLike, high: ArrayLike, part: Floats) -> Floats:
    """Return values on the way from one to the other."""
    return np.asarray((1.0 - part) * np.asarray(low) + part * np.asarray(high))


def _pairs(points: Mapping[int, PointTest], gap: int, rule: DecisionRule) -> list[tuple[int, int]]:
    """Return the neighbours, `gap` places apart, of which one is allowed and the other is not, and between which the boundary can be located more closely."""
    near = [(a, b) for a, b in itertools.pairwise(sorted(points)) if b - a == gap and rule.divides(points[a], points[b])]
    return [(a, b) for a, b in near if np.logical_xor(*_allowed((points[a], points[b]), rule.alpha))]


def in_intervals(test: Hypothesis, curve: Curve, inside: Sequence[Interval], cl: float, record: ToyRecord | None = None) -> Intervals:
    """Return the result for a column whose allowed values are known on its profiled curve."""
    parameter = test.joint.parameters[test.poi]
    last, best = float(curve.values[-1]), curve.lowest
    domain = (float(max(parameter.lower, curve.values[0])), float(parameter.upper if np.isfinite(parameter.upper) else last))
    allowed = tuple((low, domain[1] if high == last else high) for low, high in inside)
    return Intervals(
        poi=test.poi,
        best_fit=float(curve.values[best]),
        nll2=float(curve.nll2[best]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=curve.lows,
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=1,
        valid=bool(curve.valid[curve.nll2 - curve.nll2[best] < 100.0].all()) and (record is None or record.valid),
        toys=record,
        at_domain_end=domain_ends(allowed, domain, parameter),
        profile=np.array([curve.values, curve.nll2]),
    )


def allowed_intervals(points: Sequence[PointTest], alpha: float) -> tuple[Interval, ...]:
    """Return the intervals of values with p >= alpha; p is linear between the tested values, which are increasing.

    Between a clearly allowed value and a clearly excluded one p changes in one direction, but for its Monte Carlo error.
    """
    values, p = [point.value for point in points], np.array([point.p for point in points])
    for a, b in itertools.pairwise([i for i, point in enumerate(points) if point.decided]):
        part = p[a : b + 1]
        if (part[0] < alpha) != (part[-1] < alpha):
            p[a : b + 1] = falling(part) if part[0] > part[-1] else falling(part[::-1])[::-1]
    inside = ~(p < alpha)
    cuts = [interpolated(values[i : i + 2], p[i : i + 2], alpha) for i in changes(inside)]
    return between((values[0], *cuts, values[-1]), inside=bool(inside[0]))
