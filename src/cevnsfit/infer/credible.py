"""What is read from the ensembles of a posterior: credible intervals with every branch, and whether the ensembles can be trusted.

References
----------
Vehtari et al., Bayesian Analysis 16 (2021) 667, arXiv:1903.08008 (R-hat and effective sample size); Goodman and Weare, Comm. Appl. Math. Comp.
Sci. 5 (2010) 65 (autocorrelation time of an ensemble).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.intervals import threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.density import PosteriorDensity, Prior
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.posterior import Block


METHOD: Final = "Bayesian, highest posterior density"

WARM_UP: Final = 1 / 3
"""Part of each ensemble that is left out at its beginning."""

QUANTILES: Final = (0.05, 0.16, 0.50, 0.84, 0.95)

SIGNIFICANT: Final = 5.0
"""Standard deviations by which the draws in a gap between two intervals must be fewer than beside it."""

_BISECTIONS: Final = 12

_DENSITY: Final[Mapping[str, Any]] = {"method": "multimodal_sample", "grid_len": 2048, "bw_fct": 0.4}
"""A density estimate that is narrower than the best one for a single peak: it keeps a narrow branch beside a wide one; chance gaps are closed."""

LARGEST_R_HAT: Final = 1.01
LEAST_DRAWS: Final = 400.0
LEAST_TIMES: Final = 20.0
"""Limits of R-hat, of the effective sample size, and of the steps in autocorrelation times, for a posterior that can be trusted."""


@dataclass(frozen=True, slots=True)
class Marginal:
    """The posterior of one parameter.

    Attributes
    ----------
    name
        The parameter.
    mean, sd
        Mean and standard deviation.
    quantiles
        At `QUANTILES`.
    r_hat
        Rank-normalised split R-hat of the ensembles.
    ess_bulk, ess_tail
        Effective sample sizes of the bulk and of the tails, walkers as chains.
    autocorrelation
        Integrated autocorrelation time in steps, mean of the ensembles.
    """

    name: str
    mean: float
    sd: float
    quantiles: tuple[float, ...]
    r_hat: float
    ess_bulk: float
    ess_tail: float
    autocorrelation: float


@dataclass(frozen=True, slots=True)
class Credible:
    """A posterior in numbers.

    Attributes
    ----------
    poi
        The parameter of interest.
    cl
        Probability of the credible intervals.
    intervals
        Highest-density intervals of `poi`, increasing, in the coordinate in which its prior is flat.
    contents
        Part of the posterior in each interval.
    upper
        Upper end of the interval from the lowest value that holds the probability `cl`.
    marginals
        All parameters that float, `poi` among them.
    priors
        Those of parameters without a constraint; all others are unit normal.
    acceptance
        Part of the proposals of ensembles that were accepted; None for nested runs.
    ensembles, walkers, steps, warm_up, seed
        Size of the run, and the first steps that are left out. Of nested sampling: the runs, the live points and the draws of each.
    valid, reason
        Whether the ensembles have converged, and why not.
    method
        How the intervals are made.
    sampler
        "emcee" or "nested".
    log_evidence, log_evidence_error
        Mean of the nested runs and its error, from the runs themselves or from their scatter where that is larger; None for ensembles.
    """

    poi: str
    cl: float
    intervals: tuple[Interval, ...]
    contents: tuple[float, ...]
    upper: float
    marginals: tuple[Marginal, ...]
    priors: tuple[Prior, ...]
    acceptance: float | None
    ensembles: int
    walkers: int
    steps: int
    warm_up: int
    seed: int
    valid: bool
    reason: str
    method: str = METHOD
    sampler: str = "emcee"
    log_evidence: float | None = None
    log_evidence_error: float | None = None


def draws(goal: PosteriorDensity, ensembles: Sequence[Sequence[Block]]) -> Floats:
    """Return the coordinates after the warm-up, which nested runs do not have, shape (ensembles, steps, walkers, d)."""
    chains = np.array([np.concatenate([block.coordinates for block in blocks]) for blocks in ensembles])
    if chains.shape[-1] != len(goal.floating):
        message = "the ensembles belong to another posterior"
        raise CevnsfitError(message)
    return chains if _nested(ensembles) else chains[:, int(WARM_UP * chains.shape[1]) :]


def _nested(ensembles: Sequence[Sequence[Block]]) -> bool:
    return math.isfinite(ensembles[0][0].log_evidence[0])


def evidence(ensembles: Sequence[Sequence[Block]]) -> tuple[float, float]:
    """Return the mean logarithm of the evidences of nested runs, and its error."""
    values, errors = np.array([blocks[0].log_evidence for blocks in ensembles]).T
    error = max(float(np.sqrt(np.mean(errors**2))), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
    return float(values.mean()), error / math.sqrt(len(values))


def credible(
    goal: PosteriorDensity, ensembles: Sequence[Sequence[Block]], poi: str, *, cl: float, seed: int, walkers: int | None = None
) -> Credible:
    """Return a posterior in numbers.

    Parameters
    ----------
    goal
        The density.
    ensembles
        The blocks of each ensemble.
    poi
        The parameter of interest.
    cl
        Probability of the credible intervals.
    seed
        Of the run.
    walkers
        Live points of each nested run; None for those that move.

    Raises
    ------
    CevnsfitError
        If `poi` does not float.
    DomainError
        Unless 0 < cl < 1.
    """
    threshold(cl, 1)
    place, chains = goal.index(poi), draws(goal, ensembles)
    values = goal.values(chains)
    marginals = tuple(_marginal(name, values[..., k]) for k, name in enumerate(goal.names))
    independent = chains[:, :: max(round(marginals[place].autocorrelation), 1), :, place].ravel()
    found = highest_density(independent, (float(goal.lower[place]), float(goal.upper[place])), cl)
    ends = [tuple(float(x) for x in (np.exp(pair) if goal.log[place] else pair)) for pair in found]
    mine = values[..., place]
    steps = sum(len(block.log_density) for block in ensembles[0])
    accepted = sum(block.accepted.sum() for blocks in ensembles for block in blocks) / (len(ensembles) * steps * chains.shape[2])
    reason, known = _doubt(marginals, chains.shape[1]), evidence(ensembles) if _nested(ensembles) else (None, None)
    return Credible(
        poi=poi,
        cl=cl,
        intervals=tuple((low, high) for low, high in ends),
        contents=tuple(float(np.mean((mine >= low) & (mine <= high))) for low, high in ends),
        upper=float(np.quantile(mine, cl)),
        marginals=marginals,
        priors=goal.priors,
        acceptance=None if _nested(ensembles) else float(accepted),
        ensembles=len(ensembles),
        walkers=chains.shape[2] if walkers is None else walkers,
        steps=steps,
        warm_up=steps - chains.shape[1],
        seed=seed,
        valid=not reason,
        reason=reason,
        sampler="nested" if _nested(ensembles) else "emcee",
        log_evidence=known[0],
        log_evidence_error=known[1],
    )


def _marginal(name: str, values: Floats) -> Marginal:
    """Return the posterior of one parameter from its values, shape (ensembles, steps, walkers)."""
    from arviz_stats.base import array_stats

    ensembles, steps, walkers = values.shape
    chains = values.transpose(0, 2, 1).reshape(ensembles * walkers, steps)
    return Marginal(
        name,
        float(values.mean()),
        float(values.std()),
        tuple(float(x) for x in np.quantile(values, QUANTILES)),
        float(array_stats.rhat(values.reshape(ensembles, steps * walkers))) if ensembles > 1 else float("nan"),
        float(array_stats.ess(chains, method="bulk")),
        float(array_stats.ess(chains, method="tail", prob=0.9)),
        float(np.mean([_autocorrelation(one) for one in values])),
    )


def _autocorrelation(values: Floats) -> float:
    """Return the integrated autocorrelation time of an ensemble, shape (steps, walkers); walkers that never moved have none, and are left out."""
    from emcee.autocorr import integrated_time

    moving = values[:, np.ptp(values, axis=0) > 0.0]
    return float(integrated_time(moving, tol=0)[0]) if moving.size else float(len(values))


def _doubt(marginals: Sequence[Marginal], steps: int) -> str:
    """Return why the ensembles cannot be trusted, or an empty text."""
    worst = max(marginals, key=lambda one: one.r_hat)
    least = min(marginals, key=lambda one: min(one.ess_bulk, one.ess_tail))
    slowest = max(marginals, key=lambda one: one.autocorrelation)
    found = []
    if not worst.r_hat <= LARGEST_R_HAT:
        found.append(f"R-hat of {worst.name} is {worst.r_hat:.3f} (at most {LARGEST_R_HAT})")
    if not min(least.ess_bulk, least.ess_tail) >= LEAST_DRAWS:
        found.append(f"{min(least.ess_bulk, least.ess_tail):.0f} effective draws of {least.name} (at least {LEAST_DRAWS:.0f})")
    if not steps >= LEAST_TIMES * slowest.autocorrelation:
        found.append(
            f"{steps} steps are {steps / slowest.autocorrelation:.0f} autocorrelation times of {slowest.name} (at least {LEAST_TIMES:.0f})"
        )
    return "; ".join(found)


def highest_density(sample: Floats, domain: tuple[float, float], cl: float) -> tuple[Interval, ...]:
    """Return the intervals of highest density that hold the probability `cl`, increasing.

    Where the density is flat at their level they hold all of the plateau, and more than `cl`.

    Parameters
    ----------
    sample
        Independent draws, shape (n,): the width of the density estimate follows from their number.
    domain
        Ends of the prior.
    cl
        Probability.
    """
    low, high = 0.5 * cl, cl
    best = _branches(sample, domain, high)
    for _ in range(_BISECTIONS if _content(sample, best) > cl else 0):
        middle = 0.5 * (low + high)
        trial = _branches(sample, domain, middle)
        if _content(sample, trial) > cl:
            best, high = trial, middle
        else:
            low = middle
    return best


def _content(sample: Floats, pairs: Sequence[Interval]) -> float:
    return float(sum(np.mean((sample >= low) & (sample <= high)) for low, high in pairs))


def _branches(sample: Floats, domain: Interval, probability: float) -> tuple[Interval, ...]:
    """Return the intervals where the density is highest, chance gaps closed: they hold `probability` or more."""
    from arviz_stats.base import array_stats

    found = np.asarray(array_stats.hdi(sample, prob=probability, **_DENSITY, max_modes=len(sample)))
    found = found[np.isfinite(found).all(axis=1)]
    joined: list[Interval] = []
    for low, high in found[np.argsort(found[:, 0])].tolist():
        start = joined[-1][1] if joined else domain[0]
        if _is_gap(sample, start, low):
            joined.append((low, high))
        else:
            joined.append((joined.pop()[0] if joined else domain[0], high))
    low, high = joined[-1]
    return (*joined[:-1], (low, high if _is_gap(sample, high, domain[1]) else domain[1]))


def _is_gap(sample: Floats, start: float, stop: float) -> bool:
    """Return whether the density between two values is lower than beside them: a plateau at the level of an interval has chance gaps.

    The draws in between are compared with those in as wide a stretch on either side; an infinite end of the domain is beyond a gap.
    """
    width = stop - start
    if not math.isfinite(width):
        return True
    windows = [(start, stop), (start - width, start), (stop, stop + width)]
    inside, left, right = (int(np.count_nonzero((sample >= low) & (sample <= high))) for low, high in windows)
    expected = max(left, right)
    return expected - inside > SIGNIFICANT * math.sqrt(expected)
