"""`cevnsfit import-release`: official files to tables."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.output import Answer


@command()
def import_release(
    name: Annotated[str, argument("A release, named as its experiment.", "NAME")],
    source: Annotated[Path, argument("Folder of the official files.", "DIR")],
    target: Annotated[Path, option("--output -o", "Folder to write the tables into.", "TARGET")],
) -> Answer:
    """Turn the files of an official data release into the tables of an experiment."""
    from cevnsfit.io.releases import import_release as convert

    return Answer({"release": name}, files=convert(name, source, target))
