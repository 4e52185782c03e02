"""A study in a file: scans, contours and pictures of one analysis, left in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.report.plots import save_figure, spectra_figure
from cevnsfit.spec.analysis import AnalysisSpec, load_analysis
from cevnsfit.studies.exclusion import muon_reference, regions_of, write_plot, write_tables
from cevnsfit.studies.fitting import Consistency, FitSummary, consistency, run_fit
from cevnsfit.studies.rates import projections
from cevnsfit.studies.scan import Part, parse_grids, run_scan
from cevnsfit.studies.setup import Analysis, load_experiments

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.studies.exclusion import Result

    Curve = tuple[str, NDArray[np.float64]]


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
        Curves (label, points of shape (n, 2)).
    fits
        Best fits of the experiments whose spectra are drawn.
    consistency
        For every result with data alone, how it sits with the Standard Model.
    """

    spec: AnalysisSpec
    results: tuple[Result, ...]
    overlays: tuple[Curve, ...]
    fits: tuple[FitSummary, ...]
    consistency: tuple[Consistency, ...]


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
    overlays = tuple((entry.label, read_overlay(path.parent / entry.file)) for entry in spec.overlays)
    parts = tuple(Part(result.label, _analysis(spec, number)) for number, result in enumerate(spec.results))
    scans = run_scan(parts, parse_grids(spec.grid), folder, at=spec.at, executor=executor, progress=progress)
    confidence = [(entry.cl, entry.dof) for entry in spec.confidence]
    results = regions_of(scans, confidence, executor)
    fits = tuple(run_fit(Analysis((name,), "sm")) for name in spec.spectra)
    with_data = [part.analysis for part in parts if _has_data(part.analysis)]
    return AnalysisResult(spec, results, overlays, fits, tuple(consistency(analysis) for analysis in with_data))


def write_analysis(result: AnalysisResult, folder: Path) -> tuple[Path, ...]:
    """Write tables and pictures of an analysis into `folder` and return their paths."""
    files = [*write_tables(result.results, folder)]
    reference = muon_reference(result.spec.muon_g_2)
    files.append(write_plot(result.results, folder / "exclusion.png", reference, curves=result.overlays, title=result.spec.title))
    drawn = [projection for fit in result.fits for counts in fit.counts for projection in projections(counts)]
    if drawn:
        files.append(save_figure(spectra_figure(drawn), folder / "spectra.png"))
    return tuple(files)


def _analysis(spec: AnalysisSpec, number: int) -> Analysis:
    result = spec.results[number]
    return Analysis(result.experiments, spec.model, tuple((path, str(value)) for path, value in result.overrides.items()))


def _has_data(analysis: Analysis) -> bool:
    return all(experiment.spec.observed is not None for experiment in load_experiments(analysis))


def read_overlay(path: Path) -> NDArray[np.float64]:
    """Return the points of a curve, shape (n, 2), from a CSV file with two columns; lines that start with # are comments.

    Raises
    ------
    SpecError
        If the file is missing, too large or not two columns of finite numbers.
    """
    if not path.is_file() or path.stat().st_size > 10_000_000:
        raise SpecError([Problem(str(path), None, "", "no such file, or larger than 10 MB")])
    points: list[tuple[float, float]] = []
    problems: list[Problem] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    for position, (number, line) in enumerate(rows):
        try:
            x, y = (float(cell) for cell in line.split(","))
        except ValueError:
            if position > 0:
                problems.append(Problem(str(path), number, "", f"'{line[:60]}' is not two numbers separated by a comma"))
            continue
        points.append((x, y))
    if not points or not np.isfinite(points).all():
        problems.append(Problem(str(path), None, "", "a curve needs at least one row of two finite numbers"))
    if problems:
        raise SpecError(problems)
    return np.array(points)
