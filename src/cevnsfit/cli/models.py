"""`cevnsfit models`: list and show."""

from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli.command import argument, command
from cevnsfit.cli.options import models_known
from cevnsfit.cli.output import Answer

if TYPE_CHECKING:
    from cevnsfit.physics.interactions.terms import SignalModel

app = typer.Typer(help="List and show signal models.")


@app.callback(invoke_without_command=True)
@command()
def models(ctx: typer.Context) -> Answer | None:
    """List the signal models; `show` describes one."""
    if ctx.invoked_subcommand is not None:
        return None
    from cevnsfit.core.entries import usable
    from cevnsfit.physics.interactions import model_distribution
    from cevnsfit.studies.setup import all_models
    from cevnsfit.studies.shown import table

    known = usable(all_models(), _model, model_distribution)
    return Answer([{**one.to_dict(), "parameters": [parameter.name for parameter in one.parameters]} for one in known], [table(known)])


@app.command()
@command()
def show(name: Annotated[str, argument("A model.", "NAME", models_known)]) -> Answer:
    """Show everything that is known about one model."""
    return Answer(_model(name))


def _model(name: str) -> "SignalModel":
    """Return a signal model; the templates of a release have a strength and nothing else."""
    from dataclasses import replace

    from cevnsfit.physics.interactions import signal_model
    from cevnsfit.studies.setup import check_model

    model, title = check_model(name), "signal templates of the collaborations, free strength"
    if model is None:
        return replace(signal_model("signal-strength"), name=name, title=title, lagrangian="", references=(), label="")
    return model
