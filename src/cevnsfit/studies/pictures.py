"""Pictures of results that several verbs return, and of histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import About
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.histograms import Histogram
from cevnsfit.infer.discovery import Discovery
from cevnsfit.infer.elsewhere import GlobalSignificance
from cevnsfit.infer.intervals import levels_at
from cevnsfit.moments.measured import latest_deviation
from cevnsfit.report.intervals import interval_figure
from cevnsfit.report.spectra import spectra_figure
from cevnsfit.report.style import SCREEN, Look
from cevnsfit.report.toys import toys_figure
from cevnsfit.studies.exclusion import Exclusion, exclusion_picture, regions_of
from cevnsfit.studies.rates import ChannelRates, Rates
from cevnsfit.studies.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.goodness import Goodness
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.studies.fitting import Fit

MOMENT: Final = "2025"
"""Prediction behind the band of a magnetic moment."""


def planes(several: Sequence[Any], ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the exclusion plot of scans and of regions by toys, in one plane."""
    return exclusion_picture([_exclusion(one) for one in several], latest_deviation(MOMENT), look=look, ax=ax)


def _exclusion(one: Any) -> Exclusion:
    if isinstance(one, Exclusion):
        return one
    return (
        regions_of([one], levels_at(None, 2))[0]
        if isinstance(one, Scan)
        else Exclusion(one.plane, (one.region,), one.method, about=one.about)
    )


def spectra(several: Sequence[Any], look: Look = SCREEN, *, subtract: bool = False) -> Figure:
    """Return data against stacked components, of fits, of rates, or of histograms by experiment; or minus backgrounds."""
    if any(getattr(one, "blind", None) for one in several):
        message = "the counts of a blinded fit are hidden: there is no picture of them"
        raise CevnsfitError(message)
    rates = [found for one in several for found in _rates(one)]
    look = look.naming(*(about for one in (*several, *rates) if isinstance(about := getattr(one, "about", None), About)))
    return spectra_figure([projection for found in rates for projection in found.projections], subtracted=subtract, look=look)


def subtracted(several: Sequence[Any], look: Look = SCREEN) -> Figure:
    """Return data minus the steady-state background, and minus all backgrounds, against the components that are left."""
    return spectra(several, look, subtract=True)


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


def toys(result: Goodness | Compatibility | Discovery | GlobalSignificance, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the distribution of a statistic in pseudo-experiments, with the observed value."""
    from scipy.stats import chi2

    if result.toys is None or not result.toys.points[0].samples:
        message = f"a {type(result).__name__} has no pseudo-experiments to draw: toys=cf.Toys(2048), on the command line --toys 2048"
        raise CevnsfitError(message)
    (test,) = result.toys.points
    x = np.linspace(0.0, test.samples[0].max(initial=test.statistic), 201)[1:]
    name, ndof, weight = _statistic(result)
    look = look.naming(result.about)
    curve = (x, weight * np.asarray(chi2.pdf(x, ndof))) if ndof else None
    notes = [text for text in (look.headline(result.about), result.about.lagrangian, result.doubt) if text]
    return toys_figure(test, name, asymptotic=curve, notes=notes, look=look, ax=ax)


def _statistic(result: Goodness | Compatibility | Discovery | GlobalSignificance) -> tuple[str, int, float]:
    """Return the name of a statistic, and degrees of freedom and weight of the chi-squared that it follows asymptotically, 0 for none."""
    if isinstance(result, Discovery):
        return "$q_0$", 1, 0.5
    if isinstance(result, GlobalSignificance):
        return "largest $q_0$ of the scan", 0, 0.0
    return f"{result.method}, {result.ndof} degrees of freedom", result.ndof, 1.0


def interval(result: Intervals, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the profile of a parameter with its interval."""
    about, toys, look = result.about, result.toys, look.naming(result.about)
    notes = [
        f"{look.headline(about)}; {result.method}; {100 * result.cl:g} % CL, {result.dof} dof",
        *([about.lagrangian] if about.lagrangian else []),
        *([] if toys is None else [f"{toys.toys} toys at {len(toys.points)} values, seed {toys.seed}, {toys.failed} failed"]),
    ]
    return interval_figure(result, notes=notes, look=look, ax=ax)
