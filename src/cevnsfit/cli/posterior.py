"""`cevnsfit posterior`: a Bayesian posterior."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, PoiOption, SeedOption, WorkerOptions
from cevnsfit.cli.output import Answer, alone, progress, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.studies.posterior import Posterior


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """What is sampled, and where it is kept."""

    poi: PoiOption = None
    prior: Annotated[
        list[str] | None,
        option("--prior", "Flat, flat in the logarithm, or normal; repeatable.", "NAME=LOW:HIGH[:log]|NAME=gaussian:MEAN:SIGMA"),
    ] = None
    cl: Annotated[float, option("--cl", "Probability of the credible intervals.")] = 0.90
    sampler: Annotated[str, option("--sampler", "Ensembles of walkers, or nested sampling, which gives the evidence.", "emcee|nested")] = (
        "emcee"
    )
    steps: Annotated[int | None, option("--steps", "Steps of each ensemble, in blocks of 100; 8000 by default.", "N")] = None
    walkers: Annotated[
        int | None, option("--walkers", "Of each ensemble, by default 4 for a parameter; live points of a nested run, 1000.", "N")
    ] = None
    ensembles: Annotated[int, option("--ensembles", "Independent ensembles, or nested runs.", "N")] = 4
    seed: SeedOption = 1
    folder: Annotated[
        Path | None, option("--output -o", "Folder for ensembles, table and picture: the same command continues a stopped run.", "DIR")
    ] = None


@command(
    "experiments model at poi prior cl sampler steps walkers ensembles seed jobs dask folder profile profile_signal changes allow_overlap electrons"
)
def posterior(what: AnalysisOptions, asked: SamplingOptions, workers: WorkerOptions) -> Answer:
    """Sample the posterior of all parameters that float; a mass is held, or floats with --profile.

    Priors are flat within the physical bounds of a parameter; nuisances have their constraints. More --steps continue a stored run.
    """
    from cevnsfit.studies import posterior as studies

    chosen, nested = what.analysis, asked.sampler == studies.NESTED
    with progress("nested runs" if nested else "blocks of 100 steps") as tell, workers.open() as executor:
        result = studies.posterior(
            what.likelihood, asked.poi, at=chosen.held, cl=asked.cl, priors=() if asked.prior is None else asked.prior, steps=asked.steps,
            walkers=asked.walkers, ensembles=asked.ensembles, seed=asked.seed, sampler=asked.sampler, store=asked.folder, workers=executor, progress=tell,
        )  # fmt: skip
    files = [] if asked.folder is None else studies.write_posterior(result, asked.folder)
    incomplete = "" if result.numbers.valid else f"{result.numbers.reason}: more {'--walkers' if nested else '--steps'}"
    return Answer(result, _text(result, chosen.experiments), files, analysis=chosen, seed=asked.seed, incomplete=incomplete)


def _text(result: "Posterior", experiments: "Sequence[str]") -> "Iterator[str]":
    from cevnsfit.report.tables import format_intervals
    from cevnsfit.studies.posterior import notes_of

    found = result.numbers
    title, prefix = alone(experiments)
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
    yield table(f"Posterior{title}", headers, rows)
    contents = ", ".join(f"{100 * part:.1f} %" for part in found.contents)
    yield (
        f"{found.poi}: {100 * found.cl:g} % in {format_intervals(found.intervals)} ({contents}); {100 * found.cl:g} % below {found.upper:.4g}"
    )
    yield from (f"  {note}" for note in notes_of(result)[1:])
