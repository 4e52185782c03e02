"""Smearing kernels against scipy.stats, conservation of counts, limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cevnsfit.core.errors import AxisError, DomainError
from cevnsfit.detector import smearing

MEANS = np.array([0.0, 0.3, 4.0, 17.5, 60.0])
means = st.lists(st.floats(0, 200), min_size=1, max_size=5).map(np.array)


def test_poisson_bins_hold_their_lower_edge_and_not_their_upper() -> None:
    edges = np.array([0.0, 1.0, 2.0, 6.0, 8.0])
    pmf = stats.poisson.pmf(np.arange(8)[:, None], MEANS)
    expected = [pmf[0], pmf[1], pmf[2:6].sum(axis=0), pmf[6:8].sum(axis=0)]
    np.testing.assert_allclose(smearing.poisson(MEANS, edges), expected, atol=1e-14)


def test_poisson_below_zero_is_impossible() -> None:
    np.testing.assert_array_equal(smearing.poisson(MEANS, np.array([-3.0, -1.0, 0.0])), 0.0)


def test_poisson_needs_integer_edges() -> None:
    with pytest.raises(AxisError, match=r"not 2\.5"):
        smearing.poisson(MEANS, np.array([0.0, 1.0, 2.5]))


def test_gaussian_is_that_of_scipy() -> None:
    edges = np.linspace(-3, 9, 13)
    sigma = np.array([0.2, 1.0, 0.5, 4.0, 30.0])
    expected = np.diff(stats.norm.cdf(edges[:, None], MEANS, sigma), axis=0)
    np.testing.assert_allclose(smearing.gaussian(MEANS, sigma, edges), expected, atol=1e-14)


def test_gaussian_without_width_is_an_indicator() -> None:
    matrix = smearing.gaussian(np.array([0.0, 0.99, 1.0, 5.0]), 0.0, np.array([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 0], [0, 0, 1, 0]])


def test_gamma_is_that_of_scipy() -> None:
    edges = np.linspace(0, 100, 26)
    shape = np.array([1.0, 1.5, 3.0, 14.0, 40.0])
    matrix = smearing.gamma(MEANS, shape, edges)
    expected = np.diff(stats.gamma.cdf(edges[:, None], shape[1:], scale=MEANS[1:] / shape[1:]), axis=0)
    np.testing.assert_allclose(matrix[:, 1:], expected, atol=1e-14)
    np.testing.assert_array_equal(matrix[:, 0], np.eye(25)[0])


def test_gamma_has_the_mean_and_the_width_asked_for() -> None:
    edges = np.linspace(0, 200, 20001)
    centres = (edges[1:] + edges[:-1]) / 2
    matrix = smearing.gamma(np.array([20.0]), 5.0, edges)[:, 0]
    mean = centres @ matrix
    assert mean == pytest.approx(20.0, rel=1e-6)
    assert (centres - mean) ** 2 @ matrix == pytest.approx(20.0**2 / 5.0, rel=1e-5)


@pytest.mark.parametrize("kernel", ["poisson", "gaussian", "gamma"])
@given(values=means, width=st.floats(0.1, 50))
def test_nothing_is_lost_over_the_full_range(kernel: str, values: np.ndarray, width: float) -> None:
    edges = np.concatenate([[-1e5], np.arange(-5.0, 300.0, 7.0), [1e5]])
    matrix = {
        "poisson": lambda: smearing.poisson(values, edges),
        "gaussian": lambda: smearing.gaussian(values, width, edges),
        "gamma": lambda: smearing.gamma(values, width, edges),
    }[kernel]()
    assert matrix.shape == (len(edges) - 1, len(values))
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, rtol=1e-9)


@given(values=means, shape=st.floats(0.2, 50), unit=st.floats(1e-6, 1e6))
def test_the_unit_does_not_matter(values: np.ndarray, shape: float, unit: float) -> None:
    edges = np.linspace(0, 150, 11)
    np.testing.assert_allclose(smearing.gamma(values * unit, shape, edges * unit), smearing.gamma(values, shape, edges), atol=1e-9)
    np.testing.assert_allclose(
        smearing.gaussian(values * unit, shape * unit, edges * unit), smearing.gaussian(values, shape, edges), atol=1e-9
    )


def test_meaningless_arguments_are_refused() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    with pytest.raises(DomainError, match=r"-0.5"):
        smearing.poisson(np.array([1.0, -0.5]), edges)
    with pytest.raises(DomainError, match="nan"):
        smearing.gamma(np.array([np.nan]), 2.0, edges)
    with pytest.raises(DomainError, match="shape"):
        smearing.gamma(np.array([1.0]), 0.0, edges)
    with pytest.raises(DomainError, match="-1"):
        smearing.gaussian(np.array([1.0]), -1.0, edges)
