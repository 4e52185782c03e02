from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.interactions.terms import Term, evaluate, multiply, squared, target_at
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


def test_channels_stay_apart() -> None:
    electron = Term("e", "electron", "vector", {(): B})
    assert set(squared([term({(): A}), electron])) == {("mu", "nucleus", "vector"), ("e", "electron", "vector")}


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
