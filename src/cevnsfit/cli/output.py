"""What the commands print: tables and JSON on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

INCOMPLETE: Final = 3
"""Exit code of an invalid fit or an incomplete result."""

_WIDTH: Final = 160


def plain(value: object) -> Any:
    """Return a value as JSON knows it: arrays as nested lists, paths as text, numbers that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


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
