"""Pseudo-experiments on disk: a zarr store in which each finished chunk is one chunk of an array.

Layout: `measured` (point, chunk, toy, quantity), NaN where a toy failed or is missing, and `done` (point, chunk), written last. Both
are as large as they may become; only what is finished takes space.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import ResultError
from cevnsfit.core.version import package_versions
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io.store import check_same

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

FILE: Final = "toys.zarr"

POINTS: Final = 1 << 20
CHUNKS: Final = 1 << 16
"""Most points and chunks of a store."""

QUANTITIES: Final = 10_000
"""Most numbers measured on each pseudo-experiment."""


@dataclass(frozen=True, slots=True, eq=False)
class ToyStore:
    """An open store of pseudo-experiments: its path, and its root group."""

    path: Path
    group: zarr.Group

    @property
    def analysis(self) -> dict[str, Any]:
        """Return what identifies the pseudo-experiments."""
        return dict(json.loads(str(self.group.attrs["analysis"])))

    @property
    def packages(self) -> dict[str, str]:
        """Return the versions of the packages that they were begun with."""
        return dict(json.loads(str(self.group.attrs.get("packages", "{}"))))


def open_toys(folder: Path, analysis: Mapping[str, object], quantities: int) -> ToyStore:
    """Return the store of pseudo-experiments in `folder`, made or continued.

    Parameters
    ----------
    folder
        Where it lies or will lie.
    analysis
        What identifies the pseudo-experiments: everything but their number.
    quantities
        Numbers measured on each.

    Raises
    ------
    ResultError
        If the folder holds those of another analysis, or something that cannot be read.
    """
    import zarr

    path = folder / FILE
    described = json.dumps(analysis, sort_keys=True)
    if path.exists():
        store = read_toys(folder)
        check_same(path, "the toys of another analysis", store.analysis, json.loads(described))
        return store
    folder.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(path, mode="w-")
    group.create_array(
        "measured",
        shape=(POINTS, CHUNKS, CHUNK, quantities),
        chunks=(1, 1, CHUNK, quantities),
        dtype="f8",
        fill_value=np.nan,
        dimension_names=("point", "chunk", "toy", "quantity"),
    )
    group.create_array("done", shape=(POINTS, CHUNKS), chunks=(1, 1), dtype="i1", fill_value=0, dimension_names=("point", "chunk"))
    group.attrs.update({"analysis": described, "packages": json.dumps(package_versions())})
    return ToyStore(path, group)


def read_toys(folder: Path) -> ToyStore:
    """Return the store of pseudo-experiments in `folder`; ResultError if it cannot be read."""
    import zarr

    path = folder / FILE
    try:
        group = zarr.open_group(path, mode="r+")
        _check_arrays(group)
        store = ToyStore(path, group)
        _ = store.analysis, store.packages
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        message = f"{path}: not a readable store of toys ({type(error).__name__}: {error}); remove it to start anew"
        raise ResultError(message) from None
    return store


def _check_arrays(group: zarr.Group) -> None:
    """Raise an error unless the arrays are as large, and in chunks, as they are made: what is read at once is one chunk."""
    for name in ("measured", "done"):
        array: Any = group[name]
        tail = array.shape[3:] if name == "measured" else ()
        wanted = {"measured": ((POINTS, CHUNKS, CHUNK, *tail), (1, 1, CHUNK, *tail)), "done": ((POINTS, CHUNKS), (1, 1))}[name]
        if (array.shape, array.chunks) != wanted or max(tail, default=1) > QUANTITIES:
            message = f"{name} has the shape {array.shape} in chunks of {array.chunks}"
            raise ValueError(message)


def save_chunk(store: ToyStore, point: int, chunk: int, measured: NDArray[np.float64]) -> None:
    """Write one finished chunk; the mark that it is done comes last, so that an interrupted write is no chunk."""
    store.group["measured"][point, chunk] = measured  # type: ignore[index]
    store.group["done"][point, chunk] = 1  # type: ignore[index]


def load_chunk(store: ToyStore, point: int, chunk: int) -> NDArray[np.float64] | None:
    """Return one chunk, None where it is not finished or cannot be read."""
    try:
        if int(np.asarray(store.group["done"][point, chunk])) != 1:  # type: ignore[index]
            return None
        return np.asarray(store.group["measured"][point, chunk], dtype=np.float64)  # type: ignore[index]
    except (RuntimeError, ValueError, OSError, MemoryError):
        return None
