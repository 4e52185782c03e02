"""One writer a store: a lock that the system gives back when its owner ends, however that happens."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

_CLOCK: Final = "%Y-%m-%d %H:%M:%S"

_PATIENCE: Final = 50
_MOMENT: Final = 0.02  # seconds

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock of a store while the block runs; what it yields says whether the lock file is still the one of this process.

    The lock is the file `path`.lock, which says who holds it; what counts is the lock of the system on that file (flock). It ends with the
    process that holds it, so that no process has to judge whether another one is alive, on a network file system neither. A file without such
    a lock is what a killed process has left, and is taken over.

    Parameters
    ----------
    path
        The store; its folder must exist.

    Raises
    ------
    ResultError
        If another process holds it; the message names the owner and how long it has held it.
    OSError
        If no file can be made there.
    """
    lock = path.with_name(f"{path.name}.lock")
    file = _claimed(lock, path)
    try:
        _take_over(file, path)
        yield functools.partial(_lies_at, file, lock)
    finally:
        with contextlib.suppress(OSError):
            if _lies_at(file, lock):
                lock.unlink()
        file.close()


def _claimed(lock: Path, path: Path) -> TextIO:
    """Return the open lock file with the lock on it."""
    while True:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(lock.open("a+", encoding="utf-8"))
            if not _flock(file):
                raise _taken(path, file)
            if _lies_at(file, lock):
                stack.pop_all()
                return file


def _taken(path: Path, file: TextIO) -> ResultError:
    """Return the error that names the owner, who may need a moment to write its name into the file that it has just locked."""
    for _ in range(_PATIENCE):
        file.seek(0)
        if file.read(1):
            break
        time.sleep(_MOMENT)
    return ResultError(f"{path} is being written by {_owner(file)}; let it end, or choose another folder")


def _lies_at(file: TextIO, lock: Path) -> bool:
    """Return whether an open file still has its name: the former owner may have removed it between the opening and the lock."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


def _flock(file: TextIO) -> bool:
    """Return whether this process has the lock on a file now; True where there are no locks, which is logged."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError) as error:
        _log.warning("%s: there are no file locks here (%s); start one process at a time in this folder", file.name, error)
    return True


def _take_over(file: TextIO, path: Path) -> None:
    """Write this process into its lock file; a former owner that was killed is logged."""
    file.seek(0)
    if file.read(1):
        _log.warning("%s: %s has ended without a word; going on with what it has left", path, _owner(file))
    file.truncate(0)
    json.dump({"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}, file)
    file.flush()


def _owner(file: TextIO) -> str:
    """Return the owner of a lock in words: process, host, when it began and how long ago."""
    file.seek(0)
    try:
        owner: dict[str, Any] = json.loads(file.read(1000))
        since, host, pid = float(owner["since"]), str(owner["host"]), int(owner["pid"])
        begun = time.strftime(_CLOCK, time.localtime(since))
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return "another process"
    return f"process {pid} on {host} since {begun} ({_age(time.time() - since)} ago)"


def way_out(path: Path) -> str:
    """Return what to do about a store that cannot be read; nobody is told to remove one that another process may be writing."""
    try:
        with path.with_name(f"{path.name}.lock").open(encoding="utf-8") as file:
            owner = _owner(file)
    except OSError:
        owner = ""
    if not owner or owner.startswith(f"process {os.getpid()} on {socket.gethostname()} "):
        return "choose another folder, or remove it to start again"
    return f"choose another folder, or, once {owner} has ended, remove it to start again"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
