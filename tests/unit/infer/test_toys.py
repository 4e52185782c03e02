"""Streams, failures and global fits of pseudo-experiments."""

from __future__ import annotations

import functools
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.intervals import column
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.polish import Polished
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import CHUNK, Rival, Unit, likelihood_ratio, run_unit
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


def ratio_unit(joint: Joint, g: float, *, point: int = 0, chunk: int = 0, seed: int = 1) -> Unit:
    data = observed_data(joint)
    theta = profile(joint, {"g": np.array([g])}).theta[0]
    rivals = (Rival(joint, start_set(joint, data, held={})),)
    measure = functools.partial(likelihood_ratio, joint=joint, poi="g", held={"g": g}, start=theta, rivals=rivals)
    return Unit(point, chunk, joint, theta, measure, seed)


def broken_above(data: Data, limit: float) -> np.ndarray:
    """Return the number of events of each data set; break down where there are too many."""
    total = data.counts[0].sum(axis=1)
    if np.any(total > limit):
        message = "no"
        raise np.linalg.LinAlgError(message)
    return total[:, None]


def test_a_chunk_depends_on_its_place_and_the_seed_alone(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    first = run_unit(ratio_unit(joint, 0.3))
    np.testing.assert_array_equal(first, run_unit(ratio_unit(joint, 0.3)))
    assert first.shape == (CHUNK, 3)
    for other in (ratio_unit(joint, 0.3, point=1), ratio_unit(joint, 0.3, chunk=1), ratio_unit(joint, 0.3, seed=2)):
        assert not np.any(run_unit(other)[:, 0] == first[:, 0])


def test_another_process_gives_the_same_bits(make_joint: Callable[..., Joint]) -> None:
    units = [ratio_unit(make_joint(), 0.3, chunk=chunk) for chunk in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        there = list(executor.map(run_unit, units))
    for unit, found in zip(units, there, strict=True):
        np.testing.assert_array_equal(found, run_unit(unit))


def test_a_unit_is_as_large_after_its_likelihood_was_used(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    before = len(pickle.dumps(ratio_unit(joint, 0.2)))
    profile(joint, {"g": np.linspace(0, 1, 5)})
    assert len(pickle.dumps(ratio_unit(joint, 0.2))) == before < 100_000


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6, 0.9])
def test_the_best_fit_is_that_of_a_dense_curve(make_joint: Callable[..., Joint], truth: float) -> None:
    joint = make_joint()
    theta = profile(joint, {"g": np.array([truth])}).theta[0]
    toys = toy_data(joint, theta, np.random.default_rng(5), 16)
    rivals = [Rival(joint, start_set(joint, observed_data(joint), held={}))]
    found = likelihood_ratio(toys, joint=joint, poi="g", held={"g": truth}, start=theta, rivals=rivals)
    for row in range(16):
        curve = column(joint, "g", np.linspace(0, 1.6, 60), held={}, data=toys.take(row))
        assert found[row, 1] <= curve.nll2.min() + 1e-5


def test_statistics_are_never_negative(make_joint: Callable[..., Joint]) -> None:
    found = run_unit(ratio_unit(make_joint(), 0.8))
    assert not np.isnan(found).any()
    assert np.all(found[:, 0] >= found[:, 1])
    assert np.median(found[:, 0] - found[:, 1]) == pytest.approx(0.455, abs=0.3)


def test_a_toy_that_breaks_down_is_a_row_of_nan(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta = joint.parameters.defaults()
    totals = run_unit(Unit(0, 0, joint, theta, functools.partial(broken_above, limit=np.inf), 1))[:, 0]
    limit = float(np.quantile(totals, 0.8))
    found = run_unit(Unit(0, 0, joint, theta, functools.partial(broken_above, limit=limit), 1))[:, 0]
    np.testing.assert_array_equal(np.isnan(found), totals > limit)
    np.testing.assert_array_equal(found[~np.isnan(found)], totals[totals <= limit])


def test_a_fit_that_does_not_converge_is_nan(make_joint: Callable[..., Joint], monkeypatch: pytest.MonkeyPatch) -> None:
    joint = make_joint()
    toys = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(1), 2).take(0).batch()
    starts = start_set(joint, observed_data(joint), held={})
    monkeypatch.setattr("cevnsfit.infer.profile.MAX_ROUNDS", 1)
    monkeypatch.setattr("cevnsfit.infer.profile.polish", lambda _, theta, *__: Polished(theta, np.inf, np.inf, valid=False))
    assert np.isnan(free_fits(joint, toys, starts, held={})[0]).all()


def test_free_fits_start_in_every_combination_of_two_couplings() -> None:
    # bin 1 knows 50 (1 + a)^2, bin 2 50 (1 + b)^2: four minima, at 0 and -2 in each coupling
    powers = np.array([[0, 0], [1, 0], [2, 0], [0, 0], [0, 1], [0, 2]])
    rule = Coefficients(("a", "b"), powers, np.ones((6, 2)), np.ones((6, 2)), np.full(6, -1), np.zeros(6, dtype=np.int64))
    templates = np.kron(np.eye(2), np.array([[50.0], [100.0], [50.0]]))
    channel = Channel("one", templates, rule, ("cevns",) * 6, np.array([50.0, 50.0]), None, (2,))
    joint = join(ParameterSet((Parameter("a", "polynomial", 0.0), Parameter("b", "polynomial", 0.0))), (channel,))
    starts = start_set(joint, observed_data(joint), held={})
    for corner in ((0.0, 0.0), (-2.0, 0.0), (0.0, -2.0), (-2.0, -2.0)):
        assert np.abs(starts - corner).max(axis=1).min() < 0.5, corner
