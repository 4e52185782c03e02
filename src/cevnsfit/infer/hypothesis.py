"""A hypothesis under test: a value of one parameter on a data set, its test statistics, and its pseudo-experiments.

The statistics are t = -2 ln lambda(value) + 2 ln lambda(best fit), q~, which is 0 where the best fit lies above the value, and q0, which is 0
where it lies below. They follow from three numbers of a data set: -2 ln lambda at the value, the lowest one, and the parameter there.

References
----------
Cowan, Cranmer, Gross and Vitells, Eur. Phys. J. C 71 (2011) 1554, arXiv:1007.1727, eqs. 8, 12 and 16.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.parcels import SentOnce
from cevnsfit.infer.lines import coupling_scale
from cevnsfit.infer.minima import NEAR_ZERO, conditional_fits, couplings_of, free_fits, start_set
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import Chunk
from cevnsfit.stats.data import observed_data, observing, toy_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.results import ProfileResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False)
class Alternative(SentOnce):
    """A likelihood in which the best fit is looked for, with the starts of its fits, shape (S, n), and the names of held parameters that float in it."""

    joint: Joint
    starts: Floats
    free: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """A value of one parameter, tested on a data set.

    Attributes
    ----------
    joint
        The likelihood at fixed nonlinear parameters; it observes `data`, and the parameter floats in it.
    data
        The data set.
    poi, value
        The parameter and its value.
    at
        Other parameters that are held, by name.
    theta, nll2
        All parameters of the fit to the data at the value, shape (n,), and its -2 ln lambda: pseudo-experiments are generated there.
    alternatives
        The likelihoods, over the same parameters, among which the best fit is looked for; empty before `with_best_fit`.
    best, estimate
        -2 ln lambda and the parameter at the best fit to the data; NaN before `with_best_fit`.
    """

    joint: Joint
    data: Data
    poi: str
    value: float
    at: Mapping[str, float]
    theta: Floats
    nll2: float
    alternatives: tuple[Alternative, ...] = ()
    best: float = math.nan
    estimate: float = math.nan

    @property
    def held(self) -> dict[str, float]:
        """Return all parameters that the hypothesis holds."""
        return {**self.at, self.poi: self.value}

    @property
    def observed(self) -> Floats:
        """Return what `likelihood_ratio` measures on the data, shape (1, 3)."""
        return np.array([[self.nll2, self.best, self.estimate]])


def hypothesis(joint: Joint, poi: str, value: float, *, at: Mapping[str, float] | None = None, data: Data | None = None) -> Hypothesis:
    """Return the hypothesis that a parameter has a value.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi, value
        The parameter and its value.
    at
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.

    Raises
    ------
    UnknownNameError, DomainError
        If there is no such parameter, or the value is outside its domain.
    """
    at = {} if at is None else at
    value = joint.parameters[poi].checked(value)
    data = observed_data(joint) if data is None else data
    fixed = {name: np.array([number]) for name, number in {**at, poi: value}.items()}
    joint = observing(replace(joint, parameters=joint.parameters.released([poi])), data)
    found = profile(joint, fixed, data=data)
    return Hypothesis(joint, data, poi, value, at, found.theta[0], float(found.nll2[0]))


def with_best_fit(test: Hypothesis) -> Hypothesis:
    """Return a hypothesis with the best fit to its data, and its own likelihood as the only alternative."""
    starts = start_set(test.joint, test.data, at=test.at)
    best, theta = free_fits(test.joint, test.data.batch(), starts, at=test.at)
    estimate = float(theta[0, test.joint.parameters.index(test.poi)])
    return replace(test, alternatives=(Alternative(test.joint, starts),), best=float(best[0]), estimate=estimate)


def default_hypothesis(joint: Joint, poi: str, *, at: Mapping[str, float] | None = None) -> Hypothesis:
    """Return the hypothesis that a parameter has its default value, with the best fit; the parameters are those of `hypothesis`."""
    return with_best_fit(hypothesis(joint, poi, joint.parameters[poi].default, at=at))


def at_value(test: Hypothesis, value: float) -> Hypothesis:
    """Return the hypothesis of another value on the same data."""
    other = hypothesis(test.joint, test.poi, value, at=test.at, data=test.data)
    return replace(other, joint=test.joint, alternatives=test.alternatives, best=test.best, estimate=test.estimate)


def profile_at(test: Hypothesis, values: Floats, *, data: Data | None = None, start: Floats | None = None) -> ProfileResult:
    """Return the profile at several values of the parameter, on the data of a hypothesis by default; its parameters are one start."""
    fixed = {name: np.full(len(values), value) for name, value in test.at.items()}
    start = test.theta if start is None else start
    return profile_minima(test.joint, {**fixed, test.poi: values}, data=test.data if data is None else data, start=start)


def at_values(test: Hypothesis, values: Floats, start: Floats | None = None) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of other values on the same data, fitted together from the parameters of this one, or from `start`."""
    found = profile_at(test, values, start=start)
    return tuple(
        replace(test, value=float(value), theta=theta, nll2=float(nll2))
        for value, theta, nll2 in zip(values, found.theta, found.nll2, strict=True)
    )


# --- statistics, of rows (P, 3) that `likelihood_ratio` measured; NaN where a fit failed -----------------------------------------------------------------


def t(rows: Floats) -> Floats:
    """Return t of each data set, shape (P,)."""
    with np.errstate(invalid="ignore"):  # where both are infinite
        return np.maximum(rows[:, 0] - rows[:, 1], 0.0)


def q_tilde(rows: Floats, value: float | Floats) -> Floats:
    """Return q~ of each data set at a value, shape (P,)."""
    return np.where(rows[:, 2] > value, 0.0, t(rows))


def q0(rows: Floats, null: float) -> Floats:
    """Return q0 of each data set, shape (P,); `null` is the value without signal."""
    return np.where(rows[:, 2] <= null, 0.0, t(rows))


def likelihood_ratio(data: Data, *, test: Hypothesis) -> Floats:
    """Return for each data set -2 ln lambda at a value, the lowest one, and the parameter there, shape (P, 3); NaN where a fit fails.

    Parameters
    ----------
    data
        A batch of P data sets.
    test
        The value; fits start at its parameters.
    """
    return ratio_of(*lowest_fits(data, test=test), test.value)


def ratio_of(tested: Floats, lowest: Floats, estimates: Floats, value: float) -> Floats:
    """Return what `likelihood_ratio` does from what `lowest_fits` has found."""
    result = np.stack([tested, tested, np.full(len(tested), value)], axis=1)
    for height, estimate in zip(lowest, estimates, strict=True):
        better = ~(height >= result[:, 1])
        result[better, 1], result[better, 2] = height[better], estimate[better]
    result[np.isnan(result).any(axis=1)] = np.nan
    return result


def lowest_fits(data: Data, *, test: Hypothesis, chained: bool = False) -> tuple[Floats, Floats, Floats]:
    """Return for each data set -2 ln lambda at a value (P,), and in each of A alternatives the lowest one and the parameter there, (A, P); see `likelihood_ratio`.

    Alternatives that are `chained` also start at what the one before found, in units of the scale of the coupling.
    """
    joint, place, couplings = test.joint, test.joint.parameters.index(test.poi), couplings_of(test.joint)
    first = next((other.starts for other in test.alternatives if other.joint is joint), test.alternatives[0].starts)
    tested, theta = conditional_fits(joint, data, np.concatenate([test.theta[None], first]), at=test.held)
    theta = np.where(np.isnan(theta), test.theta, theta)
    lowest, estimates, before = [], [], theta[None][:0]
    for k, other in enumerate(test.alternatives):
        starts = np.repeat(theta[None], len(other.starts), axis=0)
        starts[:, :, couplings] = other.starts[:, None, couplings]
        if abs(test.value) > NEAR_ZERO * coupling_scale(joint, test.poi):
            starts = np.concatenate([starts, theta[None]])
        if chained and k:
            before[:, :, place] *= coupling_scale(other.joint, test.poi) / coupling_scale(test.alternatives[k - 1].joint, test.poi)
            starts = np.concatenate([starts, before])
        height, found = free_fits(other.joint, data, starts, at={name: value for name, value in test.at.items() if name not in other.free})
        before = np.where(np.isnan(found), theta, found)[None]
        lowest.append(height)
        estimates.append(found[:, place])
    return tested, np.array(lowest), np.array(estimates)


def toys_of(test: Hypothesis, seed: int, point: int, *, measured: Hypothesis | None = None) -> Chunk:
    """Return the first chunk of pseudo-experiments of a hypothesis, on which `likelihood_ratio` is measured at its value, or at that of another one."""
    measure = functools.partial(likelihood_ratio, test=test if measured is None else measured)
    return Chunk(functools.partial(toy_data, test.joint, test.theta), measure, seed, point)
