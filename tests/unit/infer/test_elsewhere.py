"""The significance of a bump at an unknown place on a flat background, whose trials factor is known."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import norm

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.elsewhere import LEVEL, upcrossings
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable

EDGES = np.linspace(-4.0, 14.0, 37)
RULE = Coefficients(("s",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))


def bump(level: float = 200.0, edges: Any = EDGES, *, observed: Any = None, slope: float = 0.0) -> Likelihood:
    """Return a Gaussian bump of s events, of width 1 and at m, on a background of `level` events a bin, which may depend on m."""
    data = np.full(len(edges) - 1, level) if observed is None else np.asarray(observed, dtype=np.float64)
    parameters = (Parameter("s", "polynomial", 0.0, -300.0, 1e5, least=0.0), Parameter("m", "nonlinear", 5.0, 0.0, 10.0, unit="MeV"))

    def build(values: Any) -> tuple[Channel, ...]:
        shape = np.diff(norm.cdf(edges, loc=values["m"]))
        flat = np.full(len(shape), level + slope * values["m"])
        return (Channel("x", np.array([shape, flat]), RULE, ("cevns", "flat"), data, None, (len(shape),)),)

    return Likelihood(ParameterSet(parameters), build)


GRID = np.linspace(0.0, 10.0, 21)
FIELD = np.exp(-((GRID[:, None] - GRID) ** 2) / 4.0)
"""Correlation of the estimates at two places, for a bump of width 1: that of the filtered counts."""


@cache
def seen() -> Any:
    return cf.global_significance(bump().with_data("asimov", s=65.0, m=5.0), m=GRID, toys=cf.Toys(1024))


@pytest.mark.slow
def test_upcrossings_of_a_bump_are_those_of_a_stationary_gaussian_process() -> None:
    found = seen()
    # Rice: sqrt(-rho''(0))/(2 pi) exp(-u^2/2) for each unit of length, u^2 = c0, with rho(d) = exp(-d^2/4)
    rice = 10.0 * math.sqrt(0.5) / (2.0 * math.pi) * math.exp(-LEVEL / 2.0)
    assert found.upcrossings == pytest.approx(rice, abs=3.0 * found.upcrossings_error + 0.01 * rice)
    assert 0.01 < found.upcrossings_error / found.upcrossings < 0.05
    bound = norm.sf(math.sqrt(found.q0_max)) + rice * math.exp(-(found.q0_max - LEVEL) / 2.0)
    assert found.bound == pytest.approx(bound, abs=3.0 * found.bound_error)
    assert found.remark == ""


@pytest.mark.slow
def test_the_global_p_value_is_that_of_the_largest_of_the_process() -> None:
    found = seen()
    process = np.random.default_rng(3).multivariate_normal(np.zeros(len(GRID)), FIELD, 200_000).max(axis=1)
    true = float(np.mean(process >= math.sqrt(found.q0_max)))
    assert found.from_toys
    assert found.maximum == {"m": 5.0, "s": pytest.approx(65.0, abs=0.01)}
    assert found.global_p == pytest.approx(true, abs=3.0 * found.global_p_error)
    assert found.local_p == pytest.approx(norm.sf(math.sqrt(found.q0_max)), abs=3.0 * found.local_p_error)
    assert found.trials_factor > 4.0
    assert found.global_p <= found.bound + 3.0 * found.global_p_error
    assert found.significance < found.local_significance


@pytest.mark.slow
def test_a_place_that_is_known_has_half_a_chi_squared_and_the_local_p_value() -> None:
    likelihood, toys = bump().with_data("asimov", s=30.0, m=5.0), cf.Toys(2048)
    found, local = cf.global_significance(likelihood, m=[5.0], toys=toys), cf.significance(likelihood, at={"m": 5.0}, toys=toys)
    assert found.local_p == found.global_p == found.bound == local.p
    assert found.q0_max == pytest.approx(local.statistic, abs=1e-6)
    assert (found.trials_factor, found.upcrossings) == (1.0, 0.0)
    sample = found.toys.points[0].samples[0]
    assert np.mean(sample < 1e-6) == pytest.approx(0.5, abs=0.035)
    assert np.mean(sample > 1.0) == pytest.approx(norm.sf(1.0), abs=0.025)
    assert np.mean(sample > 4.0) == pytest.approx(norm.sf(2.0), abs=0.012)


@pytest.mark.slow
def test_far_from_what_toys_reach_the_p_value_is_the_bound() -> None:
    likelihood = bump(edges=EDGES[::2]).with_data("asimov", s=200.0, m=5.0)
    found = cf.global_significance(likelihood, m=GRID[::5], toys=cf.Toys(128))
    assert not found.from_toys
    assert found.global_p == found.bound == found.local_p + found.upcrossings * math.exp(-(found.q0_max - LEVEL) / 2.0)
    assert 1.0 < found.trials_factor < 100.0
    assert found.method.endswith("bound from upcrossings in toys without signal")
    known = found.to_dict()
    assert {"q0_max", "local_p", "global_p", "upcrossings"} <= {*known}
    assert known["scanned"] == "m"


def test_toys_do_not_depend_on_workers() -> None:
    likelihood = bump(edges=EDGES[::2]).with_data("asimov", s=60.0, m=5.0)
    with ThreadPoolExecutor(2) as pool:
        one, two = (cf.global_significance(likelihood, m=[5.0], toys=cf.Toys(256), workers=workers) for workers in (None, pool))
    np.testing.assert_array_equal(one.toys.points[0].samples[0], two.toys.points[0].samples[0])


def test_without_toys_there_is_a_local_p_value_alone() -> None:
    found = cf.global_significance(bump().with_data("asimov", s=65.0, m=5.0), m=GRID[::10])
    assert found.local_p == pytest.approx(norm.sf(math.sqrt(found.q0_max)))
    assert math.isnan(found.global_p)
    assert math.isnan(found.significance)
    assert "no global p-value without toys" in found.remark
    assert found.to_dict()["global_p"] is None
    assert "local p = " in str(cf.table(found))
    assert "global p" not in str(cf.table(found)).splitlines()[1]


def test_a_coarse_grid_and_a_maximum_at_an_end_are_told() -> None:
    found = cf.global_significance(bump().with_data("asimov", s=65.0, m=0.0), m=np.linspace(0.0, 10.0, 5), toys=cf.Toys(128))
    assert "the grid of m is coarse" in found.remark
    assert "q0 is largest at an end of the scanned range, m = 0" in found.remark
    assert found.upcrossings_halved < 0.75 * found.upcrossings


@pytest.mark.slow
@pytest.mark.parametrize("observed", [[0.0], [7.0]])
def test_one_bin_with_and_without_events(observed: list[float]) -> None:
    found = cf.global_significance(bump(2.0, np.array([3.0, 7.0]), observed=observed), m=[3.0, 5.0], toys=cf.Toys(128))
    expected = 0.0 if observed == [0.0] else 2.0 * (7.0 * math.log(3.5) - 5.0)
    assert found.q0_max == pytest.approx(expected, abs=1e-4)
    assert found.valid
    assert (found.global_p == 1.0) == (observed == [0.0])


def test_upcrossings_are_steps_over_the_level() -> None:
    curves = np.array([[0.0, 1.0, 0.0, 2.0], [3.0, 2.0, 1.0, 0.0], [0.0, 0.5, 0.6, 0.7]])
    np.testing.assert_array_equal(upcrossings(curves, 0.5), [2, 0, 1])


@pytest.mark.parametrize(
    ("grid", "asked", "text"),
    [
        ({}, {}, "scans one parameter, for example mass="),
        ({"m": [1.0, 2.0], "s": [1.0, 2.0]}, {}, r"got 2 \(m, s\); upcrossings are those of a line"),
        ({"s": [1.0, 2.0]}, {}, "s cannot be scanned, it is a polynomial parameter"),
        ({"m": [1.0, 2.0]}, {"at": {"m": 1.0}}, "m cannot be scanned, it is held"),
        ({"m": [2.0, 1.0]}, {}, "m: a grid needs increasing values"),
        ({"m": []}, {}, "m: a grid needs increasing values"),
        ({"m": [1.0, math.nan]}, {}, "m: a grid needs increasing values"),
        ({"m": [1.0, 12.0]}, {}, r"m = 12 is outside its domain \[0, 10\] MeV"),
        ({"n": [1.0, 2.0]}, {}, "unknown parameter 'n'"),
        ({"m": [1.0, 2.0]}, {"poi": "m"}, "unknown parameter 'm'"),
    ],
)
def test_what_cannot_be_scanned_is_refused(grid: dict[str, Any], asked: dict[str, Any], text: str) -> None:
    with pytest.raises(cf.CevnsfitError, match=text):
        cf.global_significance(bump(), **asked, **grid)


def test_a_parameter_that_is_known_without_signal_is_refused() -> None:
    with pytest.raises(cf.CevnsfitError, match=r"the prediction with s = 0 depends on m: there is no global significance$"):
        cf.global_significance(bump(slope=1.0), m=[1.0, 2.0])


@pytest.fixture
def quick() -> Callable[..., Any]:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    return lambda **more: cf.global_significance(likelihood, "g", mass=[30.0, 100.0], toys=cf.Toys(128), **more)


@pytest.mark.slow
def test_stored_toys_are_read_again(quick: Callable[..., Any], tmp_path: Any) -> None:
    first, told = quick(store=tmp_path), []
    again = quick(store=tmp_path, progress=lambda *numbers: told.append(numbers))
    assert again.to_dict() == first.to_dict()
    assert told == [(1, 1)]
