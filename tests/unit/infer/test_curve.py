"""Crossings of curves: guarded roots, brackets that grow, splines and straight lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.infer.curve import Curve, between, complement, crossings, falling, interpolated, minima, outward_root, root, spline_allowed
from cevnsfit.infer.results import ProfileResult


def made(heights: np.ndarray) -> Curve:
    return Curve(np.arange(float(len(heights))), heights, np.ones(len(heights), dtype=np.bool_))


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: x + 5.0, 0.0, 1.0),
        (lambda x: -x - 5.0, 0.0, 1.0),
        (lambda _: math.nan, 0.0, 1.0),
        (lambda x: x - 0.5 if x in {0.0, 1.0} else math.nan, 0.0, 1.0),
        (lambda x: x - 0.5, 0.7, 0.7),
    ],
    ids=["above", "below", "no value", "no value inside", "no bracket"],
)
def test_what_is_no_bracket_has_no_root(function: object, low: float, high: float) -> None:
    assert math.isnan(root(function, low, high, precision=1e-9))  # type: ignore[arg-type]


def test_a_root_beside_an_impossible_stretch_is_found() -> None:
    found = root(lambda x: math.inf if x > 0.3 else x - 0.2, 0.0, 1.0, precision=1e-9)
    assert found == pytest.approx(0.2, abs=1e-8)
    assert root(lambda x: math.inf if x > 0.2 else -1.0, 0.0, 1.0, precision=1e-6) == pytest.approx(0.2, abs=1e-5)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.booleans())
def test_the_root_is_where_the_sign_changes_in_either_order(place: float, width: float, swapped: bool) -> None:
    ends = (place - width, place + 2.0 * width)
    low, high = ends[::-1] if swapped else ends
    assert root(lambda x: (x - place) ** 3 + (x - place), low, high, precision=1e-9) == pytest.approx(
        place, abs=1e-8 * width + 1e-12 * abs(place)
    )


@pytest.mark.parametrize("step", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_brackets_grow_in_both_directions(step: float, side: float) -> None:
    found = outward_root(lambda x: abs(x - 2.0) - 30.0, 2.0, step, side * math.inf, precision=1e-9)
    assert found == pytest.approx(2.0 + side * 30.0, rel=1e-5)


def test_a_limit_that_is_not_excluded_is_the_end() -> None:
    asked: list[float] = []

    def excess(x: float) -> float:
        asked.append(x)
        return -1.0

    assert outward_root(excess, 0.0, 1.0, 5.0, precision=1e-5) == 5.0
    assert asked == [1.0, 2.0, 4.0, 5.0]
    assert math.isnan(outward_root(excess, 0.0, 1.0, math.inf, precision=1e-5))


def test_a_profile_that_fails_on_the_way_or_at_the_start_has_no_end() -> None:
    assert math.isnan(outward_root(lambda x: math.nan if x > 1.0 else -1.0, 0.0, 0.5, 9.0, precision=1e-5))
    assert math.isnan(outward_root(lambda _: 1.0, 0.0, 0.5, 9.0, precision=1e-5))


def test_minima_without_a_barrier_are_one() -> None:
    ripple = made(np.array([3.0, 1.0, 1.0 + 1e-9, 1.0 - 1e-9, 2.0, 0.5, 4.0]))
    assert minima(ripple.nll2) == [1, 3, 5]
    assert ripple.minima == (3, 5)
    assert ripple.lowest == 5


def test_intervals_alternate_from_the_first_point() -> None:
    curve = made(np.array([0.0, 5.0, 0.0, 5.0]))
    assert curve.allowed((0.2, 1.8, 2.2), 1.0) == ((0.0, 0.2), (1.8, 2.2))
    assert curve.allowed((), -1.0) == ()
    assert curve.allowed((), 9.0) == ((0.0, 3.0),)
    assert between((0.0, 1.0, 2.0), inside=False) == ((1.0, 2.0),)


@given(st.lists(st.floats(0.0, 1.0), min_size=0, max_size=8, unique=True))
def test_the_complement_of_the_complement_is_the_set(ends: list[float]) -> None:
    points = sorted(ends[: len(ends) // 2 * 2])
    allowed = tuple(zip(points[::2], points[1::2], strict=True))
    rest = complement(allowed, (0.0, 1.0))
    assert sum(b - a for a, b in (*allowed, *rest)) == pytest.approx(1.0)
    assert complement(rest, (0.0, 1.0)) == allowed


def test_a_line_through_a_point_without_a_height_is_cut_in_the_middle() -> None:
    assert interpolated((1.0, 3.0), (math.nan, 2.0), 1.0) == 2.0
    assert interpolated((1.0, 3.0), (4.0, 0.0), 1.0) == 2.5
    assert interpolated((1.0, 3.0), (4.0, 4.0), 4.0) == 2.0


@given(st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=30))
def test_a_falling_curve_never_rises_and_stays_within_its_fluctuations(heights: list[float]) -> None:
    curve = np.array(heights)
    smooth = falling(curve)
    assert np.all(np.diff(smooth) <= 1e-12)
    assert smooth.min() >= curve.min()
    assert smooth.max() <= curve.max()


def test_a_spline_lies_below_a_level_between_the_roots_of_its_polynomial() -> None:
    values = np.linspace(0.0, 3.0, 13)
    ((low, high),) = spline_allowed(values, (values - 1.0) ** 2, 0.25, log=False)
    assert (low, high) == (pytest.approx(0.5, abs=1e-9), pytest.approx(1.5, abs=1e-9))
    scaled = np.geomspace(1.0, 100.0, 21)
    ((low, high),) = spline_allowed(scaled, np.log10(scaled) ** 2 + 1.0, 1.25, log=True)
    assert (low, high) == (1.0, pytest.approx(10.0**0.5, rel=1e-9))
    assert spline_allowed(values, (values - 1.0) ** 2, -1.0, log=False) == ()


SHAPES = {
    "smooth": (lambda x: (x * x - 4.0) ** 2, 1),
    "kink": (lambda x: 30.0 * np.abs(x - 1.93) + (x - 1.93) ** 2 + np.where(x > 2.4, 40.0 * (x - 2.4), 0.0), 5),
    "end": (lambda x: np.where(x < 2.6, (x - 2.0) ** 2, np.inf), 60),
}


@pytest.mark.parametrize("name", list(SHAPES))
def test_crossings_are_found_in_few_profiles_where_the_curve_is_smooth_and_anyhow_where_it_is_not(name: str) -> None:
    function, most = SHAPES[name]
    calls = []

    def profiled(values: np.ndarray, start: np.ndarray | None) -> ProfileResult:
        calls.append(len(values))
        good, theta = np.ones(len(values), dtype=np.bool_), values[:, None].copy()
        assert start is None or len(start) == len(values)
        return ProfileResult(function(values), theta, np.zeros(len(values)), good, ~good, np.ones(len(values), dtype=np.int64), 0)

    x = np.arange(0.0, 3.9, 0.15)
    curve = Curve(x, function(x), np.ones(len(x), dtype=np.bool_))
    level = float(curve.nll2.min()) + 1.3
    (cuts,) = crossings(profiled, curve, [level])
    fine = np.linspace(x[0], x[-1], 4_000_001)
    inside = function(fine) <= level
    wanted = 0.5 * (fine[1:] + fine[:-1])[inside[1:] != inside[:-1]]
    assert len(cuts) == len(wanted) == 2
    np.testing.assert_allclose(cuts, wanted, rtol=0.0, atol=2e-6)
    assert len(calls) <= most
