"""Branches and limits on curves with more than one minimum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.infer.curve import Curve
from cevnsfit.infer.sensitivity import branch_top, upper_limit, within
from cevnsfit.infer.toy_limits import _edge

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
