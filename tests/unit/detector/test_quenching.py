"""Quenching: values, limits and the floor at zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.core.errors import DomainError
from cevnsfit.detector import quenching

T = np.linspace(0.0, 0.15, 31)


def test_a_polynomial_without_higher_terms_is_constant() -> None:
    expected = 0.0878 * T
    np.testing.assert_allclose(quenching.polynomial(T, [0.0878, 0.0]), expected)
    np.testing.assert_allclose(quenching.polynomial(T, [0.0878]), expected)
    np.testing.assert_allclose(quenching.table(T, [0.0, 1.0], [0.0878, 0.0878]), expected)


def test_argon_end_point_of_the_projection() -> None:
    # The kinematic end 149.56 keVnr is 54.25 keVee with 0.246 + 0.00078 T (2003.10630).
    e_ee = quenching.polynomial(np.array([149.56e-3]), [0.246, 0.78])
    assert e_ee[0] == pytest.approx(54.24e-3, abs=0.02e-3)


def test_polynomial_counts_powers_from_one() -> None:
    np.testing.assert_allclose(quenching.polynomial(T, [0.05, 0.3, -2.0, 4.0]), 0.05 * T + 0.3 * T**2 - 2 * T**3 + 4 * T**4, atol=1e-18)


def test_table_is_linear_inside_and_flat_beyond() -> None:
    e_ee = quenching.table(np.array([0.005, 0.015, 0.100]), [0.01, 0.02], [0.06, 0.08])
    np.testing.assert_allclose(e_ee, [0.005 * 0.06, 0.015 * 0.07, 0.100 * 0.08])


def test_table_rejects_disordered_energies() -> None:
    with pytest.raises(DomainError, match="strictly increasing"):
        quenching.table(T, [0.02, 0.01], [0.06, 0.08])


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=4))
def test_no_polynomial_is_negative(coefficients: list[float]) -> None:
    e_ee = quenching.polynomial(T, coefficients)
    assert e_ee.min() >= 0
    assert e_ee[0] == 0


@given(st.floats(-1, 1), st.floats(-10, 10))
def test_linear_is_its_polynomial(constant: float, slope: float) -> None:
    np.testing.assert_allclose(np.maximum((constant + slope * T) * T, 0.0), quenching.polynomial(T, [constant, slope]), atol=1e-15)


@pytest.mark.parametrize(("t", "k", "factor"), [(0.05, 0.157, 0.114667), (0.095008, 0.157, 0.125002), (1.0, 0.162, 0.18948)])
def test_lindhard_of_germanium(t: float, k: float, factor: float) -> None:
    reduced = 11.5 * 32 ** (-7 / 3) * t
    by_hand = k * (3 * reduced**0.15 + 0.7 * reduced**0.6 + reduced)
    assert quenching.lindhard(np.array([t * 1e-3]), k, 32)[0] == pytest.approx(t * 1e-3 * by_hand / (1 + by_hand), rel=1e-12, abs=0.0)
    if k == 0.157:
        assert by_hand / (1 + by_hand) == pytest.approx(factor, rel=1e-5)


def test_lindhard_grows_with_k_and_stays_below_the_recoil() -> None:
    values = [quenching.lindhard(T, k, 32) for k in (0.1, 0.157, 0.3)]
    assert np.all(np.diff(values, axis=0)[:, 1:] > 0)
    assert np.all(values[-1][1:] < T[1:])
    assert [value[0] for value in values] == [0.0, 0.0, 0.0]
