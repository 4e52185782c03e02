"""What is wrong with the response of a detector: its tables, its nodes and scales, its delays and its efficiency in time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.axes import AXIS_UNITS, DISPLAY_SCALE
from cevnsfit.core.elements import elements
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.formulas import parse_formula, parse_nuclide
from cevnsfit.core.units import INTERNAL, parse
from cevnsfit.spec.fields import SIGNAL, TableColumn
from cevnsfit.spec.findings import column
from cevnsfit.spec.instrument import ROOM, ResponseMatrix, TableDelay, TableEfficiency, TableTimeEfficiency
from cevnsfit.spec.shapes import ProductShape
from cevnsfit.spec.sources import TableArrival
from cevnsfit.spec.systematics import EnergyScale, ResponseNodes
from cevnsfit.spec.tables import RECOIL, SEEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.findings import Finding, Place
    from cevnsfit.spec.instrument import Stage
    from cevnsfit.spec.reactions import ReactionSpec
    from cevnsfit.spec.schema import ExperimentSpec
    from cevnsfit.spec.tables import InputTable
    from cevnsfit.spec.target import TargetSpec

    Variants = Mapping[str, Mapping[str, Mapping[str, Stage]]]


def response_findings(
    spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable], variants: Variants
) -> Iterator[Finding]:
    """Yield what is wrong with the response of the signal in energy and time, `variants` of it by systematics included, and with tables of what recoils or reacts."""
    yield from _check_target(spec, tables)
    yield from _check_reactions(spec, axes, tables)
    yield from _check_curves(spec, axes, tables, variants)
    yield from _check_responses(spec, axes, variants)
    yield from _check_delays(spec, axes, tables)
    yield from _check_seen(spec, axes, tables)


def _check_target(spec: ExperimentSpec, tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    for name, electrons in spec.target.electrons.items():
        place = ("target", "electrons", name)
        yield from column(place, electrons, tables, lambda table, name: _curve(table, name, SEEN))
        largest = tables[electrons.table].columns.get(electrons.column, np.zeros(1)).max() if electrons.table in tables else 0.0
        number = next(iter(elements()[name].isotopes.values())).Z
        if largest > number:
            yield place, f"{electrons.table}: column '{electrons.column}' reaches {largest:g}, but {name} has {number} electrons"
    for name, entry in spec.target.form_factors.items():
        try:
            _ = entry.of(tables[entry.table]) if entry.table in tables else None
        except CevnsfitError as error:
            yield ("target", "form_factors", name), f"{entry.table}: {error}"


def _check_reactions(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    """Yield what is wrong with the reactions of the target, and with what their products are seen by."""
    if not spec.target.cevns and not spec.target.reactions:
        yield ("target", "cevns"), "without CEvNS something else must be seen: give reactions"
    for name, entry in spec.target.reactions.items():
        place = ("target", "reactions", name)
        if not any(entry.is_on(symbol, number) for symbol, number in _nuclides(spec.target)):
            yield (*place, "on"), f"{entry.on} is not in the material"
        if spec.has_matrix:
            yield (
                place,
                "a response matrix begins with recoils of nuclei, and does not say how a reaction is seen; give the response in stages",
            )
        elif axes[0].quantity == "t_recoil":
            yield place, f"its products are seen without quenching: the energy axis must be in keVee or PE, not in {axes[0].unit}"
        yield from _check_cross_sections(place, entry, tables)
    for name, auxiliary in spec.auxiliary.items() if spec.target.reactions else ():
        if auxiliary.electrons is None:
            yield ("auxiliary", name), "it cuts all but recoils of nuclei, and with them the reactions; give its column `electrons`"


def _check_cross_sections(place: Place, entry: ReactionSpec, tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    for flavour, given in entry.flavours.items():
        yield from column((*place, "flavours", flavour), TableColumn(table=entry.table, column=given), tables, entry.cross_section)
    table = tables.get(entry.table)
    if table is not None and table.axes and table.axes[0].edges[0] < 0.0:
        yield place, f"{entry.table}: the bins of {table.axes[0].name} start below 0"


def _nuclides(target: TargetSpec) -> Iterator[tuple[str, int]]:
    """Yield symbol and mass number of what is in a material."""
    for atom in (atom for text in (target.compound, *target.dopants) for atom in parse_formula(text)):
        numbers = [atom.isotope] if atom.isotope else elements()[atom.symbol].natural
        yield from ((atom.symbol, number) for number in numbers)
    yield from ((atom.symbol, atom.isotope) for atom in map(parse_nuclide, target.isotopes))


def _check_curves(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable], variants: Variants) -> Iterator[Finding]:
    stages: list[tuple[Place, Stage]] = [(("response", name), stage) for name, stage in spec.response.items()]
    for name, sides in variants.items():
        for side, response in sides.items():
            stages += [(("systematics", name, side), stage) for key, stage in response.items() if stage != spec.response.get(key)]
    for loc, stage in stages:
        if isinstance(stage, ResponseMatrix) and stage.table in tables:
            yield from ((loc, f"{stage.table}: {text}") for text in _check_matrix(stage, tables[stage.table], spec.reached(axes)))
        if isinstance(stage, TableColumn):
            axis = getattr(stage, "axis", "t_recoil")
            steps = [[axis]] if isinstance(stage, TableEfficiency) else []
            yield from _at_most_one(loc, stage, tables, lambda table, name, axis=axis, steps=steps: _curve(table, name, axis, steps))  # type: ignore[misc]


def _check_matrix(stage: ResponseMatrix, table: InputTable, axes: Sequence[Axis]) -> Iterator[str]:
    """Yield what is wrong with a response matrix for some axes."""
    text = " x ".join(f"{axis.name}({axis.nbins})" for axis in axes)
    try:
        energies, values = table.values(RECOIL), stage.probabilities(table)
    except CevnsfitError as error:
        yield str(error)
        return
    if stage.column is None and table.axes:
        yield "the table has a row for each recoil energy and bin: give its column"
    elif stage.column is not None and not _same(table.axes, axes):
        own = " x ".join(f"{axis.name}({axis.nbins})" for axis in table.axes)
        yield f"the bins {own} of the table must be those of the axes {text}, with the same edges and units, in this order"
    elif len(values) != math.prod(axis.nbins for axis in axes):
        yield f"{len(values)} columns for {math.prod(axis.nbins for axis in axes)} bins of the axes {text}"
    elif len(energies) < 2 or not np.all(np.diff(energies) > 0):
        yield f"column '{RECOIL}' must hold two recoil energies or more, and increase"
    elif np.any(values < 0):
        columns = [(stage.column, values)] if stage.columns is None else zip(stage.columns, values, strict=True)
        yield from (f"column '{name}' has {int(np.sum(held < 0))} negative entries" for name, held in columns if np.any(held < 0))
    elif values.sum(axis=0).max() > 1.0 + ROOM:
        at = energies[int(values.sum(axis=0).argmax())] / DISPLAY_SCALE[AXIS_UNITS[RECOIL]]
        yield f"the probabilities sum to {values.sum(axis=0).max():.4g} at {at:g} keVnr, which is more than 1"


def _same(axes: Sequence[Axis], others: Sequence[Axis]) -> bool:
    """Return whether axes have the same names and edges, in the same order."""
    pairs = zip(axes, others, strict=False)
    return len(axes) == len(others) and all(
        (axis.name, axis.unit) == (other.name, other.unit)
        and axis.nbins == other.nbins
        and np.allclose(axis.edges, other.edges, rtol=0.0, atol=1e-9 * max(map(abs, axis.edges)))
        for axis, other in pairs
    )


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
                yield ("systematics", name, "field"), f"'{entry.field}' is not a number of a response stage"
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
    """Yield what is wrong with an efficiency in time."""
    given, place = spec.time_efficiency, ("time_efficiency",)
    if given is None:
        return
    if all(axis.name != "time" for axis in axes):
        yield place, "an efficiency in time needs a time axis"
    if isinstance(getattr(spec.source, "arrival", None), TableArrival) and not spec.time_response:
        yield place, "leave it out: the table of arrival times has the efficiency in it"
    if isinstance(given, TableTimeEfficiency):
        yield from _check_seen_table(spec, given, axes[0], tables)


def _check_seen_table(
    spec: ExperimentSpec, given: TableTimeEfficiency, energy: Axis, tables: Mapping[str, InputTable]
) -> Iterator[Finding]:
    place = ("time_efficiency",)
    yield from _at_most_one(place, given, tables, lambda table, name: _curve(table, name, "time", [["time"], [energy.name, "time"]]))
    table = tables.get(given.table)
    if table is not None and [axis.name for axis in table.axes] == [energy.name, "time"]:
        inside = [edge for edge in table.axes[0].edges if energy.edges[0] < edge < energy.edges[-1]]
        if any(not np.isclose(edge, energy.edges, rtol=1e-9, atol=0.0).any() for edge in inside):
            yield place, f"{given.table}: its edges in {energy.name} must be edges of the axis"
        for name, background in spec.backgrounds.items():
            if isinstance(background.shape, ProductShape) and getattr(background.shape.factors.get("time"), "efficiency", False):
                yield ("backgrounds", name, "shape"), "an efficiency in energy and time cannot be used as a factor in time"


def _curve(table: InputTable, name: str, axis: str, steps: Sequence[Sequence[str]] = ()) -> Floats:
    """Return a column of a curve, or of steps in the bins of some axes where they may be."""
    if table.axes and steps:
        names = [entry.name for entry in table.axes]
        if names not in steps:
            message = (
                f"a curve or bins of {' or '.join(' x '.join(several) for several in steps)} are needed, this table has {' x '.join(names)}"
            )
            raise CevnsfitError(message)
        return table.values(name)
    if axis not in table.columns and table.axes:
        message = f"a curve with a column '{axis}' was expected; this table is binned in {', '.join(entry.name for entry in table.axes)}"
        raise CevnsfitError(message)
    if not np.all(np.diff(table.values(axis)) > 0):
        message = f"column '{axis}' must increase"
        raise CevnsfitError(message)
    return table.values(name)
