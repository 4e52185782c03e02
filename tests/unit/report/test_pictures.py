"""Whole pictures against those that were looked at, by pytest-mpl.

`pytest -m slow --mpl` compares; without `--mpl` the pictures are only drawn. A root mean square of 3 (of 255) over all pixels lets other versions of
FreeType move letters by a part of a pixel; a band of half its width changes it by 4, a caveat that is missing by 8. After a change that is meant, and looked at:

    pytest tests/unit/report/test_pictures.py --mpl-generate-path=tests/unit/report/baseline
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from cevnsfit.infer.impacts import Impact, Ranking
from cevnsfit.infer.pairs import edges_of, pair
from cevnsfit.infer.results import FitResult
from cevnsfit.report.coverage import CoverageLine, coverage_figure
from cevnsfit.report.forecasts import LimitBand, forecast_figure
from cevnsfit.report.plots import exclusion_figure
from cevnsfit.report.posteriors import Marginals, corner_figure
from cevnsfit.report.rankings import correlations_figure, pulls_figure, ranking_figure
from cevnsfit.report.spectra import spectra_figure
from cevnsfit.report.style import AxisLabel, Look
from cevnsfit.stats.constraints import Constrained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cevnsfit.infer.planes import Plane, Projection, Region

COMPARED: Final[dict[str, Any]] = {
    "tolerance": 3,
    "style": str(files("cevnsfit.report") / "cevnsfit.mplstyle"),
    "savefig_kwargs": {"dpi": 60},
    "baseline_dir": "baseline",
}
PRINTED: Final = {"coherent-csi-2021": "COHERENT CsI 2021", "g": "$g_{Z'}$", "mass": "$m_{Z'}$", "lmu-ltau": r"$L_\mu - L_\tau$"}
PAPER: Final = Look(style="paper", printed=PRINTED)

pytestmark = pytest.mark.slow


@pytest.fixture
def fit() -> FitResult:
    names = ("g", *(f"coherent-csi-2021.{name}" for name in ("efficiency", "onset", "flux_norm", "steady_state_norm")))
    values = dict(zip(names, (3.1e-4, -0.4, 70.0, 0.2, -0.8), strict=True))
    errors = dict(zip(names, (1.2e-4, 0.7, 38.0, 0.98, 0.5), strict=True))
    rows = np.random.default_rng(2).standard_normal((5, 7))
    matrix = np.corrcoef(rows)
    constrained = (names[1], names[3], names[4])
    return FitResult(
        True, "", 1.0, values, errors, {}, {}, names, matrix, 3, (), (), False, (), 1, 1, dict.fromkeys(constrained, Constrained(0.0, 1.0))
    )


@pytest.fixture
def fitted(csi: Projection) -> list[Projection]:
    one = replace(csi, uncertainty=np.array([12.0, 9.0, 11.0, 20.0, 0.0]), fitted=True, caveat="CEvNS only")
    return [one, replace(one, axis="time", unit="us", edges=np.linspace(0.0, 5.0, 6))]


@pytest.mark.mpl_image_compare(**COMPARED)
def test_spectra(fitted: list[Projection]) -> Figure:
    return spectra_figure(fitted, look=Look(printed=PRINTED))


@pytest.mark.mpl_image_compare(**COMPARED)
def test_subtracted(fitted: list[Projection]) -> Figure:
    return spectra_figure(fitted, subtracted=True, look=PAPER)


@pytest.mark.mpl_image_compare(**{**COMPARED, "savefig_kwargs": {"dpi": 45}})
def test_exclusion(plane: Plane, regions: list[Region]) -> Figure:
    return exclusion_figure([(plane, regions, "CsI + LAr")], notes=["a note"], look=Look(printed=PRINTED))


@pytest.mark.mpl_image_compare(**COMPARED)
def test_exclusion_in_a_column(plane: Plane, regions: list[Region]) -> Figure:
    known = np.column_stack([plane.x.values[::4], 1.3e-3 * np.fmax(1.0, plane.x.values[::4] / 30.0)])
    return exclusion_figure([(plane, [replace(regions[0], known=known)], "CsI + LAr")], look=PAPER)


@pytest.mark.mpl_image_compare(**COMPARED)
def test_forecast() -> Figure:
    mass = np.geomspace(1.0, 1000.0, 13)
    limit = 1e-3 * np.sqrt(1.0 + (mass / 30.0) ** 2)
    bands = limit[:, None] * np.array([0.6, 0.8, 1.0, 1.25, 1.6])
    line = LimitBand("CCM-200", mass, limit, bands, np.column_stack([1.5 * limit, 2.0 * limit]))
    return forecast_figure([line], AxisLabel("mass", "MeV"), AxisLabel("g", "1"), discovery=(3.0, 5.0), look=PAPER)


@pytest.mark.mpl_image_compare(**COMPARED)
def test_pulls(fit: FitResult) -> Figure:
    return pulls_figure(fit, look=PAPER)


@pytest.mark.mpl_image_compare(**COMPARED)
def test_correlations(fit: FitResult) -> Figure:
    return correlations_figure(fit, look=Look(printed=PRINTED))


@pytest.mark.mpl_image_compare(**COMPARED)
def test_ranking(fit: FitResult) -> Figure:
    shifts = (3e-5, -1e-5, 2e-5, 5e-6)
    impacts = [Impact(p.name, p.constrained, p.value, p.error, up, -0.8 * up) for p, up in zip(fit.pulls[1:], shifts, strict=True)]
    return ranking_figure(Ranking("g", fit, tuple(impacts)), look=Look(style="talk", printed=PRINTED))


@pytest.mark.mpl_image_compare(**COMPARED)
def test_corner() -> Figure:
    names, rng = ("g", "mass", "coherent-csi-2021.flux_norm"), np.random.default_rng(5)
    sample = rng.multivariate_normal(np.zeros(3), [[1.0, 0.7, 0.0], [0.7, 1.0, -0.3], [0.0, -0.3, 1.0]], 20_000).T
    columns, logs = [np.exp(sample[0]), np.exp(sample[1]), sample[2]], (True, True, False)
    edges = tuple(edges_of(column, log=log) for column, log in zip(columns, logs, strict=True))
    heights = tuple(np.histogram(column, ends)[0] / len(column) for column, ends in zip(columns, edges, strict=True))
    intervals = tuple(((float(low), float(high)),) for low, high in (np.quantile(column, [0.16, 0.84]) for column in columns))
    pairs = [pair((names[i], names[j]), (columns[i], columns[j]), (logs[i], logs[j])) for i, j in combinations(range(3), 2)]
    return corner_figure(Marginals(names, ("1", "MeV", "1"), edges, heights, intervals, logs), pairs, look=PAPER)


@pytest.mark.mpl_image_compare(**COMPARED)
def test_coverage() -> Figure:
    truth = np.geomspace(1e-4, 1e-2, 5)
    lines = [
        CoverageLine(
            "profile", mass, np.column_stack([truth, 0.9 + 0.02 * np.arange(5) - 0.01 * k, 0.01 + 0 * truth, truth]), ((0.0, 1e-3),)
        )
        for k, mass in enumerate((10.0, 30.0, 100.0))
    ]
    return coverage_figure(lines, "g", AxisLabel("mass", "MeV"), cl=0.9, look=PAPER)
