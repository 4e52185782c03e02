"""Non-standard neutral-current interactions of neutrinos with quarks, nucleons and electrons."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import CEVNS_ONLY, fixed, power, quark_numbers, tex
from cevnsfit.physics.interactions.electron_scattering import electron_terms, standard_electrons, transition_terms
from cevnsfit.physics.interactions.terms import ElectronTarget, PreparedModel, Shapes, SignalModel, Target, Term, sm_charge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_PAIRS: Final = (("e", "mu"), ("e", "tau"), ("mu", "tau"))
_COMPLEX: Final = ("", "_im")
_REFERENCES: Final = (
    "J. Barranco, O. G. Miranda and T. I. Rashba, JHEP 12 (2005) 021, arXiv:hep-ph/0508299",
    "C. Giunti, Phys. Rev. D 101, 035039 (2020), arXiv:1909.00466",
)
_ANGLES: Final = (
    "I. Esteban et al., arXiv:1805.04530",
    "P. Coloma et al., arXiv:2305.07698",
    "D. W. P. Amaral et al., arXiv:2302.12846",
)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return general_nsi(), nucleon_nsi(), angular_nsi()


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

    def prepare(target: Target) -> PreparedModel:
        return fixed(_terms(target, {f"_{quark}": number for quark, number in quark_numbers(target).items()}, _COMPLEX))

    return _complex_model("nsi", "non-standard interactions", "q", ("u", "d"), prepare)


def nucleon_nsi() -> SignalModel:
    """Return the same with couplings of the nucleons, eps_ab^p = 2 eps_ab^u + eps_ab^d and eps_ab^n = eps_ab^u + 2 eps_ab^d.

    They multiply Z F_Z and N F_N; everything else is as in `general_nsi`.
    """

    def prepare(target: Target) -> PreparedModel:
        return fixed(_terms(target, {"_p": target.zf, "_n": target.nf}, _COMPLEX))

    return _complex_model("nsi-nucleons", "non-standard interactions of nucleons", "N", ("p", "n"), prepare)


def angular_nsi() -> SignalModel:
    """Return the couplings eps_ab^f = eps_ab xi^f of all fermions in one direction, given by two angles in degrees.

        xi^e = sqrt5 cos(eta) sin(phi),   xi^p = sqrt5 cos(eta) cos(phi),   xi^n = sqrt5 sin(eta)

    (Coloma et al.; Esteban et al. for phi = 0, where eta = arctan(1/2) is the u quark alone and arctan(2) the d quark). All fermions share the phase
    of an off-diagonal coupling, which is not observable: `eps_emu` is its modulus. The current of the electron is a vector, g_V -> g_V + eps_aa xi^e.
    The angles have a period of 180 deg in eta and phi up to the sign of the couplings; both are held.
    """
    angles = tuple(
        Parameter(name, "nonlinear", 0.0, -90.0, 90.0, "deg", fixed=True, description=text, latex=rf"$\{symbol}$")
        for name, text, symbol in (("eta", "angle of neutrons", "eta"), ("phi", "angle of electrons", "varphi"))
    )

    def prepare(target: Target) -> PreparedModel:
        def terms(shapes: Shapes) -> tuple[Term, ...]:
            _, proton, neutron = _directions(shapes)
            return _terms(target, {"": proton * target.zf + neutron * target.nf}, ("",))

        return terms

    def electrons(target: ElectronTarget) -> PreparedModel:
        one = np.ones_like(target.t)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            electron = _directions(shapes)[0] * one
            shifts = {f: {power(f"eps_{f}{f}"): electron} for f in LEPTONS}
            changing = ((f, f"{a}{b}") for a, b in _PAIRS for f in (a, b))
            others = (transition_terms(target, f, {power(f"eps_{pair}"): electron}, pair) for f, pair in changing)
            return (*electron_terms(target, shifts), *(term for several in others for term in several))

        return terms

    directions = "xi^e = sqrt5 cos(eta) sin(phi), xi^p = sqrt5 cos(eta) cos(phi), xi^n = sqrt5 sin(eta)"
    lagrangian = f"L = -sqrt2 G_F sum_(a,b,f) eps_ab xi^f [nubar_a gamma^mu P_L nu_b] [fbar gamma_mu f], {directions}"
    formula = (
        r"$\mathcal{L} = -\sqrt{2}\,G_F \sum_{\alpha,\beta,f} \epsilon_{\alpha\beta}\,\xi^f\,[\bar{\nu}_\alpha\gamma^\mu P_L\nu_\beta][\bar{f}\gamma_\mu f]$, "
        r"$\xi^e = \sqrt{5}\cos\eta\sin\varphi$, $\xi^p = \sqrt{5}\cos\eta\cos\varphi$, $\xi^n = \sqrt{5}\sin\eta$"
    )
    parameters = (*_parameters(("",), ("",)), *angles)
    title = "non-standard interactions in one direction"
    return SignalModel("nsi-eta", title, lagrangian, parameters, prepare, _ANGLES, CEVNS_ONLY, electrons, "phi", formula=formula)


def _complex_model(
    name: str, title: str, fermion: str, species: tuple[str, ...], prepare: Callable[[Target], PreparedModel]
) -> SignalModel:
    """Return a model of complex couplings to two fermions."""
    which = "" if fermion == "q" else f", {fermion} = {', '.join(species)}"
    lagrangian = f"L = -sqrt2 G_F sum_(a,b,{fermion}) eps_ab^{fermion} [nubar_a gamma^mu P_L nu_b] [{fermion}bar gamma_mu {fermion}]{which}, eps_ba = eps_ab^*"
    formula = (
        rf"$\mathcal{{L}} = -\sqrt{{2}}\,G_F \sum_{{\alpha,\beta,{fermion}}} \epsilon_{{\alpha\beta}}^{fermion}\,"
        rf"[\bar{{\nu}}_\alpha\gamma^\mu P_L\nu_\beta][\bar{{{fermion}}}\gamma_\mu {fermion}]$"
    )
    parameters = _parameters(species, _COMPLEX)
    return SignalModel(name, title, lagrangian, parameters, prepare, _REFERENCES, electrons=standard_electrons, formula=formula)


def _directions(shapes: Shapes) -> tuple[float, float, float]:
    """Return xi of electron, proton and neutron."""
    eta, phi = math.radians(shapes["eta"]), math.radians(shapes["phi"])
    charged = math.sqrt(5.0) * math.cos(eta)
    return charged * math.sin(phi), charged * math.cos(phi), math.sqrt(5.0) * math.sin(eta)


def _terms(target: Target, charges: Mapping[str, NDArray[np.float64]], parts: tuple[str, ...]) -> tuple[Term, ...]:
    """Return the terms of couplings whose names end in the keys of `charges`, and in `parts` where they change the flavour."""
    terms: list[Term] = []
    for f in LEPTONS:
        shifts = {power(f"eps_{f}{f}{end}"): charge for end, charge in charges.items()}
        terms.append(Term(f, "nucleus", "vector", {(): sm_charge(target, f), **shifts}))
    for a, b in _PAIRS:
        for part in parts:
            amplitude = {power(f"eps_{a}{b}{end}{part}"): charge for end, charge in charges.items()}
            terms += [Term(f, "nucleus", "vector", amplitude, group=f"{a}-{b}{part}") for f in (a, b)]
    return tuple(terms)


def _parameters(species: tuple[str, ...], parts: tuple[str, ...]) -> tuple[Parameter, ...]:
    """Return the couplings of all flavours to each fermion; to all with one ("",)."""
    diagonal = [_eps(f * 2, fermion, f"coupling of nu_{f}") for f in LEPTONS for fermion in species]
    changing = [
        _eps(
            f"{a}{b}",
            f"{fermion}{part}",
            f"{'modulus' if len(parts) == 1 else 'imaginary part' if part else 'real part'} of the nu_{a}-nu_{b} coupling",
        )
        for a, b in _PAIRS
        for fermion in species
        for part in parts
    ]
    return (*diagonal, *changing)


def _eps(flavours: str, end: str, description: str) -> Parameter:
    fermion, *imaginary = end.split("_")
    part, upper, to = r"\mathrm{Im}\," if imaginary else "", f"^{fermion}" if fermion else "", f" to {fermion}" if fermion else ""
    name, latex = f"eps_{flavours}_{end}" if end else f"eps_{flavours}", rf"${part}\epsilon_{{{tex(flavours)}}}{upper}$"
    return Parameter(name, "polynomial", 0.0, -5.0, 5.0, fixed=True, description=f"{description}{to}", latex=latex)
