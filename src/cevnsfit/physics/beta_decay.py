"""The spectrum of Ar-39, whose electrons fill a detector of atmospheric argon evenly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import loggamma

from cevnsfit.physics.constants import ELECTRON_MASS, FINE_STRUCTURE, FM, HBAR_C

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

AR39_ENDPOINT: Final = 0.565
"""Largest kinetic energy of the electron in MeV (AME2020: Q = 565(5) keV)."""

AR39_ACTIVITY: Final = (0.964, 0.024)
"""Decays per second in a kilogram of atmospheric argon, and the error (DEAP-3600, Eur. Phys. J. C 83, 642 (2023), arXiv:2302.14639)."""


def ar39_density(t: ArrayLike) -> NDArray[np.float64]:
    """Return the probability density of the kinetic energy of the electron of Ar-39 in 1/MeV, zero outside (0, 0.565 MeV).

    7/2- to 3/2+ is a unique first-forbidden transition: F(Z, W) p W q^2 (p^2 + q^2), with the Fermi function of a point charge and without
    the Coulomb correction of the shape factor (E. J. Konopinski and G. E. Uhlenbeck, Phys. Rev. 60, 308 (1941)).

    Parameters
    ----------
    t
        Kinetic energy in MeV, any shape.
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    norm = 0.5 * AR39_ENDPOINT * (weights @ _unnormalised(0.5 * AR39_ENDPOINT * (1.0 + nodes)))
    energy = np.asarray(t, dtype=np.float64)
    inside = (energy > 0.0) & (energy < AR39_ENDPOINT)
    return np.where(inside, _unnormalised(np.where(inside, energy, 0.5 * AR39_ENDPOINT)) / norm, 0.0)


def _unnormalised(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum up to a factor, energies and momenta in units of the electron's mass."""
    total = 1.0 + t / ELECTRON_MASS
    p2 = total**2 - 1.0
    q2 = ((AR39_ENDPOINT - t) / ELECTRON_MASS) ** 2
    charge = 19.0 * FINE_STRUCTURE
    gamma = math.sqrt(1.0 - charge**2)
    eta = charge * total / np.sqrt(p2)
    radius = 1.2 * math.cbrt(39.0) * FM * ELECTRON_MASS / HBAR_C
    fermi = np.exp((gamma - 1.0) * np.log(4.0 * p2 * radius**2) + math.pi * eta + 2.0 * np.real(loggamma(gamma + 1j * eta)))
    return np.asarray(fermi * np.sqrt(p2) * total * q2 * (p2 + q2))
