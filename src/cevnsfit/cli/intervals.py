"""`cevnsfit intervals`: allowed intervals of one parameter."""

from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, LevelOptions, PoiOption, ToyOptions, WorkerOptions, levels_at
from cevnsfit.cli.output import Answer, lost, progress
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.infer.intervals import Intervals


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
    from cevnsfit.studies.setup import caveat

    levels_at([level.cl], level.dof)
    asked = Toys(seed=toys.seed) if method == "feldman-cousins" and toys.toys is None else toys.asked
    chosen, likelihood = what.analysis, what.likelihood
    with progress() as tell, workers.open() as executor:
        result = limits.intervals(
            likelihood, poi, at=chosen.held, cl=level.cl, dof=level.dof, method=method,
            toys=asked, store=None if asked is None else toys.folder, workers=executor, progress=tell,
        )  # fmt: skip
    label = caveat(chosen)
    seed, failed = (None, 0) if result.toys is None else (toys.seed, result.toys.failed)
    incomplete = "" if result.valid else lost(failed) or "profiled points near the minimum did not converge"
    return Answer({**plain(result), "caveat": label}, _text(result, label), analysis=chosen, seed=seed, incomplete=incomplete)


def _text(result: "Intervals", label: str) -> "Iterator[str]":
    from cevnsfit.report.tables import format_intervals

    minima = ", ".join(f"{value:.4g} ({nll2 - result.nll2:+.2f})" for value, nll2 in result.minima)
    threshold = f", {result.dof} dof" if result.toys is None and not result.expected else ""
    yield f"{result.poi} at {100 * result.cl:g} % CL{threshold}, {result.method}"
    yield f"  allowed:  {format_intervals(result.allowed)}"
    yield f"  excluded: {format_intervals(result.excluded)}"
    if result.at_domain_end:
        yield f"  the {' and the '.join(result.at_domain_end)} end is that of the domain of {result.poi}: the data do not exclude more"
    if result.on_edge:
        yield "  an end is at the edge of the domain of the likelihood, where a bin without events holds nothing"
    yield f"  best fit: {result.best_fit:.4g}, -2 ln lambda = {result.nll2:.2f}"
    yield f"  minima (difference in -2 ln lambda): {minima}"
    if result.expected:
        yield f"  expected without signal, -2 to 2 sigma: {', '.join(f'{value:.4g}' for value in result.expected)}"
    if result.toys is not None:
        record = result.toys
        undecided = f", {record.undecided} values not yet clear: more --toys" if record.undecided else ""
        yield f"  {record.toys} toys at {len(record.points)} values, seed {record.seed}, {record.failed} failed{undecided}"
    if label:
        yield f"  {label}"
