"""Massive particles on a target at rest: thresholds and ends of the recoil, and integrals that end inside a panel."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from cevnsfit.physics.kernels import KERNELS, Kernel, fold
from cevnsfit.physics.kinematics import ELASTIC, Kinematics, inside, panel_nodes, recoil_edges, t_max
from cevnsfit.physics.sources import pion_decay_at_rest

ARGON = 37215.53


def recoil(energy: float, mass: float, masses: tuple[float, float], cosine: float) -> float:
    """Return the recoil of a target by boosting from the centre of mass, in long double precision."""
    e, m, one, two = (np.longdouble(x) for x in (energy, mass, *masses))
    s = m**2 + one**2 + 2 * m * e
    momentum = np.sqrt((s - (m + two) ** 2) * (s - (m - two) ** 2) / (4 * s))
    gamma, boost = (e + m) / np.sqrt(s), np.sqrt(e**2 - one**2) / np.sqrt(s)
    return float(gamma * np.sqrt(m**2 + momentum**2) + boost * momentum * cosine - m)


MASSES = st.tuples(st.floats(0.0, 40.0), st.floats(0.0, 40.0))


@given(energy=st.floats(45.0, 300.0), mass=st.floats(500.0, 2e5), masses=MASSES)
def test_ends_are_those_of_a_boost_from_the_centre_of_mass(energy: float, mass: float, masses: tuple[float, float]) -> None:
    low, high = Kinematics(*masses).ends(energy, mass)
    assert high == pytest.approx(recoil(energy, mass, masses, 1.0), rel=1e-9, abs=0.0)
    assert low == pytest.approx(recoil(energy, mass, masses, -1.0), rel=1e-6, abs=1e-12 * high)


@given(energy=st.floats(45.0, 300.0), mass=st.floats(500.0, 2e5), masses=MASSES)
def test_the_least_energy_is_the_inverse_of_the_ends(energy: float, mass: float, masses: tuple[float, float]) -> None:
    kinematics = Kinematics(*masses)
    low, high = kinematics.ends(energy, mass)
    assert float(kinematics.least(high, mass)) == pytest.approx(energy, rel=1e-7, abs=0.0)
    if low > 1e-6 * high:
        assert float(kinematics.least(low, mass)) == pytest.approx(energy, rel=1e-5, abs=0.0)
    assert np.all(kinematics.least(np.linspace(1.001 * low, 0.999 * high, 50) + 1e-9 * high, mass) < energy)


def test_nothing_is_made_below_the_threshold() -> None:
    kinematics = Kinematics(outgoing=20.0)
    threshold = 20.0 + 20.0**2 / (2.0 * ARGON)
    assert kinematics.threshold(ARGON) == pytest.approx(threshold, rel=1e-12, abs=0.0)
    assert kinematics.ends(threshold * (1.0 - 1e-9), ARGON) == (0.0, 0.0)
    low, high = kinematics.ends(threshold * (1.0 + 1e-9), ARGON)
    assert 0.0 < low < high < low * 1.001
    t = np.geomspace(1e-7, 0.1, 20_000)
    assert kinematics.least(t, ARGON).min() == pytest.approx(threshold, rel=1e-6, abs=0.0)


def test_massless_particles_are_the_limit() -> None:
    t = np.geomspace(1e-6, 0.1, 20)
    np.testing.assert_allclose(Kinematics(outgoing=1e-6).least(t, ARGON), ELASTIC.least(t, ARGON), rtol=1e-9)
    assert Kinematics(outgoing=1e-6).ends(30.0, ARGON)[1] == pytest.approx(float(t_max(30.0, ARGON)), rel=1e-12, abs=0.0)
    assert ELASTIC.ends(30.0, ARGON) == (0.0, pytest.approx(float(t_max(30.0, ARGON)), rel=1e-12, abs=0.0))


@given(ends=st.tuples(st.floats(-1.0, 7.0), st.floats(-1.0, 7.0)), degree=st.integers(0, 6))
def test_integrals_end_inside_a_panel(ends: tuple[float, float], degree: int) -> None:
    edges = np.array([0.0, 0.5, 2.0, 6.0])
    t, w = panel_nodes(edges, 14)
    low, high = min(ends), max(ends)
    found = float((w * inside(t, (low, high), edges)) @ t**degree)
    clipped = np.clip([low, high], 0.0, 6.0)
    expected = (clipped[1] ** (degree + 1) - clipped[0] ** (degree + 1)) / (degree + 1)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def heavy(mass: float) -> Kernel:
    """Return 1/T - 1/E with a heavy particle in the final state."""
    return Kernel("heavy", lambda e, t, _: 1.0 / t - 1.0 / e, lambda _: 1.0, kinematics=Kinematics(outgoing=mass))


@pytest.mark.parametrize("mass", [1.0, 5.0, 15.0, 25.0, 29.5, 45.0, 52.0])
@pytest.mark.parametrize("flavour", ["nu_mu", "nubar_mu", "nu_e"])
def test_the_fold_over_panels_is_the_integral_to_the_ends(flavour: str, mass: float) -> None:
    spectra, kernel = pion_decay_at_rest(), heavy(mass)
    spectrum = spectra[flavour]
    threshold = 5e-4
    edges = recoil_edges(ARGON, spectra.values(), kinks=[threshold])
    t, w = panel_nodes(edges)
    seen = t > threshold
    found = float((w * seen) @ (fold(kernel, [spectrum], ARGON, t, edges=edges)[0] * np.sqrt(t)))

    def over_recoil(energy: float) -> float:
        low, high = kernel.kinematics.ends(energy, ARGON)
        low = max(low, threshold)
        return quad(lambda r: (1.0 / r - 1.0 / energy) * math.sqrt(r), low, high, epsrel=1e-10)[0] if low < high else 0.0

    if spectrum.lines:
        expected = sum(weight * over_recoil(energy) for energy, weight in spectrum.lines)
    else:
        start = kernel.kinematics.threshold(ARGON)
        points = np.linspace(start, spectrum.end, 9)
        expected = sum(
            quad(lambda e: float(spectrum.density(e)) * over_recoil(e), a, b, epsrel=1e-9)[0] for a, b in itertools.pairwise(points)
        )
    assert found == pytest.approx(expected, rel=1e-4, abs=0.0)


def test_a_kernel_keeps_its_kinematics_for_antineutrinos() -> None:
    kernel = Kernel("k", KERNELS["vector"].function, lambda _: 1.0, KERNELS["axial"].function, Kinematics(outgoing=3.0), "here")
    assert kernel.conjugate().kinematics == kernel.kinematics
    assert kernel.conjugate().function is KERNELS["axial"].function
    assert kernel.conjugate().conjugate() == kernel
