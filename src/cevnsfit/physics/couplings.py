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


def weak_couplings(name: str) -> WeakCouplings:
    """Return the named set; UnknownNameError lists the near matches."""
    if name not in COUPLING_SETS:
        kind = "coupling set"
        raise UnknownNameError(kind, name, COUPLING_SETS)
    return COUPLING_SETS[name]
