"""What the commands print: tables and JSON on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

INCOMPLETE: Final = 3
"""Exit code of an invalid fit or an incomplete result."""

_WIDTH: Final = 160


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(plain(value), allow_nan=False))


def print_lines(*lines: str) -> None:
    """Print lines of text."""
    for line in lines:
        typer.echo(line)


def remark(text: str) -> None:
    """Print a remark on stderr."""
    typer.echo(text, err=True)


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    from cevnsfit.report.tables import print_table

    console = _console(sys.stdout.isatty())
    with console.capture() as text:
        print_table(console, title, headers, rows)
    typer.echo(text.get(), nl=False)


def _console(terminal: bool, *, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; into files and pipes wide enough not to break lines."""
    from rich.console import Console

    width = None if terminal else _WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with rate and time left on stderr when it is a terminal; yield the function that takes (finished, all)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console(sys.stderr.isatty(), stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    begun: list[tuple[float, int]] = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, rate="")

        def update(done: int, total: int) -> None:
            now = time.monotonic()
            begun.extend([] if begun else [(now, done)])
            start, first = begun[0]
            bar.update(task, completed=done, total=total, rate=rate(done - first, now - start))

        yield update


def rate(count: int, seconds: float) -> str:
    """Return a rate in words, empty before there is one; what was finished before the run does not count.

    Examples
    --------
    >>> rate(30, 10.0), rate(2, 60.0), rate(0, 3.0)
    ('3.0/s', '2.0/min', '')
    """
    if count <= 0 or seconds <= 0:
        return ""
    each = count / seconds
    return f"{each:.1f}/s" if each >= 1.0 else f"{60 * each:.1f}/min"


def stop_if(incomplete: bool, reason: str) -> None:
    """End with exit code 3 and the reason on stderr when a result cannot be trusted or is incomplete."""
    if incomplete:
        remark(f"incomplete: {reason}")
        raise typer.Exit(INCOMPLETE)
