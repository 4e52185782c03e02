"""Couplings of neutralinos and charginos: what gauge invariance and the mass matrices ask for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cevnsfit.moments import couplings
from cevnsfit.moments.superpartners import G1, G2, SIN2_THETA_Z, Gauginos, family, gauginos
from cevnsfit.physics.constants import MUON_MASS, W_MASS

MASSES = ([2e5, -3e5, 5e5], [3e5, 1.5e5, 4e5], [-4e5, 2e5, -1.2e5], [10.0, 40.0, 1.5])


def gauge_basis(fields: Gauginos) -> tuple[np.ndarray, np.ndarray]:
    """Return the mass matrices of neutralinos and charginos."""
    neutral = np.einsum("nia,ni,nib->nab", fields.neutralino, fields.neutralino_mass, fields.neutralino)
    charged = np.einsum("nia,ni,nib->nab", fields.u, fields.chargino_mass, fields.v)
    return neutral, charged


def test_states_come_in_the_order_of_their_masses() -> None:
    fields = gauginos(*MASSES)
    found = couplings.ordered(fields)
    assert (np.diff(np.abs(found.neutralino_mass), axis=1) >= 0.0).all()
    assert (np.diff(np.abs(found.chargino_mass), axis=1) >= 0.0).all()
    for before, after in zip(gauge_basis(fields), gauge_basis(found), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_w_couples_to_currents_that_only_the_vacuum_breaks() -> None:
    # M_neutral g_L - g_R M_charged is the coupling of the Goldstone boson: soft masses and mu drop out, m_W times the Higgs fields is left
    fields = couplings.ordered(gauginos(*MASSES))
    neutral, charged = gauge_basis(fields)
    pure = replace(fields, neutralino=np.broadcast_to(np.eye(4), (3, 4, 4)))
    columns = []
    for state in (0, 1):
        unit = np.broadcast_to(np.eye(2)[[state, 1 - state]], (3, 2, 2))
        columns.append(couplings.w_couplings(replace(pure, u=unit, v=unit), slice(None)))
    left, right = (np.stack([column[side] for column in columns], axis=2) / G2 for side in (0, 1))
    goldstone = neutral @ left - right @ charged
    cos = 1.0 / np.sqrt(1.0 + np.array(MASSES[3]) ** 2)
    sin, tan = cos * np.array(MASSES[3]), G1 / G2
    expected = np.zeros((3, 4, 2))
    expected[:, 0, 1] = -tan * sin * W_MASS / math.sqrt(2.0)  # bino with the charged higgsino: hypercharge
    expected[:, 1, 1] = sin * W_MASS / math.sqrt(2.0) - math.sqrt(2.0) * sin * W_MASS  # wino: T3 and T+
    expected[:, 2, 0] = cos * W_MASS - cos * W_MASS
    expected[:, 3, 0] = -sin * W_MASS
    np.testing.assert_allclose(goldstone, expected, atol=1e-5)


def test_couplings_of_pure_states() -> None:
    up, down, wino, bino = (np.eye(4)[[k]] for k in (3, 2, 1, 0))
    assert couplings.z_coupling(bino, wino) == 0.0
    # mixed halves of the higgsinos couple with g/(2 cos theta_W)
    plus, minus = (up + down) / math.sqrt(2.0), (up - down) / math.sqrt(2.0)
    np.testing.assert_allclose(couplings.z_coupling(plus, minus), G2 / (2.0 * math.sqrt(1.0 - SIN2_THETA_Z)))
    np.testing.assert_allclose(couplings.z_coupling(plus, plus), 0.0, atol=1e-15)
    np.testing.assert_allclose(couplings.higgs_coupling(bino, down, np.array([0.0])), -0.5 * G1)


def test_the_higgs_boson_shifts_the_vacuum() -> None:
    # Y = N dM/dv N^T: the matrix with m_W -> m_W (1 + h/v)
    fields = gauginos(*MASSES)
    neutral, _ = gauge_basis(fields)
    neutral[:, :2, :2] = neutral[:, 2:, 2:] = 0.0
    expected = np.einsum("nia,nab,njb->nij", fields.neutralino, neutral, fields.neutralino) * G2 / (2.0 * W_MASS)
    rows = fields.neutralino
    found = couplings.higgs_coupling(rows[:, :, None], rows[:, None], fields.tan_beta[:, None, None])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_lepton_couplings_are_charges_without_yukawas() -> None:
    fields = gauginos(*MASSES)
    sleptons = family([3e5] * 3, [2e5] * 3, fields, 0.0)
    pure = replace(fields, neutralino=np.broadcast_to(np.eye(4), (3, 4, 4)))
    left, right = couplings.slepton_couplings(sleptons, pure)
    # -sqrt2 (g T3 + g' Y), left and right antiparticle
    np.testing.assert_allclose(np.abs(left[0, :2]), [[G1 / math.sqrt(2.0), 0.0], [G2 / math.sqrt(2.0), 0.0]], atol=1e-15)
    np.testing.assert_allclose(np.abs(right[0, :2]), [[0.0, math.sqrt(2.0) * G1], [0.0, 0.0]], atol=1e-15)
    np.testing.assert_allclose(couplings.Vertices.of(sleptons, pure).neutral[0, :2], [G1 / math.sqrt(2.0), -G2 / math.sqrt(2.0)])
    # sums over all states are those of the unmixed fields, with the Yukawa coupling as well
    sleptons = family([3e5] * 3, [2e5] * 3, fields, MUON_MASS)
    y = couplings.yukawa(fields, MUON_MASS)
    np.testing.assert_allclose((couplings.neutrino_couplings(sleptons, fields) ** 2).sum(axis=(1, 2)), G2**2 + y**2)
    weak, flip = couplings.chargino_couplings(fields, MUON_MASS)
    np.testing.assert_allclose((weak**2 + flip**2).sum(axis=1), G2**2 + y**2)
