"""Cross sections by sums of Dirac matrices, folded with pion decay at rest: what the tests of kernels compare with.

Nothing of the package enters. An amplitude is summed over helicities numerically (explicit gamma matrices) for the interaction Lagrangian,

    dsigma/dT = <|M|^2>/(32 pi M E^2),

from dsigma/dt = <|M|^2>/(16 pi (s - M^2)^2), s - M^2 = 2 M E, t = -2 M T (PDG 2024, review of kinematics, eq. 49.34).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import quad

if TYPE_CHECKING:
    from collections.abc import Callable

    Amplitude = Callable[[float, float, float], float]
    Function = Callable[[float], float]

# PDG 2024; CODATA 2022
G_F, ALPHA, HBAR_C = 1.1663788e-11, 1.0 / 137.035999178, 1.973269804e-11
M_E, M_MU, M_TAU, M_PI = 0.51099895069, 105.6583755, 1776.93, 139.57039
E_PION = (M_PI**2 - M_MU**2) / (2.0 * M_PI)
END = M_MU / 2.0
V2 = 1.0 / (math.sqrt(2.0) * G_F)

PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ZERO, ONE = np.zeros((2, 2)), np.eye(2)
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]]), *(np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI)])
GAMMA5 = np.block([[ZERO, ONE], [ONE, ZERO]]).astype(complex)
METRIC = np.array([1.0, -1.0, -1.0, -1.0])
LEFT, RIGHT = (np.eye(4) - GAMMA5) / 2.0, (np.eye(4) + GAMMA5) / 2.0
SIGMA = np.array([[0.5j * (a @ b - b @ a) for b in GAMMA] for a in GAMMA])


def slash(p: np.ndarray) -> np.ndarray:
    return np.einsum("a,a,aij->ij", p, METRIC, GAMMA)


def bar(vertex: np.ndarray) -> np.ndarray:
    """Return gamma_0 Gamma^+ gamma_0, index by index."""
    return GAMMA[0] @ vertex.conj().swapaxes(-1, -2) @ GAMMA[0]


def momenta(energy: float, t: float, mass: float, heavy: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return k, p, k', p' with the target at rest and an outgoing lepton of mass `heavy`."""
    momentum = math.sqrt((energy - t) ** 2 - heavy**2)
    cosine = (energy * (energy - t) - mass * t - heavy**2 / 2.0) / (energy * momentum)
    sine = math.sqrt(max(1.0 - cosine**2, 0.0))
    k, p = energy * np.array([1.0, 0.0, 0.0, 1.0]), np.array([mass, 0.0, 0.0, 0.0])
    out = np.array([energy - t, momentum * sine, 0.0, momentum * cosine])
    return k, p, out, k + p - out


def neutrino_tensor(first: np.ndarray, last: np.ndarray, vertex: np.ndarray, heavy: float = 0.0) -> np.ndarray:
    """Return the sum over helicities of the neutrino line, shape (n, n): `vertex` of shape (n, 4, 4) holds the chirality.

    The outgoing end has the mass `heavy`; negative for antineutrinos, whose line runs backwards.
    """
    return np.einsum("ij,ajk,kl,bli->ab", slash(last) + heavy * np.eye(4), vertex, slash(first), bar(vertex), optimize=True)


def fermion_tensor(p: np.ndarray, out: np.ndarray, mass: float, vertex: np.ndarray) -> np.ndarray:
    """Return the mean over the spin of a target of spin 1/2, shape (n, n)."""
    unit = mass * np.eye(4)
    return 0.5 * np.einsum("ij,ajk,kl,bli->ab", slash(out) + unit, vertex, slash(p) + unit, bar(vertex), optimize=True)


def contracted(lepton: np.ndarray, hadron: np.ndarray) -> float:
    signs = {1: np.ones(1), 4: METRIC, 16: np.outer(METRIC, METRIC).ravel()}[len(lepton)]
    return float(np.sum(lepton * hadron * np.outer(signs, signs)).real)


def spinless_vector(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of [nubar gamma^m P_L nu] (p + p')_m."""
    k, p, out, recoil = momenta(energy, t, mass, heavy)
    return contracted(neutrino_tensor(k, out, GAMMA @ LEFT, heavy), np.outer(p + recoil, p + recoil))


def spinless_scalar(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of [nubar_R nu_L] 2 M, the matrix element of psibar psi for a nucleus of spin 0."""
    k, _, out, _ = momenta(energy, t, mass, heavy)
    return contracted(neutrino_tensor(k, out, LEFT[None], heavy), np.array([[4.0 * mass**2]]))


def axial_current(energy: float, t: float, mass: float) -> float:
    """Return <|M|^2> of [nubar gamma^m P_L nu] [Nbar gamma_m gamma_5 N]."""
    k, p, out, recoil = momenta(energy, t, mass)
    return contracted(neutrino_tensor(k, out, GAMMA @ LEFT), fermion_tensor(p, recoil, mass, GAMMA @ GAMMA5))


def fermion_scalar(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of [nubar_R nu_L] [ebar e]."""
    k, p, out, recoil = momenta(energy, t, mass, heavy)
    return contracted(neutrino_tensor(k, out, LEFT[None], heavy), fermion_tensor(p, recoil, mass, np.eye(4)[None]))


def fermion_pseudoscalar(energy: float, t: float, mass: float) -> float:
    """Return <|M|^2> of [nubar_R nu_L] [Nbar i gamma_5 N]."""
    k, p, out, recoil = momenta(energy, t, mass)
    return contracted(neutrino_tensor(k, out, LEFT[None]), fermion_tensor(p, recoil, mass, 1j * GAMMA5[None]))


def fermion_vector(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of [nubar gamma^m P_L nu] [Nbar gamma_m N]."""
    k, p, out, recoil = momenta(energy, t, mass, heavy)
    return contracted(neutrino_tensor(k, out, GAMMA @ LEFT, heavy), fermion_tensor(p, recoil, mass, GAMMA))


def tensor_current(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of [nubar sigma^mn P_L nu] [Nbar sigma_mn N], summed over m and n."""
    k, p, out, recoil = momenta(energy, t, mass, heavy)
    sigma = SIGMA.reshape(16, 4, 4)
    return contracted(neutrino_tensor(k, out, sigma @ LEFT, heavy), fermion_tensor(p, recoil, mass, sigma))


def dipole(energy: float, t: float, mass: float, heavy: float = 0.0) -> float:
    """Return <|M|^2> of a unit dipole moment, [nubar sigma^mn q_n P_L nu] e/q^2 [fbar gamma_m f], for a unit charge."""
    k, p, out, recoil = momenta(energy, t, mass, heavy)
    vertex = np.einsum("abij,b,b->aij", SIGMA, METRIC, k - out) @ LEFT
    factor = 4.0 * math.pi * ALPHA / (2.0 * mass * t) ** 2
    return factor * contracted(neutrino_tensor(k, out, vertex, heavy), fermion_tensor(p, recoil, mass, GAMMA))


def chiral(energy: float, t: float, mass: float, *, left: float, right: float, anti: bool) -> float:
    """Return <|M|^2> of [nubar gamma^m P_L nu] [ebar gamma_m (g_L P_L + g_R P_R) e]; antineutrinos run against their line."""
    k, p, out, recoil = momenta(energy, t, mass)
    lepton = neutrino_tensor(out, k, GAMMA @ LEFT) if anti else neutrino_tensor(k, out, GAMMA @ LEFT)
    return contracted(lepton, fermion_tensor(p, recoil, mass, GAMMA @ (left * LEFT + right * RIGHT)))


# the three chiral pieces g_L^2, g_R^2 and g_L g_R of the electron, for neutrinos and antineutrinos
CHIRAL = {
    (name, anti): functools.partial(chiral, left=left, right=right, anti=anti)
    for name, left, right in (("left", 1.0, 0.0), ("right", 0.0, 1.0), ("both", 1.0, 1.0))
    for anti in (False, True)
}


def spectrum(source: str, energy: float) -> float:
    """Return the Michel spectra in 1/MeV, with y = 2 E/m_mu: 12 y^2 (1 - y) for nu_e, 2 y^2 (3 - 2 y) for nubar_mu (L. Michel 1950)."""
    y = energy / END
    return (12.0 * y**2 * (1.0 - y) if source == "nu_e" else 2.0 * y**2 * (3.0 - 2.0 * y)) / END


def reach(t: float, mass: float) -> float:
    """Return the least energy for a recoil: s - M^2 = 2 M E, and T = (s - M^2)^2/(2 M s) backwards."""
    return t / 2.0 * (1.0 + math.sqrt(1.0 + 2.0 * mass / t))


@functools.lru_cache(maxsize=20_000)
def folded(amplitude: Amplitude, source: str, t: float, mass: float, survival: Function | None = None) -> float:
    """Return the mean of <|M|^2>/(32 pi M E^2) over a spectrum at one recoil energy."""

    def rate(energy: float) -> float:
        weight = 1.0 if survival is None else survival(energy)
        return weight * amplitude(energy, t, mass) / (32.0 * math.pi * mass * energy**2)

    low = reach(t, mass)
    if source == "nu_mu":
        return rate(E_PION) if low < E_PION else 0.0
    if low >= END:
        return 0.0
    return quad(lambda energy: spectrum(source, energy) * rate(energy), low, END, epsabs=0.0, epsrel=1e-9, limit=400)[0]


def integrated(amplitude: Amplitude, source: str, mass: float, low: float, square: Function, survival: Function | None = None) -> float:
    """Return the cross section above the recoil energy `low` in cm^2 for a squared charge; the integral runs in sqrt(T)."""
    end = E_PION if source == "nu_mu" else END
    high = 2.0 * end**2 / (mass + 2.0 * end)

    def rate(root: float) -> float:
        t = root**2
        return 2.0 * root * folded(amplitude, source, t, mass, survival) * square(t)

    return HBAR_C**2 * quad(rate, math.sqrt(low), math.sqrt(high), epsabs=0.0, epsrel=1e-8, limit=200)[0]


def loop(q2: float, light: float, heavy: float) -> float:
    return quad(lambda x: x * (1 - x) * math.log((heavy**2 + x * (1 - x) * q2) / (light**2 + x * (1 - x) * q2)), 0.0, 1.0, epsrel=1e-11)[0]


def photon_shift(t: float, mass: float, *, millicharge: float = 0.0, radius2: float = 0.0) -> float:
    """Return e^2 F/Q^2 as a shift of a vector charge, F = q - Q^2 <r^2>/6 (arXiv:1403.6344), radius in 1e-32 cm^2."""
    q2 = 2.0 * mass * t
    form = millicharge - q2 * radius2 * 1e-32 / HBAR_C**2 / 6.0
    return 4.0 * math.pi * ALPHA * form / q2 * V2


STANDARD_RADIUS = {
    # <r^2> = -G_F/(2 sqrt2 pi^2) [3 - 2 ln(m_l^2/m_W^2)] (hep-ph/0210055), in 1e-32 cm^2
    f: -G_F / (2.0 * math.sqrt(2.0) * math.pi**2) * (3.0 - 2.0 * math.log(m**2 / 80369.2**2)) * HBAR_C**2 / 1e-32
    for f, m in (("e", M_E), ("mu", M_MU))
}
