from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import Term, evaluate, multiply, on_sources, squared, target_at
from cevnsfit.physics.nuclei import composition

A, B = np.array([1.0, 2.0]), np.array([3.0, -1.0])
G2 = (("g", 2),)


def term(charge: dict, group: str = "vector", factor: tuple = ()) -> Term:  # type: ignore[type-arg]
    return Term("mu", "nucleus", "vector", charge, group, factor)


def test_amplitudes_of_a_group_add_before_squaring() -> None:
    polynomial = squared([term({(): A}), term({G2: B})])["mu", "nucleus", "vector"]
    assert set(polynomial) == {(), G2, (("g", 4),)}
    assert polynomial[()].tolist() == (A**2).tolist()
    assert polynomial[G2].tolist() == (2 * A * B).tolist()
    assert polynomial[("g", 4),].tolist() == (B**2).tolist()


def test_groups_add_after_squaring() -> None:
    polynomial = squared([term({(): A}), term({G2: B}, group="scalar")])["mu", "nucleus", "vector"]
    assert set(polynomial) == {(), (("g", 4),)}
    assert evaluate(polynomial, {"g": 2.0}).tolist() == (A**2 + 16.0 * B**2).tolist()


def test_factor_multiplies_the_square() -> None:
    polynomial = squared([term({(): A}, factor=(("s", 1),)), term({G2: B}, factor=(("s", 1),))])["mu", "nucleus", "vector"]
    assert evaluate(polynomial, {"g": 0.5, "s": 3.0}) == pytest.approx(3.0 * (A + 0.25 * B) ** 2, rel=1e-6, abs=0.0)


def test_one_group_has_one_factor() -> None:
    with pytest.raises(CevnsfitError, match="different factors"):
        squared([term({(): A}), term({(): B}, factor=(("s", 1),))])


def test_a_weight_takes_a_square_away() -> None:
    taken = Term("mu", "nucleus", "vector", {(): B, G2: A}, "taken", (("s", 1),), -2.0)
    polynomial = squared([term({(): A}), taken])["mu", "nucleus", "vector"]
    assert evaluate(polynomial, {"g": 2.0, "s": 0.5}).tolist() == (A**2 - (B + 4.0 * A) ** 2).tolist()
    with pytest.raises(CevnsfitError, match="different factors"):
        squared([term({(): A}), Term("mu", "nucleus", "vector", {(): B}, weight=-1.0)])


def test_channels_stay_apart() -> None:
    electron = Term("e", "electron", "vector", {(): B})
    assert set(squared([term({(): A}), electron])) == {("mu", "nucleus", "vector"), ("e", "electron", "vector")}


def test_a_term_of_one_source_interferes_on_that_source_alone() -> None:
    terms = [term({(): A}), Term("nu_mu", "nucleus", "vector", {G2: B}), Term("e", "nucleus", "vector", {(): B})]
    found = squared(on_sources(terms, ("nu_mu", "nubar_mu", "nu_e")))
    assert {flavour for flavour, _, _ in found} == {"nu_mu", "nubar_mu", "e"}  # what is not singled out stays one term
    assert evaluate(found["nu_mu", "nucleus", "vector"], {"g": 2.0}).tolist() == ((A + 4.0 * B) ** 2).tolist()
    assert found["nubar_mu", "nucleus", "vector"][()].tolist() == (A**2).tolist()


def test_other_groups_of_one_source_add_to_the_square() -> None:
    terms = [term({(): A}), Term("nubar_mu", "nucleus", "vector", {(): B}, group="other", factor=(("s", 1),))]
    found = squared(on_sources(terms, ("nubar_mu", "nu_mu")))
    assert evaluate(found["nubar_mu", "nucleus", "vector"], {"s": 3.0}).tolist() == (A**2 + 3.0 * B**2).tolist()
    assert evaluate(found["nu_mu", "nucleus", "vector"], {"s": 3.0}).tolist() == (A**2).tolist()


def test_factors_of_a_source_are_those_of_its_group() -> None:
    terms = [term({(): A}), Term("nu_mu", "nucleus", "vector", {(): B}, factor=(("s", 1),))]
    assert len(squared(on_sources(terms, ("nubar_mu",)))) == 1
    with pytest.raises(CevnsfitError, match="different factors"):
        squared(on_sources(terms, ("nu_mu",)))


def test_terms_without_flux_are_left_out() -> None:
    terms = [term({(): A}), Term("nu_e", "nucleus", "vector", {(): B}), Term("tau", "nucleus", "vector", {(): B})]
    assert [one.flavour for one in on_sources(terms, ("nubar_mu", "nubar_mu", "nubar_e"))] == ["mu"]
    assert on_sources(terms[:1], ("nu_mu", "nubar_mu")) == terms[:1]


@pytest.mark.parametrize("flavour", ["nu_x", "nubar", "nu", ""])
def test_a_flavour_is_a_lepton_a_source_or_another_species(flavour: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown neutrino flavour"):
        on_sources([Term(flavour, "nucleus", "vector", {(): A})], ("nu_mu",))
    species = Term("chi", "nucleus", "vector", {(): A})
    assert on_sources([species], ("nu_mu", "chi")) == [species]
    assert on_sources([species], ("nu_mu",)) == []


def test_monomials_multiply() -> None:
    assert multiply((("g", 2),), (("eps", 1), ("g", 1))) == (("eps", 1), ("g", 3))


def test_target_counts_nucleons_at_zero_recoil() -> None:
    caesium = composition("Cs")[0][0]
    target = target_at(caesium, [0.0, 0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    assert (target.zf[0], target.nf[0]) == (55.0, 78.0)
    assert target.q2[1] == pytest.approx(2 * caesium.mass * 0.01 + 1e-4, rel=1e-6, abs=0.0)
    assert target.nf == pytest.approx(target.neutrons(caesium.r_n), rel=1e-6, abs=0.0)


def test_a_nucleus_without_neutrons_needs_no_neutron_radius() -> None:
    hydrogen = composition("H[1]")[0][0]
    target = target_at(hydrogen, [0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    assert target.nf.tolist() == [0.0]


def test_shapes_are_checked_and_completed() -> None:
    model = signal_model("lmu-ltau")
    assert model.shapes({"mass": 30.0, "g": 0.1}) == {"mass": 30.0, "loop_sign": 1.0, "slepton_log": 0.0}
    with pytest.raises(DomainError, match="mass"):
        model.shapes({"mass": -1.0})
