"""`cevnsfit region`: a Feldman-Cousins region in a plane of two parameters."""

from typing import TYPE_CHECKING, Annotated, Final

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
    OutputFolder,
    OverlapOption,
    ProfileOption,
    SeedOption,
    SetOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.infer.toy_regions import Ordering

_GRID: Final = ("mass=1:1000:13:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


def region(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    folder: OutputFolder,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="NAME=START:STOP:COUNT[:log]", help=f"Twice; {' and '.join(_GRID)}.", show_default=False),
    ] = None,
    at: AtOption = None,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level.")] = 0.90,
    ordering: Annotated[
        str,
        typer.Option("--ordering", metavar="plane|column", help="Best fit of a toy in the whole plane, or at the same mass (raster scan)."),
    ] = "plane",
    toys: Annotated[int, typer.Option("--toys", metavar="N", help="Toys at one point, at most, in whole chunks of 128.")] = 1024,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    profile: ProfileOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the Feldman-Cousins region of two parameters; finished toys are kept, and the same command continues."""
    from cevnsfit.cli.options import analysis, held
    from cevnsfit.infer.toys import Toys
    from cevnsfit.report.tables import format_intervals
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.toy_regions import RegionQuestion, run_toy_region, write_region
    from cevnsfit.studies.toy_runs import Run

    chosen = analysis(experiments, model, changes, allow_overlap=allow_overlap, electrons=electrons, floating=profile).holding(held(at))
    question = RegionQuestion(parse_grids(grid if grid else _GRID), cl, _ordering(ordering))
    with output.progress("toys, in chunks of 128") as progress:
        result = run_toy_region(chosen, question, run=Run(Toys(toys, seed), jobs, folder, dask), progress=progress)
    files = write_region(result, folder)
    if as_json:
        output.print_json({**plain(result), "files": files, "provenance": provenance(chosen, seed=seed)})
    else:
        x, y = result.plane.x, result.plane.y
        rows = [(f"{value:.4g}", format_intervals(c.allowed, y.unit)) for value, c in zip(x.values, result.columns, strict=True)]
        output.table(f"Allowed {y.name} at {100 * cl:g} % CL", (f"{x.name} [{x.unit}]", y.name), rows)
        output.print_lines(result.method, *([result.plane.caveat] if result.plane.caveat else []), *(str(file) for file in files))
    output.stop_if(not all(column.valid for column in result.columns), "no toy could be fitted at some points, or points did not converge")


def _ordering(text: str) -> "Ordering":
    from cevnsfit.core.errors import CevnsfitError

    if text == "plane":
        return "plane"
    if text == "column":
        return "column"
    message = f"unknown ordering '{text}'; known: plane, column"
    raise CevnsfitError(message)
