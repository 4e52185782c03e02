"""`cevnsfit new-experiment`, `init`, `schema`, `import-release` and `validate`: what to start from, what may stand in it, and whether it can be trusted."""

import json
from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.output import Answer


@command()
def new_experiment(
    name: Annotated[str, argument("Name of the experiment.", "NAME")],
    folder: Annotated[Path | None, option("--output -o", "Folder to write into; by default NAME.", "DIR")] = None,
    like: Annotated[str, option("--like", "germanium, counting, csi, lar, reactor or response-matrix.", "KIND")] = "germanium",
) -> Answer:
    """Write a commented experiment.yaml with small tables, as a start for a new experiment."""
    from cevnsfit.studies.start import new_experiment as write

    files = write(name, folder, like=like)
    return Answer({"name": name, "files": files}, [*map(str, files), f"next: cevnsfit experiments check {files[0].parent}"])


@command()
def init(file: Annotated[Path, argument("Analysis file to write.", "FILE")]) -> Answer:
    """Write a commented analysis file that runs as it is."""
    from cevnsfit.studies.start import new_analysis

    written = new_analysis(file)
    return Answer({"files": [written]}, [str(written), f"next: cevnsfit run {written} -o DIR"])


@command()
def schema(kind: Annotated[str, argument("What the file describes.", "analysis|experiment")]) -> Answer:
    """Print the JSON Schema of an analysis file, or of experiment.yaml, for editors and other programs."""
    from cevnsfit.studies.start import json_schema

    found = json_schema(kind)
    return Answer(found, [json.dumps(found, indent=2)])


@command()
def import_release(
    name: Annotated[str, argument("A release, named as its experiment.", "NAME")],
    source: Annotated[Path, argument("Folder of the official files.", "DIR")],
    target: Annotated[Path, option("--output -o", "Folder to write the tables into.", "TARGET")],
) -> Answer:
    """Turn the files of an official data release into the tables of an experiment."""
    from cevnsfit.io.releases import import_release as convert

    return Answer({"release": name}, files=convert(name, source, target))


@command()
def validate(
    pages: Annotated[bool, option("--pages", "Write a page of Markdown for each paper.")] = False,
    folder: Annotated[Path, option("--output -o", "Folder of the pages.", "DIR")] = Path("docs/verification"),
) -> Answer:
    """Compare with published results and independent computations."""
    from cevnsfit.studies.shown import table
    from cevnsfit.studies.validate import validate as run_checks
    from cevnsfit.studies.verification import write_pages

    checks = run_checks()
    failed = [check.id for check in checks if check.verdict == "FAILS"]
    incomplete = f"{len(failed)} checks failed: {', '.join(failed)}" if failed else ""
    if not pages:
        return Answer(checks, incomplete=incomplete)
    return Answer({"checks": checks}, [table(checks)], files=write_pages(checks, folder), incomplete=incomplete)
