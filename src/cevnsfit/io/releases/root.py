"""Histograms of ROOT files as pieces of a release, read with uproot."""

from __future__ import annotations

import io
import itertools
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.io.releases.reading import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_FILE: Final = 100_000_000
LARGEST_HISTOGRAM: Final = 50_000_000
"""Bytes of one histogram when it is not compressed."""

LARGEST_VALUE: Final = 1e30

_CLASS: Final = re.compile(r"TH[123][CSIFDL]")


@dataclass(frozen=True, slots=True)
class RootHistogram:
    """A TH1, TH2 or TH3 of a ROOT file, as rows of bin edges and contents; bins run in C order of the axes.

    Attributes
    ----------
    file
        File name.
    histogram
        Name of the histogram in the file, with its folder.
    columns
        Names of the columns: low and high edge for each axis, then the content.
    lowest
        Smallest allowed content.
    """

    file: str
    histogram: str
    columns: tuple[str, ...]
    lowest: float = 0.0

    @property
    def key(self) -> str:
        """Return "FILE:HISTOGRAM"."""
        return f"{self.file}:{self.histogram}"

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the rows, shape (bins, columns); under- and overflow are left out.

        Raises
        ------
        SpecError
            If the file is missing, too large, damaged, or without this histogram, or if its numbers are out of range.
        """
        path = source / self.file
        content = read_bytes(path, LARGEST_FILE, "expected the released ROOT file")
        values, edges = self._arrays(content, str(path))
        if 2 * len(edges) + 1 != len(self.columns):
            raise self._error(path, f"has {len(edges)} axes; expected the columns {', '.join(self.columns)}")
        if not all(np.isfinite(axis).all() and np.all(np.diff(axis) > 0) for axis in edges):
            raise self._error(path, "has edges that do not increase")
        if not np.all((values >= self.lowest) & (np.abs(values) <= LARGEST_VALUE)):
            raise self._error(path, f"has contents that are not finite numbers from {self.lowest:g} to {LARGEST_VALUE:g}")
        bins = itertools.product(*(itertools.pairwise(axis) for axis in edges))
        return np.array([[*itertools.chain.from_iterable(sides), value] for sides, value in zip(bins, values.ravel(), strict=True)])

    def _arrays(self, content: bytes, path: str) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
        """Return the contents and the edges of each axis."""
        import uproot
        from uproot.deserialization import DeserializationError

        damaged = (DeserializationError, zlib.error, struct.error, OSError, EOFError, ValueError, LookupError, ArithmeticError)
        wrong = (AssertionError, AttributeError, TypeError, RuntimeError, MemoryError)
        try:
            with uproot.open(io.BytesIO(content)) as file:
                names = file.keys(cycle=False)
                if self.histogram not in names:
                    raise self._error(path, f"is not there; the file has {', '.join(names[:10])}")
                key: Any = file.key(self.histogram)
                if not _CLASS.fullmatch(key.fClassName) or key.data_uncompressed_bytes > LARGEST_HISTOGRAM:
                    raise self._error(path, f"is a {key.fClassName} of {key.data_uncompressed_bytes} bytes; expected a histogram")
                values, *edges = file[self.histogram].to_numpy()
                return np.asarray(values, dtype=np.float64), [np.asarray(axis, dtype=np.float64) for axis in edges]
        except (*damaged, *wrong) as error:
            detail = " ".join(str(error).split())[:120]
            raise SpecError([Problem(path, None, "", f"is damaged or no ROOT file ({type(error).__name__}: {detail})")]) from None

    def _error(self, path: Path | str, text: str) -> SpecError:
        return SpecError([Problem(str(path), None, self.histogram, text)])
