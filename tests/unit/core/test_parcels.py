"""Calls for other processes: what many share goes there once, stays one object, and comes back as its name."""

from __future__ import annotations

import errno
import functools
import pickle
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core import parcels
from cevnsfit.core.errors import CevnsfitError, ResourceError
from cevnsfit.core.parcels import LAST, Sender, SentOnce, answer_packed, run_packed
from cevnsfit.studies.workers import Posting, _folder, _written, executing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True, eq=False)
class Large(SentOnce):
    numbers: np.ndarray
    inner: Large | None = None


def same(*objects: Any) -> Any:
    return objects


class There(Executor):
    """An executor that runs calls as another process would; it counts the bytes of calls and results."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.results: list[int] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        content = pickle.dumps((function, arguments, options))
        function, arguments, options = pickle.loads(content)
        mine, parcels._mine = parcels._mine, type(parcels._mine)()
        try:
            answer = pickle.dumps(function(*arguments, **options))
        finally:
            parcels._mine = mine
        self.calls.append(len(content))
        self.results.append(len(answer))
        future: Future[Any] = Future()
        future.set_result(pickle.loads(answer))
        return future


def test_what_is_shared_goes_once_and_comes_back_as_itself(tmp_path: Path) -> None:
    there = There()
    posting = Posting(there, functools.partial(_written, tmp_path))
    one = Large(np.arange(1e4))
    other = Large(np.ones(10_000), inner=one)
    for _ in range(3):
        first, second, third, new = posting.submit(same, one, other, one, Large(np.zeros(3))).result()
        assert first is third is one
        assert second is other
        assert new.numbers.tolist() == [0.0, 0.0, 0.0]
    (inner,) = posting.submit(inner_of, other).result()
    assert inner is one
    assert max(there.calls + there.results) < 1000
    assert sorted(path.stat().st_size > 80_000 for path in tmp_path.iterdir()) == [False, False, False, True, True]


def inner_of(large: Large) -> tuple[Large | None]:
    return (large.inner,)


def test_a_receiver_keeps_what_its_last_calls_shared(tmp_path: Path) -> None:
    sender = Sender(functools.partial(_written, tmp_path))
    large = Large(np.arange(3.0))
    (first,) = run_packed(*sender.packed(same, large))
    assert run_packed(*sender.packed(same, large))[0] is first is not large
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert run_packed(*sender.packed(same, large))[0] is first
    del first
    for k in range(LAST):
        run_packed(*sender.packed(same, k))
    with pytest.raises(ResourceError, match="is damaged; run the same command again"):
        run_packed(*sender.packed(same, large))
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(ResourceError, match=r"which worker processes need, cannot be read \(No such file or directory\)"):
        run_packed(*sender.packed(same, large))


def test_calls_of_this_process_get_its_results_as_they_are() -> None:
    sender = Sender(lambda _, content: content)
    found = answer_packed(*sender.packed(same, Large(np.zeros(2)), 3))
    assert found[1] == 3
    assert answer_packed(*sender.packed(same, 3)) == (3,)
    with pytest.raises(CevnsfitError, match="only if it can be pickled"):
        sender.packed(lambda: 3)


def test_no_room_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResourceError, match=r"cannot be written \(No such file or directory\); another folder: TMPDIR"):
        Posting(There(), functools.partial(_written, tmp_path / "gone")).submit(same, Large(np.zeros(2)))

    def full(prefix: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", prefix)

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(ResourceError, match="No space left on device"), _folder():
        pass


def test_an_executor_that_is_not_known_gets_contents_within_its_calls() -> None:
    there = There()
    with executing(there) as executor:
        assert isinstance(executor, Posting)
        large = Large(np.arange(1e4))
        assert executor.submit(same, large).result()[0] is large
        with executing(executor) as again:
            assert again is executor
    assert there.calls[0] > 80_000
    assert there.results[0] < 1000


@pytest.mark.slow
def test_a_call_is_small(tmp_path: Path) -> None:
    """Whatever the likelihood is: calls of intervals, coverage and regions, and most of what they return."""
    there, likelihood = There(), cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    posting, toys = Posting(there, functools.partial(_written, tmp_path)), cf.Toys(128)
    interval = functools.partial(cf.intervals, likelihood, "g", at={"mass": 10.0}, method="feldman-cousins", toys=toys)
    assert interval(workers=posting).to_dict() == interval().to_dict()
    cf.coverage(likelihood, "g", [5e-4], at={"mass": 10.0}, toys=toys, workers=posting)
    cf.region(likelihood, mass=[300.0, 350.0, 400.0], g=[1e-3, 3e-3, 1e-2, 3e-2], ordering="column", toys=toys, workers=posting)
    assert max(there.calls) < 10_000
    assert np.median(there.results) < 10_000
