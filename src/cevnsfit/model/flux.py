"""The neutrinos of one experiment: which spectra they have and when they arrive, by flavour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.detector import timing
from cevnsfit.model.sources import source_of, time_axis
from cevnsfit.model.times import losses, recorded
from cevnsfit.physics import sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.model.times import Loss
    from cevnsfit.spec.load import Experiment

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
    bands
        Bins of the energy axis in which an efficiency in time holds, shape (losses, energy bins); `times` has a row for each arrival and loss.
    """

    fluence: float
    flavours: tuple[str, ...]
    spectra: tuple[tuple[sources.Spectrum, ...], ...]
    weights: tuple[Floats, ...]
    arrivals: tuple[int, ...]
    times: Floats
    profiles: tuple[sources.ArrivalTimes, ...]
    bands: Floats

    @property
    def slices(self) -> int:
        """Return the number of slices of arrival time."""
        return int(self.weights[0].shape[0])

    @property
    def end(self) -> float:
        """Return the largest energy in MeV."""
        return max(spectrum.end for spectra in self.spectra for spectrum in spectra)

    def by_arrival(self, counts: Floats) -> Floats:
        """Return counts by flavour, shape (flavours, n, slices, J), summed over the flavours of each arrival, shape (arrivals, n, J)."""
        if self.slices > 1:
            return np.asarray(counts.sum(axis=0).transpose(1, 0, 2))
        parts = np.zeros((len(self.times) // len(self.bands), counts.shape[1], counts.shape[3]))
        for f, place in enumerate(self.arrivals):
            parts[place] += counts[f, :, 0]
        return parts


class Times(NamedTuple):
    """The last three fields of a flux."""

    times: Floats
    profiles: Arrivals
    bands: Floats


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
    profiles, bands = recorded(experiment, known), np.array([loss.bins for loss in losses(experiment)])
    times = arriving(experiment, profiles, np.zeros(1))[0]
    if all(len(emission.arrivals) == 1 for emission in source.emissions):
        places = {emission.flavour: known.index(emission.arrivals[0]) for emission in source.emissions}
        arrives = times.reshape(len(known), -1).any(axis=1)
        weights = [emission.weights if arrives[places[emission.flavour]] else 0.0 * emission.weights for emission in source.emissions]
        return _seen(experiment, source, weights, places, Times(times, profiles, bands))
    moving = moving or len(bands) > 1
    weights = []
    for emission in source.emissions:
        own = np.array([known.index(arrival) for arrival in emission.arrivals])
        if moving:
            rows = np.zeros((len(known), emission.weights.shape[1]))
            rows[own] = emission.weights
            weights.append(rows)
        else:
            weights.append(times[own].T @ emission.weights)
    return _seen(experiment, source, weights, {}, Times(times, profiles, bands) if moving else Times(np.eye(times.shape[1]), (), bands))


def highest_energy(experiment: Experiment) -> float:
    """Return the largest neutrino energy of the source in MeV."""
    return flux_of(experiment).end


def empty_window(experiment: Experiment, *axes: Axis) -> str:
    """Return that nothing is expected in a window, and on which axes."""
    ends = [(axis.display_edges[0], axis.display_edges[-1], axis.unit) for axis in axes]
    window = ", ".join(f"{low:g} and {high:g} {unit}" for low, high, unit in ends)
    return f"{experiment.name}: axes.{', '.join(axis.name for axis in axes)}: nothing is expected between {window}"


def _seen(
    experiment: Experiment,
    source: sources.NeutrinoSource,
    weights: Sequence[Floats],
    places: dict[str, int],
    times: Times,
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
        *times,
    )


def arriving(experiment: Experiment, arrivals: Arrivals, shifts: Floats) -> Floats:
    """Return the probability that neutrinos arrive some `shifts` [s] later than they do, and are seen, in each time bin.

    The efficiency in time is that of the recorded time and does not move; it is in the probabilities that are released.

    Returns
    -------
    Shape (n, arrivals * losses, time bins).
    """
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((len(shifts), len(arrivals), 1))
    edges, several = np.asarray(axis.edges), losses(experiment)
    return np.stack([_probabilities(arrival, edges, loss, shifts) for arrival in arrivals for loss in several], axis=1)


def _probabilities(arrival: sources.ArrivalTimes, edges: Floats, loss: Loss, shifts: Floats) -> Floats:
    """Return the probability of each time bin at each shift, shape (n, time bins)."""
    if isinstance(arrival, sources.BinnedArrival):
        return np.array([arrival.moved(edges, shift) if shift else arrival.probabilities for shift in shifts])
    if not arrival.kinks:
        return timing.bin_probabilities(lambda t: arrival.density(t - shifts[:, None]), edges, loss.seen, kinks=loss.kinks)

    def one(shift: float) -> Floats:
        kinks = [*loss.kinks, *(kink + shift for kink in arrival.kinks)]
        return timing.bin_probabilities(lambda t: arrival.density(t - shift), edges, loss.seen, kinks=kinks)

    return np.array([one(shift) for shift in shifts])
