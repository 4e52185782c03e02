"""The signal of one experiment: everything but the weak charges folded into matrices, once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.detector import timing
from cevnsfit.detector.response import compose, kinks
from cevnsfit.model.stages import detector_stages
from cevnsfit.physics import sources
from cevnsfit.physics.couplings import weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.terms import Monomial, Target, squared, target_at
from cevnsfit.physics.kernels import KERNELS, fold, recoil_nodes
from cevnsfit.physics.nuclei import composition, formula_units_per_gram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.detector.response import Stage
    from cevnsfit.physics.interactions.terms import Term
    from cevnsfit.spec.load import Experiment

COMPONENTS: Final = ("prompt", "delayed")
"""Arrival-time components; the pion's neutrino is prompt, those of the muon are delayed."""

_COMPONENT_OF: Final = {"nu_mu": 0, "nubar_mu": 1, "nu_e": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One experiment's signal without its charges.

    Attributes
    ----------
    targets
        The nuclides, each at its recoil nodes.
    kernels
        Names of the kernels that are folded.
    folds
        Counts per unit |Q|^2, shape (kernels, flavours, variants * energy bins, nodes of all targets); variant 0 is nominal.
    times
        Probability of each time bin, shape (variants, 2, time bins), for `COMPONENTS`; one bin of probability 1 without a time axis.
    auxiliary
        P(aux | energy), shape (energy bins, auxiliary bins).
    variants
        Names of the variants: "nominal", then "NAME:up", "NAME:down" for each response systematic.
    """

    targets: tuple[Target, ...]
    kernels: tuple[str, ...]
    folds: NDArray[np.float64]
    times: NDArray[np.float64]
    auxiliary: NDArray[np.float64]
    variants: tuple[str, ...]


def fold_signal(experiment: Experiment, kernels: Sequence[str] = ("vector",)) -> Signal:
    """Return the signal of `experiment` folded with fluxes, kernels, responses and arrival times.

    Raises
    ------
    CevnsfitError
        If a stage, radius or arrival-time model cannot be used as described.
    """
    spec = experiment.spec
    energy = experiment.axes[0]
    responses = _responses(experiment)
    edges = np.asarray(energy.edges)
    spectra = sources.pion_decay_at_rest()
    nominal = detector_stages(spec.response, experiment.tables)
    jumps = kinks(nominal, edges)
    couplings, shape = weak_couplings(spec.couplings), form_factor(spec.form_factor)
    radii = {name: (entry.proton, entry.neutron) for name, entry in spec.target.radii.items()}
    fluence = spec.source.yield_per_pot * spec.source.protons / (4.0 * math.pi * spec.source.distance**2)
    units = formula_units_per_gram(spec.target.compound) * spec.target.mass
    targets: list[Target] = []
    blocks: list[NDArray[np.float64]] = []
    for nuclide, number in composition(spec.target.compound, radii):
        t, weights = recoil_nodes(nuclide.mass, tuple(spectra.values()), kinks=jumps)
        matrices = np.concatenate([compose(stages, energy.name, edges, t).matrix for stages in responses.values()])
        rates = np.array([[fold(KERNELS[kernel], spectra[f], nuclide.mass, t) for f in sources.FLAVOURS] for kernel in kernels])
        scale = units * number * fluence * weights
        blocks.append((rates * scale)[:, :, None, :] * matrices)
        targets.append(target_at(nuclide, t, couplings, shape))
    return Signal(
        tuple(targets),
        tuple(kernels),
        np.concatenate(blocks, axis=-1),
        _times(experiment, responses),
        _auxiliary(experiment),
        tuple(responses),
    )


def _responses(experiment: Experiment) -> dict[str, tuple[Stage, ...]]:
    """Return the stages of each variant; an arrival shift keeps the nominal ones."""
    tables = experiment.tables
    nominal = detector_stages(experiment.spec.response, tables)
    responses = {"nominal": nominal}
    for name, systematic in experiment.spec.systematics.items():
        if not systematic.enabled:
            continue
        if systematic.kind == "response":
            up, down = experiment.variants[name]
            responses[f"{name}:up"], responses[f"{name}:down"] = detector_stages(up, tables), detector_stages(down, tables)
        elif systematic.kind == "arrival-shift":
            responses[f"{name}:up"] = responses[f"{name}:down"] = nominal
    return responses


def _auxiliary(experiment: Experiment) -> NDArray[np.float64]:
    energy = experiment.axes[0]
    matrix = np.ones((energy.nbins, 1))
    for axis in experiment.axes[1:]:
        entry = experiment.spec.auxiliary.get(axis.name)
        if entry is not None:
            given = experiment.tables[entry.table].on((energy, axis), entry.column)
            matrix = (matrix[:, :, None] * given[:, None, :]).reshape(energy.nbins, -1)
    return matrix


def time_axis(experiment: Experiment) -> Axis | None:
    """Return the time axis, or None."""
    last = experiment.axes[-1]
    return last if last.name == "time" else None


def _times(experiment: Experiment, variants: Mapping[str, object]) -> NDArray[np.float64]:
    axis = time_axis(experiment)
    if axis is None:
        return np.ones((len(variants), len(COMPONENTS), 1))
    shifts = []
    for variant in variants:
        name, _, side = variant.partition(":")
        systematic = experiment.spec.systematics.get(name)
        sigma = systematic.sigma if systematic is not None and systematic.kind == "arrival-shift" else 0.0
        shifts.append(sigma if side == "up" else -sigma)
    by_shift = {shift: _arrival(experiment, axis, shift) for shift in set(shifts)}
    return np.array([by_shift[shift] for shift in shifts])


def _arrival(experiment: Experiment, axis: Axis, shift: float) -> NDArray[np.float64]:
    """Return the probability of each time bin, shape (2, time bins)."""
    arrival = experiment.spec.source.arrival
    edges = np.asarray(axis.edges)
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
    loss = experiment.spec.time_efficiency
    if loss is None:
        return np.array([timing.bin_probabilities(density, edges) for density in (pulse.prompt_density, pulse.delayed_density)])
    return np.array(
        [
            timing.bin_probabilities(density, edges, lambda t: timing.exponential_efficiency(t, loss.start, loss.rate), kinks=(loss.start,))
            for density in (pulse.prompt_density, pulse.delayed_density)
        ]
    )


Charges = list["Mapping[tuple[str, str, str], Mapping[Monomial, NDArray[np.float64]]]"]


def charges(signal: Signal, terms: Sequence[Sequence[Term]]) -> tuple[tuple[Monomial, ...], NDArray[np.float64]]:
    """Return the squared charges of a model as one array.

    Parameters
    ----------
    signal
        The folded signal.
    terms
        The model's terms for each of its targets.

    Returns
    -------
    The monomials (J) in order of appearance, and |Q|^2 of each, shape (kernels, flavours, nodes of all targets, J).
    """
    squares = [squared(entry) for entry in terms]
    monomials = tuple(dict.fromkeys(monomial for square in squares for polynomial in square.values() for monomial in polynomial))
    index = {monomial: j for j, monomial in enumerate(monomials)}
    sizes = [len(target.t) for target in signal.targets]
    array = np.zeros((len(signal.kernels), len(sources.FLAVOURS), sum(sizes), len(monomials)))
    flavours: dict[str, list[int]] = {}
    for f, name in enumerate(sources.FLAVOURS):
        flavours.setdefault(sources.lepton_flavour(name), []).append(f)
    start = 0
    for square, size in zip(squares, sizes, strict=True):
        for (lepton, _, kernel), polynomial in square.items():
            k = signal.kernels.index(kernel)
            for f in flavours.get(lepton, ()):
                for monomial, values in polynomial.items():
                    array[k, f, start : start + size, index[monomial]] = values
        start += size
    return monomials, array


def contract(signal: Signal, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts of every variant.

    Parameters
    ----------
    signal
        The folded signal.
    q
        Squared charges, shape (kernels, flavours, nodes, J).

    Returns
    -------
    Shape (variants, J, energy bins, auxiliary bins, time bins).
    """
    counts = (signal.folds @ q).sum(axis=0)
    return spread(signal, counts)


def spread(signal: Signal, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energy counts per flavour, shape (flavours, variants * energy bins, J), spread over auxiliary and time bins."""
    variants, energies = len(signal.times), len(signal.auxiliary)
    parts = np.zeros((len(COMPONENTS), *counts.shape[1:]))
    for f, name in enumerate(sources.FLAVOURS):
        parts[_COMPONENT_OF[name]] += counts[f]
    by_time = parts.reshape(len(COMPONENTS), variants, energies, -1).transpose(1, 2, 3, 0) @ signal.times[:, None]
    return np.asarray(by_time.transpose(0, 2, 1, 3)[:, :, :, None, :] * signal.auxiliary[None, None, :, :, None])
