"""Commands as Markdown: what `--help` says about each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.testing import CliRunner

from cevnsfit.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands() -> str:
    """Return the reference of all commands."""
    return "\n\n".join(_command(*words) for words in _leaves(typer.main.get_command(app)))


def _leaves(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*words, name)
        if hasattr(command, "commands"):
            yield from _leaves(command, *words, name)


def _command(*words: str) -> str:
    said = CliRunner().invoke(app, [*words, "--help"], catch_exceptions=False, env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
    return f"## `cevnsfit {' '.join(words)}`\n\n```text\n{said.strip()}\n```"
