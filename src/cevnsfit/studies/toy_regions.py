"""Feldman-Cousins regions of an analysis, resumable, with their table and their picture."""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.intervals import threshold
from cevnsfit.infer.toy_regions import column_hypotheses, column_interval, toy_region
from cevnsfit.report.plots import exclusion_figure
from cevnsfit.report.style import save_figure
from cevnsfit.studies.fitting import intervals_json, require_data
from cevnsfit.studies.limits import RATIO
from cevnsfit.studies.scan import check_held, plane_axes, scan
from cevnsfit.studies.setup import build, caveat, check_floating, load_experiments
from cevnsfit.studies.throwing import description, thrower

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.planes import Plane, Region
    from cevnsfit.infer.toy_regions import Ordering
    from cevnsfit.studies.setup import Analysis
    from cevnsfit.studies.throwing import Run

    Progress = Callable[[int, int], None]

TABLE: Final = "feldman_cousins.csv"
PICTURE: Final = "feldman_cousins.png"


@dataclass(frozen=True, slots=True)
class RegionQuestion:
    """What is asked: the grid of both parameters, confidence level, and where the best fit of a pseudo-experiment is looked for."""

    grid: Mapping[str, ArrayLike]
    cl: float = 0.90
    ordering: Ordering = "plane"


@dataclass(frozen=True, slots=True, eq=False)
class ToyRegion:
    """A Feldman-Cousins region.

    Attributes
    ----------
    plane
        The profiled grid on which it lies.
    region
        The region.
    columns
        The interval of each column, with its pseudo-experiments.
    ordering
        Where the best fit of a pseudo-experiment was looked for.
    """

    plane: Plane
    region: Region
    columns: tuple[Intervals, ...]
    ordering: Ordering


@on_one_thread
def run_toy_region(
    analysis: Analysis, question: RegionQuestion, *, at: Mapping[str, float], run: Run, progress: Progress | None = None
) -> ToyRegion:
    """Return the Feldman-Cousins region of two parameters; pseudo-experiments are kept in `run.folder`.

    Parameters
    ----------
    analysis
        What is fitted.
    question
        Grid, confidence level and ordering.
    at
        Held parameters.
    run
        How pseudo-experiments are run.
    progress
        Called with (finished, asked for so far) chunks.

    Raises
    ------
    CevnsfitError
        If the grid does not suit the model.
    """
    threshold(question.cl, 2)
    experiments = load_experiments(analysis)
    require_data(experiments)
    likelihood = build(analysis, experiments)
    axes = plane_axes(likelihood, question.grid)
    check_held(axes, at)
    check_floating(analysis, (*at, axes[0].name, axes[1].name))
    if axes[0].name not in likelihood.nonlinear:
        message = f"{axes[0].name} rebuilds no templates: a region needs a nonlinear parameter, such as a mass, and a coupling"
        raise CevnsfitError(message)
    plane = scan(likelihood, at=at, **{axis.name: axis.values for axis in axes}).plane
    plane = dataclasses.replace(plane, model=analysis.model, caveat=caveat(analysis, at, (axes[0].name, axes[1].name)))
    grid = {axis.name: [float(value) for value in axis.values] for axis in axes}
    identity = description(analysis, at, run.plan.seed, method="feldman-cousins-region", grid=grid, cl=question.cl, order=question.ordering)
    tests = column_hypotheses(likelihood, axes, at=at, ordering=question.ordering)
    with thrower(run, identity, RATIO, progress) as throw:
        columns = tuple(column_interval(one, i, cl=question.cl, plan=run.plan, throw=throw) for i, one in enumerate(tests))
    return ToyRegion(plane, toy_region(axes, tests, columns), columns, question.ordering)


def method_of(result: ToyRegion) -> str:
    """Return how the region was found, in one line."""
    where = "in the plane" if result.ordering == "plane" else "at the same first parameter (raster scan)"
    records = [column.toys for column in result.columns if column.toys is not None]
    seed = records[0].seed if records else 0
    return f"Feldman-Cousins, nuisances profiled, best fit {where}; {sum(record.toys for record in records)} toys, seed {seed}"


def write_region(result: ToyRegion, folder: Path) -> tuple[Path, Path]:
    """Write the allowed intervals of each column and the picture; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = (f"{axis.name} [{axis.unit}]" for axis in (result.plane.x, result.plane.y))
    table = folder / TABLE
    failed = sum(column.toys.failed for column in result.columns if column.toys is not None)
    undecided = sum(column.toys.undecided for column in result.columns if column.toys is not None)
    with table.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# allowed intervals of {result.plane.y.name} at {100 * result.region.cl:g} % CL; interval 0: nothing is allowed\n")
        file.write(f"# experiments: {', '.join(result.plane.experiments)}; model: {result.plane.model}\n")
        file.write(f"# method: {method_of(result)}; {failed} failed; {undecided} values within the Monte Carlo error\n")
        file.write(f"# cevnsfit {installed_version()}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((x, "interval", y.replace(" ", "_low ", 1), y.replace(" ", "_high ", 1)))
        for value, column in zip(result.plane.x.values, result.columns, strict=True):
            for number, (low, high) in enumerate(column.allowed, 1):
                writer.writerow((f"{value:.10g}", number, f"{low:.10g}", f"{high:.10g}"))
            if not column.allowed:
                writer.writerow((f"{value:.10g}", 0, "", ""))
    figure = exclusion_figure([(result.plane, [result.region], result.plane.label)], method=method_of(result))
    return table, save_figure(figure, folder / PICTURE)


def region_json(result: ToyRegion) -> dict[str, Any]:
    """Return the region as plain values."""
    x, y = result.plane.x, result.plane.y
    return {
        "label": result.plane.label,
        "model": result.plane.model,
        "caveat": result.plane.caveat,
        "cl": result.region.cl,
        "dof": 2 if result.ordering == "plane" else 1,
        "method": method_of(result),
        "ordering": result.ordering,
        "best_fit": dict(result.plane.best),
        "axes": [{"name": axis.name, "unit": axis.unit, "scale": axis.scale} for axis in (x, y)],
        "columns": [{x.name: float(value), **intervals_json(column)} for value, column in zip(x.values, result.columns, strict=True)],
    }
