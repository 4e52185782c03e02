"""Stores of all kinds that are damaged in every way: what comes back is what was written there, or is done again, or is refused by name."""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.core.errors import ResultError
from cevnsfit.infer.grid import MAX_MINIMA, GridColumn
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.infer.posterior import Block
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io import layouts
from cevnsfit.io import store as stores
from cevnsfit.io.arrays import SEAL, STATUS
from cevnsfit.moments import sleptons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cevnsfit.io.store import Store

Contents = dict[tuple[int, ...], tuple[bytes, ...] | None]

X = PlaneAxis("mass", "MeV", np.array([1.0, 2.0]), "log")
Y = PlaneAxis("g", "1", np.array([1e-4, 1e-3, 1e-2]), "log")
ANALYSIS: dict[str, Any] = {"at": {"q": 1.0}, "seed": 1}
OTHER: dict[str, Any] = {"at": {"q": 1.0}, "seed": 2}
PLACES = tuple(itertools.product(range(2), repeat=2))


def column(rng: np.random.Generator) -> GridColumn:
    return GridColumn(rng.random(3), rng.random(3) > 0.5, rng.random((MAX_MINIMA, 2)), float(rng.random()), float(rng.random()), 3)


def block(rng: np.random.Generator) -> Block:
    return Block(rng.random((5, 4, 2)), rng.random((5, 4)), rng.random(4))


def points(rng: np.random.Generator) -> sleptons.KeptPoints:
    counts = {name: float(rng.integers(100)) for name in sleptons.COUNTS}
    return sleptons.KeptPoints(counts, {name: rng.random(300) for name in sleptons.COLUMNS})  # two pages


OPEN: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
    "scan": lambda folder, analysis: layouts.open_scan(folder, analysis, ("0", "1"), (X, Y)),
    "toys": lambda folder, analysis: layouts.open_toys(folder, analysis, 2),
    "posterior": lambda folder, analysis: layouts.open_posterior(folder, analysis, ["g", "n"], ensembles=2, shape=(5, 4)),
    "susy": layouts.open_points,
}
SAVE: dict[str, Callable[[Store, int, int, np.random.Generator], None]] = {
    "scan": lambda store, one, two, rng: layouts.save_column(store, str(one), two, column(rng)),
    "toys": lambda store, one, two, rng: layouts.save_chunk(store, one, two, rng.random((CHUNK, 2))),
    "posterior": lambda store, one, two, rng: layouts.save_block(store, one, two, block(rng)),
    "susy": lambda store, one, two, rng: layouts.save_points(store, 2 * one + two, 0, points(rng)),
}
READ = {"scan": layouts.read_scan, "toys": layouts.read_toys, "posterior": layouts.read_posterior, "susy": layouts.read_points}


def make(kind: str, folder: Path, analysis: dict[str, Any], seed: int) -> Path:
    """Make a store with four finished units and return its folder."""
    rng = np.random.default_rng(seed)
    with OPEN[kind](folder, analysis) as store:
        for place in PLACES:
            SAVE[kind](store, *place, rng)
    return folder / f"{kind}.zarr"


def found_at(kind: str, store: Store, one: int, two: int) -> tuple[Any, ...] | None:
    if kind == "scan":
        found = layouts.load_columns(store, str(one))[two]
        return None if found is None else (found.nll2, found.valid, found.minima, found.reference, found.scale, found.fallbacks)
    if kind == "toys":
        measured = layouts.load_chunk(store, one, two)
        return None if measured is None else (measured,)
    if kind == "posterior":
        blocks = layouts.load_blocks(store, one, 2)
        return (blocks[two].coordinates, blocks[two].log_density, blocks[two].accepted) if two < len(blocks) else None
    kept = layouts.load_points(store, 2 * one + two)
    return None if kept is None else (*kept.counts.values(), *kept.columns.values())


def contents(kind: str, store: Store) -> Contents:
    """Return all units as bytes, None for those that are computed again."""
    units = {place: found_at(kind, store, *place) for place in PLACES}
    return {place: None if unit is None else tuple(np.asarray(part).tobytes() for part in unit) for place, unit in units.items()}


def about(store: Store) -> tuple[Any, ...]:
    return store.analysis, store.layout.structure, store.packages, [axis.values.tobytes() for axis in store.layout.coordinates.values()]


def chunks_of(path: Path) -> list[Path]:
    """Return the files of all units, those of coordinates left out."""
    return [file for file in sorted(path.rglob("c/**/*")) if file.is_file() and file.relative_to(path).parts[0] not in {"x", "y"}]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "cevnsfit")
    return caplog


# --- good chunks at wrong places ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPEN)
def test_good_chunks_of_another_unit_or_store_are_no_chunks_of_this_one(
    tmp_path: Path, kind: str, logged: pytest.LogCaptureFixture
) -> None:
    path, other = make(kind, tmp_path / "a", ANALYSIS, 1), make(kind, tmp_path / "b", OTHER, 2)
    whole = contents(kind, READ[kind](tmp_path / "a"))
    assert None not in whole.values()
    store = READ[kind](tmp_path / "a")
    seals = [file.relative_to(path) for file in chunks_of(path / SEAL)]
    units = [[file for file in chunks_of(path) if file.relative_to(path).parts[2:4] == seal.parts[2:4]] for seal in seals]
    numbers = max(units[0], key=lambda file: file.stat().st_size)
    partner = max(units[-1], key=lambda file: file.stat().st_size)
    for changed in (
        {numbers: partner.read_bytes(), partner: numbers.read_bytes()},
        {numbers: (other / numbers.relative_to(path)).read_bytes()},
        {file: (other / file.relative_to(path)).read_bytes() for file in units[0]},
        dict(zip(units[0], [file.read_bytes() for file in units[-1]], strict=True)),
    ):
        kept = {file: file.read_bytes() for file in changed}
        for file, content in changed.items():
            file.write_bytes(content)
        logged.clear()
        found = contents(kind, store)
        assert None in found.values()
        assert all(unit in (None, whole[place]) for place, unit in found.items())
        assert "were not written there together; this part is computed again" in logged.text
        for file, content in kept.items():
            file.write_bytes(content)
    assert contents(kind, store) == whole


def test_an_axis_of_another_store_is_noticed(tmp_path: Path) -> None:
    """Same length, same ends, a good checksum."""
    bent = PlaneAxis("g", "1", np.array([1e-4, 2e-3, 1e-2]), "log")
    path = make("scan", tmp_path / "a", ANALYSIS, 1)
    with layouts.open_scan(tmp_path / "b", ANALYSIS, ("0", "1"), (X, bent)):
        shutil.copy(tmp_path / "b" / "scan.zarr" / "y" / "c" / "0", path / "y" / "c" / "0")
    with pytest.raises(ResultError, match=r"scan\.zarr/y/c/0 is damaged \(ValueError: these are other values than were written there\)"):
        layouts.read_scan(tmp_path / "a")


# --- other packages ----------------------------------------------------------------------------------------------------------------


def test_a_store_says_what_it_mixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture) -> None:
    here = stores.package_versions()
    make("toys", tmp_path, ANALYSIS, 1)
    monkeypatch.setattr(stores, "package_versions", lambda: {**here, "numpy": "9.9", "new": "1"})
    with layouts.open_toys(tmp_path, ANALYSIS, 2) as store:
        assert layouts.load_chunk(store, 0, 0) is not None  # a session that only reads mixes nothing
        assert (store.made_with, logged.text) == (here, "")
        layouts.save_chunk(store, 5, 0, np.ones((CHUNK, 2)))
        layouts.save_chunk(store, 5, 1, np.ones((CHUNK, 2)))
    assert logged.text.count(f"mixes the numbers of both (numpy {here['numpy']} and 9.9)") == 1
    monkeypatch.setattr(stores, "package_versions", lambda: here)
    with layouts.open_toys(tmp_path, ANALYSIS, 2) as store:
        layouts.save_chunk(store, 5, 2, np.ones((CHUNK, 2)))
    again = layouts.read_toys(tmp_path)
    assert again.packages == [here, {**here, "numpy": "9.9", "new": "1"}]
    assert again.made_with == {**here, "numpy": f"{here['numpy']} and 9.9", "new": "1"}
    assert all(found_at("toys", again, *place) is not None for place in (*PLACES, (5, 0), (5, 1), (5, 2)))
    assert [file.name for file in tmp_path.iterdir()] == ["toys.zarr"]


# --- what happens in mid-run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["the store", "the folder", "the lock, and another process has one"])
def test_a_store_that_is_removed_or_replaced_while_it_is_written_is_missed(tmp_path: Path, gone: str) -> None:
    def write(folder: Path, *, before: bool) -> None:
        with layouts.open_toys(folder, ANALYSIS, 2) as store:
            if before:
                remove(folder)
            layouts.save_chunk(store, 0, 0, np.ones((CHUNK, 2)))
            remove(folder)

    def remove(folder: Path) -> None:
        if gone == "the store":
            shutil.rmtree(folder / "toys.zarr")
        elif gone == "the folder":
            shutil.rmtree(folder)
        else:
            (folder / "toys.zarr.lock").unlink()
            (folder / "toys.zarr.lock").write_text("{}", encoding="utf-8")

    text = "toys.zarr was removed, moved or replaced while it was being written"
    for name in ("a", "b"):
        with pytest.raises(ResultError, match=text):
            write(tmp_path / name, before=name == "a")
    if gone.startswith("the lock"):
        assert (tmp_path / "b" / "toys.zarr.lock").exists()  # it is not this process's to remove


def test_a_place_that_cannot_be_written_ends_in_one_message(tmp_path: Path) -> None:
    """A full disk raises the same kind of error."""
    make("toys", tmp_path, ANALYSIS, 1)
    shutil.rmtree(tmp_path / "toys.zarr" / "measured" / "c" / "1")
    (tmp_path / "toys.zarr" / "measured" / "c" / "1").write_text("", encoding="utf-8")
    with layouts.open_toys(tmp_path, ANALYSIS, 2) as store:
        assert found_at("toys", store, 0, 1) is not None
        with pytest.raises(ResultError, match=r"toys\.zarr cannot be written \(.*\); what is finished is kept"):
            layouts.save_chunk(store, 1, 0, np.ones((CHUNK, 2)))


def test_nobody_is_told_to_remove_what_another_process_may_be_writing(tmp_path: Path) -> None:
    path = make("scan", tmp_path, ANALYSIS, 1)
    (path / "nll2" / "zarr.json").write_text("{", encoding="utf-8")
    lock = tmp_path / "scan.zarr.lock"
    with pytest.raises(ResultError, match=r"choose another folder, or remove it to start again$"):
        layouts.read_scan(tmp_path)
    for host, pid, other in ((socket.gethostname(), os.getpid(), False), (socket.gethostname(), 1, True), ("elsewhere", os.getpid(), True)):
        lock.write_text(json.dumps({"host": host, "pid": pid, "since": 0.0}), encoding="utf-8")
        with pytest.raises(ResultError) as caught:
            layouts.read_scan(tmp_path)
        assert (f"or, once process {pid} on {host} since" in str(caught.value)) == other


# --- every damage, sampled ---------------------------------------------------------------------------------------------------------


def damages(path: Path, other: Path, rng: np.random.Generator) -> Iterator[tuple[str, dict[Path, bytes | None]]]:
    """Yield kinds of damage, with the files and what they become; None is gone."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    for most, some in ((160, chunks_of(path)), (50, sorted({*files} - {*chunks_of(path)}))):
        sizes = np.cumsum([8 * file.stat().st_size for file in some])
        for bit in np.sort(rng.choice(sizes[-1], min(most, sizes[-1]), replace=False)):
            which = int(np.searchsorted(sizes, bit, side="right"))
            content = bytearray(some[which].read_bytes())
            place = int(sizes[which] - 1 - bit)
            content[place // 8] ^= 1 << place % 8
            yield "flip", {some[which]: bytes(content)}
    pairs = [(a, b) for a, b in itertools.combinations(chunks_of(path), 2) if a.stat().st_size == b.stat().st_size]
    for a, b in pairs:
        if a.read_bytes() != b.read_bytes():
            yield "exchange", {a: b.read_bytes(), b: a.read_bytes()}
    for file in files:
        content = (other / file.relative_to(path)).read_bytes()
        if content != file.read_bytes():
            yield "other store", {file: content}
        yield "absent", {file: None}
        yield "cut", {file: file.read_bytes()[: int(rng.integers(file.stat().st_size))]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPEN)
def test_no_damage_comes_back_as_another_number(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    path, other = make(kind, tmp_path / "a", ANALYSIS, 1), make(kind, tmp_path / "b", OTHER, 2)
    store = READ[kind](tmp_path / "a")
    whole, known = contents(kind, store), about(store)
    ends: dict[tuple[str, str], int] = {}
    for what, changed in damages(path, other, np.random.default_rng(5)):
        kept = {file: file.read_bytes() for file in changed}
        unit = all("c" in file.relative_to(path).parts and file.relative_to(path).parts[0] not in {"x", "y"} for file in changed)
        for file, content in changed.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)
        try:
            now = store if unit else READ[kind](tmp_path / "a")
            found = contents(kind, now)
        except ResultError as error:
            assert any(str(file) in str(error) for file in changed)  # noqa: PT017 (an error is one of three right ends)
            end = "refused"
        else:
            end = "again" if None in found.values() else "same"
            assert all(numbers in (None, whole[place]) for place, numbers in found.items()), (what, changed.keys())
            assert about(now) == known or not any(found.values()), (what, changed.keys())
            assert (end == "again") == (unit or what == "other store"), (what, changed.keys())
        for file, content in kept.items():
            file.write_bytes(content)
        ends[what, end] = ends.get((what, end), 0) + 1
    assert ends["flip", "again"] == 160
    assert ends["flip", "refused"] > 30
    assert min(ends["exchange", "again"], ends["other store", "again"], ends["absent", "again"], ends["absent", "refused"]) > 2
    assert contents(kind, READ[kind](tmp_path / "a")) == whole
    assert STATUS in store.arrays
