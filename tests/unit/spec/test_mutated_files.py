"""Files of others with seeded mutations: each ends in finite numbers or in one of our errors, whatever its bytes are."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import uproot

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.io.overlays import read_overlay
from cevnsfit.spec.foreign import read_any
from cevnsfit.spec.root import read_histogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[[Path], list[np.ndarray]]

CASES = 250
"""Mutated files of each kind."""

CSV = "# a toy\npe_low [PE],pe_high [PE],time_low [us],time_high [us],n [1]\n5,10,0,1,3\n5,10,1,6,4\n10,20,0,1,5\n10,20,1,6,6\n"
CURVE = "# source: us\nmass [GeV],g [1]\n0.1,1e-3\n0.2,2e-3\n\n0.4,4e-3\n"
LIMIT = "# mass lower upper\n1e-2 1e-5 1e-3\n2e-2 2e-5 1e-3\n3e-2 1e5 1e5\n4e-2 1e-5 1e-4\n"
HEPDATA = """dependent_variables:
- header: {name: Efficiency, units: '%'}
  qualifiers: [{name: SAMPLE, value: data}]
  values:
  - value: '0.25'
    errors: [&e {symerror: 0.1, label: stat}, {asymerror: {minus: -0.1, plus: '5%'}, label: sys}]
  - {value: 1.0E-01, errors: [*e]}
independent_variables:
- header: {name: PE, units: PE}
  values: [{high: '10', low: 0}, {high: 20, low: 10}]
"""
TOKENS = (
    *(
        b",",
        b";",
        b"\t",
        b"\xc2\xa0",
        b"\xe2\x88\x92",
        b"-",
        b".",
        b"e",
        b"\n",
        b"\r",
        b'"',
        b"#",
        b"nan",
        b"\x00",
        b"\xff",
        b" ",
        b"0",
        b"%",
    ),
    *(b": ", b"- ", b"*e", b"&e ", b"!!x ", b"? ", b"| ", b"{", b"}", b"[", b"]", b"---\n", b"<<: ", b"null", b"1e999", b"\xef\xbb\xbf"),
)


def table(path: Path) -> list[np.ndarray]:
    return list(read_any(path.parent, path.name, {"pe": "PE"}, None, empty=False).columns.values())


def curve(path: Path) -> list[np.ndarray]:
    points = read_overlay(path).points
    return [points[~np.isnan(points).any(axis=1)]]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to three of them changed, left out, or put in, or without their end."""
    found = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        k = chance.randrange(len(found) + 1)
        match chance.randrange(5):
            case 0:
                found[k : k + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[k : k + chance.randrange(1, 9)]
            case 2:
                found[k:k] = chance.choice(TOKENS)
            case 3:
                found[k:k] = found[(place := chance.randrange(len(found) + 1)) : place + 30]
            case _:
                found = found[:k] if chance.random() < 0.2 else found
    return bytes(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "read"),
    [("a.csv", CSV, table), ("a.yaml", HEPDATA, table), ("a.csv", CURVE, curve), ("a.lmt", LIMIT, curve)],
    ids=["table", "hepdata", "curve", "darkcast"],
)
def test_texts(tmp_path: Path, name: str, content: str, read: Read) -> None:
    chance, path, refused = random.Random(f"{name} {content}"), tmp_path / name, 0
    path.write_text(content, encoding="utf-8")
    assert all(np.isfinite(values).all() for values in read(path))
    for _ in range(CASES):
        path.write_bytes(mutated(content.encode(), chance))
        try:
            found = read(path)
        except CevnsfitError as error:
            refused += bool(str(error))
        else:
            assert all(np.isfinite(values).all() for values in found), path.read_bytes()
    assert CASES / 4 < refused < CASES


@pytest.mark.slow
@pytest.mark.parametrize("compression", [None, uproot.ZLIB(4), uproot.LZMA(4), uproot.LZ4(4), uproot.ZSTD(4)], ids=repr)
def test_root_files(tmp_path: Path, compression: uproot.compression.Compression | None) -> None:
    """A changed byte of contents goes unnoticed where ROOT has no checksum, without compression and with ZSTD, never where it has one."""
    chance, path = random.Random(7), tmp_path / "a.root"
    edges = np.linspace(0.0, 40.0, 401)
    with uproot.recreate(path, compression=compression) as file:
        file["d/h"] = (np.arange(400.0), edges)
    content, ends = path.read_bytes(), []
    for _ in range(CASES):
        path.write_bytes(mutated(content, chance))
        try:
            found = read_histogram(path, "d/h")
        except CevnsfitError:
            ends.append("refused")
        else:
            ends.append("right" if np.array_equal(found.values, np.arange(400.0)) and np.array_equal(found.edges[0], edges) else "other")
    assert ends.count("refused") > CASES / 10
    if isinstance(compression, uproot.ZLIB | uproot.LZMA | uproot.LZ4):
        assert "other" not in ends
