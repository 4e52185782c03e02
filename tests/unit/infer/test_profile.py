"""The batched profile against iminuit, one point at a time, bounds and batches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from iminuit import Minuit

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.descent import REMOTE
from cevnsfit.infer.profile import floating_indices, profile
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import asimov_data, observed_data, toy_data
from cevnsfit.stats.engine import nll2, nll2_gradient
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


def minimum(joint: Joint, data: Data, theta: np.ndarray, held: tuple[str, ...]) -> float:
    """Return what a polished iminuit fit finds from `theta`."""
    minuit = Minuit(
        lambda x: float(nll2(joint, np.array(x)[None], data)[0]),
        theta,
        grad=lambda x: nll2_gradient(joint, np.array(x)[None], data)[1][0],
        name=joint.parameters.names,
    )
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.limits = [(p.lower, p.upper) for p in joint.parameters]
    minuit.tol = 1e-5
    minuit.strategy = 2
    for parameter in joint.parameters:
        minuit.fixed[parameter.name] = parameter.name in held or parameter.fixed
    minuit.migrad(iterate=10)
    return float(minuit.fval)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_profile_agrees_with_iminuit_wherever_it_matters(make_joint: Callable[..., Joint], seed: int) -> None:
    joint = make_joint(seed)
    data, g = observed_data(joint), np.concatenate([[0.0], np.geomspace(0.05, 1.5, 12)])
    result = profile(joint, {"g": g})
    assert result.converged.all()
    best = result.nll2.min()
    compared = 0
    for value, point, found in zip(g, result.theta, result.nll2, strict=True):
        if found > best + 100:
            continue
        cold = minimum(joint, data, joint.parameters.vector({"g": value}), ("g",))
        assert found <= min(cold, minimum(joint, data, point, ("g",))) + 1e-6
        compared += 1
    assert compared > 6


def test_far_points_are_minima_too_and_remote_ones_upper_bounds(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    g = np.concatenate([[0.0], np.linspace(0.6, 6.0, 19)])
    result = profile(joint, {"g": g})
    distance = result.nll2 - result.nll2[0]
    finer = profile(joint, {"g": g[1:]}, start=result.theta[1:])
    excess = result.nll2[1:] - finer.nll2
    far = (distance[1:] > 100) & (distance[1:] < REMOTE)
    remote = distance[1:] >= REMOTE
    assert far.sum() >= 2
    assert remote.sum() >= 2
    assert np.all(excess[far] <= 1e-3 * distance[1:][far])
    assert np.all(excess[remote] >= -1e-9)
    assert np.all(finer.nll2[remote] - result.nll2[0] > 0.3 * REMOTE)
    assert result.fallbacks == 0


def test_value_is_that_of_the_returned_point(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    result = profile(joint, {"g": np.linspace(0, 1, 7)})
    np.testing.assert_allclose(nll2(joint, result.theta, observed_data(joint)), result.nll2, rtol=1e-12)
    np.testing.assert_array_equal(result.theta[:, 0], np.linspace(0, 1, 7))
    assert np.all(result.edm < 1e-7)


def test_a_coupling_far_beyond_the_data_still_converges(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    g = np.geomspace(3, 1e3, 9)
    result = profile(joint, {"g": g})
    assert result.converged.all()
    assert np.all(np.diff(result.nll2) > 0)


def test_free_coupling_goes_to_its_own_minimum(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.9)
    starts = np.tile(joint.parameters.defaults(), (2, 1))
    starts[:, 0] = 0.3, 0.85
    result = profile(joint, {}, start=starts)
    assert result.converged.all()
    np.testing.assert_allclose(result.nll2[1], 0, atol=1e-6)
    np.testing.assert_allclose(result.theta[1, 0], 0.9, atol=1e-3)


def test_parameter_at_its_bound_stays_there(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    channel = joint.channels[0]
    without = np.maximum(channel.observed - 1.3 * channel.templates[-1], 0.0)
    joint = join(joint.parameters, (replace(channel, observed=without), *joint.channels[1:]))
    result = profile(joint, {"g": np.array([0.0])})
    index = joint.parameters.index("a.norm")
    assert result.converged.all()
    assert result.theta[0, index] == 0.0
    start = result.theta[0].copy()
    start[index] = 0.1
    assert result.nll2[0] <= minimum(joint, observed_data(joint), start, ("g",)) + 1e-6


def test_toys_together_are_toys_one_by_one(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    toys = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(2), 140)
    together = profile(joint, {"g": np.full(140, 0.2)}, data=toys)
    assert together.converged.all()
    for row in (0, 57, 139):
        alone = profile(joint, {"g": np.array([0.2])}, data=toys.take(row))
        np.testing.assert_allclose(together.nll2[row], alone.nll2[0], atol=1e-7)


def test_asimov_data_return_the_truth(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    truth = joint.parameters.vector({"flux": 0.4, "a.tilt": -0.6, "a.norm": 1.2})
    result = profile(joint, {"g": np.array([0.0])}, data=asimov_data(joint, truth))
    np.testing.assert_allclose(result.theta[0], truth, atol=1e-4)
    np.testing.assert_allclose(result.nll2, 0, atol=1e-8)


def test_warm_start_needs_fewer_rounds_and_finds_the_same(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    g = np.linspace(0.1, 0.5, 9)
    cold = profile(joint, {"g": g})
    warm = profile(joint, {"g": g}, start=cold.theta)
    assert warm.iterations.max() <= 2
    np.testing.assert_allclose(warm.nll2, cold.nll2, atol=1e-7)


def test_far_and_near_points_do_not_depend_on_each_other(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    g = np.geomspace(0.01, 1.0, 300)
    whole = profile(joint, {"g": g})
    half = profile(joint, {"g": g[::2]})
    near = whole.nll2[::2] < whole.nll2.min() + 100
    np.testing.assert_allclose(whole.nll2[::2][near], half.nll2[near], atol=1e-6)


def test_impossible_points_are_infinite_and_not_converged() -> None:
    ones = np.ones((1, 1))
    rule = Coefficients(("g",), np.array([[2]]), ones, ones, np.array([-1]), np.array([0]))
    channel = Channel("c", np.array([[3.0, 0.0]]), rule, ("s",), np.array([2.0, 1.0]), None, (2,))
    joint = join(ParameterSet((Parameter("g", "polynomial", 1.0),)), (channel,))
    result = profile(joint, {"g": np.array([0.5, 1.0])})
    assert np.all(np.isposinf(result.nll2))
    assert not result.converged.any()


def test_floating_parameters_by_default_and_by_name(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    names = np.array(joint.parameters.names)
    assert names[floating_indices(joint, ("g",), None)].tolist() == ["flux", "a.rate", "a.tilt", "a.norm", "b.brn"]
    assert names[floating_indices(joint, ("g",), ("flux", "norm", "g"))].tolist() == ["norm", "flux"]
    with pytest.raises(UnknownNameError):
        profile(joint, {"gee": np.zeros(1)})
