"""`cevnsfit coverage`: how often intervals contain the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import GRID, LOOK, AnalysisOptions, LevelOption, LookOptions, ToyOptions, WorkerOptions
from cevnsfit.cli.output import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageOptions(ToyOptions):
    """What is true, and how often it is tried."""

    truth: Annotated[list[str], option("--true", "True value, or START:STOP:COUNT[:log]; repeatable.", "NAME=VALUE")]
    grid: Annotated[str | None, option("--grid", "Values of a held parameter, such as the mass.", GRID)] = None
    cl: LevelOption = 0.90
    toys: Annotated[int, option("--toys", "Toys at each true value for profile likelihood and CLs.", "N")] = 512
    nested: Annotated[int, option("--fc-toys", "Toys at each true value for Feldman-Cousins intervals, each with 64 to 768 more.", "N")] = 0
    folder: Annotated[
        Path | None, option("--output -o", "Folder for toys, table and picture; run the same command again to resume.", "DIR")
    ] = None


@command(
    f"experiments model truth grid at cl toys nested seed jobs dask folder profile profile_signal changes allow_overlap electrons constrain correlate {LOOK}"
)
def coverage(what: AnalysisOptions, asked: CoverageOptions, workers: WorkerOptions, looks: LookOptions) -> Answer:
    """Measure the coverage of profile-likelihood, Feldman-Cousins and CLs intervals at true values; masses must be held or have a grid.

    CLs limits are studied where counts grow with the parameter.
    """
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import coverage as studies
    from cevnsfit.studies.grids import parse_grid
    from cevnsfit.studies.setup import units_of
    from cevnsfit.studies.shown import checked_kind

    look = looks.over()
    checked_kind("CoverageStudy", None, look)
    chosen, (poi, true) = what.analysis, studies.parse_truths(asked.truth, units_of(what.model))
    name, values = ("", ()) if asked.grid is None else parse_grid(asked.grid, units_of(what.model))
    with workers.running("units of toys") as where:
        study = studies.coverage(
            what.likelihood, poi, true, at=chosen.held, cl=asked.cl, nested=asked.nested, over=(name, list(values)) if name else None, toys=Toys(asked.toys, asked.seed),
            store=asked.folder, **where,
        )  # fmt: skip
    files = [] if asked.folder is None else studies.write_coverage(study, asked.folder, look)
    return Answer(study, files=files, analysis=chosen, seed=asked.seed)
