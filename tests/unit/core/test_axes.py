"""Axes and the sums of fine bins into coarse ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.core.axes import AXIS_UNITS, DISPLAY_SCALE, Axis, nest
from cevnsfit.core.errors import AxisError


def test_every_axis_has_a_display_scale() -> None:
    assert set(AXIS_UNITS.values()) == set(DISPLAY_SCALE)


def test_display_edges_are_round_numbers() -> None:
    axis = Axis("time", (0.0, 0.125e-6, 0.1e-6 + 0.2e-6))
    assert (axis.nbins, axis.unit) == (2, "us")
    assert axis.display_edges.tolist() == [0.0, 0.125, 0.3]


def test_unknown_axis_lists_the_known_ones() -> None:
    with pytest.raises(AxisError, match=r"'energy'.*t_recoil, e_ee, pe"):
        Axis("energy", (0.0, 1.0))


@pytest.mark.parametrize("edges", [(), (1.0,), (0.0, 0.0), (1.0, 0.0), (0.0, float("nan"), 2.0)])
def test_edges_must_increase(edges: tuple[float, ...]) -> None:
    with pytest.raises(AxisError, match="strictly increasing"):
        Axis("pe", edges)


def test_nest_sums_and_drops_what_lies_outside() -> None:
    matrix = nest(np.arange(0.0, 7.0), np.array([1.0, 3.0, 4.0]))
    np.testing.assert_array_equal(matrix @ np.array([1, 10, 100, 1000, 10000, 100000]), [110, 1000])


def test_nest_of_equal_edges_is_the_identity() -> None:
    edges = np.array([0.0, 0.125e-6, 1e-6, 6e-6])
    np.testing.assert_array_equal(nest(edges, edges), np.eye(3))


def test_nest_forgives_rounding_only() -> None:
    fine = np.array([0.0, 0.1, 0.2, 0.1 + 0.2])
    assert nest(fine, np.array([0.0, 0.3])).tolist() == [[1, 1, 1]]
    with pytest.raises(AxisError, match=r"edges 0\.3001 are not edges"):
        nest(fine, np.array([0.0, 0.3001]))


def test_nest_names_edges_outside_the_table() -> None:
    with pytest.raises(AxisError, match=r"edges -1, 9 .*from 0 to 3"):
        nest(np.arange(0.0, 4.0), np.array([-1.0, 1.0, 9.0]))


@given(st.sets(st.integers(0, 40), min_size=2), st.floats(1e-7, 1e3))
def test_nest_keeps_the_total_between_its_outer_edges(chosen: set[int], unit: float) -> None:
    coarse = np.array(sorted(chosen), dtype=float)
    contents = np.random.default_rng(1).poisson(5.0, 40)
    summed = nest(np.arange(41.0) * unit, coarse * unit) @ contents
    assert summed.sum() == contents[int(coarse[0]) : int(coarse[-1])].sum()
