"""A likelihood rebuilds its channels at each shape value."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.axes import Axis
from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.likelihood import Likelihood


def build(shape: dict[str, float]) -> tuple[Channel, ...]:
    rule = Coefficients(("g",), np.array([[1]]), np.ones((1, 1)), np.ones((1, 1)), np.array([-1]), np.array([0]))
    return (Channel("c", shape["mass"] * np.ones((1, 3)), rule, ("signal",), None, None, (3,)),)


def test_shape_parameters_rebuild_the_channels() -> None:
    parameters = ParameterSet((Parameter("mass", "nonlinear", 2.0, lower=1.0, upper=10.0), Parameter("g", "polynomial", 1.0)))
    likelihood = Likelihood(parameters, build)
    assert likelihood.at({}).channels[0].templates[0, 0] == 2.0
    joint = likelihood.at({"mass": 5.0})
    assert joint.channels[0].templates[0, 0] == 5.0
    assert joint.parameters.names == ("g",)
    with pytest.raises(DomainError):
        likelihood.at({"mass": 20.0})
    with pytest.raises(UnknownNameError, match="nonlinear parameter"):
        likelihood.at({"g": 1.0})


def test_counts_come_from_the_templates_where_there_is_no_faster_way() -> None:
    parameters = ParameterSet(
        (
            Parameter("mass", "nonlinear", 2.0, lower=1.0, upper=10.0),
            Parameter("g", "polynomial", 1.0),
            Parameter("rate", "nuisance", 0.0, constrained=True),
        )
    )
    axis = Axis("pe", (0.0, 1.0, 3.0, 4.0))
    likelihood = Likelihood(parameters, build, axes={"c": (axis,)})
    np.testing.assert_array_equal(likelihood.counts()["c"].values(), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(likelihood.counts({"mass": 5.0}, g=3.0)["c"].values(), [15.0, 15.0, 15.0])
    stack = likelihood.counts({"mass": 5.0, "g": 3.0}, components=True)["c"]
    assert list(stack) == ["signal"]
    assert stack["signal"].axes == (axis,)
    assert stack["signal"].total == 45.0
    for values, error in (({"mass": 20.0}, DomainError), ({"mas": 2.0}, UnknownNameError), ({"rate": 1.0}, UnknownNameError)):
        with pytest.raises(error):
            likelihood.counts(values)
    with pytest.raises(CevnsfitError, match="c has no histogram"):
        Likelihood(parameters, build).counts()
