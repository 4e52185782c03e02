"""`cevnsfit overlays`: list and show limits; `cevnsfit slice`: what they leave of a plane."""

from pathlib import Path
from typing import Annotated

import typer

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import models_known
from cevnsfit.cli.output import Answer, remark

app = typer.Typer(help="List and show limits and bands that `--overlay` draws.")

ModelName = Annotated[str, option("--model -m", "Signal model; see `cevnsfit models`.", "MODEL", models_known)]
MassGrid = Annotated[str, option("--grid", "Masses, in MeV or with units.", "mass=START:STOP:COUNT[:log]")]


@app.callback(invoke_without_command=True)
@command()
def overlays(ctx: typer.Context) -> Answer | None:
    """List the limits and bands of the library; `show` describes one."""
    return None if ctx.invoked_subcommand is not None else _listed()


@app.command("list")
@command()
def list_() -> Answer:
    """List the limits and bands of the library."""
    return _listed()


@app.command()
@command()
def show(
    name: Annotated[str, argument("A name of the library, or a file.", "NAME")],
    model: ModelName = "lmu-ltau",
    grid: MassGrid = "mass=1:1000:13:log",
    cl: Annotated[float, option("--cl", "Confidence level of limits that are computed.")] = 0.95,
) -> Answer:
    """Show where a limit comes from, and the couplings that it excludes at some masses."""
    from cevnsfit.studies.grids import parse_masses
    from cevnsfit.studies.overlays import overlay
    from cevnsfit.studies.slice import allowed

    mass = parse_masses(grid)
    limit = overlay(name, model, (float(mass[0]), float(mass[-1])), cl=cl)
    for text in limit.remarks:
        remark(text)
    at = [{"mass": m, "allowed": allowed([limit], float(m))} for m in (mass if limit.kind != "line" else ())]
    return Answer(limit, further={"at": at})


@command()
def slice_(
    overlay: Annotated[
        list[str] | None, option("--overlay", "A limit: a name of `cevnsfit overlays`, or a file; repeatable.", "NAME|FILE")
    ] = None,
    band: Annotated[
        list[str] | None, option("--band", "A band: a prediction of g-2, optionally after a measurement; repeatable.", "[MEASURED/]NAME")
    ] = None,
    scan: Annotated[list[Path] | None, option("--scan", "Folder of a finished scan, as one more limit; repeatable.", "DIR")] = None,
    model: ModelName = "lmu-ltau",
    grid: MassGrid = "mass=10:200:191:log",
    cl: Annotated[float, option("--cl", "Confidence level of limits that are computed and of scans (one degree of freedom).")] = 0.95,
    file: Annotated[Path | None, option("--output -o", "Write the intervals as a table.", "FILE")] = None,
) -> Answer:
    """Print the masses and couplings that limits and bands leave, as intervals, and what closes them."""
    from cevnsfit.studies.grids import parse_masses
    from cevnsfit.studies.slice import named_slice, write_slice

    names, bands = ((() if given is None else given) for given in (overlay, band))
    found = named_slice(model, names, bands, parse_masses(grid), scans=() if scan is None else scan, cl=cl)
    for text in (text for limit in found.limits for text in limit.remarks):
        remark(text)
    return Answer(found, files=[] if file is None else [write_slice(file, found)])


def _listed() -> Answer:
    from cevnsfit.studies.overlays import library

    return Answer(tuple(library().values()))
