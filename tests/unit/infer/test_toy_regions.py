"""Feldman-Cousins regions in a plane."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import gammaincc

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.feldman_cousins import CLOSE, FAR, DecisionRule, construction, feldman_cousins, measure_plane
from cevnsfit.infer.hypothesis import at_value, at_values, default_hypothesis, likelihood_ratio
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.runner import HERE, Runner
from cevnsfit.infer.toy_planes import ALTERNATIVES, STRIDE, alternative_columns, column_hypotheses, column_intervals, toy_region
from cevnsfit.infer.toys import CHUNK, Toys
from cevnsfit.io.layouts import load_chunk, open_toys, save_chunk
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import toy_data
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


TOYS = Toys(256, 2)
AXES = (PlaneAxis("mass", "MeV", np.array([1.0, 2.0, 4.0]), "log"), PlaneAxis("mu", "1", np.geomspace(0.01, 4.0, 20), "log"))


@pytest.fixture
def likelihood() -> Likelihood:
    """Return 14 events in two bins, signals that fall with the mass, and a known background of 10."""
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))

    def build(shape: Mapping[str, float]) -> tuple[Channel, ...]:
        templates = np.array([[8.0 / shape["mass"], 4.0 / shape["mass"] ** 2], [5.0, 5.0]])
        return (Channel("one", templates, rule, ("cevns", "background"), np.array([8.0, 6.0]), None, (2,)),)

    mass = Parameter("mass", "nonlinear", 1.0, 0.5, 10.0, "MeV", "log")
    return Likelihood(ParameterSet((mass, Parameter("mu", "polynomial", 0.0, lower=0.0))), build)


def test_a_raster_scan_is_an_interval_in_each_column(likelihood: Likelihood) -> None:
    tests = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="column"))
    found = HERE(column_intervals(tests, cl=0.9, toys=TOYS))
    first = likelihood.at({"mass": 1.0})
    assert found[0] == feldman_cousins(default_hypothesis(first, "mu"), cl=0.9, toys=TOYS)
    ends = [column.allowed[-1][1] for column in found]
    assert ends == sorted(ends)
    region = toy_region(AXES, tests, found)
    assert region.columns == tuple(column.allowed for column in found)
    assert math.isnan(region.threshold)
    assert region.excluded
    assert (region.cl, region.dof) == (0.9, 2)


@pytest.mark.slow
def test_in_the_plane_all_columns_share_the_best_fit(likelihood: Likelihood) -> None:
    tests = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="plane"))
    alone = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="column"))
    assert {one.best for one in tests} == {min(one.best for one in alone)}
    assert all(len(one.alternatives) == 3 for one in tests)
    assert all(one.alternatives[0].joint is one.joint for one in tests)
    found = HERE(column_intervals(tests, cl=0.9, toys=TOYS))
    assert all(column.allowed for column in found)
    statistics = [min(point.statistic for point in column.toys.points) for column in found if column.toys is not None]
    assert min(statistics) == pytest.approx(0.0, abs=1e-6)
    assert max(statistics) > 1e-3


def test_columns_have_random_streams_of_their_own(likelihood: Likelihood) -> None:
    asked: list[tuple[int, int]] = []

    def known(point: int, number: int) -> np.ndarray:
        asked.append((point, number))
        return np.tile([1.0, 0.5, 0.1], (128, 1))

    tests = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="column"))
    Runner(load=known)(column_intervals(tests, cl=0.9, toys=TOYS))
    assert len(set(asked)) == len(asked) > 10
    assert {point // STRIDE for point, _ in asked} == {0, 1, 2}


def test_orderings_have_names(likelihood: Likelihood) -> None:
    with pytest.raises(CevnsfitError, match="unknown ordering"):
        HERE(column_hypotheses(likelihood, AXES, at={}, ordering="both"))


def test_a_store_has_room_for_many_columns(tmp_path: Path) -> None:
    last = 1000 * STRIDE + STRIDE - 1
    rows = np.arange(3.0 * CHUNK).reshape(CHUNK, 3)
    with open_toys(tmp_path, {}, 3) as store:
        save_chunk(store, last, 7, rows)
        np.testing.assert_array_equal(load_chunk(store, last, 7), rows)


def test_a_region_has_toys_near_its_boundaries_alone_and_the_same_boundaries(likelihood: Likelihood) -> None:
    """With the steps, limits and divisions of an interval the boundary is the same within the Monte Carlo errors of both."""
    test = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="plane"))[1]
    toys = Toys(512, 3)
    few, many = (HERE(construction(test, cl=0.9, toys=toys, dof=dof)) for dof in (2, 0))
    assert few.toys is not None
    assert many.toys is not None
    assert sum(point.toys > 0 for point in few.toys.points) < 0.7 * sum(point.toys > 0 for point in many.toys.points)
    for point in few.toys.points:
        p = gammaincc(1.0, point.statistic / 2.0)
        assert (point.toys > 0) == (point.statistic < FAR and 0.003 <= p <= 0.5)
        if not point.toys:
            assert (point.p, point.error) == (pytest.approx(0.0 if point.statistic >= FAR else p), 0.0)
    heights = [at_value(test, found.allowed[-1][1]).nll2 - test.best for found in (few, many)]
    assert heights[0] == pytest.approx(heights[1], abs=5 * 2 * 0.0133 / 0.1)  # p is about exp(-t/2)


@pytest.mark.parametrize("cl", [0.68, 0.9, 0.95])
def test_values_decided_without_toys_have_an_asymptotic_p_value_far_from_the_level(likelihood: Likelihood, cl: float) -> None:
    """Two degrees of freedom: p = exp(-t/2) is below 0.03 (1 - CL), or above 5 (1 - CL): 0.003 and 0.5 at 90 % CL; without a plane only t = 25 decides."""
    column = HERE(column_hypotheses(likelihood, AXES, at={}, ordering="plane"))[1]
    plane, line = (DecisionRule(1.0 - cl, TOYS, dof) for dof in (2, 0))
    outcomes = set()
    for test in at_values(column, np.linspace(0.0, 30.0, 120)):
        statistic = test.nll2 - test.best
        p = math.exp(-statistic / 2.0)
        outside = {p < 0.03 * (1.0 - cl): "excluded", p > 5.0 * (1.0 - cl): "allowed"}.get(True, "toys")
        outcomes.add(outside)
        known = plane.without_toys(test)
        assert (known is None) == (outside == "toys")
        if known is not None:
            assert (known.p >= 1.0 - cl) == (outside == "allowed")
            assert (known.toys, known.p) == (0, pytest.approx(0.0 if statistic >= FAR else p, abs=1e-12))
        assert (line.without_toys(test) is None) == (statistic < FAR)
    assert outcomes == ({"excluded", "toys"} if cl < 0.8 else {"excluded", "toys", "allowed"})


def test_alternatives_are_needed_where_no_earlier_one_is_as_good(likelihood: Likelihood) -> None:
    test = at_value(HERE(column_hypotheses(likelihood, AXES, at={}, ordering="plane"))[2], 1.0)
    data = toy_data(test.joint, test.theta, np.random.default_rng(1), 64)
    rows = measure_plane(data, test=test)
    np.testing.assert_array_equal(rows[:, :3], likelihood_ratio(data, test=test))
    alone = [likelihood_ratio(data, test=replace(test, alternatives=(one,)))[:, 1] for one in test.alternatives]
    for row, lowest, *each in zip(rows[:, 3], rows[:, 1], *alone, strict=True):
        assert each[int(row)] <= lowest + CLOSE
        assert all(other > lowest + CLOSE for other in each[: int(row)])


@pytest.mark.parametrize(("own", "count"), [(0, 1), (2, 3), (21, 50), (35, 50)])
def test_the_own_column_comes_first_among_the_alternatives(own: int, count: int) -> None:
    found = alternative_columns(own, count)
    assert found[0] == own
    assert len(set(found)) == len(found) <= ALTERNATIVES + 1
    assert {0, count - 1} <= set(found) <= set(range(count))
