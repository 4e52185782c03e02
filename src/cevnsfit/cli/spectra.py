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
    from cevnsfit.studies import fitting

    path, chosen = picture(target), what.analysis
    found = fitting.fit(what.likelihood, at=chosen.held)
    save_figure(spectra_figure([projection for counts in found.counts.values() for projection in counts.projections]), path)
    incomplete = "" if found.valid else f"the fit is not valid: {found.reason}"
    return Answer({"files": [path], "fit": found}, [str(path)], analysis=chosen, incomplete=incomplete)
