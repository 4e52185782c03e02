"""Stored scans and likelihoods to files: commands, provenance, and what must not go together."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.infer.intervals import Level
from cevnsfit.io.exports.hs3 import write_hs3
from cevnsfit.io.exports.text import read_json, write_json
from cevnsfit.physics.interactions.vector_mediators import loop_function
from cevnsfit.studies.export import attached_inputs, limits_of, require_same_inputs
from cevnsfit.studies.export_likelihood import about_model, hs3, simplified, workspaces, write_workspaces
from cevnsfit.studies.provenance import companion, stored_provenance
from cevnsfit.studies.scan import stored_scans
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from cevnsfit.io.exports.limits import Limits

CSI = "coherent-csi-2017"
LOOP = build(Analysis((CSI,), "lmu-ltau"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "scan"
    grid = ("--grid", "mass=10:100:3:log", "--grid", "g=1e-4:1e-1:16:log")
    result = run("scan", CSI, "--model", "lmu-ltau", "--at", "loop_sign=-1", *grid, "--no-plot", "-o", folder)
    assert result.exit_code == 0, result.output
    return folder


def test_limits_say_what_they_are(scan: Path) -> None:
    limits = limits_of(stored_scans(scan), [Level(0.9, 2)])
    metadata = limits.metadata
    assert metadata["held"]["loop_sign"] == -1.0
    assert metadata["charges"]["nu_mu"]["proton"] < 0.0
    assert metadata["confidence"] == [{"cl": 0.9, "dof": 2, "threshold": pytest.approx(4.60517)}]
    assert set(metadata["inputs"]) == {CSI}
    assert all(len(digest) == 64 for digest in metadata["inputs"][CSI].values())
    assert "numpy" in metadata["exported_with"]
    assert "profile likelihood" in metadata["method"]
    assert limits.results[0][1][0].branches


def test_charges_are_those_of_the_models() -> None:
    baryon = about_model("b-l", {})["charges"]
    assert baryon["nu_e"] == baryon["nu_tau"] == {"proton": -1.0, "neutron": -1.0}
    assert about_model("vector", {"q_u": 1.0, "q_d": 0.0, "q_nu_e": 0.5})["charges"]["nu_e"] == {"proton": 1.0, "neutron": 0.5}
    loop = about_model("lmu-ltau", {})["charges"]
    expected = 2.0 / (137.036 * np.pi) * float(loop_function(0.0, 105.658, 1776.9))
    assert loop["nu_mu"]["proton"] == pytest.approx(expected, rel=1e-3)
    assert loop["nu_tau"]["proton"] == -loop["nu_mu"]["proton"]
    assert "nu_e" not in loop
    assert about_model("scalar", {})["charges"] == {}
    assert "charges" not in about_model("released-templates", {})


def test_commands_write_the_files(scan: Path, tmp_path: Path) -> None:
    result = run("export", scan, "--to", "json", "--cl", "0.9", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"files": [str(scan / "limits.json")]}
    assert [region.cl for region in read_json(scan / "limits.json").results[0][1]] == [0.9]
    assert run("export", scan / "limits.json", "--to", "csv", "-o", tmp_path / "new" / "a.csv").stdout.strip() == str(
        tmp_path / "new" / "a.csv"
    )
    assert "csv" in run("export", scan, "--to", "cvs").stderr
    assert run("export", scan / "nothing", "--to", "csv").exit_code == 2
    assert run("export", scan, "--to", "csv", "--attach", scan / "limits.json").exit_code == 2


def test_show_prints_where_a_result_comes_from(scan: Path, tmp_path: Path) -> None:
    text = run("show", scan).stdout
    assert "experiment.yaml: " in text
    assert "loop_sign: -1.0" in text
    known = json.loads(run("show", scan, "--json").stdout)
    assert known["kind"] == "scan"
    assert known["packages"]["numpy"] == np.__version__
    assert known["inputs"][CSI] == limits_of(stored_scans(scan), [Level(0.9, 2)]).metadata["inputs"][CSI]
    (file,) = write_json(limits_of(stored_scans(scan), [Level(0.9, 2)]), tmp_path / "limits.json")
    assert json.loads(run("show", file, "--json").stdout)["inputs"] == known["inputs"]
    files = write_workspaces(workspaces(LOOP, at={"mass": 10.0}), tmp_path / "likelihood.json")
    assert stored_provenance(files[0])["inputs"] == known["inputs"]
    assert json.loads(run("show", files[0], "--json").stdout)["kind"] == "pyhf workspace"
    (tmp_path / "other.json").write_text('{"a": 1}', encoding="utf-8")
    refused = run("show", tmp_path / "other.json")
    assert refused.exit_code == 2
    assert "does not say where it comes from" in refused.stderr
    assert run("show", tmp_path).exit_code == 2


@pytest.mark.parametrize(
    ("command", "seed"),
    [
        (("fit", CSI, "--model", "sm", "--toy", 5), 5),
        (("intervals", CSI, "--model", "lmu-ltau", "--at", "mass=30"), None),
        (("gof", CSI, "--model", "sm", "--toys", 128, "--seed", 3), 3),
        (("impacts", CSI, "--model", "signal-strength"), None),
        (("forecast", "ccm-200", "--model", "lmu-ltau", "--at", "mass=30", "--with", CSI), None),
    ],
    ids=["fit", "intervals", "gof", "impacts", "forecast"],
)
def test_results_as_json_say_where_they_come_from(command: tuple[object, ...], seed: int | None, tmp_path: Path) -> None:
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    (tmp_path / "result.json").write_text(result.stdout, encoding="utf-8")
    known = json.loads(run("show", tmp_path / "result.json", "--json").stdout)
    assert len(known["inputs"][CSI]["experiment.yaml"]) == 64
    assert known["model"] == command[3]
    assert known.get("seed") == seed
    assert {"cevnsfit", "numpy", "scipy", "iminuit"} <= set(known["packages"])


def test_folders_of_toys_and_forecasts_are_shown(tmp_path: Path) -> None:
    assert run("gof", CSI, "--model", "sm", "--toys", 128, "--seed", 3, "-o", tmp_path / "toys").exit_code == 0
    toys = json.loads(run("show", tmp_path / "toys", "--json").stdout)
    assert (toys["kind"], toys["seed"], set(toys["inputs"])) == ("toys", 3, {CSI})
    assert toys["packages"]["numpy"] == np.__version__
    assert run("forecast", "ccm-200", "--model", "lmu-ltau", "--at", "mass=30", "-o", tmp_path / "forecast").exit_code == 0
    assert "ccm-200" in json.loads(run("show", tmp_path / "forecast", "--json").stdout)["inputs"]


def test_likelihoods_of_other_inputs_are_not_attached(limits: Limits, tmp_path: Path) -> None:
    files = write_workspaces(workspaces(LOOP, at={"mass": 10.0}), tmp_path / "likelihood.json")
    with pytest.raises(ResultError, match="other inputs"):
        cf.export(limits, "hepdata", tmp_path / "submission", attach=[files[0]])
    assert not (tmp_path / "submission").exists()
    known = attached_inputs(files[0])
    require_same_inputs(known, known, "itself")
    changed = {CSI: {**known[CSI], "experiment.yaml": "0"}}
    with pytest.raises(ResultError, match=CSI):
        require_same_inputs(known, changed, "changed")
    companion(files[0], "metadata").unlink()
    with pytest.raises(ResultError, match="does not say"):
        attached_inputs(files[0])


@pytest.mark.usefixtures("needs_pyhs3")
def test_the_likelihood_of_a_scan_is_attached(scan: Path, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason="the extra [hepdata] is not installed")
    files = write_workspaces(workspaces(LOOP, at={"mass": 10.0}), tmp_path / "likelihood.json")
    (other,) = write_hs3(hs3(LOOP, at={"mass": 10.0}), tmp_path / "hs3.json")
    attached = ("--attach", files[0], "--attach", other)
    result = run("export", scan, "--to", "hepdata", "-o", tmp_path / "submission", *attached, "--cl", "0.9")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "submission" / "likelihood.json").read_bytes() == files[0].read_bytes()
    head = next(YAML(typ="safe").load_all(tmp_path / "submission" / "submission.yaml"))
    assert {entry["location"]: entry.get("type") for entry in head["additional_resources"]}.items() >= {
        "likelihood.json": "HistFactory",
        "hs3.json": "HS3",
    }.items()


GRID = {"mass": [10.0, 30.0, 100.0], "g": np.geomspace(1e-4, 1e-1, 9)}


def test_a_scan_in_memory_is_exported_like_a_stored_one(scan: Path, tmp_path: Path) -> None:
    again = cf.open(scan)
    (file,) = cf.export(again, "json", tmp_path / "new" / "limits.json", cl=0.9)
    assert run("export", scan, "--to", "json", "--cl", "0.9", "-o", tmp_path / "command.json").exit_code == 0
    assert file.read_bytes() == (tmp_path / "command.json").read_bytes()
    values = {axis.name: axis.values for axis in again.plane.axes}
    made = cf.scan(again.likelihood, at={"loop_sign": -1.0}, **values)
    (other,) = cf.export([made], "json", tmp_path / "other.json", cl=[0.9], dof=2)
    assert json.loads(other.read_text("utf-8"))["metadata"] == json.loads(file.read_text("utf-8"))["metadata"]
    csv = cf.export(again, "csv", str(tmp_path / "a.csv"))[0].read_text("utf-8")
    assert {line.split(",")[1] for line in csv.splitlines() if not line.startswith("#")} == {"cl", "0.9", "0.95"}


def test_scans_that_do_not_go_together_are_not_exported(tmp_path: Path) -> None:
    one, other = (cf.scan(LOOP, at={"loop_sign": sign}, **GRID) for sign in (1.0, -1.0))
    with pytest.raises(ResultError, match="hold different parameters"):
        cf.export([one, other], "csv", tmp_path / "a.csv")
    with pytest.raises(ResultError, match="no planes"):
        cf.export([], "csv", tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_a_likelihood_built_by_hand_is_exported_as_far_as_it_is_known(tmp_path: Path) -> None:
    bare = dataclasses.replace(LOOP, origin=None)
    file, about = cf.export(bare, "pyhf", tmp_path / "bare.json", at={"mass": 10.0})
    other, _ = cf.export(LOOP, "pyhf", tmp_path / "whole.json", at={"mass": 10.0})
    assert file.read_bytes() == other.read_bytes()
    metadata = json.loads(about.read_text("utf-8"))
    assert (metadata["model"], metadata["held"], metadata["experiments"]) == ("", {"mass": 10.0}, [CSI])
    (limits,) = cf.export(cf.scan(bare, **GRID), "json", tmp_path / "limits.json", cl=0.9)
    assert json.loads(limits.read_text("utf-8"))["metadata"]["options"] == {}
    asimov = cf.export(LOOP.with_data("asimov"), "pyhf", tmp_path / "asimov.json", at={"mass": 10.0})[1]
    assert json.loads(asimov.read_text("utf-8"))["data"] == f"not the observed data of {CSI}"


@pytest.mark.parametrize(
    ("what", "kind", "options", "reason"),
    [
        ("scan", "csv", {"attach": ["a.json"]}, r"csv takes no attach \(it takes cl, dof\)"),
        ("scan", "hepdata", {"at": {}, "record": "ins1"}, "hepdata takes no at, record .it takes cl, dof, attach"),
        ("limits", "csv", {"cl": 0.9}, "csv of limits that were exported already takes no cl .it takes no options"),
        ("limits", "hepdata", {"dof": 1}, "takes no dof .it takes attach"),
        ("likelihood", "pyhf", {"cl": 0.9}, "pyhf takes no cl .it takes at, grid, record"),
        ("likelihood", "hs3", {"grid": {"mass": [1.0, 2.0]}}, "hs3 takes no grid .it takes at"),
        ("likelihood", "simplified", {"grid": {"g": [1.0, 2.0]}}, "mass=START:STOP:COUNT only, got g"),
        ("likelihood", "root", {}, "root is a format of limits; here it is one of pyhf, hs3, simplified"),
        ("scan", "hs3", {}, "hs3 is a format of likelihoods; here it is one of csv"),
        ("scan", "cvs", {}, "unknown format 'cvs'; did you mean csv"),
        ("scan", "csv", {"cl": 1.5}, "confidence level"),
    ],
)
def test_options_and_formats_that_do_not_go_together(
    limits: Limits, tmp_path: Path, what: str, kind: str, options: dict[str, Any], reason: str
) -> None:
    exported = {"limits": limits, "likelihood": LOOP, "scan": ()}[what]
    with pytest.raises(CevnsfitError, match=reason):
        cf.export(exported, kind, tmp_path / "file", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "mass must be held"),
        ({"grid": {"g": [0.1, 0.2, 0.3]}}, "one nonlinear parameter"),
        ({"grid": {"mass": [1.0], "loop_sign": [1.0]}}, "one nonlinear parameter"),
        ({"at": {"mass": 3.0}, "grid": {"mass": [1.0]}}, "one nonlinear parameter"),
        ({"grid": {"mass": np.arange(1.0, 1002.0)}}, "1 to 1000 values"),
        ({"at": {"mass": -3.0}}, "outside its domain"),
        ({"grid": {"mass": [1.0]}, "record": "1234567"}, "not a patchset"),
    ],
    ids=range(7),
)
def test_workspaces_that_cannot_be_made(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(CevnsfitError, match=reason):
        workspaces(LOOP, **options)


def test_the_files_of_a_likelihood(tmp_path: Path) -> None:
    result = run("export-likelihood", CSI, "-m", "lmu-ltau", "--grid", "mass=10:30:3", "--to", "pyhf", "-o", tmp_path / "new", "--json")
    assert result.exit_code == 0, result.output
    names = [str(tmp_path / "new" / name) for name in ("workspace.json", "workspace.metadata.json", "workspace.patchset.json")]
    assert json.loads(result.stdout) == {"files": names}
    metadata = json.loads((tmp_path / "new" / "workspace.metadata.json").read_text(encoding="utf-8"))
    assert metadata["normfactors"] == {"g2": {"g": 2}, "g4": {"g": 4}}
    assert metadata["couplings"]["g"]["scale"] == "log"
    assert any("control region" in note for note in metadata["not_expressed"])
    assert any("not independent" in note for note in metadata["not_expressed"])
    patches = json.loads((tmp_path / "new" / "workspace.patchset.json").read_text(encoding="utf-8"))
    assert [patch["metadata"]["name"] for patch in patches["patches"]] == ["mass_10", "mass_20", "mass_30"]
    assert patches["metadata"]["cevnsfit"]["inputs"] == metadata["inputs"]
    assert run("export-likelihood", CSI, "-m", "lmu-ltau", "--to", "hs4", "-o", tmp_path).exit_code == 2
    grids = ("--grid", "mass=10:30:3", "--grid", "g=0.1:0.2:3")
    assert "mass=START:STOP:COUNT only" in run("export-likelihood", CSI, "-m", "b-l", "--to", "simplified", *grids, "-o", tmp_path).stderr


ONSET = "coherent-csi-2021.onset"
STRENGTH = ("coherent-csi-2021", "-m", "signal-strength")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pyhf", "hs3"])
def test_a_shift_is_frozen_at_the_best_fit_unless_it_is_held(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("pyhs3")
    result = run("export-likelihood", *STRENGTH, "--to", kind, "-o", tmp_path / "free.json", "--json")
    frozen = json.loads(result.stdout)["frozen"]
    likelihood = cf.build_likelihood("coherent-csi-2021", model="signal-strength")
    best = cf.fit(likelihood, minos=())
    assert frozen["values"] == {ONSET: pytest.approx(best.values[ONSET], rel=1e-6)}
    assert frozen["units"] == {ONSET: "ns"}
    again = cf.load_likelihood(tmp_path / "free.json")
    assert cf.fit(again, minos=()).nll2 == pytest.approx(best.nll2, abs=1e-6)
    text = run("export-likelihood", *STRENGTH, "--to", kind, "-o", tmp_path / "free.json").stdout
    assert "remark: what HistFactory does not have is frozen at the best fit, coherent-csi-2021.onset = 70." in " ".join(text.split())
    held = run("export-likelihood", *STRENGTH, "--at", f"{ONSET}=0", "--to", kind, "-o", tmp_path / "held.json", "--json")
    assert "frozen" not in json.loads(held.stdout)
    there = cf.fit(likelihood, at={ONSET: 0.0}, minos=()).nll2
    assert cf.fit(cf.load_likelihood(tmp_path / "held.json"), minos=()).nll2 == pytest.approx(there, abs=1e-6)


@pytest.mark.slow
def test_the_cost_of_freezing_a_shift_is_that_of_the_profiles() -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    frozen = workspaces(likelihood, at={"mass": 100.0}).metadata["frozen"]
    points = [{"mass": 100.0, "g": g} for g in np.geomspace(1e-3, 9e-3, 21)]
    exact, there = (
        np.array([cf.fit(likelihood, at={**point, **held}, minos=()).nll2 for point in points]) for held in ({}, frozen["values"])
    )
    near = exact - cf.fit(likelihood, at={"mass": 100.0}, minos=()).nll2 < 10.0
    assert near.sum() > 5
    worst = float((there - exact)[near].max())
    assert 0.5 * frozen["error"] < worst <= frozen["error"] * (1.0 + 1e-6)


def test_a_patchset_freezes_a_shift_where_there_is_no_new_physics() -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    frozen = workspaces(likelihood, grid={"mass": [10.0, 100.0]}).metadata["frozen"]
    assert frozen["values"][ONSET] == pytest.approx(cf.fit(likelihood, at={"mass": 100.0, "g": 0.0}, minos=()).values[ONSET], rel=1e-5)
    assert frozen["error"] > workspaces(likelihood, at={"mass": 100.0}).metadata["frozen"]["error"]
    assert "frozen" not in workspaces(likelihood, at={"mass": 100.0, ONSET: 10.0}).metadata


def test_a_simplified_likelihood_needs_a_mediator() -> None:
    with pytest.raises(CevnsfitError, match="other free parameters"):
        simplified(build(Analysis((CSI,), "nsi")), (1.0, 10.0))
    with pytest.raises(CevnsfitError, match="outside its domain"):
        simplified(LOOP, (0.0, 10.0))
