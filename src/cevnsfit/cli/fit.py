"""`cevnsfit fit`: the best fit."""

from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, assignments
from cevnsfit.cli.output import Answer

if TYPE_CHECKING:
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
    from cevnsfit.report.tables import ResultTable
    from cevnsfit.studies.fitting import run_fit
    from cevnsfit.studies.texts import fit as fit_text

    chosen = what.analysis
    pseudo = _pseudo(truth, chosen.model, asimov=asimov, toy=toy)
    summary = run_fit(chosen, pseudo=pseudo, minos=minos)
    incomplete = "" if summary.fit.valid else f"the fit is not valid: {summary.fit.reason}"
    return Answer(summary, [ResultTable(tuple(fit_text(summary, chosen.model)))], analysis=chosen, seed=toy, incomplete=incomplete)


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
