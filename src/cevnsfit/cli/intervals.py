"""`cevnsfit intervals`: allowed intervals of one parameter."""

from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, LevelOptions, PoiOption, ToyOptions, WorkerOptions
from cevnsfit.cli.output import Answer


@command("experiments model at poi cl dof profile profile_signal method toys seed jobs dask folder changes allow_overlap electrons")
def intervals(
    what: AnalysisOptions,
    level: LevelOptions,
    toys: ToyOptions,
    workers: WorkerOptions,
    poi: PoiOption = None,
    method: Annotated[
        str, option("--method", "How the interval is found; cls gives upper limits.", "profile|feldman-cousins|cls")
    ] = "profile",
) -> Answer:
    """Print the allowed intervals of one parameter, every branch of them; masses must be held.

    Feldman-Cousins intervals generate toys where they matter, at most --toys (2048) at a value; CLs is asymptotic without --toys.
    """
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import limits

    asked = Toys(seed=toys.seed) if method == "feldman-cousins" and toys.toys is None else toys.asked
    store = None if asked is None else toys.folder
    with workers.running() as where:
        result = limits.intervals(
            what.likelihood, poi, at=what.held, cl=level.cl, dof=level.dof, method=method, toys=asked, store=store, **where
        )
    return Answer(result, analysis=what.analysis, seed=None if result.toys is None else toys.seed)
