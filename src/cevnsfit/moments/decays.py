"""Branching fractions and lifetimes of the superpartners that a collider makes.

Two-body decays of sleptons, of the lighter chargino C1 and of the neutralinos N2 and N3 (states in the order of their masses); through virtual W, Z
and sleptons where no boson is. The Higgs boson has the couplings of the decoupling limit, alpha = beta - pi/2; the heavy ones are
out of reach, and so is the B'-ino with its small coupling. Every mass is in MeV.

References
----------
J. F. Gunion and H. E. Haber, Phys. Rev. D 37, 2515 (1988); those of `couplings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.chargino_lifetime import chargino_length, chargino_splitting
from cevnsfit.moments.couplings import (
    Vertices,
    chargino_couplings,
    four_fermion,
    higgs_coupling,
    neutrino_couplings,
    ordered,
    propagator,
    w_couplings,
    z_coupling,
)
from cevnsfit.moments.widths import (
    W_BOSON,
    Z_BOSON,
    fermion_to_pair,
    fermion_to_scalar,
    fermion_to_vector,
    fermion_to_virtual,
    scalar_to_fermions,
)
from cevnsfit.physics.constants import HIGGS_MASS, W_MASS, Z_MASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.moments.superpartners import Gauginos, Sleptons, Superpartners


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

    slepton: Mapping[str, Floats]
    chargino: Mapping[str, Floats]
    neutralino: Mapping[str, Floats]
    chargino_length: Floats
    splitting: Floats


def lightest(partners: Superpartners, m0: Floats) -> Ints:
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
            (np.abs(fields.neutralino_mass[:, 0]) + chargino_splitting(fields)) ** 2,
        ]
    )
    first = squared.argmin(axis=0)
    return np.asarray(np.where(first == 0, shares.argmax(axis=0), first + 2), dtype=np.int64)


def scenario(columns: Mapping[str, Floats]) -> Ints:
    """Return the order of |M1|, |M2| and |mu|, an index into `SCENARIOS`, shape (n,)."""
    m1, m2, mu = (np.abs(columns[name]) for name in ("M1", "M2", "mu"))
    by_bino = np.where(m2 <= mu, 0, 1)
    by_wino = np.where(m1 <= mu, 2, 3)
    by_higgsino = np.where(m1 <= m2, 4, 5)
    return np.asarray(np.where((m1 <= m2) & (m1 <= mu), by_bino, np.where(m2 <= mu, by_wino, by_higgsino)), dtype=np.int64)


def decays(partners: Superpartners) -> Decays:
    """Return branching fractions and lifetimes of sleptons, C1, N2 and N3."""
    fields = ordered(partners.gauginos)
    families = {
        name: _Family.of(replace(sleptons, squared=np.asfortranarray(sleptons.squared), mixing=np.asfortranarray(sleptons.mixing)), fields)
        for name, sleptons in partners.sleptons.items()
    }
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
    neutral
        Masses and couplings to the neutralinos.
    weak, flip, charged
        Couplings of charginos to lepton and sneutrino, shape (n, 2), and to neutrino and slepton, shape (n, 2, 2).
    slepton, sneutrino
        Their fractions to N1 and a lepton, shapes (n, 2) and (n,).
    """

    neutral: Vertices
    weak: Floats
    flip: Floats
    charged: Floats
    slepton: Floats
    sneutrino: Floats

    @classmethod
    def of(cls, sleptons: Sleptons, fields: Gauginos) -> _Family:
        own, charged = Vertices.of(sleptons, fields), neutrino_couplings(sleptons, fields)
        weak, flip = chargino_couplings(fields, own.lepton_mass)
        to_lepton = scalar_to_fermions(own.masses[:, None], own.lepton_mass, fields.neutralino_mass[:, :, None], own.left, -own.right)
        to_neutrino = scalar_to_fermions(own.masses[:, None], 0.0, fields.chargino_mass[:, :, None], charged)
        invisible = scalar_to_fermions(own.sneutrino[:, None], 0.0, fields.neutralino_mass, own.neutral)
        visible = scalar_to_fermions(own.sneutrino[:, None], own.lepton_mass, fields.chargino_mass, weak, flip)
        slepton = _ratio(to_lepton[:, 0], to_lepton.sum(axis=1) + to_neutrino.sum(axis=1))
        return cls(own, weak, flip, charged, slepton, _ratio(invisible[:, 0], invisible.sum(axis=1) + visible.sum(axis=1)))


def _ratio(part: Floats, total: Floats) -> Floats:
    """Return part/total, 0 where nothing is open."""
    return np.divide(part, total, out=np.zeros(total.shape), where=total > 0.0)


def _chargino(fields: Gauginos, families: Mapping[str, _Family], splitting: Floats) -> tuple[dict[str, Floats], Bools]:
    """Return the fractions of C1, and where it decays to two particles."""
    mass = fields.chargino_mass[:, :1]
    widths = {"W": fermion_to_vector(mass, fields.neutralino_mass[:, :1], W_MASS, *w_couplings(fields, slice(1)))[:, 0]}
    total = widths["W"]
    for name, family in families.items():
        own = family.neutral
        to_sneutrino = fermion_to_scalar(mass[:, 0], own.lepton_mass, own.sneutrino, family.weak[:, 0], family.flip[:, 0])
        to_slepton = fermion_to_scalar(mass, 0.0, own.masses, family.charged[:, 0])
        total = total + to_sneutrino + to_slepton.sum(axis=1)
        widths[name] = to_sneutrino * family.sneutrino + (to_slepton * family.slepton).sum(axis=1)
    prompt = total > 0.0
    closed = np.flatnonzero((widths["W"] == 0.0) & (splitting > 0.0))
    for name, part in _virtual_w(fields, families, closed).items():
        widths[name][closed] += part
        total[closed] += part
    fractions = {name: _ratio(widths[name], total) for name in ("W", "e", "mu")}
    fractions["W"][(total == 0.0) & (splitting > 0.0)] = 1.0  # heavier than N1 by its loop only
    fractions["other"] = np.where((total > 0.0) | (splitting > 0.0), np.maximum(1.0 - sum(fractions.values()), 0.0), 0.0)
    return fractions, prompt


def _virtual_w(fields: Gauginos, families: Mapping[str, _Family], where: NDArray[np.intp]) -> dict[str, Floats]:
    """Return the widths of C1 at some points through virtual W, sleptons and sneutrinos, which do not interfere here.

    Left- and right-handed currents of C1 are those of sneutrino and slepton.
    """
    parent, lsp = fields.chargino_mass[where, 0], fields.neutralino_mass[where, 0]
    g_left, g_right = (g[where, 0] for g in w_couplings(fields, slice(1)))
    widths = {"W": fermion_to_virtual(parent, lsp, W_BOSON, g_left, g_right)}
    product = np.abs(parent * lsp)
    for name, family in families.items():
        own = family.neutral
        left = family.weak[where, 0] * own.neutral[where, 0] * propagator(own.sneutrino[where], parent, product)
        right = (family.charged[where, 0] * own.left[where, 0] * propagator(own.masses[where], parent[:, None], product[:, None])).sum(
            axis=1
        )
        widths[name] = fermion_to_pair(parent, lsp, 0.5 * own.lepton_mass, left, -right)
    return widths


def _neutralinos(fields: Gauginos, families: Mapping[str, _Family]) -> dict[str, Floats]:
    """Return the fractions of N2 and N3."""
    mass, heavy = fields.neutralino_mass[:, 1:3], fields.neutralino[:, 1:3]
    axial = [z_coupling(heavy, fields.neutralino[:, j : j + 1]) for j in (0, 1)]
    widths, total = {}, 2.0 * fermion_to_vector(mass, fields.chargino_mass[:, :1], W_MASS, *w_couplings(fields, slice(1, 3)))
    for j in (1, 0):  # to N1 last: the widths that are kept
        product, scalar = (
            fields.neutralino_mass[:, j : j + 1],
            higgs_coupling(heavy, fields.neutralino[:, j : j + 1], fields.tan_beta[:, None]),
        )
        widths["Z"] = fermion_to_vector(mass, product, Z_MASS, axial[j], -axial[j])
        widths["h"] = fermion_to_scalar(mass, product, HIGGS_MASS, scalar, scalar)
        total += widths["Z"] + widths["h"]
    closed = np.nonzero(total == 0.0)
    for name, family in families.items():
        own = family.neutral
        charged = 2.0 * fermion_to_scalar(mass[:, :, None], own.lepton_mass, own.masses[:, None], own.left[:, 1:3], -own.right[:, 1:3])
        total += charged.sum(axis=2) + 2.0 * fermion_to_scalar(mass, 0.0, own.sneutrino[:, None], own.neutral[:, 1:3])
        widths[name] = (charged * family.slepton[:, None]).sum(axis=2)
    for name, part in _virtual_z(fields, axial, families, closed).items():
        total[closed] += part
        if name in widths:
            widths[name][closed] += part
    fractions = {name: _ratio(widths[name], total) for name in ("Z", "h", "e", "mu")}
    fractions["other"] = np.maximum(1.0 - sum(fractions.values()), 0.0)
    return fractions


def _virtual_z(
    fields: Gauginos, axial: list[Floats], families: Mapping[str, _Family], where: tuple[NDArray[np.intp], ...]
) -> dict[str, Floats]:
    """Return the widths of the neutralinos (point, 0 or 1) at `where` through virtual Z, W and sleptons, which do not interfere here."""
    point, state = where
    parent, lsp = fields.neutralino_mass[point, state + 1], fields.neutralino_mass[point, 0]
    to_first, to_second = (
        fermion_to_virtual(parent, fields.neutralino_mass[point, j], Z_BOSON, axial[j][where], -axial[j][where]) for j in (0, 1)
    )
    g_left, g_right = (g[where] for g in w_couplings(fields, slice(1, 3)))
    other = to_second + 2.0 * fermion_to_virtual(parent, fields.chargino_mass[point, 0], W_BOSON, g_left, g_right)
    widths, one = {"Z": to_first}, np.ones(1)
    pair = fermion_to_pair(parent, lsp, 0.0, one, -one)
    for name, family in families.items():
        both = [
            four_fermion(family.neutral, family.neutral, (i, 0), fields.neutralino_mass[:, i], fields.neutralino_mass[:, 0]) for i in (1, 2)
        ]
        charged, invisible = (np.stack(c, axis=1)[where] for c in zip(*both, strict=True))
        widths[name] = np.where(np.abs(parent) - np.abs(lsp) > 2.0 * family.neutral.lepton_mass, charged**2 * pair, 0.0)
        other += invisible**2 * pair
    return {**widths, "other": other}
