from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.core.errors import AxisError
from cevnsfit.infer.impacts import Impact, Ranking
from cevnsfit.infer.results import FitResult
from cevnsfit.report.rankings import ranking_figure

FLUX = Impact("flux", constrained=True, value=0.2, error=0.9, up=-0.1, down=0.12)
FREE = Impact("background", constrained=False, value=31.0, error=5.0, up=math.nan, down=0.01)


def ranking(*impacts: Impact) -> Ranking:
    fit = FitResult(True, "", 1.0, {"mu": 1.0}, {"mu": 0.2}, {}, {}, ("mu",), np.eye(1), 3, (), (), False, (), 1, 1)
    return Ranking("mu", fit, impacts)


def test_the_largest_impact_is_on_top_and_free_ones_have_no_pull() -> None:
    left, right = ranking_figure(ranking(FLUX, FREE)).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["flux", "background"]
    assert left.get_ylim()[0] > left.get_ylim()[1]
    widths = [bar.get_width() for bar in right.patches]
    assert widths == [-0.1, 0.0, 0.12, 0.01]
    points = next(line for line in left.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xdata(), [0.2])


def test_no_more_than_asked_for_are_drawn() -> None:
    left, _ = ranking_figure(ranking(FLUX, FREE), most=1).axes
    assert len(left.get_yticklabels()) == 1


def test_nothing_to_rank_is_an_error() -> None:
    with pytest.raises(AxisError, match="at least one nuisance"):
        ranking_figure(ranking())
