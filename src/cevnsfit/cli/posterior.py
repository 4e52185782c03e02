"""`cevnsfit posterior`: a Bayesian posterior."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, PoiOption, SeedOption, WorkerOptions
from cevnsfit.cli.output import Answer, progress

if TYPE_CHECKING:
    from cevnsfit.studies.posterior import Sampling


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

    @property
    def sampling(self) -> "Sampling":
        """Return what is sampled and how."""
        from cevnsfit.studies.posterior import Sampling, parse_priors

        priors = parse_priors([] if self.prior is None else self.prior)
        return Sampling(self.poi, self.cl, priors, self.steps, self.walkers, self.ensembles, self.seed, self.sampler)


@command(
    "experiments model at poi prior cl sampler steps walkers ensembles seed jobs dask folder profile profile_signal changes allow_overlap electrons"
)
def posterior(what: AnalysisOptions, asked: SamplingOptions, workers: WorkerOptions) -> Answer:
    """Sample the posterior of all parameters that float; a mass is held, or floats with --profile.

    Priors are flat within the physical bounds of a parameter; nuisances have their constraints. More --steps continue a stored run.
    """
    from cevnsfit.studies.posterior import Place, run_posterior, write_posterior

    sampling, chosen, place = asked.sampling, what.analysis, Place(workers.jobs, workers.dask, asked.folder)
    with progress("nested runs" if sampling.nested else "blocks of 100 steps") as tell:
        result = run_posterior(chosen, sampling, place=place, progress=tell)
    files = [] if asked.folder is None else write_posterior(result, asked.folder)
    incomplete = "" if result.numbers.valid else f"{result.numbers.reason}: more {'--walkers' if sampling.nested else '--steps'}"
    return Answer(result, files=files, analysis=chosen, seed=asked.seed, incomplete=incomplete)
