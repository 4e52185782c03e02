"""Crossings of a curve: what becomes of unknown heights, of brackets that are none, and of jumps."""

from __future__ import annotations

import math

import pytest

from cevnsfit.infer.curve import Bracket, zero


def never(value: float) -> float:
    pytest.fail(f"the curve was asked for at {value}")


@pytest.mark.parametrize("reverse", [False, True])
def test_a_crossing_is_found_from_either_side(reverse: bool) -> None:
    bracket = Bracket(2.0, 0.0, math.e**2 - 2.0, -1.0) if reverse else Bracket(0.0, 2.0, -1.0, math.e**2 - 2.0)
    assert zero(lambda x: math.exp(x) - 2.0, bracket, xtol=1e-12) == pytest.approx(math.log(2.0), abs=1e-10)


def test_ends_are_not_evaluated_again() -> None:
    asked: list[float] = []

    def forgetful(x: float) -> float:
        asked.append(x)
        return x - 0.3

    # fits that start elsewhere would see -0.3 and 0.7 at the ends
    assert zero(forgetful, Bracket(0.0, 1.0, -1.0, 2.0), xtol=1e-9) == pytest.approx(0.3, abs=1e-8)
    assert not {0.0, 1.0} & set(asked)


@pytest.mark.parametrize(
    ("heights", "expected"),
    [((0.5, 0.7), math.nan), ((-0.5, -0.7), math.nan), ((1e-12, 0.7), 1.0), ((-0.7, -1e-12), 2.0), ((math.nan, 0.7), math.nan), ((-1.0, math.nan), math.nan)],
)  # fmt: skip
def test_what_is_no_bracket(heights: tuple[float, float], expected: float) -> None:
    assert zero(never, Bracket(1.0, 2.0, *heights)) == pytest.approx(expected, nan_ok=True)


def test_a_curve_that_is_not_known_where_it_crosses_has_no_crossing() -> None:
    assert math.isnan(zero(lambda x: x if abs(x) > 0.1 else math.nan, Bracket(-1.0, 3.0, -1.0, 3.0)))


def test_a_height_may_be_infinite_outside_the_domain() -> None:
    end = zero(lambda x: -1.0 if x < 0.7 else math.inf, Bracket(0.0, 1.0, -1.0, math.inf), xtol=1e-6)
    assert end == pytest.approx(0.7, abs=1e-5)


def test_errors_of_the_curve_are_not_swallowed() -> None:
    def broken(_: float) -> float:
        message = "a bug"
        raise ValueError(message)

    with pytest.raises(ValueError, match="a bug"):
        zero(broken, Bracket(0.0, 1.0, -1.0, 1.0))
