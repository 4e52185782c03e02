"""Where the shipped data lie, and bytes of files that others made."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from cevnsfit.core.errors import Problem, SpecError

LEADS_OUT: Final = "links out of the folder"


def data_root() -> Path:
    """Return the folder of the shipped data: inside the wheel, or beside `src` in a source tree."""
    packaged = Path(str(files("cevnsfit"))) / "data"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "data"


def read_bytes(path: Path, largest: int, wanted: str) -> bytes:
    """Return the bytes of a file; SpecError if it is missing, not readable, or larger than `largest`."""
    if not path.is_file():
        raise SpecError([Problem(str(path), None, "", f"is missing; {wanted}")])
    try:
        with path.open("rb") as stream:
            content = stream.read(largest + 1)
    except OSError as error:
        raise SpecError([Problem(str(path), None, "", f"cannot be read ({error.strerror}); {wanted}")]) from None
    if len(content) > largest:
        raise SpecError([Problem(str(path), None, "", f"is larger than {largest} bytes; {wanted}")])
    return content


def leads_out(path: Path) -> bool:
    """Return whether a file is a link to one that lies outside of its folder."""
    return path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())
