"""Pseudo-experiments in worker processes and on disk."""

from __future__ import annotations

import functools
import os
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, ResourceError, ResultError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.runner import Call, every
from cevnsfit.infer.toys import Chunk, Toys, calls, measured, run_chunk
from cevnsfit.io.layouts import load_chunk, open_toys
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import toy_data
from cevnsfit.stats.joint import join
from cevnsfit.studies.toy_runs import description, runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

IDENTITY = functools.partial(dict, what="test")
TOYS = Toys(256, 7)


def total(data: Data) -> np.ndarray:
    return data.counts[0].sum(axis=1)[:, None]


def counting() -> Joint:
    """Return 9 events in two bins, a signal that grows with mu, and a known background."""
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[4.0, 2.0], [1.0, 3.0]]), rule, ("cevns", "background"), np.array([5.0, 4.0]), None, (2,))
    return join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=0.0),)), (channel,))


def first_chunk(joint: Joint, point: int = 0, measure: Callable[[Data], np.ndarray] = total) -> Chunk:
    return Chunk(functools.partial(toy_data, joint, joint.parameters.defaults()), measure, 3, point)


def chunks(joint: Joint, measure: Callable[[Data], np.ndarray] = total) -> Procedure[list[np.ndarray]]:
    return (yield [call for point in range(2) for call in calls(first_chunk(joint, point, measure), range(2))])


def interval(joint: Joint, workers: int = 1, store: Path | None = None) -> Intervals:
    with runner(IDENTITY, 3, store=store, workers=workers) as here:
        return feldman_cousins(default_hypothesis(joint, "mu"), cl=0.9, toys=TOYS, run=here)


@pytest.mark.slow
def test_two_workers_give_the_bits_of_one() -> None:
    joint = counting()
    assert interval(joint) == interval(joint, 2)


def test_an_interrupted_run_continues_to_the_same_result(tmp_path: Path) -> None:
    joint = counting()
    whole = interval(joint)
    finished = 0

    def interrupt(done: int, asked: int) -> None:
        nonlocal finished
        finished = done
        if done == 7:
            raise KeyboardInterrupt(asked)

    with (
        pytest.raises(KeyboardInterrupt),
        runner(IDENTITY, 3, store=tmp_path, progress=interrupt) as here,
    ):
        feldman_cousins(default_hypothesis(joint, "mu"), cl=0.9, toys=TOYS, run=here)
    assert finished == 7
    assert interval(joint, store=tmp_path) == whole


def test_finished_chunks_are_not_generated_again(make_joint: Callable[..., Joint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joint = make_joint()
    with runner(IDENTITY, 1, store=tmp_path) as here:
        first = here(chunks(joint))
    monkeypatch.setattr("cevnsfit.infer.toys.run_chunk", None)
    with runner(IDENTITY, 1, store=tmp_path) as here:
        np.testing.assert_array_equal(here(chunks(joint)), first)


def test_a_chunk_whose_mark_is_missing_is_generated_again(make_joint: Callable[..., Joint], tmp_path: Path) -> None:
    chunk = first_chunk(make_joint())
    with open_toys(tmp_path, IDENTITY(), 1) as store:
        store.arrays["measured"][0, 0] = np.zeros((128, 1))
        assert load_chunk(store, 0, 0) is None
    with runner(IDENTITY, 1, store=tmp_path) as here:
        np.testing.assert_array_equal(here(measured(chunk, 1)), run_chunk(chunk))


@pytest.mark.parametrize(
    "damage", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x")], ids=["lost", "damaged"]
)
def test_a_chunk_that_is_lost_or_damaged_is_generated_again(
    make_joint: Callable[..., Joint], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    chunk = first_chunk(make_joint())
    for _ in range(2):
        with runner(IDENTITY, 1, store=tmp_path) as here:
            np.testing.assert_array_equal(here(measured(chunk, 1)), run_chunk(chunk))
        damage(tmp_path / "toys.zarr" / "measured" / "c" / "0" / "0" / "0" / "0")


def test_toys_of_another_analysis_are_refused(tmp_path: Path) -> None:
    one = cf.build_likelihood("coherent-csi-2021", model="signal-strength")
    with open_toys(tmp_path, description(one, {}, 1, method="gof")(), 1):
        pass
    for other, text in (
        (description(one, {}, 2, method="gof"), r"seed: 1 there, 2 asked"),
        (description(one, {"sns_flux": 0.5}, 1, method="gof"), r"at: .*"),
    ):
        with pytest.raises(ResultError, match=rf"another analysis \({text}\)"), open_toys(tmp_path, other(), 1):
            pass


def test_one_folder_is_of_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        runner(IDENTITY, 1, store=tmp_path),
        pytest.raises(ResultError, match="is being written by process"),
        runner(IDENTITY, 1, store=tmp_path),
    ):
        pass


@pytest.mark.slow
def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(ResourceError, match="a worker process died"), runner(IDENTITY, 1, workers=2) as here:
        here(every([Call(os._exit, (9,))]))


def test_a_function_that_workers_do_not_know_is_named(make_joint: Callable[..., Joint], monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = types.ModuleType("nowhere")
    nowhere.total = types.FunctionType(total.__code__, {})
    nowhere.total.__module__ = "nowhere"
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)
    with (
        pytest.raises(CevnsfitError, match=r"cannot load what it was sent \(No module named 'nowhere'\)"),
        runner(IDENTITY, 1, workers=2) as here,
    ):
        here(chunks(make_joint(), nowhere.total))


@pytest.mark.slow
def test_a_likelihood_that_was_built_by_hand_has_no_store() -> None:
    unknown = replace(cf.build_likelihood("coherent-csi-2021", model="signal-strength"), origin=None)
    with pytest.raises(CevnsfitError, match="build it with build_likelihood"):
        description(unknown, {}, 1)()


def test_any_executor_will_do() -> None:
    with ThreadPoolExecutor(2) as executor, runner(IDENTITY, 3, workers=executor) as here:
        assert feldman_cousins(default_hypothesis(counting(), "mu"), cl=0.9, toys=TOYS, run=here) == interval(counting())
