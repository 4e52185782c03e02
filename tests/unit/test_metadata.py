"""Version, title, licence and Python versions are the same wherever they stand."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

import cevnsfit
from cevnsfit.core.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pyproject(project_root: Path) -> Any:
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def test_the_version_is_written_in_one_module(project_root: Path, pyproject: Any) -> None:
    assert cevnsfit.__version__ == VERSION
    assert "version" in pyproject["project"]["dynamic"]
    assert (project_root / pyproject["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8").count(f'"{VERSION}"') == 1
    settings = project_root / "docs" / "conf.py"
    assert not settings.exists() or VERSION not in settings.read_text(encoding="utf-8")


def test_those_who_archive_and_cite_read_the_same(project_root: Path, pyproject: Any) -> None:
    citation = _yaml(project_root / "CITATION.cff")
    deposit = json.loads((project_root / ".zenodo.json").read_text(encoding="utf-8"))
    assert citation["version"] == deposit["version"] == VERSION
    assert citation["title"] == deposit["title"]
    assert citation["license"] == deposit["license"] == pyproject["project"]["license"]
    assert citation["keywords"] == deposit["keywords"] == pyproject["project"]["keywords"]
    names = [author["name"] for author in pyproject["project"]["authors"]]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in deposit["creators"]] == names


def test_the_changelog_begins_with_what_is_not_released(project_root: Path) -> None:
    headings = re.findall(r"^## \[(.+?)\](.*)$", (project_root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date) for _, date in headings[1:])


def test_the_workflow_runs_what_the_project_runs_with_each_python(project_root: Path, pyproject: Any) -> None:
    (job,) = _yaml(project_root / ".github" / "workflows" / "ci.yml")["jobs"].values()
    assert job["steps"][-1]["run"] == ".ci/run"
    assert (project_root / ".ci" / "run").stat().st_mode & 0o111
    prefix = "Programming Language :: Python :: 3."
    classified = [line.rpartition(" ")[2] for line in pyproject["project"]["classifiers"] if line.startswith(prefix)]
    assert job["strategy"]["matrix"]["python"] == classified
    assert pyproject["project"]["requires-python"] == f">={classified[0]}"


def test_the_paper_cites_what_its_bibliography_holds(project_root: Path) -> None:
    head, _, text = (project_root / "paper.md").read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    entries = re.findall(r"^@\w+\{(\w+),", (project_root / "paper.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert YAML(typ="safe").load(head)["bibliography"] == "paper.bib"
    assert sorted(set(re.findall(r"@(\w+)", text))) == sorted(entries)
    assert [line for line in text.splitlines() if line.startswith("# ")][:3] == ["# Summary", "# Statement of need", "# State of the field"]
    for name in ("Newtrinos.jl", "7stats", "pyCEvNS", "SNuDD", "dukecevns"):
        assert name in text
