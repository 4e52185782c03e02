"""Histograms of ROOT files, read with uproot; strangers' files are data, sizes bounded, nothing executed."""

from __future__ import annotations

import io
import lzma
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_FILE: Final = 100_000_000
LARGEST_HISTOGRAM: Final = 50_000_000
"""Bytes of one histogram when it is not compressed."""

_CLASS: Final = re.compile(r"TH[123][CSIFDL]")


@dataclass(frozen=True, slots=True, eq=False)
class RootArrays:
    """A TH1, TH2 or TH3 without under- and overflow.

    Attributes
    ----------
    values, errors
        Contents and their standard errors, shape (bins of each axis).
    edges
        Edges of each axis, increasing.
    titles
        Title of each axis, empty where it has none.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    edges: tuple[NDArray[np.float64], ...]
    titles: tuple[str, ...]


def read_histogram(path: Path, name: str) -> RootArrays:
    """Return the histogram of a name, with its folder, in a file.

    Raises
    ------
    SpecError
        If the file is missing, too large, damaged, or without this histogram, or if its edges do not increase.
    """
    import uproot

    content = read_bytes(path, LARGEST_FILE, "expected a ROOT file")
    try:
        with uproot.open(io.BytesIO(content)) as file:
            found = _histogram(file, content, path, name)
    except SpecError:
        raise
    except Exception as error:  # noqa: BLE001 (what uproot and each decompressor raise for bytes of strangers is not declared anywhere)
        detail = " ".join(str(error).split())[:120]
        what = "is damaged, not a ROOT file, or compressed in a way that cannot be read here"
        raise SpecError([Problem(str(path), None, "", f"{what} ({type(error).__name__}: {detail})")]) from None
    if not all(np.isfinite(axis).all() and np.all(np.diff(axis) > 0) for axis in found.edges):
        raise SpecError([Problem(str(path), None, name, "has edges that do not increase")])
    return found


def _histogram(file: Any, content: bytes, path: Path, name: str) -> RootArrays:
    names = file.keys(cycle=False)
    if name not in names:
        raise SpecError([Problem(str(path), None, name, f"does not exist; the file has {', '.join(names[:10]) if names else 'nothing'}")])
    key = file.key(name)
    if not _CLASS.fullmatch(key.fClassName) or key.data_uncompressed_bytes > LARGEST_HISTOGRAM:
        message = f"is a {key.fClassName} of {key.data_uncompressed_bytes} bytes; expected a histogram"
        raise SpecError([Problem(str(path), None, name, message)])
    for place in filter(None, (key.fSeekKey, file.file.fSeekInfo)):
        _check_blocks(content, place)
    found = file[name]
    values, *edges = found.to_numpy()
    titles = tuple(str(axis.all_members.get("fTitle", "")) for axis in found.axes)
    contents, errors = (np.asarray(part, dtype=np.float64) for part in (values, found.errors()))
    return RootArrays(contents, errors, tuple(np.asarray(axis, dtype=np.float64) for axis in edges), titles)


def _check_blocks(content: bytes, place: int) -> None:
    """Raise ValueError if a block of what lies at `place` gives more bytes than it says: uproot would write all of them to memory first."""
    total, _, length, _, head = struct.unpack_from(">ihiIh", content, place)
    block, end = place + head, min(place + total, len(content))
    while total - head != length and block < end:
        kind, compressed, size = content[block : block + 2], *(int.from_bytes(content[block + k : block + k + 3], "little") for k in (3, 6))
        data, block = content[block + 9 : block + 9 + compressed], block + 9 + compressed
        if size > LARGEST_HISTOGRAM or not _fits(kind, data, size):
            message = f"a block of {compressed} bytes holds more than the {size} that it says"
            raise ValueError(message)


def _fits(kind: bytes, data: bytes, size: int) -> bool:
    """Return whether compressed data have at most `size` bytes; LZ4, whose length is exact, and unknown kinds are left to uproot."""
    import cramjam

    if kind == b"ZL":
        return len(zlib.decompressobj().decompress(data, size + 1)) <= size
    if kind == b"XZ":
        return len(lzma.LZMADecompressor().decompress(data, size + 1)) <= size
    return kind != b"ZS" or cramjam.zstd.decompress_into(data, bytearray(size)) <= size
