"""Forecasts and what-if scans: what their data are, what they print, and what they refuse."""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError, OverlapError, SpecError, UnknownNameError
from cevnsfit.infer.profile import profile
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.data import observed_data
from cevnsfit.studies.fitting import fit
from cevnsfit.studies.forecast import acting, combined, forecast_curve, planned_alone, write_forecast
from cevnsfit.studies.setup import build, load_experiments
from cevnsfit.studies.whatif import write_whatif

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

AT = {"mass": 30.0}
CSI = "coherent-csi-2021"


def ccm(*changes: tuple[str, str], name: str = "ccm-200") -> Likelihood:
    return cf.build_likelihood(name, model="lmu-ltau", changes=dict(changes))


def test_the_standard_model_is_allowed_and_the_bands_surround_the_median() -> None:
    result = cf.forecast(ccm(), at=AT)
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
    large = ccm(("systematics.lujan_flux.enabled", "false"), ("source.exposure_pot", "1e25"), name="ccm-200-recoil")
    result = cf.forecast(large, at={"mass": 10.0})
    squares = np.array(result.sensitivity.bands) ** 2
    c = 2.705543
    expected = np.array([-2.0 + math.sqrt(4.0 + c), -1.0 + math.sqrt(1.0 + c), math.sqrt(c), math.sqrt(c) + 1.0, math.sqrt(c) + 2.0])
    assert squares / squares[2] == pytest.approx(expected / expected[2], rel=0.02)


def test_a_mirror_allows_an_excess_that_a_lone_minimum_does_not() -> None:
    # here a coupling beyond the mirror gives an excess, x > 0 in the other direction, so that the limit is at sqrt(c) - 1
    large = ccm(("systematics.lujan_flux.enabled", "false"), ("source.exposure_pot", "1e25"))
    result = cf.forecast(large, at={"mass": 1000.0})
    squares = np.array(result.sensitivity.bands) ** 2
    assert len(result.sensitivity.median.allowed) == 2
    assert squares[1] / squares[2] == pytest.approx(1.0 - 1.0 / math.sqrt(2.705543), rel=0.02)
    assert squares[0] == 0.0


def test_json_holds_the_lists_of_intervals() -> None:
    result = cf.forecast(ccm(), at=AT, cl=0.95, dof=2)
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["allowed"] == [[0.0, document["limit"]]]
    assert document["excluded"] == [[document["limit"], 1.0]]
    assert (document["cl"], document["dof"]) == (0.95, 2)
    assert document["data"] == "Asimov data of the Standard Model for ccm-200"
    assert document["bands_method"].startswith("asymptotic")
    assert set(document["bands"]) == {"-2", "-1", "0", "+1", "+2"}


def test_a_true_coupling_is_found() -> None:
    result = cf.forecast(ccm(), at=AT, true={"g": 2.5e-3})
    found = result.sensitivity
    assert found.median.best_fit == pytest.approx(2.5e-3, rel=1e-4)
    assert found.median.allowed[0][0] < 2.5e-3 < found.median.allowed[0][1] == found.limit
    # 2.5e-3 lies between the reach of a discovery at 3 and at 5 sigma
    assert found.discovery[0] < 2.5e-3 < found.discovery[1]
    assert result.data == "Asimov data at g = 0.0025 for ccm-200"


def test_the_discovery_reach_is_where_asimov_data_exclude_the_standard_model() -> None:
    result = cf.forecast(ccm(), at=AT)
    reach = result.sensitivity.discovery[0]
    there = cf.forecast(ccm(), at=AT, true={"g": reach})
    joint = ccm().with_data("asimov", {**AT, "g": reach}).at(AT)
    assert math.sqrt(profile(joint, {"g": np.zeros(1)}).nll2[0]) == pytest.approx(3.0, rel=1e-4)
    assert 0.0 not in [low for low, _ in there.sensitivity.median.allowed]


def test_the_discovery_reach_of_a_strength_is_against_no_signal_whatever_is_true() -> None:
    """Where the truth is 0, all values that its Asimov data allow lie below the default strength."""
    likelihood = cf.build_likelihood("ccm-200-realistic", model="signal-strength")
    found = [cf.forecast(likelihood, true={"signal_strength": truth}).sensitivity for truth in (0.0, 1.0)]
    assert 0.0 < found[0].limit < found[0].discovery[0] < found[0].discovery[1] < 1.0
    np.testing.assert_allclose(found[0].discovery, found[1].discovery, rtol=1e-4)


def test_existing_experiments_enter_with_asimov_or_observed_data() -> None:
    likelihood = cf.build_likelihood("ccm-200", CSI, model="lmu-ltau")
    asimov = cf.forecast(likelihood, at=AT)
    assert asimov.about.label == "ccm-200 + coherent-csi-2021"
    assert asimov.sensitivity.median.nll2 == pytest.approx(0.0, abs=1e-8)
    real = cf.forecast(likelihood, at=AT, observed=[CSI])
    assert real.data == "Asimov data of the Standard Model for ccm-200; observed data of coherent-csi-2021"
    assert real.sensitivity.median.nll2 > 50.0
    assert real.sensitivity.bands[1] < real.sensitivity.limit < real.sensitivity.bands[3]


@pytest.mark.slow
def test_changes_act_on_planned_experiments_and_on_shared_systematics() -> None:
    changes = (("source.exposure_pot", "1e23"), ("systematics.sns_flux.sigma", "3 %"), (f"{CSI}:source.distance", "40 m"))
    planned = Analysis(("coherent-cryo-csi-10", "coherent-ar-750"), "lmu-ltau", changes)
    assert planned_alone(planned, [CSI]).overrides == changes[:2]
    own = "coherent-cryo-csi-10,coherent-ar-750"
    assert combined(planned, [CSI]).overrides == (
        (f"{own}:source.exposure_pot", "1e23"),
        (f"{own},{CSI}:systematics.sns_flux.sigma", "3 %"),
        (f"{CSI}:source.distance", "40 m"),
    )
    cryo, argon, known = load_experiments(combined(planned, [CSI]))
    assert [e.spec.source.exposure_pot for e in (cryo, argon, known)] == [1e23, 1e23, 3.198e23]
    assert [e.spec.systematics["sns_flux"].sigma for e in (cryo, argon, known)] == [0.03, 0.03, 0.03]  # type: ignore[union-attr]
    assert (argon.spec.source.distance, known.spec.source.distance) == (2750.0, 4000.0)
    # not in an existing experiment with a systematic of this name that is not shared, nor in a planned one without
    assert acting("systematics.quenching_0.enabled", planned, [CSI]) == "coherent-cryo-csi-10:systematics.quenching_0.enabled"
    assert acting("systematics.sns_flux", planned, [CSI]) == f"{own},{CSI}:systematics.sns_flux"
    assert acting("source", planned, [CSI]) == f"{own}:source"
    assert acting("source.distance", planned, []) == "source.distance"


@pytest.mark.slow
def test_toys_agree_with_the_asymptotic_bands() -> None:
    asymptotic = cf.forecast(ccm(), at=AT)
    told: list[tuple[int, int]] = []
    thrown, again = (cf.forecast(ccm(), at=AT, toys=cf.Toys(60, seed=3), progress=lambda *now: told.append(now)) for _ in range(2))
    assert told == [(1, 3), (2, 3), (3, 3)] * 2
    assert thrown.sensitivity.bands == again.sensitivity.bands
    assert thrown.sensitivity.bands_method == "60 toys, seed 3"
    assert thrown.sensitivity.failed == 0
    assert thrown.sensitivity.limit == asymptotic.sensitivity.limit
    assert np.array(thrown.sensitivity.bands[1:4]) == pytest.approx(asymptotic.sensitivity.bands[1:4], rel=0.2)


def test_scans_work_on_asimov_data() -> None:
    likelihood = likelihood_of([load_experiment("ccm-200")], "lmu-ltau").with_data("asimov")
    found = cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=np.geomspace(1e-4, 1e-2, 15))
    limit = found.contour(cl=0.90, dof=1).columns[1][0][1]
    result = cf.forecast(ccm(), at=AT)
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


@pytest.mark.slow
def test_curves_and_what_if_scans_are_written(tmp_path: Path) -> None:
    curve = forecast_curve([functools.partial(cf.forecast, ccm())], [{"mass": 10.0}, {"mass": 100.0}])
    several = [one for point in curve for one in point]
    lines = write_forecast(several, "mass", tmp_path / "new" / "forecast.csv").read_text().splitlines()
    assert lines[-3].startswith("label,mass [MeV],g_limit [1],g_minus_2_sigma [1]")
    assert float(lines[-1].split(",")[2]) == pytest.approx(curve[1][0].sensitivity.limit)
    (ax,) = cf.plot(several).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$m_{Z'}$ [MeV]", "$g_{Z'}$")
    assert ax.get_lines()[0].get_ydata() == pytest.approx([one.sensitivity.limit for one in several])
    grids = {"systematics.lujan_flux.sigma": np.array([1.0, 10.0, 30.0]), "source.distance": np.array([20.0, 25.0, 30.0])}
    result = cf.forecast(ccm(), at={"mass": 1000.0}, vary=grids)
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
    single = cf.forecast(ccm(("systematics.lujan_flux.sigma", "1.0"), ("source.distance", "20.0")), at={"mass": 1000.0})
    assert result.rows[0].bands == pytest.approx(single.sensitivity.bands, rel=1e-4)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["rows"][0]["values"] == [1.0, 20.0]
    assert [sum(len(line.get_xdata()) > 0 for line in ax.get_lines()) for ax in cf.plot(result).axes] == [6, 4]


def test_what_nothing_excludes_has_no_limit() -> None:
    result = cf.forecast(ccm(), at={"mass": 1000.0}, vary={"source.exposure_pot": [1e16]})
    assert result.fields[0].scale == "linear"
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
        ccm(change)
    assert all(word in str(caught.value) for word in words)


def test_an_empty_window_says_where_the_spectrum_ends() -> None:
    with pytest.raises(DomainError, match=r"axes\.e_ee: nothing is expected between 60 and 150 keVee .*149\.56 keVnr = 54\.2\d keVee"):
        ccm(("axes.e_ee.start", "60"))
    with pytest.raises(DomainError, match=r"axes\.t_recoil: .* ends at 149\.56 keVnr"):
        ccm(("axes.t_recoil.start", "150"), ("axes.t_recoil.stop", "200"), name="ccm-200-recoil")
    with pytest.raises(DomainError, match=r"axes\.time: nothing is expected between -0\.5 and -0\.2 us"):
        ccm(("axes.time.start", "-500"), ("axes.time.stop", "-200"), name="ccm-200-realistic")


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(CevnsfitError, match="mass must be held"):
        cf.forecast(ccm())
    with pytest.raises(CevnsfitError, match="lujan_flux is a systematic"):
        cf.forecast(ccm(), at=AT, true={"lujan_flux": 1.0})
    with pytest.raises(UnknownNameError, match="unknown parameter 'h'"):
        cf.forecast(ccm(), at=AT, true={"h": 1.0})
    with pytest.raises(UnknownNameError, match=f"unknown experiment '{CSI}'"):
        cf.forecast(ccm(), at=AT, observed=[CSI])
    with pytest.raises(NoDataError, match="ccm-200: no observed counts"):
        cf.forecast(ccm(), at=AT, observed=["ccm-200"])
    with pytest.raises(CevnsfitError, match="nothing is left to forecast"):
        cf.forecast(ccm(name=CSI), at=AT, observed=[CSI])
    with pytest.raises(OverlapError):
        build(combined(Analysis(("ccm-200",), "lmu-ltau"), ["ccm-200-recoil"]))
    with pytest.raises(UnknownNameError, match="systematics"):
        cf.forecast(ccm(), at=AT, vary={"systematics.flux.sigma": [1.0, 2.0]})
    with pytest.raises(UnknownNameError, match="unknown experiment among those combined 'ccm'"):
        cf.forecast(ccm(), at=AT, vary={"ccm-200,ccm:source.distance": [20.0, 30.0]})
    with pytest.raises(CevnsfitError, match="needs a field"):
        cf.forecast(ccm(), at=AT, vary={})
    with pytest.raises(CevnsfitError, match="needs a field"):
        cf.forecast(ccm(), at=AT, vary={"source.distance": []})
    with pytest.raises(CevnsfitError, match="takes no pseudo-experiments"):
        cf.forecast(ccm(), at=AT, vary={"source.distance": [20.0]}, toys=cf.Toys(10))
    with pytest.raises(CevnsfitError, match="has other data"):
        cf.forecast(ccm().with_data("toy", seed=1), at=AT, vary={"source.distance": [20.0]})


def test_a_likelihood_that_was_built_by_hand_is_forecast_but_its_fields_are_not_varied() -> None:
    by_hand = likelihood_of([load_experiment("ccm-200")], "lmu-ltau")
    assert by_hand.origin is None
    mine, known = (cf.forecast(likelihood, at=AT).to_dict() for likelihood in (by_hand, ccm()))
    assert {key for key in known if mine[key] != known[key]} == {"model", "lagrangian"}
    assert mine["label"] == "ccm-200"
    with pytest.raises(CevnsfitError, match="use build_likelihood"):
        cf.forecast(by_hand, at=AT, vary={"source.distance": [20.0]})


@pytest.mark.slow
def test_a_combination_is_varied_in_all_experiments_or_in_some() -> None:
    likelihood = cf.build_likelihood("coherent-cryo-csi-10", CSI, model="lmu-ltau")
    both, one = (
        cf.forecast(likelihood, at=AT, vary={f"{name}source.exposure_pot": [1e23]}).rows[0] for name in ("", "coherent-cryo-csi-10:")
    )
    assert both.signal["coherent-cryo-csi-10"] == one.signal["coherent-cryo-csi-10"]
    assert both.signal[CSI] == pytest.approx(one.signal[CSI] * 1e23 / 3.198e23)
    assert both.events == sum(both.signal.values())
    assert both.limit > one.limit


def test_projections_are_not_fitted() -> None:
    with pytest.raises(NoDataError, match="cevnsfit forecast"):
        fit(build(Analysis(("ccm-200",), "signal-strength")))
