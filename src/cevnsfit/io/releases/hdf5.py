"""Arrays of HDF5 files as pieces of a release, read with h5py."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.extras import optional
from cevnsfit.core.paths import read_bytes
from cevnsfit.spec.root import LARGEST_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LARGEST_ARRAY: Final = 50_000_000
"""Bytes of one array when it is not compressed."""

LARGEST_VALUE: Final = 1e30


@dataclass(frozen=True, slots=True)
class Hdf5Table:
    """An array of numbers in an HDF5 file, as rows of bin edges and contents; bins run in C order of the axes.

    Attributes
    ----------
    file
        File name.
    array
        Name of the dataset in the file, with its groups.
    edges
        Names of the datasets that hold the bin edges of each axis.
    lowest
        Smallest allowed content.
    """

    file: str
    array: str
    edges: tuple[str, ...]
    lowest: float = 0.0

    @property
    def key(self) -> str:
        """Return "FILE:ARRAY"."""
        return f"{self.file}:{self.array}"

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the rows, shape (bins, columns): low and high edge for each axis, then the content.

        Raises
        ------
        SpecError
            If the file is missing, too large, damaged, or without one of the arrays, or if its numbers are out of range.
        CevnsfitError
            If h5py is not installed.
        """
        path = source / self.file
        content = read_bytes(path, LARGEST_FILE, "expected the released HDF5 file")
        values, *axes = self._arrays(content, path)
        if values.shape != tuple(axis.size - 1 for axis in axes):
            raise self._error(path, f"has the shape {values.shape}, but its edges need {tuple(axis.size - 1 for axis in axes)}")
        if not all(axis.ndim == 1 and np.isfinite(axis).all() and np.all(np.diff(axis) > 0) for axis in axes):
            raise self._error(path, "has edges that do not increase")
        if not np.all((values >= self.lowest) & (np.abs(values) <= LARGEST_VALUE)):
            raise self._error(path, f"has contents that are not finite numbers from {self.lowest:g} to {LARGEST_VALUE:g}")
        bins = itertools.product(*(itertools.pairwise(axis) for axis in axes))
        return np.array([[*itertools.chain.from_iterable(sides), value] for sides, value in zip(bins, values.ravel(), strict=True)])

    def _arrays(self, content: bytes, path: Path) -> list[NDArray[np.float64]]:
        """Return the contents and the edges of each axis."""
        h5py = optional("h5py", "releases")
        try:
            with h5py.File(io.BytesIO(content), "r") as file:
                return [self._array(h5py, file, name, path) for name in (self.array, *self.edges)]
        except (OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
            detail = " ".join(str(error).split())[:120]
            raise SpecError([Problem(str(path), None, "", f"is damaged or not an HDF5 file ({type(error).__name__}: {detail})")]) from None

    def _array(self, h5py: Any, file: Any, name: str, path: Path) -> NDArray[np.float64]:
        """Return one array; links to other places and files are not followed."""
        node, parts = file, name.split("/")
        for part in parts:
            if not isinstance(node, h5py.Group) or part not in node:
                raise self._error(path, f"has no array '{name}'")
            if not isinstance(node.get(part, getlink=True), h5py.HardLink):
                raise self._error(path, f"has a link in the place of '{name}'")
            node = node[part]
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "fiu" or node.is_virtual or node.external:
            raise self._error(path, f"has no array of numbers '{name}'")
        if node.nbytes > LARGEST_ARRAY:
            raise self._error(path, f"has {node.nbytes} bytes in '{name}'; at most {LARGEST_ARRAY} are read")
        return np.asarray(node[()], dtype=np.float64)

    def _error(self, path: Path, text: str) -> SpecError:
        return SpecError([Problem(str(path), None, self.array, text)])
