"""Tables of results: for the terminal, and as markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

_FOLDED: Final = 20
"""Length of a word beyond which it may be folded."""

_GAP: Final = 3
"""Between columns."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.results import FitResult


def format_value(value: float, error: float | None = None) -> str:
    """Return value and error, the error with three significant digits and the value with as many decimals.

    Without a positive finite error the value alone, with four digits.

    Examples
    --------
    >>> format_value(159.8123, 42.611)
    '159.8 +- 42.6'
    >>> format_value(3.198e23, 1.2e21)
    '(3.1980 +- 0.0120)e23'
    >>> format_value(0.0012345)
    '0.001234'
    """
    if error is None or not math.isfinite(error) or error <= 0.0 or not math.isfinite(value):
        return f"{value:.4g}"
    largest = math.floor(math.log10(max(abs(value), error)))
    power = largest if largest < -3 or largest > 5 else 0
    # the exponent of the error as it rounds: 0.9996 has three digits as 1.00
    exponent = int(f"{error:.2e}".partition("e")[2]) - power
    decimals = max(0, 2 - exponent)
    scaled = f"{value / 10.0**power:.{decimals}f} +- {error / 10.0**power:.{decimals}f}"
    return f"({scaled})e{power}" if power else scaled


def format_intervals(intervals: Sequence[Interval], unit: str = "1") -> str:
    """Return a list of intervals; "none" when there is none.

    Examples
    --------
    >>> format_intervals([(0.0, 1.2e-3), (0.0681, 0.0722)])
    '[0, 0.0012], [0.0681, 0.0722]'
    """
    if not intervals:
        return "none"
    text = ", ".join(f"[{low:.4g}, {high:.4g}]" for low, high in intervals)
    return text if unit == "1" else f"{text} {unit}"


def fit_rows(result: FitResult) -> list[tuple[str, str, str, str]]:
    """Return name, value with Hesse error, and both ends of the 68.3 % interval, where these were asked for, of every floating parameter, as text."""
    return [
        (
            name,
            format_value(result.values[name], result.errors.get(name)),
            _end(result.lower[name]) if name in result.lower else "",
            _end(result.upper[name]) if name in result.upper else "",
        )
        for name in result.floating
    ]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table, columns padded to equal width, vertical bars inside cells escaped.

    Raises
    ------
    ValueError
        If a row has not as many cells as there are headers.

    Examples
    --------
    >>> print(markdown_table(["fit", "counts"], [["CEvNS", "159.8 +- 42.6"]]))
    | fit   | counts        |
    |-------|---------------|
    | CEvNS | 159.8 +- 42.6 |
    """
    lines = [[str(cell).replace("|", "\\|") for cell in line] for line in _checked(headers, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(headers))]
    head, *body = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([head, rule, *body])


def print_table(console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on `console`; where that is narrow, words are folded, numbers stay whole, and columns are continued below, the first repeated.

    Parameters
    ----------
    console
        Where to print; text is taken literally, square brackets are no mark-up.
    title, headers, rows
        Contents; columns of numbers are aligned to the right, words to the left.

    Raises
    ------
    ValueError
        If a row has not as many cells as there are headers.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    _, *body = _checked(headers, rows)
    columns = [_column(header, [row[place] for row in body]) for place, header in enumerate(headers)]
    for number, page in enumerate(_pages(columns, console.width)):
        table = Table(title=None if number else Text(title), box=box.SIMPLE_HEAD, title_justify="left")
        for column, width in zip(page, _widths(page, console.width), strict=True):
            table.add_column(Text(column.header), justify="right" if column.numbers else "left", overflow="fold", width=width)
        for row in zip(*(column.cells for column in page), strict=True):
            table.add_row(*map(Text, row))
        console.print(table, crop=False)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table: whether it holds numbers, its width, and the least one, at which no number and no usual word is cut."""

    header: str
    cells: Sequence[str]
    numbers: bool
    natural: int
    least: int


def _column(header: str, cells: Sequence[str]) -> _Column:
    numbers = all(map(_is_number, cells))
    longest = max(map(len, cells), default=0)
    words = header.split() if numbers else [word for text in (header, *cells) for word in text.split()]
    word = min(max(map(len, words), default=0), _FOLDED)
    return _Column(header, cells, numbers, max(longest, len(header)), max(longest, word) if numbers else word)


def _pages(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Return the columns of each part of a table that is to be `width` characters wide; each begins with the first column."""
    pages = [list(columns[:1])]
    for column in columns[1:]:
        if len(pages[-1]) > 1 and sum(one.least + _GAP for one in [*pages[-1], column]) >= width:
            pages.append([columns[0]])
        pages[-1].append(column)
    return pages


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Return the widths of columns of a table that is to be `width` characters wide; those give way first that can most."""
    widths = [column.natural for column in columns]
    for place in sorted(range(len(columns)), key=lambda place: columns[place].least - columns[place].natural):
        excess = sum(one + _GAP for one in widths) + 1 - width
        widths[place] = max(columns[place].least, widths[place] - max(excess, 0))
    return widths


def _is_number(cell: str) -> bool:
    """Return whether a cell starts like a number, or says that there is none."""
    return not cell or cell in {"none", "nan", "-"} or cell.lstrip("+-[( ")[:1].isdigit()


def _checked(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return headers and rows as text when every row fits the headers."""
    for number, row in enumerate(rows, 1):
        if len(row) != len(headers):
            message = f"row {number} has {len(row)} cells, the table {len(headers)} columns"
            raise ValueError(message)
    return [[str(cell) for cell in line] for line in (headers, *rows)]


def _end(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"
