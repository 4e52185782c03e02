"""Goodness of fit: the deviance from the saturated model, with its asymptotic p-value and that of pseudo-experiments.

The deviance is -2 ln lambda at the best fit, constraint terms included: auxiliary measurements are data too.

References
----------
Baker and Cousins, NIM 221 (1984) 437, section 4.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.errors import FitError
from cevnsfit.infer.lines import effective
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.results import Tested, ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import Chunk, measured, point_test
from cevnsfit.stats.data import observed_data, observing, toy_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


METHOD: Final = "deviance from the saturated model"


@dataclass(frozen=True, slots=True, repr=False)
class Goodness(Tested):
    """How well the best fit describes the data.

    Attributes
    ----------
    statistic, ndof
        The deviance, and bins minus unconstrained floating parameters.
    p
        Asymptotic p-value, from chi-squared; not to be trusted where bins expect few events, NaN without degrees of freedom.
    values
        All parameters at the best fit, by name.
    toys
        The p-value of pseudo-experiments at the best fit, None without any.
    """

    document: ClassVar[Mapping[str, str | None]] = {"method": "method", "tail": "tail", "valid": "valid", "toys": None}

    statistic: float
    ndof: int
    p: float
    values: Mapping[str, float]
    toys: ToyRecord | None = None

    @property
    def method(self) -> str:
        """Return what is tested."""
        return METHOD


def deviance(data: Data, *, joint: Joint, at: Mapping[str, float], starts: Floats, centres: Floats) -> Floats:
    """Return -2 ln lambda at the best fit to each data set, shape (P, 1); NaN where the fit fails.

    The constraints of parameters that do not float keep the `centres` of the observed data, shape (n,): no auxiliary measurement is fitted.
    """
    floating = np.array([not p.fixed and p.name not in at for p in joint.parameters])
    data = replace(data, aux=np.where(floating, data.aux, centres))
    return free_fits(joint, data, starts, at=at)[0][:, None]


def goodness_of_fit(
    joint: Joint, *, at: Mapping[str, float] | None = None, data: Data | None = None, toys: Toys | None = None, run: Runner = HERE
) -> Goodness:
    """Return the goodness of the best fit.

    Parameters
    ----------
    joint, at, data
        As for `infer.hypothesis.hypothesis`.
    toys
        Number and seed of pseudo-experiments, generated at the best fit; none by default.
    run
        Where they are generated.

    Raises
    ------
    FitError
        If the fit does not converge.
    """
    at = {} if at is None else at
    data = observed_data(joint) if data is None else data
    joint = observing(joint, data)
    starts = start_set(joint, data, at=at)
    best, theta = free_fits(joint, data.batch(), starts, at=at)
    if not np.isfinite(best[0]):
        message = "no free fit converges: there is no goodness of fit"
        raise FitError(message)
    from scipy.stats import chi2

    used = effective(joint)
    everything = zip(joint.parameters, joint.constrained, strict=True)
    free = sum(not normal and not p.fixed and p.name not in at and p.name in used for p, normal in everything)
    ndof, statistic = joint.nbins - free, max(float(best[0]), 0.0)
    record = None
    if toys is not None:
        measure = functools.partial(deviance, joint=joint, at=at, starts=np.concatenate([starts, theta]), centres=data.aux)
        record = run(tail(Chunk(functools.partial(toy_data, joint, theta[0]), measure, toys.seed, 0), statistic, toys))
    values = dict(zip(joint.parameters.names, theta[0].tolist(), strict=True))
    return Goodness(statistic, ndof, float(chi2.sf(statistic, ndof)), values, record)


def tail(chunk: Chunk, observed: float, toys: Toys) -> Procedure[ToyRecord]:
    """Return the p-value of an observed statistic among those of pseudo-experiments, the only number that is measured on them."""
    rows = yield from measured(chunk, toys.chunks)
    return ToyRecord(toys.seed, (point_test(math.nan, observed, [rows[:, 0]]),))
