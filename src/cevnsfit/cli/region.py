"""`cevnsfit region` and `critical-values`: a Feldman-Cousins region in a plane of two parameters, and critical values for several data sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import GRID, LOOK, AnalysisOptions, LevelOption, LookOptions, OutputFolder, ToyOptions, WorkerOptions
from cevnsfit.cli.output import Answer

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
    known: Annotated[Path | None, option("--critical", "Folder of critical-values, which replace toys.", "DIR")] = None
    toys: Annotated[int, option("--toys", "Toys at one point, at most, in whole chunks of 128.", "N")] = 1024

    @property
    def source(self) -> "dict[str, Any]":
        """Return where critical values come from: a stored map, or toys and where they are kept."""
        from cevnsfit.infer.toys import Toys
        from cevnsfit.studies.stored import open as opened

        toys = {"toys": Toys(self.toys, self.seed), "store": self.folder}
        return toys if self.known is None else {"critical": opened(self.known)}


@command(
    f"experiments model folder grid at cl ordering known toys seed jobs dask profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def region(what: AnalysisOptions, asked: RegionOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Find the Feldman-Cousins region of two parameters; run the same command again to resume."""
    from cevnsfit.studies import toy_regions
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import units_of

    chosen = what.analysis
    units = units_of(chosen.model)
    grid: dict[str, Any] = parse_grids(asked.grid if asked.grid else _GRID, units)
    look = looks.over(axes=[(name, units.get(name, "1")) for name in grid])
    with workers.running() as where:
        result = toy_regions.region(
            what.likelihood, at=chosen.held, cl=asked.cl, ordering=asked.ordering, **asked.source, **where, **grid,
        )  # fmt: skip
    return Answer(result, files=toy_regions.write_region(result, asked.folder, look), analysis=chosen, seed=asked.seed)


_NODES: Final = ("mass=1:1000:12:log", "g=1e-5:1e-1:12:log")
"""The nodes of a light mediator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalOptions(ToyOptions):
    """The nodes, and the toys there."""

    folder: OutputFolder
    grid: Annotated[list[str] | None, option("--grid", f"Nodes, once or twice; {' and '.join(_NODES)}.", GRID)] = None
    levels: Annotated[list[float] | None, option("--cl", "Confidence level; 0.68, 0.90 and 0.95; repeatable.", "CL")] = None
    ordering: Annotated[
        str, option("--ordering", "Best fit of a toy in the whole plane, or at the same mass (raster scan).", "plane|column")
    ] = "plane"
    toys: Annotated[int, option("--toys", "Toys at each node, in whole chunks of 128.", "N")] = 1024


@command(
    f"experiments model folder grid at levels ordering toys seed jobs dask profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def critical_values(what: AnalysisOptions, asked: CriticalOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Find Feldman-Cousins critical values at nodes, for data of the same experiments (region --critical); run it again to resume."""
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import critical_values as studies
    from cevnsfit.studies.grids import parse_grids
    from cevnsfit.studies.setup import units_of

    chosen = what.analysis
    units = units_of(chosen.model)
    grid: dict[str, Any] = parse_grids(asked.grid if asked.grid else _NODES, units)
    look = looks.over(axes=[(name, units.get(name, "1")) for name in grid] if len(grid) > 1 else ())
    with workers.running() as where:
        result = studies.critical_values(
            what.likelihood, at=chosen.held, cl=asked.levels if asked.levels else studies.LEVELS, ordering=asked.ordering,
            toys=Toys(asked.toys, asked.seed), store=asked.folder, **where, **grid,
        )  # fmt: skip
    return Answer(result, files=studies.write_critical(result, asked.folder, look), analysis=chosen, seed=asked.seed)
