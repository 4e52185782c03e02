"""`cevnsfit new-experiment`: a folder to start from."""

from pathlib import Path
from typing import Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import JsonOption


def new_experiment(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the experiment.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to write into; NAME.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a commented experiment.yaml with small tables to start a new experiment from."""
    from cevnsfit.studies.new_experiment import new_experiment as write

    files = write(name, Path(name) if folder is None else folder)
    if as_json:
        output.print_json({"name": name, "files": files})
        return
    output.print_lines(*(str(file) for file in files), f"next: cevnsfit experiments check {files[0].parent}")
