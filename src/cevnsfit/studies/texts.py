"""What is said of results of a likelihood: lines of text, and tables with titles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cevnsfit.infer.intervals import threshold
from cevnsfit.report.tables import Sheet, format_intervals, format_value
from cevnsfit.studies.asimov import limit_text
from cevnsfit.studies.critical_values import summary
from cevnsfit.studies.setup import units_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cevnsfit.core.documents import About
    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.critical import CriticalValues
    from cevnsfit.infer.discovery import Discovery
    from cevnsfit.infer.elsewhere import GlobalSignificance
    from cevnsfit.infer.goodness import Goodness
    from cevnsfit.infer.impacts import Ranking
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.results import FitResult, ToyRecord
    from cevnsfit.studies.agreement import SignalStrength
    from cevnsfit.studies.coverage import CoverageStudy
    from cevnsfit.studies.exclusion import Exclusion
    from cevnsfit.studies.fitting import Fit
    from cevnsfit.studies.posterior import Posterior
    from cevnsfit.studies.rates import ChannelRates, Rates
    from cevnsfit.studies.scan import Scan
    from cevnsfit.studies.toy_regions import ToyRegion

    Parts = Iterator[str | Sheet]

_MANY: Final = 100.0
"""Counts from which on no fractions are printed."""

HIGH: Final = 100.0
"""Height above the lowest of the minima that are told: the profile is not followed that far up."""


def _units(about: About) -> dict[str, str]:
    """Return the units of the parameters of a model; none of a likelihood that was built by hand."""
    return units_of(about.model)


def _values(values: Mapping[str, float], about: About) -> str:
    """Return values of parameters in words, with their units."""
    units = _units(about)
    return ", ".join(f"{name} = {value:.6g}{'' if units.get(name, '1') == '1' else f' {units[name]}'}" for name, value in values.items())


def alone(experiments: Sequence[str]) -> tuple[str, str]:
    """Return what a single experiment adds to the title of a table, and the prefix that its parameters need not have there; empty for several."""
    return (f", {experiments[0]}", f"{experiments[0]}.") if len(experiments) == 1 else ("", "")


# --- counts and fits ---------------------------------------------------------------------------------------------------------------


def rates(counts: Rates) -> Parts:
    """Yield the counts of each component of one experiment."""
    rows = [(name, f"{total:.2f}") for name, total in counts.totals.items()]
    rows.append(("all", f"{counts.total:.2f}"))
    if counts.observed is not None:
        rows.append(("observed", _counted(counts.observed.sum())))
    yield Sheet(", ".join(filter(None, (counts.experiment, counts.about.model))), ("component", "counts"), rows)
    yield from _remarks(counts)


def channel_rates(counts: ChannelRates) -> Parts:
    """Yield the counts of each component of an experiment in each channel."""
    totals, parts = counts.totals, counts.parts.values()
    rows = [(name, *(f"{part.totals.get(name, 0.0):.2f}" for part in parts), f"{total:.2f}") for name, total in totals.items()]
    rows.append(("all", *(f"{part.total:.2f}" for part in parts), f"{sum(totals.values()):.2f}"))
    if counts.seen is not None:
        rows.append(("observed", *(_counted(part.seen) for part in parts if part.seen is not None), _counted(counts.seen)))
    title = ", ".join(filter(None, (counts.experiment, counts.about.model)))
    yield Sheet(title, ("component", *counts.channels, "counts"), rows)
    yield from _remarks(counts)


def _counted(value: float) -> str:
    """Return a number of events, or a sum of values with errors, in words."""
    return f"{value:.0f}" if value.is_integer() or abs(value) >= _MANY else f"{value:.3g}"


def _remarks(counts: Rates | ChannelRates) -> Iterator[str]:
    if counts.at:
        yield f"at {_values(counts.at, counts.about)}"


def fit(result: Fit) -> Parts:
    """Yield parameters, counts and the quality of a fit; what was fitted if it was not the observed data."""
    if result.data != "observed":
        yield f"fitted: {result.data}"
    yield _parameters(result)
    told = {name for name, _, _ in result.about.held}
    held = {name: result.held[name] for name in _units(result.about) if name in result.held and name not in told}
    if held:
        yield f"held by default: {_values(held, result.about)}"
    quality = f"-2 ln lambda / ndof = {result.nll2:.2f} / {result.ndof}"
    if result.blind:
        offsets = ", ".join(f"{name} (offset {digest})" for name, digest in result.blind.items())
        yield f"blinded: {offsets}; moved by the offset, +- is half the width of the interval; no counts, no significance"
        yield quality
    else:
        yield Sheet("Counts at the best fit", ("experiment", "component", "counts"), list(_counts(result.counts.values())))
        yield f"{quality}; {_signal(result.significance)}"
    if not math.isnan(result.delta_nll2_sm):
        yield f"the Standard Model: {result.delta_nll2_sm:+.2f} in -2 ln lambda"
    if result.at_domain_end:
        yield f"at the end of the domain, not at a minimum of its own: {', '.join(result.at_domain_end)}"
    if result.reason and result.valid:
        yield f"remark: {result.reason}"


def _parameters(result: FitResult) -> Sheet:
    title, prefix = alone(result.about.experiments)
    ends = [{name: f"{end:.4g}" if math.isfinite(end) else "-" for name, end in side.items()} for side in (result.lower, result.upper)]
    rows = [
        (name.removeprefix(prefix), format_value(result.values[name], result.errors.get(name)), *(side.get(name, "") for side in ends))
        for name in result.floating
    ]
    return Sheet(f"Parameters{title}", ("name", "value +- error", "MINOS from", "to"), rows)


def _counts(found: Iterable[Rates | ChannelRates]) -> Iterator[tuple[str, str, str]]:
    for entry in found:
        yield from ((entry.experiment, name, f"{total:.1f}") for name, total in entry.totals.items())
        yield entry.experiment, "all", f"{sum(entry.totals.values()):.1f}"
        if entry.seen is not None:
            yield entry.experiment, "observed", _counted(entry.seen)


def _signal(significance: float) -> str:
    if math.isinf(significance):
        return "impossible without signal"
    return f"{'signal' if significance >= 0 else 'deficit'} at {abs(significance):.2f} sigma"


def strengths(found: Sequence[SignalStrength]) -> Parts:
    """Yield how experiments and combinations sit with the Standard Model."""
    rows = [
        (
            entry.label,
            _counted(entry.observed),
            f"{entry.expected:.1f}",
            format_value(entry.strength, entry.error),
            f"{entry.nll2:.1f} / {entry.ndof}",
            f"{entry.pull:+.2f} sigma ({'excess' if entry.pull > 0 else 'deficit'})",
        )
        for entry in found
    ]
    headers = ("experiments", "observed", "expected (SM)", "signal strength", "-2 ln lambda / ndof", "pull against the SM")
    yield Sheet("Against the Standard Model", headers, rows)


# --- one parameter -----------------------------------------------------------------------------------------------------------------


def intervals(result: Intervals) -> Parts:
    """Yield what is allowed and excluded, and how that was found."""
    dof = f", {result.dof} dof" if result.toys is None and not result.expected else ""
    yield f"{result.poi} at {100 * result.cl:g} % CL{dof}, {result.method}"
    yield f"  allowed:  {format_intervals(result.allowed)}"
    yield f"  excluded: {format_intervals(result.excluded)}"
    if result.at_domain_end:
        yield f"  the {' and the '.join(result.at_domain_end)} end is that of the domain of {result.poi}: the data do not exclude more"
    if result.on_edge:
        yield "  an end is at the edge of the domain of the likelihood, where a bin without events holds nothing"
    yield f"  best fit: {result.best_fit:.4g}, -2 ln lambda = {result.nll2:.2f}"
    yield f"  {_minima(result.minima, result.nll2)}"
    if result.expected:
        yield f"  expected without signal, -2 to 2 sigma: {', '.join(map(limit_text, result.expected))}"
    if result.toys is not None:
        record = result.toys
        undecided = f", {record.undecided} values not yet clear: more --toys" if record.undecided else ""
        yield f"  {record.toys} toys at {len(record.points)} values, seed {record.seed}, {record.failed} failed{undecided}"


def _minima(minima: Sequence[tuple[float, float]], lowest: float) -> str:
    near = [(value, nll2 - lowest) for value, nll2 in minima if nll2 - lowest < HIGH]
    return f"minima (difference in -2 ln lambda): {', '.join(f'{value:.4g} ({rise:+.2f})' for value, rise in near)}"


def discovery(result: Discovery) -> Parts:
    """Yield the significance of a parameter."""
    yield f"{result.poi} = {result.estimate:.4g} at the best fit, q0 = {result.statistic:.2f}"
    yield _minima(result.minima, min((nll2 for _, nll2 in result.minima), default=0.0))
    if result.asymptotic:
        yield f"significance {result.significance:.2f} sigma, p = {result.p:.3g} (asymptotic)"
    if result.toys is not None:
        (point,) = result.toys.points
        text = f"p = {point.p:.3g} +- {point.error:.1g}" if point.p else f"p < {3 / max(point.toys, 1):.1g} (95 % CL)"
        start = "" if result.asymptotic else "significance " + (f"{result.significance:.2f} sigma, " if point.p else "")
        yield f"{start}{text}, {point.toys} toys, seed {result.toys.seed}, {point.failed} failed"
    if result.remark:
        yield result.remark


def global_significance(result: GlobalSignificance) -> Parts:
    """Yield where q0 is largest, and how probable that is without signal, there and anywhere."""
    values, about = result.axis.values, result.about
    yield f"q0 = {result.q0_max:.2f} at {_values(result.maximum, about)}, the largest of {len(values)} values of {result.axis.name}"
    source = f"+- {result.local_p_error:.1g} (toys)" if result.local_p_error else "(asymptotic)"
    yield f"local p = {result.local_p:.3g} {source}, {result.local_significance:.2f} sigma"
    if result.toys is not None:
        (point,) = result.toys.points
        how = "toys" if result.from_toys else "bound from upcrossings"
        yield f"global p = {result.global_p:.3g} +- {result.global_p_error:.1g} ({how}), {result.significance:.2f} sigma, trials factor {result.trials_factor:.3g}"
        yield f"  {round(point.p * point.toys)} of {point.toys} toys reach the data, seed {result.toys.seed}, {point.failed} failed"
        counted = f"{result.upcrossings:.3g} +- {result.upcrossings_error:.1g}"
        yield f"  {counted} upcrossings of q0 = {result.level:g}: p <= {result.bound:.3g} +- {result.bound_error:.1g}"
    if result.remark:
        yield result.remark


def ranking(result: Ranking) -> Parts:
    """Yield the impact of each nuisance on a parameter."""
    title, prefix = alone(result.about.experiments)
    rows = [
        (
            entry.name.removeprefix(prefix),
            f"{entry.value:+.3f} +- {entry.error:.3f}",
            "prior" if entry.constrained and entry.sigma == 1.0 else "absolute",
            f"{entry.up:+.3g}",
            f"{entry.down:+.3g}",
        )
        for entry in result.impacts
    ]
    yield Sheet(f"Impact on {result.poi}{title}", ("nuisance", "value +- error", "in units of", "at +1 sigma", "at -1 sigma"), rows)
    if result.failed:
        yield f"no impact where the fit failed, or at an end of a domain: {', '.join(result.failed)}"
    if result.groups:
        yield from groups(result)


def groups(result: Ranking) -> Parts:
    """Yield what the counts and groups of nuisances contribute to the error of a parameter."""

    def shown(value: float, sign: str = "") -> str:
        return f"{value:{sign}.3g}" if math.isfinite(value) else "-"

    rows = [
        (entry.group, shown(entry.error), shown(entry.up, "+"), shown(entry.down, "+"), f"{len(entry.nuisances)}")
        for entry in result.groups
    ]
    rows += [("in quadrature", shown(result.quadrature), "", "", ""), ("error of the fit", shown(result.error), "", "", "")]
    title, _ = alone(result.about.experiments)
    yield Sheet(f"Error of {result.poi}{title}", ("group", "error", "centres: up", "down", "nuisances"), rows)
    if math.isnan(result.error):
        yield f"{result.poi} is at an end of its domain: there is no linear response, and the fits with moved centres are all there is"
    elif result.bent:
        yield f"{result.poi} does not follow the centres on a straight line ({', '.join(result.bent)}): the fits with moved centres tell"
    elif result.quadrature == 0.0:
        yield f"the minimum lies at {result.poi} = {result.fit.values[result.poi]:g} by symmetry: to first order nothing moves it"


# --- is the model right ------------------------------------------------------------------------------------------------------------


def goodness(result: Goodness) -> Parts:
    """Yield the deviance at the best fit with its p-value."""
    p = f"p = {result.p:.3g} (asymptotic: chi-squared)" if result.ndof > 0 else "no degrees of freedom are left"
    yield f"-2 ln lambda / ndof = {result.statistic:.2f} / {result.ndof}; {p}"
    yield from _tail(result.toys)


def compatibility(result: Compatibility) -> Parts:
    """Yield the couplings that experiments prefer together and alone, and whether they agree."""
    rows = [("all", name, f"{value:.4g}") for name, value in result.combined.items()]
    rows += [(experiment, name, f"{value:.4g}") for experiment, values in result.separate.items() for name, value in values.items()]
    yield Sheet("Best fits", ("experiment", "coupling", "value"), rows)
    yield f"chi2_PG / ndof = {result.statistic:.2f} / {result.ndof}; p = {result.p:.3g} (asymptotic: chi-squared)"
    yield from _tail(result.toys)


def _tail(record: ToyRecord | None) -> Iterator[str]:
    if record is not None:
        (point,) = record.points
        yield f"p = {point.p:.3g} +- {point.error:.1g} ({point.toys} toys, seed {record.seed}, {point.failed} failed)"


def coverage(study: CoverageStudy) -> Parts:
    """Yield how often intervals contain the truth, for each true value and method."""
    rows = [
        (
            *([] if row.setting is None else [f"{row.setting:.4g}"]),
            f"{entry.truth:.4g}",
            entry.method,
            f"{entry.covered:.3f} +- {entry.error:.3f}",
            f"{entry.quantile:.2f}" if entry.method == "profile" else "",
            f"{entry.toys}",
            f"{entry.failed}",
        )
        for row in study.rows
        for entry in row.coverage
    ]
    start = [] if study.over is None else [study.over]
    headers = (*start, f"true {study.poi}", "method", "coverage", f"{100 * study.cl:g} % of t below", "toys", "failed")
    yield Sheet(f"Coverage at {100 * study.cl:g} % CL (asymptotic threshold of t: {threshold(study.cl, 1):.2f})", headers, rows)


def posterior(result: Posterior) -> Parts:
    """Yield mean, quantiles and convergence of every parameter, and the credible intervals."""
    from cevnsfit.studies.posterior import notes_of

    found = result.numbers
    title, prefix = alone(result.about.experiments)
    rows = [
        (
            one.name.removeprefix(prefix),
            f"{one.mean:.4g} +- {one.sd:.3g}",
            f"{one.quantiles[2]:.4g}",
            f"{one.quantiles[1]:.4g} .. {one.quantiles[3]:.4g}",
            f"{one.r_hat:.4f}",
            f"{one.ess_bulk:.0f}",
            f"{one.ess_tail:.0f}",
            f"{one.autocorrelation:.0f}",
        )
        for one in found.marginals
    ]
    headers = ("name", "mean +- sd", "median", "16 % .. 84 %", "R-hat", "ESS bulk", "ESS tail", "steps of autocorrelation")
    yield Sheet(f"Posterior{title}", headers, rows)
    contents, cl = ", ".join(f"{100 * part:.1f} %" for part in found.contents), f"{100 * found.cl:g} %"
    yield f"{found.poi}: {cl} in {format_intervals(found.intervals)} ({contents}); {cl} below {found.upper:.4g}"
    yield from (f"  {note}" for note in notes_of(result)[1:])


# --- planes ------------------------------------------------------------------------------------------------------------------------


def scanned(result: Scan | Exclusion) -> Parts:
    """Yield the best fit in a plane."""
    found = result.plane
    best = ", ".join(f"{name} = {format_value(value)}" for name, value in found.best.items() if name != "nll2")
    reference = "" if math.isnan(found.reference_nll2) else f" ({found.reference_nll2:z.2f} without new physics)"
    yield f"{found.label}: best fit {best}, -2 ln lambda = {found.best['nll2']:z.2f}{reference}"


def toy_region(result: ToyRegion) -> Parts:
    """Yield what is allowed in each column of a plane."""
    x, y = result.plane.x, result.plane.y
    rows = [(f"{value:.4g}", format_intervals(c.allowed, y.unit)) for value, c in zip(x.values, result.columns, strict=True)]
    yield Sheet(f"Allowed {y.name} at {100 * result.region.cl:g} % CL", (f"{x.name} [{x.unit}]", y.name), rows)
    yield f"{result.method}; {result.failed} failed"
    yield result.effort


def critical_values(result: CriticalValues) -> Parts:
    """Yield the critical values at the nodes of a parameter, or their range at each value of the first one of a plane."""
    first = result.axes[0]
    headers = [f"{100 * cl:g} % CL" for cl in result.cls]
    if len(result.axes) == 1:
        cells = [
            [f"{value:.2f} +- {error:.2f}" for value, error in zip(*pair, strict=True)]
            for pair in zip(result.critical, result.errors, strict=True)
        ]
        title = "Critical values"
    else:
        cells = [[f"{row.min():.2f} to {row.max():.2f}" for row in level] for level in result.critical]
        title = f"Critical values over {result.axes[1].name}"
    rows = [(f"{value:.4g}", *texts) for value, *texts in zip(first.values, *cells, strict=True)]
    yield Sheet(title, (first.header, *headers), rows)
    yield from summary(result)
