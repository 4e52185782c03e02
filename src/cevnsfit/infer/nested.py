"""Posteriors and evidences by nested sampling.

The evidence is the mean of the likelihood over the priors, each of norm 1; the likelihood is relative to that of the saturated model, which the
data alone determine. So the ratio of two evidences of the same data is the Bayes factor of two models.

References
----------
Skilling, Bayesian Analysis 1 (2006) 833; Speagle, MNRAS 493 (2020) 3132, arXiv:1904.02180 (dynesty).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.extras import warnings_logged
from cevnsfit.infer.density import from_unit, log_density, log_inside, log_likelihood
from cevnsfit.infer.posterior import Block

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.infer.density import PosteriorDensity


_log = logging.getLogger(__name__)

LIVE: Final = 1000
"""Live points of one run."""

DRAWS: Final = 2
"""Draws of one run for each of its live points: fewer than it has effective ones, so that they are nearly independent."""

REMAINING: Final = 0.01
"""A run ends when the live points can add no more than this to the logarithm of the evidence."""


def run_nested(goal: PosteriorDensity, live: int, stream: np.random.SeedSequence) -> Block:
    """Return equally weighted draws of one nested run, in random order, with its evidence.

    Parameters
    ----------
    goal
        The density; its priors are proper.
    live
        Number of live points.
    stream
        Of this run alone.
    """
    import dynesty

    rng = np.random.default_rng(stream)
    with warnings_logged(_log):
        sampler = dynesty.NestedSampler(
            lambda point: float(log_likelihood(goal, point[None])[0]),
            lambda unit: from_unit(goal, unit),
            len(goal.floating),
            nlive=live,
            sample="rwalk",
            rstate=rng,
        )
        sampler.run_nested(dlogz=REMAINING, print_progress=False)
    found = sampler.results
    weights = np.exp(found.logwt - found.logwt.max())
    draws = found.samples[_evenly(weights / weights.sum(), DRAWS * live, rng)]
    evidence = float(found.logz[-1]) - log_inside(goal), float(found.logzerr[-1])
    return Block(draws[:, None], log_density(goal, draws)[:, None], np.full(1, np.nan), evidence)


def _evenly(weights: Floats, size: int, rng: np.random.Generator) -> Ints:
    """Return places that occur as often as their weights say, within one, in random order: systematic resampling."""
    places = np.searchsorted(np.cumsum(weights), (rng.random() + np.arange(size)) / size)
    return rng.permutation(np.minimum(places, len(weights) - 1))
