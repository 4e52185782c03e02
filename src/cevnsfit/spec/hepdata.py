"""Variables of HEPData tables: YAML files with `independent_variables` and `dependent_variables`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cevnsfit.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cevnsfit.spec.yaml_source import YamlSource

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
                problems.append(self._problem(k, key, f"is {found!r}; expected a finite number{least}"))
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
                if not (math.isfinite(down) and math.isfinite(up) and up >= 0.0):
                    problems.append(self._problem(k, "errors", "expected symerror: SIGMA, or asymerror: {minus: -DOWN, plus: UP}"))
                for label in {"", str(_get(error, "label") or "")}:
                    squares.setdefault(label, np.zeros((len(self.values), 2)))[k] += down**2, up**2
        return {label: np.sqrt(both) for label, both in squares.items()}

    def _problem(self, row: int, key: str, text: str) -> Problem:
        return Problem(self.table.name, self.table.line((*self.place, row)), self.table.field((*self.place, row, key)), text)


def variables(table: YamlSource, kind: Kind) -> tuple[Variable, ...]:
    """Return the variables of a table, none where it has no list of them."""
    listed = table.data.get(kind)
    found = []
    for k, entry in enumerate(listed if isinstance(listed, list) else []):
        header, values, pairs = _get(entry, "header"), _get(entry, "values"), _get(entry, "qualifiers")
        qualifiers = frozenset((str(_get(pair, "name")), str(_get(pair, "value"))) for pair in (pairs if isinstance(pairs, list) else []))
        name, unit = (str(text) if (text := _get(header, key)) is not None else "" for key in ("name", "units"))
        found.append(Variable(table, (kind, k, "values"), name, unit, qualifiers, values if isinstance(values, list) else []))
    return tuple(found)


def told_apart(found: Sequence[Variable]) -> list[str]:
    """Return the qualifiers of each of some variables in which they differ, as "NAME = VALUE, ..."."""
    common = frozenset.intersection(*(variable.qualifiers for variable in found))
    return [", ".join(f"{name} = {value}" for name, value in sorted(variable.qualifiers - common)) for variable in found]


def _number(found: object) -> float:
    """Return a number, also of a quoted one; NaN for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return math.nan
    try:
        return float(found)
    except ValueError:
        return math.nan


def _relative(found: object, value: float) -> float:
    """Return an error, one in percent as part of its value."""
    if isinstance(found, str) and found.strip().endswith("%"):
        return _number(found.strip().removesuffix("%")) / 100.0 * abs(value)
    return _number(found)


def _get(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None
