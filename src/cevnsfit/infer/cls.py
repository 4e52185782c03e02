"""CLs upper limits on a parameter with which the counts grow.

The statistic is q~: -2 ln lambda(value) + 2 ln lambda(best fit) with the best fit inside the domain, and 0 where the best fit lies above the
value. CLs is the fraction of pseudo-experiments with signal that have a larger one, over that of pseudo-experiments without signal.

References
----------
Read, J. Phys. G 28 (2002) 2693; Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eqs. 16, 65 to 67 and 89.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.curve import Minimum, complement, falling, interpolated, outward_root, root
from cevnsfit.infer.hypothesis import at_values, hypothesis, profile_at, q_tilde, toys_of, with_best_fit
from cevnsfit.infer.intervals import Intervals, threshold
from cevnsfit.infer.lines import search_grid
from cevnsfit.infer.results import ToyRecord
from cevnsfit.infer.runner import HERE, Call
from cevnsfit.infer.toys import measured, p_value, point_test
from cevnsfit.stats.data import asimov_data
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.results import PointTest
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint


ASYMPTOTIC: Final = "CLs, asymptotic"
TOYS: Final = "CLs, toys"

SIGMAS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Ends and centre of the expected bands, in standard deviations."""

_AROUND: Final = (0.95, 1.06)
_BEYOND: Final = (0.7, 1.4)
"""First values, relative to the asymptotic limits and to the outer ones."""

_NARROW: Final = 1.15
_CLOSE: Final = 1.02
"""Steps, as ratios, that are not halved: CLs in standard deviations is linear enough in them, also where it leaves `_SATURATED`."""

_SATURATED: Final = 0.5
_LEAST: Final = 1e-6

_PRECISION: Final = 1e-7
"""Of an asymptotic limit, relative to itself."""

_REFINED: Final = 4
"""Times that wide steps are halved."""


def signal_test(joint: Joint, poi: str, *, at: Mapping[str, float] | None = None, null: float | None = None) -> Hypothesis:
    """Return the hypothesis without signal, with the best fit: what CLs limits on `poi` need.

    Parameters
    ----------
    joint, poi, at
        As for `infer.hypothesis.hypothesis`.
    null
        The parameter without signal, by default its own value for that; its domain is cut there.

    Raises
    ------
    CevnsfitError
        If counts do not grow with `poi`: then CLs makes no statement.
    """
    joint = joint.physical
    floor = joint.parameters[poi].checked(joint.parameters[poi].null if null is None else null)
    joint = cut(joint, poi, floor)
    require_growth(joint, poi, {} if at is None else at)
    return with_best_fit(hypothesis(joint, poi, floor, at=at))


def cut(joint: Joint, poi: str, floor: float) -> Joint:
    """Return the likelihood with the domain of `poi` cut at `floor`."""
    parameters = tuple(replace(p, lower=floor, default=max(p.default, floor)) if p.name == poi else p for p in joint.parameters)
    return replace(joint, parameters=ParameterSet(parameters))


def require_growth(joint: Joint, poi: str, at: Mapping[str, float]) -> None:
    """Raise CevnsfitError unless the counts of every channel grow with `poi`, or do not depend on it."""
    values = np.unique(np.append(search_grid(joint, poi), joint.parameters[poi].lower))
    theta = np.tile(joint.parameters.vector(at), (len(values), 1))
    theta[:, joint.parameters.index(poi)] = values
    grow = [np.diff(total.sum(axis=1)) for total in expected_totals(joint, theta)]
    rising = all(np.all(step >= -1e-9 * abs(step).max(initial=0.0)) for step in grow) and any(np.any(step > 0) for step in grow)
    if not rising:
        message = f"CLs limits need counts that grow with {poi}; use Feldman-Cousins intervals"
        raise CevnsfitError(message)


def statistic(test: Hypothesis, values: Floats) -> Floats:
    """Return q~ of the observed data at some values, shape (n,)."""
    rows = np.repeat(test.observed, len(values), axis=0)
    rows[:, 0] = profile_at(test, values).nll2
    return q_tilde(rows, values)


def asimov_statistic(test: Hypothesis, values: Floats) -> Floats:
    """Return q~ of the Asimov data without signal, at the nuisances that fit the observed data best without signal, shape (n,)."""
    data = asimov_data(test.joint, test.theta)
    lowest = profile_at(test, np.array([test.value]), data=data).nll2[0]
    return np.asarray(np.maximum(profile_at(test, values, data=data).nll2 - lowest, 0.0))


def asymptotic_tails(q: Floats, asimov: Floats) -> tuple[Floats, Floats]:
    """Return the logarithms of CLs+b and CLb of the statistic q~, given that of the Asimov data (1007.1727, eqs. 65 and 66)."""
    root, root_asimov = np.sqrt(q), np.sqrt(asimov)
    safe = np.where(root_asimov > 0, root_asimov, 1.0)
    beyond = q > asimov
    with_signal = np.where(beyond, (q + asimov) / (2 * safe), root)
    without = np.where(beyond, (q - asimov) / (2 * safe), root - root_asimov)
    return np.asarray(log_ndtr(-with_signal)), np.asarray(log_ndtr(-without))


def cls_values(test: Hypothesis, values: Floats) -> Floats:
    """Return CLs of the observed data at some values, asymptotic, shape (n,)."""
    with_signal, without = asymptotic_tails(statistic(test, values), asimov_statistic(test, values))
    return np.exp(with_signal - without)


def expected_cls(test: Hypothesis, values: Floats) -> Floats:
    """Return CLs that data without signal give at `SIGMAS`, asymptotic, shape (5, n) (1007.1727, eq. 89)."""
    root = np.sqrt(asimov_statistic(test, values))
    return np.array([ndtr(z - root) / ndtr(z) for z in SIGMAS])


def _expected_at(test: Hypothesis, which: int, values: Floats) -> Floats:
    return np.asarray(expected_cls(test, values)[which])


def cls_limit(test: Hypothesis, *, cl: float) -> Intervals:
    """Return the asymptotic CLs upper limit, with those expected without signal.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1.
    """
    threshold(cl, 1)
    observed = _crossing(test, functools.partial(cls_values, test), 1 - cl)
    expected = tuple(_crossing(test, functools.partial(_expected_at, test, which), 1 - cl) for which in range(len(SIGMAS)))
    return limit_interval(test, observed, expected, cl, ASYMPTOTIC)


def _crossing(test: Hypothesis, curve: Callable[[Floats], Floats], alpha: float) -> float:
    """Return the value at which a falling curve crosses `alpha`; infinity where it does not within the domain."""

    def excess(value: float) -> float:
        return alpha - float(curve(np.array([value]))[0])

    step = float(search_grid(test.joint, test.poi)[-1] - test.value) / 4
    start = max(test.estimate, test.value)
    if excess(start) >= 0.0:
        beside = test.value + 1e-9 * step
        return test.value if excess(beside) >= 0.0 else root(excess, beside, start + step, relative=_PRECISION)
    last = min(test.joint.parameters[test.poi].upper, test.value + 1e9 * step)
    found = outward_root(excess, start, step, last, relative=_PRECISION)
    return math.inf if found == last else found


def limit_interval(
    test: Hypothesis, limit: float, expected: Sequence[float], cl: float, method: str, record: ToyRecord | None = None
) -> Intervals:
    """Return a limit as the allowed interval below it."""
    parameter = test.joint.parameters[test.poi]
    top = parameter.upper if math.isfinite(parameter.upper) else max(limit, float(search_grid(test.joint, test.poi)[-1]))
    domain = (test.value, float(top))
    allowed = ((test.value, limit),)
    return Intervals(
        poi=test.poi,
        best_fit=test.estimate,
        nll2=test.best,
        allowed=allowed,
        excluded=complement(allowed, domain) if math.isfinite(limit) else (),
        minima=(Minimum(test.estimate, test.best),),
        domain=domain,
        method=method,
        cl=cl,
        dof=1,
        valid=math.isfinite(test.best) and not math.isnan(limit) and (record is None or record.valid),
        toys=record,
        profile=np.array([[point.value, point.p] for point in (() if record is None else record.points)]).reshape(-1, 2).T,
        expected=tuple(float(value) for value in expected),
    )


def cls_limit_toys(test: Hypothesis, *, cl: float, toys: Toys, run: Runner = HERE) -> Intervals:
    """Return the CLs upper limit from pseudo-experiments, with those expected without signal.

    Pseudo-experiments with signal are generated at the nuisances that fit the observed data best at each value, those without signal at the
    ones that fit best without signal; auxiliary data fluctuate. Values lie on both sides of the asymptotic limits; wide steps in which a
    curve crosses are halved, and CLs in standard deviations is linear in the rest.

    Parameters
    ----------
    test
        From `signal_test`.
    cl
        Confidence level.
    toys
        Number of each kind of pseudo-experiments at each value, and their seed.
    run
        Where they are generated.
    """
    asymptotic = cls_limit(test, cl=cl)
    ends = [value for value in (asymptotic.allowed[0][1], *asymptotic.expected) if math.isfinite(value)]
    if not ends:
        return limit_interval(test, math.inf, asymptotic.expected, cl, TOYS)
    points = run(_tested(test, _first_values(test.value, ends), 1 - cl, toys))
    values = np.array([point.value for point in points])
    observed, *expected = (_falling(values, curve, 1 - cl) for curve in _curves(points))
    return limit_interval(test, observed, expected, cl, TOYS, ToyRecord(toys.seed, tuple(points)))


def _first_values(floor: float, ends: Sequence[float]) -> Floats:
    """Return values on both sides of each asymptotic limit, and beyond all of them, increasing."""
    reach = np.array(ends) - floor
    return floor + np.unique(np.concatenate([np.outer(_AROUND, reach).ravel(), [_BEYOND[0] * reach.min(), _BEYOND[1] * reach.max()]]))


def _curves(points: Sequence[PointTest]) -> list[Floats]:
    """Return CLs of the observed data and of data without signal at -2 to 2 standard deviations, each of shape (values,)."""
    observed = [np.array([point.p for point in points])]
    quantiles = [ndtr(-z) for z in SIGMAS]
    return observed + [np.array([_cls_of_background(point, quantile) for point in points]) for quantile in quantiles]


def _cls_of_background(point: PointTest, quantile: float) -> float:
    """Return CLs of data without signal whose statistic is a quantile of theirs."""
    signal, background = point.samples
    return p_value(signal, float(np.quantile(background, quantile)), background)[0]


def _between(points: Sequence[PointTest], floor: float, alpha: float) -> Floats:
    """Return values in the middle of the wide steps in which curves cross `alpha`."""
    found = []
    for curve in _curves(points):
        good = np.isfinite(curve)
        reach = np.array([point.value for point in points])[good] - floor
        last = int(np.argmax(falling(curve[good]) <= alpha))
        if last > 0 and reach[last] > (_CLOSE if curve[good][last - 1] > _SATURATED else _NARROW) * reach[last - 1]:
            found.append(floor + math.sqrt(reach[last] * reach[last - 1]))
    return np.unique(found)


def _tested(test: Hypothesis, values: Floats, alpha: float, toys: Toys) -> Procedure[list[PointTest]]:
    """Return values tested with pseudo-experiments, increasing: the first ones, and those in the middle of wide steps."""
    points: list[PointTest] = []
    for _ in range(1 + _REFINED):
        (tests,) = yield [Call(at_values, (test, values))]
        new = yield [_both_kinds(test, one, len(points) + k, alpha, toys) for k, one in enumerate(tests)]
        points = sorted([*points, *new], key=lambda point: point.value)
        values = _between(points, test.value, alpha)
        if not values.size:
            break
    return points


def _both_kinds(test: Hypothesis, one: Hypothesis, place: int, alpha: float, toys: Toys) -> Procedure[PointTest]:
    """Return a value tested with pseudo-experiments of its own, and with those of `test`, without signal."""
    first = [toys_of(kind, toys.seed, 2 * place + number, measured=one) for number, kind in enumerate((one, test))]
    both = yield [measured(chunk, toys.chunks) for chunk in first]
    observed, *samples = (q_tilde(rows, one.value) for rows in (one.observed, *both))
    return point_test(one.value, float(observed[0]), samples, alpha)


def _falling(values: Floats, curve: Floats, alpha: float) -> float:
    """Return where a falling curve crosses `alpha`, linear in standard deviations; the ends of the values where it does not, infinity above them."""
    known = np.isfinite(curve)
    values, curve = values[known], falling(curve[known])
    below = np.flatnonzero(curve <= alpha)
    if not len(below):
        return math.inf
    last = int(below[0])
    if last == 0:
        return float(values[0])
    step = slice(last - 1, last + 1)
    return interpolated(values[step], -ndtri(np.clip(curve[step], _LEAST, 1 - _LEAST)), -float(ndtri(alpha)))
