"""`cevnsfit region`: a Feldman-Cousins region in a plane of two parameters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import GRID, AnalysisOptions, LevelOption, OutputFolder, ToyOptions, WorkerOptions
from cevnsfit.cli.output import Answer, lost, progress, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.studies.toy_regions import ToyRegion

_GRID: Final = ("mass=1:1000:13:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions(ToyOptions):
    """The plane, and the toys at its points."""

    folder: OutputFolder
    grid: Annotated[list[str] | None, option("--grid", f"Twice; {' and '.join(_GRID)}.", GRID)] = None
    cl: LevelOption = 0.90
    ordering: Annotated[
        str, option("--ordering", "Best fit of a toy in the whole plane, or at the same mass (raster scan).", "plane|column")
    ] = "plane"
    toys: Annotated[int, option("--toys", "Toys at one point, at most, in whole chunks of 128.", "N")] = 1024


@command("experiments model folder grid at cl ordering toys seed jobs dask profile profile_signal changes allow_overlap electrons")
def region(what: AnalysisOptions, asked: RegionOptions, workers: WorkerOptions) -> Answer:
    """Find the Feldman-Cousins region of two parameters; finished toys are kept, and the same command continues."""
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import toy_regions
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import units_of

    chosen = what.analysis
    grid = parse_grids(asked.grid if asked.grid else _GRID, units_of(chosen.model))
    with progress() as tell, workers.open() as executor:
        result = toy_regions.region(
            what.likelihood, at=chosen.held, cl=asked.cl, ordering=asked.ordering, toys=Toys(asked.toys, asked.seed),
            store=asked.folder, workers=executor, progress=tell, **grid,
        )  # fmt: skip
    files = toy_regions.write_region(result, asked.folder)
    valid = all(column.valid for column in result.columns)
    incomplete = "" if valid else lost(result.failed) or "points near the minimum did not converge"
    return Answer(result, _text(result, asked.cl), files, analysis=chosen, seed=asked.seed, incomplete=incomplete)


def _text(result: "ToyRegion", cl: float) -> "Iterator[str]":
    from cevnsfit.report.tables import format_intervals

    x, y = result.plane.x, result.plane.y
    rows = [(f"{value:.4g}", format_intervals(c.allowed, y.unit)) for value, c in zip(x.values, result.columns, strict=True)]
    yield table(f"Allowed {y.name} at {100 * cl:g} % CL", (f"{x.name} [{x.unit}]", y.name), rows)
    yield f"{result.method}; {result.failed} failed"
    if result.plane.caveat:
        yield result.plane.caveat
