"""The results that are stored while they are made: scans, pseudo-experiments, posteriors, points of superpartners.

- `scan.zarr`: a unit is a column of a plane (plane, x): `nll2` and `status` along y, and a `record` of what else a column carries.
- `toys.zarr`: a unit is a chunk of the pseudo-experiments of a point (point, chunk): `measured` (toy, quantity) and their `status`.
- `posterior.zarr`: a unit is a block of steps of an ensemble (ensemble, block): the `chain` in the coordinates of the sampler (logarithms where a
  prior is flat in them), `log_density`, how often each walker has `accepted` a step, the `log_evidence` of a nested run with its error, and a `status`.
- `susy.zarr`: a unit is a page of the kept points of a chunk (chunk, page): `points` (row, column), the `counts` of the chunk, and a `status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import ResultError
from cevnsfit.infer.grid import MAX_MINIMA, GridColumn
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.posterior import Block
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io.arrays import STATUS, Coordinate, Layout, UnitArray
from cevnsfit.io.store import FAILED, FINISHED, load, open_store, read_store, save
from cevnsfit.moments import sleptons
from cevnsfit.moments.ranges import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.io.store import Store

SCAN: Final = "scan"
TOYS: Final = "toys"
POSTERIOR: Final = "posterior"
SUSY: Final = "susy"

POINTS: Final = 1 << 28
CHUNKS: Final = 1 << 16
"""Most points, and most chunks of a point, of pseudo-experiments."""

BLOCKS: Final = 1 << 14
"""Most blocks of an ensemble."""

PAGE: Final = 250
"""Kept points on a page; a chunk of which nothing is dropped has forty."""

_COUNTS: Final = ("kept", *sleptons.COUNTS)

_RECORD: Final = (
    "reference",
    "scale",
    "fallbacks",
    *(f"minimum_{i}_{part}" for i in range(MAX_MINIMA) for part in ("value", "nll2")),
)


# --- scans -------------------------------------------------------------------------------------------------------------------------


def open_scan(
    folder: Path, analysis: Mapping[str, object], labels: tuple[str, ...], axes: tuple[PlaneAxis, PlaneAxis]
) -> AbstractContextManager[Store]:
    """Return the store of planes over the same axes, made or continued; see `open_store`."""
    return open_store(folder, _scan_layout(labels, axes), analysis)


def read_scan(folder: Path) -> Store:
    """Return the scan in `folder` for reading; ResultError if there is none, or it cannot be read."""
    store = read_store(folder, SCAN)
    _require_arrays(store, "plane", ("x", "y"))
    if store.layout.structure != _scan_layout(labels_of(store), axes_of(store)).structure:
        message = f"{store.path}: its arrays are not those of a scan; choose another folder"
        raise ResultError(message)
    return store


def _require_arrays(store: Store, named: str, axes: Sequence[str]) -> None:
    """Raise ResultError unless a store has names along one axis and values along others."""
    if named not in store.layout.names or any(name not in store.layout.coordinates for name in axes):
        message = f"{store.path}: its arrays are not those of a {store.layout.kind}; choose another folder"
        raise ResultError(message)


def _scan_layout(labels: tuple[str, ...], axes: tuple[PlaneAxis, PlaneAxis]) -> Layout:
    x, y = axes
    return Layout(
        SCAN,
        units={"plane": len(labels), "x": len(x.values)},
        arrays={
            "nll2": UnitArray({"y": len(y.values)}),
            "record": UnitArray({"field": len(_RECORD)}),
            STATUS: UnitArray({"y": len(y.values)}, "i1"),
        },
        coordinates={
            name: Coordinate(axis.values, {"parameter": axis.name, "unit": axis.unit, "scale": axis.scale})
            for name, axis in (("x", x), ("y", y))
        },
        names={"plane": labels, "field": _RECORD},
    )


def labels_of(store: Store) -> tuple[str, ...]:
    """Return the names of the planes of a scan."""
    return store.layout.names["plane"]


def axes_of(store: Store) -> tuple[PlaneAxis, PlaneAxis]:
    """Return the axes of the planes of a scan."""
    x, y = (
        PlaneAxis(axis.about["parameter"], axis.about["unit"], axis.values, "log" if axis.about["scale"] == "log" else "linear")
        for axis in (store.layout.coordinates[name] for name in ("x", "y"))
    )
    return x, y


def save_column(store: Store, label: str, index: int, column: GridColumn) -> None:
    """Write one finished column of a plane."""
    record = [column.reference, column.scale, float(column.fallbacks), *column.minima.ravel()]
    status = np.where(column.valid, FINISHED, FAILED)
    save(store, (labels_of(store).index(label), index), {"nll2": column.nll2, "record": record, STATUS: status})


def load_columns(store: Store, label: str) -> tuple[GridColumn | None, ...]:
    """Return the columns of one plane, None where one is not finished or is damaged."""
    plane = labels_of(store).index(label)
    return tuple(_column(load(store, (plane, index))) for index in range(store.layout.units["x"]))


def _column(found: Mapping[str, NDArray[Any]] | None) -> GridColumn | None:
    if found is None:
        return None
    reference, scale, fallbacks, *minima = found["record"].tolist()
    return GridColumn(found["nll2"], found[STATUS] == FINISHED, np.array(minima).reshape(MAX_MINIMA, 2), reference, scale, int(fallbacks))


# --- pseudo-experiments ------------------------------------------------------------------------------------------------------------


def open_toys(folder: Path, analysis: Mapping[str, object], quantities: int) -> AbstractContextManager[Store]:
    """Return the store of pseudo-experiments with some numbers measured on each, made or continued; see `open_store`.

    `analysis` is everything that identifies them but their number.
    """
    layout = Layout(
        TOYS,
        units={"point": POINTS, "chunk": CHUNKS},
        arrays={"measured": UnitArray({"toy": CHUNK, "quantity": quantities}), STATUS: UnitArray({"toy": CHUNK}, "i1")},
    )
    return open_store(folder, layout, analysis)


def read_toys(folder: Path) -> Store:
    """Return the store of pseudo-experiments in `folder` for reading; ResultError if there is none, or it cannot be read."""
    return read_store(folder, TOYS)


def kept_chunks(store: Store) -> dict[int, int]:
    """Return how many chunks of each point, or units along the second axis of any store, are kept, finished or damaged."""
    places = (store.path / STATUS / "c").glob("*")
    return {
        int(place.name): sum(file.name.isdigit() for file in place.iterdir()) for place in places if place.is_dir() and place.name.isdigit()
    }


def save_chunk(store: Store, point: int, chunk: int, measured: NDArray[np.float64]) -> None:
    """Write one finished chunk, shape (`CHUNK`, k); rows with NaN are failures."""
    status = np.where(np.isnan(measured).any(axis=1), FAILED, FINISHED)
    quantities = store.layout.arrays["measured"].axes["quantity"]
    save(store, (point, chunk), {"measured": np.broadcast_to(measured, (CHUNK, quantities)), STATUS: status})


def load_chunk(store: Store, point: int, chunk: int) -> NDArray[np.float64] | None:
    """Return one chunk, None where it is not finished or is damaged."""
    found = load(store, (point, chunk))
    return None if found is None else found["measured"]


# --- posteriors --------------------------------------------------------------------------------------------------------------------


def open_posterior(
    folder: Path, analysis: Mapping[str, object], names: Sequence[str], *, ensembles: int, shape: tuple[int, int]
) -> AbstractContextManager[Store]:
    """Return the store of ensembles of some parameters, made or continued; see `open_store`.

    `analysis` is everything that identifies them but the number of steps; `shape` are the steps of a block and its walkers. A nested run is one
    block of one walker, and has an evidence.
    """
    steps, walkers = shape
    layout = Layout(
        POSTERIOR,
        units={"ensemble": ensembles, "block": BLOCKS},
        arrays={
            "chain": UnitArray({"step": steps, "walker": walkers, "parameter": len(names)}),
            "log_density": UnitArray({"step": steps, "walker": walkers}),
            "accepted": UnitArray({"walker": walkers}),
            "log_evidence": UnitArray({"quantity": 2}),
            STATUS: UnitArray({}, "i1"),
        },
        names={"parameter": tuple(names)},
    )
    return open_store(folder, layout, analysis)


def save_block(store: Store, ensemble: int, block: int, found: Block) -> None:
    """Write one finished block of an ensemble."""
    values = {
        "chain": found.coordinates,
        "log_density": found.log_density,
        "accepted": found.accepted,
        "log_evidence": np.array(found.log_evidence),
    }
    save(store, (ensemble, block), {**values, STATUS: FINISHED})


def read_posterior(folder: Path) -> Store:
    """Return the store of ensembles in `folder` for reading; ResultError if there is none, or it cannot be read."""
    return read_store(folder, POSTERIOR)


def load_blocks(store: Store, ensemble: int, most: int) -> list[Block]:
    """Return the first finished blocks of an ensemble, at most `most`; each starts where the one before has ended."""
    blocks: list[Block] = []
    while len(blocks) < most and (found := load(store, (ensemble, len(blocks)))) is not None:
        value, error = found["log_evidence"].tolist()
        blocks.append(Block(found["chain"], found["log_density"], found["accepted"], (value, error)))
    return blocks


# --- points of superpartners ---------------------------------------------------------------------------------------------------------


def open_points(folder: Path, analysis: Mapping[str, object]) -> AbstractContextManager[Store]:
    """Return the store of the kept points of a scan of superpartners, made or continued; see `open_store`.

    `analysis` is everything that identifies them but their number.
    """
    columns = tuple(f"{name} [{UNITS.get(name, '1')}]" for name in sleptons.COLUMNS)
    layout = Layout(
        SUSY,
        units={"chunk": CHUNKS, "page": sleptons.CHUNK // PAGE},
        arrays={
            "points": UnitArray({"row": PAGE, "column": len(columns)}),
            "counts": UnitArray({"count": len(_COUNTS)}),
            STATUS: UnitArray({}, "i1"),
        },
        names={"column": columns, "count": _COUNTS},
    )
    return open_store(folder, layout, analysis)


def read_points(folder: Path) -> Store:
    """Return the store of the points in `folder` for reading; ResultError if there is none, or it cannot be read."""
    return read_store(folder, SUSY)


def save_points(store: Store, number: int, _size: int, chunk: sleptons.KeptPoints) -> None:
    """Write a finished chunk, its first page last."""
    rows = np.column_stack([chunk.columns[name] for name in sleptons.COLUMNS])
    counts = [len(rows), *(chunk.counts[name] for name in sleptons.COUNTS)]
    for page in reversed(_pages(len(rows))):
        points = np.full((PAGE, rows.shape[1]), np.nan)
        here = rows[page * PAGE : (page + 1) * PAGE]
        points[: len(here)] = here
        save(store, (number, page), {"points": points, "counts": counts, STATUS: FINISHED})


def _pages(rows: int) -> range:
    return range(max(1, -(-rows // PAGE)))


def load_points(store: Store, number: int, size: int | None = None) -> sleptons.KeptPoints | None:
    """Return a chunk of `size` points, of any number by default; None where it is not finished, has another size, or is damaged."""
    first = load(store, (number, 0))
    if first is None:
        return None
    kept, *values = first["counts"].tolist()
    counts = dict(zip(sleptons.COUNTS, values, strict=True))
    if size not in {None, counts["tried"]}:
        return None
    pages = [load(store, (number, page)) for page in _pages(int(kept))]
    good = [page["points"] for page in pages if page is not None and np.array_equal(page["counts"], first["counts"], equal_nan=True)]
    if len(good) < len(pages):
        return None
    rows = np.concatenate(good)[: int(kept)]
    return sleptons.KeptPoints(counts, dict(zip(sleptons.COLUMNS, rows.T.copy(), strict=True)))
