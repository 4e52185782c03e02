"""`cevnsfit gof`, `compatibility`, `significance` and `impacts`: is the model right, do experiments agree, what limits a measurement."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, PoiOption, ToyOptions, WorkerOptions, picture
from cevnsfit.cli.output import Answer, progress, table
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.discovery import Discovery
    from cevnsfit.infer.impacts import Ranking
    from cevnsfit.infer.results import ToyRecord
    from cevnsfit.studies.fitting import SignalStrength


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def gof(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test the goodness of fit: the deviance at the best fit, with the p-value of toys generated there; masses must be held."""
    from cevnsfit.studies.agreement import run_goodness

    chosen = what.analysis
    with progress() as tell:
        result = run_goodness(chosen, run=toys.asked(workers), progress=tell)
    line = f"-2 ln lambda / ndof = {result.statistic:.2f} / {result.ndof}; p = {result.p:.3g} (asymptotic: chi-squared)"
    return Answer(result, [line, *_tail(result.toys)], analysis=chosen, seed=toys.used_seed)


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def compatibility(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test whether experiments agree on the couplings they share (parameter goodness of fit); masses must be held.

    Before that, the signal strength of each experiment and its pull against the Standard Model.
    """
    from cevnsfit.studies.agreement import run_compatibility, signal_strengths

    chosen = what.analysis
    with progress() as tell:
        result = run_compatibility(chosen, run=toys.asked(workers), progress=tell)
    found = signal_strengths(chosen)
    return Answer({**plain(result), "strengths": found}, _best_fits(result, found), analysis=chosen, seed=toys.used_seed)


@command("experiments model at poi profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def significance(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions, poi: PoiOption = None) -> Answer:
    """Print the significance with which a parameter exceeds its value without signal, asymptotic or from toys; masses must be held."""
    from cevnsfit.studies.limits import run_discovery

    chosen = what.analysis
    with progress() as tell:
        result = run_discovery(chosen, poi=poi, run=toys.asked(workers), progress=tell)
    return Answer(result, _significance(result), analysis=chosen, seed=toys.used_seed)


@command("experiments model at poi profile profile_signal target changes allow_overlap electrons")
def impacts(
    what: AnalysisOptions,
    poi: PoiOption = None,
    target: Annotated[Path | None, option("--output -o", "Ranking plot: png, pdf or svg.", "FILE")] = None,
) -> Answer:
    """Rank the nuisances by their impact on a parameter, with pulls and constraints; masses must be held."""
    from cevnsfit.studies.agreement import run_ranking

    files = [] if target is None else [picture(target)]
    chosen = what.analysis
    result = run_ranking(chosen, poi=poi)
    if files:
        from cevnsfit.report.rankings import ranking_figure
        from cevnsfit.report.style import save_figure

        save_figure(ranking_figure(result, title=" + ".join(what.experiments)), files[0])
    return Answer(result, _ranking(result), files, analysis=chosen)


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
    if result.toys is None:
        yield f"significance {result.significance:.2f} sigma, p = {result.p:.3g} (asymptotic)"
        return
    (point,) = result.toys.points
    measured = f"{result.significance:.2f} sigma, p = {point.p:.3g} +- {point.error:.1g}"
    text = measured if point.p else f"p < {3 / max(point.toys, 1):.1g} (95 % CL)"
    yield f"significance {text}, {point.toys} toys, seed {result.toys.seed}, {point.failed} failed"


def _ranking(result: "Ranking") -> "Iterator[str]":
    rows = [
        (
            entry.name,
            f"{entry.value:+.3f} +- {entry.error:.3f}",
            "prior" if entry.constrained else "absolute",
            f"{entry.up:+.3g}",
            f"{entry.down:+.3g}",
        )
        for entry in result.impacts
    ]
    yield table(f"Impact on {result.poi}", ("nuisance", "value +- error", "in units of", "at +1 sigma", "at -1 sigma"), rows)


def _tail(record: "ToyRecord | None") -> list[str]:
    if record is None:
        return []
    (point,) = record.points
    return [f"p = {point.p:.3g} +- {point.error:.1g} ({point.toys} toys, seed {record.seed}, {point.failed} failed)"]
