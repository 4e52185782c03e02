"""Scalar mediators: cross section, nucleon charges, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import HBAR_C
from cevnsfit.physics.couplings import COUPLING_SETS, LEPTONS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, target_at
from cevnsfit.physics.interactions.scalar import NUCLEON_CHARGES, matrix_element
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import Spectrum, pion_decay_at_rest

ENERGY = 30.0
NUCLEON_CHARGE = NUCLEON_CHARGES["arXiv:2202.11002"][0]
LINE = Spectrum(lines=((ENERGY, 1.0),))


def iodine() -> Target:
    return target_at(composition("I")[0][0], np.geomspace(1e-4, 0.0149, 25), COUPLING_SETS["default"], FORM_FACTORS["helm"])


def excess(name: str, on: Target, values: dict[str, float], flavour: str = "mu", spectrum: Spectrum = LINE) -> np.ndarray:
    standard = differential_cross_section(signal_model("sm"), on, flavour, spectrum)
    return differential_cross_section(signal_model(name), on, flavour, spectrum, values) - standard


@pytest.mark.parametrize("mass", [0.01, 10.0, 5000.0])
def test_cross_section_of_the_universal_scalar(mass: float) -> None:
    on, g = iodine(), 1e-4 * math.sqrt(1.0 + mass / 30.0)
    charge = NUCLEON_CHARGE * (on.zf + on.nf)
    m = on.nuclide.mass
    expected = g**4 * charge**2 * m**2 * on.t / (4 * math.pi * ENERGY**2 * (2 * m * on.t + mass**2) ** 2) * HBAR_C**2
    for flavour in LEPTONS:
        assert excess("scalar-universal", on, {"g": g, "mass": mass}, flavour) == pytest.approx(expected, rel=1e-9, abs=0.0)


def test_nucleon_charges_sum_to_the_universal_one() -> None:
    assert matrix_element("u", "p") + matrix_element("d", "p") == pytest.approx(NUCLEON_CHARGE, rel=2e-3, abs=0.0)
    assert matrix_element("u", "n") + matrix_element("d", "n") == pytest.approx(NUCLEON_CHARGE, rel=2e-3, abs=0.0)
    assert matrix_element("u", "p") > matrix_element("u", "n")
    assert matrix_element("d", "n") > matrix_element("d", "p")


def test_split_couplings_add_inside_the_nucleus_and_go_with_the_neutrino() -> None:
    on, values = iodine(), {"g": 1e-5, "mass": 20.0}
    up = np.sqrt(excess("scalar", on, {**values, "q_d": 0.0}))
    down = np.sqrt(excess("scalar", on, {**values, "q_u": 0.0}))
    assert np.sqrt(excess("scalar", on, values)) == pytest.approx(up + down, rel=1e-7, abs=0.0)
    assert excess("scalar", on, {**values, "q_nu_mu": 3.0}) == pytest.approx(9.0 * (up + down) ** 2, rel=1e-7, abs=0.0)
    assert excess("scalar", on, {**values, "q_nu_mu": 0.0}) == pytest.approx(0.0, abs=1e-50)
    assert excess("scalar", on, {**values, "q_d": -1.0}) == pytest.approx((up - down) ** 2, rel=1e-5, abs=0.0)


def test_rate_goes_as_the_fourth_power_and_only_upwards() -> None:
    on = iodine()
    one, two = (excess("scalar-universal", on, {"g": g, "mass": 5.0}, "e", pion_decay_at_rest()["nu_e"]) for g in (1e-5, 2e-5))
    assert np.all(one > 0.0)
    assert two == pytest.approx(16.0 * one, rel=1e-6, abs=0.0)


def test_heavy_scalar_depends_on_g_over_mass() -> None:
    on = iodine()
    first = excess("scalar-universal", on, {"g": 0.01, "mass": 1e6})
    assert excess("scalar-universal", on, {"g": 0.1, "mass": 1e7}) == pytest.approx(first, rel=1e-5, abs=0.0)
