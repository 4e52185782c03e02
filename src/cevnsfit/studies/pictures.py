"""Pictures of results that several verbs return, and of histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import About
from cevnsfit.core.histograms import Histogram
from cevnsfit.infer.intervals import levels_at
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.report.forecasts import CAVEAT
from cevnsfit.report.intervals import interval_figure
from cevnsfit.report.rankings import ranking_figure
from cevnsfit.report.spectra import spectra_figure
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.studies.exclusion import Exclusion, exclusion_picture, regions_of
from cevnsfit.studies.rates import ChannelRates, Rates
from cevnsfit.studies.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.impacts import Ranking
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.studies.fitting import Fit
    from cevnsfit.studies.toy_regions import ToyRegion

MOMENT: Final = "2025"
"""Prediction behind the band of a magnetic moment."""


def planes(several: Sequence[Scan | Exclusion | ToyRegion], ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the exclusion plot of scans and of regions by toys, in one plane."""
    return exclusion_picture([_exclusion(one) for one in several], latest_deviation(MOMENT), look=look, ax=ax)


def _exclusion(one: Scan | Exclusion | ToyRegion) -> Exclusion:
    if isinstance(one, Exclusion):
        return one
    return (
        regions_of([one], levels_at(None, 2))[0]
        if isinstance(one, Scan)
        else Exclusion(one.plane, (one.region,), one.method, about=one.about)
    )


def spectra(several: Sequence[Any], look: Look = SCREEN) -> Figure:
    """Return data against stacked components, of fits, of rates, or of histograms by experiment."""
    rates = [found for one in several for found in _rates(one)]
    look = look.naming(*(about for one in (*several, *rates) if isinstance(about := getattr(one, "about", None), About)))
    return spectra_figure([projection for found in rates for projection in found.projections], look=look)


def _rates(one: Fit | Rates | ChannelRates | Histogram | Mapping[str, Any], name: str = "") -> Iterator[Rates | ChannelRates]:
    """Yield the counts of each experiment in a result; a mapping is one of experiments, or of the components of one."""
    if isinstance(one, Rates | ChannelRates):
        yield one
    elif isinstance(one, Histogram):
        yield from _rates({"expected": one}, name)
    elif not isinstance(one, Mapping):
        yield from one.counts.values()
    elif name:
        parts = {part: histogram.values() for part, histogram in one.items()}
        axes, total = next(iter(one.values())).axes, np.sum([*parts.values()], axis=0)
        yield Rates(axes, total, name, parts, None, {}, About())
    else:
        for experiment, found in one.items():
            yield from _rates(found, experiment)


def ranking(result: Ranking, look: Look = SCREEN) -> Figure:
    """Return the ranking plot."""
    return ranking_figure(result, title=result.about.label, look=look.naming(result.about))


def interval(result: Intervals, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the profile of a parameter with its interval."""
    about, toys = result.about, result.toys
    notes = [
        f"{', '.join(text for text in (about.label, about.model) if text)}; {result.method}; {100 * result.cl:g} % CL, {result.dof} dof",
        *([about.lagrangian] if about.lagrangian else []),
        *([] if toys is None else [f"{toys.toys} toys at {len(toys.points)} values, seed {toys.seed}, {toys.failed} failed"]),
        *([f"{CAVEAT}{about.caveat}"] if about.caveat else []),
    ]
    return interval_figure(result, notes=notes, look=look.naming(about), ax=ax)
