"""Axes and the sums of fine bins into coarse ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.core.axes import AXIS_UNITS, DISPLAY_SCALE, Axis, internal, nest, unit_of
from cevnsfit.core.errors import AxisError
from cevnsfit.core.units import UnitError


def test_every_axis_has_a_display_scale() -> None:
    assert set(AXIS_UNITS.values()) == set(DISPLAY_SCALE)


def test_display_edges_are_round_numbers() -> None:
    axis = Axis("time", (0.0, 0.125e-6, 0.1e-6 + 0.2e-6))
    assert (axis.nbins, axis.unit) == (2, "us")
    assert axis.display_edges.tolist() == [0.0, 0.125, 0.3]


@pytest.mark.parametrize(
    ("name", "written", "unit", "quantity", "edge"),
    [
        ("e_ee", "eVee", "keVee", "e_ee", 2e-6),
        ("cs2", "PE", "PE", "pe", 2.0),
        ("visible", "eVee", "keVee", "e_ee", 2e-6),
        ("drift", "ms", "us", "time", 2e-3),
        ("psd", "1", "1", "number", 2.0),
        ("radius", "mm", "mm", "number", 2.0),
    ],
)
def test_what_an_axis_shows_follows_from_its_unit(name: str, written: str, unit: str, quantity: str, edge: float) -> None:
    edges = internal(np.array([1.0, 2.0]), name, written)
    axis = Axis(name, tuple(edges), unit_of(name, written))
    assert (axis.unit, axis.quantity, axis.edges[1]) == (unit, quantity, pytest.approx(edge, rel=1e-12, abs=0.0))
    assert axis.display_edges[1] == pytest.approx(2.0 * {"ms": 1e3, "eVee": 1e-3}.get(written, 1.0), rel=1e-12)


def test_a_quantity_in_another_unit_is_refused() -> None:
    with pytest.raises(UnitError, match="keVnr"):
        internal(np.ones(2), "e_ee", "keVnr")


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
    with pytest.raises(AxisError, match=r"edges 0\.01, 0\.02, 0\.03, 0\.04, 0\.05 and more are not edges"):
        nest(fine, np.linspace(0.0, 0.3, 31))


def test_nest_names_edges_outside_the_table() -> None:
    with pytest.raises(AxisError, match=r"edges -1, 9 .*from 0 to 3"):
        nest(np.arange(0.0, 4.0), np.array([-1.0, 1.0, 9.0]))


@given(st.sets(st.integers(0, 40), min_size=2), st.floats(1e-7, 1e3))
def test_nest_keeps_the_total_between_its_outer_edges(chosen: set[int], unit: float) -> None:
    coarse = np.array(sorted(chosen), dtype=float)
    contents = np.random.default_rng(1).poisson(5.0, 40)
    summed = nest(np.arange(41.0) * unit, coarse * unit) @ contents
    assert summed.sum() == contents[int(coarse[0]) : int(coarse[-1])].sum()
