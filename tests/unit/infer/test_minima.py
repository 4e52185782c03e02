"""Scales, grids and distinct minima of synthetic likelihoods whose minima are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.columns import searched
from cevnsfit.infer.fit import fit
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.lines import coupling_scale, even_couplings, rungs, search_grid
from cevnsfit.infer.minima import EXCLUDED, free_fits, minima, start_set
from cevnsfit.infer.multistart import Starts, profile_minima, promising
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data, toy_data
from cevnsfit.stats.joint import Joint, join

INF = math.inf


def channel(name: str, names: tuple[str, ...], rows: list[tuple[tuple[int, ...], list[float]]], observed: list[float]) -> Channel:
    """Return a channel of signal templates with the given powers of the couplings."""
    powers = np.array([row for row, _ in rows])
    ones = np.ones(powers.shape)
    rule = Coefficients(names, powers, ones, ones, np.full(len(rows), -1), np.zeros(len(rows), dtype=np.int64))
    templates = np.array([template for _, template in rows])
    return Channel(name, templates, rule, ("cevns",) * len(rows), np.array(observed), None, (templates.shape[1],))


def squared(name: str, counts: float, scale: float, observed: float, background: float = 0.0) -> Channel:
    """Return one bin with counts (1 - g/scale)^2 + background."""
    rows = [((0,), [counts]), ((1,), [-2 * counts / scale]), ((2,), [counts / scale**2])]
    plain = channel(name, ("g",), [*rows, ((0,), [background])], [observed])
    return Channel(name, plain.templates, plain.coefficients, ("cevns",) * 3 + ("brn",), plain.observed, None, (1,))


def one(*channels: Channel, lower: float = -INF, upper: float = INF) -> Joint:
    return join(ParameterSet((Parameter("g", "polynomial", min(max(0.0, lower), upper), lower, upper),)), channels)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_both_sides_of_a_dip_are_minima(scale: float) -> None:
    joint = one(squared("a", 100.0, scale, 64.0))
    found = minima(joint, observed_data(joint), at={})
    np.testing.assert_allclose(np.sort(found.theta[:, 0]) / scale, [0.2, 1.8], atol=1e-4)
    np.testing.assert_allclose(found.nll2, 0.0, atol=1e-7)
    assert found.converged.all()


def test_the_scale_of_one_channel_may_be_a_hundred_times_that_of_the_other() -> None:
    joint = one(squared("large", 1e4, 100.0, 1e4), squared("small", 50.0, 0.5, 50.0, background=3.0))
    assert coupling_scale(joint, "g") > 5.0
    grid = search_grid(joint, "g")
    assert np.diff(grid[(grid > 0.5) & (grid < 1.1)]).max() < 0.1
    found = minima(joint, observed_data(joint), at={})
    assert [round(value) for value in np.sort(found.theta[:, 0])] == [0, 1]


def test_a_window_is_widened_until_its_ends_are_excluded() -> None:
    joint = one(squared("a", 0.01, 1.0, 0.0, background=1.0))
    curve = searched(joint, "g", EXCLUDED, at={})
    assert curve.values[0] < search_grid(joint, "g")[0]
    assert curve.values[-1] > search_grid(joint, "g")[-1]
    assert (curve.nll2[[0, -1]] > curve.nll2.min() + EXCLUDED).all()


def test_a_window_ends_with_the_domain() -> None:
    joint = one(squared("a", 0.01, 1.0, 0.0, background=1.0), lower=0.0, upper=3.0)
    curve = searched(joint, "g", EXCLUDED, at={})
    assert (curve.values[0], curve.values[-1]) == (0.0, 3.0)


def test_a_domain_beyond_the_usual_window_is_searched() -> None:
    joint = one(squared("a", 100.0, 1.0, 100.0), lower=20.0)
    found = minima(joint, observed_data(joint), at={})
    assert found.theta[0, 0] == pytest.approx(20.0)


def test_a_window_without_effect_is_not_widened() -> None:
    joint = one(channel("a", ("g",), [((0,), [5.0]), ((1,), [0.0])], [5.0]))
    assert coupling_scale(joint, "g") == 1.0
    assert np.abs(searched(joint, "g", EXCLUDED, at={}).values).max() <= 16.0


def test_a_window_lies_in_a_domain_that_ends_far_below_the_scale() -> None:
    """A transition moment of a flavour that the source does not make has no effect, and is at most 1e-3."""
    idle = channel("a", ("g",), [((0,), [5.0]), ((1,), [0.0])], [5.0])
    joint = join(ParameterSet((Parameter("g", "polynomial", 0.0, 0.0, 1e-3, scale="log"),)), (idle,))
    grid = search_grid(joint, "g")
    assert len(grid) > 100
    assert (grid[0], grid.max() <= 1e-3) == (0.0, True)
    curve = searched(joint, "g", EXCLUDED, at={})
    assert (curve.values[0], curve.values[-1]) == (0.0, 1e-3)


def test_a_scale_without_a_balance_is_the_default_or_what_the_rest_gives() -> None:
    rows = [((1,), [20.0]), ((0,), [5.0])]
    strength = channel("a", ("g",), rows, [30.0])
    background = Channel("a", strength.templates, strength.coefficients, ("cevns", "brn"), strength.observed, None, (1,))
    for default, wanted in ((0.0, 0.25), (1.0, 1.0)):
        joint = join(ParameterSet((Parameter("g", "polynomial", default, 0.0, 10.0),)), (background,))
        assert coupling_scale(joint, "g") == pytest.approx(wanted)


@pytest.mark.parametrize("mixing", [1.0, 1e-3])
def test_the_scale_of_a_coupling_knows_the_held_one_that_multiplies_it(mixing: float) -> None:
    """The dark photon couples as g eps: where counts are twice, and not at all, the Standard Model, g goes as 1/eps, at its default and held."""
    likelihood = cf.build_likelihood("coherent-csi-2021", model="dark-photon")
    joint, held = joint_at(likelihood, {"mass": 30.0, "eps": mixing})
    assert mixing * coupling_scale(joint, "g") == pytest.approx(coupling_scale(likelihood.at({"mass": 30.0}), "g"), rel=1e-12)
    curve = searched(joint, "g", EXCLUDED, at=held)
    assert len(curve.minima) == 2
    assert curve.values[curve.minima[1]] == pytest.approx(2.0 * coupling_scale(joint, "g"), rel=0.01)


@pytest.mark.parametrize("name", ["rate_nu_mu", "rate_nubar_mu"])
def test_points_that_end_in_a_worse_minimum_begin_beside_it(name: str) -> None:
    """Rates below zero lead nuisances to their ends, here and there 200 and more above the minimum, and in places narrower than any step."""
    joint = cf.build_likelihood("coherent-csi-2021", model="source-strengths").at({})
    curve = searched(joint, name, EXCLUDED, at={})
    height = np.sqrt(curve.nll2 - curve.nll2.min())
    assert np.abs(np.diff(height)).max() < 1.0
    assert len(curve.minima) == 1
    assert np.diff(curve.values).min() > 0.0


def test_a_minimum_on_the_first_step_of_the_grid_is_found() -> None:
    joint = one(squared("a", 1e6, 1.0, (0.39**2) * 1e6), lower=0.6, upper=10.0)
    assert profile_minima(joint, {}).nll2[0] == pytest.approx(0.0, abs=1e-6)
    curve = searched(joint, "g", EXCLUDED, at={})
    assert curve.nll2.min() == pytest.approx(0.0, abs=1e-6)
    assert curve.values[curve.lowest] == pytest.approx(0.61, abs=1e-4)


def corners() -> Joint:
    """Return 50 (1 + a)^2 in one bin and 50 (1 + b)^2 in the other: minima at 0 and -2 in each coupling."""
    rows = [((0, 0), [50.0, 50.0]), ((1, 0), [100.0, 0.0]), ((2, 0), [50.0, 0.0]), ((0, 1), [0.0, 100.0]), ((0, 2), [0.0, 50.0])]
    both = channel("one", ("a", "b"), rows, [50.0, 50.0])
    return join(ParameterSet((Parameter("a", "polynomial", 0.0), Parameter("b", "polynomial", 0.0))), (both,))


def test_four_corners_are_four_minima() -> None:
    joint = corners()
    found = minima(joint, observed_data(joint), at={})
    assert sorted({(round(a), round(b)) for a, b in found.theta}) == [(-2, -2), (-2, 0), (0, -2), (0, 0)]
    assert len(found.nll2) == 4


def test_a_held_coupling_is_not_searched() -> None:
    joint = corners()
    found = minima(joint, observed_data(joint), at={"b": -2.0})
    assert sorted((round(a), b) for a, b in found.theta) == [(-2, -2.0), (0, -2.0)]


def test_rungs_lie_on_both_sides_of_a_dip_and_in_it() -> None:
    joint = one(squared("a", 100.0, 1.0, 64.0))
    found = rungs(joint, "g")
    assert np.diff(found[(found > -0.5) & (found < 2.5)]).max() < 0.21
    assert even_couplings(joint, {}) == []


def test_toys_from_starts_of_other_data_end_in_their_lowest_minimum() -> None:
    joint = one(squared("a", 30.0, 1.0, 30.0, background=2.0), squared("b", 20.0, 1.3, 20.0, background=2.0))
    starts = start_set(joint, observed_data(joint), at={})
    toys = toy_data(joint, joint.parameters.vector({"g": 1.7}), np.random.default_rng(2), 32)
    best, theta = free_fits(joint, toys, starts, at={})
    for row in range(32):
        alone = minima(joint, toys.take(row), at={})
        assert best[row] == pytest.approx(alone.nll2[0], abs=1e-6)
    assert np.median(theta[:, 0]) > 1.0


def test_starts_near_each_other_are_not_all_minimised() -> None:
    values = np.array([[[0.0, 0.0], [0.1, 0.0], [2.0, 0.0], [0.0, 3.0]]])
    chosen = promising(Starts(values, np.array([[1.0, 0.5, 9.0, 4.0]])), middle=np.zeros((1, 2)), apart=np.full((1, 2), 0.5), kept=2)
    assert chosen.tolist() == [[False, True, False, True]]


def test_the_lower_side_of_the_middle_counts_unless_it_is_far_above() -> None:
    along = Starts(np.linspace(0.0, 4.0, 5)[None, :, None], np.array([[9.0, 8.0, 7.0, 5.0, 6.0]]))
    chosen = [promising(along, middle=np.full((1, 1), 2.0), apart=np.zeros((1, 1)), kept=4, shallow=limit) for limit in (INF, 2.0)]
    assert [np.flatnonzero(row[0]).tolist() for row in chosen] == [[1, 3], [3]]


def test_a_grid_reaches_from_end_to_end() -> None:
    joint = one(squared("large", 1e4, 100.0, 1e4), squared("small", 50.0, 0.5, 50.0, background=3.0))
    grid = search_grid(joint, "g")
    assert [grid[0], grid[-1]] == pytest.approx([-4.0 * coupling_scale(joint, "g"), 4.0 * coupling_scale(joint, "g")])
    assert len(grid) > 161  # some steps were divided


def test_a_logarithmic_grid_has_both_signs() -> None:
    both = join(ParameterSet((Parameter("g", "polynomial", 0.0, -INF, INF, scale="log"),)), (squared("a", 100.0, 2.0, 64.0),))
    grid = search_grid(both, "g")
    np.testing.assert_allclose(grid, -grid[::-1], rtol=1e-12)
    assert [grid[0], grid[-1]] == pytest.approx([-8.0, 8.0])
    assert 0.0 in grid


def test_a_fit_counts_the_minima_it_finds() -> None:
    both = fit(one(squared("a", 100.0, 1.0, 64.0)), minos=())
    assert both.n_minima == both.n_starts == 2
    assert fit(one(squared("a", 100.0, 1.0, 64.0), upper=1.0), minos=()).n_minima == 1
