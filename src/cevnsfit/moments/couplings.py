"""Couplings of neutralinos and charginos to leptons with sleptons and to W, Z and h, and the order of the states.

Couplings are real; masses of fermions have their sign, and the phases are those of `superpartners`. The Higgs boson h has the couplings of the
decoupling limit, alpha = beta - pi/2.

References
----------
H. E. Haber and G. L. Kane, Phys. Rept. 117, 75 (1985), (C37)-(C39) and (C61)-(C63); J. F. Gunion and H. E. Haber, Nucl. Phys. B 272, 1 (1986);
S. P. Martin and J. D. Wells, Phys. Rev. D 64, 035003 (2001), arXiv:hep-ph/0103067, section II; S. P. Martin, hep-ph/9709356, section 8.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.superpartners import G1, G2, SIN2_THETA_Z
from cevnsfit.physics.constants import W_MASS

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.superpartners import Gauginos, Sleptons


_COS: Final = math.sqrt(1.0 - SIN2_THETA_Z)
_TAN: Final = G1 / G2


def ordered(fields: Gauginos) -> Gauginos:
    """Return the same with neutralinos and charginos in the order of the absolute values of their masses, the lightest first.

    Points lie next to each other in memory, which makes what follows faster.
    """
    order = np.abs(fields.neutralino_mass).argsort(axis=1)
    return replace(
        fields,
        neutralino_mass=np.asfortranarray(np.take_along_axis(fields.neutralino_mass, order, axis=1)),
        neutralino=np.asfortranarray(np.take_along_axis(fields.neutralino, order[:, :, None], axis=1)),
        chargino_mass=np.asfortranarray(fields.chargino_mass[:, ::-1]),  # the second state of the two rotations is never the heavier one
        u=np.asfortranarray(fields.u[:, ::-1]),
        v=np.asfortranarray(fields.v[:, ::-1]),
    )


def yukawa(fields: Gauginos, lepton_mass: float) -> Floats:
    """Return the Yukawa coupling of a lepton, g m_l/(sqrt2 m_W cos beta), shape (n,)."""
    return np.asarray(G2 * lepton_mass / (math.sqrt(2.0) * W_MASS) * np.sqrt(1.0 + fields.tan_beta**2))


def slepton_couplings(sleptons: Sleptons, fields: Gauginos) -> tuple[Floats, Floats]:
    """Return n^L and n^R of lbar (n^L P_R - n^R P_L) chi slepton, shape (n, neutralinos, 2) each (hep-ph/0103067, section II)."""
    bino, wino, down = (fields.neutralino[:, :, j, None] for j in range(3))
    to_left, to_right = sleptons.mixing[:, None, :, 0], sleptons.mixing[:, None, :, 1]
    y = yukawa(fields, sleptons.lepton_mass)[:, None, None]
    n_left = (G2 * wino + G1 * bino) / math.sqrt(2.0) * to_left - y * down * to_right
    n_right = math.sqrt(2.0) * G1 * bino * to_right + y * down * to_left
    return n_left, n_right


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """One family of sleptons and what couples it to the k neutralinos of n points.

    Attributes
    ----------
    lepton_mass, masses, sneutrino
        Of the lepton, of its sleptons, shape (n, 2), and of the sneutrino, shape (n,); 0 for tachyons.
    left, right, neutral
        n^L and n^R of lepton and slepton, shape (n, k, 2), and n of nubar n P_R chi sneutrino, shape (n, k).
    """

    lepton_mass: float
    masses: Floats
    sneutrino: Floats
    left: Floats
    right: Floats
    neutral: Floats

    @classmethod
    def of(cls, sleptons: Sleptons, fields: Gauginos, direct: float | Floats = 0.0) -> Vertices:
        """Return those of one family; `direct`, shape (n, 1), adds a gaugino with a charge of lepton number."""
        masses, sneutrino = np.sqrt(np.maximum(sleptons.squared, 0.0)), np.sqrt(np.maximum(sleptons.sneutrino, 0.0))
        left, right = slepton_couplings(sleptons, fields)
        charge = np.reshape(direct, (-1, 1, 1)) * sleptons.mixing.swapaxes(1, 2)
        neutral = (G1 * fields.neutralino[:, :, 0] - G2 * fields.neutralino[:, :, 1]) / math.sqrt(2.0)
        return cls(sleptons.lepton_mass, masses, sneutrino, left + charge[:, :1], right + charge[:, 1:], neutral + direct)


def propagator(mass: Floats, parent: Floats, product: Floats) -> Floats:
    """Return 1/(2 (M^2 - |m_i m_j|)) of a virtual slepton in MeV^-2; 0 where it is lighter than the parent, which decays to it then."""
    return np.asarray(np.where(mass >= np.abs(parent), 0.5 / np.maximum(mass**2 - product, 1.0), 0.0))


def four_fermion(heavy: Vertices, light: Vertices, states: tuple[int, int], parent: Floats, lsp: Floats) -> tuple[Floats, Floats]:
    """Return c of c [chibar_j gamma^mu gamma_5 chi_i][lbar gamma_mu P l] for charged leptons and for neutrinos, shape (n,) each.

    c = sum n_i n_j/(2 (M^2 - |m_i m_j|)) over the sleptons, from a Fierz transformation: a slepton of mass M has a squared momentum between m_j^2
    and m_i^2. Left and right leptons do not interfere, and are added in squares.

    Parameters
    ----------
    heavy, light, states
        Couplings of the two neutralinos, and which of the states there.
    parent, lsp
        m_i and m_j in MeV, shape (n,).
    """
    i, j = states
    product = np.abs(parent * lsp)
    factor = propagator(heavy.masses, parent[:, None], product[:, None])
    left, right = ((a[:, i] * b[:, j] * factor).sum(axis=1) for a, b in ((heavy.left, light.left), (heavy.right, light.right)))
    return np.hypot(left, right), heavy.neutral[:, i] * light.neutral[:, j] * propagator(heavy.sneutrino, parent, product)


def chargino_couplings(fields: Gauginos, lepton_mass: float) -> tuple[Floats, Floats]:
    """Return c^L and c^R of lbar (c^L P_R + c^R P_L) chi sneutrino, shape (n, charginos) each (hep-ph/0103067, section II)."""
    return -G2 * fields.v[:, :, 0], yukawa(fields, lepton_mass)[:, None] * fields.u[:, :, 1]


def neutrino_couplings(sleptons: Sleptons, fields: Gauginos) -> Floats:
    """Return d of nubar d P_R chi slepton for charginos, shape (n, charginos, 2)."""
    to_left, to_right = sleptons.mixing[:, None, :, 0], sleptons.mixing[:, None, :, 1]
    y = yukawa(fields, sleptons.lepton_mass)[:, None, None]
    return np.asarray(y * fields.u[:, :, 1, None] * to_right - G2 * fields.u[:, :, 0, None] * to_left)


def z_coupling(first: Floats, second: Floats) -> Floats:
    """Return g_L = -g_R of chibar_1 gamma^mu (g_L P_L + g_R P_R) chi_2 Z_mu for rows (..., 4) of the mixing matrix (Haber and Kane, C38)."""
    return G2 / (2.0 * _COS) * (first[..., 3] * second[..., 3] - first[..., 2] * second[..., 2])


def higgs_coupling(first: Floats, second: Floats, tan_beta: Floats) -> Floats:
    """Return Y of -Y h chibar_1 chi_2 for rows (..., 4) of the mixing matrix: the mass matrix with v -> v + h."""
    cos = 1.0 / np.sqrt(1.0 + tan_beta**2)
    gaugino = (first[..., 1] - _TAN * first[..., 0], second[..., 1] - _TAN * second[..., 0])
    higgsino = (cos * first[..., 2] - tan_beta * cos * first[..., 3], cos * second[..., 2] - tan_beta * cos * second[..., 3])
    return 0.5 * G2 * (gaugino[0] * higgsino[1] + gaugino[1] * higgsino[0])


def w_couplings(fields: Gauginos, states: slice) -> tuple[Floats, Floats]:
    """Return g_L and g_R of chibar gamma^mu (g_L P_L + g_R P_R) C1 W_mu for neutralinos, shape (n, states) each (Haber and Kane, C37)."""
    rows, u, v = fields.neutralino[:, states], fields.u[:, :1], fields.v[:, :1]
    left = rows[..., 1] * v[..., 0] - rows[..., 3] * v[..., 1] / math.sqrt(2.0)
    right = rows[..., 1] * u[..., 0] + rows[..., 2] * u[..., 1] / math.sqrt(2.0)
    return G2 * left, G2 * right


def wino_share(fields: Gauginos) -> Floats:
    """Return the wino's part of C1, (U_11^2 + V_11^2)/2, shape (n,), for states in the order of masses."""
    return np.asarray(0.5 * (fields.u[:, 0, 0] ** 2 + fields.v[:, 0, 0] ** 2))
