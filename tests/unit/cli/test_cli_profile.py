"""--profile lets held parameters float, and planes of two couplings."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"
PLANE = ("--grid", "eps_ee_u=-0.3:0.7:9", "--grid", "eps_mumu_u=-0.2:0.6:9")


STILL = ("--set", "systematics.onset.enabled=false")
"""With the onset of the beam fixed mirror solutions stay apart; where it floats they join."""


def test_intervals_become_wider(command: Callable[..., Result]) -> None:
    base = ("intervals", CSI, "-m", "nsi", "--poi", "eps_ee_u", *STILL, "--json")
    alone = json.loads(command(*base).stdout)
    profiled = json.loads(command(*base, "--profile", "eps_mumu_u").stdout)
    assert len(alone["allowed"]) == len(profiled["allowed"]) == 2
    assert profiled["nll2"] < alone["nll2"]
    assert sum(b - a for a, b in profiled["allowed"]) > 1.05 * sum(b - a for a, b in alone["allowed"])


def test_a_fit_floats_what_is_asked_for(command: Callable[..., Result]) -> None:
    held = json.loads(command("fit", CSI, "-m", "nsi", "--json").stdout)
    assert not any(name.startswith("eps_") for name in held["parameters"])
    fitted = json.loads(command("fit", CSI, "-m", "nsi", "--profile", "eps_ee_u", "--json").stdout)
    assert [name for name in fitted["parameters"] if name.startswith("eps_")] == ["eps_ee_u"]
    assert fitted["nll2"] < held["nll2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("intervals", CSI, "-m", "nsi", "--poi", "eps_ee_u", "--profile", "eps_ee_u"),
        ("intervals", CSI, "-m", "nsi", "--poi", "eps_mumu_u", "--profile", "eps_ee_u", "--at", "eps_ee_u=0.1"),
        ("fit", CSI, "-m", "nsi", "--profile", "eps_ee_u", "--at", "eps_ee_u=0.1"),
        ("scan", CSI, "-m", "nsi", "--profile", "eps_ee_u", *PLANE, "-o", "nowhere"),
    ],
)
def test_nothing_is_profiled_and_held(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "eps_ee_u cannot be both profiled" in refused(*arguments)


@pytest.mark.slow
def test_a_plane_profiles_what_rebuilds_templates(command: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("scan", CSI, "-m", "sterile", "--grid", "sin2_2theta_ee=0:1:3", "--grid", "sin2_2theta_mumu=0:1:3", "--no-plot", "--json")
    planes = [
        json.loads(command(*arguments, *extra, "-o", tmp_path / str(k)).stdout)["planes"][0]
        for k, extra in enumerate(((), ("--profile", "delta_m2")))
    ]
    assert planes[1]["best_fit"]["nll2"] <= planes[0]["best_fit"]["nll2"] + 1e-6


def test_unknown_names_have_near_matches(refused: Callable[..., str]) -> None:
    assert "did you mean eps_ee_u" in refused("fit", CSI, "-m", "nsi", "--profile", "eps_ee_")


@pytest.mark.slow
def test_a_plane_of_couplings_is_kept_and_drawn_again(command: Callable[..., Result], tmp_path: Path) -> None:
    first = command("scan", CSI, "-m", "nsi", *PLANE, *STILL, "-o", tmp_path, "--json")
    assert first.exit_code == 0, first.output
    with (tmp_path / "exclusion.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert len({row["branch"] for row in rows if row["cl"] == "0.9"}) == 4
    again = command("plot", tmp_path, "-o", tmp_path / "again.png", "--json")
    assert json.loads(again.stdout)["planes"] == json.loads(first.stdout)["planes"]


@pytest.mark.slow
def test_a_profiled_plane_lies_below_one_that_holds(command: Callable[..., Result], tmp_path: Path) -> None:
    grid = ("--grid", "eps_ee_u=-0.2:0.6:4", "--grid", "eps_mumu_u=-0.1:0.5:4", "--no-plot", "--json")
    held = json.loads(command("scan", CSI, "-m", "nsi", *grid, "-o", tmp_path / "held").stdout)["planes"][0]
    profiled = command("scan", CSI, "-m", "nsi", *grid, "--profile", "eps_emu_u", "-o", tmp_path / "profiled")
    assert profiled.exit_code == 0, profiled.output
    plane = json.loads(profiled.stdout)["planes"][0]
    assert plane["best_fit"]["nll2"] <= held["best_fit"]["nll2"] + 1e-6
    assert plane["reference_nll2"] == pytest.approx(held["reference_nll2"], abs=1e-5)
