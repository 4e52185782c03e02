"""`cevnsfit g-2` and `susy-scan`: couplings that explain a magnetic moment, sleptons that explain two, and their CEvNS limit."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import WorkerOptions, experiments_known
from cevnsfit.cli.output import Answer, progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.moments.sleptons import SusyScan


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SleptonOptions:
    """The points, and what they must explain."""

    points: Annotated[int, typer.Option("--points", "-n", min=1, help="Points to draw.")] = 1_000_000
    electron: Annotated[str, option("--electron", "Prediction of the electron's moment.", "NAME")] = "electron-rb-2020"
    muon: Annotated[str, option("--muon", "Prediction of the muon's moment.", "NAME")] = "muon-2025"
    sigmas: Annotated[float, option("--sigmas", "Largest distance from each deviation, in standard errors.")] = 2.0
    mu_sign: Annotated[int, option("--mu-sign", "Sign of the higgsino mass parameter.", "1|-1")] = 1
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the points.")] = 0


@command("experiments points electron muon sigmas mu_sign seed mass cl jobs dask")
def susy_scan(
    asked: SleptonOptions,
    workers: WorkerOptions,
    experiments: Annotated[
        list[str] | None, argument("Experiments of the CEvNS limit; none for no limit.", "[EXP]...", experiments_known)
    ] = None,
    mass: Annotated[float, option("--mass", "Mass of the L_mu - L_tau boson in MeV.")] = 100.0,
    cl: Annotated[float, option("--cl", "Confidence level of the CEvNS limit.")] = 0.90,
) -> Answer:
    """Scan MSSM sleptons, neutralinos and charginos for points that explain (g-2) of electron and muon.

    With experiments, print the CEvNS limit on g of L_mu - L_tau, whose kinetic mixing runs with the slepton hierarchy of the kept points.
    """
    from cevnsfit.infer.intervals import threshold
    from cevnsfit.moments.measured import deviation
    from cevnsfit.studies.susy import hierarchy_limits
    from cevnsfit.studies.susy import susy_scan as scan_points

    threshold(cl, 1)
    deviations = deviation("electron-2023", asked.electron), deviation("muon-2025", asked.muon)
    sigmas, sign = asked.sigmas, asked.mu_sign
    with workers.open() as executor, progress("chunks of points") as tell:
        scan = scan_points(asked.points, deviations, seed=asked.seed, sigmas=sigmas, mu_sign=sign, progress=tell, executor=executor)
    limits = {} if experiments is None else hierarchy_limits(scan, experiments, mass=mass, cl=cl)
    incomplete = next((limit.doubt for limit in limits.values() if limit.doubt), "")
    return Answer(scan, _text(scan, limits, mass), incomplete=incomplete, further={"mass": mass, "limits": limits})


def _text(scan: "SusyScan", limits: "Mapping[str, Intervals]", mass: float) -> "Iterator[object]":
    from cevnsfit.report.tables import format_intervals
    from cevnsfit.studies.shown import table

    yield table(scan)
    for name, limit in limits.items():
        where = f"g at {mass:g} MeV, {100 * limit.cl:g} % CL, {name} hierarchy (slepton_log = {scan.slepton_logs[name]:.3f})"
        yield f"{where}: allowed {format_intervals(limit.allowed)}"
