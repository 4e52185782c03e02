"""`cevnsfit scan`, `run` and `plot`: a plane of two parameters, its tables and its picture."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import (
    GRID,
    LOOK,
    AnalysisOptions,
    LevelsOptions,
    LookOptions,
    MomentOption,
    OutputFolder,
    WorkerOptions,
    axes_of,
    drawn,
    picture,
)
from cevnsfit.cli.output import Answer, progress, remark
from cevnsfit.core.analysis import LIGHT_MEDIATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.limit import Limit
    from cevnsfit.report.style import Look
    from cevnsfit.studies.analysis import Grids, Study
    from cevnsfit.studies.exclusion import Exclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """What is drawn beside the planes."""

    theory: MomentOption = "2025"
    overlay: Annotated[
        list[str] | None, option("--overlay", "Draw a limit: a name of `cevnsfit overlays`, or a file; repeatable.", "[LABEL=]NAME|FILE")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """Which planes are scanned, and where they are written."""

    folder: OutputFolder
    grid: Annotated[list[str] | None, option("--grid", f"Twice; {' and '.join(LIGHT_MEDIATOR)}.", GRID)] = None
    each: Annotated[bool, option("--each", "Add a plane for each single experiment.")] = False
    no_plot: Annotated[bool, option("--no-plot", "Write the tables only.")] = False


@command(
    f"experiments model folder grid each at profile profile_signal changes allow_overlap cl dof theory overlay jobs dask no_plot electrons constrain correlate {LOOK}"
)
def scan(
    what: AnalysisOptions, asked: ScanOptions, levels: LevelsOptions, beside: PictureOptions, looks: LookOptions, workers: WorkerOptions
) -> Answer:
    """Scan two parameters of a model, with the rest profiled; run the same command again to resume."""
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.analysis import Study, plane_grid
    from cevnsfit.studies.setup import labelled

    chosen = what.analysis
    grid = plane_grid(chosen.model, asked.grid)
    study = Study(
        analyses=labelled(chosen, each=asked.each),
        grid=grid,
        levels=levels.chosen,
        reference=latest_deviation(beside.theory),
        curves=_curves(beside.overlay, chosen.model, grid),
        look=looks.over(axes=axes_of(grid, chosen.model)),
    )
    return _scanned(study, asked.folder, workers, no_plot=asked.no_plot, analysis=chosen)


@command()
def run(
    file: Annotated[Path, argument("Analysis in YAML; see `cevnsfit init`.", "FILE")],
    folder: OutputFolder,
    workers: WorkerOptions,
    looks: LookOptions,
    no_plot: Annotated[bool, option("--no-plot", "Write the tables only.")] = False,
) -> Answer:
    """Run an analysis file: scans, contours, spectra; run the same command again to resume."""
    from cevnsfit.studies.analysis import read_study

    study = read_study(file)
    (model,) = {analysis.model for analysis in study.analyses.values()}
    study = replace(study, look=looks.over(study.look, axes_of(study.grid, model)))
    return _scanned(study, folder, workers, no_plot=no_plot)


@command(f"folder target kind cl dof theory overlay jobs dask {LOOK}")
def plot(
    folder: Annotated[Path, argument("Folder of a scan or of another stored result.", "DIR")],
    levels: LevelsOptions,
    beside: PictureOptions,
    looks: LookOptions,
    workers: WorkerOptions,
    target: Annotated[Path | None, option("--output -o", "Picture: png, pdf, svg or pgf; DIR/exclusion.png.", "FILE")] = None,
    kind: Annotated[str | None, option("--kind", "Which picture of a result that has several, of a posterior.", "density|corner")] = None,
) -> Answer:
    """Redraw the picture of a finished scan, or of another result in a folder."""
    from cevnsfit.io.layouts import SCAN
    from cevnsfit.io.store import store_exists
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.report.style import save_figures
    from cevnsfit.studies.exclusion import exclusion_picture, regions_of
    from cevnsfit.studies.provenance import stored_provenance
    from cevnsfit.studies.scan import stored_scans
    from cevnsfit.studies.shown import checked_kind, table

    if not store_exists(folder, SCAN):
        return _plotted(folder, target, looks.over(), kind)
    checked_kind("Scan", kind)
    with workers.open() as executor:
        results = regions_of(stored_scans(folder), levels.chosen, executor)
    plane = results[0].plane
    look = looks.over(axes=[(axis.name, axis.unit) for axis in plane.axes])
    path = picture(folder / "exclusion.png" if target is None else target, look)
    curves = _curves(beside.overlay, plane.model, {axis.name: axis.values for axis in plane.axes})
    files = save_figures(exclusion_picture(results, latest_deviation(beside.theory), curves=curves, look=look), path, look)
    document = {"planes": results, "files": files, "provenance": stored_provenance(folder)}
    _warn(results, curves)
    return Answer(document, [table(results), *files], incomplete=_doubtful(results))


def _plotted(folder: Path, target: Path | None, look: "Look", kind: str | None) -> Answer:
    """Return the answer of the picture of a stored result that is no scan."""
    from cevnsfit.studies import coverage, posterior, toy_regions
    from cevnsfit.studies.shown import checked_kind
    from cevnsfit.studies.stored import open as stored

    result = stored(folder)
    own = {"CoverageStudy": coverage.PICTURE, "Posterior": posterior.PICTURE, "ToyRegion": toy_regions.PICTURE, "SusyScan": "susy.png"}
    name = type(result).__name__
    path = folder / own.get(name, f"{checked_kind(name, kind)}.png") if target is None else target
    return Answer(result, files=drawn(result, picture(path, look), look, kind))


def _scanned(study: "Study", folder: Path, workers: WorkerOptions, *, no_plot: bool, analysis: "Analysis | None" = None) -> Answer:
    """Return the answer of a study whose tables and pictures are left in `folder`."""
    from cevnsfit.studies.analysis import run_study
    from cevnsfit.studies.page import write_study
    from cevnsfit.studies.provenance import stored_provenance
    from cevnsfit.studies.shown import table

    with workers.open() as executor:
        with progress("scan") as tell:
            result = run_study(study, folder, workers=executor, progress=tell)
        result = result if no_plot else result.ahead(executor)
        files = write_study(result, folder, picture=not no_plot)

    def text() -> "Iterator[object]":
        yield table(result.planes)
        if result.remainders:
            yield table(result.remainders)
        if result.superpartners is not None:
            yield table(result.superpartners)
        yield from files
        found = result.signal_strengths
        if found:
            yield table(found)

    _warn(result.planes, study.curves)
    document: dict[str, object] = {"planes": result.planes, "files": files}
    document |= {"slice": result.remainders} if result.remainders else {}
    document |= {"susy": result.superpartners} if result.superpartners is not None else {}
    if analysis is None:
        document["provenance"] = stored_provenance(folder)
    return Answer(document, text(), analysis=analysis, incomplete=_doubtful(result.planes))


def _doubtful(results: "Sequence[Exclusion]") -> str:
    """Return why planes are incomplete: points that have no valid minimum where it matters; empty if there are none."""
    failed = sum(entry.plane.doubtful for entry in results)
    return f"{failed} points near the allowed region have no valid minimum (crosses in the picture)" if failed else ""


def _curves(texts: "Sequence[str] | None", model: str, grid: "Grids") -> "tuple[Limit, ...]":
    """Return the limits of the options."""
    from cevnsfit.studies.overlays import labelled, plane_limit

    asked = [labelled(text) for text in (() if texts is None else texts)]
    return tuple(plane_limit(source, model, grid, label) for label, source in asked)


def _warn(results: "Sequence[Exclusion]", curves: "Sequence[Limit]") -> None:
    """Say on stderr where the grid is too coarse, and what there is to know of the limits."""
    from cevnsfit.studies.exclusion import coarse

    for text in (*(text for limit in curves for text in limit.remarks), *coarse(results)):
        remark(text)
