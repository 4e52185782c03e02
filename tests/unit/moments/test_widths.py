"""Widths against traces of Dirac matrices, known decays of the Standard Model, and thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from cevnsfit.moments.superpartners import G2
from cevnsfit.moments.widths import (
    fermion_to_pair,
    fermion_to_scalar,
    fermion_to_vector,
    fermion_to_virtual,
    phase_space,
    scalar_to_fermions,
)
from cevnsfit.physics.constants import FERMI_CONSTANT, MUON_LIFETIME, MUON_MASS

SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
NONE = np.zeros((2, 2))
GAMMA = np.array(
    [np.block([[NONE, np.eye(2)], [np.eye(2), NONE]]), *(np.block([[NONE, s], [-s, NONE]]) for s in SIGMA)]
)  # Weyl's representation
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
LEFT, RIGHT = np.diag([1.0, 1.0, 0.0, 0.0]), np.diag([0.0, 0.0, 1.0, 1.0])


def slash(p: np.ndarray) -> np.ndarray:
    return np.einsum("m,mab->ab", METRIC @ p, GAMMA)


def momenta(parent: float, first: float, second: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the momenta of a decay at rest, and k/(8 pi M^2)."""
    k = math.sqrt((parent**2 - (first + second) ** 2) * (parent**2 - (first - second) ** 2)) / (2.0 * parent)
    return (
        np.array([parent, 0.0, 0.0, 0.0]),
        np.array([math.hypot(k, first), 0.0, 0.6 * k, 0.8 * k]),
        np.array([math.hypot(k, second), 0.0, -0.6 * k, -0.8 * k]),
        k / (8.0 * math.pi * parent**2),
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_widths_are_those_of_the_traces(sign: float) -> None:
    g_left, g_right = 0.3, -0.7
    vertex, conjugate = g_left * LEFT + g_right * RIGHT, g_left * RIGHT + g_right * LEFT
    p, p_1, p_2, phase = momenta(500.0, 120.0, 90.0)
    one, first = np.ones(1), np.array([120.0])
    incoming, outgoing = slash(p) + sign * 500.0 * np.eye(4), slash(p_1) + 120.0 * np.eye(4)
    to_scalar = 0.5 * np.trace(outgoing @ vertex @ incoming @ conjugate).real * phase
    assert fermion_to_scalar(sign * 500.0 * one, first, 90.0, g_left * one, g_right * one)[0] == pytest.approx(to_scalar, rel=1e-10)
    sum_of_polarisations = -METRIC + np.outer(p_2, p_2) / 90.0**2
    to_vector = (
        0.5
        * phase
        * sum(
            sum_of_polarisations[m, n]
            * METRIC[m, m]
            * METRIC[n, n]
            * np.trace(outgoing @ GAMMA[m] @ vertex @ incoming @ GAMMA[n] @ vertex).real
            for m in range(4)
            for n in range(4)
        )
    )
    found = fermion_to_vector(sign * 500.0 * one, first, 90.0, g_left * one, g_right * one)[0]
    assert found == pytest.approx(to_vector, rel=1e-10)
    antiparticle = slash(p_2) - sign * 90.0 * np.eye(4)
    to_pair = np.trace(outgoing @ vertex @ antiparticle @ conjugate).real * phase
    assert scalar_to_fermions(500.0 * one, 120.0, sign * 90.0 * one, g_left * one, g_right * one)[0] == pytest.approx(to_pair, rel=1e-10)


def test_a_muon_decays_through_a_virtual_w() -> None:
    g, mass = np.array([G2 / math.sqrt(2.0)]), 80000.0
    pair = G2**2 / 2.0 * mass / (24.0 * math.pi)
    width = fermion_to_virtual(np.array([MUON_MASS]), np.zeros(1), (mass, pair), g, np.zeros(1))[0]
    fermi = G2**2 / (4.0 * math.sqrt(2.0) * mass**2)
    assert width == pytest.approx(fermi**2 * MUON_MASS**5 / (192.0 * math.pi**3), rel=1e-3)
    assert FERMI_CONSTANT**2 * MUON_MASS**5 / (192.0 * math.pi**3) * MUON_LIFETIME / 6.582e-22 == pytest.approx(1.0, rel=5e-3)


def test_a_top_quark_decays_to_a_w() -> None:
    # G_F m^3/(8 pi sqrt2) (1 - x)^2 (1 + 2 x), x = m_W^2/m_t^2
    top, w = 172500.0, 80369.2
    fermi, x = G2**2 / (4.0 * math.sqrt(2.0) * w**2), (w / top) ** 2
    width = fermion_to_vector(np.array([top]), np.zeros(1), w, np.array([G2 / math.sqrt(2.0)]), np.zeros(1))[0]
    assert width == pytest.approx(fermi * top**3 / (8.0 * math.pi * math.sqrt(2.0)) * (1.0 - x) ** 2 * (1.0 + 2.0 * x), rel=1e-12)
    assert 1300.0 < width < 1600.0  # 1.5 GeV


@pytest.mark.parametrize(("parent", "light", "rel"), [(140e3, 51e3, 0.02), (300e3, -220e3, 5e-3), (200e3, 199e3, 5e-3)])
def test_widths_through_a_virtual_boson_against_quadrature(parent: float, light: float, rel: float) -> None:
    mass, total, g = 91188.0, 2495.5, np.array([0.4])

    def spectrum(q: float) -> float:
        real = fermion_to_vector(np.array([parent]), np.array([light]), q, g, -g)[0]
        return 2.0 * q / math.pi * real * q**2 * total / mass / ((q**2 - mass**2) ** 2 + (q**2 * total / mass) ** 2)

    expected = quad(spectrum, 0.0, parent - abs(light), limit=200)[0]
    found = fermion_to_virtual(np.array([parent]), np.array([light]), (mass, total), g, -g)[0]
    assert found == pytest.approx(expected, rel=rel)  # 2 % within a width of the boson from threshold


def test_pairs_of_leptons_in_limits() -> None:
    # slow: Delta^5/(40 pi^3), a third for opposite signs; massless: m^5/(768 pi^3), twice a muon's for unit coupling
    parent, light, one = np.array([1e6]), np.array([999e3]), np.ones(1)
    free = fermion_to_pair(parent, light, 0.0, one, -one)[0]
    assert free == pytest.approx(1e15 / (40.0 * math.pi**3), rel=5e-3)
    assert fermion_to_pair(parent, -light, 0.0, one, -one)[0] == pytest.approx(1e15 / (120.0 * math.pi**3), rel=5e-3)
    assert fermion_to_pair(np.array([100.0]), np.zeros(1), 0.0, one, -one)[0] == pytest.approx(1e10 / (768.0 * math.pi**3), rel=1e-3)
    assert fermion_to_pair(parent, light, 499.9, one, -one)[0] < 1e-4 * free
    assert fermion_to_pair(parent, light, 500.0, one, -one)[0] == 0.0


def test_closed_decays_and_zero_masses_have_no_width() -> None:
    one = np.ones(4)
    parent, product = np.array([0.0, 100.0, 100.0, -100.0]), np.array([0.0, 100.0, 120.0, 20.0])
    assert list(phase_space(parent, product, 0.0) > 0.0) == [False, False, False, True]
    assert list(fermion_to_vector(parent, product, 90.0, one, one)) == [0.0] * 4
    assert list(fermion_to_virtual(parent, product, (90.0, 2.0), one, -one) > 0.0) == [False, False, False, True]
    # k ~ sqrt(M - m_1 - m_2) at threshold; massless: 1/(16 pi M)
    near = phase_space(np.array([100.0001, 100.0004]), 60.0, 40.0)
    assert near[1] / near[0] == pytest.approx(2.0, rel=1e-4)
    assert phase_space(np.array([100.0]), 0.0, 0.0)[0] == pytest.approx(1.0 / (1600.0 * math.pi), rel=1e-12)
