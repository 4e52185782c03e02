"""Non-standard interactions: charges, mirror points, and the contact limit of mediators."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import COUPLING_SETS, LEPTONS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, sm_charge, target_at
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import pion_decay_at_rest


def target(compound: str = "Cs", form_factor: str = "helm") -> Target:
    return target_at(composition(compound)[0][0], np.linspace(5e-4, 0.014, 20), COUPLING_SETS["default"], FORM_FACTORS[form_factor])


def charge2(on: Target, flavour: str, values: dict[str, float], model: str = "nsi") -> np.ndarray:
    line = pion_decay_at_rest()["nu_mu"]
    standard = differential_cross_section(signal_model("sm"), on, flavour, line)
    return differential_cross_section(signal_model(model), on, flavour, line, values) / standard * sm_charge(on, flavour) ** 2


@pytest.mark.parametrize("flavour", LEPTONS)
def test_diagonal_couplings_interfere(flavour: str) -> None:
    on = target()
    expected = (sm_charge(on, flavour) + (2 * 0.1 - 0.3) * on.zf + (0.1 - 0.6) * on.nf) ** 2
    found = charge2(on, flavour, {f"eps_{flavour * 2}_u": 0.1, f"eps_{flavour * 2}_d": -0.3})
    assert found == pytest.approx(expected, rel=1e-12, abs=0.0)
    for other in set(LEPTONS) - {flavour}:
        assert charge2(on, other, {f"eps_{flavour * 2}_u": 0.1}) == pytest.approx(sm_charge(on, other) ** 2, rel=1e-12, abs=0.0)


@pytest.mark.parametrize(("a", "b", "other"), [("e", "mu", "tau"), ("e", "tau", "mu"), ("mu", "tau", "e")])
def test_complex_flavour_change_adds_its_modulus_squared(a: str, b: str, other: str) -> None:
    on = target()
    up, down = 0.2 - 0.4j, -0.1 + 0.3j
    names = {f"eps_{a}{b}_u": up.real, f"eps_{a}{b}_u_im": up.imag, f"eps_{a}{b}_d": down.real, f"eps_{a}{b}_d_im": down.imag}
    added = np.abs((2 * up + down) * on.zf + (up + 2 * down) * on.nf) ** 2
    for flavour in (a, b):
        assert charge2(on, flavour, names) == pytest.approx(sm_charge(on, flavour) ** 2 + added, rel=1e-12, abs=0.0)
    assert charge2(on, other, names) == pytest.approx(sm_charge(on, other) ** 2, rel=1e-12, abs=0.0)


def test_common_phase_is_not_observable_and_the_relative_one_is() -> None:
    on, turn = target(), np.exp(0.7j)
    real = {"eps_emu_u": 0.3, "eps_emu_d": -0.2}
    turned = {
        "eps_emu_u": 0.3 * turn.real,
        "eps_emu_u_im": 0.3 * turn.imag,
        "eps_emu_d": -0.2 * turn.real,
        "eps_emu_d_im": -0.2 * turn.imag,
    }
    assert charge2(on, "e", turned) == pytest.approx(charge2(on, "e", real), rel=1e-12, abs=0.0)
    assert np.all(charge2(on, "e", {"eps_emu_u": 0.3, "eps_emu_d_im": -0.2}) > charge2(on, "e", real))


@pytest.mark.parametrize("flavour", LEPTONS)
def test_couplings_of_nucleons_are_sums_of_quarks(flavour: str) -> None:
    on, rng = target(), np.random.default_rng(11)
    quarks, nucleons = {}, {}
    for name in ("ee", "mumu", "tautau", "emu", "etau", "mutau"):
        for part in ("", "_im") if name in {"emu", "etau", "mutau"} else ("",):
            up, down = rng.uniform(-0.5, 0.5, 2)
            quarks |= {f"eps_{name}_u{part}": up, f"eps_{name}_d{part}": down}
            nucleons |= {f"eps_{name}_p{part}": 2.0 * up + down, f"eps_{name}_n{part}": up + 2.0 * down}
    assert charge2(on, flavour, nucleons, "nsi-nucleons") == pytest.approx(charge2(on, flavour, quarks), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("flavour", LEPTONS)
@pytest.mark.parametrize(("eta", "phi"), [(0.0, 0.0), (30.0, 0.0), (-60.0, 45.0), (90.0, 0.0), (10.0, -80.0)])
def test_a_direction_is_a_line_of_couplings(eta: float, phi: float, flavour: str) -> None:
    on = target()
    values = {"eps_ee": 0.3, "eps_mumu": -0.2, "eps_tautau": 0.5, "eps_emu": 0.1, "eps_etau": -0.15, "eps_mutau": 0.25}
    # Esteban et al.: xi^u = (sqrt5/3) (2 cos(eta) - sin(eta)), xi^d = (sqrt5/3) (2 sin(eta) - cos(eta)) for phi = 0
    a, b = math.cos(math.radians(eta)) * math.cos(math.radians(phi)), math.sin(math.radians(eta))
    up, down = math.sqrt(5.0) / 3.0 * (2.0 * a - b), math.sqrt(5.0) / 3.0 * (2.0 * b - a)
    quarks = {f"{name}_{q}": eps * xi for name, eps in values.items() for q, xi in (("u", up), ("d", down))}
    found = charge2(on, flavour, {**values, "eta": eta, "phi": phi}, "nsi-eta")
    assert found == pytest.approx(charge2(on, flavour, quarks), rel=1e-11, abs=0.0)


@pytest.mark.parametrize(("quark", "eta"), [("u", math.degrees(math.atan(0.5))), ("d", math.degrees(math.atan(2.0)))])
def test_directions_of_one_quark(quark: str, eta: float) -> None:
    on = target()
    found = charge2(on, "mu", {"eps_mumu": 0.1, "eps_emu": 0.2, "eta": eta}, "nsi-eta")
    expected = charge2(on, "mu", {f"eps_mumu_{quark}": 0.1, f"eps_emu_{quark}": 0.2})
    assert found == pytest.approx(expected, rel=1e-11, abs=0.0)


@pytest.mark.parametrize("quark", ["u", "d"])
def test_mirror_point_of_a_diagonal_coupling(quark: str) -> None:
    on = target(form_factor="unity")
    slope = {"u": 2 * on.zf + on.nf, "d": on.zf + 2 * on.nf}[quark]
    mirror = float((-2.0 * sm_charge(on, "mu") / slope)[0])
    assert 0.3 < mirror < 0.5
    assert charge2(on, "mu", {f"eps_mumu_{quark}": mirror}) == pytest.approx(sm_charge(on, "mu") ** 2, rel=1e-12, abs=0.0)
    assert charge2(on, "mu", {f"eps_mumu_{quark}": mirror / 2}) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("mass", [1e5, 1e6, 1e7])
@pytest.mark.parametrize("charges", [(1.0, 1.0), (2.0, -1.0), (-0.5, 1.5)])
def test_heavy_mediators_are_nsi(mass: float, charges: tuple[float, float]) -> None:
    on = target()
    g = math.sqrt(0.02 * math.sqrt(2) * FERMI_CONSTANT) * mass * 0.5
    g = min(g, 1.0)
    eps = g**2 / (math.sqrt(2) * FERMI_CONSTANT * mass**2)
    values = {"g": g, "mass": mass, "q_u": charges[0], "q_d": charges[1], "q_nu_e": 1.0, "q_nu_mu": -1.0, "q_nu_tau": 0.0}
    for flavour, q in (("e", 1.0), ("mu", -1.0), ("tau", 0.0)):
        contact = {f"eps_{flavour * 2}_u": eps * q * charges[0], f"eps_{flavour * 2}_d": eps * q * charges[1]}
        assert charge2(on, flavour, values, "vector") == pytest.approx(charge2(on, flavour, contact), rel=1e-6, abs=0.0)


def test_blind_direction_depends_on_the_target() -> None:
    argon, caesium = target("Ar[40]", "unity"), target("Cs", "unity")
    ratio = float(((2 * argon.zf + argon.nf) / (argon.zf + 2 * argon.nf))[0])
    values = {"eps_ee_u": 0.5, "eps_ee_d": -0.5 * ratio}
    assert charge2(argon, "e", values) == pytest.approx(sm_charge(argon, "e") ** 2, rel=1e-12, abs=0.0)
    assert np.all(np.abs(charge2(caesium, "e", values) / sm_charge(caesium, "e") ** 2 - 1.0) > 0.02)
