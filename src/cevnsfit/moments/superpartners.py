"""Superpartners at tree level: masses and mixings of neutralinos, charginos and sleptons.

Parameters are real, sleptons of different families do not mix. Every mass is in MeV.

References
----------
S. P. Martin and J. D. Wells, Phys. Rev. D 64, 035003 (2001), arXiv:hep-ph/0103067, section II.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS, TAU_MASS, W_MASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Bools, Floats


GEV: Final = 1000.0
"""MeV in a GeV."""

SIN2_THETA_Z: Final = 0.23129
"""s_W^2 at m_Z in the MS-bar scheme (PDG 2024, section 10.2)."""

G2: Final = math.sqrt(4.0 * math.pi / 127.93 / SIN2_THETA_Z)
"""SU(2) coupling at m_Z, with 1/alpha(m_Z) = 127.93 (PDG 2024, section 10.2)."""

G1: Final = G2 * math.sqrt(SIN2_THETA_Z / (1.0 - SIN2_THETA_Z))
"""Hypercharge coupling g' at m_Z."""


@dataclass(frozen=True, slots=True, eq=False)
class Gauginos:
    """Neutralinos and charginos of n points.

    Attributes
    ----------
    mu, tan_beta
        Higgsino mass parameter in MeV and tan beta, shape (n,).
    neutralino_mass, neutralino
        Masses in MeV with their sign, shape (n, 4), and the mixing matrix N[point, state, (bino, wino, down, up)].
    chargino_mass, u, v
        Masses in MeV with their sign, shape (n, 2), and the mixing matrices U and V, shape (n, 2, 2).
    """

    mu: Floats
    tan_beta: Floats
    neutralino_mass: Floats
    neutralino: Floats
    chargino_mass: Floats
    u: Floats
    v: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Sleptons:
    """The sleptons of one family at n points.

    Attributes
    ----------
    lepton_mass
        Of their lepton in MeV.
    squared
        Squared masses of the charged ones in MeV^2, the heavier first, shape (n, 2); negative for tachyons.
    mixing
        X[point, state, (left, right)], shape (n, 2, 2).
    sneutrino
        Squared mass of the sneutrino in MeV^2, shape (n,).
    """

    lepton_mass: float
    squared: Floats
    mixing: Floats
    sneutrino: Floats

    @property
    def stable(self) -> Bools:
        """Return where none of them is a tachyon, shape (n,)."""
        return np.asarray((self.squared.min(axis=1) > 0.0) & (self.sneutrino > 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Superpartners:
    """The superpartners of n points.

    Attributes
    ----------
    gauginos
        Neutralinos and charginos of the MSSM.
    sleptons
        Families by lepton: "e", "mu", "tau".
    """

    gauginos: Gauginos
    sleptons: Mapping[str, Sleptons]

    def at(self, points: Bools) -> Superpartners:
        """Return those of some points."""
        sleptons = {
            name: replace(s, squared=s.squared[points], mixing=s.mixing[points], sneutrino=s.sneutrino[points])
            for name, s in self.sleptons.items()
        }
        return Superpartners(Gauginos(*(getattr(self.gauginos, field.name)[points] for field in fields(Gauginos))), sleptons)


def superpartners(columns: Mapping[str, Floats]) -> Superpartners:
    """Return the superpartners of n points.

    Parameters
    ----------
    columns
        Shape (n,) each: M1, M2, mu, selectron_L, selectron_R and A in GeV (soft masses; A is the trilinear term of all families, 0 where it is
        absent); tan_beta; hierarchy, the ratio of the soft masses of smuons and selectrons; stau_ratio, that of the masses of staus and
        smuons in both states (1 where it is absent), which leaves out what tan beta would mix in them.
    """
    gaugino = gauginos(columns["M1"] * GEV, columns["M2"] * GEV, columns["mu"] * GEV, columns["tan_beta"])
    left, right = columns["selectron_L"] * GEV, columns["selectron_R"] * GEV
    ratio = columns["hierarchy"]
    a_term = columns["A"] * GEV if "A" in columns else 0.0
    selectrons = family(left, right, gaugino, ELECTRON_MASS, a_term)
    smuons = family(ratio * left, ratio * right, gaugino, MUON_MASS, a_term)
    scale = np.asarray(columns["stau_ratio"] if "stau_ratio" in columns else np.ones_like(ratio)) ** 2
    staus = Sleptons(TAU_MASS, scale[:, None] * smuons.squared, smuons.mixing, scale * smuons.sneutrino)
    return Superpartners(gaugino, {"e": selectrons, "mu": smuons, "tau": staus})


def gauginos(m1: ArrayLike, m2: ArrayLike, mu: ArrayLike, tan_beta: ArrayLike) -> Gauginos:
    """Return masses and mixing matrices (hep-ph/0103067, section II).

    Parameters
    ----------
    m1, m2, mu
        Bino, wino and higgsino mass parameters in MeV, shape (n,), of either sign.
    tan_beta
        Ratio of the Higgs fields, shape (n,).
    """
    first, second, higgsino, ratio = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, dtype=np.float64)) for a in (m1, m2, mu, tan_beta)))
    cos = 1.0 / np.sqrt(1.0 + ratio**2)
    sin = ratio * cos
    tangent = math.sqrt(SIN2_THETA_Z / (1.0 - SIN2_THETA_Z))
    matrix = np.zeros((len(first), 4, 4))
    matrix[:, 0, 0], matrix[:, 1, 1] = first, second
    entries = {(2, 0): -cos * tangent * W_MASS, (3, 0): sin * tangent * W_MASS, (2, 1): cos * W_MASS, (3, 1): -sin * W_MASS}
    for (row, column), value in {**entries, (3, 2): -higgsino}.items():
        matrix[:, row, column] = matrix[:, column, row] = value
    known = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))[:, None]
    masses, states = np.linalg.eigh(np.where(known[:, None], matrix, 0.0))
    masses = np.where(known, masses, np.nan)
    charged, u, v = _chargino_mixing(second, math.sqrt(2.0) * W_MASS * sin, math.sqrt(2.0) * W_MASS * cos, higgsino)
    return Gauginos(higgsino, ratio, masses, states.swapaxes(1, 2), charged, u, v)


def _chargino_mixing(a: Floats, b: Floats, c: Floats, d: Floats) -> tuple[Floats, Floats, Floats]:
    """Return masses with their sign, U and V with U [[a, b], [c, d]] V^T = diag: a rotation on each side."""
    outer, inner = np.hypot(a + d, c - b), np.hypot(a - d, c + b)
    total, difference = np.arctan2(c - b, a + d), np.arctan2(c + b, a - d)
    left, right = 0.5 * (total + difference), 0.5 * (difference - total)
    masses = 0.5 * np.stack([outer + inner, outer - inner], axis=-1)
    return masses, _rotation(left), _rotation(right)


def _rotation(angle: Floats) -> Floats:
    """Return [[cos, sin], [-sin, cos]], shape (n, 2, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)], axis=1)


def family(left: ArrayLike, right: ArrayLike, fields: Gauginos, lepton_mass: float, a_term: ArrayLike = 0.0) -> Sleptons:
    """Return the sleptons of one family.

    Parameters
    ----------
    left, right
        Soft masses in MeV, shape (n,).
    fields
        From `gauginos`.
    lepton_mass
        In MeV.
    a_term
        Trilinear term A in MeV: left and right mix with m_l (A - mu tan beta).

    References
    ----------
    hep-ph/0103067, section II.
    """
    soft_left, soft_right = (np.asarray(a, dtype=np.float64) ** 2 for a in (left, right))
    cos_two_beta = (1.0 - fields.tan_beta**2) / (1.0 + fields.tan_beta**2)
    z_term = W_MASS**2 / (1.0 - SIN2_THETA_Z) * cos_two_beta
    first = soft_left + (SIN2_THETA_Z - 0.5) * z_term
    second = soft_right - SIN2_THETA_Z * z_term
    mixing = lepton_mass * (np.asarray(a_term, dtype=np.float64) - fields.mu * fields.tan_beta)
    angle = 0.5 * np.arctan2(2.0 * mixing, first - second)
    spread = 0.5 * np.hypot(first - second, 2.0 * mixing)
    squared = 0.5 * (first + second)[:, None] + spread[:, None] * np.array([1.0, -1.0])
    return Sleptons(lepton_mass, squared, _rotation(angle), soft_left + 0.5 * z_term)
