"""`cevnsfit forecast`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cevnsfit as cf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"
CCM = ("forecast", "ccm-200", "--model", "lmu-ltau")


def test_json_has_the_lists_of_intervals(command: Callable[..., Result]) -> None:
    result = command(*CCM, "--at", "mass=30", "--cl", "0.9", "--dof", "1", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["allowed"] == [[0.0, pytest.approx(1.444e-3, rel=2e-3)]]
    assert document["excluded"][-1][1] == 1.0
    assert (document["poi"], document["cl"], document["dof"]) == ("g", 0.9, 1)
    assert [entry["label"] for entry in document["forecasts"]] == ["ccm-200"]


@pytest.mark.slow
def test_the_verb_gives_the_keys_and_numbers_of_the_command(command: Callable[..., Result]) -> None:
    options = (*CCM, "--at", "mass=30", "--with", CSI, "--observed", "--toys", "20", "--seed", "3", "--json")
    found = json.loads(command(*options).stdout)
    alone, together = (cf.build_likelihood(*names, model="lmu-ltau") for names in (["ccm-200"], ["ccm-200", CSI]))
    mine = [
        cf.forecast(likelihood, at={"mass": 30}, observed=observed, toys=cf.Toys(20, seed=3))
        for likelihood, observed in ((alone, ()), (together, [CSI]))
    ]
    assert json.loads(json.dumps([entry.to_dict() for entry in mine])) == found.pop("forecasts")
    assert found.pop("provenance")["existing"] == [CSI]
    assert json.loads(json.dumps(mine[1].to_dict())) == found
    assert (found["experiments"], found["model"]) == (["ccm-200", CSI], "lmu-ltau")


@pytest.mark.slow
def test_the_verb_varies_fields_as_the_command_does(command: Callable[..., Result]) -> None:
    fields = {"source.exposure_pot": [1e22, 1e23], "systematics.lujan_flux.sigma": [5.0, 15.0]}
    options = ("--vary", "source.exposure_pot=1e22:1e23:3", "--vary", "systematics.lujan_flux.sigma=5:15:3")
    found = json.loads(command(*CCM, "--at", "mass=1000", *options, "--json").stdout)
    likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau")
    mine = json.loads(json.dumps(cf.forecast(likelihood, at={"mass": 1000}, vary=fields).to_dict()))
    assert found.pop("files") == []
    assert found.pop("provenance")["overrides"] == []
    assert {*mine} == {*found}
    assert mine["rows"] == [row for row in found["rows"] if row["values"][0] in {1e22, 1e23} and row["values"][1] in {5.0, 15.0}]
    assert [field["path"] for field in found["fields"]] == [field["path"] for field in mine["fields"]] == [*fields]
    assert all(mine[key] == found[key] for key in found if key not in {"fields", "rows"})


def test_text_states_data_and_method(command: Callable[..., Result]) -> None:
    result = command(*CCM, "--at", "mass=30", "--true", "g=0.002", "--set", "source.distance=23")
    assert result.exit_code == 0, result.output
    assert "Asimov data at g = 0.002 for ccm-200; 251.5 (ccm-200) signal events" in result.stdout
    assert "asymptotic" in result.stdout


def test_the_old_name_of_an_option_is_understood_and_not_shown(command: Callable[..., Result]) -> None:
    new, old, joined = (
        command(*CCM, "--at", "mass=30", *option).stdout for option in (("--true", "g=2e-3"), ("--truth", "g=2e-3"), ("--truth=g=2e-3",))
    )
    assert "at g = 0.002" in new
    assert new == old == joined
    assert "--truth" not in command("forecast", "--help").stdout


def test_a_forecast_profiles_what_it_is_asked_to(command: Callable[..., Result], refused: Callable[..., str]) -> None:
    options = ("forecast", "coherent-csi-2021", "-m", "signal-strength", "--json")
    held, profiled = (json.loads(command(*options, *extra).stdout)["limit"] for extra in ((), ("--profile-signal",)))
    assert profiled > 1.01 * held
    assert "cannot be both profiled" in refused(*CCM, "--at", "mass=30", "--profile", "g")


@pytest.mark.slow
def test_an_existing_experiment_can_be_changed_by_its_name(command: Callable[..., Result]) -> None:
    options = (*CCM, "--with", "coherent-csi-2021", "--at", "mass=30", "--json")
    change = "coherent-csi-2021:source.distance"
    found = json.loads(command(*options, "--set", f"{change}=38.6 m").stdout)
    alone, combined = found["forecasts"]
    assert combined["events"]["coherent-csi-2021"] == pytest.approx(327.7 / 4.0, rel=1e-3)
    assert combined["events"]["ccm-200"] == alone["events"]["ccm-200"] == pytest.approx(332.6, rel=1e-3)
    assert found["provenance"]["overrides"] == [[change, "38.6 m"]]
    varied = json.loads(command(*options, "--vary", f"{change}=19.3:38.6:3").stdout)
    assert varied["fields"][0]["unit"] == "m"
    assert varied["rows"][-1]["limit"] == pytest.approx(combined["limit"], rel=1e-6)


def test_electrons_of_a_light_mediator_decide_where_they_are_seen(command: Callable[..., Result]) -> None:
    arguments = ("forecast", "ccm-200", "--model", "universal", "--at", "mass=0.05", "--json")
    without, added = (json.loads(command(*arguments, *extra).stdout) for extra in ((), ("--electrons",)))
    assert (without["caveat"], added["caveat"]) == ("CEvNS only", "")
    assert added["allowed"][0][1] < 0.1 * without["allowed"][0][1]


@pytest.mark.slow
def test_a_curve_is_written(command: Callable[..., Result], tmp_path: Path) -> None:
    result = command(*CCM, "--grid", "mass=10:1000:3:log", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "mass [MeV]" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forecast.csv", "forecast.json", "forecast.png"]
    assert len(json.loads((tmp_path / "forecast.json").read_text())["points"]) == 3


@pytest.mark.slow
def test_a_field_is_varied(command: Callable[..., Result], tmp_path: Path) -> None:
    vary = ("--vary", "source.exposure_pot=1e22:1e23:3:log", "--vary", "systematics.lujan_flux.sigma=5:15:3")
    result = command(*CCM, "--at", "mass=1000", *vary, "-o", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert len(document["rows"]) == 9
    assert [field["unit"] for field in document["fields"]] == ["1", "%"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whatif.csv", "whatif.json", "whatif.png"]
    text = command(*CCM, "--at", "mass=1000", *vary[:2])
    assert "statistics alone" in text.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "mass=30", "--set", "source.exposure=1"), "source.exposure"),
        (("--at", "mass=30", "--set", "axes.e_ee.start=60"), "149.56 keVnr = 54.24 keVee"),
        (("--at", "mass=30", "--vary", "source.exposure_pot=0:1e22:3"), "source.exposure_pot"),
        (("--at", "mass=30", "--with", "ccm-200-recoil"), "share events"),
        (("--at", "mass=30", "--toys", "-5"), "pseudo-experiments need a number of at least 1"),
        (("--at", "mass=30", "--toys", "5", "--vary", "source.distance=20:30:3"), "takes no pseudo-experiments"),
        (("--vary", "source.distance=20:30:3"), "--at mass=VALUE"),
    ],
)
def test_bad_input_is_refused(refused: Callable[..., str], arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*CCM, *arguments)
