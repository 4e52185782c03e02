"""The global fit: basins, limits, errors, nonlinear parameters and agreement with pyhf."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyhf
import pytest
from scipy import optimize

from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.minima import fitted
from cevnsfit.infer.profile import profile
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import asimov_data, observed_data
from cevnsfit.stats.joint import join
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.stats.joint import Joint


@pytest.mark.parametrize("truth", [0.25, 0.55, 1.1])
def test_asimov_fit_returns_the_truth_whatever_the_basin(make_joint: Callable[..., Joint], truth: float) -> None:
    joint = make_joint(None, g=truth)
    result = fit(joint, minos=("g",))
    assert result.valid, result.reason
    np.testing.assert_allclose(result.nll2, 0, atol=1e-6)
    np.testing.assert_allclose(result.values["g"], truth, atol=2e-3)
    assert result.lower["g"] < truth < result.upper["g"]
    assert result.ndof == 32 - 2
    assert result.values["norm"] == 1.0
    assert "norm" not in result.floating


def test_errors_while_a_coupling_is_at_its_limit() -> None:
    likelihood = likelihood_of([load_experiment("ccm-200")], "b-l")
    joint = likelihood.at({"mass": 30.0})
    data = asimov_data(joint, joint.parameters.defaults())
    result = fit(joint, data=data, minos=())
    assert result.valid, result.reason
    assert result.values["g"] == 0.0
    without = fit(joint, at={"g": 0.0}, data=data, minos=())
    assert result.errors["lujan_flux"] == pytest.approx(without.errors["lujan_flux"], rel=1e-3)


def test_fit_and_profile_agree(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(3, g=0.9)
    result = fit(joint, minos=())
    at = profile(joint, {"g": np.array([result.values["g"]])}, start=np.array([result.values[name] for name in joint.parameters.names]))
    np.testing.assert_allclose(at.nll2[0], result.nll2, atol=1e-6)
    curve = profile(joint, {"g": np.geomspace(0.01, 3, 300)})
    assert curve.nll2.min() >= result.nll2 - 1e-6


def test_minos_ends_are_where_the_profile_is_one_higher(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.25)
    result = fit(joint, minos=joint.parameters.names)
    start = np.array([result.values[name] for name in joint.parameters.names])
    for name in ("g", "flux", "a.norm"):
        ends = np.array([result.lower[name], result.upper[name]])
        others = [other for other in result.floating if other != name]
        curve = profile(joint, {name: ends}, start=start, floating=others)
        np.testing.assert_allclose(curve.nll2[1] - result.nll2, 1, atol=5e-3)
        if name != "g":
            np.testing.assert_allclose(curve.nll2[0] - result.nll2, 1, atol=5e-3)
    assert 0 <= result.lower["g"] < 0.25


def test_coupling_at_zero_has_the_limit_as_lower_end(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.0)
    joint = join(joint.parameters, tuple(louder(channel) for channel in joint.channels))
    result = fit(joint)
    assert result.valid, result.reason
    assert result.values["g"] == 0.0
    assert result.at_limit == ("g",)
    assert result.lower["g"] == 0.0
    assert math.isnan(result.errors["g"])
    theta = np.array([result.values[name] for name in joint.parameters.names])
    end = profile(joint, {"g": np.array([result.upper["g"]])}, start=theta)
    np.testing.assert_allclose(end.nll2[0] - result.nll2, 1, atol=1e-3)


def louder(channel: Channel) -> Channel:
    """Return the channel with more events than g = 0 predicts and fewer than large g does."""
    from dataclasses import replace

    return replace(channel, observed=channel.observed * (1 + 0.02 * np.linspace(1, -1, channel.templates.shape[1])) + 0.2)


def test_held_and_floating_parameters(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.25)
    result = fit(joint, at={"g": 0.25, "flux": 0.5}, minos=())
    assert result.values["flux"] == 0.5
    assert set(result.floating) == {"a.rate", "a.tilt", "a.norm", "b.brn"}
    idle = fit(joint, at={"g": 0.25}, floating=("norm",), minos=())
    assert idle.without_effect == ("norm",)
    assert idle.valid
    with pytest.raises(CevnsfitError, match="both"):
        fit(joint, at={"g": 0.25}, floating=("g",))
    with pytest.raises(DomainError):
        fit(joint, at={"g": -1.0})


def test_starts_choose_the_basin(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=1.1)
    starts = np.tile(joint.parameters.defaults(), (2, 1))
    starts[:, 0] = 1.0, 1.3
    found = fitted(joint, observed_data(joint), starts, at={})
    assert found.tried == 2
    np.testing.assert_allclose(found.theta[0, 0], 1.1, atol=1e-3)


def test_everything_fixed_is_an_evaluation(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    result = fit(joint, at={p.name: p.default for p in joint.parameters})
    np.testing.assert_allclose(result.nll2, 0, atol=1e-9)
    assert result.floating == ()


def test_impossible_model_is_invalid_with_the_reason() -> None:
    ones = np.ones((1, 1))
    rule = Coefficients(("g",), np.array([[2]]), ones, ones, np.array([-1]), np.array([0]))
    channel = Channel("c", np.array([[3.0, 0.0]]), rule, ("s",), np.array([2.0, 1.0]), None, (2,))
    result = fit(join(ParameterSet((Parameter("g", "polynomial", 1.0, lower=0.0),)), (channel,)))
    assert not result.valid
    assert "expects nothing" in result.reason


def test_same_fit_as_pyhf() -> None:
    signal, background, observed = [12.0, 8.0, 3.0], [50.0, 30.0, 22.0], [68.0, 34.0, 27.0]
    flux = {"name": "flux", "type": "normsys", "data": {"hi": 1.1, "lo": 1 / 1.1}}
    samples = [
        {"name": "s", "data": signal, "modifiers": [{"name": "mu", "type": "normfactor", "data": None}, flux]},
        {"name": "b", "data": background, "modifiers": [{"name": "brn", "type": "normsys", "data": {"hi": 1.25, "lo": 0.8}}]},
    ]
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    spec = {"channels": [{"name": "c", "samples": samples}]}
    model = pyhf.Model(spec, poi_name="mu", modifier_settings=settings, validate=False)
    theirs = dict(zip(model.config.par_order, pyhf.infer.mle.fit([*observed, *model.config.auxdata], model), strict=True))
    powers = np.array([[1, 0, 0], [0, 0, 0]])
    hi, lo = np.array([[1, 1.1, 1], [1, 1, 1.25]]), np.array([[1, 1 / 1.1, 1], [1, 1, 0.8]])
    rule = Coefficients(("mu", "flux", "brn"), powers, hi, lo, np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("c", np.array([signal, background]), rule, ("s", "b"), np.array(observed), None, (3,))
    parameters = ParameterSet(
        (
            Parameter("mu", "polynomial", 1.0, lower=0.0, upper=10.0),
            Parameter("flux", "nuisance", 0.0, constrained=True),
            Parameter("brn", "nuisance", 0.0, constrained=True),
        )
    )
    ours = fit(join(parameters, (channel,)), minos=())
    for name, value in theirs.items():
        np.testing.assert_allclose(ours.values[name], value, atol=2e-3)


def resonance(shape: Mapping[str, float], observed: np.ndarray | None = None) -> tuple[Channel, ...]:
    """Return a falling spectrum with a destructive term whose slope is the mass."""
    x = np.linspace(0.05, 1, 30)
    propagator = 1 / (x + shape["mass"] ** 2)
    first = 80 * np.exp(-2 * x)
    powers = np.array([[0, 0], [2, 0], [4, 0], [0, 0]])
    hi = np.array([[1, 1.1], [1, 1.1], [1, 1.1], [1, 1]])
    rule = Coefficients(("g", "flux"), powers, hi, 1 / hi, np.full(4, -1), np.zeros(4, dtype=np.int64))
    templates = np.array([first, 2 * first * propagator, first * propagator**2, np.full(30, 5.0)])
    return (Channel("c", templates, rule, ("s", "s", "s", "b"), observed, None, (30,)),)


MASS = ParameterSet(
    (
        Parameter("mass", "nonlinear", 1.0, lower=0.01, upper=10.0, scale="log"),
        Parameter("g", "polynomial", 0.0, lower=0.0, scale="log"),
        Parameter("flux", "nuisance", 0.0, constrained=True),
    )
)


def test_shape_parameter_floats_with_the_rest() -> None:
    truth = Likelihood(MASS, resonance).at({"mass": 0.3})
    counts = asimov_data(truth, np.array([0.2, 0.0])).counts[0]
    likelihood = Likelihood(MASS, lambda shape: resonance(shape, counts))
    result = fit(likelihood, minos=("mass", "g"))
    assert result.valid, result.reason
    np.testing.assert_allclose(result.nll2, 0, atol=1e-5)
    np.testing.assert_allclose(result.values["mass"], 0.3, rtol=5e-3)
    np.testing.assert_allclose(result.values["g"], 0.2, rtol=5e-3)
    assert result.lower["mass"] < 0.3 < result.upper["mass"]
    held = fit(likelihood, at={"mass": 0.3}, minos=("g",))
    assert held.valid
    assert result.upper["g"] - result.lower["g"] > held.upper["g"] - held.lower["g"]
    assert held.ndof == 29
    assert result.ndof == 28


def test_shape_parameter_without_effect_is_held() -> None:
    counts = asimov_data(Likelihood(MASS, resonance).at({}), np.array([0.0, 0.0])).counts[0]
    result = fit(Likelihood(MASS, lambda shape: resonance(shape, counts)), at={"g": 0.0}, minos=())
    assert result.without_effect == ("mass",)
    assert result.values["mass"] == 1.0


def mirror(shape: Mapping[str, float], observed: np.ndarray | None = None) -> tuple[Channel, ...]:
    """Return a spectrum times (1 - g^2/(x + mass^2))^2, in which a heavy mass and its coupling cannot be told apart."""
    x = np.linspace(0.1, 1, 6)
    propagator, first = 1 / (x + shape["mass"] ** 2), 400 * np.exp(-2 * x)
    rule = Coefficients(("g",), np.array([[0], [2], [4]]), np.ones((3, 1)), np.ones((3, 1)), np.full(3, -1), np.zeros(3, dtype=np.int64))
    templates = np.array([first, -2 * first * propagator, first * propagator**2])
    return (Channel("c", templates, rule, ("s", "s", "s"), observed, None, (6,)),)


def test_an_end_along_a_valley_is_where_the_lowest_minimum_is_one_higher() -> None:
    """The mass follows the coupling down a narrow valley beside another minimum at g = 0, in which fits end that lose the valley."""
    parameters = ParameterSet(
        (Parameter("mass", "nonlinear", 1.0, lower=0.01, upper=1e3, scale="log"), Parameter("g", "polynomial", 0.0, lower=0.0, upper=100.0))
    )
    truth = Likelihood(parameters, mirror).at({"mass": 30.0})
    counts = asimov_data(truth, np.array([43.0])).counts[0]
    likelihood = Likelihood(parameters, lambda shape: mirror(shape, counts))
    result = fit(likelihood, minos=("g",))
    assert result.valid
    assert result.reason == ""

    def height(log_mass: float) -> float:
        return float(profile(likelihood.at({"mass": math.exp(log_mass)}), {"g": np.array([result.lower["g"]])}).nll2[0]) - result.nll2

    grid = np.linspace(math.log(0.5), math.log(1e3), 300)
    best = int(np.argmin([height(value) for value in grid]))
    lowest = optimize.minimize_scalar(height, bounds=grid[[best - 1, best + 1]], method="bounded", options={"xatol": 1e-7})
    assert lowest.fun == pytest.approx(1.0, abs=2e-3)
    assert result.upper["g"] == 100.0


def test_an_end_that_is_not_found_is_nan_with_a_remark() -> None:
    """The model has no counts below m = 1: the profile ends before it has risen by 1."""

    def cut(shape: Mapping[str, float]) -> tuple[Channel, ...]:
        counts = 90.0 + 10.0 * shape["m"] if shape["m"] >= 1.0 else 0.0
        rule = Coefficients(("g",), np.array([[0]]), np.ones((1, 1)), np.ones((1, 1)), np.array([-1]), np.array([0]))
        return (Channel("c", np.array([[counts]]), rule, ("s",), np.array([101.0]), None, (1,)),)

    parameters = ParameterSet((Parameter("m", "nonlinear", 1.5, lower=0.5, upper=5.0), Parameter("g", "polynomial", 0.0, fixed=True)))
    result = fit(Likelihood(parameters, cut))
    assert result.valid
    assert result.values["m"] == pytest.approx(1.1, abs=1e-3)
    assert math.isnan(result.lower["m"])
    assert result.reason == "m: no lower end"
    assert result.upper["m"] == pytest.approx(2.1, abs=0.1)


def test_no_counts_is_an_error() -> None:
    with pytest.raises(NoDataError):
        fit(Likelihood(MASS, resonance), at={"mass": 1.0})


def test_a_minimum_without_events_is_at_the_edge_of_the_domain() -> None:
    ones = np.ones((2, 1))
    rule = Coefficients(("mu",), np.array([[1], [0]]), ones, ones, np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("c", np.array([[1.7], [0.5]]), rule, ("s", "b"), np.zeros(1), None, (1,))
    result = fit(join(ParameterSet((Parameter("mu", "polynomial", 1.0, lower=-10.0, upper=10.0),)), (channel,)))
    assert result.valid
    assert result.on_edge
    assert "edge of the domain" in result.reason
    assert result.nll2 == pytest.approx(0.0, abs=1e-9)
    assert result.values["mu"] == pytest.approx(-0.5 / 1.7, abs=1e-9)
    assert result.lower["mu"] == pytest.approx(-0.5 / 1.7, abs=1e-6)
    assert result.upper["mu"] == pytest.approx(0.0, abs=1e-5)
    assert math.isnan(result.errors["mu"])


def test_without_background_and_events_the_strength_ends_above_zero() -> None:
    """-2 ln lambda is 2 * 0.8 mu: it is 1 at mu = 0.625."""
    one = np.ones((1, 1))
    rule = Coefficients(("mu",), np.array([[1]]), one, one, np.array([-1]), np.zeros(1, dtype=np.int64))
    channel = Channel("c", np.array([[0.8]]), rule, ("s",), np.zeros(1), None, (1,))
    result = fit(join(ParameterSet((Parameter("mu", "polynomial", 1.0),)), (channel,)))
    assert result.on_edge
    assert result.lower["mu"] == pytest.approx(0.0, abs=1e-9)
    assert result.upper["mu"] == pytest.approx(1 / 1.6, rel=1e-4)
