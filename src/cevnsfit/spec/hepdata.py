"""Variables of HEPData tables: YAML files with `independent_variables` and `dependent_variables`, whatever tool wrote them."""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import read_text
from cevnsfit.core.units import plain_number
from cevnsfit.spec.yaml_source import MAX_DEPTH, YamlSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES: Final = 50_000_000
MAX_VALUES: Final = 5_000_000
"""Most mappings, sequences and texts of a file, which bound its memory."""

LARGEST: Final = 1e100
"""Errors are smaller: their squares are numbers."""

PROBLEMS: Final = 10
"""Most of one file that are told."""

Kind = Literal["independent_variables", "dependent_variables"]


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One variable of a table.

    Attributes
    ----------
    table
        The file.
    place
        Where its values are in it.
    name, unit
        Of its header.
    qualifiers
        (name, value) pairs.
    values
        As they are in the file.
    """

    table: YamlSource
    place: tuple[str | int, ...]
    name: str
    unit: str
    qualifiers: frozenset[tuple[str, str]]
    values: Sequence[Any]

    def column(self, key: Literal["low", "high", "value"], problems: list[Problem], *, lowest: float = -math.inf) -> list[float]:
        """Return an end of its bins, or its values, which are both ends where there is no bin; what is not a finite number joins `problems`."""
        column = []
        for k, entry in enumerate(self.values):
            found = _get(entry, key)
            found = _get(entry, "value") if found is None else found
            number = _number(found)
            if not math.isfinite(number) or (key == "value" and number < lowest):
                least = f" of at least {lowest:g}" if key == "value" and lowest > -math.inf else ""
                said = repr(found[:40]) if isinstance(found, str) else "missing" if found is None else "not one value"
                self._note(problems, k, key, f"is {said}; expected a finite number{least}")
            column.append(number)
        return column

    def errors(self, values: Sequence[float], problems: list[Problem]) -> dict[str, NDArray[np.float64]]:
        """Return the errors of some values, down and up, shape (rows, 2): "" for those of each value in quadrature, then those of each label."""
        squares: dict[str, NDArray[np.float64]] = {}
        for k, entry in enumerate(self.values):
            listed = _get(entry, "errors")
            for error in listed if isinstance(listed, list) else []:
                given = _get(error, "asymerror")
                sides = (_get(given, "minus"), _get(given, "plus")) if isinstance(given, dict) else (_get(error, "symerror"),) * 2
                down, up = (_relative(side, values[k]) for side in sides)
                if not (abs(down) < LARGEST and 0.0 <= up < LARGEST and (down <= 0.0 or given is None)):
                    self._note(problems, k, "errors", "expected symerror: SIGMA, or asymerror: {minus: -DOWN, plus: UP}")
                    continue
                for label in {"", _text(error, "label")}:
                    if label not in squares:
                        squares[label] = np.zeros((len(self.values), 2))
                    squares[label][k] += down**2, up**2
        return {label: np.sqrt(both) for label, both in squares.items()}

    def _note(self, problems: list[Problem], row: int, key: str, text: str) -> None:
        if len(problems) < PROBLEMS:
            place = (*self.place, row)
            problems.append(Problem(self.table.name, self.table.line(place), self.table.field((*place, key)), text))


class _Lined(list[Any]):
    """A sequence with the lines of its entries."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines = array("L")


@dataclass(slots=True)
class _YamlEvents:
    """Mappings, sequences, texts and None from the events of a YAML file, which one counts; a value that appears again under an alias is not copied."""

    name: str
    events: Iterator[Any]
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    count: int = 0

    def node(self, event: Any, depth: int = 0) -> Any:
        """Return what begins with an event."""
        before, kind = self.count, event.__class__.__name__
        self._check(event, depth)
        if kind == "AliasEvent":
            return self._again(event)
        if kind == "ScalarEvent":
            value = None if not event.style and event.value in {"", "~", "null", "Null", "NULL"} else event.value
        else:
            value = self._sequence(depth) if kind == "SequenceStartEvent" else self._mapping(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = value, self.count - before
        return value

    def _sequence(self, depth: int) -> _Lined:
        found = _Lined()
        while (event := next(self.events)).__class__.__name__ != "SequenceEndEvent":
            found.lines.append(event.start_mark.line + 1)
            found.append(self.node(event, depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (event := next(self.events)).__class__.__name__ != "MappingEndEvent":
            key = self.node(event, depth + 1)
            if not isinstance(key, str | None) or key in found or key == "<<":
                self._fail(event, "a key is repeated, merged (<<), or no text")
            found[sys.intern(str(key))] = self.node(next(self.events), depth + 1)
        return found

    def _again(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            self._fail(event, f"the alias *{event.anchor} stands for nothing above it")
        value, size = self.anchors[event.anchor]
        self.count += size
        self._check(event, 0)
        return value

    def _check(self, event: Any, depth: int) -> None:
        self.count += 1
        if self.count > MAX_VALUES:
            self._fail(event, f"holds more than {MAX_VALUES} values, with those that aliases repeat")
        if depth > MAX_DEPTH:
            self._fail(event, f"nested more than {MAX_DEPTH} levels deep")

    def _fail(self, event: Any, text: str) -> NoReturn:
        raise SpecError([Problem(self.name, event.start_mark.line + 1, "", text)])


def read_hepdata(path: Path) -> YamlSource:
    """Return the YAML mapping in a file of HEPData, with its scalars as texts, in a time and a memory that its size bounds.

    Raises
    ------
    SpecError
        If the file is missing, too large, not YAML, or not one table.
    """
    import yaml

    name = str(path)
    text = read_text(path, MAX_BYTES, "expected a HEPData table")
    reader = _YamlEvents(name, iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
    try:
        documents = [reader.node(next(reader.events)) for event in reader.events if event.__class__.__name__ == "DocumentStartEvent"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise SpecError([Problem(name, None if mark is None else mark.line + 1, "", f"not valid YAML: {what.splitlines()[0]}")]) from None
    files = [file for document in documents if (file := _text(document, "data_file"))]
    if len(documents) > 1 or files:
        text = f"lists the tables of a record; name the file of one of them: {', '.join(files[:10])}"
        raise SpecError([Problem(name, None, "", text if files else f"holds {len(documents)} documents; expected one table")])
    if not documents or not isinstance(documents[0], dict):
        raise SpecError([Problem(name, 1, "", "the file must be a mapping of fields")])
    return YamlSource(name, documents[0])


def variables(table: YamlSource, kind: Kind) -> tuple[Variable, ...]:
    """Return the variables of a table, none where it has no list of them."""
    listed = table.data.get(kind)
    found = []
    for k, entry in enumerate(listed if isinstance(listed, list) else []):
        header, values, pairs = _get(entry, "header"), _get(entry, "values"), _get(entry, "qualifiers")
        qualifiers = frozenset((_text(pair, "name"), _text(pair, "value")) for pair in (pairs if isinstance(pairs, list) else []))
        name, unit = _text(header, "name"), _text(header, "units")
        found.append(Variable(table, (kind, k, "values"), name, unit, qualifiers, values if isinstance(values, list) else []))
    return tuple(found)


def told_apart(found: Sequence[Variable]) -> list[str]:
    """Return the qualifiers of each of some variables in which they differ, as "NAME = VALUE, ..."."""
    common = frozenset.intersection(*(variable.qualifiers for variable in found))
    return [", ".join(f"{name} = {value}" for name, value in sorted(variable.qualifiers - common)) for variable in found]


def _number(found: object) -> float:
    """Return the number that a text is; NaN for anything else."""
    return plain_number(found) if isinstance(found, str) else math.nan


def _relative(found: object, value: float) -> float:
    """Return an error, one in percent as part of its value."""
    if isinstance(found, str) and found.strip().endswith("%"):
        return _number(found.strip().removesuffix("%")) / 100.0 * abs(value)
    return _number(found)


def _text(node: object, key: str) -> str:
    """Return a text of a mapping, an empty one for anything else."""
    found = _get(node, key)
    return found if isinstance(found, str) else ""


def _get(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None
