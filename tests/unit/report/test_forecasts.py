"""Plots of forecasts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cevnsfit.core.errors import AxisError
from cevnsfit.report.forecasts import LimitBand, draw_limit, forecast_figure, whatif_figure
from cevnsfit.report.style import AxisLabel

MASS = np.geomspace(1.0, 1000.0, 4)
LIMIT = np.array([1e-3, 2e-3, 4e-3, np.inf])
BANDS = np.array([x * np.array([0.5, 0.7, 1.0, 1.3, 2.0]) for x in LIMIT])


def band(label: str = "ccm-200") -> LimitBand:
    return LimitBand(label, MASS, LIMIT, BANDS, np.column_stack([1.5 * LIMIT, 2.0 * LIMIT]))


def test_a_limit_that_does_not_exist_is_a_gap() -> None:
    figure, ax = plt.subplots()
    ax.set_ylim(1e-4, 1e-2)
    line, *fills = draw_limit(ax, band(), colour="black", filled=True)
    plt.close(figure)
    assert np.isnan(line.get_ydata()[-1])  # type: ignore[attr-defined]
    assert len(fills) == 2
    assert fills[0].get_datalim(ax.transData).ymax <= 1e-2  # type: ignore[attr-defined]


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
