"""Feldman-Cousins intervals against the exact construction: events on a known background, and a Gaussian whose mean is 0 or more.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, tables IV and X.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import norm, poisson

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.stats.joint import Joint

    Floats = np.ndarray
    Exact = Callable[[Floats], Floats]

ALPHA = 0.1
BACKGROUNDS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)

TABLE_IV: dict[float, list[tuple[float, float]]] = {
    0.0: [(0, 2.44), (0.11, 4.36), (0.53, 5.91), (1.10, 7.42), (1.47, 8.60), (1.84, 9.99), (2.21, 11.47), (3.56, 12.53), (3.96, 13.99),
          (4.36, 15.30), (5.50, 16.50)],
    0.5: [(0, 1.94), (0, 3.86), (0.03, 5.41), (0.60, 6.92), (1.17, 8.10), (1.53, 9.49), (1.90, 10.97), (3.06, 12.03), (3.46, 13.49),
          (3.86, 14.80), (5.00, 16.00)],
    1.0: [(0, 1.61), (0, 3.36), (0, 4.91), (0.10, 6.42), (0.74, 7.60), (1.25, 8.99), (1.61, 10.47), (2.56, 11.53), (2.96, 12.99),
          (3.36, 14.30), (4.50, 15.50)],
    2.0: [(0, 1.26), (0, 2.53), (0, 3.91), (0, 5.42), (0, 6.60), (0.43, 7.99), (1.08, 9.47), (1.59, 10.53), (2.14, 11.99), (2.53, 13.30),
          (3.50, 14.50)],
    3.0: [(0, 1.08), (0, 1.88), (0, 3.04), (0, 4.42), (0, 5.60), (0, 6.99), (0.15, 8.47), (0.89, 9.53), (1.51, 10.99), (1.88, 12.30),
          (2.63, 13.50)],
    5.0: [(0, 0.98), (0, 1.22), (0, 1.73), (0, 2.78), (0, 3.60), (0, 4.99), (0, 6.47), (0, 7.53), (0, 8.99), (0.43, 10.30), (1.20, 11.50)],
}  # fmt: skip
"""Signal means at 90 % CL for 0 to 10 events, by the background."""

LENGTHENED = {(0, 2.0), (0, 3.0), (0, 5.0), (1, 5.0)}
"""Events and background for which the paper raised the upper end, so that it does not rise with the background (section IV.B)."""

TABLE_X = {-3.0: (0, 0.26), -2.0: (0, 0.40), -1.0: (0, 0.81), 0.0: (0, 1.64), 1.0: (0, 2.64), 2.0: (0.58, 3.64), 3.0: (1.37, 4.64)}
"""Means at 90 % CL by the measured value, in units of its error."""


def counting(n: float, background: float, signal: float = 1.0, **changes: float | bool) -> Joint:
    """Return n events, a strength that brings `signal` events, and a known background."""
    rows = 1 + (background > 0.0)
    rule = Coefficients(
        ("mu",), np.array([[1], [0]])[:rows], np.ones((rows, 1)), np.ones((rows, 1)), np.full(rows, -1), np.zeros(rows, dtype=np.int64)
    )
    channel = Channel("one", np.array([[signal], [background]])[:rows], rule, ("cevns", "background")[:rows], np.array([n]), None, (1,))
    mu = Parameter("mu", "polynomial", 1.0 / signal, least=0.0, **changes)  # type: ignore[arg-type]
    return join(ParameterSet((mu,)), (channel,)).physical


def counting_p(mu: Floats, n: int, background: float) -> Floats:
    """Return the p-value of n events at each mean of the signal: that of all numbers with at least its likelihood ratio."""
    k, mean = np.arange(120), mu[:, None] + background
    best = np.maximum(k, background)
    t = 2.0 * (mean - best - xlogy(k, mean) + xlogy(k, best))
    return np.where(t >= t[:, [n]] - 1e-9, poisson.pmf(k, mean), 0.0).sum(axis=1)


def gaussian_p(mu: Floats, x: float) -> Floats:
    """Return the p-value of a measured x at each mean >= 0; the error is 1."""
    t = (x - mu) ** 2 - min(x, 0.0) ** 2
    root = np.sqrt(np.maximum(t, 0.0))
    low = np.where(mu >= root, mu - root, (mu**2 - t) / (2.0 * np.maximum(mu, 1e-12)))
    return norm.sf(root) + norm.cdf(low - mu)


def exact_ends(p: Exact, top: float, alpha: float = ALPHA) -> tuple[float, float]:
    """Return the outer ends of the means with p >= alpha, to `top` / 10000."""
    mu = np.linspace(0.0, top, 10001)
    inside = mu[p(mu) >= alpha]
    return float(inside[0]), float(inside[-1])


def agrees(found: Intervals, p: Exact, top: float, toys: int) -> None:
    """Assert that all p-values are the exact ones within 5 Monte Carlo errors, and that both ends lie between those of p = 0.1 -+ 4 errors."""
    assert found.valid
    assert found.toys is not None
    assert found.at_domain_end == ()
    for point in found.toys.points:
        if point.toys:
            (exact,) = p(np.array([point.value]))
            assert abs(point.p - exact) <= 5.0 * math.sqrt(max(exact * (1.0 - exact), 1.0 / point.toys) / point.toys)
    error = 4.0 * math.sqrt(ALPHA * (1.0 - ALPHA) / toys)
    outer, inner = exact_ends(p, top, ALPHA - error), exact_ends(p, top, ALPHA + error)
    low, high = found.allowed[0][0], found.allowed[-1][1]
    step = 0.005 + top / 10000.0
    assert outer[0] - step <= low <= inner[0] + step
    assert inner[1] - step <= high <= outer[1] + step


def checked(n: int, background: float, toys: int) -> None:
    found = feldman_cousins(default_hypothesis(counting(float(n), background), "mu"), cl=1.0 - ALPHA, toys=Toys(toys, 1))
    agrees(found, lambda mu: counting_p(mu, n, background), 25.0, toys)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_exact_construction_is_that_of_the_published_table(background: float) -> None:
    for n, (low, high) in enumerate(TABLE_IV[background]):
        exact = exact_ends(lambda mu, n=n: counting_p(mu, n, background), 20.0)  # type: ignore[misc]
        assert exact[0] == pytest.approx(low, abs=0.01)
        if (n, background) in LENGTHENED:
            assert exact[1] < high
        else:
            assert exact[1] == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(("n", "background"), [(0, 0.5), (3, 0.5), (1, 5.0)])
def test_counting_with_a_known_background(n: int, background: float) -> None:
    checked(n, background, 2048)


@pytest.mark.slow
@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("n", range(11))
def test_counting_with_a_known_background_on_the_whole_table(n: int, background: float) -> None:
    checked(n, background, 8192)


@pytest.mark.parametrize("x", TABLE_X)
def test_the_exact_bounded_gaussian_is_that_of_the_published_table(x: float) -> None:
    assert exact_ends(lambda mu: gaussian_p(mu, x), 6.0) == pytest.approx(TABLE_X[x], abs=0.01)


@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0])
def test_many_counts_are_a_bounded_gaussian(x: float) -> None:
    background = 1e6
    joint = counting(background + x * 1e3, background, 1e3)
    found = feldman_cousins(default_hypothesis(joint, "mu"), cl=1.0 - ALPHA, toys=Toys(2048, 1))
    agrees(found, lambda mu: gaussian_p(mu, x), 6.0, 2048)


def test_the_lower_end_belongs_to_data_that_equal_toys() -> None:
    """With 3 events on 0.5 the interval begins where 3 events enter the acceptance, and without equal toys at 1.27."""
    found = feldman_cousins(default_hypothesis(counting(3.0, 0.5), "mu"), cl=0.9, toys=Toys(2048, 3))
    assert found.allowed[0][0] == pytest.approx(0.60, abs=0.15)


@pytest.mark.parametrize("signal", [1e-6, 1e6])
def test_the_unit_of_the_parameter_changes_nothing(signal: float) -> None:
    ends = [
        np.array(feldman_cousins(default_hypothesis(counting(7.0, 2.0, unit), "mu"), cl=0.9, toys=Toys(256, 1)).allowed) * unit
        for unit in (1.0, signal)
    ]
    np.testing.assert_allclose(*ends, rtol=1e-5)


def test_a_parameter_that_is_held_by_default_floats_when_it_is_asked_for() -> None:
    held, free = (
        feldman_cousins(default_hypothesis(counting(7.0, 2.0, fixed=fixed), "mu"), cl=0.9, toys=Toys(256, 1)) for fixed in (True, False)
    )
    assert held.allowed == free.allowed


def test_an_end_of_the_domain_is_named() -> None:
    found = feldman_cousins(default_hypothesis(counting(12.0, 2.0, upper=6.0), "mu"), cl=0.9, toys=Toys(256, 1))
    assert found.allowed[0][1] == found.domain[1] == 6.0
    assert found.at_domain_end == ("upper",)


def test_data_that_the_model_cannot_make_are_an_error() -> None:
    joint = counting(4.0, 0.0)
    (channel,) = joint.channels
    impossible = join(joint.parameters, (replace(channel, templates=np.array([[1.0, 0.0]]), observed=np.array([1.0, 2.0]), bins=(2,)),))
    with pytest.raises(CevnsfitError, match="no value of mu can be tested"):
        feldman_cousins(default_hypothesis(impossible, "mu"), cl=0.9, toys=Toys(128, 1))
