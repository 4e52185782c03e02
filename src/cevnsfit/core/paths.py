"""Where the shipped data lie, and bytes of files that others made."""

from __future__ import annotations

import codecs
from importlib.resources import files
from pathlib import Path
from typing import Final

from cevnsfit.core.errors import CevnsfitError, Problem, SpecError

LEADS_OUT: Final = "links out of the folder"


def data_root() -> Path:
    """Return the folder of the shipped data: inside the wheel, or beside `src` in a source tree."""
    packaged = Path(str(files("cevnsfit"))) / "data"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "data"


def is_there(path: Path) -> bool:
    """Return whether a text that may be a path is one of a file or a folder; one that is too long for a path is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Return whether a text that may be a path is one of a file."""
    return is_there(path) and path.is_file()


def read_bytes(path: Path, largest: int, wanted: str) -> bytes:
    """Return the bytes of a file; SpecError if it is missing, not readable, or larger than `largest`."""
    if not is_file(path):
        raise SpecError([Problem(str(path), None, "", f"is missing; {wanted}")])
    try:
        with path.open("rb") as stream:
            content = stream.read(largest + 1)
    except OSError as error:
        raise SpecError([Problem(str(path), None, "", f"cannot be read ({error.strerror}); {wanted}")]) from None
    if len(content) > largest:
        raise SpecError([Problem(str(path), None, "", f"is larger than {largest} bytes; {wanted}")])
    return content


def read_text(path: Path, largest: int, wanted: str) -> str:
    """Return the text of a file in UTF-8; SpecError if it is none, missing, or larger than `largest` bytes."""
    content = read_bytes(path, largest, wanted)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return text
    utf_16 = content[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} or content[:64].count(0) > 8
    what = "a text file in UTF-16, not in UTF-8" if utf_16 else "not a text file in UTF-8"
    hint = "; save the sheet as 'CSV UTF-8'" if path.suffix.lower() == ".csv" else ""
    raise SpecError([Problem(str(path), None, "", f"{what}{hint}; {wanted}")])


def leads_out(path: Path, folder: Path | None = None) -> bool:
    """Return whether a file lies outside of a folder, by default that of its name: by its path, or by links."""
    try:
        found = path.resolve()
        return found.is_symlink() or not found.is_relative_to((path.parent if folder is None else folder).resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, which are links still from Python 3.13 on; a zero in a name
        return True


def inside(folder: Path, name: str) -> Path:
    """Return a file that a file in `folder` names; CevnsfitError if it lies elsewhere."""
    if leads_out(folder / name, folder):
        message = f"'{name}' lies outside of the folder of the file that names it; copy it there"
        raise CevnsfitError(message)
    return folder / name
