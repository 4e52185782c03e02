"""What this process writes, moves or removes outside of the folders that it was given."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MOVED = {"os.rename": 2, "os.link": 2, "os.symlink": 2, "shutil.move": 2, "shutil.copyfile": 2}
_TOUCHED = dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.chmod", "shutil.rmtree"), 1)
_HARMLESS = ("/dev/", "/proc/")

_open_lists: list[list[str]] = []


@cache
def _hooked() -> None:
    """Set the audit hook, once: it cannot be taken away again, and does nothing while nobody watches."""
    sys.addaudithook(_noticed)


def _noticed(event: str, arguments: tuple[Any, ...]) -> None:
    if _open_lists:
        for place in _written(event, arguments):
            if isinstance(place, str | bytes | os.PathLike):
                _open_lists[-1].append(os.path.realpath(os.fsdecode(place)))


def _written(event: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if event == "open":
        path, mode, flags = arguments
        writes = set(mode) & set("wax+") if isinstance(mode, str) else isinstance(flags, int) and flags & _WRITING
        return (path,) if writes else ()
    if event in _MOVED:
        return arguments[: _MOVED[event]] if event != "shutil.copyfile" else arguments[1:2]
    return arguments[: _TOUCHED.get(event, 0)]


@contextmanager
def strays(*folders: Path) -> Iterator[list[str]]:
    """Yield the list that holds, at the end, what was written outside of the folders."""
    import matplotlib as mpl

    _hooked()
    found: list[str] = []
    _open_lists.append(found)
    try:
        yield found
    finally:
        _open_lists.pop()
        inside = [os.path.realpath(folder) for folder in (*folders, mpl.get_cachedir())]
        found[:] = [
            place
            for place in dict.fromkeys(found)
            if not place.startswith(_HARMLESS)
            and "__pycache__" not in place
            and not any(Path(place).is_relative_to(folder) for folder in inside)
        ]
