"""What the commands print: tables and JSON on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.errors import CevnsfitError

INCOMPLETE: Final = 3
"""Exit code of an invalid fit or an incomplete result."""

_REFUSED: Final = 2
_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers.

    Attributes
    ----------
    document
        The result, for --json.
    text
        Lines and tables; a generator is asked only when text is printed.
    files
        Files that were written: a key of the document, and the last lines of the text; None for a command that writes none.
    analysis, seed
        What the result comes from, for its provenance; None for none.
    incomplete
        Why the result cannot be trusted or is incomplete, empty if it is not: the exit code is 3.
    error
        What is wrong with the input, where a document can say it: raised where text is printed, else the exit code is 2.
    """

    document: object
    text: Iterable[str] = ()
    files: Sequence[Path] | None = None
    analysis: Analysis | None = None
    seed: int | None = None
    incomplete: str = ""
    error: CevnsfitError | None = None


def emit(answer: Answer, *, as_json: bool) -> None:
    """Print an answer, as JSON or as text.

    Raises
    ------
    CevnsfitError
        The error of the answer, unless it is printed as JSON.
    typer.Exit
        With the exit code of an answer that is incomplete or an error.
    """
    if as_json:
        typer.echo(json.dumps(plain(_document(answer)), allow_nan=False))
    elif answer.error is not None:
        raise answer.error
    else:
        for part in answer.text:
            typer.echo(part)
        for file in () if answer.files is None else answer.files:
            typer.echo(str(file))
    if answer.error is not None:
        raise typer.Exit(_REFUSED)
    if answer.incomplete:
        remark(f"incomplete: {answer.incomplete}")
        raise typer.Exit(INCOMPLETE)


def _document(answer: Answer) -> object:
    """Return the result with the files and the provenance."""
    further: dict[str, object] = {} if answer.files is None else {"files": answer.files}
    if answer.analysis is not None:
        from cevnsfit.studies.provenance import provenance

        further["provenance"] = provenance(answer.analysis, seed=answer.seed)
    return {**plain(answer.document), **further} if further else answer.document


def remark(text: str) -> None:
    """Print a remark on stderr."""
    typer.echo(text, err=True)


def lost(failed: int) -> str:
    """Return why a result with toys that were lost is incomplete; empty if there are none."""
    return f"{failed} toys could not be fitted" if failed else ""


def alone(experiments: Sequence[str]) -> tuple[str, str]:
    """Return what a single experiment adds to the title of a table, and the prefix that its parameters need not have there; empty for several."""
    from cevnsfit.studies.setup import own_name

    name = own_name(experiments[0]) if len(experiments) == 1 else ""
    return (f", {name}", f"{name}.") if name else ("", "")


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text."""
    from cevnsfit.report.tables import print_table

    console = _console(sys.stdout.isatty())
    with console.capture() as text:
        print_table(console, title, headers, rows)
    return text.get().removesuffix("\n")


def _console(terminal: bool, *, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; into files and pipes wide enough not to break lines."""
    from rich.console import Console

    width = None if terminal else _WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False)


@contextmanager
def progress(what: str = "toys, in chunks of 128", after: float = 0.0) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with rate and time left on stderr when it is a terminal, `after` some seconds; yield the function that takes (finished, all)."""
    from threading import Timer

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
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=None, rate="")

    def update(done: int, total: int) -> None:
        now = time.monotonic()
        begun.extend([] if begun else [(now, done)])
        start, first = begun[0]
        bar.update(task, completed=done, total=total, rate=rate(done - first, now - start))

    show = Timer(after, bar.start)
    show.start()
    try:
        yield update
    finally:
        show.cancel()
        show.join()
        bar.stop()


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
