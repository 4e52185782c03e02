r"""One-loop anomalous magnetic moments a = (g - 2)/2 of a charged lepton from a neutral mediator.

Each is g^2/(8 pi^2) times an integral over x in [0, 1]; with r = M^2/m^2,

    vector        L = g Z'_mu lbar gamma^mu l           2 x^2 (1 - x) / D
    axial         L = g Z'_mu lbar gamma^mu gamma_5 l   [2 x (1 - x)(x - 4) - 4 x^3/r] / D      D = x^2 + (1 - x) r
    scalar        L = g phi lbar l                      x^2 (2 - x) / D
    pseudoscalar  L = g phi lbar i gamma_5 l            -x^3 / D

with the lepton itself in the loop. Couplings of two kinds add without interference.

References
----------
J. P. Leveille, Nucl. Phys. B 137, 63 (1978) (its m_F = m); F. Jegerlehner and A. Nyffeler, Phys. Rept. 477, 1 (2009),
section 7.1; F. S. Queiroz and W. Shepherd, Phys. Rev. D 89, 095024 (2014), arXiv:1403.2309.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Numerator = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def vector_contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float) -> NDArray[np.float64]:
    """Return Delta a from a vector coupling, g^2/(8 pi^2) for M << m and g^2 m^2/(12 pi^2 M^2) for M >> m.

    Parameters
    ----------
    g
        Coupling.
    mediator_mass
        M in MeV, not negative; broadcast with `g`.
    lepton_mass
        m in MeV.

    Returns
    -------
    The shape of `g` and `mediator_mass` broadcast.

    Raises
    ------
    DomainError
        If a mass is negative.
    """
    return _contribution(g, mediator_mass, lepton_mass, lambda x, y, _: 2.0 * x**2 * y)


def axial_contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float) -> NDArray[np.float64]:
    """Return Delta a from an axial coupling, -g^2 m^2/(4 pi^2 M^2) for M << m and -5 g^2 m^2/(12 pi^2 M^2) for M >> m.

    The growth at small M is that of the longitudinal mode, whose current is not conserved. Parameters as in `vector_contribution`.

    Raises
    ------
    DomainError
        If a mass is not positive.
    """
    if np.any(np.asarray(mediator_mass) == 0.0):
        message = "the axial contribution diverges for a massless mediator; give a positive mass"
        raise DomainError(message)
    return _contribution(g, mediator_mass, lepton_mass, lambda x, y, ratio: 2.0 * x * y * (x - 4.0) - 4.0 * x**3 / ratio)


def scalar_contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float) -> NDArray[np.float64]:
    """Return Delta a from a scalar, 3 g^2/(16 pi^2) for M << m and g^2 m^2/(4 pi^2 M^2) [ln(M/m) - 7/12] for M >> m.

    Parameters and errors as in `vector_contribution`.
    """
    return _contribution(g, mediator_mass, lepton_mass, lambda x, y, _: x**2 * (1.0 + y))


def pseudoscalar_contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float) -> NDArray[np.float64]:
    """Return Delta a from a pseudoscalar, -g^2/(16 pi^2) for M << m and -g^2 m^2/(4 pi^2 M^2) [ln(M/m) - 11/12] for M >> m.

    Parameters and errors as in `vector_contribution`.
    """
    return _contribution(g, mediator_mass, lepton_mass, lambda x, _, __: -(x**3))


def _contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float, numerator: Numerator) -> NDArray[np.float64]:
    """Return g^2/(8 pi^2) integral_0^1 dx numerator(x, 1 - x, r)/(x^2 + (1 - x) r)."""
    from scipy.integrate import tanhsinh

    mass = np.asarray(mediator_mass, dtype=np.float64)
    if not (lepton_mass > 0.0 and np.all(mass >= 0.0)):
        message = f"masses must not be negative, got {np.min(mass):g} and {lepton_mass:g} MeV"
        raise DomainError(message)

    def integrand(u: NDArray[np.float64], ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = expit(u), expit(-u)  # y = 1 - x, and dx = x y du
        denominator = x**2 + y * ratio
        return np.asarray(x * y * numerator(x, y, ratio) / np.where(denominator > 0.0, denominator, 1.0))

    # With x = 1/(1 + exp(-u)) the integrand varies over u of order 1 for any ratio of the masses.
    integral = tanhsinh(integrand, -np.inf, np.inf, args=((mass / lepton_mass) ** 2,), rtol=1e-10).integral
    return np.asarray(np.asarray(g, dtype=np.float64) ** 2 / (8.0 * math.pi**2) * integral)
