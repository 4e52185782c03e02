"""Experiments and models to channels: systematics at one standard deviation, counts, overlaps, what floats."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, OverlapError, SpecError, UnknownNameError
from cevnsfit.infer.fit import fit
from cevnsfit.model.build import check_overlaps, likelihood_of
from cevnsfit.model.rows import LINEAR, Excursion, Factors, coefficients, excursions
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.joint import expected, measured_backgrounds
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.joint import Joint

CSI17, CSI21, LAR = "coherent-csi-2017", "coherent-csi-2021", "coherent-lar-2020"


@cache
def shipped(name: str) -> Experiment:
    return load_experiment(name)


@cache
def joint_of(name: str, model: str = "sm") -> Joint:
    return likelihood_of([shipped(name)], model).at({})


def counts(joint: Joint, **values: float) -> dict[str, np.ndarray]:
    theta = joint.parameters.vector({name.replace("__", "."): value for name, value in values.items()})
    return expected(joint, theta)[joint.channels[0].name]


def at(joint: Joint, name: str, value: float) -> dict[str, np.ndarray]:
    return expected(joint, joint.parameters.vector({name: value}))[joint.channels[0].name]


# --- rows --------------------------------------------------------------------------------------------------------------------------


def test_code_4p_passes_through_both_excursions() -> None:
    nominal, up, down = np.array([4.0, 9.0]), np.array([5.0, 8.0]), np.array([3.5, 11.0])
    for lower, wanted_down in ((down, down), (None, 2.0 * nominal - up)):
        added = excursions("a", nominal, up, lower)
        rule = coefficients([Factors("s", {}, {}), *(Factors("s", {}, {}, excursion) for excursion, _ in added)])
        templates = np.array([nominal, *(template for _, template in added)])
        for a, wanted in ((0.0, nominal), (1.0, up), (-1.0, wanted_down)):
            np.testing.assert_allclose(amplitudes(rule, np.array([[a]]))[0] @ templates, wanted, rtol=1e-14)


def test_a_rule_multiplies_powers_norms_and_excursions() -> None:
    rule = coefficients([Factors("s", {"g": 2}, {"flux": 0.1, "rate": 0.05}, Excursion("a", LINEAR)), Factors("b", {}, {"rate": 0.05})])
    assert rule.parameters == ("g", "flux", "rate", "a")
    found = amplitudes(rule, np.array([[3.0, 1.0, -1.0, 0.5]]))[0]
    np.testing.assert_allclose(found, [9.0 * 1.1 / 1.05 * 0.5, 1.0 / 1.05], rtol=1e-12)


# --- responses ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "systematic"), [(CSI17, "quenching"), (CSI21, "efficiency"), (CSI21, "quenching_0"), (CSI21, "quenching_1")]
)
@pytest.mark.parametrize(("side", "pull"), [("up", 1.0), ("down", -1.0)])
def test_a_response_variant_is_the_experiment_with_the_varied_values(name: str, systematic: str, side: str, pull: float) -> None:
    changes = getattr(shipped(name).spec.systematics[systematic], side)
    varied = load_experiment(name, {f"response.{path}": value for path, value in changes.items()})
    wanted = counts(likelihood_of([varied], "sm").at({}))["cevns"]
    found = at(joint_of(name), f"{name}.{systematic}", pull)["cevns"]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * wanted.max())
    assert np.abs(found / counts(joint_of(name))["cevns"] - 1.0).max() > 0.01


def test_a_variant_leaves_the_backgrounds_alone() -> None:
    one, other = counts(joint_of(CSI21)), at(joint_of(CSI21), f"{CSI21}.efficiency", 1.0)
    for component in set(one) - {"cevns"}:
        np.testing.assert_array_equal(one[component], other[component])


def test_variants_act_on_every_power_of_the_coupling() -> None:
    joint = likelihood_of([shipped(CSI21)], "lmu-ltau").at({"mass": 50.0})
    changes = shipped(CSI21).spec.systematics["quenching_0"].up
    varied = load_experiment(CSI21, {f"response.{path}": value for path, value in changes.items()})
    other = likelihood_of([varied], "lmu-ltau").at({"mass": 50.0})
    found = expected(joint, joint.parameters.vector({"g": 8e-4, f"{CSI21}.quenching_0": 1.0}))[CSI21]["cevns"]
    wanted = expected(other, other.parameters.vector({"g": 8e-4}))[CSI21]["cevns"]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize(("pull", "shift"), [(1.0, 100.0), (-1.0, -100.0)])
def test_an_arrival_shift_moves_the_pulse(pull: float, shift: float) -> None:
    joint = likelihood_of([load_experiment(CSI21, {"systematics.onset.sigma": "100 ns"})], "sm").at({})
    pulses = shipped(CSI21).spec.source.arrival.pulses
    moved = {f"source.arrival.pulses.{i}.mean": f"{p.mean * 1e9 + shift!r} ns" for i, p in enumerate(pulses)}
    wanted = counts(likelihood_of([load_experiment(CSI21, moved)], "sm").at({}))["cevns"]
    np.testing.assert_allclose(at(joint, f"{CSI21}.onset", pull)["cevns"], wanted, rtol=1e-10, atol=1e-12)
    still = likelihood_of([load_experiment(CSI21, {"systematics.onset.enabled": "false"})], "sm").at({})
    assert f"{CSI21}.onset" not in still.parameters
    np.testing.assert_allclose(counts(still)["cevns"], counts(joint)["cevns"], rtol=1e-11)


FLAT = {
    "kind": "arrival-shift",
    "prior": {"kind": "flat", "low": "-250 ns", "high": "250 ns"},
    "components": ["cevns", "beam_neutrons", "neutrino_induced_neutrons"],
}


@pytest.mark.parametrize("shift", [77.3, -211.7])
def test_a_flat_shift_is_in_nanoseconds_and_exact_between_its_knots(shift: float) -> None:
    joint = likelihood_of([load_experiment(CSI21, {"systematics.onset": FLAT})], "sm").at({})
    onset = joint.parameters[f"{CSI21}.onset"]
    assert (onset.unit, onset.lower, onset.upper, onset.constrained, onset.fixed) == ("ns", -250.0, 250.0, False, False)
    pulses = shipped(CSI21).spec.source.arrival.pulses
    moved = {f"source.arrival.pulses.{i}.mean": f"{p.mean * 1e9 + shift!r} ns" for i, p in enumerate(pulses)}
    wanted = counts(likelihood_of([load_experiment(CSI21, moved)], "sm").at({}))["cevns"]
    np.testing.assert_allclose(at(joint, f"{CSI21}.onset", shift)["cevns"], wanted, rtol=1e-7, atol=2e-8)


def test_half_a_standard_deviation_is_one_of_half_the_size() -> None:
    wide, narrow = (
        likelihood_of([load_experiment(CSI21, {"systematics.onset": {**FLAT, "sigma": f"{sigma} ns"}})], "sm").at({})
        for sigma in (250, 125)
    )
    assert wide.parameters[f"{CSI21}.onset"].constrained
    one, other = at(wide, f"{CSI21}.onset", 0.5), at(narrow, f"{CSI21}.onset", 1.0)
    for component in ("cevns", "beam_neutrons"):
        np.testing.assert_allclose(one[component], other[component], rtol=1e-9, atol=1e-15)


def test_backgrounds_of_the_beam_move_with_it() -> None:
    joint = likelihood_of([load_experiment(CSI21, {"systematics.onset": FLAT})], "sm").at({})
    before, after = (at(joint, f"{CSI21}.onset", shift)["beam_neutrons"].reshape(9, 11) for shift in (0.0, 125.0))
    np.testing.assert_array_equal(before, counts(joint_of(CSI21))["beam_neutrons"].reshape(9, 11))
    early = np.s_[:, 1:8]  # bins of 125 ns, where the efficiency in time is nearly that of the bin before
    np.testing.assert_allclose(after[early], before[:, :7], rtol=0.02, atol=1e-3)
    for name in ("steady_state",):
        np.testing.assert_array_equal(at(joint, f"{CSI21}.onset", 125.0)[name], counts(joint_of(CSI21))[name])


def test_the_onset_that_the_data_prefer() -> None:
    """A beam that comes later, by 68 to 78 ns (arXiv:2110.07730 has the data), lowers -2 ln lambda of the Standard Model by 3."""
    for components, place, lowest in ((["cevns"], 78.0, 90.77), (FLAT["components"], 69.0, 90.7)):
        joint = likelihood_of([load_experiment(CSI21, {"systematics.onset": {**FLAT, "components": components}})], "sm").at({})
        found = fit(joint, minos=())
        assert found.valid
        assert found.values[f"{CSI21}.onset"] == pytest.approx(place, abs=2.0)
        assert found.nll2 == pytest.approx(lowest, abs=0.15)
    assert fit(joint_of(CSI21), minos=()).nll2 == pytest.approx(90.63, abs=0.01)
    assert fit(joint_of(CSI21), at={f"{CSI21}.onset": 0.0}, minos=()).nll2 == pytest.approx(93.86, abs=0.01)


@pytest.mark.parametrize("treatment", ["profile", "shapes", "hold"])
@pytest.mark.parametrize("change", [{}, {"systematics.onset.sigma": "250 ns"}, {"systematics.onset.components": ["cevns"]}])
def test_the_onset_floats_under_every_treatment_of_the_signal(treatment: str, change: dict[str, object]) -> None:
    likelihood = likelihood_of([load_experiment(CSI21, change)], "signal-strength", signal_systematics=treatment)
    onset = likelihood.at({}).parameters[f"{CSI21}.onset"]
    assert (onset.fixed, onset.constrained, onset.unit) == (False, "systematics.onset.sigma" in change, "1" if onset.constrained else "ns")
    assert likelihood.at({}).parameters["sns_flux"].fixed == (treatment != "profile")


def test_tables_of_arrival_times_move_too() -> None:
    onset = {"kind": "arrival-shift", "sigma": "500 ns", "components": ["cevns", "prompt_neutrons"]}
    joint = likelihood_of([load_experiment(CSI17, {"systematics.onset": onset})], "sm").at({})
    for component in ("cevns", "prompt_neutrons"):
        before, after = (at(joint, f"{CSI17}.onset", pull)[component].reshape(12, 12) for pull in (0.0, 1.0))
        np.testing.assert_allclose(after[:, 1:], before[:, :-1], rtol=1e-9, atol=1e-12)
        assert np.abs(after[:, 0]).max() < 1e-9
        half = at(joint, f"{CSI17}.onset", 0.5)[component].reshape(12, 12)
        assert before[:, 0].sum() > half[:, 0].sum() > 0.0


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"systematics.onset": {**FLAT, "components": ["cevns", "steady_state"]}}, "steady_state cannot be moved: it has no table"),
        ({"systematics.onset": FLAT, "systematics.other": {"kind": "arrival-shift", "sigma": "1 ns"}}, "onset and other both move"),
        ({"systematics.onset": {"kind": "arrival-shift"}}, "give sigma"),
        ({"systematics.onset.sigma": None, "systematics.onset.prior": {"kind": "flat", "low": "1 ns", "high": "2 ns"}}, "low < 0 < high"),
    ],
)
def test_what_cannot_be_moved(change: dict[str, object], wanted: str) -> None:
    with pytest.raises(CevnsfitError, match=wanted):
        likelihood_of([load_experiment(CSI21, {**change, "systematics.onset.enabled": True})], "sm")


def test_no_systematic_acts_on_what_a_control_region_measures() -> None:
    change = {"systematics.rate": {"kind": "normalisation", "sigma": "5 %", "components": ["steady_state"]}}
    with pytest.raises(SpecError, match=r"systematics\.rate: the control region measures 'steady_state' in each bin"):
        load_experiment("coherent-csi-2017", change)


def test_released_excursions_of_the_signal_do_not_move() -> None:
    with pytest.raises(CevnsfitError, match="released excursions"):
        likelihood_of([load_experiment(LAR, {"systematics.beam": {"kind": "arrival-shift", "sigma": "10 ns"}})], "sm")


# --- released excursions -----------------------------------------------------------------------------------------------------------


def lar(column: str) -> np.ndarray:
    return shipped(LAR).tables["templates.csv"].columns[column].ravel()


@pytest.mark.parametrize(("pull", "column"), [(1.0, "cevns_f90_up"), (-1.0, "cevns_f90_down")])
def test_a_signal_excursion_is_a_ratio_to_the_released_template_and_keeps_the_sum(pull: float, column: str) -> None:
    nominal, varied = lar("cevns"), lar(column)
    ratio = np.ones_like(nominal)
    filled = nominal > 0
    ratio[filled] = varied[filled] / nominal[filled] * nominal.sum() / varied.sum()
    found, standard = at(joint_of(LAR), f"{LAR}.f90", pull)["cevns"], counts(joint_of(LAR))["cevns"]
    shape = standard * np.clip(ratio, 0.1, 1.9)
    np.testing.assert_allclose(found, shape * (standard.sum() / shape.sum()), rtol=1e-10, atol=1e-14)


def test_an_excursion_without_down_is_mirrored() -> None:
    nominal = counts(joint_of(LAR))
    for name, component in ((f"{LAR}.onset", "cevns"), (f"{LAR}.neutron_time_width", "prompt_neutrons")):
        up, down = (at(joint_of(LAR), name, pull)[component] for pull in (1.0, -1.0))
        np.testing.assert_allclose(up + down, 2.0 * nominal[component], rtol=1e-10, atol=1e-14)
        assert np.abs(up - nominal[component]).max() > 1e-3


@pytest.mark.parametrize(
    ("systematic", "pull", "column"),
    [
        ("neutron_time_mean", 1.0, "brn_prompt_time_mean_up"),
        ("neutron_time_mean", -1.0, "brn_prompt_time_mean_down"),
        ("neutron_energy", 1.0, "brn_prompt_energy_up"),
        ("neutron_time_width", 1.0, "brn_prompt_time_width"),
    ],
)
def test_a_background_excursion_is_the_released_one_with_the_nominal_sum(systematic: str, pull: float, column: str) -> None:
    found = at(joint_of(LAR), f"{LAR}.{systematic}", pull)["prompt_neutrons"]
    np.testing.assert_allclose(found, lar(column) * (497.0 / lar(column).sum()), rtol=1e-10, atol=1e-13)
    if column.endswith("time_mean_up"):
        assert lar(column).sum() == pytest.approx(523.7, abs=0.1)  # the release is not normalised


def test_no_released_excursion_makes_counts_negative() -> None:
    for p in joint_of(LAR).parameters:
        for pull in (-1.0, 1.0) if p.constrained else ():
            assert min(values.min() for values in at(joint_of(LAR), p.name, pull).values()) >= -1e-12, (p.name, pull)


# --- counts of backgrounds ---------------------------------------------------------------------------------------------------------


def test_a_gaussian_count_is_mean_and_sigma() -> None:
    name = f"{LAR}.delayed_neutrons_norm"
    joint = joint_of(LAR)
    for pull, wanted in ((0.0, 33.0), (1.0, 66.0), (-1.0, 0.0)):
        assert at(joint, name, pull)["delayed_neutrons"].sum() == pytest.approx(wanted, abs=1e-9)
    assert joint.parameters[name].lower == pytest.approx(-1.0)  # no negative counts
    assert joint.parameters[name].constrained


def test_a_counted_background_has_its_poisson_error() -> None:
    joint, name = joint_of(CSI21), f"{CSI21}.steady_state_norm"
    table = shipped(CSI21).tables["events.csv"]
    number = table.on(shipped(CSI21).axes, "anticoincident").sum()
    assert number == 1291
    assert counts(joint)["steady_state"].sum() == pytest.approx(number)
    assert at(joint, name, 1.0)["steady_state"].sum() == pytest.approx(number + np.sqrt(number))


def test_a_counted_background_may_come_from_a_larger_sample() -> None:
    joint = likelihood_of([load_experiment(CSI21, {"backgrounds.steady_state.count.ratio": "5"})], "sm").at({})
    assert counts(joint)["steady_state"].sum() == pytest.approx(1291 / 5)
    assert at(joint, f"{CSI21}.steady_state_norm", 1.0)["steady_state"].sum() == pytest.approx((1291 + np.sqrt(1291)) / 5)


def test_a_steady_background_falls_with_its_rate_in_time() -> None:
    values = counts(joint_of(CSI21))["steady_state"].reshape(9, 11)
    t = np.asarray(shipped(CSI21).axes[1].edges) * 1e6
    wanted = np.exp(-0.0494 * t[:-1]) - np.exp(-0.0494 * t[1:])
    np.testing.assert_allclose(values / values.sum(axis=1, keepdims=True), np.tile(wanted / wanted.sum(), (9, 1)), rtol=1e-10)


def test_an_absolute_count_is_per_gwh() -> None:
    one = counts(joint_of(CSI17))["prompt_neutrons"]
    assert one.sum() == pytest.approx(5.42, abs=0.02)  # events in the region (release 1804.09459)
    double = load_experiment(CSI17, {"source.exposure_gwh": 2 * 7.47594})
    other = counts(likelihood_of([double], "sm").at({}))
    np.testing.assert_allclose(other["prompt_neutrons"], 2.0 * one, rtol=1e-12)
    np.testing.assert_allclose(other["cevns"], counts(joint_of(CSI17))["cevns"], rtol=1e-12)  # protons are given
    assert at(joint_of(CSI17), f"{CSI17}.prompt_neutrons_norm", 1.0)["prompt_neutrons"].sum() == pytest.approx(1.25 * one.sum())


def test_an_exactly_known_count_has_a_parameter_without_effect() -> None:
    known = load_experiment(CSI17, {"backgrounds.prompt_neutrons.count.sigma": "0"})
    joint = likelihood_of([known], "sm").at({})
    for pull in (-2.0, 2.0):
        np.testing.assert_array_equal(at(joint, f"{CSI17}.prompt_neutrons_norm", pull)["prompt_neutrons"], counts(joint)["prompt_neutrons"])


def test_a_known_count_has_no_parameter_but_systematics_may_act_on_it() -> None:
    beam = {"kind": "normalisation", "sigma": "10 %", "components": ["prompt_neutrons"]}
    known = load_experiment(LAR, {"backgrounds.prompt_neutrons.count": {"kind": "known", "mean": 7.5}, "systematics.beam": beam})
    joint = likelihood_of([known], "sm").at({})
    assert f"{LAR}.prompt_neutrons_norm" not in joint.parameters
    assert counts(joint)["prompt_neutrons"].sum() == pytest.approx(7.5)
    assert at(joint, f"{LAR}.beam", 1.0)["prompt_neutrons"].sum() == pytest.approx(8.25)
    assert at(joint, f"{LAR}.neutron_energy", 1.0)["prompt_neutrons"].sum() == pytest.approx(7.5)


def test_a_free_count_is_a_factor() -> None:
    count = {"kind": "free", "mean": 500}
    joint = likelihood_of([load_experiment(LAR, {"backgrounds.prompt_neutrons.count": count})], "sm").at({})
    name = f"{LAR}.prompt_neutrons_norm"
    parameter = joint.parameters[name]
    assert (parameter.constrained, parameter.default, parameter.lower) == (False, 1.0, 0.0)
    assert counts(joint)["prompt_neutrons"].sum() == pytest.approx(500.0)
    twice = expected(joint, joint.parameters.vector({name: 2.0, f"{LAR}.neutron_energy": 1.0}))[LAR]["prompt_neutrons"]
    assert twice.sum() == pytest.approx(1000.0)


def test_a_control_region_measures_its_background() -> None:
    joint = joint_of(CSI17)
    control = joint.channels[0].control
    assert control is not None
    assert control.counts.sum() == 405
    assert joint.channels[0].observed.sum() == 547
    assert "steady_state" not in joint.channels[0].components
    (background,) = measured_backgrounds(joint, joint.parameters.defaults())
    total = sum(entry for name, entry in counts(joint).items() if name != control.component) + background
    pull = 1.0 - joint.channels[0].observed / total  # half the slope of -2 ln L in b, bin by bin
    seen = background > 0
    np.testing.assert_allclose(pull[seen] + 1.0 - control.counts[seen] / background[seen], 0.0, atol=1e-9)
    assert np.all(pull[~seen] + 1.0 >= 0.0)
    assert np.all(control.counts[~seen] == 0)


# --- normalisations and treatments -------------------------------------------------------------------------------------------------


def test_a_normalisation_is_log_normal() -> None:
    one = counts(joint_of(CSI21))["cevns"]
    np.testing.assert_allclose(at(joint_of(CSI21), "sns_flux", 1.0)["cevns"], 1.1 * one, rtol=1e-12)
    np.testing.assert_allclose(at(joint_of(CSI21), "sns_flux", -1.0)["cevns"], one / 1.1, rtol=1e-12)
    np.testing.assert_allclose(at(joint_of(CSI21), "sns_flux", 2.0)["cevns"], 1.21 * one, rtol=1e-12)


def test_a_normalisation_may_act_on_a_background_alone() -> None:
    rate = {"kind": "normalisation", "sigma": "20 %", "components": ["beam_neutrons"]}
    joint = likelihood_of([load_experiment(CSI21, {"systematics.brn_rate": rate})], "sm").at({})
    varied, nominal = at(joint, f"{CSI21}.brn_rate", 1.0), counts(joint)
    np.testing.assert_allclose(varied["beam_neutrons"], 1.2 * nominal["beam_neutrons"], rtol=1e-12)
    np.testing.assert_array_equal(varied["cevns"], nominal["cevns"])


@pytest.mark.parametrize(
    ("treatment", "held"),
    [
        ("profile", set()),
        ("shapes", {"sns_flux", f"{LAR}.detection"}),
        ("hold", {"sns_flux", f"{LAR}.detection", f"{LAR}.f90", f"{LAR}.onset"}),
    ],
)
def test_systematics_of_the_signal_are_profiled_or_held(treatment: str, held: set[str]) -> None:
    joint = likelihood_of([shipped(LAR)], "signal-strength", signal_systematics=treatment).at({})
    assert {p.name for p in joint.parameters if p.fixed} == held


def test_the_strength_holds_the_systematics_of_its_signal_by_default() -> None:
    assert joint_of(LAR, "signal-strength").parameters["sns_flux"].fixed
    assert not joint_of(LAR, "lmu-ltau").parameters["sns_flux"].fixed


def test_released_templates_are_the_release() -> None:
    joint = joint_of(LAR, "released-templates")
    found = counts(joint)
    np.testing.assert_array_equal(found["cevns"], lar("cevns"))
    assert found["steady_state"].sum() == pytest.approx(3154.0)
    assert found["prompt_neutrons"].sum() == pytest.approx(497.0)
    assert [p.name for p in joint.parameters if not p.constrained] == ["signal_strength"]
    with pytest.raises(CevnsfitError, match="no released signal template"):
        likelihood_of([shipped(CSI21)], "released-templates")


# --- combinations ------------------------------------------------------------------------------------------------------------------


def test_experiments_that_share_events_are_not_combined() -> None:
    pair = [shipped(CSI17), shipped(CSI21)]
    for order in (pair, pair[::-1]):
        with pytest.raises(OverlapError) as caught:
            likelihood_of(order, "sm")
        assert CSI17 in str(caught.value)
        assert CSI21 in str(caught.value)
    assert len(likelihood_of(pair, "sm", allow_overlap=True).at({}).channels) == 2


def test_an_overlap_that_one_side_names_is_enough() -> None:
    silent = load_experiment(CSI17, {"overlaps": []})
    with pytest.raises(OverlapError):
        check_overlaps([silent, shipped(CSI21)])
    with pytest.raises(OverlapError):
        check_overlaps([shipped(CSI21), silent])


def test_an_experiment_is_given_once() -> None:
    with pytest.raises(CevnsfitError, match="'coherent-lar-2020' is given twice"):
        likelihood_of([shipped(LAR), shipped(LAR)], "sm")
    with pytest.raises(CevnsfitError, match="is given twice"):
        likelihood_of([shipped(LAR), shipped(LAR)], "sm", allow_overlap=True)


def test_conflicting_definitions_of_a_shared_parameter_are_an_error() -> None:
    wide = load_experiment(LAR, {"systematics.sns_flux.sigma": "20"})
    with pytest.raises(
        CevnsfitError, match=r"sns_flux is shared, and has two sizes: normalisation of 0\.1 in coherent-csi-2021, normalisation of 0\.2"
    ):
        likelihood_of([shipped(CSI21), wide], "sm")


def test_an_unknown_model_lists_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="lmu-ltau"):
        likelihood_of([shipped(LAR)], "lmu-lta")


def test_templates_follow_the_shape_parameters() -> None:
    likelihood = likelihood_of([shipped(CSI21)], "lmu-ltau")
    light, heavy, again = (likelihood.at({"mass": m}).channels[0].templates for m in (1.0, 1000.0, 1.0))
    np.testing.assert_array_equal(light, again)
    assert np.abs(light).max() > 1e3 * np.abs(heavy).max()
    with pytest.raises(UnknownNameError, match="mass"):
        likelihood.at({"maas": 1.0})


@pytest.mark.parametrize("sigma", ["0 %", "10 %"])
def test_a_tied_background_follows_the_other_one(sigma: str) -> None:
    tied = {"kind": "tied", "to": "beam_neutrons", "ratio": 0.5, "sigma": sigma}
    joint = likelihood_of([load_experiment(CSI21, {"backgrounds.neutrino_induced_neutrons.count": tied})], "sm").at({})
    own, other = f"{CSI21}.neutrino_induced_neutrons_norm", f"{CSI21}.beam_neutrons_norm"
    assert (own in joint.parameters.names) == (sigma != "0 %")

    def counts(**values: float) -> tuple[float, float]:
        parts = expected(joint, joint.parameters.vector(values))[CSI21]
        return float(parts["beam_neutrons"].sum()), float(parts["neutrino_induced_neutrons"].sum())

    assert counts() == pytest.approx((18.4, 9.2), rel=1e-6)
    assert counts(**{other: 1.0}) == pytest.approx((18.4 + 4.6, 0.5 * (18.4 + 4.6)), rel=1e-6)
    if own in joint.parameters.names:
        assert counts(**{own: 1.0}) == pytest.approx((18.4, 1.1 * 9.2), rel=1e-6)


def test_a_tied_count_knows_its_factors_at_one_standard_deviation() -> None:
    likelihood = cf.build_likelihood("dresden-ii-2022", model="sm")
    (tied,) = (p for p in likelihood.parameters if p.description.startswith("count over that of") and p.scaling is not None)
    assert tied.scaling is not None
    assert tied.scaling.hi == pytest.approx(1.03, abs=1e-12)
    assert tied.scaling.hi * tied.scaling.lo == pytest.approx(1.0, abs=1e-12)
