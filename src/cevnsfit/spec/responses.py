"""What is wrong with the response of a detector: its tables, its nodes and scales, its delays and its efficiency in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import INTERNAL, parse
from cevnsfit.spec.fields import SIGNAL, TableColumn
from cevnsfit.spec.findings import column
from cevnsfit.spec.instrument import ResponseMatrix, TableDelay, TableEfficiency, TableTimeEfficiency
from cevnsfit.spec.shapes import ProductShape
from cevnsfit.spec.sources import TableArrival
from cevnsfit.spec.systematics import EnergyScale, ResponseNodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.findings import Finding, Place
    from cevnsfit.spec.instrument import Stage
    from cevnsfit.spec.schema import ExperimentSpec
    from cevnsfit.spec.tables import InputTable

    Floats = NDArray[np.float64]
    Variants = Mapping[str, Mapping[str, Mapping[str, Stage]]]


def response_findings(
    spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable], variants: Variants
) -> Iterator[Finding]:
    """Yield what is wrong with the response of the signal in energy and time, `variants` of it by systematics included."""
    yield from _check_curves(spec, tables, variants)
    yield from _check_responses(spec, axes, variants)
    yield from _check_delays(spec, axes, tables)
    yield from _check_seen(spec, axes, tables)


def _check_curves(spec: ExperimentSpec, tables: Mapping[str, InputTable], variants: Variants) -> Iterator[Finding]:
    stages: list[tuple[Place, Stage]] = [(("response", name), stage) for name, stage in spec.response.items()]
    for name, sides in variants.items():
        for side, response in sides.items():
            stages += [(("systematics", name, side), stage) for key, stage in response.items() if stage != spec.response.get(key)]
    for loc, stage in stages:
        if isinstance(stage, ResponseMatrix):
            for name in stage.columns:
                ref = TableColumn(table=stage.table, column=name)
                yield from column(loc, ref, tables, lambda table, name: _curve(table, name, "t_recoil"), empty=True)
        if isinstance(stage, TableColumn):
            axis = getattr(stage, "axis", "t_recoil")
            steps = [[axis]] if isinstance(stage, TableEfficiency) else []
            yield from _at_most_one(loc, stage, tables, lambda table, name, axis=axis, steps=steps: _curve(table, name, axis, steps))  # type: ignore[misc]


def _check_responses(spec: ExperimentSpec, axes: Sequence[Axis], variants: Variants) -> Iterator[Finding]:
    """Yield what is wrong with nodes of the response and with scales of its energy."""
    whole = [name for name, stage in spec.response.items() if stage.kind in {"poisson-smearing", "response-matrix"}]
    for name, entry in spec.systematics.items():
        if isinstance(entry, EnergyScale):
            try:
                _ = None if entry.offset is None else parse(entry.offset, INTERNAL[axes[0].quantity])
            except CevnsfitError as error:
                yield ("systematics", name, "offset"), str(error)
            if whole and SIGNAL in entry.components:
                text = f"{whole[0]} has bins of its own, whose edges cannot move; change the response before it, in a systematic of kind response"
                yield ("systematics", name), text
        if isinstance(entry, ResponseNodes) and entry.field is not None:
            stage, _, number = entry.field.partition(".")
            own = getattr(spec.response.get(stage), number, None)
            others = [getattr(stages[stage], number, None) for stages in variants.get(name, {}).values() if stage in stages]
            values = [value for value in others if isinstance(value, float)]
            if not isinstance(own, float) or len(values) < len(others):
                yield ("systematics", name, "field"), f"'{entry.field}' is no number of a stage of the response"
            elif values and not min(values) <= own <= max(values):
                yield ("systematics", name, "values"), f"they must lie on both sides of {entry.field} in the response"


def _at_most_one(
    loc: Place, ref: TableColumn, tables: Mapping[str, InputTable], read: Callable[[InputTable, str], Floats]
) -> Iterator[Finding]:
    """Yield what is wrong with a column that `read` takes from its table, whose values are at most 1."""
    found = list(column(loc, ref, tables, read))
    yield from found
    if not found and ref.table in tables and tables[ref.table].values(ref.column).max() > 1.0:
        reached = tables[ref.table].values(ref.column).max()
        yield loc, f"{ref.table}: column '{ref.column}' reaches {reached:g}, and must not exceed 1; the unit of a percentage is [%]"


def _check_delays(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    for name, stage in spec.time_response.items():
        if all(axis.name != "time" for axis in axes):
            yield ("time_response", name), "a delay needs a time axis"
        if isinstance(stage, TableDelay):
            yield from column(("time_response", name), stage, tables, lambda table, name: _curve(table, name, "time"))
            if stage.table in tables and len(tables[stage.table].columns.get("time", (0, 0))) < 2:
                yield ("time_response", name), f"{stage.table}: a density needs two points"


def _check_seen(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    """Yield what is wrong with a tabulated efficiency in time."""
    given, energy, place = spec.time_efficiency, axes[0], ("time_efficiency",)
    if not isinstance(given, TableTimeEfficiency):
        return
    if all(axis.name != "time" for axis in axes):
        yield place, "an efficiency in time needs a time axis"
    if isinstance(getattr(spec.source, "arrival", None), TableArrival) and not spec.time_response:
        yield place, "leave it out: the table of arrival times has the efficiency in it"
    yield from _at_most_one(place, given, tables, lambda table, name: _curve(table, name, "time", [["time"], [energy.name, "time"]]))
    table = tables.get(given.table)
    if table is not None and [axis.name for axis in table.axes] == [energy.name, "time"]:
        inside = [edge for edge in table.axes[0].edges if energy.edges[0] < edge < energy.edges[-1]]
        if any(not np.isclose(edge, energy.edges, rtol=1e-9, atol=0.0).any() for edge in inside):
            yield place, f"{given.table}: its edges in {energy.name} must be edges of the axis"
        for name, background in spec.backgrounds.items():
            if isinstance(background.shape, ProductShape) and getattr(background.shape.factors.get("time"), "efficiency", False):
                yield ("backgrounds", name, "shape"), "an efficiency in energy and time is no factor in time"


def _curve(table: InputTable, name: str, axis: str, steps: Sequence[Sequence[str]] = ()) -> NDArray[np.float64]:
    """Return a column of a curve, or of steps in the bins of some axes where they may be."""
    if table.axes and steps:
        names = [entry.name for entry in table.axes]
        if names not in steps:
            message = (
                f"a curve or bins of {' or '.join(' x '.join(several) for several in steps)} are needed, this table has {' x '.join(names)}"
            )
            raise CevnsfitError(message)
        return table.values(name)
    if not np.all(np.diff(table.values(axis)) > 0):
        message = f"column '{axis}' must increase"
        raise CevnsfitError(message)
    return table.values(name)
