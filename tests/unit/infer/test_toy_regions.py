"""Feldman-Cousins regions in a plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.feldman_cousins import ToyPlan, feldman_cousins, hypotheses
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.toy_regions import column_hypotheses, column_interval, toy_region
from cevnsfit.infer.toys import in_this_process
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.infer.toys import Unit

PLAN = ToyPlan(256, 2)
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
    tests = column_hypotheses(likelihood, AXES, at={}, ordering="column")
    found = [column_interval(one, i, cl=0.9, plan=PLAN, throw=in_this_process) for i, one in enumerate(tests)]
    first = likelihood.at({"mass": 1.0})
    assert found[0] == feldman_cousins(hypotheses(first, "mu", held={}), cl=0.9, plan=PLAN)
    ends = [column.allowed[-1][1] for column in found]
    assert ends == sorted(ends)
    region = toy_region(AXES, tests, found)
    assert region.columns == tuple(column.allowed for column in found)
    assert math.isnan(region.threshold)
    assert region.excluded
    assert (region.cl, region.dof) == (0.9, 2)


def test_in_the_plane_all_columns_share_the_best_fit(likelihood: Likelihood) -> None:
    tests = column_hypotheses(likelihood, AXES, at={}, ordering="plane")
    alone = column_hypotheses(likelihood, AXES, at={}, ordering="column")
    assert {one.best for one in tests} == {min(one.best for one in alone)}
    assert all(len(one.rivals) == 3 for one in tests)
    found = [column_interval(one, i, cl=0.9, plan=PLAN, throw=in_this_process) for i, one in enumerate(tests)]
    assert all(column.allowed for column in found)
    statistics = [min(point.statistic for point in column.toys.points) for column in found if column.toys is not None]
    assert min(statistics) == pytest.approx(0.0, abs=1e-6)
    assert max(statistics) > 1e-3


def test_columns_have_random_streams_of_their_own(likelihood: Likelihood) -> None:
    seen: set[tuple[int, int]] = set()
    asked = 0

    def watch(units: Sequence[Unit]) -> list[np.ndarray]:
        nonlocal asked
        asked += len(units)
        seen.update((unit.point, unit.chunk) for unit in units)
        return [np.tile([1.0, 0.5, 0.1], (128, 1)) for _ in units]

    for i, one in enumerate(column_hypotheses(likelihood, AXES, at={}, ordering="column")):
        column_interval(one, i, cl=0.9, plan=PLAN, throw=watch)
    assert len(seen) == asked > 10


def test_orderings_have_names(likelihood: Likelihood) -> None:
    with pytest.raises(CevnsfitError, match="unknown ordering"):
        column_hypotheses(likelihood, AXES, at={}, ordering="both")
