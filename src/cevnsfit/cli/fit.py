"""`cevnsfit rates`, `fit` and `spectra`: expected counts, the best fit, and its picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import (
    LOOK,
    AnalysisOptions,
    ExperimentArgument,
    LookOptions,
    ModelOptions,
    assignments,
    drawn,
    parameters_known,
    picture,
)
from cevnsfit.cli.output import Answer, progress

if TYPE_CHECKING:
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.stats.likelihood import Likelihood


@command("experiment model at changes electrons constrain correlate")
def rates(experiment: ExperimentArgument, what: ModelOptions) -> Answer:
    """Print the expected counts of one experiment, with nuisances at their nominal values."""
    from cevnsfit.studies import rates as expected
    from cevnsfit.studies.setup import build

    chosen = what.of([experiment])
    (counts,) = expected.rates(build(chosen), at=chosen.held).values()
    return Answer(counts, analysis=chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """What is fitted in the place of the observed data."""

    asimov: Annotated[bool, option("--asimov", "Fit Asimov data: the expectation at --true.")] = False
    toy: Annotated[int | None, option("--toy", "Fit one toy generated at --true.", "SEED")] = None
    truth: Annotated[
        list[str] | None,
        option("--true", "True value of a parameter for --asimov and --toy; by default as held, or its default; repeatable.", "NAME=VALUE"),
    ] = None

    def filled(self, chosen: "Analysis") -> "Likelihood":
        """Return the likelihood of an analysis with these data; CevnsfitError if they contradict each other."""
        from cevnsfit.core.errors import CevnsfitError
        from cevnsfit.studies.setup import build

        pseudo = self.asimov or self.toy is not None
        if self.asimov and self.toy is not None:
            message = "choose one of --asimov and --toy"
            raise CevnsfitError(message)
        if self.truth and not pseudo:
            message = "--true belongs to --asimov or --toy"
            raise CevnsfitError(message)
        likelihood = build(chosen)
        if not pseudo:
            return likelihood
        held = {name: value for name, value in chosen.held.items() if name in likelihood.nonlinear}
        return likelihood.with_data("asimov" if self.asimov else "toy", held | assignments(self.truth, chosen.model), seed=self.toy)


@command("experiments model at profile changes profile_signal allow_overlap electrons constrain correlate minos blind asimov toy truth")
def fit(
    what: AnalysisOptions,
    data: DataOptions,
    minos: Annotated[
        list[str] | None, option("--minos", "MINOS errors; by default of all parameters except nuisances; repeatable.", "NAME|all")
    ] = None,
    blind: Annotated[
        list[str] | None, option("--blind", "Hide the value of a parameter behind an offset; repeatable.", "NAME[=WORD]", parameters_known)
    ] = None,
) -> Answer:
    """Fit a model to one or more experiments; all parameters float unless held."""
    from cevnsfit.studies import fitting

    chosen = what.analysis
    likelihood = data.filled(chosen)
    with progress("fit", after=2.0) as tell:
        found = fitting.fit(likelihood, at=chosen.held, minos=minos, blind=() if blind is None else blind, progress=tell)
    return Answer(found, analysis=chosen, seed=data.toy)


@command(
    f"experiments model target kind at profile profile_signal changes allow_overlap electrons constrain correlate asimov toy truth {LOOK}"
)
def spectra(
    what: AnalysisOptions,
    data: DataOptions,
    target: Annotated[Path, option("--output -o", "Picture: png, pdf, svg or pgf.", "FILE")],
    looks: LookOptions,
    kind: Annotated[
        str | None,
        option("--kind", "The picture: spectra, minus backgrounds, or of the parameters.", "spectra|subtracted|pulls|correlations"),
    ] = None,
) -> Answer:
    """Fit a model, and draw data against the stacked components of the best fit with residuals.

    Experiments without data are drawn as they are expected at nominal nuisances, with the errors that data would have.
    """
    from cevnsfit.studies import fitting, rates
    from cevnsfit.studies.shown import checked_kind

    look, likelihood = looks.over(), data.filled(what.analysis)
    path = picture(target, look)
    if all(channel.observed is None for channel in likelihood.at({}).channels):
        kind = checked_kind("Rates", kind, look)
        counts = rates.rates(likelihood, at=what.held)
        return Answer({"rates": counts}, files=drawn(counts, path, look, kind), analysis=what.analysis)
    kind = checked_kind("Fit", kind, look)
    found = fitting.fit(likelihood, at=what.held)
    return Answer({"fit": found}, files=drawn(found, path, look, kind), analysis=what.analysis, seed=data.toy, incomplete=found.doubt)
