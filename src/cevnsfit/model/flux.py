"""The neutrinos of one experiment: which spectra they have and when they arrive, by flavour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.detector import timing
from cevnsfit.model.sources import source_of, time_axis
from cevnsfit.physics import sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cevnsfit.spec.load import Experiment

    Floats = NDArray[np.float64]
    Arrivals = tuple[sources.ArrivalTimes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flux:
    """Neutrinos by flavour as sums of spectra, in slices of arrival time.

    A flux that factorises has one slice, and `times` spreads it over the time bins. One that does not has a slice for each time bin.

    Attributes
    ----------
    fluence
        Neutrinos per cm^2 for a weight of 1.
    flavours
        Source flavours, such as "nubar_mu".
    spectra
        For each flavour the spectra that it is a sum of, each of one neutrino.
    weights
        For each flavour, neutrinos in units of the fluence by slice and spectrum, shape (variants, slices, spectra); one variant stands for all
        where the arrival times are spread afterwards.
    arrivals
        For each flavour the place of its arrival times in `times`.
    times
        Probability of each time bin, shape (variants, arrivals, time bins); one bin of probability 1 without a time axis. None where the
        slices are the time bins.
    """

    fluence: float
    flavours: tuple[str, ...]
    spectra: tuple[tuple[sources.Spectrum, ...], ...]
    weights: tuple[Floats, ...]
    arrivals: tuple[int, ...]
    times: Floats | None

    @property
    def slices(self) -> int:
        """Return the number of slices of arrival time."""
        return int(self.weights[0].shape[1])

    @property
    def leptons(self) -> frozenset[str]:
        """Return the lepton flavours that are there."""
        return frozenset(sources.lepton_flavour(name) for name in self.flavours)

    def spread(self, counts: Floats) -> Floats:
        """Return counts of each flavour summed over the flavours and spread over the time bins.

        Parameters
        ----------
        counts
            Shape (flavours, variants, bins, slices, J).

        Returns
        -------
        Shape (variants, J, bins, time bins).
        """
        if self.times is None:
            return np.asarray(counts.sum(axis=0).transpose(0, 3, 1, 2))
        parts = np.zeros((self.times.shape[1], *counts.shape[1:3], counts.shape[4]))
        for f, place in enumerate(self.arrivals):
            parts[place] += counts[f, :, :, 0]
        by_time = parts.transpose(1, 2, 3, 0) @ self.times[:, None]
        return np.asarray(by_time.transpose(0, 2, 1, 3))


def flux_of(experiment: Experiment, shifts: Sequence[float] = (0.0,)) -> Flux:
    """Return the flux of an experiment.

    Parameters
    ----------
    experiment
        The description.
    shifts
        How much later the neutrinos arrive in each variant, in s.

    Raises
    ------
    CevnsfitError
        If arrival times that are given as probabilities of bins should be shifted.
    DomainError
        If nothing arrives in the time window.
    """
    source = source_of(experiment)
    if all(len(emission.arrivals) == 1 for emission in source.emissions):
        arrivals = tuple(dict.fromkeys(emission.arrivals[0] for emission in source.emissions))
        by_shift = {shift: _in_bins(experiment, arrivals, shift) for shift in set(shifts)}
        places = {emission.flavour: arrivals.index(emission.arrivals[0]) for emission in source.emissions}
        weights = [emission.weights[None] for emission in source.emissions]
        return _seen(experiment, source, weights, places, np.array([by_shift[shift] for shift in shifts]))
    bins: dict[tuple[Arrivals, float], Floats] = {}
    for arrivals in {emission.arrivals for emission in source.emissions}:
        bins |= {(arrivals, shift): _in_bins(experiment, arrivals, shift).T for shift in set(shifts)}
    weights = [np.array([bins[emission.arrivals, shift] @ emission.weights for shift in shifts]) for emission in source.emissions]
    return _seen(experiment, source, weights, {}, None)


def highest_energy(experiment: Experiment) -> float:
    """Return the largest neutrino energy of the source in MeV."""
    return max(spectrum.end for spectra in flux_of(experiment).spectra for spectrum in spectra)


def _seen(
    experiment: Experiment, source: sources.NeutrinoSource, weights: Sequence[Floats], places: dict[str, int], times: Floats | None
) -> Flux:
    """Return the flux without spectra and flavours that never arrive in the window."""
    kept = [
        (emission, values, np.asarray(values.any(axis=(0, 1))))
        for emission, values in zip(source.emissions, weights, strict=True)
        if values.any()
    ]
    if not kept:
        message = f"{experiment.name}: source: no neutrino arrives in the analysis window"
        raise DomainError(message)
    return Flux(
        source.fluence,
        tuple(emission.flavour for emission, _, _ in kept),
        tuple(tuple(spectrum for spectrum, arrives in zip(emission.spectra, used, strict=True) if arrives) for emission, _, used in kept),
        tuple(values[..., used] for _, values, used in kept),
        tuple(places.get(emission.flavour, 0) for emission, _, _ in kept),
        times,
    )


def _in_bins(experiment: Experiment, arrivals: Arrivals, shift: float) -> Floats:
    """Return the probability that neutrinos arrive, and are seen, in each time bin, shape (arrivals, time bins)."""
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((len(arrivals), 1))
    edges = np.asarray(axis.edges)
    return np.array([_probabilities(experiment, arrival, edges, shift) for arrival in arrivals])


def _probabilities(experiment: Experiment, arrival: sources.ArrivalTimes, edges: Floats, shift: float) -> Floats:
    """Return the probability of each time bin at a shift of the arrival times [s]; the efficiency in time is in those that are released."""
    if isinstance(arrival, sources.BinnedArrival):
        if shift != 0.0:
            message = f"{experiment.name}: an arrival shift needs a pulse; this experiment has a table of arrival probabilities"
            raise CevnsfitError(message)
        return np.array(arrival.probabilities)

    def density(t: Floats) -> Floats:
        return arrival.density(t - shift)

    loss = experiment.spec.time_efficiency
    kinks = [kink + shift for kink in arrival.kinks]
    if loss is None:
        return timing.bin_probabilities(density, edges, kinks=kinks)
    start, rate = loss.start, loss.rate
    return timing.bin_probabilities(density, edges, lambda t: timing.exponential_efficiency(t, start, rate), kinks=(*kinks, start))
