"""Reading released files: what is expected is declared, everything that differs is reported.

Every piece of a release (a text file here, a histogram in `root`, an array in `hdf5`, a table of HEPData in `hepdata`) is declared as rows of numbers with named
columns, and read into an array of shape (rows, columns).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cevnsfit.io.tables import Table

LARGEST_FILE: Final = 1_000_000
"""Bytes; the largest file of the three releases has 70 kB."""

LARGEST_VALUE: Final = 1e9
"""No number of a release comes near it."""

PROBLEMS_PER_FILE: Final = 5
"""A file that is wrong from the start does not fill the report."""

Arrays = Mapping[str, NDArray[np.float64]]


class ReleasedContent(Protocol):
    """Something of a release that is read."""

    @property
    def key(self) -> str:
        """Return the name under which `Release.tables` gets its contents."""
        ...

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the contents found in the folder `source`, shape (rows, columns); SpecError with all problems."""
        ...


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """What one released file must hold: rows of numbers, separated by blanks or commas.

    Attributes
    ----------
    name
        File name.
    columns
        Names of the columns.
    grid
        Bin centres of the first columns; the rows run over them in C order. Without a grid every column is a value.
    rows
        Number of rows of a file without grid; None when any positive number is right.
    lowest
        Smallest allowed value.
    whole
        True when the values are whole numbers.
    labels
        Words with which the rows begin, in their order; they are no column.
    """

    name: str
    columns: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...] = ()
    rows: int | None = None
    lowest: float = 0.0
    whole: bool = False
    labels: tuple[str, ...] = ()

    @property
    def nrows(self) -> int | None:
        """Return the number of rows that must be there, or None."""
        if self.labels:
            return len(self.labels)
        return math.prod(len(centres) for centres in self.grid) if self.grid else self.rows

    @property
    def key(self) -> str:
        """Return the file name."""
        return self.name

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the rows, shape (rows, columns); SpecError with the first problems: missing, too large, not numbers, out of range, off the grid."""
        path = source / self.name
        wanted = f"expected the released file with the columns {', '.join(self.columns)}"
        try:
            text = read_bytes(path, LARGEST_FILE, wanted).decode("utf-8")
        except UnicodeDecodeError:
            raise SpecError([Problem(str(path), None, "", f"is not text; {wanted}")]) from None
        rows, problems = _rows(str(path), text, self)
        problems = problems if problems else _grid_problems(str(path), rows, self)
        if problems:
            raise SpecError(problems[:PROBLEMS_PER_FILE])
        return np.array([values for _, values in rows], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Release:
    """An official release.

    Attributes
    ----------
    files
        What is read: `ReleasedFile`, `RootHistogram`, `Hdf5Table` or `HepdataTable`.
    tables
        Function from the contents, shape (rows, columns) by key (the file name, or with the name of what is in it, "FILE:HISTOGRAM"), to tables by file name.
    """

    files: tuple[ReleasedContent, ...]
    tables: Callable[[Arrays], dict[str, Table]]


def read_files(source: Path, files: Sequence[ReleasedContent]) -> dict[str, NDArray[np.float64]]:
    """Return the contents of a release by key, shape (rows, columns).

    Raises
    ------
    SpecError
        With the problems of all files.
    """
    if not source.is_dir():
        raise SpecError([Problem(str(source), None, "", "is not a folder; expected the folder of the released files")])
    arrays: dict[str, NDArray[np.float64]] = {}
    problems: list[Problem] = []
    for piece in files:
        try:
            arrays[piece.key] = piece.read(source)
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    return arrays


def _rows(file: str, text: str, layout: ReleasedFile) -> tuple[list[tuple[int, list[float]]], list[Problem]]:
    """Return the rows of numbers with their line numbers, and what is wrong with them; one title line may come first."""
    rows: list[tuple[int, list[float]]] = []
    problems: list[Problem] = []
    first = True
    for line, content in enumerate(text.split("\n"), start=1):
        fields = [] if content.lstrip().startswith("#") else content.replace(",", " ").split()
        if not fields:
            continue
        wanted = layout.labels[len(rows) : len(rows) + 1]
        labelled = bool(wanted) and fields[0] == wanted[0]
        values = [_number(field) for field in (fields[1:] if labelled else fields)]
        title = first and all(value is None for value in values)
        first = False
        if title:
            continue
        if wanted and not labelled:
            problems.append(Problem(file, line, "", f"begins with {fields[0]} where {wanted[0]} was expected"))
            break
        if len(values) != len(layout.columns):
            message = f"{len(values)} values where {len(layout.columns)} were expected ({', '.join(layout.columns)})"
            problems.append(Problem(file, line, "", message))
            continue
        problems.extend(_value_problems(file, line, values, layout))
        rows.append((line, [math.nan if value is None else value for value in values]))
    return rows, problems


def _number(field: str) -> float | None:
    """Return the number that `field` spells in plain ASCII, or None."""
    if not field.isascii() or "_" in field:
        return None
    try:
        return float(field)
    except ValueError:
        return None


def _value_problems(file: str, line: int, values: Sequence[float | None], layout: ReleasedFile) -> list[Problem]:
    problems = []
    for position, (column, value) in enumerate(zip(layout.columns, values, strict=True)):
        is_value = position >= len(layout.grid)
        message = ""
        if value is None:
            message = "is not a number"
        elif not abs(value) <= LARGEST_VALUE:
            message = f"is {value:g}; expected a finite number below {LARGEST_VALUE:g}"
        elif is_value and value < layout.lowest:
            message = f"is {value:g}; expected at least {layout.lowest:g}"
        elif is_value and layout.whole and value != math.floor(value):
            message = f"is {value:g}; expected a whole number"
        if message:
            problems.append(Problem(file, line, column, message))
    return problems


def _grid_problems(file: str, rows: Sequence[tuple[int, list[float]]], layout: ReleasedFile) -> list[Problem]:
    """Return the first place where the rows leave the grid, or a wrong number of rows."""
    for (line, values), centres in zip(rows, product(*layout.grid) if layout.grid else (), strict=False):
        given = values[: len(layout.grid)]
        if not np.allclose(given, centres, rtol=0.0, atol=1e-6):
            wanted = ", ".join(f"{name} {centre:g}" for name, centre in zip(layout.columns, centres, strict=False))
            message = f"the grid is incomplete or out of order: {', '.join(f'{value:g}' for value in given)} where {wanted} was expected"
            return [Problem(file, line, "", message)]
    wanted_rows = layout.nrows
    if not rows or (wanted_rows is not None and len(rows) != wanted_rows):
        expected = "at least one was" if wanted_rows is None else f"{wanted_rows} were"
        return [Problem(file, None, "", f"holds {len(rows)} rows of numbers; {expected} expected")]
    return []
