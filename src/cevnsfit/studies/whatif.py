"""What-if scans: the expected limit against fields of experiment.yaml, with and without systematics."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.units import UnitError, split
from cevnsfit.core.version import installed_version
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.planes import spacing
from cevnsfit.infer.sensitivity import ASYMPTOTIC, SIGMAS, expected_limits, median_limit, outlook
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.forecasts import WhatIfLine, whatif_figure
from cevnsfit.report.style import AxisLabel, save_figure
from cevnsfit.spec.catalog import resolve
from cevnsfit.spec.load import FILE
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.studies.forecast import Plan, by_sigma, events, outlook_at, settings, statement
from cevnsfit.studies.setup import own_name, split_path
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.sensitivity import Outlook

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field that is varied.

    Attributes
    ----------
    path, unit
        Dotted path in experiment.yaml and the unit of the file ("1" when it has none).
    values
        Values in that unit, shape (n,).
    scale
        How they are spaced.
    """

    path: str
    unit: str
    values: NDArray[np.float64]
    scale: Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class WhatIfRow:
    """The expected limit at one setting of the fields.

    Attributes
    ----------
    values
        Of each field.
    limit
        Median limit with all systematics; infinite when nothing is excluded.
    bands
        The limits at -2, -1, 0, 1 and 2 standard deviations, asymptotic.
    statistics_only
        The same with every constrained parameter held.
    events
        Signal counts that the Standard Model expects in the planned experiments.
    """

    document: ClassVar[Mapping[str, str]] = {"bands": "named_bands"}

    values: tuple[float, ...]
    limit: float
    bands: tuple[float, ...]
    statistics_only: float
    events: float

    @property
    def named_bands(self) -> dict[str, float]:
        """Return the limits of the bands by standard deviations."""
        return by_sigma(self.bands)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WhatIf(Document):
    """A finished what-if scan.

    Attributes
    ----------
    label, data
        The experiments and what their data are.
    fields
        What is varied.
    rows
        All combinations, the last field fastest.
    poi, cl, dof
        Parameter, confidence level and degrees of freedom of the limit.
    at
        Held parameters.
    bands_method
        How the bands were found.
    """

    label: str
    data: str
    fields: tuple[Field, ...]
    rows: tuple[WhatIfRow, ...]
    poi: str
    cl: float
    dof: int
    at: Mapping[str, float]
    bands_method: str = ASYMPTOTIC


@on_one_thread
def vary(
    plan: Plan,
    grids: Mapping[str, NDArray[np.float64]],
    at: Mapping[str, float],
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> WhatIf:
    """Return the expected limits of a plan at all combinations of field values.

    Parameters
    ----------
    plan
        What is planned; with existing experiments the combination is taken.
    grids
        Values by dotted path; a bare number has the unit of the value in the file.
    at
        Held parameters.
    progress
        Called with (finished, all).
    executor
        Where the combinations are computed; this process by default. The numbers do not depend on it.

    Raises
    ------
    CevnsfitError
        If a path names no field, or a value is not allowed there.
    """
    if not grids:
        message = "a what-if scan needs a field to vary: --vary PATH=START:STOP:COUNT[:log]"
        raise CevnsfitError(message)
    fields = tuple(_field(plan, path, values) for path, values in grids.items())
    paths = tuple(field.path for field in fields)
    combinations = [tuple(map(float, values)) for values in itertools.product(*(field.values for field in fields))]
    found = results(executor, whatif_row, [(plan, dict(zip(paths, values, strict=True)), dict(at)) for values in combinations], progress)
    name, label, data = found[-1][1:]
    return WhatIf(label, data, fields, tuple(row for row, *_ in found), name, plan.cl, plan.dof, dict(at))


def whatif_row(plan: Plan, values: Mapping[str, float], at: Mapping[str, float]) -> tuple[WhatIfRow, str, str, str]:
    """Return the expected limits with some fields changed; the parameter, the experiments, and what their data are."""
    changes = tuple((path, repr(value)) for path, value in values.items())
    changed = replace(plan, analysis=replace(plan.analysis, overrides=(*plan.analysis.overrides, *changes)))
    setting = settings(changed)[-1]
    expected = outlook_at(changed, setting, at)
    counts = events(setting)
    planned = sum(count for experiment, count in counts.items() if experiment not in plan.existing)
    bare = median_limit(_statistics_only(expected))
    bands = expected_limits(expected)
    row = WhatIfRow(tuple(values.values()), bands[SIGMAS.index(0.0)], bands, bare, planned)
    return row, expected.asimov.poi, setting.label, statement(changed, setting)


def _statistics_only(expected: Outlook) -> Outlook:
    """Return what is expected with every constrained parameter held at its nominal value."""

    def held(test: Hypothesis) -> Hypothesis:
        nuisances = {p.name: 0.0 for p in test.joint.parameters if p.constrained and p.name not in test.at}
        return hypothesis(test.joint, test.poi, test.value, at={**test.at, **nuisances})

    return outlook(held(expected.asimov), held(expected.real), expected.fluctuating, cl=expected.cl, dof=expected.dof)


def _field(plan: Plan, path: str, values: NDArray[np.float64]) -> Field:
    experiment, inner = split_path(path)
    units = []
    for name in (*plan.analysis.experiments, *plan.existing):
        node: Any = read_yaml(resolve(name) / FILE).data if experiment in {"", own_name(name)} else None
        for part in inner.split("."):
            node = node.get(part) if hasattr(node, "get") else None
        units += [] if node is None else [_unit(node)]
    return Field(path, next(iter(units), "1"), values, spacing(values))


def _unit(text: object) -> str:
    if not isinstance(text, str):
        return "1"
    try:
        unit = split(text)[1].replace("percent", "%")
    except UnitError:
        return "1"
    return unit if unit else "1"


def write_whatif(result: WhatIf, path: Path) -> Path:
    """Write the table as CSV and return the path; an empty cell means that nothing is excluded."""
    comments = [
        f"expected limit on {result.poi} at {result.cl:g} CL, {result.dof} dof, with all systematics and with statistical errors alone",
        f"{result.label}: {result.data}",
        f"bands: {result.bands_method}",
        *(f"held: {name} = {value:g}" for name, value in result.at.items()),
        f"cevnsfit {installed_version()}",
    ]
    headers = [
        *(f"{f.path} [{f.unit}]" for f in result.fields),
        f"{result.poi}_limit [1]",
        *(f"{result.poi}_{'minus' if z < 0 else 'plus'}_{abs(z):g}_sigma [1]" for z in SIGMAS if z != 0.0),
        f"{result.poi}_statistics_only [1]",
        "events [1]",
    ]
    rows = []
    for row in result.rows:
        spread = [value for z, value in zip(SIGMAS, row.bands, strict=True) if z != 0.0]
        rows.append([*(f"{v:.10g}" for v in row.values), *map(cell, (row.limit, *spread, row.statistics_only)), f"{row.events:.10g}"])
    return write_rows(path, comments, headers, rows)


def write_whatif_plot(result: WhatIf, path: Path) -> Path:
    """Write the picture of a table of limits, see `whatif_picture`."""
    return save_figure(whatif_picture(result), path)


def whatif_picture(result: WhatIf) -> Figure:
    """Return the limits against the first field, one colour for each setting of the others."""
    first, others = result.fields[0], result.fields[1:]
    groups: dict[tuple[float, ...], list[WhatIfRow]] = {}
    for row in result.rows:
        groups.setdefault(row.values[1:], []).append(row)
    lines = []
    for values, rows in groups.items():
        text = ", ".join(f"{f.path} = {v:.4g}{'' if f.unit == '1' else f' {f.unit}'}" for f, v in zip(others, values, strict=True))
        limits = [np.array([getattr(row, name) for row in rows]) for name in ("limit", "statistics_only")]
        lines.append(
            WhatIfLine(text, np.array([row.values[0] for row in rows]), limits[0], limits[1], np.array([row.bands for row in rows]))
        )
    held = ", ".join(f"{name} = {value:g}" for name, value in result.at.items())
    notes = [f"{result.label}{', ' if held else ''}{held}; {100 * result.cl:g} % CL, {result.dof} dof", result.data]
    return whatif_figure(lines, AxisLabel(first.path, first.unit), result.poi, scale=first.scale, notes=notes)
