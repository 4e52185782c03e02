"""`cevnsfit coverage`: how often intervals contain the truth."""

from typing import Annotated

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
    ProfileOption,
    SeedOption,
    SetOption,
    ToyFolder,
)


def coverage(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    truth: Annotated[list[str], typer.Option("--true", metavar="NAME=VALUE", help="True value; repeatable.", show_default=False)],
    at: AtOption = None,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level.")] = 0.90,
    toys: Annotated[int, typer.Option("--toys", metavar="N", help="Toys at each true value for profile-likelihood intervals.")] = 512,
    nested: Annotated[
        int, typer.Option("--fc-toys", metavar="N", help="Toys at each true value for Feldman-Cousins intervals, each with 64 to 768 more.")
    ] = 0,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: ToyFolder = None,
    profile: ProfileOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the coverage of profile-likelihood and Feldman-Cousins intervals at true values; masses must be held."""
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.intervals import threshold
    from cevnsfit.studies.coverage import Truths, coverage_json, parse_truths, run_coverage
    from cevnsfit.studies.throwing import Run

    chosen = analysis(experiments, model, changes, allow_overlap=allow_overlap, electrons=electrons, floating=profile)
    truths = Truths(*parse_truths(truth), cl, nested)
    with output.progress("units of toys") as progress:
        found = run_coverage(chosen, truths, at=held(at), run=Run(ToyPlan(toys, seed), jobs, folder, dask), progress=progress)
    if as_json:
        output.print_json(coverage_json(found))
        return
    rows = [
        (
            f"{entry.truth:.4g}",
            entry.method,
            f"{entry.covered:.3f} +- {entry.error:.3f}",
            f"{entry.quantile:.2f}" if entry.method == "profile" else "",
            f"{entry.toys}",
            f"{entry.failed}",
        )
        for entry in found
    ]
    headers = (f"true {truths.poi}", "method", "coverage", f"{100 * cl:g} % of t below", "toys", "failed")
    output.table(f"Coverage at {100 * cl:g} % CL (asymptotic threshold of t: {threshold(cl, 1):.2f})", headers, rows)
