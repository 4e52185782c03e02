r"""Light scalar mediators.

    L = g phi [ sum_a q_nu,a nubar_a nu_a + sum_q q_q qbar q ],
    dsigma/dT = g^4 Q_phi^2 M^2 T / (4 pi E^2 (2 M T + M_phi^2)^2),

which flips the helicity of the neutrino and so does not interfere with the Standard Model. The charge of a nucleus is
Q_phi = q_nu [ Z F_Z sum_q q_q <p|qbar q|p> + N F_N sum_q q_q <n|qbar q|n> ], with <N|qbar q|N> = f_q^N m_N/m_q.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import CEVNS_ONLY, charge, coupling, mediator_mass, power, standard_terms
from cevnsfit.physics.interactions.electron_scattering import electron_terms, single_terms
from cevnsfit.physics.interactions.terms import ElectronTarget, PreparedModel, Shapes, SignalModel, Target, Term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float64
    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter

NUCLEON_CHARGES: Final[Mapping[str, tuple[float, float]]] = {"arXiv:2202.11002": (17.3, 17.3), "arXiv:1604.01025": (15.1, 14.0)}
"""<p|ubar u + dbar d|p> and that of the neutron, the two sets of the literature. First sigma_piN/m_ud with sigma_piN = 59.1 MeV and m_ud = 3.42 MeV
(Atzori Corona et al.; sigma_piN from Hoferichter et al., PRL 115, 092301 (2015)); then Cerdeno et al., with older sigma terms (also in arXiv:1701.07443)."""

_FRACTIONS: Final[Mapping[str, tuple[float, float]]] = {"u": (20.8e-3, 18.9e-3), "d": (41.1e-3, 45.1e-3)}
"""f_q^p and f_q^n, errors 7 % (M. Hoferichter et al., Phys. Rev. Lett. 115, 092301 (2015), arXiv:1506.04142)."""

QUARK_MASSES: Final[Mapping[str, float]] = {"u": 2.16, "d": 4.67}
"""MS-bar masses at 2 GeV in MeV (PDG 2022)."""

_NUCLEON_MASSES: Final = (938.27209, 939.56542)
"""Proton and neutron in MeV (PDG 2024)."""

_REFERENCES: Final = (
    "D. G. Cerdeno et al., JHEP 05 (2016) 118, arXiv:1604.01025",
    "M. Atzori Corona et al., JHEP 05 (2022) 109, arXiv:2202.11002",
    "M. Hoferichter et al., Phys. Rev. Lett. 115, 092301 (2015), arXiv:1506.04142",
)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return universal_scalar(), general_scalar()


def matrix_element(quark: str, nucleon: str) -> float:
    """Return <N|qbar q|N> = f_q^N m_N/m_q for the quark "u" or "d" and the nucleon "p" or "n"."""
    index = ("p", "n").index(nucleon)
    return _FRACTIONS[quark][index] * _NUCLEON_MASSES[index] / QUARK_MASSES[quark]


def nuclear_charges(target: Target) -> dict[str, NDArray[float64]]:
    """Return Z F_Z <p|qbar q|p> + N F_N <n|qbar q|n> for the quarks u and d, shape (n,) each."""
    return {q: matrix_element(q, "p") * target.zf + matrix_element(q, "n") * target.nf for q in ("u", "d")}


def universal_scalar() -> SignalModel:
    """Return a scalar with the same coupling to neutrinos, charged leptons, u and d quarks, Q_phi = q_p Z F_Z + q_n N F_N, 17.3 each by default."""
    lagrangian = "L = g phi [nubar nu + lbar l + sum_(q = u, d) qbar q]"

    def prepare(target: Target) -> PreparedModel:
        standard = standard_terms(target)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            nucleus = shapes["q_p"] * target.zf + shapes["q_n"] * target.nf
            return (*standard, *_scalar_terms(target, dict.fromkeys(LEPTONS, nucleus), shapes["mass"]))

        return terms

    def electrons(target: ElectronTarget) -> PreparedModel:
        return lambda shapes: _electron_terms(target, dict.fromkeys(LEPTONS, 1.0), shapes["mass"])

    parameters, leptons = (coupling(r"$g_\phi$"), mediator_mass(r"$m_\phi$"), *_nucleons()), (("e", "scalar", 1.0), ("mu", "scalar", 1.0))
    formula = r"$\mathcal{L} = g_\phi\,\phi\,[\bar{\nu}\nu + \bar{\ell}\ell + \sum_{q=u,d} \bar{q} q]$"
    model = SignalModel("scalar-universal", "universal scalar", lagrangian, parameters, prepare, _REFERENCES, CEVNS_ONLY, electrons)
    return replace(model, leptons=leptons, formula=formula)


def general_scalar() -> SignalModel:
    """Return a scalar with user-given charges of the u and d quarks, of the electron (0 by default) and of each neutrino."""
    lagrangian = "L = g phi [sum_a q_nu_a nubar_a nu_a + q_e ebar e + sum_(q = u, d) q_q qbar q]"
    charges = (*(charge(particle) for particle in ("u", "d", *(f"nu_{f}" for f in LEPTONS))), charge("e", 0.0))

    def prepare(target: Target) -> PreparedModel:
        quarks = nuclear_charges(target)
        standard = standard_terms(target)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            nucleus = shapes["q_u"] * quarks["u"] + shapes["q_d"] * quarks["d"]
            return (*standard, *_scalar_terms(target, {f: shapes[f"q_nu_{f}"] * nucleus for f in LEPTONS}, shapes["mass"]))

        return terms

    def electrons(target: ElectronTarget) -> PreparedModel:
        return lambda shapes: _electron_terms(target, {f: shapes["q_e"] * shapes[f"q_nu_{f}"] for f in LEPTONS}, shapes["mass"])

    parameters = (coupling(r"$g_\phi$"), mediator_mass(r"$m_\phi$"), *charges)
    formula = r"$\mathcal{L} = g_\phi\,\phi\,[\sum_\alpha q_{\nu_\alpha}\bar{\nu}_\alpha\nu_\alpha + q_e\,\bar{e} e + \sum_{q=u,d} q_q\,\bar{q} q]$"
    return SignalModel("scalar", "scalar", lagrangian, parameters, prepare, _REFERENCES, CEVNS_ONLY, electrons, "q_e", formula=formula)


def _nucleons() -> tuple[Parameter, ...]:
    """Return the charges of proton and neutron, by default those of the first set."""
    default = next(iter(NUCLEON_CHARGES.values()))
    texts = [", ".join(f"{values[k]:g} ({source})" for source, values in NUCLEON_CHARGES.items()) for k in (0, 1)]
    charges = [charge(nucleon, value) for nucleon, value in zip(("p", "n"), default, strict=True)]
    return tuple(replace(one, description=f"{one.description}: {text}") for one, text in zip(charges, texts, strict=True))


def _scalar_terms(target: Target, charges: Mapping[str, NDArray[float64]], mass: float) -> tuple[Term, ...]:
    propagator = 1.0 / (2.0 * target.nuclide.mass * target.t + mass**2)
    amplitudes = {flavour: {power("g", 2): values * propagator} for flavour, values in charges.items()}
    return tuple(Term(flavour, "nucleus", "scalar", amplitude, group="scalar") for flavour, amplitude in amplitudes.items())


def _electron_terms(target: ElectronTarget, charges: Mapping[str, float], mass: float) -> tuple[Term, ...]:
    propagator = 1.0 / (target.q2 + mass**2)
    scalar = {flavour: {power("g", 2): value * propagator} for flavour, value in charges.items()}
    return (*electron_terms(target, {}), *single_terms(target, "electron-scalar", scalar))
