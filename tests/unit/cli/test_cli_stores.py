"""One folder: of one run at a time, and of one likelihood, that of a plug-in included."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
from cevnsfit.plugins import FERMI_CONSTANT, LEPTONS, SignalModel, Term, coupling, mediator_mass, power, sm_charge

def shy() -> SignalModel:
    def prepare(target):
        def terms(shapes):
            new = FACTOR * target.nuclide.Z / (2.0**0.5 * FERMI_CONSTANT * (target.q2 + shapes["mass"] ** 2))
            return tuple(Term(f, "nucleus", "vector", {(): sm_charge(target, f), power("g", 2): new}) for f in LEPTONS)
        return terms
    return SignalModel("shy", "shy mediator", "L = g Z' J", (coupling(), mediator_mass()), prepare)
"""
SCAN = ("scan", "coherent-csi-2021", "-m", "shy", "--grid", "mass=10:100:3:log", "--grid", "g=1e-5:1e-2:8:log", "--no-plot")
TOYS = ("gof", "coherent-csi-2021", "-m", "shy", "--at", "mass=10", "--toys", "128")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Return a folder with an installed plug-in of one model."""
    site = tmp_path / "site"
    about = site / "shy_models-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shy-models\nVersion: 1.2\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[cevnsfit.models]\nshy = shy_models:shy\n", encoding="utf-8")
    (site / "shy_models.py").write_text(MODEL.replace("FACTOR", "1.0"), encoding="utf-8")
    return site


def start(project_root: Path, site: Path, *arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(project_root / "src"), str(site)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "cevnsfit", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(project_root: Path, site: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and stderr of a command."""
    process = start(project_root, site, *arguments)
    _, text = process.communicate(timeout=120)
    return process.returncode, text


@pytest.mark.slow
@pytest.mark.parametrize("command", [SCAN, TOYS], ids=["scan", "toys"])
def test_an_edited_model_of_a_plugin_is_refused_in_its_old_folder(
    project_root: Path, plugin: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = str(tmp_path / "out")
    assert run(project_root, plugin, *command, "-o", out) == (0, "")
    assert run(project_root, plugin, *command, "-o", out) == (0, "")
    (plugin / "shy_models.py").write_text(MODEL.replace("FACTOR", "1.001"), encoding="utf-8")
    code, text = run(project_root, plugin, *command, "-o", out)
    assert code == 2
    assert "holds another analysis (likelihood: coherent-csi-2021 at mass = 1: 'cevns g^2; " in text
    if command == SCAN:
        code, text = run(project_root, plugin, "plot", out)
        assert (code, "what this scan was made with has changed (likelihood: " in text) == (2, True)


@pytest.mark.slow
def test_another_version_of_a_plugin_is_refused(project_root: Path, plugin: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run(project_root, plugin, *SCAN, "-o", out) == (0, "")
    (plugin / "shy_models-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shy-models\nVersion: 1.3\n", encoding="utf-8"
    )
    code, text = run(project_root, plugin, *SCAN, "-o", out)
    assert code == 2
    assert re.search(r'plugins: \{"shy": "shy-models 1\.2 \((code \w+)\)"\} there, \{"shy": "shy-models 1\.3 \(\1\)"\} asked', text)


@pytest.mark.slow
def test_an_edit_that_no_sample_of_the_likelihood_sees_is_noticed(project_root: Path, plugin: Path, tmp_path: Path) -> None:
    """The fingerprint looks at few masses."""
    out = str(tmp_path / "out")
    assert run(project_root, plugin, *SCAN, "-o", out) == (0, "")
    (plugin / "shy_models.py").write_text(MODEL.replace("FACTOR", '(1.0 if abs(shapes["mass"] - 40) > 1 else 2.0)'), encoding="utf-8")
    code, text = run(project_root, plugin, *SCAN, "-o", out)
    assert (code, "likelihood" in text) == (2, False)
    assert "holds another analysis (plugins: " in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no file locks here")
def test_of_two_processes_that_start_one_folder_one_works(project_root: Path, plugin: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    grid = ("--grid", "mass=1:1000:30:log", "--grid", "g=1e-5:1e-1:60:log", "--no-plot")
    processes = [start(project_root, plugin, "scan", "coherent-csi-2021", "-m", "lmu-ltau", *grid, "-o", out) for _ in range(2)]
    texts = [process.communicate(timeout=120)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], texts
    refused = texts[codes.index(2)]
    assert f"scan.zarr is being written by process {processes[codes.index(0)].pid} on " in refused
    assert "remove" not in refused
    assert not list((tmp_path / "out").glob("*.lock"))
