"""Files that a scan leaves: every branch of every boundary, the allowed intervals, and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Result, notes_of_all
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.contour import pieces
from cevnsfit.infer.intervals import METHOD, Level
from cevnsfit.io.tables import cell, write_rows
from cevnsfit.moments.bands import moment_band
from cevnsfit.report.plots import Band, exclusion_figure
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.studies.setup import check_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.infer.limit import Limit
    from cevnsfit.infer.planes import Interval, Plane, Region
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.studies.scan import Scan
    from cevnsfit.studies.workers import Workers

TABLE: Final = "exclusion.csv"
INTERVALS: Final = "exclusion_intervals.csv"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Exclusion(Result):
    """A plane with its regions.

    Attributes
    ----------
    plane
        The plane.
    regions
        One for each confidence level that was asked for.
    method
        How the thresholds were found.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "plane": None,
        **{key: f"plane.{key}" for key in ("label", "experiments", "model", "caveat", "axes", "reference_nll2", "fallbacks")},
        "best_fit": "plane.best",
        "doubtful_points": "plane.doubtful",
        "regions": "intervals",
    }

    plane: Plane
    regions: tuple[Region, ...]
    method: str = METHOD

    @property
    def doubt(self) -> str:
        """Return how many points near the allowed region have no valid minimum; empty if there are none."""
        failed = self.plane.doubtful
        return (
            f"{self.plane.label}: {failed} points near the allowed region have no valid minimum (crosses in the picture)" if failed else ""
        )

    @property
    def intervals(self) -> list[dict[str, Any]]:
        """Return the allowed intervals in each column, at every level."""
        x = self.plane.x
        return [
            {
                "cl": region.cl,
                "dof": region.dof,
                "threshold": region.threshold,
                "columns": [{x.name: float(value), "allowed": allowed} for value, allowed in zip(x.values, region.columns, strict=True)],
            }
            for region in self.regions
        ]


@on_one_thread
def regions_of(scans: Sequence[Scan], levels: Sequence[Level], workers: Workers = None) -> tuple[Exclusion, ...]:
    """Return the plane of each scan with its regions at each confidence level."""
    return tuple(Exclusion(scan.plane, scan.contours(levels, workers), scan.method, about=scan.about) for scan in scans)


def coarse(results: Sequence[Exclusion]) -> list[str]:
    """Return what to say of planes whose islands depend on how the surface between the grid points is drawn.

    Planes of a mass and a coupling are none of them: their boundaries are exact in every column.
    """
    found = []
    for entry in results:
        plane, regions = entry.plane, entry.regions
        model = check_model(plane.model) if plane.model else None
        kinds = {p.name: p.kind for p in (() if model is None else model.parameters)}
        if (kinds.get(plane.x.name) == "nonlinear") != (kinds.get(plane.y.name) == "nonlinear"):
            continue
        rise = plane.nll2 - plane.best["nll2"]
        counts = [pieces(plane.x, plane.y, rise, region.threshold) for region in regions if np.isfinite(region.threshold)]
        if any(one != other for one, other in counts):
            found.append(f"{plane.label}: islands are not resolved, their number depends on the interpolation; take a finer grid")
    return found


# --- tables ------------------------------------------------------------------------------------------------------------------------


def write_tables(results: Sequence[Exclusion], folder: Path) -> tuple[Path, Path]:
    """Write every branch of every boundary, and the allowed intervals at each value of the first parameter; return both paths.

    Parameters
    ----------
    results
        Planes with their regions, all over the same two parameters.
    folder
        Where `exclusion.csv` and `exclusion_intervals.csv` go.
    """
    x, y = results[0].plane.x, results[0].plane.y
    regions = [((entry.plane.label, region.cl, region.dof), entry.plane, region) for entry in results for region in entry.regions]
    about = "boundaries between allowed and excluded; a region may have several branches"
    headers = ("label", "cl", "dof", "branch", "point", x.header, y.header)
    points = (
        (*start, number, k, cell(u), cell(v))
        for start, _, region in regions
        for number, branch in enumerate(region.branches, 1)
        for k, (u, v) in enumerate(branch, 1)
    )
    branches = write_rows(folder / TABLE, _comments(results, about), headers, points)
    about = f"allowed intervals of {y.name}, clipped to the grid; interval 0 means that nothing is allowed"
    headers = ("label", "cl", "dof", x.header, "interval", f"{y.name}_low [{y.unit}]", f"{y.name}_high [{y.unit}]")
    rows = ((*start, *row) for start, plane, region in regions for row in interval_rows(plane.x.values, region.columns))
    return branches, write_rows(folder / INTERVALS, _comments(results, about), headers, rows)


def _comments(results: Sequence[Exclusion], about: str) -> list[str]:
    planes, regions = [entry.plane for entry in results], results[0].regions
    levels = ", ".join(f"{region.threshold:.4f} ({region.cl:g} CL, {region.dof} dof)" for region in regions)
    return [
        about,
        f"experiments: {', '.join(dict.fromkeys(name for plane in planes for name in plane.experiments))}",
        *notes_of_all([entry.about for entry in results]),
        f"method: {METHOD}; -2 Delta ln lambda = {levels}",
        *(f"{plane.label}: {plane.best_described}" for plane in planes),
        *(f"{plane.label}: {plane.doubtful} points without a valid minimum" for plane in planes if plane.doubtful),
    ]


def interval_rows(values: NDArray[np.float64], columns: Sequence[Sequence[Interval]]) -> Iterator[tuple[object, ...]]:
    """Yield value, number, and both ends of each interval of each column, of a column without any the number 0."""
    for value, intervals in zip(values, columns, strict=True):
        for number, (low, high) in enumerate(intervals, 1):
            yield cell(value), number, cell(low), cell(high)
        if not intervals:
            yield cell(value), 0, "", ""


# --- picture -----------------------------------------------------------------------------------------------------------------------


def exclusion_picture(
    results: Sequence[Exclusion],
    reference: Deviation | None,
    *,
    curves: Sequence[Limit] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return the planes with their regions, other limits, and the band of a magnetic moment where the model has one."""
    look = look.naming(*(entry.about for entry in results))
    band = None if reference is None else plane_band(results[-1].plane, reference)
    model = check_model(results[0].plane.model) if results[0].plane.model else None
    held = dict.fromkeys(look.given(*one) for entry in results for one in entry.about.held)
    given = dict.fromkeys(look.told(entry.about.given) for entry in results if entry.about.given)
    notes = [*([] if model is None else [model.lagrangian]), *([", ".join(held)] if held else [])]
    notes += [f"constraints: {'; '.join(given)}"] if given else []
    if reference is not None and band is None and model is not None and reference.lepton in {lepton for lepton, _, _ in model.leptons}:
        notes.append(f"no coupling gives {reference.label}")
    notes += coarse(results)
    return exclusion_figure(
        [(entry.plane, entry.regions, _name(entry.plane, look)) for entry in results],
        band=band,
        curves=curves,
        look=look,
        method="; ".join(dict.fromkeys(entry.method for entry in results)),
        notes=notes,
        ax=ax,
    )


def _name(plane: Plane, look: Look) -> str:
    """Return what a plane is called in a picture: its own label, or its experiments as they are printed."""
    return look.joined(plane.experiments) if plane.label == " + ".join(plane.experiments) else plane.label


def plane_band(plane: Plane, reference: Deviation) -> Band | None:
    """Return the couplings that explain a magnetic moment within two standard errors; None for other planes and models, or if none does.

    Parameters
    ----------
    plane
        Over mass and g, in any order, of a model in which the charged lepton couples to the mediator.
    reference
        The difference and its error.
    """
    model = check_model(plane.model) if plane.model else None
    found = [] if model is None else [entry for entry in model.leptons if entry[0] == reference.lepton]
    axes = {axis.name: axis for axis in (plane.x, plane.y)}
    if not found or set(axes) != {"mass", "g"}:
        return None
    ((_, coupling, charge),) = found
    mass = np.geomspace(axes["mass"].values[0], axes["mass"].values[-1], 201)
    low, high = moment_band(reference, mass, coupling, charge=charge)
    if np.all(np.isnan(high)):
        return None
    return Band(mass, low, high, reference.title, upright=plane.x.name == "g", source=reference.label)
