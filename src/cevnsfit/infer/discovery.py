"""The significance of a signal: how well the data do without it.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eqs. 12 and 53.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from scipy.stats import norm

from cevnsfit.infer.hypothesis import hypothesis, q0, toys_of, with_best_fit
from cevnsfit.infer.results import ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import measured, point_test

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True)
class Discovery:
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
        In standard deviations; from pseudo-experiments where there are any: infinite when none of them reaches the data.
    p
        The p-value.
    toys
        The pseudo-experiments behind it, None for the asymptotic significance.
    """

    document: ClassVar[Mapping[str, str]] = {"method": "method"}

    poi: str
    null: float
    estimate: float
    statistic: float
    significance: float
    p: float
    toys: ToyRecord | None = None

    @property
    def method(self) -> str:
        """Return how the p-value was found."""
        return f"profile likelihood, {'asymptotic' if self.toys is None else 'toys without signal'}"


def discovery(
    joint: Joint,
    poi: str,
    *,
    null: float | None = None,
    at: Mapping[str, float] | None = None,
    data: Data | None = None,
    toys: Toys | None = None,
    run: Runner = HERE,
) -> Discovery:
    """Return the significance with which `poi` exceeds `null`.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter.
    null
        Its value without signal; by default that of the parameter.
    at
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    toys
        Number and seed of pseudo-experiments; none by default: sqrt(q0).
    run
        Where they are generated.
    """
    null = joint.parameters[poi].null if null is None else null
    test = with_best_fit(hypothesis(joint, poi, null, at=at, data=data))
    q = float(q0(test.observed, null)[0])
    if toys is None:
        return Discovery(poi, null, test.estimate, q, math.sqrt(q), float(norm.sf(math.sqrt(q))))
    rows = run(measured(toys_of(test, toys.seed, 0), toys.chunks))
    point = point_test(null, q, [q0(rows, null)])
    significance = float(norm.isf(point.p)) if point.p > 0 else math.inf
    return Discovery(poi, null, test.estimate, q, significance, point.p, ToyRecord(toys.seed, (point,)))
