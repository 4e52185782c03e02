"""Histograms of ROOT files as pieces of a release."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.spec.root import read_histogram

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_VALUE: Final = 1e30


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
        found = read_histogram(path, self.histogram)
        if 2 * len(found.edges) + 1 != len(self.columns):
            raise self._error(path, f"has {len(found.edges)} axes; expected the columns {', '.join(self.columns)}")
        if not np.all((found.values >= self.lowest) & (np.abs(found.values) <= LARGEST_VALUE)):
            raise self._error(path, f"has contents that are not finite numbers from {self.lowest:g} to {LARGEST_VALUE:g}")
        bins = itertools.product(*(itertools.pairwise(axis) for axis in found.edges))
        return np.array([[*itertools.chain.from_iterable(sides), value] for sides, value in zip(bins, found.values.ravel(), strict=True)])

    def _error(self, path: Path | str, text: str) -> SpecError:
        return SpecError([Problem(str(path), None, self.histogram, text)])
