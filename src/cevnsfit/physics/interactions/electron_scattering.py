r"""Neutrino-electron scattering, for models that couple to electrons.

On a free electron, with g_L and g_R of L = -2 sqrt2 G_F [nubar gamma^mu P_L nu] [ebar gamma_mu (g_L P_L + g_R P_R) e],

    dsigma/dT = (2 G_F^2 m_e/pi) [g_L^2 + g_R^2 (1 - T/E)^2 - g_L g_R m_e T/E^2],

with g_L and g_R exchanged for antineutrinos ('t Hooft, Phys. Lett. B 37, 195 (1971)); an atom counts the electrons that the recoil can
eject. A vector coupling delta to the electron, that is g_V -> g_V + delta, moves g_L and g_R by delta/2 each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import fixed
from cevnsfit.physics.interactions.terms import ElectronTarget, Polynomial, PreparedModel, Term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float64
    from numpy.typing import NDArray

    from cevnsfit.physics.interactions.terms import Monomial


def standard_electrons(target: ElectronTarget) -> PreparedModel:
    """Return the Standard Model terms as a prepared model."""
    return fixed(electron_terms(target, {}))


def electron_terms(target: ElectronTarget, shifts: Mapping[str, Polynomial]) -> tuple[Term, ...]:
    """Return the Standard Model terms of all flavours with g_V moved by a polynomial in the couplings.

    Parameters
    ----------
    target
        The electrons.
    shifts
        Shift of g_V for each lepton flavour that has one.
    """
    unit = np.ones_like(target.t)
    terms: list[Term] = []
    for flavour in LEPTONS:
        left, right = target.couplings.left(flavour) * unit, target.couplings.right(flavour) * unit
        terms += _terms(target, flavour, (left, right), shifts.get(flavour, {}), "vector")
    return tuple(terms)


def transition_terms(target: ElectronTarget, flavour: str, amplitude: Polynomial, group: str) -> tuple[Term, ...]:
    """Return the terms of a vector coupling alone, that changes the flavour and does not interfere; in the group "vector" it moves g_V."""
    return tuple(_terms(target, flavour, None, amplitude, group))


def single_terms(target: ElectronTarget, kernel: str, amplitudes: Mapping[str, Polynomial]) -> tuple[Term, ...]:
    """Return terms of a kernel that does not interfere ("electron-scalar", "magnetic"), per electron, by lepton flavour."""
    return tuple(Term(f, "electron", kernel, _scaled(amplitude, target.root), group=kernel) for f, amplitude in amplitudes.items())


def _terms(
    target: ElectronTarget, flavour: str, standard: tuple[NDArray[float64], NDArray[float64]] | None, shift: Polynomial, group: str
) -> list[Term]:
    left, right = (_scaled(shift, 0.5 * target.root) for _ in range(2))
    if standard is not None:
        one: Monomial = ()
        left[one] = left.get(one, 0.0) + target.root * standard[0]
        right[one] = right.get(one, 0.0) + target.root * standard[1]
    both = {monomial: left[monomial] + right[monomial] for monomial in left}
    charges = {"electron-left": left, "electron-right": right, "electron-vector": both}
    return [Term(flavour, "electron", kernel, charge, group=group) for kernel, charge in charges.items()]


def _scaled(polynomial: Polynomial, factor: NDArray[float64]) -> dict[Monomial, NDArray[float64]]:
    return {monomial: factor * values for monomial, values in polynomial.items()}
