"""Pictures of coverage: points with their errors, and maps."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.errors import AxisError
from cevnsfit.report.coverage import SPREAD, CoverageLine, coverage_figure, draw_lines, draw_map
from cevnsfit.report.style import AxisLabel, Look, new_figure

VALUES = np.array([[1e-4, 0.90, 0.01, 2.7], [1e-3, 0.95, 0.02, 2.0]])


def line(setting: float | None, method: str = "profile") -> CoverageLine:
    return CoverageLine(method, setting, VALUES, ((0.0, 5e-4),))


def test_points_have_their_errors_and_the_nominal_coverage_is_a_line() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_lines(ax, [line(None)], cl=0.9)
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_array_equal(points.get_xydata(), VALUES[:, :2])
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [pytest.approx([0.89, 0.91]), pytest.approx([0.93, 0.97])]
    assert ax.lines[0].get_ydata() == [0.9, 0.9]


def test_a_map_is_centred_on_the_nominal_coverage() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    mesh = draw_map(ax, [line(10.0), line(100.0)], cl=0.9)
    np.testing.assert_array_equal(mesh.get_array(), [[0.90, 0.90], [0.95, 0.95]])
    assert mesh.get_clim() == pytest.approx((0.9 - SPREAD, 0.9 + SPREAD))


@pytest.mark.parametrize("style", ["screen", "paper", "talk"])
def test_three_settings_are_a_map_with_printed_names_in_every_style(style: str) -> None:
    look = Look(style=style, printed={"mass": "$m$", "g": "$g$"})
    figure = coverage_figure([line(m) for m in (1.0, 10.0, 100.0)], "g", AxisLabel("mass", "MeV"), cl=0.9, notes=["who"], look=look)
    figure.draw_without_rendering()
    ax, bar = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("$m$ [MeV]", "true $g$", "log")
    assert "coverage" in bar.get_ylabel()
    assert (figure.get_label() == "who") == (style != "screen")
    assert figure.bbox.padded(1.0).count_contains(bar.get_tightbbox().corners()) == 4


def test_too_much_for_one_pair_of_axes_is_an_error() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    with pytest.raises(AxisError, match="coverage at 2 settings needs as many axes"):
        coverage_figure([line(1.0), line(2.0)], "g", AxisLabel("mass", "MeV"), cl=0.9, ax=ax)
    with pytest.raises(AxisError, match="at least one line"):
        coverage_figure([], "g", None, cl=0.9)
