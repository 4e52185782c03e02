from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

import cevnsfit as cf
from cevnsfit.infer.toys import run_chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cevnsfit.infer.toys import Chunk

CSI, LAR = "coherent-csi-2021", "coherent-lar-2020"


def test_goodness_of_fit(command: Callable[..., Result]) -> None:
    found = json.loads(command("gof", CSI, "-m", "signal-strength", "--toys", "128", "--seed", "3", "--json").stdout)
    assert found["statistic"] == pytest.approx(90.6, abs=1.0)
    assert found["ndof"] == 97
    assert 0.4 < found["p"] < 0.8
    assert found["tail"]["p"] == pytest.approx(found["p"], abs=0.2)
    assert (found["tail"]["toys"] + found["tail"]["failed"], found["tail"]["seed"]) == (128, 3)
    text = command("gof", CSI, "-m", "signal-strength").stdout
    assert "-2 ln lambda / ndof = 90." in text
    assert "toys" not in text


@pytest.mark.slow
def test_experiments_agree_on_the_signal(command: Callable[..., Result]) -> None:
    found = json.loads(command("compatibility", CSI, LAR, "-m", "signal-strength", "--profile-signal", "--json").stdout)
    assert 0.0 <= found["statistic"] < 2.0
    assert found["ndof"] == 1
    assert set(found["separate"]) == {CSI, LAR}
    assert found["method"] == "parameter goodness of fit"
    assert [entry["label"] for entry in found["strengths"]] == [CSI, LAR, f"{CSI} + {LAR}"]
    assert found["strengths"][0]["pull"] == pytest.approx(-0.524, abs=0.005)
    text = command("compatibility", CSI, LAR, "-m", "signal-strength", "--profile-signal", "--toys", "128").stdout
    assert "chi2_PG / ndof" in text
    assert "-0.52 sigma (deficit)" in text
    assert "128 toys, seed 1, 0 failed" in text


def test_one_experiment_alone_is_refused(refused: Callable[..., str]) -> None:
    assert "nothing to compare" in refused("compatibility", CSI, "-m", "signal-strength")


def test_masses_must_be_held(refused: Callable[..., str]) -> None:
    assert "--at mass=VALUE" in refused("gof", CSI, "-m", "lmu-ltau")


@pytest.mark.slow
def test_impacts(command: Callable[..., Result], tmp_path: Path) -> None:
    target = tmp_path / "ranking.png"
    found = json.loads(command("impacts", CSI, "-m", "signal-strength", "--profile-signal", "-o", target, "--json").stdout)
    assert found["poi"] == "signal_strength"
    assert found["impacts"][0]["name"] == "coherent-csi-2021.efficiency"
    assert found["impacts"][0]["up"] < 0.0 < found["impacts"][0]["down"]
    assert found["files"] == [str(target)]
    assert imread(target).shape[1] == pytest.approx(160 * 8.4, abs=2)
    assert "efficiency" in command("impacts", CSI, "-m", "signal-strength", "--profile-signal").stdout


@pytest.mark.slow
def test_groups_on_the_command_line(command: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("impacts", CSI, "-m", "signal-strength", "--profile-signal", "--groups")
    found = json.loads(command(*arguments, "-o", tmp_path / "groups.svg", "--json").stdout)
    assert [entry["group"] for entry in found["groups"]][:2] == ["statistics", "efficiency"]
    assert (tmp_path / "groups.svg").is_file()
    text = command(*arguments).stdout
    assert "Impact on" not in text
    assert max(map(len, text.splitlines())) <= 130
    assert text.splitlines()[0] == f"Error of signal_strength, {CSI}"


def test_significance(command: Callable[..., Result]) -> None:
    found = json.loads(command("significance", LAR, "-m", "released-templates", "--json").stdout)
    assert found["significance"] == pytest.approx(3.87, abs=0.02)
    assert found["toys"] is None
    assert found["method"] == "profile likelihood, asymptotic"
    text = command("significance", LAR, "-m", "released-templates", "--toys", "128").stdout
    assert "p < 0.02 (95 % CL), 128 toys" in text


@pytest.mark.slow
def test_significance_at_an_unknown_mass(command: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("significance", CSI, "-m", "lmu-ltau")
    found = json.loads(command(*arguments, "--grid", "mass=40:0.16GeV:3", "--toys", "128", "--plot", tmp_path / "q0.png", "--json").stdout)
    assert found["maximum"] == {"mass": pytest.approx(100.0), "g": pytest.approx(0.008, abs=0.001)}
    assert found["q0_max"] == max(found["q0"]) == pytest.approx(2.28, abs=0.02)
    assert found["local_p"] <= found["global_p"] <= found["bound"]
    assert found["upcrossings"] > 0.0
    assert found["provenance"]["seed"] == 1
    assert imread(tmp_path / "q0.png").ndim == 3


def test_a_scanned_mass_is_not_held(refused: Callable[..., str]) -> None:
    arguments = ("significance", CSI, "-m", "lmu-ltau")
    assert "--at mass=VALUE" in refused(*arguments)
    assert "g cannot be scanned" in refused(*arguments, "--grid", "g=0.1:1:3", "--at", "mass=10")
    assert "mass cannot be scanned, it is held" in refused(*arguments, "--grid", "mass=1:10:3", "--at", "mass=10")


@pytest.mark.slow
def test_a_second_minimum_asks_for_toys(command: Callable[..., Result]) -> None:
    """Toys without signal lie in the mirror of the Standard Model as often as beside it: the asymptotic 0.352 is not their p-value."""
    arguments = ("significance", CSI, "-m", "lmu-ltau", "--at", "mass=1000")
    found = json.loads(command(*arguments, "--json").stdout)
    assert found["statistic"] == pytest.approx(0.144, abs=0.01)
    assert [entry["value"] for entry in found["minima"]] == pytest.approx([0.0105, 0.0708], abs=2e-4)
    assert "a second minimum at g = 0.0715" in found["remark"]
    assert (found["toys"]["toys"], found["toys"]["failed"], found["valid"]) == (2048, 0, True)
    assert found["p"] == pytest.approx(0.76, abs=0.03)
    assert found["method"] == "profile likelihood, toys without signal"
    assert found["provenance"]["seed"] == 1
    text = command(*arguments, "--toys", "128").stdout
    assert "the asymptotic significance does not hold: data without signal have a second minimum" in text
    assert "0.01047 (+0.00), 0.07076 (+0.55)" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("gof", CSI, "-m", "signal-strength", "--toys", "128"),
        ("significance", LAR, "-m", "released-templates", "--toys", "128"),
        ("compatibility", CSI, LAR, "-m", "signal-strength", "--toys", "128"),
        ("coverage", CSI, "-m", "signal-strength", "--true", "signal_strength=1", "--toys", "128"),
        ("intervals", CSI, "-m", "signal-strength", "--method", "feldman-cousins", "--toys", "128"),
        ("intervals", LAR, "-m", "released-templates", "--method", "cls", "--toys", "128"),
    ],
)
def test_a_lost_toy_is_said(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    def losing(chunk: Chunk) -> np.ndarray:
        rows = run_chunk(chunk)
        rows[0] = np.nan
        return rows

    monkeypatch.setattr("cevnsfit.infer.toys.run_chunk", losing)
    done = command(*arguments, "--json")
    assert done.exit_code == 3
    assert "toys could not be fitted" in done.stderr
    assert json.loads(done.stdout)["valid"] is False


def test_cls_limit(command: Callable[..., Result]) -> None:
    arguments = ("intervals", LAR, "-m", "released-templates", "--method", "cls")
    found = json.loads(command(*arguments, "--json").stdout)
    ((low, high),) = found["allowed"]
    assert low == 0.0
    assert high == pytest.approx(1.678, abs=0.01)
    assert found["expected"] == sorted(found["expected"])
    assert found["toys"] is None
    text = command(*arguments).stdout
    assert "CLs, asymptotic" in text
    assert "expected without signal" in text


@pytest.mark.slow
def test_feldman_cousins_continues_in_its_folder(command: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("intervals", CSI, "-m", "signal-strength", "--method", "feldman-cousins", "--toys", "128", "--json")
    kept = ("-o", str(tmp_path / "toys"))
    first = json.loads(command(*arguments, *kept).stdout)
    assert first["allowed"][0][0] < 0.94 < first["allowed"][0][1]
    assert "Feldman-Cousins" in first["method"]
    assert first["toys"]["seed"] == 1
    assert json.loads(command(*arguments, *kept, "-j", "2").stdout) == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "guess"), "unknown method 'guess'"),
        (("--toys", "100"), "uses no toys"),
        (("--method", "cls"), "counts that grow with g"),
        (("--method", "feldman-cousins", "--toys", "0"), "need a number of at least 1"),
    ],
)
def test_bad_methods(refused: Callable[..., str], options: tuple[str, ...], message: str) -> None:
    assert message in refused("intervals", CSI, "-m", "lmu-ltau", "--at", "mass=100", *options)


@pytest.mark.slow
def test_coverage(command: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("coverage", CSI, "-m", "signal-strength", "--true", "signal_strength=1", "--toys", "256", "-o", tmp_path)
    found = json.loads(command(*arguments, "--json").stdout)
    profiled, limits = found["rows"][0]["coverage"]
    assert (profiled["method"], profiled["truth"], profiled["toys"] + profiled["failed"]) == ("profile", 1.0, 256)
    assert profiled["covered"] == pytest.approx(0.9, abs=0.07)
    assert limits["method"] == "cls"
    assert (found["cl"], found["seed"], found["over"]) == (0.9, 1, None)
    text = command(*arguments).stdout
    assert "asymptotic threshold of t: 2.71" in text
    assert imread(tmp_path / "coverage.png").shape[1] == pytest.approx(160 * 7.4, abs=2)
    assert "signal-strength" in (tmp_path / "coverage.csv").read_text(encoding="utf-8")
    mine = cf.coverage(cf.build_likelihood(CSI, model="signal-strength"), "signal_strength", [1.0], toys=cf.Toys(256), store=tmp_path)
    assert json.loads(json.dumps(mine.to_dict())) == {key: found[key] for key in found if key not in {"files", "provenance"}}
    assert (found["experiments"], found["model"], found["true"], found["over"]) == ([CSI], "signal-strength", [1.0], None)


@pytest.mark.slow
def test_coverage_over_masses(command: Callable[..., Result], tmp_path: Path) -> None:
    """A coupling of 1 is excluded by far and left out; the picture is a map."""
    arguments = ("coverage", CSI, "-m", "lmu-ltau", "--grid", "mass=10:1000:3:log", "--true", "g=1e-3", "--true", "g=1", "--toys", "128")
    found = json.loads(command(*arguments, "-o", tmp_path, "--json").stdout)
    assert [row["setting"] for row in found["rows"]] == pytest.approx([10.0, 100.0, 1000.0])
    assert all([entry["truth"] for entry in row["coverage"]] == [1e-3] for row in found["rows"])
    assert [len(row["allowed"]) for row in found["rows"]] == [1, 2, 2]
    assert found["files"][1].endswith("coverage.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--at", "signal_strength=1"), "signal_strength is both held (--at) and varied"),
        (("--grid", "signal_strength=1:2:3"), "signal_strength is both held (--at) and varied"),
        (("--cl", "2"), "a confidence level lies between 0 and 1"),
        (("--grid", "masses=1:2:3"), "unknown parameter 'masses'"),
    ],
)
def test_bad_coverage(refused: Callable[..., str], options: tuple[str, ...], message: str) -> None:
    assert message in refused("coverage", CSI, "-m", "signal-strength", "--true", "signal_strength=1", *options)


@pytest.mark.parametrize(
    "args",
    [
        ("impacts", "coherent-csi-2021", "--model", "signal-strength", "--xlim", "0:1"),
        ("coverage", "coherent-csi-2021", "--model", "signal-strength", "--true", "signal_strength=1", "--label", "mine"),
        ("susy-scan", "--points", "1000000", "--ylim", "0:1"),
        ("posterior", "coherent-csi-2021", "--model", "signal-strength", "--kind", "corner", "--ylim", "0:1"),
    ],
)
def test_an_option_without_effect_is_refused_before_anything_is_computed(args: tuple[str, ...], refused: Callable[..., str]) -> None:
    assert f"takes no {'labels' if '--label' in args else args[-2][2:]}" in refused(*args)
