"""Fits of the released experiments and what people read from them."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.documents import About, plain
from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError, UnknownNameError
from cevnsfit.infer.profile import profile
from cevnsfit.stats.joint import expected
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies.agreement import signal_strengths
from cevnsfit.studies.fitting import Fit, fit, poi_name, without_signal
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.setup import build

LAR = ("coherent-lar-2020",)
CSI = ("coherent-csi-2021",)


def fitted(analysis: Analysis, at: dict[str, float] | None = None, minos: tuple[str, ...] | None = None) -> Fit:
    return fit(build(analysis), at=at, minos=minos)


@pytest.fixture(scope="module")
def summary() -> Fit:
    return fitted(Analysis(LAR, "signal-strength"))


def test_liquid_argon_fits_the_counts_of_an_independent_program(summary: Fit) -> None:
    (counts,) = summary.counts.values()
    assert summary.valid
    assert counts.signal.sum() == pytest.approx(136.1, abs=0.5)
    scale = counts.signal.sum() / summary.values["signal_strength"]
    assert summary.errors["signal_strength"] * scale == pytest.approx(40.6, abs=0.5)
    assert summary.nll2 == pytest.approx(1030.77, abs=0.3)
    assert summary.significance == pytest.approx(3.45, abs=0.02)


@pytest.mark.parametrize("experiments", [LAR, CSI])
def test_the_significance_is_the_distance_to_no_signal(experiments: tuple[str, ...]) -> None:
    joint, best = build(Analysis(experiments, "signal-strength")).at({}), fitted(Analysis(experiments, "signal-strength"), minos=())
    nothing = profile(joint, {"signal_strength": np.zeros(1)})
    assert best.significance**2 == pytest.approx(float(nothing.nll2[0]) - best.nll2, abs=1e-5)
    assert profile(without_signal(joint), {}).nll2[0] == pytest.approx(float(nothing.nll2[0]), abs=1e-6)


def test_without_signal_nothing_of_it_moves_in_time() -> None:
    joint = build(Analysis(CSI, "sm", overrides=(("systematics.onset.enabled", "true"),))).at({})
    names = joint.parameters.names
    late = expected(without_signal(joint), joint.parameters.vector({name: 100.0 for name in names if name.endswith("onset")}))
    assert any(name.endswith("onset") for name in names)
    np.testing.assert_array_equal(late[CSI[0]]["cevns"], 0.0)


def test_the_distance_to_the_standard_model_is_that_of_a_fit_with_couplings_at_their_defaults(summary: Fit) -> None:
    standard = fitted(Analysis(LAR, "signal-strength"), at={"signal_strength": 1.0})
    assert summary.delta_nll2_sm == pytest.approx(standard.nll2 - summary.nll2, abs=1e-5)
    mediator, free = fitted(Analysis(LAR, "lmu-ltau"), at={"mass": 30.0, "g": 2e-3}, minos=()), fitted(Analysis(LAR, "sm"), minos=())
    assert mediator.delta_nll2_sm == pytest.approx(free.nll2 - mediator.nll2, abs=1e-5)
    assert mediator.delta_nll2_sm < -1.0  # the coupling that is held is excluded
    assert math.isnan(free.delta_nll2_sm)


def test_counts_at_the_best_fit_balance_the_data(summary: Fit) -> None:
    (counts,) = summary.counts.values()
    assert counts.observed is not None
    assert counts.total == pytest.approx(counts.observed.sum(), rel=0.02)


KEYS = {
    "data",
    "valid",
    "reason",
    "nll2",
    "ndof",
    "parameters",
    "held",
    "correlation",
    "expected",
    "observed",
    "significance",
    "caveat",
    "blind",
    "constraints",
}
KEYS |= {"on_edge", "at_domain_end", "blind", "signal_significance", "delta_nll2_sm", "experiments", "model", "lagrangian"}


def test_the_fit_is_plain_json(summary: Fit) -> None:
    found = plain(summary)
    assert set(found) == KEYS
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    strength = found["parameters"]["signal_strength"]
    assert strength["lower"] < strength["value"] < strength["upper"]
    assert strength["value"] == summary.values["signal_strength"]
    assert found["held"]["sns_flux"] == 0.0
    assert set(found["parameters"]) | set(found["held"]) == set(summary.values)
    assert found["observed"] == {"coherent-lar-2020": 3752}
    assert len(found["correlation"]) == len(found["parameters"])
    assert set(found["expected"]["coherent-lar-2020"]) == {"cevns", "steady_state", "prompt_neutrons", "delayed_neutrons"}


def test_numbers_that_do_not_exist_are_none(summary: Fit) -> None:
    lost = dict.fromkeys(summary.errors, math.nan)
    broken = {"errors": lost, "lower": lost, "upper": lost, "nll2": math.inf, "correlation": summary.correlation * math.nan}
    found = plain(replace(summary, **broken, significance=math.nan))  # type: ignore[arg-type]
    assert found["nll2"] is None
    assert found["significance"] is None
    assert found["parameters"]["signal_strength"]["error"] is None
    assert {value for row in found["correlation"] for value in row} == {None}
    json.dumps(found, allow_nan=False)


def test_held_parameters_stay(summary: Fit) -> None:
    found = fitted(Analysis(LAR, "signal-strength"), at={"signal_strength": 1.0})
    assert found.values["signal_strength"] == 1.0
    assert "signal_strength" not in found.floating
    assert found.nll2 > summary.nll2


@pytest.mark.parametrize(
    ("analysis", "at", "error", "text"),
    [
        (Analysis(("ccm-200",), "sm"), {}, NoDataError, "ccm-200: no observed counts"),
        (Analysis(LAR, "sm"), {"sns_flx": 0.0}, UnknownNameError, "sns_flux"),
        (Analysis(LAR, "sm"), {"sns_flux": 7.0}, DomainError, "sns_flux = 7"),
        (Analysis(LAR, "standard"), {}, UnknownNameError, "unknown model 'standard'"),
    ],
)
def test_a_fit_that_cannot_be_says_why(analysis: Analysis, at: dict[str, float], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        fitted(analysis, at=at)


def test_intervals_of_a_heavy_mediator_have_two_branches_in_json() -> None:
    found = intervals(build(Analysis(CSI, "lmu-ltau")), at={"mass": 1000.0}, cl=0.9)
    values = json.loads(json.dumps(plain(found), allow_nan=False))
    assert values["poi"] == "g"
    assert len(values["allowed"]) == 2
    assert values["allowed"][1] == pytest.approx([0.068, 0.072], abs=2e-3)
    assert values["excluded"][0] == [values["allowed"][0][1], values["allowed"][1][0]]
    assert (values["cl"], values["dof"], values["valid"]) == (0.9, 1, True)
    assert values["method"]
    assert values["minima"] == [{"value": value, "nll2": nll2} for value, nll2 in found.minima]
    assert values["toys"] is None


def test_intervals_of_any_parameter() -> None:
    found = intervals(build(Analysis(LAR, "signal-strength")), cl=0.683)
    assert found.poi == "signal_strength"
    ((low, high),) = found.allowed
    assert (high - low) / 2.0 == pytest.approx(40.6 / 122.1, rel=0.03)
    other = intervals(build(Analysis(LAR, "sm")), "sns_flux", cl=0.683)
    ((low, high),) = other.allowed
    assert 0.9 < (high - low) / 2.0 < 1.05


@pytest.mark.parametrize(
    ("analysis", "at", "poi", "text"),
    [
        (Analysis(CSI, "lmu-ltau"), {}, None, "mass must be held .* --at mass=VALUE"),
        (Analysis(CSI, "lmu-ltau"), {"mass": 10.0, "g": 1e-3}, "g", "both held"),
        (Analysis(CSI, "lmu-ltau"), {"mass": 10.0}, "h", "unknown parameter 'h'"),
        (Analysis(CSI, "sm"), {}, None, "no coupling to constrain"),
        (Analysis(("ccm-200",), "lmu-ltau"), {"mass": 10.0}, None, "no observed counts"),
    ],
)
def test_intervals_that_cannot_be_say_why(analysis: Analysis, at: dict[str, float], poi: str | None, text: str) -> None:
    with pytest.raises(CevnsfitError, match=text):
        intervals(build(analysis), poi, at=at)


def test_the_default_parameter_of_interest_is_the_first_coupling() -> None:
    joint = build(Analysis(CSI, "lmu-ltau")).at({})
    assert poi_name(joint, None, {}) == "g"
    assert poi_name(joint, "sns_flux", {}) == "sns_flux"
    with pytest.raises(CevnsfitError, match="no coupling"):
        poi_name(joint, None, {"g": 0.0})


@pytest.mark.slow
def test_consistency_has_the_sign_of_the_excess() -> None:
    csi, lar, both = signal_strengths(build(Analysis((*CSI, *LAR), "sm")))
    assert (csi.label, lar.label, both.label) == (*CSI, *LAR, " + ".join((*CSI, *LAR)))
    assert both.observed == csi.observed + lar.observed
    assert signal_strengths(build(Analysis(LAR, "sm")))[0].strength == pytest.approx(lar.strength, rel=1e-6)
    assert csi.strength < 1.0
    assert csi.pull < 0.0
    assert lar.strength > 1.0
    assert lar.pull > 0.0
    assert lar.strength == pytest.approx(136.1 / 122.1, abs=0.01)
    assert csi.observed == 1567
    assert (csi.ndof, lar.ndof) == (97, 959)  # the strengths, and the onset of CsI
    assert max(abs(csi.pull), abs(lar.pull)) < 1.0


def test_consistency_is_the_distance_to_the_standard_model() -> None:
    (found,) = signal_strengths(build(Analysis(CSI, "lmu-ltau")))  # the model of the likelihood is not used
    joint = build(Analysis(CSI, "signal-strength", signal_systematics="profile")).at({})
    strengths = np.linspace(0.8, 1.2, 21)
    curve = profile(joint, {"signal_strength": strengths}).nll2
    standard = float(profile(joint, {"signal_strength": np.ones(1)}).nll2[0])
    assert found.pull**2 == pytest.approx(standard - curve.min(), abs=0.02)
    assert strengths[curve.argmin()] < 1.0


def test_a_projection_has_no_consistency_and_asimov_data_agree() -> None:
    projection = build(Analysis(("ccm-200",), "sm"))
    assert signal_strengths(projection) == ()
    (found,) = signal_strengths(projection.with_data("asimov"))
    assert found.strength == pytest.approx(1.0, abs=1e-5)
    assert found.pull == pytest.approx(0.0, abs=1e-2)
    assert found.observed == pytest.approx(found.expected, rel=1e-12)


def test_a_likelihood_built_by_hand_is_fitted_too() -> None:
    built = build(Analysis(LAR, "signal-strength"))
    hand = Likelihood(built.parameters, built.build)
    best, known = fit(hand), fit(built)
    assert (best.nll2, best.values, best.significance) == (known.nll2, known.values, known.significance)
    assert replace(best.about, printed={}) == About(LAR)
    assert best.counts[LAR[0]].axes == ()
    assert best.expected == known.expected
    (strength,) = signal_strengths(hand)
    assert strength.strength == best.values["signal_strength"]
    with pytest.raises(UnknownNameError, match="signal_strength"):
        signal_strengths(replace(build(Analysis(LAR, "sm")), origin=None))


def test_a_fit_of_pseudo_data_says_so() -> None:
    toy = pickle.loads(pickle.dumps(build(Analysis(CSI, "lmu-ltau")).with_data("toy", g=1e-3, mass=100.0, seed=3)))
    assert fit(toy, at={"mass": 100.0}, minos=()).data == "toy of seed 3 at g = 0.001, mass = 100"
    assert "toy of seed 3" in repr(toy)
    asimov = build(Analysis(CSI, "sm")).with_data("asimov")
    assert fit(asimov).data == asimov.data == "Asimov data of the Standard Model"
    assert build(Analysis(CSI, "sm")).with_data({CSI[0]: np.ones(99)}).data == "given counts"


def test_the_steps_of_a_fit_are_told() -> None:
    told: list[tuple[int, int]] = []
    fit(build(Analysis(CSI, "signal-strength")), progress=lambda finished, number: told.append((finished, number)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_end_is_found_where_the_error_of_a_coupling_is_far_beyond_it() -> None:
    """Counts of up-scattering go as g^4: at a minimum beside 0 there is hardly any curvature, and the Hesse error is seven times the interval."""
    likelihood = build(Analysis(("coherent-csi-2021",), "upscatter-scalar"))
    found = fit(likelihood, at={"mass": 30.0})
    ((_, end),) = intervals(likelihood, "g", at={"mass": 30.0}, cl=math.erf(math.sqrt(0.5))).allowed
    assert found.errors["g"] > 3.0 * end
    assert found.upper["g"] == pytest.approx(end, rel=1e-3)
