"""The arrays of a store in zarr: how they are laid out, made, found as they were made, and read chunk by chunk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import ResultError
from cevnsfit.io.lock import way_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

STATUS: Final = "status"
SEAL: Final = "seal"

UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)
"""What reading a damaged file raises."""


@dataclass(frozen=True, slots=True)
class UnitArray:
    """One array of a store: the axes of what each unit leaves in it, by name and length, behind those of the units; and its numbers."""

    axes: Mapping[str, int]
    dtype: str = "f8"


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """The values along one axis, shape (n,), and what they are."""

    values: NDArray[np.float64]
    about: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which arrays a store has.

    Attributes
    ----------
    kind
        "scan", "toys" or "posterior"; the store is the folder `kind`.zarr.
    units
        The axes of the units, by name and length.
    arrays
        The arrays by name, `status` among them.
    coordinates
        Values along some axes.
    names
        Names of the entries along some axes, such as the planes of a scan.
    """

    kind: str
    units: Mapping[str, int]
    arrays: Mapping[str, UnitArray]
    coordinates: Mapping[str, Coordinate] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def structure(self) -> dict[str, Any]:
        """Return everything, of the values of the coordinates a digest, as plain values."""
        return {
            "kind": self.kind,
            "units": [[name, size] for name, size in self.units.items()],
            "arrays": {name: [array.dtype, *map(list, array.axes.items())] for name, array in self.arrays.items()},
            "coordinates": {
                name: {"size": len(axis.values), "digest": digest_of(axis.values), "about": dict(axis.about)}
                for name, axis in self.coordinates.items()
            },
            "names": {name: list(entries) for name, entries in self.names.items()},
        }


def create_arrays(group: zarr.Group, structure: Mapping[str, Any]) -> None:
    """Create the arrays of a layout, filled with NaN, those of whole numbers with 0."""
    from zarr.codecs import BytesCodec, Crc32cCodec

    units, names = dict(structure["units"]), structure["names"]
    wanted = [(name, "f8", {name: axis["size"]}, axis["about"]) for name, axis in structure["coordinates"].items()]
    wanted += [(name, dtype, {**units, **dict(axes)}, {}) for name, (dtype, *axes) in structure["arrays"].items()]
    wanted += [(SEAL, "u8", units, {})]
    for name, dtype, axes, about in wanted:
        array = group.create_array(
            name,
            shape=tuple(axes.values()),
            chunks=tuple(1 if axis in units and name not in axes else size for axis, size in axes.items()),
            dtype=dtype,
            fill_value=np.nan if dtype == "f8" else 0,
            dimension_names=tuple(axes),
            filters=None,
            serializer=BytesCodec(endian="little"),
            compressors=[Crc32cCodec()],
        )
        entries = {axis: names[axis] for axis in axes if axis in names}
        array.attrs.update({**about, **entries})


def digest_of(*parts: str | NDArray[Any]) -> str:
    """Return a digest of texts and numbers, these in the order of bytes of the files."""
    found = hashlib.sha256()
    for part in parts:
        found.update(f"{part}\n".encode() if isinstance(part, str) else part.astype(part.dtype.newbyteorder("<")).tobytes())
    return found.hexdigest()


def open_arrays(path: Path, structure: Mapping[str, Any], mode: str) -> dict[str, zarr.Array[Any]]:
    """Return all arrays of a store; ResultError unless each is described as it was made."""
    import zarr

    twin = zarr.open_group(zarr.storage.MemoryStore(), mode="w")
    create_arrays(twin, structure)
    arrays: dict[str, zarr.Array[Any]] = {}
    for name, made in twin.arrays():
        try:
            with zarr.config.set({"array.write_empty_chunks": True}):  # a chunk of nothing but failures is a chunk
                arrays[name] = zarr.open_array(path / name, mode=mode)
            same = arrays[name].metadata.to_dict() == made.metadata.to_dict()
        except UNREADABLE as error:
            raise damaged(path, path / name / "zarr.json", error) from None
        if not same:
            raise damaged(path, path / name / "zarr.json", "the array is described otherwise than it was made")
    return arrays


def read_chunk(array: zarr.Array[Any], folder: Path, place: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one chunk of an array.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its length is not that of the numbers and their checksum, or the checksum is another one.
    """
    file = chunk_file(folder, place)
    if not file.exists():
        raise FileNotFoundError(file)
    length, wanted = file.stat().st_size, 4 + array.dtype.itemsize * int(np.prod(shape))
    if length != wanted:
        message = f"{length} bytes instead of {wanted}"
        raise ValueError(message)
    return np.asarray(array[place[: len(place) - len(shape)]]).reshape(shape)


def chunk_file(folder: Path, place: tuple[int, ...]) -> Path:
    """Return the file of a chunk of an array."""
    return folder.joinpath("c", *map(str, place))


def damaged(path: Path, file: Path, reason: object) -> ResultError:
    """Return the error of a store that a damaged file of its description makes unreadable."""
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
    return ResultError(f"{file} is damaged ({text}): {path} cannot be read; {way_out(path)}")
