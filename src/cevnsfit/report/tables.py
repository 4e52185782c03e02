"""Tables of results: for the terminal, and as markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
    """Print a table on `console`.

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
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    for column, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if all(_is_number(row[column]) for row in body) else "left")
    for row in body:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


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
