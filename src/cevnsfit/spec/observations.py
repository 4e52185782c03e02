"""What an experiment observed: counts, values with errors, or a list of events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from cevnsfit.core.axes import AXIS_UNITS, NUMBER, QUANTITIES, internal, unit_of
from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.spec.fields import Spec, TablePath, in_unit
from cevnsfit.spec.findings import remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.findings import Finding
    from cevnsfit.spec.tables import InputTable

    Tables = Mapping[str, InputTable]

EVENTS: Final = "events"
"""The field that names a list of events."""

ON_EDGE: Final = 1e-9
"""Part of the narrowest bin by which an event may miss an edge by rounding."""

SYMMETRIC: Final = 1e-6
"""Largest difference of two entries of a covariance matrix that are the same, relative to the errors."""

POSITIVE: Final = 1e-10
"""Least eigenvalue of a correlation matrix, relative to the largest."""


class ErrorColumns(Spec):
    """Columns of the errors upwards and downwards."""

    up: str
    down: str


class MatrixTable(Spec):
    """A square matrix: a table with one row and one column for each bin, in C order of the axes, or the first column of one that is binned in both."""

    table: TablePath


class Observed(Spec):
    """What was observed: a column of counts; one of values with errors or a covariance matrix; or a list of events."""

    table: TablePath | None = None
    column: str | None = None
    error: str | None = None
    errors: ErrorColumns | None = None
    covariance: MatrixTable | None = None
    scale: Annotated[float, in_unit(""), Field(gt=0)] = 1.0
    events: TablePath | None = None
    weight: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Observed:
        listed = self.events is not None
        if (self.table is None) != (self.column is None) or listed == (self.table is not None):
            message = "give either table and column, or events (a list of them)"
            raise ValueError(message)
        given = [name for name in ("error", "errors", "covariance") if getattr(self, name) is not None]
        if len(given) > 1 or (listed and given):
            message = f"give one of error, errors and covariance, and none with events; got {', '.join(given)}"
            raise ValueError(message)
        if self.weight is not None and not listed:
            message = "weight is a column of events"
            raise ValueError(message)
        if self.scale != 1.0 and not given:
            message = "scale multiplies values with errors; scaled counts are not counts"
            raise ValueError(message)
        return self

    @property
    def counted(self) -> bool:
        """Return whether these are counts, without errors of their own."""
        return self.error is None and self.errors is None and self.covariance is None and self.weight is None


class Observation(NamedTuple):
    """Values in all bins in C order, shape (bins,), their errors where they have any, and the number of events outside the window."""

    values: Floats
    up: Floats | None = None
    down: Floats | None = None
    covariance: Floats | None = None
    outside: int = 0


def observation(entry: Observed, axes: Sequence[Axis], tables: Tables) -> Observation:
    """Return what was observed in the bins of the axes: errors of finer bins are added in quadrature.

    Raises
    ------
    CevnsfitError
        If a table does not fit.
    """
    if entry.events is not None:
        return _binned(tables[entry.events], axes, entry.weight)
    assert entry.table is not None
    assert entry.column is not None
    table, scale = tables[entry.table], entry.scale
    values = scale * table.on(axes, entry.column).ravel()
    if entry.covariance is not None:
        return Observation(values, covariance=scale**2 * covariance(tables[entry.covariance.table], len(values), definite=True))
    if entry.counted:
        return Observation(values)
    columns = (entry.error, entry.error) if entry.errors is None else (entry.errors.up, entry.errors.down)
    up, down = (None if column is None else scale * _in_quadrature(table.errors(column, entry.column), axes, column) for column in columns)
    return Observation(values, up, down)


def _in_quadrature(table: InputTable, axes: Sequence[Axis], column: str) -> Floats:
    errors = table.values(column)
    found = np.sqrt(replace(table, columns={column: errors**2}).on(axes, column)).ravel()
    wrong = int(np.sum(errors < 0)) + int(np.sum(found == 0))
    if wrong:
        message = f"column '{column}' has {wrong} errors that are not positive (a bin without events has none: take wider bins, or counts)"
        raise CevnsfitError(message)
    return np.asarray(found)


def covariance(table: InputTable, bins: int, *, definite: bool) -> Floats:
    """Return a covariance matrix of the bins, shape (bins, bins), from one column for each of them, or from a table of two axes.

    Raises
    ------
    CevnsfitError
        If it has another size, is not symmetric, or is not positive (semi-)definite.
    """
    columns = [*table.columns.values()]
    shape = columns[0].shape if table.axes else (len(columns[0]), len(columns))
    if shape != (bins, bins):
        found = f"a table binned in {' x '.join(map(str, shape))}" if table.axes else f"{shape[0]} rows of {shape[1]} columns"
        message = f"a covariance matrix of {bins} bins has {bins} rows of {bins} columns, not {found}"
        raise CevnsfitError(message)
    matrix = columns[0] if table.axes else np.column_stack(columns)
    sigma = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    units = np.outer(sigma, sigma)
    if not np.all(np.abs(matrix - matrix.T) <= SYMMETRIC * units):
        row, column = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
        message = f"the covariance matrix is not symmetric: {matrix[row, column]:g} and {matrix[column, row]:g} in bins {row + 1} and {column + 1}"
        raise CevnsfitError(message)
    scaled = np.divide(matrix, units, out=np.zeros_like(matrix), where=units > 0)
    values = np.linalg.eigvalsh(scaled)
    if np.any(np.diag(matrix) < 0) or values[0] < (POSITIVE if definite else -SYMMETRIC) * values[-1] or values[-1] <= 0:
        message = f"the covariance matrix is not positive {'' if definite else 'semi-'}definite: its correlations have the eigenvalue {values[0]:.3g}"
        raise CevnsfitError(message)
    return np.asarray((matrix + matrix.T) / 2.0)


def _binned(table: InputTable, axes: Sequence[Axis], weight: str | None) -> Observation:
    """Return the events of a list in each bin: an edge belongs to the bin above it, the last one to the last bin.

    Weighted events have errors, the root of their squared weights.
    """
    places, inside = [], np.ones(len(next(iter(table.columns.values()))), dtype=np.bool_)
    for axis in axes:
        values = table.values(axis.name)
        unit = table.units[axis.name]
        if QUANTITIES.get(unit_of(axis.name, unit), NUMBER) != axis.quantity:
            message = f"column '{axis.name}' is in {unit}, its axis in {axis.unit}"
            raise CevnsfitError(message)
        if axis.name not in AXIS_UNITS:
            values = internal(values, axis.name, unit)
        edges = np.asarray(axis.edges)
        room = ON_EDGE * np.diff(edges).min()
        place = np.searchsorted(edges - room, values, side="right") - 1
        places.append(np.where((place == axis.nbins) & (values <= edges[-1] + room), axis.nbins - 1, place))
        inside &= (places[-1] >= 0) & (places[-1] < axis.nbins)
    shape = tuple(axis.nbins for axis in axes)
    index = np.ravel_multi_index([place[inside] for place in places], shape)
    size, outside = int(np.prod(shape)), int(np.sum(~inside))
    if weight is None:
        return Observation(np.bincount(index, minlength=size).astype(np.float64), outside=outside)
    weights = table.values(weight)[inside]
    errors = np.sqrt(np.bincount(index, weights**2, minlength=size))
    if not np.all(errors > 0):
        message = (
            f"{int(np.sum(errors == 0))} bins hold no weighted event, and so have no error; take wider bins, or events without weights"
        )
        raise CevnsfitError(message)
    return Observation(np.bincount(index, weights, minlength=size).astype(np.float64), errors, errors, outside=outside)


def observed_findings(entry: Observed, axes: Sequence[Axis], tables: Tables, *, control: bool) -> Iterator[Finding]:
    """Yield what is wrong with what was observed; `control` is whether there is a control region."""
    named = (entry.table, entry.events, None if entry.covariance is None else entry.covariance.table)
    if any(name is not None and name not in tables for name in named):
        return  # reported already
    if control and not entry.counted:
        yield ("observed",), "a control region measures a background of counts; it cannot go with values that have errors"
    place = ("observed",) if entry.covariance is None else ("observed", "covariance")
    file = entry.table if entry.events is None else entry.events
    try:
        values = observation(entry, axes, tables).values
    except CevnsfitError as error:
        told = entry.table is None or entry.covariance is not None or isinstance(error, UnknownNameError)
        hint = "" if told else remedy(str(entry.table), entry.column, tables[str(entry.table)])
        yield place, f"{file if entry.covariance is None else entry.covariance.table}: {error}{hint}"
        return
    if entry.counted and np.any(values < 0):
        yield place, f"{file}: column '{entry.column}' has {int(np.sum(values < 0))} negative entries"
    elif entry.counted and np.any(values != np.round(values)):
        yield (
            place,
            f"{file}: column '{entry.column}' must hold whole counts; values with errors need the column of the errors (error: NAME)",
        )
