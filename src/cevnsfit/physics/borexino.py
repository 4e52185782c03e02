r"""Elastic scattering of solar 7Be neutrinos on electrons with a light vector boson, and what the rate at Borexino leaves of it.

Exchange of the boson moves g_V of flavour f by delta_f(T) = g^2 s_f(T)/(q^2 + M^2), q^2 = 2 m_e T. With the electron's charge q_e at tree level

    s_f = q_e q_f/(sqrt(2) G_F);

in L_mu - L_tau the electron is reached through the mixing of photon and boson alone, `interactions.vector_mediators.loop_mediator`,

    s_mu = -s_tau = -(sqrt(2) alpha/(pi G_F)) [eps(q^2) + slepton_log/24],   s_e = 0.

g_L and g_R move by delta_f/2 each in the cross section of `interactions.electron_scattering`, so that the rate on a line of energy E is

    R/R_SM = 1 + a(M) g^2 + b(M) g^4.

Muon and tau neutrinos arrive in equal numbers (maximal 2-3 mixing), so in L_mu - L_tau the interference a cancels,
but for the difference of their radiative corrections, 1e-3 of R, which is left out.

The published rate is one of the whole recoil spectrum. The fit of that spectrum begins near 0.27 MeV, where the boson adds relatively less: recoils above
it alone raise the limit on g by 6 %. The default compares with the rate of the Standard Solar Model of high metallicity without
an error, as is usual; its flux has an error of 6 %, with which the limit is 15 % higher, and the rate of low metallicity is 42.6.

References
----------
G. Bellini et al. (Borexino), Phys. Rev. Lett. 107, 141302 (2011), arXiv:1104.1816 (rate, survival probability); R. Harnik, J. Kopp,
P. A. N. Machado, JCAP 07 (2012) 026, arXiv:1202.6073 (light bosons in solar neutrino-electron scattering).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtri

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, MUON_MASS, TAU_MASS
from cevnsfit.physics.couplings import LEPTONS, electron_couplings
from cevnsfit.physics.interactions.vector_mediators import loop_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Floats


ENERGY: Final = 0.862
"""Energy of the line in MeV."""

RATE: Final = (46.0, math.hypot(1.5, 1.6))
"""Measured counts/(day 100 t) of the line, and the error above."""

STANDARD_RATE: Final = 46.7
"""Counts/(day 100 t) expected with oscillations for a flux of 4.93e9 cm^-2 s^-1 (high metallicity); 42.6 for 4.50e9."""

FLAVOURS: Final[Mapping[str, float]] = {"e": 0.51, "mu": 0.245, "tau": 0.245}
"""Probabilities with which a neutrino arrives as each flavour."""

_NODES: Final = 24
_LOOP: Final = math.sqrt(2.0) * FINE_STRUCTURE / (math.pi * FERMI_CONSTANT)
_CONTACT: Final = 1.0 / (math.sqrt(2.0) * FERMI_CONSTANT)


def borexino_limit(mass: ArrayLike, *, slepton_log: ArrayLike = 0.0, cl: float = 0.95) -> Floats:
    """Return the coupling of L_mu - L_tau above which the rate leaves its central interval from above.

    Parameters
    ----------
    mass
        Masses of the boson in MeV.
    slepton_log
        Sum over both states of ln(m_stau^2/m_smuon^2); broadcast with `mass`.
    cl
        Confidence level of the central interval; 0.95 is 1.96 standard errors of the measurement, R/R_SM < 1.077.

    Returns
    -------
    The shape of both broadcast; infinite where loops of leptons and sleptons cancel.

    Raises
    ------
    DomainError
        If a mass or the confidence level does not suit.
    """
    logs = np.asarray(slepton_log, dtype=np.float64)
    t, weights = _recoils()
    loop = loop_function(2.0 * ELECTRON_MASS * t, MUON_MASS, TAU_MASS)
    kernel = weights * _square(t) * (FLAVOURS["mu"] + FLAVOURS["tau"]) * _LOOP**2
    propagator = _propagator(np.asarray(mass, dtype=np.float64), t) ** 2
    constant, linear, square = (propagator @ (kernel * loop**power) for power in (2, 1, 0))
    rise = constant + logs / 12.0 * linear + (logs / 24.0) ** 2 * square
    with np.errstate(divide="ignore"):
        return np.asarray((_excess(cl) / rise) ** 0.25)


def borexino_tree_limit(mass: ArrayLike, charges: Mapping[str, float], *, cl: float = 0.95) -> Floats:
    """Return the coupling above which the rate leaves its central interval from above, for a boson with lepton charges at tree level.

    Parameters
    ----------
    mass
        Masses of the boson in MeV.
    charges
        Charge of each lepton flavour "e", "mu", "tau", that of the neutrino and of the charged lepton.
    cl
        Confidence level, see `borexino_limit`.

    Raises
    ------
    DomainError
        If the electron has no charge, the boson lowers the rate at small couplings, or a number does not suit.
    """
    if charges["e"] == 0.0:
        message = "the electron has no charge at tree level; its charge from loops is computed only for L_mu - L_tau"
        raise DomainError(message)
    linear, square = rate_coefficients(mass, {flavour: charges["e"] * charges[flavour] * _CONTACT for flavour in LEPTONS})
    if np.any(linear < 0.0):
        message = "with these charges the boson lowers the rate at small couplings, so that its coupling has no single upper limit"
        raise DomainError(message)
    excess = _excess(cl)
    return np.asarray(np.sqrt(2.0 * excess / (linear + np.sqrt(linear**2 + 4.0 * square * excess))))


def rate_coefficients(mass: ArrayLike, strengths: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return a and b of the ratio of rates 1 + a g^2 + b g^4 in the shape of `mass`, for constant strengths s_f in MeV^2, see the module."""
    t, weights = _recoils()
    couplings, propagator = electron_couplings("default"), _propagator(np.asarray(mass, dtype=np.float64), t)
    mixed, squares = np.zeros_like(t), np.zeros_like(t)
    for flavour, strength in strengths.items():
        left, right = couplings.left(flavour), couplings.right(flavour)
        bracket = left + right * (1.0 - t / ENERGY) ** 2 - 0.5 * (left + right) * ELECTRON_MASS * t / ENERGY**2
        mixed += FLAVOURS[flavour] * strength * bracket
        squares += FLAVOURS[flavour] * strength**2 * _square(t)
    return propagator @ (weights * mixed), propagator**2 @ (weights * squares)


def _excess(cl: float) -> float:
    """Return R/R_SM - 1 at the upper end of the central interval."""
    excess = (RATE[0] + float(ndtri(0.5 * (1.0 + cl))) * RATE[1]) / STANDARD_RATE - 1.0
    if not excess > 0.0:
        message = f"the central interval at {cl:g} excludes the Standard Model, so there is no coupling to bound"
        raise DomainError(message)
    return excess


def _recoils() -> tuple[Floats, Floats]:
    """Return recoil energies of the electron in MeV, with quadrature weights over the integral of the bracket of the cross section in the Standard Model."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = ENERGY**2 / (ELECTRON_MASS + 2.0 * ENERGY)
    t, couplings, bracket = half * (x + 1.0), electron_couplings("default"), np.zeros(_NODES)
    for flavour, probability in FLAVOURS.items():
        left, right = couplings.left(flavour), couplings.right(flavour)
        bracket += probability * (left**2 + right**2 * (1.0 - t / ENERGY) ** 2 - left * right * ELECTRON_MASS * t / ENERGY**2)
    return t, w / (w @ bracket)


def _square(t: Floats) -> Floats:
    """Return the bracket of the cross section for g_L = g_R = 1/2."""
    return 0.25 * (1.0 + (1.0 - t / ENERGY) ** 2 - ELECTRON_MASS * t / ENERGY**2)


def _propagator(mass: Floats, t: Floats) -> Floats:
    """Return 1/(q^2 + M^2), shape (*mass.shape, len(t))."""
    if not np.all(mass > 0.0):
        message = f"masses of the boson are positive, got {np.min(mass):g} MeV"
        raise DomainError(message)
    return np.asarray(1.0 / (2.0 * ELECTRON_MASS * t + mass[..., None] ** 2))
