"""The ratio of the evidences of two models of the same data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.credible import evidence
from cevnsfit.infer.density import require_proper, target
from cevnsfit.infer.nested import LIVE, run_nested
from cevnsfit.infer.posterior import stream_of
from cevnsfit.infer.runner import HERE, Call, every
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.posterior import parse_priors, prior_text, require_packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.infer.comparison import Rival
    from cevnsfit.infer.density import PosteriorDensity, Prior
    from cevnsfit.infer.runner import Runner

RUNS: Final = 4
"""Nested runs of each model."""


@dataclass(frozen=True, slots=True)
class EvidenceRatio:
    """The ratio of two evidences of the same data, the Bayes factor.

    Attributes
    ----------
    log_evidence, errors
        Logarithm of each evidence, relative to the saturated model, with its error, by model.
    log, error
        Logarithm of the first over the second, and its error.
    priors
        Of all parameters without a constraint, in words, by model: the ratio depends on their widths.
    """

    document: ClassVar[Mapping[str, str | None]] = {"ratio": "ratio"}

    log_evidence: Mapping[str, float]
    errors: Mapping[str, float]
    log: float
    error: float
    priors: Mapping[str, tuple[str, ...]]

    @property
    def ratio(self) -> float:
        """Return the first evidence over the second; infinite where it is beyond all numbers."""
        return math.exp(self.log) if self.log < math.log(1e300) else math.inf


def evidences(
    rivals: Sequence[Rival], given: Sequence[Mapping[str, float]], names: tuple[str, str], texts: Sequence[str], order: Sequence[int],
    run: Runner = HERE,
) -> EvidenceRatio:  # fmt: skip
    """Return the ratio of the evidences; the random streams of a model belong to its place in `order`.

    Raises
    ------
    CevnsfitError
        If a package is missing, a prior is improper, or belongs to no model.
    """
    require_packages("nested")
    priors = parse_priors(texts)
    goals = [_density(model, own, priors) for model, own in zip(rivals, given, strict=True)]
    unused = [prior.name for prior in priors if all(prior.name not in goal.names for goal in goals)]
    if unused:
        message = f"a prior of {unused[0]}, which floats in neither model"
        raise CevnsfitError(message)
    for goal in goals:
        require_proper(goal)
    sampled = [k for k in (0, 1) if len(goals[k].floating)]
    calls = [Call(run_nested, (goals[k], LIVE, stream_of(1 + order.index(k), number, 0))) for k in sampled for number in range(RUNS)]
    blocks = run(every(calls))
    found: dict[int, tuple[float, float]] = {
        k: evidence([[block] for block in blocks[RUNS * n : RUNS * (n + 1)]]) for n, k in enumerate(sampled)
    }
    both = [found.get(k, (-0.5 * rivals[k].best.nll2, 0.0)) for k in (0, 1)]
    return EvidenceRatio(
        log_evidence={name: value for name, (value, _) in zip(names, both, strict=True)},
        errors={name: error for name, (_, error) in zip(names, both, strict=True)},
        log=both[0][0] - both[1][0],
        error=math.hypot(both[0][1], both[1][1]),
        priors={name: tuple(map(prior_text, goal.priors)) for name, goal in zip(names, goals, strict=True)},
    )


def _density(model: Rival, at: Mapping[str, float], priors: Sequence[Prior]) -> PosteriorDensity:
    """Return the posterior density of a model; templates are shared where no nonlinear parameter floats."""
    likelihood, joint = model.likelihood, model.truth[0]
    own = [prior for prior in priors if prior.name in model.best.floating]
    if model.moving:
        return target(likelihood, observed_data(joint), at=at, priors=own)
    return target(joint, observed_data(joint), at={name: value for name, value in at.items() if name in joint.parameters}, priors=own)
