"""The neutrinos of one experiment: which spectra they have and when they arrive, by flavour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.detector import timing
from cevnsfit.physics import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.instrument import FluxSpec
    from cevnsfit.spec.load import Experiment

    Floats = NDArray[np.float64]

COMPONENTS: Final = ("prompt", "delayed")
"""Arrival-time components; the pion's neutrino is prompt, all others are delayed."""

_PROMPT: Final = "nu_mu"


@dataclass(frozen=True, slots=True, eq=False)
class Flux:
    """Neutrinos by flavour as sums of spectra, in slices of arrival time.

    A flux that factorises has one slice, and `times` spreads it over the time bins. One that does not has a slice for each time bin.

    Attributes
    ----------
    flavours
        Source flavours, such as "nubar_mu".
    spectra
        For each flavour the spectra that it is a sum of, each of one neutrino.
    weights
        For each flavour, neutrinos per proton (over `yield_per_pot`, where there is one) by slice and spectrum, shape (variants, slices, spectra);
        one variant stands for all where the arrival times are spread afterwards.
    times
        Probability of each time bin, shape (variants, 2, time bins), for `COMPONENTS`; one bin of probability 1 without a time axis. None
        where the slices are the time bins.
    """

    flavours: tuple[str, ...]
    spectra: tuple[tuple[sources.Spectrum, ...], ...]
    weights: tuple[Floats, ...]
    times: Floats | None

    @property
    def slices(self) -> int:
        """Return the number of slices of arrival time."""
        return int(self.weights[0].shape[1])

    @property
    def leptons(self) -> frozenset[str]:
        """Return the lepton flavours that are there."""
        return frozenset(sources.lepton_flavour(name) for name in self.flavours)

    def component(self, flavour: str) -> int:
        """Return the place among `COMPONENTS` of a flavour."""
        return 0 if flavour == _PROMPT else 1

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
        parts = np.zeros((len(COMPONENTS), *counts.shape[1:3], counts.shape[4]))
        for f, name in enumerate(self.flavours):
            parts[self.component(name)] += counts[f, :, :, 0]
        by_time = parts.transpose(1, 2, 3, 0) @ self.times[:, None]
        return np.asarray(by_time.transpose(0, 2, 1, 3))


def time_axis(experiment: Experiment) -> Axis | None:
    """Return the time axis, or None."""
    last = experiment.axes[-1]
    return last if last.name == "time" else None


def flux_of(experiment: Experiment, variants: Sequence[str] = ("nominal",)) -> Flux:
    """Return the flux of an experiment, with the arrival times of each variant of its response.

    Parameters
    ----------
    experiment
        The description.
    variants
        "nominal", then "NAME:up" and "NAME:down" of each systematic that makes variants.

    Raises
    ------
    CevnsfitError
        If arrival times that are given as probabilities of bins should be shifted.
    DomainError
        If an imported flux has nothing in the time window.
    """
    shifts = _shifts(experiment, variants)
    given = experiment.spec.source.flux
    if given is None:
        spectra = sources.pion_decay_at_rest()
        one = np.ones((1, 1, 1))
        return Flux(tuple(spectra), tuple((s,) for s in spectra.values()), (one,) * len(spectra), _times(experiment, shifts))
    return _imported(experiment, given, shifts)


def highest_energy(experiment: Experiment) -> float:
    """Return the largest neutrino energy of the source in MeV."""
    return max(spectrum.end for spectra in flux_of(experiment).spectra for spectrum in spectra)


# --- imported fluxes ---------------------------------------------------------------------------------------------------------------


def _imported(experiment: Experiment, given: FluxSpec, shifts: Sequence[float]) -> Flux:
    """Return the flux of tables; each bin is flat in energy and in time."""
    flavours, spectra, weights = [], [], []
    joint = False
    seen: dict[tuple[str, float], Floats] = {}
    for flavour, ref in given.flavours.items():
        table = experiment.tables[ref.table]
        names = [axis.name for axis in table.axes]
        values, joint = given.scale * table.values(ref.column), "time" in names
        energies = np.asarray(table.axes[names.index("e_nu")].edges)
        if joint:
            values = np.moveaxis(values, names.index("time"), 0)
            edges = np.asarray(table.axes[names.index("time")].edges) + given.offset
            for shift in set(shifts) - {shift for file, shift in seen if file == ref.table}:
                seen[ref.table, shift] = _in_time_bins(experiment, edges + shift)
            sliced = np.array([seen[ref.table, shift] @ values for shift in shifts])
        else:
            sliced = values[None, None, :]
        used = np.asarray(sliced.any(axis=(0, 1)))
        if not used.any():
            continue
        flavours.append(flavour)
        bins = [pair for pair, kept in zip(pairwise(energies), used, strict=True) if kept]
        spectra.append(tuple(sources.histogram(pair, [1.0]) for pair in bins))
        weights.append(sliced[:, :, used])
    if not flavours:
        message = f"{experiment.name}: source.flux: no neutrino arrives in the analysis window"
        raise DomainError(message)
    return Flux(tuple(flavours), tuple(spectra), tuple(weights), None if joint else _times(experiment, shifts))


def _in_time_bins(experiment: Experiment, edges: Floats) -> Floats:
    """Return the part of each bin of a table of arrival times that is seen in each time bin, shape (time bins, bins of the table)."""
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((1, len(edges) - 1))
    columns = []
    for low, high in pairwise(edges):
        flat = _flat(low, high)
        columns.append(_seen(experiment, flat, np.asarray(axis.edges), kinks=(low, high)))
    return np.array(columns).T


def _flat(low: float, high: float) -> Callable[[Floats], Floats]:
    """Return the density of one arrival anywhere between two times."""
    return lambda t: np.where((t >= low) & (t < high), 1.0 / (high - low), 0.0)


# --- arrival times that factorise --------------------------------------------------------------------------------------------------


def _shifts(experiment: Experiment, variants: Sequence[str]) -> list[float]:
    """Return how much later the neutrinos arrive in each variant, in s."""
    shifts = []
    for variant in variants:
        name, _, side = variant.partition(":")
        systematic = experiment.spec.systematics.get(name)
        sigma = systematic.sigma if systematic is not None and systematic.kind == "arrival-shift" else 0.0
        shifts.append(sigma if side == "up" else -sigma)
    return shifts


def _times(experiment: Experiment, shifts: Sequence[float]) -> Floats:
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((len(shifts), len(COMPONENTS), 1))
    by_shift = {shift: _arrival(experiment, axis, shift) for shift in set(shifts)}
    return np.array([by_shift[shift] for shift in shifts])


def _arrival(experiment: Experiment, axis: Axis, shift: float) -> Floats:
    """Return the probability of each time bin, shape (2, time bins)."""
    arrival = experiment.spec.source.arrival
    assert arrival is not None
    if arrival.kind == "table":
        if shift != 0.0:
            message = f"{experiment.name}: an arrival shift needs a pulse; this experiment has a table of arrival probabilities"
            raise CevnsfitError(message)
        table = experiment.tables[arrival.table]
        return np.array([table.on((axis,), column) for column in (arrival.prompt, arrival.delayed)])
    if arrival.kind == "rectangle":
        pulse = sources.Pulse("rectangle", (1.0,), (arrival.start + arrival.width / 2.0 + shift,), (arrival.width,))
    else:
        total = sum(part.weight for part in arrival.pulses)
        weights, means, sigmas = zip(*((part.weight / total, part.mean + shift, part.sigma) for part in arrival.pulses), strict=True)
        pulse = sources.Pulse("gaussian", weights, means, sigmas)
    edges = np.asarray(axis.edges)
    return np.array([_seen(experiment, density, edges) for density in (pulse.prompt_density, pulse.delayed_density)])


def _seen(experiment: Experiment, density: Callable[[Floats], Floats], edges: Floats, *, kinks: Sequence[float] = ()) -> Floats:
    """Return the integral of a density of arrival times, times the efficiency in time, over each bin."""
    loss = experiment.spec.time_efficiency
    if loss is None:
        return timing.bin_probabilities(density, edges, kinks=kinks)
    efficiency = _efficiency(loss.start, loss.rate)
    return timing.bin_probabilities(density, edges, efficiency, kinks=(*kinks, loss.start))


def _efficiency(start: float, rate: float) -> Callable[[Floats], Floats]:
    return lambda t: timing.exponential_efficiency(t, start, rate)
