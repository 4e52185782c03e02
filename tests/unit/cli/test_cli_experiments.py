from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cevnsfit.spec.catalog import experiment_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Change = Callable[[str, str, str], None]

CSI = "coherent-csi-2021"


def test_list(command: Callable[..., Result]) -> None:
    result = command("experiments")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in experiment_names())


def test_list_as_json(command: Callable[..., Result]) -> None:
    entries = {entry["name"]: entry for entry in json.loads(command("experiments", "--json").stdout)}
    assert tuple(entries) == experiment_names()
    assert entries[CSI]["axes"] == {"pe": 9, "time": 11}
    assert entries[CSI]["observed"] == 1567
    assert entries[CSI]["overlaps"] == ["coherent-csi-2017"]


def test_show(command: Callable[..., Result]) -> None:
    text = command("experiments", "show", CSI).stdout
    assert all(
        part in text
        for part in ("arXiv:2110.07730", "sns_flux", f"{CSI}.onset", "arrival-shift, flat from -250 to 250 ns", "1567", "gamma-smearing")
    )
    assert "off" not in text
    assert "250 ns, off" in command("experiments", "show", CSI, "--set", "systematics.onset.enabled=false").stdout
    assert "flat" not in command("experiments", "show", CSI, "--set", "systematics.onset.sigma=50 ns").stdout


def test_show_as_json(command: Callable[..., Result]) -> None:
    shown = json.loads(command("experiments", "show", CSI, "--set", "source.distance=20", "--json").stdout)
    assert shown["axes"]["time"]["unit"] == "us"
    assert shown["axes"]["time"]["edges"][:2] == [0.0, 0.125]
    assert shown["spec"]["source"]["distance"] == pytest.approx(2000.0)
    assert shown["overrides"] == {"source.distance": "20"}
    assert len(shown["digests"]["events.csv"]) == 64


def test_a_typo_is_answered_with_near_names(refused: Callable[..., str]) -> None:
    assert "did you mean coherent-csi-2021" in refused("experiments", "show", "coherent-csi-2020")


def test_check(command: Callable[..., Result], folder: Path) -> None:
    result = command("experiments", "check", folder)
    assert result.exit_code == 0
    assert f"{CSI}: no problems found" in result.stdout
    assert "observed: 1567" in result.stdout


def test_check_as_json(command: Callable[..., Result], folder: Path) -> None:
    found = json.loads(command("experiments", "check", folder, "--json").stdout)
    assert (found["valid"], found["problems"], found["observed"]) == (True, [], 1567)
    assert found["expected"]["cevns"] == pytest.approx(328, abs=1)


BROKEN = {
    "unknown key": ("experiment.yaml", "couplings: default", "coupling: default", ":18: coupling: unknown field 'coupling'; did you mean"),
    "wrong unit": ("experiment.yaml", "distance: 19.3 m", "distance: 19.3 kg", ":15: source.distance: '19.3 kg'"),
    "no unit": ("experiment.yaml", "mass: 14.6 kg", "mass: 14.6", ":17: target.mass: 14.6 has no unit"),
    "keVnr for keVee": ("experiment.yaml", "slope: 9.56 / keVee", "slope: 9.56 / keVnr", ": response.smearing.slope:"),
    "missing table": (
        "experiment.yaml",
        "observed: {table: events.csv",
        "observed: {table: event.csv",
        "event.csv: observed.table: no such",
    ),
    "missing column": ("experiment.yaml", "column: coincident}", "column: coincidence}", "did you mean coincident"),
    "wrong shape": ("events.csv", "0,1,0,0.125,0,0\n", "", "events.csv: "),
    "ragged row": ("events.csv", "0,1,0,0.125,0,0\n", "0,1,0,0.125,0\n", "events.csv:5: 5 cells"),
    "negative counts": ("events.csv", "10,11,0,0.125,", "10,11,0,0.125,-9", "negative entries"),
    "NaN": ("events.csv", "0,1,0,0.125,0,0", "0,1,0,0.125,nan,0", "events.csv:5: 'nan' is not a finite number"),
    "overlapping bins": ("events.csv", "0,1,0,0.125,0,0\n", "0,1,0,0.2,0,0\n", "the bins of axis time overlap"),
    "decreasing edges": ("experiment.yaml", "edges: [8, 12, 16,", "edges: [8, 16, 12,", ":22: axes.pe: edges must increase"),
    "duplicated nuisance": ("experiment.yaml", "  form_factor: {", "  sns_flux: {", 'found duplicate key "sns_flux"'),
    "time in the wrong unit": (
        "experiment.yaml",
        "time: {unit: us,",
        "time: {unit: MeV,",
        ":23: axes.time: 'MeV' is not a unit of time, which is given in us",
    ),
    "not a mapping": ("experiment.yaml", "source:\n", "source: [\n", "not valid YAML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_explained(refused: Callable[..., str], folder: Path, change: Change, case: str) -> None:
    file, old, new, expected = BROKEN[case]
    change(file, old, new)
    message = refused("experiments", "check", folder)
    assert str(folder) in message
    assert expected in message


def test_all_problems_come_at_once(command: Callable[..., Result], refused: Callable[..., str], folder: Path, change: Change) -> None:
    for case in ("unknown key", "wrong unit", "no unit"):
        change(*BROKEN[case][:3])
    message = refused("fit", folder, "-m", "sm")
    assert all(BROKEN[case][3] in message for case in ("unknown key", "wrong unit", "no unit"))
    result = command("experiments", "check", folder, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["valid"]) == (2, False)
    assert {(problem["line"], problem["field"]) for problem in found["problems"]} >= {(18, "coupling"), (15, "source.distance")}


def test_problems_of_several_tables_come_at_once(refused: Callable[..., str], folder: Path, change: Change) -> None:
    for case in ("NaN", "missing column"):
        change(*BROKEN[case][:3])
    (folder / "neutrons_pe.csv").unlink()
    message = refused("experiments", "check", folder)
    assert "'nan' is not a finite number" in message
    assert "neutrons_pe.csv" in message


def test_a_bad_override_names_the_option(refused: Callable[..., str]) -> None:
    message = refused("rates", CSI, "-m", "sm", "--set", "source.distance=20 kg")
    assert "--set source.distance=20 kg" in message
    assert "did you mean distance" in refused("rates", CSI, "-m", "sm", "--set", "source.distanc=20")
    assert "should read PATH=value" in refused("rates", CSI, "-m", "sm", "--set", "source.distance")
    assert "did you mean coherent-csi-2021" in refused("rates", CSI, "-m", "sm", "--set", "coherent-csi-202:source.distance=20")
    assert "aliases (*x) are not allowed" in refused("rates", CSI, "-m", "sm", "--set", "source.distance=*x")


def test_a_folder_without_description(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "experiment.yaml: no such file" in refused("experiments", "check", tmp_path)
