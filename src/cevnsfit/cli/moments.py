"""`cevnsfit g-2` and `susy-scan`: couplings that explain a magnetic moment, sleptons that explain two, and their CEvNS limit."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cevnsfit.cli.command import argument, command, option
from cevnsfit.cli.options import LOOK, LookOptions, WorkerOptions, experiments_known
from cevnsfit.cli.output import Answer
from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.studies.susy import SusyScan
    from cevnsfit.studies.susy_inputs import SusyInputs


@command()
def g_2(
    theory: Annotated[str, argument("Prediction: muon-2020, muon-2025, electron-cs-2018, electron-rb-2020.", "THEORY")],
    measured: Annotated[
        str | None,
        option("--measured", "Measurement; the latest one by default: muon-2025, muon-2006, electron-2023, electron-2008.", "NAME"),
    ] = None,
    coupling: Annotated[
        str, option("--coupling", "Coupling of the mediator to the lepton.", "vector|axial|scalar|pseudoscalar")
    ] = "vector",
    grid: Annotated[str, option("--grid", "Masses, in MeV or with units.", "mass=START:STOP:COUNT[:log]")] = "mass=1:1000:13:log",
    sigmas: Annotated[float, option("--sigmas", "Largest distance, in standard errors.")] = 2.0,
    file: Annotated[Path | None, option("--output -o", "Write the band as an overlay in CSV.", "FILE")] = None,
) -> Answer:
    """Print the couplings for which (g-2) of the electron or the muon agrees with its measurement, at one loop."""
    from cevnsfit.moments.bands import band_of, write_band
    from cevnsfit.moments.measured import deviation, latest_deviation
    from cevnsfit.studies.grids import parse_masses

    mass = parse_masses(grid)
    reference = latest_deviation(theory) if measured is None else deviation(measured, theory)
    if reference is None:
        message = "give a prediction other than 'none'"
        raise CevnsfitError(message)
    band = band_of(reference, mass, coupling, sigmas)
    if file is not None and not band.explains:
        return Answer(band, files=[], incomplete=f"{file} is not written: no {coupling} coupling explains the moment at these masses")
    return Answer(band, files=[] if file is None else [write_band(file, band)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SusyOptions:
    """The points, and what they must explain."""

    points: Annotated[int, typer.Option("--points", "-n", min=1, help="Points to draw.")] = 1_000_000
    electron: Annotated[str, option("--electron", "Prediction of the electron's moment.", "NAME")] = "electron-rb-2020"
    electron_measured: Annotated[str, option("--electron-measured", "Its measurement: electron-2023, electron-2008.", "NAME")] = (
        "electron-2023"
    )
    muon: Annotated[str, option("--muon", "Prediction of the muon's moment.", "NAME")] = "muon-2025"
    muon_measured: Annotated[str, option("--muon-measured", "Its measurement: muon-2025, muon-2006.", "NAME")] = "muon-2025"
    sigmas: Annotated[float, option("--sigmas", "Largest distance from each deviation, in standard errors.")] = 2.0
    mu_sign: Annotated[str, option("--mu-sign", "Sign of the higgsino mass parameter.", "1|-1|both")] = "1"
    m1_sign: Annotated[str, option("--m1-sign", "Sign of M1.", "1|-1|both")] = "1"
    m2_sign: Annotated[str, option("--m2-sign", "Sign of M2.", "1|-1|both")] = "1"
    ranges: Annotated[
        list[str] | None,
        option(
            "--range",
            "M0, M1, M2, mu, selectron_L, selectron_R (100 to 1000 GeV), tan_beta (10 to 50), hierarchy (1 to 100, log); uniform without :log; repeatable.",
            "NAME=LOW:HIGH[:log]",
        ),
    ] = None
    a_terms: Annotated[str, option("--a-terms", "Trilinear term of all sleptons in GeV.", "VALUE|LOW:HIGH")] = "0"
    stau_ratio: Annotated[str, option("--stau-ratio", "m_stau/m_smuon, which changes the kinetic mixing.", "VALUE|LOW:HIGH[:log]")] = "1"
    boson: Annotated[
        list[str] | None,
        option("--boson", "Range of mass (10:200:log, MeV) or g (5e-4:2e-3:log); repeatable.", "none|mass=LOW:HIGH[:log]|g=..."),
    ] = None
    boson_limits: Annotated[
        list[str] | None,
        option(
            "--boson-limits",
            "What the boson must pass: tridents, Borexino and EXP (all, the default), or names of `overlays list` and of experiments; repeatable.",
            "all|none|NAME[:CL]",
        ),
    ] = None
    lightest_chargino: Annotated[float, option("--lightest-chargino", "Smallest mass of a chargino in GeV.")] = 100.0
    lightest_slepton: Annotated[float, option("--lightest-slepton", "Smallest mass of a charged slepton in GeV.")] = 0.0
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the points.")] = 0

    def inputs(self, experiments: "Sequence[str]", cl: float) -> "SusyInputs":
        """Return what is asked; CevnsfitError for an option that is not of its form."""
        from cevnsfit.spec.catalog import located
        from cevnsfit.studies.susy_inputs import SusyInputs

        names = (field.name for field in fields(self) if field.name not in {"points", "ranges", "a_terms", "stau_ratio"})
        boson = [] if self.boson is None else self.boson
        ranges = {**_named([] if self.ranges is None else self.ranges, "--range"), "A": self.a_terms, "stau_ratio": self.stau_ratio}
        ranges |= _named([text for text in boson if text != "none"], "--boson", {"mass": "boson_mass", "g": "boson_g"})
        if "none" in boson and len(boson) > 1:
            message = f"a boson is 'none' or has ranges, not {', '.join(boson)}"
            raise CevnsfitError(message)
        limits = ("all",) if self.boson_limits is None else tuple(self.boson_limits)
        changed = {"boson": boson != ["none"], "boson_limits": limits, "ranges": ranges, "experiments": located(experiments), "cl": cl}
        return SusyInputs(**{**{name: getattr(self, name) for name in names}, **changed})


def _named(texts: "Sequence[str]", option: str, known: "Mapping[str, str] | None" = None) -> dict[str, str]:
    """Return the ranges of NAME=LOW:HIGH[:log] options by the names of their parameters."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or (known is not None and name not in known) or name in found:
            message = f"{option} {text}: write {'NAME' if known is None else '|'.join(known)}=LOW:HIGH or LOW:HIGH:log, each name once"
            raise CevnsfitError(message)
        found[name if known is None else known[name]] = values
    return found


@command(
    "experiments points electron electron_measured muon muon_measured sigmas mu_sign m1_sign m2_sign ranges a_terms stau_ratio boson boson_limits "
    f"lightest_chargino lightest_slepton seed mass cl folder jobs dask {LOOK}"
)
def susy_scan(
    asked: SusyOptions,
    workers: WorkerOptions,
    looks: LookOptions,
    experiments: Annotated[
        list[str] | None, argument("Experiments for the CEvNS limit; without any there is no such limit.", "[EXP]...", experiments_known)
    ] = None,
    mass: Annotated[float, option("--mass", "Mass of the L_mu - L_tau boson in MeV for which CEvNS limits are printed.")] = 100.0,
    cl: Annotated[float, option("--cl", "Confidence level of the CEvNS limit; that of the other limits is 0.95.")] = 0.90,
    folder: Annotated[
        Path | None, option("--output -o", "Keep points and pictures here; run the same command again to resume.", "DIR")
    ] = None,
) -> Answer:
    """Scan superpartners that explain (g-2) of the electron, and of the muon together with a light boson of L_mu - L_tau.

    If experiments are given, print the CEvNS limit on g, with a kinetic mixing that depends on m_stau/m_smuon, and require the boson to pass it.
    """
    from cevnsfit.infer.intervals import threshold
    from cevnsfit.studies.shown import checked_kind
    from cevnsfit.studies.sleptons import summary, write_pictures
    from cevnsfit.studies.susy import hierarchy_limits
    from cevnsfit.studies.susy import susy_scan as scan_points

    threshold(cl, 1)
    look = looks.over()
    checked_kind("SusyScan", None, look)
    chosen = () if experiments is None else tuple(experiments)
    with workers.running("chunks of points") as where:
        scan = scan_points(asked.points, asked.inputs(chosen, cl), store=folder, **where)
    limits = hierarchy_limits(scan, chosen, mass=mass, cl=cl) if chosen else {}
    incomplete = next((limit.doubt for limit in limits.values() if limit.doubt), "")
    files = None if folder is None else write_pictures(scan, folder, look)
    further = {"statements": summary(scan), "mass": mass, "limits": limits}
    return Answer(scan, _text(scan, limits, mass), files=files, incomplete=incomplete, further=further)


def _text(scan: "SusyScan", limits: "Mapping[str, Intervals]", mass: float) -> "Iterator[object]":
    from cevnsfit.report.tables import format_intervals
    from cevnsfit.studies.shown import table

    yield table(scan)
    for name, limit in limits.items():
        where = f"g at {mass:g} MeV, {100 * limit.cl:g} % CL, {name} m_stau/m_smuon (slepton_log = {scan.slepton_logs[name]:.3f})"
        yield f"{where}: allowed {format_intervals(limit.allowed)}"
