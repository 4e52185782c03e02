"""`cevnsfit spectra`: a picture of data against the best fit."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import command, option
from cevnsfit.cli.options import AnalysisOptions, drawn, picture
from cevnsfit.cli.output import Answer


@command("experiments model target at profile profile_signal changes allow_overlap electrons")
def spectra(
    what: AnalysisOptions,
    target: Annotated[Path, option("--output -o", "Picture: png, pdf or svg.", "FILE")],
) -> Answer:
    """Fit a model, and draw data against the stacked components of the best fit with residuals."""
    from cevnsfit.studies import fitting

    path = picture(target)
    found = fitting.fit(what.likelihood, at=what.held)
    return Answer({"fit": found}, files=drawn(found, path), analysis=what.analysis, incomplete=found.doubt)
