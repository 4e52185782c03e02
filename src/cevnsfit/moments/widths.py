"""Widths of two-body decays of superpartners, and of three-body ones through a vector boson.

Couplings are real and masses of fermions have their sign; a decay that energy forbids has width 0. Every mass is in MeV.
Traces are those of a fermion with (g_L P_L + g_R P_R), written out in docs/susy.md.

References
----------
J. F. Gunion and H. E. Haber, Nucl. Phys. B 272, 1 (1986), and Phys. Rev. D 37, 2515 (1988).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_CHIRAL: Final = 24.0 * math.pi
"""A vector of mass q and coupling 1 to a massless chiral pair has the width q/(24 pi)."""


def phase_space(parent: Array, first: float | Array, second: float | Array) -> Array:
    """Return k/(8 pi M^2) in 1/MeV, with the momentum k of the products; 0 where M <= m_1 + m_2."""
    total, difference = np.abs(first) + np.abs(second), np.abs(first) - np.abs(second)
    mass, total, difference = np.broadcast_arrays(np.abs(parent), total, difference)
    kaellen = (mass - total) * (mass + total) * (mass - difference) * (mass + difference)
    ratio = np.zeros(mass.shape)
    np.divide(np.sqrt(np.maximum(kaellen, 0.0)), 16.0 * math.pi * mass**3, out=ratio, where=mass > total)
    return ratio


def scalar_to_fermions(scalar: Array, first: float | Array, second: Array, g_left: Array, g_right: Array) -> Array:
    """Return the width of a scalar to two different fermions through fbar_1 (g_L P_L + g_R P_R) f_2."""
    strength = (g_left**2 + g_right**2) * (scalar**2 - np.square(first) - second**2) - 4.0 * g_left * g_right * first * second
    return np.asarray(phase_space(scalar, first, second) * strength)


def fermion_to_scalar(parent: Array, fermion: float | Array, scalar: float | Array, g_left: Array, g_right: Array) -> Array:
    """Return the width of a fermion to another one and a scalar through fbar (g_L P_L + g_R P_R) parent."""
    strength = (g_left**2 + g_right**2) * 0.5 * (
        parent**2 + np.square(fermion) - np.square(scalar)
    ) + 2.0 * g_left * g_right * parent * fermion
    return np.asarray(phase_space(parent, fermion, scalar) * strength)


def fermion_to_vector(parent: Array, fermion: Array, vector: float | Array, g_left: Array, g_right: Array) -> Array:
    """Return the width of a fermion to another one and a vector boson through fbar gamma^mu (g_L P_L + g_R P_R) parent V_mu."""
    heavy, light, squared = parent**2, fermion**2, np.square(vector)
    same = heavy + light - squared + (heavy - light + squared) * (heavy - light - squared) / squared
    return np.asarray(
        phase_space(parent, fermion, vector) * (0.5 * (g_left**2 + g_right**2) * same - 6.0 * g_left * g_right * parent * fermion)
    )


def fermion_to_virtual(parent: Array, fermion: Array, boson: tuple[float, float], g_left: Array, g_right: Array) -> Array:
    """Return the width of a fermion to another one and what a vector boson of too large a mass decays to.

    Parameters
    ----------
    parent, fermion, g_left, g_right
        As in `fermion_to_vector`, shape (n,).
    boson
        Mass and width in MeV. Its products are massless, so that its width at the mass q is in proportion to q.
    """
    mass, width = boson
    q, weight = _virtual_masses(parent, fermion)
    real = fermion_to_vector(parent[:, None], fermion[:, None], q, g_left[:, None], g_right[:, None])
    spectrum = 2.0 * q / math.pi * (width / mass) * q**2 / ((q**2 - mass**2) ** 2 + (q**2 * width / mass) ** 2)
    return np.asarray((weight * spectrum * real).sum(axis=1))


def _virtual_masses(parent: Array, fermion: Array) -> tuple[Array, Array]:
    """Return nodes q and weights between 0 and the difference of the masses, shape (n, nodes) each; of weight 0 where it is not positive."""
    gap = np.abs(parent) - np.abs(fermion)
    span = 0.5 * np.where(gap > 0.0, gap, 1.0)[:, None]
    return span * (1.0 + _NODES), np.where(gap[:, None] > 0.0, span * _WEIGHTS, 0.0)
