"""The exceptions of cevnsfit: each says which value, where, and what is allowed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CevnsfitError(Exception):
    """Root of every error that a user of cevnsfit can cause and mend."""


class DomainError(CevnsfitError):
    """A value lies outside the domain in which it means something."""


class KindError(CevnsfitError, TypeError):
    """An object is of a class that does not suit."""


class AxisError(CevnsfitError):
    """Two axes that must agree do not."""


class OverlapError(CevnsfitError):
    """Experiments that share events were asked to be combined."""


class NoDataError(CevnsfitError):
    """An experiment without observed counts was asked for a fit to data."""


class FitError(CevnsfitError):
    """A fit that a result needs has no valid minimum."""


class ResultError(CevnsfitError):
    """A stored result is missing, damaged or belongs to another analysis."""


class ResourceError(CevnsfitError):
    """The machine has not enough of something: memory, room on a disk, open files."""


class UnknownNameError(CevnsfitError):
    """A name is not known; the message lists the nearest ones.

    Parameters
    ----------
    kind
        What the name should have been: "model", "parameter", "experiment", ...
    name
        The name that was given.
    known
        The names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=4, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} '{name}'; {hint}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in an input file.

    Attributes
    ----------
    file
        The file, as the user named it.
    line
        Line number from 1, or None when the whole file is meant.
    field
        Dotted path of the field, or an empty string.
    message
        What is wrong and what would be right.
    """

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class SpecError(CevnsfitError):
    """An input folder or file is malformed; all its problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} found"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))
