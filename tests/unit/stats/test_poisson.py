"""Poisson and on/off bins against direct evaluation and minimisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import poisson

from cevnsfit.stats.poisson import FLOOR, events, on_off, on_off_weight, saturated


def row(*values: float) -> np.ndarray:
    return np.array([values], dtype=float)


def test_plain_bins_are_twice_the_log_ratio_of_poisson_probabilities() -> None:
    mu, counts = row(0.3, 4.0, 17.5, 2.0), np.array([0.0, 3.0, 20.0, 2.0])
    value = events(mu, counts).value + 2 * mu.sum(axis=1) + saturated(counts)
    expected = -2 * (poisson.logpmf(counts, mu).sum() - poisson.logpmf(counts, counts).sum())
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_saturated_model_has_no_deviance() -> None:
    counts = np.array([1.0, 7.0, 250.0])
    np.testing.assert_allclose(events(counts[None], counts).value + 2 * counts.sum() + saturated(counts), 0, atol=1e-12)


def test_below_the_floor_the_function_is_finite_convex_and_smooth() -> None:
    counts = np.array([3.0])
    mu = np.array([[2 * FLOOR], [FLOOR], [0.0], [-FLOOR], [-1.0], [-50.0]])
    pieces = events(mu, counts)
    assert np.all(np.isfinite(pieces.value))
    assert np.all(np.diff(pieces.value) > 0)
    assert np.all(np.diff(pieces.pull[:, 0]) > 0)
    assert pieces.blocked.tolist() == [False, True, True, True, True, True]
    h = 1e-4 * FLOOR
    for start in (0.5 * FLOOR, -FLOOR, -1e3 * FLOOR):
        step = max(h, 1e-6 * abs(start))
        two = events(np.array([[start - step], [start + step]]), counts).value
        np.testing.assert_allclose((two[1] - two[0]) / (2 * step), -events(row(start), counts).pull[0, 0], rtol=1e-4)


def test_empty_bins_never_make_a_point_impossible() -> None:
    assert not events(row(0.0, -1.0), np.zeros(2)).blocked[0]


def direct(s: float, b: float, n: float, m: float, t: float) -> float:
    value = 2 * (s + b + t * b)
    value -= 2 * n * np.log(s + b) if n > 0 else 0.0
    return value - (2 * m * np.log(t * b) if m > 0 else 0.0)


@given(
    s=st.floats(0, 50),
    n=st.integers(0, 30),
    m=st.integers(0, 30),
    t=st.floats(0.2, 8),
)
def test_closed_form_background_is_the_numerical_maximum(s: float, n: int, m: int, t: float) -> None:
    pieces = on_off(row(s), np.array([float(n)]), np.array([float(m)]), t)
    lower = 1e-12
    found = minimize_scalar(lambda b: direct(s, b, n, m, t), bounds=(lower, 100.0), method="bounded", options={"xatol": 1e-10})
    assert pieces.value[0] <= found.fun + 1e-8
    np.testing.assert_allclose(pieces.value[0], found.fun, atol=1e-6)
    assert pieces.background[0, 0] >= 0


@pytest.mark.parametrize(
    ("s", "n", "m", "t"),
    [(3.0, 5, 4, 1.0), (0.0, 5, 4, 2.0), (3.0, 0, 4, 0.5), (9.0, 5, 0, 1.0), (0.5, 6, 0, 1.0), (2.0, 0, 0, 5.0), (-0.7, 4, 6, 1.5)],
)
def test_on_off_slope_and_curvature(s: float, n: float, m: float, t: float) -> None:
    counts, control, h = np.array([float(n)]), np.array([float(m)]), 1e-5
    at = [on_off(row(x), counts, control, t) for x in (s - h, s, s + h)]
    if s != 0 or n > 0:
        np.testing.assert_allclose(at[1].slope[0, 0], (at[2].value[0] - at[0].value[0]) / (2 * h), atol=1e-6)
        np.testing.assert_allclose(
            on_off_weight(at[1].total, at[1].background, counts, control)[0, 0],
            (at[2].slope[0, 0] - at[0].slope[0, 0]) / (2 * h),
            rtol=1e-4,
            atol=1e-6,
        )
    assert np.isfinite(at[1].value[0])


def test_on_off_saturates_at_the_counts() -> None:
    n, m, t = np.array([8.0, 3.0]), np.array([10.0, 2.0]), 2.0
    signal = (n - m / t)[None]
    value = on_off(signal, n, m, t).value + saturated(n) + saturated(m)
    np.testing.assert_allclose(value, 0, atol=1e-10)
