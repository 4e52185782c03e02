"""Kinematics of a particle on a target at rest, and nodes of the recoil energy.

    1 + N -> 2 + N,    2 M T = m_1^2 - (p_1 - p_2)^2 + ...,

for an incoming particle of mass m_1 and energy E, an outgoing one of mass m_2, and a target of mass M that takes the recoil T. With
D = m_1^2 - m_2^2, B = M T - D/2, P^2 = T^2 + 2 M T and s = M^2 + m_1^2 + 2 M E, the momenta are parallel or antiparallel at the ends:

    E_min(T) = [T B + P sqrt(B^2 + 2 M T m_1^2)] / (2 M T),
    T_+-(E)  = [2 M p_1^2 + (E + M) D +- p_1 sqrt((s - m_2^2 - M^2)^2 - 4 m_2^2 M^2)] / (2 s),

which for massless particles are (T + P)/2, 0 and 2 E^2/(M + 2 E).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.physics.sources import Spectrum

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kinematics:
    """Which recoils an energy reaches.

    Attributes
    ----------
    incoming, outgoing
        Masses m_1 and m_2 in MeV.
    """

    incoming: float = 0.0
    outgoing: float = 0.0

    def threshold(self, mass: float) -> float:
        """Return the least energy in MeV at which the outgoing particle can be made on a target of some mass [MeV]."""
        return max(self.incoming, ((self.outgoing + mass) ** 2 - self.incoming**2 - mass**2) / (2.0 * mass))

    def least(self, t: ArrayLike, mass: float) -> Floats:
        """Return the least energy E_min in MeV that gives a recoil `t` [MeV], in the shape of `t`."""
        recoil = np.asarray(t, dtype=np.float64)
        momentum = np.sqrt(recoil * (recoil + 2.0 * mass))
        if self == ELASTIC:
            return np.asarray(0.5 * (recoil + momentum))
        off = mass * recoil - 0.5 * (self.incoming**2 - self.outgoing**2)
        root = np.sqrt(off**2 + 2.0 * mass * recoil * self.incoming**2)
        return np.asarray((recoil * off + momentum * root) / (2.0 * mass * recoil))

    def ends(self, energy: float, mass: float) -> tuple[float, float]:
        """Return the smallest and the largest recoil in MeV at an energy [MeV]; both are 0 below the threshold."""
        if energy <= self.threshold(mass):
            return 0.0, 0.0
        s, change = mass**2 + self.incoming**2 + 2.0 * mass * energy, self.incoming**2 - self.outgoing**2
        momentum = math.sqrt(energy**2 - self.incoming**2)
        middle = 2.0 * mass * momentum**2 + (energy + mass) * change
        root = math.sqrt(max((s - self.outgoing**2 - mass**2) ** 2 - 4.0 * (self.outgoing * mass) ** 2, 0.0))
        largest = (middle + momentum * root) / (2.0 * s)
        return change**2 / (4.0 * s * largest), largest  # the product of both: the smaller one is a difference of equal numbers


ELASTIC: Final = Kinematics()
"""A massless particle stays one."""


def t_max(energy: ArrayLike, mass: float) -> Floats:
    """Return the largest recoil energy 2 E^2/(M + 2 E) in MeV of a massless particle, in the shape of `energy` [MeV]."""
    e = np.asarray(energy, dtype=np.float64)
    return np.asarray(2.0 * e**2 / (mass + 2.0 * e))


def e_min(t: ArrayLike, mass: float) -> Floats:
    """Return the least energy (T + sqrt(T^2 + 2 M T))/2 in MeV of a massless particle that gives a recoil `t` [MeV]."""
    return ELASTIC.least(t, mass)


def recoil_edges(mass: float, spectra: Iterable[Spectrum], kinks: Iterable[float] = (), *, panels: int = 7) -> Floats:
    """Return the edges in MeV of the panels of `recoil_nodes`, shape (panels + 1,), from 0 to the largest recoil of a massless particle."""
    sources = tuple(spectra)
    ends = {float(t_max(energy, mass)) for source in sources for energy in [source.end, *(line for line, _ in source.lines)]}
    last = max(ends)
    growing = {last / 9.0**power for power in range(panels)}
    inner = {kink for kink in kinks if 0.0 < kink < last}
    edges = np.sqrt(np.array([0.0, *sorted(growing | ends | inner)]))
    keep = np.diff(edges, append=math.inf) > 1e-9 * edges[-1]
    return np.asarray(edges[keep] ** 2)


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
    return panel_nodes(recoil_edges(mass, spectra, kinks, panels=panels), order)


def panel_nodes(edges: Floats, order: int = 14) -> tuple[Floats, Floats]:
    """Return nodes and weights in MeV between the edges [MeV] of panels, `order` in each, by the rule of `recoil_nodes`."""
    nodes, weights = gauss_rule(order)
    u = np.sqrt(edges)
    half = 0.5 * np.diff(u)
    places = (u[:-1, None] + half[:, None] * (1.0 + nodes)).ravel()
    return places**2, 2.0 * places * (half[:, None] * weights).ravel()


def inside(t: Floats, ends: tuple[float, float], edges: Floats | None = None) -> Floats:
    """Return the factors of the weights that restrict an integral over the recoil to an interval, shape (n,).

    Without edges they are 1 inside and 0 outside. With the `edges` of the panels whose nodes `t` are, the rule in a panel that an end cuts is that of
    the part inside: exact where the integrand continues as a polynomial of a degree below the number of nodes beyond the end. The weight of the node x_i on
    [-1, s] is w_i [ (1 + s)/2 + sum_k P_k(x_i) (P_(k+1)(s) - P_(k-1)(s))/2 ], k from 1 (Legendre polynomials and their primitives, DLMF 18.9.1 and 18.17.1).
    """
    low, high = ends
    if edges is None:
        return np.asarray((t >= low) & (t <= high), dtype=np.float64)
    factors = np.zeros_like(t)
    if low < high:
        _add_below(factors, high, edges, 1.0)
        _add_below(factors, low, edges, -1.0)
    return factors


def _add_below(factors: Floats, end: float, edges: Floats, sign: float) -> None:
    """Add the factors of an integral up to `end`, times a sign."""
    panels = len(edges) - 1
    order, cut = len(factors) // panels, int(np.searchsorted(edges, end, side="right")) - 1
    factors[: max(cut, 0) * order] += sign
    if 0 <= cut < panels and end > edges[cut]:
        first, last = math.sqrt(edges[cut]), math.sqrt(edges[cut + 1])
        place = (2.0 * math.sqrt(end) - first - last) / (last - first)
        factors[cut * order : (cut + 1) * order] += sign * (_cut_rule(order) @ place ** np.arange(order + 1))


@functools.cache
def gauss_rule(order: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss and Legendre on [-1, 1]."""
    return np.polynomial.legendre.leggauss(order)


@functools.cache
def _cut_rule(order: int) -> Floats:
    """Return the matrix that gives the factors of the nodes, for an integral from -1 to s, from the powers s^0, s^1, .. s^order."""
    legendre = np.array([np.pad(np.polynomial.legendre.leg2poly([0.0] * k + [1.0]), (0, order - k)) for k in range(order + 1)])
    primitives = np.vstack([legendre[0] + legendre[1], legendre[2:] - legendre[:-2]])
    return np.asarray(0.5 * np.polynomial.legendre.legvander(gauss_rule(order)[0], order - 1) @ primitives)
