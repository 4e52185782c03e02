"""What the error of a parameter is made of: the fluctuations of the counts, and those of the centres of the constraints, by groups of nuisances.

A fit is a function of its data: counts x and centres a of the constraints, which a pseudo-experiment draws anew. The contribution of a group is the
spread of the estimate theta^ when its centres alone fluctuate. At the minimum of F = -2 ln L with the Hessian H, for small fluctuations,

    d theta^/d a = -H^-1 d^2 F/(d theta d a) = 2 H^-1 P,    d theta^/d x = -H^-1 d^2 F/(d theta d x),

with the precision P = V^-1 of the constraints. A group contributes g^T V g with the row g of d theta^/d a of the parameter. The counts contribute
sum_i n_i (d theta^/d n_i)^2, their variance being estimated by the counts themselves. Since d^2 F/(d theta d n_i) = -(2/mu_i) d mu_i/d theta, this is
2 H^-1 D H^-1 with D = 2 sum_i (n_i/mu_i^2) (d mu_i/d theta)(d mu_i/d theta)^T, the part of the Gauss-Newton Hessian that is from the
channels. The same holds for values with errors, and for a bin with a control region, whose counts are data too: there n (d theta^/d n)^2 + m
(d theta^/d m)^2 has the weight a c/(a + c) of the profile (a = n/(s + b)^2, c = m/b^2). A nuisance without a constraint has no centre; what it adds
is among the counts, which determine it. On Asimov data H = D + 2 P, and the squares of all contributions add up to 2 H^-1, the squared error.

Where the estimate is no linear function of a centre, as that of a coupling whose square counts near 0, fits with the centre moved by one
standard deviation up and down tell; of correlated centres along the columns of L with V = L L^T. Where centres of two groups are correlated, what both
contribute together, 2 g_A^T V_AB g_B, belongs to neither.

References
----------
Pinto et al., Uncertainty components in profile likelihood fits, arXiv:2307.04007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.profile import profile
from cevnsfit.stats.constraints import CONSTRAINTS, Constraints
from cevnsfit.stats.data import constraints_of, observed_data, stack
from cevnsfit.stats.engine import gauss_newton

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.results import FitResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


STATISTICS: Final = "statistics"
"""The group of the counts, and of nuisances without a constraint."""

OTHER: Final = "other"
"""The group of nuisances that have none."""


@dataclass(frozen=True, slots=True)
class GroupError:
    """What one group contributes to the error of a parameter.

    Attributes
    ----------
    group
        Its name.
    error
        The linear contribution; NaN where the parameter is at an end of its domain.
    up, down
        From fits with the centre of each constraint moved up and down: the shifts of the parameter upwards, and downwards, in quadrature. NaN for counts, which
        are not moved, and where a fit fails.
    nuisances
        Its members that float: with a constraint, and without one those among the counts.
    """

    group: str
    error: float
    up: float
    down: float
    nuisances: tuple[str, ...]


def breakdown(joint: Joint, poi: str, best: FitResult, data: Data | None = None) -> tuple[GroupError, ...]:
    """Return the contributions of all groups to the error of a parameter, that of the counts first, then the largest first.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter, which floats in the fit.
    best
        The fit.
    data
        What was fitted; the observed data by default.
    """
    data = observed_data(joint) if data is None else data
    theta = np.array([best.values[name] for name in joint.parameters.names])
    row = _covariance(joint, best)[joint.parameters.index(poi)]
    centres, response = _centres(joint, data)
    counts = gauss_newton(joint, theta[None], data)[2][0] - 2.0 * response @ centres.covariance @ response.T
    known, slopes = math.isfinite(best.errors[poi]), row @ response
    free = [name for name in best.floating if name not in centres.names and name != poi and joint.parameters[name].kind == "nuisance"]
    error = math.sqrt(max(0.5 * float(row @ counts @ row), 0.0)) if known else math.nan
    members: dict[str, list[str]] = {}
    for place, name in enumerate(centres.names):
        group = joint.parameters[name].group if name in joint.parameters else ""
        if name in best.floating or slopes[place]:
            members.setdefault(group if group else OTHER, []).append(name)
    found = []
    for group, names in members.items():
        own = [centres.names.index(name) for name in names]
        root = np.linalg.cholesky(centres.covariance[np.ix_(own, own)])
        steps = [dict(zip(names, column.tolist(), strict=True)) for column in root.T]
        shifts = np.array([_shifts(joint, poi, step, best, data) for step in steps])
        up, down = (math.sqrt(np.sum(np.maximum((sign * shifts).max(axis=1), 0.0) ** 2)) for sign in (1.0, -1.0))
        found.append(GroupError(group, float(np.linalg.norm(slopes[own] @ root)) if known else math.nan, up, 0.0 - down, tuple(names)))
    found.sort(key=lambda one: -np.nan_to_num(one.error if known else max(one.up, -one.down)))
    return (GroupError(STATISTICS, error, math.nan, math.nan, tuple(free)), *found)


def _centres(joint: Joint, data: Data) -> tuple[Constraints, Floats]:
    """Return the centres a of all k constraints with their covariance, and -d^2(-2 ln L)/(d theta d a)/2, shape (n, k)."""
    unit, block = np.flatnonzero(joint.constrained), constraints_of(joint, data)
    size = len(unit) + len(block.names)
    covariance, response = np.eye(size), np.zeros((len(joint.parameters), size))
    response[unit, np.arange(len(unit))] = 1.0
    covariance[len(unit) :, len(unit) :] = block.covariance
    for name, precision in zip(block.names, np.linalg.inv(block.covariance), strict=True):
        if name in joint.parameters:
            response[joint.parameters.index(name), len(unit) :] = precision
    names = (*(joint.parameters.names[place] for place in unit), *block.names)
    return Constraints(names, np.concatenate([data.aux[unit], block.centres]), covariance), response


def _covariance(joint: Joint, best: FitResult) -> Floats:
    """Return the covariance 2 H^-1 of all parameters at a minimum, shape (n, n); 0 for those that do not float or are at an end of their domain."""
    places = [joint.parameters.index(name) for name in best.floating]
    errors = np.array([best.errors[name] for name in best.floating])
    covariance = np.zeros((len(joint.parameters), len(joint.parameters)))
    covariance[np.ix_(places, places)] = np.nan_to_num(best.correlation * errors * errors[:, None])
    return covariance


def _shifts(joint: Joint, poi: str, step: Mapping[str, float], best: FitResult, data: Data) -> Floats:
    """Return by how much a parameter moves in fits with the centres moved by a step and back, shape (2,); NaN where one fails."""
    aux = np.array([step.get(name, 0.0) for name in joint.parameters.names]) * joint.constrained
    block = [
        np.array([step.get(name, 0.0) for name in channel.components]) if channel.name == CONSTRAINTS else 0.0 for channel in joint.channels
    ]
    moved = stack(
        [
            replace(data, aux=data.aux + sign * aux, counts=tuple(n + sign * more for n, more in zip(data.counts, block, strict=True)))
            for sign in (1.0, -1.0)
        ]
    )
    theta = np.array([best.values[other] for other in joint.parameters.names])
    found = profile(joint, {}, data=moved, start=theta, floating=best.floating)
    return np.where(found.converged, found.theta[:, joint.parameters.index(poi)] - best.values[poi], np.nan)
