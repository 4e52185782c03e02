"""`cevnsfit intervals`, `gof`, `compatibility`, `significance` and `impacts`: what is allowed, is the model right, do experiments agree, what limits a measurement."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, LevelOptions, PoiOption, ToyOptions, WorkerOptions, drawn, picture
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
    """Print all allowed intervals of one parameter, with every branch; masses must be held.

    Feldman-Cousins intervals generate toys where needed, at most --toys (2048) per value; without --toys CLs is asymptotic.
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


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def gof(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions) -> Answer:
    """Test the goodness of fit: the deviance at the best fit, with the p-value of toys generated there; masses must be held."""
    from cevnsfit.studies.agreement import goodness

    with workers.running() as where:
        result = goodness(what.likelihood, at=what.held, toys=toys.asked, store=toys.folder, **where)
    return Answer(result, analysis=what.analysis, seed=toys.used_seed)


@command("experiments model at profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
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


@command("experiments model at poi profile profile_signal toys seed jobs dask folder changes allow_overlap electrons")
def significance(what: AnalysisOptions, toys: ToyOptions, workers: WorkerOptions, poi: PoiOption = None) -> Answer:
    """Print the significance with which a parameter exceeds its value without signal; masses must be held.

    The asymptotic formula is used where it is valid; otherwise, and with --toys, the significance comes from toys (2048).
    """
    from cevnsfit.studies import limits

    with workers.running() as where:
        result = limits.significance(what.likelihood, poi, at=what.held, toys=toys.asked, store=toys.folder, **where)
    return Answer(result, analysis=what.analysis, seed=None if result.toys is None else result.toys.seed)


@command("experiments model at poi profile profile_signal target changes allow_overlap electrons")
def impacts(
    what: AnalysisOptions,
    poi: PoiOption = None,
    target: Annotated[Path | None, option("--output -o", "Ranking plot: png, pdf or svg.", "FILE")] = None,
) -> Answer:
    """Rank the nuisances by their impact on a parameter, with pulls and constraints; masses must be held."""
    from cevnsfit.studies import agreement

    path = None if target is None else picture(target)
    result = agreement.impacts(what.likelihood, poi, at=what.held)
    return Answer(result, files=drawn(result, path), analysis=what.analysis)
