"""`cevnsfit susy-scan`: sleptons that explain two magnetic moments, and their CEvNS limit."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cevnsfit.cli import output
from cevnsfit.cli.options import DaskOption, JobsOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.moments.sleptons import SusyScan

_STRONGEST: Final = 6
"""Pairs of columns whose correlations are printed; all are in the JSON."""


def susy_scan(  # noqa: PLR0913, PLR0917 (typer: an argument an option)
    experiments: Annotated[
        list[str] | None, typer.Argument(metavar="[EXP]...", help="Experiments of the CEvNS limit; none for no limit.", show_default=False)
    ] = None,
    points: Annotated[int, typer.Option("--points", "-n", min=1, help="Points to draw.")] = 1_000_000,
    electron: Annotated[str, typer.Option("--electron", metavar="NAME", help="Prediction of the electron's moment.")] = "electron-rb-2020",
    muon: Annotated[str, typer.Option("--muon", metavar="NAME", help="Prediction of the muon's moment.")] = "muon-2025",
    sigmas: Annotated[float, typer.Option("--sigmas", help="Largest distance from each deviation, in standard errors.")] = 2.0,
    mu_sign: Annotated[int, typer.Option("--mu-sign", metavar="1|-1", help="Sign of the higgsino mass parameter.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the points.")] = 0,
    mass: Annotated[float, typer.Option("--mass", help="Mass of the L_mu - L_tau boson in MeV.")] = 100.0,
    cl: Annotated[float, typer.Option("--cl", help="Confidence level of the CEvNS limit.")] = 0.90,
    jobs: JobsOption = 1,
    dask: DaskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scan MSSM sleptons, neutralinos and charginos for points that explain (g-2) of electron and muon.

    With experiments, print the CEvNS limit on g of L_mu - L_tau, whose kinetic mixing runs with the slepton hierarchy of the kept points.
    """
    from cevnsfit.cli.options import confidence
    from cevnsfit.moments.measured import deviation
    from cevnsfit.studies.fitting import intervals_json
    from cevnsfit.studies.susy import hierarchy_limits, susy_json
    from cevnsfit.studies.susy import susy_scan as scan_points
    from cevnsfit.studies.workers import workers

    confidence([cl], 1)
    deviations = deviation("electron-2023", electron), deviation("muon-2025", muon)
    with workers(jobs, dask) as executor, output.progress("chunks of points") as progress:
        scan = scan_points(points, deviations, seed=seed, sigmas=sigmas, mu_sign=mu_sign, progress=progress, executor=executor)
    limits = {} if experiments is None else hierarchy_limits(scan, experiments, mass=mass, cl=cl)
    if as_json:
        output.print_json({**susy_json(scan), "mass": mass, "limits": {name: intervals_json(limit) for name, limit in limits.items()}})
    else:
        _print(scan, limits, mass)
    output.stop_if(not all(limit.valid for limit in limits.values()), "profiled points near the minimum did not converge")


def _print(scan: "SusyScan", limits: "Mapping[str, Intervals]", mass: float) -> None:
    from cevnsfit.report.tables import format_intervals

    for lepton, found in (("e", scan.electron), ("mu", scan.muon)):
        output.print_lines(f"Delta a_{lepton} = {found.value:.4g} +- {found.error:.3g}  ({found.measured} - {found.predicted})")
    output.print_lines(f"{scan.kept} of {scan.tried} points ({scan.physical} physical) are within {scan.sigmas:g} sigma of both")
    if scan.kept == 0:
        return
    names = list(scan.columns)
    matrix = scan.correlations()
    rows = [
        (name, *(f"{value:.4g}" for value in ends), *(f"{matrix[index, names.index(a)]:+.3f}" for a in ("a_e", "a_mu")))
        for index, (name, ends) in enumerate(scan.ranges().items())
    ]
    output.table("kept points (masses in GeV)", ("name", "min", "median", "max", "rank corr. a_e", "rank corr. a_mu"), rows)
    pairs = [(matrix[i, j], first, second) for i, first in enumerate(names) for j, second in enumerate(names[:i])]
    strongest = sorted((pair for pair in pairs if abs(pair[0]) > 0.0), key=lambda pair: -abs(pair[0]))[:_STRONGEST]
    output.print_lines(
        *(["strongest rank correlations: " + ", ".join(f"{b} with {a} {r:+.2f}" for r, a, b in strongest)] if strongest else [])
    )
    for name, limit in limits.items():
        log = scan.slepton_logs()[name]
        allowed = format_intervals(limit.allowed)
        output.print_lines(f"g at {mass:g} MeV, {100 * limit.cl:g} % CL, {name} hierarchy (slepton_log = {log:.3f}): allowed {allowed}")
