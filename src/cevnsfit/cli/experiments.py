"""`cevnsfit experiments`: list, show, check."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli.command import argument, command
from cevnsfit.cli.options import ExperimentArgument, SetOption, overrides
from cevnsfit.cli.output import Answer

if TYPE_CHECKING:
    from cevnsfit.spec.load import Experiment

app = typer.Typer(help="List, show and check experiments.")


@app.callback(invoke_without_command=True)
@command()
def experiments(ctx: typer.Context) -> Answer | None:
    """List the shipped experiments; `show` and `check` examine one."""
    if ctx.invoked_subcommand is not None:
        return None
    from cevnsfit.core.entries import usable
    from cevnsfit.spec.catalog import experiment_distribution, experiment_names
    from cevnsfit.spec.load import load_experiment
    from cevnsfit.studies.listings import observed_events
    from cevnsfit.studies.shown import table

    known = usable(experiment_names(), load_experiment, experiment_distribution)
    return Answer([{**one.to_dict(), "observed": observed_events(one)} for one in known], [table(known)])


@app.command()
@command()
def show(name: ExperimentArgument, changes: SetOption = None) -> Answer:
    """Show everything that is known about one experiment."""
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.setup import load_experiments

    (experiment,) = load_experiments(Analysis((name,), "sm", overrides(changes)))
    return Answer(experiment, further=_details(experiment))


@app.command()
@command()
def check(folder: Annotated[str, argument("Folder with experiment.yaml.", "DIR")], changes: SetOption = None) -> Answer:
    """Check the folder of an experiment: description, tables, and the counts that the Standard Model expects in it."""
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.errors import Problem, SpecError
    from cevnsfit.studies.listings import count_text, nuclides, observed_events
    from cevnsfit.studies.possible import impossible_bins, negative_bins
    from cevnsfit.studies.rates import rates
    from cevnsfit.studies.setup import build, load_experiments

    analysis = Analysis((folder,), "sm", overrides(changes))
    try:
        (experiment,) = load_experiments(analysis)
    except SpecError as error:
        return Answer({"valid": False, "problems": error.problems}, error=error)
    likelihood = build(analysis, [experiment])
    joint = likelihood.at({})
    axes = likelihood.axes
    found = [
        *(text for channel in joint.channels for text in impossible_bins(channel, axes.get(channel.name, ()))),
        *negative_bins(joint, axes),
    ]
    if found:
        problems = [Problem(str(experiment.folder), None, "", text) for text in found]
        return Answer({"valid": False, "problems": problems}, error=SpecError(problems))
    totals = rates(likelihood)[experiment.name].totals
    observed = observed_events(experiment)
    expected = ", ".join(f"{name} {total:.4g}" for name, total in totals.items())
    fractions = nuclides(experiment)
    text = (
        f"{experiment.name}: no problems found",
        f"expected: {expected}; observed: {count_text(observed, experiment.outside)}",
        f"nuclides: {', '.join(f'{name} {100 * part:.4g} %' for name, part in fractions.items())} of the mass",
        *((f"channels: {', '.join(experiment.channels)}",) if experiment.channels else ()),
    )
    known = {"name": experiment.name, "expected": totals, "observed": observed, "nuclides": fractions}
    return Answer({"valid": True, "problems": [], **known, **_channels(experiment)}, text)


def _details(experiment: "Experiment") -> dict[str, Any]:
    """Return axes with edges in display units, the description in internal units, and the digests of the files."""
    from cevnsfit.studies.listings import nuclides, observed_events

    spec = experiment.spec
    described = {name: part.spec.model_dump(mode="json", by_alias=True) for name, part in experiment.channels.items()}
    return {
        **_channels(experiment),
        "observed": observed_events(experiment),
        "description": spec.description,
        "axes": {axis.name: {"unit": axis.unit, "edges": axis.display_edges} for axis in experiment.axes},
        "internal_units": "MeV, cm, g, s, PE",
        "nuclides": nuclides(experiment),
        **({"specs": described} if described else {"spec": spec.model_dump(mode="json", by_alias=True)}),
        "overrides": dict(experiment.overrides),
        "digests": experiment.digests,
    }


def _channels(experiment: "Experiment") -> dict[str, list[str]]:
    """Return the names of the channels; nothing where there are none."""
    return {"channels": list(experiment.channels)} if experiment.channels else {}
