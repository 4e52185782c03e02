"""`cevnsfit posterior`: a Bayesian posterior."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import LOOK, AnalysisOptions, LookOptions, PoiOption, SeedOption, WorkerOptions, drawn
from cevnsfit.cli.output import Answer


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
        int | None,
        option("--walkers", "Walkers of each ensemble, by default 4 per parameter; live points of a nested run, by default 1000.", "N"),
    ] = None
    ensembles: Annotated[int, option("--ensembles", "Independent ensembles, or nested runs.", "N")] = 4
    seed: SeedOption = 1
    folder: Annotated[
        Path | None, option("--output -o", "Folder for ensembles, table and picture; run the same command again to resume.", "DIR")
    ] = None
    kind: Annotated[str | None, option("--kind", "The picture: of the parameter of interest, or of several.", "density|corner")] = None


@command(
    f"experiments model at poi prior cl sampler steps walkers ensembles seed jobs dask folder kind profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def posterior(what: AnalysisOptions, asked: SamplingOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Sample the posterior of all floating parameters; a mass is held unless --profile lets it float.

    Priors are flat within the physical bounds of a parameter; nuisances have their constraints as priors. More --steps extend a stored run.
    """
    from cevnsfit.studies import posterior as studies
    from cevnsfit.studies.shown import checked_kind

    look = looks.over()
    kind = checked_kind("Posterior", asked.kind, look)
    with workers.running("nested runs" if asked.sampler == studies.NESTED else "blocks of 100 steps", at_once=True) as where:
        result = studies.posterior(
            what.likelihood, asked.poi, at=what.held, cl=asked.cl, priors=() if asked.prior is None else asked.prior, steps=asked.steps,
            walkers=asked.walkers, ensembles=asked.ensembles, seed=asked.seed, sampler=asked.sampler, store=asked.folder, **where,
        )  # fmt: skip
    files = []
    if asked.folder is not None:
        picture = asked.folder / (studies.PICTURE if asked.kind is None else f"{kind}.png")
        files = [studies.write_posterior(result, asked.folder), *drawn(result, picture, look, kind)]
    return Answer(result, files=files, analysis=what.analysis, seed=asked.seed)
