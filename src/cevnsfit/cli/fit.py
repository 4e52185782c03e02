"""`cevnsfit rates`, `fit` and `spectra`: expected counts, the best fit, and its picture."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import LOOK, AnalysisOptions, ExperimentArgument, LookOptions, ModelOptions, assignments, drawn, picture
from cevnsfit.cli.output import Answer, progress


@command("experiment model at changes electrons")
def rates(experiment: ExperimentArgument, what: ModelOptions) -> Answer:
    """Print the expected counts of one experiment, with nuisances at their nominal values."""
    from cevnsfit.studies import rates as expected
    from cevnsfit.studies.setup import build

    chosen = what.of([experiment])
    (counts,) = expected.rates(build(chosen), at=chosen.held).values()
    return Answer(counts, analysis=chosen)


@command("experiments model at profile changes profile_signal allow_overlap electrons minos asimov toy truth")
def fit(
    what: AnalysisOptions,
    asimov: Annotated[bool, option("--asimov", "Fit Asimov data: the expectation at --true.")] = False,
    toy: Annotated[int | None, option("--toy", "Fit one toy generated at --true.", "SEED")] = None,
    minos: Annotated[
        list[str] | None, option("--minos", "MINOS errors; by default of all parameters except nuisances; repeatable.", "NAME|all")
    ] = None,
    truth: Annotated[
        list[str] | None,
        option("--true", "True value of a parameter for --asimov and --toy; by default as held, or its default; repeatable.", "NAME=VALUE"),
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
    likelihood = build(chosen)
    if pseudo:
        held = {name: value for name, value in chosen.held.items() if name in likelihood.nonlinear}
        likelihood = likelihood.with_data("asimov" if asimov else "toy", held | assignments(truth, chosen.model), seed=toy)
    with progress("fit", after=2.0) as tell:
        found = fitting.fit(likelihood, at=chosen.held, minos=minos, progress=tell)
    return Answer(found, analysis=chosen, seed=toy)


@command(f"experiments model target at profile profile_signal changes allow_overlap electrons {LOOK}")
def spectra(
    what: AnalysisOptions,
    target: Annotated[Path, option("--output -o", "Picture: png, pdf, svg or pgf.", "FILE")],
    looks: LookOptions,
) -> Answer:
    """Fit a model, and draw data against the stacked components of the best fit with residuals."""
    from cevnsfit.studies import fitting

    look = looks.over()
    path = picture(target, look)
    found = fitting.fit(what.likelihood, at=what.held)
    return Answer({"fit": found}, files=drawn(found, path, look), analysis=what.analysis, incomplete=found.doubt)
