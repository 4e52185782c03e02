"""Read the CSV tables of an experiment folder; strangers' files are data, sizes bounded, nothing executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, Axis, internal, nest, overlap, unit_of
from cevnsfit.core.errors import AxisError, CevnsfitError, UnknownNameError
from cevnsfit.core.units import UnitError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES: Final = 50_000_000
_HEADER: Final = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_]*)\s*\[([^\]]+)\]\s*$")


class TableError(CevnsfitError):
    """A table is missing or malformed; `line` is where, from 1, or None."""

    def __init__(self, line: int | None, message: str) -> None:
        self.line = line
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class InputTable:
    """A binned table or a curve.

    Attributes
    ----------
    axes
        Binned axes found as NAME_low, NAME_high pairs, in column order; empty for a curve.
    columns
        Values by column name: shape (bins, ...) in the order of `axes` for a binned table, (n,) for a curve.
        Axis values are in internal units, pure numbers in units of 1 (25 for 25 [1], 0.25 for 25 [%]), other values as written.
    units
        Unit of each column as written.
    """

    axes: tuple[Axis, ...]
    columns: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]

    def values(self, column: str) -> NDArray[np.float64]:
        """Return one column; UnknownNameError lists the near matches."""
        if column not in self.columns:
            raise UnknownNameError("column", column, self.columns)
        return self.columns[column]

    def on(self, axes: Sequence[Axis], column: str, *, split: bool = False) -> NDArray[np.float64]:
        """Return `column` summed into the bins of `axes` and over all other axes of the table.

        Parameters
        ----------
        axes
            Analysis axes; each must be an axis of the table, whose bins nest in its bins.
        column
            Name of the value column.
        split
            Divide a bin that an edge cuts in proportion to its widths, instead of raising: for densities, never for counts.

        Returns
        -------
        Shape (bins of each of `axes`).

        Raises
        ------
        AxisError
            If an axis is missing or its edges are not edges of the table.
        """
        if not self.axes:
            message = (
                f"a binned table is needed ({' x '.join(axis.name for axis in axes)}), but this one has no NAME_low, NAME_high columns"
            )
            raise AxisError(message)
        values = self.values(column)
        names = [axis.name for axis in self.axes]
        for axis in axes:
            if axis.name not in names:
                message = f"the table has no axis '{axis.name}' (it has {', '.join(names)})"
                raise AxisError(message)
            position = names.index(axis.name)
            try:
                matrix = (overlap if split else nest)(np.asarray(self.axes[position].edges), np.asarray(axis.edges))
            except AxisError as error:
                message = f"axis {axis.name}: {error} (internal units)"
                raise AxisError(message) from None
            values = np.moveaxis(np.tensordot(matrix, values, axes=(1, position)), 0, position)
        kept = [axis.name for axis in axes]
        order = [names.index(name) for name in kept]
        rest = [position for position in range(len(names)) if position not in order]
        return np.asarray(np.transpose(values, [*order, *rest]).reshape([axis.nbins for axis in axes] + [-1]).sum(axis=-1))

    def given(self, energy: Axis, axis: Axis, column: str) -> NDArray[np.float64]:
        """Return the probabilities of the bins of `axis` in each bin of `energy`, shape (energy bins, bins): the mean where bins of the table are finer.

        Raises
        ------
        AxisError
            If an axis is missing, or does not fit to that of the table.
        """
        own = next((entry for entry in self.axes if entry.name == energy.name), energy)
        rows = self.on((own, axis), column)
        share = overlap(np.asarray(own.edges), np.asarray(energy.edges)) * np.diff(own.edges)
        return np.asarray((share / share.sum(axis=1, keepdims=True)) @ rows)


def read_table(path: Path, *, empty: bool = False) -> InputTable:
    """Return the table in `path`, which may be `empty` where it is a list.

    Raises
    ------
    TableError
        If the file is missing, too large, not a table, has NaN or infinite entries, or its bins overlap or leave gaps.
    """
    names, units, data = _read_numbers(path, empty=empty)
    bins = [name.removesuffix("_low") for name in names if name.endswith("_low")]
    if not bins:
        columns = {name: _value(name, data[:, i], units[i]) for i, name in enumerate(names)}
        return InputTable((), columns, dict(zip(names, units, strict=True)))
    axes = tuple(_axis(axis, names, units, data) for axis in bins)
    shape = tuple(axis.nbins for axis in axes)
    if int(np.prod(shape)) != len(data):
        message = f"{len(data)} rows, but the axes {' x '.join(f'{a.name}({a.nbins})' for a in axes)} need {int(np.prod(shape))}"
        raise TableError(None, message)
    _check_order(axes, names, units, data)
    values = {name: _pure(data[:, i], units[i]).reshape(shape) for i, name in enumerate(names) if not name.endswith(("_low", "_high"))}
    return InputTable(axes, values, {name: units[i] for i, name in enumerate(names) if name in values})


def _read_numbers(path: Path, *, empty: bool) -> tuple[list[str], list[str], NDArray[np.float64]]:
    if not path.is_file():
        message = "no such table"
        raise TableError(None, message)
    if path.stat().st_size > MAX_BYTES:
        message = f"the table is larger than {MAX_BYTES // 1_000_000} MB"
        raise TableError(None, message)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        message = "not a text file in UTF-8"
        raise TableError(None, message) from None
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        message = "the table is empty"
        raise TableError(None, message)
    names, units = _header(lines[start], start + 1)
    rows = [(number, line) for number, line in enumerate(lines[start + 1 :], start + 2) if line.strip() and not line.startswith("#")]
    if not rows and empty:
        return names, units, np.empty((0, len(names)))
    if not rows:
        message = "the table has a header but no rows"
        raise TableError(start + 1, message)
    return names, units, _matrix(rows, len(names))


def _header(line: str, number: int) -> tuple[list[str], list[str]]:
    matches = [_HEADER.match(cell) for cell in line.split(",")]
    if not all(matches):
        message = f"the header must read 'name [unit],name [unit],...', not '{line[:80]}'"
        raise TableError(number, message)
    names = [match.group(1) for match in matches if match]
    if len(set(names)) != len(names):
        message = "a column name appears twice"
        raise TableError(number, message)
    return names, [match.group(2).strip() for match in matches if match]


def _matrix(rows: list[tuple[int, str]], width: int) -> NDArray[np.float64]:
    try:
        data = np.array([line.split(",") for _, line in rows], dtype=np.float64)
    except ValueError:
        data = np.empty((0, 0))
    if data.ndim == 2 and data.shape[1] == width and np.isfinite(data).all():
        return data
    for number, line in rows:
        cells = line.split(",")
        if len(cells) != width:
            message = f"{len(cells)} cells, but the header names {width} columns"
            raise TableError(number, message)
        for cell in cells:
            if not _is_finite(cell):
                message = f"'{cell.strip()[:40]}' is not a finite number"
                raise TableError(number, message)
    message = "the table is not rectangular"
    raise TableError(None, message)


def _is_finite(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _internal(name: str, values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    try:
        return internal(values, name.removesuffix("_low").removesuffix("_high"), unit)
    except CevnsfitError as error:
        message = f"column {name}: {error}"
        raise TableError(None, message) from None


def _value(name: str, values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Return a column of a curve: a quantity in its internal unit, a pure number in units of 1, others as written."""
    return _internal(name, values, unit) if name in AXIS_UNITS else _pure(values, unit)


def _pure(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Return pure numbers in units of 1, and values with a dimension as they are."""
    try:
        return values if unit == "1" else values * parse(f"1 {unit}", "")
    except UnitError:
        return values


def _axis(name: str, names: list[str], units: list[str], data: NDArray[np.float64]) -> Axis:
    if f"{name}_high" not in names:
        message = f"column {name}_low needs a column {name}_high"
        raise TableError(None, message)
    low, high = (
        _internal(f"{name}{end}", data[:, names.index(f"{name}{end}")], units[names.index(f"{name}{end}")]) for end in ("_low", "_high")
    )
    lows, highs = np.unique(np.round(low, 15)), np.unique(np.round(high, 15))
    if len(lows) != len(highs) or not np.allclose(lows[1:], highs[:-1], rtol=1e-9, atol=0) or not np.all(highs > lows):
        message = f"the bins of axis {name} overlap or leave gaps"
        raise TableError(None, message)
    return Axis(name, (*(float(edge) for edge in lows), float(highs[-1])), unit_of(name, units[names.index(f"{name}_low")]))


def _check_order(axes: tuple[Axis, ...], names: list[str], units: list[str], data: NDArray[np.float64]) -> None:
    shape = tuple(axis.nbins for axis in axes)
    for position, axis in enumerate(axes):
        for end, edges in (("low", axis.edges[:-1]), ("high", axis.edges[1:])):
            column = names.index(f"{axis.name}_{end}")
            values = _internal(f"{axis.name}_{end}", data[:, column], units[column]).reshape(shape)
            wanted = np.asarray(edges).reshape([-1 if i == position else 1 for i in range(len(shape))])
            if not np.allclose(values, np.broadcast_to(wanted, shape), rtol=1e-9, atol=1e-15):
                message = f"rows must run through the bins with the last axis fastest ({', '.join(a.name for a in axes)})"
                raise TableError(None, message)
