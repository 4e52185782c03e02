"""One writer a store: a second one is told who the first is, and what a killed one leaves is taken over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import ResultError
from cevnsfit.io import lock
from cevnsfit.io.lock import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("fcntl")

HOLD = """
import signal, sys, time
from pathlib import Path
from cevnsfit.io.lock import locked
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background hands down that it is ignored
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(path: Path, project_root: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield another process that holds the lock of a store."""
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src")}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_a_second_process_is_told_who_holds_the_lock_and_for_how_long(tmp_path: Path, project_root: Path) -> None:
    path = tmp_path / "scan.zarr"
    with holder(path, project_root) as other:
        owner = rf"process {other.pid} on {socket.gethostname()} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ s ago\)"
        with pytest.raises(ResultError, match=rf"scan\.zarr is being written by {owner}; let it end, or choose another folder") as caught:
            locked(path).__enter__()
        assert "remove" not in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_of_a_process_that_ended_is_free(
    tmp_path: Path, project_root: Path, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "scan.zarr"
    with holder(path, project_root) as other:
        other.send_signal(number)
        other.wait(timeout=60)
        with locked(path):
            pass
    taken = f"process {other.pid} on {socket.gethostname()}"
    assert (taken in caplog.text) == (number != signal.SIGINT)  # after Ctrl-C the block ends as any other
    assert list(tmp_path.iterdir()) == []


def test_it_is_given_back_after_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "scan.zarr"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), locked(path):
            raise error
        assert list(tmp_path.iterdir()) == []
    with locked(path):
        with pytest.raises(ResultError, match=f"process {os.getpid()} on"), locked(path):
            pass
        assert (tmp_path / "scan.zarr.lock").exists()


def test_a_lock_file_without_an_owner_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "scan.zarr.lock").write_text("[", encoding="utf-8")
    with locked(tmp_path / "scan.zarr"):
        pass
    assert "another process has ended without a word" in caplog.text


def test_a_lock_file_that_was_removed_in_between_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner may remove it after it was opened here and before it was locked: another process would make a new one."""
    path, tries = tmp_path / "scan.zarr", []
    flock = lock._flock

    def late(file: object) -> bool:
        tries.append(file)
        if len(tries) == 1:
            (tmp_path / "scan.zarr.lock").unlink()
        return flock(file)

    monkeypatch.setattr(lock, "_flock", late)
    with locked(path), pytest.raises(ResultError, match="being written"), locked(path):
        pass
    assert len(tries) == 3


def test_without_locks_the_run_goes_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "scan.zarr"):
        pass
    assert "there are no file locks here" in caplog.text


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0 s"), (100, "100 s"), (200, "3 min"), (8000, "2 h"), (500_000, "6 d")])
def test_ages_are_readable(seconds: float, text: str) -> None:
    assert lock._age(seconds) == text


def test_an_owner_that_has_not_yet_written_its_name_is_waited_for(tmp_path: Path) -> None:
    """Between the lock and the name in the file another process may look into it."""
    path = tmp_path / "scan.zarr"
    with path.with_name("scan.zarr.lock").open("a+", encoding="utf-8") as file:
        assert lock._flock(file)
        later = threading.Timer(0.1, lock._take_over, (file, path))
        later.start()
        with pytest.raises(ResultError, match=f"is being written by process {os.getpid()} on "):
            locked(path).__enter__()
        later.join()
