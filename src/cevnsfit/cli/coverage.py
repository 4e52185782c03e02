"""`cevnsfit coverage`: how often intervals contain the truth."""

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
    ProfileOption,
    SeedOption,
    SetOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.studies.coverage import CoverageStudy


def coverage(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    truth: Annotated[
        list[str],
        typer.Option("--true", metavar="NAME=VALUE", help="True value, or START:STOP:COUNT[:log]; repeatable.", show_default=False),
    ],
    grid: Annotated[
        str | None, typer.Option("--grid", metavar="NAME=START:STOP:COUNT[:log]", help="Values of a held parameter, such as the mass.")
    ] = None,
    at: AtOption = None,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level.")] = 0.90,
    toys: Annotated[int, typer.Option("--toys", metavar="N", help="Toys at each true value for profile likelihood and CLs.")] = 512,
    nested: Annotated[
        int, typer.Option("--fc-toys", metavar="N", help="Toys at each true value for Feldman-Cousins intervals, each with 64 to 768 more.")
    ] = 0,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for toys, table and picture: the same command continues a stopped run."),
    ] = None,
    profile: ProfileOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the coverage of profile-likelihood, Feldman-Cousins and CLs intervals at true values; masses must be held or have a grid.

    CLs limits are studied where counts grow with the parameter.
    """
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies.coverage import Truths, parse_truths, run_coverage, write_coverage
    from cevnsfit.studies.grids import parse_grid
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.toy_runs import Run

    chosen = analysis(experiments, model, changes, allow_overlap=allow_overlap, electrons=electrons, floating=profile).holding(held(at))
    over = None
    if grid is not None:
        name, values = parse_grid(grid)
        over = name, tuple(float(value) for value in values)
    truths = Truths(*parse_truths(truth), cl, nested, over)
    with output.progress("units of toys") as progress:
        study = run_coverage(chosen, truths, run=Run(Toys(toys, seed), jobs, folder, dask), progress=progress)
    files = [] if folder is None else write_coverage(study, folder)
    if as_json:
        output.print_json({**plain(study), "files": files, "provenance": provenance(chosen, seed=seed)})
        return
    _print(study)
    output.print_lines(*(str(file) for file in files))


def _print(study: "CoverageStudy") -> None:
    from cevnsfit.infer.intervals import threshold

    truths, over = study.truths, study.truths.over
    rows = [
        (
            *([] if row.setting is None else [f"{row.setting:.4g}"]),
            f"{entry.truth:.4g}",
            entry.method,
            f"{entry.covered:.3f} +- {entry.error:.3f}",
            f"{entry.quantile:.2f}" if entry.method == "profile" else "",
            f"{entry.toys}",
            f"{entry.failed}",
        )
        for row in study.rows
        for entry in row.coverage
    ]
    start = [] if over is None else [over[0]]
    headers = (*start, f"true {truths.poi}", "method", "coverage", f"{100 * truths.cl:g} % of t below", "toys", "failed")
    output.table(f"Coverage at {100 * truths.cl:g} % CL (asymptotic threshold of t: {threshold(truths.cl, 1):.2f})", headers, rows)
