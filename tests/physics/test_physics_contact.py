"""Contact interactions and light mediators in the currents of quarks: limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import COUPLING_SETS, LEPTONS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, target_at
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import pion_decay_at_rest

MEDIATORS = {"scalar": "S", "pseudoscalar": "P", "vector": "V", "axial": "A", "tensor": "T"}


def nucleus(compound: str = "I") -> Target:
    return target_at(composition(compound)[0][0], np.geomspace(1e-4, 0.0149, 25), COUPLING_SETS["default"], FORM_FACTORS["helm"])


def section(name: str, on: Target, **values: float) -> np.ndarray:
    return differential_cross_section(signal_model(name), on, "mu", pion_decay_at_rest()["nubar_mu"], values)


@pytest.mark.parametrize(("name", "limit"), [("pseudoscalar", "sm"), ("tensor", "sm"), ("axial", "sm-axial"), ("contact", "sm-axial")])
def test_without_couplings_it_is_the_standard_model(name: str, limit: str) -> None:
    for compound in ("I", "Ar[40]"):
        assert section(name, nucleus(compound)) == pytest.approx(section(limit, nucleus(compound)), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", MEDIATORS)
def test_heavy_mediators_are_contact_interactions(name: str) -> None:
    on, mass, eps = nucleus(), 2e5, {"u": 0.3, "d": -0.2}
    g = math.sqrt(math.sqrt(2.0) * FERMI_CONSTANT) * mass
    found = section(name, on, g=g, mass=mass, q_u=eps["u"], q_d=eps["d"])
    expected = section("contact", on, **{f"eps_{MEDIATORS[name]}_{q}": value for q, value in eps.items()})
    other = section("sm-axial", on) if name == "axial" else section("sm", on)  # what is left without the coupling
    assert found - other == pytest.approx(expected - section("sm-axial", on), rel=1e-5, abs=1e-9 * float(other.max()))
    assert np.max(np.abs(found / other - 1.0)) > 1e-4


def test_light_mediators_go_as_the_inverse_momentum() -> None:
    on = nucleus()
    for name in ("pseudoscalar", "tensor"):
        light, lighter = (section(name, on, g=1e-3, mass=mass, q_d=-1.0) - section("sm", on) for mass in (2e-3, 1e-3))
        assert light == pytest.approx(lighter, rel=1e-6, abs=0.0)
        assert np.all(light > 0.0)


def test_the_axial_mediator_interferes_with_the_standard_model() -> None:
    """The change of the cross section is linear in g^2 where g is small, and its sign is that of the charge."""
    on, standard = nucleus(), section("sm-axial", nucleus())
    small, larger, other = (
        section("axial", on, g=g, mass=500.0, q_u=q, q_d=-q) - standard for g, q in ((1e-4, 1.0), (2e-4, 1.0), (1e-4, -1.0))
    )
    assert np.all(small < 0.0)  # g_A^u - g_A^d is reduced
    assert larger == pytest.approx(4.0 * small, rel=2e-2, abs=0.0)
    assert other == pytest.approx(-small, rel=2e-2, abs=0.0)


def test_the_vector_coupling_is_that_of_universal_nsi() -> None:
    on = nucleus("Ar[40]")
    same = {f"eps_{f}{f}_{q}": value for f in LEPTONS for q, value in (("u", 0.1), ("d", -0.3))}
    assert section("contact", on, eps_V_u=0.1, eps_V_d=-0.3) == pytest.approx(section("nsi", on, **same), rel=1e-12, abs=0.0)


def test_spin_dependent_couplings_do_nothing_to_argon() -> None:
    on = nucleus("Ar[40]")
    assert section("contact", on, eps_A_u=100.0, eps_P_d=100.0) == pytest.approx(section("sm", on), rel=1e-12, abs=0.0)
    assert np.all(section("contact", on, eps_T_u=0.3) > section("sm", on))
