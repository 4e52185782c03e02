"""What is said of things that no likelihood is needed for: experiments, models, published numbers, magnetic moments, sleptons."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.moments.bands import LAGRANGIANS
from cevnsfit.moments.ranges import UNITS
from cevnsfit.moments.sleptons import CODES
from cevnsfit.physics.couplings import weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import target_at, written
from cevnsfit.physics.kernels import kernel_of
from cevnsfit.physics.nuclei import composition
from cevnsfit.report.tables import Sheet, format_intervals
from cevnsfit.studies.sleptons import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.limit import Limit
    from cevnsfit.moments.bands import MomentBand
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.physics.interactions.terms import Monomial, SignalModel
    from cevnsfit.physics.kernels import Kernel
    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.overlays import KnownLimit
    from cevnsfit.studies.sections import Remainder
    from cevnsfit.studies.sleptons import Statement
    from cevnsfit.studies.slice import Slice
    from cevnsfit.studies.susy import SusyScan
    from cevnsfit.studies.validate import Check

    Parts = Iterator[str | Sheet]

_MASSES: Final = 12
"""About how many masses are shown."""

_LEFT: Final = "kept (both moments, with some boson that passes if there is one) and left (neutral LSP, not excluded by the LHC at 95 % CL, no late decay)"

_STRONGEST: Final = 6
"""Pairs of columns whose correlations are said; all are in the JSON."""


# --- experiments and models --------------------------------------------------------------------------------------------------------


def experiments(several: Sequence[Experiment]) -> Parts:
    """Yield one row for each experiment."""
    rows = [
        (
            each.name,
            each.spec.title,
            _bins(each),
            count_text(observed_events(each)),
        )
        for each in several
    ]
    yield Sheet("Experiments", ("name", "title", "axes (bins)", "observed"), rows)


def _bins(one: Experiment) -> str:
    texts = dict.fromkeys(" x ".join(f"{axis} ({bins})" for axis, bins in part.lengths.items()) for part in one.parts)
    return "; ".join(texts) + (f" in {len(one.channels)} channels" if one.channels else "")


def experiment(one: Experiment) -> Parts:
    """Yield everything known of an experiment."""
    spec = one.spec
    yield f"{spec.name}: {spec.title}"
    yield spec.description
    yield from (f"  {reference}" for reference in spec.references)
    if one.channels:
        rows = [(name, part.target, _bins(part), count_text(observed_events(part))) for name, part in one.channels.items()]
        yield Sheet("Channels", ("channel", "target", "axes (bins)", "observed"), rows)
    ranges = (
        (
            axis.name,
            str(axis.nbins),
            f"{axis.display_edges[0]:g} to {axis.display_edges[-1]:g} {'' if axis.unit == '1' else axis.unit}".rstrip(),
        )
        for part in one.parts
        for axis in part.axes
    )
    yield Sheet("Axes", ("axis", "bins", "range"), [*dict.fromkeys(ranges)])
    yield Sheet("Nuclides", ("nuclide", "mass fraction"), [(name, f"{100 * part:.4g} %") for name, part in nuclides(one).items()])
    yield Sheet(
        "Response",
        ("stage", "kind"),
        [*dict.fromkeys((n, s.kind) for p in one.parts for n, s in (*p.spec.response.items(), *p.spec.time_response.items()))],
    )
    counts = ((name, b.count.kind) for part in one.parts for name, b in part.spec.backgrounds.items())
    measured = ((name, "control region") for part in one.parts for name in part.spec.control_region)
    yield Sheet("Backgrounds", ("background", "count"), [*dict.fromkeys([*counts, *measured])])
    yield Sheet("Systematics", ("parameter", "kind"), _systematics(one))
    yield f"observed counts: {count_text(observed_events(one), one.outside)}"
    yield f"shares events with: {', '.join(spec.overlaps) if spec.overlaps else 'no other experiment'}"
    yield f"folder: {one.folder}"


def _prior(parameter: Parameter) -> str:
    return "" if parameter.constrained else f", flat from {parameter.lower:g} to {parameter.upper:g} {parameter.unit}"


def _systematics(one: Experiment) -> list[tuple[str, str]]:
    """Return name and kind of each parameter of the systematics, those that are off included."""
    from cevnsfit.model.systematics import effect_of

    effects = [effect_of(part, key) for part in one.parts for key in part.spec.systematics]
    rows = []
    for effect in effects:
        off = "" if effect.entry.enabled else "off"
        several = len(effect.parameters) > 1
        for p in effect.parameters:
            texts = (f"{effect.entry.kind}{_prior(p)}", p.description if several else "", off)
            rows.append((p.name, ", ".join(filter(None, texts))))
    return [*dict.fromkeys(rows)]


def nuclides(one: Experiment) -> dict[str, float]:
    """Return the part of the detector's mass in each nuclide, by name; of all channels together."""
    from cevnsfit.model.nuclei import mass_fractions

    found: dict[str, float] = {}
    whole = sum(part.spec.target.mass for part in one.parts)
    for part in one.parts:
        for name, fraction in mass_fractions(part).items():
            found[name] = found.get(name, 0.0) + fraction * part.spec.target.mass / whole
    return found


def observed_events(one: Experiment) -> float | None:
    """Return the number of events that an experiment observed, or the sum of values with errors, in its tables or its workspace; None for a projection."""
    from cevnsfit.model.workspace import counting

    if one.channels:
        found = [observed_events(part) for part in one.parts]
        return None if None in found else sum(count for count in found if count is not None)
    if one.workspace is None:
        return one.observed
    counts = counting(one).observed
    return None if counts is None else round(float(counts.sum()))


def count_text(value: float | None, outside: int = 0) -> str:
    """Return a number of events in words, with those of a list that are `outside` the window."""
    text = "none" if value is None else str(value) if isinstance(value, int) else f"{value:.6g} (values with errors)"
    return f"{text}, and {outside} outside the window" if outside else text


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
    yield Sheet("Cross section on a nucleus, the sum of", ("kernel", "neutrinos", "square; 1: no coupling", "source"), _squares(one))


def _squares(one: SignalModel) -> list[tuple[str, str, str, str]]:
    """Return what adds up to the cross section of a model on Cs-133: kernel, flavours, an amplitude whose parts interfere, squared, and source of the kernel."""
    compound = composition("CsI")
    target = target_at(compound[0][0], [5e-3], weak_couplings("default"), form_factor("helm"), compound)
    parts: dict[tuple[Kernel, str, str, Monomial, float], dict[Monomial, None]] = {}
    for term in one.prepare(target)(one.shapes()):
        parts.setdefault((kernel_of(term.kernel), term.flavour, term.group, term.factor, term.weight), {}).update(
            dict.fromkeys(term.charge)
        )
    found: dict[tuple[Kernel, str], list[str]] = {}
    for (kernel, flavour, _, factor, weight), amplitude in parts.items():
        before = f"{f'{weight:g} ' if weight != 1.0 else ''}{f'{written(factor)} ' if factor else ''}"
        found.setdefault((kernel, f"{before}({' + '.join(map(written, amplitude))})^2"), []).append(
            flavour if flavour.startswith("nu") else f"nu_{flavour}"
        )
    return [(kernel.name, ", ".join(flavours), square, kernel.source) for (kernel, square), flavours in found.items()]


# --- comparisons with others -------------------------------------------------------------------------------------------------------


def checks(found: Sequence[Check]) -> Parts:
    """Yield comparisons with published numbers and independent computations."""
    from cevnsfit.studies.validate import COLUMNS, rows

    yield Sheet("Against published numbers and independent computations", COLUMNS, rows(tuple(found)))
    agree, differ = (sum(check.verdict == verdict for check in found) for verdict in ("ok", "differs"))
    yield f"{agree} of {len(found)} checks agree within their tolerance" + (
        f"; {differ} are known not to, for reasons that --json has" if differ else ""
    )


# --- limits of others --------------------------------------------------------------------------------------------------------------


def known_limits(several: Sequence[KnownLimit]) -> Parts:
    """Yield one row for each limit of the library."""
    rows = [(each.name, each.title, each.kind, ", ".join(each.models), each.level) for each in several]
    yield Sheet("Limits and bands", ("name", "title", "kind", "models", "level"), rows)


def limit(one: Limit) -> Parts:
    """Yield where a limit comes from, and what it excludes."""
    yield f"{one.label}: {one.kind}{f', {one.level}' if one.level else ''}{f', {one.model}' if one.model else ''}"
    yield from (f"  {key}: {text}" for key in ("source", "normalisation", "made") if (text := getattr(one, key)))
    masses = np.unique(one.points[~np.isnan(one.points[:, 0]), 0])
    shown = masses[np.linspace(0, len(masses) - 1, min(len(masses), _MASSES)).round().astype(int)]
    if one.kind != "line":
        rows = [(f"{mass:.4g}", format_intervals(one.excluded(float(mass)))) for mass in shown]
        yield Sheet("Excluded couplings", ("mass [MeV]", "excluded"), rows)


def plane_slice(found: Slice) -> Parts:
    """Yield what limits and bands leave of a plane."""
    for one in found.limits:
        yield f"{one.kind} {one.called}: {one.label}{f', {one.level}' if one.level else ''}"
    if found.coupling is None or found.reached is None or found.coupling_closed_by is None:
        yield "nothing is left"
        return
    for (low, high), (below, above) in zip(found.masses, found.masses_closed_by, strict=True):
        yield f"mass {low:.4g} to {high:.4g} MeV (closed below by {' + '.join(below)}, above by {' + '.join(above)})"
    ends = zip(found.coupling, found.reached, (" + ".join(names) or "nothing" for names in found.coupling_closed_by), strict=True)
    yield f"g {' to '.join(f'{g:.4g} (at {mass:.4g} MeV, {names})' for g, mass, names in ends)}"
    step = max(1, len(found.columns) // _MASSES)
    rows = [(f"{column.mass:.4g}", format_intervals(column.allowed)) for column in found.columns[::step]]
    yield Sheet("What is left", ("mass [MeV]", "g"), rows)


def remainders(several: Sequence[Remainder]) -> Parts:
    """Yield what limits and bands leave, and what each result takes from that."""
    first, *others = several
    yield from plane_slice(first.left)
    if not others:
        return
    rows = [
        (
            one.result,
            "unbounded" if math.isnan(one.removed) else f"{100 * one.removed:.3g} %",
            ", ".join(f"{low:.4g} to {high:.4g}" for low, high in one.left.masses) or "none",
            "none" if one.left.coupling is None else "{:.4g} to {:.4g}".format(*one.left.coupling),
        )
        for one in others
    ]
    headers = ("result", "excludes of the area in (ln mass, g)", "mass then left [MeV]", "g then left")
    yield Sheet(f"What each result takes from it ({others[0].left.limits[-1].level})", headers, rows)


# --- magnetic moments --------------------------------------------------------------------------------------------------------------


def moment_band(band: MomentBand) -> Parts:
    """Yield the couplings that explain a magnetic moment."""
    yield _deviation(band.reference)
    ends = [("none", "none") if math.isnan(high) else (f"{low:.4g}", f"{high:.4g}") for low, high in zip(band.low, band.high, strict=True)]
    rows = [(f"{mass:.4g}", *pair) for mass, pair in zip(band.mass, ends, strict=True)]
    yield Sheet(f"{band.coupling} coupling within {band.sigmas:g} sigma", ("mass [MeV]", "g from", "to"), rows)
    yield f"normalisation: {LAGRANGIANS[band.coupling]}"


def _deviation(found: Deviation) -> str:
    return f"Delta a_{found.lepton} = {found.value:.4g} +- {found.error:.3g}"


def sleptons(scan: SusyScan) -> Parts:
    """Yield how many points explain both moments, what decides that, and where they lie."""
    sigmas = scan.draw.sigmas
    for found in scan.deviations.values():
        yield f"{_deviation(found)}  ({found.measured} - {found.predicted}), {abs(found.value) / found.error:.1f} sigma from 0"
    if all(scan.compatible.values()):
        yield f"both deviations are compatible with 0 within {sigmas:g} sigma: neither superpartners nor a boson are needed"
    yield f"{scan.physical} of {scan.tried} points are physical, {scan.electron_explained} explain the electron within {sigmas:g} sigma"
    yield f"{scan.kept_without_boson} explain both moments by sleptons alone"
    yield from _bosons(scan)
    if scan.kept == 0:
        return
    yield from statements(summary(scan))
    names, matrix = list(scan.columns), scan.correlations
    rows = [
        (
            f"{name} [{UNITS[name]}]" if name in UNITS else name,
            *(f"{value:.4g}" for value in ends.values()),
            *(_rank(matrix[index, names.index(a)]) for a in ("a_e", "a_mu")),
        )
        for index, (name, ends) in enumerate(scan.ranges.items())
        if name not in (*CODES, "drawn", "lhc_analysis", "lhc_fewer_muons")
    ]
    yield Sheet(
        "kept points, and the boson that each drew, whether it passes or not" if scan.draw.window is not None else "kept points",
        ("name", "min", "median", "max", "rank corr. a_e", "rank corr. a_mu"),
        rows,
    )
    for title, codes in CODES.items():
        yield f"{title}: {_shares({kind: float((scan.columns[title] == code).mean()) for code, kind in enumerate(codes)})}"
    yield from _fates(scan)
    pairs = [(matrix[i, j], first, second) for i, first in enumerate(names) for j, second in enumerate(names[:i])]
    strongest = sorted((pair for pair in pairs if abs(pair[0]) > 0.0), key=lambda pair: -abs(pair[0]))[:_STRONGEST]
    if strongest:
        yield "strongest rank correlations: " + ", ".join(f"{b} with {a} {r:+.2f}" for r, a, b in strongest)


def statements(several: Sequence[Statement]) -> Parts:
    """Yield the ends of what is left, one row for each statement and one column for each sample of points."""
    samples = list(several[0].values)
    rows = [
        (f"{one.quantity}{'' if one.unit == '1' else f' [{one.unit}]'}", *(_ends(one.values.get(sample, ())) for sample in samples))
        for one in several
    ]
    yield Sheet(f"The ends of both: {_LEFT}", ("statement", *samples), rows)


def _ends(values: Sequence[float]) -> str:
    return " to ".join(f"{value:.4g}" if value < 1e4 else f"{value:.0f}" for value in values) if values else "-"


def _rank(correlation: float) -> str:
    return "-" if math.isnan(correlation) else f"{correlation:+.3f}"


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items() if share)


def _fates(scan: SusyScan) -> Iterator[str]:
    """Yield what the LHC and the early universe leave of the kept points."""
    lhc, bbn = scan.lhc, scan.bbn
    if lhc is None or bbn is None:
        return
    excluded, by = f"{100 * lhc['excluded']:.1f} %", _shares(lhc["by_analysis"])
    yield f"LHC at 95 % CL: {100 * lhc['tested']:.1f} % tested, {excluded} excluded{f' ({by})' if by else ''}; the others are not tested"
    yield f"B'-ino lightest: {100 * bbn['relevant']:.1f} % with a lifetime of the next one, {100 * bbn['excluded']:.1f} % above {bbn['longest']:g} s"
    yield f"{scan.kept_alive} kept points are alive: lightest superpartner neutral, not excluded, no late decays"


def _bosons(scan: SusyScan) -> Iterator[str]:
    """Yield what bosons there may be, and how many points they let explain both moments."""
    window = scan.draw.window
    if window is None:
        return
    limits = ", ".join(
        f"{limit.name} ({limit.about.partition(';')[0] if limit.cl is None else f'{100 * limit.cl:g} % CL'})" for limit in window.limits
    )
    yield f"boson of L_mu - L_tau: mass {window.mass} MeV, g {window.g}; limits: {limits if limits else 'none'}"
    largest = window.largest
    if largest is None:
        yield "no boson passes"
    else:
        decide = " and ".join(largest.decided_by) if largest.decided_by else "the ranges"
        yield f"largest moment of the muon {largest.value:.3g} at {largest.mass:.3g} MeV, g = {largest.g:.3g}, decided by {decide}"
    yield f"{scan.kept} explain both moments with some boson that passes, {scan.kept_drawn} with the one that was drawn"
    with_limits, alone = ("none" if math.isnan(x) else f"{x:.3g}" for x in (scan.smallest_hierarchy, scan.smallest_hierarchy_ranges))
    yield f"smallest m_smuon/m_selectron: {with_limits} with the limits, {alone} with the ranges alone"
