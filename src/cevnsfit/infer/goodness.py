"""Goodness of fit: the deviance from the saturated model, with its asymptotic p-value and that of pseudo-experiments.

The deviance is -2 ln lambda at the best fit, constraint terms included: auxiliary measurements are data too.

References
----------
Baker and Cousins, NIM 221 (1984) 437, section 4.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import chi2

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.feldman_cousins import p_value
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.starts import effective
from cevnsfit.infer.toys import Unit, in_this_process
from cevnsfit.stats.data import observed_data, observing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

METHOD: Final = "deviance from the saturated model"


@dataclass(frozen=True, slots=True)
class ToyTail:
    """A p-value from pseudo-experiments.

    Attributes
    ----------
    p, error
        Fraction of pseudo-experiments with a statistic at least as large as the observed one, and its binomial error.
    toys, failed
        Pseudo-experiments that count, and those whose fits failed.
    seed
        Of the random streams.
    """

    p: float
    error: float
    toys: int
    failed: int
    seed: int


@dataclass(frozen=True, slots=True)
class Goodness:
    """How well the best fit describes the data.

    Attributes
    ----------
    statistic, ndof
        The deviance, and bins minus unconstrained floating parameters.
    p
        Asymptotic p-value, from chi-squared; not to be trusted where bins expect few events.
    values
        All parameters at the best fit, by name.
    tail
        The p-value of pseudo-experiments at the best fit, None without any.
    """

    statistic: float
    ndof: int
    p: float
    values: Mapping[str, float]
    tail: ToyTail | None = None


def deviance(data: Data, *, joint: Joint, held: Mapping[str, float], starts: Floats, centres: Floats) -> Floats:
    """Return -2 ln lambda at the best fit to each data set, shape (P, 1); NaN where the fit fails.

    The constraints of parameters that do not float keep the `centres` of the observed data, shape (n,): no auxiliary measurement is fitted.
    """
    floating = np.array([not p.fixed and p.name not in held for p in joint.parameters])
    data = replace(data, aux=np.where(floating, data.aux, centres))
    return free_fits(joint, data, starts, held=held)[0][:, None]


def goodness_of_fit(
    joint: Joint,
    *,
    held: Mapping[str, float] | None = None,
    data: Data | None = None,
    plan: ToyPlan | None = None,
    throw: Thrower = in_this_process,
) -> Goodness:
    """Return the goodness of the best fit.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    held
        Parameters that are held, by name.
    data
        The data set; the observed one by default.
    plan
        Number and seed of pseudo-experiments, thrown at the best fit; none by default.
    throw
        Returns the chunks of some units, in order.

    Raises
    ------
    CevnsfitError
        If the fit does not converge.
    """
    held = {} if held is None else held
    data = observed_data(joint) if data is None else data
    joint = observing(joint, data)
    starts = start_set(joint, data, held=held)
    best, theta = free_fits(joint, data.batch(), starts, held=held)
    if not np.isfinite(best[0]):
        message = "no free fit converges: there is no goodness of fit"
        raise CevnsfitError(message)
    used = effective(joint)
    free = sum(not p.constrained and not p.fixed and p.name not in held and p.name in used for p in joint.parameters)
    ndof, statistic = joint.nbins - free, float(best[0])
    tail = None
    if plan is not None:
        measure = functools.partial(deviance, joint=joint, held=held, starts=np.concatenate([starts, theta]), centres=data.aux)
        tail = toy_tail([Unit(0, chunk, joint, theta[0], measure, plan.seed) for chunk in range(plan.chunks)], statistic, throw)
    return Goodness(
        statistic, ndof, float(chi2.sf(statistic, ndof)), dict(zip(joint.parameters.names, theta[0].tolist(), strict=True)), tail
    )


def toy_tail(units: Sequence[Unit], observed: float, throw: Thrower) -> ToyTail:
    """Return the p-value of an observed statistic among those of pseudo-experiments, the first number that `measure` gives."""
    rows = np.concatenate(throw(units))[:, 0]
    good = rows[~np.isnan(rows)]
    p, error = p_value(good, observed)
    return ToyTail(p, error, len(good), len(rows) - len(good), units[0].seed)
