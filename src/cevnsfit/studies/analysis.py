"""A study in a file: scans, contours and pictures of one analysis, left in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.intervals import Level
from cevnsfit.io.overlays import read_overlay
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.physics.interactions import signal_model
from cevnsfit.physics.trident import SMALLEST_MASS, trident_limit, trident_spectrum
from cevnsfit.report.plots import save_figure, spectra_figure
from cevnsfit.spec.analysis import AnalysisSpec, Overlay, load_analysis
from cevnsfit.studies.exclusion import regions_of, write_plot, write_tables
from cevnsfit.studies.fitting import FitSummary, SignalStrength, run_fit, signal_strength
from cevnsfit.studies.grids import parse_grids
from cevnsfit.studies.parts import load_parts
from cevnsfit.studies.rates import projections
from cevnsfit.studies.scan import run_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.studies.exclusion import Exclusion

    Curve = tuple[str, NDArray[np.float64]]

_TRIDENT_MODELS: Final = ("lmu-ltau", "le-lmu")
"""Models in which the muon and its neutrino have the same charge, of modulus 1."""


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisResult:
    """What an analysis file gives.

    Attributes
    ----------
    spec
        The file.
    results
        A plane with its regions for each result, in order.
    overlays
        Curves (label, points of shape (n, 2)); a row of NaN parts two pieces.
    fits
        Best fits of the experiments whose spectra are drawn.
    signal_strengths
        For every result with data alone, how it sits with the Standard Model.
    """

    spec: AnalysisSpec
    results: tuple[Exclusion, ...]
    overlays: tuple[Curve, ...]
    fits: tuple[FitSummary, ...]
    signal_strengths: tuple[SignalStrength, ...]


@on_one_thread
def run_analysis(
    path: Path, folder: Path, *, executor: Executor | None = None, progress: Callable[[int, int], None] | None = None
) -> AnalysisResult:
    """Return the results of an analysis file; its scans are stored in `folder` and continued if they were interrupted.

    Raises
    ------
    SpecError
        If the file or an overlay is malformed.
    """
    spec = load_analysis(path)
    overlays = tuple((entry.label, _curve(entry, spec, path)) for entry in spec.overlays)
    parts = load_parts(spec.analyses)
    scans = run_scan(parts, parse_grids(spec.grid), folder, executor=executor, progress=progress)
    results = regions_of(scans, [Level(entry.cl, entry.dof) for entry in spec.confidence], executor)
    fits = tuple(run_fit(Analysis((name,), "sm")) for name in spec.spectra)
    measured = [part for part in parts if all(entry.spec.has_data for entry in part.experiments)]
    return AnalysisResult(spec, results, overlays, fits, tuple(signal_strength(part.analysis, part.experiments) for part in measured))


def write_analysis(result: AnalysisResult, folder: Path) -> tuple[Path, ...]:
    """Write tables and pictures of an analysis into `folder` and return their paths."""
    files = [*write_tables(result.results, folder)]
    reference = latest_deviation(result.spec.g_2)
    files.append(write_plot(result.results, folder / "exclusion.png", reference, curves=result.overlays, title=result.spec.title))
    drawn = [projection for fit in result.fits for counts in fit.counts for projection in projections(counts)]
    if drawn:
        files.append(save_figure(spectra_figure(drawn), folder / "spectra.png"))
    return tuple(files)


def plane_units(spec: AnalysisSpec) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return name and unit of the two parameters of the grid; what is no parameter of the model has the unit "1"."""
    units = {parameter.name: parameter.unit for parameter in signal_model(spec.model).parameters}
    x, y = parse_grids(spec.grid)
    return (x, units.get(x, "1")), (y, units.get(y, "1"))


def _curve(overlay: Overlay, spec: AnalysisSpec, path: Path) -> NDArray[np.float64]:
    """Return the points of an overlay, shape (n, 2)."""
    if overlay.file is not None:
        return read_overlay(path.parent / overlay.file, plane_units(spec))
    grids = parse_grids(spec.grid)
    if tuple(grids) != ("mass", "g") or spec.model not in _TRIDENT_MODELS:
        message = f"'{overlay.computed}' is a limit in (mass, g) of the models {', '.join(_TRIDENT_MODELS)}"
        raise SpecError([Problem(str(path), None, "overlays", message)])
    mass = np.geomspace(max(grids["mass"].min(), SMALLEST_MASS), grids["mass"].max(), 201)
    return np.column_stack([mass, trident_limit(mass, trident_spectrum())])
