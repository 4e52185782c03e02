"""Pictures of results that several verbs return, and of histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.infer.intervals import Level
from cevnsfit.infer.sensitivity import DISCOVERY
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.report.forecasts import LimitBand, expected_figure
from cevnsfit.report.rankings import ranking_figure
from cevnsfit.report.spectra import spectra_figure
from cevnsfit.studies.exclusion import Exclusion, exclusion_picture, regions_of
from cevnsfit.studies.rates import Rates, projections
from cevnsfit.studies.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.histograms import Histogram
    from cevnsfit.infer.impacts import Ranking
    from cevnsfit.studies.fitting import FitSummary
    from cevnsfit.studies.forecast import Forecast
    from cevnsfit.studies.toy_regions import ToyRegion

LEVELS: Final = (Level(0.90, 2), Level(0.95, 2))
"""Of the regions of a scan."""

MOMENT: Final = "2025"
"""Prediction behind the band of a magnetic moment."""


def planes(several: Sequence[Scan | Exclusion | ToyRegion], ax: Axes | None = None) -> Figure:
    """Return the exclusion plot of scans and of regions by toys, in one plane."""
    return exclusion_picture([_exclusion(one) for one in several], latest_deviation(MOMENT), ax=ax)


def _exclusion(one: Scan | Exclusion | ToyRegion) -> Exclusion:
    if isinstance(one, Exclusion):
        return one
    return regions_of([one], LEVELS)[0] if isinstance(one, Scan) else Exclusion(one.plane, (one.region,), one.method)


def spectra(several: Sequence[Any]) -> Figure:
    """Return data against stacked components, of fits, of rates, or of histograms by experiment."""
    return spectra_figure([projection for one in several for rates in _rates(one) for projection in projections(rates)])


def _rates(one: FitSummary | Rates | Mapping[str, Any]) -> Iterator[Rates]:
    if isinstance(one, Rates):
        yield one
    elif isinstance(one, Mapping):
        for name, found in one.items():
            parts: Mapping[str, Histogram] = found if isinstance(found, Mapping) else {"expected": found}
            axes = next(iter(parts.values())).axes
            yield Rates(name, axes, {part: histogram.values() for part, histogram in parts.items()}, None)
    else:
        yield from one.counts


def forecasts(several: Sequence[Forecast], ax: Axes | None = None) -> Figure:
    """Return expected limits at one place as bars."""
    lines = [
        LimitBand(one.label, np.zeros(1), np.array([found.limit]), np.array([found.bands]), np.array([found.discovery]))
        for one, found in ((one, one.sensitivity) for one in several)
    ]
    median = several[0].sensitivity.median
    notes = [f"expected limits at {100 * median.cl:g} % CL, {median.dof} dof", *dict.fromkeys(one.caveat for one in several if one.caveat)]
    return expected_figure(lines, median.poi, discovery=DISCOVERY, notes=notes, ax=ax)


def ranking(result: Ranking) -> Figure:
    """Return the ranking plot."""
    return ranking_figure(result, title=" + ".join(result.about.experiments))
