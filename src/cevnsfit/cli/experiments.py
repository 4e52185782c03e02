"""`cevnsfit experiments`: list, show, check."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli.command import argument, command
from cevnsfit.cli.options import ExperimentArgument, SetOption, overrides
from cevnsfit.cli.output import Answer, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.spec.load import Experiment

app = typer.Typer(help="List, show and check experiments.")


@app.callback(invoke_without_command=True)
@command()
def experiments(ctx: typer.Context) -> Answer | None:
    """List the shipped experiments; `show` and `check` look at one."""
    if ctx.invoked_subcommand is not None:
        return None
    from cevnsfit.spec.catalog import experiment_names
    from cevnsfit.spec.load import load_experiment

    known = [_entry(load_experiment(name)) for name in experiment_names()]
    rows = [
        (entry["name"], entry["title"], " x ".join(f"{axis} ({n})" for axis, n in entry["axes"].items()), _count(entry["observed"]))
        for entry in known
    ]
    return Answer(known, [table("Experiments", ("name", "title", "axes (bins)", "observed"), rows)])


@app.command()
@command()
def show(name: ExperimentArgument, changes: SetOption = None) -> Answer:
    """Show everything known of one experiment."""
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.studies.setup import load_experiments

    (experiment,) = load_experiments(Analysis((name,), "sm", overrides(changes)))
    return Answer(_details(experiment), _text(experiment))


@app.command()
@command()
def check(folder: Annotated[str, argument("Folder with experiment.yaml.", "DIR")], changes: SetOption = None) -> Answer:
    """Check the folder of an experiment: description, tables, and the counts that the Standard Model expects in it."""
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.errors import Problem, SpecError
    from cevnsfit.studies.possible import impossible_bins, negative_bins
    from cevnsfit.studies.rates import rates
    from cevnsfit.studies.setup import build, load_experiments

    analysis = Analysis((folder,), "sm", overrides(changes))
    try:
        (experiment,) = load_experiments(analysis)
    except SpecError as error:
        return Answer({"valid": False, "problems": error.problems}, error=error)
    likelihood = build(analysis, [experiment], fitted=False)
    joint = likelihood.at({})
    found = [*impossible_bins(joint.channels[0], experiment.axes), *negative_bins(joint, experiment)]
    if found:
        problems = [Problem(str(experiment.folder), None, "", text) for text in found]
        return Answer({"valid": False, "problems": problems}, error=SpecError(problems))
    totals = rates(likelihood)[experiment.name].totals
    observed = _observed(experiment)
    expected = ", ".join(f"{name} {total:.4g}" for name, total in totals.items())
    text = (f"{experiment.name}: no problems found", f"expected: {expected}; observed: {_count(observed)}")
    return Answer({"valid": True, "problems": [], "name": experiment.name, "expected": totals, "observed": observed}, text)


def _text(experiment: "Experiment") -> "Iterator[str]":
    spec = experiment.spec
    yield f"{spec.name}: {spec.title}"
    yield spec.description
    yield from (f"  {reference}" for reference in spec.references)
    rows = [
        (axis.name, str(axis.nbins), f"{axis.display_edges[0]:g} to {axis.display_edges[-1]:g} {axis.unit}") for axis in experiment.axes
    ]
    yield table("Axes", ("axis", "bins", "range"), rows)
    yield table("Response", ("stage", "kind"), [(name, stage.kind) for name, stage in spec.response.items()])
    measured = [(name, "control region") for name in spec.control_region]
    yield table("Backgrounds", ("background", "count"), [*((name, b.count.kind) for name, b in spec.backgrounds.items()), *measured])
    yield table("Systematics", ("parameter", "kind"), _systematics(experiment))
    yield f"observed counts: {_count(_observed(experiment))}"
    yield f"shares events with: {', '.join(spec.overlaps) if spec.overlaps else 'no other experiment'}"
    yield f"folder: {experiment.folder}"


def _entry(experiment: "Experiment") -> dict[str, Any]:
    return {**experiment.to_dict(), "observed": _observed(experiment)}


def _details(experiment: "Experiment") -> dict[str, Any]:
    """Return the summary, axes with edges in display units, the description in internal units, and the digests of the files."""
    spec = experiment.spec
    return {
        **_entry(experiment),
        "description": spec.description,
        "axes": {axis.name: {"unit": axis.unit, "edges": axis.display_edges} for axis in experiment.axes},
        "internal_units": "MeV, cm, g, s, PE",
        "spec": spec.model_dump(mode="json", by_alias=True),
        "overrides": dict(experiment.overrides),
        "digests": experiment.digests,
    }


def _systematics(experiment: "Experiment") -> list[tuple[str, str]]:
    """Return name and kind of each parameter of the systematics, those that are off included."""
    from cevnsfit.model.systematics import effect_of

    effects = [effect_of(experiment, key) for key in experiment.spec.systematics]
    return [
        (parameter.name, effect.entry.kind if effect.entry.enabled else f"{effect.entry.kind}, off")
        for effect in effects
        for parameter in effect.parameters
    ]


def _observed(experiment: "Experiment") -> int | None:
    from cevnsfit.model.workspace import counting

    if experiment.workspace is None:
        return experiment.observed
    counts = counting(experiment).observed
    return None if counts is None else round(float(counts.sum()))


def _count(value: int | None) -> str:
    return "none" if value is None else str(value)
