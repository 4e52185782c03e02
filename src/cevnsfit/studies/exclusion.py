"""Files that a scan leaves: every branch of every boundary, the allowed intervals, and the picture."""

from __future__ import annotations

import csv
import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.threads import on_one_thread
from cevnsfit.core.version import installed_version
from cevnsfit.infer.contour import pieces
from cevnsfit.infer.intervals import METHOD
from cevnsfit.moments.bands import moment_band
from cevnsfit.report.plots import Band, exclusion_figure, save_figure
from cevnsfit.studies.setup import caveat, check_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Plane, Region
    from cevnsfit.moments.measured import Deviation
    from cevnsfit.studies.scan import Scan
    from cevnsfit.studies.shape_planes import ShapeScan

    Result = tuple[Plane, tuple[Region, ...]]

TABLE: Final = "exclusion.csv"
INTERVALS: Final = "exclusion_intervals.csv"

_NEAR: Final = 100.0
"""Points farther than this above the minimum in -2 ln lambda cannot move a boundary."""


@on_one_thread
def regions_of(
    scans: Sequence[Scan | ShapeScan], confidence: Sequence[tuple[float, int]], executor: Executor | None = None
) -> tuple[Result, ...]:
    """Return the plane of each scan, with its full caveat, and its regions at each (cl, dof)."""
    return tuple((_with_caveat(scan), scan.all_regions(confidence, executor)) for scan in scans)


def _with_caveat(scan: Scan | ShapeScan) -> Plane:
    """Return the plane with a caveat that knows the held parameters and names experiments without data."""
    axes = (scan.plane.x.name, scan.plane.y.name)
    label = scan.plane.caveat if scan.analysis is None else caveat(scan.analysis, scan.at, axes)
    expected = [channel.name for channel in scan.likelihood.at({}).channels if channel.observed is None]
    asimov = f"Asimov data of the Standard Model for {', '.join(expected)}" if expected else ""
    return dataclasses.replace(scan.plane, caveat="; ".join(text for text in (label, asimov) if text))


def doubtful(plane: Plane) -> int:
    """Return the number of points without a valid minimum that could move a boundary."""
    far = plane.nll2 - plane.best["nll2"] > _NEAR
    return int(np.count_nonzero(~plane.valid & ~far))


def coarse(results: Sequence[Result]) -> list[str]:
    """Return the labels of planes whose islands depend on how the surface between the grid points is drawn.

    Planes with a mass are none of them: their boundaries are exact in every column.
    """
    found = []
    for plane, regions in results:
        model = check_model(plane.model) if plane.model else None
        kinds = {p.name: p.kind for p in (() if model is None else model.parameters)}
        if kinds.get(plane.x.name) == "nonlinear" != kinds.get(plane.y.name):
            continue
        rise = plane.nll2 - plane.best["nll2"]
        counts = [pieces(plane.x, plane.y, rise, region.threshold) for region in regions]
        if any(one != other for one, other in counts):
            found.append(plane.label)
    return found


# --- tables ------------------------------------------------------------------------------------------------------------------------


def write_tables(results: Sequence[Result], folder: Path) -> tuple[Path, Path]:
    """Write every branch of every boundary, and the allowed intervals at each value of the first parameter; return both paths.

    Parameters
    ----------
    results
        Planes with their regions, all over the same two parameters.
    folder
        Where `exclusion.csv` and `exclusion_intervals.csv` go.
    """
    x, y = (f"{axis.name} [{axis.unit}]" for axis in (results[0][0].x, results[0][0].y))
    branches, intervals = folder / TABLE, folder / INTERVALS
    about = "boundaries between allowed and excluded; a region may have several branches"
    _write(branches, _comments(results, about), ("label", "cl", "dof", "branch", "point", x, y), _branch_rows(results))
    about = f"allowed intervals of {results[0][0].y.name}, clipped to the grid; interval 0 means that nothing is allowed"
    headers = ("label", "cl", "dof", x, "interval", f"{y.replace(' ', '_low ', 1)}", f"{y.replace(' ', '_high ', 1)}")
    _write(intervals, _comments(results, about), headers, _interval_rows(results))
    return branches, intervals


def _write(path: Path, comments: Sequence[str], headers: Sequence[str], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {' '.join(comment.split())}\n" for comment in comments)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headers)
        writer.writerows(rows)


def _comments(results: Sequence[Result], about: str) -> list[str]:
    first, regions = results[0]
    model = check_model(first.model) if first.model else None
    levels = ", ".join(f"{region.threshold:.4f} ({region.cl:g} CL, {region.dof} dof)" for region in regions)
    caveats = sorted({plane.caveat for plane, _ in results if plane.caveat})
    return [
        about,
        f"experiments: {', '.join(dict.fromkeys(name for plane, _ in results for name in plane.experiments))}",
        f"model: {first.model}; {'' if model is None else model.lagrangian}",
        f"method: {METHOD}; -2 Delta ln lambda = {levels}",
        *(f"caveat: {caveat}" for caveat in caveats),
        *(f"{plane.label}: {_best(plane)}" for plane, _ in results),
        *(f"{plane.label}: {doubtful(plane)} points without a valid minimum" for plane, _ in results if doubtful(plane)),
        f"cevnsfit {installed_version()}",
    ]


def _best(plane: Plane) -> str:
    values = ", ".join(
        f"{axis.name} = {plane.best[axis.name]:.6g}{'' if axis.unit == '1' else f' {axis.unit}'}" for axis in (plane.x, plane.y)
    )
    reference = "" if math.isnan(plane.reference_nll2) else f", {plane.reference_nll2:.4f} without new physics"
    return f"best fit {values}, -2 ln lambda = {plane.best['nll2']:.4f}{reference}"


def _branch_rows(results: Sequence[Result]) -> Iterator[tuple[object, ...]]:
    for plane, regions in results:
        for region in regions:
            for branch, points in enumerate(region.branches, 1):
                for point, (x, y) in enumerate(points, 1):
                    yield plane.label, region.cl, region.dof, branch, point, f"{x:.10g}", f"{y:.10g}"


def _interval_rows(results: Sequence[Result]) -> Iterator[tuple[object, ...]]:
    for plane, regions in results:
        for region in regions:
            for x, allowed in zip(plane.x.values, region.columns, strict=True):
                start = (plane.label, region.cl, region.dof, f"{x:.10g}")
                for number, (low, high) in enumerate(allowed, 1):
                    yield *start, number, f"{low:.10g}", f"{high:.10g}"
                if not allowed:
                    yield *start, 0, "", ""


def results_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return planes and regions as plain values: label, best fit, reference, and the allowed intervals in each column."""
    return [
        {
            "label": plane.label,
            "experiments": plane.experiments,
            "model": plane.model,
            "caveat": plane.caveat,
            "axes": [{"name": axis.name, "unit": axis.unit, "scale": axis.scale, "values": axis.values} for axis in (plane.x, plane.y)],
            "best_fit": dict(plane.best),
            "reference_nll2": plane.reference_nll2,
            "method": METHOD,
            "doubtful_points": doubtful(plane),
            "fallbacks": plane.fallbacks,
            "regions": [
                {
                    "cl": region.cl,
                    "dof": region.dof,
                    "threshold": region.threshold,
                    "columns": [
                        {plane.x.name: float(x), "allowed": allowed} for x, allowed in zip(plane.x.values, region.columns, strict=True)
                    ],
                }
                for region in regions
            ],
        }
        for plane, regions in results
    ]


# --- picture -----------------------------------------------------------------------------------------------------------------------


def write_plot(
    results: Sequence[Result],
    path: Path,
    reference: Deviation | None,
    *,
    curves: Sequence[tuple[str, NDArray[np.float64]]] = (),
    title: str | None = None,
) -> Path:
    """Draw the planes with their regions, other limits as curves, and the band of a magnetic moment where the model has one."""
    band = None if reference is None else plane_band(results[-1][0], reference)
    model = check_model(results[0][0].model)
    notes = [] if model is None else [model.lagrangian]
    if reference is not None and band is None and model is not None and reference.lepton in {lepton for lepton, _, _ in model.leptons}:
        notes.append(f"no coupling gives {reference.label}")
    figure = exclusion_figure(
        [(plane, regions, plane.label) for plane, regions in results], band=band, curves=curves, title=title, method=METHOD, notes=notes
    )
    return save_figure(figure, path)


def plane_band(plane: Plane, reference: Deviation) -> Band | None:
    """Return the couplings that explain a magnetic moment within two standard errors; None for other planes and models, or if none does.

    Parameters
    ----------
    plane
        Over (mass, g) of a model in which the charged lepton couples to the mediator.
    reference
        The difference and its error.
    """
    model = check_model(plane.model) if plane.model else None
    found = [] if model is None else [entry for entry in model.leptons if entry[0] == reference.lepton]
    if not found or (plane.x.name, plane.y.name) != ("mass", "g"):
        return None
    ((_, coupling, charge),) = found
    mass = np.geomspace(plane.x.values[0], plane.x.values[-1], 201)
    low, high = moment_band(reference, mass, coupling, charge=charge)
    return None if np.all(np.isnan(high)) else Band(mass, low, high, reference.label)
