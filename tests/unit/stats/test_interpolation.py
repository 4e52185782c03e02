"""HistFactory interpolation against pyhf and its own derivatives."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from cevnsfit.stats.interpolation import code4, code4p

ALPHA = np.array([-3.2, -1.0, -0.999, -0.4, 0.0, 1e-3, 0.5, 0.9999, 1.0, 2.7])


@pytest.mark.parametrize(("hi", "lo"), [(1.1, 1 / 1.1), (1.3, 0.6), (0.8, 1.25), (1.2, 1.1), (1.0, 1.0)])
def test_code4_is_that_of_pyhf(hi: float, lo: float) -> None:
    histogram_sets = [[[[lo], [1.0], [hi]]]]
    expected = np.asarray(pyhf.interpolators.code4(histogram_sets)(np.array([ALPHA]))).reshape(-1)
    np.testing.assert_allclose(code4(ALPHA, hi, lo).value, expected, rtol=1e-12)


def test_code4p_is_that_of_pyhf() -> None:
    down, nominal, up = 3.0, 4.0, 7.0
    delta = np.asarray(pyhf.interpolators.code4p([[[[down], [nominal], [up]]]])(np.array([ALPHA]))).reshape(-1)
    linear, quadratic = (up - down) / 2, (up + down - 2 * nominal) / 16
    np.testing.assert_allclose(ALPHA * linear + code4p(ALPHA).value * quadratic, delta, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("function", [lambda a: code4(a, 1.4, 0.7), code4p], ids=["code4", "code4p"])
def test_derivatives_are_those_of_the_function(function) -> None:
    a = np.array([-2.3, -0.99, -0.3, 0.0, 0.2, 0.99, 1.01, 1.9])
    h = 1e-5
    middle, above, below = function(a), function(a + h), function(a - h)
    np.testing.assert_allclose(middle.first, (above.value - below.value) / (2 * h), atol=2e-8)
    np.testing.assert_allclose(middle.second, (above.first - below.first) / (2 * h), atol=2e-5)


@pytest.mark.parametrize("edge", [-1.0, 1.0])
def test_pieces_join_smoothly(edge: float) -> None:
    inside, outside = np.array(edge * (1 - 1e-12)), np.array(edge * (1 + 1e-12))
    for function in (lambda a: code4(a, 1.4, 0.7), code4p):
        for one, other in zip(function(inside), function(outside), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
