"""Pictures of posteriors and of toys."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.path import Path

from cevnsfit.infer.pairs import Pair, edges_of, pair
from cevnsfit.infer.results import PointTest
from cevnsfit.report.posteriors import Marginals, corner_figure, draw_density, draw_pair, posterior_figure
from cevnsfit.report.style import AxisLabel, Look, new_figure
from cevnsfit.report.toys import draw_toys, toys_figure

RNG = np.random.default_rng(11)
DRAWS = RNG.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], 200_000).T


@pytest.fixture
def both() -> Pair:
    return pair(("a", "b"), DRAWS, (False, False))


def test_contours_hold_what_they_say(both: Pair) -> None:
    ax = new_figure(4.0, 4.0).add_subplot()
    _, lines, _ = draw_pair(ax, both)
    held = [sum(Path(ring).contains_points(DRAWS.T).mean() for ring in rings) for rings in lines.allsegs]
    assert held == pytest.approx([0.95, 0.68], abs=0.01)


def test_contours_of_a_normal_density_are_its_ellipses(both: Pair) -> None:
    ax = new_figure(4.0, 4.0).add_subplot()
    _, lines, _ = draw_pair(ax, both)
    for rings, content in zip(lines.allsegs, (0.95, 0.68), strict=True):
        x, y = max(rings, key=len).T
        distance = (x**2 - 1.2 * x * y + y**2) / (1.0 - 0.36)
        assert np.median(distance) == pytest.approx(-2.0 * np.log1p(-content), rel=0.05)


def test_regions_reach_the_end_of_a_prior() -> None:
    found = pair(("a", "b"), np.abs(DRAWS), (False, False))
    assert (found.x[0], found.y[0]) == pytest.approx((0.0, 0.0), abs=2e-3)
    assert found.density[0, 0] > found.levels[0] > found.levels[1]


def test_bins_of_a_logarithm_have_equal_factors_and_one_value_has_bins_too() -> None:
    ratios = np.diff(np.log(edges_of(np.exp(DRAWS[0]), log=True)))
    assert ratios == pytest.approx(np.full(len(ratios), ratios[0]))
    assert np.all(np.diff(edges_of(np.full(9, 2.0), log=False)) > 0.0)


def corner(size: int, look: Look) -> object:
    names = tuple(f"x.parameter_{k}" for k in range(size))
    columns = [DRAWS[k % 2] + k for k in range(size)]
    edges = tuple(edges_of(column, log=False) for column in columns)
    heights = tuple(np.histogram(column, ends)[0] / len(column) for column, ends in zip(columns, edges, strict=True))
    marginals = Marginals(names, ("MeV",) * size, edges, heights, (((-1.0, 1.0),),) * size, (False,) * size)
    pairs = [pair((names[i], names[j]), (columns[i], columns[j]), (False, False)) for i, j in combinations(range(size), 2)]
    return corner_figure(marginals, pairs, notes=["priors"], look=look)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["screen", "paper", "talk"])
@pytest.mark.parametrize("size", [1, 5])
def test_a_corner_has_its_densities_on_the_diagonal_and_no_labels_overlap(style: str, size: int) -> None:
    figure = corner(size, Look(style=style))
    figure.draw_without_rendering()
    grid = np.array(figure.axes).reshape(size, size)
    assert [len(grid[k, k].patches) for k in range(size)] == [2] * size
    assert all(len(grid[i, j].collections) == 3 for j, i in combinations(range(size), 2))
    shown = [grid[-1, k].xaxis.label for k in range(size)]
    assert [label.get_text() for label in shown] == [f"parameter {k}\n[MeV]" for k in range(size)]
    boxes = [label.get_window_extent() for label in shown]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(figure.bbox.padded(1.0).count_contains(box.corners()) == 4 for box in boxes)
    assert (figure.get_label() == "priors") == (style != "screen")


def test_the_density_of_a_sample_is_normalised_and_its_interval_filled() -> None:
    ax = new_figure(4.0, 4.0).add_subplot()
    whole, *ensembles, inside = draw_density(ax, DRAWS[0].reshape(2, -1), [(-1.0, 0.5)], log=False)
    heights, edges, _ = whole.get_data()
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0)
    assert len(ensembles) == 2
    filled = inside.get_data()
    assert (filled.edges.min(), filled.edges.max()) == (-1.0, 0.5)


def test_a_density_has_the_unit_of_its_parameter() -> None:
    (ax,) = posterior_figure(np.exp(DRAWS[:1]), [(0.5, 2.0)], AxisLabel("mass", "MeV"), log=True, look=Look(printed={"mass": "$m$"})).axes
    assert (ax.get_xlabel(), ax.get_xscale()) == ("$m$ [MeV]", "log")


def test_toys_are_a_density_with_the_observed_value_inside() -> None:
    test = PointTest(0.0, 40.0, 0.001, 0.0005, 4000, 0, True, (RNG.chisquare(10, 4000),))
    ax = new_figure(4.0, 3.0).add_subplot()
    bars, line = draw_toys(ax, test)
    heights, edges, _ = bars.get_data()
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0)
    assert line.get_xdata() == [40.0, 40.0]
    assert ax.get_xlim()[1] > 40.0
    assert "0.001" in line.get_label()
    toys_figure(PointTest(0.0, np.inf, 0.0, 0.1, 1, 0, True, (np.ones(1),)), "q").draw_without_rendering()


def test_a_long_name_of_a_statistic_stays_inside_a_column() -> None:
    test = PointTest(0.5, 1.0, 0.3, 0.1, 4, 0, True, (np.arange(4.0),))
    figure = toys_figure(test, "deviance from the saturated model, 1059 degrees of freedom", look=Look(style="paper"))
    figure.draw_without_rendering()
    box = figure.axes[0].xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
