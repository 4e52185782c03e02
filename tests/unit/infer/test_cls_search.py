"""Where the search for a CLs limit ends, and between which values limits from pseudo-experiments lie, for one counting experiment."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.cls import cls_limit, cls_limit_toys, signal_test
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from cevnsfit.stats.joint import Joint


def counting(n: float, signal: float, background: float, upper: float = math.inf) -> Joint:
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[signal], [background]]), rule, ("cevns", "background"), np.array([n]), None, (1,))
    return join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=-1.0, upper=upper),)), (channel,))


def height(n: float, mean: float) -> float:
    return max(2.0 * (mean - n + n * math.log(n / mean)), 0.0)


def closed_form(mu: float, n: float, signal: float, background: float) -> float:
    """Return CLs of the statistic q~ for n above the background (arXiv:1007.1727, eqs. 65 and 66); the best fit is (n - b)/s."""
    q = height(n, signal * mu + background) if mu > (n - background) / signal else 0.0
    asimov = height(background, signal * mu + background)
    if q > asimov:
        tails = (q + asimov) / (2.0 * math.sqrt(asimov)), (q - asimov) / (2.0 * math.sqrt(asimov))
    else:
        tails = math.sqrt(q), math.sqrt(q) - math.sqrt(asimov)
    return float(norm.sf(tails[0]) / norm.sf(tails[1]))


CASES = [(26.0, 10.0, 20.0), (220.0, 10.0, 20.0), (2.5e4, 3.0, 2.0e4), (4.0, 1e-3, 1.5)]


def limit(n: float, signal: float, background: float) -> float:
    best = (n - background) / signal
    far = best + 20.0 * math.sqrt(n) / signal
    return float(brentq(lambda mu: closed_form(mu, n, signal, background) - 0.1, best + 1e-9 * far, far, rtol=1e-12))


@pytest.mark.parametrize("case", CASES)
def test_the_search_ends_at_the_limit_in_closed_form(case: tuple[float, float, float]) -> None:
    found = cls_limit(signal_test(counting(*case), "mu"), cl=0.90)
    assert found.valid
    assert found.allowed[0] == pytest.approx((0.0, limit(*case)), rel=1e-5)
    medians = brentq(lambda mu: norm.sf(math.sqrt(height(case[2], case[1] * mu + case[2]))) / 0.5 - 0.1, 1e-9, 1e6, rtol=1e-12)
    assert found.expected[2] == pytest.approx(medians, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("factor", "inside"), [(1.0001, True), (1.3, True), (0.9999, False), (0.6, False)])
def test_the_search_ends_with_the_domain(case: tuple[float, float, float], factor: float, inside: bool) -> None:
    upper = factor * limit(*case)
    found = cls_limit(signal_test(counting(*case, upper), "mu"), cl=0.90)
    assert found.domain == pytest.approx((0.0, upper), rel=1e-12)
    if inside:
        assert found.allowed[0][1] == pytest.approx(limit(*case), rel=1e-5)
        assert found.excluded == (pytest.approx((found.allowed[0][1], upper)),)
    else:
        assert found.allowed[0][1] == math.inf
        assert found.excluded == ()
    assert all(value <= upper or value == math.inf for value in found.expected)
    assert math.isfinite(found.expected[0]) == (cls_limit(signal_test(counting(*case), "mu"), cl=0.90).expected[0] < upper)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "signal", "background", "floor"), [(3, 1.0, 1.0, 0.0), (9, 2.0, 3.0, 0.5)])
def test_limits_from_toys_lie_in_narrow_steps(n: int, signal: float, background: float, floor: float) -> None:
    """With few counts they lie off the asymptotic ones: steps around them are halved until the distances from no signal differ by 15 %."""
    test = signal_test(counting(float(n), signal, background), "mu", null=floor)
    found = cls_limit_toys(test, cl=0.90, toys=Toys(512, 3))
    assert found.toys is not None
    values = np.array([point.value for point in found.toys.points])
    assert np.all(np.diff(values) > 0)
    for end in (found.allowed[0][1], *found.expected):
        above = int(np.searchsorted(values, end))
        assert 0 < above < len(values)
        assert (values[above] - floor) / (values[above - 1] - floor) < 1.151

    def exact(mu: float, counts: int) -> float:
        ratio = poisson.cdf(counts, background + signal * mu) / poisson.cdf(counts, background + signal * floor)
        return float(ratio) - 0.1

    wanted = brentq(partial(exact, counts=n), floor, 50.0)
    assert found.allowed[0][1] - floor == pytest.approx(wanted - floor, rel=0.06)
    median = brentq(partial(exact, counts=int(poisson.median(background + signal * floor))), floor, 50.0)
    assert found.expected[2] - floor == pytest.approx(median - floor, rel=0.12)
