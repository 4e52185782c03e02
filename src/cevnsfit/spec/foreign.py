"""Tables in files that others made, under the names of the experiment: HEPData tables (YAML) and histograms of ROOT files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, QUANTITIES, internal, unit_of
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError
from cevnsfit.core.paths import LEADS_OUT, leads_out
from cevnsfit.core.units import INTERNAL
from cevnsfit.spec.fields import TABLE_PATTERN
from cevnsfit.spec.hepdata import read_hepdata, told_apart, variables
from cevnsfit.spec.observations import EVENTS
from cevnsfit.spec.root import read_histogram
from cevnsfit.spec.tables import InputTable, TableError, read_table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.arrays import Floats
    from cevnsfit.spec.findings import Place
    from cevnsfit.spec.hepdata import Variable
    from cevnsfit.spec.schema import ExperimentSpec
    from cevnsfit.spec.yaml_source import YamlSource


MAX_ROWS: Final = 1_000_000
_TITLE: Final = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")
"""Name and unit of "Energy [keVee]" and "Energy (keVee)"."""


@dataclass(frozen=True, slots=True, eq=False)
class _Foreign:
    """A table row by row: names and units of its axes with low and high ends, shape (axes, 2, rows), and columns with their units."""

    titles: Sequence[tuple[str, str]]
    ends: Floats
    columns: Mapping[str, Floats]
    units: Mapping[str, str]

    def named(self, axes: Mapping[str, str], given: Mapping[str, str] | None) -> InputTable:
        """Return the table under the names that are given, or else follow from those of the experiment with their units."""
        found = [_known(name, unit, axes) for name, unit in self.titles]
        if given is not None:
            found = list(given.items())
        elif len(axes) == len(found) and not any(name for name, _ in self.titles):
            found = list(axes.items())
        if len(found) != len(self.titles) or len(dict(found)) != len(found):
            named = f"{len(self.titles)} axes ({', '.join(name or 'without a name' for name, _ in self.titles)})"
            message = f"the table has {named}; name each, with its unit, in 'tables', for example {{axes: {{e_ee: keVee, time: us}}}}"
            raise TableError(None, message)
        try:
            return self._table(dict(found))
        except CevnsfitError as error:
            message = f"{error}; name its axes, with their units, in 'tables'"
            raise TableError(None, message) from None

    def _table(self, axes: Mapping[str, str]) -> InputTable:
        """Return the table with its rows in order; those without bins are points of a curve, and bins of one axis can be, at their centres."""
        points = {name: internal(ends.mean(axis=0), name, unit) for (name, unit), ends in zip(axes.items(), self.ends, strict=True)}
        order = np.lexsort(tuple(reversed(points.values())))
        bins = bool(np.all(self.ends[:, 1] > self.ends[:, 0]))
        names = [f"{name}_{end}" for name in axes for end in ("low", "high")] if bins else []
        units = [unit for unit in axes.values() for _ in ("low", "high")] if bins else []
        data = np.array([*(self.ends.reshape(-1, len(order)) if bins else ()), *self.columns.values()]).T[order]
        table = table_of([*names, *self.columns], [*units, *self.units.values()], data)
        if bins and len(points) > 1:
            return table
        quantities = {name: QUANTITIES.get(unit_of(name, unit), name) for name, unit in axes.items()}
        keys = {key: name for name, quantity in quantities.items() for key in (name, quantity)}
        shown = {key: points[name][order] for key, name in keys.items()}
        own = {key: INTERNAL.get(quantities[name], "") for key, name in keys.items()}
        return replace(table, columns={**table.columns, **shown}, units={**table.units, **own})


def _known(title: str, unit: str, axes: Mapping[str, str]) -> tuple[str, str]:
    """Return the name that an axis has here, and its unit: that of an axis or a quantity of its name, else of one that is read in its unit."""
    for name in (*axes, *AXIS_UNITS):
        if name.casefold() == title.strip().casefold():
            return name, unit
    shown = unit_of("", unit)
    same = [name for name, own in axes.items() if shown in QUANTITIES and unit_of(name, own) == shown]
    return same[0] if len(same) == 1 else QUANTITIES.get(shown, title), unit


def _title(text: str, unit: str) -> tuple[str, str]:
    """Return name and unit of a header, or of a title with the unit in it."""
    match = None if unit else _TITLE.fullmatch(text)
    return (text, unit or "1") if match is None else (match.group(1), match.group(2))


def read_any(folder: Path, reference: str, axes: Mapping[str, str] | None, given: Mapping[str, str] | None, *, empty: bool) -> InputTable:
    """Return a table of a folder: of a CSV file, a YAML file of HEPData, or FILE.root:HISTOGRAM.

    Its axes have the names and units that are `given`, or follow from the `axes` of the experiment; it is empty where these are not known (None).
    A CSV file may have no rows where it may be `empty`: a list of events.

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
    if found.values.size > MAX_ROWS or not (np.isfinite(found.values).all() and np.isfinite(found.errors).all()):
        raise SpecError(
            [Problem(str(path), None, name, f"has {found.values.size} bins; finite numbers in at most {MAX_ROWS} were expected")]
        )
    low, high = (np.meshgrid(*(edges[side] for edges in found.edges), indexing="ij") for side in (slice(None, -1), slice(1, None)))
    ends = np.stack([np.reshape(low, (len(low), -1)), np.reshape(high, (len(high), -1))], axis=1)
    columns = {"content": found.values.ravel(), "error": found.errors.ravel()}
    return _Foreign([_title(title, "") for title in found.titles], ends, columns, dict.fromkeys(columns, "1"))


def _hepdata(path: Path) -> _Foreign:
    table, problems = read_hepdata(path), list[Problem]()
    axes = variables(table, "independent_variables")
    ends = [[axis.column("low", problems), axis.column("high", problems)] for axis in axes]
    columns: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for name, variable in _names(variables(table, "dependent_variables")):
        if name in columns:
            problems.append(
                Problem(table.name, table.line(variable.place), name, "no qualifier tells it from another variable of this name")
            )
        own = {name: (values := variable.column("value", problems))}
        for label, sides in variable.errors(values, problems).items():
            stem = f"{name} {label} error" if label else f"{name} error"
            down, up = sides.T.tolist()
            own |= {f"{stem}_down": down, f"{stem}_up": up} | ({stem: up} if up == down else {})
        columns |= own
        units |= dict.fromkeys(own, _title(variable.name, variable.unit)[1])
    lengths = {len(values) for values in (*(low for low, _ in ends), *columns.values())}
    if not problems and (not axes or not columns or len(lengths) != 1 or 0 in lengths):
        text = "is not a HEPData table: expected independent_variables and dependent_variables with equal numbers of values"
        problems.append(Problem(table.name, None, "", text))
    if problems:
        raise SpecError(problems[:10])
    arrays = {name: np.array(values) for name, values in columns.items()}
    return _Foreign([_title(axis.name, axis.unit) for axis in axes], np.array(ends), arrays, units)


def _names(found: Sequence[Variable]) -> list[tuple[str, Variable]]:
    """Return the names of the columns: those of headers, with what tells them apart where several have one."""
    same = {name: [variable for variable in found if variable.name == name] for name in dict.fromkeys(v.name for v in found)}
    told = {name: [""] if len(own) == 1 else [f", {text or 'no qualifier'}" for text in told_apart(own)] for name, own in same.items()}
    return [(name + text, variable) for name, own in same.items() for text, variable in zip(told[name], own, strict=True)]


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
