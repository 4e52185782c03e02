"""Bayesian posteriors by affine-invariant ensembles, in blocks of steps with random streams of their own.

The density is exp(-nll2/2), with the unit-normal constraints of the nuisances as their priors (centred where the auxiliary data are), times a
prior that is flat in every other parameter within its bounds, or in its logarithm where that is asked for. A background that is measured in a
control region is profiled in each bin, not marginalised.

Several independent ensembles start from scattered places. A block of an ensemble depends on the seed, its place and the end of the block before
alone: the numbers are the same for any number of workers, and for a run that was stopped.

References
----------
Goodman and Weare, Comm. Appl. Math. Comp. Sci. 5 (2010) 65; Foreman-Mackey et al., PASP 125 (2013) 306, arXiv:1202.3665; Nelson, Ford and Payne,
ApJS 210 (2014) 11, arXiv:1311.5229 (differential evolution).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.infer.lines import coupling_scales, effective
from cevnsfit.infer.minima import HOPELESS, start_set
from cevnsfit.stats.engine import gauss_newton, nll2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

BLOCK: Final = 100
"""Steps of one block."""

JUMPS: Final = (1e-3, 2.0)
"""Smallest and largest step of a coupling alone, in units of its scale (of its logarithm where the prior is flat in that)."""

SCATTER: Final = 1.5
"""Width of the starting ensemble, in units of the parabolic errors."""


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior of one parameter without a constraint.

    Attributes
    ----------
    name
        The parameter.
    lower, upper
        Where it is not zero; infinite ends make it improper.
    log
        Flat in the logarithm and not in the parameter.
    """

    name: str
    lower: float
    upper: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.lower < self.upper or (self.log and not (self.lower > 0 and math.isfinite(self.upper))):
            what = ", both finite and above 0" if self.log else ""
            message = f"the prior of {self.name} needs lower < upper{what}, got {self.lower:g} and {self.upper:g}"
            raise DomainError(message)


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorDensity:
    """A posterior density.

    Attributes
    ----------
    joint, data
        The likelihood at fixed nonlinear parameters, and the data set.
    theta
        All parameters; those that do not float keep these values, shape (n,).
    floating
        Indices of the d floating parameters, increasing.
    lower, upper
        Ends of the priors in the coordinates of the sampler, shape (d,).
    log
        Which coordinates are logarithms, shape (d,).
    priors
        The priors of the floating parameters without a constraint.
    """

    joint: Joint
    data: Data
    theta: Floats
    floating: NDArray[np.int64]
    lower: Floats
    upper: Floats
    log: NDArray[np.bool_]
    priors: tuple[Prior, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the floating parameters."""
        return tuple(self.joint.parameters.names[i] for i in self.floating)

    def values(self, coordinates: Floats) -> Floats:
        """Return parameter values of coordinates, shape (..., d)."""
        return np.where(self.log, np.exp(np.where(self.log, coordinates, 0.0)), coordinates)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some steps of one ensemble: coordinates (steps, walkers, d), log density (steps, walkers), accepted moves (walkers,)."""

    coordinates: Floats
    log_density: Floats
    accepted: Floats


def target(joint: Joint, data: Data, *, at: Mapping[str, float], priors: Sequence[Prior] = ()) -> PosteriorDensity:
    """Return the posterior density of the parameters that float.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    data
        The data set.
    at
        Parameters that are held, by name; unconstrained ones without effect are held too.
    priors
        Priors that are not flat within the bounds of the parameter.

    Raises
    ------
    CevnsfitError
        If a prior is given for a parameter that does not float, or that has a constraint, or exceeds the bounds.
    """
    used = effective(joint)
    floating = [i for i, p in enumerate(joint.parameters) if not p.fixed and p.name not in at and (p.constrained or p.name in used)]
    chosen = {prior.name: prior for prior in priors}
    for name, prior in chosen.items():
        parameter = joint.parameters[name]
        if joint.parameters.index(name) not in floating or parameter.constrained:
            message = f"{name} {'has a constraint, which is its prior' if parameter.constrained else 'does not float: it needs no prior'}"
            raise CevnsfitError(message)
        parameter.checked(prior.lower)
        parameter.checked(prior.upper)
    parameters = [joint.parameters.parameters[i] for i in floating]
    found = [chosen.get(p.name, Prior(p.name, p.lower, p.upper)) for p in parameters]
    log = np.array([prior.log for prior in found], dtype=np.bool_)
    ends = [np.array([math.log(end) if prior.log else end for end, prior in zip(side, found, strict=True)]) for side in _ends(found)]
    free = tuple(prior for prior, p in zip(found, parameters, strict=True) if not p.constrained)
    return PosteriorDensity(joint, data, joint.parameters.vector(at), np.array(floating, dtype=np.int64), ends[0], ends[1], log, free)


def _ends(priors: Sequence[Prior]) -> tuple[list[float], list[float]]:
    return [prior.lower for prior in priors], [prior.upper for prior in priors]


def log_density(goal: PosteriorDensity, coordinates: Floats) -> Floats:
    """Return the logarithm of the density, without its norm, shape (P,), at coordinates of shape (P, d); -inf outside the priors.

    In the coordinates of the sampler all priors are flat but for the constraints, which are in -2 ln lambda.
    """
    inside = np.all((coordinates >= goal.lower) & (coordinates <= goal.upper), axis=1)
    theta = np.tile(goal.theta, (len(coordinates), 1))
    theta[:, goal.floating] = goal.values(np.clip(coordinates, goal.lower, goal.upper))
    with np.errstate(over="ignore", invalid="ignore"):
        heights = nll2(goal.joint, theta, goal.data)
    return np.where(inside & np.isfinite(heights), -0.5 * heights, -np.inf)


def starting_ensemble(goal: PosteriorDensity, walkers: int, rng: np.random.Generator) -> Floats:
    """Return scattered coordinates around the minima of the data and of Asimov data and between them, shape (walkers, d).

    Raises
    ------
    CevnsfitError
        If no place with a finite density is found.
    """
    names, values = goal.joint.parameters.names, goal.theta
    held = {name: float(values[i]) for i, name in enumerate(names) if i not in goal.floating}
    starts = start_set(goal.joint, goal.data, at=held)
    heights = nll2(goal.joint, starts, goal.data)
    minima = starts[heights <= np.nanmin(heights) + HOPELESS]
    widths = _widths(goal, minima[0])
    found = np.empty((0, len(goal.floating)))
    for _ in range(100):
        centres = minima[rng.integers(len(minima), size=walkers)][:, goal.floating]
        with np.errstate(divide="ignore", invalid="ignore"):
            centres = np.where(goal.log, np.log(np.maximum(centres, 1e-300)), centres)
        trial = centres + SCATTER * widths * rng.standard_normal(centres.shape)
        trial = _reflected(trial, goal.lower, goal.upper)
        found = np.concatenate([found, trial[np.isfinite(log_density(goal, trial))]])
        if len(found) >= walkers:
            return found[:walkers]
    message = "no place with a finite posterior density was found near the minima"
    raise CevnsfitError(message)


def _widths(goal: PosteriorDensity, theta: Floats) -> Floats:
    """Return parabolic errors of the coordinates, each with the others held, shape (d,); at most 1 for constrained parameters."""
    _, _, matrix = gauss_newton(goal.joint, theta[None], goal.data)
    diagonal = np.diag(matrix[0])[goal.floating]
    scales = coupling_scales(goal.joint, goal.names)
    errors = np.where(diagonal > 0, np.sqrt(2.0 / np.where(diagonal > 0, diagonal, 1.0)), scales)
    constrained = goal.joint.constrained[goal.floating]
    errors = np.where(constrained, np.minimum(errors, 1.0), np.minimum(errors, scales))
    return np.where(goal.log, np.minimum(errors / np.maximum(theta[goal.floating], 1e-300), 1.0), errors)


def _reflected(x: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return coordinates reflected at the ends of the priors, and cut there."""
    x = np.where(x < lower, 2 * lower - x, x)
    x = np.where(x > upper, 2 * upper - x, x)
    return np.clip(x, lower, upper)


def run_block(goal: PosteriorDensity, start: Floats | None, walkers: int, stream: np.random.SeedSequence) -> Block:
    """Return the next `BLOCK` steps of an ensemble.

    Proposals are those of differential evolution, its snooker variant, and jumps of one coupling alone, which lead from one minimum
    to another.

    Parameters
    ----------
    goal
        The density.
    start
        Coordinates of the walkers, shape (walkers, d); None for the first block.
    walkers
        Their number.
    stream
        Of this block alone, see `stream_of`.
    """
    import emcee

    begin, walk = (np.random.SeedSequence(stream.entropy, spawn_key=(*stream.spawn_key, k)) for k in range(2))
    coordinates = starting_ensemble(goal, walkers, np.random.default_rng(begin)) if start is None else start
    moves = [(emcee.moves.DEMove(), 0.5), (emcee.moves.DESnookerMove(), 0.1)]
    parameters = goal.joint.parameters.parameters
    couplings = np.array([k for k, i in enumerate(goal.floating) if parameters[i].kind == "polynomial"], dtype=np.int64)
    if couplings.size:
        scales = np.where(goal.log, 1.0, coupling_scales(goal.joint, goal.names))[couplings]
        moves.append((emcee.moves.MHMove(Jumps(couplings, scales)), 0.4))
    sampler = emcee.EnsembleSampler(*coordinates.shape, lambda x: log_density(goal, x), vectorize=True, moves=moves)
    sampler.random_state = np.random.RandomState(np.random.MT19937(walk)).get_state()
    sampler.run_mcmc(coordinates, BLOCK, skip_initial_state_check=True)
    return Block(sampler.get_chain(), sampler.get_log_prob(), sampler.backend.accepted.astype(np.float64))


def stream_of(seed: int, ensemble: int, block: int) -> np.random.SeedSequence:
    """Return the random stream of one block of an ensemble."""
    return np.random.SeedSequence(seed, spawn_key=(ensemble, block))


@dataclass(frozen=True, slots=True, eq=False)
class Jumps:
    """A symmetric proposal of steps of one coupling alone, of all sizes between `JUMPS`, for emcee."""

    columns: NDArray[np.int64]
    scales: Floats

    def __call__(self, coordinates: Floats, random: np.random.RandomState) -> tuple[Floats, Floats]:
        """Return proposed coordinates and the logarithms of their weights."""
        count = len(coordinates)
        which = random.randint(len(self.columns), size=count)
        size = np.exp(random.uniform(math.log(JUMPS[0]), math.log(JUMPS[1]), size=count)) * self.scales[which]
        moved = coordinates.copy()
        moved[np.arange(count), self.columns[which]] += np.where(random.rand(count) < 0.5, -size, size)
        return moved, np.zeros(count)
