"""Stored results: a zarr v3 group in which each unit of work is one chunk of each array, so that a run that was stopped goes on.

Every array has the axes of the units in front (plane and column, point and chunk, ensemble and block) and then the axes of what a unit leaves.
Arrays are as large as they may become and start as NaN; only what is finished takes space. `status`, written last, is 0 where nothing is
finished, 1 where something is, and 2 where it is and has failed.

Chunks are numbers as they are and a CRC-32C of them: no bit of a file can change unnoticed, and a chunk is as long as its numbers, so that none
expands. (They are the digits of fits and random numbers, which do not compress.) `seal` is a digest of all numbers of a unit, of its place, and of
what the store is of: a good chunk of another place or store is no chunk of this one. A chunk that is not there has not been computed; one that is
damaged is named in a warning and is computed again. The description of the store carries a digest of itself, and the versions of the packages of
each session that has written.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from cevnsfit.core.documents import plain, read_document
from cevnsfit.core.errors import ResultError
from cevnsfit.core.version import other_versions, package_versions
from cevnsfit.io.arrays import (
    SEAL,
    STATUS,
    UNREADABLE,
    Coordinate,
    Layout,
    UnitArray,
    chunk_file,
    create_arrays,
    damaged,
    digest_of,
    open_arrays,
    read_chunk,
)
from cevnsfit.io.description import unlike
from cevnsfit.io.lock import locked, way_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import zarr
    from numpy.typing import ArrayLike, NDArray

LAYOUT: Final = 3
"""Number of the layout of all stores; others are refused."""

FINISHED: Final = 1
FAILED: Final = 2

_MADE: Final = ("analysis", "structure", "packages")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """An open store.

    Attributes
    ----------
    path
        Its folder.
    layout
        Its arrays.
    analysis
        What identifies the result.
    packages
        The versions of the packages of each session that has written; the first unit of a session with others adds them.
    arrays
        The arrays of the units, by name, and their seals.
    digest
        Of the analysis and the arrays, for the seals.
    here, held
        Where it is open for writing: the versions of the packages of this process, and whether the lock still is the one of this process.
    """

    path: Path
    layout: Layout
    analysis: Mapping[str, Any]
    packages: list[dict[str, str]]
    arrays: Mapping[str, zarr.Array[Any]]
    digest: str
    here: Mapping[str, str] = field(default_factory=dict)
    held: Callable[[], bool] | None = None

    @property
    def made_with(self) -> dict[str, str]:
        """Return the versions of all packages, several of one where sessions differ."""
        names = {name: None for session in self.packages for name in session}
        return {name: " and ".join(dict.fromkeys(session[name] for session in self.packages if name in session)) for name in names}

    def refuse(self, what: str) -> NoReturn:
        """Raise ResultError: the description is not that of something."""
        message = f"{self.path}: the description of the analysis is not that of {what}; {way_out(self.path)}"
        raise ResultError(message) from None


# --- a store as a whole ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_store(folder: Path, layout: Layout, analysis: Mapping[str, object]) -> Iterator[Store]:
    """Yield the store of a kind in `folder` for writing, made or continued, and locked while the block runs.

    Parameters
    ----------
    folder
        Where it lies or will lie.
    layout
        Its arrays.
    analysis
        What identifies the result, as plain values.

    Raises
    ------
    ResultError
        If another process is writing it, it belongs to another analysis, or it cannot be made or read.
    """
    path = _path(folder, layout.kind)
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(locked(path))
            if not path.exists():
                _make(path, layout, analysis)
        except OSError as error:
            message = f"{folder}: no {layout.kind} can be stored here ({error})"
            raise ResultError(message) from error
        store = replace(_read(path, layout.kind, mode="r+"), here=package_versions(), held=held)
        _require_same(store, layout, plain(analysis))
        yield store
        _require_there(store)


def _require_same(store: Store, layout: Layout, analysis: Mapping[str, Any]) -> None:
    """Raise ResultError unless a store holds the analysis, the coordinates and the arrays that are asked for."""
    different = unlike(store.analysis, analysis)
    if different:
        message = f"{store.path} holds another analysis ({different}); choose another folder"
        raise ResultError(message)
    for name, asked in layout.coordinates.items():
        known = store.layout.coordinates.get(name)
        if known is None or dict(known.about) != dict(asked.about) or not np.array_equal(known.values, asked.values):
            there, here = ("nothing" if axis is None else axis.about.get("parameter", name) for axis in (known, asked))
            message = f"{store.path} holds {there} with other values than the requested {here}; choose another folder"
            raise ResultError(message)
    if store.layout.structure != layout.structure:
        message = f"{store.path} holds arrays with other names or lengths than requested; choose another folder"
        raise ResultError(message)


def read_store(folder: Path, kind: str) -> Store:
    """Return the store of a kind in `folder` for reading; nothing is locked.

    Raises
    ------
    ResultError
        If there is none, it has another layout, or it cannot be read.
    """
    return _read(_path(folder, kind), kind, mode="r")


def store_exists(folder: Path, kind: str) -> bool:
    """Return whether there is a store of a kind in `folder`."""
    return _path(folder, kind).is_dir()


def _path(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.zarr"


def _make(path: Path, layout: Layout, analysis: Mapping[str, object]) -> None:
    """Make a store beside its place and rename it: one that is half made never has its name."""
    import zarr

    beside = path.with_name(f"{path.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    group = zarr.open_group(beside, mode="w-")
    create_arrays(group, layout.structure)
    for name, axis in layout.coordinates.items():
        group[name][:] = axis.values  # type: ignore[index]
    texts = {
        "analysis": json.dumps(analysis, sort_keys=True),
        "packages": json.dumps([package_versions()]),
        "structure": json.dumps(layout.structure),
    }
    group.attrs.update({"layout": LAYOUT, **texts, "digest": digest_of(*(texts[name] for name in _MADE))})
    beside.rename(path)


def _read(path: Path, kind: str, mode: str) -> Store:
    if not path.is_dir():
        message = f"{path.parent}: no {kind} here (there is no {path.name})"
        raise ResultError(message)
    attributes = _attributes(path)
    try:
        structure, analysis = (dict(json.loads(attributes[name])) for name in ("structure", "analysis"))
        packages = [dict(session) for session in json.loads(attributes["packages"])]
        if structure["kind"] != kind:
            message = f"a store of the kind '{structure['kind']}'"
            raise ValueError(message)
        arrays = open_arrays(path, structure, mode)
        layout = _layout(path, structure, arrays)
    except UNREADABLE as error:
        raise damaged(path, path / "zarr.json", error) from None
    digest = digest_of(attributes["analysis"], attributes["structure"])
    return Store(path, layout, analysis, packages, {name: arrays[name] for name in (*layout.arrays, SEAL)}, digest)


def _attributes(path: Path) -> dict[str, Any]:
    """Return the description of a store; ResultError unless it has this layout and is whole."""
    file = path / "zarr.json"
    try:
        attributes = read_document(file).get("attributes")
    except ResultError as error:
        message = f"{error}: {path} cannot be read; {way_out(path)}"
        raise ResultError(message) from None
    if not isinstance(attributes, dict) or attributes.get("layout") != LAYOUT:
        number = attributes.get("layout", "no number") if isinstance(attributes, dict) else "no number"
        message = f"{file}: the layout of this store ({number}) is not the one of this version ({LAYOUT}); choose another folder"
        raise ResultError(message)
    texts = {name: str(attributes.get(name)) for name in _MADE}
    if attributes.get("digest") != digest_of(*texts.values()):
        raise damaged(path, file, "its digest is another one")
    return attributes


def _layout(path: Path, structure: Mapping[str, Any], arrays: Mapping[str, zarr.Array[Any]]) -> Layout:
    """Return the layout that a structure describes, with the values of its coordinates."""
    coordinates = {
        name: Coordinate(_values(path, name, arrays[name], axis["digest"]), axis["about"])
        for name, axis in structure["coordinates"].items()
    }
    return Layout(
        kind=str(structure["kind"]),
        units={str(name): int(size) for name, size in structure["units"]},
        arrays={
            str(name): UnitArray({str(axis): int(size) for axis, size in axes}, str(dtype))
            for name, (dtype, *axes) in structure["arrays"].items()
        },
        coordinates=coordinates,
        names={str(axis): tuple(map(str, names)) for axis, names in structure["names"].items()},
    )


def _values(path: Path, name: str, array: zarr.Array[Any], digest: str) -> NDArray[np.float64]:
    """Return the values of a coordinate; ResultError unless they are whole, and those that were written there."""
    try:
        values = np.asarray(read_chunk(array, path / name, (0,), array.shape), dtype=np.float64)
        if digest_of(values) != digest:
            message = "these are other values than were written there"
            raise ValueError(message)
    except UNREADABLE as error:
        raise damaged(path, chunk_file(path / name, (0,)), error) from None
    return values


# --- units -------------------------------------------------------------------------------------------------------------------------


def save(store: Store, unit: tuple[int, ...], values: Mapping[str, ArrayLike]) -> None:
    """Write what a finished unit leaves; its status comes last, so that an interrupted write is no unit.

    Raises
    ------
    ResultError
        If the store is no longer there, or cannot be written.
    """
    _require_there(store)
    numbers = {
        name: np.broadcast_to(np.asarray(values[name], dtype=array.dtype), tuple(array.axes.values()))
        for name, array in store.layout.arrays.items()
    }
    sealed = {**numbers, SEAL: _seal(store, unit, numbers), STATUS: numbers[STATUS]}
    try:
        _add_session(store)
        for name in (*(name for name in sealed if name != STATUS), STATUS):
            store.arrays[name][unit] = sealed[name]
    except OSError as error:
        _require_there(store)
        message = f"{store.path} cannot be written ({error}); what is finished is kept: the same command continues it"
        raise ResultError(message) from error


def _require_there(store: Store) -> None:
    """Raise ResultError unless a store and its lock are where they were: what is written to a folder that was removed is no store."""
    if store.held is not None and not (store.held() and (store.path / "zarr.json").is_file()):
        message = f"{store.path} was removed, moved or replaced while it was being written; run the same command again"
        raise ResultError(message)


def _add_session(store: Store) -> None:
    """Add the versions of the packages of this process to those of a store, unless it has them; a mixture is logged."""
    mixed = [other_versions(known, store.here) for known in store.packages]
    if "" in mixed:
        return
    _log.warning("%s: continued with other packages, and mixes the numbers of both (%s)", store.path, mixed[-1])
    store.packages.append(dict(store.here))
    file = store.path / "zarr.json"
    document = read_document(file)
    made = document["attributes"]
    made["packages"] = json.dumps(store.packages)
    made["digest"] = digest_of(*(made[name] for name in _MADE))
    beside = store.path.with_name(f"{store.path.name}.json.new")
    beside.write_text(json.dumps(document, indent=2), encoding="utf-8")
    beside.replace(file)


def _seal(store: Store, unit: tuple[int, ...], numbers: Mapping[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """Return the seal of a unit: the first 64 bits of a digest of its numbers, its place and the store."""
    digest = digest_of(store.digest, *map(str, unit), *(part for name in sorted(numbers) for part in (name, numbers[name])))
    return np.asarray(int(digest[:16], 16), dtype=np.uint64)


def load(store: Store, unit: tuple[int, ...]) -> dict[str, NDArray[Any]] | None:
    """Return what a unit has left, by array; None where it is not finished, or is damaged, which is logged."""
    found: dict[str, NDArray[Any]] = {}
    for name in (STATUS, *(name for name in store.arrays if name != STATUS)):
        chunk = _chunk(store, name, unit)
        if chunk is None:
            return None
        found[name] = chunk
    if found.pop(SEAL) != _seal(store, unit, found):
        place = ", ".join(f"{name} {number}" for name, number in zip(store.layout.units, unit, strict=True))
        _log.warning("%s: the numbers of %s were not written there together; this part is computed again", store.path, place)
        return None
    return found


def _chunk(store: Store, name: str, unit: tuple[int, ...]) -> NDArray[Any] | None:
    """Return the chunk of a unit in one array, None where it is missing or damaged."""
    folder, axes = store.path / name, store.arrays[name].shape[len(unit) :]
    try:
        return read_chunk(store.arrays[name], folder, (*unit, *(0 for _ in axes)), axes)
    except FileNotFoundError as error:
        if name != STATUS:
            _log.warning("%s is lost; this part is computed again", error)
    except UNREADABLE as error:
        _log.warning("%s is damaged (%s); this part is computed again", chunk_file(folder, (*unit, *(0 for _ in axes))), error)
    return None
