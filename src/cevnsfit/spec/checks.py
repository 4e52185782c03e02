"""What a schema cannot say: names that must exist, axes that must agree, counts that must be counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, Problem, UnknownNameError
from cevnsfit.core.units import parse
from cevnsfit.spec.fields import SIGNAL, TableColumn
from cevnsfit.spec.findings import binned, column
from cevnsfit.spec.instrument import ROOM
from cevnsfit.spec.observations import covariance, observed_findings
from cevnsfit.spec.responses import response_findings
from cevnsfit.spec.shapes import Formula, JointShape, PowerLawFactor, ProductShape, TableFactor, span
from cevnsfit.spec.systematics import CovarianceVariant, FormFactorVariant, TemplateVariant
from cevnsfit.spec.target import elements_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.findings import Finding, Place
    from cevnsfit.spec.instrument import Stage
    from cevnsfit.spec.schema import ExperimentSpec
    from cevnsfit.spec.shapes import Shape
    from cevnsfit.spec.tables import InputTable
    from cevnsfit.spec.yaml_source import YamlSource

    Variants = Mapping[str, Mapping[str, Mapping[str, Stage]]]

MAX_ENERGY_BINS = 1000
"""Most bins of the energy axis: a response without smearing has some fourteen recoil nodes in each."""
MAX_BINS = 100_000
MAX_FLOATING = 2
"""Most numbers of a shape that float: their splines are multiplied."""

ENERGIES = ("t_recoil", "e_ee", "pe")
"""What an energy axis shows, whatever its name."""


def check_experiment(
    spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable], source: YamlSource, variants: Variants
) -> list[Problem]:
    """Return every inconsistency between the fields of a description and its tables."""
    findings = [
        *_check_axes(spec, axes),
        *_check_names(spec),
        *_check_workspace(spec),
        *_check_counts(spec, axes, tables),
        *_check_shapes(spec, axes, tables),
        *_check_columns(spec, axes, tables),
        *_check_exposure(spec),
        *_check_signal(spec, axes, tables),
        *spec.source.findings(axes, tables, source.data.get("source", {})),
        *response_findings(spec, axes, tables, variants),
    ]
    return [Problem(source.name, source.line(loc), ".".join(str(part) for part in loc), text) for loc, text in dict.fromkeys(findings)]


def _check_axes(spec: ExperimentSpec, axes: Sequence[Axis]) -> Iterator[Finding]:
    names = [axis.name for axis in axes]
    reached = spec.reached(axes)
    energy = [axis for axis in axes if axis.quantity in ENERGIES and axis.name not in spec.auxiliary]
    if not spec.has_matrix and (len(energy) != 1 or axes[0] not in energy):
        yield (
            ("axes",),
            "the first axis must be the one energy axis (t_recoil in keVnr, e_ee in keVee, pe in PE, or another name in one of these units)",
        )
    if spec.has_matrix and (not reached or tuple(axes[: len(reached)]) != reached or (len(reached) > 1 and spec.auxiliary)):
        yield ("axes",), "the axes of a response matrix come first; one for several axes holds all of them but time"
    if (bins := math.prod(axis.nbins for axis in reached)) > MAX_ENERGY_BINS:
        yield ("axes", *(axis.name for axis in reached[:1])), f"{bins} bins; at most {MAX_ENERGY_BINS} are possible"
    bins = math.prod(axis.nbins for axis in axes)
    if bins > MAX_BINS:
        yield ("axes",), f"{bins} bins in all; at most {MAX_BINS} are possible"
    if "time" in names and names[-1] != "time":
        yield ("axes", "time"), "time must be the last axis"
    yield from _check_auxiliary(spec, axes, reached if spec.has_matrix else energy)


def _check_auxiliary(spec: ExperimentSpec, axes: Sequence[Axis], energy: Sequence[Axis]) -> Iterator[Finding]:
    names = [axis.name for axis in axes]
    for axis in axes:
        if axis.name != "time" and axis not in energy and axis.name not in spec.auxiliary:
            yield ("axes", axis.name), "this axis needs an entry in 'auxiliary' that says P(axis | energy)"
    for name, entry in spec.auxiliary.items():
        if name not in names:
            yield ("auxiliary", name), f"'{name}' is not one of the axes ({', '.join(names)})"
        elif energy and entry.given != energy[0].name:
            yield ("auxiliary", name, "given"), f"must be the energy axis '{energy[0].name}'"


def _check_names(spec: ExperimentSpec) -> Iterator[Finding]:
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


def _check_workspace(spec: ExperimentSpec) -> Iterator[Finding]:
    if spec.workspace is None:
        return
    for section in ("observed", "backgrounds", "control_region", "released"):
        if getattr(spec, section):
            yield (section,), f"leave it out: the workspace {spec.workspace.file} has it"


def _check_systematics(spec: ExperimentSpec) -> Iterator[Finding]:
    components = (SIGNAL, *spec.backgrounds)
    for name, systematic in spec.systematics.items():
        for component in systematic.acts_on:
            if component in spec.control_region:
                yield ("systematics", name), f"the control region measures '{component}' in each bin, whatever a systematic does"
            elif component not in components:
                yield ("systematics", name), str(UnknownNameError("component", component, components))
        if isinstance(systematic, FormFactorVariant):
            inside = elements_of([spec.target.compound, *spec.target.dopants])
            strangers = (nuclide for nuclide in systematic.nuclei if nuclide.partition("-")[0] not in inside)
            yield from ((("systematics", name, "nuclei"), str(UnknownNameError("nuclide", nuclide, inside))) for nuclide in strangers)
        if name.endswith("_norm") and name.removesuffix("_norm") in spec.backgrounds:
            yield ("systematics", name), "this name is taken by the count of that background"


def _check_counts(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    counted: list[tuple[Place, TableColumn]] = []
    if spec.observed is not None:
        yield from observed_findings(spec.observed, axes, tables, control=bool(spec.control_region))
    counted += [(("control_region", name), entry.counted) for name, entry in spec.control_region.items() if entry.counted is not None]
    counted += [(("backgrounds", name, "count"), entry.count) for name, entry in spec.backgrounds.items() if entry.count.kind == "counted"]
    for loc, ref in counted:
        measured = loc[0] != "backgrounds"
        yield from binned(loc, ref, tables, axes, empty=measured)
        table = tables.get(ref.table)
        if table is not None and ref.column in table.columns:
            values = table.columns[ref.column]
            if np.any(values < 0):
                yield loc, f"{ref.table}: column '{ref.column}' has {int(np.sum(values < 0))} negative entries"
            elif np.any(values != np.round(values)):
                yield loc, f"{ref.table}: column '{ref.column}' must hold whole counts"


def _check_shapes(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    for loc, shape in _shapes(spec):
        if isinstance(shape, ProductShape):
            yield from _check_product(loc, shape, axes, tables, matrix=spec.has_matrix)
        else:
            yield from binned(loc, shape, tables, axes)
            if shape.errors is not None:
                yield from _check_errors((*loc, "errors"), shape, shape.errors, axes, tables)


def _check_errors(loc: Place, shape: JointShape, errors: str, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    """Yield what is wrong with the statistical errors of a shape."""
    ref = TableColumn(table=shape.table, column=errors)
    yield from column(loc, ref, tables, lambda table, name: table.errors(name, shape.column).on(axes, name), empty=True)


def _check_columns(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    """Yield what is wrong with the tables that systematics name."""
    for name, systematic in spec.systematics.items():
        yield from systematic.findings(("systematics", name), tables)
        along = systematic.axis if isinstance(systematic, TemplateVariant) else None
        chosen = axes if along is None else [axis for axis in axes if axis.name == along]
        if not chosen:
            yield ("systematics", name, "axis"), str(UnknownNameError("axis", str(along), [axis.name for axis in axes]))
        for side, ref in systematic.columns.items() if chosen else ():
            yield from binned(("systematics", name, side), ref, tables, chosen)
        if isinstance(systematic, CovarianceVariant) and systematic.table in tables:
            try:
                covariance(tables[systematic.table], math.prod(axis.nbins for axis in axes), definite=False)
            except CevnsfitError as error:
                yield ("systematics", name), f"{systematic.table}: {error}"


def _shapes(spec: ExperimentSpec) -> Iterator[tuple[tuple[str, ...], Shape]]:
    for name, background in spec.backgrounds.items():
        yield ("backgrounds", name, "shape"), background.shape
    for name, control in spec.control_region.items():
        if control.expected is not None:
            yield ("control_region", name, "expected", "shape"), control.expected.shape


def _check_exposure(spec: ExperimentSpec) -> Iterator[Finding]:
    projected = [("control_region", name, "expected") for name, control in spec.control_region.items() if control.expected is not None]
    untied = [name for name, background in spec.backgrounds.items() if background.count.kind != "tied"]
    for name, background in spec.backgrounds.items():
        if background.count.kind == "tied" and background.count.to not in untied:
            yield (
                ("backgrounds", name, "count", "to"),
                str(UnknownNameError("background with a count of its own", background.count.to, untied)),
            )
        if background.count.kind == "absolute" and background.count.per_gwh and spec.source.exposure("gwh") is None:
            yield ("source", "exposure_gwh"), f"background '{name}' is per GWh, so the exposure in GWh is needed"
        elif background.count.kind == "projected":
            projected.append(("backgrounds", name, "count"))
    if spec.source.exposure("pot") is None:
        yield from (((*place, "at_pot"), f"a source of kind '{spec.source.kind}' has no protons on target") for place in projected)


def _check_product(
    loc: tuple[str | int, ...], shape: ProductShape, axes: Sequence[Axis], tables: Mapping[str, InputTable], *, matrix: bool
) -> Iterator[Finding]:
    factors = shape.factors
    names = [axis.name for axis in axes]
    if set(factors) != set(names):
        yield (*loc, "factors"), f"needs one factor for each axis ({', '.join(names)})"
    for axis in axes:
        factor = factors.get(axis.name)
        if isinstance(factor, TableFactor) and factor.efficiency and matrix and axis.name != "time":
            yield (*loc, "factors", axis.name, "efficiency"), "the response matrix holds the efficiency, which is not known along this axis"
        if isinstance(factor, TableFactor):
            yield from binned((*loc, "factors", axis.name), factor, tables, [axis], split=True)
        elif isinstance(factor, Formula):
            yield from _check_formula((*loc, "factors", axis.name), factor, axis)
    if shape.floating and loc[0] != "backgrounds":
        yield loc, "numbers of this shape float; only those of the shape of a background can"
    elif len(shape.floating) > MAX_FLOATING:
        yield loc, f"{len(shape.floating)} numbers of this shape float; at most {MAX_FLOATING} can"


def _check_formula(loc: Place, factor: Formula, axis: Axis) -> Iterator[Finding]:
    for field, number in factor.written():
        try:
            unit = factor.unit(field, axis)
            _ = span(number, unit) if number.floats else parse(number.value, unit)
        except CevnsfitError as error:
            yield (*loc, field), str(error)
    if isinstance(factor, PowerLawFactor) and axis.edges[0] <= 0.0:
        yield loc, f"a power law needs edges above 0; the axis {axis.name} begins at {axis.display_edges[0]:g}"


def _check_signal(spec: ExperimentSpec, axes: Sequence[Axis], tables: Mapping[str, InputTable]) -> Iterator[Finding]:
    by_name = {axis.name: axis for axis in axes}
    for name, entry in spec.auxiliary.items():
        if name in by_name and entry.given in by_name:
            energy, axis = by_name[entry.given], by_name[name]
            for given in (entry.column, *([] if entry.electrons is None else [entry.electrons])):
                ref = TableColumn(table=entry.table, column=given)
                yield from column(("auxiliary", name), ref, tables, lambda table, name, pair=(energy, axis): table.given(*pair, name))  # type: ignore[misc]
            yield from _check_sums(("auxiliary", name), entry, tables, energy, axis)
    if spec.released is not None:
        yield from binned(("released", "signal"), spec.released.signal, tables, axes)


def _check_sums(loc: Place, ref: TableColumn, tables: Mapping[str, InputTable], energy: Axis, axis: Axis) -> Iterator[Finding]:
    try:
        sums = tables[ref.table].given(energy, axis, ref.column).sum(axis=1)
    except (CevnsfitError, KeyError):
        return  # reported already
    if sums.max() > 1.0 + ROOM:
        at = energy.display_edges[int(sums.argmax())]
        yield loc, f"{ref.table}: the probabilities '{ref.column}' sum to {sums.max():.4g} at {at:g} {energy.unit}, which is more than 1"
