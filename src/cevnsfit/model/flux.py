"""The neutrinos of one experiment: which spectra they have and when they arrive, by flavour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.detector import timing
from cevnsfit.model.sources import source_of, time_axis
from cevnsfit.physics import sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.instrument import TimeEfficiency
    from cevnsfit.spec.load import Experiment

    Floats = NDArray[np.float64]
    Arrivals = tuple[sources.ArrivalTimes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flux:
    """Neutrinos by flavour as sums of spectra, and when they arrive.

    A flux that factorises has one slice: each flavour has its arrival times among `times`. One that does not has a slice for each of `times`.

    Attributes
    ----------
    fluence
        Neutrinos per cm^2 for a weight of 1.
    flavours
        Source flavours, such as "nubar_mu".
    spectra
        For each flavour the spectra that it is a sum of, each of one neutrino.
    weights
        For each flavour, neutrinos in units of the fluence by slice and spectrum, shape (slices, spectra).
    arrivals
        For each flavour the place of its arrival times in `times`, where there is one slice.
    times
        Probability of each time bin, shape (arrivals, time bins); one bin of probability 1 without a time axis.
    profiles
        What the rows of `times` are made of, for those that move.
    """

    fluence: float
    flavours: tuple[str, ...]
    spectra: tuple[tuple[sources.Spectrum, ...], ...]
    weights: tuple[Floats, ...]
    arrivals: tuple[int, ...]
    times: Floats
    profiles: tuple[sources.ArrivalTimes, ...]

    @property
    def slices(self) -> int:
        """Return the number of slices of arrival time."""
        return int(self.weights[0].shape[0])

    @property
    def leptons(self) -> frozenset[str]:
        """Return the lepton flavours that are there."""
        return frozenset(sources.lepton_flavour(name) for name in self.flavours)

    def by_arrival(self, counts: Floats) -> Floats:
        """Return counts by flavour, shape (flavours, n, slices, J), summed over the flavours of each arrival, shape (arrivals, n, J)."""
        if self.slices > 1:
            return np.asarray(counts.sum(axis=0).transpose(1, 0, 2))
        parts = np.zeros((len(self.times), counts.shape[1], counts.shape[3]))
        for f, place in enumerate(self.arrivals):
            parts[place] += counts[f, :, 0]
        return parts


def flux_of(experiment: Experiment, *, moving: bool = False, source: sources.NeutrinoSource | None = None) -> Flux:
    """Return the flux of an experiment.

    Parameters
    ----------
    experiment
        The description.
    moving
        Keep the arrival times of a flux that does not factorise apart, to move them; else it has a slice for each time bin.
    source
        Its source with other spectra; as described by default.

    Raises
    ------
    DomainError
        If nothing arrives in the time window.
    """
    source = source_of(experiment) if source is None else source
    known = tuple(dict.fromkeys(arrival for emission in source.emissions for arrival in emission.arrivals))
    times = arriving(experiment, known, np.zeros(1))[0]
    if all(len(emission.arrivals) == 1 for emission in source.emissions):
        places = {emission.flavour: known.index(emission.arrivals[0]) for emission in source.emissions}
        weights = [emission.weights if times[places[emission.flavour]].any() else 0.0 * emission.weights for emission in source.emissions]
        return _seen(experiment, source, weights, places, times, known)
    weights = []
    for emission in source.emissions:
        own = np.array([known.index(arrival) for arrival in emission.arrivals])
        if moving:
            rows = np.zeros((len(known), emission.weights.shape[1]))
            rows[own] = emission.weights
            weights.append(rows)
        else:
            weights.append(times[own].T @ emission.weights)
    return _seen(experiment, source, weights, {}, times if moving else np.eye(times.shape[1]), known if moving else ())


def highest_energy(experiment: Experiment) -> float:
    """Return the largest neutrino energy of the source in MeV."""
    return max(spectrum.end for spectra in flux_of(experiment).spectra for spectrum in spectra)


def empty_window(experiment: Experiment, axis: Axis) -> str:
    """Return that nothing is expected in a window, and on which axis."""
    edges = axis.display_edges
    return f"{experiment.name}: axes.{axis.name}: nothing is expected between {edges[0]:g} and {edges[-1]:g} {axis.unit}"


def _seen(
    experiment: Experiment,
    source: sources.NeutrinoSource,
    weights: Sequence[Floats],
    places: dict[str, int],
    times: Floats,
    profiles: Arrivals,
) -> Flux:
    """Return the flux without spectra and flavours that never arrive in the window."""
    kept = [
        (emission, values, np.asarray(values.any(axis=0)))
        for emission, values in zip(source.emissions, weights, strict=True)
        if values.any()
    ]
    if not kept:
        message = f"{empty_window(experiment, experiment.axes[-1])} (no neutrino arrives then)"
        raise DomainError(message)
    return Flux(
        source.fluence,
        tuple(emission.flavour for emission, _, _ in kept),
        tuple(tuple(spectrum for spectrum, arrives in zip(emission.spectra, used, strict=True) if arrives) for emission, _, used in kept),
        tuple(values[..., used] for _, values, used in kept),
        tuple(places.get(emission.flavour, 0) for emission, _, _ in kept),
        times,
        profiles,
    )


def arriving(experiment: Experiment, arrivals: Arrivals, shifts: Floats) -> Floats:
    """Return the probability that neutrinos arrive some `shifts` [s] later than they do, and are seen, in each time bin, shape (n, arrivals, time bins).

    The efficiency in time is that of the true time and does not move; it is in the probabilities that are released.
    """
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((len(shifts), len(arrivals), 1))
    edges, loss = np.asarray(axis.edges), experiment.spec.time_efficiency
    return np.stack([_probabilities(arrival, edges, loss, shifts) for arrival in arrivals], axis=1)


def _probabilities(arrival: sources.ArrivalTimes, edges: Floats, loss: TimeEfficiency | None, shifts: Floats) -> Floats:
    """Return the probability of each time bin at each shift, shape (n, time bins)."""
    if isinstance(arrival, sources.BinnedArrival):
        return np.array([arrival.moved(edges, shift) if shift else arrival.probabilities for shift in shifts])
    seen = None if loss is None else lambda t: timing.exponential_efficiency(t, loss.start, loss.rate)
    fixed = [] if loss is None else [loss.start]
    if not arrival.kinks:
        return timing.bin_probabilities(lambda t: arrival.density(t - shifts[:, None]), edges, seen, kinks=fixed)

    def one(shift: float) -> Floats:
        kinks = [*fixed, *(kink + shift for kink in arrival.kinks)]
        return timing.bin_probabilities(lambda t: arrival.density(t - shift), edges, seen, kinks=kinks)

    return np.array([one(shift) for shift in shifts])
