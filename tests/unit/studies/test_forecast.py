"""Forecasts and what-if scans: what their data are, what they print, and what they refuse."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import plain
from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError, OverlapError, SpecError, UnknownNameError
from cevnsfit.infer.profile import profile
from cevnsfit.model.build import likelihood_of
from cevnsfit.report.style import AxisLabel
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.forecast import Plan, forecast, forecast_curve, outlook_at, settings, write_forecast, write_forecast_plot
from cevnsfit.studies.scan import scan
from cevnsfit.studies.setup import build
from cevnsfit.studies.whatif import vary, write_whatif, write_whatif_plot

if TYPE_CHECKING:
    from pathlib import Path

AT = {"mass": 30.0}


def plan(*changes: tuple[str, str], name: str = "ccm-200", **options: object) -> Plan:
    return Plan(Analysis((name,), "lmu-ltau", changes), **options)  # type: ignore[arg-type]


def test_the_standard_model_is_allowed_and_the_bands_surround_the_median() -> None:
    (result,) = forecast(plan(), AT)
    found = result.sensitivity
    assert found.median.best_fit == 0.0
    assert found.median.nll2 == pytest.approx(0.0, abs=1e-9)
    assert found.median.allowed == ((0.0, found.limit),)
    assert found.bands[2] == found.limit
    assert all(low < high for low, high in zip(found.bands, found.bands[1:], strict=False))
    assert found.limit < found.discovery[0] < found.discovery[1]
    assert found.live_bins == 6


def test_bands_are_those_of_a_normal_estimate_of_the_strength() -> None:
    # counts are linear in g^2 at a large exposure, and its estimate x is normal: limits at x + sqrt(c), or at x + sqrt(x^2 + c) for x < 0
    large = plan(("systematics.lujan_flux.enabled", "false"), ("source.exposure_pot", "1e25"), name="ccm-200-recoil")
    (result,) = forecast(large, {"mass": 10.0})
    squares = np.array(result.sensitivity.bands) ** 2
    c = 2.705543
    expected = np.array([-2.0 + math.sqrt(4.0 + c), -1.0 + math.sqrt(1.0 + c), math.sqrt(c), math.sqrt(c) + 1.0, math.sqrt(c) + 2.0])
    assert squares / squares[2] == pytest.approx(expected / expected[2], rel=0.02)


def test_a_mirror_allows_an_excess_that_a_lone_minimum_does_not() -> None:
    # here a coupling beyond the mirror gives an excess, x > 0 in the other direction, so that the limit is at sqrt(c) - 1
    large = plan(("systematics.lujan_flux.enabled", "false"), ("source.exposure_pot", "1e25"))
    (result,) = forecast(large, {"mass": 1000.0})
    squares = np.array(result.sensitivity.bands) ** 2
    assert len(result.sensitivity.median.allowed) == 2
    assert squares[1] / squares[2] == pytest.approx(1.0 - 1.0 / math.sqrt(2.705543), rel=0.02)
    assert squares[0] == 0.0


def test_json_holds_the_lists_of_intervals() -> None:
    (result,) = forecast(plan(cl=0.95, dof=2), AT)
    document = json.loads(json.dumps(plain(result), allow_nan=False))
    assert document["allowed"] == [[0.0, document["limit"]]]
    assert document["excluded"] == [[document["limit"], 1.0]]
    assert (document["cl"], document["dof"]) == (0.95, 2)
    assert document["data"] == "Asimov data of the Standard Model for ccm-200"
    assert document["bands_method"].startswith("asymptotic")
    assert set(document["bands"]) == {"-2", "-1", "0", "+1", "+2"}


def test_a_true_coupling_is_found() -> None:
    (result,) = forecast(plan(truth=(("g", 2.5e-3),)), AT)
    found = result.sensitivity
    assert found.median.best_fit == pytest.approx(2.5e-3, rel=1e-4)
    assert found.median.allowed[0][0] < 2.5e-3 < found.median.allowed[0][1] == found.limit
    # 2.5e-3 lies between the reach of a discovery at 3 and at 5 sigma
    assert found.discovery[0] < 2.5e-3 < found.discovery[1]
    assert result.data == "Asimov data at g = 0.0025 for ccm-200"


def test_the_discovery_reach_is_where_asimov_data_exclude_the_standard_model() -> None:
    (result,) = forecast(plan(), AT)
    reach = result.sensitivity.discovery[0]
    (there,) = forecast(plan(truth=(("g", reach),)), AT)
    (setting,) = settings(plan(truth=(("g", reach),)))
    joint = outlook_at(plan(truth=(("g", reach),)), setting, AT).asimov.joint
    assert math.sqrt(profile(joint, {"g": np.zeros(1)}).nll2[0]) == pytest.approx(3.0, rel=1e-4)
    assert 0.0 not in [low for low, _ in there.sensitivity.median.allowed]


def test_the_discovery_reach_of_a_strength_is_against_no_signal_whatever_is_true() -> None:
    """Where the truth is 0, all values that its Asimov data allow lie below the default strength."""
    found = [
        forecast(Plan(Analysis(("ccm-200-realistic",), "signal-strength"), truth=(("signal_strength", truth),)), {})[0].sensitivity
        for truth in (0.0, 1.0)
    ]
    assert 0.0 < found[0].limit < found[0].discovery[0] < found[0].discovery[1] < 1.0
    np.testing.assert_allclose(found[0].discovery, found[1].discovery, rtol=1e-4)


def test_existing_experiments_enter_with_asimov_or_observed_data() -> None:
    asimov = forecast(plan(existing=("coherent-csi-2021",)), AT)
    assert [entry.label for entry in asimov] == ["ccm-200", "ccm-200 + coherent-csi-2021"]
    assert asimov[1].sensitivity.median.nll2 == pytest.approx(0.0, abs=1e-8)
    real = forecast(plan(existing=("coherent-csi-2021",), observed=True), AT)
    assert real[1].data == "Asimov data of the Standard Model for ccm-200; observed data of coherent-csi-2021"
    assert real[1].sensitivity.median.nll2 > 50.0
    assert real[1].sensitivity.bands[1] < real[1].sensitivity.limit < real[1].sensitivity.bands[3]


def test_changes_act_on_planned_experiments_and_on_shared_systematics() -> None:
    changed = plan(("source.exposure_pot", "1e23"), ("systematics.sns_flux.sigma", "3 %"), name="coherent-cryo-csi-10")
    changed = Plan(changed.analysis, existing=("coherent-csi-2021",))
    planned, known = settings(changed)[1].experiments
    assert (planned.spec.source.exposure_pot, known.spec.source.exposure_pot) == (1e23, 3.198e23)
    sigmas = [e.spec.systematics["sns_flux"].sigma for e in (planned, known)]  # type: ignore[union-attr]
    assert sigmas == [0.03, 0.03]


def test_toys_agree_with_the_asymptotic_bands() -> None:
    (asymptotic,) = forecast(plan(), AT)
    (thrown,) = forecast(plan(toys=60, seed=3), AT)
    (again,) = forecast(plan(toys=60, seed=3), AT)
    assert thrown.sensitivity.bands == again.sensitivity.bands
    assert thrown.sensitivity.bands_method == "60 toys, seed 3"
    assert thrown.sensitivity.failed == 0
    assert thrown.sensitivity.limit == asymptotic.sensitivity.limit
    assert np.array(thrown.sensitivity.bands[1:4]) == pytest.approx(asymptotic.sensitivity.bands[1:4], rel=0.2)


def test_scans_work_on_asimov_data() -> None:
    likelihood = likelihood_of([load_experiment("ccm-200")], "lmu-ltau").with_data("asimov")
    found = scan(likelihood, mass=[10.0, 30.0, 100.0], g=np.geomspace(1e-4, 1e-2, 15))
    limit = found.contour(cl=0.90, dof=1).columns[1][0][1]
    (result,) = forecast(plan(), AT)
    assert limit == pytest.approx(result.sensitivity.limit, rel=1e-3)


def test_asimov_data_of_a_control_region_measure_the_background() -> None:
    joint = likelihood_of([load_experiment("ccm-200-realistic")], "lmu-ltau").with_data("asimov").at(AT)
    data = observed_data(joint)
    assert data.control[0] is not None
    assert data.control[0].sum() == pytest.approx(5 * 1800.0)
    assert data.counts[0].sum() == pytest.approx(1459.6 + 200.0 + 1800.0, abs=0.5)


@pytest.mark.parametrize("name", ["ccm-200-realistic", "coherent-ar-750", "coherent-cryo-csi-10"])
def test_projected_backgrounds_grow_with_the_exposure(name: str) -> None:
    joints_of = [
        likelihood_of([load_experiment(name, {"source.exposure_pot": x})], "lmu-ltau").with_data("asimov").at({}) for x in (1e22, 3e22)
    ]
    once, thrice = (observed_data(joint) for joint in joints_of)
    assert thrice.counts[0] == pytest.approx(3.0 * once.counts[0])
    assert thrice.control[0] == pytest.approx(3.0 * once.control[0])


def test_curves_and_what_if_scans_are_written(tmp_path: Path) -> None:
    curve = forecast_curve(plan(), "mass", np.array([10.0, 100.0]), {})
    lines = write_forecast(curve, AxisLabel("mass", "MeV"), tmp_path / "new" / "forecast.csv").read_text().splitlines()
    assert lines[-3].startswith("label,mass [MeV],g_limit [1],g_minus_2_sigma [1]")
    assert float(lines[-1].split(",")[2]) == pytest.approx(curve[1][0].sensitivity.limit)
    picture = write_forecast_plot(curve, AxisLabel("mass", "MeV"), AxisLabel("g", "1"), "lmu-ltau", tmp_path / "forecast.png")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    grids = {"systematics.lujan_flux.sigma": np.array([1.0, 10.0, 30.0]), "source.distance": np.array([20.0, 25.0, 30.0])}
    result = vary(plan(), grids, {"mass": 1000.0})
    assert [field.unit for field in result.fields] == ["%", "m"]
    limits = np.array([row.limit for row in result.rows]).reshape(3, 3)
    assert np.all(np.diff(limits, axis=0) > 0.0)
    assert np.all(np.diff(limits, axis=1) > 0.0)
    bare = np.array([row.statistics_only for row in result.rows]).reshape(3, 3)
    assert bare[0] == pytest.approx(bare[2])
    assert np.all(limits >= bare)
    events = np.array([row.events for row in result.rows[:3]])
    assert events == pytest.approx(332.6 * (20.0 / np.array([20.0, 25.0, 30.0])) ** 2, rel=1e-3)
    lines = write_whatif(result, tmp_path / "whatif.csv").read_text().splitlines()
    spread = ",".join(f"g_{side}_{z}_sigma [1]" for side, z in (("minus", 2), ("minus", 1), ("plus", 1), ("plus", 2)))
    assert f"systematics.lujan_flux.sigma [%],source.distance [m],g_limit [1],{spread},g_statistics_only [1],events [1]" in lines
    assert all(row.bands[0] <= row.bands[1] <= row.limit <= row.bands[3] <= row.bands[4] for row in result.rows)
    (single,) = forecast(plan(("systematics.lujan_flux.sigma", "1.0"), ("source.distance", "20.0")), {"mass": 1000.0})
    assert result.rows[0].bands == pytest.approx(single.sensitivity.bands, rel=1e-4)
    assert json.loads(json.dumps(plain(result), allow_nan=False))["rows"][0]["values"] == [1.0, 20.0]
    assert write_whatif_plot(result, tmp_path / "whatif.png").read_bytes()[:4] == b"\x89PNG"


def test_what_nothing_excludes_has_no_limit() -> None:
    result = vary(plan(), {"source.exposure_pot": np.array([1e16, 2e16, 4e16])}, {"mass": 1000.0})
    assert result.rows[0].limit > 0.1 or math.isinf(result.rows[0].limit)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("source.exposure_pot", "0"), ("source.exposure_pot", "greater than 0")),
        (("source.exposure_pot", "-1e22"), ("source.exposure_pot", "greater than 0")),
        (("source.exposre_pot", "1e22"), ("source.exposre_pot", "did you mean exposure_pot")),
        (("axes.e_ee.stop", "20"), ("axes.e_ee", "edges must increase")),
    ],
)
def test_bad_fields_are_named(change: tuple[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        forecast(plan(change), AT)
    assert all(word in str(caught.value) for word in words)


def test_an_empty_window_says_where_the_spectrum_ends() -> None:
    with pytest.raises(DomainError, match=r"axes\.e_ee: nothing is expected between 60 and 150 keVee .*149\.56 keVnr = 54\.2\d keVee"):
        forecast(plan(("axes.e_ee.start", "60")), AT)
    with pytest.raises(DomainError, match=r"axes\.t_recoil: .* ends at 149\.56 keVnr"):
        forecast(plan(("axes.t_recoil.start", "150"), ("axes.t_recoil.stop", "200"), name="ccm-200-recoil"), AT)
    with pytest.raises(DomainError, match=r"axes\.time: nothing is expected between -0\.5 and -0\.2 us"):
        forecast(plan(("axes.time.start", "-500"), ("axes.time.stop", "-200"), name="ccm-200-realistic"), AT)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(CevnsfitError, match="mass must be held"):
        forecast(plan(), {})
    with pytest.raises(CevnsfitError, match="lujan_flux is a systematic"):
        forecast(plan(truth=(("lujan_flux", 1.0),)), AT)
    with pytest.raises(UnknownNameError, match="unknown parameter 'h'"):
        forecast(plan(truth=(("h", 1.0),)), AT)
    with pytest.raises(OverlapError):
        forecast(plan(existing=("ccm-200-recoil",)), AT)
    with pytest.raises(DomainError, match="must not be negative"):
        forecast(plan(toys=-1), AT)
    with pytest.raises(UnknownNameError, match="systematics"):
        vary(plan(), {"systematics.flux.sigma": np.array([1.0, 2.0, 3.0])}, AT)
    with pytest.raises(CevnsfitError, match="needs a field"):
        vary(plan(), {}, AT)


def test_projections_are_not_fitted() -> None:
    with pytest.raises(NoDataError, match="cevnsfit forecast"):
        fit(build(Analysis(("ccm-200",), "signal-strength"), fitted=False))
