"""`cevnsfit experiments`: list, show, check."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import ExperimentArgument, JsonOption, SetOption

if TYPE_CHECKING:
    from cevnsfit.spec.load import Experiment

app = typer.Typer(help="List, show and check experiments.")


@app.callback(invoke_without_command=True)
def experiments(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the shipped experiments; `show` and `check` look at one."""
    if ctx.invoked_subcommand is not None:
        return
    from cevnsfit.spec.catalog import experiment_names
    from cevnsfit.spec.load import load_experiment

    known = [_entry(load_experiment(name)) for name in experiment_names()]
    if as_json:
        output.print_json(known)
        return
    rows = [
        (entry["name"], entry["title"], " x ".join(f"{axis} ({n})" for axis, n in entry["axes"].items()), _count(entry["observed"]))
        for entry in known
    ]
    output.table("Experiments", ("name", "title", "axes (bins)", "observed"), rows)


@app.command()
def show(name: ExperimentArgument, changes: SetOption = None, as_json: JsonOption = False) -> None:
    """Show everything known of one experiment."""
    from cevnsfit.cli.options import overrides
    from cevnsfit.spec.load import load_experiment

    experiment = load_experiment(name, dict(overrides(changes)))
    if as_json:
        output.print_json(_details(experiment))
        return
    spec = experiment.spec
    output.print_lines(f"{spec.name}: {spec.title}", spec.description, *(f"  {reference}" for reference in spec.references))
    rows = [
        (axis.name, str(axis.nbins), f"{axis.display_edges[0]:g} to {axis.display_edges[-1]:g} {axis.unit}") for axis in experiment.axes
    ]
    output.table("Axes", ("axis", "bins", "range"), rows)
    output.table("Response", ("stage", "kind"), [(name, stage.kind) for name, stage in spec.response.items()])
    measured = [(name, "control region") for name in spec.control_region]
    output.table("Backgrounds", ("background", "count"), [*((name, b.count.kind) for name, b in spec.backgrounds.items()), *measured])
    output.table("Systematics", ("parameter", "kind"), _systematics(experiment))
    output.print_lines(
        f"observed counts: {_count(_observed(experiment))}",
        f"shares events with: {', '.join(spec.overlaps) if spec.overlaps else 'no other experiment'}",
        f"folder: {experiment.folder}",
    )


@app.command()
def check(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder with experiment.yaml.", show_default=False)],
    changes: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the folder of an experiment: description, tables, and the counts that the Standard Model expects in it."""
    from cevnsfit.cli.options import overrides
    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.errors import SpecError
    from cevnsfit.spec.load import load_experiment
    from cevnsfit.studies.rates import rates

    chosen = overrides(changes)
    try:
        experiment = load_experiment(folder, dict(chosen))
    except SpecError as error:
        if not as_json:
            raise
        problems = [{"file": p.file, "line": p.line, "field": p.field, "message": p.message} for p in error.problems]
        output.print_json({"valid": False, "problems": problems})
        raise typer.Exit(2) from None
    counts = rates(Analysis((folder,), "sm", chosen))
    totals = {name: float(values.sum()) for name, values in counts.components.items()}
    if as_json:
        output.print_json({"valid": True, "problems": [], "name": experiment.name, "expected": totals, "observed": _observed(experiment)})
        return
    expected = ", ".join(f"{name} {total:.4g}" for name, total in totals.items())
    output.print_lines(f"{experiment.name}: no problems found", f"expected: {expected}; observed: {_count(_observed(experiment))}")


def _entry(experiment: "Experiment") -> dict[str, Any]:
    spec = experiment.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "status": spec.status,
        "axes": {axis.name: axis.nbins for axis in experiment.axes},
        "observed": _observed(experiment),
        "overlaps": spec.overlaps,
        "references": spec.references,
    }


def _details(experiment: "Experiment") -> dict[str, Any]:
    """Return the summary, axes with edges in display units, the description in internal units, and the digests of the files."""
    spec = experiment.spec
    return {
        **_entry(experiment),
        "description": spec.description,
        "folder": experiment.folder,
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

    observed = experiment.spec.observed
    if experiment.workspace is not None:
        counts = counting(experiment).observed
        return None if counts is None else round(float(counts.sum()))
    return None if observed is None else round(float(experiment.tables[observed.table].on(experiment.axes, observed.column).sum()))


def _count(value: int | None) -> str:
    return "none" if value is None else str(value)
