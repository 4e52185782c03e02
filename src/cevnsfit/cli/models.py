"""`cevnsfit models`: list and show."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import JsonOption

if TYPE_CHECKING:
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.physics.interactions.terms import SignalModel

app = typer.Typer(help="List and show signal models.")


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the signal models; `show` looks at one."""
    if ctx.invoked_subcommand is not None:
        return
    from cevnsfit.studies.setup import all_models

    known = [_entry(name) for name in all_models()]
    if as_json:
        output.print_json(known)
        return
    rows = [(entry["name"], entry["title"], ", ".join(entry["parameters"]), entry["label"]) for entry in known]
    output.table("Models", ("name", "title", "parameters", "caveat"), rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show everything known of one model."""
    from cevnsfit.studies.setup import check_model

    model = check_model(name)
    entry = {**_entry(name), "parameters": _parameters(model)}
    if as_json:
        output.print_json(entry)
        return
    output.print_lines(f"{entry['name']}: {entry['title']}", *([f"  {entry['lagrangian']}"] if entry["lagrangian"] else []))
    output.print_lines(*(f"  {reference}" for reference in entry["references"]))
    if entry["label"]:
        output.print_lines(f"caveat: {entry['label']}")
    rows = [
        (
            p.name,
            f"{p.kind}{', held' if p.fixed else ''}",
            f"{p.default:g}",
            f"[{p.lower:g}, {p.upper:g}]",
            p.unit,
            p.description,
        )
        for p in _parameters(model)
    ]
    output.table("Parameters", ("name", "kind", "default", "domain", "unit", "meaning"), rows)


def _entry(name: str) -> dict[str, Any]:
    from cevnsfit.studies.setup import check_model

    model = check_model(name)
    return {
        "name": name,
        "title": "signal templates of the collaborations, free strength" if model is None else model.title,
        "lagrangian": "" if model is None else model.lagrangian,
        "parameters": [parameter.name for parameter in _parameters(model)],
        "references": () if model is None else model.references,
        "label": "" if model is None else _label(model),
    }


def _label(model: "SignalModel") -> str:
    return f"{model.label} unless {model.label_unless_zero} = 0" if model.label_unless_zero else model.label


def _parameters(model: "SignalModel | None") -> "tuple[Parameter, ...]":
    from cevnsfit.physics.interactions import signal_model

    return (signal_model("signal-strength") if model is None else model).parameters
