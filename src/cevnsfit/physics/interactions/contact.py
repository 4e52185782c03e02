r"""Generalised neutrino interactions: contact interactions of every Lorentz structure with the u and d quarks, the same for all flavours of neutrinos.

    L = -sqrt2 G_F sum_(q = u, d) {[nubar gamma^mu P_L nu] [qbar gamma_mu (eps_V^q + eps_A^q gamma_5) q]
        + ([nubar P_L nu] [qbar (eps_S^q + i eps_P^q gamma_5) q] + eps_T^q [nubar sigma^munu P_L nu] [qbar sigma_munu q] + h.c.)},

so that eps_V is that of `nsi` with eps_ee = eps_mumu = eps_tautau. With G_F/sqrt2 in front and no projector (Lindner et al., Aristizabal Sierra et al.; assumed, from memory of
their Lagrangians) C_S, C_T = 2 eps_S, 2 eps_T, and xi_T^2 = 8 C_T^2 is then what traces give. V and A interfere with the Standard Model, whose axial part is
included: without couplings it is `sm-axial`. S, P and T need a right-handed neutrino, and each adds a square; the interference of S and T, of order T/E (1e-3), is left out.
Charges of nuclei are those of `currents`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import FERMI_CONSTANT
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.axial import SPIN_REFERENCES, standard_axial
from cevnsfit.physics.interactions.common import fixed, power
from cevnsfit.physics.interactions.currents import CHIRAL, COHERENT_TENSOR, CURRENTS, GENERALISED, LATTICE
from cevnsfit.physics.interactions.electron_scattering import standard_electrons
from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, SignalModel, Target, Term, sm_charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float64
    from numpy.typing import NDArray

_UNIT: Final = math.sqrt(2.0) * FERMI_CONSTANT
_DOMAINS: Final[Mapping[str, float]] = {"S": 5.0, "P": 500.0, "V": 5.0, "A": 500.0, "T": 5.0}
"""Largest |eps|: couplings that are not coherent are allowed to be large."""

_LAGRANGIAN: Final = (
    "L = -sqrt2 G_F sum_(q = u, d) {[nubar gamma^mu P_L nu] [qbar gamma_mu (eps_V^q + eps_A^q gamma_5) q] + "
    "([nubar P_L nu] [qbar (eps_S^q + i eps_P^q gamma_5) q] + eps_T^q [nubar sigma^munu P_L nu] [qbar sigma_munu q] + h.c.)}"
)
_FORMULA: Final = (
    r"$\mathcal{L} = -\sqrt{2}\,G_F \sum_{q=u,d} \{[\bar{\nu}\gamma^\mu P_L\nu][\bar{q}\gamma_\mu(\epsilon_V^q + \epsilon_A^q\gamma_5) q] + "
    r"([\bar{\nu} P_L\nu][\bar{q}(\epsilon_S^q + i\epsilon_P^q\gamma_5) q] + \epsilon_T^q [\bar{\nu}\sigma^{\mu\nu} P_L\nu][\bar{q}\sigma_{\mu\nu} q] + \mathrm{h.c.})\}$"
)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (contact(),)


def contact() -> SignalModel:
    """Return the model of all couplings eps_X^u and eps_X^d; all are held at zero unless they are scanned or asked to float."""
    parameters = tuple(_eps(letter, quark) for letter in CURRENTS for quark in ("u", "d"))
    references = (*GENERALISED, *LATTICE, CHIRAL, *SPIN_REFERENCES)
    model = SignalModel(
        "contact", "contact interactions", _LAGRANGIAN, parameters, _prepare, references, COHERENT_TENSOR, standard_electrons
    )
    return replace(model, label_unless_zero="eps_T_u eps_T_d", formula=_FORMULA)


def _prepare(target: Target) -> PreparedModel:
    standard = {"V": {f: sm_charge(target, f) for f in LEPTONS}, "A": dict.fromkeys(LEPTONS, standard_axial(target))}
    terms: list[Term] = []
    for letter, current in CURRENTS.items():
        added = {power(f"eps_{letter}_{q}"): _UNIT * current.unit * values for q, values in current.charges(target).items()}
        for f in LEPTONS:
            own: dict[Monomial, NDArray[float64]] = {(): standard[letter][f]} if letter in standard else {}
            terms.append(Term(f, "nucleus", current.kernel, own | added, group=current.kernel))
    return fixed(tuple(terms))


def _eps(letter: str, quark: str) -> Parameter:
    bound, text = _DOMAINS[letter], f"{CURRENTS[letter].kernel} coupling to {quark} in units of sqrt2 G_F"
    return Parameter(
        f"eps_{letter}_{quark}", "polynomial", 0.0, -bound, bound, fixed=True, description=text, latex=rf"$\epsilon_{letter}^{quark}$"
    )
