"""docs/new-model.md: its model is installed as a plug-in and gives what the page says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"(?<!-->\n)```(\w+)\n(.*?)```", re.DOTALL)
ENTRY = re.compile(r'\[project\.entry-points\."(\S+)"\]\n(\S+) = "(\S+)"')


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "new-model.md").read_text(encoding="utf-8")


@pytest.fixture
def installed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the page's module and its metadata where Python finds distributions; return the model's name."""
    ((name, code),) = FILE.findall(page)
    (tmp_path / name).write_text(code, encoding="utf-8")
    ((group, model, value),) = ENTRY.findall(page)
    metadata = tmp_path / "neutron_mediator-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: neutron-mediator\nVersion: 1\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{model} = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return str(model)


def test_the_model_takes_about_20_lines(page: str) -> None:
    ((_, code),) = FILE.findall(page)
    lines = code[code.index("def neutron_mediator") :].splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


@pytest.mark.usefixtures("installed")
def test_the_command_prints_what_the_page_says(page: str, check_commands: Callable[[str], list[str]]) -> None:
    assert check_commands(page) == ["rates"]


@pytest.mark.usefixtures("installed")
def test_the_limits_hold(page: str) -> None:
    (code,) = (text for language, text in BLOCK.findall(page) if language == "python")
    assert code.count("assert ") == 2
    exec(code, {})  # noqa: S102 (the code of the page)


def test_it_is_listed_after_the_shipped_ones(installed: str) -> None:
    result = CliRunner().invoke(app, ["models", "show", installed], catch_exceptions=False)
    assert "nbar gamma^mu n]" in result.stdout
