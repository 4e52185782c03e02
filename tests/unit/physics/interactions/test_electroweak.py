"""The weak mixing angle together with neutron radii."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import cevnsfit as cf
from cevnsfit.physics.constants import ELECTRON_MASS, FINE_STRUCTURE, FM, HBAR_C, SIN2_THETA_W

BAND = {"sin2_theta_w": "0.23857 +- 0.01689", "r_n_cs": "5.46 +- 3 fm"}
"""Parity violation in caesium atoms (docs/physics.md), with a prior of 3 fm along the band."""

CORRELATION = {("sin2_theta_w", "r_n_cs"): 0.99328}


def counts(model: str, **at: float) -> np.ndarray:
    return np.asarray(cf.rates(cf.build_likelihood("coherent-csi-2021", model=model), at=at)["coherent-csi-2021"].signal)


def test_each_part_alone_is_the_model_of_its_own() -> None:
    np.testing.assert_allclose(counts("electroweak"), counts("sm"), rtol=1e-12)
    np.testing.assert_allclose(counts("electroweak", sin2_theta_w=0.25), counts("weak-mixing-angle", sin2_theta_w=0.25), rtol=1e-12)
    np.testing.assert_allclose(counts("electroweak", r_n_cs=5.5, r_n_i=4.5), counts("neutron-radii", r_n_cs=5.5, r_n_i=4.5), rtol=1e-12)
    together = counts("electroweak", sin2_theta_w=0.25, r_n_cs=5.5)
    assert np.sum(together) > np.sum(counts("electroweak", r_n_cs=5.5))


@pytest.mark.slow
def test_a_measurement_of_a_combination_enters_as_a_correlation() -> None:
    """A narrow band in (s_W^2, R_n(Cs)) moves both parameters along it."""
    given = {"sin2_theta_w": "0.2386 +- 0.006", "r_n_cs": "5.0 +- 0.5 fm"}
    alone = cf.fit(cf.build_likelihood("coherent-csi-2021", model="electroweak", constraints=given))
    tied = cf.build_likelihood("coherent-csi-2021", model="electroweak", constraints=given, correlations={("sin2_theta_w", "r_n_cs"): 0.99})
    both = cf.fit(tied)
    places = [both.floating.index(name) for name in ("sin2_theta_w", "r_n_cs")]
    first, second = places
    assert both.correlation[first, second] == pytest.approx(0.99, abs=0.02)
    assert both.errors["sin2_theta_w"] < alone.errors["sin2_theta_w"]
    assert both.values["sin2_theta_w"] == pytest.approx(SIN2_THETA_W, abs=0.01)


def electrons(r: np.ndarray, z: int, r_p: float) -> np.ndarray:
    """Return the density of s1/2 and p1/2 electrons that feels the weak charge, over that at the centre of a uniform charge; radii in MeV^-1."""
    edge, strength = np.sqrt(5.0 / 3.0) * r_p, z * FINE_STRUCTURE

    def wave(kappa: int) -> np.ndarray:
        """Return r g and r f of a Dirac electron at the threshold."""

        def slope(x: float, y: np.ndarray) -> list[float]:
            potential = -strength * ((3.0 - (x / edge) ** 2) / (2.0 * edge) if x < edge else 1.0 / x)
            return [-kappa / x * y[0] + (2.0 * ELECTRON_MASS - potential) * y[1], kappa / x * y[1] + potential * y[0]]

        inner = 0.5 * strength / edge * r[0] ** 2
        start = [r[0], -inner] if kappa < 0 else [inner, r[0]]
        return np.asarray(solve_ivp(slope, (r[0], r[-1]), start, t_eval=r, rtol=1e-10, atol=1e-18).y)

    (g_s, f_s), (g_p, f_p) = wave(-1), wave(1)
    density = (f_s * g_p - g_s * f_p) / r**2
    return np.asarray(density / density[0])


def mean_over_neutrons(r: np.ndarray, density: np.ndarray, r_n: float) -> float:
    """Return the mean of a density over a Fermi distribution of neutrons with an rms radius, its skin 2.3 fm thick."""
    thickness = 2.3 * FM / HBAR_C / (4.0 * np.log(3.0))

    def mean(half: float, what: np.ndarray) -> float:
        shape = r**2 / (1.0 + np.exp((r - half) / thickness))
        return float(np.trapezoid(shape * what, r) / np.trapezoid(shape, r))

    return mean(brentq(lambda half: mean(half, r**2) - r_n**2, 0.5 * r_n, 1.5 * r_n), density)


def test_the_band_of_atomic_parity_violation_follows_from_the_dirac_equation() -> None:
    """Q_W = -72.58 +- 0.43 at a skin of 0.13 fm (arXiv:0902.0335 with 1207.5864), -73.23 at 0.23857; the published results are those of arXiv:1808.10202."""
    z, n, r_p = 55, 78, 4.80
    fm = FM / HBAR_C
    r = np.linspace(0.01, 11.0, 4000) * fm
    density = electrons(r, z, r_p * fm)
    low, high = (mean_over_neutrons(r, density, radius * fm) for radius in (4.8, 5.4))
    assert low == pytest.approx(0.957, abs=0.001)
    by_radius = n * (low - high) / low / 0.6
    assert by_radius == pytest.approx(1.23, abs=0.01)
    slope, error = by_radius / (4 * z), 0.43 / (4 * z)
    radius = r_p + 0.13 + (73.23 - 72.58) / by_radius
    (angle, wide), (centre, prior) = ([float(part.strip(" fm")) for part in text.split("+-")] for text in BAND.values())
    assert centre == pytest.approx(radius, abs=0.01)
    assert wide == pytest.approx(np.hypot(error, prior * slope), rel=0.01)
    assert wide * np.sqrt(1.0 - CORRELATION["sin2_theta_w", "r_n_cs"] ** 2) == pytest.approx(error, rel=0.01)
    assert angle + slope * (5.5 - radius) == pytest.approx(0.239, abs=0.001)
    assert np.hypot(error, slope) == pytest.approx(0.0065, abs=0.001)


@pytest.mark.slow
def test_parity_violation_and_scattering_together_give_the_published_radius() -> None:
    """R_n(Cs) = 5.42 +- 0.31 fm from CsI 2017 and the band at s_W^2 of the Standard Model (arXiv:1808.10202, one radius for both nuclei)."""
    held = cf.build_likelihood("coherent-csi-2017", model="neutron-radii", constraints={"r_n_cs": "5.46 +- 0.35 fm"})
    (low, high) = cf.intervals(held, "r_n_cs", cl=0.68).allowed[0]
    assert (low + high) / 2.0 == pytest.approx(5.42, abs=0.15)
    assert (high - low) / 2.0 == pytest.approx(0.31, abs=0.06)
    free = cf.build_likelihood("coherent-csi-2021", model="electroweak", constraints=BAND, correlations=CORRELATION)
    (low, high) = cf.intervals(free, "sin2_theta_w", cl=0.68).allowed[0]
    assert (low, high) == pytest.approx((0.2353, 0.2473), abs=2e-4)
