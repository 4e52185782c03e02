"""`cevnsfit overlays` and `slice`: lists, sources, intervals, and bad input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

SLICE = ("slice", "--overlay", "ccfr-trident", "--overlay", "borexino", "--band", "muon-2020", "--grid", "mass=10:200:21:log")


def test_the_library_is_listed(command: Callable[..., Result]) -> None:
    listed = json.loads(command("overlays", "list", "--json").stdout)
    assert {"ccfr-trident", "charm-ii-trident", "borexino", "n-eff", "muon-2020", "babar-4mu", "belle-ii", "na64-e", "cms"} <= {
        e["name"] for e in listed
    }
    assert all(entry["source"] and entry["level"] and entry["models"] and entry["normalisation"] and entry["made"] for entry in listed)
    assert command("overlays").stdout == command("overlays", "list").stdout


def test_one_limit_is_shown_at_masses(command: Callable[..., Result]) -> None:
    shown = json.loads(command("overlays", "show", "ccfr-trident", "--grid", "mass=10:100:3:log", "--json").stdout)
    assert [entry["mass"] for entry in shown["at"]] == pytest.approx([10.0, 1000.0**0.5, 100.0])
    assert [entry["allowed"][0][1] for entry in shown["at"][::2]] == pytest.approx([0.943e-3, 1.238e-3], rel=1e-3)
    text = command("overlays", "show", "borexino").stdout
    assert "arXiv:1104.1816" in text
    assert "95 % CL" in text


@pytest.mark.slow
def test_what_limits_leave(command: Callable[..., Result], tmp_path: Path) -> None:
    found = json.loads(command(*SLICE, "-o", tmp_path / "a.csv", "--json").stdout)
    assert found["masses"] == [[pytest.approx(10.67, rel=1e-2), 200.0]]
    assert found["masses_closed_by"] == [[["borexino", "muon-2020"], ["range"]]]
    assert [limit["name"] for limit in found["limits"]] == ["ccfr-trident", "borexino", "muon-2020"]
    assert found["g"][1] > found["g"][0] > 0.0
    assert (tmp_path / "a.csv").is_file()
    assert found["files"] == [str(tmp_path / "a.csv")]
    assert "MeV (closed below by borexino + muon-2020, above by range)" in command(*SLICE).stdout


def test_a_slice_that_leaves_nothing_says_so(command: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "strong.csv"
    path.write_text("# source: us\nmass [MeV],g [1]\n1,1e-6\n1000,1e-6\n", encoding="utf-8")
    result = command("slice", "--overlay", path, "--band", "muon-2020")
    assert result.exit_code == 0
    assert "nothing is left" in result.stdout
    assert json.loads(command("slice", "--overlay", path, "--band", "muon-2020", "--json").stdout)["g"] is None


def test_bad_input_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean borexino" in refused("slice", "--overlay", "borexin")
    assert "needs limits or bands" in refused("slice")
    assert "the grid is over mass" in refused("slice", "--band", "muon-2020", "--grid", "g=1:2:3")
    assert "no exact recast" in refused("overlays", "show", "cms")
    assert "none.csv: is missing" in refused("slice", "--overlay", tmp_path / "none.csv")
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf# source: us\r\nmass [MeV];g [1]\r\n1,5;2e-3\r\n")
    message = refused("overlays", "show", path)
    assert "excel.csv:2: " in message
    assert "its cells are separated by semicolons: use commas, and points in numbers" in message
    path.write_bytes(b"\xef\xbb\xbf# source: us\r\nmass [GeV],g [1]\r\n0.01,2e-3\r\n0.1,nan\r\n")
    assert "excel.csv:4:" in refused("overlays", "show", path)


def test_remarks_of_files_go_to_stderr(command: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "a.lmt"
    path.write_text("# mass lower\n0 1e-3\n0.01 1e-3\n0.1 1e-3\n", encoding="utf-8")
    result = command("overlays", "show", path)
    assert "a: line 2: a row of mass 0 is left out" in result.stderr
    assert result.exit_code == 0
