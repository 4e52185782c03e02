"""`cevnsfit models`: list and show."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli.command import argument, command
from cevnsfit.cli.options import models_known
from cevnsfit.cli.output import Answer, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.physics.interactions.terms import SignalModel

app = typer.Typer(help="List and show signal models.")


@app.callback(invoke_without_command=True)
@command()
def models(ctx: typer.Context) -> Answer | None:
    """List the signal models; `show` looks at one."""
    if ctx.invoked_subcommand is not None:
        return None
    from cevnsfit.studies.setup import all_models

    known = [_entry(name) for name in all_models()]
    rows = [(entry["name"], entry["title"], ", ".join(entry["parameters"]), entry["label"]) for entry in known]
    return Answer(known, [table("Models", ("name", "title", "parameters", "caveat"), rows)])


@app.command()
@command()
def show(name: Annotated[str, argument("A model.", "NAME", models_known)]) -> Answer:
    """Show everything known of one model."""
    from cevnsfit.studies.setup import check_model

    parameters = _parameters(check_model(name))
    entry = _entry(name)
    return Answer({**entry, "parameters": parameters}, _text(entry, parameters))


def _text(entry: dict[str, Any], parameters: "tuple[Parameter, ...]") -> "Iterator[str]":
    yield f"{entry['name']}: {entry['title']}"
    if entry["lagrangian"]:
        yield f"  {entry['lagrangian']}"
    yield from (f"  {reference}" for reference in entry["references"])
    if entry["label"]:
        yield f"caveat: {entry['label']}"
    rows = [
        (p.name, f"{p.kind}{', held' if p.fixed else ''}", f"{p.default:g}", f"[{p.lower:g}, {p.upper:g}]", p.unit, p.description)
        for p in parameters
    ]
    yield table("Parameters", ("name", "kind", "default", "domain", "unit", "meaning"), rows)


def _entry(name: str) -> dict[str, Any]:
    from cevnsfit.studies.setup import check_model

    model = check_model(name)
    return {
        "name": name,
        "title": "signal templates of the collaborations, free strength" if model is None else model.title,
        "lagrangian": "" if model is None else model.lagrangian,
        "parameters": [parameter.name for parameter in _parameters(model)],
        "references": () if model is None else model.references,
        "label": "" if model is None else model.whole_label,
    }


def _parameters(model: "SignalModel | None") -> "tuple[Parameter, ...]":
    from cevnsfit.physics.interactions import signal_model

    return (signal_model("signal-strength") if model is None else model).parameters
