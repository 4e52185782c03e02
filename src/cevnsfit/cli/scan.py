"""`cevnsfit scan` and `cevnsfit plot`: a plane of two parameters, its tables and its picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    ConfidenceOption,
    DaskOption,
    ElectronsOption,
    ExperimentsArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    MomentOption,
    OutputFolder,
    OverlapOption,
    PlaneDofOption,
    ProfileOption,
    SetOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.planes import Plane
    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.exclusion import Exclusion

_GRID: Final = ("mass=1:1000:60:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


def scan(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    folder: OutputFolder,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="NAME=START:STOP:COUNT[:log]", help=f"Twice; {' and '.join(_GRID)}.", show_default=False),
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Add a plane for each single experiment.")] = False,
    at: AtOption = None,
    profile: ProfileOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    cl: ConfidenceOption = None,
    dof: PlaneDofOption = 2,
    theory: MomentOption = "2025",
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Write the tables only.")] = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Scan two parameters of a model, the rest profiled; what is finished is kept, and the same command continues it."""
    from cevnsfit.cli.options import analysis, confidence, held
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.exclusion import regions_of, write_plot, write_tables
    from cevnsfit.studies.parts import parts_of
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.scan import run_scan
    from cevnsfit.studies.workers import workers

    chosen = analysis(experiments, model, changes, electrons=electrons, allow_overlap=allow_overlap, floating=profile).holding(held(at))
    levels, reference, grids = confidence(cl, dof), latest_deviation(theory), _grids(chosen, grid)
    with workers(jobs, dask) as executor:
        parts = parts_of(chosen, each=each)
        with output.progress("scan") as progress:
            scans = run_scan(parts, grids, folder, executor=executor, progress=progress)
        with output.progress("boundaries"):
            results = regions_of(scans, levels, executor)
    files = [*write_tables(results, folder)]
    if not no_plot:
        files.append(write_plot(results, folder / "exclusion.png", reference))
    _report(results, files, provenance(chosen) if as_json else None)
    if not as_json:
        _print_consistency(chosen, parts[-1].experiments)
    stop_if_incomplete(results)


def plot(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a scan.", show_default=False)],
    target: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Picture: png, pdf or svg; DIR/exclusion.png.", show_default=False)
    ] = None,
    cl: ConfidenceOption = None,
    dof: PlaneDofOption = 2,
    theory: MomentOption = "2025",
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the picture of a finished scan again."""
    from cevnsfit.cli.options import confidence, picture
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.exclusion import regions_of, write_plot
    from cevnsfit.studies.provenance import stored_provenance
    from cevnsfit.studies.scan import stored_scans
    from cevnsfit.studies.workers import workers

    path = picture(folder / "exclusion.png" if target is None else target)
    levels, reference = confidence(cl, dof), latest_deviation(theory)
    with workers(jobs, dask) as executor:
        results = regions_of(stored_scans(folder), levels, executor)
    _report(results, [write_plot(results, path, reference)], stored_provenance(folder) if as_json else None)
    stop_if_incomplete(results)


def _grids(chosen: "Analysis", texts: "Sequence[str] | None") -> "dict[str, np.ndarray]":
    """Return the grids asked for, or that of a light mediator when the model is one and none was asked for."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import check_model

    model = check_model(chosen.model)
    names = {parameter.name for parameter in (() if model is None else model.parameters)}
    if not texts and not {"mass", "g"} <= names:
        message = f"{chosen.model} needs two --grid NAME=START:STOP:COUNT[:log]"
        raise CevnsfitError(message)
    grids = parse_grids(texts if texts else _GRID)
    both = sorted(set(grids) & set(chosen.held))
    if both:
        message = f"{', '.join(both)} cannot be both scanned (--grid) and held (--at)"
        raise CevnsfitError(message)
    return grids


def _report(results: "Sequence[Exclusion]", files: "Sequence[Path]", origin: "Mapping[str, Any] | None") -> None:
    """Print results as JSON with their origin, or as lines where there is none."""
    from cevnsfit.report.tables import format_value
    from cevnsfit.studies.exclusion import coarse

    for label in coarse(results):
        output.remark(f"{label}: islands are not resolved, their number depends on the interpolation; take a finer --grid")
    if origin is not None:
        output.print_json({"planes": results, "files": files, "provenance": origin})
        return
    for plane in [entry.plane for entry in results]:
        best = ", ".join(f"{name} = {format_value(value)}" for name, value in plane.best.items() if name != "nll2")
        output.print_lines(
            f"{plane.label}: best fit {best}, -2 ln lambda = {plane.best['nll2']:.2f}{_reference(plane)}",
            *([f"  {plane.caveat}"] if plane.caveat else []),
        )
    output.print_lines(*(str(file) for file in files))


def _reference(plane: "Plane") -> str:
    return "" if plane.reference_nll2 != plane.reference_nll2 else f" ({plane.reference_nll2:.2f} without new physics)"


def stop_if_incomplete(results: "Sequence[Exclusion]") -> None:
    """End with exit code 3 if points have no valid minimum where it matters."""
    failed = sum(entry.plane.doubtful for entry in results)
    output.stop_if(failed > 0, f"{failed} points near the allowed region have no valid minimum (crosses in the picture)")


def _print_consistency(chosen: "Analysis", experiments: "Sequence[Experiment]") -> None:
    """Print how each experiment and the combination sit with the Standard Model."""
    from cevnsfit.cli.run import print_consistency
    from cevnsfit.studies.agreement import strengths

    found = strengths(chosen, experiments)
    if found:
        print_consistency(found)
