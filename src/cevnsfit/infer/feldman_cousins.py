"""Feldman-Cousins intervals: the ordering of the observed likelihood ratio among pseudo-experiments.

The statistic of a value is t = -2 ln lambda(value) + 2 ln lambda(best fit). Pseudo-experiments are generated at the value with the nuisances
that fit the observed data best there, auxiliary data included, and the value belongs to the interval when at least a fraction 1 - CL of them
have a larger t. Values far from the best fit need none. More are generated only where the decision is within the Monte Carlo error.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, section IV; for nuisances Cranmer, PHYSTAT 2005, physics/0511028, section 4.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.columns import searched
from cevnsfit.infer.curve import between, changes, complement, interpolated
from cevnsfit.infer.hypothesis import at_values, t, toys_of
from cevnsfit.infer.intervals import Intervals, threshold
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import calls, point_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.curve import Curve
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.toys import Toys

    Bools = NDArray[np.bool_]

METHOD: Final = "Feldman-Cousins, nuisances profiled"

FAR: Final = 25.0
"""Statistic beyond which a value is excluded without pseudo-experiments: five standard deviations."""

REFINED: Final = 3
"""Times that the distance between an allowed and an excluded value is halved."""

_STEPS: Final = (0.5, 1.5, 2.5, 3.5, 5.0, 8.0, FAR)
"""The statistic takes at least one value between neighbours of these on each side of a minimum."""


def feldman_cousins(test: Hypothesis, *, cl: float, toys: Toys, run: Runner = HERE) -> Intervals:
    """Return the Feldman-Cousins interval of one parameter.

    Parameters
    ----------
    test
        Any value of the parameter, with its best fit.
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
    """
    return run(construction(test, cl=cl, toys=toys))


def construction(test: Hypothesis, *, cl: float, toys: Toys, first: int = 0) -> Procedure[Intervals]:
    """Return the Feldman-Cousins interval, as a procedure; `first` is the place of its first value among the random streams."""
    threshold(cl, 1)
    curve = searched(test.joint, test.poi, FAR, at=test.at, data=test.data)
    test = replace(test, best=float(np.fmin(test.best, curve.nll2.min())))
    tests = {
        first + (k << REFINED): replace(test, value=float(curve.values[i]), theta=curve.theta[i], nll2=float(curve.nll2[i]))
        for k, i in enumerate(grid_points(curve, test.best))
    }
    points: dict[int, PointTest] = {}
    new = tests
    for level in range(REFINED + 1):
        found = yield [decided(one, place, 1 - cl, toys) for place, one in new.items()]
        points |= dict(zip(new, found, strict=True))
        new = _middles(tests, points, 1 - cl, 1 << (REFINED - level)) if level < REFINED else {}
        tests |= new
    return _result(test, curve, ToyRecord(toys.seed, tuple(points[place] for place in sorted(points))), cl)


def grid_points(curve: Curve, best: float) -> list[int]:
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


def decided(test: Hypothesis, place: int, alpha: float, toys: Toys) -> Procedure[PointTest]:
    """Return a value tested with pseudo-experiments, until it is clearly allowed or excluded, or has its full number."""
    statistic = float(t(test.observed)[0])
    if statistic >= FAR:
        return PointTest(test.value, statistic, p=0.0, error=0.0, toys=0, failed=0, decided=True)
    chunk, rows, chunks = toys_of(test, toys.seed, place), np.empty((0, 3)), 0
    while True:
        more = range(chunks, min(max(1, 2 * chunks), toys.chunks))
        rows, chunks = np.concatenate([rows, *(yield calls(chunk, more))]), more.stop
        point = point_test(test.value, statistic, [t(rows)], alpha)
        if point.decided or chunks >= toys.chunks:
            return point


def _allowed(points: Sequence[PointTest], alpha: float) -> Bools:
    """Return which values are in the interval; one whose pseudo-experiments all failed is."""
    return ~(np.array([point.p for point in points]) < alpha)


def _middles(tests: Mapping[int, Hypothesis], points: Mapping[int, PointTest], alpha: float, gap: int) -> dict[int, Hypothesis]:
    """Return the values half way between neighbours, `gap` places apart, of which one is clearly allowed and the other clearly not."""
    near = [(a, b) for a, b in itertools.pairwise(sorted(points)) if b - a == gap and points[a].decided and points[b].decided]
    pairs = [(a, b) for a, b in near if np.logical_xor(*_allowed((points[a], points[b]), alpha))]
    if not pairs:
        return {}
    values = np.array([0.5 * (tests[a].value + tests[b].value) for a, b in pairs])
    start = np.array([0.5 * (tests[a].theta + tests[b].theta) for a, b in pairs])
    return {a + gap // 2: one for (a, _), one in zip(pairs, at_values(tests[pairs[0][0]], values, start), strict=True)}


def _result(test: Hypothesis, curve: Curve, record: ToyRecord, cl: float) -> Intervals:
    parameter = test.joint.parameters[test.poi]
    last, best = float(curve.values[-1]), curve.lowest
    domain = (float(max(parameter.lower, curve.values[0])), float(parameter.upper if np.isfinite(parameter.upper) else last))
    allowed = tuple((low, domain[1] if high == last else high) for low, high in allowed_intervals(record.points, 1 - cl))
    return Intervals(
        poi=test.poi,
        best_fit=float(curve.values[best]),
        nll2=float(curve.nll2[best]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=tuple((float(curve.values[i]), float(curve.nll2[i])) for i in curve.minima),
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=1,
        valid=bool(curve.valid[curve.nll2 - curve.nll2[best] < 100.0].all()) and record.valid,
        toys=record,
    )


def allowed_intervals(points: Sequence[PointTest], alpha: float) -> tuple[Interval, ...]:
    """Return the intervals of values with p >= alpha; p is linear between the tested values, which are increasing."""
    values, p = [point.value for point in points], [point.p for point in points]
    inside = _allowed(points, alpha)
    cuts = [interpolated(values[i : i + 2], p[i : i + 2], alpha) for i in changes(inside)]
    return between((values[0], *cuts, values[-1]), inside=bool(inside[0]))
