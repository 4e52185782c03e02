"""What a schema cannot say: names that must exist, axes that must agree, counts that must be counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, Problem, UnknownNameError
from cevnsfit.spec.fields import TableColumn
from cevnsfit.spec.instrument import TableEfficiency, TableQuenching
from cevnsfit.spec.schema import ExperimentSpec, Normalisation, ProductShape, TableFactor, TemplateVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.instrument import Stage
    from cevnsfit.spec.schema import Shape
    from cevnsfit.spec.tables import Table
    from cevnsfit.spec.yaml_source import YamlSource

    Variants = Mapping[str, tuple[Mapping[str, Stage], Mapping[str, Stage]]]

SIGNAL = "cevns"
MAX_ENERGY_BINS = 1000
"""Most bins of the energy axis: a response without smearing has some fourteen recoil nodes in each."""
MAX_BINS = 100_000
ENERGY_AXES = ("t_recoil", "e_ee", "pe")
_Finding = tuple[tuple[str | int, ...], str]


def check_experiment(
    spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, Table], source: YamlSource, variants: Variants
) -> list[Problem]:
    """Return every inconsistency between the fields of a description and its tables."""
    findings = [
        *_check_axes(spec),
        *_check_names(spec),
        *_check_workspace(spec),
        *_check_counts(spec, axes, tables),
        *_check_shapes(spec, axes, tables),
        *_check_signal(spec, axes, tables),
        *_check_flux(spec, tables, source),
        *_check_curves(spec, tables, variants),
    ]
    return [Problem(source.name, source.line(loc), ".".join(str(part) for part in loc), text) for loc, text in dict.fromkeys(findings)]


def _check_axes(spec: ExperimentSpec) -> Iterator[_Finding]:
    names = list(spec.axes)
    energy = [name for name in names if name in ENERGY_AXES]
    if len(energy) != 1 or names[0] not in ENERGY_AXES:
        yield ("axes",), f"the first axis must be the one energy axis ({', '.join(ENERGY_AXES)})"
    bins = {name: len(entry.edges) - 1 if entry.edges is not None else entry.bins or 0 for name, entry in spec.axes.items()}
    if energy and bins[energy[0]] > MAX_ENERGY_BINS:
        yield ("axes", energy[0]), f"{bins[energy[0]]} bins; at most {MAX_ENERGY_BINS} are possible"
    if math.prod(bins.values()) > MAX_BINS:
        yield ("axes",), f"{math.prod(bins.values())} bins in all; at most {MAX_BINS} are possible"
    if "time" in names and names[-1] != "time":
        yield ("axes", "time"), "time must be the last axis"
    if "time" in names and spec.source.arrival is None and spec.source.flux is None:
        yield ("source", "arrival"), "a time axis needs an arrival-time model"
    yield from _check_auxiliary(spec, names, energy)


def _check_auxiliary(spec: ExperimentSpec, names: Sequence[str], energy: Sequence[str]) -> Iterator[_Finding]:
    for name in names:
        if name not in (*ENERGY_AXES, "time", *spec.auxiliary):
            yield ("axes", name), "this axis needs an entry in 'auxiliary' that says P(axis | energy)"
    for name, entry in spec.auxiliary.items():
        if name not in names:
            yield ("auxiliary", name), f"'{name}' is not one of the axes ({', '.join(names)})"
        elif energy and entry.given != energy[0]:
            yield ("auxiliary", name, "given"), f"must be the energy axis '{energy[0]}'"


def _check_names(spec: ExperimentSpec) -> Iterator[_Finding]:
    for section, entries in (("backgrounds", spec.backgrounds), ("control_region", spec.control_region)):
        if SIGNAL in entries:
            yield (section, SIGNAL), f"'{SIGNAL}' is the name of the signal"
    if len(spec.control_region) > 1:
        yield ("control_region",), "one background can be measured in a control region"
    for name, control in spec.control_region.items():
        if control.expected is not None and spec.observed is not None:
            yield ("control_region", name, "expected"), "an experiment with observed counts needs a measured control region"
    for name in {} if spec.released is None else spec.released.counts:
        if name not in spec.backgrounds:
            yield ("released", "counts", name), str(UnknownNameError("background", name, spec.backgrounds))
    yield from _check_systematics(spec)


def _check_workspace(spec: ExperimentSpec) -> Iterator[_Finding]:
    if spec.workspace is None:
        return
    for section in ("observed", "backgrounds", "control_region", "released"):
        if getattr(spec, section):
            yield (section,), f"leave it out: the workspace {spec.workspace.file} has it"


def _check_systematics(spec: ExperimentSpec) -> Iterator[_Finding]:
    components = (SIGNAL, *spec.backgrounds, *spec.control_region)
    for name, systematic in spec.systematics.items():
        for component in _acts_on(systematic):
            if component not in components:
                yield ("systematics", name), str(UnknownNameError("component", component, components))
        if name.endswith("_norm") and name.removesuffix("_norm") in spec.backgrounds:
            yield ("systematics", name), "this name is taken by the count of that background"


def _acts_on(systematic: object) -> tuple[str, ...]:
    if isinstance(systematic, Normalisation):
        return systematic.components
    return (systematic.component,) if isinstance(systematic, TemplateVariant) else ()


def _column(
    loc: tuple[str | int, ...], ref: TableColumn, tables: Mapping[str, Table], use: Callable[[Table], np.ndarray], *, empty: bool = False
) -> Iterator[_Finding]:
    table = tables.get(ref.table)
    if table is None:
        return
    try:
        values = use(table)
    except CevnsfitError as error:
        yield loc, f"{ref.table}: {error}"
        return
    if np.any(values < 0):
        yield loc, f"{ref.table}: column '{ref.column}' has {int(np.sum(values < 0))} negative entries"
    elif not empty and not np.any(values > 0):
        yield loc, f"{ref.table}: column '{ref.column}' is zero in the whole window"


def _check_counts(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, Table]) -> Iterator[_Finding]:
    counted: list[tuple[tuple[str | int, ...], TableColumn]] = []
    if spec.observed is not None:
        counted.append((("observed",), spec.observed))
    counted += [(("control_region", name), entry.counted) for name, entry in spec.control_region.items() if entry.counted is not None]
    counted += [(("backgrounds", name, "count"), entry.count) for name, entry in spec.backgrounds.items() if entry.count.kind == "counted"]
    for loc, ref in counted:
        measured = loc[0] != "backgrounds"
        yield from _column(loc, ref, tables, lambda table, ref=ref: table.on(axes, ref.column), empty=measured)  # type: ignore[misc]
        table = tables.get(ref.table)
        if table is not None and ref.column in table.columns:
            values = table.columns[ref.column]
            if np.any(values < 0):
                yield loc, f"{ref.table}: column '{ref.column}' has {int(np.sum(values < 0))} negative entries"
            elif np.any(values != np.round(values)):
                yield loc, f"{ref.table}: column '{ref.column}' must hold whole counts"


def _check_shapes(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, Table]) -> Iterator[_Finding]:
    for loc, shape in _shapes(spec):
        if isinstance(shape, ProductShape):
            yield from _check_product(loc, shape, axes, tables)
        else:
            yield from _column(loc, shape, tables, lambda table, shape=shape: table.on(axes, shape.column))  # type: ignore[misc]
    for name, background in spec.backgrounds.items():
        if background.count.kind == "absolute" and background.count.per_gwh and spec.source.exposure_gwh is None:
            yield ("source", "exposure_gwh"), f"background '{name}' is per GWh, so the exposure in GWh is needed"
    yield from _check_variants(spec, axes, tables)


def _shapes(spec: ExperimentSpec) -> Iterator[tuple[tuple[str, ...], Shape]]:
    for name, background in spec.backgrounds.items():
        yield ("backgrounds", name, "shape"), background.shape
    for name, control in spec.control_region.items():
        if control.expected is not None:
            yield ("control_region", name, "expected", "shape"), control.expected.shape


def _check_variants(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, Table]) -> Iterator[_Finding]:
    for name, systematic in spec.systematics.items():
        if not isinstance(systematic, TemplateVariant):
            continue
        for side in ("nominal", "up", "down"):
            column = getattr(systematic, side)
            if column is not None:
                ref = TableColumn(table=systematic.table, column=column)
                yield from _column(("systematics", name, side), ref, tables, lambda table, ref=ref: table.on(axes, ref.column))  # type: ignore[misc]


def _check_product(
    loc: tuple[str | int, ...], shape: ProductShape, axes: Sequence[Axis], tables: Mapping[str, Table]
) -> Iterator[_Finding]:
    factors = shape.factors
    names = [axis.name for axis in axes]
    if set(factors) != set(names):
        yield (*loc, "factors"), f"needs one factor for each axis ({', '.join(names)})"
    for axis in axes:
        factor = factors.get(axis.name)
        if isinstance(factor, TableFactor):
            yield from _column(
                (*loc, "factors", axis.name),
                factor,
                tables,
                lambda table, axis=axis, factor=factor: table.on([axis], factor.column, split=True),  # type: ignore[misc]
            )
        elif factor is not None and factor.kind == "exponential" and axis.name != "time":
            yield (*loc, "factors", axis.name), "an exponential is a shape in time"


def _check_signal(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, Table]) -> Iterator[_Finding]:
    by_name = {axis.name: axis for axis in axes}
    for name, entry in spec.auxiliary.items():
        if name in by_name and entry.given in by_name:
            pair = (by_name[entry.given], by_name[name])
            for column in (entry.column, *([] if entry.electrons is None else [entry.electrons])):
                ref = TableColumn(table=entry.table, column=column)
                yield from _column(("auxiliary", name), ref, tables, lambda table, ref=ref, pair=pair: table.on(pair, ref.column))  # type: ignore[misc]
    if spec.released is not None:
        ref = spec.released.signal
        yield from _column(("released", "signal"), ref, tables, lambda table: table.on(axes, ref.column))
    arrival = spec.source.arrival
    if arrival is not None and arrival.kind == "table" and "time" in by_name:
        for column in (arrival.prompt, arrival.delayed):
            ref = TableColumn(table=arrival.table, column=column)
            time = by_name["time"]
            yield from _column(("source", "arrival"), ref, tables, lambda table, ref=ref, time=time: table.on([time], ref.column))  # type: ignore[misc]


def _check_flux(spec: ExperimentSpec, tables: Mapping[str, Table], source: YamlSource) -> Iterator[_Finding]:
    given = spec.source.flux
    if given is None:
        return
    place = ("source", "flux")
    kinds = set()
    for flavour, ref in given.flavours.items():
        yield from _column((*place, "flavours", flavour), ref, tables, lambda table, ref=ref: _flux(table, ref))  # type: ignore[misc]
        if ref.table in tables:
            kinds.add("time" in [axis.name for axis in tables[ref.table].axes])
    if len(kinds) > 1:
        yield place, "some tables have arrival times and some do not"
    own = source.data.get("source", {})
    if "spectrum" in own:
        yield ("source", "spectrum"), "leave it out: flux holds the spectra"
    if "arrival" in own and kinds == {True}:
        yield ("source", "arrival"), "leave it out: flux holds the arrival times"
    if "time" in spec.axes and kinds == {False} and spec.source.arrival is None:
        yield ("source", "arrival"), "a time axis needs an arrival-time model, or tables of flux with arrival times"


def _flux(table: Table, ref: TableColumn) -> np.ndarray:
    names = sorted(axis.name for axis in table.axes)
    if names not in (["e_nu"], ["e_nu", "time"]):
        message = f"a flux is binned in e_nu, or in e_nu and time; this table in {', '.join(names) if names else 'nothing'}"
        raise CevnsfitError(message)
    if min(edge for axis in table.axes if axis.name == "e_nu" for edge in axis.edges) < 0:
        message = "the energies of neutrinos (e_nu) start below 0"
        raise CevnsfitError(message)
    return table.values(ref.column)


def _check_curves(spec: ExperimentSpec, tables: Mapping[str, Table], variants: Variants) -> Iterator[_Finding]:
    stages: list[tuple[tuple[str, ...], Stage]] = [(("response", name), stage) for name, stage in spec.response.items()]
    for name, sides in variants.items():
        for side, response in zip(("up", "down"), sides, strict=True):
            stages += [(("systematics", name, side), stage) for key, stage in response.items() if stage != spec.response.get(key)]
    for loc, stage in stages:
        if isinstance(stage, TableEfficiency | TableQuenching):
            yield from _column(loc, stage, tables, lambda table, stage=stage: _curve(table, stage))  # type: ignore[arg-type, misc]


def _curve(table: Table, stage: TableColumn) -> np.ndarray:
    axis = getattr(stage, "axis", "t_recoil")
    x = table.values(axis)
    if not np.all(np.diff(x) > 0):
        message = f"column '{axis}' must increase"
        raise CevnsfitError(message)
    return table.values(stage.column)
