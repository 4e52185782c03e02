"""Regions from columns of intervals: discs, bands, holes and branches narrower than a step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.infer.contour import _inside, sections, trace
from cevnsfit.infer.planes import PlaneAxis

Pairs = list[tuple[tuple[float, float], ...]]


def linear(low: float, high: float, count: int) -> PlaneAxis:
    return PlaneAxis("x", "1", np.linspace(low, high, count), "linear")


def log(low: float, high: float, count: int) -> PlaneAxis:
    return PlaneAxis("x", "1", np.geomspace(low, high, count), "log")


def area(polygons: tuple[tuple[np.ndarray, ...], ...]) -> float:
    """Return the area of polygons, holes taken off, by the shoelace formula."""

    def ring(points: np.ndarray) -> float:
        x, y = points.T
        return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))

    return sum(ring(outer) - sum(ring(hole) for hole in holes) for outer, *holes in polygons)


def on_columns(lines: tuple[np.ndarray, ...], x: float, tolerance: float = 1e-9) -> list[float]:
    """Return the ordinates at which boundary lines have a vertex at the grid value `x`, increasing."""
    points = np.concatenate(lines)
    close = points[np.abs(points[:, 0] - x) < tolerance * abs(x) + 1e-12, 1]
    return sorted({float(f"{value:.9g}") for value in close})


def disc(x: PlaneAxis, radius: float = 1.0) -> Pairs:
    heights = [math.sqrt(radius**2 - v**2) if abs(v) < radius else 0.0 for v in x.values]
    return [((-h, h),) if h else () for h in heights]


def test_a_disc_is_one_polygon_with_its_area() -> None:
    x, y = linear(-1.5, 1.5, 121), linear(-2.0, 2.0, 40)
    allowed, excluded, lines = trace(x, y, disc(x), np.ones(121))
    assert [len(polygon) for polygon in allowed] == [1]
    assert [len(polygon) for polygon in excluded] == [2]  # a ring and a hole
    assert len(lines) == 1
    np.testing.assert_allclose(lines[0][0], lines[0][-1])  # closed
    assert area(allowed) == pytest.approx(math.pi, rel=5e-3)
    assert area(allowed) + area(excluded) == pytest.approx(12.0, rel=1e-6)


def test_boundaries_pass_through_the_given_crossings() -> None:
    x, y = linear(-1.5, 1.5, 61), linear(-2.0, 2.0, 40)
    columns = disc(x)
    _, _, lines = trace(x, y, columns, np.ones(61))
    for value, column in zip(x.values, columns, strict=True):
        wanted = [end for pair in column for end in pair]
        np.testing.assert_allclose(on_columns(lines, float(value)), wanted, atol=1e-6)


def test_a_ring_keeps_its_hole() -> None:
    x, y = linear(-1.5, 1.5, 121), linear(-2.0, 2.0, 40)
    outer, inner = disc(x), disc(x, 0.5)
    columns: Pairs = []
    for big, small in zip(outer, inner, strict=True):
        columns.append(((big[0][0], small[0][0]), (small[0][1], big[0][1])) if small else big)
    allowed, excluded, lines = trace(x, y, columns, np.ones(121))
    assert [len(polygon) for polygon in allowed] == [2]
    assert sorted(len(polygon) for polygon in excluded) == [1, 2]
    assert len(lines) == 2
    assert area(allowed) == pytest.approx(math.pi * 0.75, rel=1e-2)


def test_two_bands_are_two_polygons() -> None:
    x, y = log(1.0, 1e3, 20), log(1e-5, 1e-1, 30)
    columns: Pairs = [((1e-4, 2e-4), (1e-3, 1.3e-3))] * 20
    allowed, excluded, lines = trace(x, y, columns, np.full(20, 1e-3))
    assert (len(allowed), len(excluded), len(lines)) == (2, 3, 4)
    for value in x.values:
        np.testing.assert_allclose(on_columns(lines, float(value)), [1e-4, 2e-4, 1e-3, 1.3e-3], rtol=1e-6)


def test_an_upper_limit_has_one_line_and_no_boundary_at_the_ends() -> None:
    x, y = log(1.0, 1e3, 20), log(1e-5, 1e-1, 30)
    allowed, excluded, lines = trace(x, y, [((1e-5, 1e-3),)] * 20, np.ones(20))
    assert (len(allowed), len(excluded), len(lines)) == (1, 1, 1)
    np.testing.assert_allclose(lines[0][:, 1], 1e-3, rtol=1e-6)
    np.testing.assert_allclose([allowed[0][0][:, 1].min(), excluded[0][0][:, 1].max()], [1e-5, 1e-1], rtol=1e-9)


@pytest.mark.parametrize("width", [1.06, 1.005, 1.002])
def test_a_diagonal_band_narrower_than_a_step_stays_in_one_piece(width: float) -> None:
    x, y = log(100.0, 1e3, 12), log(1e-4, 1e-1, 30)
    assert width < y.values[1] / y.values[0]
    rise = 7e-5 * x.values**0.97  # a feature that runs with the mass and moves by many widths from column to column
    columns: Pairs = [((1e-4, 3e-4), (float(v), float(v * width))) for v in rise]
    allowed, _, lines = trace(x, y, columns, rise)
    assert len(allowed) == 2
    assert len(lines) == 3  # the limit, and both sides of the band
    for value, column in zip(x.values, columns, strict=True):
        ends = [end for pair in column for end in pair if end > 1e-4]
        np.testing.assert_allclose(on_columns(lines, float(value)), ends, rtol=1e-6)
    band = max(allowed, key=lambda polygon: polygon[0][:, 1].max())
    assert band[0][:, 0].min() == pytest.approx(100.0)
    assert band[0][:, 0].max() == pytest.approx(1e3)


def test_a_band_that_opens_at_some_column_ends_between_the_columns() -> None:
    x, y = log(10.0, 1e3, 15), log(1e-4, 1e-1, 30)
    columns: Pairs = [((1e-4, 1e-3),) if v < 100.0 else ((1e-4, 1e-3), (1e-2, 1.1e-2)) for v in x.values]
    allowed, _, lines = trace(x, y, columns, np.ones(15))
    assert len(allowed) == 2
    start = min(polygon[0][:, 0].min() for polygon in allowed if polygon[0][:, 1].min() > 5e-3)
    first = int(np.flatnonzero(x.values >= 100.0)[0])
    assert x.values[first - 1] < start <= x.values[first]
    assert len(lines) == 2


def test_intervals_beyond_the_plane_are_cut() -> None:
    x, y = linear(0.0, 1.0, 5), linear(0.0, 1.0, 5)
    allowed, excluded, lines = trace(x, y, [((-3.0, 0.4), (0.9, 5.0))] * 5, np.ones(5))
    assert (len(allowed), len(excluded), len(lines)) == (2, 1, 2)
    assert area(allowed) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("column", "share"), [((), 0.0), (((0.0, 1.0),), 1.0)])
def test_all_or_nothing_has_no_boundary(column: tuple[tuple[float, float], ...], share: float) -> None:
    x, y = linear(0.0, 1.0, 5), linear(0.0, 1.0, 5)
    allowed, excluded, lines = trace(x, y, [column] * 5, np.ones(5))
    assert lines == ()
    assert area(allowed) == pytest.approx(share)
    assert area(excluded) == pytest.approx(1.0 - share)


# --- sections ----------------------------------------------------------------------------------------------------------------------


def test_sections_of_a_traced_region_are_its_columns() -> None:
    x, y = log(1.0, 100.0, 5), log(1e-4, 1e-1, 7)
    columns = [((1e-4, 1e-3),), ((1e-4, 2e-3),), ((1e-4, 4e-3), (6e-3, 9e-3)), ((1e-4, 1e-2), (1.5e-2, 2e-2)), ((1e-4, 3e-2),)]
    allowed, excluded, _ = trace(x, y, columns, np.ones(5))
    found = sections(x, y, allowed)
    for mine, column in zip(found[1:-1], columns[1:-1], strict=True):
        np.testing.assert_allclose(mine, column, rtol=1e-6)
    for mine, other in zip(found, sections(x, y, excluded), strict=True):  # both together fill the height of the plane
        ends = sorted([*mine, *other])
        assert ends[0][0] == pytest.approx(1e-4)
        assert ends[-1][1] == pytest.approx(1e-1)
        assert [high for _, high in ends[:-1]] == pytest.approx([low for low, _ in ends[1:]])


def test_sections_know_holes_and_nothing() -> None:
    x, y = linear(-2.0, 2.0, 5), linear(-2.0, 2.0, 5)
    angle = np.linspace(0.0, 2.0 * np.pi, 400)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    (left, _, middle, _, right) = sections(x, y, ((1.8 * circle, 0.5 * circle),))
    assert left == right == ()
    np.testing.assert_allclose(middle, [(-1.8, -0.5), (0.5, 1.8)], atol=1e-3)
    assert sections(x, y, ()) == ((),) * 5


def test_what_touches_the_edge_of_a_plane_is_outside() -> None:
    y = log(1.0, 10.0, 5)
    assert _inside([(0.1, 1.0), (2.0, 3.0), (5.0, 40.0)], y) == [(2.0, 3.0), (5.0, 10.0)]
    assert _inside([(10.0, 20.0)], y) == []
