"""Rankings, pulls and correlations: what their artists hold."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.documents import About
from cevnsfit.core.errors import AxisError
from cevnsfit.infer.impacts import Impact, Ranking
from cevnsfit.infer.results import FitResult, Pull
from cevnsfit.report.rankings import correlations_figure, draw_pulls, pulls_figure, ranking_figure, row_names
from cevnsfit.report.style import Look, new_figure
from cevnsfit.stats.constraints import Constrained

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

FLUX = Impact("flux", constrained=True, value=0.2, error=0.9, up=-0.1, down=0.12)
FREE = Impact("background", constrained=False, value=31.0, error=5.0, up=math.nan, down=0.01)
LOOK = Look(printed={"csi": "COHERENT CsI", "lar": "COHERENT LAr", "g": "$g_{Z'}$"})


def fitted(values: dict[str, tuple[float, float]], constrained: tuple[str, ...], correlation: np.ndarray | None = None) -> FitResult:
    names = tuple(values)
    matrix = np.eye(len(names)) if correlation is None else correlation
    centres, errors = ({name: pair[k] for name, pair in values.items()} for k in (0, 1))
    return FitResult(
        True, "", 1.0, centres, errors, {}, {}, names, matrix, 3, (), (), False, (), 1, 1, dict.fromkeys(constrained, Constrained(0.0, 1.0))
    )


def ranking(*impacts: Impact) -> Ranking:
    return Ranking("mu", fitted({"mu": (1.0, 0.2)}, ()), impacts)


def rows(ax: object) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]  # type: ignore[attr-defined]


def test_the_largest_impact_is_on_top_and_the_value_of_free_ones_is_written() -> None:
    left, right = ranking_figure(ranking(FLUX, FREE)).axes
    assert rows(left) == ["flux", "background"]
    assert left.get_ylim()[0] > left.get_ylim()[1]
    widths = [bar.get_width() for bar in right.patches]
    assert widths == [-0.1, 0.0, 0.12, 0.01]
    points = next(line for line in left.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xdata(), [0.2])
    assert [(text.get_text(), text.get_position()[1]) for text in left.texts] == [("31.00 $\\pm$ 5.00", 1)]


def test_no_more_than_asked_for_are_drawn() -> None:
    left, _ = ranking_figure(ranking(FLUX, FREE), most=1).axes
    assert rows(left) == ["flux"]


def test_nothing_to_rank_is_an_error() -> None:
    with pytest.raises(AxisError, match="at least one nuisance"):
        ranking_figure(ranking())


def test_a_paper_has_the_value_in_its_caption_and_a_screen_above() -> None:
    found = replace(ranking(FLUX), about=About(("csi",), "sm", caveat="CEvNS only"))
    assert ranking_figure(found).get_suptitle() == "mu = 1 $\\pm$ 0.2"
    paper = ranking_figure(found, look=Look(style="paper"))
    assert paper.get_suptitle() == ""
    assert paper.get_label().splitlines() == ["mu = 1 $\\pm$ 0.2", "csi, sm", "caveat: CEvNS only"]
    for figure in (paper, pulls_figure(replace(fitted({"a": (0.0, 1.0)}, ("a",)), about=found.about), look=Look(style="paper"))):
        assert figure.axes[-1].get_legend().get_title().get_text() == "CEvNS only"


def test_pulls_are_drawn_over_the_prior_with_their_errors() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_pulls(ax, [Pull("a", constrained=True, value=-1.5, error=0.4), Pull("b", constrained=True, value=0.3, error=1.0)])
    priors = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert priors == [(-1.0, 1.0)] * 2
    _, _, (bars,) = ax.containers[1]
    assert [segment[:, 0].tolist() for segment in bars.get_segments()] == [pytest.approx([-1.9, -1.1]), pytest.approx([-0.7, 1.3])]
    assert ax.get_xlim()[0] < -1.9


def test_a_pull_is_the_distance_to_the_centre_of_the_constraint() -> None:
    fit = replace(fitted({"a": (1.3, 0.4), "g": (2.0, 1.0)}, ("a",)), constrained={"a": Constrained(1.0, 1.0)})
    (ax,) = pulls_figure(fit).axes
    (points,) = (line for line in ax.lines if line.get_marker() == "o")
    assert list(points.get_xdata()) == [pytest.approx(0.3)]
    assert [text.get_text() for text in ax.texts] == ["2.00 $\\pm$ 1.00"]


def test_free_parameters_come_first_and_what_says_least_is_left_out() -> None:
    values = {f"csi.n{k}": (0.0, 1.0) for k in range(40)} | {"csi.far": (2.5, 1.0), "g": (1e-3, 2e-4), "csi.narrow": (0.0, 0.2)}
    fit = replace(fitted(values, tuple(name for name in values if name != "g")), about=About(("csi",), "m"))
    figure = pulls_figure(fit, most=5, look=LOOK)
    assert rows(figure.axes[0]) == ["$g_{Z'}$", "n0", "n1", "far", "narrow"]
    assert "5 of 43 parameters" in figure.get_supxlabel()


def test_nuisances_are_called_with_their_experiment_where_there_are_several() -> None:
    assert row_names(["csi.flux_norm", "g", "sns_flux"], LOOK) == ["flux norm", "$g_{Z'}$", "sns flux"]
    assert row_names(["csi.flux_norm", "lar.flux_norm"], LOOK) == ["COHERENT CsI: flux norm", "COHERENT LAr: flux norm"]


def test_correlations_are_the_lower_half_in_per_cent() -> None:
    matrix = np.array([[1.0, -0.5, 0.001], [-0.5, 1.0, np.nan], [0.001, np.nan, np.nan]])
    (ax,) = correlations_figure(fitted(dict.fromkeys("abc", (0.0, 1.0)), (), matrix)).axes
    (image,) = ax.images
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), np.nan), np.where(np.tri(3, dtype=bool), matrix, np.nan))
    minus = "\N{MINUS SIGN}"
    found = {(text.get_position(), text.get_text()) for text in ax.texts if text.get_text()}
    assert found == {((0, 0), "100"), ((0, 1), f"{minus}50"), ((1, 1), "100")}
    assert rows(ax) == ["a  1", "b  2", "c  3"]


@pytest.mark.parametrize("style", ["screen", "paper", "talk"])
def test_thirty_correlations_are_readable(style: str) -> None:
    rng = np.random.default_rng(3)
    sample = rng.standard_normal((40, 60)) + rng.standard_normal((40, 1))
    matrix = np.corrcoef(sample)
    fit = fitted({f"csi.some_long_name_{k}": (0.0, 1.0) for k in range(40)}, (), matrix)
    figure = correlations_figure(fit, look=Look(style=style, printed=LOOK.printed))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    assert len(rows(ax)) == 30
    cell = ax.get_window_extent().width / 30
    assert all(text.get_window_extent().width < cell for text in ax.texts)
    assert all(text.get_fontsize() > 3.5 for text in ax.texts)
    labels = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert min(box.x0 for box in labels) >= 0.0
    assert all(not one.overlaps(other) for one, other in pairwise(labels))


def test_nothing_that_floats_is_an_error() -> None:
    empty = fitted({}, (), np.empty((0, 0)))
    for draw in (pulls_figure, correlations_figure):
        with pytest.raises(AxisError, match="needs a parameter that floats"):
            draw(empty)


@pytest.mark.parametrize("draw", [pulls_figure, correlations_figure])
def test_long_names_leave_room_for_what_they_name(draw: Callable[..., Figure]) -> None:
    names = {f"{owner}.neutrino_induced_neutrons_{number}": (0.1, 0.9) for owner in ("csi", "lar") for number in range(5)}
    figure = draw(fitted(names, tuple(names)), look=replace(LOOK, style="paper"))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    assert ax.get_window_extent().width > 0.4 * figure.bbox.width
    for text in (ax.xaxis.label, *(ax.get_legend().get_texts() if ax.get_legend() else ())):
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
    ticks = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert not any(first.overlaps(second) for first, second in pairwise(ticks))


@pytest.mark.parametrize("caveat", ["", "CEvNS only"])
def test_the_title_of_pulls_lies_above_their_legend(caveat: str) -> None:
    told = About(caveat=caveat, model="a model", lagrangian="L = 0", experiments=("csi",))
    fit = replace(fitted({"flux": (0.2, 0.9)}, ("flux",)), about=told)
    figure = pulls_figure(fit, look=Look(title="Pulls"))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    assert ax._left_title.get_window_extent().y0 >= ax.get_legend().get_window_extent().y1  # type: ignore[attr-defined]
    assert ax.bbox.height > 0.1 * figure.bbox.height
    assert ax._left_title.get_window_extent().y1 <= figure.bbox.y1  # type: ignore[attr-defined]
