"""Critical values on the command line: made, used for other data, exported, and resumed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"
NODES = ("--grid", "mass=100:1000:3:log", "--grid", "g=1e-3:1e-1:5:log")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:jsonschema:DeprecationWarning")
def test_a_map_is_made_used_exported_and_opened(command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path) -> None:
    asked = ("critical-values", CSI, "-m", "lmu-ltau", *NODES, "--toys", "128", "--cl", "0.9", "-o", tmp_path / "map", "--json")
    found = json.loads(command(*asked).stdout)
    assert np.shape(found["critical"]) == np.shape(found["errors"]) == (1, 3, 5)
    assert [axis["name"] for axis in found["axes"]] == ["mass", "g"]
    again = json.loads(command(*asked).stdout)
    assert again["critical"] == found["critical"]
    opened = cf.open(tmp_path / "map")
    np.testing.assert_array_equal(opened.critical, found["critical"])  # type: ignore[union-attr]
    region = ("region", CSI, "-m", "lmu-ltau", *NODES, "--critical", tmp_path / "map", "-o", tmp_path / "region", "--json")
    used = json.loads(command(*region).stdout)
    assert all(column["allowed"][0][0] == 0.0 and column["toys"] is None for column in used["columns"])
    assert not (tmp_path / "region" / "toys.zarr").exists()
    assert "of the map" in (tmp_path / "region" / "feldman_cousins.csv").read_text(encoding="utf-8")
    assert command("export", tmp_path / "map", "--to", "hepdata").exit_code == 0
    assert (tmp_path / "map" / "hepdata" / "critical_values.yaml").is_file()
    assert "as csv, json or hepdata" in refused("export", tmp_path / "map", "--to", "root")
    other = ("region", CSI, "-m", "lmu-ltau", *NODES, "--set", "source.exposure_pot=1e23", "-o", tmp_path / "other")
    assert "another exposure" in refused(*other, "--critical", tmp_path / "map")


@pytest.mark.slow
def test_an_interval_by_a_map(command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path) -> None:
    what = (CSI, "-m", "lmu-ltau", "--at", "mass=300")
    command("critical-values", *what, "--grid", "g=1e-3:3e-2:5:log", "--toys", "128", "--cl", "0.9", "-o", tmp_path / "map")
    asked = ("intervals", *what, "--critical", tmp_path / "map")
    found = json.loads(command(*asked, "--method", "feldman-cousins", "--json").stdout)
    likelihood = cf.build_likelihood(CSI, model="lmu-ltau")
    known = cf.open(tmp_path / "map")
    direct = cf.intervals(likelihood, "g", at={"mass": 300.0}, method="feldman-cousins", critical=known)  # type: ignore[arg-type]
    assert found["allowed"] == [list(ends) for ends in direct.allowed]
    assert found["toys"] is None
    assert "critical values between 5 nodes" in found["method"]
    assert "is for the method feldman-cousins" in refused(*asked)
    assert "leave out their number" in refused(*asked, "--method", "feldman-cousins", "--toys", "128")
    elsewhere = ("intervals", CSI, "-m", "lmu-ltau", "--at", "mass=200", "--critical", tmp_path / "map", "--method", "feldman-cousins")
    assert "other held parameters" in refused(*elsewhere)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grid", "g=1e-3:1e-2:200", "--at", "mass=20"), "more than 128 nodes"),
        (("--grid", "g=1e-3:1e-2:5"), "must be held"),
        (("--ordering", "both"), "unknown ordering 'both'"),
        (("--cl", "90"), "a confidence level lies between 0 and 1"),
    ],
)
def test_bad_questions(refused: Callable[..., str], tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert message in refused("critical-values", CSI, "-m", "lmu-ltau", "-o", tmp_path, *options)


@pytest.mark.slow
def test_a_region_is_the_same_from_workers_and_after_an_end(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood(CSI, model="lmu-ltau", changes={"systematics.onset.enabled": False})
    grid = {"mass": [300.0, 350.0, 400.0], "g": np.geomspace(1e-3, 1e-1, 8)}
    whole = cf.region(likelihood, **grid, toys=cf.Toys(256))
    stopped = 0

    def stop(finished: int, _: int) -> None:
        nonlocal stopped
        stopped = finished
        if finished == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cf.region(likelihood, **grid, toys=cf.Toys(256), store=tmp_path, progress=stop)
    assert stopped == 12
    resumed = cf.region(likelihood, **grid, toys=cf.Toys(256), store=tmp_path, workers=2)
    assert resumed.columns == whole.columns
    assert cf.open(tmp_path).columns == whole.columns  # type: ignore[union-attr]
