"""`cevnsfit gof`, `compatibility`, `significance` and `impacts`: is the model right, do experiments agree, what limits a measurement."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import (
    AtOption,
    DaskOption,
    ElectronsOption,
    ExperimentsArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    OverlapOption,
    PoiOption,
    ProfileOption,
    ProfileSignalOption,
    SeedOption,
    SetOption,
    ToyFolder,
    ToysOption,
)
from cevnsfit.core.documents import plain

if TYPE_CHECKING:
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.results import ToyRecord


def gof(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    profile: ProfileOption = None,
    profile_signal: ProfileSignalOption = False,
    toys: ToysOption = None,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: ToyFolder = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Test the goodness of fit: the deviance at the best fit, with the p-value of toys generated there; masses must be held."""
    from cevnsfit.cli.options import analysis, held, toy_run
    from cevnsfit.studies.agreement import run_goodness

    chosen = analysis(
        experiments,
        model,
        changes,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        electrons=electrons,
        floating=profile,
    ).holding(held(at))
    with output.progress("toys, in chunks of 128") as progress:
        result = run_goodness(chosen, run=toy_run(toys, seed, (jobs, dask), folder), progress=progress)
    if as_json:
        output.print_json({**plain(result), "provenance": _origin(chosen, toys, seed)})
        return
    output.print_lines(
        f"-2 ln lambda / ndof = {result.statistic:.2f} / {result.ndof}; p = {result.p:.3g} (asymptotic: chi-squared)", *_tail(result.toys)
    )


def compatibility(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    profile: ProfileOption = None,
    profile_signal: ProfileSignalOption = False,
    toys: ToysOption = None,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: ToyFolder = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Test whether experiments agree on the couplings they share (parameter goodness of fit); masses must be held.

    Before that, the signal strength of each experiment and its pull against the Standard Model.
    """
    from cevnsfit.cli.options import analysis, held, toy_run
    from cevnsfit.cli.run import print_consistency
    from cevnsfit.studies.agreement import run_compatibility, strengths

    chosen = analysis(
        experiments,
        model,
        changes,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        electrons=electrons,
        floating=profile,
    ).holding(held(at))
    with output.progress("toys, in chunks of 128") as progress:
        result = run_compatibility(chosen, run=toy_run(toys, seed, (jobs, dask), folder), progress=progress)
    found = strengths(chosen)
    if as_json:
        output.print_json({**plain(result), "strengths": found, "provenance": _origin(chosen, toys, seed)})
        return
    print_consistency(found)
    rows = [("all", name, f"{value:.4g}") for name, value in result.combined.items()]
    rows += [(experiment, name, f"{value:.4g}") for experiment, values in result.separate.items() for name, value in values.items()]
    output.table("Best fits", ("experiment", "coupling", "value"), rows)
    output.print_lines(
        f"chi2_PG / ndof = {result.statistic:.2f} / {result.ndof}; p = {result.p:.3g} (asymptotic: chi-squared)", *_tail(result.toys)
    )


def significance(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    poi: PoiOption = None,
    profile: ProfileOption = None,
    profile_signal: ProfileSignalOption = False,
    toys: ToysOption = None,
    seed: SeedOption = 1,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    folder: ToyFolder = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the significance with which a parameter exceeds 0, asymptotic or from toys; masses must be held."""
    from cevnsfit.cli.options import analysis, held, toy_run
    from cevnsfit.studies.limits import run_discovery

    chosen = analysis(
        experiments,
        model,
        changes,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        electrons=electrons,
        floating=profile,
    ).holding(held(at))
    with output.progress("toys, in chunks of 128") as progress:
        result = run_discovery(chosen, poi=poi, run=toy_run(toys, seed, (jobs, dask), folder), progress=progress)
    if as_json:
        output.print_json({**plain(result), "provenance": _origin(chosen, toys, seed)})
        return
    output.print_lines(f"{result.poi} = {result.estimate:.4g} at the best fit, q0 = {result.statistic:.2f}")
    if result.toys is None:
        output.print_lines(f"significance {result.significance:.2f} sigma, p = {result.p:.3g} (asymptotic)")
        return
    (point,) = result.toys.points
    text = (
        f"{result.significance:.2f} sigma, p = {point.p:.3g} +- {point.error:.1g}"
        if point.p
        else f"p < {3 / max(point.toys, 1):.1g} (95 % CL)"
    )
    output.print_lines(f"significance {text}, {point.toys} toys, seed {result.toys.seed}, {point.failed} failed")


def impacts(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: ExperimentsArgument,
    model: ModelOption,
    at: AtOption = None,
    poi: PoiOption = None,
    profile: ProfileOption = None,
    profile_signal: ProfileSignalOption = False,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Ranking plot: png, pdf or svg.", show_default=False)
    ] = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    electrons: ElectronsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Rank the nuisances by their impact on a parameter, with pulls and constraints; masses must be held."""
    from cevnsfit.cli.options import analysis, held, picture
    from cevnsfit.studies.agreement import run_ranking

    path = None if target is None else picture(target)
    chosen = analysis(
        experiments,
        model,
        changes,
        allow_overlap=allow_overlap,
        profile_signal=profile_signal,
        electrons=electrons,
        floating=profile,
    ).holding(held(at))
    result = run_ranking(chosen, poi=poi)
    if path is not None:
        from cevnsfit.report.rankings import ranking_figure
        from cevnsfit.report.style import save_figure

        save_figure(ranking_figure(result, title=" + ".join(experiments)), path)
    files = [] if path is None else [path]
    if as_json:
        output.print_json({**plain(result), "files": files, "provenance": _origin(chosen, None, 0)})
        return
    rows = [
        (
            entry.name,
            f"{entry.value:+.3f} +- {entry.error:.3f}",
            "prior" if entry.constrained else "absolute",
            f"{entry.up:+.3g}",
            f"{entry.down:+.3g}",
        )
        for entry in result.impacts
    ]
    output.table(f"Impact on {result.poi}", ("nuisance", "value +- error", "in units of", "at +1 sigma", "at -1 sigma"), rows)
    output.print_lines(*(str(file) for file in files))


def _tail(record: "ToyRecord | None") -> list[str]:
    if record is None:
        return []
    (point,) = record.points
    return [f"p = {point.p:.3g} +- {point.error:.1g} ({point.toys} toys, seed {record.seed}, {point.failed} failed)"]


def _origin(chosen: "Analysis", toys: int | None, seed: int) -> "dict[str, Any]":
    from cevnsfit.studies.provenance import provenance

    return provenance(chosen, seed=None if toys is None else seed)
