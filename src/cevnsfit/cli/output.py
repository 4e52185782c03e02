"""What the commands print: results as text or JSON on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import typer

from cevnsfit.core.documents import plain
from cevnsfit.core.words import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.errors import CevnsfitError

INCOMPLETE: Final = 3
"""Exit code of an invalid fit or an incomplete result."""

SHORT: Final = 4
"""Exit code where the machine has not enough of something."""

_REFUSED: Final = 2
_LONGEST: Final = 2000
"""Characters of a line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers.

    Attributes
    ----------
    document
        The result, for --json.
    text
        Lines and tables in the place of those of the result; a generator is asked only when text is printed.
    files
        Files that were written: a key of the document, and the last lines of the text; None for a command that writes none.
    analysis, seed
        What the result comes from, for its provenance; None for none.
    incomplete
        Why the result cannot be trusted or is incomplete, where it does not know that: the exit code is 3.
    error
        What is wrong with the input, where a document can say it: raised where text is printed, else the exit code is 2.
    further
        More keys of the document.
    """

    document: object
    text: Iterable[object] | None = None
    files: Sequence[Path] | None = None
    analysis: Analysis | None = None
    seed: int | None = None
    incomplete: str = ""
    error: CevnsfitError | None = None
    further: Mapping[str, object] = field(default_factory=dict)


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
        for part in (*_text(answer), *(() if answer.files is None else answer.files)):
            typer.echo(str(part) if hasattr(part, "markdown") else said(str(part)))
    if answer.error is not None:
        raise typer.Exit(_REFUSED)
    doubt = answer.incomplete if answer.incomplete else getattr(answer.document, "doubt", "")
    if doubt:
        remark(f"incomplete: {doubt}")
        raise typer.Exit(INCOMPLETE)


def _text(answer: Answer) -> Iterable[object]:
    """Return the text of an answer: that of its result unless it has its own; a mapping has none."""
    if answer.text is not None or isinstance(answer.document, Mapping):
        return () if answer.text is None else answer.text
    from cevnsfit.studies.shown import table

    return [table(answer.document)]


def _document(answer: Answer) -> object:
    """Return the result with further keys, the files and the provenance."""
    further = dict(answer.further) if answer.files is None else {**answer.further, "files": answer.files}
    if answer.analysis is not None:
        from cevnsfit.studies.provenance import provenance

        further["provenance"] = provenance(answer.analysis, seed=answer.seed)
    return {**plain(answer.document), **further} if further else answer.document


def remark(text: str) -> None:
    """Print a remark on stderr."""
    typer.echo(said(text), err=True)


def said(text: str) -> str:
    """Return text on which no terminal acts, whatever file it quotes, with the beginnings of lines that nobody would read to the end."""
    lines = visible(text).split("\n")
    return "\n".join(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}... ({len(line)} characters)" for line in lines)


@contextmanager
def progress(what: str = "toys, in chunks of 128", after: float = 0.0, *, at_once: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with rate and time left on stderr when it is a terminal; yield the function that takes (finished, all).

    Parameters
    ----------
    what
        What is counted.
    after
        Seconds until it is shown.
    at_once
        Whether it is shown before there is a count: not where there may be nothing to count.
    """
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    begun: list[tuple[float, int]] = []
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=None, rate="", visible=at_once)

    def update(done: int, total: int) -> None:
        now = time.monotonic()
        begun.extend([] if begun else [(now, done)])
        start, first = begun[0]
        bar.update(task, completed=done, total=total, rate=rate(done - first, now - start), visible=True)

    show = Timer(after, bar.start)
    show.start()
    try:
        yield update
    finally:
        show.cancel()
        show.join()
        bar.stop()


def show_log(verbose: int) -> None:
    """Print on stderr what the library logs: warnings; from 1 on what is done; from 2 on every part of it, with its module."""
    handler, logger = _Stderr(), logging.getLogger("cevnsfit")
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if verbose > 1 else "%(message)s"))
    logger.handlers = [*(other for other in logger.handlers if not isinstance(other, _Stderr)), handler]
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])


class _Stderr(logging.Handler):
    """Prints on what stderr is at the moment, above a progress bar while there is one: each warning once."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        text = said(self.format(record))
        if text not in self.told:
            print(text, file=sys.stderr)  # noqa: T201 (the one place that prints)
        self.told |= {text} if record.levelno >= logging.WARNING else set()


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
