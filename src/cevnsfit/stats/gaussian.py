"""-2 ln lambda of values with Gaussian errors, (n - mu)^T V^-1 (n - mu); neither values nor expectations need to be positive.

The constant ln |V| is left out: the saturated model, mu = n, has 0. An error that differs up and down is that on the side of the model: half
parabolas (mu - n)^2/up^2 above n and (mu - n)^2/down^2 below, which join with their slope, so that the sum is convex. Values are drawn from what this
is the logarithm of, n below mu with the probability up/(up + down), and half-normal by `up` there, by `down` above.

References
----------
Particle Data Group, Phys. Rev. D 110 (2024) 030001: introduction, treatment of errors (their sides), and section 40.2.3 (least squares).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Gaussian errors of the values in the bins of a channel; those of correlated ones are made by `correlated`.

    Attributes
    ----------
    up, down
        Errors on either side, > 0, shape (nb,).
    covariance, root, precision
        V, L with V = L L^T, and V^-1, shape (nb, nb); None without correlations.
    """

    up: Floats
    down: Floats
    covariance: Floats | None = None
    root: Floats | None = None
    precision: Floats | None = None

    def __post_init__(self) -> None:
        both = np.concatenate([self.up, self.down])
        if self.up.shape != self.down.shape or not np.all(both > 0) or not np.isfinite(both).all():
            message = "errors must be positive numbers, one for each bin"
            raise CevnsfitError(message)

    @property
    def variances(self) -> Floats:
        """Return the mean variance of each bin, shape (nb,)."""
        return (self.up**2 + self.down**2) / 2.0

    def standard(self, values: Floats) -> Floats:
        """Return values, shape (..., nb), in units of errors that are not correlated: squares add up to v^T V^-1 v."""
        if self.root is None:
            return np.asarray(values / np.sqrt(self.variances))
        return np.asarray(np.linalg.solve(self.root, values[..., None])[..., 0])

    def drawn(self, mean: Floats, rng: np.random.Generator, size: int) -> Floats:
        """Return pseudo-data around expectations (nb,), shape (size, nb)."""
        normal = rng.standard_normal((size, len(mean)))
        if self.root is not None:
            return np.asarray(mean + normal @ self.root.T)
        below = rng.random((size, len(mean))) < self.up / (self.up + self.down)
        return np.asarray(mean + np.abs(normal) * np.where(below, -self.up, self.down))

    def along(self, shape: tuple[int, ...], axis: int) -> Floats:
        """Return the errors below and above of the sums over all other axes, shape (2, bins of the axis)."""
        n = shape[axis]
        if self.covariance is None:
            moved = (np.moveaxis(side.reshape(shape), axis, 0).reshape(n, -1) for side in (self.down, self.up))
            return np.array([np.sqrt(np.sum(side**2, axis=1)) for side in moved])
        chosen = np.eye(n)[np.indices(shape)[axis].ravel()]
        return np.tile(np.sqrt(np.diag(chosen.T @ self.covariance @ chosen)), (2, 1))


def correlated(covariance: Floats) -> Errors:
    """Return the errors of a covariance matrix, shape (nb, nb); CevnsfitError unless it is positive definite."""
    try:
        root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        message = "the covariance matrix is not positive definite"
        raise CevnsfitError(message) from None
    sigma = np.sqrt(np.diag(covariance))
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    return Errors(sigma, sigma, covariance, root, precision)


class Measured(NamedTuple):
    """Bins with errors: -2 ln lambda (P,), its slope in mu (P, nb), its curvature (P, nb), that of the bin alone; no point is blocked (P,)."""

    value: Floats
    slope: Floats
    curvature: Floats
    blocked: Bools


def measured(mu: Floats, values: Floats, errors: Errors) -> Measured:
    """Return -2 ln lambda of `values`, shape (nb,) or (P, nb), with slope and curvature in the expectations mu, shape (P, nb)."""
    away = mu - values
    if errors.precision is None:
        curvature = 2.0 / np.where(away > 0, errors.up, errors.down) ** 2
        slope = curvature * away
    else:
        slope = 2.0 * away @ errors.precision
        curvature = np.broadcast_to(2.0 * np.diag(errors.precision), mu.shape)
    return Measured(0.5 * np.einsum("pb,pb->p", away, slope), slope, curvature, np.zeros(len(mu), dtype=np.bool_))
