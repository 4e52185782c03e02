"""What experiments are expected to exclude and to discover: limits on Asimov data, their spread, and the reach of a discovery.

The median limit is that of the Asimov data of the true hypothesis. A result that fluctuates by z standard deviations along the direction in
which the limit is most sensitive is represented by the data n = mu(truth) + z [mu(limit) - mu(truth)]/d, d^2 being Delta(-2 ln lambda) of
the limit: the estimated strength moves by z of its own, profiled, standard deviations, so that where nothing else allows or forbids
couplings the limit on the strength moves from sqrt(c) to sqrt(c) + z in units of that deviation (c is the threshold). The ends of the
domain and further minima act as they do on real data.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, sections 3.2 and 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.curve import Bracket, zero
from cevnsfit.infer.intervals import Intervals, allowed_between, column, crossings, intervals, search_grid, threshold
from cevnsfit.infer.profile import profile
from cevnsfit.stats.data import Data, asimov_data, observed_data
from cevnsfit.stats.joint import expected_totals, join

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.intervals import Column
    from cevnsfit.infer.planes import Interval
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

    Floats = NDArray[np.float64]

SIGMAS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Ends and centre of the expected bands, in standard deviations."""

DISCOVERY: Final = (3.0, 5.0)
"""Significances of the discovery reach."""

FAR: Final = 6.0
"""Distance in standard deviations, beyond the one that matters, at which values are not looked at."""

BARRIER: Final = 0.1
"""Height in -2 ln lambda that separates two minima."""

ASYMPTOTIC: Final = "asymptotic (Asimov data displaced by 1 and 2 standard deviations)"


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """The expected result on one parameter.

    Attributes
    ----------
    median
        Allowed and excluded intervals of the Asimov data (with the real data of the channels that keep them).
    limit
        Upper end of the allowed values that are connected to the true one; infinite when none above it is excluded.
    bands
        The same limit for fluctuations of `SIGMAS`, increasing.
    bands_method
        How the bands were found.
    discovery
        Smallest parameter above the default one that is found at each of `DISCOVERY`, the median over data of that parameter; infinite
        where there is none.
    top
        End of the branch that the limit belongs to: the worst value between the true one and its mirror.
    live_bins
        Bins in which some hypothesis expects something.
    failed
        Toys left out because a profiled point did not converge.
    """

    median: Intervals
    limit: float
    bands: tuple[float, ...]
    bands_method: str
    discovery: tuple[float, ...]
    top: float
    live_bins: int
    failed: int = 0


@dataclass(frozen=True, slots=True)
class LimitTest:
    """What is tested.

    Attributes
    ----------
    poi, truth
        The parameter and its true value.
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    held
        Other parameters that are held, by name.
    fluctuating
        Names of the channels whose data are not real.
    """

    poi: str
    truth: float
    cl: float
    dof: int
    held: Mapping[str, float]
    fluctuating: tuple[str, ...]

    @property
    def level(self) -> float:
        """Return the threshold."""
        return threshold(self.cl, self.dof)


def with_asimov(likelihood: Likelihood, truth: Mapping[str, float], *, keep: Collection[str] = ()) -> Likelihood:
    """Return the likelihood with Asimov data in the place of the observed ones.

    Fits, intervals and scans then work on it as on real data.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    truth
        Couplings and nonlinear parameters that are true, by name; the defaults (the Standard Model) for the rest.
    keep
        Names of the channels that keep their observed counts.

    Raises
    ------
    UnknownNameError, DomainError
        If a name is not a parameter, or a value is outside its domain.
    CevnsfitError
        If a nuisance is among `truth`: constraints are centred at the nominal values.
    """
    values = {name: likelihood.parameters[name].checked(float(value)) for name, value in truth.items()}
    for name in values:
        if likelihood.parameters[name].kind == "nuisance":
            message = f"{name} is a systematic; the truth is given by parameters of the model"
            raise CevnsfitError(message)
    joint = likelihood.at({name: value for name, value in values.items() if likelihood.parameters[name].kind == "nonlinear"})
    theta = joint.parameters.vector({name: value for name, value in values.items() if name in joint.parameters})
    data = asimov_data(joint, theta)
    counts = {channel.name: (n, m) for channel, n, m in zip(joint.channels, data.counts, data.control, strict=True)}

    def filled(channel: Channel) -> Channel:
        if channel.name in keep and channel.observed is not None:
            return channel
        observed, measured = counts[channel.name]
        control = channel.control
        if control is not None and measured is not None:
            control = replace(control, counts=measured)
        return replace(channel, observed=observed, control=control)

    return replace(likelihood, build=lambda shape: tuple(filled(channel) for channel in likelihood.build(shape)))


def live_bins(joint: Joint) -> int:
    """Return the number of bins in which some template or a control region holds something."""
    total = 0
    for channel in joint.channels:
        alive = np.any(channel.templates != 0.0, axis=0)
        if channel.control is not None:
            alive |= channel.control.counts > 0.0
        total += int(alive.sum())
    return total


def branch_top(curve: Column, truth: float) -> float:
    """Return the end of the branch above `truth`: the highest point before the deepest minimum beyond a barrier, or the last value."""
    top, deepest = float(curve.values[-1]), math.inf
    for i in curve.minima:
        inside = np.flatnonzero((curve.values >= truth) & (curve.values <= curve.values[i]))
        if not len(inside):
            continue
        barrier = inside[np.argmax(curve.nll2[inside])]
        if curve.nll2[barrier] > curve.nll2[i] + BARRIER and curve.nll2[i] < deepest:
            top, deepest = float(curve.values[barrier]), float(curve.nll2[i])
    return top


def within(curve: Column, distance: float) -> Floats:
    """Return the values of a curve whose -2 ln lambda is less than `distance` standard deviations above its minimum, and their neighbours.

    The neighbours bracket the minima of similar data, however narrow these are.
    """
    near = np.sqrt(np.maximum(curve.nll2 - curve.nll2.min(), 0.0)) <= distance
    beside = np.append(near[1:], False) | np.insert(near[:-1], 0, False)
    return np.asarray(curve.values[near | beside])


def upper_limit(allowed: Sequence[Interval], truth: float, top: float) -> float:
    """Return the upper end of the allowed values on the branch from `truth` to `top`; `truth` when nothing is, infinity when `top` is."""
    highest = max([high for low, high in allowed if low <= top], default=truth)
    highest = max(highest, truth)
    return math.inf if highest >= top else highest


def sensitivity(asimov: Joint, real: Joint, test: LimitTest) -> Sensitivity:
    """Return the expected limit with asymptotic bands, and the discovery reach.

    Parameters
    ----------
    asimov
        The likelihood with Asimov data in all channels.
    real
        The same with real data in the channels that keep them; `asimov` itself when none does.
    test
        What is tested.
    """
    curve = asimov_curve(asimov, test)
    top = branch_top(curve, test.truth)
    median = intervals(real, test.poi, cl=test.cl, dof=test.dof, held=test.held)
    middle = upper_limit(median.allowed, test.truth, top)
    close = within(curve, math.sqrt(test.level) + FAR)
    bands = _bands(asimov, real, test, (middle, top, close))
    found = tuple(discovery_reach(asimov, test, sigma, within(curve, sigma + FAR)) for sigma in DISCOVERY)
    return Sensitivity(median, middle, bands, ASYMPTOTIC, found, top, live_bins(asimov))


def asimov_curve(asimov: Joint, test: LimitTest) -> Column:
    """Return the profiled curve of the parameter on Asimov data, the true value among its points."""
    grid = np.unique(np.append(search_grid(asimov, test.poi), test.truth))
    return column(asimov, test.poi, grid, held=test.held)


def median_limit(asimov: Joint, real: Joint, test: LimitTest) -> float:
    """Return the limit of `sensitivity` alone."""
    curve = asimov_curve(asimov, test)
    close = within(curve, math.sqrt(test.level) + FAR)
    return _limit(real, observed_data(real), test, close, branch_top(curve, test.truth))


def expected_limits(asimov: Joint, real: Joint, test: LimitTest) -> tuple[float, ...]:
    """Return the limits of `sensitivity` at `SIGMAS`, the median in the middle."""
    curve = asimov_curve(asimov, test)
    top, close = branch_top(curve, test.truth), within(curve, math.sqrt(test.level) + FAR)
    middle = _limit(real, observed_data(real), test, close, top)
    return _bands(asimov, real, test, (middle, top, close))


def _bands(asimov: Joint, real: Joint, test: LimitTest, about: tuple[float, float, Floats]) -> tuple[float, ...]:
    """Return the limits at `SIGMAS`, increasing; `about` holds the median, the end of the branch, and the values that are profiled."""
    middle, top, close = about
    base = observed_data(real)
    step = _standard_deviation(asimov, test, middle if math.isfinite(middle) and middle > test.truth else top)
    return tuple(sorted(middle if z == 0.0 else _limit(real, _displaced(base, step, z), test, close, top) for z in SIGMAS))


def _limit(joint: Joint, data: Data, test: LimitTest, grid: Floats, top: float) -> float:
    curve = column(joint, test.poi, grid, held=test.held, data=data)
    best = int(np.argmin(curve.nll2))
    level = float(curve.nll2[best]) + test.level
    (cuts,) = crossings(joint, test.poi, curve, [level], held=test.held, data=data, start=curve.theta[best])
    return upper_limit(allowed_between(curve, cuts, level), test.truth, top)


def _standard_deviation(joint: Joint, test: LimitTest, value: float) -> tuple[Floats, ...]:
    """Return by how much the counts of each channel change in one standard deviation towards `value`; nothing in channels with real data."""
    moving = [channel.name in test.fluctuating for channel in joint.channels]
    part = join(joint.parameters, tuple(c for c, moves in zip(joint.channels, moving, strict=True) if moves))
    fixed = {name: np.array([x]) for name, x in test.held.items()}
    distance = math.sqrt(max(float(profile(part, {**fixed, test.poi: np.array([value])}).nll2[0]), 1e-12))
    here, there = (expected_totals(joint, joint.parameters.vector({**test.held, test.poi: x})) for x in (test.truth, value))
    return tuple((b[0] - a[0]) / distance * moves for a, b, moves in zip(here, there, moving, strict=True))


def _displaced(base: Data, step: tuple[Floats, ...], z: float) -> Data:
    counts = tuple(np.maximum(n + z * change, 0.0) for n, change in zip(base.counts, step, strict=True))
    return replace(base, counts=counts)


def discovery_reach(joint: Joint, test: LimitTest, sigma: float, grid: Floats) -> float:
    """Return the smallest value above the default one whose Asimov data exclude the default one at `sigma`; infinity if none does.

    Parameters
    ----------
    joint
        The likelihood with Asimov data; their control regions measure the backgrounds.
    test
        Parameter and held values.
    sigma
        Significance: sqrt(-2 ln lambda) of the default value.
    grid
        Values among which the first crossing is looked for, increasing.
    """
    null = joint.parameters[test.poi].default
    values = grid[grid > null]
    found = np.flatnonzero(significance(joint, test, values) >= sigma)
    if not len(found):
        return math.inf
    high = float(values[found[0]])
    low = float(values[found[0] - 1]) if found[0] > 0 else null + 1e-3 * (high - null)
    ends = significance(joint, test, np.array([low, high])) - sigma
    if ends[0] >= 0.0:
        return low
    return zero(lambda x: float(significance(joint, test, np.array([x]))[0]) - sigma, Bracket(low, high, *ends.tolist()), rtol=1e-6)


def significance(joint: Joint, test: LimitTest, values: Floats) -> Floats:
    """Return with how many standard deviations the default value is excluded by the Asimov data of each of `values`, shape (n,)."""
    theta = np.tile(joint.parameters.vector(test.held), (len(values), 1))
    theta[:, joint.parameters.index(test.poi)] = values
    counts = []
    for channel, total in zip(joint.channels, expected_totals(joint, theta), strict=True):
        background = 0.0 if channel.control is None else channel.control.counts / channel.control.ratio
        counts.append(np.maximum(total + background, 0.0))
    data = replace(observed_data(joint), counts=tuple(counts))
    held = {name: np.full(len(values), value) for name, value in test.held.items()}
    null = np.full(len(values), joint.parameters[test.poi].default)
    return np.sqrt(np.maximum(profile(joint, {**held, test.poi: null}, data=data).nll2, 0.0))
