"""Feldman-Cousins intervals and regions: the ordering of the observed likelihood ratio among pseudo-experiments.

The statistic of a value is t = -2 ln lambda(value) + 2 ln lambda(best fit), both inside the physical domain. Pseudo-experiments are generated
at the value with the nuisances that fit the observed data best there, auxiliary data included, and the value belongs to the interval when at
least a fraction 1 - CL of them have a larger t.

The values follow from the profiled curve: its extremes, and where sqrt(t) passes the `STEPS` on the way from a minimum to where a value is
excluded without pseudo-experiments, or to the end of the domain. Steps at whose ends the decisions differ are halved for as long as the
p-values there differ by more than their Monte Carlo errors. More pseudo-experiments are generated only where a decision is within its error.

A region in a plane of two parameters is made column by column. The best fit of a pseudo-experiment is looked for over the whole plane, or in the
column of the tested point alone. The first is the region of Feldman and Cousins for two parameters. The second is a raster scan: at each value of
the first parameter an interval of the second that covers by itself, whatever the goodness of fit of the column.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, sections IV and V; for nuisances Cranmer, PHYSTAT 2005, physics/0511028, section 4.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.columns import searched
from cevnsfit.infer.contour import trace
from cevnsfit.infer.curve import between, changes, complement, falling, interpolated
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.hypothesis import at_values, default_hypothesis, t, toys_of
from cevnsfit.infer.intervals import Intervals, domain_ends, threshold
from cevnsfit.infer.lines import coupling_scale
from cevnsfit.infer.planes import Region, known_ends
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import SURE, calls, point_test

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.curve import Curve
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import Interval, PlaneAxis
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.likelihood import Likelihood

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

METHOD: Final = "Feldman-Cousins, nuisances profiled"

FAR: Final = 25.0
"""Statistic beyond which a value is excluded without pseudo-experiments: five standard deviations."""

REFINED: Final = 7
"""Times that the distance between an allowed and an excluded value is halved, at most."""

STEPS: Final = (0.25, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.7)
"""Of sqrt(t), relative to the asymptotic threshold: between neighbours a value is tested on each side of a minimum."""

_BEYOND: Final = 1.05
"""Of sqrt(t), relative to `FAR`: the values that close the search."""

ALTERNATIVES: Final = 8
"""Columns, besides its own, in which the best fit of a pseudo-experiment is looked for: templates change slowly from column to column."""

STRIDE: Final = 1 << 14
"""Places among the random streams that each column has."""


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


def construction(test: Hypothesis, *, cl: float, toys: Toys, first: int = 0) -> Procedure[Intervals]:
    """Return the Feldman-Cousins interval, as a procedure; `first` is the place of its first value among the random streams.

    Nothing may be allowed where the best fit is looked for elsewhere too.

    Raises
    ------
    CevnsfitError
        If -2 ln lambda is infinite everywhere.
    """
    curve = searched(test.joint, test.poi, FAR, at=test.at, data=test.data)
    test = replace(test, best=float(np.fmin(test.best, curve.nll2.min())))
    if not math.isfinite(test.best):
        message = f"no value of {test.poi} can be tested: the model cannot make the data"
        raise CevnsfitError(message)
    values = first_values(curve, test.best, threshold(cl, 1))
    start = curve.theta[np.abs(curve.values[:, None] - values).argmin(axis=0)]
    tests = {first + (k << REFINED): one for k, one in enumerate(at_values(test, values, start))}
    points: dict[int, PointTest] = {}
    new = tests
    for level in range(REFINED + 1):
        found = yield [decided(one, place, 1 - cl, toys) for place, one in new.items()]
        points |= dict(zip(new, found, strict=True))
        new = _middles(tests, points, 1 - cl, 1 << (REFINED - level)) if level < REFINED else {}
        tests |= new
    return _result(test, curve, ToyRecord(toys.seed, tuple(points[place] for place in sorted(points))), cl)


def first_values(curve: Curve, best: float, level: float) -> Floats:
    """Return the values that are tested first, increasing: extremes and ends of a profiled curve, and where sqrt(t) passes a step.

    Parameters
    ----------
    curve
        The curve.
    best
        Its reference: -2 ln lambda of the best fit.
    level
        The asymptotic threshold of t.
    """
    height = np.sqrt(np.maximum(curve.nll2 - best, 0.0))
    steps = [*np.multiply(STEPS, math.sqrt(level)), _BEYOND * math.sqrt(FAR)]
    passed = [interpolated(curve.values[i : i + 2], height[i : i + 2], step) for step in steps for i in changes(height > step)]
    slope = np.sign(np.diff(np.minimum(height, FAR)))
    extreme = np.append(np.insert(slope[1:] != slope[:-1], 0, True), True) & (height < math.sqrt(FAR))
    extreme[[0, -1]] = True
    return np.unique([*passed, *curve.values[extreme]])


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
    """Return the values half way between neighbours, `gap` places apart, of which one is allowed and the other, with a different p, is not."""
    near = [(a, b) for a, b in itertools.pairwise(sorted(points)) if b - a == gap and _differ(points[a], points[b])]
    pairs = [(a, b) for a, b in near if np.logical_xor(*_allowed((points[a], points[b]), alpha))]
    if not pairs:
        return {}
    values = np.array([0.5 * (tests[a].value + tests[b].value) for a, b in pairs])
    start = np.array([0.5 * (tests[a].theta + tests[b].theta) for a, b in pairs])
    return {a + gap // 2: one for (a, _), one in zip(pairs, at_values(tests[pairs[0][0]], values, start), strict=True)}


def _differ(a: PointTest, b: PointTest) -> bool:
    """Return whether two p-values differ by more than their Monte Carlo errors."""
    return abs(a.p - b.p) > SURE * math.hypot(a.error, b.error)


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
        minima=curve.lows,
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=1,
        valid=bool(curve.valid[curve.nll2 - curve.nll2[best] < 100.0].all()) and record.valid,
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


# --- regions ----------------------------------------------------------------------------------------------------------------------


def column_hypotheses(
    likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], *, at: Mapping[str, float], ordering: str
) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of each column, on the observed data.

    Parameters
    ----------
    axes
        The two parameters; the second must not be a nonlinear parameter.
    at
        Other parameters that are held, by name.
    ordering
        Where the best fit is looked for: "plane", or "column" for a raster scan.

    Raises
    ------
    CevnsfitError
        If there is no such ordering.
    """
    if ordering not in {"plane", "column"}:
        message = f"unknown ordering '{ordering}'; known: plane, column"
        raise CevnsfitError(message)
    x, y = axes
    alone = []
    for value in x.values:
        joint, held = joint_at(likelihood, {**at, x.name: float(value)})
        alone.append(default_hypothesis(joint.physical, y.name, at=held))
    if ordering == "column":
        return tuple(alone)
    best = float(np.fmin.reduce([test.best for test in alone]))
    shared = {int(i) for i in np.linspace(0, len(alone) - 1, ALTERNATIVES).round()}
    return tuple(
        replace(test, alternatives=tuple(alone[i].alternatives[0] for i in sorted({*shared, own})), best=best)
        for own, test in enumerate(alone)
    )


def column_intervals(tests: Sequence[Hypothesis], *, cl: float, toys: Toys) -> Procedure[tuple[Intervals, ...]]:
    """Return the Feldman-Cousins interval of each column, with random streams of its own.

    Raises
    ------
    CevnsfitError
        If a column has more values than random streams.
    """
    found = yield [construction(test, cl=cl, toys=toys, first=index * STRIDE) for index, test in enumerate(tests)]
    if any(len(column.toys.points) << REFINED > STRIDE for column in found):
        message = f"more than {STRIDE >> REFINED} values in one column"
        raise CevnsfitError(message)
    return tuple(found)


def toy_region(axes: tuple[PlaneAxis, PlaneAxis], tests: Sequence[Hypothesis], found: Sequence[Intervals]) -> Region:
    """Return the region made of the intervals of all columns; its threshold is NaN, since it differs from point to point.

    Raises
    ------
    CevnsfitError
        If no column allows a value.
    """
    require_allowed(*found)
    x, y = axes
    columns = [entry.allowed for entry in found]
    scales = np.array([coupling_scale(entry.joint, y.name) for entry in tests])
    allowed, excluded, branches = trace(x, y, columns, scales)
    known = known_ends(x, y, columns)
    return Region(found[0].cl, 2, math.nan, tuple(tuple(entry) for entry in columns), allowed, excluded, branches, known)
