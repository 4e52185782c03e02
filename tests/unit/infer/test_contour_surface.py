"""Regions under a smooth surface: ellipses, rings, bands narrower than a step, and open regions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.infer.contour import contour, pieces, trace
from cevnsfit.infer.planes import PlaneAxis

Rings = tuple[tuple[np.ndarray, ...], ...]
LEVEL = 4.61


def axis(low: float, high: float, count: int) -> PlaneAxis:
    return PlaneAxis("x", "1", np.linspace(low, high, count), "linear")


def area(polygons: Rings) -> float:
    def ring(points: np.ndarray) -> float:
        x, y = points.T
        return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))

    return sum(ring(outer) - sum(ring(hole) for hole in holes) for outer, *holes in polygons)


def tilted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rise of an ellipse with correlation 0.9, centred between grid points."""
    u, v = (x - 0.13) / 0.3, (y + 0.07) / 0.2
    return np.asarray((u * u - 1.8 * u * v + v * v) / (1 - 0.81))


@pytest.mark.parametrize("count", [9, 21, 101])
def test_an_ellipse_is_closed_between_the_columns(count: int) -> None:
    x, y = axis(-1.2, 1.2, count), axis(-1.0, 1.0, count)
    allowed, excluded, lines = contour(x, y, tilted(x.values[:, None], y.values), LEVEL)
    assert [len(polygon) for polygon in allowed] == [1]
    assert len(lines) == 1
    points = lines[0]
    np.testing.assert_allclose(points[0], points[-1])
    np.testing.assert_allclose(tilted(*points.T), LEVEL, rtol=2e-4)
    assert area(allowed) == pytest.approx(math.pi * LEVEL * 0.3 * 0.2 * math.sqrt(1 - 0.81), rel=1e-3)
    assert area(allowed) + area(excluded) == pytest.approx(4.8, rel=1e-9)
    # Both ends, at which a boundary made of columns is cut off.
    assert points[:, 0].max() == pytest.approx(0.13 + 0.3 * math.sqrt(LEVEL), abs=2e-4)
    assert points[:, 0].min() == pytest.approx(0.13 - 0.3 * math.sqrt(LEVEL), abs=2e-4)
    assert points[:, 1].max() == pytest.approx(-0.07 + 0.2 * math.sqrt(LEVEL), abs=2e-4)


def test_columns_alone_lose_the_ends_of_an_ellipse() -> None:
    x, y = axis(-1.2, 1.2, 9), axis(-1.0, 1.0, 9)
    columns = []
    for value in x.values:
        u = (value - 0.13) / 0.3
        root = LEVEL - u * u
        half = 0.2 * math.sqrt(root * (1 - 0.81)) if root > 0 else 0.0
        middle = -0.07 + 0.2 * 0.9 * u
        columns.append(((middle - half, middle + half),) if half else ())
    _, _, lines = trace(x, y, columns, np.ones(9))
    assert np.concatenate(lines)[:, 0].max() < 0.13 + 0.3 * math.sqrt(LEVEL) - 0.1


def test_a_ring_has_a_hole() -> None:
    x, y = axis(-1.0, 1.0, 41), axis(-1.0, 1.0, 41)
    rise = 200.0 * (x.values[:, None] ** 2 + y.values**2 - 0.36) ** 2
    allowed, excluded, lines = contour(x, y, rise, LEVEL)
    assert [len(polygon) for polygon in allowed] == [2]
    assert len(excluded) == len(lines) == 2
    assert area(allowed) == pytest.approx(2 * math.pi * math.sqrt(LEVEL / 200.0), rel=2e-3)


def test_a_band_narrower_than_a_step_stays_in_one_piece() -> None:
    x, y = axis(-1.0, 1.0, 21), axis(-1.0, 1.0, 21)
    width = 0.03
    rise = LEVEL * ((x.values[:, None] + 0.7 * y.values - 0.11) / width) ** 2
    allowed, _, lines = contour(x, y, rise, LEVEL)
    assert len(allowed) == 1
    assert len(lines) == 2
    offsets = [line @ [1.0, 0.7] - 0.11 for line in lines]
    assert sorted(float(np.mean(offset)) for offset in offsets) == pytest.approx([-width, width], rel=0.02)


def test_everything_and_nothing_can_be_allowed() -> None:
    x, y = axis(0.0, 1.0, 5), axis(0.0, 2.0, 4)
    allowed, excluded, lines = contour(x, y, np.zeros((5, 4)), LEVEL)
    assert (area(allowed), len(excluded), len(lines)) == (pytest.approx(2.0), 0, 0)
    allowed, excluded, lines = contour(x, y, np.full((5, 4), 50.0), LEVEL)
    assert (len(allowed), area(excluded), len(lines)) == (0, pytest.approx(2.0), 0)


def test_exchanging_the_axes_mirrors_the_region() -> None:
    x, y = axis(-1.2, 1.2, 17), axis(-1.0, 1.0, 21)
    rise = tilted(x.values[:, None], y.values)
    one, other = contour(x, y, rise, LEVEL)[0], contour(y, x, rise.T, LEVEL)[0]
    assert area(one) == pytest.approx(area(other), rel=1e-4)


def test_points_without_a_value_and_far_above_do_not_matter() -> None:
    x, y = axis(-3.0, 3.0, 41), axis(-3.0, 3.0, 41)
    rise = 30.0 * (x.values[:, None] ** 2 + y.values**2)
    broken = rise.copy()
    broken[0, :3], broken[-1] = np.nan, np.inf
    assert area(contour(x, y, broken, LEVEL)[0]) == pytest.approx(area(contour(x, y, rise, LEVEL)[0]), rel=1e-6)


def test_logarithmic_axes() -> None:
    x = PlaneAxis("x", "1", np.geomspace(1e-3, 1e-1, 21), "log")
    rise = (np.log(x.values[:, None] / 1e-2) ** 2 + np.log(x.values / 2e-2) ** 2) / 0.1
    _, _, (line,) = contour(x, x, rise, LEVEL)
    radius = np.hypot(np.log(line[:, 0] / 1e-2), np.log(line[:, 1] / 2e-2))
    np.testing.assert_allclose(radius, math.sqrt(0.1 * LEVEL), rtol=1e-4)


def wells(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return four wells at the corners of a square, with saddles of 30 between them."""
    return np.asarray(30.0 * (((x / 0.2) ** 2 - 1.0) ** 2 + ((y / 0.2) ** 2 - 1.0) ** 2))


@pytest.mark.parametrize(("count", "settled"), [(9, False), (13, False), (61, True)])
def test_a_coarse_grid_is_found_out(count: int, settled: bool) -> None:
    x, y = axis(-1.0, 0.97, count), axis(-0.98, 1.0, count)
    one, other = pieces(x, y, wells(x.values[:, None], y.values), LEVEL)
    assert (one == other == 4) is settled
    ellipse = pieces(x, y, tilted(x.values[:, None], y.values), LEVEL)
    assert ellipse == (1, 1)


@pytest.mark.parametrize("shape", [(3, 3), (3, 4), (4, 3), (4, 4), (3, 12)])
def test_a_parabola_is_exact_on_the_smallest_grids(shape: tuple[int, int]) -> None:
    x, y = axis(-1.2, 1.2, shape[0]), axis(-1.0, 1.0, shape[1])
    rise = tilted(x.values[:, None], y.values)
    allowed, excluded, lines = contour(x, y, rise, LEVEL)
    assert [len(polygon) for polygon in allowed] == [1]
    assert len(lines) == 1
    np.testing.assert_allclose(tilted(*lines[0].T), LEVEL, rtol=2e-4)
    assert area(allowed) == pytest.approx(math.pi * LEVEL * 0.3 * 0.2 * math.sqrt(1 - 0.81), rel=1e-3)
    assert area(allowed) + area(excluded) == pytest.approx(4.8, rel=1e-9)
    assert pieces(x, y, rise, LEVEL)[0] == 1


def test_four_values_hold_a_cubic() -> None:
    """An edge y = 0.2 + x - 2 x^3 between what is allowed and what is not, of the third degree in x: with less it is off by a quarter."""
    x, y = axis(-1.0, 1.0, 4), axis(-2.0, 2.0, 3)

    def rise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.asarray(LEVEL + 3.0 * (v - 0.2 - u + 2.0 * u**3))

    surface = rise(x.values[:, None], y.values)
    (line,) = contour(x, y, surface, LEVEL)[2]
    np.testing.assert_allclose(line[:, 1], 0.2 + line[:, 0] - 2.0 * line[:, 0] ** 3, atol=2e-5)
    assert np.ptp(line[:, 0]) == pytest.approx(2.0)
    (other,) = contour(y, x, surface.T, LEVEL)[2]
    np.testing.assert_allclose(other[:, 0], 0.2 + other[:, 1] - 2.0 * other[:, 1] ** 3, atol=2e-5)


@pytest.mark.parametrize("count", [3, 4])
def test_columns_of_the_smallest_grids_are_joined(count: int) -> None:
    x, y = axis(0.0, 2.0, count), axis(0.0, 1.0, count)
    columns = [((0.0, 0.3 + 0.2 * value), (0.8, 0.9)) for value in x.values.tolist()]
    allowed, excluded, lines = trace(x, y, columns, np.ones(count))
    assert (len(allowed), len(excluded), len(lines)) == (2, 2, 3)
    assert area(allowed) == pytest.approx(1.0 + 0.2, rel=2e-3)
    assert area(excluded) == pytest.approx(0.8, rel=3e-3)
    ends = sorted(float(point[1]) for line in lines for point in line if point[0] == 2.0)
    assert ends == pytest.approx([0.7, 0.8, 0.9], abs=1e-9)
