"""examples/cevnsfit-example: installed by pip beside cevnsfit, its model and its experiment are known to every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

EXPERIMENT = "example-germanium"


@pytest.fixture(scope="module")
def command(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return the function that runs `cevnsfit ... --json` in a new process that sees the installed example."""
    folder = tmp_path_factory.mktemp("example")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(project_root / "examples" / "cevnsfit-example", source, ignore=shutil.ignore_patterns("__pycache__"))
    _python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", target, source, cwd=folder)
    shutil.rmtree(source)
    path = os.pathsep.join([str(target), str(project_root / "src")])

    def run(*arguments: str) -> Any:
        return json.loads(_python("-m", "cevnsfit", *arguments, "--json", cwd=folder, PYTHONPATH=path))

    return run


def _python(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    line = [sys.executable, *(str(argument) for argument in arguments)]
    done = subprocess.run(line, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_both_are_listed(command: Callable[..., Any]) -> None:
    assert "isovector" in [entry["name"] for entry in command("models")]
    assert EXPERIMENT in [entry["name"] for entry in command("experiments")]


def test_the_importer_makes_the_table(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "beam_on.txt").write_text("1.5\n3\n3.5\n9\n", encoding="utf-8")
    (tmp_path / "beam_off.txt").write_text("1.2\n", encoding="utf-8")
    (file,) = command("import-release", EXPERIMENT, str(tmp_path), "-o", str(tmp_path / "tables"))["files"]
    assert [line.split(",")[2:] for line in Path(file).read_text(encoding="utf-8").splitlines()[-3:]] == [
        ["1", "1"],
        ["2", "0"],
        ["0", "0"],
    ]


def test_the_model_is_shown(command: Callable[..., Any]) -> None:
    shown = command("models", "show", "isovector")
    assert "ubar gamma^mu u - dbar gamma^mu d" in shown["lagrangian"]
    assert [parameter["name"] for parameter in shown["parameters"]] == ["g", "mass"]


def test_rates_rise_with_the_coupling(command: Callable[..., Any]) -> None:
    at = ("--model", "isovector", "--at", "mass=10")
    counts = [command("rates", EXPERIMENT, *at, "--at", f"g={g}")["components"]["cevns"] for g in (0.0, 1e-4, 2e-4)]
    assert np.all(np.diff(counts) > 0)


def test_fit_finds_the_standard_model(command: Callable[..., Any]) -> None:
    fitted = command("fit", EXPERIMENT, "--model", "isovector", "--at", "mass=10")
    assert fitted["valid"]
    assert fitted["observed"] == {EXPERIMENT: 111}
    assert fitted["parameters"]["g"]["value"] < fitted["parameters"]["g"]["upper"] < 1e-4
