"""Results on disk: what is saved comes back bit for bit, what is damaged is named and done again, what is foreign is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

from cevnsfit.core.errors import ResultError
from cevnsfit.infer.grid import MAX_MINIMA, GridColumn
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.posterior import BLOCK, Block
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io import store as stores
from cevnsfit.io.arrays import STATUS
from cevnsfit.io.layouts import (
    axes_of,
    labels_of,
    load_blocks,
    load_chunk,
    load_columns,
    open_posterior,
    open_scan,
    open_toys,
    read_scan,
    read_toys,
    save_block,
    save_chunk,
    save_column,
)
from cevnsfit.io.store import FAILED, FINISHED, LAYOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = PlaneAxis("mass", "MeV", np.geomspace(1.0, 100.0, 4), "log")
Y = PlaneAxis("g", "1", np.geomspace(1e-5, 1e-1, 6), "log")
ANALYSIS = {"parts": [{"label": "a", "model": "lmu-ltau"}], "at": {"sns_flux": 0.5}}
LABELS = ("a", "a + b")


def make_column(seed: int, size: int = 6) -> GridColumn:
    rng = np.random.default_rng(seed)
    minima = np.full((MAX_MINIMA, 2), np.nan)
    minima[:2] = rng.random((2, 2))
    nll2 = rng.random(size) * 1e3
    nll2[0] = np.inf
    return GridColumn(nll2, rng.random(size) > 0.5, minima, float(rng.random()), float(rng.random()), int(rng.integers(9)))


def same(one: GridColumn | None, other: GridColumn) -> bool:
    assert one is not None
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("nll2", "minima"))
    numbers = all(getattr(one, name) == getattr(other, name) for name in ("reference", "scale", "fallbacks"))
    return arrays and numbers and np.array_equal(one.valid, other.valid)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a scan of two planes with every column but the last finished."""
    with open_scan(tmp_path / "out", ANALYSIS, LABELS, (X, Y)) as scan:
        for plane, label in enumerate(LABELS):
            for index in range(3):
                save_column(scan, label, index, make_column(10 * plane + index))
    return tmp_path / "out"


def chunk_of(folder: Path, name: str, *unit: int) -> Path:
    """Return the file of one chunk."""
    (file,) = [path for path in (folder / "scan.zarr" / name / "c").joinpath(*map(str, unit)).rglob("*") if path.is_file()]
    return file


# --- what comes back ---------------------------------------------------------------------------------------------------------------


def test_columns_come_back_bit_for_bit(folder: Path) -> None:
    again = read_scan(folder)
    for plane, label in enumerate(LABELS):
        columns = load_columns(again, label)
        assert columns[3] is None
        for index in range(3):
            assert same(columns[index], make_column(10 * plane + index))
            assert columns[index].valid.dtype == np.bool_


def test_a_column_without_reference_minima_and_scale_keeps_its_nan(folder: Path) -> None:
    """Rows of a plane in which every point has templates of its own have nothing but their values."""
    values = np.arange(6.0)
    row = GridColumn(values, np.zeros(6, dtype=np.bool_), np.full((MAX_MINIMA, 2), np.nan), np.nan, np.nan, 0)
    with open_scan(folder, ANALYSIS, LABELS, (X, Y)) as scan:
        save_column(scan, "a", 3, row)
        found = load_columns(scan, "a")[3]
    assert found is not None
    np.testing.assert_array_equal(found.nll2, values)
    assert not found.valid.any()
    assert np.isnan([found.reference, found.scale, *found.minima.ravel()]).all()


def test_axes_labels_and_analysis_come_back(folder: Path) -> None:
    with open_scan(folder, ANALYSIS, LABELS, (X, Y)) as again:
        assert (labels_of(again), again.analysis) == (LABELS, ANALYSIS)
        for found, axis in zip(axes_of(again), (X, Y), strict=True):
            assert (found.name, found.unit, found.scale) == (axis.name, axis.unit, axis.scale)
            np.testing.assert_array_equal(found.values, axis.values)
        assert load_columns(again, "a")[0] is not None
        assert again.made_with["numpy"] == np.__version__


def test_xarray_opens_a_scan(folder: Path) -> None:
    xarray = pytest.importorskip("xarray")
    with xarray.open_zarr(folder / "scan.zarr", consolidated=False, chunks=None) as found:
        assert found["nll2"].dims == ("plane", "x", "y")
        np.testing.assert_array_equal(found["x"], X.values)
        np.testing.assert_array_equal(found["nll2"][1, 2], make_column(12).nll2)
        assert np.isnan(found["nll2"][:, 3]).all()
        np.testing.assert_array_equal(found[STATUS][0, 0], np.where(make_column(0).valid, FINISHED, FAILED))
        assert (found[STATUS][:, 3] == 0).all()
        assert found["nll2"].attrs["plane"] == list(LABELS)


def test_every_chunk_is_one_unit_with_a_checksum_over_all_of_it(folder: Path) -> None:
    arrays = dict(zarr.open_group(folder / "scan.zarr", mode="r").arrays())
    assert arrays["nll2"].chunks == (1, 1, 6)  # a column is one file: one writer each
    for array in arrays.values():
        assert [codec["name"] for codec in array.metadata.to_dict()["codecs"]] == ["bytes", "crc32c"]
    assert chunk_of(folder, "nll2", 0, 0).stat().st_size == 6 * 8 + 4


def test_toys_come_back_with_their_failures(tmp_path: Path) -> None:
    measured = np.arange(2.0 * CHUNK).reshape(CHUNK, 2)
    measured[5, 1] = np.nan
    with open_toys(tmp_path, {}, 2) as toys:
        save_chunk(toys, 3, 1, measured)
        save_chunk(toys, 3, 2, np.full((CHUNK, 1), np.nan))  # all have failed, none knows how many quantities there are
    again = read_toys(tmp_path)
    np.testing.assert_array_equal(load_chunk(again, 3, 1), measured)
    assert np.isnan(load_chunk(again, 3, 2)).all()
    assert np.flatnonzero(again.arrays[STATUS][3, 1] == FAILED).tolist() == [5]
    assert (again.arrays[STATUS][3, 2] == FAILED).all()
    assert load_chunk(again, 3, 0) is None


def test_blocks_come_back_up_to_the_first_that_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(1)
    blocks = [Block(rng.random((BLOCK, 4, 2)), rng.random((BLOCK, 4)), rng.random(4)) for _ in range(3)]
    with open_posterior(tmp_path, {}, ["g", "n"], ensembles=2, shape=(BLOCK, 4)) as store:
        for k, block in enumerate(blocks):
            save_block(store, 1, k, block)
        found = load_blocks(store, 1, 3)
        for one, block in zip(found, blocks, strict=True):
            for name in ("coordinates", "log_density", "accepted"):
                np.testing.assert_array_equal(getattr(one, name), getattr(block, name))
        assert (len(load_blocks(store, 1, 2)), load_blocks(store, 0, 3)) == (2, [])
        (tmp_path / "posterior.zarr" / "chain" / "c" / "1" / "1" / "0" / "0" / "0").write_bytes(b"x")
        assert len(load_blocks(store, 1, 3)) == 1
    assert "chain/c/1/1/0/0/0 is damaged (1 bytes instead of 6404); this part is computed again" in caplog.text


# --- absent and damaged ------------------------------------------------------------------------------------------------------------


def test_what_is_absent_is_not_computed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    chunk_of(folder, STATUS, 0, 1).unlink()
    assert [column is None for column in load_columns(read_scan(folder), "a")] == [False, True, False, True]
    assert not caplog.records


def test_a_lost_chunk_of_toys_is_not_one_of_failures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_toys(tmp_path, {}, 1) as toys:
        save_chunk(toys, 0, 0, np.ones((CHUNK, 1)))
        file = tmp_path / "toys.zarr" / "measured" / "c" / "0" / "0" / "0" / "0"
        file.unlink()
        assert load_chunk(toys, 0, 0) is None
        assert f"{file} is lost; this part is computed again" in caplog.text
        save_chunk(toys, 0, 0, np.ones((CHUNK, 1)))
        np.testing.assert_array_equal(load_chunk(toys, 0, 0), np.ones((CHUNK, 1)))


def test_an_interrupted_write_is_no_unit(folder: Path) -> None:
    """The status is written last."""
    with open_scan(folder, ANALYSIS, LABELS, (X, Y)) as scan:
        scan.arrays["nll2"][0, 3] = np.zeros(6)
        scan.arrays["record"][0, 3] = np.zeros(scan.layout.arrays["record"].axes["field"])
        assert load_columns(scan, "a")[3] is None


@pytest.mark.parametrize("name", ["nll2", STATUS, "record"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x28\xb5\x2f\xfd" + b"x" * 50, b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\x00\x00", b"x" * (1 << 22)],
    ids=["empty", "noise", "bomb", "large"],
)
def test_a_damaged_column_is_named_and_done_again_and_the_others_stay(
    folder: Path, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = chunk_of(folder, name, 0, 2)
    file.write_bytes(content)
    columns = load_columns(read_scan(folder), "a")
    assert [column is None for column in columns] == [False, False, True, True]
    assert same(columns[1], make_column(1))
    assert f"{file} is damaged ({len(content)} bytes instead of {file_length(name)})" in caplog.text
    with open_scan(folder, ANALYSIS, LABELS, (X, Y)) as scan:
        save_column(scan, "a", 2, make_column(2))
        assert same(load_columns(scan, "a")[2], make_column(2))


def file_length(name: str) -> int:
    return 4 + {"nll2": 6 * 8, STATUS: 6, "record": (3 + 2 * MAX_MINIMA) * 8}[name]


# --- foreign and damaged as a whole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"at": {"sns_flux": 0.0}}, r'at: \{"sns_flux": 0.5\} there, \{"sns_flux": 0.0\} asked'),
        ({"parts": []}, "parts: .* there, .* asked"),
        ({"version": "2"}, 'version: null there, "2" asked'),
    ],
)
def test_another_analysis_is_refused_with_the_difference(folder: Path, change: dict[str, object], wanted: str) -> None:
    with (
        pytest.raises(ResultError, match=rf"holds another analysis \({wanted}\); choose another folder"),
        open_scan(folder, {**ANALYSIS, **change}, LABELS, (X, Y)),
    ):
        pass


def test_another_grid_between_the_same_ends_is_refused(folder: Path) -> None:
    values = Y.values.copy()
    values[2] *= 1.01
    for axes, text in (
        ((X, PlaneAxis("g", "1", values, "log")), "g with other values than the requested g"),
        ((PlaneAxis("r_n", "fm", X.values, "log"), Y), "mass with other values than the requested r_n"),
    ):
        with pytest.raises(ResultError, match=text), open_scan(folder, ANALYSIS, LABELS, axes):
            pass


def test_other_planes_or_quantities_are_refused(folder: Path) -> None:
    with pytest.raises(ResultError, match="arrays with other names or lengths"), open_scan(folder, ANALYSIS, ("a", "b"), (X, Y)):
        pass
    with open_toys(folder, {}, 2):
        pass
    with pytest.raises(ResultError, match="arrays with other names or lengths"), open_toys(folder, {}, 3):
        pass


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((path / "zarr.json").read_text())
    change(content)
    (path / "zarr.json").write_text(json.dumps(content))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no description": ("zarr.json", lambda p: (p / "zarr.json").unlink()),
    "cut description": ("zarr.json", lambda p: (p / "zarr.json").write_text((p / "zarr.json").read_text()[:40])),
    "not an object": ("zarr.json", lambda p: (p / "zarr.json").write_text("[]")),
    "another store": ("zarr.json", lambda p: edit(p, lambda content: content.update(attributes={"made_by": "someone"}))),
    "another analysis": ("zarr.json", lambda p: edit(p, lambda content: content["attributes"].update(analysis='{"at": {}}'))),
    "another structure": ("zarr.json", lambda p: edit(p, lambda content: content["attributes"].update(structure="{}"))),
    "an array is missing": ("record/zarr.json", lambda p: shutil.rmtree(p / "record")),
    "an axis is anonymous": ("x/zarr.json", lambda p: edit(p / "x", lambda content: content.update(attributes={}))),
    "an axis is empty": ("x/c/0", lambda p: shutil.rmtree(p / "x" / "c")),
    "an axis is damaged": ("y/c/0", lambda p: (p / "y" / "c" / "0").write_bytes(b"x")),
    "shapes disagree": ("nll2/zarr.json", lambda p: edit(p / "nll2", lambda content: content.update(shape=[2, 2, 6]))),
    "an array of terabytes": ("x/zarr.json", lambda p: edit(p / "x", lambda content: content.update(shape=[10**12]))),
    "chunks of terabytes": (
        "nll2/zarr.json",
        lambda p: edit(p / "nll2", lambda content: content["chunk_grid"]["configuration"].update(chunk_shape=[1, 1, 10**12])),
    ),
    "chunks elsewhere": (
        "nll2/zarr.json",
        lambda p: edit(p / "nll2", lambda content: content["chunk_key_encoding"]["configuration"].update(separator=".")),
    ),
    "without checksums": ("nll2/zarr.json", lambda p: edit(p / "nll2", lambda content: content["codecs"].pop())),
    "another filling": ("nll2/zarr.json", lambda p: edit(p / "nll2", lambda content: content.update(fill_value=0.0))),
    "a codec that runs code": (
        "nll2/zarr.json",
        lambda p: edit(p / "nll2", lambda content: content.update(codecs=[{"name": "numcodecs.pickle", "configuration": {}}])),
    ),
    "a group for an array": (
        "nll2/zarr.json",
        lambda p: (p / "nll2" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}'),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_store_is_a_result_error_that_names_the_file(folder: Path, damage: str) -> None:
    file, make = DAMAGE[damage]
    make(folder / "scan.zarr")
    with pytest.raises(ResultError, match=rf"scan\.zarr/{file}"):
        read_scan(folder)
    with pytest.raises(ResultError, match=rf"scan\.zarr/{file}"), open_scan(folder, ANALYSIS, LABELS, (X, Y)):
        pass


@pytest.mark.parametrize("number", [None, 1, LAYOUT + 1])
def test_another_layout_is_refused_with_the_reason(folder: Path, number: int | None) -> None:
    def change(content: dict[str, Any]) -> None:
        content["attributes"].pop("layout")
        content["attributes"].update({} if number is None else {"layout": number})

    edit(folder / "scan.zarr", change)
    there = "no number" if number is None else number
    with pytest.raises(ResultError, match=rf"the layout of this store \({there}\) is not the one of this version \({LAYOUT}\)"):
        read_scan(folder)


def test_a_store_of_another_kind_is_refused(folder: Path) -> None:
    (folder / "scan.zarr").rename(folder / "toys.zarr")
    with pytest.raises(ResultError, match="a store of the kind 'scan'"):
        read_toys(folder)


def test_a_folder_without_scan_says_so(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no scan here"):
        read_scan(tmp_path)
    (tmp_path / "scan.zarr").write_text("not a folder")
    with pytest.raises(ResultError, match="no scan here"), open_scan(tmp_path, ANALYSIS, LABELS, (X, Y)):
        pass


# --- how it is made ----------------------------------------------------------------------------------------------------------------


def test_a_place_where_no_folder_can_be_is_a_result_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="no scan can be stored here"), open_scan(tmp_path / "file", ANALYSIS, LABELS, (X, Y)):
        pass


def test_a_store_that_is_half_made_never_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> dict[str, str]:
        assert (tmp_path / "scan.zarr.new" / "nll2" / "zarr.json").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stores, "package_versions", stop)
        with pytest.raises(KeyboardInterrupt), open_scan(tmp_path, ANALYSIS, LABELS, (X, Y)):
            pass
    assert not (tmp_path / "scan.zarr").exists()
    with open_scan(tmp_path, ANALYSIS, LABELS, (X, Y)) as scan:
        assert load_columns(scan, "a") == (None,) * 4
    assert [path.name for path in tmp_path.iterdir()] == ["scan.zarr"]


def test_reading_changes_nothing_and_needs_no_lock(folder: Path) -> None:
    with open_scan(folder, ANALYSIS, LABELS, (X, Y)):
        store = read_scan(folder)
        assert same(load_columns(store, "a")[0], make_column(0))
        with pytest.raises(ValueError, match="read-only"):
            save_column(store, "a", 3, make_column(3))
