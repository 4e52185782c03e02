"""Running scans on disk: what is saved comes back bit for bit, what is damaged is done again, what is foreign is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import ResultError
from cevnsfit.infer.grid import MAX_MINIMA, GridColumn
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.io.store import FILE, axes_of, load_columns, open_scan, read_scan, save_column

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cevnsfit.io.store import ScanStore

X = PlaneAxis("mass", "MeV", np.geomspace(1.0, 100.0, 4), "log")
Y = PlaneAxis("g", "1", np.geomspace(1e-5, 1e-1, 6), "log")
ANALYSIS = {"parts": [{"label": "a", "model": "lmu-ltau"}], "at": {"sns_flux": 0.5}}
LABELS = ("a", "a + b")


def make_column(seed: int) -> GridColumn:
    rng = np.random.default_rng(seed)
    minima = np.full((MAX_MINIMA, 2), np.nan)
    minima[:2] = rng.random((2, 2))
    nll2 = rng.random(6) * 1e3
    nll2[0] = np.inf
    return GridColumn(nll2, rng.random(6) > 0.5, minima, float(rng.random()), float(rng.random()), int(rng.integers(9)))


def same(one: GridColumn, other: GridColumn) -> bool:
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("nll2", "minima"))
    return (
        arrays
        and np.array_equal(one.valid, other.valid)
        and (one.reference, one.scale, one.fallbacks)
        == (
            other.reference,
            other.scale,
            other.fallbacks,
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> ScanStore:
    """Return a scan of two planes with every column but the last finished."""
    scan = open_scan(tmp_path / "out", ANALYSIS, LABELS, (X, Y))
    for plane, label in enumerate(LABELS):
        for index in range(3):
            save_column(scan, label, index, make_column(10 * plane + index))
    return scan


def test_columns_come_back_bit_for_bit(store: ScanStore) -> None:
    again = read_scan(store.path.parent)
    for plane, label in enumerate(LABELS):
        columns = load_columns(again, label)
        assert columns[3] is None
        for index in range(3):
            assert columns[index] is not None
            assert same(columns[index], make_column(10 * plane + index))
            assert columns[index].valid.dtype == np.bool_


def test_a_column_without_reference_keeps_its_nan(store: ScanStore) -> None:
    column = make_column(1)
    blind = GridColumn(column.nll2, column.valid, column.minima, float("nan"), 1.0, 0)
    save_column(store, "a", 3, blind)
    found = load_columns(store, "a")[3]
    assert found is not None
    assert np.isnan(found.reference)


def test_axes_labels_and_analysis_come_back(store: ScanStore) -> None:
    again = open_scan(store.path.parent, ANALYSIS, LABELS, (X, Y))
    assert (again.labels, again.analysis) == (LABELS, ANALYSIS)
    for found, axis in zip(axes_of(again, "a + b"), (X, Y), strict=True):
        assert (found.name, found.unit, found.scale) == (axis.name, axis.unit, axis.scale)
        np.testing.assert_array_equal(found.values, axis.values)
    assert load_columns(again, "a")[0] is not None


def test_xarray_can_name_the_dimensions(store: ScanStore) -> None:
    for name, dimensions in (("nll2", ("x", "y")), ("record", ("x", "field")), ("x", ("x",))):
        assert store.group[f"plane_0/{name}"].metadata.dimension_names == dimensions
    assert store.group["plane_0/nll2"].chunks == (1, 6)  # a column is one file: one writer each


def test_a_column_whose_record_is_missing_is_not_finished(store: ScanStore) -> None:
    """The record is written last."""
    shutil.rmtree(store.path / "plane_0" / "record" / "c" / "1")
    assert [column is None for column in load_columns(read_scan(store.path.parent), "a")] == [False, True, False, True]


@pytest.mark.parametrize("name", ["nll2", "valid", "record"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x28\xb5\x2f\xfd" + b"x" * 50, b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\x00\x00"],
    ids=["empty", "noise", "bomb"],
)
def test_a_damaged_column_is_done_again_and_the_others_stay(store: ScanStore, name: str, content: bytes) -> None:
    (chunk,) = [path for path in (store.path / "plane_0" / name / "c" / "2").rglob("*") if path.is_file()]
    chunk.write_bytes(content)
    columns = load_columns(read_scan(store.path.parent), "a")
    assert [column is None for column in columns] == [False, False, True, True]
    assert same(columns[1], make_column(1))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"at": {"sns_flux": 0.0}}, r'at: \{"sns_flux": 0.5\} there, \{"sns_flux": 0.0\} asked'),
        ({"parts": []}, "parts: .* there, .* asked"),
        ({"version": "2"}, 'version: null there, "2" asked'),
    ],
)
def test_another_analysis_is_refused_with_the_difference(store: ScanStore, change: dict[str, object], wanted: str) -> None:
    with pytest.raises(ResultError, match=rf"holds another analysis \({wanted}\); choose another folder"):
        open_scan(store.path.parent, {**ANALYSIS, **change}, LABELS, (X, Y))


def test_another_grid_between_the_same_ends_is_refused(store: ScanStore) -> None:
    values = Y.values.copy()
    values[2] *= 1.01
    with pytest.raises(ResultError, match="other values of g"):
        open_scan(store.path.parent, ANALYSIS, LABELS, (X, PlaneAxis("g", "1", values, "log")))
    with pytest.raises(ResultError, match="other values of mass than the r_n asked"):
        open_scan(store.path.parent, ANALYSIS, LABELS, (PlaneAxis("r_n", "fm", X.values, "log"), Y))


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    content = json.loads((path / "zarr.json").read_text())
    change(content)
    (path / "zarr.json").write_text(json.dumps(content))


DAMAGE = {
    "no description": lambda p: (p / "zarr.json").unlink(),
    "cut description": lambda p: (p / "zarr.json").write_text((p / "zarr.json").read_text()[:40]),
    "not an object": lambda p: (p / "zarr.json").write_text("[]"),
    "another store": lambda p: edit(p, lambda content: content.update(attributes={"made_by": "someone"})),
    "labels not a list": lambda p: edit(p, lambda content: content["attributes"].update(labels="3")),
    "labels not texts": lambda p: edit(p, lambda content: content["attributes"].update(labels='[["a"], ["b"]]')),
    "labels twice": lambda p: edit(p, lambda content: content["attributes"].update(labels='["a", "a"]')),
    "no labels": lambda p: edit(p, lambda content: content["attributes"].update(labels="[]")),
    "analysis not a mapping": lambda p: edit(p, lambda content: content["attributes"].update(analysis="[1, 2]")),
    "a plane is missing": lambda p: shutil.rmtree(p / "plane_1"),
    "an array is missing": lambda p: shutil.rmtree(p / "plane_0" / "record"),
    "an axis is anonymous": lambda p: edit(p / "plane_0" / "x", lambda content: content.update(attributes={})),
    "an axis is empty": lambda p: shutil.rmtree(p / "plane_0" / "x" / "c"),
    "an axis is damaged": lambda p: (p / "plane_0" / "y" / "c" / "0").write_bytes(b"x"),
    "shapes disagree": lambda p: edit(p / "plane_0" / "nll2", lambda content: content.update(shape=[2, 6])),
    "an array of terabytes": lambda p: edit(p / "plane_0" / "x", lambda content: content.update(shape=[10**12])),
    "a group for an array": lambda p: (
        shutil.rmtree(p / "plane_0" / "nll2"),
        (p / "plane_0" / "nll2").mkdir(),
        (p / "plane_0" / "nll2" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}'),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_store_is_a_result_error(store: ScanStore, damage: str) -> None:
    DAMAGE[damage](store.path)
    for read in (lambda: read_scan(store.path.parent), lambda: open_scan(store.path.parent, ANALYSIS, LABELS, (X, Y))):
        with pytest.raises(ResultError, match=r"scan\.zarr: not a readable scan .* remove the folder to start anew"):
            read()


def test_a_folder_without_scan_says_so(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no scan here"):
        read_scan(tmp_path)
    (tmp_path / FILE).write_text("not a folder")
    with pytest.raises(ResultError, match="no scan here"):
        open_scan(tmp_path, ANALYSIS, LABELS, (X, Y))


def test_a_place_where_no_folder_can_be_is_a_result_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot make a scan here"):
        open_scan(tmp_path / "file", ANALYSIS, LABELS, (X, Y))
