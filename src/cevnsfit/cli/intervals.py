"""`cevnsfit intervals`: allowed intervals of one parameter."""

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
    ToyFolder,
    ToysOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.infer.intervals import Intervals


def intervals(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    poi: Annotated[
        str | None, typer.Option("--poi", metavar="NAME", help="Parameter of interest; by default the model's coupling.")
    ] = None,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level.")] = 0.90,
    dof: Annotated[int, typer.Option("--dof", help="Degrees of freedom of the threshold.")] = 1,
    profile: ProfileOption = None,
    method: Annotated[
        str, typer.Option("--method", metavar="profile|feldman-cousins|cls", help="How the interval is found; cls gives upper limits.")
    ] = "profile",
    toys: ToysOption = None,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: ToyFolder = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the allowed intervals of one parameter, every branch of them; masses must be held.

    Feldman-Cousins intervals generate toys where they matter, at most --toys (2048) at a value; CLs is asymptotic without --toys.
    """
    from cevnsfit.cli.options import analysis, confidence, held, toy_run
    from cevnsfit.studies.limits import Question, run_limits
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.setup import caveat

    confidence([cl], dof)
    question = Question(poi, cl, dof, method)
    run = toy_run(toys, seed, (jobs, dask), folder, default=2048 if method == "feldman-cousins" else None)
    chosen = analysis(experiments, model, changes, electrons=electrons, allow_overlap=allow_overlap, floating=profile).holding(held(at))
    with output.progress("toys, in chunks of 128") as progress:
        result = run_limits(chosen, question, run=run, progress=progress)
    label = caveat(chosen)
    if as_json:
        origin = provenance(chosen, seed=None if result.toys is None else seed)
        output.print_json({**plain(result), "caveat": label, "provenance": origin})
    else:
        _print(result)
        output.print_lines(*([f"  {label}"] if label else []))
    output.stop_if(not result.valid, "profiled points near the minimum did not converge, or no toy at a value could be fitted")


def _print(result: "Intervals") -> None:
    from cevnsfit.report.tables import format_intervals

    minima = ", ".join(f"{value:.4g} ({nll2 - result.nll2:+.2f})" for value, nll2 in result.minima)
    threshold = f", {result.dof} dof" if result.toys is None and not result.expected else ""
    output.print_lines(
        f"{result.poi} at {100 * result.cl:g} % CL{threshold}, {result.method}",
        f"  allowed:  {format_intervals(result.allowed)}",
        f"  excluded: {format_intervals(result.excluded)}",
        f"  best fit: {result.best_fit:.4g}, -2 ln lambda = {result.nll2:.2f}",
        f"  minima (difference in -2 ln lambda): {minima}",
    )
    if result.expected:
        output.print_lines(f"  expected without signal, -2 to 2 sigma: {', '.join(f'{value:.4g}' for value in result.expected)}")
    if result.toys is not None:
        record = result.toys
        undecided = f", {record.undecided} values not yet clear: more --toys" if record.undecided else ""
        output.print_lines(f"  {record.toys} toys at {len(record.points)} values, seed {record.seed}, {record.failed} failed{undecided}")
