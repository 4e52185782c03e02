"""Commands run in this process, and copies of an experiment to be broken."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.core.paths import data_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"


@pytest.fixture(scope="session")
def command() -> Callable[..., Result]:
    """Return the function that runs a command; an error that escapes fails the test."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run


@pytest.fixture
def refused(command: Callable[..., Result]) -> Callable[..., str]:
    """Return the function that runs a command with bad input and returns its message."""

    def run(*arguments: object) -> str:
        result = command(*arguments)
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.stderr
        assert result.stdout == ""
        return str(result.stderr)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of a shipped experiment."""
    target = tmp_path / "mine"
    shutil.copytree(data_root() / "experiments" / CSI, target)
    return target


@pytest.fixture
def change(folder: Path) -> Callable[[str, str, str], None]:
    """Return the function that replaces a text in a file of the copy."""

    def replace(file: str, old: str, new: str) -> None:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace
