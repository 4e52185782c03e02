"""`cevnsfit gof`, `compatibility`, `significance` and `impacts`: is the model right, do experiments agree, what limits a measurement."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, PoiOption, ToyOptions, WorkerOptions, picture
from cevnsfit.cli.output import Answer, alone, lost, progress, table
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.discovery import Discovery
    from cevnsfit.infer.impacts import Ranking
    from cevnsfit.infer.results import Tested, ToyRecord
    from cevnsfit.studies.agreement import SignalStrength


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def gof(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test the goodness of fit: the deviance at the best fit, with the p-value of toys generated there; masses must be held."""
    from cevnsfit.studies.agreement import goodness

    chosen, likelihood = what.analysis, what.likelihood
    with progress() as tell, workers.open() as executor:
        result = goodness(likelihood, at=chosen.held, toys=toys.asked, store=toys.folder, workers=executor, progress=tell)
    p = f"p = {result.p:.3g} (asymptotic: chi-squared)" if result.ndof > 0 else "no degrees of freedom are left"
    line = f"-2 ln lambda / ndof = {result.statistic:.2f} / {result.ndof}; {p}"
    return Answer(result, [line, *_tail(result.toys)], analysis=chosen, seed=toys.used_seed, incomplete=_lost(result))


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def compatibility(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test whether experiments agree on the couplings they share (parameter goodness of fit); masses must be held.

    Before that, the signal strength of each experiment and its pull against the Standard Model.
    """
    from cevnsfit.studies import agreement

    chosen, likelihood = what.analysis, what.likelihood
    with progress() as tell, workers.open() as executor:
        result = agreement.compatibility(likelihood, at=chosen.held, toys=toys.asked, store=toys.folder, workers=executor, progress=tell)
    found = agreement.signal_strengths(likelihood)
    document = {**plain(result), "strengths": found}
    return Answer(document, _best_fits(result, found), analysis=chosen, seed=toys.used_seed, incomplete=_lost(result))


@command("experiments model at poi profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def significance(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions, poi: PoiOption = None) -> Answer:
    """Print the significance with which a parameter exceeds its value without signal; masses must be held.

    It is asymptotic where that holds; elsewhere, and with --toys, that of toys (2048).
    """
    from cevnsfit.studies import limits

    chosen, likelihood = what.analysis, what.likelihood
    with progress() as tell, workers.open() as executor:
        result = limits.significance(likelihood, poi, at=chosen.held, toys=toys.asked, store=toys.folder, workers=executor, progress=tell)
    seed = None if result.toys is None else result.toys.seed
    return Answer(result, _significance(result), analysis=chosen, seed=seed, incomplete=_lost(result))


@command("experiments model at poi profile profile_signal target changes allow_overlap electrons")
def impacts(
    what: AnalysisOptions,
    poi: PoiOption = None,
    target: Annotated[Path | None, option("--output -o", "Ranking plot: png, pdf or svg.", "FILE")] = None,
) -> Answer:
    """Rank the nuisances by their impact on a parameter, with pulls and constraints; masses must be held."""
    from cevnsfit.studies import agreement

    files = [] if target is None else [picture(target)]
    chosen = what.analysis
    result = agreement.impacts(what.likelihood, poi, at=chosen.held)
    if files:
        from cevnsfit.report.rankings import ranking_figure
        from cevnsfit.report.style import save_figure

        save_figure(ranking_figure(result, title=" + ".join(what.experiments)), files[0])
    return Answer(result, _ranking(result, what.experiments), files, analysis=chosen)


def strength_table(found: "Sequence[SignalStrength]") -> str:
    """Return the table of how experiments and combinations sit with the Standard Model."""
    from cevnsfit.report.tables import format_value

    rows = [
        (
            entry.label,
            f"{entry.observed:.0f}",
            f"{entry.expected:.1f}",
            format_value(entry.strength, entry.error),
            f"{entry.nll2:.1f} / {entry.ndof}",
            f"{entry.pull:+.2f} sigma ({'excess' if entry.pull > 0 else 'deficit'})",
        )
        for entry in found
    ]
    headers = ("experiments", "observed", "expected (SM)", "signal strength", "-2 ln lambda / ndof", "pull against the SM")
    return table("Against the Standard Model", headers, rows)


def _best_fits(result: "Compatibility", found: "Sequence[SignalStrength]") -> "Iterator[str]":
    yield strength_table(found)
    rows = [("all", name, f"{value:.4g}") for name, value in result.combined.items()]
    rows += [(experiment, name, f"{value:.4g}") for experiment, values in result.separate.items() for name, value in values.items()]
    yield table("Best fits", ("experiment", "coupling", "value"), rows)
    yield f"chi2_PG / ndof = {result.statistic:.2f} / {result.ndof}; p = {result.p:.3g} (asymptotic: chi-squared)"
    yield from _tail(result.toys)


def _significance(result: "Discovery") -> "Iterator[str]":
    yield f"{result.poi} = {result.estimate:.4g} at the best fit, q0 = {result.statistic:.2f}"
    lowest = min((nll2 for _, nll2 in result.minima), default=0.0)
    yield f"minima (difference in -2 ln lambda): {', '.join(f'{value:.4g} ({nll2 - lowest:+.2f})' for value, nll2 in result.minima)}"
    if result.asymptotic:
        yield f"significance {result.significance:.2f} sigma, p = {result.p:.3g} (asymptotic)"
    if result.toys is not None:
        (point,) = result.toys.points
        text = f"p = {point.p:.3g} +- {point.error:.1g}" if point.p else f"p < {3 / max(point.toys, 1):.1g} (95 % CL)"
        start = "" if result.asymptotic else "significance " + (f"{result.significance:.2f} sigma, " if point.p else "")
        yield f"{start}{text}, {point.toys} toys, seed {result.toys.seed}, {point.failed} failed"
    if result.remark:
        yield result.remark


def _ranking(result: "Ranking", experiments: "Sequence[str]") -> "Iterator[str]":
    title, prefix = alone(experiments)
    rows = [
        (
            entry.name.removeprefix(prefix),
            f"{entry.value:+.3f} +- {entry.error:.3f}",
            "prior" if entry.constrained else "absolute",
            f"{entry.up:+.3g}",
            f"{entry.down:+.3g}",
        )
        for entry in result.impacts
    ]
    yield table(f"Impact on {result.poi}{title}", ("nuisance", "value +- error", "in units of", "at +1 sigma", "at -1 sigma"), rows)
    if result.failed:
        yield f"no impact where the fit failed, or at an end of a domain: {', '.join(result.failed)}"


def _lost(result: "Tested") -> str:
    return "" if result.toys is None else lost(result.toys.failed)


def _tail(record: "ToyRecord | None") -> list[str]:
    if record is None:
        return []
    (point,) = record.points
    return [f"p = {point.p:.3g} +- {point.error:.1g} ({point.toys} toys, seed {record.seed}, {point.failed} failed)"]
