"""`cevnsfit new-experiment`: a folder to start from."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.output import Answer


@command()
def new_experiment(
    name: Annotated[str, argument("Name of the experiment.", "NAME")],
    folder: Annotated[Path | None, option("--output -o", "Folder to write into; NAME.", "DIR")] = None,
) -> Answer:
    """Write a commented experiment.yaml with small tables to start a new experiment from."""
    from cevnsfit.studies.new_experiment import new_experiment as write

    files = write(name, Path(name) if folder is None else folder)
    return Answer({"name": name, "files": files}, [*map(str, files), f"next: cevnsfit experiments check {files[0].parent}"])
