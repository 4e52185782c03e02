"""Empirical coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import poisson

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.cls import cls_values, signal_test
from cevnsfit.infer.coverage import PER_UNIT, coverage_of, coverage_units, has_limits
from cevnsfit.infer.feldman_cousins import hypotheses
from cevnsfit.infer.intervals import intervals
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import CHUNK, in_this_process
from cevnsfit.stats.channel import Channel, Coefficients
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
    tests = hypotheses(counting(5.0), "mu", held={})
    units = coverage_units(tests, truth, toys, (3, 0), alpha=0.1 if nested else None)
    return coverage_of(truth, np.concatenate(in_this_process(units)), cl=0.90, nested=nested)


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
            curve = hypotheses(joint, "mu", held={})

            t = profile(joint, {"mu": np.array([truth])}).nll2[0] - curve.best
            assert (t <= 2.7055) == (low <= truth <= high)


def test_feldman_cousins_covers_at_least_nominally() -> None:
    """For counts FC over-covers: no interval of a discrete variable is exact."""
    profiled, ordered = study(0.75, 64, nested=True)
    assert (profiled.toys, ordered.toys) == (64, 64)
    assert ordered.covered > 0.90 - 3 * ordered.error
    assert ordered.failed == 0


def test_units_of_nested_toys_are_small_and_leave_the_rest_out() -> None:
    tests = hypotheses(counting(5.0), "mu", held={})
    units = coverage_units(tests, 0.5, 40, (3, 0), alpha=0.1)
    assert len(units) == 3
    rows = in_this_process(units[:1])[0]
    assert rows.shape == (CHUNK, 4)
    assert np.isfinite(rows[:PER_UNIT]).all()
    assert np.isposinf(rows[PER_UNIT:]).all()


def test_failures_are_counted() -> None:
    rows = np.array([[1.0, 0.5, 0.2, np.inf], [np.nan, np.nan, np.nan, np.inf], [9.0, 0.5, 0.2, np.inf]])
    (found,) = coverage_of(0.3, rows, cl=0.90, nested=False)
    assert (found.covered, found.toys, found.failed) == (0.5, 2, 1)


def test_limits_are_studied_where_counts_grow(make_joint: Callable[..., Joint]) -> None:
    assert has_limits(hypotheses(counting(5.0), "mu", held={}))
    assert not has_limits(hypotheses(make_joint(), "g", held={}))


def test_true_values_of_one_parameter() -> None:
    assert parse_truths(["g=1e-4:1e-2:3:log", "g=1"]) == ("g", (pytest.approx(1e-4), pytest.approx(1e-3), pytest.approx(1e-2), 1.0))
    assert parse_truths(["g=1e-3", "g=2e-3"]) == ("g", (1e-3, 2e-3))
    for texts in ([], ["g=1", "h=2"]):
        with pytest.raises(CevnsfitError, match="true values of one parameter"):
            parse_truths(texts)
