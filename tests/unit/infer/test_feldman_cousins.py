"""Feldman-Cousins intervals on small likelihoods."""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.intervals import intervals
from cevnsfit.infer.runner import Runner
from cevnsfit.infer.toys import TIE, Toys, p_value
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint

UNIT = 6.0
"""Signal events at mu = 1."""


@pytest.fixture
def counting() -> Callable[[float], Joint]:
    """Return n events, a signal of `UNIT` events times mu, and a known background of 3."""

    def build(n: float) -> Joint:
        rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
        channel = Channel("one", np.array([[UNIT], [3.0]]), rule, ("cevns", "background"), np.array([n]), None, (1,))
        return join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=0.0),)), (channel,))

    return build


@pytest.mark.parametrize(("n", "low", "high"), [(1, 0.0, 1.88), (4, 0.0, 5.60), (8, 1.51, 10.99)])
def test_poisson_with_a_known_background(counting: Callable[[float], Joint], n: int, low: float, high: float) -> None:
    """Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, table IV: b = 3 at 90 % CL."""
    found = feldman_cousins(default_hypothesis(counting(float(n)), "mu"), cl=0.90, toys=Toys(1024, 2))
    assert found.valid
    assert len(found.allowed) == 1
    assert UNIT * found.allowed[0][0] == pytest.approx(low, abs=0.4)
    assert UNIT * found.allowed[0][1] == pytest.approx(high, abs=0.6)


def test_the_result_says_how_it_was_found(make_joint: Callable[..., Joint]) -> None:
    joint, toys = make_joint(None, g=0.9), Toys(256, 5)
    found = feldman_cousins(default_hypothesis(joint, "g"), cl=0.68, toys=toys)
    record = found.toys
    assert record is not None
    assert (found.cl, found.poi, record.seed) == (0.68, "g", 5)
    assert "Feldman-Cousins" in found.method
    assert record.toys == sum(point.toys for point in record.points) > 1000
    assert record.failed == 0
    assert all(point.toys in {0, 128, 256} for point in record.points)
    assert all(point.toys == 0 for point in record.points if point.statistic > 25)
    assert any(low < 0.9 < high for low, high in found.allowed)


def test_two_branches_make_two_intervals(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    asymptotic = intervals(joint, "g", cl=0.95)
    found = feldman_cousins(default_hypothesis(joint, "g"), cl=0.95, toys=Toys(128, 1))
    assert len(found.allowed) == len(asymptotic.allowed)
    assert found.allowed[0][1] == pytest.approx(asymptotic.allowed[0][1], rel=0.15)


def test_clear_decisions_cost_one_chunk(counting: Callable[[float], Joint]) -> None:
    asked: list[tuple[int, int]] = []
    run = Runner(progress=lambda *counts: asked.append(counts))
    found = feldman_cousins(default_hypothesis(counting(4.0), "mu"), cl=0.90, toys=Toys(512, 1), run=run)
    assert found.toys is not None
    tested = [point for point in found.toys.points if point.toys]
    clear = [point for point in tested if abs(point.p - 0.1) > 0.25]
    assert clear
    assert all(point.toys == 128 for point in clear)
    assert asked[-1][0] == asked[-1][1]
    assert (
        0 <= asked[-1][0] - (found.toys.toys + found.toys.failed) / 128 < 10
    )  # and the profiled curve, and the values between which edges lie


class Changing(Executor):
    """An executor that changes what is measured on each chunk."""

    def __init__(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self.change = change

    def submit(self, function: Callable[..., np.ndarray], /, *args: object) -> Future[np.ndarray]:  # type: ignore[override]
        future: Future[np.ndarray] = Future()
        result = function(*args)
        future.set_result(self.change(result) if isinstance(result, np.ndarray) else result)
        return future


def test_failed_toys_are_counted_and_the_result_is_not_valid(counting: Callable[[float], Joint]) -> None:
    def some_fail(rows: np.ndarray) -> np.ndarray:
        rows[:3] = np.nan
        return rows

    found = feldman_cousins(default_hypothesis(counting(4.0), "mu"), cl=0.90, toys=Toys(128, 1), run=Runner(Changing(some_fail)))
    assert not found.valid
    assert found.toys is not None
    assert found.toys.failed == 3 * sum(point.toys > 0 for point in found.toys.points)
    assert {point.toys for point in found.toys.points} == {0, 125}


def test_nothing_but_failures_is_not_valid(counting: Callable[[float], Joint]) -> None:
    found = feldman_cousins(
        default_hypothesis(counting(4.0), "mu"), cl=0.90, toys=Toys(128, 1), run=Runner(Changing(lambda rows: np.full_like(rows, np.nan)))
    )
    assert not found.valid
    assert found.toys is not None
    assert found.toys.undecided > 0


def test_an_interval_without_a_value_is_an_error(counting: Callable[[float], Joint]) -> None:
    test = default_hypothesis(counting(4.0), "mu")
    with pytest.raises(CevnsfitError, match=r"none of \d+ tested values of mu is allowed"):
        feldman_cousins(replace(test, best=test.best - 60.0), cl=0.90, toys=Toys(128, 1))


def test_toys_that_equal_the_data_count_whatever_the_rounding_of_their_fits() -> None:
    toys = 2.0 + np.array([-TIE / 2, -1e-12, 0.0, TIE / 2, -1e-3, 1e-3, -1.0, np.inf])
    assert p_value(toys, 2.0)[0] == 6 / 8
    assert p_value(toys, math.inf)[0] == 1 / 8
    assert math.isnan(p_value(toys, math.nan)[0])


def test_p_value_has_an_error_even_without_a_toy_above() -> None:
    assert p_value(np.zeros(98), 1.0) == (0.0, pytest.approx(math.sqrt(0.01 * 0.99 / 98)))
    assert p_value(np.ones(98), 1.0)[0] == 1.0


def test_cls_is_the_ratio_of_two_p_values() -> None:
    signal, background = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 5.0, 6.0])
    ratio, error = p_value(signal, 3.5, background)
    assert ratio == pytest.approx(0.25 / 0.5)
    (p, a), (b, c) = p_value(signal, 3.5), p_value(background, 3.5)
    assert error == pytest.approx(p / b * math.hypot(a / p, c / b))
    assert np.isnan(p_value(signal, 9.0, background)[0])
    assert np.isnan(p_value(np.empty(0), 1.0, background)[0])


@pytest.mark.parametrize(("toys", "seed"), [(0, 1), (10, -1)])
def test_a_plan_needs_toys_and_a_seed(toys: int, seed: int) -> None:
    with pytest.raises(DomainError, match="pseudo-experiments need"):
        Toys(toys, seed)
