r"""What a light boson of L_mu - L_tau adds to N_eff when it hands its entropy to neutrinos that have decoupled.

Muon and tau neutrinos (with their antiparticles, 7/2 degrees of freedom) and the boson (3) leave the plasma together at T_d with the entropy
density s_nu(T_d) + s_Z'(M/T_d); when the boson has decayed all of it is in the neutrinos, at

    (T_nu/T_e)^3 = 1 + s_Z'/s_nu,     Delta N_eff = 2 [(T_nu/T_e)^4 - 1],

with T_e the temperature of the electron neutrinos. With T_d = 1.5 MeV, Delta N_eff < 0.7 is M > 5.3 MeV, the bound of A. Kamada and
H.-B. Yu, Phys. Rev. D 92, 113004 (2015), arXiv:1504.00711. It holds where decays and inverse decays have brought the boson into equilibrium before,
Gamma = g^2 M/(12 pi) > H at T = M. Decoupling is taken as instantaneous and kinetic mixing is left out: with both, Delta N_eff is about 0.2 at 10 to 20 MeV
(M. Escudero, D. Hooper, G. Krnjaic, M. Pierre, JHEP 03 (2019) 071, arXiv:1901.02010), so that the end in mass is one within some MeV.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DECOUPLING: Final = 1.5
"""Temperature in MeV at which neutrinos decouple (arXiv:1504.00711)."""

LARGEST_EXCESS: Final = 0.28
"""Delta N_eff at 95 % CL, from N_eff = 2.99 +- 0.17 of Planck 2018 with baryon acoustic oscillations (assumed, from memory) and 3.044 in the Standard Model."""

_NEUTRINOS: Final = 3.5
_BOSON: Final = 3.0
_PLANCK_MASS: Final = 1.220890e22  # MeV
_DEGREES: Final = 10.75


def excess_neutrinos(mass: ArrayLike, decoupling: float = DECOUPLING) -> NDArray[np.float64]:
    """Return Delta N_eff for masses of the boson in MeV, in their shape."""
    x, weights = np.polynomial.laguerre.laggauss(60)
    ratio = np.asarray(mass, dtype=np.float64)[..., None] / decoupling
    energy = np.sqrt(x**2 + ratio**2)
    # s = (rho + p)/T in units of T^3, for one degree of freedom
    boson = np.sum(weights * np.exp(x - energy) / -np.expm1(-energy) * x**2 * (energy + x**2 / (3.0 * energy)), axis=-1) / (
        2.0 * math.pi**2
    )
    share = _BOSON * boson / (_NEUTRINOS * 2.0 * math.pi**2 / 45.0)
    return np.asarray(2.0 * ((1.0 + share) ** (4.0 / 3.0) - 1.0))


def smallest_mass(excess: float = LARGEST_EXCESS) -> float:
    """Return the mass in MeV at which Delta N_eff is `excess`; lighter bosons give more."""
    from scipy.optimize import brentq

    return float(brentq(lambda mass: float(excess_neutrinos(mass)) - excess, 1e-3, 1e2, xtol=1e-9))


def equilibrium_coupling(mass: ArrayLike) -> NDArray[np.float64]:
    """Return the coupling with which the decay rate is the expansion rate at T = M, for masses in MeV."""
    expansion = math.sqrt(4.0 * math.pi**3 * _DEGREES / 45.0) / _PLANCK_MASS
    return np.sqrt(12.0 * math.pi * expansion * np.asarray(mass, dtype=np.float64))
