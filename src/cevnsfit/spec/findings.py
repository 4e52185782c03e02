"""What is wrong with columns of tables that a description names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.fields import TableColumn
    from cevnsfit.spec.tables import InputTable

Place = tuple[str | int, ...]
"""Where a field lies in a description."""

Finding = tuple[Place, str]


def column(
    place: Place,
    ref: TableColumn,
    tables: Mapping[str, InputTable],
    read: Callable[[InputTable, str], NDArray[np.float64]],
    *,
    empty: bool = False,
) -> Iterator[Finding]:
    """Yield what is wrong with a column that `read` takes from its table: it holds no negative numbers, nor zeros alone unless it may."""
    table = tables.get(ref.table)
    if table is None:
        return
    try:
        values = read(table, ref.column)
    except CevnsfitError as error:
        yield place, f"{ref.table}: {error}{remedy(ref.table, ref.column, table)}"
        return
    if np.any(values < 0):
        yield place, f"{ref.table}: column '{ref.column}' has {int(np.sum(values < 0))} negative entries"
    elif not empty and not np.any(values > 0):
        yield place, f"{ref.table}: column '{ref.column}' is zero in the whole window"


def remedy(file: str, name: str | None, table: InputTable) -> str:
    """Return what can be done about the axes of a table that others made, where it has the column."""
    return "" if file.endswith(".csv") or name not in table.columns else "; name its axes, with their units, in 'tables'"


def binned(
    place: Place, ref: TableColumn, tables: Mapping[str, InputTable], axes: Sequence[Axis], *, split: bool = False, empty: bool = False
) -> Iterator[Finding]:
    """Yield what is wrong with a column of counts in the bins of some axes."""
    yield from column(place, ref, tables, lambda table, name: table.on(axes, name, split=split), empty=empty)
