"""Plots of forecasts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cevnsfit.core.errors import AxisError
from cevnsfit.infer.limit import UNBOUNDED
from cevnsfit.report.forecasts import LimitBand, draw_bands, draw_limit, expected_figure, forecast_figure, whatif_figure
from cevnsfit.report.style import AxisLabel, Look

MASS = np.geomspace(1.0, 1000.0, 4)
LIMIT = np.array([1e-3, 2e-3, 4e-3, np.inf])
BANDS = np.array([x * np.array([0.5, 0.7, 1.0, 1.3, 2.0]) for x in LIMIT])


def band(label: str = "ccm-200") -> LimitBand:
    return LimitBand(label, MASS, LIMIT, BANDS, np.column_stack([1.5 * LIMIT, 2.0 * LIMIT]))


def test_bands_are_the_data_whatever_the_view_is() -> None:
    figure, ax = plt.subplots()
    ax.set_ylim(1e-2, 2e-2)
    line, *fills = draw_limit(ax, band(), colour="black", filled=True)
    plt.close(figure)
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([MASS, [1e-3, 2e-3, 4e-3, np.nan]]))  # type: ignore[attr-defined]
    ends = [(vertices[:, 1].min(), vertices[:, 1].max()) for fill in fills for vertices in [fill.get_paths()[0].vertices]]  # type: ignore[attr-defined]
    assert ends == [pytest.approx((5e-4, 8e-3)), pytest.approx((7e-4, 5.2e-3))]
    at_one = [{round(y, 9) for x, y in fill.get_paths()[0].vertices if x == 1.0} for fill in fills]  # type: ignore[attr-defined]
    assert at_one == [{5e-4, 2e-3}, {7e-4, 1.3e-3}]


def test_a_band_that_reaches_what_is_not_excluded_leaves_the_axes() -> None:
    figure, ax = plt.subplots()
    ends = np.array([[1.0, 2.0, 3.0, 4.0, np.inf], [1.0, 2.0, 3.0, np.inf, np.inf], [np.inf] * 5])
    wide, narrow = draw_bands(ax, np.array([1.0, 2.0, 3.0]), ends, colour="black")
    assert ax.get_ylim()[1] < 10.0
    plt.close(figure)
    for fill in (wide, narrow):
        vertices = fill.get_paths()[0].vertices  # type: ignore[attr-defined]
        assert vertices[:, 0].max() == 2.0
        assert vertices[:, 1].max() == UNBOUNDED


def test_settings_are_short_in_the_legend_and_curves_are_not_named_by_paths() -> None:
    lines = [
        LimitBand(f"distance = {d} m", MASS, np.full(4, 4e-3), np.tile([2e-3, 3e-3, 4e-3, 5e-3, 6e-3], (4, 1)), np.full((4, 1), 2e-3))
        for d in (18, 20, 23)
    ]
    figure = whatif_figure(lines, AxisLabel("exposure pot", "1"), "g", scale="log", look=Look(style="paper", labels=("near",)))
    legend = figure.axes[0].get_legend() or figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "near",
        "distance = 20 m",
        "distance = 23 m",
        "all systematics",
        "statistical errors alone",
    ]
    assert [line.get_linestyle() for line in legend.get_lines()] == ["-", "-", "-", "-", "--"]


@pytest.mark.parametrize("name", ["screen", "paper", "talk"])
def test_the_caveat_is_in_the_picture_in_each_style(name: str) -> None:
    look = Look(style=name, caveats=("CEvNS only",))  # type: ignore[arg-type]
    figure = forecast_figure([band()], AxisLabel("mass", "MeV"), AxisLabel("g", "1"), notes=["Asimov data"], look=look)
    legend = figure.axes[0].get_legend() or figure.legends[0]
    assert legend.get_title().get_text() == "CEvNS only"
    assert (figure.get_supxlabel() or figure.get_label()) == "Asimov data\ncaveat: CEvNS only"


def test_bars_are_the_bands() -> None:
    figure = expected_figure([band(), band("both")], "g", discovery=(3.0, 5.0), look=Look(style="paper", xlim=(1e-4, 1e-2)))
    (ax,) = figure.axes
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches] == [
        pytest.approx(ends) for ends in ((5e-4, 2e-3), (5e-4, 2e-3), (7e-4, 1.3e-3), (7e-4, 1.3e-3))
    ]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ccm-200", "both"]
    assert ax.get_xlim() == pytest.approx((1e-4, 1e-2))


def test_the_last_limit_has_the_bands() -> None:
    figure = forecast_figure(
        [band(), band("both")], AxisLabel("mass", "MeV"), AxisLabel("g", "1"), discovery=(3.0, 5.0), notes=["Asimov data"]
    )
    (ax,) = figure.axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels[:2] == ["ccm-200, median", "both, median"]
    assert sum("results" in label for label in labels) == 2
    assert sum("discovery" in label for label in labels) == 2
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_the_ratio_shows_the_floor() -> None:
    bands, alone = np.tile([2e-3, 3e-3, 4e-3, 5e-3, 6e-3], (4, 1)), np.array([[4e-3], [2e-3], [1e-3], [5e-4]])
    line = LimitBand("", MASS, np.full(4, 4e-3), bands, alone)
    figure = whatif_figure([line], AxisLabel("source.exposure_pot", "1"), "g", scale="log")
    top, below = figure.axes
    assert below.lines[0].get_ydata() == pytest.approx([1.0, 2.0, 4.0, 8.0])
    assert below.get_xlabel() == "source.exposure_pot"
    assert top.get_xscale() == "log"


def test_nothing_to_draw() -> None:
    with pytest.raises(AxisError, match="at least one"):
        forecast_figure([], AxisLabel("mass", "MeV"), AxisLabel("g", "1"))
    with pytest.raises(AxisError, match="at least one"):
        whatif_figure([], AxisLabel("a", "1"), "g", scale="linear")
