r"""Nuclei in the currents of quarks: scalar, pseudoscalar, vector, axial and tensor.

    L = -G [nubar Gamma P_L nu] sum_(q = u, d) q_q [qbar Gamma q]

gives a nucleus the charge G sum_q q_q <q>, with <q> from the charges of the nucleons.

- Scalar, vector: coherent, `scalar.nuclear_charges` and the numbers of valence quarks.
- Axial: <N|qbar gamma^mu gamma_5 q|N> = Delta q, averaged over the spin of the nucleus as in `axial`. Neutrinos without a mass conserve their current, so that
  neither the induced pseudoscalar of the nucleon nor the longitudinal part of a propagator counts.
- Pseudoscalar: by the poles of pion and eta (leading order of chiral perturbation theory, F. Bishara et al., arXiv:1707.06998)

      <p|ubar i gamma_5 u|p> = m_N B_0 [g_A/(q^2 + m_pi^2) + (Delta u + Delta d - 2 Delta s)/(3 (q^2 + m_eta^2))],   B_0 = m_pi^2/(m_u + m_d),

  the first term with the other sign for d. A nucleon at rest turns i gamma_5 into sigma q/(2 m_N), and the mean over the spin of the nucleus of
  |sum_N h_N sigma_N q|^2 is q^2/3 times that of the axial current, so that (derived here)

      dsigma/dT = G^2 M T^2/(8 pi E^2) (M/m_N)^2 (4/3) (J + 1)/J (h_p <S_p> + h_n <S_n>)^2 F_A^2,

  which is the result for a point-like fermion if the nucleus is one nucleon. The second term, all there is for equal couplings of u and d, is an estimate: the eta' is left out.
- Tensor: coherent, sum_N delta q_N, as D. Aristizabal Sierra et al., arXiv:1806.07424, do for a nucleus of spin 1/2. This is a convention: a tensor current acts on spins,
  and on nuclei of spin 0 it vanishes in the non-relativistic limit.

Axial, pseudoscalar and tensor share the cautions of `axial`: no two-body currents, F_A that of the protons, nothing from nuclides without known spins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.interactions.axial import AXIAL_COUPLING, spin_charge
from cevnsfit.physics.interactions.common import quark_numbers
from cevnsfit.physics.interactions.scalar import QUARK_MASSES, nuclear_charges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy import float64
    from numpy.typing import NDArray

    from cevnsfit.physics.interactions.terms import Target

    Charges = dict[str, NDArray[float64]]

AXIAL_CHARGES: Final[Mapping[str, float]] = {"u": 0.777, "d": -0.438, "s": -0.053}
"""Delta q of the proton, errors 0.039, 0.035 and 0.008, MS-bar at 2 GeV (lattice; H.-W. Lin et al., Phys. Rev. D 98, 094512 (2018), arXiv:1806.10604).

Delta u - Delta d is 5 % below the measured g_A, or 1.2 of its errors."""

TENSOR_CHARGES: Final[Mapping[str, float]] = {"u": 0.784, "d": -0.204}
"""delta q of the proton, errors 0.030 and 0.015, MS-bar at 2 GeV (lattice; R. Gupta et al., Phys. Rev. D 98, 091501 (2018), arXiv:1808.07597)."""

PION_MASS, ETA_MASS = 134.9768, 547.862
"""Neutral pion and eta in MeV (PDG 2024)."""

COHERENT_TENSOR: Final = "coherent tensor charge: a convention, it vanishes for spin 0"
"""Label of models with a tensor current; short, since it stands in titles."""

LATTICE: Final = (
    "H.-W. Lin et al., Phys. Rev. D 98, 094512 (2018), arXiv:1806.10604",
    "R. Gupta et al., Phys. Rev. D 98, 091501 (2018), arXiv:1808.07597",
)
CHIRAL: Final = "F. Bishara et al., JHEP 11 (2017) 059, arXiv:1707.06998"
GENERALISED: Final = (
    "M. Lindner, W. Rodejohann and X.-J. Xu, JHEP 03 (2017) 097, arXiv:1612.04150",
    "D. Aristizabal Sierra, V. De Romeri and N. Rojas, Phys. Rev. D 98, 075018 (2018), arXiv:1806.07424",
)


@dataclass(frozen=True, slots=True)
class Current:
    """A Lorentz structure.

    Attributes
    ----------
    kernel
        Its kernel, and the group in which amplitudes interfere.
    unit
        Charge of the kernel for G = 1/MeV^2: those of "vector" and "axial" are in units of sqrt2 G_F, the latter with the sign of -gamma_5.
    charges
        <u> and <d> of a nucleus, shape (n,) each.
    """

    kernel: str
    unit: float
    charges: Callable[[Target], Charges]


def axial_charges(target: Target) -> Charges:
    """Return the charges in the axial current."""
    up, down = AXIAL_CHARGES["u"], AXIAL_CHARGES["d"]
    return {"u": spin_charge(target, up, down), "d": spin_charge(target, down, up)}


def pseudoscalar_charges(target: Target) -> Charges:
    """Return the charges in the pseudoscalar current, for the kernel of a point-like fermion: (M/m_N) of the formula above is in them."""
    pion = AXIAL_COUPLING / (target.q2 + PION_MASS**2)
    eta = (AXIAL_CHARGES["u"] + AXIAL_CHARGES["d"] - 2.0 * AXIAL_CHARGES["s"]) / (3.0 * (target.q2 + ETA_MASS**2))
    scale = target.nuclide.mass * PION_MASS**2 / sum(QUARK_MASSES.values())
    same, other = scale * (eta + pion), scale * (eta - pion)
    return {"u": spin_charge(target, same, other), "d": spin_charge(target, other, same)}


def tensor_charges(target: Target) -> Charges:
    """Return the charges in the tensor current, added coherently."""
    up, down = TENSOR_CHARGES["u"], TENSOR_CHARGES["d"]
    return {"u": up * target.zf + down * target.nf, "d": down * target.zf + up * target.nf}


_CONTACT: Final = 1.0 / (math.sqrt(2.0) * FERMI_CONSTANT)

CURRENTS: Final[Mapping[str, Current]] = {
    "S": Current("scalar", 1.0, nuclear_charges),
    "P": Current("pseudoscalar", 1.0, pseudoscalar_charges),
    "V": Current("vector", _CONTACT, quark_numbers),
    "A": Current("axial", -_CONTACT, axial_charges),
    "T": Current("tensor", 1.0, tensor_charges),
}
"""The five currents by their letters."""
