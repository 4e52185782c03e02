"""The source of a description as a source of physics: one function for each kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.physics import sources
from cevnsfit.physics.pulses import Pulse
from cevnsfit.spec.systematics import SHIPPED_ERRORS
from cevnsfit.spec.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cevnsfit.core.axes import Axis
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.sources import DecayAtRest, FluxSpec, Reactor, SpeciesSpec, Sun, TabulatedSource
    from cevnsfit.spec.systematics import FluxShape
    from cevnsfit.spec.tables import InputTable


def source_of(experiment: Experiment) -> sources.NeutrinoSource:
    """Return the source of an experiment.

    Raises
    ------
    UnknownNameError
        If there is no function for its kind.
    """
    given = experiment.spec.source
    if given.kind not in SOURCES:
        what = "kind of source"
        raise UnknownNameError(what, given.kind, SOURCES)
    return SOURCES[given.kind](given, experiment)


def time_axis(experiment: Experiment) -> Axis | None:
    """Return the time axis, or None."""
    last = experiment.axes[-1]
    return last if last.name == "time" else None


def _decay_at_rest(given: DecayAtRest, experiment: Experiment) -> sources.NeutrinoSource:
    times = _decay_times(given, experiment)
    if given.flux is not None:
        neutrinos = sources.NeutrinoSource(
            sources.isotropic(given.protons, given.distance), tuple(_imported(given.flux, experiment.tables, times))
        )
    else:
        assert given.yield_per_pot is not None
        neutrinos = sources.decay_at_rest(sources.isotropic(given.yield_per_pot * given.protons, given.distance), times)
    others = (_species(name, entry, experiment, times) for name, entry in given.species.items())
    protons = sources.isotropic(given.protons, given.distance) / neutrinos.fluence
    return replace(neutrinos, emissions=(*neutrinos.emissions, *(replace(e, weights=protons * e.weights) for e in others)))


def _species(name: str, given: SpeciesSpec, experiment: Experiment, times: Mapping[str, sources.ArrivalTimes]) -> sources.Emission:
    """Return particles beside the neutrinos, in units of the protons."""
    table, axis = experiment.tables[given.table], time_axis(experiment)
    spectrum, total = sources.smooth(given.energies(table), given.spectrum(table, given.column))
    if isinstance(given.arrival, str):
        arrival = times["nu_mu" if given.arrival == "prompt" else "nu_e"]
    else:
        arrival = _curve_in_time(experiment.tables[given.arrival.table], given.arrival.column)
    late = arrival if axis is None else sources.later(arrival, given.delay, np.asarray(axis.edges))
    return sources.Emission(name, (spectrum,), (late,), np.full((1, 1), total))


def _curve_in_time(table: InputTable, column: str) -> sources.Arrival:
    points, values = table.values("time"), table.values(column)
    whole = float(np.trapezoid(values, points))
    return sources.Arrival(lambda t: np.interp(t, points, values, left=0.0, right=0.0) / whole, tuple(points.tolist()))


def _decay_times(given: DecayAtRest, experiment: Experiment) -> Mapping[str, sources.ArrivalTimes]:
    arrival, axis = given.arrival, time_axis(experiment)
    if arrival is None or axis is None:
        whole = sources.BinnedArrival((1.0,))
        return sources.decay_arrivals(whole, whole)
    match arrival.kind:
        case "table":
            table = experiment.tables[arrival.table]
            own = next(entry for entry in table.axes if entry.name == axis.name)
            prompt, delayed = (
                sources.BinnedArrival(tuple(table.on((axis,), name)), own.edges, tuple(table.on((own,), name)))
                for name in (arrival.prompt, arrival.delayed)
            )
            return sources.decay_arrivals(prompt, delayed)
        case "rectangle":
            return Pulse("rectangle", (1.0,), (arrival.start + arrival.width / 2.0,), (arrival.width,)).arrivals()
        case "gaussians":
            total = sum(part.weight for part in arrival.pulses)
            weights, means, sigmas = zip(*((part.weight / total, part.mean, part.sigma) for part in arrival.pulses), strict=True)
            return Pulse("gaussian", weights, means, sigmas).arrivals()


def _imported(given: FluxSpec, tables: Mapping[str, InputTable], times: Mapping[str, sources.ArrivalTimes]) -> Iterator[sources.Emission]:
    """Yield the neutrinos of tables; each bin is flat in energy and in time."""
    bins: dict[str, tuple[sources.Arrival, ...]] = {}
    for flavour, ref in given.flavours.items():
        table = tables[ref.table]
        edges = {axis.name: np.asarray(axis.edges) for axis in table.axes}
        values = given.scale * table.values(ref.column)
        arrivals: tuple[sources.ArrivalTimes, ...] = (times[flavour],)
        if "time" in edges:
            values = np.moveaxis(values, list(edges).index("time"), 0)
            if ref.table not in bins:
                bins[ref.table] = tuple(sources.flat(low, high) for low, high in pairwise(edges["time"] + given.offset))
            arrivals = bins[ref.table]
        spectra = tuple(sources.histogram(pair, [1.0]) for pair in pairwise(edges["e_nu"]))
        yield sources.Emission(flavour, spectra, arrivals, values.reshape(len(arrivals), len(spectra)))


def _reactor(given: Reactor, _: Experiment) -> sources.NeutrinoSource:
    """Return the antineutrinos of fissions, and of captures of neutrons that follow; a flux is shared among them."""
    shapes = [(fraction, *_shipped("reactor", name)) for name, fraction in given.fissions.items()]
    shapes += [(1.0, *_shipped("capture", "capture"))] if given.capture else []
    counts = np.array([fraction * per_fission for fraction, _, per_fission in shapes])
    if given.power is not None:
        energy = sum(fraction * ENERGY_PER_FISSION[name] for name, fraction in given.fissions.items())
        fluence = sources.isotropic(given.power * given.live_time / energy * float(counts.sum()), given.distance)
    else:
        assert given.flux is not None
        fluence = given.flux * given.live_time
    spectra, names = tuple(spectrum for _, spectrum, _ in shapes), (*given.fissions, *(("capture",) if given.capture else ()))
    return sources.NeutrinoSource(fluence, (sources.Emission("nubar_e", spectra, (_ALWAYS,), counts[None] / counts.sum(), names),))


def _sun(given: Sun, experiment: Experiment) -> sources.NeutrinoSource:
    """Return the neutrinos of the sun; a fraction that is a curve multiplies the spectra."""
    spectra, names = tuple(_shipped(name, name)[0] for name in given.fluxes), tuple(given.fluxes)
    weights = np.array([list(given.fluxes.values())])
    emissions = []
    for flavour, fraction in given.fractions.items():
        whole = sources.Emission(flavour, spectra, (_ALWAYS,), weights, names)
        if isinstance(fraction, float):
            emissions.append(replace(whole, weights=fraction * weights))
        else:
            table = experiment.tables[fraction.table]
            emissions.append(whole.reshaped(sources.SpectralFactor(table.values("e_nu"), table.values(fraction.column))))
    return sources.NeutrinoSource(given.live_time, tuple(emissions))


def _tabulated(given: TabulatedSource, experiment: Experiment) -> sources.NeutrinoSource:
    emissions = []
    for flavour, ref in given.flavours.items():
        table = experiment.tables[ref.table]
        spectrum, total = sources.smooth(table.values("e_nu"), given.spectrum(table, ref.column))
        emissions.append(sources.Emission(flavour, (spectrum,), (_ALWAYS,), np.full((1, 1), total)))
    return sources.NeutrinoSource(given.live_time * (1.0 if given.flux is None else given.flux), tuple(emissions))


def spectral_factors(given: FluxShape, tables: Mapping[str, InputTable]) -> dict[str, sources.SpectralFactor]:
    """Return what multiplies spectra at +1 and -1 standard deviation, by side."""
    table = read_table(data_root() / "spectra" / f"{SHIPPED_ERRORS}.csv") if given.table is None else tables[given.table]
    return {side: sources.SpectralFactor(table.values("e_nu"), given.factors(table, side)) for side in ("up", "down")}


def _shipped(table: str, column: str) -> tuple[sources.Spectrum, float]:
    """Return a spectrum of one neutrino that ships, and its integral."""
    found = read_table(data_root() / "spectra" / f"{table}.csv")
    return sources.smooth(found.values("e_nu"), found.values(column))


_ALWAYS: Final = sources.BinnedArrival((1.0,))

ENERGY_PER_FISSION: Final = {"u235": 202.36, "u238": 205.99, "pu239": 211.12, "pu241": 214.26}
"""In MeV; Ma et al., Phys. Rev. C 88 (2013) 014605."""

SOURCES: Final[dict[str, Callable[[Any, Experiment], sources.NeutrinoSource]]] = {
    "decay-at-rest": _decay_at_rest,
    "reactor": _reactor,
    "solar": _sun,
    "table": _tabulated,
}
"""What makes a source of each kind, from its section and the experiment."""
