"""`cevnsfit fit`: the best fit."""

import math
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, assignments, values_text
from cevnsfit.cli.output import Answer, alone, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.fitting import FitSummary
    from cevnsfit.studies.pseudo import Pseudo


@command("experiments model at profile changes profile_signal allow_overlap electrons minos asimov toy truth")
def fit(
    what: AnalysisOptions,
    asimov: Annotated[bool, option("--asimov", "Fit Asimov data: the expectation at --true.")] = False,
    toy: Annotated[int | None, option("--toy", "Fit one toy generated at --true.", "SEED")] = None,
    minos: Annotated[
        list[str] | None, option("--minos", "Errors by MINOS; by default of what is no nuisance; repeatable.", "NAME|all")
    ] = None,
    truth: Annotated[
        list[str] | None,
        option("--true", "True parameter of --asimov and --toy; a mass as held, others at their defaults; repeatable.", "NAME=VALUE"),
    ] = None,
) -> Answer:
    """Fit a model to one or more experiments; all parameters float unless held."""
    from cevnsfit.studies.fitting import run_fit

    chosen = what.analysis
    pseudo = _pseudo(truth, chosen.model, asimov=asimov, toy=toy)
    summary = run_fit(chosen, pseudo=pseudo, minos=minos)
    incomplete = "" if summary.fit.valid else f"the fit is not valid: {summary.fit.reason}"
    text = fit_text(summary, chosen, pseudo=pseudo is not None)
    return Answer(summary, text, analysis=chosen, seed=toy, incomplete=incomplete)


def _pseudo(truth: list[str] | None, model: str, *, asimov: bool, toy: int | None) -> "Pseudo | None":
    """Return which pseudo-data are asked for, None for the observed data."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.studies.pseudo import Pseudo

    if asimov and toy is not None:
        message = "choose one of --asimov and --toy"
        raise CevnsfitError(message)
    if not asimov and toy is None:
        if truth:
            message = "--true belongs to --asimov or --toy"
            raise CevnsfitError(message)
        return None
    return Pseudo(assignments(truth, model), toy)


def fit_text(summary: "FitSummary", analysis: "Analysis", *, pseudo: bool = False) -> "Iterator[str]":
    """Yield parameters, counts and the quality of a fit; what was fitted if it is `pseudo`-data."""
    from cevnsfit.report.tables import fit_rows
    from cevnsfit.studies.setup import units_of

    result = summary.fit
    if pseudo:
        yield f"fitted: {summary.data}"
    title, prefix = alone(analysis.experiments)
    rows = [(name.removeprefix(prefix), *values) for name, *values in fit_rows(result)]
    yield table(f"Parameters{title}", ("name", "value +- error", "MINOS from", "to"), rows)
    held = {name: summary.held[name] for name in units_of(analysis.model) if name in summary.held}
    if held:
        yield f"held: {values_text(analysis.model, held)}"
    yield _counts(summary)
    yield f"-2 ln lambda / ndof = {result.nll2:.2f} / {result.ndof}; {_signal(summary)}"
    if not math.isnan(summary.delta_nll2_sm):
        yield f"the Standard Model: {summary.delta_nll2_sm:+.2f} in -2 ln lambda"
    if result.at_domain_end:
        yield f"at the end of the domain, not at a minimum of its own: {', '.join(result.at_domain_end)}"
    if result.reason and result.valid:
        yield f"remark: {result.reason}"
    if summary.caveat:
        yield f"caveat: {summary.caveat}"


def _counts(summary: "FitSummary") -> str:
    rows = []
    for entry in summary.counts:
        rows += [(entry.experiment, name, f"{values.sum():.1f}") for name, values in entry.components.items()]
        rows.append((entry.experiment, "all", f"{entry.total.sum():.1f}"))
        if entry.observed is not None:
            rows.append((entry.experiment, "observed", f"{entry.observed.sum():.0f}"))
    return table("Counts at the best fit", ("experiment", "component", "counts"), rows)


def _signal(summary: "FitSummary") -> str:
    if math.isinf(summary.significance):
        return "impossible without signal"
    return f"{'signal' if summary.significance >= 0 else 'deficit'} at {abs(summary.significance):.2f} sigma"
