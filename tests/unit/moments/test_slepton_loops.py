"""Loop functions against mpmath, mixing matrices, and the contributions in known limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest

from cevnsfit.moments.slepton_loops import f1c, f1n, f2c, f2n, slepton_contribution
from cevnsfit.moments.superpartners import G1, G2, family, gauginos
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCES = {
    f1n: lambda x: 2 * (1 - 6 * x + 3 * x**2 + 2 * x**3 - 6 * x**2 * mpmath.log(x)) / (1 - x) ** 4,
    f2n: lambda x: 3 * (1 - x**2 + 2 * x * mpmath.log(x)) / (1 - x) ** 3,
    f1c: lambda x: 2 * (2 + 3 * x - 6 * x**2 + x**3 + 6 * x * mpmath.log(x)) / (1 - x) ** 4,
    f2c: lambda x: -3 * (3 - 4 * x + x**2 + 2 * mpmath.log(x)) / (2 * (1 - x) ** 3),
}
POINTS = np.concatenate(
    [[1e-6, 1e-3, 0.1, 0.5, 0.6999, 0.7001, 1.2999, 1.3001, 2.0, 30.0, 1e3, 1e6]]
    + [[1.0 - d, 1.0 + d] for d in (1e-12, 1e-8, 1e-5, 1e-3, 1e-2, 0.1, 0.2, 0.29)]
)


@pytest.mark.parametrize("function", REFERENCES)
def test_loop_functions_are_stable(function: Callable[[np.ndarray], np.ndarray]) -> None:
    with mpmath.workdps(80):
        expected = [float(REFERENCES[function](mpmath.mpf(float(x)))) for x in POINTS]
    np.testing.assert_allclose(function(POINTS), expected, rtol=1e-10)
    assert function(1.0) == 1.0


def test_the_matrices_diagonalise() -> None:
    fields = gauginos([2e5, 5e5], [-3e5, 4e5], [1e5, -7e5], [10.0, 40.0])
    identity = np.eye(4)
    np.testing.assert_allclose(fields.neutralino @ fields.neutralino.swapaxes(1, 2), [identity, identity], atol=1e-12)
    # trace and determinant: m_chi1 m_chi2 = M2 mu - m_W^2 sin 2 beta
    np.testing.assert_allclose(fields.neutralino_mass.sum(axis=1), [2e5 - 3e5, 9e5], rtol=1e-12)
    sin_two_beta = 2.0 * np.array([10.0, 40.0]) / (1.0 + np.array([10.0, 40.0]) ** 2)
    expected = np.array([-3e10, -28e10]) - 80369.2**2 * sin_two_beta
    np.testing.assert_allclose(fields.chargino_mass.prod(axis=1), expected, rtol=1e-10)
    diagonal = np.einsum("na,ab->nab", fields.chargino_mass, np.eye(2))
    matrix = fields.u.swapaxes(1, 2) @ diagonal @ fields.v
    np.testing.assert_allclose(matrix[:, [0, 1], [0, 1]], [[-3e5, 1e5], [4e5, -7e5]], rtol=1e-12)
    beta = np.arctan([10.0, 40.0])
    np.testing.assert_allclose(matrix[:, 0, 1], math.sqrt(2.0) * 80369.2 * np.sin(beta), rtol=1e-10)
    np.testing.assert_allclose(matrix[:, 1, 0], math.sqrt(2.0) * 80369.2 * np.cos(beta), rtol=1e-8)


@pytest.mark.parametrize("a_term", [0.0, 4e5, -2e7])
def test_the_left_right_term_splits_degenerate_sleptons(a_term: float) -> None:
    fields = gauginos(1e5, 1e5, 3e5, 20.0)
    found = family([3e5], [2e5], fields, MUON_MASS, a_term)
    matrix = found.mixing[0].T @ np.diag(found.squared[0]) @ found.mixing[0]
    assert matrix[0, 1] == pytest.approx(MUON_MASS * (a_term - 3e5 * 20.0), rel=1e-6, abs=0.0)
    # m_sneutrino^2 = m_L^2 + m_W^2 cos 2 beta + m_l^2, the last neglected
    cos_two_beta = (1.0 - 400.0) / 401.0
    assert found.sneutrino[0] - matrix[0, 0] == pytest.approx(80369.2**2 * cos_two_beta, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("lepton_mass", [ELECTRON_MASS, MUON_MASS])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_equal_masses_give_the_formula_of_mass_insertions(lepton_mass: float, sign: float) -> None:
    # hep-ph/0103067: tan beta (m/M)^2 (5 g2^2 + g1^2)/(192 pi^2) sign(mu), up to 1/tan beta and (m_W/M)^2
    scale, tan_beta = 5e6, 2000.0
    fields = gauginos(scale, scale, sign * scale, tan_beta)
    expected = sign * tan_beta * (lepton_mass / scale) ** 2 * (5.0 * G2**2 + G1**2) / (192.0 * math.pi**2)
    assert slepton_contribution(family([scale], [scale], fields, lepton_mass), fields)[0] == pytest.approx(expected, rel=5e-3, abs=0.0)


def test_heavy_higgsinos_leave_the_bino_with_mixed_sleptons() -> None:
    # one mass insertion with x = M1^2/m^2, wino decoupled: the difference quotient of F2N/m^2 over the two slepton masses; and the sum of
    # both sleptons without a flip of chirality, of hypercharges 1 and 1/2
    m1, mu, tan_beta, slepton = 2e5, 1e8, 10.0, 3e6
    fields = gauginos(m1, 1e11, mu, tan_beta)
    mixing = MUON_MASS * mu * tan_beta

    def height(square: float) -> float:
        return float(f2n(m1**2 / square)) / square

    slope = (height(slepton**2 * 1.0001) - height(slepton**2 * 0.9999)) / (2e-4 * slepton**2)
    expected = -MUON_MASS * m1 * G1**2 * mixing * slope / (48.0 * math.pi**2)
    expected -= (MUON_MASS / slepton) ** 2 * 2.5 * G1**2 / 12.0 * float(f1n((m1 / slepton) ** 2)) / (16.0 * math.pi**2)
    assert slepton_contribution(family([slepton], [slepton], fields, MUON_MASS), fields)[0] == pytest.approx(expected, rel=5e-3, abs=0.0)


def test_contributions_scale_with_the_lepton_and_decouple() -> None:
    fields = gauginos([2e5], [3e5], [4e5], [30.0])
    electron, muon = (slepton_contribution(family([3e5], [5e5], fields, mass), fields)[0] for mass in (ELECTRON_MASS, MUON_MASS))
    assert muon / electron == pytest.approx((MUON_MASS / ELECTRON_MASS) ** 2, rel=1e-2, abs=0.0)
    heavy = gauginos([2e6], [3e6], [4e6], [30.0])
    assert slepton_contribution(family([3e6], [5e6], heavy, MUON_MASS), heavy)[0] == pytest.approx(muon / 100.0, rel=0.1, abs=0.0)


def test_tachyons_have_no_contribution() -> None:
    fields = gauginos([2e5], [3e5], [1e7], [50.0])
    assert np.isnan(slepton_contribution(family([1e5], [1e5], fields, MUON_MASS), fields)[0])
