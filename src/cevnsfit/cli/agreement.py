"""`cevnsfit intervals`, `gof`, `compatibility`, `significance` and `impacts`: what is allowed, is the model right, do experiments agree, what limits a measurement."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import (
    GRID,
    LOOK,
    AnalysisOptions,
    CriticalOption,
    LevelOptions,
    LookOptions,
    PoiOption,
    ToyOptions,
    WorkerOptions,
    axes_of,
    critical_known,
    drawn,
    grids,
    picture,
    values_known,
)
from cevnsfit.cli.output import Answer

if TYPE_CHECKING:
    from cevnsfit.infer.discovery import Discovery
    from cevnsfit.infer.elsewhere import GlobalSignificance


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalOptions(LookOptions):
    """How the interval is found, and its picture."""

    poi: PoiOption = None
    method: Annotated[str, option("--method", "How the interval is found; cls gives upper limits.", "profile|feldman-cousins|cls")] = (
        "profile"
    )
    critical: CriticalOption = None
    target: Annotated[Path | None, option("--plot", "Picture of the profile with the interval: png, pdf, svg or pgf.", "FILE")] = None


@command(
    f"experiments model at poi cl dof profile profile_signal method critical toys seed jobs dask folder changes allow_overlap electrons constrain correlate target {LOOK}"
)
def intervals(what: AnalysisOptions, level: LevelOptions, toys: ToyOptions, workers: WorkerOptions, asked: IntervalOptions) -> Answer:
    """Print all allowed intervals of one parameter, with every branch; masses must be held.

    Feldman-Cousins intervals generate toys where needed, at most --toys (2048) per value; without --toys CLs is asymptotic.
    """
    from cevnsfit.infer.toys import Toys
    from cevnsfit.studies import limits

    look = asked.over()
    path = None if asked.target is None else picture(asked.target, look)
    known = critical_known(asked.critical)
    number = Toys(seed=toys.seed) if asked.method == "feldman-cousins" and toys.toys is None and known is None else toys.asked
    with workers.running() as where:
        result = limits.intervals(
            what.likelihood, asked.poi, at=what.held, cl=level.cl, dof=level.dof, method=asked.method, toys=number, critical=known,
            store=None if number is None else toys.folder, **where,
        )  # fmt: skip
    files = drawn(result, path, look)
    return Answer(result, files=files if files else None, analysis=what.analysis, seed=None if result.toys is None else toys.seed)


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons constrain correlate")
def gof(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test the goodness of fit: the deviance at the best fit, with the p-value of toys generated there; masses must be held."""
    from cevnsfit.studies.agreement import goodness

    with workers.running() as where:
        result = goodness(what.likelihood, at=what.held, toys=toys.asked, store=toys.folder, **where)
    return Answer(result, analysis=what.analysis, seed=toys.used_seed)


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons constrain correlate")
def compatibility(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test whether experiments agree on the couplings they share (parameter goodness of fit); masses must be held.

    The signal strength of each experiment and its pull against the Standard Model are printed first.
    """
    from cevnsfit.studies import agreement
    from cevnsfit.studies.shown import table

    likelihood = what.likelihood
    with workers.running() as where:
        result = agreement.compatibility(likelihood, at=what.held, toys=toys.asked, store=toys.folder, **where)
    found = agreement.signal_strengths(likelihood)
    text = (table(several) for several in (found, result))
    return Answer(result, text, analysis=what.analysis, seed=toys.used_seed, further={"strengths": found})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignificanceOptions(LookOptions):
    """Whose significance, and its picture."""

    poi: PoiOption = None
    grid: Annotated[
        str | None, option("--grid", "Scan this parameter: the global significance of a signal at any of its values.", GRID, values_known)
    ] = None
    target: Annotated[
        Path | None, option("--plot", "Picture of q0 over the grid, or without one of the toys: png, pdf, svg or pgf.", "FILE")
    ] = None


@command(
    f"experiments model at poi grid profile profile_signal toys seed jobs dask folder changes allow_overlap electrons constrain correlate target {LOOK}"
)
def significance(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions, asked: SignificanceOptions) -> Answer:
    """Print the significance with which a parameter exceeds its value without signal; masses must be held, or scanned with --grid.

    The asymptotic formula is used where it is valid; otherwise, and with --toys, the significance comes from toys (2048). Global ones need --toys.
    """
    from cevnsfit.studies import limits

    grid = {} if asked.grid is None else grids([asked.grid], what.model)
    look = asked.over(axes=axes_of(grid, what.model))
    path = None if asked.target is None else picture(asked.target, look)
    result: Discovery | GlobalSignificance
    with workers.running() as where:
        if grid:
            result = limits.global_significance(
                what.likelihood, asked.poi, at=what.held, toys=toys.asked, store=toys.folder, **where, **grid
            )
        else:
            result = limits.significance(what.likelihood, asked.poi, at=what.held, toys=toys.asked, store=toys.folder, **where)
    files = drawn(result, path, look)
    return Answer(result, files=files if files else None, analysis=what.analysis, seed=None if result.toys is None else result.toys.seed)


@command(f"experiments model at poi groups profile profile_signal target changes allow_overlap electrons constrain correlate {LOOK}")
def impacts(
    what: AnalysisOptions,
    looks: LookOptions,
    poi: PoiOption = None,
    target: Annotated[Path | None, option("--output -o", "Ranking plot: png, pdf, svg or pgf.", "FILE")] = None,
    groups: Annotated[bool, option("--groups", "Show only what counts and groups of nuisances contribute to the error.")] = False,
) -> Answer:
    """Rank the nuisances by their impact on a parameter, and tell what its error is made of; masses must be held."""
    from cevnsfit.report.tables import ResultTable
    from cevnsfit.studies import agreement, texts
    from cevnsfit.studies.shown import checked_kind, notes_of

    look, kind = looks.over(), "groups" if groups else None
    checked_kind("Ranking", kind, look)
    path = None if target is None else picture(target, look)
    result = agreement.impacts(what.likelihood, poi, at=what.held)
    text = [ResultTable((*texts.groups(result), *notes_of(result)))] if groups else None
    return Answer(result, text, files=drawn(result, path, look, kind), analysis=what.analysis)
