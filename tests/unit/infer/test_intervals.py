"""Allowed intervals of a synthetic quartic with two minima, against brute force."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import optimize, stats

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.columns import column
from cevnsfit.infer.curve import crossings
from cevnsfit.infer.intervals import intervals, profiled, threshold
from cevnsfit.infer.lines import coupling_scale, search_grid
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint

SHAPE = np.array([30.0, 20.0, 10.0])
FLOOR = np.array([5.0, 4.0, 3.0])
G0 = 1e-3


def quartic(data: np.ndarray, hardness: np.ndarray, exposure: float = 1.0) -> Joint:
    """Return the likelihood of exposure x shape (1 - hardness (g/g0)^2)^2 with a flux of 10 % on top of a fixed floor."""
    signal = exposure * SHAPE
    templates = np.array([signal, -2.0 * signal * hardness / G0**2, signal * hardness**2 / G0**4, FLOOR * exposure])
    powers = np.array([[0, 0], [2, 0], [4, 0], [0, 0]])
    hi = np.array([[1, 1.1], [1, 1.1], [1, 1.1], [1, 1]])
    rule = Coefficients(("g", "flux"), powers, hi, 1.0 / hi, np.full(4, -1), np.zeros(4, dtype=np.int64))
    channel = Channel("toy", templates, rule, ("cevns", "cevns", "cevns", "floor"), data, None, (3,))
    g = Parameter("g", "polynomial", 0.0, 0.0, 1.0, scale="log")
    return join(ParameterSet((g, Parameter("flux", "nuisance", 0.0, -5.0, 5.0, constrained=True))), (channel,))


def code4(a: np.ndarray) -> np.ndarray:
    """Return 1.1^a, inside |a| < 1 the polynomial of degree 6 that joins it smoothly (HistFactory, code 4)."""
    rows = [[np.polyval(np.polyder(np.eye(7)[i], order), side) for i in range(7)] for side in (-1.0, 1.0) for order in range(3)]
    rows.append([0.0] * 6 + [1.0])
    wanted = [math.log(1.1) ** order * 1.1**side for side in (-1.0, 1.0) for order in range(3)]
    return np.where(np.abs(a) < 1, np.polyval(np.linalg.solve(rows, [*wanted, 1.0]), a), 1.1**a)


PULLS = np.linspace(-5.0, 5.0, 2001)
FLUX = code4(PULLS)


def brute(data: np.ndarray, hardness: np.ndarray, exposure: float = 1.0) -> Callable[[float], float]:
    """Return -2 ln lambda profiled over the flux on a fine grid with a parabola through its lowest points."""

    def curve(g: float) -> float:
        mu = FLUX[:, None] * exposure * SHAPE * (1.0 - hardness * (g / G0) ** 2) ** 2 + exposure * FLOOR
        values = 2.0 * np.sum(mu - data + data * np.log(np.where(data > 0, data / mu, 1.0)), axis=1) + PULLS**2
        i = int(np.argmin(values))
        if i in {0, len(values) - 1}:
            return float(values[i])
        left, middle, right = values[i - 1 : i + 2]
        return float(middle - (right - left) ** 2 / (8.0 * (left - 2.0 * middle + right)))

    return curve


def edges_of(curve: Callable[[float], float], level: float, points: np.ndarray) -> list[float]:
    values = np.array([curve(g) for g in points]) - level
    cuts = np.flatnonzero((values[1:] > 0) != (values[:-1] > 0))
    return [optimize.brentq(lambda g: curve(g) - level, points[i], points[i + 1], xtol=1e-10) for i in cuts]


POINTS = np.linspace(0.0, 4e-3, 401)
UNEVEN = np.array([1.0, 0.9, 0.8])


@pytest.mark.parametrize(
    ("data", "cl", "branches"),
    [(SHAPE + FLOOR, 0.683, 1), (SHAPE + FLOOR, 0.99, 2), (np.array([20.0, 14.0, 9.0]), 0.99, 2), (np.array([5.0, 3.0, 4.0]), 0.9, 1)],
    ids=["tight", "mirror", "deficit", "nothing"],
)
def test_every_branch_agrees_with_brute_force(data: np.ndarray, cl: float, branches: int) -> None:
    curve = brute(data, UNEVEN)
    found = intervals(quartic(data, UNEVEN), "g", cl=cl)
    start = POINTS[np.argmin([curve(g) for g in POINTS])]
    best = optimize.minimize_scalar(curve, bounds=(max(start - 1e-5, 0.0), start + 1e-5), method="bounded", options={"xatol": 1e-11})
    assert found.nll2 == pytest.approx(min(best.fun, curve(0.0)), abs=1e-6)
    assert found.best_fit == pytest.approx(best.x if best.fun < curve(0.0) else 0.0, abs=2e-6)
    wanted = edges_of(curve, found.nll2 + stats.chi2.ppf(cl, 1), POINTS)
    ends = [end for pair in found.allowed for end in pair if end > 0.0]
    assert len(found.allowed) == branches
    np.testing.assert_allclose(ends, wanted, rtol=1e-4)
    assert found.valid


def test_a_mirror_that_is_exact_has_equal_minima() -> None:
    flat = np.ones(3)
    found = intervals(quartic(SHAPE + FLOOR, flat), "g", cl=0.9)
    values, heights = np.array(found.minima).T
    np.testing.assert_allclose(values, [0.0, math.sqrt(2.0) * G0], atol=1e-8)
    np.testing.assert_allclose(heights, 0.0, atol=1e-7)


def test_a_mirror_that_is_disfavoured_is_a_minimum_but_not_allowed() -> None:
    steep = np.array([1.6, 1.0, 0.5])
    found = intervals(quartic(20.0 * (SHAPE + FLOOR), steep, 20.0), "g", cl=0.9)
    assert len(found.allowed) == 1
    assert len(found.minima) == 2
    assert found.minima[1][1] > 20.0


def test_allowed_and_excluded_cover_the_domain() -> None:
    found = intervals(quartic(SHAPE + FLOOR, UNEVEN), "g", cl=0.9)
    parts = sorted([*found.allowed, *found.excluded])
    assert parts[0][0] == found.domain[0] == 0.0
    assert parts[-1][1] == found.domain[1] == 1.0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))


@pytest.mark.parametrize("exposure", [1e-4, 1e-2])
def test_a_short_exposure_is_followed_as_far_as_it_takes(exposure: float) -> None:
    nothing = np.zeros(3)
    found = intervals(quartic(nothing, UNEVEN, exposure), "g", cl=0.9)
    curve = brute(nothing, UNEVEN, exposure)
    wanted = edges_of(curve, found.nll2 + stats.chi2.ppf(0.9, 1), np.geomspace(1e-4, 0.1, 500))
    assert len(found.allowed) == 1
    assert found.allowed[0][1] == pytest.approx(wanted[-1], rel=1e-4)
    assert found.excluded == ((found.allowed[0][1], 1.0),)


def linear(data: np.ndarray, lower: float = -10.0, upper: float = 100.0) -> Joint:
    """Return the likelihood of strength x shape + floor."""
    rule = Coefficients(("x",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("toy", np.array([SHAPE / 10.0, FLOOR]), rule, ("cevns", "floor"), data, None, (3,))
    return join(ParameterSet((Parameter("x", "polynomial", 1.0, lower, upper),)), (channel,))


@pytest.mark.parametrize("truth", [0.5, 3.9, 12.0, 60.0])
def test_a_strength_far_from_one_is_found(truth: float) -> None:
    data = np.round(truth * SHAPE / 10.0 + FLOOR)

    def curve(x: float) -> float:
        mu = x * SHAPE / 10.0 + FLOOR
        return float(2.0 * np.sum(mu - data + data * np.log(data / mu)))

    best = optimize.minimize_scalar(curve, bounds=(-0.9, 90.0), method="bounded", options={"xatol": 1e-9})
    level = best.fun + stats.chi2.ppf(0.683, 1)
    low, high = optimize.brentq(lambda x: curve(x) - level, -0.99, best.x), optimize.brentq(lambda x: curve(x) - level, best.x, 100.0)
    found = intervals(linear(data), "x", cl=0.683)
    assert found.best_fit == pytest.approx(best.x, abs=1e-5)
    np.testing.assert_allclose(found.allowed, [(low, high)], rtol=1e-4)
    assert found.domain == (-10.0, 100.0)
    assert found.excluded == ((-10.0, found.allowed[0][0]), (found.allowed[0][1], 100.0))


@pytest.mark.parametrize("signal", [1e-9, 1e-3, 1.0, 1e3, 1e9])
@pytest.mark.parametrize("n", [0, 4])
def test_a_limit_does_not_need_a_default_of_its_size(signal: float, n: int) -> None:
    """The strength is 1 by default, and 3 events are background; t is linear in it without events."""
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[signal], [3.0]]), rule, ("cevns", "background"), np.array([float(n)]), None, (1,))
    joint = join(ParameterSet((Parameter("mu", "polynomial", 1.0, lower=0.0),)), (channel,))
    best, level = max(n - 3.0, 0.0), threshold(0.9, 1)

    def t(s: float) -> float:
        return 2.0 * (s - best) - 2.0 * n * math.log((s + 3.0) / (best + 3.0))

    end = optimize.brentq(lambda s: t(s) - level, best, 50.0)
    (allowed,) = intervals(joint, "mu", cl=0.9).allowed
    np.testing.assert_allclose(np.array(allowed) * signal, [0.0, end], rtol=1e-4)


def test_an_interval_may_end_with_the_domain() -> None:
    data = np.round(3.0 * SHAPE / 10.0 + FLOOR)
    found = intervals(linear(data, lower=2.9, upper=3.1), "x", cl=0.9)
    assert found.allowed == ((2.9, 3.1),)
    assert found.excluded == ()


def test_a_parameter_without_effect_is_allowed_everywhere() -> None:
    joint = quartic(SHAPE + FLOOR, np.zeros(3))
    assert coupling_scale(joint, "g") == 1.0
    found = intervals(joint, "g", cl=0.9)
    assert found.allowed == ((0.0, 1.0),)


# --- parts -------------------------------------------------------------------------------------------------------------------------


def test_the_coupling_scale_balances_the_standard_model() -> None:
    joint = quartic(SHAPE + FLOOR, np.full(3, 2.0))
    assert coupling_scale(joint, "g") == pytest.approx(G0 / math.sqrt(2.0), rel=1e-12)
    grid = search_grid(joint, "g")
    assert grid[0] == 0.0
    assert grid[-1] > math.sqrt(2.0) * coupling_scale(joint, "g")


def test_a_column_holds_the_minimum_between_its_points() -> None:
    joint = quartic(SHAPE + FLOOR, UNEVEN)
    curve = column(joint, "g", np.array([0.0, 5e-4, 1e-3, 1.3e-3, 1.7e-3, 2e-3]), at={})
    mirror = [i for i in curve.minima if i > 0]
    assert len(mirror) == 1
    reference = brute(SHAPE + FLOOR, UNEVEN)
    best = optimize.minimize_scalar(reference, bounds=(1.2e-3, 1.7e-3), method="bounded", options={"xatol": 1e-12})
    assert curve.values[mirror[0]] == pytest.approx(best.x, rel=1e-4)
    assert curve.nll2[mirror[0]] == pytest.approx(best.fun, abs=1e-6)


def test_a_branch_narrower_than_a_step_has_both_crossings() -> None:
    data = 100.0 * (SHAPE + FLOOR)
    joint = quartic(data, np.ones(3), 100.0)
    curve = column(joint, "g", np.array([0.0, 8e-4, 1.2e-3, 1.6e-3, 2e-3]), at={})
    level = float(curve.nll2.min()) + 4.0
    (cuts,) = crossings(profiled(joint, "g", at={}), curve, [level])
    wanted = edges_of(brute(data, np.ones(3), 100.0), level, np.linspace(0.0, 2e-3, 2001))
    np.testing.assert_allclose(cuts, wanted, rtol=1e-5)
    assert [len(pair) for pair in curve.allowed(cuts, level)] == [2, 2]


def test_no_crossing_is_no_interval_or_everything() -> None:
    joint = quartic(SHAPE + FLOOR, UNEVEN)
    curve = column(joint, "g", np.linspace(0.0, 1e-3, 11), at={})
    assert crossings(profiled(joint, "g", at={}), curve, [-1.0, 1e9]) == ((), ())
    assert curve.allowed((), -1.0) == ()
    assert curve.allowed((), 1e9) == ((0.0, 1e-3),)


@pytest.mark.parametrize(("cl", "dof", "wanted"), [(0.6827, 1, 1.0), (0.90, 1, 2.7055), (0.90, 2, 4.6052), (0.9545, 1, 4.0)])
def test_thresholds_are_quantiles_of_chi_squared(cl: float, dof: int, wanted: float) -> None:
    assert threshold(cl, dof) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("cl", "dof"), [(0.0, 1), (1.0, 1), (-0.1, 2), (90.0, 1), (float("nan"), 1), (0.9, 0), (0.9, 101)])
def test_a_level_outside_its_domain_is_refused(cl: float, dof: int) -> None:
    with pytest.raises(DomainError, match="between 0 and 1"):
        threshold(cl, dof)


def test_an_unknown_parameter_of_interest_is_named() -> None:
    with pytest.raises(UnknownNameError, match="'h'"):
        intervals(quartic(SHAPE, UNEVEN), "h", cl=0.9)
