"""`cevnsfit import-release`: official files to tables."""

from pathlib import Path
from typing import Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import JsonOption


def import_release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A release, named as its experiment.", show_default=False)],
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the official files.", show_default=False)],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="TARGET", help="Folder to write the tables into.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Turn the files of an official data release into the tables of an experiment."""
    from cevnsfit.io.releases import import_release as convert

    files = convert(name, source, target)
    if as_json:
        output.print_json({"release": name, "files": files})
    else:
        output.print_lines(*(str(file) for file in files))
