"""`cevnsfit region` and `critical-values`: a Feldman-Cousins region in a plane of two parameters, and critical values for several data sets."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import (
    GRID,
    LOOK,
    AnalysisOptions,
    CriticalOption,
    LevelOption,
    LookOptions,
    OutputFolder,
    ToyOptions,
    WorkerOptions,
    axes_of,
    critical_known,
    grids,
)
from cevnsfit.cli.output import Answer

_GRID: Final = ("mass=1:1000:13:log", "g=1e-5:1e-1:120:log")
"""The grid of a light mediator."""

_NODES: Final = ("mass=1:1000:12:log", "g=1e-5:1e-1:12:log")
"""The nodes of a light mediator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneOptions(ToyOptions):
    """The toys at the points of a plane, and where they are kept."""

    folder: OutputFolder
    ordering: Annotated[
        str, option("--ordering", "Best fit of a toy in the whole plane, or at the same mass (raster scan).", "plane|column")
    ] = "plane"
    toys: Annotated[int, option("--toys", "Toys at one point, at most, in whole chunks of 128.", "N")] = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionOptions(PlaneOptions):
    """The plane, and what decides at its points."""

    grid: Annotated[list[str] | None, option("--grid", f"Twice; {' and '.join(_GRID)}.", GRID)] = None
    cl: LevelOption = 0.90
    critical: CriticalOption = None


@command(
    f"experiments model folder grid at cl ordering critical toys seed jobs dask profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def region(what: AnalysisOptions, asked: RegionOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Find the Feldman-Cousins region of two parameters; run the same command again to resume."""
    from cevnsfit.studies import toy_regions

    grid: dict[str, Any] = grids(asked.grid if asked.grid else _GRID, what.model)
    look, known = looks.over(axes=axes_of(grid, what.model)), critical_known(asked.critical)
    source: dict[str, Any] = {"toys": asked.asked, "store": asked.folder} if known is None else {"critical": known}
    with workers.running() as where:
        result = toy_regions.region(what.likelihood, at=what.held, cl=asked.cl, ordering=asked.ordering, **source, **where, **grid)
    return Answer(result, files=toy_regions.write_region(result, asked.folder, look), analysis=what.analysis, seed=asked.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions(PlaneOptions):
    """The nodes, and the confidence levels."""

    grid: Annotated[list[str] | None, option("--grid", f"Nodes, once or twice; {' and '.join(_NODES)}.", GRID)] = None
    levels: Annotated[list[float] | None, option("--cl", "Confidence level; 0.68, 0.90 and 0.95; repeatable.", "CL")] = None


@command(
    f"experiments model folder grid at levels ordering toys seed jobs dask profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def critical_values(what: AnalysisOptions, asked: NodeOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Find Feldman-Cousins critical values at nodes, for data of the same experiments (--critical); run it again to resume."""
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import critical_values as studies

    grid: dict[str, Any] = grids(asked.grid if asked.grid else _NODES, what.model)
    look = looks.over(axes=axes_of(grid, what.model) if len(grid) > 1 else ())
    levels = asked.levels if asked.levels else studies.LEVELS
    with workers.running() as where:
        result = studies.critical_values(
            what.likelihood, at=what.held, cl=levels, ordering=asked.ordering, toys=Toys(asked.toys, asked.seed), store=asked.folder,
            **where, **grid,
        )  # fmt: skip
    return Answer(result, files=studies.write_critical(result, asked.folder, look), analysis=what.analysis, seed=asked.seed)
