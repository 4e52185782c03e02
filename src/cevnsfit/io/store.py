"""Running scans on disk: a zarr store in which each finished column is one chunk.

Layout, one group for each combination of experiments: coordinates `x` and `y`, `nll2` and `valid` (x, y), and `record` (x, field) with what
else a column carries. Arrays start as NaN; a column counts once the field `done` of its record, written last, is 1.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import ResultError
from cevnsfit.core.version import package_versions
from cevnsfit.infer.grid import MAX_MINIMA, GridColumn
from cevnsfit.infer.planes import PlaneAxis

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

FILE: Final = "scan.zarr"
_FIELDS: Final = (
    "done",
    "reference",
    "scale",
    "fallbacks",
    *(f"minimum_{i}_{part}" for i in range(MAX_MINIMA) for part in ("value", "nll2")),
)
_DIGEST: Final = 64
"""Length of a SHA-256 in hexadecimal digits."""

MAX_POINTS: Final = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ScanStore:
    """An open scan.

    Attributes
    ----------
    path
        The zarr store.
    group
        Its root group.
    planes
        The arrays of each plane by name.
    """

    path: Path
    group: zarr.Group
    planes: tuple[Mapping[str, Any], ...]

    @property
    def analysis(self) -> dict[str, Any]:
        """Return the description of the analysis that the scan belongs to."""
        return dict(json.loads(str(self.group.attrs["analysis"])))

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the planes."""
        return tuple(json.loads(str(self.group.attrs["labels"])))

    @property
    def packages(self) -> dict[str, str]:
        """Return the versions of the packages that it was begun with."""
        return dict(json.loads(str(self.group.attrs.get("packages", "{}"))))


def open_scan(folder: Path, analysis: Mapping[str, object], labels: tuple[str, ...], axes: tuple[PlaneAxis, PlaneAxis]) -> ScanStore:
    """Return the scan store in `folder`, made or continued.

    Raises
    ------
    ResultError
        If the folder holds another analysis, or something that is not a scan.
    """
    import zarr

    path = folder / FILE
    if path.exists():
        store = read_scan(folder)
        check_same(path, "another analysis", store.analysis, json.loads(json.dumps(analysis, sort_keys=True)))
        _check_axes(store, axes, path)
        return store
    try:
        folder.mkdir(parents=True, exist_ok=True)
        group = zarr.open_group(path, mode="w-")
    except OSError as error:
        message = f"{folder}: cannot make a scan here ({error})"
        raise ResultError(message) from None
    for number, _ in enumerate(labels):
        _create_plane(group.create_group(f"plane_{number}"), axes)
    group.attrs.update(
        {"labels": json.dumps(labels), "analysis": json.dumps(analysis, sort_keys=True), "packages": json.dumps(package_versions())}
    )
    return ScanStore(path, group, tuple(_arrays(group, number) for number in range(len(labels))))


def _create_plane(group: zarr.Group, axes: tuple[PlaneAxis, PlaneAxis]) -> None:
    x, y = axes
    for name, axis in (("x", x), ("y", y)):
        array = group.create_array(name, data=axis.values, dimension_names=(name,))
        array.attrs.update({"parameter": axis.name, "unit": axis.unit, "scale": axis.scale})
    nx, ny = len(x.values), len(y.values)
    group.create_array("nll2", shape=(nx, ny), chunks=(1, ny), dtype="f8", fill_value=np.nan, dimension_names=("x", "y"))
    group.create_array("valid", shape=(nx, ny), chunks=(1, ny), dtype="i1", fill_value=0, dimension_names=("x", "y"))
    record = group.create_array(
        "record", shape=(nx, len(_FIELDS)), chunks=(1, len(_FIELDS)), dtype="f8", fill_value=np.nan, dimension_names=("x", "field")
    )
    record.attrs["fields"] = list(_FIELDS)


def read_scan(folder: Path) -> ScanStore:
    """Return the scan store in `folder`.

    Raises
    ------
    ResultError
        If there is none, or it cannot be read.
    """
    import zarr

    path = folder / FILE
    if not path.is_dir():
        message = f"{folder}: no scan here (there is no {FILE})"
        raise ResultError(message)
    try:
        group = zarr.open_group(path, mode="r+")
        labels = json.loads(str(group.attrs["labels"]))
        store = ScanStore(path, group, tuple(_arrays(group, number) for number in range(len(labels))))
        if not all(isinstance(label, str) for label in store.labels) or len(set(store.labels)) < len(store.labels) or not store.labels:
            message = f"the planes are named {store.labels}"
            raise ValueError(message)  # noqa: TRY301
        for plane in store.planes:
            _check_plane(plane)
        _ = store.analysis, store.packages
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        message = f"{path}: not a readable scan ({type(error).__name__}: {error}); remove the folder to start anew"
        raise ResultError(message) from None
    return store


def _check_plane(arrays: Mapping[str, Any]) -> None:
    """Raise ValueError, TypeError or KeyError unless the arrays of a plane have consistent shapes and increasing axes."""
    import zarr

    for name, array in arrays.items():
        if not isinstance(array, zarr.Array):
            message = f"{name} is not an array"
            raise TypeError(message)
    nx, ny = (arrays[name].shape[0] if arrays[name].ndim == 1 else 0 for name in ("x", "y"))
    wanted = {"nll2": (nx, ny), "valid": (nx, ny), "record": (nx, len(_FIELDS))}
    if not 0 < nx * ny <= MAX_POINTS or any(arrays[name].shape != shape for name, shape in wanted.items()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        message = f"shapes disagree or are beyond {MAX_POINTS} points: {shapes}"
        raise ValueError(message)
    for name in ("x", "y"):
        if not np.all(np.diff(_axis(arrays[name]).values) > 0):
            message = f"the values of {name} do not increase"
            raise ValueError(message)


def _arrays(group: zarr.Group, number: int) -> dict[str, Any]:
    return {name: group[f"plane_{number}/{name}"] for name in ("x", "y", "nll2", "valid", "record")}


def check_same(path: Path, what: str, known: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Raise ResultError unless what is stored (`known`) is what is asked for; the message says that `path` holds `what` and where they differ."""
    different = [key for key in sorted({*known, *asked}) if known.get(key) != asked.get(key)]
    if different:
        parts = "; ".join(_difference(key, known.get(key), asked.get(key)) for key in different)
        message = f"{path} holds {what} ({parts}); choose another folder"
        raise ResultError(message)


def _difference(key: str, known: object, asked: object) -> str:
    there, here = _brief(known, asked), _brief(asked, known)
    return f"{key}: {json.dumps(there, sort_keys=True)} there, {json.dumps(here, sort_keys=True)} asked"


def _brief(value: object, other: object) -> object:
    """Return what `value` has and `other` has not: of mappings the entries that differ, of digests the first digits."""
    if isinstance(value, dict) and isinstance(other, dict):
        return {name: _brief(entry, other.get(name)) for name, entry in value.items() if name not in other or other[name] != entry}
    if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        return [_brief(mine, theirs) for mine, theirs in zip(value, other, strict=True)]
    if isinstance(value, dict):
        return sorted(value)
    return f"{value[:8]}..." if isinstance(value, str) and len(value) == _DIGEST else value


def _check_axes(store: ScanStore, axes: tuple[PlaneAxis, PlaneAxis], path: Path) -> None:
    for known, asked in zip(axes_of(store, store.labels[-1]), axes, strict=True):
        if (known.name, known.unit) != (asked.name, asked.unit) or not np.array_equal(known.values, asked.values):
            message = f"{path} holds a scan over other values of {known.name} than the {asked.name} asked; choose another folder"
            raise ResultError(message)


def axes_of(store: ScanStore, label: str) -> tuple[PlaneAxis, PlaneAxis]:
    """Return the axes of one plane."""
    arrays = store.planes[store.labels.index(label)]
    x, y = (_axis(arrays[name]) for name in ("x", "y"))
    return x, y


def _axis(array: zarr.Array[Any]) -> PlaneAxis:
    attributes = array.attrs
    values = np.asarray(array[:], dtype=np.float64)
    return PlaneAxis(str(attributes["parameter"]), str(attributes["unit"]), values, "log" if attributes["scale"] == "log" else "linear")


def save_column(store: ScanStore, label: str, index: int, column: GridColumn) -> None:
    """Write one finished column; its record comes last, so that an interrupted write is no column."""
    arrays = store.planes[store.labels.index(label)]
    arrays["nll2"][index] = column.nll2
    arrays["valid"][index] = column.valid.astype(np.int8)
    arrays["record"][index] = np.array([1.0, column.reference, column.scale, float(column.fallbacks), *column.minima.ravel()])


def load_columns(store: ScanStore, label: str) -> tuple[GridColumn | None, ...]:
    """Return the columns of one plane, None where one is not finished or damaged."""
    arrays = store.planes[store.labels.index(label)]
    nll2, valid, record = (_rows(arrays[name]) for name in ("nll2", "valid", "record"))
    columns: list[GridColumn | None] = []
    for row in range(len(record)):
        done, reference, scale, fallbacks, *minima = record[row]
        if done != 1.0 or np.isnan(nll2[row]).any() or np.isnan(valid[row]).any():
            columns.append(None)
            continue
        pairs = np.array(minima).reshape(MAX_MINIMA, 2)
        columns.append(GridColumn(nll2[row], valid[row].astype(np.bool_), pairs, float(reference), float(scale), int(fallbacks)))
    return tuple(columns)


def _rows(array: zarr.Array[Any]) -> NDArray[np.float64]:
    """Return an array, NaN in the rows whose chunk cannot be read."""
    try:
        return np.asarray(array[:], dtype=np.float64)
    except (RuntimeError, ValueError, OSError, MemoryError):
        rows = np.full(array.shape, np.nan)
        for index in range(len(rows)):
            with contextlib.suppress(RuntimeError, ValueError, OSError, MemoryError):
                rows[index] = np.asarray(array[index])
        return rows
