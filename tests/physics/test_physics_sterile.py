"""Sterile neutrinos: survival probabilities in the fold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, target_at
from cevnsfit.physics.kernels import KERNELS, WeightedKernel, fold_channel, vector
from cevnsfit.physics.kinematics import e_min
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.oscillations import Disappearance
from cevnsfit.physics.sources import pion_decay_at_rest

BASELINE = 2750.0


def argon() -> Target:
    return target_at(composition("Ar[40]")[0][0], [0.005, 0.02, 0.045], COUPLING_SETS["default"], FORM_FACTORS["helm"])


def ratio(source: str, values: dict[str, float], baseline: float = BASELINE) -> np.ndarray:
    spectrum, flavour = pion_decay_at_rest()[source], source.rsplit("_", maxsplit=1)[-1]
    standard = differential_cross_section(signal_model("sm"), argon(), flavour, spectrum)
    return differential_cross_section(signal_model("sterile"), argon(), flavour, spectrum, values, baseline=baseline) / standard


def test_weight_is_the_formula_in_laboratory_units() -> None:
    energy = np.array([10.0, 30.0])
    expected = -(np.sin(1.26693 * 2.0 * 27.5 / energy) ** 2)
    assert Disappearance(2.0)(energy, BASELINE) == pytest.approx(expected, rel=1e-4, abs=0.0)


def test_line_survives_as_in_vacuum() -> None:
    survival = 1.0 - 0.3 * math.sin(1.26693 * 1.7 * 27.5 / 29.7917) ** 2
    assert ratio("nu_mu", {"sin2_2theta_mumu": 0.3, "delta_m2": 1.7}) == pytest.approx(survival, rel=1e-5, abs=0.0)
    assert ratio("nu_mu", {"sin2_2theta_ee": 0.3, "delta_m2": 1.7}) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("delta_m2", [0.01, 1.0, 20.0, 100.0])
@pytest.mark.parametrize("source", ["nu_e", "nubar_mu"])
def test_fold_against_adaptive_quadrature(delta_m2: float, source: str) -> None:
    on, spectrum = argon(), pion_decay_at_rest()[source]
    weight = Disappearance(delta_m2)
    found = fold_channel(WeightedKernel("vector", weight), source, [spectrum], on.nuclide.mass, on.t, baseline=BASELINE)[0]
    for t, value in zip(on.t, found, strict=True):

        def integrand(x: float, t: float = float(t)) -> float:
            energy = np.float64(1.0 / x)
            return float(spectrum.density(energy) * vector(energy, t, on.nuclide.mass) * weight(energy, BASELINE)) / x**2

        expected = quad(integrand, 1.0 / spectrum.end, 1.0 / float(e_min(t, on.nuclide.mass)), epsrel=1e-11, limit=2000)[0]
        assert value == pytest.approx(KERNELS["vector"].prefactor(on.nuclide.mass) * expected, rel=1e-8, abs=0.0)


def test_fast_oscillations_average_to_one_half() -> None:
    for source, name in (("nu_e", "sin2_2theta_ee"), ("nubar_mu", "sin2_2theta_mumu")):
        assert ratio(source, {name: 0.4, "delta_m2": 100.0}, baseline=50 * BASELINE)[:2] == pytest.approx(0.8, abs=0.01)


def test_nothing_is_lost_at_the_source() -> None:
    assert ratio("nu_e", {"sin2_2theta_ee": 1.0, "delta_m2": 1.0}, baseline=1e-3) == pytest.approx(1.0, rel=1e-9)


def test_weighted_kernels_are_equal_where_their_parameters_are() -> None:
    assert WeightedKernel("vector", Disappearance(2.0)) == WeightedKernel("vector", Disappearance(2.0))
    assert len({WeightedKernel("vector", Disappearance(x)) for x in (1.0, 2.0, 1.0)}) == 2


def test_an_oscillation_needs_a_baseline() -> None:
    with pytest.raises(DomainError, match="baseline"):
        differential_cross_section(signal_model("sterile"), argon(), "e", pion_decay_at_rest()["nu_e"])


@pytest.mark.parametrize("baseline", [1e5, 1e8, 1.496e13])
def test_a_phase_that_turns_often_is_averaged(baseline: float) -> None:
    target = argon()
    source = pion_decay_at_rest()["nu_e"]
    lost = fold_channel(WeightedKernel("vector", Disappearance(50.0)), "nu_e", [source], target.nuclide.mass, target.t, baseline=baseline)[
        0
    ]
    whole = fold_channel("vector", "nu_e", [source], target.nuclide.mass, target.t)[0]
    np.testing.assert_allclose(lost, -0.5 * whole, rtol=0.02 if baseline < 1e6 else 2e-3)


def test_the_average_over_a_cell_is_that_of_many_energies() -> None:
    weight, cell = Disappearance(3.0), 0.4
    fine = 20.0 + cell * np.linspace(-0.5, 0.5, 20001)
    assert weight(np.array([20.0]), 1e6, np.array([cell]))[0] == pytest.approx(weight(fine, 1e6).mean(), rel=2e-2)
