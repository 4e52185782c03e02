"""Tables of HEPData records (YAML) as pieces of a release."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.spec.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    _Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class HepdataTable:
    """One table of a HEPData record: a YAML file with independent and dependent variables.

    Attributes
    ----------
    name
        File name.
    independent, dependent
        Names of the variables in the headers. Of each independent one the low and the high end are read (twice the value where there is no
        bin), of each dependent one the value; errors are not read.
    lowest
        Smallest allowed value of the dependent ones.
    qualifiers
        (name, value) pairs that choose among dependent variables of one name.
    """

    name: str
    independent: tuple[str, ...]
    dependent: tuple[str, ...]
    lowest: float = 0.0
    qualifiers: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """Return the file name."""
        return self.name

    def read(self, source: Path) -> NDArray[np.float64]:
        """Return the rows, shape (rows, 2 independent + dependent).

        Raises
        ------
        SpecError
            If the file is missing, not YAML of this form (aliases are refused), or lacks a variable, or a value is not a number.
        """
        table = read_yaml(source / self.name)
        problems: list[Problem] = []
        columns: list[list[float]] = []
        for kind, names in (("independent_variables", self.independent), ("dependent_variables", self.dependent)):
            for name in names:
                columns += self._columns(table, kind, name, problems)
        lengths = {len(column) for column in columns}
        if not problems and (len(lengths) != 1 or 0 in lengths):
            problems.append(
                Problem(table.name, None, "", f"the variables have {', '.join(map(str, sorted(lengths)))} values; expected as many of each")
            )
        if problems:
            raise SpecError(problems[:10])
        return np.array(columns).T

    def _columns(self, table: YamlSource, kind: str, name: str, problems: list[Problem]) -> list[list[float]]:
        """Return low and high ends, or the values, of one variable."""
        variables = table.data.get(kind)
        listed = variables if isinstance(variables, list) else []
        names = [_get(_get(variable, "header"), "name") for variable in listed]
        found = [k for k, known in enumerate(names) if known == name]
        chosen = [k for k in found if set(self.qualifiers) <= _qualifiers(listed[k])] if kind == "dependent_variables" else found
        if len(chosen) != 1:
            problems.append(Problem(table.name, table.line((kind,)), kind, self._choice(name, names, [listed[k] for k in found])))
            return []
        place: _Loc = (kind, chosen[0], "values")
        values = _get(listed[chosen[0]], "values")
        keys = ("low", "high") if kind == "independent_variables" else ("value",)
        return [self._column(table, place, values if isinstance(values, list) else [], key, problems) for key in keys]

    def _choice(self, name: str, names: Sequence[Any], found: Sequence[Any]) -> str:
        """Return why not one variable is meant."""
        if not found:
            return f"has no variable '{name}' (it has: {', '.join(map(str, names)) if names else 'none'})"
        told = "; ".join(", ".join(f"{key} = {value}" for key, value in sorted(_qualifiers(variable))) for variable in found)
        return f"has {len(found)} variables '{name}', which qualifiers tell apart ({told}); exactly one must be meant"

    def _column(self, table: YamlSource, place: _Loc, values: Sequence[Any], key: str, problems: list[Problem]) -> list[float]:
        column = []
        for k, entry in enumerate(values):
            found = _get(entry, key)
            found = _get(entry, "value") if found is None else found
            number = _number(found)
            if not math.isfinite(number) or (key == "value" and number < self.lowest):
                field = table.field((*place, k, key))
                least = f" of at least {self.lowest:g}" if key == "value" else ""
                problems.append(Problem(table.name, table.line((*place, k)), field, f"is {found!r}; expected a finite number{least}"))
            column.append(number)
        return column


def _number(found: object) -> float:
    """Return a number, also of a quoted one; NaN for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return math.nan
    try:
        return float(found)
    except ValueError:
        return math.nan


def _qualifiers(variable: Any) -> set[tuple[str, str]]:
    listed = _get(variable, "qualifiers")
    return {(str(_get(entry, "name")), str(_get(entry, "value"))) for entry in (listed if isinstance(listed, list) else [])}


def _get(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None
