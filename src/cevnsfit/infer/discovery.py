"""The significance of a signal: how well the data do without it.

It is sqrt(q0) where its asymptotic distribution holds (`infer.validity`); elsewhere that of pseudo-experiments without signal.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eqs. 12 and 53.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from scipy.special import ndtr, ndtri

from cevnsfit.core.errors import FitError
from cevnsfit.infer.columns import searched
from cevnsfit.infer.hypothesis import hypothesis, q0, toys_of, with_best_fit
from cevnsfit.infer.minima import EXCLUDED
from cevnsfit.infer.results import Tested, ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import measured, point_test
from cevnsfit.infer.validity import doubts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.infer.curve import Minimum
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Discovery(Tested):
    """The significance of a signal.

    Attributes
    ----------
    poi, null
        The parameter and its value without signal.
    estimate
        Its best fit.
    statistic
        q0: -2 ln lambda(null) + 2 ln lambda(best fit), 0 where the best fit is below `null`.
    significance
        In standard deviations; from pseudo-experiments where these decide it: infinite when none of those that were asked for reaches the data.
    p
        The p-value.
    minima
        (value, -2 ln lambda) of each local minimum of the data, increasing in value.
    remark
        Why the asymptotic significance does not hold, empty where it does.
    test
        The hypothesis without signal.
    toys
        The pseudo-experiments, None without any.
    asymptotic
        Whether significance and p-value are asymptotic.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "method": "method",
        "valid": "valid",
        "test": None,
        "asymptotic": None,
    }

    poi: str
    null: float
    estimate: float
    statistic: float
    significance: float
    p: float
    minima: tuple[Minimum, ...]
    remark: str
    test: Hypothesis
    toys: ToyRecord | None = None
    asymptotic: bool = True

    @property
    def method(self) -> str:
        """Return how the p-value was found."""
        return f"profile likelihood, {'asymptotic' if self.asymptotic else 'toys without signal'}"


def discovery(joint: Joint, poi: str, *, at: Mapping[str, float] | None = None) -> Discovery:
    """Return the asymptotic significance, sqrt(q0), with which `poi` exceeds its value without signal in the observed data.

    Parameters
    ----------
    joint, poi, at
        As for `infer.hypothesis.hypothesis`.

    Raises
    ------
    FitError
        If no fit converges.
    """
    null = joint.parameters[poi].null
    test = with_best_fit(hypothesis(joint, poi, null, at=at))
    curve = searched(test.joint, poi, EXCLUDED, at=test.at, data=test.data)
    if curve.nll2[curve.lowest] < test.best or not math.isfinite(test.best):
        test = replace(test, best=float(curve.nll2[curve.lowest]), estimate=float(curve.values[curve.lowest]))
    q = float(q0(test.observed, null)[0])
    if not math.isfinite(test.best) or math.isnan(q):
        message = f"no fit of {poi} converges: there is no significance"
        raise FitError(message)
    reasons = doubts(test, q) if math.isfinite(q) else ()
    remark = f"the asymptotic significance does not hold: {'; '.join(reasons)}" if reasons else ""
    remark = remark if math.isfinite(q) else "the data are impossible without signal"
    return Discovery(poi, null, test.estimate, q, math.sqrt(q), float(ndtr(-math.sqrt(q))), curve.lows, remark, test)


def with_toys(found: Discovery, toys: Toys, run: Runner = HERE, *, asked: bool = True) -> Discovery:
    """Return a significance with that of pseudo-experiments in its place; the asymptotic one stays where none reaches the data, unless `asked` for."""
    rows = run(measured(toys_of(found.test, toys.seed, 0), toys.chunks))
    point = point_test(found.null, found.statistic, [q0(rows, found.null)])
    record = ToyRecord(toys.seed, (point,))
    if not asked and not point.p > 0.0:
        return replace(found, toys=record)
    certain = {0.0: math.inf, 1.0: 0.0}
    significance = certain[point.p] if point.p in certain else 0.0 - float(ndtri(point.p))
    return replace(found, significance=significance, p=point.p, toys=record, asymptotic=False)
