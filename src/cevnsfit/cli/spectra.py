"""`cevnsfit spectra`: a picture of data against the best fit."""

from pathlib import Path
from typing import Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import AtOption, ExperimentsArgument, JsonOption, ModelOption, OverlapOption, SetOption


def spectra(
    experiments: ExperimentsArgument,
    model: ModelOption,
    target: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Picture: png, pdf or svg.", show_default=False)],
    at: AtOption = None,
    changes: SetOption = None,
    allow_overlap: OverlapOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit a model, and draw data against the stacked components of the best fit with residuals."""
    from cevnsfit.cli.options import analysis, held, picture
    from cevnsfit.report.plots import save_figure, spectra_figure
    from cevnsfit.studies.fitting import run_fit
    from cevnsfit.studies.provenance import provenance
    from cevnsfit.studies.rates import projections

    path = picture(target)
    chosen = analysis(experiments, model, changes, allow_overlap=allow_overlap).holding(held(at))
    summary = run_fit(chosen)
    save_figure(spectra_figure([projection for counts in summary.counts for projection in projections(counts)]), path)
    if as_json:
        output.print_json({"files": [path], "fit": summary, "provenance": provenance(chosen)})
    else:
        output.print_lines(str(path))
    output.stop_if(not summary.fit.valid, f"the fit is not valid: {summary.fit.reason}")
