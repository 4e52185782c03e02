"""`cevnsfit fit`: the best fit."""

import math
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, assignments, values_text
from cevnsfit.cli.output import Answer, alone, progress, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.fitting import Fit


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
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.studies import fitting
    from cevnsfit.studies.setup import build

    chosen, pseudo = what.analysis, asimov or toy is not None
    if asimov and toy is not None:
        message = "choose one of --asimov and --toy"
        raise CevnsfitError(message)
    if truth and not pseudo:
        message = "--true belongs to --asimov or --toy"
        raise CevnsfitError(message)
    likelihood = build(chosen, fitted=False)
    if pseudo:
        held = {name: value for name, value in chosen.held.items() if name in likelihood.nonlinear}
        likelihood = likelihood.with_data("asimov" if asimov else "toy", held | assignments(truth, chosen.model), seed=toy)
    with progress("fit", after=2.0) as tell:
        found = fitting.fit(likelihood, at=chosen.held, minos=minos, progress=tell)
    incomplete = "" if found.valid else f"the fit is not valid: {found.reason}"
    return Answer(found, fit_text(found, chosen), analysis=chosen, seed=toy, incomplete=incomplete)


def fit_text(found: "Fit", analysis: "Analysis") -> "Iterator[str]":
    """Yield parameters, counts and the quality of a fit; what was fitted if it is not observed data."""
    from cevnsfit.report.tables import fit_rows
    from cevnsfit.studies.setup import units_of

    if found.data != "observed":
        yield f"fitted: {found.data}"
    title, prefix = alone(analysis.experiments)
    rows = [(name.removeprefix(prefix), *values) for name, *values in fit_rows(found)]
    yield table(f"Parameters{title}", ("name", "value +- error", "MINOS from", "to"), rows)
    held = {name: found.held[name] for name in units_of(analysis.model) if name in found.held}
    if held:
        yield f"held: {values_text(analysis.model, held)}"
    yield _counts(found)
    yield f"-2 ln lambda / ndof = {found.nll2:.2f} / {found.ndof}; {_signal(found)}"
    if not math.isnan(found.delta_nll2_sm):
        yield f"the Standard Model: {found.delta_nll2_sm:+.2f} in -2 ln lambda"
    if found.at_domain_end:
        yield f"at the end of the domain, not at a minimum of its own: {', '.join(found.at_domain_end)}"
    if found.reason and found.valid:
        yield f"remark: {found.reason}"
    if found.about.caveat:
        yield f"caveat: {found.about.caveat}"


def _counts(found: "Fit") -> str:
    rows = []
    for entry in found.counts.values():
        rows += [(entry.experiment, name, f"{values.sum():.1f}") for name, values in entry.components.items()]
        rows.append((entry.experiment, "all", f"{entry.total:.1f}"))
        if entry.observed is not None:
            rows.append((entry.experiment, "observed", f"{entry.observed.sum():.0f}"))
    return table("Counts at the best fit", ("experiment", "component", "counts"), rows)


def _signal(found: "Fit") -> str:
    if math.isinf(found.significance):
        return "impossible without signal"
    return f"{'signal' if found.significance >= 0 else 'deficit'} at {abs(found.significance):.2f} sigma"
