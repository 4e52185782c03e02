from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result


def test_json(command: Callable[..., Result]) -> None:
    counts = json.loads(command("rates", "coherent-lar-2020", "--model", "sm", "--json").stdout)
    about = {"experiments", "model", "lagrangian", "caveat", "constraints"}
    assert set(counts) == {"experiment", "axes", "units", "components", "signal", "total", "at", "provenance", *about}
    assert set(counts["provenance"]["inputs"]["coherent-lar-2020"]) >= {"experiment.yaml", "efficiency.csv", "templates.csv"}
    assert counts["units"] == {"e_ee": "keVee", "f90": "1", "time": "us"}
    assert [len(edges) for edges in counts["axes"].values()] == [13, 9, 11]
    assert counts["axes"]["e_ee"][-1] == 120.0
    assert np.shape(counts["signal"]) == np.shape(counts["total"]) == (12, 8, 10)
    assert np.sum(counts["signal"]) == pytest.approx(counts["components"]["cevns"])
    assert np.sum(counts["total"]) == pytest.approx(sum(counts["components"].values()))


def test_held_parameters_and_overrides_change_the_counts(command: Callable[..., Result]) -> None:
    def signal(*options: str) -> float:
        return float(json.loads(command("rates", "coherent-csi-2021", "-m", "lmu-ltau", "--json", *options).stdout)["components"]["cevns"])

    standard = signal()
    assert signal("--at", "mass=10", "--at", "g=5e-4") < 0.995 * standard
    assert signal("--set", "source.distance=38.6") == pytest.approx(standard / 4.0)
    assert signal("--set", "source.distance=38.6 m") == pytest.approx(standard / 4.0)


def test_the_values_of_the_model_are_printed(command: Callable[..., Result]) -> None:
    options = ("rates", "coherent-csi-2021", "-m", "lmu-ltau", "--at", "mass=10")
    assert "at g = 0, mass = 10 MeV, loop_sign = 1, slepton_log = 0" in command(*options).stdout
    assert "at g = 0.1, mass = 10 MeV" in command("rates", "ccm-200", "-m", "lmu-ltau", "--at", "mass=0.01GeV", "--at", "g=10 %").stdout
    assert json.loads(command(*options, "--json").stdout)["at"] == {"g": 0.0, "mass": 10.0, "loop_sign": 1.0, "slepton_log": 0.0}


def test_the_table_ends_with_the_sum_and_the_data(command: Callable[..., Result], folder: Path) -> None:
    lines = [line.split() for line in command("rates", folder, "-m", "sm").stdout.splitlines() if line.strip()]
    assert lines[-3][0] == "all"
    assert lines[-2] == ["observed", "1567"]
    assert lines[-1][:2] == ["model:", "sm;"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("masss=10", "unknown parameter 'masss'; did you mean mass"),
        ("mass=-1", "mass = -1 is outside its domain"),
        ("mass=nan", "mass = nan is outside its domain"),
        ("mass", "should read name=value"),
    ],
)
def test_bad_held_parameters(refused: Callable[..., str], option: str, message: str) -> None:
    assert message in refused("rates", "coherent-csi-2021", "-m", "lmu-ltau", "--at", option)


def test_a_parameter_held_twice(refused: Callable[..., str]) -> None:
    assert "'mass' is given twice" in refused("rates", "coherent-csi-2021", "-m", "lmu-ltau", "--at", "mass=1", "--at", "mass=2")


def test_a_missing_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "unknown experiment" in refused("rates", tmp_path / "none", "-m", "sm")
