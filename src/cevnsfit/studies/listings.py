"""What is said of things that no likelihood is needed for: experiments, models, published numbers, magnetic moments, sleptons."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cevnsfit.report.tables import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.moments.bands import MomentBand
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.moments.sleptons import SusyScan
    from cevnsfit.physics.interactions.terms import SignalModel
    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.validate import Check

    Parts = Iterator[str | Sheet]

_STRONGEST: Final = 6
"""Pairs of columns whose correlations are said; all are in the JSON."""


# --- experiments and models --------------------------------------------------------------------------------------------------------


def experiments(several: Sequence[Experiment]) -> Parts:
    """Yield one row for each experiment."""
    rows = [
        (
            each.name,
            each.spec.title,
            " x ".join(f"{axis} ({bins})" for axis, bins in each.lengths.items()),
            count_text(observed_events(each)),
        )
        for each in several
    ]
    yield Sheet("Experiments", ("name", "title", "axes (bins)", "observed"), rows)


def experiment(one: Experiment) -> Parts:
    """Yield everything known of an experiment."""
    spec = one.spec
    yield f"{spec.name}: {spec.title}"
    yield spec.description
    yield from (f"  {reference}" for reference in spec.references)
    rows = [(axis.name, str(axis.nbins), f"{axis.display_edges[0]:g} to {axis.display_edges[-1]:g} {axis.unit}") for axis in one.axes]
    yield Sheet("Axes", ("axis", "bins", "range"), rows)
    yield Sheet("Response", ("stage", "kind"), [(name, stage.kind) for name, stage in spec.response.items()])
    measured = [(name, "control region") for name in spec.control_region]
    yield Sheet("Backgrounds", ("background", "count"), [*((name, b.count.kind) for name, b in spec.backgrounds.items()), *measured])
    yield Sheet("Systematics", ("parameter", "kind"), _systematics(one))
    yield f"observed counts: {count_text(observed_events(one))}"
    yield f"shares events with: {', '.join(spec.overlaps) if spec.overlaps else 'no other experiment'}"
    yield f"folder: {one.folder}"


def _systematics(one: Experiment) -> list[tuple[str, str]]:
    """Return name and kind of each parameter of the systematics, those that are off included."""
    from cevnsfit.model.systematics import effect_of

    effects = [effect_of(one, key) for key in one.spec.systematics]
    return [
        (parameter.name, effect.entry.kind if effect.entry.enabled else f"{effect.entry.kind}, off")
        for effect in effects
        for parameter in effect.parameters
    ]


def observed_events(one: Experiment) -> int | None:
    """Return the number of events that an experiment observed, in its tables or its workspace; None for a projection."""
    from cevnsfit.model.workspace import counting

    if one.workspace is None:
        return one.observed
    counts = counting(one).observed
    return None if counts is None else round(float(counts.sum()))


def count_text(value: int | None) -> str:
    """Return a number of events in words."""
    return "none" if value is None else str(value)


def models(several: Sequence[SignalModel]) -> Parts:
    """Yield one row for each model."""
    rows = [(each.name, each.title, ", ".join(p.name for p in each.parameters), each.whole_label) for each in several]
    yield Sheet("Models", ("name", "title", "parameters", "caveat"), rows)


def model(one: SignalModel) -> Parts:
    """Yield everything known of a model."""
    yield f"{one.name}: {one.title}"
    if one.lagrangian:
        yield f"  {one.lagrangian}"
    yield from (f"  {reference}" for reference in one.references)
    if one.whole_label:
        yield f"caveat: {one.whole_label}"
    rows = [
        (p.name, f"{p.kind}{', held' if p.fixed else ''}", f"{p.default:g}", f"[{p.lower:g}, {p.upper:g}]", p.unit, p.description)
        for p in one.parameters
    ]
    yield Sheet("Parameters", ("name", "kind", "default", "domain", "unit", "meaning"), rows)


# --- comparisons with others -------------------------------------------------------------------------------------------------------


def checks(found: Sequence[Check]) -> Parts:
    """Yield comparisons with published numbers and independent computations."""
    from cevnsfit.studies.validate import COLUMNS, rows

    yield Sheet("Against published numbers and independent computations", COLUMNS, rows(tuple(found)))
    yield f"{sum(check.passed for check in found)} of {len(found)} checks agree within their tolerance"


# --- magnetic moments --------------------------------------------------------------------------------------------------------------


def moment_band(band: MomentBand) -> Parts:
    """Yield the couplings that explain a magnetic moment."""
    yield _deviation(band.reference)
    ends = [("none", "none") if math.isnan(high) else (f"{low:.4g}", f"{high:.4g}") for low, high in zip(band.low, band.high, strict=True)]
    rows = [(f"{mass:.4g}", *pair) for mass, pair in zip(band.mass, ends, strict=True)]
    yield Sheet(f"{band.coupling} coupling within {band.sigmas:g} sigma", ("mass [MeV]", "g from", "to"), rows)


def _deviation(found: Deviation) -> str:
    return f"Delta a_{found.lepton} = {found.value:.4g} +- {found.error:.3g}"


def sleptons(scan: SusyScan) -> Parts:
    """Yield how many points explain both moments, and where they lie."""
    for found in (scan.electron, scan.muon):
        yield f"{_deviation(found)}  ({found.measured} - {found.predicted})"
    yield f"{scan.kept} of {scan.tried} points ({scan.physical} physical) are within {scan.sigmas:g} sigma of both"
    if scan.kept == 0:
        return
    names, matrix = list(scan.columns), scan.correlations
    rows = [
        (name, *(f"{value:.4g}" for value in ends.values()), *(f"{matrix[index, names.index(a)]:+.3f}" for a in ("a_e", "a_mu")))
        for index, (name, ends) in enumerate(scan.ranges.items())
    ]
    yield Sheet("kept points (masses in GeV)", ("name", "min", "median", "max", "rank corr. a_e", "rank corr. a_mu"), rows)
    pairs = [(matrix[i, j], first, second) for i, first in enumerate(names) for j, second in enumerate(names[:i])]
    strongest = sorted((pair for pair in pairs if abs(pair[0]) > 0.0), key=lambda pair: -abs(pair[0]))[:_STRONGEST]
    if strongest:
        yield "strongest rank correlations: " + ", ".join(f"{b} with {a} {r:+.2f}" for r, a, b in strongest)
