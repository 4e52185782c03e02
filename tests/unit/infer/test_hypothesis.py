"""A value of one parameter under test: its fit, its statistics, and what is measured on pseudo-experiments."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.infer.fit import fit
from cevnsfit.infer.hypothesis import (
    Alternative,
    at_value,
    at_values,
    default_hypothesis,
    hypothesis,
    likelihood_ratio,
    profile_at,
    q0,
    q_tilde,
    t,
    toys_of,
    with_best_fit,
)
from cevnsfit.infer.toys import point_test, run_chunk
from cevnsfit.stats.data import asimov_data, observed_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint

ROWS = np.array([[5.0, 1.0, 0.3], [5.0, 1.0, 0.7], [1.0, 1.0 + 1e-9, 0.5], [np.nan, np.nan, np.nan]])


def test_the_statistics_follow_from_three_numbers() -> None:
    np.testing.assert_array_equal(t(ROWS), [4.0, 4.0, 0.0, np.nan])
    np.testing.assert_array_equal(q_tilde(ROWS, 0.5), [4.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(q0(ROWS, 0.5), [0.0, 4.0, 0.0, np.nan])
    np.testing.assert_array_equal(q_tilde(ROWS[:2], np.array([0.2, 0.8])), [0.0, 4.0])


def test_failures_are_counted_and_are_no_small_statistic() -> None:
    point = point_test(0.5, 4.0, [q0(ROWS, 0.5)], 0.9)
    assert (point.p, point.toys, point.failed) == (pytest.approx(1 / 3), 3, 1)
    (sample,) = point.samples
    assert not np.isnan(sample).any()
    assert point_test(0.5, 4.0, [np.full(3, np.nan)]).failed == 3
    assert not point_test(0.5, 4.0, [np.full(3, np.nan)], 0.1).decided


def test_a_hypothesis_is_a_conditional_fit_and_its_best_fit_the_free_one(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(3, g=0.5)
    test = default_hypothesis(joint, "g", at={"flux": 0.2})
    assert test.held == {"flux": 0.2, "g": 0.0}
    held, free = fit(joint, at=test.held, minos=()), fit(joint, at={"flux": 0.2}, minos=())
    assert test.nll2 == pytest.approx(held.nll2, abs=1e-6)
    np.testing.assert_allclose(test.theta, [held.values[name] for name in joint.parameters.names], atol=1e-3)
    assert test.best == pytest.approx(free.nll2, abs=1e-6)
    assert test.estimate == pytest.approx(free.values["g"], abs=1e-3)
    np.testing.assert_array_equal(test.observed, [[test.nll2, test.best, test.estimate]])


def test_before_the_best_fit_there_is_none(make_joint: Callable[..., Joint]) -> None:
    test = hypothesis(make_joint(), "g", 0.3)
    assert test.alternatives == ()
    assert math.isnan(test.best)
    assert with_best_fit(test).best <= test.nll2


def test_other_values_share_the_best_fit(make_joint: Callable[..., Joint]) -> None:
    test = default_hypothesis(make_joint(), "g")
    values = np.array([0.2, 0.6])
    several = at_values(test, values)
    for one, value, nll2 in zip(several, values, profile_at(test, values).nll2, strict=True):
        alone = at_value(test, float(value))
        assert (one.value, one.nll2, one.best) == (value, nll2, test.best)
        assert alone.nll2 == pytest.approx(nll2, abs=1e-6)
        assert alone.alternatives is test.alternatives


def test_data_given_by_hand_take_the_place_of_the_observed(make_joint: Callable[..., Joint]) -> None:
    """A measured background follows from the data of the hypothesis: its pseudo-experiments are those of that data set."""
    joint = make_joint()
    data = asimov_data(joint, joint.parameters.vector({"g": 0.9}))
    test = with_best_fit(hypothesis(joint, "g", 0.9, data=data))
    assert test.best == pytest.approx(0.0, abs=1e-6)
    assert observed_data(test.joint).counts[1] is data.counts[1]
    control = test.joint.channels[1].control
    assert control is not None
    np.testing.assert_array_equal(control.counts, data.control[1])


def test_the_best_fit_is_the_lowest_of_the_alternatives(make_joint: Callable[..., Joint]) -> None:
    """A second likelihood that fits pseudo-experiments better lowers what they are compared with, and never raises it."""
    joint = make_joint()
    tilted = (replace(joint.channels[0], templates=joint.channels[0].templates * np.linspace(2.0, 0.5, 20)), joint.channels[1])
    other = join(joint.parameters, tilted)
    test = at_value(default_hypothesis(joint, "g"), 0.4)
    toys = toy_data(other, other.parameters.defaults(), np.random.default_rng(2), 8)
    alone = likelihood_ratio(toys, test=test)
    starts = default_hypothesis(other, "g").alternatives[0].starts
    both = likelihood_ratio(toys, test=replace(test, alternatives=(*test.alternatives, Alternative(other, starts))))
    np.testing.assert_allclose(both[:, 0], alone[:, 0], atol=1e-6)
    assert np.all(both[:, 1] <= alone[:, 1] + 1e-6)
    assert np.median(alone[:, 1] - both[:, 1]) > 5.0


def test_pseudo_experiments_of_one_value_may_be_measured_at_another(make_joint: Callable[..., Joint]) -> None:
    test = default_hypothesis(make_joint(), "g")
    signal = at_value(test, 0.9)
    own, without = (run_chunk(toys_of(one, 1, 0, measured=signal)) for one in (signal, test))
    assert np.median(t(own)) < 1.0 < np.median(t(without))


def test_a_value_outside_its_domain_is_refused(make_joint: Callable[..., Joint]) -> None:
    with pytest.raises(DomainError):
        hypothesis(make_joint(), "g", -1.0)
    with pytest.raises(UnknownNameError):
        hypothesis(make_joint(), "h", 1.0)
