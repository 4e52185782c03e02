"""The B'-ino: its mixing with the other neutralinos, and how long the next superpartner lives when the B'-ino is the lightest one.

Muons and taus, with their superpartners, have charges +1 and -1 of U(1)' = L_mu - L_tau; two superfields of charges +1 and -1 with equal vacuum
expectation values break it. Supersymmetry gives lepton, slepton and B'-ino the coupling sqrt2 g' that bino and hypercharge have with sqrt2 g_1 Y.
Every mass is in MeV.

References
----------
Derived for this module: matrix, loop and three-body widths, see docs/susy.md. The form of the radiative decay is that of H. E. Haber and D. Wyler, Nucl. Phys. B 323, 267
(1989); see also H. Baer and T. Krupovnickas, JHEP 0209, 038 (2002), arXiv:hep-ph/0208277.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.couplings import higgs_coupling, ordered, slepton_couplings, sneutrino_coupling, yukawa, z_coupling
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

    from numpy.typing import NDArray

    from cevnsfit.moments.superpartners import Gauginos, Sleptons, Superpartners

    Array = NDArray[np.float64]

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

    m0: Array
    boson_mass: Array
    g: Array
    kinetic: Array
    down: Array
    breaking: float = BREAKING_MASS


def sector(partners: Superpartners, columns: Mapping[str, Array]) -> BPrime:
    """Return the sector of the B'-ino from M0 in GeV, boson_mass in MeV and boson_g, with the loops of muons, taus and their superpartners.

    They mix the kinetic terms of bino and B'-ino by -g_1 g'/(16 pi^2) sum_i [ln(m_stau_i^2/m_smuon_i^2) + m_tau^2/m_stau_i^2 - m_mu^2/m_smuon_i^2], and the
    masses of B'-ino and down higgsino by the sum over leptons of sqrt2 g' q y m_l/(16 pi^2) ln(m_L^2/m_R^2), at momenta far below the masses of the
    sleptons. The second and what has m_l^2 in the first are all that is left where staus are as heavy as smuons. Mixing from elsewhere is taken as absent.
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


def neutralinos(fields: Gauginos, bprime: BPrime) -> tuple[Array, Array]:
    """Return masses with their sign, shape (n, 7), and the share of (bino, wino, down, up, B'-ino, plus, minus) in each state, shape (n, 7, 7).

    The matrix in this basis, symmetric, is the 4 x 4 one of the MSSM with the block

        B'-ino   M0         m/sqrt2   -m/sqrt2
        plus     m/sqrt2    0         mu'
        minus    -m/sqrt2   mu'       0

    with the mass m of the boson, and `down` between down higgsino and B'-ino. A mixing eps of the kinetic terms turns bino and B'-ino into bino - eps B'-ino/root and B'-ino/root, with
    root = sqrt(1 - eps^2). Shares are those of the fields before this step: what couplings need.
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


def bprime_lifetime(partners: Superpartners, columns: Mapping[str, Array]) -> Array:
    """Return the lifetime in s of the next superpartner where the B'-ino is the lightest one, shape (n,).

    NaN where the B'-ino is not the lightest one, where a chargino is the next one, and where a slepton has no decay that is computed.

    Parameters
    ----------
    partners
        Of n points.
    columns
        Shape (n,) each: M0 in GeV, boson_mass in MeV and boson_g.
    """
    points = lightest(partners, columns["M0"] * GEV) == LSP_KINDS.index("B'")
    result = np.full(len(points), np.nan)
    if points.any():
        near = partners.at(points)
        width = next_width(near, sector(near, {name: columns[name][points] for name in ("M0", "boson_mass", "boson_g")}))
        result[points] = np.divide(HBAR, width, out=np.full(len(width), np.nan), where=width > 0.0)
    return result


def next_width(partners: Superpartners, bprime: BPrime) -> Array:
    """Return the width in MeV of the lightest superpartner of the MSSM to the B'-ino, shape (n,); NaN where it is a chargino."""
    fields = ordered(partners.gauginos)
    masses, shares = neutralinos(fields, bprime)
    lightest_state = np.abs(shares[:, :, 4]).argmax(axis=1)
    mass, share = (np.take_along_axis(x, lightest_state.reshape((-1,) + (1,) * (x.ndim - 1)), axis=1)[:, 0] for x in (masses, shares))
    bprimino = replace(fields, neutralino_mass=mass[:, None], neutralino=share[:, None, :4])
    families = {
        name: _Vertices.of(sleptons, fields, bprimino, -math.sqrt(2.0) * CHARGES[name] * bprime.g * share[:, 4])
        for name, sleptons in partners.sleptons.items()
    }
    squared = [fields.neutralino_mass[:, 0] ** 2, fields.chargino_mass[:, 0] ** 2]
    widths = [_neutralino_width(fields, bprimino, families), np.full(len(mass), np.nan)]
    for family in families.values():
        squared += [family.sneutrino**2, *(family.masses**2).T]
        widths += family.to_lepton(mass)
    following = np.array(squared).argmin(axis=0)
    return np.asarray(np.take_along_axis(np.array(widths), following[None], axis=0)[0])


def _neutralino_width(fields: Gauginos, bprimino: Gauginos, families: Mapping[str, _Vertices]) -> Array:
    """Return the width of N1 to the B'-ino in MeV: photon, lepton pairs through heavy sleptons, and by its mixing Z (or Z*) and h."""
    parent, lsp = fields.neutralino_mass[:, 0], bprimino.neutralino_mass[:, 0]
    width = radiative_width(parent, lsp, np.sum([family.moment(parent, lsp) for family in families.values()], axis=0))
    for family in families.values():
        width += sum(coupling[:, 0] ** 2 * fermion_to_pair(parent, lsp, lepton) for lepton, coupling in family.contact())
    axial = z_coupling(fields.neutralino[:, 0], bprimino.neutralino[:, 0])
    scalar = higgs_coupling(fields.neutralino[:, 0], bprimino.neutralino[:, 0], fields.tan_beta)
    real = fermion_to_vector(parent, lsp, Z_MASS, axial, -axial)
    width += np.where(real > 0.0, real, fermion_to_virtual(parent, lsp, Z_BOSON, axial, -axial))
    return np.asarray(width + fermion_to_scalar(parent, lsp, HIGGS_MASS, scalar, scalar))


def radiative_width(parent: Array, lsp: Array, moment: Array) -> Array:
    """Return g_eff^2 (m_i^2 - m_j^2)^3/(8 pi |m_i|^5) in MeV with g_eff = e m_i K/(16 pi^2); 0 where the second mass is the larger one.

    Parameters
    ----------
    parent, lsp
        m_i and m_j in MeV.
    moment
        K in 1/MeV.
    """
    size = np.maximum(np.abs(parent), np.finfo(np.float64).tiny)
    effective = math.sqrt(4.0 * math.pi * FINE_STRUCTURE) * size * moment / (16.0 * math.pi**2)
    return np.asarray(effective**2 / (8.0 * math.pi * size**2) * (np.maximum(size**2 - lsp**2, 0.0) / size) ** 3)


@dataclass(frozen=True, slots=True, eq=False)
class _Vertices:
    """One family and its couplings to the neutralinos of the MSSM and to the B'-ino.

    Attributes
    ----------
    lepton_mass, masses, sneutrino
        Of the lepton, of its sleptons, shape (n, 2), and of the sneutrino, shape (n,).
    left, right, neutral
        Couplings of the neutralinos, n^L and n^R to lepton and slepton, shape (n, 4, 2), and to neutrino and sneutrino, shape (n, 4).
    lsp_left, lsp_right, lsp_neutral
        Those of the B'-ino, shapes (n, 2), (n, 2) and (n,).
    """

    lepton_mass: float
    masses: Array
    sneutrino: Array
    left: Array
    right: Array
    neutral: Array
    lsp_left: Array
    lsp_right: Array
    lsp_neutral: Array

    @classmethod
    def of(cls, sleptons: Sleptons, fields: Gauginos, bprimino: Gauginos, direct: Array) -> _Vertices:
        left, right = slepton_couplings(sleptons, fields)
        lsp_left, lsp_right = (x[:, 0] for x in slepton_couplings(sleptons, bprimino))
        masses = np.sqrt(np.maximum(np.column_stack([sleptons.squared, sleptons.sneutrino]), 1.0))
        return cls(
            *(sleptons.lepton_mass, masses[:, :2], masses[:, 2], left, right, sneutrino_coupling(fields)),
            lsp_left=lsp_left + direct[:, None] * sleptons.mixing[:, :, 0],
            lsp_right=lsp_right + direct[:, None] * sleptons.mixing[:, :, 1],
            lsp_neutral=sneutrino_coupling(bprimino)[:, 0] + direct,
        )

    def contact(self) -> tuple[tuple[float, Array], ...]:
        """Return mass and couplings of the four-fermion terms with left and right leptons and with neutrinos, shape (n, 4), for heavy sleptons."""
        factor = 0.5 / self.masses[:, None] ** 2
        return (
            (self.lepton_mass, (self.left * self.lsp_left[:, None] * factor).sum(axis=2)),
            (self.lepton_mass, (self.right * self.lsp_right[:, None] * factor).sum(axis=2)),
            (0.0, self.neutral * self.lsp_neutral[:, None] * 0.5 / self.sneutrino[:, None] ** 2),
        )

    def moment(self, parent: Array, lsp: Array) -> Array:
        """Return the loop K of photon, N1 and B'-ino, of masses with their sign in MeV, in 1/MeV, shape (n,)."""
        left, right, lsp_left, lsp_right = self.left[:, 0], self.right[:, 0], self.lsp_left, self.lsp_right
        t = 0.5 + _NODES
        squared = self.masses[:, :, None] ** 2
        z = np.minimum(((1.0 - t) * lsp[:, None] ** 2 + t * parent[:, None] ** 2)[:, None] / squared, 1.0 - 1e-9)
        same = (t * parent[:, None] - (1.0 - t) * lsp[:, None])[:, None] * _same(z) / squared
        flip = self.lepton_mass * _flip(z, squared / self.lepton_mass**2) / squared
        terms = (left * lsp_left - right * lsp_right)[:, :, None] * same + (left * lsp_right - right * lsp_left)[:, :, None] * flip
        return np.asarray((terms @ _WEIGHTS).sum(axis=1))

    def to_lepton(self, lsp: Array) -> list[Array]:
        """Return the widths of the sneutrino and of the two sleptons to their lepton and the B'-ino."""
        charged = scalar_to_fermions(self.masses, self.lepton_mass, lsp[:, None], self.lsp_left, -self.lsp_right)
        return [scalar_to_fermions(self.sneutrino, 0.0, lsp, self.lsp_neutral), *charged.T]


def _same(z: Array) -> Array:
    """Return int_0^1 s ds/(1 - s z) = -(ln(1 - z) + z)/z^2; 1/2 at z = 0."""
    near = np.where(z < 1e-3, 0.1, z)
    return np.where(z < 1e-3, 0.5 + z / 3.0 + z**2 / 4.0, -(np.log1p(-near) + near) / near**2)


def _flip(z: Array, ratio: Array) -> Array:
    """Return int_0^1 s ds/((1 - s)(1 - s z) + s/ratio) for a slepton far heavier than the lepton: [ln(ratio (1 - z)) + ln(1 - z)/z]/(1 - z)."""
    near = np.maximum(z, 1e-9)
    return np.asarray((np.log(ratio * (1.0 - z)) + np.log1p(-near) / near) / (1.0 - z))
