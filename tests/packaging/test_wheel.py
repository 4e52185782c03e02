"""The distribution as a stranger gets it: sdist, wheel from the sdist, empty environment, data inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SHIPPED = ("src", "data", "tests", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile")


def _run(*command: str | Path, cwd: Path) -> str:
    """Return the standard output of a command that must succeed, run without the settings of this interpreter."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from an sdist of a copy of the tree."""
    tree, dist = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in SHIPPED:
        source = project_root / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    # Without --sdist or --wheel, build makes the sdist and then the wheel from it.
    _run(sys.executable, "-m", "build", "--outdir", dist, tree, cwd=dist)
    assert len(list(dist.glob("cevnsfit-*.tar.gz"))) == 1
    (found,) = dist.glob("cevnsfit-*.whl")
    return found


def test_the_wheel_holds_every_shipped_data_file(wheel: Path, project_root: Path) -> None:
    expected = {path.relative_to(project_root).as_posix() for path in (project_root / "data").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("cevnsfit/") for name in archive.namelist() if name.startswith("cevnsfit/data/")}
        assert {"cevnsfit/py.typed", "cevnsfit/report/report.html"} <= set(archive.namelist())
    assert packed == expected


def test_validate_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    _run(programs / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    assert _run(programs / "cevnsfit", "validate", cwd=tmp_path)
