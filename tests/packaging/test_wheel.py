"""The distribution as a stranger gets it: sdist, wheel from the sdist, empty environment, data inside."""

from __future__ import annotations

import os
import re
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

EVERYTHING = """
import pkgutil
import cevnsfit
from cevnsfit.cli.main import app
from typer.main import get_command

for name in cevnsfit.__all__:
    getattr(cevnsfit, name)
for module in pkgutil.walk_packages(cevnsfit.__path__, "cevnsfit."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
for command in get_command(app).commands:
    try:
        app([command, "--help"], prog_name="cevnsfit")
    except SystemExit as done:
        assert not done.code, command
"""
"""Imports every public name and every module, and asks for the help of each command."""


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


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment that holds the wheel and what it depends on, and no extra."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=True)
    found = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    _run(found / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return found


def test_validate_runs_from_the_wheel_in_an_empty_environment(programs: Path, tmp_path: Path) -> None:
    assert _run(programs / "cevnsfit", "validate", cwd=tmp_path)


def test_all_modules_and_the_help_of_all_commands_need_no_extra(programs: Path, tmp_path: Path) -> None:
    text = _run(programs / "python", "-c", EVERYTHING, cwd=tmp_path)
    assert text.count("Usage: cevnsfit") > 25


def test_the_description_for_an_index_has_no_picture_and_no_link_to_a_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    assert "pip install ." in text
    assert "docs/images/exclusion.png" in text
    assert "![" not in text
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", text) == []
