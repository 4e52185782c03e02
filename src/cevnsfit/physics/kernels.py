"""Kernels of the differential cross section, and their fold with a spectrum.

    dsigma/dT = prefactor(M) K(E, T, M) |Q|^2

for a target at rest of mass M, between the ends that the kinematics of the kernel sets; the fold integrates the energy out once, with no model in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cevnsfit.core.arrays import Floats
from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C
from cevnsfit.physics.kinematics import ELASTIC, Kinematics, gauss_rule, inside

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cevnsfit.physics.sources import Segment, Spectrum

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
        K(E, T, M), broadcast over E and T. It is smooth at the ends of the kinematics and may be asked for beyond them, where it does not count.
    prefactor
        Constant in front as a function of the target mass, such that the product with K and the squared charge is in cm^2/MeV.
    antineutrino
        K for antineutrinos, None where it is the same.
    kinematics
        Masses of what comes in and goes out, which set the threshold and the ends of the recoil.
    source
        Paper and equation.
    """

    name: str
    function: KernelFunction
    prefactor: Callable[[float], float]
    antineutrino: KernelFunction | None = None
    kinematics: Kinematics = ELASTIC
    source: str = ""

    def conjugate(self) -> Kernel:
        """Return the kernel of antineutrinos."""
        return self if self.antineutrino is None else replace(self, function=self.antineutrino, antineutrino=self.function)


class FluxWeight(Protocol):
    """A factor of the flux that depends on energy and baseline; hashable, and equal where its parameters are."""

    def __call__(self, energy: Floats, baseline: float, cells: Floats | float = 0.0) -> Floats:
        """Return the factor at `energy` [MeV] and `baseline` [cm], averaged over `cells` [MeV] around the energies."""
        ...

    def phase(self, energy: Floats, baseline: float) -> Floats:
        """Return the phase in rad whose square of the sine it is made of; it goes as 1/E, and is 0 where nothing oscillates."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedKernel:
    """A kernel for a flux that has changed on its way: another fold for each value of what the weight depends on.

    Attributes
    ----------
    kernel
        The kernel or its name.
    weight
        Factor of the flux.
    """

    kernel: str | Kernel
    weight: FluxWeight


KernelKey = str | Kernel | WeightedKernel
"""What a term says of its energy dependence: a kernel, the name of a shipped one, or one with a weight. Hashable, and equal where it is the same."""


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


def pseudoscalar(energy: Floats, t: Floats, mass: float) -> Floats:  # noqa: ARG001
    """Return K = T^2/(2 E^2) of L = G [nubar_R nu_L] [Nbar i gamma_5 N] on spin 1/2: the scalar kernel times T/(2 M) (by traces)."""
    return np.asarray(0.5 * (t / energy) ** 2)


def tensor(energy: Floats, t: Floats, mass: float) -> Floats:
    """Return K = 1 - T/E - M T/(4 E^2) of a tensor current (M. Lindner et al., arXiv:1612.04150; by traces, where T^2/(4 E^2) is added)."""
    return np.asarray(1.0 - t / energy - mass * t / (4.0 * energy**2))


def _tensor_prefactor(mass: float) -> float:
    """Return 4 M (hbar c)^2/pi in cm^2 MeV^3 for L = G [nubar sigma^mn P_L nu] [Nbar sigma_mn N], whose G [MeV^-2] is the charge (by traces)."""
    return 4.0 * mass / math.pi * HBAR_C**2


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


_HOOFT: Final = "G. 't Hooft, Phys. Lett. B 37, 195 (1971)"

KERNELS: Final[Mapping[str, Kernel]] = {
    kernel.name: kernel
    for kernel in (
        Kernel("vector", vector, _vector_prefactor, source="D. Z. Freedman, Phys. Rev. D 9, 1389 (1974)"),
        Kernel("axial", axial, _vector_prefactor, source="M. Hoferichter et al., arXiv:2007.08529"),
        Kernel("scalar", scalar, _scalar_prefactor, source="D. G. Cerdeno et al., arXiv:1604.01025"),
        Kernel("pseudoscalar", pseudoscalar, _scalar_prefactor, source="derived here by traces, spin 1/2"),
        Kernel("tensor", tensor, _tensor_prefactor, source="M. Lindner et al., arXiv:1612.04150; prefactor derived here by traces"),
        Kernel("magnetic", magnetic, _magnetic_prefactor, source="P. Vogel and J. Engel, Phys. Rev. D 39, 3378 (1989), eq. (4)"),
        Kernel("electron-left", _helicity_conserving, _electron_prefactor, _helicity_changing, source=_HOOFT),
        Kernel("electron-right", _helicity_changing, _electron_prefactor, _helicity_conserving, source=_HOOFT),
        Kernel("electron-vector", _left_right, _electron_prefactor, source=_HOOFT),
        Kernel("electron-scalar", _electron_scalar, _scalar_prefactor, source="derived here by traces, spin 1/2"),
    )
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


def kernel_of(key: KernelKey) -> Kernel:
    """Return the kernel that a term names, without the weight of the flux."""
    kernel = key.kernel if isinstance(key, WeightedKernel) else key
    return named_kernel(kernel) if isinstance(kernel, str) else kernel


def fold_channel(
    key: KernelKey,
    source: str,
    spectra: Sequence[Spectrum],
    mass: float,
    t: ArrayLike,
    *,
    baseline: float | None = None,
    edges: Floats | None = None,
) -> Floats:
    """Return the folds of what a term names with spectra of one source flavour.

    Parameters
    ----------
    key
        The kernel of the term.
    source
        Source flavour, "nu_mu" or "nubar_mu": antineutrinos have their own kernel where it differs.
    spectra, mass, t, edges
        As in `fold`.
    baseline
        Distance in cm, needed by a weighted kernel.

    Returns
    -------
    cm^2/MeV for each neutrino per squared charge, shape (spectra, n).

    Raises
    ------
    DomainError
        If a weighted kernel has no baseline.
    """
    kernel = kernel_of(key)
    if source.startswith("nubar"):
        kernel = kernel.conjugate()
    if not isinstance(key, WeightedKernel):
        return fold(kernel, spectra, mass, t, edges=edges)
    if baseline is None:
        message = f"the kernel '{kernel.name}' is weighted with {key.weight}, which needs a baseline"
        raise DomainError(message)
    return np.array([_weighted_fold(kernel, key.weight, baseline, spectrum, mass, t) for spectrum in spectra])


def _weighted_fold(kernel: Kernel, weight: FluxWeight, distance: float, spectrum: Spectrum, mass: float, t: ArrayLike) -> Floats:
    """Return the fold with a spectrum whose weight may oscillate, shape (n,)."""
    advance = float(weight.phase(np.array(spectrum.end / _SLOW), distance))
    wanted, most = math.ceil(1.0 + advance / _TURNED) if advance > 0.0 else 0, math.ceil(_PANELS / max(len(spectrum.segments), 1))
    averaged = wanted > most

    def at(energy: Floats, cells: Floats) -> Floats:
        return weight(energy, distance, cells if averaged else np.zeros_like(cells))

    return np.asarray(fold(kernel, [spectrum], mass, t, weight=at, panels=min(wanted, most))[0])


def fold(  # noqa: PLR0913 (the edges belong to the recoil energies, the panels to the weight)
    kernel: Kernel,
    spectra: Sequence[Spectrum],
    mass: float,
    t: ArrayLike,
    *,
    weight: EnergyWeight | None = None,
    order: int = 16,
    panels: int = 0,
    edges: Floats | None = None,
) -> Floats:
    """Return prefactor * integral dE phi(E) K(E, T) at the recoil energies `t`.

    A line contributes between the ends of its recoil only; a segment is integrated with Gauss-Legendre nodes between E_min(T) and its end,
    which is exact for muon decay and the vector kernel. Spectra with segments between the same energies share their nodes.

    Parameters
    ----------
    kernel
        The kernel.
    spectra
        phi(E) of each, normalised to one neutrino.
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
    edges
        Edges in MeV of the panels whose nodes `t` are, from `kinematics.recoil_edges`: where massive particles move the ends of the recoil into a
        panel, the values are those whose weighted sum is the integral up to the end. Without them they are the values at `t`.

    Returns
    -------
    cm^2/MeV for each neutrino, shape (spectra, n).

    Raises
    ------
    DomainError
        If a recoil energy is not positive.
    """
    recoil = np.asarray(t, dtype=np.float64)
    if not np.all(recoil > 0.0):
        message = f"recoil energies must be positive, got {recoil.min():g} MeV"
        raise DomainError(message)
    moved = None if kernel.kinematics == ELASTIC else edges
    total = np.zeros((len(spectra), len(recoil)))

    def integrand(energy: Floats, t: Floats, cells: Floats) -> Floats:
        values = kernel.function(energy, t, mass)
        return values if weight is None else values * weight(energy, cells)

    lines, continua = _in_common(spectra)
    for energy, shares in lines.items():
        part = inside(recoil, kernel.kinematics.ends(energy, mass), moved)
        values = integrand(np.full_like(recoil, energy), recoil, np.zeros_like(recoil))
        for i, fraction in shares:
            total[i] += np.where(part != 0.0, fraction * part * values, 0.0)
    rule, least = gauss_rule(order), kernel.kinematics.least(recoil, mass) if continua else recoil
    for (start, end, is_last), segments in continua.items():
        low, part = np.minimum(np.maximum(least, start), end), np.ones_like(recoil)
        if moved is not None and is_last and not panels:  # the integral continues beyond the ends, with the other sign
            first, last = kernel.kinematics.ends(end, mass)
            low = np.where(recoil > moved[1], np.maximum(least, start), low)
            part = inside(recoil, (first if first > moved[1] else 0.0, last), moved)
        x, w = _energies(low, end, panels, rule)
        values = integrand(x, recoil[:, None], w) * w
        for i, segment in segments:
            total[i] += part * np.vecdot(values, segment.density(x))
    return np.asarray(kernel.prefactor(mass) * total)


def _in_common(
    spectra: Sequence[Spectrum],
) -> tuple[dict[float, list[tuple[int, float]]], dict[tuple[float, float, bool], list[tuple[int, Segment]]]]:
    """Return which spectra have a line at an energy, with its fraction, and which have a segment between two energies, and whether it is the last."""
    lines: dict[float, list[tuple[int, float]]] = {}
    continua: dict[tuple[float, float, bool], list[tuple[int, Segment]]] = {}
    for i, spectrum in enumerate(spectra):
        for energy, fraction in spectrum.lines:
            lines.setdefault(energy, []).append((i, fraction))
        for segment in spectrum.segments:
            continua.setdefault((segment.low, segment.high, segment.high == spectrum.end), []).append((i, segment))
    return lines, continua


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
