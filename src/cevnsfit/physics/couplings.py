"""Weak vector couplings of the nucleons to neutrinos of each flavour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.physics.constants import SIN2_THETA_W

if TYPE_CHECKING:
    from collections.abc import Mapping

LEPTONS: Final = ("e", "mu", "tau")
"""Lepton flavours, in the order of the tables."""


@dataclass(frozen=True, slots=True)
class WeakCouplings:
    """The couplings in Q_f = g_V^p(f) Z F_Z + g_V^n N F_N.

    Attributes
    ----------
    proton
        g_V^p for each lepton flavour "e", "mu", "tau"; it differs between flavours by the neutrino charge radius,
        which is a radiative correction.
    neutron
        g_V^n, the same for every flavour to this order.
    """

    proton: Mapping[str, float]
    neutron: float


def tree_level(sin2_theta_w: float = SIN2_THETA_W) -> WeakCouplings:
    """Return the couplings without radiative corrections, g_V^p = 1/2 - 2 s_W^2 and g_V^n = -1/2.

    Parameters
    ----------
    sin2_theta_w
        s_W^2.

    References
    ----------
    PDG 2024, section 10.1 (g_V = T_3 - 2 Q s_W^2 summed over the valence quarks).
    """
    return WeakCouplings(dict.fromkeys(LEPTONS, 0.5 - 2.0 * sin2_theta_w), -0.5)


COUPLING_SETS: Final[Mapping[str, WeakCouplings]] = {
    "default": WeakCouplings({"e": 0.0382, "mu": 0.0300, "tau": 0.0256}, -0.5117),
    "cadeddu2020": WeakCouplings({"e": 0.0401, "mu": 0.0318, "tau": 0.0275}, -0.5094),
    "tree": tree_level(),
}
"""Named sets.

"default": with radiative corrections in the MS-bar scheme, including WW and ZZ boxes and the neutrino charge radii
(Atzori Corona et al., Eur. Phys. J. C 83, 683 (2023), arXiv:2303.09360).
"cadeddu2020": radiative corrections of the earlier literature (Cadeddu et al., arXiv:2008.05022).
"tree": none; s_W^2 at zero momentum transfer.
"""


@dataclass(frozen=True, slots=True)
class ElectronCouplings:
    """The couplings of neutrinos to electrons, L = -sqrt2 G_F [nubar gamma^mu P_L nu] [ebar gamma_mu (g_V - g_A gamma_5) e].

    Attributes
    ----------
    vector, axial
        g_V and g_A for each lepton flavour "e", "mu", "tau"; those of "e" hold the charged current.
    """

    vector: Mapping[str, float]
    axial: Mapping[str, float]

    def left(self, flavour: str) -> float:
        """Return g_L = (g_V + g_A)/2."""
        return 0.5 * (self.vector[flavour] + self.axial[flavour])

    def right(self, flavour: str) -> float:
        """Return g_R = (g_V - g_A)/2."""
        return 0.5 * (self.vector[flavour] - self.axial[flavour])


def electron_couplings(name: str = "default") -> ElectronCouplings:
    """Return the couplings to electrons that belong to a named set: tree level for "tree", else with radiative corrections.

    References
    ----------
    M. Atzori Corona et al., JHEP 09 (2022) 164, arXiv:2205.09484; tree level: PDG 2024, section 10.
    """
    if weak_couplings(name) is COUPLING_SETS["tree"]:
        vector = 2.0 * SIN2_THETA_W - 0.5
        return ElectronCouplings({"e": 1.0 + vector, "mu": vector, "tau": vector}, {"e": 0.5, "mu": -0.5, "tau": -0.5})
    return ElectronCouplings({"e": 0.9524, "mu": -0.0394, "tau": -0.0350}, {"e": 0.4938, "mu": -0.5062, "tau": -0.5062})


def weak_couplings(name: str) -> WeakCouplings:
    """Return the named set; UnknownNameError lists the near matches."""
    if name not in COUPLING_SETS:
        kind = "coupling set"
        raise UnknownNameError(kind, name, COUPLING_SETS)
    return COUPLING_SETS[name]
