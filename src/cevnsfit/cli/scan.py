"""`cevnsfit scan` and `cevnsfit plot`: a plane of two parameters, its tables and its picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cevnsfit.cli.agreement import strength_table
from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import GRID, AnalysisOptions, LevelsOptions, MomentOption, OutputFolder, WorkerOptions, picture
from cevnsfit.cli.output import Answer, progress, remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.planes import Plane
    from cevnsfit.studies.exclusion import Exclusion

_GRID: Final = ("mass=1:1000:60:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """Which planes are scanned, and where they are written and drawn."""

    folder: OutputFolder
    grid: Annotated[list[str] | None, option("--grid", f"Twice; {' and '.join(_GRID)}.", GRID)] = None
    each: Annotated[bool, option("--each", "Add a plane for each single experiment.")] = False
    theory: MomentOption = "2025"
    no_plot: Annotated[bool, option("--no-plot", "Write the tables only.")] = False


@command("experiments model folder grid each at profile profile_signal changes allow_overlap cl dof theory jobs dask no_plot electrons")
def scan(what: AnalysisOptions, asked: ScanOptions, levels: LevelsOptions, workers: WorkerOptions) -> Answer:
    """Scan two parameters of a model, the rest profiled; what is finished is kept, and the same command continues it."""
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.agreement import signal_strengths
    from cevnsfit.studies.exclusion import regions_of, write_plot, write_tables
    from cevnsfit.studies.parts import parts_of
    from cevnsfit.studies.scan import run_scan

    chosen = what.analysis
    boundaries, reference, grids = levels.chosen, latest_deviation(asked.theory), _grids(chosen, asked.grid)
    with workers.open() as executor:
        parts = parts_of(chosen, each=asked.each)
        with progress("scan") as tell:
            scans = run_scan(parts, grids, asked.folder, executor=executor, progress=tell)
        with progress("boundaries"):
            results = regions_of(scans, boundaries, executor)
    files = [*write_tables(results, asked.folder)]
    if not asked.no_plot:
        files.append(write_plot(results, asked.folder / "exclusion.png", reference))

    def text() -> "Iterator[str]":
        yield from _text(results, files)
        found = signal_strengths(chosen, parts[-1].experiments)
        if found:
            yield strength_table(found)

    _warn(results)
    return Answer({"planes": results, "files": files}, text(), analysis=chosen, incomplete=doubtful(results))


@command("folder target cl dof theory jobs dask")
def plot(
    folder: Annotated[Path, argument("Folder of a scan.", "DIR")],
    levels: LevelsOptions,
    workers: WorkerOptions,
    target: Annotated[Path | None, option("--output -o", "Picture: png, pdf or svg; DIR/exclusion.png.", "FILE")] = None,
    theory: MomentOption = "2025",
) -> Answer:
    """Draw the picture of a finished scan again."""
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.exclusion import regions_of, write_plot
    from cevnsfit.studies.provenance import stored_provenance
    from cevnsfit.studies.scan import stored_scans

    path = picture(folder / "exclusion.png" if target is None else target)
    boundaries, reference = levels.chosen, latest_deviation(theory)
    with workers.open() as executor:
        results = regions_of(stored_scans(folder), boundaries, executor)
    files = [write_plot(results, path, reference)]
    document = {"planes": results, "files": files, "provenance": stored_provenance(folder)}
    _warn(results)
    return Answer(document, _text(results, files), incomplete=doubtful(results))


def doubtful(results: "Sequence[Exclusion]") -> str:
    """Return why planes are incomplete: points that have no valid minimum where it matters; empty if there are none."""
    failed = sum(entry.plane.doubtful for entry in results)
    return f"{failed} points near the allowed region have no valid minimum (crosses in the picture)" if failed else ""


def _grids(chosen: "Analysis", texts: "Sequence[str] | None") -> "dict[str, np.ndarray]":
    """Return the grids asked for, or that of a light mediator when the model is one and none was asked for."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import check_model

    model = check_model(chosen.model)
    names = {parameter.name for parameter in (() if model is None else model.parameters)}
    if not texts and not {"mass", "g"} <= names:
        message = f"{chosen.model} needs two --grid {GRID}"
        raise CevnsfitError(message)
    grids = parse_grids(texts if texts else _GRID)
    both = sorted(set(grids) & set(chosen.held))
    if both:
        message = f"{', '.join(both)} cannot be both scanned (--grid) and held (--at)"
        raise CevnsfitError(message)
    return grids


def _warn(results: "Sequence[Exclusion]") -> None:
    """Say on stderr where the grid is too coarse."""
    from cevnsfit.studies.exclusion import coarse

    for label in coarse(results):
        remark(f"{label}: islands are not resolved, their number depends on the interpolation; take a finer --grid")


def _text(results: "Sequence[Exclusion]", files: "Sequence[Path]") -> "Iterator[str]":
    from cevnsfit.report.tables import format_value

    for plane in [entry.plane for entry in results]:
        best = ", ".join(f"{name} = {format_value(value)}" for name, value in plane.best.items() if name != "nll2")
        yield f"{plane.label}: best fit {best}, -2 ln lambda = {plane.best['nll2']:.2f}{_reference(plane)}"
        if plane.caveat:
            yield f"  {plane.caveat}"
    yield from map(str, files)


def _reference(plane: "Plane") -> str:
    return "" if plane.reference_nll2 != plane.reference_nll2 else f" ({plane.reference_nll2:.2f} without new physics)"
