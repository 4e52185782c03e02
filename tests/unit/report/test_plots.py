from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch
from matplotlib.patheffects import TickedStroke

from cevnsfit.core.errors import AxisError
from cevnsfit.infer.limit import Limit
from cevnsfit.physics.interactions import signal_model
from cevnsfit.report.best_fits import draw_best_fit, without_signal
from cevnsfit.report.curves import draw_curves, name_curves
from cevnsfit.report.plots import Band, draw_band, draw_exclusion, exclusion_figure
from cevnsfit.report.style import BAND, OVERLAYS, PALETTE, Look, new_figure, save_figure
from cevnsfit.report.zoom import narrow_window

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.planes import Plane, Region


@pytest.fixture
def ax() -> Axes:
    return new_figure(5.0, 4.0).add_subplot()


def texts(figure: Figure) -> str:
    legends = [*figure.legends, *(legend for part in figure.subfigs for legend in part.legends)]
    return "\n".join(text.get_text() for legend in legends for text in legend.get_texts())


def test_every_branch_is_a_line_solid_at_90_and_dashed_at_95(ax: Axes, plane: Plane, regions: list[Region]) -> None:
    artists = draw_exclusion(ax, plane, regions, colour="#0072B2", label="both", filled=False)
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "--", "--"]
    assert artists == list(ax.lines)
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), regions[1].branches[1])
    assert ax.get_legend_handles_labels()[1] == ["both"]


def test_filled_regions_leave_the_narrow_band_open(plane: Plane, regions: list[Region]) -> None:
    ax = new_figure(6.0, 12.0).add_subplot()
    draw_exclusion(ax, plane, regions, colour="#0072B2", label="both", filled=True)
    patches = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    assert len(patches) == 2
    figure = ax.get_figure()
    assert figure is not None
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())
    column, row = ax.transData.transform((600.0, 0.042)).astype(int)
    inside = image[image.shape[0] - 1 - row, column, :3]
    column, row = ax.transData.transform((600.0, 0.060)).astype(int)
    outside = image[image.shape[0] - 1 - row, column, :3]
    assert inside.min() > 230
    assert outside.min() < 200


def test_scales_and_limits_come_from_the_axes_of_the_plane(ax: Axes, plane: Plane, regions: list[Region]) -> None:
    linear = replace(plane, x=replace(plane.x, scale="linear"))
    draw_exclusion(ax, linear, regions, colour="k", label="", filled=False)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert ax.get_xlim() == pytest.approx((1.0, 1000.0))
    assert ax.get_ylim() == pytest.approx((1e-5, 1e-1))


def test_a_band_with_two_ends_is_filled_whatever_the_view(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1.0, 100.0), ylim=(2e-4, 4e-4))
    x = np.array([1.0, 10.0, 100.0])
    (band,) = draw_band(ax, Band(x, np.full(3, 1e-4), np.full(3, 1e-3), "(g-2), theory 2020"), colour="orange")
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1e-4, 1e-3))
    assert band.get_label() == "(g-2), theory 2020"


def test_a_band_without_lower_end_is_a_line_with_ticks_on_its_side(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1.0, 100.0), ylim=(1e-5, 1e-1))
    x = np.array([1.0, 10.0, 100.0])
    (line,) = draw_band(ax, Band(x, np.zeros(3), np.array([1e-3, np.nan, 2e-3]), "(g-2), theory 2025"), colour="orange")
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([x, [1e-3, np.nan, 2e-3]]))
    assert line.get_label() == "(g-2), theory 2025: below this line"
    assert any(isinstance(effect, TickedStroke) for effect in line.get_path_effects())
    assert not ax.collections


@pytest.mark.parametrize("upright", [False, True])
def test_ticks_lie_on_the_side_that_a_band_allows(upright: bool) -> None:
    figure = new_figure(2.0, 2.0)
    figure.set_layout_engine(None)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    draw_band(ax, Band(np.array([0.0, 1.0]), np.zeros(2), np.full(2, 0.5), "", upright=upright), colour="black")
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    figure.canvas.draw()
    dark = np.asarray(figure.canvas.buffer_rgba())[..., :3].sum(axis=2) < 600
    dark = dark if upright else dark[::-1].T
    half = dark.shape[1] // 2
    assert dark[:, : half - 2].any()
    assert not dark[:, half + 2 :].any()


def test_an_upright_band_lies_along_the_second_parameter(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1e-5, 1e-1), ylim=(1.0, 100.0))
    x = np.array([1.0, 10.0, 100.0])
    (band,) = draw_band(ax, Band(x, np.full(3, 1e-4), np.full(3, 1e-3), "", upright=True), colour="orange")
    widths, heights = band.get_paths()[0].vertices.T
    assert (widths.min(), widths.max()) == pytest.approx((1e-4, 1e-3))
    assert (heights.min(), heights.max()) == pytest.approx((1.0, 100.0))
    (line,) = draw_band(ax, Band(x, np.zeros(3), np.full(3, 1e-3), "moment", upright=True), colour="orange")
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([np.full(3, 1e-3), x]))
    assert line.get_label() == "moment: left of this line"


def test_curves_have_styles_of_their_own(ax: Axes) -> None:
    points = np.array([[1.0, 1e-3], [10.0, 2e-3]])
    first, second = draw_curves(ax, [Limit("CCFR", points), Limit("Borexino", 2.0 * points)])
    assert (first.get_label(), second.get_label()) == ("CCFR", "Borexino")
    assert first.get_linestyle() == second.get_linestyle() == "--"
    assert first._dash_pattern != second._dash_pattern
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), points)


def test_what_a_limit_excludes_is_filled_on_its_side(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1.0, 100.0), ylim=(1e-5, 1e-1))
    line, island = np.array([[1.0, 1e-3], [10.0, 2e-3]]), np.array([[1.0, 1e-4], [10.0, 1e-4], [10.0, 2e-4], [1.0, 1e-4]])
    band = np.array([[1.0, 1e-4], [9.0, 1e-4], [np.nan, np.nan], [1.0, 3e-4], [9.0, 3e-4]])
    draw_curves(ax, [Limit("above", line), Limit("inside", island), Limit("between", band, "band"), Limit("neither", line, "line")])
    heights = [(patch.get_xy()[:, 1].min(), patch.get_xy()[:, 1].max()) for patch in ax.patches]
    assert heights == [(1e-3, 1e-1), (1e-4, 2e-4), (1e-4, 3e-4)]
    assert len({patch.get_facecolor() for patch in ax.patches}) == 3


def test_the_colours_of_limits_are_not_those_of_results() -> None:
    assert not {*OVERLAYS} & {*PALETTE[:-1], BAND}
    assert len({*OVERLAYS}) == len(OVERLAYS) == 7


def test_the_name_of_an_upright_edge_is_level_whatever_the_rest_of_the_island_does(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1.0, 1000.0), ylim=(1e-4, 1e-1))
    name_curves(ax, [Limit("edge", np.array([[7.5, 1e-10], [7.5, 1e6], [1.0, 1e6], [1.0, 1e-10], [7.5, 1e-10]]))])
    (text,) = ax.texts
    assert text.get_rotation() == 0.0


def test_each_limit_is_named_in_the_plane_away_from_the_others(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlim=(1.0, 100.0), ylim=(1e-5, 1e-1))
    flat = np.array([[1.0, 1e-3], [100.0, 1e-3]])
    limits = [
        Limit("one", flat),
        Limit("two", flat * [1.0, 10.0]),
        Limit("outside", flat * [1.0, 1e3]),
        Limit("steep", np.array([[5.0, 1e-6], [5.0001, 1.0]])),
    ]
    name_curves(ax, limits)
    found = {text.get_text(): text for text in ax.texts}
    assert set(found) == {"one", "two", "steep"}
    assert found["one"].get_position()[1] == pytest.approx(0.5)
    assert found["two"].get_position()[1] == pytest.approx(0.75)
    assert found["steep"].get_rotation() == 0.0


@pytest.mark.parametrize(("g", "marker", "height"), [(7e-4, "*", 7e-4), (0.0, "v", 1e-5), (0.5, "^", 0.1)])
def test_best_fit_outside_the_plane_is_marked_at_its_edge(ax: Axes, plane: Plane, g: float, marker: str, height: float) -> None:
    draw_best_fit(ax, replace(plane, best={**plane.best, "mass": 30.0, "g": g}), colour="k")
    (line,) = ax.lines
    assert line.get_marker() == marker
    np.testing.assert_allclose(line.get_xydata(), [[30.0, height]])


def test_best_fit_outside_of_the_ends_that_are_asked_for_is_marked_there(ax: Axes, plane: Plane) -> None:
    draw_best_fit(ax, plane, colour="k", look=Look(ylim=(2e-3, 1e-1)))
    draw_best_fit(ax, plane, colour="k", look=Look(xlim=(1.0, 10.0)))
    assert [(line.get_marker(), *line.get_xydata()[0]) for line in ax.lines] == [("v", 30.0, 2e-3), (">", 10.0, 7e-4)]


def test_figure_says_what_it_shows(plane: Plane, regions: list[Region]) -> None:
    band = Band(np.array([1.0, 1e3]), np.array([3e-4, 1e-2]), np.array([5e-4, 2e-2]), "muon g-2: average 2025, theory 2020")
    look = Look(title="Light mediator", printed=signal_model("lmu-ltau").printed)
    figure = exclusion_figure([(plane, regions, "CsI + LAr")], band=band, look=look, notes=["L = g Z' J"])
    printed = texts(figure).replace("\n", " ")
    for wanted in (
        "CEvNS only",
        "Wilks",
        "4.61 (90 % CL, 2 dof)",
        "5.99 (95 % CL",
        r"$L_{\mu} - L_{\tau}$",
        "CsI + LAr, excluded",
        "L = g Z' J",
    ):
        assert wanted in printed
    assert "muon g-2: average 2025, theory 2020" in printed
    assert "2 points without a valid minimum" in printed
    ax = figure.subfigs[0].axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$m_{Z'}$ [MeV]", "$g_{Z'}$")
    assert ax.get_title(loc="left") == "Light mediator"


def test_no_caveat_no_failure_no_word_of_them(plane: Plane, regions: list[Region]) -> None:
    clean = replace(plane, caveat="", valid=np.ones_like(plane.valid))
    printed = texts(exclusion_figure([(clean, regions, "both")]))
    assert "CEvNS only" not in printed
    assert "without a valid minimum" not in printed


def test_combination_is_filled_and_single_experiments_are_lines(plane: Plane, regions: list[Region]) -> None:
    single = replace(plane, experiments=("coherent-csi-2021",))
    figure = exclusion_figure([(single, regions, "CsI"), (plane, regions, "both")])
    ax = figure.subfigs[0].axes[0]
    patches = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    assert {patch.get_facecolor()[:3] for patch in patches} == {to_rgba("#0072B2")[:3]}
    dashed = {line.get_color() for line in ax.lines if line.get_linestyle() == "--"}
    assert dashed == {"#0072B2", "#D55E00"}


def test_result_without_limit_says_so(plane: Plane, regions: list[Region]) -> None:
    empty = [replace(region, excluded=(), branches=(), columns=(((0.0, 1.0),),) * 31) for region in regions]
    assert "nothing excluded" in texts(exclusion_figure([(plane, empty, "weak")])).replace("\n", " ")


def test_result_that_excludes_everything_says_so(plane: Plane, regions: list[Region]) -> None:
    full = [replace(region, branches=(), columns=((),) * 31) for region in regions]
    single = replace(plane, experiments=("coherent-csi-2021",))
    assert "strong (everything excluded)" in texts(exclusion_figure([(plane, regions, "both"), (single, full, "strong")])).replace(
        "\n", " "
    )


def test_narrow_band_is_magnified_for_its_result_alone(plane: Plane, regions: list[Region]) -> None:
    single = replace(plane, experiments=("coherent-csi-2021",))
    figure = exclusion_figure([(single, regions, "CsI"), (plane, regions, "both")])
    (inset,) = figure.subfigs[1].axes
    low, high = inset.get_ylim()
    assert low < 0.07 * 0.97 < 0.07 * 1.03 < high
    assert low > 0.02
    assert inset.get_xlim()[1] == pytest.approx(1000.0)
    assert "both" in inset.get_title()
    assert {line.get_color() for line in inset.lines} == {"#0072B2"}


def test_wide_regions_need_no_magnified_view(plane: Plane, regions: list[Region]) -> None:
    wide = [replace(region, columns=tuple(column[:1] for column in region.columns)) for region in regions]
    tips = [replace(region, columns=(*(column[:1] for column in region.columns[:-2]), *region.columns[-2:])) for region in regions]
    assert narrow_window(plane, wide) is None
    assert narrow_window(plane, tips) is None
    assert exclusion_figure([(plane, wide, "both")]).subfigs[1].axes == []


def test_results_of_different_planes_do_not_mix(plane: Plane, regions: list[Region]) -> None:
    other = replace(plane, x=replace(plane.x, unit="GeV"))
    with pytest.raises(AxisError, match=r"mass \[GeV\].*mass \[MeV\]"):
        exclusion_figure([(plane, regions, "a"), (other, regions, "b")])
    with pytest.raises(AxisError, match="here are 0"):
        exclusion_figure([])


@pytest.mark.parametrize(("suffix", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_files_are_written(tmp_path: Path, plane: Plane, regions: list[Region], suffix: str, head: bytes) -> None:
    path = save_figure(exclusion_figure([(plane, regions, "both")]), tmp_path / "new" / f"plane.{suffix}")
    assert path.read_bytes().startswith(head)


def test_texts_neither_overlap_nor_leave_the_figure(plane: Plane, regions: list[Region]) -> None:
    single = replace(plane, experiments=("coherent-csi-2021",), best={**plane.best, "g": 0.0})
    points = np.array([[1.0, 1e-3], [1e3, 2e-3]])
    curves = [Limit(f"published limit number {index} (2020)", points) for index in range(6)]
    figure = exclusion_figure([(plane, regions, "CsI + LAr"), (single, regions, "CsI")], curves=curves, notes=["a note " * 40])
    figure.canvas.draw()
    legend = figure.subfigs[1].legends[0].get_window_extent()
    inset = figure.subfigs[1].axes[0].get_tightbbox()
    caption = figure.legends[0].get_window_extent()
    plot = figure.subfigs[0].axes[0].get_tightbbox()
    assert legend.y0 > inset.y1
    assert caption.y1 < min(inset.y0, plot.y0)
    for box in (legend, inset, caption, plot):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1


def test_matplotlib_is_imported_late_and_pyplot_never() -> None:
    code = (
        "import sys, cevnsfit.report.plots, cevnsfit.report.tables\n"
        "assert 'matplotlib' not in sys.modules and 'rich' not in sys.modules\n"
        "from cevnsfit.report.style import new_figure, save_figure, style\n"
        "with style(): new_figure(3, 2).add_subplot()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path), "MPLCONFIGDIR": "/nonexistent"})


def test_tips_of_islands_on_a_fine_grid_are_no_narrow_bands(plane: Plane, regions: list[Region]) -> None:
    x = replace(plane.x, values=np.linspace(-1.0, 1.0, 401), scale="linear")
    island = replace(plane, x=x, y=replace(plane.y, values=np.linspace(-1.0, 1.0, 5), scale="linear"))
    half = 0.1 * np.sqrt(np.clip(1.0 - (x.values / 0.3) ** 2, 0.0, None))
    columns = tuple(((-h, h),) if h > 0.0 else () for h in half)
    assert sum(0.0 < h < 0.025 for h in half) >= 3
    assert narrow_window(island, [replace(regions[0], columns=columns)]) is None
    band = tuple(((0.3, 0.33),) for _ in half)
    assert narrow_window(island, [replace(regions[0], columns=band)]) is not None


def test_the_magnified_view_of_a_coarse_grid_shows_the_band_where_it_enters(plane: Plane, regions: list[Region]) -> None:
    axis = replace(plane.x, values=np.linspace(0.0, 1.0, 4), scale="linear")
    coarse = replace(plane, x=axis, y=replace(plane.y, values=np.linspace(0.0, 1.0, 5), scale="linear"))
    columns = tuple(((0.9 * x, 0.9 * x + 0.01),) if x > 0.0 else () for x in axis.values)
    window = narrow_window(coarse, [replace(regions[0], columns=columns)])
    assert window is not None
    left, right, bottom, top = window
    assert (left, right) == (pytest.approx(0.9), 1.0)
    assert bottom < 0.9 * left < 0.9 * right + 0.01 < top


def test_the_name_of_a_rising_limit_stays_below_the_top(ax: Axes) -> None:
    ax.set(xscale="linear", yscale="linear", xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    name_curves(ax, [Limit("a limit with a name of some length", np.array([[0.0, 0.0], [0.8, 1.0]]))])
    (text,) = [text for text in ax.texts if text.get_text().startswith("a limit")]
    box = text.get_window_extent()
    assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1


# --- styles ------------------------------------------------------------------------------------------------------------------------


def legend_of(figure: Figure) -> tuple[str, list[str]]:
    """Return title and texts of the legend of a figure, in its axes or outside, each on one line."""
    (ax,) = figure.axes
    legend = ax.get_legend() or figure.legends[0]
    return legend.get_title().get_text(), [text.get_text().replace("\n", " ") for text in legend.get_texts()]


@pytest.mark.parametrize("name", ["paper", "talk"])
def test_a_paper_has_its_caption_beside_and_the_caveat_in_the_picture(plane: Plane, regions: list[Region], name: str) -> None:
    band = Band(np.array([1.0, 1e3]), np.zeros(2), np.array([5e-4, 2e-2]), "(g-2)", source="measured - predicted")
    curves = [Limit("CCFR", np.array([[1.0, 1e-3], [1e3, 2e-3]]), level="95 % CL", source="a paper")]
    look = Look(style=name, printed=signal_model("lmu-ltau").printed)  # type: ignore[arg-type]
    figure = exclusion_figure([(plane, regions, "both")], band=band, curves=curves, look=look, notes=["L = g Z' J"])
    title, names = legend_of(figure)
    assert title == "CEvNS only"
    assert names == ["both, excluded", "90 % CL", "95 % CL", "(g-2): below this line", "best fit"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["CCFR"]
    assert figure.get_supxlabel() == ""
    told = figure.get_label().replace("\n", " ")
    for wanted in (
        "CEvNS only",
        "4.61 (90 % CL, 2 dof)",
        "L = g Z' J",
        "measured - predicted",
        "both: best fit mass = 30 MeV, g = 0.0007",
        "CCFR: 95 % CL, a paper",
    ):
        assert wanted in told


def test_nothing_of_a_paper_leaves_it(plane: Plane, regions: list[Region]) -> None:
    single = replace(plane, experiments=("coherent-csi-2021",))
    points = np.array([[1.0, 1e-3], [1e3, 2e-3]])
    curves = [Limit(f"limit {index}", points * [1.0, 2.0**index]) for index in range(4)]
    entries = [(plane, regions, "COHERENT CsI 2021 + COHERENT LAr 2020"), (single, regions, "COHERENT CsI 2021")]
    figure = exclusion_figure(entries, curves=curves, look=Look(style="paper"))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    legend = ax.get_legend() or figure.legends[0]
    boxes = [legend.get_window_extent(), ax.get_tightbbox(), *(text.get_window_extent() for text in ax.texts)]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert not any(boxes[0].overlaps(text) for text in boxes[2:])


def test_the_range_follows_from_what_is_drawn_within_the_grid(plane: Plane, regions: list[Region]) -> None:
    plane = replace(plane, valid=np.ones_like(plane.valid))
    (ax,) = exclusion_figure([(plane, regions, "both")], look=Look(style="paper")).axes
    low, high = ax.get_ylim()
    assert 1e-5 < low < 7e-4 / 2.0
    assert high == pytest.approx(0.1)
    assert ax.get_xlim() == pytest.approx((1.0, 1000.0))
    empty = [replace(region, excluded=(), branches=()) for region in regions]
    (ax,) = exclusion_figure([(plane, empty, "weak")], look=Look(style="paper")).axes
    assert ax.get_ylim() == pytest.approx((1e-5, 1e-1))
    look = Look(style="paper", xlim=(10.0, 100.0), ylim=(1e-4, 1.0), title="T", labels=("mine",), best_fit=False)
    figure = exclusion_figure([(plane, regions, "both")], look=look)
    (ax,) = figure.axes
    assert (*ax.get_xlim(), *ax.get_ylim()) == pytest.approx((10.0, 100.0, 1e-4, 1.0))
    assert ax.get_title(loc="left") == "T"
    assert legend_of(figure)[1] == ["mine, excluded", "90 % CL", "95 % CL"]
    assert not [line for line in ax.lines if line.get_marker() in {"*", "v"}]


def test_a_best_fit_without_new_physics_has_no_mass(plane: Plane, regions: list[Region]) -> None:
    none = replace(plane, best={"mass": 30.0, "g": 0.0, "nll2": plane.reference_nll2})
    figure = exclusion_figure([(none, regions, "both")], look=Look(style="paper"))
    (ax,) = figure.axes
    assert not [line for line in ax.lines if line.get_marker() in {"*", "v"}]
    assert legend_of(figure)[1][-1] == "best fit: no new physics"
    assert without_signal(none)
    assert not without_signal(plane)
    assert not without_signal(replace(none, best={**none.best, "nll2": plane.reference_nll2 - 1.0}))
    single = replace(plane, experiments=("coherent-csi-2021",))
    figure = exclusion_figure([(none, regions, "both"), (single, regions, "CsI")], look=Look(style="paper"))
    assert legend_of(figure)[1][-2:] == ["best fit", "best fit of both: no new physics"]


def test_a_band_out_of_view_is_not_in_the_legend(plane: Plane, regions: list[Region]) -> None:
    band = Band(np.array([1.0, 1e3]), np.zeros(2), np.full(2, 1e-9), "(g-2)")
    figure = exclusion_figure([(plane, regions, "both")], band=band, look=Look(style="paper"))
    assert not any("(g-2)" in text for text in legend_of(figure)[1])
