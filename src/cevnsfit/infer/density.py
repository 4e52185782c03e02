"""The density of a posterior: the likelihood times the priors, and the priors as a map from the unit cube.

The likelihood is exp(-nll2/2) without the constraints, which are priors (centred where the auxiliary data are). Those of one block are a normal
distribution in several dimensions: the one that is left when some of its parameters are held.
Every other prior is flat, flat in the logarithm, or normal; all end at the bounds of the parameter, below which a strength is not physical.
A background that is measured in a control region is profiled in each bin, not marginalised.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.parcels import SentOnce
from cevnsfit.infer.lines import effective
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import constraints_of
from cevnsfit.stats.engine import nll2_at
from cevnsfit.stats.joint import Joint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.stats.binding import BoundLikelihood
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.likelihood import Likelihood


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior of one parameter without a constraint.

    Attributes
    ----------
    name
        The parameter.
    lower, upper
        Where it is not zero; infinite ends make a flat one improper.
    log
        Flat in the logarithm and not in the parameter.
    mean, sigma
        Of a normal prior, which is cut at the ends; None for a flat one.
    """

    name: str
    lower: float
    upper: float
    log: bool = False
    mean: float | None = None
    sigma: float | None = None

    def __post_init__(self) -> None:
        if not self.lower < self.upper or (self.log and not (self.lower > 0 and math.isfinite(self.upper))):
            what = ", both finite and above 0" if self.log else ""
            message = f"the prior of {self.name} needs lower < upper{what}, got {self.lower:g} and {self.upper:g}"
            raise DomainError(message)
        if self.mean is not None and self.sigma is not None and not (math.isfinite(self.mean) and 0 < self.sigma < math.inf):
            message = f"the normal prior of {self.name} needs a finite mean and a width above 0, got {self.mean:g} and {self.sigma:g}"
            raise DomainError(message)


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorDensity(SentOnce):
    """A posterior density; made by `target`.

    Attributes
    ----------
    likelihood
        The likelihood, over the physical domains of its parameters; a joint one where no nonlinear parameter floats.
    data
        The data set.
    heights
        Returns -2 ln lambda, shape (P,), at values of all parameters, shape (P, n); infinite where the model cannot make the data.
    theta
        All parameters; those that do not float keep these values, shape (n,).
    floating
        Indices of the d floating parameters, increasing.
    lower, upper
        Ends of the priors in the coordinates of the sampler, shape (d,).
    log
        Which coordinates are logarithms, shape (d,).
    centre, width
        Of the normal priors, the constraints among them, shape (d,); the width is infinite where the prior is flat in the coordinate.
    block, root
        Places of the coordinates whose priors are correlated, shape (k,), and the L of their covariance L L^T, shape (k, k).
    constrained
        Whose prior is the constraint, shape (d,).
    priors
        The priors of the floating parameters without a constraint.
    """

    likelihood: Joint | Likelihood
    data: Data
    heights: Callable[[Floats], Floats]
    theta: Floats
    floating: Ints
    lower: Floats
    upper: Floats
    log: Bools
    centre: Floats
    width: Floats
    constrained: Bools
    block: Ints
    root: Floats
    priors: tuple[Prior, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the floating parameters."""
        return tuple(self.likelihood.parameters.parameters[i] for i in self.floating)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the floating parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def index(self, name: str) -> int:
        """Return the place of a parameter among those that float; CevnsfitError if it does not."""
        if name not in self.names:
            message = f"{name} does not float in this posterior; known: {', '.join(self.names)}"
            raise CevnsfitError(message)
        return self.names.index(name)

    def pulls(self, coordinates: Floats) -> Floats:
        """Return coordinates, shape (P, d), from the centres of the normal priors in units in which these are independent unit normals."""
        found: Floats = (coordinates - self.centre) / self.width
        if len(self.block):
            found[:, self.block] = np.linalg.solve(self.root, (coordinates - self.centre)[:, self.block].T).T
        return found

    def values(self, coordinates: Floats) -> Floats:
        """Return parameter values of coordinates, shape (..., d)."""
        return np.where(self.log, np.exp(np.where(self.log, coordinates, 0.0)), coordinates)


def target(likelihood: Joint | Likelihood, data: Data, *, at: Mapping[str, float], priors: Sequence[Prior] = ()) -> PosteriorDensity:
    """Return the posterior density of the parameters that float.

    Parameters
    ----------
    likelihood
        A joint likelihood, or one whose nonlinear parameters float too where they are not held: each point then has templates of its own.
    data
        The data set.
    at
        Parameters that are held, by name; unconstrained ones without effect are held too.
    priors
        Priors that are not flat within the bounds of the parameter; a normal one with infinite ends is cut at the bounds.

    Raises
    ------
    CevnsfitError
        If a prior is given for a parameter that does not float, or that has a constraint, or exceeds the bounds.
    """
    likelihood = replace(likelihood, parameters=likelihood.parameters.physical())
    everything, theta = likelihood.parameters, likelihood.parameters.vector(at)
    joint = joint_at(likelihood, theta)
    held = {p.name: x for p, x in zip(everything, theta.tolist(), strict=True) if p.fixed or p.name in at}
    measured = constraints_of(joint, data).given(held)
    own = {p.name for p in everything if p.constrained} | {*measured.names}
    used = {*effective(joint), *(p.name for p in everything if p.kind == "nonlinear"), *own}
    floating = [i for i, p in enumerate(everything) if not p.fixed and p.name not in at and p.name in used]
    parameters = [everything.parameters[i] for i in floating]
    chosen = {prior.name: _within(everything[prior.name], prior, {p.name for p in parameters}, own) for prior in priors}
    found = [chosen.get(p.name, Prior(p.name, p.lower, p.upper)) for p in parameters]
    log, constrained = (np.array(flags, dtype=np.bool_) for flags in ([x.log for x in found], [p.name in own for p in parameters]))
    centres = dict(zip(joint.parameters.names, data.aux.tolist(), strict=True)) | dict(
        zip(measured.names, measured.centres.tolist(), strict=True)
    )
    sigmas = dict(zip(measured.names, np.sqrt(np.diag(measured.covariance)).tolist(), strict=True))
    aux = [centres[p.name] if p.name in own else 0.0 for p in parameters]
    if isinstance(likelihood, Joint):
        heights = functools.partial(_heights, bind_data(joint, data, np.empty(0, dtype=np.int64)))
    else:
        heights = functools.partial(_rebuilt_heights, likelihood, data)
    return PosteriorDensity(
        likelihood=likelihood,
        data=data,
        heights=heights,
        theta=theta,
        floating=np.array(floating, dtype=np.int64),
        lower=np.array([math.log(x.lower) if x.log else x.lower for x in found]),
        upper=np.array([math.log(x.upper) if x.log else x.upper for x in found]),
        log=log,
        centre=np.array([centre if x.mean is None else x.mean for x, centre in zip(found, aux, strict=True)]),
        width=np.where(
            constrained, [sigmas.get(p.name, 1.0) for p in parameters], [math.inf if x.sigma is None else x.sigma for x in found]
        ),
        constrained=constrained,
        block=np.array([[p.name for p in parameters].index(name) for name in measured.names], dtype=np.int64),
        root=np.asarray(np.linalg.cholesky(measured.covariance), dtype=np.float64),
        priors=tuple(prior for prior, p in zip(found, parameters, strict=True) if p.name not in own),
    )


def _within(parameter: Parameter, prior: Prior, floating: set[str], constrained: set[str]) -> Prior:
    """Return a prior with infinite ends at the bounds of its parameter."""
    name = parameter.name
    if name not in floating or name in constrained:
        message = f"{name} {'has a constraint, which is its prior' if name in constrained else 'does not float: it needs no prior'}"
        raise CevnsfitError(message)
    low, high = (
        bound if math.isinf(end) else parameter.checked(end)
        for end, bound in ((prior.lower, parameter.lower), (prior.upper, parameter.upper))
    )
    return replace(prior, lower=low, upper=high)


def joint_at(likelihood: Joint | Likelihood, theta: Floats) -> Joint:
    """Return the joint likelihood at the nonlinear parameters among all parameters, shape (n,)."""
    if isinstance(likelihood, Joint):
        return likelihood
    return likelihood.at({p.name: float(value) for p, value in zip(likelihood.parameters, theta, strict=True) if p.kind == "nonlinear"})


def rebuilding(likelihood: Joint | Likelihood) -> Bools:
    """Return which of all parameters rebuild the templates, shape (n,)."""
    return np.array([p.kind == "nonlinear" for p in likelihood.parameters], dtype=np.bool_)


def _heights(bound: BoundLikelihood, theta: Floats) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        heights = nll2_at(bound, theta, np.arange(len(theta)))
    return np.where(np.isfinite(heights), heights, np.inf)


def _rebuilt_heights(likelihood: Likelihood, data: Data, theta: Floats) -> Floats:
    """Return -2 ln lambda where points of the same nonlinear parameters share their templates."""
    theta, moving = np.clip(theta, *likelihood.parameters.domains()), rebuilding(likelihood)
    places, which = np.unique(theta[:, moving], axis=0, return_inverse=True)
    heights = np.empty(len(theta))
    for k in range(len(places)):
        rows = np.flatnonzero(which == k)
        bound = bind_data(joint_at(likelihood, theta[rows[0]]), data, np.empty(0, dtype=np.int64))
        heights[rows] = _heights(bound, theta[rows][:, ~moving])
    return heights


def log_likelihood(goal: PosteriorDensity, coordinates: Floats) -> Floats:
    """Return the logarithm of the likelihood relative to the saturated model, shape (P,), at coordinates (P, d); -inf outside the priors."""
    inside = np.flatnonzero(np.all((coordinates >= goal.lower) & (coordinates <= goal.upper), axis=1))
    theta = np.tile(goal.theta, (len(inside), 1))
    theta[:, goal.floating] = goal.values(coordinates[inside])
    result = np.full(len(coordinates), -np.inf)
    pulls = np.where(goal.constrained, goal.pulls(coordinates[inside]), 0.0)
    result[inside] = -0.5 * (goal.heights(theta) - np.einsum("pi,pi->p", pulls, pulls))
    return result


def log_density(goal: PosteriorDensity, coordinates: Floats) -> Floats:
    """Return the logarithm of the density, without the norms of the priors, shape (P,), at coordinates of shape (P, d); -inf outside the priors."""
    pulls = goal.pulls(coordinates)
    result: Floats = log_likelihood(goal, coordinates) - 0.5 * np.einsum("pi,pi->p", pulls, pulls)
    return result


def require_proper(goal: PosteriorDensity) -> None:
    """Raise CevnsfitError if a prior has no finite integral: there is no evidence then."""
    improper = [prior.name for prior in goal.priors if prior.mean is None and not math.isfinite(prior.upper - prior.lower)]
    if improper:
        message = f"the evidence needs proper priors: --prior {improper[0]}=LOW:HIGH (flat without an end: {', '.join(improper)})"
        raise CevnsfitError(message)


def log_inside(goal: PosteriorDensity) -> float:
    """Return the logarithm of the probability of priors of one block within the ends of its parameters: `from_unit` draws beyond them too."""
    if not len(goal.block):
        return 0.0
    from scipy.stats import multivariate_normal

    ends = [end[goal.block] for end in (goal.lower, goal.upper)]
    inside = multivariate_normal.cdf(ends[1], goal.centre[goal.block], goal.root @ goal.root.T, lower_limit=ends[0], rng=0)
    return math.log(float(inside))


def from_unit(goal: PosteriorDensity, unit: Floats) -> Floats:
    """Return coordinates that follow the priors, which are proper, for numbers that are evenly spread between 0 and 1, shape (..., d).

    Those of one block may lie beyond the ends of its parameters, where there is no likelihood.
    """
    normal = np.isfinite(goal.width)
    width = np.where(normal, goal.width, 1.0)
    low, high = ((np.where(normal, end, 0.0) - goal.centre) / width for end in (goal.lower, goal.upper))
    turned = low > 0  # in the upper tail: seen from the other side, where probabilities are small and exact
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    asked, unit = unit, np.where(turned, 1.0 - unit, unit)
    pulls = ndtri(ndtr(low) + unit * (ndtr(high) - ndtr(low)))
    cut = np.clip(goal.centre + width * np.where(turned, -pulls, pulls), goal.lower, goal.upper)
    with np.errstate(invalid="ignore"):
        coordinates: Floats = np.where(normal, cut, goal.lower + unit * (goal.upper - goal.lower))
    if len(goal.block):
        coordinates[..., goal.block] = goal.centre[goal.block] + ndtri(asked[..., goal.block]) @ goal.root.T
    return coordinates
