"""Non-standard neutral-current interactions of neutrinos with quarks."""

from __future__ import annotations

from typing import Final

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import fixed, power, quark_numbers, tex
from cevnsfit.physics.interactions.electron_scattering import standard_electrons
from cevnsfit.physics.interactions.terms import PreparedModel, SignalModel, Target, Term, sm_charge

_PAIRS: Final = (("e", "mu"), ("e", "tau"), ("mu", "tau"))
_LAGRANGIAN: Final = "L = -sqrt2 G_F sum_(a,b,q) eps_ab^q [nubar_a gamma^mu P_L nu_b] [qbar gamma_mu q], eps_ba = eps_ab^*"
_FORMULA: Final = (
    r"$\mathcal{L} = -\sqrt{2}\,G_F \sum_{\alpha,\beta,q} \epsilon_{\alpha\beta}^q\,"
    r"[\bar{\nu}_\alpha\gamma^\mu P_L\nu_\beta][\bar{q}\gamma_\mu q]$"
)
_REFERENCES: Final = (
    "J. Barranco, O. G. Miranda and T. I. Rashba, JHEP 12 (2005) 021, arXiv:hep-ph/0508299",
    "C. Giunti, Phys. Rev. D 101, 035039 (2020), arXiv:1909.00466",
)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (general_nsi(),)


def general_nsi() -> SignalModel:
    """Return the model of all vector couplings eps_ab^u and eps_ab^d.

    With u = 2 Z F_Z + N F_N and d = Z F_Z + 2 N F_N a neutrino of flavour a scatters with (Barranco et al., eq. (8))

        |Q_a + eps_aa^u u + eps_aa^d d|^2 + sum_{b != a} |eps_ab^u u + eps_ab^d d|^2.

    An off-diagonal coupling is complex: `eps_emu_u` is its real part (its modulus while the imaginary part is zero) and
    `eps_emu_u_im` its imaginary part; an overall phase is not observable, the relative one of u and d is.
    Couplings to electrons are not part of it: electrons scatter as in the Standard Model.
    All couplings are held at zero unless they are scanned or asked to float: a fit to one target leaves most of them
    degenerate. eps_tautau acts on nu_tau only, of which pion decay at rest has none.
    """
    diagonal = [_eps(f"{f}{f}_{quark}", f"coupling of nu_{f} to {quark}") for f in LEPTONS for quark in ("u", "d")]
    changing = [
        _eps(f"{a}{b}_{quark}{part}", f"{'imaginary' if part else 'real'} part of the nu_{a}-nu_{b} coupling to {quark}")
        for a, b in _PAIRS
        for quark in ("u", "d")
        for part in ("", "_im")
    ]
    parameters = (*diagonal, *changing)
    return SignalModel(
        "nsi", "non-standard interactions", _LAGRANGIAN, parameters, _prepare, _REFERENCES, electrons=standard_electrons, formula=_FORMULA
    )


def _prepare(target: Target) -> PreparedModel:
    quarks = quark_numbers(target)
    terms: list[Term] = []
    for f in LEPTONS:
        shifts = {power(f"eps_{f}{f}_{quark}"): charge for quark, charge in quarks.items()}
        terms.append(Term(f, "nucleus", "vector", {(): sm_charge(target, f), **shifts}))
    for a, b in _PAIRS:
        for part in ("", "_im"):
            amplitude = {power(f"eps_{a}{b}_{quark}{part}"): charge for quark, charge in quarks.items()}
            terms += [Term(f, "nucleus", "vector", amplitude, group=f"{a}-{b}{part}") for f in (a, b)]
    return fixed(tuple(terms))


def _eps(name: str, description: str) -> Parameter:
    flavours, quark, *imaginary = name.split("_")
    part = r"\mathrm{Im}\," if imaginary else ""
    latex = rf"${part}\epsilon_{{{tex(flavours)}}}^{quark}$"
    return Parameter(f"eps_{name}", "polynomial", 0.0, -5.0, 5.0, fixed=True, description=description, latex=latex)
