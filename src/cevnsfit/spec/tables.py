"""Read the CSV tables of an experiment folder; strangers' files are data, sizes bounded, nothing executed."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, Axis, internal, nest, overlap, unit_of
from cevnsfit.core.errors import AxisError, CevnsfitError, UnknownNameError
from cevnsfit.core.paths import read_text
from cevnsfit.core.units import SPELT_NUMBER, UnitError, parse, plain_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PROBLEMS: Final = 5
"""Most of one table that are told."""
MAX_BYTES: Final = 50_000_000
LARGEST_EDGE: Final = 1e100
"""Largest edge of a bin, in internal units: edges are compared in their last digits."""

RECOIL: Final = "t_recoil"
"""The column of a binned table that holds a row for each recoil energy and bin: a response matrix."""

NEUTRINO: Final = "e_nu"
"""The same for neutrino energies: cross sections into bins."""

SEEN: Final = "e_ee"
"""The column of a curve in the energy of electron recoils."""

_HEADER: Final = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_]*)\s*\[([^\]]+)\]\s*$")

_SCALED: Final = re.compile(r"(?!1\s*(?:/|$))[\dx*\u00d7]")


class TableError(CevnsfitError):
    """A table is missing or malformed; `found` has what is wrong, the first of it in the message, with the lines from 1, or None."""

    def __init__(self, line: int | None, message: str, more: Sequence[tuple[int, str]] = ()) -> None:
        self.found: tuple[tuple[int | None, str], ...] = ((line, message), *more)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class InputTable:
    """A binned table or a curve.

    Attributes
    ----------
    axes
        Binned axes found as NAME_low, NAME_high pairs, in column order; empty for a curve.
    columns
        Values by column name: shape (bins, ...) in the order of `axes` for a binned table, (n,) for a curve, (n, bins, ...) for a response
        matrix or cross sections, whose recoil or neutrino energies are a column of shape (n,).
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

    def values_in(self, column: str, unit: str) -> NDArray[np.float64]:
        """Return one column that is no axis in a unit; UnitError for one of another dimension."""
        values = self.values(column)
        try:
            return values * parse(f"1 {self.units[column]}", unit)
        except UnitError:
            message = f"column '{column}' is in [{self.units[column]}], but [{unit}] is needed"
            raise UnitError(message) from None

    def errors(self, column: str, of: str) -> InputTable:
        """Return the table with one column alone, the errors `of` another one; AxisError if they are in other units, such as in % of it."""
        values = self.values(column)
        if of in self.units and self.units[column] != self.units[of]:
            message = f"column '{column}' is in [{self.units[column]}], but the values '{of}' are in [{self.units[of]}]: errors have the unit of their values"
            raise AxisError(message)
        return replace(self, columns={column: values})

    def matrix(self, column: str) -> NDArray[np.float64]:
        """Return the probabilities of all bins, in C order of the axes, at each recoil energy of a response matrix, shape (bins, n).

        Raises
        ------
        AxisError
            If the table has no row for each recoil energy and bin.
        """
        if not self.axes or RECOIL not in self.columns:
            message = f"a row for each recoil energy and bin is needed: {RECOIL}, and NAME_low, NAME_high of each axis"
            raise AxisError(message)
        return self.values(column).reshape(len(self.columns[RECOIL]), -1).T

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
        if values.ndim > len(self.axes):
            message = (
                "the table has a row for each recoil energy and bin, so that it is a response matrix"
                if RECOIL in self.columns
                else "the table has a row for each neutrino energy and bin, so that it holds cross sections"
            )
            raise AxisError(message)
        names = [axis.name for axis in self.axes]
        for axis in axes:
            if axis.name not in names:
                message = f"the table has no axis '{axis.name}' (it has {', '.join(names)})"
                raise AxisError(message)
            position = names.index(axis.name)
            matrix = _summing(self.axes[position], axis, split=split)
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


def _summing(fine: Axis, coarse: Axis, *, split: bool) -> NDArray[np.float64]:
    """Return the matrix that sums bins of a table into those of an axis; an AxisError is in the unit in which people read the axis."""
    match = overlap if split else nest
    try:
        return match(np.asarray(fine.edges), np.asarray(coarse.edges))
    except AxisError:
        try:
            return match(fine.display_edges, coarse.display_edges)
        except AxisError as error:
            message = f"axis {coarse.label}: {error}"
            raise AxisError(message) from None


def read_table(path: Path, *, empty: bool = False) -> InputTable:
    """Return the table in `path`, which may be `empty` where it is a list.

    Raises
    ------
    TableError
        If the file is missing, too large, not a table, has NaN or infinite entries, or its bins overlap or leave gaps.
    """
    return table_of(*_read_numbers(path, empty=empty))


def table_of(names: list[str], units: list[str], data: NDArray[np.float64]) -> InputTable:
    """Return the table of some columns, shape (rows, columns); TableError if its bins overlap or leave gaps, or rows are missing."""
    bins = [name.removesuffix("_low") for name in names if name.endswith("_low")]
    if not bins:
        columns = {name: _value(name, data[:, i], units[i]) for i, name in enumerate(names)}
        return InputTable((), columns, dict(zip(names, units, strict=True)))
    axes = tuple(_axis(axis, names, units, data) for axis in bins)
    curve = {name: _value(name, data[:, i], units[i]) for i, name in enumerate(names) if name in {RECOIL, NEUTRINO}}
    points = {name: np.unique(values) for name, values in curve.items()}
    _check_order(axes, points, names, units, data)
    shape = (*(len(values) for values in points.values()), *(axis.nbins for axis in axes))
    edges = {f"{axis}_{end}" for axis in bins for end in ("low", "high")}
    values = {name: _pure(data[:, i], units[i]).reshape(shape) for i, name in enumerate(names) if name not in points and name not in edges}
    return InputTable(axes, points | values, {name: units[names.index(name)] for name in (*points, *values)})


def _read_numbers(path: Path, *, empty: bool) -> tuple[list[str], list[str], NDArray[np.float64]]:
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [file.name for file in path.parent.glob("*.csv")], n=1, cutoff=0.8)
        raise TableError(None, f"no such table{''.join(f'; did you mean {name}?' for name in near)}")
    lines = [(number, line) for number, line in content(sheet_lines(path, MAX_BYTES)) if line]
    if not lines:
        message = "the table is empty"
        raise TableError(None, message)
    (number, header), *rows = lines
    names, units = _header(header, number)
    if not rows and empty:
        return names, units, np.empty((0, len(names)))
    if not rows:
        message = "the table has a header but no rows"
        raise TableError(number, message)
    return names, units, _matrix(rows, len(names))


def sheet_lines(path: Path, largest: int) -> list[str]:
    """Return the lines of a file of at most `largest` bytes as they would be without sheets and PDFs, which add quotes, commas and signs; SpecError if it is no text."""
    lines = (
        line.strip('"') if line.startswith('"#') else line for line in read_text(path, largest, "expected rows of numbers").splitlines()
    )
    return [line.rstrip(',;"') if line.startswith("#") else line.translate(SPELT_NUMBER) for line in lines]


def content(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Return numbers (from 1) and texts of lines that are no comments; a row of empty cells is an empty line."""
    return [(number, line.strip() if line.strip(" \t\xa0,;") else "") for number, line in enumerate(lines, 1) if not line.startswith("#")]


def separator_hint(line: str) -> str:
    """Return what is wrong with a row whose cells are not separated by commas, an empty text where nothing else is seen."""
    other = next((name for mark, name in ((";", "semicolons"), ("\t", "tabs")) if mark in line), "")
    return f"; its cells are separated by {other}: use commas, and points in numbers" if other else ""


def _header(line: str, number: int) -> tuple[list[str], list[str]]:
    matches = [_HEADER.match(cell) for cell in line.split(",")]
    if not all(matches):
        message = f"the header must read 'name [unit],name [unit],...', not '{line[:80]}'{separator_hint(line)}"
        raise TableError(number, message)
    names = [match.group(1) for match in matches if match]
    if len(set(names)) != len(names):
        message = "a column name appears twice"
        raise TableError(number, message)
    units = [match.group(2).strip() for match in matches if match]
    scaled = next((unit for unit in units if _SCALED.match(unit)), None)
    if scaled is not None:
        message = f"'[{scaled}]' is a factor and no unit: write the numbers themselves, with [1]"
        raise TableError(number, message)
    return names, units


def _matrix(rows: list[tuple[int, str]], width: int) -> NDArray[np.float64]:
    try:
        data = np.array([line.split(",") for _, line in rows], dtype=np.float64)
    except ValueError:
        data = np.empty((0, 0))
    if data.ndim == 2 and data.shape[1] == width and np.isfinite(data).all() and not any("_" in line for _, line in rows):
        return data
    found: list[tuple[int, str]] = []
    for number, line in rows:
        cells = line.split(",")
        if len(cells) != width:
            hint = separator_hint(line) if len(cells) < width else " (commas are neither decimal points nor part thousands)"
            found.append((number, f"{len(cells)} cells, but the header names {width} columns{hint}"))
        else:
            found += [(number, f"'{cell.strip()[:40]}' is not a finite number") for cell in cells if not math.isfinite(plain_number(cell))]
    found = found if found else [(rows[0][0], "the rows below are not plain numbers")]
    raise TableError(*found[0], found[1:PROBLEMS])


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
    if not len(low) or np.max(np.abs([low, high])) > LARGEST_EDGE:
        message = f"the bins of axis {name} {f'reach beyond {LARGEST_EDGE:g}' if len(low) else 'have no rows'}"
        raise TableError(None, message)
    lows, highs = np.unique(np.round(low, 15)), np.unique(np.round(high, 15))
    if len(lows) != len(highs) or not np.allclose(lows[1:], highs[:-1], rtol=1e-9, atol=0) or not np.all(highs > lows):
        message = f"the bins of axis {name} overlap or leave gaps"
        raise TableError(None, message)
    return Axis(name, (*(float(edge) for edge in lows), float(highs[-1])), unit_of(name, units[names.index(f"{name}_low")]))


def _check_order(
    axes: tuple[Axis, ...], points: Mapping[str, NDArray[np.float64]], names: list[str], units: list[str], data: NDArray[np.float64]
) -> None:
    """Raise TableError unless there is a row for each recoil or neutrino energy, where there are any, and each bin, the last axis fastest."""

    def column(name: str) -> NDArray[np.float64]:
        return _internal(name, data[:, names.index(name)], units[names.index(name)])

    wanted = {**points, **{f"{axis.name}_low": np.asarray(axis.edges[:-1]) for axis in axes}}
    shape = tuple(len(values) for values in wanted.values())
    order = ", ".join(name.removesuffix("_low") for name in wanted)
    if math.prod(shape) > 10 * len(data):
        raise TableError(None, _incomplete(wanted, len(data)))
    places = [np.searchsorted((values[1:] + values[:-1]) / 2, column(name)) for name, values in wanted.items()]
    rows = np.ravel_multi_index(tuple(places), shape)
    missing = np.setdiff1d(np.arange(math.prod(shape)), rows)
    if len(missing):
        first = zip(wanted, places, np.unravel_index(missing[0], shape), strict=True)
        cells = ((name, data[place == k, names.index(name)][0], units[names.index(name)]) for name, place, k in first)
        at = ", ".join(f"{name} = {value:g} {unit}" for name, value, unit in cells)
        raise TableError(None, f"{_incomplete(wanted, len(data))}; {len(missing)} missing, the first at {at}")
    twice = np.sort(rows)[1:][np.diff(np.sort(rows)) == 0]
    if len(twice):
        again = int(np.flatnonzero(rows == twice[0])[1])
        at = ", ".join(f"{name} = {data[again, names.index(name)]:g} {units[names.index(name)]}" for name in wanted)
        raise TableError(None, f"{_incomplete(wanted, len(data))}; {len(twice)} appear twice, the first at {at}")
    highs = zip(axes, places[len(points) :], strict=True)
    fits = all(np.allclose(column(f"{axis.name}_high"), np.asarray(axis.edges[1:])[k], rtol=1e-9, atol=1e-15) for axis, k in highs)
    if np.any(np.diff(rows) < 0) or not fits:
        message = f"rows must run through the bins with the last axis fastest ({order})"
        raise TableError(None, message)


def _incomplete(wanted: Mapping[str, NDArray[np.float64]], rows: int) -> str:
    text = " x ".join(f"{name.removesuffix('_low')}({len(values)})" for name, values in wanted.items())
    return f"{rows} rows, but {text} need {math.prod(len(values) for values in wanted.values())}"
