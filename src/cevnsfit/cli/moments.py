"""`cevnsfit g-2`: couplings that explain a magnetic moment."""

from pathlib import Path
from typing import Annotated

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.output import Answer


@command()
def g_2(
    theory: Annotated[str, argument("Prediction: muon-2020, muon-2025, electron-cs-2018, electron-rb-2020.", "THEORY")],
    coupling: Annotated[
        str, option("--coupling", "Coupling of the mediator to the lepton.", "vector|axial|scalar|pseudoscalar")
    ] = "vector",
    grid: Annotated[str, option("--grid", "Masses, in MeV or with units.", "mass=START:STOP:COUNT[:log]")] = "mass=1:1000:13:log",
    sigmas: Annotated[float, option("--sigmas", "Largest distance, in standard errors.")] = 2.0,
    file: Annotated[Path | None, option("--output -o", "Write the band as an overlay in CSV.", "FILE")] = None,
) -> Answer:
    """Print the couplings with which (g-2) of the electron or the muon agrees with its measurement, one loop."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.moments.bands import band_of, write_band
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.grids import parse_grid

    name, mass = parse_grid(grid, {"mass": "MeV"})
    reference = latest_deviation(theory)
    if reference is None or name != "mass":
        message = "give a prediction other than 'none'" if reference is None else f"the grid is over mass, not over {name}"
        raise CevnsfitError(message)
    band = band_of(reference, mass, coupling, sigmas)
    files = [] if file is None else [write_band(file, band)]
    return Answer(band, files=files)
