"""Kernels of the differential cross section, their fold with a spectrum, and recoil nodes.

    dsigma/dT = prefactor(M) K(E, T, M) |Q|^2,    T_max = 2 E^2/(M + 2 E)

for a target at rest of mass M; the fold integrates the neutrino energy out once, with no model in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cevnsfit.core.arrays import Floats
from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cevnsfit.physics.sources import Spectrum

KernelFunction = Callable[[Floats, Floats, float], Floats]
"""K(E [MeV], T [MeV], M [MeV])."""

EnergyWeight = Callable[[Floats, Floats], Floats]
"""A weight of the neutrino energy [MeV], for example a survival probability."""

_SLOW: Final = 25.0
"""A spectrum's end over the energy below which oscillations are not resolved."""

_TURNED: Final = 12.0
"""Phase in rad that the nodes of a panel resolve."""

_PANELS: Final = 400
"""Most panels of a spectrum; where a phase turns more often it is averaged between the nodes."""


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
    antineutrino
        K for antineutrinos, None where it is the same.
    """

    name: str
    function: KernelFunction
    prefactor: Callable[[float], float]
    antineutrino: KernelFunction | None = None

    def conjugate(self) -> Kernel:
        """Return the kernel of antineutrinos."""
        return self if self.antineutrino is None else Kernel(self.name, self.antineutrino, self.prefactor, self.function)


class FluxWeight(Protocol):
    """A factor of the flux that depends on energy and baseline; hashable, and equal where its parameters are."""

    def __call__(self, energy: Floats, baseline: float, cells: Floats | float = 0.0) -> Floats:
        """Return the factor at `energy` [MeV] and `baseline` [cm], averaged over `cells` [MeV] around the energies."""
        ...

    def phase(self, energy: Floats, baseline: float) -> Floats:
        """Return the phase in rad whose square of the sine it is made of; it goes as 1/E."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedKernel:
    """A kernel for a flux that has changed on its way: another fold for each value of what the weight depends on.

    Attributes
    ----------
    kernel
        Name of the kernel.
    weight
        Factor of the flux.
    """

    kernel: str
    weight: FluxWeight


KernelKey = str | WeightedKernel
"""What a term says of its energy dependence: the name of a kernel, or one with a weight. Hashable."""


def vector(energy: Floats, t: Floats, mass: float) -> Floats:
    """Return K = 1 - T/E - M T/(2 E^2) of a vector interaction (D. Z. Freedman, Phys. Rev. D 9, 1389 (1974))."""
    return np.asarray(1.0 - t / energy - mass * t / (2.0 * energy**2))


def _vector_prefactor(mass: float) -> float:
    """Return G_F^2 M (hbar c)^2 / pi in cm^2/MeV."""
    return FERMI_CONSTANT**2 * mass / math.pi * HBAR_C**2


def scalar(energy: Floats, t: Floats, mass: float) -> Floats:
    """Return K = M T/E^2 of a scalar interaction (D. G. Cerdeno et al., JHEP 05 (2016) 118, arXiv:1604.01025)."""
    return np.asarray(mass * t / energy**2)


def _scalar_prefactor(mass: float) -> float:
    """Return M (hbar c)^2/(4 pi) in cm^2 MeV^3: the charge, g^2 Q/(2 M T + M_phi^2), is in MeV^-2."""
    return mass / (4.0 * math.pi) * HBAR_C**2


def magnetic(energy: Floats, t: Floats, mass: float) -> Floats:  # noqa: ARG001
    """Return K = 1/T - 1/E in 1/MeV of a magnetic moment (P. Vogel and J. Engel, Phys. Rev. D 39, 3378 (1989), eq. (4))."""
    return np.asarray(1.0 / t - 1.0 / energy)


def _magnetic_prefactor(_: float) -> float:
    """Return pi alpha^2 (hbar c)^2/m_e^2 in cm^2: the charge holds the moment in Bohr magnetons."""
    return math.pi * (FINE_STRUCTURE * HBAR_C / ELECTRON_MASS) ** 2


def axial(energy: Floats, t: Floats, mass: float) -> Floats:
    """Return K = 1 - T/E + M T/(2 E^2) of an axial current on a heavy nucleus (Hoferichter et al., arXiv:2007.08529)."""
    return np.asarray(1.0 - t / energy + mass * t / (2.0 * energy**2))


def _helicity_conserving(energy: Floats, t: Floats, mass: float) -> Floats:
    return np.asarray(1.0 + mass * t / (2.0 * energy**2))


def _helicity_changing(energy: Floats, t: Floats, mass: float) -> Floats:
    return np.asarray((1.0 - t / energy) ** 2 + mass * t / (2.0 * energy**2))


def _left_right(energy: Floats, t: Floats, mass: float) -> Floats:
    return np.asarray(-mass * t / (2.0 * energy**2))


def _electron_scalar(energy: Floats, t: Floats, mass: float) -> Floats:
    return np.asarray(mass * t / energy**2 * (1.0 + t / (2.0 * mass)))


def _electron_prefactor(mass: float) -> float:
    """Return 2 G_F^2 m (hbar c)^2/pi in cm^2/MeV."""
    return 2.0 * _vector_prefactor(mass)


KERNELS: Final[Mapping[str, Kernel]] = {
    "vector": Kernel("vector", vector, _vector_prefactor),
    "axial": Kernel("axial", axial, _vector_prefactor),
    "scalar": Kernel("scalar", scalar, _scalar_prefactor),
    "magnetic": Kernel("magnetic", magnetic, _magnetic_prefactor),
    "electron-left": Kernel("electron-left", _helicity_conserving, _electron_prefactor, _helicity_changing),
    "electron-right": Kernel("electron-right", _helicity_changing, _electron_prefactor, _helicity_conserving),
    "electron-vector": Kernel("electron-vector", _left_right, _electron_prefactor),
    "electron-scalar": Kernel("electron-scalar", _electron_scalar, _scalar_prefactor),
}
"""Kernels by name.

Those of electrons write g_L^2 + g_R^2 (1 - T/E)^2 - g_L g_R m T/E^2 with squares of amplitudes alone, by 2 g_L g_R = (g_L + g_R)^2 -
g_L^2 - g_R^2: "electron-left" multiplies g_L^2, "electron-right" g_R^2 and "electron-vector" (g_L + g_R)^2; antineutrinos exchange
the first two.
"""


def named_kernel(name: str) -> Kernel:
    """Return the named kernel; UnknownNameError lists the near matches."""
    if name not in KERNELS:
        raise UnknownNameError("kernel", name, KERNELS)
    return KERNELS[name]


def fold_channel(key: KernelKey, source: str, spectrum: Spectrum, mass: float, t: ArrayLike, *, baseline: float | None = None) -> Floats:
    """Return the fold of what a term names with the spectrum of one source flavour.

    Parameters
    ----------
    key
        The kernel of the term.
    source
        Source flavour, "nu_mu" or "nubar_mu": antineutrinos have their own kernel where it differs.
    spectrum, mass, t
        As in `fold`.
    baseline
        Distance in cm, needed by a weighted kernel.

    Returns
    -------
    cm^2/MeV for each neutrino per squared charge, shape (n,).

    Raises
    ------
    DomainError
        If a weighted kernel has no baseline.
    """
    kernel = named_kernel(key if isinstance(key, str) else key.kernel)
    if source.startswith("nubar"):
        kernel = kernel.conjugate()
    if isinstance(key, str):
        return fold(kernel, spectrum, mass, t)
    if baseline is None:
        message = f"the kernel '{key.kernel}' is weighted with {key.weight}, which needs a baseline"
        raise DomainError(message)
    distance, weight = baseline, key.weight
    advance = float(weight.phase(np.array(spectrum.end / _SLOW), distance))
    wanted, most = 1 + math.ceil(advance / _TURNED), math.ceil(_PANELS / max(len(spectrum.segments), 1))
    averaged = wanted > most

    def at(energy: Floats, cells: Floats) -> Floats:
        return weight(energy, distance, cells if averaged else np.zeros_like(cells))

    return fold(kernel, spectrum, mass, t, weight=at, panels=min(wanted, most))


def t_max(energy: ArrayLike, mass: float) -> Floats:
    """Return the largest recoil energy 2 E^2/(M + 2 E) in MeV, in the shape of `energy` [MeV]."""
    e = np.asarray(energy, dtype=np.float64)
    return np.asarray(2.0 * e**2 / (mass + 2.0 * e))


def e_min(t: ArrayLike, mass: float) -> Floats:
    """Return the least neutrino energy (T + sqrt(T^2 + 2 M T))/2 in MeV that gives a recoil `t` [MeV]."""
    recoil = np.asarray(t, dtype=np.float64)
    return np.asarray(0.5 * (recoil + np.sqrt(recoil * (recoil + 2.0 * mass))))


def fold(
    kernel: Kernel, spectrum: Spectrum, mass: float, t: ArrayLike, *, weight: EnergyWeight | None = None, order: int = 16, panels: int = 0
) -> Floats:
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
        Factor of the energy in the integrand, given the width of the cell around each node in MeV too; none by default.
    order
        Nodes for each segment.
    panels
        For a weight that oscillates in 1/E: panels in 1/E, each with `order` nodes, above a twenty-fifth of the end of a segment (below
        it one panel in E as without them, for less than 1e-3 of the muon-decay spectra).

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

    def integrand(energy: Floats, t: Floats, cells: Floats) -> Floats:
        values = kernel.function(energy, t, mass)
        return values if weight is None else values * weight(energy, cells)

    for energy, fraction in spectrum.lines:
        below = recoil <= t_max(energy, mass)
        values = integrand(np.full_like(recoil, energy), recoil, np.zeros_like(recoil))
        total = total + np.where(below, fraction * values, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(order)
    for segment in spectrum.segments:
        x, w = _energies(np.clip(least, segment.low, segment.high), segment.high, panels, (nodes, weights))
        values = integrand(x, recoil[:, None], w) * segment.density(x)
        total = total + np.sum(values * w, axis=1)
    return kernel.prefactor(mass) * total


def _energies(low: Floats, high: float, panels: int, rule: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return nodes and weights from each `low` to `high`, shape (len(low), nodes): one panel in E, or more in 1/E and one below."""
    if not panels:
        return _panel(low, np.full_like(low, high), rule)
    middle = np.maximum(low, high / _SLOW)
    parts = [_panel(low, middle, rule)]
    edges = np.linspace(1.0 / high, 1.0 / middle, panels + 1)
    for first, last in itertools.pairwise(edges):
        inverse, width = _panel(first, last, rule)
        parts.append((1.0 / inverse, width / inverse**2))
    return np.hstack([x for x, _ in parts]), np.hstack([w for _, w in parts])


def _panel(low: Floats, high: Floats, rule: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    half = 0.5 * (high - low)[:, None]
    return low[:, None] + half * (1.0 + rule[0]), half * rule[1]


def recoil_nodes(
    mass: float, spectra: Iterable[Spectrum], kinks: Iterable[float] = (), *, panels: int = 7, order: int = 14
) -> tuple[Floats, Floats]:
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
