"""`cevnsfit run`: an analysis file, from the scans to the pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import DaskOption, JobsOption, JsonOption, OutputFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.studies.fitting import Consistency


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Analysis in YAML; see analyses/.", show_default=False)],
    folder: OutputFolder,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an analysis file: scans, contours, spectra; what is finished is kept, and the same command continues it."""
    from cevnsfit.cli.scan import stop_if_incomplete
    from cevnsfit.studies.analysis import run_analysis, write_analysis
    from cevnsfit.studies.workers import workers

    with workers(jobs, dask) as executor, output.progress("scan") as progress:
        result = run_analysis(file, folder, executor=executor, progress=progress)
    files = write_analysis(result, folder)
    if as_json:
        output.print_json({"planes": result.results, "files": files})
    else:
        print_consistency(result.consistency)
        output.print_lines(*(str(path) for path in files))
    stop_if_incomplete(result.results)


def print_consistency(found: "Sequence[Consistency]") -> None:
    """Print how experiments and combinations sit with the Standard Model."""
    from cevnsfit.report.tables import format_value

    rows = [
        (
            entry.label,
            f"{entry.observed:.0f}",
            f"{entry.expected:.1f}",
            format_value(entry.strength, entry.error),
            f"{entry.nll2:.1f} / {entry.ndof}",
            f"{entry.pull:+.2f} sigma ({'excess' if entry.pull > 0 else 'deficit'})",
        )
        for entry in found
    ]
    headers = ("experiments", "observed", "expected (SM)", "signal strength", "-2 ln lambda / ndof", "pull against the SM")
    output.table("Against the Standard Model", headers, rows)
