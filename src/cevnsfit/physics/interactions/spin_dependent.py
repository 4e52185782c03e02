r"""Light mediators in the axial, pseudoscalar and tensor currents of quarks.

Exchange of a mediator is the contact interaction of `currents` with G = g^2 q_nu/(q^2 + M^2), up to a sign that only the axial one shows, since it
interferes with the axial part of the Standard Model on nuclei with spin:

    g_A^q -> g_A^q - g^2 q_nu q_q/(sqrt2 G_F (q^2 + M^2)).

That part is therefore in the axial model, which at g = 0 is `sm-axial`; pseudoscalar and tensor flip the helicity of the neutrino, interfere with nothing, and are
`sm` at g = 0. What the mean over spins leaves of vector times axial, -+2 (T/E) Q_V Q_A for neutrinos and antineutrinos next to K_V Q_V^2 + K_A Q_A^2, is of order T/E
(1e-3) and left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.axial import SPIN_REFERENCES, standard_axial
from cevnsfit.physics.interactions.common import charge, coupling, mediator_mass, power, standard_terms
from cevnsfit.physics.interactions.currents import CHIRAL, COHERENT_TENSOR, CURRENTS, GENERALISED, LATTICE
from cevnsfit.physics.interactions.electron_scattering import standard_electrons
from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, Shapes, SignalModel, Target, Term

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

_SUM: Final = r"\sum_\alpha q_{\nu_\alpha}\bar{\nu}_\alpha"
_QUARKS: Final = r"\sum_{q=u,d} q_q\,\bar{q}"


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (
        _mediator(
            "A",
            "axial-vector mediator",
            "L = g Z'_mu [sum_a q_nu_a nubar_a gamma^mu P_L nu_a + sum_(q = u, d) q_q qbar gamma^mu gamma_5 q]",
            rf"$\mathcal{{L}} = g_{{Z'}} Z'_\mu\,[{_SUM}\gamma^\mu P_L\nu_\alpha + {_QUARKS}\gamma^\mu\gamma_5 q]$",
            (*SPIN_REFERENCES, LATTICE[0]),
        ),
        _mediator(
            "P",
            "pseudoscalar",
            "L = g phi [sum_a q_nu_a nubar_a i gamma_5 nu_a + sum_(q = u, d) q_q qbar i gamma_5 q]",
            rf"$\mathcal{{L}} = g_\phi\,\phi\,[{_SUM} i\gamma_5\nu_\alpha + {_QUARKS} i\gamma_5 q]$",
            (CHIRAL, LATTICE[0], *SPIN_REFERENCES),
        ),
        _mediator(
            "T",
            "tensor mediator",
            "L = g^2/(q^2 + M^2) sum_a q_nu_a ([nubar_a sigma^munu P_L nu_a] + h.c.) sum_(q = u, d) q_q [qbar sigma_munu q]",
            rf"$\mathcal{{L}} = \frac{{g_T^2}}{{q^2 + m_T^2}}\,[{_SUM}\sigma^{{\mu\nu}}P_L\nu_\alpha + \mathrm{{h.c.}}]\,[{_QUARKS}\sigma_{{\mu\nu}} q]$",
            (*GENERALISED, LATTICE[1]),
        ),
    )


def _mediator(letter: str, title: str, lagrangian: str, formula: str, references: tuple[str, ...]) -> SignalModel:
    """Return the mediator of a current with user-given charges of the u and d quarks and of each neutrino; electrons scatter as in the Standard Model."""
    current = CURRENTS[letter]

    def prepare(target: Target) -> PreparedModel:
        quarks, standard = current.charges(target), standard_terms(target)
        own: dict[Monomial, NDArray[float64]] = {(): standard_axial(target)} if letter == "A" else {}

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            nucleus = current.unit * (shapes["q_u"] * quarks["u"] + shapes["q_d"] * quarks["d"]) / (target.q2 + shapes["mass"] ** 2)
            added = {f: own | {power("g", 2): shapes[f"q_nu_{f}"] * nucleus} for f in LEPTONS}
            return (*standard, *(Term(f, "nucleus", current.kernel, amplitude, group=current.kernel) for f, amplitude in added.items()))

        return terms

    symbol = {"A": "Z'", "P": r"\phi", "T": "T"}[letter]
    charges = (charge(particle) for particle in ("u", "d", *(f"nu_{f}" for f in LEPTONS)))
    parameters = (coupling(f"$g_{{{symbol}}}$"), mediator_mass(f"$m_{{{symbol}}}$"), *charges)
    label = COHERENT_TENSOR if letter == "T" else ""
    return SignalModel(current.kernel, title, lagrangian, parameters, prepare, references, label, standard_electrons, formula=formula)
