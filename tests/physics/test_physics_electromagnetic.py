"""Electromagnetic properties: against the literature's formulas and against mediators of known charge."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import ELECTRON_MASS, FINE_STRUCTURE, HBAR_C, W_MASS
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, sm_charge, target_at
from cevnsfit.physics.interactions.electromagnetic import millicharge_strength, radius_strength, standard_radius
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import Spectrum

ENERGY = 29.792
LINE = Spectrum(lines=((ENERGY, 1.0),))
PHOTON = {"q_u": 2 / 3, "q_d": -1 / 3, "q_nu_tau": 0.0}
CHARGE = math.sqrt(4 * math.pi * FINE_STRUCTURE)


def argon() -> Target:
    return target_at(composition("Ar[40]")[0][0], np.geomspace(1e-3, 0.047, 20), COUPLING_SETS["default"], FORM_FACTORS["helm"])


def sigma(name: str, flavour: str, values: dict[str, float]) -> np.ndarray:
    return differential_cross_section(signal_model(name), argon(), flavour, LINE, values)


def test_magnetic_moment_cross_section() -> None:
    on, moment = argon(), 3e-9
    expected = math.pi * FINE_STRUCTURE**2 / ELECTRON_MASS**2 * (1 / on.t - 1 / ENERGY) * on.zf**2 * moment**2 * HBAR_C**2
    found = sigma("magnetic-moment", "mu", {"mu_nu_mu": moment}) - sigma("sm", "mu", {})
    assert found == pytest.approx(expected, rel=1e-9, abs=0.0)
    assert sigma("magnetic-moment", "e", {"mu_nu_mu": moment}) == pytest.approx(sigma("sm", "e", {}), rel=1e-6, abs=0.0)
    # pi alpha^2/m_e^2 = 2.495e-25 cm^2 (Vogel and Engel, Phys. Rev. D 39, 3378 (1989), below eq. (4): 2.495e-45 cm^2 at 1e-10 mu_B)
    assert math.pi * (FINE_STRUCTURE * HBAR_C / ELECTRON_MASS) ** 2 == pytest.approx(2.495e-25, rel=2e-4, abs=0.0)


def test_transition_moments_add_in_squares_to_both_flavours() -> None:
    moments = {"mu_nu_e": 2e-9, "mu_emu": 1e-9, "mu_etau": 3e-9, "mu_mutau": 5e-9}
    for flavour, squared in (("e", 4.0 + 1.0 + 9.0), ("mu", 1.0 + 25.0)):
        effective = {f"mu_nu_{flavour}": 1e-9 * math.sqrt(squared)}
        assert sigma("magnetic-moment", flavour, moments) == pytest.approx(sigma("magnetic-moment", flavour, effective), rel=1e-12, abs=0.0)


@pytest.mark.parametrize(("flavour", "published"), [("e", -0.83), ("mu", -0.48), ("tau", -0.30)])
def test_standard_radii(flavour: str, published: float) -> None:
    assert standard_radius(flavour) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(("first", "second"), [("e", "mu"), ("mu", "tau"), ("e", "tau")])
def test_standard_radii_make_the_flavour_differences_of_the_couplings(first: str, second: str) -> None:
    proton = COUPLING_SETS["default"].proton
    from_radii = -radius_strength() * (standard_radius(first) - standard_radius(second))
    assert from_radii == pytest.approx(proton[first] - proton[second], abs=5e-4)


def test_radius_strength_is_that_of_the_literature() -> None:
    # 2/3 m_W^2 s_W^2 (Cadeddu et al., arXiv:1810.05606, eq. (8)), equal to it at tree level with s_W^2 = pi alpha/(sqrt2 G_F m_W^2)
    on_shell = 2 / 3 * W_MASS**2 * 0.22339 * 1e-32 / HBAR_C**2
    assert radius_strength() == pytest.approx(on_shell, rel=0.05, abs=0.0)


def test_equal_radii_make_equal_flavours() -> None:
    radius = standard_radius("mu")
    muon = sigma("charge-radius", "mu", {"r2_nu_mu": radius})
    assert sigma("charge-radius", "e", {"r2_nu_e": radius}) == pytest.approx(muon, rel=1e-3, abs=0.0)


@pytest.mark.parametrize(("flavour", "sign"), [("e", 1.0), ("mu", -1.0)])
def test_charge_radius_is_a_heavy_mediator_of_electric_charges(flavour: str, sign: float) -> None:
    shift, mass = sign * 40.0, 1e5
    g = math.sqrt(4 * math.pi * FINE_STRUCTURE * abs(shift) / 6 * 1e-32) / HBAR_C * mass
    found = sigma("charge-radius", flavour, {f"r2_nu_{flavour}": standard_radius(flavour) + shift})
    mediator = {**PHOTON, "mass": mass, "g": g, f"q_nu_{flavour}": -sign}
    assert found == pytest.approx(sigma("vector", flavour, mediator), rel=3e-6, abs=0.0)
    assert np.all((found - sigma("sm", flavour, {})) * sign > 0.0)


@pytest.mark.parametrize("charge", [2e-9, -1e-9])
def test_millicharge_is_a_massless_mediator_of_electric_charges(charge: float) -> None:
    mediator = {**PHOTON, "mass": 1e-3, "g": CHARGE, "q_nu_mu": charge, "q_nu_e": 0.0}
    found = sigma("millicharge", "mu", {"millicharge_nu_mu": charge})
    assert found == pytest.approx(sigma("vector", "mu", mediator), rel=1e-5, abs=0.0)
    assert np.all((found < sigma("sm", "mu", {})) == (charge > 0))
    assert sigma("millicharge", "e", {"millicharge_nu_mu": charge}) == pytest.approx(sigma("sm", "e", {}), rel=1e-6, abs=0.0)


@pytest.mark.parametrize(("model", "prefix", "value"), [("charge-radius", "r2", 5.0), ("millicharge", "millicharge", 1e-7)])
def test_transition_properties_add_incoherently(model: str, prefix: str, value: float) -> None:
    on = argon()
    strength = radius_strength() if model == "charge-radius" else millicharge_strength() / (2 * on.nuclide.mass * on.t)
    added = 1.0 + (strength * value * on.zf / sm_charge(on, "mu")) ** 2
    values = {f"{prefix}_mutau": value}
    assert sigma(model, "mu", values) / sigma("sm", "mu", {}) == pytest.approx(added, rel=1e-9, abs=0.0)
    assert sigma(model, "e", values) == pytest.approx(sigma("sm", "e", {}), rel=1e-6, abs=0.0)
    both = sigma(model, "mu", {f"{prefix}_mutau": value, f"{prefix}_emu": value})
    assert both / sigma("sm", "mu", {}) - 1 == pytest.approx(2 * (added - 1), rel=1e-9, abs=0.0)
