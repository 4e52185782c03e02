from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"


@pytest.mark.slow
def test_a_raster_scan(command: Callable[..., Result], tmp_path: Path) -> None:
    grids = ("--grid", "mass=10:1000:3:log", "--grid", "g=1e-4:1e-1:30:log")
    result = command("region", CSI, "-m", "lmu-ltau", *grids, "--ordering", "column", "--toys", "128", "-o", tmp_path, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [column["mass"] for column in found["columns"]] == pytest.approx([10.0, 100.0, 1000.0])
    assert [len(column["allowed"]) for column in found["columns"]] == [1, 2, 2]
    assert "raster scan" in found["method"]
    lines = (tmp_path / "feldman_cousins.csv").read_text(encoding="utf-8").splitlines()
    assert sum(not line.startswith("#") for line in lines) == 6
    assert (tmp_path / "feldman_cousins.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "toys.zarr").is_dir()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ordering", "both"), "unknown ordering 'both'"),
        (("--cl", "90"), "a confidence level lies between 0 and 1"),
        (("--toys", "0"), "need a number of at least 1"),
        (("--grid", "mass=1:10:3"), "needs two parameters"),
        (("--at", "mass=10"), "both scanned and held"),
    ],
)
def test_bad_questions(refused: Callable[..., str], tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert message in refused("region", CSI, "-m", "lmu-ltau", "-o", tmp_path, *options)
