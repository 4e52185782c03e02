"""The lifetime of a chargino that is hardly heavier than the lightest neutralino.

Its splitting is that of the mass matrices plus the loop of photon, W and Z. The width is that of one pion or leptons, with quark pairs in
place of the pion where they are more. Every mass is in MeV.

References
----------
M. Cirelli, N. Fornengo, A. Strumia, Nucl. Phys. B 753, 178 (2006), arXiv:hep-ph/0512090, (11): the loop of an unbroken multiplet;
M. Ibe, S. Matsumoto, R. Sato, Phys. Lett. B 721, 252 (2013), arXiv:1212.5989: 164.5 MeV for heavy winos at two loops;
S. D. Thomas, J. D. Wells, Phys. Rev. Lett. 81, 34 (1998), arXiv:hep-ph/9804359: the widths;
C. H. Chen, M. Drees, J. F. Gunion, Phys. Rev. D 55, 330 (1997), arXiv:hep-ph/9512230: that of one pion for any mixing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.couplings import w_couplings, wino_share
from cevnsfit.moments.superpartners import G2, SIN2_THETA_Z
from cevnsfit.moments.widths import phase_space
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, HBAR_C, MUON_MASS, PION_MASS, W_MASS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.superpartners import Gauginos


_ALPHA_2: Final = G2**2 / (4.0 * math.pi)
_COS: Final = math.sqrt(1.0 - SIN2_THETA_Z)
_HEAVY_WINO: Final = 164.5 / (0.5 * _ALPHA_2 * W_MASS * (1.0 - _COS))
"""Splitting of heavy winos at two loops over that at one loop."""

_PION_DECAY: Final = 92.1
_V_UD: Final = 0.97367
"""f_pi/sqrt2 in MeV and V_ud (PDG 2024)."""

_QUARKS: Final = 500.0
"""Splitting in MeV above which quark pairs may take the place of the pion; their widths cross at about 650."""


def chargino_splitting(fields: Gauginos) -> Floats:
    """Return m_C1 - m_N1 in MeV, shape (n,): tree level and electroweak loop.

    The loop is that of a pure wino and of a pure higgsino, by their shares in C1: both are exact where it matters, for nearly pure
    states, whose splitting at tree level is small.

    Parameters
    ----------
    fields
        In the order of masses (`couplings.ordered`).
    """
    mass = np.abs(fields.chargino_mass[:, 0])
    wino = wino_share(fields)
    loop = wino * wino_loop(mass) + (1.0 - wino) * higgsino_loop(mass)
    return np.asarray(mass - np.abs(fields.neutralino_mass[:, 0]) + loop)


def wino_loop(mass: ArrayLike) -> Floats:
    """Return the loop splitting of pure winos in MeV, normalised to the one at two loops for heavy ones."""
    heavy = np.maximum(mass, 0.5 * W_MASS / _COS)
    w, z = _self_energy(W_MASS / heavy), _self_energy(W_MASS / _COS / heavy)
    return np.asarray(_HEAVY_WINO * _ALPHA_2 / (4.0 * math.pi) * heavy * (w - (1.0 - SIN2_THETA_Z) * z))


def higgsino_loop(mass: ArrayLike) -> Floats:
    """Return the loop splitting of pure higgsinos in MeV at one loop: 257 at 100 GeV, alpha m_Z/2 = 355 for heavy ones."""
    heavy = np.maximum(mass, 0.5 * W_MASS / _COS)
    return np.asarray(_ALPHA_2 / (4.0 * math.pi) * heavy * SIN2_THETA_Z * _self_energy(W_MASS / _COS / heavy))


def _self_energy(r: Floats) -> Floats:
    """Return f(r) of hep-ph/0512090, (12), for a fermion and r <= 2; 2 pi r for small r."""
    root, angle = np.sqrt(np.maximum(4.0 - r**2, 0.0)), np.arccos(np.clip(0.5 * r**2 - 1.0, -1.0, 1.0))
    return np.asarray(0.5 * r * (2.0 * r**3 * np.log(r) - 2.0 * r + root * (r**2 + 2.0) * angle))


def chargino_length(fields: Gauginos, splitting: Floats) -> Floats:
    """Return c tau in cm of C1 that decays to N1 or N2 through a virtual W, shape (n,); infinite where the splitting allows no decay.

    Parameters
    ----------
    fields
        In the order of masses.
    splitting
        From `chargino_splitting`, without the mass of N2 beyond that of N1; far below the masses, which the widths to leptons assume.
    """
    light = np.abs(fields.neutralino_mass[:, :2])
    gap = np.maximum(splitting[:, None] - (light - light[:, :1]), 0.0)
    sign = np.sign(fields.chargino_mass[:, :1] * fields.neutralino_mass[:, :2])
    left, right = (g / G2 for g in w_couplings(fields, slice(2)))
    vector, axial = left + sign * right, left - sign * right
    beta = FERMI_CONSTANT**2 * gap**5 * (vector**2 + 3.0 * axial**2) / (30.0 * math.pi**3)
    electrons, pions = beta * _beta_phase_space(gap, ELECTRON_MASS), _pion_width(light, gap, vector, axial)
    hadrons = np.where(gap > _QUARKS, np.maximum(pions, 3.0 * electrons), pions)
    width = (electrons + beta * _beta_phase_space(gap, MUON_MASS) + hadrons).sum(axis=1)
    return np.asarray(np.divide(HBAR_C, width, out=np.where(np.isnan(splitting), np.nan, np.inf), where=width > 0.0))


def _pion_width(light: Floats, gap: Floats, vector: Floats, axial: Floats) -> Floats:
    """Return the width to a pion in MeV (hep-ph/9512230, (A1) with f_pi = 92 MeV)."""
    heavy, pion = light + gap, PION_MASS**2
    squared = (gap * (heavy + light)) ** 2
    strength = vector**2 * (squared - pion * gap**2) + axial**2 * (squared - pion * (heavy + light) ** 2)
    return np.asarray(2.0 * (FERMI_CONSTANT * _PION_DECAY * _V_UD) ** 2 * phase_space(heavy, light, PION_MASS) * strength)


def _beta_phase_space(gap: Floats, lepton_mass: float) -> Floats:
    """Return the phase space of a lepton and a massless neutrino without recoil, in units of that of a massless lepton."""
    x = np.divide(lepton_mass, gap, out=np.ones(gap.shape), where=gap > lepton_mass)
    root = np.sqrt(1.0 - x**2)
    return np.where(gap > lepton_mass, root * (1.0 - 4.5 * x**2 - 4.0 * x**4) + 7.5 * x**4 * np.log((1.0 + root) / x), 0.0)
