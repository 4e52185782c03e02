"""`cevnsfit posterior`: a Bayesian posterior."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    DaskOption,
    ElectronsOption,
    ExperimentsArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    OverlapOption,
    PoiOption,
    ProfileOption,
    ProfileSignalOption,
    SeedOption,
    SetOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.studies.posterior import Posterior


def posterior(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    poi: PoiOption = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            "--prior", metavar="NAME=LOW:HIGH[:log]", help="Flat prior, or flat in the logarithm; repeatable.", show_default=False
        ),
    ] = None,
    cl: Annotated[float, typer.Option("--cl", help="Probability of the credible intervals.")] = 0.90,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Steps of each ensemble, in blocks of 100.")] = 8000,
    walkers: Annotated[int | None, typer.Option("--walkers", metavar="N", help="Of each ensemble; by default 4 for a parameter.")] = None,
    ensembles: Annotated[int, typer.Option("--ensembles", metavar="N", help="Independent ensembles.")] = 4,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for ensembles, table and picture: the same command continues a stopped run."
        ),
    ] = None,
    profile: ProfileOption = None,
    profile_signal: ProfileSignalOption = False,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sample the posterior of all parameters that float, with emcee; masses must be held.

    Priors are flat within the bounds of a parameter; nuisances have their constraints. More --steps continue a stored run.
    """
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.studies.posterior import Place, Sampling, parse_priors, run_posterior, write_posterior
    from cevnsfit.studies.provenance import provenance

    sampling = Sampling(poi, cl, parse_priors([] if prior is None else prior), steps, walkers, ensembles, seed)
    chosen = analysis(
        experiments,
        model,
        changes,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        electrons=electrons,
        floating=profile,
    ).holding(held(at))
    with output.progress("blocks of 100 steps") as progress:
        result = run_posterior(chosen, sampling, place=Place(jobs, dask, folder), progress=progress)
    files = [] if folder is None else write_posterior(result, folder)
    if as_json:
        output.print_json({**plain(result), "files": files, "provenance": provenance(chosen, seed=seed)})
    else:
        _print(result)
        output.print_lines(*(str(file) for file in files))
    output.stop_if(not result.numbers.valid, f"{result.numbers.reason}: more --steps")


def _print(result: "Posterior") -> None:
    from cevnsfit.report.tables import format_intervals
    from cevnsfit.studies.posterior import notes_of

    found = result.numbers
    rows = [
        (
            one.name,
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
    output.table("Posterior", headers, rows)
    contents = ", ".join(f"{100 * part:.1f} %" for part in found.contents)
    output.print_lines(
        f"{found.poi}: {100 * found.cl:g} % in {format_intervals(found.intervals)} ({contents}); {100 * found.cl:g} % below {found.upper:.4g}",
        *(f"  {note}" for note in notes_of(result)[1:]),
    )
