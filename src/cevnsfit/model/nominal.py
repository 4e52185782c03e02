"""Expected counts at nominal nuisances: charges evaluated as numbers, folded with the nominal response alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.model.signal import spread, with_kernels
from cevnsfit.physics import sources
from cevnsfit.physics.interactions.terms import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.model.signal import Signal
    from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, Term
    from cevnsfit.physics.kernels import KernelKey

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Nominal:
    """The nominal counts of one experiment as a function of couplings and nonlinear parameters.

    Attributes
    ----------
    signal
        The folded signal with the kernels of the model.
    prepared
        For each target, the model's terms.
    folds
        The part of `signal.folds` of the nominal response, for nuclear and for electron recoils, each of shape
        (kernels, flavours, energy bins * slices, nodes).
    """

    signal: Signal
    prepared: tuple[PreparedModel, ...]
    folds: tuple[Floats, Floats]


def nominal_of(signal: Signal, prepared: tuple[PreparedModel, ...]) -> Nominal:
    """Return the nominal counts of a folded signal and its model."""
    rows = signal.folds.shape[2] // len(signal.variants)
    nuclear = sum(len(target.t) for target in signal.targets if isinstance(target, Target))
    first = signal.folds[:, :, :rows]
    return Nominal(signal, prepared, (np.ascontiguousarray(first[..., :nuclear]), np.ascontiguousarray(first[..., nuclear:])))


def signal_counts(nominal: Nominal, values: Mapping[str, float]) -> Floats:
    """Return the signal counts, shape (bins,), at values of couplings and nonlinear parameters."""
    found = [terms(values) for terms in nominal.prepared]
    signal, leptons = nominal.signal, nominal.signal.flux.leptons
    kernels = tuple(dict.fromkeys(term.kernel for terms in found for term in terms if term.flavour in leptons))
    if kernels != signal.kernels:  # those of some models depend on nonlinear parameters
        nominal = nominal_of(with_kernels(signal, kernels), nominal.prepared)
        signal = nominal.signal
    blocks = [_squares(signal, terms, len(target.t), values) for target, terms in zip(signal.targets, found, strict=True)]
    q = np.concatenate(blocks, axis=-1)
    nuclear, electrons = nominal.folds
    cut = nuclear.shape[-1]
    counts = spread(signal, (nuclear @ q[..., :cut, None]).sum(axis=0), signal.auxiliary[0])
    if cut < q.shape[-1]:
        counts = counts + spread(signal, (electrons @ q[..., cut:, None]).sum(axis=0), signal.auxiliary[1])
    return np.tensordot(counts, signal.flux.times, axes=(0, 0)).ravel()


def _squares(signal: Signal, terms: tuple[Term, ...], size: int, values: Mapping[str, float]) -> Floats:
    """Return |Q|^2 on one target, shape (kernels, flavours, nodes): terms of a group add before squaring, groups after."""
    result = np.zeros((len(signal.kernels), len(signal.flux.flavours), size))
    leptons = [sources.lepton_flavour(name) for name in signal.flux.flavours]
    amplitudes: dict[tuple[str, KernelKey, str], Floats] = {}
    factors: dict[tuple[str, KernelKey, str], float] = {}
    for term in terms:
        if term.flavour not in leptons:
            continue
        key = (term.flavour, term.kernel, term.group)
        factors[key] = _power(term.factor, values)
        for monomial, vector in term.charge.items():
            part = _power(monomial, values) * vector if monomial else vector
            amplitudes[key] = amplitudes[key] + part if key in amplitudes else part
    for key, charge in amplitudes.items():
        square = factors[key] * charge * charge
        row = result[signal.kernels.index(key[1])]
        for f, lepton in enumerate(leptons):
            if lepton == key[0]:
                row[f] += square
    return result


def _power(monomial: Monomial, values: Mapping[str, float]) -> float:
    result = 1.0
    for name, power in monomial:
        result *= values[name] ** power
    return result
