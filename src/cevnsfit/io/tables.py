"""Writing the project's tables: comment lines, one header row of `name [unit]`, then numbers, or words and numbers."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS
from cevnsfit.core.errors import AxisError, DomainError, UnknownNameError
from cevnsfit.core.version import VERSION
from cevnsfit.core.words import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FORMULA: Final = r"[=+@\t-]"
"""What begins a formula in a spreadsheet."""

_HEADER: Final = re.compile(r"[A-Za-z]\w* \[[^\[\],\s]+(?: [^\[\],\s]+)*\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Table:
    """A table before it is written.

    Attributes
    ----------
    comments
        Lines of text: title, source, how it was made.
    columns
        Values by header `name [unit]`, each of shape (rows,).
    """

    comments: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]]


def bin_columns(axes: Mapping[str, NDArray[np.float64]], units: Mapping[str, str] | None = None) -> dict[str, NDArray[np.float64]]:
    """Return the columns `AXIS_low [unit]` and `AXIS_high [unit]` of all bins, in C order of the axes.

    Parameters
    ----------
    axes
        Bin edges by axis name, in the unit of `AXIS_UNITS`, each of shape (bins + 1,).
    units
        Units of axes of other names.

    Raises
    ------
    UnknownNameError
        If an axis has no unit.
    """
    known = {**AXIS_UNITS, **({} if units is None else units)}
    for name in axes:
        if name not in known:
            raise UnknownNameError("axis", name, known)
    index = np.indices([len(edges) - 1 for edges in axes.values()])
    columns = {}
    for position, (name, edges) in enumerate(axes.items()):
        columns[f"{name}_low [{known[name]}]"] = edges[:-1][index[position].ravel()]
        columns[f"{name}_high [{known[name]}]"] = edges[1:][index[position].ravel()]
    return columns


def write_table(path: Path, comments: Sequence[str], columns: Mapping[str, NDArray[np.float64]]) -> None:
    """Write a CSV table; the same content gives the same bytes on every system.

    Parameters
    ----------
    path
        The file to write; an existing one is replaced.
    comments
        Text of the comment lines, without the leading `#`.
    columns
        Values by header `name [unit]`, each of shape (rows,); written with up to ten significant digits. A row that is NaN in every one of
        several columns is an empty line.

    Raises
    ------
    DomainError
        If a header is not `name [unit]`, or a value is not finite.
    AxisError
        If there is no column, or the columns are not one-dimensional and of one length.
    """
    shapes = {np.shape(values) for values in columns.values()}
    gaps = np.all(np.isnan([*columns.values()]), axis=0) if len(columns) > 1 and len(shapes) == 1 else np.False_
    for header, values in columns.items():
        if _HEADER.fullmatch(header) is None:
            message = f"table header '{header}' is not of the form 'name [unit]'"
            raise DomainError(message)
        if not np.all(np.isfinite(values) | gaps):
            message = f"column '{header}' holds values that are not finite"
            raise DomainError(message)
    if len(shapes) != 1 or any(len(shape) != 1 for shape in shapes):
        message = f"{path.name}: the columns must be one-dimensional and of one length; their shapes are {sorted(shapes)}"
        raise AxisError(message)
    lines = [_comment(line).rstrip() for comment in comments for line in comment.splitlines()]
    lines.append(",".join(columns))
    # adding zero turns -0 into 0
    lines.extend(
        "" if np.isnan(row[0]) else ",".join(f"{value + 0.0:.10g}" for value in row) for row in zip(*columns.values(), strict=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def write_rows(
    path: Path, comments: Iterable[str], headers: Sequence[str], rows: Iterable[Sequence[object]], *, signed: bool = True
) -> Path:
    """Write a CSV table of words and numbers, make the folder where it is missing, and return the path.

    Parameters
    ----------
    path
        The file to write; an existing one is replaced.
    comments
        Text of the comment lines, without the leading `#`; each becomes one line.
    headers, rows
        The cells; see `cell` for numbers.
    signed
        Whether the last comment names the version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(
            f"{_comment(' '.join(comment.splitlines()))}\n" for comment in (*comments, *([f"cevnsfit {VERSION}"] if signed else []))
        )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(map(_inert, row) for row in (headers, *rows))
    return path


def _comment(line: str) -> str:
    """Return a comment line, of which no part begins a formula where a spreadsheet parts it at commas."""
    return f"# {re.sub(f',(?={_FORMULA})', ', ', visible(line, ''))}"


def _inert(value: object) -> object:
    """Return a cell as it is, but for text that a spreadsheet would take for a formula: that begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if re.match(_FORMULA, text) else text
    return text


def cell(value: float) -> str:
    """Return a number as text with ten significant digits, empty for one that does not exist."""
    return f"{value:.10g}" if math.isfinite(value) else ""
