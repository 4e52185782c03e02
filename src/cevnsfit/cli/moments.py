"""`cevnsfit g-2`: couplings that explain a magnetic moment."""

import math
from pathlib import Path
from typing import Annotated

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import JsonOption


def moments(
    theory: Annotated[
        str,
        typer.Argument(metavar="THEORY", help="Prediction: muon-2020, muon-2025, electron-cs-2018, electron-rb-2020.", show_default=False),
    ],
    coupling: Annotated[
        str, typer.Option("--coupling", metavar="vector|axial|scalar|pseudoscalar", help="Coupling of the mediator to the lepton.")
    ] = "vector",
    grid: Annotated[str, typer.Option("--grid", metavar="mass=START:STOP:COUNT[:log]", help="Masses in MeV.")] = "mass=1:1000:13:log",
    sigmas: Annotated[float, typer.Option("--sigmas", help="Largest distance, in standard errors.")] = 2.0,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the band as an overlay in CSV.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the couplings with which (g-2) of the electron or the muon agrees with its measurement, one loop."""
    from cevnsfit.core.errors import CevnsfitError
    from cevnsfit.moments.bands import band_json, moment_band, write_band
    from cevnsfit.moments.measured import latest_deviation
    from cevnsfit.studies.grids import parse_grid

    name, mass = parse_grid(grid)
    reference = latest_deviation(theory)
    if reference is None or name != "mass":
        message = "give a prediction other than 'none'" if reference is None else f"the grid is over mass, not over {name}"
        raise CevnsfitError(message)
    low, high = moment_band(reference, mass, coupling, sigmas=sigmas)
    files = [] if file is None else [write_band(file, reference, mass, coupling, sigmas)]
    if as_json:
        output.print_json({**band_json(reference, mass, coupling, sigmas), "files": files})
        return
    output.print_lines(f"Delta a_{reference.lepton} = {reference.value:.4g} +- {reference.error:.3g}")
    ends = [("none", "none") if math.isnan(b) else (f"{a:.4g}", f"{b:.4g}") for a, b in zip(low, high, strict=True)]
    rows = [(f"{m:.4g}", *pair) for m, pair in zip(mass, ends, strict=True)]
    output.table(f"{coupling} coupling within {sigmas:g} sigma", ("mass [MeV]", "g from", "to"), rows)
    output.print_lines(*(str(path) for path in files))
