"""Empirical coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import poisson

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.cls import cls_values, signal_test
from cevnsfit.infer.coverage import PER_UNIT, coverage_of, has_limits, measure_nested, studied
from cevnsfit.infer.hypothesis import at_value, default_hypothesis
from cevnsfit.infer.intervals import intervals
from cevnsfit.infer.profile import profile
from cevnsfit.infer.runner import HERE, Runner
from cevnsfit.infer.toys import CHUNK, Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import toy_data
from cevnsfit.stats.joint import join
from cevnsfit.studies.coverage import parse_truths

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.infer.coverage import Coverage
    from cevnsfit.stats.joint import Joint

SIGNAL, BACKGROUND = 4.0, 3.0


def counting(n: float) -> Joint:
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[SIGNAL], [BACKGROUND]]), rule, ("cevns", "background"), np.array([n]), None, (1,))
    return join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=0.0),)), (channel,))


def study(truth: float, toys: int, *, nested: bool) -> tuple[Coverage, ...]:
    test, number = default_hypothesis(counting(5.0), "mu"), toys if nested else 0
    return HERE(studied(at_value(test, truth), cl=0.90, toys=Toys(1 if nested else toys, 3), nested=number, point=0))


def test_profile_coverage_is_that_of_the_poisson_sum() -> None:
    truth = 1.0
    found, limits = study(truth, 1024, nested=False)
    n = np.arange(60.0)
    mean, best = SIGNAL * truth + BACKGROUND, np.maximum(n, BACKGROUND)
    t = 2 * (poisson.logpmf(n, best) - poisson.logpmf(n, mean))
    exact = float(poisson.pmf(n, mean)[t <= 2.7055].sum())
    assert found.toys == 1024
    assert found.covered == pytest.approx(exact, abs=4 * found.error)
    below = [cls_values(signal_test(counting(float(count)), "mu"), np.array([truth]))[0] >= 0.1 for count in n[:30]]
    assert limits.method == "cls"
    assert limits.covered == pytest.approx(float(poisson.pmf(n[:30], mean)[below].sum()), abs=4 * limits.error)


def test_profile_coverage_counts_intervals_that_contain_the_truth() -> None:
    """The shortcut t(truth) <= threshold is the interval's own answer."""
    for n in (1.0, 6.0, 12.0):
        joint = counting(n)
        ((low, high),) = intervals(joint, "mu", cl=0.90).allowed
        for truth in (0.9 * high, 1.1 * high):
            curve = default_hypothesis(joint, "mu")

            t = profile(joint, {"mu": np.array([truth])}).nll2[0] - curve.best
            assert (t <= 2.7055) == (low <= truth <= high)


def test_feldman_cousins_covers_at_least_nominally() -> None:
    """For counts FC over-covers: no interval of a discrete variable is exact."""
    profiled, _, ordered = study(0.75, 64, nested=True)
    assert (profiled.method, profiled.toys, ordered.method, ordered.toys) == ("profile", 128, "feldman-cousins", 64)
    assert ordered.covered > 0.90 - 3 * ordered.error
    assert ordered.failed == 0


def test_units_of_nested_toys_are_small_and_leave_the_rest_out() -> None:
    asked: list[int] = []
    test = default_hypothesis(counting(5.0), "mu")
    Runner(progress=lambda _, count: asked.append(count))(studied(at_value(test, 0.5), cl=0.90, toys=Toys(128, 3), nested=40, point=0))
    assert asked[-1] == 1 + 3 + 2  # the last two are what the toys need first
    one = at_value(test, 0.5)
    toys = toy_data(one.joint, one.theta, np.random.default_rng(3), CHUNK)
    rows = measure_nested(toys, test=one, alpha=0.1, stream=np.random.SeedSequence(3, spawn_key=(1, 0)))
    assert rows.shape == (CHUNK, 4)
    assert np.isfinite(rows[:PER_UNIT]).all()
    assert np.isposinf(rows[PER_UNIT:]).all()


def test_failures_are_counted() -> None:
    rows = np.array([[1.0, 0.5, 0.2, np.inf], [np.nan, np.nan, np.nan, np.inf], [9.0, 0.5, 0.2, np.inf]])
    (found,) = coverage_of(0.3, rows, cl=0.90, nested=False)
    assert (found.covered, found.toys, found.failed) == (0.5, 2, 1)


def test_limits_are_studied_where_counts_grow(make_joint: Callable[..., Joint]) -> None:
    assert has_limits(default_hypothesis(counting(5.0), "mu"))
    assert not has_limits(default_hypothesis(make_joint(), "g"))


def test_true_values_of_one_parameter() -> None:
    assert parse_truths(["g=1e-4:1e-2:3:log", "g=1"]) == ("g", (pytest.approx(1e-4), pytest.approx(1e-3), pytest.approx(1e-2), 1.0))
    assert parse_truths(["g=1e-3", "g=2e-3"]) == ("g", (1e-3, 2e-3))
    for texts in ([], ["g=1", "h=2"]):
        with pytest.raises(CevnsfitError, match="true values of one parameter"):
            parse_truths(texts)
