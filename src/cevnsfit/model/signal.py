"""The signal of one experiment: everything but the weak charges folded into matrices, once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cevnsfit.core.errors import AxisError
from cevnsfit.detector.response import T_MAX, Matrix, Smear, compose, kinks
from cevnsfit.model.effect import NOMINAL
from cevnsfit.model.flux import Flux, flux_of
from cevnsfit.model.nuclei import elements_of, form_factors_of, nuclei_of
from cevnsfit.model.reactions import happens_on, reaction_of
from cevnsfit.model.stages import without_quenching
from cevnsfit.model.systematics import sources_of, variants_of, weights_of
from cevnsfit.physics import sources
from cevnsfit.physics.atoms import shells
from cevnsfit.physics.constants import ELECTRON_MASS
from cevnsfit.physics.couplings import electron_couplings, weak_couplings
from cevnsfit.physics.interactions.terms import (
    ElectronTarget,
    Monomial,
    PreparedModel,
    ReactionTarget,
    Target,
    electrons_at,
    on_sources,
    squared,
    target_at,
)
from cevnsfit.physics.kernels import KernelKey, fold_channel, kernel_of
from cevnsfit.physics.kinematics import panel_nodes, recoil_edges, t_max
from cevnsfit.spec.tables import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cevnsfit.detector.response import Stage
    from cevnsfit.physics.nuclei import Nuclide
    from cevnsfit.physics.reactions import Reaction
    from cevnsfit.physics.sources import Spectrum
    from cevnsfit.spec.load import Experiment

AnyTarget = Target | ElectronTarget | ReactionTarget

Squares = Mapping[tuple[str, str, KernelKey], Mapping[Monomial, NDArray[np.float64]]]
"""|Q|^2 on one target by (flavour, target, kernel), as polynomials in the couplings."""

_FEW: Final = 20
"""Spectra up to which their kinematic ends leave panels of recoil energy that need the full order."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """The recoil nodes of one target.

    Attributes
    ----------
    mass
        Mass of what recoils in MeV.
    t
        Recoil energies in MeV, shape (n,).
    scale
        Targets times fluence times weight of the node, shape (n,).
    response
        Response of every variant, shape (variants * energy bins, n).
    edges
        Edges in MeV of the panels that the nodes are in; None where some are left out.
    reaction
        What is seen at visible energies instead of recoils; None for recoils.
    """

    mass: float
    t: NDArray[np.float64]
    scale: NDArray[np.float64]
    response: NDArray[np.float64]
    edges: NDArray[np.float64] | None = None
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One experiment's signal without its charges.

    Attributes
    ----------
    targets
        What recoils, each at its nodes: the nuclides, then the electrons of each element where they are asked for, then the reactions.
    nodes
        The nodes of each target.
    baseline
        Distance from the source in cm.
    kernels
        The kernels that are folded.
    folds
        Counts per unit |Q|^2, shape (kernels, flavours, variants * energy bins * slices of the flux, nodes of all targets); variant 0 is
        nominal.
    flux
        The neutrinos and their arrival times.
    auxiliary
        P(aux | energy) of nuclear recoils and of all else, shape (2, energy bins, auxiliary bins). Energy bins are those of all axes that the
        response reaches.
    variants
        Names of the variants: the nominal one, then those of systematics.
    fluxes
        The flux of each variant, which differs in its spectra; empty where all have the nominal one.
    """

    targets: tuple[AnyTarget, ...]
    nodes: tuple[Nodes, ...]
    baseline: float
    kernels: tuple[KernelKey, ...]
    folds: NDArray[np.float64]
    flux: Flux
    auxiliary: NDArray[np.float64]
    variants: tuple[str, ...]
    fluxes: tuple[Flux, ...] = ()


def fold_signal(
    experiment: Experiment, kernels: Sequence[KernelKey] = ("vector",), *, electrons: bool = False, moving: bool = False
) -> Signal:
    """Return the signal of `experiment` folded with fluxes, kernels, responses and arrival times.

    Parameters
    ----------
    experiment
        The description.
    kernels
        What to fold; `with_kernels` folds others later.
    electrons
        Add the electrons of the target: they recoil too, and are seen without quenching. Where the window cuts them there are none.
    moving
        Keep arrival times apart, see `model.flux.flux_of`.

    Raises
    ------
    CevnsfitError
        If a stage, radius or arrival-time model cannot be used as described, or the response to electrons is not known.
    """
    spec = experiment.spec
    responses = variants_of(experiment)
    flux = flux_of(experiment, moving=moving)
    nuclei = nuclei_of(experiment)
    recoiling = [
        *(_nuclear(experiment, responses, flux, nuclei) if spec.target.cevns else ()),
        *(_electronic(experiment, responses, flux, nuclei) if electrons and spec.sees_electrons() else ()),
        *_reacting(experiment, responses, flux, nuclei),
    ]
    targets, nodes = zip(*recoiling, strict=True)
    empty = np.zeros((0, len(flux.flavours), len(nodes[0].response) * flux.slices, sum(len(entry.t) for entry in nodes)))
    changed = {name: flux_of(experiment, moving=moving, source=source) for name, source in sources_of(experiment).items()}
    fluxes = tuple(changed.get(name, flux) for name in responses) if changed else ()
    signal = Signal(targets, nodes, spec.source.distance, (), empty, flux, _auxiliary(experiment), tuple(responses), fluxes)
    return with_kernels(signal, kernels)


def _nuclear(
    experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]], flux: Flux, nuclei: tuple[tuple[Nuclide, float], ...]
) -> Iterator[tuple[Target, Nodes]]:
    """Yield each nuclide with its nodes."""
    spec = experiment.spec
    couplings, (of_protons, of_neutrons) = weak_couplings(spec.couplings), form_factors_of(experiment, nuclei)
    last = max([T_MAX, *(float(t_max(flux.end, nuclide.mass)) for nuclide, _ in nuclei)])
    jumps, weights = _jumps(experiment, responses, last), weights_of(experiment)
    for nuclide, number in nuclei:
        edges, t, w = _rule(flux, nuclide.mass, jumps)
        scale = number * flux.fluence * w
        target = target_at(nuclide, t, couplings, of_neutrons, nuclei, of_protons)
        stacked = _stacked(experiment, responses, t).reshape(len(responses), -1, len(t))
        for place, name in enumerate(responses):
            stacked[place] *= weights[name](target) if name in weights else 1.0
        yield target, Nodes(nuclide.mass, t, scale, stacked.reshape(-1, len(t)), edges)


def _electronic(
    experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]], flux: Flux, nuclei: tuple[tuple[Nuclide, float], ...]
) -> Iterator[tuple[ElectronTarget, Nodes]]:
    """Yield the electrons of each element with their nodes, without those that are not seen."""
    seen = _without_quenching(experiment, responses)
    jumps = _jumps(experiment, seen)
    couplings = electron_couplings(experiment.spec.couplings)
    for nuclide, number in elements_of(nuclei):
        table = experiment.spec.target.electrons.get(nuclide.symbol)
        known = (
            None if table is None else (experiment.tables[table.table].values(SEEN), experiment.tables[table.table].values(table.column))
        )
        steps = [energy for _, energy in shells(nuclide.Z)] if known is None else known[0]
        _, t, weights = _rule(flux, ELECTRON_MASS, [*steps, *jumps])
        matrix = _stacked(experiment, seen, t)
        used = matrix.any(axis=0)
        scale = number * flux.fluence * weights[used]
        ejected = None if known is None else np.interp(t[used], *known)
        yield electrons_at(nuclide, t[used], couplings, ejected), Nodes(ELECTRON_MASS, t[used], scale, matrix[:, used])


def _reacting(
    experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]], flux: Flux, nuclei: tuple[tuple[Nuclide, float], ...]
) -> Iterator[tuple[ReactionTarget, Nodes]]:
    """Yield the reactions with their visible energies, which are seen as electrons are."""
    if not experiment.spec.target.reactions:
        return
    seen = _without_quenching(experiment, responses)
    jumps = _jumps(experiment, seen, flux.end)
    for name in experiment.spec.target.reactions:
        reaction, t = reaction_of(experiment, name, flux, jumps)
        scale = np.full_like(t, happens_on(experiment, name, nuclei) * flux.fluence)
        yield ReactionTarget(name, t), Nodes(0.0, t, scale, _stacked(experiment, seen, t), reaction=reaction)


def _without_quenching(experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]]) -> dict[str, tuple[Stage, ...]]:
    return {key: without_quenching(stages, experiment.name, quenched=experiment.spec.target.cevns) for key, stages in responses.items()}


def _jumps(experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]], last: float = T_MAX) -> NDArray[np.float64]:
    """Return the kinks of the nominal response up to an energy in MeV, and those of the others whose edges nothing smears."""
    edges = _reached(experiment)[1]
    sharp = [stages for name, stages in responses.items() if name == NOMINAL or not any(isinstance(s, Smear | Matrix) for s in stages)]
    return np.unique(np.concatenate([kinks(stages, edges, last) for stages in sharp]))


def _rule(flux: Flux, mass: float, jumps: Iterable[float]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return panel edges, nodes and weights of the recoil energy, with an edge at the kinematic end of each jump of the spectra."""
    spectra = tuple(dict.fromkeys(spectrum for several in flux.spectra for spectrum in several))
    ends = [float(t_max(energy, mass)) for energy in {jump for spectrum in spectra for jump in spectrum.jumps}]
    edges = recoil_edges(mass, spectra, kinks=[*jumps, *ends])
    return edges, *panel_nodes(edges, 14 if len(spectra) <= _FEW else 8)


def with_kernels(signal: Signal, kernels: Sequence[KernelKey]) -> Signal:
    """Return the signal with exactly these kernels folded; those that it has are not folded again."""
    if tuple(kernels) == signal.kernels:
        return signal
    folds = [signal.folds[signal.kernels.index(key)] if key in signal.kernels else _fold(signal, key) for key in kernels]
    return dataclasses.replace(signal, kernels=tuple(kernels), folds=np.array(folds))


def _fold(signal: Signal, key: KernelKey) -> NDArray[np.float64]:
    blocks = []
    variants = len(signal.variants)
    for entry in signal.nodes:
        known = {id(flux): _rates(signal, flux, entry, key) for flux in (signal.flux, *signal.fluxes)}
        rates = np.stack([known[id(flux)] for flux in signal.fluxes or (signal.flux,)], axis=1) * entry.scale
        response = entry.response.reshape(variants, -1, 1, len(entry.t))
        blocks.append((rates[:, :, None] * response).reshape(len(rates), -1, len(entry.t)))
    return np.concatenate(blocks, axis=-1)


def _rates(signal: Signal, flux: Flux, entry: Nodes, key: KernelKey) -> NDArray[np.float64]:
    """Return the folds of the flavours, shape (flavours, slices, nodes); flavours with the same spectrum share theirs. A reaction knows weights, no kernels."""
    several = list(zip(flux.flavours, flux.spectra, flux.weights, strict=True))
    if entry.reaction is not None:
        rates = entry.reaction.rates
        return np.array(
            [w @ np.array([rates(name, spectrum, key, signal.baseline) for spectrum in spectra]) for name, spectra, w in several]
        )
    distinct: dict[str, dict[Spectrum, None]] = {}
    for name, spectra, _ in several:
        distinct.setdefault(_handed(key, name), {}).update(dict.fromkeys(spectra))
    known: dict[tuple[str, Spectrum], NDArray[np.float64]] = {}
    for hand, own in distinct.items():
        found = fold_channel(key, hand, [*own], entry.mass, entry.t, baseline=signal.baseline, edges=entry.edges)
        known |= {(hand, spectrum): values for spectrum, values in zip(own, found, strict=True)}
    return np.array([w @ np.array([known[_handed(key, name), spectrum] for spectrum in spectra]) for name, spectra, w in several])


def _handed(key: KernelKey, flavour: str) -> str:
    """Return a flavour that stands for all with the same kernel: a neutrino, or an antineutrino where it has a kernel of its own."""
    return "nubar_e" if flavour.startswith("nubar") and kernel_of(key).antineutrino is not None else "nu_e"


def _stacked(experiment: Experiment, responses: Mapping[str, tuple[Stage, ...]], t: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.concatenate([compose(stages, *_reached(experiment), t).matrix for stages in responses.values()])
    except AxisError as error:
        message = f"{experiment.label}: response: {error}"
        raise AxisError(message) from None


def _reached(experiment: Experiment) -> tuple[str, NDArray[np.float64]]:
    """Return what the response reaches, and its edges: an axis, or the numbers of the bins of several in C order."""
    first, *others = experiment.reached
    if not others:
        return first.quantity, np.asarray(first.edges)
    return " x ".join(axis.name for axis in experiment.reached), np.arange(math.prod(axis.nbins for axis in experiment.reached) + 1.0)


def _auxiliary(experiment: Experiment) -> NDArray[np.float64]:
    energy, bins = experiment.axes[0], len(_reached(experiment)[1]) - 1
    matrix = np.ones((2, bins, 1))
    for axis in experiment.axes[1:]:
        entry = experiment.spec.auxiliary.get(axis.name)
        if entry is not None:
            table = experiment.tables[entry.table]
            nuclei = table.given(energy, axis, entry.column)
            electrons = np.zeros_like(nuclei) if entry.electrons is None else table.given(energy, axis, entry.electrons)
            matrix = (matrix[..., None] * np.array([nuclei, electrons])[:, :, None, :]).reshape(2, bins, -1)
    return matrix


def squares_of(signal: Signal, prepared: Sequence[PreparedModel], shape: Mapping[str, float]) -> list[Squares]:
    """Return the squared terms of each target; flavours without flux are left out."""
    return [squared(on_sources(terms(shape), signal.flux.flavours)) for terms in prepared]


def kernels_of(squares: Sequence[Squares]) -> tuple[KernelKey, ...]:
    """Return the kernels that squared terms name, in order of appearance."""
    return tuple(dict.fromkeys(kernel for square in squares for _, _, kernel in square))


def charges(signal: Signal, squares: Sequence[Squares]) -> tuple[tuple[Monomial, ...], NDArray[np.float64]]:
    """Return the squared charges of a model as one array.

    Parameters
    ----------
    signal
        The folded signal, with the kernels of the model.
    squares
        The squared terms of the model for each of its targets.

    Returns
    -------
    The monomials (J) in order of appearance, and |Q|^2 of each, shape (kernels, flavours, nodes of all targets, J).
    """
    flavours: dict[str, list[int]] = {}
    for f, name in enumerate(signal.flux.flavours):
        for flavour in (name, sources.lepton_flavour(name)):
            flavours.setdefault(flavour, []).append(f)
    seen = [(target, key, polynomial) for target, square in enumerate(squares) for key, polynomial in square.items()]
    monomials = tuple(dict.fromkeys(monomial for _, _, polynomial in seen for monomial in polynomial))
    index = {monomial: j for j, monomial in enumerate(monomials)}
    starts = np.cumsum([0, *(len(entry.t) for entry in signal.nodes)])
    array = np.zeros((len(signal.kernels), len(signal.flux.flavours), int(starts[-1]), len(monomials)))
    for target, (flavour, _, kernel), polynomial in seen:
        k = signal.kernels.index(kernel)
        for f in flavours[flavour]:
            for monomial, values in polynomial.items():
                array[k, f, starts[target] : starts[target + 1], index[monomial]] = values
    return monomials, array


def contract(signal: Signal, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts of every variant, with the parameters of `by_arrival`, shape (variants, J, energy bins, auxiliary bins, time bins)."""
    return np.asarray(np.tensordot(by_arrival(signal, q), signal.flux.times, axes=(0, 0)))


def by_arrival(signal: Signal, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts of every variant by arrival.

    Parameters
    ----------
    signal
        The folded signal.
    q
        Squared charges, shape (kernels, flavours, nodes, J).

    Returns
    -------
    Shape (arrivals, variants, J, energy bins, auxiliary bins).
    """
    nuclear = sum(len(target.t) for target in signal.targets if isinstance(target, Target))
    counts = spread(signal, (signal.folds[..., :nuclear] @ q[:, :, :nuclear]).sum(axis=0), signal.auxiliary[0])
    if nuclear < q.shape[2]:
        counts += spread(signal, (signal.folds[..., nuclear:] @ q[:, :, nuclear:]).sum(axis=0), signal.auxiliary[1])
    return counts


def spread(signal: Signal, counts: NDArray[np.float64], auxiliary: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energy counts per flavour, shape (flavours, variants * energy bins * slices, J), by arrival, and spread over auxiliary bins."""
    slices, bins = signal.flux.slices, len(auxiliary)
    found = signal.flux.by_arrival(counts.reshape(len(counts), counts.shape[1] // slices, slices, -1))
    found = found.reshape(len(found), -1, bins, found.shape[-1]).transpose(0, 1, 3, 2)
    parts = found[..., None] * auxiliary
    bands = signal.flux.bands[:, None, None, :, None]
    return np.asarray((parts[:, None] * bands).reshape(-1, *parts.shape[1:])) if len(bands) > 1 else np.asarray(parts)


def nominal_of(signal: Signal) -> Signal:
    """Return the signal with the nominal response alone."""
    number = len(signal.variants)
    nodes = tuple(dataclasses.replace(entry, response=entry.response[: len(entry.response) // number]) for entry in signal.nodes)
    folds = np.ascontiguousarray(signal.folds[:, :, : signal.folds.shape[2] // number])
    return dataclasses.replace(signal, nodes=nodes, folds=folds, variants=signal.variants[:1], fluxes=())


def counts_of(signal: Signal, prepared: Sequence[PreparedModel], values: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the counts of the first variant, shape (bins,), at values of couplings and nonlinear parameters: no template of a monomial is made."""
    squares = squares_of(signal, prepared, values)
    signal = with_kernels(signal, kernels_of(squares))
    monomials, q = charges(signal, squares)
    factors = np.array([math.prod(values[name] ** power for name, power in monomial) for monomial in monomials])
    return np.asarray(contract(signal, (q @ factors)[..., None])[0].ravel())
