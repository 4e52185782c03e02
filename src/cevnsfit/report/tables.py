"""Results as text: lines and tables with titles, for terminals and notebooks."""

from __future__ import annotations

import itertools
import math
import re
import sys
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.extras import optional
from cevnsfit.core.words import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cevnsfit.infer.planes import Interval

WIDTH: Final = 160
"""Of text that goes into files and pipes."""

_FOLDED: Final = 21
"""Length of a word beyond which it may be folded."""

_GAP: Final = 3
"""Between columns."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its title; all cells are text.

    Raises
    ------
    ValueError
        If a row has not as many cells as there are headers.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.headers):
                message = f"row {number} has {len(row)} cells, the table {len(self.headers)} columns"
                raise ValueError(message)

    @property
    def columns(self) -> list[list[str]]:
        """Return the cells of each column."""
        return [[row[place] for row in self.rows] for place in range(len(self.headers))]


@dataclass(frozen=True, slots=True, repr=False)
class ResultTable:
    """What is said of a result: lines and tables in their order. As text it is as wide as the terminal.

    Attributes
    ----------
    parts
        Lines of text, and tables.
    """

    parts: tuple[str | Sheet, ...]

    def __str__(self) -> str:
        return self.text(None if sys.stdout.isatty() else WIDTH)

    __repr__ = __str__

    def text(self, width: int | None = WIDTH) -> str:
        """Return text of some width, None for that of the terminal: words are folded, numbers stay whole."""
        whole = "\n".join(visible(part) if isinstance(part, str) else _drawn(part, width) for part in self.parts)
        return "\n".join(line.rstrip() for line in whole.split("\n"))

    def markdown(self) -> str:
        """Return text in Markdown: lines as those of a list, and tables with their titles."""
        blocks = [
            "\n".join(map(_item, group)) if key else "\n\n".join(map(_table_in_markdown, group))
            for key, group in itertools.groupby(self.parts, lambda part: isinstance(part, str))
        ]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(visible(part))}</p>" if isinstance(part, str) else _html(part) for part in self.parts)

    def to_dataframe(self, number: int = 0) -> Any:
        """Return one of the tables, the first by default, as a pandas DataFrame; columns of numbers alone hold numbers, `attrs` title and lines.

        Raises
        ------
        CevnsfitError
            If there is no such table, or pandas is missing.
        """
        sheets = [part for part in self.parts if isinstance(part, Sheet)]
        if not 0 <= number < len(sheets):
            message = f"there is no table {number} here, of {len(sheets)}"
            raise CevnsfitError(message)
        columns = zip(sheets[number].headers, sheets[number].columns, strict=True)
        frame = optional("pandas", "dataframe").DataFrame({header: _numbers(cells) for header, cells in columns})
        frame.attrs |= {"title": sheets[number].title, "lines": [part for part in self.parts if isinstance(part, str)]}
        return frame


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


def print_table(console: Console, sheet: Sheet) -> None:
    """Print a table on `console`; where that is narrow, words are folded, numbers stay whole, and columns are continued below, the first repeated.

    Text is taken literally, square brackets are no mark-up; columns of numbers are aligned to the right, words to the left.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = [_column(visible(header), [*map(visible, cells)]) for header, cells in zip(sheet.headers, sheet.columns, strict=True)]
    for number, page in enumerate(_pages(columns, console.width)):
        table = Table(title=None if number else Text(visible(sheet.title)), box=box.SIMPLE_HEAD, title_justify="left")
        for column, width in zip(page, _widths(page, console.width), strict=True):
            table.add_column(Text(column.header), justify="right" if column.numbers else "left", overflow="fold", width=width)
        for row in zip(*(column.cells for column in page), strict=True):
            table.add_row(*map(Text, row))
        console.print(table, crop=False)


def _drawn(sheet: Sheet, width: int | None) -> str:
    """Return a table as text."""
    from rich.console import Console

    console = Console(width=width, markup=False, highlight=False, force_jupyter=False)
    with console.capture() as text:
        print_table(console, sheet)
    return text.get().removesuffix("\n")


def _html(sheet: Sheet) -> str:
    lines = [(sheet.headers, "th"), *((row, "td") for row in sheet.rows)]
    rows = "".join(f"<tr>{''.join(f'<{tag}>{escape(visible(cell))}</{tag}>' for cell in cells)}</tr>" for cells, tag in lines)
    return f"<table><caption>{escape(visible(sheet.title))}</caption>{rows}</table>"


def _item(line: Any) -> str:
    """Return a line as an item of a list, one that is indented as an inner one."""
    return f"{'  ' if line.startswith('  ') else ''}- {_in_markdown(line)}"


def _in_markdown(text: str) -> str:
    """Return a line taken literally: what would be mark-up is escaped."""
    return re.sub(r"([\\`*_|<>$&\[\]])", r"\\\1", visible(text.strip(), ""))


def _table_in_markdown(sheet: Any) -> str:
    """Return a table of Markdown; columns of numbers are aligned to the right."""
    marks = ["---:" if all(map(_is_number, cells)) else "---" for cells in sheet.columns]
    lines = [map(_in_markdown, sheet.headers), marks, *(map(_in_markdown, row) for row in sheet.rows)]
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"**{_in_markdown(sheet.title)}**\n\n{rows}" if sheet.title else rows


def _numbers(cells: Sequence[str]) -> list[float] | list[str]:
    """Return the cells as numbers where all are numbers."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return list(cells)


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
