r"""The axial part of the Standard Model on nuclei with spin.

Averaged over the spin the axial current adds without interference (heavy nucleus, small recoil)

    dsigma/dT = (G_F^2 M/pi) (1 - T/E + M T/(2 E^2)) (4/3) (J + 1)/J (g_A/2)^2 (<S_p> - <S_n>)^2 F_A^2,

which is g_A^2/4 for a free nucleon (J = <S> = 1/2). The strange axial charge and two-body currents (-20 to -30 % of g_A) are left
out, and F_A is taken to be the proton form factor: an estimate to a factor of two of a part in a thousand of the rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import fixed, standard_terms
from cevnsfit.physics.interactions.terms import PreparedModel, SignalModel, Target, Term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

AXIAL_COUPLING: Final = 1.2754
"""g_A (PDG 2024)."""

_SPINS: Final[Mapping[str, tuple[float, float, float]]] = {
    "Na-23": (1.5, 0.224, 0.024),
    "Ge-73": (4.5, 0.031, 0.439),
    "I-127": (2.5, 0.342, 0.031),
    "Xe-129": (0.5, 0.010, 0.329),
    "Xe-131": (1.5, -0.009, -0.272),
    "Cs-133": (3.5, -0.318, 0.021),
}
"""(J, <S_p>, <S_n>): P. Klos et al., Phys. Rev. D 88, 083516 (2013), table I; Cs-133: P. Toivanen et al., Phys. Rev. C 79, 044302 (2009).

Older calculations give (-0.225, 0.002) for Cs-133 (collected in V. A. Bednyakov and F. Simkovic, hep-ph/0406218), half of its part."""

SPIN_REFERENCES: Final = (
    "P. Klos et al., Phys. Rev. D 88, 083516 (2013), arXiv:1304.7684",
    "P. Toivanen et al., Phys. Rev. C 79, 044302 (2009)",
)
_REFERENCES: Final = ("M. Hoferichter, J. Menendez and A. Schwenk, Phys. Rev. D 102, 074018 (2020), arXiv:2007.08529", *SPIN_REFERENCES)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (standard_model_with_axial_part(),)


def standard_model_with_axial_part() -> SignalModel:
    """Return the Standard Model with the axial part of nuclides of known spin structure; others have none."""

    def prepare(target: Target) -> PreparedModel:
        if axial_charge(target.nuclide.name) == 0.0:
            return fixed(standard_terms(target))
        amplitude = standard_axial(target)
        return fixed((*standard_terms(target), *(Term(f, "nucleus", "axial", {(): amplitude}, group="axial") for f in LEPTONS)))

    lagrangian = "L = -sqrt2 G_F [nubar gamma^mu P_L nu] sum_N [Nbar gamma_mu (g_V^N - g_A^N gamma_5) N]"
    formula = r"$\mathcal{L} = -\sqrt{2}\,G_F\,[\bar{\nu}\gamma^\mu P_L\nu] \sum_N [\bar{N}\gamma_\mu (g_V^N - g_A^N\gamma_5) N]$"
    return SignalModel("sm-axial", "Standard Model with axial part", lagrangian, (), prepare, _REFERENCES, formula=formula)


def axial_charge(nuclide: str) -> float:
    """Return sqrt(4/3 (J + 1)/J) (g_A/2) (<S_p> - <S_n>) of "Cs-133", zero for nuclides that are not in the table."""
    return float(_spin_average(nuclide, 0.5 * AXIAL_COUPLING, -0.5 * AXIAL_COUPLING))


def standard_axial(target: Target) -> NDArray[np.float64]:
    """Return the axial charge times F_A at the nodes, shape (n,)."""
    return spin_charge(target, 0.5 * AXIAL_COUPLING, -0.5 * AXIAL_COUPLING)


def spin_charge(target: Target, proton: ArrayLike, neutron: ArrayLike) -> NDArray[np.float64]:
    """Return sqrt(4/3 (J + 1)/J) (a_p <S_p> + a_n <S_n>) F_A at the nodes for spin operators a_p sigma_p + a_n sigma_n.

    Parameters
    ----------
    target
        The nuclide at recoil nodes.
    proton, neutron
        a_p and a_n, numbers or of shape (n,).

    Returns
    -------
    Shape (n,): the root of the mean over the orientations of the nucleus, with the sign; 1 for a_p = 1 and a free proton, and 0 for nuclides of unknown spin structure.
    """
    return np.asarray(_spin_average(target.nuclide.name, proton, neutron) * target.zf / target.nuclide.Z)


def _spin_average(nuclide: str, proton: ArrayLike, neutron: ArrayLike) -> NDArray[np.float64]:
    if nuclide not in _SPINS:
        return np.zeros_like(proton, dtype=np.float64)
    spin, spin_p, spin_n = _SPINS[nuclide]
    root = math.sqrt(4.0 / 3.0 * (spin + 1.0) / spin)
    return root * (np.asarray(proton, dtype=np.float64) * spin_p + np.asarray(neutron, dtype=np.float64) * spin_n)
