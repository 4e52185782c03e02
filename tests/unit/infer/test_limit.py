"""Limits as polygons and lines: what they exclude in a column."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.infer.limit import UNBOUNDED, Limit, union

GAP = [np.nan, np.nan]


def test_an_open_line_excludes_what_is_above_and_nothing_beside_it() -> None:
    limit = Limit("a", np.array([[1.0, 1e-3], [100.0, 1e-1]]))
    assert limit.excluded(10.0) == (pytest.approx((1e-2, math.inf)),)
    assert limit.excluded(1.0) == ((1e-3, math.inf),)
    assert limit.excluded(100.0) == (pytest.approx((1e-1, math.inf)),)
    assert limit.excluded(100.1) == limit.excluded(0.9) == ()


def test_the_direction_of_a_line_does_not_matter() -> None:
    limit = Limit("a", np.array([[100.0, 1e-1], [1.0, 1e-3]]))
    assert limit.excluded(10.0) == (pytest.approx((1e-2, math.inf)),)


def test_what_lies_above_any_of_several_lines_is_excluded() -> None:
    low, high = [[1.0, 1e-3], [10.0, 1e-3]], [[2.0, 2e-3], [20.0, 2e-3]]
    island = [[2.0, 3e-4], [8.0, 3e-4], [8.0, 3e-3], [2.0, 3e-3]]
    assert Limit("a", np.array([*low, GAP, *high])).excluded(5.0) == (pytest.approx((1e-3, math.inf)),)
    assert Limit("a", np.array([*high, GAP, *low])).excluded(15.0) == (pytest.approx((2e-3, math.inf)),)
    assert Limit("a", np.array([*low, GAP, *island])).excluded(5.0) == (pytest.approx((3e-4, math.inf)),)


def test_a_line_may_have_a_cliff() -> None:
    limit = Limit("a", np.array([[1.0, 1e-3], [10.0, 1e-3], [10.0, 2e-3], [100.0, 2e-3]]))
    assert limit.excluded(5.0) == (pytest.approx((1e-3, math.inf)),)
    assert limit.excluded(10.0) == limit.excluded(50.0) == (pytest.approx((2e-3, math.inf)),)


def test_an_island_excludes_its_inside_with_or_without_its_last_point() -> None:
    square = [[1.0, 1e-3], [10.0, 1e-3], [10.0, 1e-2], [1.0, 1e-2]]
    for points in (square, [*square, square[0]]):
        assert Limit("a", np.array(points)).excluded(3.0) == (pytest.approx((1e-3, 1e-2)),)


def test_a_hole_is_allowed_and_an_upper_edge_that_stands_for_none_is_none() -> None:
    outer = [[1.0, 1e-3], [10.0, 1e-3], [10.0, UNBOUNDED], [1.0, UNBOUNDED], [1.0, 1e-3]]
    hole = [[1.0, 1e-2], [10.0, 1e-2], [10.0, 2e-2], [1.0, 2e-2], [1.0, 1e-2]]
    found = Limit("a", np.array([*outer, GAP, *hole])).excluded(3.0)
    assert found == (pytest.approx((1e-3, 1e-2)), pytest.approx((2e-2, math.inf)))


def test_a_band_excludes_what_is_outside() -> None:
    low, high = [[1.0, 1e-3], [10.0, 1e-3]], [[1.0, 2e-3], [10.0, 2e-3]]
    both = Limit("a", np.array([*low, GAP, *high]), "band")
    assert both.excluded(3.0) == (pytest.approx((0.0, 1e-3)), pytest.approx((2e-3, math.inf)))
    assert Limit("a", np.array(high), "band").excluded(3.0) == (pytest.approx((2e-3, math.inf)),)
    assert both.excluded(11.0) == ((0.0, math.inf),)
    assert Limit("a", np.array([GAP]), "band").excluded(3.0) == ((0.0, math.inf),)


def test_points_over_all_magnitudes_are_joined() -> None:
    """Half-way between 1e-320 and 1e280 in the logarithm lies 1e-20."""
    limit = Limit("a", np.array([[1e-320, 1e-320], [1e280, 1e280]]))
    ((low, high),) = limit.excluded(1e-20)
    assert (math.log10(low), high) == (pytest.approx(-20.0, abs=0.01), math.inf)


def test_a_boundary_outside_of_a_window_is_said() -> None:
    limit = Limit("a", np.array([[1.0, 1e-3], [10.0, 1e-3]]))
    assert limit.inside((5.0, 50.0), (1e-4, 1e-2)).remarks == ()
    assert "outside of the plane" in limit.inside((20.0, 50.0), (1e-4, 1e-2)).remarks[0]


def test_unions_are_disjoint() -> None:
    assert union([[(3.0, 4.0)], [(0.0, 1.0), (1.0, 2.0)], [(3.5, math.inf)]]) == ((0.0, 2.0), (3.0, math.inf))
    assert union([]) == ()
