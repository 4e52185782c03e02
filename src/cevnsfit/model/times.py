"""What a detector does to arrival times: it records them late, and loses some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.detector import efficiency, timing
from cevnsfit.model.sources import time_axis
from cevnsfit.physics import sources
from cevnsfit.spec.instrument import TimeEfficiency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.spec.instrument import ExponentialDelay, GaussianDelay, TableDelay
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.tables import InputTable

    Arrivals = tuple[sources.ArrivalTimes, ...]


class Loss(NamedTuple):
    """An efficiency as a function of the recorded time [s], and the times at which it is not smooth; it holds in some bins of the energy axis."""

    bins: Floats
    seen: Callable[[Floats], Floats] | None = None
    kinks: tuple[float, ...] = ()


def losses(experiment: Experiment) -> tuple[Loss, ...]:
    """Return the efficiencies in time, which share the bins of the energy axis among them."""
    given, energy = experiment.spec.time_efficiency, experiment.axes[0]
    everywhere = np.ones(energy.nbins)
    if given is None:
        return (Loss(everywhere),)
    if isinstance(given, TimeEfficiency):
        return (Loss(everywhere, lambda t: timing.exponential_efficiency(t, given.start, given.rate), (given.start,)),)
    table = experiment.tables[given.table]
    values = table.values(given.column)
    if not table.axes:
        times = table.values("time")
        return (Loss(everywhere, lambda t: efficiency.table(t, times, values), tuple(times.tolist())),)
    edges = table.axes[-1].edges
    bands = [everywhere]
    if len(table.axes) > 1:
        own, centres = table.axes[0], (np.asarray(energy.edges[1:]) + np.asarray(energy.edges[:-1])) / 2.0
        place = efficiency.histogram(centres, own.edges, np.arange(own.nbins))
        bands = [(place == k).astype(np.float64) for k in range(own.nbins)]
    rows = values.reshape(len(bands), -1)
    return tuple(
        Loss(band, lambda t, row=row: efficiency.histogram(t, edges, row), edges)  # type: ignore[misc]
        for band, row in zip(bands, rows, strict=True)
        if band.any()
    )


def recorded(experiment: Experiment, arrivals: Arrivals) -> Arrivals:
    """Return arrival times as they are recorded: late by the delays of the description."""
    axis, stages = time_axis(experiment), experiment.spec.time_response.values()
    if axis is None or not stages:
        return arrivals
    for entry in stages:
        if entry.kind not in DELAYS:
            what = "kind of time response"
            raise UnknownNameError(what, entry.kind, DELAYS)
    delays, edges = [DELAYS[entry.kind](entry, experiment.tables) for entry in stages], np.asarray(axis.edges)
    return tuple(_late(arrival, delays, edges) for arrival in arrivals)


def _late(arrival: sources.ArrivalTimes, delays: Sequence[timing.Delay], edges: Floats) -> sources.Arrival:
    if isinstance(arrival, sources.BinnedArrival):
        return sources.Arrival(timing.recorded(sources.cumulative(arrival.edges, arrival.contents), delays, edges))

    def below(grid: Floats) -> Floats:
        return np.append(0.0, np.cumsum(timing.bin_probabilities(arrival.density, grid, kinks=arrival.kinks)))

    return sources.Arrival(timing.recorded(below, delays, edges))


def _exponential(entry: ExponentialDelay, _: Mapping[str, InputTable]) -> timing.Delay:
    return timing.exponential_delay(entry.delay, entry.decay)


def _gaussian(entry: GaussianDelay, _: Mapping[str, InputTable]) -> timing.Delay:
    return timing.gaussian_delay(entry.delay, entry.sigma)


def _tabulated(entry: TableDelay, tables: Mapping[str, InputTable]) -> timing.Delay:
    table = tables[entry.table]
    return timing.tabulated_delay(table.values("time"), table.values(entry.column))


DELAYS: Final[dict[str, Callable[[Any, Mapping[str, InputTable]], timing.Delay]]] = {
    "exponential": _exponential,
    "gaussian": _gaussian,
    "table": _tabulated,
}
"""What makes a delay of each kind, from its section and the tables."""
