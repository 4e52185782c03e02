"""What-if scans: the expected limit against fields of experiment.yaml, with and without systematics."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from cevnsfit.core.documents import Result
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import UnitError, split
from cevnsfit.infer.hypothesis import hypothesis
from cevnsfit.infer.planes import spacing
from cevnsfit.infer.sensitivity import ASYMPTOTIC, SIGMAS, expected_limits, median_limit, outlook
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.report.forecasts import LimitBand, whatif_figure
from cevnsfit.report.style import SCREEN, AxisLabel, Look
from cevnsfit.report.tables import Sheet
from cevnsfit.spec.catalog import resolve
from cevnsfit.spec.channels import KEY, split_channel
from cevnsfit.spec.load import FILE
from cevnsfit.spec.yaml_source import read_yaml
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.likelihood import Observing
from cevnsfit.studies.asimov import by_sigma, events, limit_cells, limit_headers, limit_text, limit_texts
from cevnsfit.studies.grids import numbers
from cevnsfit.studies.setup import build, own_name, require_files, split_path
from cevnsfit.studies.workers import results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.sensitivity import Outlook
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress


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
    signal
        Counts that the Standard Model expects, by experiment.
    """

    document: ClassVar[Mapping[str, str | None]] = {"bands": "named_bands", "events": "events", "signal": None}

    values: tuple[float, ...]
    limit: float
    bands: tuple[float, ...]
    statistics_only: float
    signal: Mapping[str, float]

    @property
    def named_bands(self) -> dict[str, float]:
        """Return the limits of the bands by standard deviations."""
        return by_sigma(self.bands)

    @property
    def events(self) -> float:
        """Return the signal counts that the Standard Model expects in all experiments."""
        return sum(self.signal.values())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WhatIf(Result):
    """Expected limits against fields of the experiments.

    Attributes
    ----------
    data
        What the data are.
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

    document: ClassVar[Mapping[str, str]] = {"label": "about.label"}

    data: str
    fields: tuple[Field, ...]
    rows: tuple[WhatIfRow, ...]
    poi: str
    cl: float
    dof: int
    at: Mapping[str, float]
    bands_method: str = ASYMPTOTIC


def what_if(
    likelihood: Likelihood,
    grids: Mapping[str, ArrayLike],
    expect: Callable[[Likelihood], Outlook],
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[Field, ...], tuple[WhatIfRow, ...], str]:
    """Return the fields that are varied, the limits at all combinations of their values, and the parameter of interest.

    `grids` are values by dotted path, in the unit of the value in the file; `expect` returns what is expected of a likelihood.
    """
    origin = likelihood.origin
    if origin is None or isinstance(likelihood.build, Observing):
        message = "fields are varied in the files of experiments: this likelihood does not know them, or has other data; use build_likelihood alone"
        raise CevnsfitError(message)
    if not isinstance(grids, Mapping) or not grids or any(np.size(values) == 0 for values in grids.values()):
        message = "a what-if scan needs a field to vary: --vary PATH=START:STOP:COUNT[:log], in Python vary={'PATH': [...]}"
        raise CevnsfitError(message)
    _check_errors(likelihood, grids)
    fields = tuple(_field(origin, path, np.atleast_1d(numbers(path, values))) for path, values in grids.items())
    combinations = [tuple(map(float, values)) for values in itertools.product(*(field.values for field in fields))]
    found = results(executor, whatif_row, [(origin, likelihood.inputs, tuple(grids), values, expect) for values in combinations], progress)
    return fields, tuple(row for row, _ in found), found[-1][1]


def _check_errors(likelihood: Likelihood, paths: Iterable[str]) -> None:
    """Raise CevnsfitError if a field changes the counts of an experiment whose data have errors."""
    measured = {channel.owner for channel in likelihood.at({}).channels if channel.errors is not None and channel.name != CONSTRAINTS}
    for path in paths:
        experiments, inner = split_path(path)
        found = sorted(measured & {*experiments.split(",")} if experiments else measured)
        if found and "systematics" not in inner.split("."):
            message = (
                f"{path}: the errors of {', '.join(found)} belong to its data and would not follow; only systematics can be varied there"
            )
            raise CevnsfitError(message)


def as_planned(result: WhatIf, paths: Sequence[str], existing: Sequence[str]) -> WhatIf:
    """Return a table under other paths of its fields, with the events of planned experiments alone."""
    fields = tuple(replace(field, path=path) for field, path in zip(result.fields, paths, strict=True))
    names = set(map(own_name, existing))
    rows = [replace(row, signal={name: count for name, count in row.signal.items() if name not in names}) for row in result.rows]
    return replace(result, fields=fields, rows=tuple(rows))


def whatif_row(
    origin: Analysis,
    inputs: Mapping[str, Mapping[str, str]],
    paths: tuple[str, ...],
    values: tuple[float, ...],
    expect: Callable[[Likelihood], Outlook],
) -> tuple[WhatIfRow, str]:
    """Return the expected limits with some fields changed, and the parameter of interest; `inputs` are digests of the files that are read again."""
    changes = tuple((path, repr(value)) for path, value in zip(paths, values, strict=True))
    likelihood = build(replace(origin, overrides=(*origin.overrides, *changes)))
    require_files(likelihood, inputs)
    expected = expect(likelihood)
    bands = expected_limits(expected)
    row = WhatIfRow(values, bands[SIGMAS.index(0.0)], bands, median_limit(_statistics_only(expected)), events(likelihood))
    return row, expected.asimov.poi


def _statistics_only(expected: Outlook) -> Outlook:
    """Return what is expected with every constrained parameter held at its nominal value."""

    def held(test: Hypothesis) -> Hypothesis:
        nuisances = {p.name: p.default for p in test.joint.parameters if p.constrained and p.name not in test.at}
        return hypothesis(test.joint, test.poi, test.value, at={**test.at, **nuisances})

    return outlook(held(expected.asimov), held(expected.real), expected.fluctuating, cl=expected.cl, dof=expected.dof)


def _field(origin: Analysis, path: str, values: NDArray[np.float64]) -> Field:
    experiments, inner = split_path(path)
    units = []
    for name in origin.experiments:
        if not experiments or own_name(name) in experiments.split(","):
            node = _written(read_yaml(resolve(name) / FILE).data, inner)
            units += [] if node is None else [_unit(node)]
    scale = spacing(values) if len(values) > 1 and np.all(values > 0.0) else "linear"
    return Field(path, next(iter(units), "1"), values, scale)


def _written(data: Mapping[str, Any], path: str) -> object:
    """Return what a file has at a path, for a channel its own field where it has one; None for nothing."""
    channel, field = split_channel(path)
    own = data[KEY].get(channel, {}) if KEY in data else {}
    if field in own:
        return own[field]
    node: Any = data
    for part in field.split("."):
        node = node.get(part) if hasattr(node, "get") else None
    return node


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
        f"{result.about.label}: {result.data}",
        f"bands: {result.bands_method}",
        *result.about.notes,
    ]
    headers = [
        *(f"{f.path} [{f.unit}]" for f in result.fields),
        *limit_headers(result.poi),
        f"{result.poi}_statistics_only [1]",
        "events [1]",
    ]
    rows = [
        [*(f"{v:.10g}" for v in row.values), *limit_cells(row.limit, row.bands), cell(row.statistics_only), f"{row.events:.10g}"]
        for row in result.rows
    ]
    return write_rows(path, comments, headers, rows)


def text(result: WhatIf) -> Iterator[str | Sheet]:
    """Yield the expected limit at each setting of the fields."""
    headers = (*(f"{f.path} [{f.unit}]" for f in result.fields), "events (SM)", "median limit", "68 %", "95 %", "statistics alone", "ratio")
    rows = [
        (
            *(f"{value:.4g}" for value in row.values),
            f"{row.events:.1f}",
            *limit_texts(row.limit, row.bands),
            limit_text(row.statistics_only),
            limit_text(row.limit / row.statistics_only) if row.statistics_only > 0.0 else "none",
        )
        for row in result.rows
    ]
    held = "".join(f", {name} = {value:g}" for name, value in result.at.items())
    yield Sheet(f"{result.about.label}: limit on {result.poi} at {100 * result.cl:g} % CL, {result.dof} dof{held}", headers, rows)
    yield result.data


def whatif_picture(result: WhatIf, look: Look = SCREEN) -> Figure:
    """Return the limits against the first field, one colour for each setting of the others."""
    first, others = result.fields[0], result.fields[1:]
    groups: dict[tuple[float, ...], list[WhatIfRow]] = {}
    for row in result.rows:
        groups.setdefault(row.values[1:], []).append(row)
    lines = []
    for values, rows in groups.items():
        text = ", ".join(f"{short(f.path)} = {v:.4g}{'' if f.unit == '1' else f' {f.unit}'}" for f, v in zip(others, values, strict=True))
        numbers = [(row.values[0], row.limit, row.bands, (row.statistics_only,)) for row in rows]
        lines.append(LimitBand(text, *map(np.array, zip(*numbers, strict=True))))
    look = look.naming(result.about)
    notes = [
        f"{look.headline(result.about)}; {100 * result.cl:g} % CL, {result.dof} dof; fields: {', '.join(f.path for f in result.fields)}",
        *([result.about.lagrangian] if result.about.lagrangian else []),
        result.data,
    ]
    field = AxisLabel(short(first.path), first.unit)
    return whatif_figure(lines, field, result.poi, scale=first.scale, notes=notes, look=look)


def short(path: str) -> str:
    """Return a field in few words: the end of its path, of systematics and of what lies as deep with the name before it.

    Examples
    --------
    >>> short("coherent-csi-2021:source.exposure_pot"), short("systematics.sns_flux.sigma")
    ('exposure pot', 'sns flux sigma')
    """
    parts = split_path(path)[1].split(".")
    return " ".join(parts[1:] if len(parts) < 4 else parts[-2:]).replace("_", " ") if len(parts) > 1 else path
