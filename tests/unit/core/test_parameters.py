"""Parameters: domains, order, merging."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet, merge

MASS = Parameter("mass", "nonlinear", 10.0, 1e-3, 1e5, unit="MeV", scale="log")
COUPLING = Parameter("g", "polynomial", 0.0, 0.0, 1.0)
FLUX = Parameter("sns_flux", "nuisance", 0.0, -8.0, 8.0, constrained=True)
ALL = ParameterSet((MASS, COUPLING, FLUX))


def test_vector_puts_values_at_their_names() -> None:
    np.testing.assert_array_equal(ALL.vector({"sns_flux": 1, "mass": 20}), [20.0, 0.0, 1.0])
    np.testing.assert_array_equal(ALL.vector({}), ALL.defaults())


def test_vector_leaves_the_defaults_alone() -> None:
    ALL.vector({"g": 0.5})
    assert ALL.defaults()[1] == 0


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_value_outside_its_domain_says_which_and_what_is_allowed(value: float) -> None:
    with pytest.raises(DomainError, match=r"g = .* outside its domain \[0, 1\]"):
        ALL.vector({"g": value})


def test_the_domain_is_closed_and_has_a_unit() -> None:
    assert MASS.checked(1e-3) == 1e-3
    with pytest.raises(DomainError, match="MeV"):
        MASS.checked(0.0)


def test_an_unbounded_parameter_takes_any_finite_value() -> None:
    assert Parameter("a", "nuisance", 0.0).checked(-1e300) == -1e300


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown parameter 'snsflux'; did you mean sns_flux"):
        ALL.vector({"snsflux": 1})
    with pytest.raises(UnknownNameError, match="known: g, mass, sns_flux"):
        ALL.index("zzzzzz")


def test_a_set_behaves_like_a_sequence_with_names() -> None:
    assert ALL.names == ("mass", "g", "sns_flux")
    assert len(ALL) == 3
    assert list(ALL) == [MASS, COUPLING, FLUX]
    assert ALL["g"] is COUPLING
    assert "g" in ALL
    assert "G" not in ALL


def test_kinds_are_selected_in_order() -> None:
    assert ALL.of_kind("nuisance", "nonlinear").names == ("mass", "sns_flux")


def test_a_name_stands_once_in_a_set() -> None:
    with pytest.raises(CevnsfitError, match="'g' is listed twice"):
        ParameterSet((COUPLING, COUPLING))


def test_merging_shares_equal_definitions() -> None:
    assert merge([(MASS, FLUX), (FLUX, COUPLING)]).names == ("mass", "sns_flux", "g")


def test_merging_keeps_the_members_whatever_the_order() -> None:
    sets = [(MASS,), (COUPLING, FLUX), (FLUX, MASS)]
    assert {frozenset(merge(order)) for order in itertools.permutations(sets)} == {frozenset(ALL)}


def test_merging_refuses_two_definitions_of_one_name() -> None:
    other = Parameter("sns_flux", "nuisance", 0.0, -5.0, 5.0, constrained=True)
    with pytest.raises(CevnsfitError, match="'sns_flux' is defined twice differently"):
        merge([(FLUX,), (other,)])


def test_a_kind_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(CevnsfitError, match=r"'x' has the kind 'shape'; there are polynomial, nonlinear, nuisance"):
        Parameter("x", "shape", 1.0)  # type: ignore[arg-type]


def test_the_value_without_signal_is_the_least_physical_one_or_else_the_default() -> None:
    assert Parameter("strength", "polynomial", 1.0, least=0.0).null == 0.0
    assert Parameter("angle", "polynomial", 0.24, 0.0, 1.0).null == 0.24
    assert Parameter("g", "polynomial", 0.0, 0.0, 1.0).null == 0.0


def test_parameters_that_are_held_by_default_are_released_by_name() -> None:
    held = ParameterSet((Parameter("a", "polynomial", 1.0, fixed=True), Parameter("b", "polynomial", 1.0, fixed=True)))
    assert [p.fixed for p in held.released(["b"])] == [True, False]
    with pytest.raises(UnknownNameError):
        held.released(["c"])
