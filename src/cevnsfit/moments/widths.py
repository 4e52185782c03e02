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

from cevnsfit.physics.constants import W_MASS, Z_MASS

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats


W_BOSON: Final = (W_MASS, 2085.0)
Z_BOSON: Final = (Z_MASS, 2495.5)
"""Masses and widths in MeV (PDG 2024)."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def phase_space(parent: Floats, first: float | Floats, second: float | Floats) -> Floats:
    """Return k/(8 pi M^2) in 1/MeV, with the momentum k of the products; 0 where M <= m_1 + m_2."""
    mass, one, two = np.abs(parent), np.abs(first), np.abs(second)
    squared = mass**2
    kaellen = np.maximum(mass - (one + two), 0.0) * (mass + (one + two)) * (squared - (one - two) ** 2)
    return np.asarray(np.sqrt(kaellen) / np.maximum(16.0 * math.pi * mass * squared, np.finfo(np.float64).tiny))


def scalar_to_fermions(scalar: Floats, first: float | Floats, second: Floats, g_left: Floats, g_right: float | Floats = 0.0) -> Floats:
    """Return the width of a scalar to two different fermions through fbar_1 (g_L P_L + g_R P_R) f_2."""
    strength = (g_left**2 + g_right**2) * (scalar**2 - np.square(first) - second**2) - 4.0 * g_left * g_right * first * second
    return np.asarray(phase_space(scalar, first, second) * strength)


def fermion_to_scalar(
    parent: Floats, fermion: float | Floats, scalar: float | Floats, g_left: Floats, g_right: float | Floats = 0.0
) -> Floats:
    """Return the width of a fermion to another one and a scalar through fbar (g_L P_L + g_R P_R) parent."""
    strength = (g_left**2 + g_right**2) * 0.5 * (
        parent**2 + np.square(fermion) - np.square(scalar)
    ) + 2.0 * g_left * g_right * parent * fermion
    return np.asarray(phase_space(parent, fermion, scalar) * strength)


def fermion_to_vector(parent: Floats, fermion: Floats, vector: float | Floats, g_left: Floats, g_right: Floats) -> Floats:
    """Return the width of a fermion to another one and a vector boson through fbar gamma^mu (g_L P_L + g_R P_R) parent V_mu."""
    heavy, light, squared = parent**2, fermion**2, np.square(vector)
    same = heavy + light - squared + (heavy - light + squared) * (heavy - light - squared) / squared
    return np.asarray(
        phase_space(parent, fermion, vector) * (0.5 * (g_left**2 + g_right**2) * same - 6.0 * g_left * g_right * parent * fermion)
    )


def fermion_to_virtual(parent: Floats, fermion: Floats, boson: tuple[float, float], g_left: Floats, g_right: Floats) -> Floats:
    """Return the width of a fermion to another one and what a vector boson of too large a mass decays to.

    Parameters
    ----------
    parent, fermion, g_left, g_right
        As in `fermion_to_vector`, shape (n,).
    boson
        Mass and width in MeV. Its products are massless, so that its width at the mass q is in proportion to q.
    """
    mass, width = boson
    q, weight = _virtual_masses(parent, fermion, 0.0)
    real = fermion_to_vector(parent[:, None], fermion[:, None], q, g_left[:, None], g_right[:, None])
    spectrum = (width / mass) * q**2 / ((q**2 - mass**2) ** 2 + (q**2 * width / mass) ** 2)
    return np.asarray((weight * spectrum * real).sum(axis=1))


def fermion_to_pair(parent: Floats, fermion: Floats, lepton_mass: float, g_left: Floats, g_right: Floats) -> Floats:
    """Return the width of a fermion to another one and a pair of leptons through [fbar gamma^mu (g_L P_L + g_R P_R) parent][lbar gamma_mu P_L l].

    Parameters
    ----------
    parent, fermion
        Masses with their sign, shape (n,).
    lepton_mass
        In MeV: it closes the phase space of two leptons, the flip of their chirality is left out.
    g_left, g_right
        In MeV^-2, shape (n,).
    """
    q, weight = _virtual_masses(parent, fermion, 2.0 * lepton_mass)
    pair = q**2 / (24.0 * math.pi) * np.sqrt(np.maximum(1.0 - (2.0 * lepton_mass / q) ** 2, 0.0))
    real = fermion_to_vector(parent[:, None], fermion[:, None], q, g_left[:, None], g_right[:, None])
    return np.asarray((weight * pair * real).sum(axis=1))


def _virtual_masses(parent: Floats, fermion: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Return masses q of what is virtual, from a threshold to what a decay leaves, and weights of dq^2/pi, shape (n, nodes) each."""
    gap = np.abs(parent) - np.abs(fermion) - threshold
    span = 0.5 * np.where(gap > 0.0, gap, 1.0)[:, None]
    q = threshold + span * (1.0 + _NODES)
    return q, np.where(gap[:, None] > 0.0, span * _WEIGHTS * 2.0 * q / math.pi, 0.0)
