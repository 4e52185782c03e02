r"""Neutrino tridents nu_mu N -> nu_mu mu+ mu- N with the gauge boson of L_mu - L_tau.

The boson changes the vector coupling of the muon current to the muon neutrino, at momentum transfer Q^2 from the neutrino,

    c_V(Q^2) = 1/2 + 2 s_W^2 + v^2 g^2/(M^2 + Q^2),    c_A = 1/2,    v^2 = 1/(sqrt(2) G_F),

and nothing else. The nucleus is a source of equivalent photons. A photon of squared centre-of-mass energy s with the neutrino gives

    d sigma/dx dQ^2 = G_F^2/(4 pi) (alpha/pi) sum_{K = V, A} c_K^2 [(1 + (1 - y)^2) f_2^K - y^2 f_L^K],   x = Q^2/(W^2 + Q^2) = Q^2/(y s),

with the structure functions x (alpha/pi) f of a photon target that splits into muons of invariant mass W. The interference of V and A
is odd under exchange of the muons and vanishes, so neutrinos and antineutrinos are alike. With m the muon's mass, r = m^2/Q^2,
b = sqrt(1 - 4 m^2/W^2) and l = ln[(1 + b)/(1 - b)],

    f_2^V = b [8 x (1 - x) - 1 - 4 x (1 - x) r] + l [x^2 + (1 - x)^2 + 4 x (1 - 3 x) r - 8 x^2 r^2]
    f_L^V = 4 x [(1 - x) b - 2 x r l]
    f_2^A = f_2^V + 4 r l
    f_L^A = f_L^V - 8 x (1 - x) r (b - l) + 4 r l - 16 x^2 r^2 l.

Kinetic mixing does not enter: it couples the muons to charge, not to the neutrino. Scattering on single nucleons is left out.

References
----------
W. Altmannshofer, S. Gori, M. Pospelov, I. Yavin, Phys. Rev. Lett. 113, 091801 (2014), arXiv:1406.2332 (couplings, equivalent photons);
S. R. Mishra et al. (CCFR), Phys. Rev. Lett. 66, 3117 (1991); V. M. Budnev et al., Phys. Rept. 15, 181 (1975), appendix E (f^V). The axial f is
derived from traces; the tests compare the cross section with a sum over the three-body phase space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtri

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.constants import FERMI_CONSTANT, FM, MUON_MASS, SIN2_THETA_W
from cevnsfit.physics.form_factors import helm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CCFR_RATIO: Final = (0.82, 0.28)
"""sigma/sigma_SM of CCFR and its error (as quoted in arXiv:1406.2332)."""

CCFR_ENERGY: Final = 160e3
"""Mean energy of the neutrinos in MeV (arXiv:1406.2332)."""

SMALLEST_MASS: Final = 1.0
"""Smallest mediator mass in MeV for which the integrals over Q^2 are done."""

_IRON_RADIUS: Final = 3.737 * FM  # rms charge radius of Fe-56: Angeli and Marinova, At. Data Nucl. Data Tables 99, 69 (2013)
_LARGEST_Q: Final = 600.0  # MeV; the squared form factor of iron is below 1e-6 there
_VACUUM: Final = 1.0 / (math.sqrt(2.0) * FERMI_CONSTANT)  # v^2 in MeV^2
_VECTOR: Final = 0.5 + 2.0 * SIN2_THETA_W
_AXIAL: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TridentSpectrum:
    """Shares of the Standard Model cross section by Q^2, with quadrature weights.

    Attributes
    ----------
    q_squared
        Nodes in MeV^2, shape (n,).
    vector
        What each node adds to sigma/sigma_SM through c_V^2, shape (n,).
    axial
        The whole share of c_A^2.
    """

    q_squared: NDArray[np.float64]
    vector: NDArray[np.float64]
    axial: float


def structure_functions(w_squared: ArrayLike, q_squared: ArrayLike, *, axial: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return f_2 and f_L of a real photon that splits into a muon pair, at W^2 and Q^2 in MeV^2, for a vector or an axial current."""
    w2, q2 = np.asarray(w_squared, dtype=np.float64), np.asarray(q_squared, dtype=np.float64)
    x, r = q2 / (w2 + q2), MUON_MASS**2 / q2
    b = np.sqrt(np.clip(1.0 - 4.0 * MUON_MASS**2 / w2, 0.0, None))
    log = 2.0 * np.arctanh(b)
    second = b * (8.0 * x * (1.0 - x) - 1.0 - 4.0 * x * (1.0 - x) * r)
    second = second + log * (x**2 + (1.0 - x) ** 2 + 4.0 * x * (1.0 - 3.0 * x) * r - 8.0 * (x * r) ** 2)
    longitudinal = 4.0 * x * ((1.0 - x) * b - 2.0 * x * r * log)
    if axial:
        second = second + 4.0 * r * log
        longitudinal = longitudinal - 8.0 * x * (1.0 - x) * r * (b - log) + 4.0 * r * log - 16.0 * (x * r) ** 2 * log
    return second, longitudinal


def trident_spectrum(energy: float = CCFR_ENERGY, radius: float = _IRON_RADIUS, *, nodes: int = 64) -> TridentSpectrum:
    """Return the spectrum in Q^2 of tridents on a nucleus.

    Parameters
    ----------
    energy
        Energy of the neutrino in MeV.
    radius
        rms charge radius of the nucleus in cm (Helm's form factor); that of iron by default.
    nodes
        Gauss-Legendre nodes of each of the three integrals.

    Raises
    ------
    DomainError
        If the energy is too small to make muon pairs on the nucleus.
    """
    s_max, threshold = 2.0 * energy * _LARGEST_Q, 4.0 * MUON_MASS**2
    if not s_max > 2.0 * threshold:
        message = f"a neutrino of {energy:g} MeV does not make muon pairs on a nucleus"
        raise DomainError(message)
    t, w = _unit_nodes(nodes)
    # ln Q^2, then ln s between its threshold and its end
    low, high = math.log(1e-6), math.log(s_max - threshold)
    q2 = np.exp(low + (high - low) * t)
    span = np.log(s_max / (threshold + q2))[:, None]
    s = (threshold + q2)[:, None] * np.exp(span * t)
    weight = (w * q2)[:, None] * span * w * _photons(s / (2.0 * energy), radius)
    vector, axial = ((weight * _at_q_squared(q2, s, nodes, axial=flag)).sum(axis=1) for flag in (False, True))
    total = _VECTOR**2 * vector.sum() + _AXIAL**2 * axial.sum()
    return TridentSpectrum(q2, _VECTOR**2 * vector / total, float(_AXIAL**2 * axial.sum() / total))


def trident_limit(
    mass: ArrayLike, spectrum: TridentSpectrum, *, cl: float = 0.95, measured: tuple[float, float] = CCFR_RATIO
) -> NDArray[np.float64]:
    """Return the coupling above which sigma/sigma_SM leaves the central interval of the measurement, in the shape of `mass` (MeV).

    Parameters
    ----------
    mass
        Mediator masses in MeV.
    spectrum
        From `trident_spectrum`.
    cl
        Confidence level of the central interval of a normal distribution; 0.95 is 1.96 standard errors.
    measured
        sigma/sigma_SM and its error; CCFR's by default.

    Raises
    ------
    DomainError
        If a mass is below `SMALLEST_MASS`, or the interval leaves out the Standard Model.
    """
    excess = measured[0] + float(ndtri(0.5 * (1.0 + cl))) * measured[1] - 1.0
    if not excess > 0.0:
        message = f"{measured[0]:g} +- {measured[1]:g} at {cl:g} excludes the Standard Model, so there is no coupling to bound"
        raise DomainError(message)
    interference, square = _moments(mass, spectrum)
    return np.asarray(np.sqrt(excess / (interference + np.sqrt(interference**2 + square * excess))))


def _moments(mass: ArrayLike, spectrum: TridentSpectrum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what 2 g^2 and g^4 multiply in sigma/sigma_SM."""
    masses = np.asarray(mass, dtype=np.float64)
    if not np.all(masses >= SMALLEST_MASS):
        message = f"tridents are computed for mediators of {SMALLEST_MASS:g} MeV or more, got {np.min(masses):g} MeV"
        raise DomainError(message)
    shift = _VACUUM / _VECTOR / (masses[..., None] ** 2 + spectrum.q_squared)
    return np.asarray(shift @ spectrum.vector), np.asarray(shift**2 @ spectrum.vector)


def _at_q_squared(q2: NDArray[np.float64], s: NDArray[np.float64], nodes: int, *, axial: bool) -> NDArray[np.float64]:
    """Return the integral over x of the bracket in the module's formula, shape (len(q2), number of s)."""
    t, w = _unit_nodes(nodes)
    smallest = np.minimum((4.0 * MUON_MASS**2 + q2[:, None]) / s, 1.0)[..., None]
    # ln y runs from its smallest value to 0 as t^2, which removes the square root at threshold
    span = -np.log(smallest)
    y = smallest * np.exp(span * t**2)
    invariant, photon = q2[:, None, None], s[..., None] if s.ndim == 2 else s[None, :, None]
    second, longitudinal = structure_functions(np.maximum(y * photon - invariant, 4.0 * MUON_MASS**2), invariant, axial=axial)
    bracket = (1.0 + (1.0 - y) ** 2) * second - y**2 * longitudinal
    # dx = Q^2/(s y) d ln y
    return np.asarray((bracket * invariant / (photon * y) * span * 2.0 * t * w).sum(axis=-1))


def _photons(q: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the integral of F^2(q') d ln q'^2 from q (MeV) on."""
    grid = np.geomspace(1e-3, 1.5 * _LARGEST_Q, 4001)
    height = 2.0 * helm(grid, radius) ** 2
    step = math.log(grid[1] / grid[0])
    above = np.concatenate([np.cumsum(0.5 * step * (height[1:] + height[:-1])[::-1])[::-1], [0.0]])
    return np.asarray(np.interp(np.log(q), np.log(grid), above))


def _unit_nodes(nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Gauss-Legendre nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (x + 1.0), 0.5 * w
