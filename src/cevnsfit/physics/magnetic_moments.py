"""Anomalous magnetic moments of the charged leptons from a vector mediator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import tanhsinh
from scipy.special import expit

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def vector_contribution(g: ArrayLike, mediator_mass: ArrayLike, lepton_mass: float) -> NDArray[np.float64]:
    """Return the one-loop contribution of a vector mediator to a = (g - 2)/2 of a lepton of charge 1.

        Delta a = g^2/(8 pi^2) integral_0^1 dx 2 m^2 x^2 (1 - x) / (x^2 m^2 + (1 - x) M^2)

    It tends to g^2/(8 pi^2) for M << m and to g^2 m^2/(12 pi^2 M^2) for M >> m.

    Parameters
    ----------
    g
        Coupling, L = g Z'_mu lbar gamma^mu l.
    mediator_mass
        M in MeV, not negative; broadcast with `g`.
    lepton_mass
        m in MeV.

    Returns
    -------
    Delta a, in the shape of `g` and `mediator_mass` broadcast.

    Raises
    ------
    DomainError
        If a mass is negative.

    References
    ----------
    J. P. Leveille, Nucl. Phys. B 137, 63 (1978); F. Jegerlehner and A. Nyffeler, Phys. Rept. 477, 1 (2009).
    """
    ratio = (np.asarray(mediator_mass, dtype=np.float64) / lepton_mass) ** 2
    if not (lepton_mass > 0.0 and np.all(np.asarray(mediator_mass) >= 0.0)):
        message = f"masses must not be negative, got {np.min(mediator_mass):g} and {lepton_mass:g} MeV"
        raise DomainError(message)
    # With x = 1/(1 + exp(-u)) the integrand varies over u of order 1 for any ratio of the masses.
    integral = tanhsinh(_integrand, -np.inf, np.inf, args=(ratio,), rtol=1e-10).integral
    return np.asarray(np.asarray(g, dtype=np.float64) ** 2 / (8.0 * math.pi**2) * integral)


def _integrand(u: NDArray[np.float64], ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = expit(u), expit(-u)  # y = 1 - x, and dx = x y du
    denominator = x**2 + y * ratio
    return np.asarray(2.0 * x**3 * y**2 / np.where(denominator > 0.0, denominator, 1.0))
