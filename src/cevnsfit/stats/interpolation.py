"""Curves of one parameter with two derivatives: code 4 of HistFactory for normalisations, code 4p for shapes, cubic splines for all else.

References
----------
Cranmer, Lewis, Moneta, Shibata, Verkerke, CERN-OPEN-2012-016, section 4.1; the polynomials are those of pyhf `code4` and `code4p`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Derivatives(NamedTuple):
    """A function with its first and second derivative, arrays of one shape."""

    value: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def code4_polynomial(hi: ArrayLike, lo: ArrayLike) -> NDArray[np.float64]:
    """Return the coefficients of a, ..., a^6 of code 4 inside |a| < 1.

    They join hi^a (a > 1) and lo^-a (a < -1) with equal value, first and second derivative at a = -1 and 1.

    Parameters
    ----------
    hi, lo
        Factors at a = +1 and a = -1, positive, shape (...).

    Returns
    -------
    Shape (..., 6).
    """
    hi, lo = np.asarray(hi, dtype=np.float64), np.asarray(lo, dtype=np.float64)
    log_hi, log_lo = np.log(hi), np.log(lo)
    even0, odd0 = (hi + lo) / 2, (hi - lo) / 2
    even1, odd1 = (hi * log_hi - lo * log_lo) / 2, (hi * log_hi + lo * log_lo) / 2
    even2, odd2 = (hi * log_hi**2 + lo * log_lo**2) / 2, (hi * log_hi**2 - lo * log_lo**2) / 2
    return np.stack(
        [
            (15 * odd0 - 7 * even1 + odd2) / 8,
            (24 * (even0 - 1) - 9 * odd1 + even2) / 8,
            (-5 * odd0 + 5 * even1 - odd2) / 4,
            (12 * (1 - even0) + 7 * odd1 - even2) / 4,
            (3 * odd0 - 3 * even1 + odd2) / 8,
            (8 * (even0 - 1) - 5 * odd1 + even2) / 8,
        ],
        axis=-1,
    )


_INNER: Final = np.array([[0, 0, 1], [1, 1, 2], [2, 2, 3], [3, 3, 4], [4, 4, 5], [5, 5, 5]])
_INNER_FACTORS: Final = np.array([[1.0, 1.0, 2.0], [1.0, 2.0, 6.0], [1.0, 3.0, 12.0], [1.0, 4.0, 20.0], [1.0, 5.0, 30.0], [1.0, 6.0, 0.0]])
"""Which coefficient of code 4 stands beside each power of a in (value - 1)/a and in both derivatives, and the number before it."""


def code4_from(a: NDArray[np.float64], polynomial: NDArray[np.float64], logs: NDArray[np.float64]) -> Derivatives:
    """Return code 4 with derivatives from prepared coefficients.

    Parameters
    ----------
    a
        Nuisances, shape (P, k).
    polynomial
        From `code4_polynomial`, shape (k, 6).
    logs
        ln hi and ln lo, shape (k, 2).
    """
    inner = (polynomial[:, _INNER] * _INNER_FACTORS).transpose(1, 2, 0)[:, :, None]  # of the value over a, and of the two derivatives
    found = inner[-1] * a
    for coefficients in inner[-2:0:-1]:
        found += coefficients
        found *= a
    found += inner[0]
    value, first, second = found
    value *= a
    value += 1.0
    outside = np.abs(a) >= 1
    if outside.any():
        rate = np.where(a > 0, logs[:, 0], -logs[:, 1])[outside]
        power = np.exp(rate * a[outside])
        value[outside], first[outside], second[outside] = power, rate * power, rate**2 * power
    return Derivatives(value, first, second)


def code4(a: ArrayLike, hi: ArrayLike, lo: ArrayLike) -> Derivatives:
    """Return the normsys factor of code 4 and its derivatives with respect to a.

    Parameters
    ----------
    a, hi, lo
        Nuisance and the factors at a = +1 and -1; they broadcast.
    """
    a, hi, lo = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (a, hi, lo)))
    polynomial = code4_polynomial(hi.ravel(), lo.ravel())
    logs = np.log(np.stack([hi.ravel(), lo.ravel()], axis=1))
    flat = code4_from(a.reshape(1, -1), polynomial, logs)
    return Derivatives(*(item.reshape(a.shape) for item in flat))


def code4p(a: ArrayLike) -> Derivatives:
    """Return q(a) of code 4p and its derivatives: a^2 (15 - 10 a^2 + 3 a^4) for |a| < 1, 8 |a| beyond.

    The shape (up, down) around a nominal template then is a U + q(a) V with U = (up - down)/2 and
    V = (up + down - 2 nominal)/16.
    """
    a = np.asarray(a, dtype=np.float64)
    square = a * a
    inside = square < 1
    if inside.all():
        return Derivatives(
            square * (15 - square * (10 - 3 * square)), a * (30 - square * (40 - 18 * square)), 30 - square * (120 - 90 * square)
        )
    return Derivatives(
        np.where(inside, square * (15 - square * (10 - 3 * square)), 8 * np.abs(a)),
        np.where(inside, a * (30 - square * (40 - 18 * square)), 8 * np.sign(a)),
        np.where(inside, 30 - square * (120 - 90 * square), 0.0),
    )


_POWERS: Final = np.array([[0, 1, 2, 3], [1, 2, 3, 3], [2, 3, 3, 3]])
_FACTORS: Final = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 2.0, 1.0, 0.0], [6.0, 2.0, 0.0, 0.0]])
"""Which power of a cubic and its two derivatives stands beside each coefficient, and the number before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Spline:
    """Cubic splines of one variable on common knots; beyond the knots the last pieces go on.

    Attributes
    ----------
    knots
        Increasing, shape (n,).
    coefficients
        Of (x - knot)^3, ^2, ^1, ^0 in each interval, shape (n - 1, 4, ...).
    """

    knots: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def at(self, x: NDArray[np.float64]) -> Derivatives:
        """Return values and derivatives at x, shape (P,), each of shape (P, ...)."""
        place = np.clip(np.searchsorted(self.knots, x, side="right") - 1, 0, len(self.coefficients) - 1)
        x = x - self.knots[place]
        powers = np.stack([x * x * x, x * x, x, np.ones_like(x)], axis=1)
        shape = self.coefficients.shape[2:]
        pieces = self.coefficients.reshape(len(self.coefficients), 4, -1)[place]
        found = ((powers[:, _POWERS] * _FACTORS) @ pieces).reshape(len(x), 3, *shape)
        return Derivatives(found[:, 0], found[:, 1], found[:, 2])


def spline(knots: ArrayLike, values: NDArray[np.float64]) -> Spline:
    """Return the splines (not-a-knot) through values (n, ...) at knots (n,); a straight line through two, a parabola through three.

    Those through the rows of the unit matrix are the cardinal ones, c_l = 1 at knot l and 0 at all others: sum_l c_l(x) D_l is the spline through
    any D_l, and sum_l c_l = 1.
    """
    from scipy.interpolate import CubicSpline

    knots = np.asarray(knots, dtype=np.float64)
    return Spline(knots, np.ascontiguousarray(np.moveaxis(CubicSpline(knots, values).c, 0, 1)))
