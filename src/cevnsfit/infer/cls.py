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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import norm

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.curve import Bracket, zero
from cevnsfit.infer.feldman_cousins import p_value
from cevnsfit.infer.intervals import Intervals, complement, search_grid, threshold
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.toys import Rival, Unit, in_this_process, likelihood_ratio
from cevnsfit.stats.data import asimov_data, observed_data, observing
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

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

_REFINED: Final = 4
"""Times that wide steps are halved."""


@dataclass(frozen=True, slots=True, eq=False)
class SignalTest:
    """Signals of any strength against none, on one data set.

    Attributes
    ----------
    joint
        The likelihood at fixed nonlinear parameters, the domain of `poi` cut.
    poi
        The parameter; its domain begins where there is no signal.
    held
        Other parameters that are held, by name.
    data
        The observed data set.
    asimov
        The Asimov data set without signal, at the nuisances that fit the observed data best without signal.
    starts
        Starts of free fits, shape (S, n).
    best, estimate
        -2 ln lambda and the parameter at the best fit to the observed data.
    null
        All parameters of the fit to the observed data without signal, shape (n,).
    """

    joint: Joint
    poi: str
    held: Mapping[str, float]
    data: Data
    asimov: Data
    starts: Floats
    best: float
    estimate: float
    null: Floats

    @property
    def floor(self) -> float:
        """Return the value without signal."""
        return self.joint.parameters[self.poi].lower


def signal_test(
    joint: Joint, poi: str, *, held: Mapping[str, float] | None = None, data: Data | None = None, null: float = 0.0
) -> SignalTest:
    """Return what CLs limits on `poi` need.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter.
    held
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    null
        The parameter without signal; its domain is cut there.

    Raises
    ------
    CevnsfitError
        If counts do not grow with `poi`: then CLs makes no statement.
    """
    held = {} if held is None else held
    data = observed_data(joint) if data is None else data
    floor = joint.parameters[poi].checked(null)
    joint = cut(observing(joint, data), poi, floor)
    require_growth(joint, poi, held)
    without = profile(joint, {name: np.array([value]) for name, value in {**held, poi: floor}.items()}, data=data).theta[0]
    starts = start_set(joint, data, held=held)
    best, theta = free_fits(joint, data.batch(), starts, held=held)
    estimate = float(theta[0, joint.parameters.index(poi)])
    return SignalTest(joint, poi, held, data, asimov_data(joint, without), starts, float(best[0]), estimate, without)


def cut(joint: Joint, poi: str, floor: float) -> Joint:
    """Return the likelihood with the domain of `poi` cut at `floor`."""
    parameters = tuple(replace(p, lower=floor, default=max(p.default, floor)) if p.name == poi else p for p in joint.parameters)
    return replace(joint, parameters=ParameterSet(parameters))


def require_growth(joint: Joint, poi: str, held: Mapping[str, float]) -> None:
    """Raise CevnsfitError unless the counts of every channel grow with `poi`, or do not depend on it."""
    values = np.unique(np.append(search_grid(joint, poi), joint.parameters[poi].lower))
    theta = np.tile(joint.parameters.vector(held), (len(values), 1))
    theta[:, joint.parameters.index(poi)] = values
    grow = [np.diff(total.sum(axis=1)) for total in expected_totals(joint, theta)]
    rising = all(np.all(step >= -1e-9 * abs(step).max()) for step in grow) and any(np.any(step > 0) for step in grow)
    if not rising:
        message = f"CLs limits need counts that grow with {poi}; use Feldman-Cousins intervals"
        raise CevnsfitError(message)


def statistic(test: SignalTest, values: Floats) -> Floats:
    """Return q~ of the observed data at some values, shape (n,)."""
    q: Floats = np.maximum(_heights(test, values, test.data) - test.best, 0.0)
    return np.asarray(np.where(values < test.estimate, 0.0, q))


def asimov_statistic(test: SignalTest, values: Floats) -> Floats:
    """Return q~ of the Asimov data without signal, shape (n,)."""
    lowest = _heights(test, np.array([test.floor]), test.asimov)[0]
    return np.asarray(np.maximum(_heights(test, values, test.asimov) - lowest, 0.0))


def _heights(test: SignalTest, values: Floats, data: Data) -> Floats:
    held = {name: np.full(len(values), value) for name, value in test.held.items()}
    return profile(test.joint, {**held, test.poi: values}, data=data, start=test.null).nll2


def asymptotic_tails(q: Floats, asimov: Floats) -> tuple[Floats, Floats]:
    """Return CLs+b and CLb of the statistic q~, given that of the Asimov data (1007.1727, eqs. 65 and 66)."""
    root, root_asimov = np.sqrt(q), np.sqrt(asimov)
    safe = np.where(root_asimov > 0, root_asimov, 1.0)
    beyond = q > asimov
    with_signal = np.where(beyond, (q + asimov) / (2 * safe), root)
    without = np.where(beyond, (q - asimov) / (2 * safe), root - root_asimov)
    return np.asarray(norm.sf(with_signal)), np.asarray(norm.sf(without))


def cls_values(test: SignalTest, values: Floats) -> Floats:
    """Return CLs of the observed data at some values, asymptotic, shape (n,)."""
    with_signal, without = asymptotic_tails(statistic(test, values), asimov_statistic(test, values))
    return np.asarray(with_signal / without)


def expected_cls(test: SignalTest, values: Floats) -> Floats:
    """Return CLs that data without signal give at `SIGMAS`, asymptotic, shape (5, n) (1007.1727, eq. 89)."""
    root = np.sqrt(asimov_statistic(test, values))
    return np.array([norm.sf(root - z) / norm.sf(-z) for z in SIGMAS])


def cls_limit(test: SignalTest, *, cl: float) -> Intervals:
    """Return the asymptotic CLs upper limit, with those expected without signal.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1.
    """
    threshold(cl, 1)
    observed = _crossing(test, lambda value: float(cls_values(test, value)[0]), 1 - cl)
    expected = tuple(_crossing(test, functools.partial(_expected_one, test, k), 1 - cl) for k in range(len(SIGMAS)))
    return limit_interval(test, observed, expected, cl, ASYMPTOTIC)


def _expected_one(test: SignalTest, which: int, value: Floats) -> float:
    return float(expected_cls(test, value)[which, 0])


def _crossing(test: SignalTest, curve: Callable[[Floats], float], alpha: float) -> float:
    """Return the value at which a falling curve crosses `alpha`; infinity where it does not within the domain, NaN where it is not known."""
    parameter = test.joint.parameters[test.poi]
    low = max(test.estimate, test.floor)
    step = float(search_grid(test.joint, test.poi)[-1] - test.floor) / 4
    high = low + step
    while curve(np.array([high])) > alpha:
        if high >= parameter.upper or high > test.floor + 1e9 * step:
            return math.inf
        low, step = high, 2 * step
        high = min(high + step, parameter.upper)
    low = test.floor + 1e-9 * step if curve(np.array([low])) <= alpha else low
    if curve(np.array([low])) <= alpha:
        return test.floor
    at_low, at_high = (curve(np.array([end])) - alpha for end in (low, high))
    return zero(lambda x: curve(np.array([x])) - alpha, Bracket(low, high, at_low, at_high), rtol=1e-7)


def limit_interval(
    test: SignalTest, limit: float, expected: Sequence[float], cl: float, method: str, record: ToyRecord | None = None
) -> Intervals:
    """Return a limit as the allowed interval below it."""
    parameter = test.joint.parameters[test.poi]
    top = parameter.upper if math.isfinite(parameter.upper) else max(limit, float(search_grid(test.joint, test.poi)[-1]))
    domain = (test.floor, float(top))
    allowed = ((test.floor, limit),)
    return Intervals(
        poi=test.poi,
        best_fit=test.estimate,
        nll2=test.best,
        allowed=allowed,
        excluded=complement(allowed, domain) if math.isfinite(limit) else (),
        minima=((test.estimate, test.best),),
        domain=domain,
        method=method,
        cl=cl,
        dof=1,
        valid=math.isfinite(test.best) and not math.isnan(limit),
        toys=record,
        expected=tuple(float(value) for value in expected),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """One value with its pseudo-experiments: the observed statistic, and those of pseudo-experiments with and without signal."""

    value: float
    observed: float
    signal: Floats
    background: Floats
    failed: int

    def cls(self, q: float) -> tuple[float, float]:
        """Return CLs at a value of the statistic, and its Monte Carlo error."""
        (with_signal, error), (without, other) = p_value(self.signal, q), p_value(self.background, q)
        if not without > 0:
            return math.nan, math.inf
        ratio = with_signal / without
        return ratio, math.hypot(error, ratio * other) / without


def cls_limit_toys(test: SignalTest, *, cl: float, plan: ToyPlan, throw: Thrower = in_this_process) -> Intervals:
    """Return the CLs upper limit from pseudo-experiments, with those expected without signal.

    Pseudo-experiments with signal are thrown at the nuisances that fit the observed data best at each value, those without signal at the ones
    that fit best without signal; auxiliary data fluctuate. Values lie on both sides of the asymptotic limits; wide steps in which a curve
    crosses are halved, and CLs in standard deviations is linear in the rest.

    Parameters
    ----------
    test
        From `signal_test`.
    cl
        Confidence level.
    plan
        Number of each kind of pseudo-experiments at each value, and their seed.
    throw
        Returns the chunks of some units, in order.
    """
    asymptotic = cls_limit(test, cl=cl)
    ends = [value for value in (asymptotic.allowed[0][1], *asymptotic.expected) if math.isfinite(value)]
    if not ends:
        return limit_interval(test, math.inf, asymptotic.expected, cl, TOYS)
    sampled = _sample(test, _first_values(test.floor, ends), plan, throw)
    for _ in range(_REFINED):
        new = _between(sampled, test.floor, 1 - cl)
        if not new.size:
            break
        sampled = sorted([*sampled, *_sample(test, new, plan, throw, first=len(sampled))], key=lambda point: point.value)
    values = np.array([point.value for point in sampled])
    observed, *expected = (_falling(values, curve, 1 - cl) for curve in _curves(sampled))
    record = ToyRecord(plan.seed, tuple(_point_test(point, 1 - cl) for point in sampled))
    return limit_interval(test, observed, expected, cl, TOYS, record)


def _first_values(floor: float, ends: Sequence[float]) -> Floats:
    """Return values on both sides of each asymptotic limit, and beyond all of them, increasing."""
    reach = np.array(ends) - floor
    return floor + np.unique(np.concatenate([np.outer(_AROUND, reach).ravel(), [_BEYOND[0] * reach.min(), _BEYOND[1] * reach.max()]]))


def _curves(sampled: Sequence[_Sampled]) -> list[Floats]:
    """Return CLs of the observed data and of data without signal at -2 to 2 standard deviations, each of shape (values,)."""
    observed = [np.array([point.cls(point.observed)[0] for point in sampled])]
    return observed + [np.array([point.cls(float(np.quantile(point.background, norm.cdf(-z))))[0] for point in sampled]) for z in SIGMAS]


def _between(sampled: Sequence[_Sampled], floor: float, alpha: float) -> Floats:
    """Return values in the middle of the wide steps in which curves cross `alpha`."""
    found = []
    for curve in _curves(sampled):
        good = np.isfinite(curve)
        reach = np.array([point.value for point in sampled])[good] - floor
        last = int(np.argmax(_monotonic(curve[good]) <= alpha))
        if last > 0 and reach[last] > (_CLOSE if curve[good][last - 1] > _SATURATED else _NARROW) * reach[last - 1]:
            found.append(floor + math.sqrt(reach[last] * reach[last - 1]))
    return np.unique(found)


def _monotonic(curve: Floats) -> Floats:
    """Return a curve that falls but for fluctuations as one that never rises: halfway between the nearest ones above and below it."""
    above, below = np.maximum.accumulate(curve[::-1])[::-1], np.minimum.accumulate(curve)
    result: Floats = 0.5 * (above + below)
    return result


def _sample(test: SignalTest, values: Floats, plan: ToyPlan, throw: Thrower, first: int = 0) -> list[_Sampled]:
    """Return some values with their pseudo-experiments; `first` is the place of the first one among all, which chooses the random streams."""
    held = {name: np.full(len(values), value) for name, value in test.held.items()}
    fits = profile(test.joint, {**held, test.poi: values}, data=test.data, start=test.null)
    rivals = (Rival(test.joint, test.starts),)
    units = []
    for place, (value, theta) in enumerate(zip(values, fits.theta, strict=True), first):
        at = {**test.held, test.poi: float(value)}
        measure = functools.partial(likelihood_ratio, joint=test.joint, poi=test.poi, held=at, start=theta, rivals=rivals)
        for kind, truth in enumerate((theta, test.null)):
            units += [Unit(2 * place + kind, chunk, test.joint, truth, measure, plan.seed) for chunk in range(plan.chunks)]
    found = iter(throw(units))
    q = statistic(test, values)
    sampled = []
    for value, observed in zip(values, q, strict=True):
        both = [np.concatenate([next(found) for _ in range(plan.chunks)]) for _ in range(2)]
        good = [~np.isnan(rows).any(axis=1) for rows in both]
        failed = int(sum(np.count_nonzero(~flags) for flags in good))
        signal, background = (_one_sided(rows[flags], float(value)) for rows, flags in zip(both, good, strict=True))
        sampled.append(_Sampled(float(value), float(observed), signal, background, failed))
    return sampled


def _one_sided(rows: Floats, value: float) -> Floats:
    """Return q~ of pseudo-experiments from what `likelihood_ratio` measured."""
    return np.where(rows[:, 2] > value, 0.0, np.maximum(rows[:, 0] - rows[:, 1], 0.0))


def _point_test(point: _Sampled, alpha: float) -> PointTest:
    ratio, error = point.cls(point.observed)
    clear = abs(ratio - alpha) > 3 * error
    return PointTest(point.value, point.observed, ratio, error, len(point.signal) + len(point.background), point.failed, clear)


def _falling(values: Floats, curve: Floats, alpha: float) -> float:
    """Return where a falling curve crosses `alpha`, linear in standard deviations; the ends of the values where it does not, infinity above them."""
    good = np.isfinite(curve)
    values, curve = values[good], _monotonic(curve[good])
    below = np.flatnonzero(curve <= alpha)
    if not len(below):
        return math.inf
    last = int(below[0])
    if last == 0:
        return float(values[0])
    low, high = norm.isf(np.clip(curve[[last - 1, last]], _LEAST, 1 - _LEAST))
    fraction = (norm.isf(alpha) - low) / (high - low)
    return float(values[last - 1] + fraction * (values[last] - values[last - 1]))
