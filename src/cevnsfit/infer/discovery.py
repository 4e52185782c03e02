"""The significance of a signal: how well the data do without it.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eqs. 12 and 53.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from cevnsfit.infer.feldman_cousins import p_value
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.infer.toys import Rival, Unit, in_this_process, likelihood_ratio
from cevnsfit.stats.data import observed_data, observing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]


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

    poi: str
    null: float
    estimate: float
    statistic: float
    significance: float
    p: float
    toys: ToyRecord | None = None


def discovery(
    joint: Joint,
    poi: str,
    *,
    null: float = 0.0,
    held: Mapping[str, float] | None = None,
    data: Data | None = None,
    plan: ToyPlan | None = None,
    throw: Thrower = in_this_process,
) -> Discovery:
    """Return the significance with which `poi` exceeds `null`.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter.
    null
        Its value without signal.
    held
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    plan
        Number and seed of pseudo-experiments; none by default: sqrt(q0).
    throw
        Returns the chunks of some units, in order.
    """
    held = {} if held is None else held
    data = observed_data(joint) if data is None else data
    joint = observing(joint, data)
    starts, at = start_set(joint, data, held=held), {**held, poi: joint.parameters[poi].checked(null)}
    best, theta = free_fits(joint, data.batch(), starts, held=held)
    without = profile(joint, {name: np.array([value]) for name, value in at.items()}, data=data)
    estimate = float(theta[0, joint.parameters.index(poi)])
    q = max(float(without.nll2[0] - best[0]), 0.0) if estimate > null else 0.0
    if plan is None:
        return Discovery(poi, null, estimate, q, math.sqrt(q), float(norm.sf(math.sqrt(q))))
    truth = without.theta[0]
    measure = functools.partial(likelihood_ratio, joint=joint, poi=poi, held=at, start=truth, rivals=(Rival(joint, starts),))
    rows = np.concatenate(throw([Unit(0, chunk, joint, truth, measure, plan.seed) for chunk in range(plan.chunks)]))
    good = rows[~np.isnan(rows).any(axis=1)]
    toys: Floats = np.where(good[:, 2] > null, np.maximum(good[:, 0] - good[:, 1], 0.0), 0.0)
    p, error = p_value(toys, q)
    record = ToyRecord(plan.seed, (PointTest(null, q, p, error, len(toys), len(rows) - len(good), decided=p > 0.0),))
    return Discovery(poi, null, estimate, q, float(norm.isf(p)) if p > 0 else math.inf, p, record)
