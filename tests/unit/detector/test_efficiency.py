"""Efficiencies: limits, stability, plateaus, tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.core.errors import DomainError
from cevnsfit.detector import efficiency


def test_logistic_of_the_2017_acceptance() -> None:
    # a, k, x0 of 1804.09459: half height at x0, full height far above, nothing far below, no overflow.
    values = efficiency.logistic(np.array([-1e6, 10.8507, 1e6]), 0.6655, 0.4942, 10.8507)
    np.testing.assert_allclose(values, [0.0, 0.33275, 0.6655], atol=1e-12)


def test_logistic_is_its_formula() -> None:
    x = np.linspace(0, 60, 61)
    np.testing.assert_allclose(efficiency.logistic(x, 1.3, 0.29, 10.9, -0.1), np.maximum(1.3 / (1 + np.exp(-0.29 * (x - 10.9))) - 0.1, 0))


@given(st.floats(-2, 2), st.floats(-5, 5), st.floats(-50, 50), st.floats(-2, 2))
def test_logistic_is_finite_and_not_negative(a: float, k: float, x0: float, d: float) -> None:
    values = efficiency.logistic(np.linspace(-1e3, 1e3, 101), a, k, x0, d)
    assert np.isfinite(values).all()
    assert values.min() >= 0


def test_plateaus_start_at_their_edges() -> None:
    x = np.array([4.99, 5.0, 5.99, 6.0, 40.0])
    np.testing.assert_array_equal(efficiency.steps(x, ((5, 0.5), (6, 1))), [0, 0.5, 0.5, 1, 1])


def test_plateaus_must_be_in_order() -> None:
    with pytest.raises(DomainError, match="starts of the plateaus"):
        efficiency.steps(np.array([1.0]), ((6, 1), (5, 0.5)))


def test_table_is_linear_inside_and_flat_beyond() -> None:
    np.testing.assert_allclose(efficiency.table(np.array([0.0, 1.5, 9.0]), [1, 2, 3], [0.1, 0.5, 0.7]), [0.1, 0.3, 0.7])
    with pytest.raises(DomainError, match="points of the table"):
        efficiency.table(np.array([0.0]), [1, 1], [0.1, 0.5])
