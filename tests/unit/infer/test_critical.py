"""Critical values at nodes: against known ones, between nodes, and for other data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import chi2, norm

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.critical import REMOTE, CriticalValues
from cevnsfit.infer.curve import Heights
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.gaussian import Errors
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies.critical_values import critical_values, table_of
from cevnsfit.studies.limits import intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

NODES = np.linspace(0.0, 6.0, 13)
TABLE_X = {-1.0: (0.0, 0.81), 0.0: (0.0, 1.64), 1.0: (0.0, 2.64), 2.0: (0.58, 3.64), 3.0: (1.37, 4.64)}
"""Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, table X: means at 90 % CL by the measured value, in units of its error."""

RULE = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))


def gaussian(x: float, signal: float = 1.0) -> Likelihood:
    """Return a value with an error of 1, whose mean is a strength of at least 0 times `signal`, on 50."""
    errors = Errors(np.ones(1), np.ones(1))
    channel = Channel("one", np.array([[signal], [50.0]]), RULE, ("cevns", "background"), np.array([50.0 + x]), None, (1,), errors=errors)
    return Likelihood(ParameterSet((Parameter("mu", "polynomial", 0.0, least=0.0),)), lambda _: (channel,))


@pytest.fixture(scope="module")
def known() -> CriticalValues:
    return critical_values(gaussian(0.3), mu=NODES, cl=[0.9, 0.68], toys=Toys(2048, 1))


def exact(mu: float, cl: float) -> float:
    """Return the critical value of a mean that is at least 0: half of the values below 0 have the best fit 0 (section IV.B)."""
    low, high = 0.0, 10.0
    for _ in range(60):
        root = math.sqrt(middle := 0.5 * (low + high))
        below = mu - root if root <= mu else (mu * mu - middle) / (2.0 * mu) if mu > 0.0 else -math.inf
        tail = norm.sf(root) + norm.cdf(below - mu)
        low, high = (middle, high) if tail > 1.0 - cl else (low, middle)
    return low


@pytest.mark.parametrize("cl", [0.68, 0.9])
def test_critical_values_of_a_bounded_gaussian(known: CriticalValues, cl: float) -> None:
    assert known.cls == (0.68, 0.9)
    found, errors = (part[known.cls.index(cl)] for part in (known.critical, known.errors))
    expected = np.array([exact(mu, cl) for mu in NODES])
    assert np.all(np.abs(found - expected) < 4.5 * errors)
    assert expected[0] == pytest.approx(norm.isf(1 - cl) ** 2, abs=1e-9)
    assert expected[-1] == pytest.approx(norm.isf(0.5 * (1 - cl)) ** 2, rel=1e-5)


def test_heights_of_a_plane_are_those_of_its_nodes_and_none_beyond(known: CriticalValues) -> None:
    first = PlaneAxis("m", "MeV", np.array([1.0, 10.0, 100.0]), "log")
    rows = np.array([[factor * row for factor in (1.0, 1.5, 3.0)] for row in known.critical])
    plane = replace(known, axes=(first, known.axes[0]), critical=rows)
    for x, factor in ((1.0, 1.0), (10.0, 1.5), (100.0, 3.0)):
        np.testing.assert_allclose(plane.heights(0.9, x)(NODES), factor * known.heights(0.9)(NODES), rtol=1e-9)
    for x in (0.99, 101.0):
        with pytest.raises(CevnsfitError, match=f"m = {x:g} is outside the nodes of the map, 1 to 100 MeV"):
            plane.heights(0.9, x)
    with pytest.raises(CevnsfitError, match=r"none at 0\.95"):
        plane.heights(0.95, 10.0)


@pytest.mark.parametrize("x", TABLE_X)
def test_a_map_serves_other_data(known: CriticalValues, x: float) -> None:
    found = intervals(gaussian(x), "mu", method="feldman-cousins", critical=known)
    assert found.toys is None
    assert "13 nodes" in found.method
    assert found.allowed[0] == pytest.approx(TABLE_X[x], abs=0.16)


def test_nodes_left_out_tell_the_error_between_nodes(known: CriticalValues) -> None:
    (low, high) = known.left_out
    assert (low["cl"], high["cl"], high["nodes"]) == (0.68, 0.9, 11)
    expected = np.array([exact(mu, 0.9) for mu in NODES])
    bent = expected[1:-1] - 0.5 * (expected[2:] + expected[:-2])
    assert high["rms"] == pytest.approx(math.hypot(math.sqrt(np.mean(bent**2)), high["monte_carlo"]), rel=0.5)
    assert 0.5 * high["monte_carlo"] < high["rms"]


def test_nodes_far_from_the_data_are_asymptotic() -> None:
    """Those at which the data have t of 100 or more, an asymptotic p-value of 1e-23, and no others: t = (mu - 0.3)^2."""
    nodes = np.array([0.0, 5.0, 10.2, 10.4, 11.0])
    found = critical_values(gaussian(0.3), mu=nodes, cl=0.9, toys=Toys(128, 1))
    p = chi2.sf((nodes - 0.3) ** 2, 1)
    np.testing.assert_array_equal(found.toys, np.where(p < chi2.sf(REMOTE, 1), 0, 128))
    assert chi2.sf(REMOTE, 1) < 0.003
    np.testing.assert_allclose(found.critical[0, found.toys == 0], 2.7055, atol=1e-4)
    np.testing.assert_array_equal(found.errors[0] == 0.0, found.toys == 0)


def test_between_nodes_and_beyond() -> None:
    heights = Heights(np.array([1.0, 10.0, 100.0]), np.array([2.0, 3.0, 5.0]), log=True)
    np.testing.assert_allclose(heights([0.0, 1.0, math.sqrt(10.0), 10.0, 1e9]), [2.0, 2.0, 2.5, 3.0, 5.0])
    assert replace(heights, log=False)([5.5])[0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cl": 0.95}, "critical values at 0.68, 0.9 CL, none at 0.95"),
        ({"toys": Toys(128)}, "replaces toys"),
        ({"method": "cls"}, "method feldman-cousins"),
        ({"critical": 3}, "critical values are those"),
    ],
)
def test_a_map_is_refused(known: CriticalValues, changes: dict[str, object], message: str) -> None:
    asked = {"method": "feldman-cousins", "critical": known, **changes}
    with pytest.raises((CevnsfitError, KindError), match=message):
        intervals(gaussian(1.0), "mu", **asked)  # type: ignore[arg-type]


def test_a_map_of_another_exposure_is_refused(known: CriticalValues) -> None:
    with pytest.raises(CevnsfitError, match=r"another exposure: one: .* has 2 counts|another exposure: .*there"):
        intervals(gaussian(1.0, signal=2.0), "mu", method="feldman-cousins", critical=known)


def test_a_table_has_a_row_for_each_node(known: CriticalValues) -> None:
    table = table_of(known)
    assert list(table.columns) == [
        "mu [1]",
        "critical_68 [1]",
        "critical_68_error [1]",
        "critical_90 [1]",
        "critical_90_error [1]",
        "toys [1]",
    ]
    np.testing.assert_array_equal(table.columns["toys [1]"], known.toys)
    assert any("nodes left out are off by" in line for line in table.comments)


@pytest.fixture
def masses() -> Likelihood:
    """Return 14 events in two bins, signals that fall with the mass, and a known background of 10."""

    def build(shape: Mapping[str, float]) -> tuple[Channel, ...]:
        templates = np.array([[8.0 / shape["mass"], 4.0 / shape["mass"] ** 2], [5.0, 5.0]])
        return (Channel("one", templates, RULE, ("cevns", "background"), np.array([8.0, 6.0]), None, (2,)),)

    mass = Parameter("mass", "nonlinear", 1.0, 0.5, 10.0, "MeV", "log")
    return Likelihood(ParameterSet((mass, Parameter("mu", "polynomial", 0.0, lower=0.0))), build)


@pytest.mark.slow
def test_a_plane_by_a_map_is_that_by_toys_at_its_points(masses: Likelihood) -> None:
    grid = {"mass": [1.0, 2.0, 4.0], "mu": np.geomspace(0.01, 4.0, 20)}
    known = critical_values(masses, mass=[1.0, 2.0, 4.0], mu=np.geomspace(0.01, 4.0, 8), cl=0.9, toys=Toys(1024, 1))
    found, direct = cf.region(masses, critical=known, **grid), cf.region(masses, toys=Toys(1024, 2), **grid)
    assert found.toys_per_point == 0.0
    for one, other in zip(found.columns, direct.columns, strict=True):
        assert one.allowed[-1][1] == pytest.approx(other.allowed[-1][1], rel=0.1)
    for other_grid, message in (({"mass": [1.0, 2.0, 5.0]}, "outside the nodes"), ({"ordering": "column"}, "other ordering")):
        with pytest.raises(CevnsfitError, match=message):
            cf.region(masses, critical=known, **{**grid, **other_grid})  # type: ignore[arg-type]
