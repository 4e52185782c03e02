"""Two models of the same data: the ratio of their likelihoods, with p-values from pseudo-experiments of each.

The statistic is lambda = -2 ln L_A(best) / L_B(best), each likelihood at its global minimum over couplings, nonlinear parameters and nuisances. Its
distribution is known only for nested models that Wilks' theorem allows. So pseudo-experiments are generated at the best fit of each model, and
each is fitted with both. p of A is the part of those of A in which lambda is at least the observed one, p of B that of those of B in which it is at most that.

A fit with a floating nonlinear parameter looks at a coarse grid of its values (`infer.starts`), all data sets of a chunk sharing the templates of each, and goes
on from the lowest one by a compass search on a lattice that is halved, whose templates are shared too. Couplings are kept in units of their scale, which
hardly depend on a mass, so that the starts of one value serve its neighbours.

A constrained parameter of one model that the other one does not have is measured in the pseudo-experiments of both: there its centre varies around that of the data.

References
----------
Cox, Proc. 4th Berkeley Symp. 1 (1961) 105; J. R. Stat. Soc. B 24 (1962) 406. Hooke and Jeeves, J. ACM 8 (1961) 212 (the search).
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parcels import SentOnce
from cevnsfit.infer.lines import coupling_scales
from cevnsfit.infer.minima import couplings_of, free_fits, start_set
from cevnsfit.infer.objective import from_internal, internal_domain, to_internal
from cevnsfit.infer.starts import NONLINEAR_GRID, floating_only, nonlinear_grid
from cevnsfit.infer.toys import Chunk, measured
from cevnsfit.stats.data import Data, observed_data, toy_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.results import FitResult
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


GAIN: Final = 1e-3
"""A search ends where parabolas through its last points promise less than this in -2 ln lambda."""

ALIKE: Final = 0.03
"""Coarse values of one nonlinear parameter between neighbours at which the roots of all counts are as close as this are left out: a mass far from the transferred momenta is not felt."""

ROUNDS: Final = 40
"""Rounds of such a search, at most."""

DOUBLED: Final = 2
"""Columns of a search over the number of those of `infer.starts`, where one nonlinear parameter floats: there is no second minimum to go on from."""


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A model with what its fits to pseudo-experiments start from; made by `rival`.

    Attributes
    ----------
    likelihood
        With the data.
    best
        The best fit to these.
    at
        Values of those parameters that are held, and defaults of those that float.
    moving
        The nonlinear parameters that float, d of them.
    places
        Their coarse values, logarithms where that is their scale, shape (K, d).
    starts
        For each place all other parameters at the starts of fits, shape (S, n), couplings in units of their scale.
    step
        First step in each of them from there, shape (d,).
    """

    likelihood: Likelihood
    best: FitResult
    at: Mapping[str, float]
    moving: tuple[Parameter, ...]
    places: Floats
    starts: tuple[Floats, ...]
    step: Floats

    @property
    def truth(self) -> tuple[Joint, Floats]:
        """Return the likelihood at the nonlinear parameters of the best fit, and all others there, shape (n,)."""
        joint = self.likelihood.at({name: self.best.values[name] for name in self.likelihood.nonlinear.names})
        return joint, np.array([self.best.values[name] for name in joint.parameters.names])


def rival(likelihood: Likelihood, best: FitResult) -> Rival:
    """Return a model that is compared, given its best fit."""
    moving = tuple(likelihood.parameters[name] for name in best.floating if name in likelihood.nonlinear)
    count = NONLINEAR_GRID.get(len(moving), 3) * (DOUBLED if len(moving) == 1 else 1)
    grids = [[to_internal(p, value) for value in nonlinear_grid(p, count)] for p in moving]
    places = np.array([np.array(point) for point in itertools.product(*grids)]).reshape(-1 if moving else 1, len(moving))
    at = {p.name: p.default if p.name in best.floating else best.values[p.name] for p in likelihood.parameters}
    model = Rival(likelihood, best, at, moving, places, (), (places.max(axis=0) - places.min(axis=0)) / (2.0 * count))
    joints = [_joint_at(model, place) for place in places]
    roots = [_roots(joint) for joint in joints]
    changed = [True, *(bool(np.linalg.norm(b - a) > ALIKE) for a, b in itertools.pairwise(roots)), False]
    kept = [k for k in range(len(places)) if len(moving) != 1 or k == 0 or changed[k] or changed[k + 1]]
    starts = tuple(start_set(joints[k], observed_data(joints[k]), at={}) / _units(joints[k]) for k in kept)
    return replace(model, places=places[kept], starts=starts)


def _roots(joint: Joint) -> Floats:
    """Return the roots of the counts with each coupling at its scale, one after the other: their distance is half that in standard deviations."""
    units, base, parts = _units(joint), joint.parameters.defaults(), []
    for index in couplings_of(joint):
        theta = base.copy()
        theta[index] = np.clip(units[index], joint.parameters.parameters[index].lower, joint.parameters.parameters[index].upper)
        for channel, total in zip(joint.channels, expected_totals(joint, theta), strict=True):
            parts.append(np.sqrt(np.maximum(total[0], 0.0)) if channel.errors is None else channel.errors.standard(total[0]))
    return np.concatenate([np.zeros(1), *parts])


def _joint_at(model: Rival, place: Floats) -> Joint:
    """Return the likelihood at values of the nonlinear parameters that float, in which just what floats in the fit does."""
    names = model.likelihood.nonlinear.names
    values = {**model.at, **{p.name: from_internal(p, float(x)) for p, x in zip(model.moving, place, strict=True)}}
    return floating_only(model.likelihood.at({name: values[name] for name in names}), model.best.floating, model.at)


def _units(joint: Joint) -> Floats:
    """Return the scale of each coupling, and 1 for all other parameters, shape (n,)."""
    units = np.ones(len(joint.parameters))
    couplings = couplings_of(joint)
    units[couplings] = coupling_scales(joint, [joint.parameters.names[index] for index in couplings])
    return units


@dataclass(slots=True, eq=False)
class _Lowest:
    """The lowest points of P data sets so far: -2 ln lambda (P,), the nonlinear parameters (P, d) and all others in units (P, n)."""

    model: Rival
    data: Data
    nll2: Floats
    places: Floats
    theta: Floats

    def tried(self, rows: Ints, place: Floats, further: Floats | None = None) -> Floats:
        """Return -2 ln lambda of some data sets with the nonlinear parameters at a place; what is lower is kept.

        Fits start at the lowest points so far, and at couplings in units of their scale, (S, n), of further starts.
        """
        joint = _joint_at(self.model, place)
        units, couplings = _units(joint), couplings_of(joint)
        further = self.theta[:0] if further is None else further
        starts = np.repeat(self.theta[rows][None], len(further) + 1, axis=0)
        starts[1:, :, couplings] = further[:, None, couplings]
        found, theta = free_fits(joint, self.data.rows(rows), starts * units, at={})
        better = found < self.nll2[rows]
        self.nll2[rows[better]], self.places[rows[better]], self.theta[rows[better]] = found[better], place, theta[better] / units
        return found


def lowest(model: Rival, data: Data) -> Floats:
    """Return -2 ln lambda of the best fit to each of P data sets, shape (P,); NaN where no fit converges."""
    size, width = len(data.aux), len(model.starts[0][0])
    found = _Lowest(
        model, data, np.full(size, np.inf), np.zeros((size, len(model.moving))), np.broadcast_to(model.starts[0][0], (size, width)).copy()
    )
    everything = np.arange(size)
    for place, starts in zip(model.places, model.starts, strict=True):
        found.tried(everything, place, starts)
    if model.moving:
        _descended(found, everything[np.isfinite(found.nll2)])
    return np.where(np.isfinite(found.nll2), found.nll2, np.nan)


def _descended(found: _Lowest, rows: Ints) -> None:
    """Let data sets go down to their minima over the nonlinear parameters."""
    domains = np.array([internal_domain(p) for p in found.model.moving])
    steps, size = np.tile(found.model.step, (len(found.nll2), 1)), len(domains)
    for _ in range(ROUNDS):
        if not len(rows):
            return
        before, around = found.nll2[rows].copy(), np.empty((len(rows), size, 2))
        middle = found.places[rows].copy()
        for axis, side in itertools.product(range(size), (0, 1)):
            trial = middle.copy()
            trial[:, axis] = np.clip(trial[:, axis] + (2 * side - 1) * steps[rows, axis], *domains[axis])
            places, which = np.unique(trial.round(9), axis=0, return_inverse=True)
            for k, place in enumerate(places):
                chosen = np.flatnonzero(which.ravel() == k)
                around[chosen, axis, side] = found.tried(rows[chosen], np.clip(place, *domains.T))
        stayed = found.nll2[rows] >= before - GAIN
        steps[rows[stayed]] /= 2.0
        rows = rows[~stayed | (_promise(before, around) > GAIN)]


def _promise(middle: Floats, around: Floats) -> Floats:
    """Return how much lower the vertices of parabolas through a point and its neighbours on each axis are, shape (P,); `around` has shape (P, d, 2)."""
    low, high = around[..., 0] - middle[:, None], around[..., 1] - middle[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (high - low) ** 2 / (8.0 * (low + high))
    return np.asarray(np.where(np.isfinite(gain), gain, 0.0).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Contest(SentOnce):
    """Two models of the same data; made by `paired`.

    Attributes
    ----------
    models
        Both.
    names
        The parameters of either that data are about, n of them.
    centres
        Those of their constraints in the data, shape (n,).
    """

    models: tuple[Rival, Rival]
    names: tuple[str, ...]
    centres: Floats


def paired(first: Rival, second: Rival) -> Contest:
    """Return two models for `ratios`.

    Raises
    ------
    CevnsfitError
        If they do not have the same data.
    """
    joints = [model.truth[0] for model in (first, second)]
    require_same_data(*joints)
    centres = {p.name: p.centre for joint in joints for p in joint.parameters}
    return Contest((first, second), tuple(centres), np.array([*centres.values()]))


def require_same_data(first: Joint, second: Joint) -> None:
    """Raise CevnsfitError unless two likelihoods have the same channels with the same data."""
    ours, theirs = ({channel.name: channel for channel in joint.channels} for joint in (first, second))
    alone = sorted({*ours} ^ {*theirs})
    if alone:
        message = f"models are compared on the same data: {', '.join(alone)} has only one of them"
        raise CevnsfitError(message)
    for name, channel in ours.items():
        other = theirs[name]
        numbers = [
            (one.observed, *(() if one.control is None else (one.control.counts, one.control.ratio)),
             *(() if one.errors is None else (one.errors.variances,)))
            for one in (channel, other)
        ]  # fmt: skip
        if len(numbers[0]) != len(numbers[1]) or not all(np.array_equal(*pair) for pair in zip(*numbers, strict=True)):
            message = f"models are compared on the same data: those of {name} differ"
            raise CevnsfitError(message)
    for parameter in first.parameters:
        if parameter.name in second.parameters and parameter.centre != second.parameters[parameter.name].centre:
            message = f"models are compared on the same data: {parameter.name} was measured at {parameter.centre:g} and {second.parameters[parameter.name].centre:g}"
            raise CevnsfitError(message)


def generated(pair: Contest, which: int, rng: np.random.Generator, size: int) -> Data:
    """Return pseudo-experiments of one of two models at its best fit; channels in the order of the first one, centres in that of `names`."""
    joint, theta = pair.models[which].truth
    data = toy_data(joint, theta, rng, size)
    centres = pair.centres + rng.standard_normal((size, len(pair.names)))
    centres[:, [pair.names.index(name) for name in joint.parameters.names]] = data.aux
    return _ordered(replace(data, aux=centres), joint, pair.models[0].truth[0])


def _ordered(data: Data, joint: Joint, other: Joint) -> Data:
    """Return data with the channels of one likelihood in the order of another one."""
    names = [channel.name for channel in joint.channels]
    order = [names.index(channel.name) for channel in other.channels]
    return replace(data, counts=tuple(data.counts[k] for k in order), control=tuple(data.control[k] for k in order))


def heights(pair: Contest, data: Data) -> Floats:
    """Return -2 ln lambda of the best fits of both models to each of P data sets of `generated`, shape (P, 2); NaN where a fit fails."""
    found, first = [], pair.models[0].truth[0]
    for model in pair.models:
        joint = model.truth[0]
        own = data.aux[:, [pair.names.index(name) for name in joint.parameters.names]]
        found.append(lowest(model, _ordered(replace(data, aux=np.where(joint.constrained, own, 0.0)), first, joint)))
    rows = np.stack(found, axis=1)
    rows[np.isnan(rows).any(axis=1)] = np.nan
    return rows


def ratios(pair: Contest, toys: Toys) -> Procedure[list[Floats]]:
    """Return lambda, first over second, in the pseudo-experiments of each model, shape (N,) each; NaN where a fit fails."""
    measure = functools.partial(heights, pair)
    found = yield [measured(Chunk(functools.partial(generated, pair, k), measure, toys.seed, k), toys.chunks) for k in (0, 1)]
    return [rows[:, 0] - rows[:, 1] for rows in found]


def contained(inner: Rival, outer: Rival) -> bool:
    """Return whether the outer model is the inner one where what it has more is at its defaults: -2 ln lambda is the same then, to 1e-6."""
    names = outer.likelihood.parameters.names
    if any(name not in names or name not in outer.best.floating for name in inner.best.floating):
        return False
    values = {p.name: inner.best.values.get(p.name, p.default) for p in outer.likelihood.parameters if p.name in outer.best.floating}
    values = {**outer.best.values, **values}
    joint = outer.likelihood.at({name: values[name] for name in outer.likelihood.nonlinear.names})
    found = nll2(joint, np.array([[values[name] for name in joint.parameters.names]]), observed_data(joint))
    return math.isclose(float(found[0]), inner.best.nll2, rel_tol=0.0, abs_tol=1e-6)
