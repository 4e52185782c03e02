from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.report.spectra import component_colours, draw_residuals, draw_spectrum, poisson_interval, residuals, spectra_figure
from cevnsfit.report.style import new_figure, save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.infer.planes import Projection


def test_residuals_are_pulls_of_the_total(csi: Projection) -> None:
    values = residuals(csi)
    np.testing.assert_allclose(values[:2], [6.0 / np.sqrt(254.0), -14.0 / np.sqrt(213.0)])
    assert np.isnan(values[4])
    assert np.isnan(residuals(replace(csi, observed=None))).all()


def test_poisson_intervals_cover_68_percent_from_both_sides() -> None:
    from scipy.stats import poisson

    counts = np.array([0.0, 1.0, 9.0, 400.0])
    low, high = poisson_interval(counts)
    assert low[0] == 0.0
    assert high[0] == pytest.approx(1.8410, abs=1e-4)
    np.testing.assert_allclose(poisson.cdf(counts, high), 0.158655, rtol=1e-4)
    np.testing.assert_allclose(poisson.sf(counts[1:] - 1.0, low[1:]), 0.158655, rtol=1e-4)


def test_signal_is_stacked_on_top_and_steady_state_at_the_bottom(csi: Projection) -> None:
    assert list(component_colours(csi.components)) == ["steady_state", "brn", "cevns"]
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, csi)
    steady, brn, signal, *_ = ax.patches
    assert [patch.get_label() for patch in (steady, brn, signal)] == ["steady state", "beam-related neutrons", r"CE$\mathrm{\nu}$NS"]
    np.testing.assert_allclose(signal.get_data().values, np.array([254.0, 213.0, 312.0, 425.0, 0.0]) / np.diff(csi.edges))
    np.testing.assert_allclose(signal.get_data().baseline, brn.get_data().values)


def test_unequal_bins_are_densities_and_the_axis_says_so(csi: Projection, forecast: Projection) -> None:
    figure = new_figure(8.0, 3.0)
    left, right = figure.add_subplot(121), figure.add_subplot(122)
    draw_spectrum(left, csi)
    draw_spectrum(right, forecast)
    assert left.get_ylabel() == "counts / PE"
    assert right.get_ylabel() == r"counts / 25 keV$_\mathrm{ee}$"
    np.testing.assert_allclose(left.containers[0][0].get_ydata(), np.array([260.0, 199.0, 330.0, 400.0, 0.0]) / np.diff(csi.edges))


def test_figure_has_one_row_an_experiment_and_residuals_where_there_are_data(csi: Projection, forecast: Projection) -> None:
    time = replace(csi, axis="time", unit="us", edges=np.linspace(0.0, 5.0, 6))
    figure = spectra_figure([csi, forecast, time])
    first, second = figure.subfigs
    assert (len(first.axes), len(second.axes)) == (4, 2)
    assert [ax.get_xlabel() for ax in first.axes] == ["", "", "photoelectrons [PE]", r"arrival time [$\mathrm{\mu}$s]"]
    assert [ax.get_visible() for ax in second.axes] == [True, False]
    assert second.axes[0].get_xlabel() == r"electron-equivalent energy [keV$_\mathrm{ee}$]"
    assert first.legends[0].get_title().get_text() == "coherent-csi-2021"
    assert "data" in [text.get_text() for text in first.legends[0].get_texts()]
    assert "data" not in [text.get_text() for text in second.legends[0].get_texts()]


def test_large_residuals_stay_inside_the_panel(csi: Projection) -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_residuals(ax, replace(csi, observed=np.array([400.0, 213.0, 312.0, 425.0, 0.0])))
    assert ax.get_ylim()[1] > 146.0 / np.sqrt(254.0)


def test_no_projection_is_an_empty_figure() -> None:
    assert spectra_figure([]).axes == []


def test_spectra_are_written(tmp_path: Path, csi: Projection, forecast: Projection) -> None:
    path = save_figure(spectra_figure([csi, forecast]), tmp_path / "spectra.png")
    assert path.stat().st_size > 10_000
