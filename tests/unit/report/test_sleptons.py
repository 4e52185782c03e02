"""Pictures of points of the MSSM: each point is drawn once in each panel, as what it is."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.report.sleptons import VERDICTS, Cloud, masses_figure, scenarios_figure, sleptons_figure
from cevnsfit.report.style import save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

ORDERS = tuple(" < ".join(order) for order in permutations(("M1", "M2", "|mu|")))


def cloud(points: int) -> Cloud:
    numbers = np.random.default_rng(3).uniform(100.0, 900.0, (6, points))
    names = ("selectron", "neutralino", "first", "second", "hierarchy", "tan_beta")
    codes = np.arange(points)
    return Cloud(dict(zip(names, numbers, strict=True)), codes % 3, codes % 5, ORDERS, ("one line", "a note"))


def drawn(ax: Axes) -> np.ndarray:
    return np.concatenate([np.zeros((0, 2)), *(np.asarray(each.get_offsets()) for each in ax.collections)])


def test_each_point_is_in_each_panel() -> None:
    points = cloud(60)
    masses, hierarchy, angle = masses_figure(points).axes
    assert sorted(map(tuple, drawn(masses))) == sorted(zip(points.columns["neutralino"], points.columns["selectron"], strict=True))
    assert sorted(map(tuple, drawn(hierarchy))) == sorted(zip(points.columns["hierarchy"], points.columns["selectron"], strict=True))
    assert sum(patch.get_height() for patch in angle.patches) == pytest.approx(60)
    assert "GeV" in masses.get_xlabel()
    assert "GeV" in masses.get_ylabel()


def test_each_order_has_its_points_and_says_how_many_are_left() -> None:
    points = cloud(60)
    panels = scenarios_figure(points).axes
    assert [len(drawn(ax)) for ax in panels] == [12, 12, 12, 12, 12, 0]
    assert panels[0].get_title() == "$|M_1| < |M_2| < |\\mu|$"
    assert panels[0].get_xlabel() == "$|M_1|$ [GeV]"
    assert panels[3].get_ylabel() == "$|\\mu|$ [GeV]"
    assert [text.get_text() for text in panels[0].texts] == ["4 not tested\n4 tested, left\n4 excluded"]


def test_verdicts_have_colours_and_markers_of_their_own_and_none_is_called_allowed() -> None:
    figure = masses_figure(cloud(60))
    (*_, legend) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{name} (20)" for name in VERDICTS]
    looks = [(line.get_marker(), line.get_color()) for line in legend.get_lines()]
    assert len({marker for marker, _ in looks}) == len({colour for _, colour in looks}) == 3
    assert not any("allowed" in text.get_text() for one in figure.legends for text in one.get_texts())
    colours = [tuple(np.ravel(each.get_facecolor())[:3]) for each in figure.axes[0].collections]
    assert len(set(colours)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("points", [0, 1])
def test_few_points_and_none_are_drawn(tmp_path: Path, points: int) -> None:
    figure = sleptons_figure(cloud(points))
    assert len(figure.axes) == 9
    assert save_figure(figure, tmp_path / "few.png").stat().st_size > 10_000
