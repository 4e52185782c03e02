"""Efficiencies as functions of one axis value; dimensionless, shape of the argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def logistic(x: NDArray[np.float64], a: float, k: float, x0: float, d: float = 0.0) -> NDArray[np.float64]:
    """Return a / (1 + exp(-k (x - x0))) + d, never negative.

    Parameters
    ----------
    a, d
        Height of the step and offset (1804.09459 with d = 0; 2110.07730).
    k, x0
        Slope and position, in the (inverse) unit of `x`.
    """
    step: NDArray[np.float64] = special.expit(k * (x - x0))
    return np.maximum(a * step + d, 0.0)


def steps(x: NDArray[np.float64], plateaus: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return the factor of the last plateau that starts at or below `x`, zero before the first.

    Parameters
    ----------
    plateaus
        Pairs (start, factor) with increasing starts; ((5, 0.5), (6, 1)) is 0 below 5, 1/2 in [5, 6), 1 from 6 on.

    Raises
    ------
    DomainError
        If the starts do not increase.
    """
    starts = np.array([start for start, _ in plateaus], dtype=np.float64)
    _check_increasing(starts, "the starts of the plateaus")
    factors = np.array([0.0, *(factor for _, factor in plateaus)])
    return factors[np.searchsorted(starts, x, side="right")]


def table(x: NDArray[np.float64], xs: ArrayLike, ys: ArrayLike) -> NDArray[np.float64]:
    """Return the linear interpolation of (xs, ys), flat beyond the ends.

    Raises
    ------
    DomainError
        If the `xs` do not increase.
    """
    points = np.asarray(xs, dtype=np.float64)
    _check_increasing(points, "the points of the table")
    return np.interp(x, points, np.asarray(ys, dtype=np.float64))


def histogram(x: NDArray[np.float64], edges: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Return the value of the bin in which each `x` lies, those of the first and the last beyond the ends."""
    inner = np.asarray(edges, dtype=np.float64)[1:-1]
    return np.asarray(values, dtype=np.float64)[np.searchsorted(inner, x, side="right")]


def _check_increasing(values: NDArray[np.float64], what: str) -> None:
    if not np.all(np.diff(values) > 0):
        message = f"{what} must be strictly increasing"
        raise DomainError(message)
