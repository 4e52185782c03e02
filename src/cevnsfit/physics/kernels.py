"""Kernels of the differential cross section, their fold with a spectrum, and recoil nodes.

    dsigma/dT = prefactor(M) K(E, T, M) |Q|^2,    T_max = 2 E^2/(M + 2 E)

for a target at rest of mass M; the fold integrates the neutrino energy out once, with no model in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C

if TYPE_CHECKING:
    from cevnsfit.physics.sources import Segment, Spectrum

KernelFunction = Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]]
"""K(E [MeV], T [MeV], M [MeV])."""

EnergyWeight = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A weight of the neutrino energy [MeV], for example a survival probability."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The dependence of a cross section on the neutrino energy.

    Attributes
    ----------
    name
        Its name in the registry.
    function
        K(E, T, M), broadcast over E and T; called only where T <= T_max(E).
    prefactor
        Constant in front as a function of the target mass, such that the product with K and the squared charge is in cm^2/MeV.
    """

    name: str
    function: KernelFunction
    prefactor: Callable[[float], float]


def vector(energy: NDArray[np.float64], t: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """Return K = 1 - T/E - M T/(2 E^2) of a vector interaction (D. Z. Freedman, Phys. Rev. D 9, 1389 (1974))."""
    return np.asarray(1.0 - t / energy - mass * t / (2.0 * energy**2))


def _vector_prefactor(mass: float) -> float:
    """Return G_F^2 M (hbar c)^2 / pi in cm^2/MeV."""
    return FERMI_CONSTANT**2 * mass / math.pi * HBAR_C**2


def scalar(energy: NDArray[np.float64], t: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    """Return K = M T/E^2 of a scalar interaction (D. G. Cerdeno et al., JHEP 05 (2016) 118, arXiv:1604.01025)."""
    return np.asarray(mass * t / energy**2)


def _scalar_prefactor(mass: float) -> float:
    """Return M (hbar c)^2/(4 pi) in cm^2 MeV^3: the charge, g^2 Q/(2 M T + M_phi^2), is in MeV^-2."""
    return mass / (4.0 * math.pi) * HBAR_C**2


def magnetic(energy: NDArray[np.float64], t: NDArray[np.float64], mass: float) -> NDArray[np.float64]:  # noqa: ARG001
    """Return K = 1/T - 1/E in 1/MeV of a magnetic moment (P. Vogel and J. Engel, Phys. Rev. D 39, 3378 (1989), eq. (4))."""
    return np.asarray(1.0 / t - 1.0 / energy)


def _magnetic_prefactor(_: float) -> float:
    """Return pi alpha^2 (hbar c)^2/m_e^2 in cm^2: the charge holds the moment in Bohr magnetons."""
    return math.pi * (FINE_STRUCTURE * HBAR_C / ELECTRON_MASS) ** 2


KERNELS: Final[Mapping[str, Kernel]] = {
    "vector": Kernel("vector", vector, _vector_prefactor),
    "scalar": Kernel("scalar", scalar, _scalar_prefactor),
    "magnetic": Kernel("magnetic", magnetic, _magnetic_prefactor),
}
"""Kernels by name."""


def named_kernel(name: str) -> Kernel:
    """Return the named kernel; UnknownNameError lists the near matches."""
    if name not in KERNELS:
        raise UnknownNameError("kernel", name, KERNELS)
    return KERNELS[name]


def t_max(energy: ArrayLike, mass: float) -> NDArray[np.float64]:
    """Return the largest recoil energy 2 E^2/(M + 2 E) in MeV, in the shape of `energy` [MeV]."""
    e = np.asarray(energy, dtype=np.float64)
    return np.asarray(2.0 * e**2 / (mass + 2.0 * e))


def e_min(t: ArrayLike, mass: float) -> NDArray[np.float64]:
    """Return the least neutrino energy (T + sqrt(T^2 + 2 M T))/2 in MeV that gives a recoil `t` [MeV]."""
    recoil = np.asarray(t, dtype=np.float64)
    return np.asarray(0.5 * (recoil + np.sqrt(recoil * (recoil + 2.0 * mass))))


def fold(
    kernel: Kernel, spectrum: Spectrum, mass: float, t: ArrayLike, *, weight: EnergyWeight | None = None, order: int = 16
) -> NDArray[np.float64]:
    """Return prefactor * integral dE phi(E) K(E, T) at the recoil energies `t`.

    A line contributes below its T_max only; a segment is integrated with Gauss-Legendre nodes between E_min(T) and its end,
    which is exact for muon decay and the vector kernel.

    Parameters
    ----------
    kernel
        The kernel.
    spectrum
        phi(E), normalised to one neutrino.
    mass
        Mass of the target in MeV.
    t
        Recoil energies in MeV, positive, shape (n,).
    weight
        Factor of the energy in the integrand, none by default.
    order
        Nodes for each segment; raise it when `weight` oscillates.

    Returns
    -------
    cm^2/MeV for each neutrino, shape (n,).

    Raises
    ------
    DomainError
        If a recoil energy is not positive.
    """
    recoil = np.asarray(t, dtype=np.float64)
    if not np.all(recoil > 0.0):
        message = f"recoil energies must be positive, got {recoil.min():g} MeV"
        raise DomainError(message)
    least = e_min(recoil, mass)
    total = np.zeros_like(recoil)
    for energy, fraction in spectrum.lines:
        below = recoil <= t_max(energy, mass)
        values = _integrand(kernel, mass, np.full_like(recoil, energy), recoil, weight)
        total = total + np.where(below, fraction * values, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(order)
    for segment in spectrum.segments:
        total = total + _fold_segment(kernel, segment, mass, recoil, least, (nodes, weights), weight)
    return kernel.prefactor(mass) * total


def _integrand(
    kernel: Kernel, mass: float, energy: NDArray[np.float64], t: NDArray[np.float64], weight: EnergyWeight | None
) -> NDArray[np.float64]:
    values = kernel.function(energy, t, mass)
    return values if weight is None else values * weight(energy)


def _fold_segment(
    kernel: Kernel,
    segment: Segment,
    mass: float,
    t: NDArray[np.float64],
    least: NDArray[np.float64],
    rule: tuple[NDArray[np.float64], NDArray[np.float64]],
    weight: EnergyWeight | None,
) -> NDArray[np.float64]:
    low = np.clip(least, segment.low, segment.high)
    half = 0.5 * (segment.high - low)
    energy = low[:, None] + half[:, None] * (1.0 + rule[0])
    values = _integrand(kernel, mass, energy, t[:, None], weight) * segment.density(energy)
    return np.asarray(half * (values @ rule[1]))


def recoil_nodes(
    mass: float, spectra: Iterable[Spectrum], kinks: Iterable[float] = (), *, panels: int = 7, order: int = 14
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of a composite Gauss-Legendre rule over the recoil energy.

    The rule is made in u = sqrt(T), in which form factors (functions of q ~ u) and folded spectra (functions of E_min ~ u)
    are smooth down to zero. The panels grow by a factor 3 in u from the smallest, so that propagators 1/(q^2 + m^2)
    of light mediators are resolved as well. Every kinematic end and every kink is an edge of a panel.

    Parameters
    ----------
    mass
        Mass of the target in MeV.
    spectra
        Spectra of all flavours.
    kinks
        Recoil energies in MeV at which something else (an efficiency, an analysis window) is not smooth; those
        beyond the largest kinematic end are ignored.
    panels
        Panels before the ends and kinks cut them.
    order
        Nodes in each panel.

    Returns
    -------
    t, w
        Increasing nodes and weights in MeV, each of shape (n,).
    """
    sources = tuple(spectra)
    ends = {float(t_max(energy, mass)) for source in sources for energy in [source.end, *(line for line, _ in source.lines)]}
    last = max(ends)
    growing = {last / 9.0**power for power in range(panels)}
    inner = {kink for kink in kinks if 0.0 < kink < last}
    edges = np.sqrt(np.array([0.0, *sorted(growing | ends | inner)]))
    keep = np.diff(edges, append=math.inf) > 1e-9 * edges[-1]
    edges = edges[keep]
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * np.diff(edges)
    u = (edges[:-1, None] + half[:, None] * (1.0 + nodes)).ravel()
    return u**2, 2.0 * u * (half[:, None] * weights).ravel()
