"""Streams, failures and global fits of pseudo-experiments."""

from __future__ import annotations

import functools
import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.columns import column
from cevnsfit.infer.hypothesis import at_value, default_hypothesis, likelihood_ratio, toys_of
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.profile import Polished, profile
from cevnsfit.infer.runner import HERE, IN_FLIGHT, Runner
from cevnsfit.infer.toys import CHUNK, Chunk, calls, measured, run_chunk
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


def ratio_chunk(joint: Joint, g: float, *, point: int = 0, number: int = 0, seed: int = 1) -> Chunk:
    return replace(toys_of(at_value(default_hypothesis(joint, "g"), g), seed, point), number=number)


def alone(joint: Joint, measure: Callable[[Data], np.ndarray], point: int | None = 0) -> Chunk:
    return Chunk(functools.partial(toy_data, joint, joint.parameters.defaults()), measure, 1, point)


def broken_above(data: Data, limit: float) -> np.ndarray:
    """Return the number of events of each data set; break down where there are too many."""
    total = data.counts[0].sum(axis=1)
    if np.any(total > limit):
        message = "no"
        raise np.linalg.LinAlgError(message)
    return total[:, None]


def test_a_chunk_depends_on_its_place_and_the_seed_alone(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    first = run_chunk(ratio_chunk(joint, 0.3))
    np.testing.assert_array_equal(first, run_chunk(ratio_chunk(joint, 0.3)))
    assert first.shape == (CHUNK, 3)
    for other in (ratio_chunk(joint, 0.3, point=1), ratio_chunk(joint, 0.3, number=1), ratio_chunk(joint, 0.3, seed=2)):
        assert not np.any(run_chunk(other)[:, 0] == first[:, 0])


def test_another_process_gives_the_same_bits(make_joint: Callable[..., Joint]) -> None:
    chunks = [ratio_chunk(make_joint(), 0.3, number=number) for number in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        there = list(executor.map(run_chunk, chunks))
    for chunk, found in zip(chunks, there, strict=True):
        np.testing.assert_array_equal(found, run_chunk(chunk))


def test_a_chunk_is_as_large_after_its_likelihood_was_used(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    before = len(pickle.dumps(ratio_chunk(joint, 0.2)))
    profile(joint, {"g": np.linspace(0, 1, 5)})
    assert len(pickle.dumps(ratio_chunk(joint, 0.2))) == before < 100_000


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6, 0.9])
def test_the_best_fit_is_that_of_a_dense_curve(make_joint: Callable[..., Joint], truth: float) -> None:
    joint = make_joint()
    test = at_value(default_hypothesis(joint, "g"), truth)
    toys = toy_data(joint, test.theta, np.random.default_rng(5), 16)
    found = likelihood_ratio(toys, test=test)
    for row in range(16):
        curve = column(joint, "g", np.linspace(0, 1.6, 60), at={}, data=toys.take(row))
        assert found[row, 1] <= curve.nll2.min() + 1e-5


def test_statistics_are_never_negative(make_joint: Callable[..., Joint]) -> None:
    found = run_chunk(ratio_chunk(make_joint(), 0.8))
    assert not np.isnan(found).any()
    assert np.all(found[:, 0] >= found[:, 1])
    assert np.median(found[:, 0] - found[:, 1]) == pytest.approx(0.455, abs=0.3)


def test_a_toy_that_breaks_down_is_a_row_of_nan(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    totals = run_chunk(alone(joint, functools.partial(broken_above, limit=np.inf)))[:, 0]
    limit = float(np.quantile(totals, 0.8))
    found = run_chunk(alone(joint, functools.partial(broken_above, limit=limit)))[:, 0]
    np.testing.assert_array_equal(np.isnan(found), totals > limit)
    np.testing.assert_array_equal(found[~np.isnan(found)], totals[totals <= limit])


def test_a_fit_that_does_not_converge_is_nan(make_joint: Callable[..., Joint], monkeypatch: pytest.MonkeyPatch) -> None:
    joint = make_joint()
    toys = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(1), 2).take(0).batch()
    starts = start_set(joint, observed_data(joint), at={})
    monkeypatch.setattr("cevnsfit.infer.descent.MAX_ROUNDS", 1)
    monkeypatch.setattr("cevnsfit.infer.profile.polish", lambda _, theta, *__: Polished(theta, np.inf, np.inf, valid=False))
    assert np.isnan(free_fits(joint, toys, starts, at={})[0]).all()


def test_free_fits_start_in_every_combination_of_two_couplings() -> None:
    # bin 1 knows 50 (1 + a)^2, bin 2 50 (1 + b)^2: four minima, at 0 and -2 in each coupling
    powers = np.array([[0, 0], [1, 0], [2, 0], [0, 0], [0, 1], [0, 2]])
    rule = Coefficients(("a", "b"), powers, np.ones((6, 2)), np.ones((6, 2)), np.full(6, -1), np.zeros(6, dtype=np.int64))
    templates = np.kron(np.eye(2), np.array([[50.0], [100.0], [50.0]]))
    channel = Channel("one", templates, rule, ("cevns",) * 6, np.array([50.0, 50.0]), None, (2,))
    joint = join(ParameterSet((Parameter("a", "polynomial", 0.0), Parameter("b", "polynomial", 0.0))), (channel,))
    starts = start_set(joint, observed_data(joint), at={})
    for corner in ((0.0, 0.0), (-2.0, 0.0), (0.0, -2.0), (-2.0, -2.0)):
        assert np.abs(starts - corner).max(axis=1).min() < 0.5, corner


# --- the runner --------------------------------------------------------------------------------------------------------------------


class Slow(Executor):
    """An executor that runs the chunk that was submitted last, or any one, and only when its result is waited for."""

    in_flight = 20
    chosen: np.random.Generator | None = None

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[np.ndarray], Callable[[Chunk], np.ndarray], Chunk]] = []
        self.submitted = 0

    def submit(self, function: Callable[[Chunk], np.ndarray], /, chunk: Chunk) -> Future[np.ndarray]:  # type: ignore[override]
        future: Future[np.ndarray] = Future()
        self.waiting.append((future, function, chunk))
        self.submitted += 1
        return future

    def finish_one(self) -> None:
        future, function, chunk = self.waiting.pop(-1 if self.chosen is None else int(self.chosen.integers(len(self.waiting))))
        future.set_result(function(chunk))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    executor = Slow()

    class Done(SimpleQueue[Any]):
        def get(self) -> Any:  # type: ignore[override]
            if executor.waiting and self.empty():
                executor.finish_one()
            return super().get()

    monkeypatch.setattr("cevnsfit.infer.runner.SimpleQueue", Done)
    return executor


def numbers(data: Data) -> np.ndarray:
    return data.counts[0].sum(axis=1)[:, None]


def doubling(chunk: Chunk, most: int) -> Procedure[tuple[int, float]]:
    """Ask for more chunks while the mean is below 1000."""
    rows, chunks = np.empty((0, 1)), 0
    while chunks < most:
        more = yield calls(chunk, range(chunks, max(1, 2 * chunks)))
        rows, chunks = np.concatenate([rows, *more]), max(1, 2 * chunks)
        if rows.mean() > 1000.0:
            break
    return chunks, float(rows.mean())


def several(joint: Joint, points: int) -> Procedure[list[tuple[int, float]]]:
    return (yield [doubling(alone(joint, numbers, point), 4) for point in range(points)])


def test_any_order_of_execution_gives_the_same_answers_in_order(make_joint: Callable[..., Joint], slow: Slow) -> None:
    joint = make_joint()
    expected = HERE(several(joint, 3))
    assert Runner(slow)(several(joint, 3)) == expected
    assert slow.submitted == 12
    for seed in range(10):
        slow.chosen = np.random.default_rng(seed)
        assert Runner(slow)(several(joint, 3)) == expected


def test_no_point_waits_for_another_one(make_joint: Callable[..., Joint], slow: Slow) -> None:
    """The point whose task ends first goes on to its last chunk before the others have their first."""
    joint, asked = make_joint(), []
    done: list[tuple[int, int]] = []
    Runner(slow, save=lambda point, number, _: done.append((point, number)), progress=lambda *counts: asked.append(counts))(
        several(joint, 3)
    )
    assert {point for point, _ in done[:4]} == {2}
    assert asked[-1] == (12, 12)
    assert sorted(done) == [(point, number) for point in range(3) for number in range(4)]


def test_an_executor_holds_a_bounded_number_of_tasks(make_joint: Callable[..., Joint], slow: Slow) -> None:
    most = 0

    def watch(*_: int) -> None:
        nonlocal most
        most = max(most, len(slow.waiting))

    Runner(slow, progress=watch)(several(make_joint(), slow.in_flight + 5))
    assert most == slow.in_flight - 1 < IN_FLIGHT


def test_what_is_kept_is_not_generated_again(make_joint: Callable[..., Joint], slow: Slow) -> None:
    chunk, kept = alone(make_joint(), numbers), {}
    first = Runner(save=lambda point, number, rows: kept.update({(point, number): rows}))(measured(chunk, 3))
    assert list(kept) == [(0, 0), (0, 1), (0, 2)]
    del kept[0, 1]
    again = Runner(slow, load=lambda point, number: kept.get((point, number)))(measured(chunk, 3))
    np.testing.assert_array_equal(again, first)
    assert slow.submitted == 1


def test_a_chunk_without_a_point_is_not_kept(make_joint: Callable[..., Joint]) -> None:
    kept: list[int] = []
    chunk = alone(make_joint(), numbers, None)
    found = Runner(load=lambda point, _: kept.append(point), save=lambda point, *_: kept.append(point))(measured(chunk, 1))
    assert kept == []
    stream = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(0,)))
    np.testing.assert_array_equal(found, numbers(chunk.generate(stream, CHUNK)))


def test_a_procedure_may_need_nothing(make_joint: Callable[..., Joint]) -> None:
    assert HERE(several(make_joint(), 0)) == []


def test_an_error_in_a_chunk_ends_the_run_and_cancels_the_rest(make_joint: Callable[..., Joint], slow: Slow) -> None:
    def broken(_: Data) -> np.ndarray:
        message = "a programming error"
        raise KeyError(message)

    with pytest.raises(KeyError, match="programming"):
        Runner(slow)(measured(alone(make_joint(), broken), 3))
    assert all(future.cancelled() for future, *_ in slow.waiting)
