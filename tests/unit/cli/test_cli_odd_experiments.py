"""Every command of statistics on experiments off the beaten path: no events, and events in which the model expects nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typer.testing import Result

STRENGTH = ("-m", "signal-strength")
MEDIATOR = ("-m", "lmu-ltau", "--at", "mass=30")
PLANE = ("-m", "lmu-ltau", "--grid", "mass=10:1000:3:log", "--grid", "g=1e-5:1e-1:9:log")
HEADER = """\
schema_version: 1
name: little
title: few germanium bins (invented counts)
references: [invented]
source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m}
target: {compound: Ge, mass: 0.1 kg}
response:
  quenching: {kind: constant-quenching, factor: 0.22}
"""
BACKGROUND = """\
backgrounds:
  flat:
    shape: {kind: product, factors: {e_ee: {kind: uniform}}}
    count: {kind: gaussian, mean: 0.5, sigma: 0.05}
"""


def little(folder: Path, edges: Sequence[float], counts: Sequence[int], further: str = "") -> Path:
    """Return the folder of an experiment with some counts in bins of energy [keVee]; 1.7 are expected from 1 to 8."""
    folder.mkdir()
    axis = f"axes:\n  e_ee: {{unit: keVee, edges: {list(edges)}}}\nobserved: {{table: counts.csv, column: on}}\n"
    (folder / "experiment.yaml").write_text(HEADER + axis + further, encoding="utf-8")
    rows = [f"{low},{high},{n}" for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    table = ["# Invented", "e_ee_low [keVee],e_ee_high [keVee],on [1]", *rows]
    (folder / "counts.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


COMMANDS = [
    ("fit", *STRENGTH),
    ("fit", *MEDIATOR),
    ("intervals", *STRENGTH),
    ("intervals", *MEDIATOR),
    ("intervals", *STRENGTH, "--method", "feldman-cousins", "--toys", "128"),
    ("intervals", *MEDIATOR, "--method", "feldman-cousins", "--toys", "128"),
    ("intervals", *STRENGTH, "--method", "cls"),
    ("intervals", *STRENGTH, "--method", "cls", "--toys", "128"),
    ("gof", *STRENGTH, "--toys", "128"),
    ("gof", *MEDIATOR, "--toys", "128"),
    ("significance", *STRENGTH),
    ("significance", *MEDIATOR, "--toys", "128"),
    ("impacts", *STRENGTH),
    ("coverage", *STRENGTH, "--true", "signal_strength=1", "--toys", "128"),
    ("posterior", *STRENGTH, "--steps", "200"),
    ("forecast", *STRENGTH),
    ("forecast", *STRENGTH, "--vary", "source.exposure_pot=1e23:1e25:3:log"),
]

IN_A_FOLDER = [
    ("scan", *PLANE),
    ("region", *PLANE, "--toys", "128"),
]


def arguments(name: Sequence[str], *experiments: object) -> list[object]:
    return [name[0], *experiments, *name[1:]]


def explained(result: Result) -> bool:
    """Return whether an answer has no number that is none, or says why: it is incomplete, or remarks on it."""
    odd = re.search(r"\bnan\b|-?\binf\b", result.stdout)
    return result.exit_code == 3 or odd is None or "impossible" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("further", ["", BACKGROUND], ids=["no background", "background"])
@pytest.mark.parametrize("name", [*COMMANDS, *IN_A_FOLDER], ids=" ".join)
def test_no_events_are_data_like_others(command: Callable[..., Result], tmp_path: Path, name: tuple[str, ...], further: str) -> None:
    folder = little(tmp_path / "little", (1, 8), (0,), further)
    kept = ["-o", tmp_path / "out"] if name in IN_A_FOLDER else []
    done = command(*arguments(name, folder), *kept)
    assert done.exit_code in {0, 3}, done.output
    assert "bug" not in done.stderr
    assert explained(done), done.output


def test_a_deficit_is_no_signal(command: Callable[..., Result], tmp_path: Path) -> None:
    """Nothing was seen where 0.5 are expected: -2 ln lambda rises by 2 (0.5) = 1 without the negative signal that makes up for them."""
    folder = little(tmp_path / "little", (1, 8), (0,), BACKGROUND.replace("sigma: 0.05", "sigma: 1e-6"))
    found = json.loads(command("fit", folder, *STRENGTH, "--json").stdout)
    assert found["parameters"]["signal_strength"]["value"] < 0.0
    assert found["significance"] == pytest.approx(-1.0, abs=1e-3)
    exceeding = json.loads(command("significance", folder, *STRENGTH, "--json").stdout)
    assert (exceeding["statistic"], exceeding["significance"], exceeding["p"]) == (0.0, 0.0, 1.0)


def test_two_experiments_without_events_agree(command: Callable[..., Result], tmp_path: Path) -> None:
    one, other = (little(tmp_path / name, (1, 8), (0,), BACKGROUND) for name in ("one", "other"))
    text = (other / "experiment.yaml").read_text(encoding="utf-8")
    (other / "experiment.yaml").write_text(text.replace("name: little", "name: other"), encoding="utf-8")
    done = command("compatibility", one, other, *STRENGTH, "--toys", "128", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["statistic"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", [*COMMANDS, *IN_A_FOLDER], ids=" ".join)
def test_events_where_nothing_is_expected_end_every_command(command: Callable[..., Result], tmp_path: Path, name: tuple[str, ...]) -> None:
    """The recoil spectrum of germanium ends at 18 keVee."""
    folder = little(tmp_path / "little", (1, 8, 300, 400), (2, 1, 3))
    kept = ["-o", tmp_path / "out"] if name in IN_A_FOLDER else []
    done = command(*arguments(name, folder), *kept, "--json")
    reason = "little: the model expects nothing in e_ee 300 to 400 keVee, where 3 events were seen"
    assert done.exit_code == 3
    assert json.loads(done.stdout) == {"valid": False, "reason": reason}
    assert done.stderr == f"incomplete: {reason}\n"


def test_check_names_events_where_nothing_is_expected(command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path) -> None:
    folder = little(tmp_path / "little", (1, 8, 300, 400), (2, 1, 3))
    assert "expects nothing in e_ee 300 to 400 keVee, where 3 events were seen" in refused("experiments", "check", folder)
    found = json.loads(command("experiments", "check", folder, "--json").stdout)
    assert found["valid"] is False
    assert len(found["problems"]) == 1
    assert command("experiments", "check", little(tmp_path / "fine", (1, 8, 300, 400), (2, 1, 0))).exit_code == 0
    assert command("rates", folder, "-m", "sm").exit_code == 0
    assert command("experiments", "check", little(tmp_path / "covered", (1, 8, 300, 400), (2, 1, 3), BACKGROUND)).exit_code == 0


def test_check_names_negative_expectations(refused: Callable[..., str], tmp_path: Path) -> None:
    shape = "backgrounds:\n  steady:\n    shape: {kind: joint, table: counts.csv, column: shape}\n    count: {kind: gaussian, mean: 5, sigma: 1}\n"
    folder = little(tmp_path / "little", (1, 8, 16), (2, 1), shape)
    table = "# Invented\ne_ee_low [keVee],e_ee_high [keVee],on [1],shape [1]\n1,8,2,6\n8,16,1,-2\n"
    (folder / "counts.csv").write_text(table, encoding="utf-8")
    assert "column 'shape' has 1 negative entries" in refused("experiments", "check", folder)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-m", "lmu-ltau", "--at", "mass=100", "--at", "g=0.05", "--poi", "sns_flux"), "no nuisance moves it"),
        (("-m", "nsi", "--at", "eps_ee_u=5", "--poi", "sns_flux"), "no nuisance moves it"),
    ],
)
def test_impacts_far_from_the_data_say_so(command: Callable[..., Result], options: tuple[str, ...], reason: str) -> None:
    done = command("impacts", "coherent-csi-2021", *options, "--json")
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert found["valid"] is False
    assert found["reason"].startswith(f"no impacts on sns_flux: {reason}; at an end of their domain: sns_flux, ")


def test_nuisances_without_an_impact_are_named(command: Callable[..., Result]) -> None:
    options = ("impacts", "coherent-csi-2021", "-m", "nsi", "--at", "eps_ee_u=1.5", "--poi", "eps_mumu_u")
    found = json.loads(command(*options, "--json").stdout)
    assert found["impacts"][0]["up"] != 0.0
    missing = [entry["name"] for entry in found["impacts"] if entry["up"] is None or entry["down"] is None]
    assert found["failed"] == missing
    assert "eps_mumu_u" not in {entry["name"] for entry in found["impacts"]}
