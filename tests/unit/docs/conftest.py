"""Commands that pages show, run and compared with what the pages print."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def _alike(printed: str, shown: str) -> bool:
    """Return whether two words are the same, or numbers that agree to the digits that a minimisation fixes."""
    try:
        a, b = (float(word.strip("[](),;+")) for word in (printed, shown))
    except ValueError:
        return printed == shown
    return a == pytest.approx(b, rel=2e-3, abs=2e-3)


@pytest.fixture(scope="session")
def check_commands() -> Callable[[str], list[str]]:
    """Return the function that runs every command of a page's console blocks, checks its output, and returns their names."""

    def check(page: str) -> list[str]:
        names = []
        for entry in itertools.chain(*(re.split(r"^\$ cevnsfit ", block, flags=re.MULTILINE)[1:] for block in BLOCK.findall(page))):
            line, _, shown = entry.partition("\n")
            result = CliRunner().invoke(app, line.split(), catch_exceptions=False)
            assert result.exit_code == (2 if shown.startswith("error: ") else 0), line
            words = (result.stdout + result.stderr).split()
            assert len(words) == len(shown.split()), line
            assert [pair for pair in zip(words, shown.split(), strict=True) if not _alike(*pair)] == [], line
            names.append(line.partition(" ")[0])
        return names

    return check
