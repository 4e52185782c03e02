"""`cevnsfit run`: an analysis file, from the scans to the pictures."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.agreement import strength_table
from cevnsfit.cli.command import argument, command
from cevnsfit.cli.options import OutputFolder, WorkerOptions
from cevnsfit.cli.output import Answer, progress
from cevnsfit.cli.scan import doubtful


@command()
def run(
    file: Annotated[Path, argument("Analysis in YAML; see analyses/.", "FILE")],
    folder: OutputFolder,
    workers: WorkerOptions,
) -> Answer:
    """Run an analysis file: scans, contours, spectra; what is finished is kept, and the same command continues it."""
    from cevnsfit.studies.analysis import run_analysis, write_analysis

    with workers.open() as executor, progress("scan") as tell:
        result = run_analysis(file, folder, executor=executor, progress=tell)
    files = write_analysis(result, folder)
    return Answer({"planes": result.results}, [strength_table(result.signal_strengths)], files, incomplete=doubtful(result.results))
