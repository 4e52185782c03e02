"""A likelihood rebuilds its channels at each shape value."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.likelihood import Likelihood


def build(shape: dict[str, float]) -> tuple[Channel, ...]:
    rule = Coefficients(("g",), np.array([[1]]), np.ones((1, 1)), np.ones((1, 1)), np.array([-1]), np.array([0]))
    return (Channel("c", shape["mass"] * np.ones((1, 3)), rule, ("signal",), None, None, (3,)),)


def test_shape_parameters_rebuild_the_channels() -> None:
    parameters = ParameterSet((Parameter("mass", "shape", 2.0, lower=1.0, upper=10.0), Parameter("g", "polynomial", 1.0)))
    likelihood = Likelihood(parameters, build)
    assert likelihood.at({}).channels[0].templates[0, 0] == 2.0
    joint = likelihood.at({"mass": 5.0})
    assert joint.channels[0].templates[0, 0] == 5.0
    assert joint.parameters.names == ("g",)
    with pytest.raises(DomainError):
        likelihood.at({"mass": 20.0})
    with pytest.raises(UnknownNameError, match="shape parameter"):
        likelihood.at({"g": 1.0})
