from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cevnsfit.infer.planes import Projection
from cevnsfit.report.spectra import component_colours, draw_residuals, draw_spectrum, poisson_interval, residuals, spectra_figure
from cevnsfit.report.style import Look, new_figure


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


def test_the_band_is_one_standard_deviation_of_the_sum_around_it(csi: Projection) -> None:
    sigma = np.array([10.0, 8.0, 9.0, 20.0, 0.0])
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, replace(csi, uncertainty=sigma, fitted=True))
    (band,) = (patch for patch in ax.patches if "uncertainty" in str(patch.get_label()))
    widths = np.diff(csi.edges)
    np.testing.assert_allclose(band.get_data().values, (csi.total + sigma) / widths)
    np.testing.assert_allclose(band.get_data().baseline, (csi.total - sigma) / widths)
    assert band.get_label() == "uncertainty of the fit"
    assert ax.get_ylim()[1] > ((csi.total + sigma) / widths).max()


def test_data_without_steady_state_keep_the_errors_of_all_counts(csi: Projection) -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, csi, without=("steady_state",))
    widths = np.diff(csi.edges)
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(points.get_ydata(), (csi.observed - csi.components["steady_state"]) / widths)
    low, high = poisson_interval(csi.observed)
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose((ends[:, 1] - ends[:, 0]) * widths, high - low)
    assert "steady state" not in {patch.get_label() for patch in ax.patches}
    assert ax.get_ylim()[0] < ends.min() < 0.0


def test_subtracted_panels_leave_the_rest_and_then_the_signal(csi: Projection) -> None:
    (part,) = spectra_figure([csi], subtracted=True).subfigs
    above, below = part.axes
    assert [text.get_text() for ax in (above, below) for text in ax.texts] == ["minus steady state", "minus all backgrounds"]
    labels = [[patch.get_label() for patch in ax.patches if patch.get_fill()] for ax in (above, below)]
    assert labels == [["beam-related neutrons", r"CE$\mathrm{\nu}$NS"], [r"CE$\mathrm{\nu}$NS"]]
    np.testing.assert_allclose(below.patches[0].get_data().values * np.diff(csi.edges), csi.components["cevns"])


def test_a_projection_has_the_errors_that_data_would_have(forecast: Projection) -> None:
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, forecast)
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(points.get_ydata(), forecast.total)
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2.0 * np.sqrt(forecast.total))
    assert ax.get_legend_handles_labels()[1][-1] == "expected error of data"


def test_the_caveat_stands_beside_the_experiment_in_every_style(csi: Projection) -> None:
    for name in ("screen", "paper", "talk"):
        (part,) = spectra_figure([replace(csi, caveat="CEvNS only")], look=Look(style=name, printed={"coherent-csi-2021": "CsI"})).subfigs
        assert part.legends[0].get_title().get_text() == "CsI, CEvNS only"


def test_negative_expectations_and_values_are_inside(csi: Projection) -> None:
    values = replace(csi, observed=np.array([-50.0, 1.0, 2.0, 3.0, 4.0]), errors=np.full((2, 5), 9.0), components={"cevns": -np.ones(5)})
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, values)
    assert ax.get_ylim()[0] < -59.0 / 4.0
    assert ax.get_ylim()[1] > 6.0 / 8.0


@pytest.mark.parametrize("bins", [1, 2, 401])
def test_bins_of_any_number_are_drawn_without_warnings(bins: int) -> None:
    one = Projection("x", "score", "1", np.linspace(0.0, 1.0, bins + 1), np.zeros(bins), {"cevns": np.zeros(bins)})
    figure = spectra_figure([one])
    figure.draw_without_rendering()
    assert figure.subfigs[0].axes[0].get_xlim() == (0.0, 1.0)


def test_bins_that_grow_by_a_factor_lie_on_a_logarithmic_axis(csi: Projection) -> None:
    edges = np.geomspace(1.0, 1000.0, 6)
    ax = new_figure(4.0, 3.0).add_subplot()
    draw_spectrum(ax, replace(csi, edges=edges))
    assert (ax.get_xscale(), ax.get_xlim()) == ("log", pytest.approx((1.0, 1000.0)))


def test_many_channels_of_one_axis_lie_beside_each_other(forecast: Projection) -> None:
    figure = spectra_figure([replace(forecast, experiment=f"x.c{k}") for k in range(4)], look=Look(printed={"x": "X"}))
    assert len({part.bbox.y0 for part in figure.subfigs[:3]}) == 1
    assert [part.legends[0].get_title().get_text() for part in figure.subfigs[:4]] == ["X: c0", "X: c1", "X: c2", "X: c3"]


@pytest.mark.parametrize("name", ["screen", "paper", "talk"])
def test_no_label_leaves_the_figure_and_no_panel_lies_on_the_legend(name: str, csi: Projection) -> None:
    time = replace(csi, axis="time", unit="us", uncertainty=np.ones(5))
    figure = spectra_figure([replace(csi, uncertainty=np.ones(5)), time], look=Look(style=name))
    figure.draw_without_rendering()
    (part,) = figure.subfigs
    legend = part.legends[0].get_window_extent()
    for ax in part.axes:
        box = ax.get_tightbbox()
        assert not box.overlaps(legend)
        assert figure.bbox.padded(1.0).count_contains(box.corners()) == 4
