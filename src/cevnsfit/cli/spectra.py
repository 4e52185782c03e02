"""`cevnsfit spectra`: a picture of data against the best fit."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, picture
from cevnsfit.cli.output import Answer


@command("experiments model target at profile profile_signal changes allow_overlap electrons")
def spectra(
    what: AnalysisOptions,
    target: Annotated[Path, option("--output -o", "Picture: png, pdf or svg.", "FILE")],
) -> Answer:
    """Fit a model, and draw data against the stacked components of the best fit with residuals."""
    from cevnsfit.report.plots import save_figure, spectra_figure
    from cevnsfit.studies.fitting import run_fit
    from cevnsfit.studies.rates import projections

    path, chosen = picture(target), what.analysis
    summary = run_fit(chosen)
    save_figure(spectra_figure([projection for counts in summary.counts for projection in projections(counts)]), path)
    incomplete = "" if summary.fit.valid else f"the fit is not valid: {summary.fit.reason}"
    return Answer({"files": [path], "fit": summary}, [str(path)], analysis=chosen, incomplete=incomplete)
