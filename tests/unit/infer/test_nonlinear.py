"""Intervals of parameters that rebuild the templates, and of couplings beside which such parameters float."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.nonlinear import nonlinear_intervals, point_values
from cevnsfit.stats.channel import Channel
from cevnsfit.stats.data import Data, asimov_data, observed_data
from cevnsfit.stats.likelihood import Likelihood

CSI = "coherent-csi-2021"


@pytest.fixture(scope="module")
def skin() -> Likelihood:
    return cf.build_likelihood(CSI, model="neutron-skin")


def test_the_interval_of_the_skin_is_that_of_minos(skin: Likelihood) -> None:
    found = cf.intervals(cf.build_likelihood(CSI, model="neutron-skin"), cl=math.erf(math.sqrt(0.5)))
    best = fit(skin, minos=("skin",))
    assert found.valid
    assert found.poi == "skin"
    assert found.best_fit == pytest.approx(best.values["skin"], abs=1e-3)
    assert found.nll2 == pytest.approx(best.nll2, abs=1e-5)
    ((low, high),) = found.allowed
    assert (low, high) == pytest.approx((best.lower["skin"], best.upper["skin"]), abs=2e-3)
    assert found.excluded == ((-1.0, low), (high, 3.0))


def test_points_are_those_of_the_rebuilt_likelihood(skin: Likelihood) -> None:
    data = observed_data(skin.at({}))
    values, valid = point_values(skin, {"skin": np.array([0.0, 1.0])}, at={}, floating=(), data=data)
    expected = [fit(skin.at({"skin": value}), minos=()).nll2 for value in (0.0, 1.0)]
    assert valid.all()
    np.testing.assert_allclose(values, expected, atol=1e-5)


def two_bumps() -> tuple[Likelihood, Data]:
    """Return a likelihood over a shape x, whose counts 100 + 20 x^2 are those at x = -1 and x = 1, and a free strength."""
    plain = cf.build_likelihood(CSI, model="signal-strength").at({})
    strength = Parameter("signal_strength", "polynomial", 1.0, 0.0, 100.0, fixed=True)
    shape = Parameter("x", "nonlinear", 0.0, -3.0, 3.0)
    channel = plain.channels[0]
    nominal = channel.templates

    def build(values: object) -> tuple[Channel, ...]:
        x = dict(values)["x"]  # type: ignore[call-overload]
        scaled = nominal.copy()
        signal = np.array([component == "cevns" for component in channel.components])
        scaled[signal] *= 1.0 + 0.2 * x**2
        return (Channel(channel.name, scaled, channel.coefficients, channel.components, channel.observed, None, channel.bins),)

    others = [p for p in plain.parameters if p.name != "signal_strength"]
    likelihood = Likelihood(ParameterSet((strength, shape, *others)), build)
    truth = likelihood.at({"x": 1.0})
    return likelihood, asimov_data(truth, truth.parameters.defaults())


def test_both_branches_are_found() -> None:
    likelihood, data = two_bumps()
    found = nonlinear_intervals(likelihood, "x", cl=0.30, dof=1, at={}, data=data)
    assert [value for value, _ in found.minima] == pytest.approx([-1.0, 1.0], abs=0.02)
    (a, b), (c, d) = found.allowed
    assert [a, b] == pytest.approx([-d, -c], abs=1e-3)
    assert c < 1.0 < d


@pytest.mark.slow
def test_a_floating_shape_is_followed() -> None:
    likelihood, data = two_bumps()
    free = nonlinear_intervals(likelihood, "signal_strength", cl=0.68, dof=1, at={}, floating=("x",), data=data)
    held = nonlinear_intervals(likelihood, "signal_strength", cl=0.68, dof=1, at={"x": 1.0}, data=data)
    # a smaller strength is made up for by a larger x, a larger one by nothing beyond x = 0
    assert free.allowed[0][0] < held.allowed[0][0] - 0.2
    assert free.allowed[-1][1] == pytest.approx(held.allowed[-1][1] * 1.2, rel=0.01)
