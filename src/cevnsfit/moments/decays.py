"""Branching fractions and lifetimes of the superpartners that a collider makes.

Two-body decays of sleptons, of the lighter chargino C1 and of the neutralinos N2 and N3 (states in the order of their masses); through virtual W and Z
where no two-body decay is open. The Higgs boson has the couplings of the decoupling limit, alpha = beta - pi/2; the heavy ones are out of
reach. Every mass is in MeV.

References
----------
Couplings: H. E. Haber and G. L. Kane, Phys. Rept. 117, 75 (1985), (C37)-(C39) and (C61)-(C63); J. F. Gunion and H. E. Haber, Nucl. Phys. B 272, 1 (1986);
S. P. Martin and J. D. Wells, Phys. Rev. D 64, 035003 (2001), arXiv:hep-ph/0103067, section II.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.chargino_lifetime import chargino_length, chargino_splitting
from cevnsfit.moments.couplings import (
    chargino_couplings,
    higgs_coupling,
    neutrino_couplings,
    ordered,
    slepton_couplings,
    sneutrino_coupling,
    w_couplings,
    z_coupling,
)
from cevnsfit.moments.widths import W_BOSON, Z_BOSON, fermion_to_scalar, fermion_to_vector, fermion_to_virtual, scalar_to_fermions
from cevnsfit.physics.constants import HIGGS_MASS, W_MASS, Z_MASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.moments.superpartners import Gauginos, Sleptons, Superpartners

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

LSP_KINDS: Final = ("bino", "wino", "higgsino", "B'", "sneutrino", "charged slepton", "chargino")
"""Kinds of the lightest superpartner; the last two are charged."""

SCENARIOS: Final = (
    "M1 < M2 < |mu|",
    "M1 < |mu| < M2",
    "M2 < M1 < |mu|",
    "M2 < |mu| < M1",
    "|mu| < M1 < M2",
    "|mu| < M2 < M1",
)
"""Orders of the masses of bino, wino and higgsinos, M1 and M2 as absolute values."""


@dataclass(frozen=True, slots=True, eq=False)
class Decays:
    """Branching fractions and lifetimes at n points.

    Attributes
    ----------
    slepton
        By lepton, "e" or "mu": of each charged slepton (in the order of `Sleptons.squared`) to its lepton and N1, shape (n, 2).
    chargino
        Of C1, shape (n,) each: "W" (W or W* and N1), "e" and "mu" (through slepton or sneutrino to lepton, neutrino and N1) and "other".
    neutralino
        Of N2 and N3, shape (n, 2) each: "Z" (Z or Z* and N1), "h" (h and N1), "e" and "mu" (through sleptons to two leptons and N1) and "other".
    chargino_length
        c tau of C1 in cm, shape (n,): 0 where it decays to two particles, infinite where it is lighter than N1.
    splitting
        m_C1 - m_N1 in MeV with the electroweak loop, shape (n,).
    """

    slepton: Mapping[str, Array]
    chargino: Mapping[str, Array]
    neutralino: Mapping[str, Array]
    chargino_length: Array
    splitting: Array


def lightest(partners: Superpartners, m0: Array) -> Codes:
    """Return the kind of the lightest superpartner, an index into `LSP_KINDS`, shape (n,).

    Parameters
    ----------
    partners
        Of n points; a tachyon counts as the lightest.
    m0
        Soft mass of the B'-ino in MeV, of either sign, shape (n,): its mass as long as its mixing is small (`moments.bprime`).
    """
    fields = ordered(partners.gauginos)
    state = fields.neutralino[:, 0] ** 2
    shares = np.stack([state[:, 0], state[:, 1], state[:, 2] + state[:, 3]])
    families = partners.sleptons.values()
    squared = np.stack(
        [
            fields.neutralino_mass[:, 0] ** 2,
            np.square(m0),
            np.min([s.sneutrino for s in families], axis=0),
            np.min([s.squared for s in families], axis=(0, 2)),
            fields.chargino_mass[:, 0] ** 2,
        ]
    )
    first = squared.argmin(axis=0)
    return np.asarray(np.where(first == 0, shares.argmax(axis=0), first + 2), dtype=np.int64)


def scenario(columns: Mapping[str, Array]) -> Codes:
    """Return the order of |M1|, |M2| and |mu|, an index into `SCENARIOS`, shape (n,)."""
    m1, m2, mu = (np.abs(columns[name]) for name in ("M1", "M2", "mu"))
    by_bino = np.where(m2 <= mu, 0, 1)
    by_wino = np.where(m1 <= mu, 2, 3)
    by_higgsino = np.where(m1 <= m2, 4, 5)
    return np.asarray(np.where((m1 <= m2) & (m1 <= mu), by_bino, np.where(m2 <= mu, by_wino, by_higgsino)), dtype=np.int64)


def decays(partners: Superpartners) -> Decays:
    """Return branching fractions and lifetimes of sleptons, C1, N2 and N3."""
    fields = ordered(partners.gauginos)
    families = {name: _Family.of(sleptons, fields) for name, sleptons in partners.sleptons.items()}
    splitting = chargino_splitting(fields)
    chargino, prompt = _chargino(fields, families, splitting)
    return Decays(
        slepton={name: families[name].slepton for name in ("e", "mu")},
        chargino=chargino,
        neutralino=_neutralinos(fields, families),
        chargino_length=np.where(prompt, 0.0, chargino_length(fields, splitting)),
        splitting=splitting,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Family:
    """One family of sleptons.

    Attributes
    ----------
    lepton_mass, masses, sneutrino_mass
        Of the lepton, of its sleptons, shape (n, 2), and of the sneutrino, shape (n,).
    left, right, neutral
        Couplings of neutralinos to lepton and slepton, shape (n, 4, 2), and to neutrino and sneutrino, shape (n, 4).
    charged, weak, flip
        Couplings of charginos to neutrino and slepton, shape (n, 2, 2), and to lepton and sneutrino, shape (n, 2).
    slepton, sneutrino
        Their fractions to N1 and a lepton, shapes (n, 2) and (n,).
    """

    lepton_mass: float
    masses: Array
    sneutrino_mass: Array
    left: Array
    right: Array
    neutral: Array
    charged: Array
    weak: Array
    flip: Array
    slepton: Array
    sneutrino: Array

    @classmethod
    def of(cls, sleptons: Sleptons, fields: Gauginos) -> _Family:
        lepton = sleptons.lepton_mass
        masses, sneutrino = np.sqrt(np.maximum(sleptons.squared, 0.0)), np.sqrt(np.maximum(sleptons.sneutrino, 0.0))
        left, right = slepton_couplings(sleptons, fields)
        neutral, charged = sneutrino_coupling(fields), neutrino_couplings(sleptons, fields)
        weak, flip = chargino_couplings(fields, lepton)
        to_lepton = scalar_to_fermions(masses[:, None], lepton, fields.neutralino_mass[:, :, None], left, -right)
        to_neutrino = scalar_to_fermions(masses[:, None], 0.0, fields.chargino_mass[:, :, None], charged)
        invisible = scalar_to_fermions(sneutrino[:, None], 0.0, fields.neutralino_mass, neutral)
        visible = scalar_to_fermions(sneutrino[:, None], lepton, fields.chargino_mass, weak, flip)
        return cls(
            *(lepton, masses, sneutrino, left, right, neutral, charged, weak, flip),
            slepton=_ratio(to_lepton[:, 0], to_lepton.sum(axis=1) + to_neutrino.sum(axis=1)),
            sneutrino=_ratio(invisible[:, 0], invisible.sum(axis=1) + visible.sum(axis=1)),
        )


def _ratio(part: Array, total: Array) -> Array:
    """Return part/total, 0 where nothing is open."""
    return np.divide(part, total, out=np.zeros(total.shape), where=total > 0.0)


def _chargino(fields: Gauginos, families: Mapping[str, _Family], splitting: Array) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """Return the fractions of C1, and where it decays to two particles."""
    mass = fields.chargino_mass[:, 0]
    g_left, g_right = w_couplings(fields, 0)
    widths = {"W": fermion_to_vector(mass, fields.neutralino_mass[:, 0], W_MASS, g_left, g_right)}
    total = widths["W"]
    for name, family in families.items():
        to_sneutrino = fermion_to_scalar(mass, family.lepton_mass, family.sneutrino_mass, family.weak[:, 0], family.flip[:, 0])
        to_slepton = fermion_to_scalar(mass[:, None], 0.0, family.masses, family.charged[:, 0])
        total = total + to_sneutrino + to_slepton.sum(axis=1)
        widths[name] = to_sneutrino * family.sneutrino + (to_slepton * family.slepton).sum(axis=1)
    prompt = total > 0.0
    fractions = {name: _ratio(widths[name], total) for name in ("W", "e", "mu")}
    fractions["W"] = np.where(prompt, fractions["W"], np.where(splitting > 0.0, 1.0, 0.0))
    fractions["other"] = np.where(prompt, np.maximum(1.0 - sum(fractions.values()), 0.0), 0.0)
    return fractions, prompt


def _neutralinos(fields: Gauginos, families: Mapping[str, _Family]) -> dict[str, Array]:
    """Return the fractions of N2 and N3."""
    mass = fields.neutralino_mass[:, 1:3]
    first, second = (_Neutral.of(fields, j) for j in (0, 1))
    g_left, g_right = w_couplings(fields, slice(1, 3))
    widths = {
        "Z": fermion_to_vector(mass, first.mass, Z_MASS, first.axial, -first.axial),
        "h": fermion_to_scalar(mass, first.mass, HIGGS_MASS, first.scalar, first.scalar),
    }
    total = widths["Z"] + widths["h"] + 2.0 * fermion_to_vector(mass, fields.chargino_mass[:, :1], W_MASS, g_left, g_right)
    total = total + fermion_to_vector(mass, second.mass, Z_MASS, second.axial, -second.axial)
    total = total + fermion_to_scalar(mass, second.mass, HIGGS_MASS, second.scalar, second.scalar)
    for name, family in families.items():
        left, right = family.left[:, 1:3], family.right[:, 1:3]
        charged = 2.0 * fermion_to_scalar(mass[:, :, None], family.lepton_mass, family.masses[:, None], left, -right)
        total = total + charged.sum(axis=2)
        total = total + 2.0 * fermion_to_scalar(mass, 0.0, family.sneutrino_mass[:, None], family.neutral[:, 1:3])
        widths[name] = (charged * family.slepton[:, None]).sum(axis=2)
    fractions = {name: _ratio(widths[name], total) for name in ("Z", "h", "e", "mu")}
    closed = np.nonzero(total == 0.0)
    fractions["Z"][closed] = _virtual_z(fields, (first, second), closed)
    fractions["other"] = np.maximum(1.0 - sum(fractions.values()), 0.0)
    return fractions


@dataclass(frozen=True, slots=True, eq=False)
class _Neutral:
    """A lighter neutralino, with its couplings to Z (axial) and h of N2 and N3: mass (n, 1), couplings (n, 2)."""

    mass: Array
    axial: Array
    scalar: Array

    @classmethod
    def of(cls, fields: Gauginos, j: int) -> _Neutral:
        heavy, light = fields.neutralino[:, 1:3], fields.neutralino[:, j : j + 1]
        return cls(fields.neutralino_mass[:, j : j + 1], z_coupling(heavy, light), higgs_coupling(heavy, light, fields.tan_beta[:, None]))


def _virtual_z(fields: Gauginos, lighter: tuple[_Neutral, _Neutral], where: tuple[NDArray[np.intp], ...]) -> Array:
    """Return the fraction of Z* and N1 beside W* and C1, and Z* and N2, for the neutralinos (point, 0 or 1) at `where`."""
    point, state = where
    parent = fields.neutralino_mass[point, state + 1]
    to_first, to_second = (
        fermion_to_virtual(parent, light.mass[point, 0], Z_BOSON, light.axial[where], -light.axial[where]) for light in lighter
    )
    g_left, g_right = (g[where] for g in w_couplings(fields, slice(1, 3)))
    to_chargino = 2.0 * fermion_to_virtual(parent, fields.chargino_mass[point, 0], W_BOSON, g_left, g_right)
    return _ratio(to_first, to_first + to_second + to_chargino)
