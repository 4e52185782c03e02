"""Folders whose data are values with errors, or lists of events, through the verbs and commands."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.paths import data_root
from cevnsfit.infer.profile import profile
from cevnsfit.report.spectra import residuals

if TYPE_CHECKING:
    from pathlib import Path

LAR = "coherent-lar-2020"
NAME = "mine"
EDGES = np.linspace(6.0, 30.0, 13)
SCALE = 2.5


def values() -> np.ndarray:
    centres = (EDGES[1:] + EDGES[:-1]) / 2.0
    return np.round(14.0 * np.exp(-(((centres - 16.0) / 8.0) ** 2)) + np.random.default_rng(4).normal(0.0, 2.0, 12) - 1.0, 3)


def sigma() -> np.ndarray:
    return np.round(np.linspace(1.0, 2.0, 12), 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / NAME
    shutil.copytree(data_root() / "experiments" / "coherent-csi-2017", target)
    text = (target / "experiment.yaml").read_text(encoding="utf-8").replace("name: coherent-csi-2017", f"name: {NAME}")
    start, end = text.index("observed:"), text.index("backgrounds:")
    observed = "observed: {table: rates.csv, column: rate, error: error, scale: 2.5}\n\n"
    text = text[:start] + observed + text[end:]
    text = text.replace("  time: {unit: us, start: 0, stop: 6, bins: 12}\n", "  time: {unit: us, start: 0, stop: 6, bins: 1}\n")
    (target / "experiment.yaml").write_text(text, encoding="utf-8")
    rows = [f"{a},{b},0,6,{v},{s}" for a, b, v, s in zip(EDGES[:-1], EDGES[1:], values(), sigma(), strict=True)]
    header = "pe_low [PE],pe_high [PE],time_low [us],time_high [us],rate [1],error [1]"
    (target / "rates.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return target


def test_a_fit_is_that_of_least_squares(folder: Path) -> None:
    """The strength by numpy alone: signal and background of `rates`, the count of the background with its 25 %."""
    likelihood = cf.build_likelihood(folder, model="signal-strength")
    parts = {name: one.ravel() for name, one in cf.rates(likelihood)[NAME].components.items()}

    def chi_squared(x: np.ndarray) -> float:
        away = SCALE * values() - x[0] * parts["cevns"] - (1 + 0.25 * x[1]) * parts["prompt_neutrons"]
        return float(np.sum((away / (SCALE * sigma())) ** 2) + x[1] ** 2)

    known = minimize(chi_squared, [1.0, 0.0], options={"gtol": 1e-9})
    best = cf.fit(likelihood)
    assert best.values["signal_strength"] == pytest.approx(known.x[0], rel=1e-5)
    assert best.nll2 == pytest.approx(known.fun, rel=1e-7)
    design = np.array([parts["cevns"], 0.25 * parts["prompt_neutrons"]]) / (SCALE * sigma())
    hessian = design @ design.T + np.diag([0.0, 1.0])
    error = np.sqrt(np.linalg.inv(hessian)[0, 0])
    (low, high) = cf.intervals(likelihood, "signal_strength", cl=0.9, at={}).allowed[0]
    assert (low, high) == pytest.approx(known.x[0] + np.array([-1, 1]) * np.sqrt(chi2.ppf(0.9, 1)) * error, rel=1e-3)
    assert cf.goodness(likelihood).p == pytest.approx(chi2.sf(known.fun, 11), rel=1e-5)


def test_histograms_have_the_variances_of_the_data(folder: Path) -> None:
    likelihood = cf.build_likelihood(folder, model="lmu-ltau")
    histogram = likelihood.counts(mass=20.0, g=5e-4)[NAME]
    assert histogram.variances().ravel() == pytest.approx((SCALE * sigma()) ** 2)
    counted = cf.rates(likelihood)[NAME]
    assert counted.seen == pytest.approx(SCALE * values().sum())
    along = counted.projections[0]
    assert along.errors == pytest.approx(np.tile(SCALE * sigma(), (2, 1)))
    assert residuals(along) == pytest.approx((SCALE * values() - counted.contents.ravel()) / (SCALE * sigma()))


@pytest.mark.slow
def test_a_scan_and_a_fit_agree_in_a_combination_with_counts(folder: Path) -> None:
    likelihood = cf.build_likelihood(folder, LAR, model="lmu-ltau")
    plane = cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 3e-4, 1e-3]).plane
    for i, mass in enumerate((10.0, 30.0, 100.0)):
        for k, g in enumerate((1e-4, 3e-4, 1e-3)):
            point = cf.fit(likelihood, at={"mass": mass, "g": g}, minos=()).nll2
            assert np.ravel(plane.nll2[i])[k] == pytest.approx(point, rel=1e-5)


def test_asimov_data_give_the_truth_and_toys_fluctuate(folder: Path) -> None:
    likelihood = cf.build_likelihood(folder, model="signal-strength")
    assert cf.fit(likelihood.with_data("asimov", signal_strength=-0.7)).values["signal_strength"] == pytest.approx(-0.7, abs=1e-4)
    toy = likelihood.with_data("toy", seed=3).at({}).channels[0]
    assert toy.errors is likelihood.at({}).channels[0].errors
    assert toy.observed is not None
    assert np.any(toy.observed != np.round(toy.observed))


def test_commands_say_what_the_data_are(folder: Path) -> None:
    checked = CliRunner().invoke(app, ["experiments", "check", str(folder)])
    assert f"observed: {SCALE * values().sum():.6g} (values with errors)" in checked.stdout
    found = json.loads(CliRunner().invoke(app, ["experiments", "show", str(folder), "--json"]).stdout)
    assert found["observed"] == pytest.approx(SCALE * values().sum())
    assert found["spec"]["observed"]["scale"] == SCALE


def test_a_forecast_of_another_exposure_is_refused(folder: Path) -> None:
    likelihood = cf.build_likelihood(folder, LAR, model="signal-strength")
    for path in ("source.exposure_pot", f"{NAME}:target.mass"):
        with pytest.raises(CevnsfitError, match=f"{path}: the errors of mine belong to its data and would not follow"):
            cf.forecast(likelihood, vary={path: [1.0, 2.0]})
    with pytest.raises(CevnsfitError, match="mine has values with errors"):
        cf.export(cf.build_likelihood(folder, model="signal-strength"), "pyhf", folder / "x.json")


def test_a_list_of_events_in_one_channel_and_values_in_another(folder: Path) -> None:
    (folder / "events.csv").write_text("time [us],pe [PE]\n1,7\n2,8\n3,50\n", encoding="utf-8")
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    channels = "channels:\n  near: {}\n  far:\n    observed: {events: events.csv}\n"
    (folder / "experiment.yaml").write_text(text + channels, encoding="utf-8")
    checked = CliRunner().invoke(app, ["experiments", "check", str(folder)])
    assert checked.exit_code == 0, checked.stderr
    assert "(values with errors), and 1 outside the window" in checked.stdout
    joint = cf.build_likelihood(folder, model="sm").at({})
    near, far = joint.channels
    assert near.errors is not None
    assert far.errors is None
    assert far.observed is not None
    assert far.observed.sum() == 2


def test_the_modes_of_a_covariance_are_shown(folder: Path) -> None:
    modes = 0.1 * np.array([np.ones(12), np.linspace(-1.0, 1.0, 12)])
    rows = "\n".join(",".join(map(repr, row)) for row in (modes.T @ modes).tolist())
    (folder / "cov.csv").write_text(",".join(f"b{k} [1]" for k in range(12)) + f"\n{rows}\n", encoding="utf-8")
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    (folder / "experiment.yaml").write_text(f"{text}  bins: {{kind: covariance, table: cov.csv}}\n", encoding="utf-8")
    shown = CliRunner().invoke(app, ["experiments", "show", str(folder)]).stdout
    assert "mine.bins_2" in shown
    assert "covariance, mode 2 of 2, 10 negligible ones left out" in shown
    assert cf.fit(cf.build_likelihood(folder, model="sm"), minos=()).parameters["mine.bins_1"]["error"] < 1.0


def test_a_scale_of_energies_takes_a_huge_signal_out_of_the_window() -> None:
    """At the start such points are 1e5 above the best one, at the minimum below 100: the surface over the plane has no step, its contours no islands."""
    coupling = np.linspace(-1.0, 1.0, 61)[:12]
    points = np.array([(u, d) for u in coupling for d in coupling])
    found = profile(cf.build_likelihood("conus-plus-2025", model="nsi").at({}), {"eps_ee_u": points[:, 0], "eps_ee_d": points[:, 1]})
    rise = found.nll2.reshape(12, 12)
    assert rise.max() < 120.0  # the best point has less than 1
    assert np.all(np.diff(rise, axis=0) < 0.0)
    assert np.all(np.diff(rise, axis=1) < 0.0)


def test_far_points_are_not_handed_to_iminuit() -> None:
    """They begin 1e9 above the best one, and end where nuisances at their bounds push templates to zero."""
    likelihood = cf.build_likelihood("coherent-csi-2017", model="universal")
    found = profile(likelihood.at({"mass": 100.0}), {"g": np.geomspace(1e-4, 1e-1, 5)})
    assert found.fallbacks == 0
    assert np.all(np.diff(found.nll2[1:]) > 0.0)
