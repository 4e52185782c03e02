"""Tables in files that others made, under the names of the experiment: HEPData tables (YAML) and histograms of ROOT files."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, QUANTITIES, internal, unit_of
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError
from cevnsfit.core.paths import LEADS_OUT, leads_out
from cevnsfit.spec.fields import TABLE_PATTERN
from cevnsfit.spec.hepdata import told_apart, variables
from cevnsfit.spec.observations import EVENTS
from cevnsfit.spec.root import read_histogram
from cevnsfit.spec.tables import InputTable, TableError, read_table, table_of
from cevnsfit.spec.yaml_source import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.spec.findings import Place
    from cevnsfit.spec.hepdata import Variable
    from cevnsfit.spec.schema import ExperimentSpec
    from cevnsfit.spec.yaml_source import YamlSource

    Floats = NDArray[np.float64]

MAX_ROWS: Final = 1_000_000
_TITLE: Final = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")
"""Name and unit of "Energy [keVee]" and "Energy (keVee)"."""


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """An axis as it is called there, with low and high end of each row."""

    name: str
    unit: str
    low: Floats
    high: Floats

    @classmethod
    def titled(cls, title: str, unit: str, low: Floats, high: Floats) -> _Axis:
        match = None if unit else _TITLE.fullmatch(title)
        return cls(title, unit, low, high) if match is None else cls(match.group(1), match.group(2), low, high)

    def known(self, axes: Mapping[str, str]) -> tuple[str, str]:
        """Return the name that it has here, and its unit: of the axis of its name, else of the one that is read in its unit."""
        for name in (*axes, *AXIS_UNITS):
            if name.casefold() == self.name.strip().casefold():
                return name, self.unit
        shown = unit_of("", self.unit)
        same = [name for name, unit in axes.items() if shown in QUANTITIES and unit_of(name, unit) == shown]
        return same[0] if len(same) == 1 else QUANTITIES.get(shown, self.name), self.unit


@dataclass(frozen=True, slots=True, eq=False)
class _Foreign:
    """Axes and columns of a table, row by row."""

    axes: Sequence[_Axis]
    columns: Mapping[str, Floats]
    units: Mapping[str, str]

    def named(self, axes: Mapping[str, str], given: Mapping[str, str] | None) -> InputTable:
        """Return the table under the names that are given, or else follow from those of the experiment with their units."""
        found = [axis.known(axes) for axis in self.axes]
        if given is not None:
            found = list(given.items())
        elif len(axes) == len(found) and not any(axis.name for axis in self.axes):
            found = list(axes.items())
        if len(found) != len(self.axes) or len({name for name, _ in found}) != len(found):
            named = f"{len(self.axes)} axes ({', '.join(axis.name or 'without a name' for axis in self.axes)})"
            message = f"the table has {named}; name each, with its unit, in 'tables', for example {{axes: {{e_ee: keVee, time: us}}}}"
            raise TableError(None, message)
        try:
            return self._table(found)
        except CevnsfitError as error:
            message = f"{error}; its axes can be named, with their units, in 'tables'"
            raise TableError(None, message) from None

    def _table(self, found: Sequence[tuple[str, str]]) -> InputTable:
        """Return the table with its rows in order; those without bins are points of a curve, and bins of one axis can be, at their centres."""
        binned = all(np.all(axis.high > axis.low) for axis in self.axes)
        points = {name: internal((axis.low + axis.high) / 2.0, name, unit) for (name, unit), axis in zip(found, self.axes, strict=True)}
        order = np.lexsort(tuple(reversed(points.values())))
        ends = {f"{name}_{end}": getattr(axis, end) for (name, _), axis in zip(found, self.axes, strict=True) for end in ("low", "high")}
        units = [unit for _, unit in found for _ in ("low", "high")]
        first, units = (ends, units) if binned else ({}, [])
        data = np.array([*first.values(), *self.columns.values()]).T[order]
        table = table_of([*first, *self.columns], [*units, *self.units.values()], data)
        if binned and len(points) > 1:
            return table
        quantities = {QUANTITIES.get(unit_of(name, unit), name): points[name][order] for name, unit in found}
        return replace(table, columns={**table.columns, **{name: values[order] for name, values in points.items()}, **quantities})


def read_any(folder: Path, reference: str, axes: Mapping[str, str] | None, given: Mapping[str, str] | None, *, empty: bool) -> InputTable:
    """Return a table of a folder.

    Parameters
    ----------
    folder
        Where the file is.
    reference
        A CSV file, a YAML file of HEPData, or FILE.root:HISTOGRAM.
    axes
        Axes of the experiment, and the units that they are written in; None where they are not known, and an empty table is returned.
    given
        Names and units of the axes of the table in its order, where the description has them.
    empty
        Whether a CSV file may have no rows: a list of events.

    Raises
    ------
    TableError, SpecError
        If the file is missing or not what it should be.
    """
    file, _, histogram = reference.partition(":")
    if file.endswith(".csv"):
        if given is not None:
            raise TableError(1, "the header of a CSV file names its axes: leave it out of 'tables'")
        return read_table(folder / file, empty=empty)
    found = _histogram(folder / file, histogram) if histogram else _hepdata(folder / file)
    return InputTable((), {}, {}) if axes is None else found.named(axes, given)


def _histogram(path: Path, name: str) -> _Foreign:
    found = read_histogram(path, name)
    shape = found.values.shape
    if found.values.size > MAX_ROWS:
        raise SpecError([Problem(str(path), None, name, f"has {found.values.size} bins; at most {MAX_ROWS} are read")])
    ends = [(edges[:-1], edges[1:]) for edges in found.edges]
    rows = [tuple(np.broadcast_to(_along(end, k, len(shape)), shape).ravel() for end in pair) for k, pair in enumerate(ends)]
    axes = [_Axis.titled(title, "", low, high) for title, (low, high) in zip(found.titles, rows, strict=True)]
    columns = {"content": found.values.ravel(), "error": found.errors.ravel()}
    if not all(np.isfinite(values).all() for values in columns.values()):
        raise SpecError([Problem(str(path), None, name, "has contents that are not finite numbers")])
    return _Foreign(axes, columns, dict.fromkeys(columns, "1"))


def _along(values: Floats, position: int, dimensions: int) -> Floats:
    return values.reshape([-1 if k == position else 1 for k in range(dimensions)])


def _hepdata(path: Path) -> _Foreign:
    table = read_yaml(path)
    problems: list[Problem] = []
    axes = [
        _Axis.titled(v.name, v.unit, np.array(v.column("low", problems)), np.array(v.column("high", problems)))
        for v in variables(table, "independent_variables")
    ]
    columns: dict[str, Floats] = {}
    units: dict[str, str] = {}
    for name, variable in _names(variables(table, "dependent_variables")):
        values = variable.column("value", problems)
        own = {name: np.array(values)}
        for label, sides in variable.errors(values, problems).items():
            stem = f"{name} {label} error" if label else f"{name} error"
            own |= {
                f"{stem}_down": sides[:, 0],
                f"{stem}_up": sides[:, 1],
                **({stem: sides[:, 0]} if np.all(np.ptp(sides, axis=1) == 0) else {}),
            }
        problems += (
            [Problem(table.name, table.line(variable.place), name, "no qualifier tells it from another variable of this name")]
            if name in columns
            else []
        )
        columns |= own
        units |= dict.fromkeys(own, variable.unit or _unit(name))
    lengths = {len(values) for values in (*(axis.low for axis in axes), *columns.values())}
    if not problems and (not axes or not columns or len(lengths) != 1 or 0 in lengths):
        text = "is no table of HEPData: independent_variables and dependent_variables with as many values each were expected"
        problems.append(Problem(table.name, None, "", text))
    if problems:
        raise SpecError(problems[:10])
    return _Foreign(axes, columns, units)


def _unit(title: str) -> str:
    match = _TITLE.fullmatch(title)
    return "1" if match is None else match.group(2)


def _names(found: Sequence[Variable]) -> list[tuple[str, Variable]]:
    """Return the names of the columns: those of headers, with what tells them apart where several have one."""
    names = []
    for name, several in itertools.groupby(sorted(found, key=lambda variable: variable.name), key=lambda variable: variable.name):
        same = list(several)
        texts = told_apart(same)
        names += [
            (f"{name}, {text or 'no qualifier'}" if len(same) > 1 else name, variable) for text, variable in zip(texts, same, strict=True)
        ]
    return names


def table_references(node: object, loc: Place) -> Iterator[tuple[str, Place]]:
    """Yield the tables that a part of a description names, and where."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"table", EVENTS} and isinstance(value, str):
                yield value, (*loc, key)
            else:
                yield from table_references(value, (*loc, key))
    elif isinstance(node, list | tuple):
        for position, value in enumerate(node):
            yield from table_references(value, (*loc, position))


def read_tables(
    references: Iterable[tuple[str, Place]], folder: Path, source: YamlSource, spec: ExperimentSpec | None
) -> tuple[dict[str, InputTable], list[Problem]]:
    """Return the tables by what refers to them, empty ones where there is no description yet, and what is wrong with them."""
    axes = None if spec is None else {name: entry.unit for name, entry in spec.axes.items()}
    given = {} if spec is None else {table: entry.axes for table, entry in spec.tables.items()}
    tables: dict[str, InputTable] = {}
    problems: list[Problem] = []
    seen: set[str] = set()
    for file, loc in references:
        path = folder / file.partition(":")[0]
        if not re.match(TABLE_PATTERN, file) or file in seen:
            continue
        seen.add(file)
        if leads_out(path):
            problems.append(Problem(str(path), None, source.field(loc), LEADS_OUT))
            continue
        try:
            tables[file] = read_any(folder, file, axes, given.get(file), empty=loc[-1] == EVENTS)
        except SpecError as error:
            problems += [replace(p, field=" ".join(filter(None, (source.field(loc), p.field)))) for p in error.problems]
        except TableError as error:
            problems += [Problem(str(path), line, source.field(loc) if line is None else "", text) for line, text in error.found]
    return tables, problems
