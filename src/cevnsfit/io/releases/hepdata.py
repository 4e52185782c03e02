"""Tables of HEPData records (YAML) as pieces of a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.spec.hepdata import read_hepdata, told_apart, variables

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.spec.hepdata import Kind, Variable
    from cevnsfit.spec.yaml_source import YamlSource


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
            If the file is missing, not YAML of this form, or lacks a variable, or a value is not a number.
        """
        table = read_hepdata(source / self.name)
        problems: list[Problem] = []
        columns: list[list[float]] = []
        for name in self.independent:
            found = self._variable(table, "independent_variables", name, problems)
            columns += [] if found is None else [found.column("low", problems), found.column("high", problems)]
        for name in self.dependent:
            found = self._variable(table, "dependent_variables", name, problems)
            columns += [] if found is None else [found.column("value", problems, lowest=self.lowest)]
        lengths = {len(column) for column in columns}
        if not problems and (len(lengths) != 1 or 0 in lengths):
            problems.append(
                Problem(table.name, None, "", f"the variables have {', '.join(map(str, sorted(lengths)))} values; expected as many of each")
            )
        if problems:
            raise SpecError(problems[:10])
        return np.array(columns).T

    def _variable(self, table: YamlSource, kind: Kind, name: str, problems: list[Problem]) -> Variable | None:
        """Return the one variable that is meant."""
        known = variables(table, kind)
        found = [variable for variable in known if variable.name == name]
        chosen = [variable for variable in found if kind == "independent_variables" or set(self.qualifiers) <= variable.qualifiers]
        if len(chosen) == 1:
            return chosen[0]
        text = f"has no variable '{name}' (it has: {', '.join(variable.name for variable in known) if known else 'none'})"
        if found:
            text = f"has {len(found)} variables '{name}', which differ in their qualifiers ({'; '.join(told_apart(found))}); exactly one must be meant"
        problems.append(Problem(table.name, table.line(found[0].place) if found else None, kind, text))
        return None
