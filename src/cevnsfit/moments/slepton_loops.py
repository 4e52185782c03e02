"""One-loop contributions of the MSSM to a = (g - 2)/2 of a charged lepton: neutralinos with sleptons, charginos with the sneutrino.

Parameters are real, sleptons of different families do not mix, trilinear terms vanish. Every mass is in MeV.

References
----------
S. P. Martin and J. D. Wells, Phys. Rev. D 64, 035003 (2001), arXiv:hep-ph/0103067, section II.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.physics.constants import W_MASS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

SIN2_THETA_Z: Final = 0.23129
"""s_W^2 at m_Z in the MS-bar scheme (PDG 2024, section 10.2)."""

G2: Final = math.sqrt(4.0 * math.pi / 127.93 / SIN2_THETA_Z)
"""SU(2) coupling at m_Z, with 1/alpha(m_Z) = 127.93 (PDG 2024, section 10.2)."""

G1: Final = G2 * math.sqrt(SIN2_THETA_Z / (1.0 - SIN2_THETA_Z))
"""Hypercharge coupling g' at m_Z."""

_TERMS: Final = 30
_SERIES: Final = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Gauginos:
    """Neutralinos and charginos of n points.

    Attributes
    ----------
    mu, tan_beta
        Higgsino mass parameter in MeV and tan beta, shape (n,).
    neutralino_mass, neutralino
        Masses in MeV with their sign, shape (n, 4), and the mixing matrix N[point, state, (bino, wino, down, up)].
    chargino_mass, u, v
        Masses in MeV with their sign, shape (n, 2), and the mixing matrices U and V, shape (n, 2, 2).
    """

    mu: Array
    tan_beta: Array
    neutralino_mass: Array
    neutralino: Array
    chargino_mass: Array
    u: Array
    v: Array


def f1n(x: ArrayLike) -> Array:
    """Return F1N(x) = 2 [1 - 6 x + 3 x^2 + 2 x^3 - 6 x^2 ln x]/(1 - x)^4 for x > 0; 1 at x = 1."""
    return _stable(
        x,
        lambda k: 24.0 / ((k + 2.0) * (k + 3.0) * (k + 4.0)),
        lambda x, log: 2.0 * (1.0 - 6.0 * x + 3.0 * x**2 + 2.0 * x * x**2 - 6.0 * x**2 * log) / _square(_square(1.0 - x)),
    )


def f2n(x: ArrayLike) -> Array:
    """Return F2N(x) = 3 [1 - x^2 + 2 x ln x]/(1 - x)^3 for x > 0; 1 at x = 1."""
    return _stable(
        x, lambda k: 6.0 / ((k + 2.0) * (k + 3.0)), lambda x, log: 3.0 * (1.0 - x**2 + 2.0 * x * log) / (_square(1.0 - x) * (1.0 - x))
    )


def f1c(x: ArrayLike) -> Array:
    """Return F1C(x) = 2 [2 + 3 x - 6 x^2 + x^3 + 6 x ln x]/(1 - x)^4 for x > 0; 1 at x = 1."""
    return _stable(
        x,
        lambda k: 12.0 / ((k + 3.0) * (k + 4.0)),
        lambda x, log: 2.0 * (2.0 + 3.0 * x - 6.0 * x**2 + x * x**2 + 6.0 * x * log) / _square(_square(1.0 - x)),
    )


def f2c(x: ArrayLike) -> Array:
    """Return F2C(x) = -(3/2) [3 - 4 x + x^2 + 2 ln x]/(1 - x)^3 for x > 0; 1 at x = 1."""
    return _stable(x, lambda k: 3.0 / (k + 3.0), lambda x, log: -1.5 * (3.0 - 4.0 * x + x**2 + 2.0 * log) / (_square(1.0 - x) * (1.0 - x)))


def _square(x: Array) -> Array:
    return np.asarray(x * x)


def _stable(x: ArrayLike, coefficient: Callable[[Array], Array], direct: Callable[[Array, Array], Array]) -> Array:
    """Return `direct`(x, ln x), or sum_k coefficient(k) (1 - x)^k where |1 - x| is small and the formula cancels."""
    values = np.asarray(x, dtype=np.float64)
    near = np.abs(1.0 - values) < _SERIES
    result = np.empty_like(values)
    far = values[~near]
    result[~near] = direct(far, np.log(far))
    result[near] = np.polynomial.polynomial.polyval(1.0 - values[near], coefficient(np.arange(float(_TERMS))))
    return result


def gauginos(m1: ArrayLike, m2: ArrayLike, mu: ArrayLike, tan_beta: ArrayLike) -> Gauginos:
    """Return masses and mixing matrices (hep-ph/0103067, section II).

    Parameters
    ----------
    m1, m2, mu
        Bino, wino and higgsino mass parameters in MeV, shape (n,), of either sign.
    tan_beta
        Ratio of the Higgs fields, shape (n,).
    """
    first, second, higgsino, ratio = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (m1, m2, mu, tan_beta)))
    cos = 1.0 / np.sqrt(1.0 + ratio**2)
    sin = ratio * cos
    tangent = math.sqrt(SIN2_THETA_Z / (1.0 - SIN2_THETA_Z))
    matrix = np.zeros((len(first), 4, 4))
    matrix[:, 0, 0], matrix[:, 1, 1] = first, second
    entries = {(2, 0): -cos * tangent * W_MASS, (3, 0): sin * tangent * W_MASS, (2, 1): cos * W_MASS, (3, 1): -sin * W_MASS}
    for (row, column), value in {**entries, (3, 2): -higgsino}.items():
        matrix[:, row, column] = matrix[:, column, row] = value
    masses, states = np.linalg.eigh(matrix)
    charged, u, v = _chargino_mixing(second, math.sqrt(2.0) * W_MASS * sin, math.sqrt(2.0) * W_MASS * cos, higgsino)
    return Gauginos(higgsino, ratio, masses, states.swapaxes(1, 2), charged, u, v)


def _chargino_mixing(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array, Array]:
    """Return masses with their sign, U and V with U [[a, b], [c, d]] V^T = diag: a rotation on each side."""
    outer, inner = np.hypot(a + d, c - b), np.hypot(a - d, c + b)
    total, difference = np.arctan2(c - b, a + d), np.arctan2(c + b, a - d)
    left, right = 0.5 * (total + difference), 0.5 * (difference - total)
    masses = 0.5 * np.stack([outer + inner, outer - inner], axis=-1)
    return masses, _rotation(left), _rotation(right)


def _rotation(angle: Array) -> Array:
    """Return [[cos, sin], [-sin, cos]], shape (n, 2, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)], axis=1)


def slepton_masses(left: ArrayLike, right: ArrayLike, fields: Gauginos, lepton_mass: float) -> tuple[Array, Array, Array]:
    """Return squared masses of the two sleptons, shape (n, 2), their mixing matrix X, shape (n, 2, 2), and that of the sneutrino, (n,).

    Parameters
    ----------
    left, right
        Soft masses in MeV, shape (n,).
    fields
        From `gauginos`.
    lepton_mass
        In MeV.

    References
    ----------
    hep-ph/0103067, section II. Squared masses of tachyons are negative.
    """
    soft_left, soft_right = (np.asarray(a, dtype=np.float64) ** 2 for a in (left, right))
    cos_two_beta = (1.0 - fields.tan_beta**2) / (1.0 + fields.tan_beta**2)
    z_term = W_MASS**2 / (1.0 - SIN2_THETA_Z) * cos_two_beta
    first = soft_left + (SIN2_THETA_Z - 0.5) * z_term
    second = soft_right - SIN2_THETA_Z * z_term
    mixing = -lepton_mass * fields.mu * fields.tan_beta
    angle = 0.5 * np.arctan2(2.0 * mixing, first - second)
    spread = 0.5 * np.hypot(first - second, 2.0 * mixing)
    masses = 0.5 * (first + second)[:, None] + spread[:, None] * np.array([1.0, -1.0])
    return masses, _rotation(angle), soft_left + 0.5 * z_term


def slepton_contribution(left: ArrayLike, right: ArrayLike, fields: Gauginos, lepton_mass: float) -> Array:
    """Return Delta a of one lepton, shape (n,); NaN where a slepton or the sneutrino is a tachyon.

    Parameters as in `slepton_masses`.

    References
    ----------
    hep-ph/0103067, section II.
    """
    masses, mixing, sneutrino = slepton_masses(left, right, fields, lepton_mass)
    bad = (masses.min(axis=1) <= 0.0) | (sneutrino <= 0.0)
    masses, sneutrino = np.where(bad[:, None], 1.0, masses), np.where(bad, 1.0, sneutrino)
    yukawa = G2 * lepton_mass / (math.sqrt(2.0) * W_MASS) * np.sqrt(1.0 + fields.tan_beta**2)
    neutral = _neutralinos(masses, mixing, yukawa, fields, lepton_mass)
    x = fields.chargino_mass**2 / sneutrino[:, None]
    c_right, c_left = yukawa[:, None] * fields.u[:, :, 1], -G2 * fields.v[:, :, 0]
    same = lepton_mass / 12.0 * (c_left**2 + c_right**2) * f1c(x)
    flip = 2.0 / 3.0 * fields.chargino_mass * c_left * c_right * f2c(x)
    charged = ((same + flip) / sneutrino[:, None]).sum(axis=1)
    return np.where(bad, np.nan, lepton_mass / (16.0 * math.pi**2) * (neutral + charged))


def _neutralinos(masses: Array, mixing: Array, yukawa: Array, fields: Gauginos, lepton_mass: float) -> Array:
    """Return the sum over neutralinos i and sleptons m, without m_l/(16 pi^2)."""
    bino, wino, down = (fields.neutralino[:, :, j, None] for j in range(3))
    to_left, to_right = mixing[:, None, :, 0], mixing[:, None, :, 1]
    y = yukawa[:, None, None]
    n_right = math.sqrt(2.0) * G1 * bino * to_right + y * down * to_left
    n_left = (G2 * wino + G1 * bino) / math.sqrt(2.0) * to_left - y * down * to_right
    x = fields.neutralino_mass[:, :, None] ** 2 / masses[:, None, :]
    same = -lepton_mass / 12.0 * (n_left**2 + n_right**2) * f1n(x)
    flip = fields.neutralino_mass[:, :, None] / 3.0 * n_left * n_right * f2n(x)
    return np.asarray(((same + flip) / masses[:, None, :]).sum(axis=(1, 2)))
