"""One point minimised with iminuit: what the batched profile hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cevnsfit.stats.engine import evaluate_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.stats.binding import BoundLikelihood

    Floats = NDArray[np.float64]


class Polished(NamedTuple):
    """All parameters (n,), -2 ln lambda (infinite where there is none), estimated distance to the minimum, and whether it is valid."""

    theta: Floats
    value: float
    edm: float
    valid: bool


def polish(bound: BoundLikelihood, theta: Floats, source: NDArray[np.int64]) -> Polished:
    """Return the minimum that iminuit finds from one point.

    Parameters
    ----------
    bound
        The likelihood with its data.
    theta
        All parameters, shape (n,).
    source
        The data set, shape (1,).
    """
    from iminuit import Minuit

    def place(values: Floats) -> Floats:
        placed: Floats = theta[None].copy()
        placed[0, bound.floating] = values
        return placed

    def value(values: Floats) -> float:
        return float(evaluate_problem(bound, place(values), source).value[0])

    def gradient(values: Floats) -> Floats:
        result: Floats = evaluate_problem(bound, place(values), source).gradient[0]
        return result

    minuit = Minuit(value, theta[bound.floating], grad=gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.limits = list(zip(bound.lower, bound.upper, strict=True))
    minuit.tol = 1e-4
    minuit.strategy = 1
    minuit.migrad(ncall=20_000, iterate=3)
    found = np.inf if minuit.fval is None or not np.isfinite(minuit.fval) else float(minuit.fval)
    return Polished(place(np.array(minuit.values))[0], found, float(minuit.fmin.edm), bool(minuit.valid))
