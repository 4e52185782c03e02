"""Branches and limits on curves with more than one minimum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.curve import Curve
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.sensitivity import DISCOVERY, _edge, branch_top, discovery_reach, upper_limit, within
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

VALUES = np.linspace(0.0, 4.0, 401)


def curve(distance: np.ndarray) -> Curve:
    return Curve(VALUES, distance**2, np.ones(len(VALUES), dtype=np.bool_))


def test_the_branch_ends_at_the_barrier_before_the_mirror() -> None:
    # counts 1 - 2 x + x^2 in units of their error, the mirror of 0 at x = 2
    assert branch_top(curve(9.0 * (VALUES**2 - 2.0 * VALUES)), 0.0) == pytest.approx(1.0)


def test_without_a_mirror_the_branch_is_the_whole_grid() -> None:
    assert branch_top(curve(VALUES), 0.0) == 4.0
    ripple = 1e-3 * np.sin(80.0 * VALUES)
    assert branch_top(curve(VALUES + ripple), 0.0) == 4.0


def test_limits_on_a_branch() -> None:
    assert upper_limit([(0.0, 0.3), (1.9, 2.1)], 0.0, 1.0) == 0.3
    assert upper_limit([(0.1, 0.4), (1.9, 2.1)], 0.0, 1.0) == 0.4
    assert upper_limit([(1.9, 2.1)], 0.0, 1.0) == 0.0
    assert upper_limit([(0.0, 2.1)], 0.0, 1.0) == math.inf


def test_values_within_a_distance() -> None:
    assert within(curve(VALUES), 1.5)[[0, -1]] == pytest.approx([0.0, 1.51])
    two = within(curve(9.0 * (VALUES**2 - 2.0 * VALUES)), 0.0)
    assert two == pytest.approx([0.0, 0.01, 1.99, 2.0, 2.01])


def test_the_edge_of_a_toy() -> None:
    distance = np.abs(9.0 * (VALUES**2 - 2.0 * VALUES))
    # 9 (2 x - x^2) = 3
    assert _edge(VALUES, distance, 3.0, (0.0, 1.0)) == pytest.approx(1.0 - math.sqrt(2.0 / 3.0), rel=1e-3)
    assert _edge(VALUES, distance + 4.0, 3.0, (0.0, 1.0)) == 0.0
    assert _edge(VALUES, distance, 9.5, (0.0, 1.0)) == math.inf


@pytest.mark.parametrize("truth", [0.0, 1.0, 30.0])
def test_the_discovery_reach_of_a_strength_is_against_none(truth: float) -> None:
    """Events s on a known background b exclude b alone with q = 2 (s + b) ln(1 + s/b) - 2 s, whatever is true and whatever the default is."""
    background = 100.0
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    templates = np.array([[2.0], [background]])
    channel = Channel("one", templates, rule, ("cevns", "background"), np.array([background + 2.0 * truth]), None, (1,))
    joint = join(ParameterSet((Parameter("mu", "polynomial", 1.0, least=0.0),)), (channel,))
    reach = discovery_reach(hypothesis(joint, "mu", truth), np.linspace(-4.0, 100.0, 60))
    signal = 2.0 * np.array(reach)
    q = 2.0 * ((signal + background) * np.log1p(signal / background) - signal)
    np.testing.assert_allclose(np.sqrt(q), DISCOVERY, rtol=1e-5)
    assert discovery_reach(hypothesis(joint, "mu", truth), np.linspace(-4.0, 0.0, 5)) == (math.inf, math.inf)
