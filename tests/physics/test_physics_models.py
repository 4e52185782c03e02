"""Limits and invariants of the signal models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import FERMI_CONSTANT, FINE_STRUCTURE, FM, SIN2_THETA_W
from cevnsfit.physics.couplings import COUPLING_SETS, LEPTONS, tree_level
from cevnsfit.physics.cross_sections import differential_cross_section, flux_averaged_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, model_names, signal_model, sm_charge, squared, target_at
from cevnsfit.physics.interactions.terms import evaluate
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

TREE = {
    "universal": (1.0, (1, 1, 1)),
    "b-l": (1 / 3, (-1, -1, -1)),
    "b-3l-e": (1 / 3, (-3, 0, 0)),
    "b-3l-mu": (1 / 3, (0, -3, 0)),
    "b-3l-tau": (1 / 3, (0, 0, -3)),
    "b-2l-e-l-mu": (1 / 3, (-2, -1, 0)),
    "b-y-l-mu-l-tau": (1 / 3, (0, 1, 1)),
}
OTHER_DEFAULT = {"neutron-radius", "neutron-skin", "sm-axial", "cross-section", "axial", "contact"}
LOOP = ["lmu-ltau", "le-lmu", "le-ltau"]


def caesium(couplings: str = "default") -> Target:
    nuclide = composition("Cs")[0][0]
    t, _ = recoil_nodes(nuclide.mass, pion_decay_at_rest().values())
    return target_at(nuclide, t, COUPLING_SETS[couplings], FORM_FACTORS["helm"])


def charges2(name: str, target: Target, values: dict[str, float] | None = None) -> dict[str, np.ndarray]:
    model = signal_model(name)
    given = {} if values is None else values
    couplings = {p.name: given.get(p.name, p.default) for p in model.parameters}
    polynomials = squared(model.prepare(target)(model.shapes(given)))
    return {flavour: evaluate(polynomial, couplings) for (flavour, _, kernel), polynomial in polynomials.items() if kernel == "vector"}


@pytest.mark.parametrize("name", [name for name in model_names() if name not in OTHER_DEFAULT])
@pytest.mark.parametrize("source", ["nu_e", "nu_mu", "nubar_mu"])
def test_standard_model_limit(name: str, source: str) -> None:
    target, spectrum, flavour = caesium(), pion_decay_at_rest()[source], lepton_flavour(source)
    expected = differential_cross_section(signal_model("sm"), target, flavour, spectrum)
    found = differential_cross_section(signal_model(name), target, flavour, spectrum, baseline=2000.0)
    assert found == pytest.approx(expected, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("name", model_names())
def test_terms_keep_their_monomials_when_shapes_change(name: str) -> None:
    target, model = caesium(), signal_model(name)
    prepared = model.prepare(target)
    changed = {
        p.name: 0.0 if p.name.startswith("q_") else 0.9 * p.default
        for p in model.parameters
        if p.kind == "nonlinear" and p.name != "loop_sign"
    }
    first, second = (squared(prepared(model.shapes(values))) for values in ({}, changed))
    declared = {p.name for p in model.parameters if p.kind == "polynomial"} - {
        "sigma_ar",
        "sigma_ge",
        "sigma_xe",
    }  # the target holds none of these
    monomials = [monomial for polynomial in first.values() for monomial in polynomial]
    assert [list(polynomial) for polynomial in first.values()] == [list(polynomial) for polynomial in second.values()]
    assert {name for monomial in monomials for name, _ in monomial} == declared
    assert all(0 < power <= 4 for monomial in monomials for _, power in monomial)


@pytest.mark.parametrize("name", TREE)
@pytest.mark.parametrize("mass", [1.0, 40.0, 3000.0])
def test_tree_level_charges(name: str, mass: float) -> None:
    quark, neutrino = TREE[name]
    target, g = caesium(), 2e-4
    nucleus = 3.0 * quark * (target.zf + target.nf) / (math.sqrt(2) * FERMI_CONSTANT * (target.q2 + mass**2))
    found = charges2(name, target, {"g": g, "mass": mass})
    for flavour, q in zip(LEPTONS, neutrino, strict=True):
        assert found[flavour] == pytest.approx((sm_charge(target, flavour) + g**2 * q * nucleus) ** 2, rel=1e-12, abs=1e-12)


def test_heavy_mediator_is_a_contact_interaction() -> None:
    target, g, mass = caesium(), 0.5, 1e6
    eps = g**2 / (math.sqrt(2) * FERMI_CONSTANT * mass**2)
    expected = (sm_charge(target, "mu") + 3.0 * eps * (target.zf + target.nf)) ** 2
    assert charges2("universal", target, {"g": g, "mass": mass})["mu"] == pytest.approx(expected, rel=1e-6, abs=0.0)


def test_light_mediator_goes_as_inverse_momentum() -> None:
    target = caesium()
    hard = target.q2 > 0.01
    light, lighter = (charges2("universal", target, {"g": 1e-5, "mass": mass})["mu"] for mass in (1e-3, 2e-3))
    assert hard.sum() > 90
    assert light[hard] == pytest.approx(lighter[hard], rel=2e-3, abs=0.0)


@pytest.mark.parametrize("name", [*TREE, *LOOP])
def test_rate_is_even_polynomial_of_degree_four_in_g(name: str) -> None:
    target, values = caesium(), {"mass": 25.0}
    g2 = np.array([1.0, 2.0, 3.0]) * 1e-8
    samples = [charges2(name, target, {**values, "g": math.sqrt(x)}) for x in g2]
    for flavour in LEPTONS:
        coefficients = np.polynomial.polynomial.polyfit(g2 / 1e-8, np.array([s[flavour] for s in samples]), 2)
        predicted = np.polynomial.polynomial.polyval(7.0, coefficients)
        assert predicted == pytest.approx(charges2(name, target, {**values, "g": math.sqrt(7e-8)})[flavour], rel=1e-8, abs=0.0)


def test_loop_of_lmu_ltau_is_destructive_for_muon_neutrinos_and_absent_for_electrons() -> None:
    target = caesium()
    values = {"g": 3e-4, "mass": 50.0}
    found = charges2("lmu-ltau", target, values)
    assert np.all(found["mu"] < sm_charge(target, "mu") ** 2)
    assert np.all(found["tau"] > sm_charge(target, "tau") ** 2)
    assert found["e"] == pytest.approx(sm_charge(target, "e") ** 2, rel=1e-6, abs=0.0)
    flipped = charges2("lmu-ltau", target, {**values, "loop_sign": -1.0})
    assert np.all(flipped["mu"] > sm_charge(target, "mu") ** 2)


def test_loop_strength_at_vanishing_momentum() -> None:
    nuclide = composition("Cs")[0][0]
    target = target_at(nuclide, [1e-9], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    g, mass = 1e-3, 100.0
    shift = math.sqrt(2) * FINE_STRUCTURE * g**2 / (math.pi * FERMI_CONSTANT * mass**2) * 0.940797 * 55
    expected = (sm_charge(target, "mu") + shift) ** 2
    assert charges2("lmu-ltau", target, {"g": g, "mass": mass})["mu"] == pytest.approx(expected, rel=1e-4, abs=0.0)


@pytest.mark.parametrize("flavour", ["mu", "tau"])
@pytest.mark.parametrize("q", [1.0, 50.0])
def test_kinetic_mixing_of_the_size_of_the_loop_doubles_it(q: float, flavour: str) -> None:
    nuclide = composition("Cs")[0][0]
    target = target_at(nuclide, [q**2 / (2.0 * nuclide.mass)], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    values, e = {"g": 3e-4, "mass": 40.0}, math.sqrt(4.0 * math.pi * FINE_STRUCTURE)
    # the loop gives the proton (2 alpha/pi) g eps(q^2); eps(0) = 0.9408, 0.9335 at 50 MeV
    tree = 2.0 * FINE_STRUCTURE / math.pi * values["g"] * {1.0: 0.940794, 50.0: 0.93353}[q] / e
    loop = math.sqrt(charges2("lmu-ltau", target, values)[flavour][0]) - abs(sm_charge(target, flavour)[0])
    for factor in (1.0, -1.0):
        both = charges2("lmu-ltau-mixing", target, {**values, "eps_tree": factor * tree})[flavour][0]
        assert math.sqrt(both) - abs(sm_charge(target, flavour)[0]) == pytest.approx((1.0 + factor) * loop, rel=1e-4, abs=1e-4 * abs(loop))
    assert abs(loop) > 1e-3 * abs(sm_charge(target, flavour)[0])


def test_kinetic_mixing_adds_nothing_to_the_templates_of_the_loop() -> None:
    target = caesium()
    for name, number in (("lmu-ltau", 3), ("lmu-ltau-mixing", 6)):
        model = signal_model(name)
        assert len(squared(model.prepare(target)(model.shapes()))["mu", "nucleus", "vector"]) == number
    found, expected = (charges2(name, target, {"g": 3e-4, "mass": 40.0})["mu"] for name in ("lmu-ltau-mixing", "lmu-ltau"))
    assert found == pytest.approx(expected, rel=1e-14, abs=0.0)


def test_dark_photon_couples_by_the_product_and_like_a_charge_of_the_proton() -> None:
    target, e = caesium(), math.sqrt(4.0 * math.pi * FINE_STRUCTURE)
    found = charges2("dark-photon", target, {"g": 2e-4, "eps": 1e-4, "mass": 20.0, "q_nu_mu": -1.5})
    expected = sm_charge(target, "mu") - 1.5 * 2e-8 * e * target.zf / (math.sqrt(2) * FERMI_CONSTANT * (target.q2 + 400.0))
    assert found["mu"] == pytest.approx(expected**2, rel=1e-12, abs=0.0)
    product = charges2("dark-photon", target, {"g": 2e-8, "mass": 20.0, "q_nu_mu": -1.5})
    assert product["mu"] == pytest.approx(found["mu"], rel=1e-12, abs=0.0)
    # charges of 2/3 and -1/3 of the quarks are those of proton and neutron
    quarks = {"q_u": 2.0 / 3.0, "q_d": -1.0 / 3.0, "g": math.sqrt(2e-8 * e), "mass": 20.0, "q_nu_mu": -1.5}
    assert charges2("vector", target, quarks)["mu"] == pytest.approx(found["mu"], rel=1e-12, abs=0.0)
    heavy, heavier = (charges2("dark-photon", target, {"g": g, "mass": mass})["e"] for g, mass in ((1e-2, 1e6), (4e-2, 2e6)))
    assert heavy == pytest.approx(heavier, rel=1e-8, abs=0.0)
    light, lighter = (charges2("dark-photon", target, {"g": 1e-10, "mass": mass})["e"] for mass in (1e-3, 2e-3))
    assert light[target.q2 > 0.01] == pytest.approx(lighter[target.q2 > 0.01], rel=2e-3, abs=0.0)


def test_sleptons_add_a_quarter_of_a_fermion_each() -> None:
    target = caesium()
    values = {"g": 1e-3, "mass": 30.0}
    # four scalars of the masses of one Dirac fermion make up the fermion; two sleptons with ln(m_tau^2/m_mu^2) make half of it
    log = 2.0 * 2.0 * math.log(1776.93 / 105.6583755)
    scale = math.sqrt(2) * FINE_STRUCTURE * 1e-6 / (math.pi * FERMI_CONSTANT) * target.zf / (target.q2 + 900.0)
    plain = np.sqrt(charges2("lmu-ltau", target, values)["tau"])
    added = np.sqrt(charges2("lmu-ltau", target, {**values, "slepton_log": log})["tau"])
    assert added - plain == pytest.approx(0.5 * 0.940810 * scale, rel=1e-4, abs=0.0)


@pytest.mark.parametrize(("name", "first", "second"), [("lmu-ltau", "mu", "tau"), ("le-lmu", "e", "mu"), ("le-ltau", "e", "tau")])
def test_loop_moves_the_two_flavours_oppositely(name: str, first: str, second: str) -> None:
    target = caesium()
    model = signal_model(name)
    charges = {term.flavour: term.charge for term in model.prepare(target)(model.shapes())}
    g2 = (("g", 2),)
    assert charges[first][g2] == pytest.approx(-charges[second][g2], rel=1e-6, abs=0.0)
    assert np.all(charges[first][g2] > 0.0)
    assert sum(g2 in charge for charge in charges.values()) == 2


def test_signal_strength_scales_the_rate() -> None:
    target = caesium()
    for strength in (-1.5, 0.0, 2.0):
        found = charges2("signal-strength", target, {"signal_strength": strength})
        assert found["mu"] == pytest.approx(strength * sm_charge(target, "mu") ** 2, rel=1e-6, abs=0.0)


def test_weak_mixing_angle_on_tree_level_couplings_is_the_tree_level_formula() -> None:
    target = caesium("tree")
    for s in (0.18, SIN2_THETA_W, 0.3):
        expected = tree_level(s).proton["mu"] * target.zf + tree_level(s).neutron * target.nf
        assert charges2("weak-mixing-angle", target, {"sin2_theta_w": s})["mu"] == pytest.approx(expected**2, rel=1e-10, abs=0.0)


def test_neutron_radius_at_the_radius_of_the_nuclide_is_the_standard_model() -> None:
    target = caesium()
    found = charges2("neutron-radius", target, {"r_n": target.nuclide.r_n / FM})
    assert found["e"] == pytest.approx(sm_charge(target, "e") ** 2, rel=1e-12, abs=0.0)


def test_a_larger_neutron_radius_lowers_the_rate() -> None:
    target = caesium()
    small, large = (charges2("neutron-radius", target, {"r_n": radius})["mu"] for radius in (4.5, 5.5))
    assert np.all(large < small)


def test_skin_is_the_difference_of_the_radii() -> None:
    target = caesium()
    skin = (target.nuclide.r_n - target.nuclide.r_p) / FM
    assert charges2("neutron-skin", target, {"skin": skin})["mu"] == pytest.approx(sm_charge(target, "mu") ** 2, rel=1e-12, abs=0.0)
    thick = charges2("neutron-skin", target, {"skin": 0.5})["mu"]
    assert thick == pytest.approx(charges2("neutron-radius", target, {"r_n": target.nuclide.r_p / FM + 0.5})["mu"], rel=1e-12, abs=0.0)


def test_radius_of_an_element_acts_on_that_element_only() -> None:
    target = caesium()
    standard = sm_charge(target, "e") ** 2
    assert charges2("neutron-radii", target, {"r_n_i": 6.0, "r_n_ar": 4.0})["e"] == pytest.approx(standard, rel=1e-12, abs=0.0)
    changed = charges2("neutron-radii", target, {"r_n_cs": 5.5})["e"]
    assert changed == pytest.approx(charges2("neutron-radius", target, {"r_n": 5.5})["e"], rel=1e-12, abs=0.0)


def test_flavour_strengths_scale_one_flavour() -> None:
    target = caesium()
    found = charges2("flavour-strengths", target, {"strength_nu_mu": 3.0, "strength_nu_e": -0.5})
    for flavour, strength in (("e", -0.5), ("mu", 3.0), ("tau", 1.0)):
        assert found[flavour] == pytest.approx(strength * sm_charge(target, flavour) ** 2, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("name", TREE)
def test_user_charges_give_the_named_models(name: str) -> None:
    quark, neutrino = TREE[name]
    target, values = caesium(), {"g": 3e-5, "mass": 20.0}
    charges = {"q_u": quark, "q_d": quark, **{f"q_nu_{f}": q for f, q in zip(LEPTONS, neutrino, strict=True)}}
    named, general = charges2(name, target, values), charges2("vector", target, {**values, **charges})
    for flavour in LEPTONS:
        assert general[flavour] == pytest.approx(named[flavour], rel=1e-12, abs=0.0)


# 189 +- 6: arXiv:2110.07730; 17.09: independent programs with tree-level couplings, which are 5 to 6 % lower
@pytest.mark.parametrize(("compound", "name", "published", "error"), [("CsI", "sigma_csi", 189.0, 6.0), ("Ar", "sigma_ar", 17.09, 1.2)])
def test_default_cross_sections_are_those_of_the_standard_model(compound: str, name: str, published: float, error: float) -> None:
    nuclei, model = composition(compound), signal_model("cross-section")
    (default,) = (parameter.default for parameter in model.parameters if parameter.name == name)
    assert default == pytest.approx(published, abs=error)
    number, total, scaled = 0.0, 0.0, 0.0
    for nuclide, count in nuclei:
        target = target_at(nuclide, [0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"], nuclei)
        for source, spectrum in pion_decay_at_rest().items():
            number += count
            total += count * flux_averaged_cross_section(signal_model("sm"), target, lepton_flavour(source), spectrum)
        t, _ = recoil_nodes(nuclide.mass, pion_decay_at_rest().values())
        on = target_at(nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["helm"], nuclei)
        for flavour, charge2 in charges2("cross-section", on, {name: 2.0 * default}).items():
            assert charge2 == pytest.approx(2.0 * sm_charge(on, flavour) ** 2, rel=1e-8, abs=0.0)
            scaled += 1.0
    assert 1e40 * total / number == pytest.approx(default, rel=1e-8, abs=0.0)
    assert scaled == 3.0 * len(nuclei)
