"""`cevnsfit intervals`: allowed intervals of one parameter."""

from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    ElectronsOption,
    ExperimentsArgument,
    JsonOption,
    ModelOption,
    OverlapOption,
    ProfileOption,
    SetOption,
)

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
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the allowed intervals of one parameter, every branch of them; masses must be held."""
    from cevnsfit.cli.options import analysis, confidence, held
    from cevnsfit.studies.fitting import intervals_json, run_intervals

    confidence([cl], dof)
    result = run_intervals(
        analysis(experiments, model, changes, electrons=electrons, allow_overlap=allow_overlap, floating=profile),
        at=held(at),
        poi=poi,
        cl=cl,
        dof=dof,
    )
    if as_json:
        output.print_json(intervals_json(result))
    else:
        _print(result)
    output.stop_if(not result.valid, "profiled points near the minimum did not converge")


def _print(result: "Intervals") -> None:
    from cevnsfit.report.tables import format_intervals

    minima = ", ".join(f"{value:.4g} ({nll2 - result.nll2:+.2f})" for value, nll2 in result.minima)
    output.print_lines(
        f"{result.poi} at {100 * result.cl:g} % CL, {result.dof} dof, {result.method}",
        f"  allowed:  {format_intervals(result.allowed)}",
        f"  excluded: {format_intervals(result.excluded)}",
        f"  best fit: {result.best_fit:.4g}, -2 ln lambda = {result.nll2:.2f}",
        f"  minima (difference in -2 ln lambda): {minima}",
    )
