"""Profiles with their intervals: what is drawn are the numbers of the result."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.documents import About
from cevnsfit.infer.curve import Minimum
from cevnsfit.infer.intervals import Intervals
from cevnsfit.infer.results import PointTest, ToyRecord
from cevnsfit.report.intervals import draw_allowed, draw_expected, draw_profile, draw_thresholds, interval_figure
from cevnsfit.report.style import Look, new_figure
from cevnsfit.studies.shown import plot

VALUES = np.linspace(0.0, 2.0, 21)


def result(toys: ToyRecord | None = None, expected: tuple[float, ...] = ()) -> Intervals:
    heights = np.clip(1.5 - VALUES, 0.0, 1.0) if expected else 90.0 + (VALUES - 1.0) ** 2 * 10.0
    return Intervals(
        poi="g", best_fit=1.0, nll2=90.0, allowed=((0.48, 1.52),), excluded=(), minima=(Minimum(1.0, 90.0),), domain=(0.0, 5.0), method="made up",
        cl=0.90, dof=1, valid=True, toys=toys, expected=expected, profile=np.array([VALUES, heights]), about=About(caveat="CEvNS only"),
    )  # fmt: skip


def record() -> ToyRecord:
    sample = np.arange(1000) / 100.0
    return ToyRecord(
        1, (PointTest(0.5, 2.5, 0.2, 0.01, 1000, 0, decided=True, samples=(sample,)), PointTest(4.0, 90.0, 0.0, 0.0, 0, 0, decided=True))
    )


def test_the_profile_rises_from_its_minimum() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    (line,) = draw_profile(ax, result())
    np.testing.assert_allclose(line.get_ydata(), (VALUES - 1.0) ** 2 * 10.0)  # type: ignore[attr-defined]
    (span,) = draw_allowed(ax, result())
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((0.48, 1.52))  # type: ignore[attr-defined]
    (threshold,) = draw_thresholds(ax, result())
    assert threshold.get_ydata() == pytest.approx([2.7055, 2.7055], abs=1e-4)  # type: ignore[attr-defined]


def test_thresholds_of_toys_have_their_errors_and_values_without_toys_none() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    _, points = draw_thresholds(ax, result(record()))
    middle, _, (bars,) = points  # type: ignore[misc]
    error = np.sqrt(0.9 * 0.1 / 1000)
    np.testing.assert_allclose(middle.get_xydata(), [[0.5, 9.99 * 0.9]], rtol=1e-3)
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], 9.99 * np.array([0.9 - error, 0.9 + error]), rtol=1e-3)


def test_limits_are_drawn_with_what_is_expected() -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    found = result(expected=(0.2, 0.4, 0.6, 0.8, np.inf))
    wide, narrow, median = draw_expected(ax, found)
    assert (wide.get_x(), wide.get_x() + wide.get_width()) == pytest.approx((0.2, 2.0))  # type: ignore[attr-defined]
    assert (narrow.get_x(), narrow.get_x() + narrow.get_width()) == pytest.approx((0.4, 0.8))  # type: ignore[attr-defined]
    assert median.get_xdata() == [0.6, 0.6]  # type: ignore[attr-defined]
    (line,) = draw_thresholds(ax, found)
    assert line.get_ydata() == pytest.approx([0.1, 0.1])  # type: ignore[attr-defined]
    assert interval_figure(found).axes[0].get_ylabel() == "CLs"


@pytest.mark.parametrize("name", ["screen", "paper", "talk"])
def test_the_picture_shows_the_interval_and_says_what_is_left_out(name: str) -> None:
    (ax,) = (figure := plot(result(record()), look=Look(style=name))).axes  # type: ignore[arg-type]
    low, high = ax.get_xlim()
    assert low < 0.48
    assert high > 1.52
    assert ax.get_ylim()[1] > 9.0
    legend = ax.get_legend() or figure.legends[0]
    assert legend.get_title().get_text() == "CEvNS only"
    assert [text.get_text() for text in legend.get_texts()] == [
        "allowed at 90 % CL",
        "observed",
        "asymptotic threshold",
        "best fit",
        "threshold of toys",
    ]
    assert "made up; 90 % CL, 1 dof" in figure.get_supxlabel() + figure.get_label()


def test_the_profile_is_not_in_the_document() -> None:
    assert "profile" not in result().to_dict()
    assert result() == result(), "arrays are not compared"
