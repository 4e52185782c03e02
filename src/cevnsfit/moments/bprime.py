"""The B'-ino: its mixing with the other neutralinos, and how long the next superpartner lives when the B'-ino is the lightest one.

Muons and taus, with their superpartners, have charges +1 and -1 of U(1)' = L_mu - L_tau; two superfields of charges +1 and -1 with equal vacuum
expectation values break it. Supersymmetry gives lepton, slepton and B'-ino the coupling sqrt2 g' that bino and hypercharge have with sqrt2 g_1 Y.
Every mass is in MeV.

References
----------
Derived for this module: matrix, loop and three-body widths, see docs/susy.md. The radiative decay has the form of H. E. Haber and D. Wyler,
Nucl. Phys. B 323, 267 (1989); see also H. Baer and T. Krupovnickas, JHEP 0209, 038 (2002), arXiv:hep-ph/0208277.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.chargino_lifetime import chargino_splitting
from cevnsfit.moments.couplings import Vertices, four_fermion, higgs_coupling, ordered, yukawa, z_coupling
from cevnsfit.moments.decays import LSP_KINDS, lightest
from cevnsfit.moments.superpartners import G1, GEV
from cevnsfit.moments.widths import (
    Z_BOSON,
    fermion_to_pair,
    fermion_to_scalar,
    fermion_to_vector,
    fermion_to_virtual,
    scalar_to_fermions,
)
from cevnsfit.physics.constants import FINE_STRUCTURE, HIGGS_MASS, Z_MASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats
    from cevnsfit.moments.superpartners import Gauginos, Superpartners


HBAR: Final = 6.582119569e-22
"""hbar in MeV s (exact, SI 2019, rounded)."""

BREAKING_MASS: Final = 2000.0 * GEV
"""Mass mu' of the fermions that break U(1)': assumed, above all other superpartners of the study."""

CHARGES: Final = {"e": 0.0, "mu": 1.0, "tau": -1.0}
"""L_mu - L_tau of the leptons."""

_NODES, _WEIGHTS = (0.5 * x for x in np.polynomial.legendre.leggauss(16))


@dataclass(frozen=True, slots=True, eq=False)
class BPrime:
    """The sector of the B'-ino at n points.

    Attributes
    ----------
    m0
        Soft mass of the B'-ino in MeV, of either sign, shape (n,).
    boson_mass, g
        Mass of the boson in MeV and its coupling g', shape (n,).
    kinetic
        Mixing of the kinetic terms of bino and B'-ino, shape (n,).
    down
        Mixing of the masses of B'-ino and down higgsino in MeV, shape (n,).
    breaking
        mu' in MeV.
    """

    m0: Floats
    boson_mass: Floats
    g: Floats
    kinetic: Floats
    down: Floats
    breaking: float = BREAKING_MASS


def sector(partners: Superpartners, columns: Mapping[str, Floats]) -> BPrime:
    """Return the sector of the B'-ino from M0 in GeV, boson_mass in MeV and boson_g, with the loops of muons, taus and their superpartners.

    They mix the kinetic terms of bino and B'-ino by

        -g_1 g'/(16 pi^2) sum_i [ln(m_stau_i^2/m_smuon_i^2) + m_tau^2/m_stau_i^2 - m_mu^2/m_smuon_i^2]

    and the masses of B'-ino and down higgsino by sum_l sqrt2 g' q_l y_l m_l/(16 pi^2) ln(m_L^2/m_R^2), at momenta far below the masses of the
    sleptons. The second and what has m_l^2 in the first are all that is left where staus are as heavy as smuons. Mixing from elsewhere is taken
    as absent.
    """
    g, kinetic, down = columns["boson_g"], 0.0, 0.0
    for name, charge in CHARGES.items():
        sleptons = partners.sleptons[name]
        squared = np.maximum(sleptons.squared, 1.0)
        logs = np.log(squared)
        kinetic = kinetic + charge * (logs + sleptons.lepton_mass**2 / squared).sum(axis=1)
        split = (logs * (sleptons.mixing[:, :, 0] ** 2 - sleptons.mixing[:, :, 1] ** 2)).sum(axis=1)
        down = down + math.sqrt(2.0) * charge * sleptons.lepton_mass * yukawa(partners.gauginos, sleptons.lepton_mass) * split
    loop = g / (16.0 * math.pi**2)
    return BPrime(columns["M0"] * GEV, columns["boson_mass"], g, G1 * loop * kinetic, loop * down)


def neutralinos(fields: Gauginos, bprime: BPrime) -> tuple[Floats, Floats]:
    """Return masses with their sign, shape (n, 7), and the share of (bino, wino, down, up, B'-ino, plus, minus) in each state, shape (n, 7, 7).

    The matrix in this basis, symmetric, is the 4 x 4 one of the MSSM with the block

        B'-ino   M0         m/sqrt2   -m/sqrt2
        plus     m/sqrt2    0         mu'
        minus    -m/sqrt2   mu'       0

    with the mass m of the boson, and `down` between down higgsino and B'-ino. A mixing eps of the kinetic terms turns bino and B'-ino into
    bino - eps B'-ino/root and B'-ino/root, with root = sqrt(1 - eps^2). Shares are those of the fields before this step: what couplings need.
    """
    matrix = np.zeros((len(bprime.m0), 7, 7))
    matrix[:, :4, :4] = (fields.neutralino.swapaxes(1, 2) * fields.neutralino_mass[:, None]) @ fields.neutralino
    matrix[:, 4, 4] = bprime.m0
    matrix[:, 2, 4] = matrix[:, 4, 2] = bprime.down
    matrix[:, 4, 5] = matrix[:, 5, 4] = bprime.boson_mass / math.sqrt(2.0)
    matrix[:, 4, 6] = matrix[:, 6, 4] = -bprime.boson_mass / math.sqrt(2.0)
    matrix[:, 5, 6] = matrix[:, 6, 5] = bprime.breaking
    canonical = np.zeros_like(matrix) + np.eye(7)
    canonical[:, 4, 4] = 1.0 / np.sqrt(1.0 - bprime.kinetic**2)
    canonical[:, 0, 4] = -bprime.kinetic * canonical[:, 4, 4]
    masses, states = np.linalg.eigh(canonical.swapaxes(1, 2) @ matrix @ canonical)
    return masses, (canonical @ states).swapaxes(1, 2)


def bprime_lifetime(partners: Superpartners, columns: Mapping[str, Floats]) -> Floats:
    """Return the lifetime in s of the next superpartner where the B'-ino is the lightest one, shape (n,).

    NaN where the B'-ino is not the lightest one, where a chargino is the next one, and where a slepton has no decay that is computed.

    Parameters
    ----------
    partners
        Of n points.
    columns
        Shape (n,) each: M0 in GeV, boson_mass in MeV and boson_g.
    """
    points = (lightest(partners, columns["M0"] * GEV) == LSP_KINDS.index("B'")) & (columns["boson_g"] > 0.0) & np.isfinite(columns["M0"])
    result = np.full(len(points), np.nan)
    if points.any():
        near = partners.at(points)
        width = next_width(near, sector(near, {name: columns[name][points] for name in ("M0", "boson_mass", "boson_g")}))
        result[points] = np.divide(HBAR, width, out=np.full(len(width), np.nan), where=width > 0.0)
    return result


def next_width(partners: Superpartners, bprime: BPrime) -> Floats:
    """Return the width in MeV of the lightest superpartner of the MSSM to the B'-ino, shape (n,); NaN where it is a chargino."""
    fields = ordered(partners.gauginos)
    masses, shares = neutralinos(fields, bprime)
    state = np.arange(len(masses)), np.abs(shares[:, :, 4]).argmax(axis=1)
    lsp, share = masses[state], shares[state]
    bprimino = replace(fields, neutralino_mass=lsp[:, None], neutralino=share[:, None, :4])
    direct = {name: -math.sqrt(2.0) * charge * (bprime.g * share[:, 4])[:, None] for name, charge in CHARGES.items()}
    pairs = [(Vertices.of(family, fields), Vertices.of(family, bprimino, direct[name])) for name, family in partners.sleptons.items()]
    squared = [fields.neutralino_mass[:, 0] ** 2, (np.abs(fields.neutralino_mass[:, 0]) + chargino_splitting(fields)) ** 2]
    widths = [_neutralino_width(fields, bprimino, pairs), np.full(len(lsp), np.nan)]
    for _, prime in pairs:
        charged = scalar_to_fermions(prime.masses, prime.lepton_mass, lsp[:, None], prime.left[:, 0], -prime.right[:, 0])
        squared += [prime.sneutrino**2, *(prime.masses**2).T]
        widths += [scalar_to_fermions(prime.sneutrino, 0.0, lsp, prime.neutral[:, 0]), *charged.T]
    return np.asarray(np.array(widths)[np.array(squared).argmin(axis=0), state[0]])


def _neutralino_width(fields: Gauginos, bprimino: Gauginos, pairs: list[tuple[Vertices, Vertices]]) -> Floats:
    """Return the width of N1 to the B'-ino in MeV: photon, leptons through virtual sleptons, and by its mixing Z (or Z*) and h."""
    parent, lsp = fields.neutralino_mass[:, 0], bprimino.neutralino_mass[:, 0]
    width = radiative_width(parent, lsp, np.sum([moment(own, prime, parent, lsp) for own, prime in pairs], axis=0))
    for own, prime in pairs:
        charged, invisible = four_fermion(own, prime, (0, 0), parent, lsp)
        width += fermion_to_pair(parent, lsp, own.lepton_mass, charged, -charged) + fermion_to_pair(parent, lsp, 0.0, invisible, -invisible)
    axial = z_coupling(fields.neutralino[:, 0], bprimino.neutralino[:, 0])
    scalar = higgs_coupling(fields.neutralino[:, 0], bprimino.neutralino[:, 0], fields.tan_beta)
    real = fermion_to_vector(parent, lsp, Z_MASS, axial, -axial)
    width += np.where(real > 0.0, real, fermion_to_virtual(parent, lsp, Z_BOSON, axial, -axial))
    return np.asarray(width + fermion_to_scalar(parent, lsp, HIGGS_MASS, scalar, scalar))


def radiative_width(parent: Floats, lsp: Floats, moment: Floats) -> Floats:
    """Return g_eff^2 (m_i^2 - m_j^2)^3/(8 pi |m_i|^5) in MeV with g_eff = e m_i K/(16 pi^2); 0 where the second mass is the larger one.

    Parameters
    ----------
    parent, lsp
        m_i and m_j in MeV.
    moment
        K in 1/MeV.
    """
    size = np.maximum(np.abs(parent), np.finfo(np.float64).tiny)
    magnetic = math.sqrt(4.0 * math.pi * FINE_STRUCTURE) * moment / (16.0 * math.pi**2)
    return np.asarray(magnetic**2 / (8.0 * math.pi) * (np.maximum(size**2 - lsp**2, 0.0) / size) ** 3)


def moment(own: Vertices, prime: Vertices, parent: Floats, lsp: Floats) -> Floats:
    """Return the loop K of one family for photon, N1 and B'-ino in 1/MeV, shape (n,).

    With n_i, n_j the couplings of N1 and the B'-ino, z = (t m_i^2 + (1 - t) m_j^2)/M^2 and integrals over s and t from 0 to 1,

        K = sum [  (n^L_i n^L_j - n^R_i n^R_j) int s (t m_i - (1 - t) m_j)/(1 - s z)
                 + m_l (n^L_i n^R_j - n^R_i n^L_j) int s/((1 - s)(1 - s z) + s m_l^2/M^2)]/M^2

    over both sleptons: photon from lepton and from slepton together. The mass of the lepton is left out in the first term.

    Parameters
    ----------
    own, prime
        Couplings of the neutralinos, of which the first is N1, and of the B'-ino.
    parent, lsp
        m_i and m_j in MeV, with their sign.
    """
    t = 0.5 + _NODES
    squared = np.maximum(own.masses[:, :, None] ** 2, 1.0)
    z = np.minimum(((1.0 - t) * lsp[:, None] ** 2 + t * parent[:, None] ** 2)[:, None] / squared, 1.0 - 1e-9)
    same = (t * parent[:, None] - (1.0 - t) * lsp[:, None])[:, None] * _same(z) / squared
    flip = own.lepton_mass * _flip(z, squared / own.lepton_mass**2) / squared
    even = own.left[:, 0] * prime.left[:, 0] - own.right[:, 0] * prime.right[:, 0]
    odd = own.left[:, 0] * prime.right[:, 0] - own.right[:, 0] * prime.left[:, 0]
    return np.asarray(((even[:, :, None] * same + odd[:, :, None] * flip) @ _WEIGHTS).sum(axis=1))


def _same(z: Floats) -> Floats:
    """Return int_0^1 s ds/(1 - s z) = -(ln(1 - z) + z)/z^2; 1/2 at z = 0."""
    near = np.where(z < 1e-3, 0.1, z)
    return np.where(z < 1e-3, 0.5 + z / 3.0 + z**2 / 4.0, -(np.log1p(-near) + near) / near**2)


def _flip(z: Floats, ratio: Floats) -> Floats:
    """Return int_0^1 s ds/((1 - s)(1 - s z) + s/ratio) for a slepton far heavier than the lepton: [ln(ratio (1 - z)) + ln(1 - z)/z]/(1 - z)."""
    near = np.maximum(z, 1e-9)
    return np.asarray((np.log(ratio * (1.0 - z)) + np.log1p(-near) / near) / (1.0 - z))
