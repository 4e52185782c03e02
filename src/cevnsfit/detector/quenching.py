"""Electron-equivalent energy of a nuclear recoil, E_ee = QF(T) T, in MeV and the shape of T [MeV]; never negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.detector.efficiency import table as interpolated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def polynomial(t: NDArray[np.float64], coefficients: Sequence[float]) -> NDArray[np.float64]:
    """Return E_ee = sum_n c_n T^n, n = 1, 2, ...

    Parameters
    ----------
    coefficients
        c_1, c_2, ... [MeV^(1 - n)]: c_1 is the quenching factor at T = 0, 0.0878 for CsI (1708.01294), c_2 its slope, 0.78 for argon (2003.10630).
    """
    return np.maximum(np.polynomial.polynomial.polyval(t, [0.0, *coefficients]), 0.0)


def lindhard(t: NDArray[np.float64], k: float, z: float) -> NDArray[np.float64]:
    """Return E_ee = T k g/(1 + k g) with g = 3 e^0.15 + 0.7 e^0.6 + e and e = 11.5 Z^(-7/3) T/keV.

    Parameters
    ----------
    k
        Electronic stopping in units of the velocity, 0.133 Z^(2/3) A^(-1/2): 0.157 in germanium.
    z
        Atomic number of the material.

    References
    ----------
    Lindhard et al., Mat. Fys. Medd. Dan. Vid. Selsk. 33, 10 (1963), in the form of Lewin and Smith, Astropart. Phys. 6 (1996) 87, eq. 4.4.
    """
    reduced = 11.5 * z ** (-7.0 / 3.0) * np.maximum(t, 0.0) * 1e3
    g = 3.0 * reduced**0.15 + 0.7 * reduced**0.6 + reduced
    return np.asarray(np.maximum(t, 0.0) * k * g / (1.0 + k * g))


def table(t: NDArray[np.float64], energies: ArrayLike, factors: ArrayLike) -> NDArray[np.float64]:
    """Return E_ee = QF(T) T, QF linear between the points and flat beyond them.

    Parameters
    ----------
    energies
        Strictly increasing recoil energies of the points [MeV].
    factors
        Quenching factors at the points.

    Raises
    ------
    DomainError
        If the energies do not increase.
    """
    return np.maximum(interpolated(t, energies, factors) * t, 0.0)
