"""-2 ln lambda for iminuit is that of the likelihood, at all values of the nonlinear parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.objective import Objective, migrad, minuit_at
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = ParameterSet((Parameter("mass", "nonlinear", 2.0, lower=1.0, upper=10.0), Parameter("g", "polynomial", 1.0)))
NONE = np.full(2, -1), np.zeros(2, dtype=np.int64)
RULES = {power: Coefficients(("g",), np.array([[power], [0]]), np.ones((2, 1)), np.ones((2, 1)), *NONE) for power in (1, 2)}


def build(values: Mapping[str, float]) -> tuple[Channel, ...]:
    """Return a channel whose rule changes with the mass."""
    templates = np.array([[1.0, values["mass"], 3.0], [2.0, 2.0, 2.0]])
    rule = RULES[1 if values["mass"] < 5.0 else 2]
    return (Channel("c", templates, rule, ("cevns", "flat"), np.array([3.0, 6.0, 0.0]), None, (3,)),)


def test_what_channels_share_is_made_again_where_their_rule_changes() -> None:
    likelihood = Likelihood(PARAMETERS, build)
    data = observed_data(likelihood.at({}))
    objective = Objective(likelihood, data, ("mass", "g"), {"mass": 2.0, "g": 1.0})
    for mass in (2.0, 3.0, 6.0, 7.0, 2.5):
        joint = likelihood.at({"mass": mass})
        assert objective.value(np.array([mass, 1.3])) == pytest.approx(float(nll2(joint, np.array([[1.3]]), data)[0]), rel=1e-12)
        assert objective.joint_at({"mass": mass}).channels[0].coefficients is joint.channels[0].coefficients


@pytest.mark.slow
def test_ends_of_a_mass_are_those_of_its_intervals() -> None:
    likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
    best = fit(likelihood, minos=("mass",))
    (allowed,) = cf.intervals(likelihood, "mass", cl=0.6826894921).allowed
    assert (best.lower["mass"], best.upper["mass"]) == pytest.approx(allowed, rel=1e-9)


def test_iminuit_stops_where_the_likelihood_is_not_a_number() -> None:
    likelihood = Likelihood(PARAMETERS, build)
    objective = Objective(likelihood, observed_data(likelihood.at({})), ("mass", "g"), {"mass": 2.0, "g": 1.0})
    minuit = minuit_at(objective, {"mass": 2.0, "g": 1.0})
    with pytest.raises(RuntimeError, match="NaN"):
        minuit.fcn([np.nan, np.nan])


def test_where_everything_is_held_there_is_nothing_to_minimise() -> None:
    likelihood = Likelihood(PARAMETERS, build)
    objective = Objective(likelihood, observed_data(likelihood.at({})), ("mass", "g"), {"mass": 2.0, "g": 1.0})
    minuit = minuit_at(objective, {"mass": 2.0, "g": 1.0})
    minuit.fixed = True
    assert migrad(minuit) == ""
    assert minuit.fmin is None


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_gradient_is_that_of_what_is_minimised(scale: str) -> None:
    parameters = ParameterSet((Parameter("mass", "nonlinear", 2.0, lower=1.0, upper=10.0, scale=scale), Parameter("g", "polynomial", 1.0)))
    likelihood = Likelihood(parameters, build)
    objective = Objective(likelihood, observed_data(likelihood.at({})), ("mass", "g"), {"mass": 2.0, "g": 1.0})
    at, steps = np.array([np.log(3.0) if scale == "log" else 3.0, 1.3]), 1e-5 * np.eye(2)
    numerical = [(objective.value(at + step) - objective.value(at - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(objective.gradient(at), numerical, rtol=1e-4)
