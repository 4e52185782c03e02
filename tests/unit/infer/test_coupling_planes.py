"""Feldman-Cousins regions of two couplings, where -2 ln lambda is a parabola: the region is an ellipse."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toy_planes import column_hypotheses, column_intervals, toy_region
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.gaussian import Errors
from cevnsfit.stats.likelihood import Likelihood

LEVEL = {"plane": 4.605, "column": 2.706}
"""Quantiles of chi-squared at 90 %, for two and for one degree of freedom."""

CENTRE = np.array([0.3, -0.2])
CURVATURE = np.array([[1.0, 0.5], [0.5, 1.25]])
"""The inverse covariance of both couplings."""


@pytest.fixture
def likelihood() -> Likelihood:
    """Return two measured values with unit errors, linear in two couplings of any sign."""
    rule = Coefficients(
        ("a", "b"), np.array([[1, 0], [0, 1], [0, 0]]), np.ones((3, 2)), np.ones((3, 2)), np.full(3, -1), np.zeros(3, dtype=np.int64)
    )
    templates = np.array([[1.0, 0.0], [0.5, 1.0], [20.0, 20.0]])
    observed = CENTRE @ templates[:2] + 20.0
    channel = Channel("one", templates, rule, ("cevns", "cevns", "background"), observed, None, (2,), errors=Errors(np.ones(2), np.ones(2)))
    couplings = tuple(Parameter(name, "polynomial", 0.0, lower=-10.0, upper=10.0) for name in ("a", "b"))
    return Likelihood(ParameterSet(couplings), lambda _: (channel,))


@pytest.mark.parametrize("ordering", ["plane", "column"])
def test_the_region_of_a_parabola_is_an_ellipse(likelihood: Likelihood, ordering: str) -> None:
    axes = (PlaneAxis("a", "1", np.linspace(-3.0, 3.6, 7), "linear"), PlaneAxis("b", "1", np.linspace(-4.0, 4.0, 9), "linear"))
    tests = HERE(column_hypotheses(likelihood, axes, at={}, ordering=ordering))
    columns = HERE(column_intervals(tests, cl=0.9, toys=Toys(512, 1)))
    region = toy_region(axes, tests, columns)
    assert len(region.allowed) == 1
    (xx, xy), (_, yy) = CURVATURE
    for a, column in zip(axes[0].values - CENTRE[0], columns, strict=True):
        height = (xx - xy**2 / yy) * a**2 if ordering == "plane" else 0.0
        assert len(column.allowed) == (height < LEVEL[ordering])
        for low, high in column.allowed:
            for end in (low, high):
                b = end - CENTRE[1]
                t = xx * a**2 + 2.0 * xy * a * b + yy * b**2 - ((xx - xy**2 / yy) * a**2 if ordering == "column" else 0.0)
                assert t == pytest.approx(LEVEL[ordering], abs=4 * 2 * 0.0133 / 0.1)
