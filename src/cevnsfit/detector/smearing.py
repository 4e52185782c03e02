"""Probability that a mean response is reconstructed in each bin, shape (nbins, nodes).

Means have the shape (nodes,), bin edges the shape (nbins + 1,) and the unit of the means.
Columns sum to one over the full range of the reconstructed quantity, to less over part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from cevnsfit.core.errors import AxisError, DomainError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def poisson(mean: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Poisson probabilities; the count k belongs to the bin [k, k + 1).

    Parameters
    ----------
    mean
        Expected counts, not negative.
    edges
        Integers.

    Raises
    ------
    AxisError
        If an edge is not an integer.
    DomainError
        If a mean is negative.
    """
    if not np.array_equal(edges, np.round(edges)):
        bad = ", ".join(f"{edge:g}" for edge in edges[edges != np.round(edges)])
        message = f"Poisson counts need integer bin edges, not {bad}"
        raise AxisError(message)
    mean = _checked(mean)
    # P(k < n) = Q(n, mean), the regularised upper incomplete gamma function (DLMF 8.4.10).
    below = special.gammaincc(np.maximum(edges, 1.0)[:, None], mean[None, :])
    return np.diff(np.where(edges[:, None] > 0, below, 0.0), axis=0)


def gaussian(mean: NDArray[np.float64], sigma: ArrayLike, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gaussian probabilities.

    Parameters
    ----------
    sigma
        Standard deviations, scalar or shape (nodes,); zero means no smearing.

    Raises
    ------
    DomainError
        If a standard deviation is negative.
    """
    width = _checked(np.broadcast_to(np.asarray(sigma, dtype=np.float64), mean.shape))
    distance = edges[:, None] - mean[None, :]
    smeared = special.ndtr(distance / np.where(width > 0, width, 1.0))
    return np.diff(np.where(width > 0, smeared, distance > 0), axis=0)


def gamma(mean: NDArray[np.float64], shape: ArrayLike, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of a gamma distribution with given mean and shape (relative width 1/sqrt(shape)).

    Parameters
    ----------
    mean
        Not negative; a mean of zero puts everything into the bin that contains zero.
    shape
        Nonlinear parameters, scalar or shape (nodes,), for example 1 + 9.56 E_ee / keVee for CsI (2110.07730).

    Raises
    ------
    DomainError
        If a mean is negative or a shape is not positive.
    """
    mean = _checked(mean)
    power = np.broadcast_to(np.asarray(shape, dtype=np.float64), mean.shape)
    if not np.all(power > 0):
        message = f"the shape of a gamma distribution must be positive, not {np.min(power):g}"
        raise DomainError(message)
    with np.errstate(over="ignore"):  # a mean of 1e-308 is as good as zero
        scaled = np.maximum(edges, 0.0)[:, None] * power / np.where(mean > 0, mean, 1.0)
    below = special.gammainc(power, scaled)
    return np.diff(np.where(mean > 0, below, edges[:, None] > 0), axis=0)


def _checked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `values` if none is negative or not a number."""
    if not np.all(values >= 0):
        message = f"means and widths of a smearing must not be negative, but {np.min(values):g} is among them"
        raise DomainError(message)
    return values
