"""One-loop contributions of the MSSM to a = (g - 2)/2 of a charged lepton: neutralinos with sleptons, charginos with the sneutrino.

Parameters are real, sleptons of different families do not mix. Every mass is in MeV.

References
----------
S. P. Martin and J. D. Wells, Phys. Rev. D 64, 035003 (2001), arXiv:hep-ph/0103067, section II.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.couplings import chargino_couplings, slepton_couplings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.superpartners import Gauginos, Sleptons


_TERMS: Final = 30
_SERIES: Final = 0.3


def f1n(x: ArrayLike) -> Floats:
    """Return F1N(x) = 2 [1 - 6 x + 3 x^2 + 2 x^3 - 6 x^2 ln x]/(1 - x)^4 for x > 0; 1 at x = 1."""
    return _stable(
        x,
        lambda k: 24.0 / ((k + 2.0) * (k + 3.0) * (k + 4.0)),
        lambda x, log: 2.0 * (1.0 - 6.0 * x + 3.0 * x**2 + 2.0 * x * x**2 - 6.0 * x**2 * log) / _square(_square(1.0 - x)),
    )


def f2n(x: ArrayLike) -> Floats:
    """Return F2N(x) = 3 [1 - x^2 + 2 x ln x]/(1 - x)^3 for x > 0; 1 at x = 1."""
    return _stable(
        x, lambda k: 6.0 / ((k + 2.0) * (k + 3.0)), lambda x, log: 3.0 * (1.0 - x**2 + 2.0 * x * log) / (_square(1.0 - x) * (1.0 - x))
    )


def f1c(x: ArrayLike) -> Floats:
    """Return F1C(x) = 2 [2 + 3 x - 6 x^2 + x^3 + 6 x ln x]/(1 - x)^4 for x > 0; 1 at x = 1."""
    return _stable(
        x,
        lambda k: 12.0 / ((k + 3.0) * (k + 4.0)),
        lambda x, log: 2.0 * (2.0 + 3.0 * x - 6.0 * x**2 + x * x**2 + 6.0 * x * log) / _square(_square(1.0 - x)),
    )


def f2c(x: ArrayLike) -> Floats:
    """Return F2C(x) = -(3/2) [3 - 4 x + x^2 + 2 ln x]/(1 - x)^3 for x > 0; 1 at x = 1."""
    return _stable(x, lambda k: 3.0 / (k + 3.0), lambda x, log: -1.5 * (3.0 - 4.0 * x + x**2 + 2.0 * log) / (_square(1.0 - x) * (1.0 - x)))


def _square(x: Floats) -> Floats:
    return np.asarray(x * x)


def _stable(x: ArrayLike, coefficient: Callable[[Floats], Floats], direct: Callable[[Floats, Floats], Floats]) -> Floats:
    """Return `direct`(x, ln x), or sum_k coefficient(k) (1 - x)^k where |1 - x| is small and the formula cancels."""
    values = np.asarray(x, dtype=np.float64)
    near = np.abs(1.0 - values) < _SERIES
    result = np.empty_like(values)
    far = values[~near]
    result[~near] = direct(far, np.log(far))
    result[near] = np.polynomial.polynomial.polyval(1.0 - values[near], coefficient(np.arange(float(_TERMS))))
    return result


def slepton_contribution(sleptons: Sleptons, fields: Gauginos) -> Floats:
    """Return Delta a of the lepton of one family, shape (n,); NaN where a slepton or the sneutrino is a tachyon.

    References
    ----------
    hep-ph/0103067, section II.
    """
    lepton_mass = sleptons.lepton_mass
    good = sleptons.stable
    masses, sneutrino = np.where(good[:, None], sleptons.squared, 1.0), np.where(good, sleptons.sneutrino, 1.0)
    neutral = _neutralinos(masses, sleptons, fields)
    x = fields.chargino_mass**2 / sneutrino[:, None]
    c_left, c_right = chargino_couplings(fields, lepton_mass)
    same = lepton_mass / 12.0 * (c_left**2 + c_right**2) * f1c(x)
    flip = 2.0 / 3.0 * fields.chargino_mass * c_left * c_right * f2c(x)
    charged = ((same + flip) / sneutrino[:, None]).sum(axis=1)
    return np.where(good, lepton_mass / (16.0 * math.pi**2) * (neutral + charged), np.nan)


def _neutralinos(masses: Floats, sleptons: Sleptons, fields: Gauginos) -> Floats:
    """Return the sum over neutralinos i and sleptons m, without m_l/(16 pi^2)."""
    n_left, n_right = slepton_couplings(sleptons, fields)
    x = fields.neutralino_mass[:, :, None] ** 2 / masses[:, None, :]
    same = -sleptons.lepton_mass / 12.0 * (n_left**2 + n_right**2) * f1n(x)
    flip = fields.neutralino_mass[:, :, None] / 3.0 * n_left * n_right * f2n(x)
    return np.asarray(((same + flip) / masses[:, None, :]).sum(axis=(1, 2)))
