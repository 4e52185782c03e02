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

import functools
import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.parcels import SentOnce
from cevnsfit.infer.columns import column, searched
from cevnsfit.infer.curve import crossings, interpolated, root
from cevnsfit.infer.intervals import Intervals, intervals, profiled, threshold
from cevnsfit.infer.lines import search_grid
from cevnsfit.infer.profile import profile
from cevnsfit.infer.runner import HERE, every
from cevnsfit.infer.toys import Chunk
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.data import Data, observed_data
from cevnsfit.stats.joint import expected_totals, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.curve import Curve, Heights
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint


SIGMAS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Ends and centre of the expected bands, in standard deviations."""

DISCOVERY: Final = (3.0, 5.0)
"""Significances of the discovery reach."""

FAR: Final = 6.0
"""Distance in standard deviations, beyond the one that matters, at which values are not looked at."""

BARRIER: Final = 0.1
"""Height in -2 ln lambda that separates two minima."""

BLOCK: Final = 25
"""Pseudo-experiments whose limits are profiled together."""

_PRECISION: Final = 1e-6
"""Of the reach of a discovery, relative to itself."""

ASYMPTOTIC: Final = "asymptotic (Asimov data displaced by 1 and 2 standard deviations)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sensitivity(Document):
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
        Smallest parameter above the one without signal that is found at each of `DISCOVERY`, the median over data of that parameter;
        infinite where there is none.
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

    @property
    def valid(self) -> bool:
        """Return whether all profiled points near the minimum converged, and no pseudo-experiment was lost."""
        return self.median.valid and self.failed == 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Outlook(Document, SentOnce):
    """A true value of a parameter, on which limits are expected; made by `outlook`.

    Attributes
    ----------
    asimov
        The true value, on Asimov data in all channels.
    real
        The same with real data in the channels that keep them; `asimov` itself when none does.
    fluctuating
        Names of the channels whose data are not real.
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    curve
        The profiled curve of the parameter on Asimov data, the true value among its points.
    critical
        Critical values along the parameter, of Feldman and Cousins; the asymptotic threshold without any.
    """

    asimov: Hypothesis
    real: Hypothesis
    fluctuating: tuple[str, ...]
    cl: float
    dof: int
    curve: Curve
    critical: Heights | None = None

    def roots(self, values: Floats) -> Floats:
        """Return the distance in standard deviations up to which each of some values is allowed."""
        return np.sqrt(np.full(len(values), self.level) if self.critical is None else self.critical(values))

    @property
    def level(self) -> float:
        """Return the threshold."""
        return threshold(self.cl, self.dof)

    @property
    def top(self) -> float:
        """Return the end of the branch that begins at the true value."""
        return branch_top(self.curve, self.asimov.value)

    @property
    def values(self) -> Floats:
        """Return the values that may be allowed on similar data, increasing, shape (n,)."""
        found = within(self.curve, math.sqrt(self.level) + FAR)
        return found if self.critical is None else np.union1d(found, self.critical.nodes[self.critical.nodes <= found[-1]])


def outlook(asimov: Hypothesis, real: Hypothesis, fluctuating: tuple[str, ...], *, cl: float, dof: int) -> Outlook:
    """Return a true value with its profiled curve; the parameters are those of `Outlook`."""
    grid = np.unique(np.append(search_grid(asimov.joint, asimov.poi), asimov.value))
    curve = searched(asimov.joint, asimov.poi, threshold(cl, dof), at=asimov.at, grid=grid)
    return Outlook(asimov, real, fluctuating, cl, dof, curve)


def live_bins(joint: Joint) -> int:
    """Return the number of bins in which some template or a control region holds something."""
    total = 0
    for channel in joint.channels:
        if channel.name == CONSTRAINTS:
            continue
        alive = np.any(channel.templates != 0.0, axis=0)
        if channel.control is not None:
            alive |= channel.control.counts > 0.0
        total += int(alive.sum())
    return total


def branch_top(curve: Curve, truth: float) -> float:
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


def within(curve: Curve, distance: float) -> Floats:
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


def sensitivity(expected: Outlook) -> Sensitivity:
    """Return the expected limit with asymptotic bands, and the discovery reach."""
    real, top = expected.real, expected.top
    median = intervals(real.joint, real.poi, cl=expected.cl, dof=expected.dof, at=real.at)
    middle = upper_limit(median.allowed, real.value, top)
    found = discovery_reach(expected.asimov, expected.curve.values)
    return Sensitivity(median, middle, _bands(expected, middle), ASYMPTOTIC, found, top, live_bins(expected.asimov.joint))


def median_limit(expected: Outlook) -> float:
    """Return the limit of `sensitivity` alone."""
    return _limit(expected, expected.real.data)


def expected_limits(expected: Outlook) -> tuple[float, ...]:
    """Return the limits of `sensitivity` at `SIGMAS`, the median in the middle."""
    return _bands(expected, median_limit(expected))


def _bands(expected: Outlook, middle: float) -> tuple[float, ...]:
    """Return the limits at `SIGMAS`, increasing; `middle` is the median."""
    above = math.isfinite(middle) and middle > expected.real.value
    step = _standard_deviation(expected, middle if above else expected.top)
    return tuple(sorted(middle if z == 0.0 else _limit(expected, _displaced(expected.real, step, z)) for z in SIGMAS))


def _limit(expected: Outlook, data: Data) -> float:
    joint, poi, at = expected.real.joint, expected.real.poi, expected.real.at
    curve = column(joint, poi, expected.values, at=at, data=data)
    level = float(curve.nll2[curve.lowest]) + expected.level
    (cuts,) = crossings(profiled(joint, poi, at=at, data=data), curve, [level], curve.theta[curve.lowest])
    return upper_limit(curve.allowed(cuts, level), expected.real.value, expected.top)


def _standard_deviation(expected: Outlook, value: float) -> tuple[Floats, ...]:
    """Return by how much the counts of each channel change in one standard deviation towards `value`; nothing in channels with real data."""
    test = expected.asimov
    joint = test.joint
    moving = [channel.name in expected.fluctuating for channel in joint.channels]
    part = join(joint.parameters, tuple(c for c, moves in zip(joint.channels, moving, strict=True) if moves))
    held = {**test.at, test.poi: value}
    distance = math.sqrt(max(float(profile(part, {name: np.array([x]) for name, x in held.items()}).nll2[0]), 1e-12))
    here, there = (expected_totals(joint, joint.parameters.vector(values)) for values in (test.held, held))
    return tuple((b[0] - a[0]) / distance * moves for a, b, moves in zip(here, there, moving, strict=True))


def _displaced(test: Hypothesis, step: tuple[Floats, ...], z: float) -> Data:
    parts = zip(test.joint.channels, test.data.counts, step, strict=True)
    return replace(test.data, counts=tuple(channel.possible(n + z * change) for channel, n, change in parts))


def discovery_reach(asimov: Hypothesis, grid: Floats) -> tuple[float, ...]:
    """Return the smallest value above the one without signal whose Asimov data exclude that one, at each of `DISCOVERY`; infinity if none does.

    Parameters
    ----------
    asimov
        The true value on Asimov data; their control regions measure the backgrounds.
    grid
        Values among which the first crossings are looked for, increasing.
    """
    null = asimov.joint.parameters[asimov.poi].null
    values = np.append(null, grid[grid > null])
    found = np.append(0.0, significance(asimov, values[1:])) if len(values) > 1 else np.zeros(1)

    def reach(sigma: float) -> float:
        def excess(value: float) -> float:
            return float(significance(asimov, np.array([value]))[0]) - sigma

        if not np.any(found >= sigma):
            return math.inf
        last = int(np.argmax(found >= sigma))
        return root(excess, float(values[last - 1]), float(values[last]), relative=_PRECISION)

    return tuple(reach(sigma) for sigma in DISCOVERY)


def significance(asimov: Hypothesis, values: Floats) -> Floats:
    """Return with how many standard deviations the value without signal is excluded by the Asimov data of each of `values`, shape (n,)."""
    joint = asimov.joint
    theta = np.tile(joint.parameters.vector(asimov.at), (len(values), 1))
    theta[:, joint.parameters.index(asimov.poi)] = values
    counts = []
    for channel, total in zip(joint.channels, expected_totals(joint, theta), strict=True):
        background = 0.0 if channel.control is None else channel.control.counts / channel.control.ratio
        counts.append(channel.possible(total + background))
    data = replace(observed_data(joint), counts=tuple(counts))
    null = np.full(len(values), joint.parameters[asimov.poi].null)
    held = {name: np.full(len(values), value) for name, value in asimov.at.items()}
    return np.sqrt(np.maximum(profile(joint, {**held, asimov.poi: null}, data=data).nll2, 0.0))


# --- limits from pseudo-experiments -----------------------------------------------------------------------------------------------


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

    Data of the fluctuating channels are drawn around the Asimov data, Poisson counts or by their errors; the centres of constraints are unit normals,
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

    def drawn(place: int, mean: Floats) -> Floats:
        return joint.channels[place].drawn(mean, rng, size) if moving[place] else np.broadcast_to(mean, (size, len(mean)))

    counts = tuple(drawn(place, mean) for place, mean in enumerate(base.counts))
    control = tuple(None if mean is None else drawn(place, mean) for place, mean in enumerate(base.control))
    free = joint.constrained.copy()
    for local, moves in zip(joint.local, moving, strict=True):
        free[local] &= moves
    return Data(counts, control, base.aux + np.where(free, rng.standard_normal((size, len(free))), 0.0))


def _limits(data: Data, *, expected: Outlook) -> Floats:
    """Return the limit of each data set, shape (P, 1)."""
    test, values, size = expected.real, expected.values, len(data.aux)
    joint, roots = test.joint, expected.roots(expected.values)
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
    limits = np.array([_edge(values, row - roots, 0.0, (test.value, expected.top)) for row in distance])
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
