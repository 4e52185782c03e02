"""`cevnsfit fit`: the best fit."""

from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    ElectronsOption,
    ExperimentsArgument,
    JsonOption,
    ModelOption,
    OverlapOption,
    ProfileOption,
    ProfileSignalOption,
    SetOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.studies.fitting import FitSummary
    from cevnsfit.studies.pseudo import Pseudo


def fit(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    profile: ProfileOption = None,
    changes: SetOption = None,
    profile_signal: ProfileSignalOption = False,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    asimov: Annotated[bool, typer.Option("--asimov", help="Fit Asimov data: the expectation at --true.")] = False,
    toy: Annotated[int | None, typer.Option("--toy", metavar="SEED", help="Fit one toy generated at --true.", show_default=False)] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option(
            "--true",
            metavar="NAME=VALUE",
            help="True parameter of --asimov and --toy; a mass as held, others at their defaults; repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a model to one or more experiments; all parameters float unless held."""
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.studies.fitting import run_fit
    from cevnsfit.studies.provenance import provenance

    chosen = analysis(
        experiments,
        model,
        changes,
        electrons=electrons,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        floating=profile,
    ).holding(held(at))
    summary = run_fit(chosen, pseudo=_pseudo(truth, asimov=asimov, toy=toy))
    if as_json:
        output.print_json({**plain(summary), "provenance": provenance(chosen, seed=toy)})
    else:
        output.print_lines(*([f"fitted: {summary.data}"] if asimov or toy is not None else []))
        print_fit(summary)
    output.stop_if(not summary.fit.valid, f"the fit is not valid: {summary.fit.reason}")


def _pseudo(truth: list[str] | None, *, asimov: bool, toy: int | None) -> "Pseudo | None":
    """Return which pseudo-data are asked for, None for the observed data."""
    from cevnsfit.cli.options import held
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
    return Pseudo(held(truth), toy)


def print_fit(summary: "FitSummary") -> None:
    """Print parameters, counts and the quality of a fit."""
    from cevnsfit.report.tables import fit_rows

    result = summary.fit
    output.table("Parameters", ("name", "value +- error", "MINOS from", "to"), fit_rows(result))
    rows = []
    for entry in summary.counts:
        rows += [(entry.experiment, name, f"{values.sum():.1f}") for name, values in entry.components.items()]
        rows.append((entry.experiment, "all", f"{entry.total.sum():.1f}"))
        if entry.observed is not None:
            rows.append((entry.experiment, "observed", f"{entry.observed.sum():.0f}"))
    output.table("Counts at the best fit", ("experiment", "component", "counts"), rows)
    output.print_lines(
        f"-2 ln lambda / ndof = {result.nll2:.2f} / {result.ndof}; signal at {summary.significance:.2f} sigma",
        *([f"remark: {result.reason}"] if result.reason and result.valid else []),
        *([f"caveat: {summary.caveat}"] if summary.caveat else []),
    )
