r"""Light vector mediators, coupled to quarks at tree level or through a lepton loop.

The coupling g is normalised by

    L = g Z'_mu [ q_nu nubar gamma^mu P_L nu + q_q qbar gamma^mu q ],

that is, g multiplies the full vector current of a charge 1; public codes differ by a factor 2 in g^2. With the
Standard Model in the form L = -sqrt2 G_F g_V (nubar gamma^mu P_L nu)(fbar gamma_mu f), exchange of the mediator at a
spacelike momentum transfer, L_eff = -g^2 q_nu q_f/(q^2 + M^2) (nubar gamma^mu P_L nu)(fbar gamma_mu f), is the shift

    Q -> Q + g^2 q_nu / (sqrt2 G_F (q^2 + M^2)) [ (2 q_u + q_d) Z F_Z + (q_u + 2 q_d) N F_N ].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, MUON_MASS, TAU_MASS
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import CEVNS_ONLY, charge, coupling, mediator_mass, power, quark_numbers, standard_terms, tex
from cevnsfit.physics.interactions.electron_scattering import electron_terms, transition_terms
from cevnsfit.physics.interactions.terms import ElectronTarget, Monomial, PreparedModel, Shapes, SignalModel, Target, Term, sm_charge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

_LAGRANGIAN: Final = "L = g Z'_mu [q_nu nubar gamma^mu P_L nu + q_q qbar gamma^mu q]"
_FORMULA: Final = r"$\mathcal{L} = g_{Z'} Z'_\mu\,[q_\nu\,\bar{\nu}\gamma^\mu P_L\nu + q_q\,\bar{q}\gamma^\mu q]$"
_MASSES: Final[Mapping[str, float]] = {"e": ELECTRON_MASS, "mu": MUON_MASS, "tau": TAU_MASS}
_SQUARE: Final = power("g", 2)
_CONTACT: Final = 1.0 / (math.sqrt(2.0) * FERMI_CONSTANT)
_LOOP_STRENGTH: Final = math.sqrt(2.0) * FINE_STRUCTURE / (math.pi * FERMI_CONSTANT)
_CADEDDU: Final = "M. Cadeddu et al., JHEP 01 (2021) 116, arXiv:2008.05022"
_BANERJEE: Final = "H. Banerjee, B. Dutta and S. Roy, arXiv:2103.10196"


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges of a tree-level mediator.

    Attributes
    ----------
    quark
        q_u = q_d.
    neutrino
        q_nu of the e, mu and tau flavours, those of the charged leptons too.
    """

    quark: float
    neutrino: tuple[float, float, float]

    def __str__(self) -> str:
        """Return the charges as text."""
        leptons = ", ".join(f"{Fraction(q).limit_denominator(9)} ({flavour})" for flavour, q in zip(LEPTONS, self.neutrino, strict=True))
        return f"q_u = q_d = {Fraction(self.quark).limit_denominator(9)}, q_nu = q_l = {leptons}"

    @property
    def formula(self) -> str:
        """Return the charges for pictures."""
        leptons = ", ".join(rf"$q_{{{tex(f)}}} = {Fraction(q).limit_denominator(9)}$" for f, q in zip(LEPTONS, self.neutrino, strict=True))
        return rf"$q_u = q_d = {Fraction(self.quark).limit_denominator(9)}$, {leptons}"


_TREE: Final[Mapping[str, tuple[str, str, Charges]]] = {
    "universal": ("universal Z'", r"universal $Z'$", Charges(1.0, (1.0, 1.0, 1.0))),
    "b-l": ("B-L", r"$B - L$", Charges(1.0 / 3.0, (-1.0, -1.0, -1.0))),
    "b-3l-e": ("B-3L_e", r"$B - 3L_e$", Charges(1.0 / 3.0, (-3.0, 0.0, 0.0))),
    "b-3l-mu": ("B-3L_mu", r"$B - 3L_\mu$", Charges(1.0 / 3.0, (0.0, -3.0, 0.0))),
    "b-3l-tau": ("B-3L_tau", r"$B - 3L_\tau$", Charges(1.0 / 3.0, (0.0, 0.0, -3.0))),
    "b-2l-e-l-mu": ("B-2L_e-L_mu", r"$B - 2L_e - L_\mu$", Charges(1.0 / 3.0, (-2.0, -1.0, 0.0))),
    "b-y-l-mu-l-tau": ("B_y+L_mu+L_tau", r"$B_y + L_\mu + L_\tau$", Charges(1.0 / 3.0, (0.0, 1.0, 1.0))),
}
_LOOP: Final[Mapping[str, tuple[str, str, str]]] = {
    "lmu-ltau": ("L_mu-L_tau", "mu", "tau"),
    "le-lmu": ("L_e-L_mu", "e", "mu"),
    "le-ltau": ("L_e-L_tau", "e", "tau"),
}


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    tree = [replace(tree_mediator(name, title, charges), latex=latex) for name, (title, latex, charges) in _TREE.items()]
    loops = [loop_mediator(name, title, first, second) for name, (title, first, second) in _LOOP.items()]
    return (*tree, *loops, general_mediator(), dark_photon(), with_mixing(loops[0], {"mu": 1.0, "tau": -1.0}))


def lepton_charges(name: str) -> dict[str, float]:
    """Return the charge of each lepton flavour in a model of this family; empty for other models, and where the charges are parameters."""
    if name in _TREE:
        return dict(zip(LEPTONS, _TREE[name][2].neutrino, strict=True))
    if name in _LOOP:
        return dict.fromkeys(LEPTONS, 0.0) | {_LOOP[name][1]: 1.0, _LOOP[name][2]: -1.0}
    return {}


def tree_mediator(name: str, title: str, charges: Charges) -> SignalModel:
    """Return a mediator with tree-level couplings to quarks."""

    def prepare(target: Target) -> PreparedModel:
        nucleus = charges.quark * 3.0 * (target.zf + target.nf) * _CONTACT
        couplings = {flavour: q * nucleus for flavour, q in zip(LEPTONS, charges.neutrino, strict=True) if q != 0.0}
        standard = _standard(target)
        return lambda shapes: _exchange(target, standard, couplings, shapes["mass"])

    def electrons(target: ElectronTarget) -> PreparedModel:
        strengths = {f: q * charges.neutrino[0] * _CONTACT for f, q in zip(LEPTONS, charges.neutrino, strict=True)}
        return lambda shapes: _electron_exchange(target, strengths, shapes["mass"])

    label = CEVNS_ONLY if charges.neutrino[0] != 0.0 else ""
    lagrangian = f"{_LAGRANGIAN}, {charges}"
    leptons = _leptons(zip(LEPTONS, charges.neutrino, strict=True))
    parameters = (coupling(), mediator_mass())
    formula = f"{_FORMULA}, {charges.formula}"
    return SignalModel(name, title, lagrangian, parameters, prepare, (_CADEDDU,), label, electrons, leptons=leptons, formula=formula)


def general_mediator() -> SignalModel:
    """Return a mediator with user-given charges of the u and d quarks, of the electron (0 by default) and of each neutrino."""
    charges = (*(charge(particle) for particle in ("u", "d", *(f"nu_{flavour}" for flavour in LEPTONS))), charge("e", 0.0))

    def prepare(target: Target) -> PreparedModel:
        up, down = (_CONTACT * number for number in quark_numbers(target).values())
        standard = _standard(target)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            nucleus = shapes["q_u"] * up + shapes["q_d"] * down
            return _exchange(target, standard, {flavour: shapes[f"q_nu_{flavour}"] * nucleus for flavour in LEPTONS}, shapes["mass"])

        return terms

    def electrons(target: ElectronTarget) -> PreparedModel:
        def terms(shapes: Shapes) -> tuple[Term, ...]:
            strengths = {flavour: shapes["q_e"] * shapes[f"q_nu_{flavour}"] * _CONTACT for flavour in LEPTONS}
            return _electron_exchange(target, strengths, shapes["mass"])

        return terms

    parameters = (coupling(), mediator_mass(), *charges)
    return SignalModel(
        "vector", "vector mediator", _LAGRANGIAN, parameters, prepare, (_CADEDDU,), CEVNS_ONLY, electrons, "q_e", formula=_FORMULA
    )


def loop_mediator(name: str, title: str, first: str, second: str) -> SignalModel:
    r"""Return a mediator of L_first - L_second, which reaches the nucleus through its mixing with the photon.

    The vacuum polarisation between two vector currents with charges a_l, b_l of a Dirac lepton l is
    Pi(q^2) = (1/2 pi^2) sum_l a_l b_l integral_0^1 dx x(1-x) [ln(m_l^2 + x(1-x) q^2) + divergence], spacelike q^2 > 0 (the
    sign is that of QED, whose charge grows with q^2). With a_l = e Q_l = -e and b_l = +g, -g for the two flavours the
    divergence cancels, and

        Pi = (e g/2 pi^2) eps(q^2),   eps = integral_0^1 dx x(1-x) ln[(m_second^2 + x(1-x) q^2)/(m_first^2 + x(1-x) q^2)].

    In Z' -> photon -> proton the factor q^2 of the transverse Pi^{mu nu} cancels the photon propagator, so the proton gets
    the charge q_p g = e Pi, q_p = (2 alpha/pi) eps. In the tree-level shift of Q this gives

        Q_first -> Q_first + sqrt2 alpha g^2/(pi G_F) eps(q^2)/(q^2 + M^2) Z F_Z,   Q_second the opposite,

    which has the sign opposite to Q_SM < 0 for the first (lighter) flavour: destructive at small g. `loop_sign` multiplies eps,
    for other conventions and for a kinetic mixing of the opposite sign.

    Charged scalars contribute a quarter of a Dirac fermion each: with two sleptons a flavour, all heavy compared with q,
    eps -> eps + (1/24) sum_i ln(m_stau_i^2/m_smuon_i^2), the sum being the parameter `slepton_log` of L_mu - L_tau.

    The electron, of charge -1, gets -q_p g in L_mu - L_tau; where it carries L_e its loop-induced charge is neglected next to that.
    """
    supersymmetric = name == "lmu-ltau"
    options = (_loop_sign(), _slepton_log()) if supersymmetric else (_loop_sign(),)

    def prepare(target: Target) -> PreparedModel:
        scale = _LOOP_STRENGTH * target.zf
        loop, standard = scale * loop_function(target.q2, _MASSES[first], _MASSES[second]), _standard(target)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            sleptons = shapes["slepton_log"] / 24.0 * scale if supersymmetric else 0.0
            strength = shapes["loop_sign"] * (loop + sleptons)
            return _exchange(target, standard, {first: strength, second: -strength}, shapes["mass"])

        return terms

    def electrons(target: ElectronTarget) -> PreparedModel:
        if first == "e":
            return lambda shapes: _electron_exchange(target, {"e": _CONTACT, second: -_CONTACT}, shapes["mass"])
        loop = loop_function(target.q2, _MASSES[first], _MASSES[second])

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            strength = -_LOOP_STRENGTH * shapes["loop_sign"] * (loop + shapes["slepton_log"] / 24.0)
            return _electron_exchange(target, {first: strength, second: -strength}, shapes["mass"])

        return terms

    label = CEVNS_ONLY if first == "e" else ""
    lagrangian = f"L = g Z'_mu [q_l lbar gamma^mu l + q_l nubar_l gamma^mu P_L nu_l], q = +1 ({first}), -1 ({second})"
    formula = (
        r"$\mathcal{L} = g_{Z'} Z'_\mu\,[q_\ell\,\bar{\ell}\gamma^\mu\ell + q_\ell\,\bar{\nu}_\ell\gamma^\mu P_L\nu_\ell]$, "
        rf"$q_{{{tex(first)}}} = 1$, $q_{{{tex(second)}}} = -1$"
    )
    parameters, references = (coupling(), mediator_mass(), *options), (_BANERJEE, _CADEDDU)
    leptons = _leptons(((first, 1.0), (second, -1.0)))
    model = SignalModel(name, title, lagrangian, parameters, prepare, references, label, electrons, leptons=leptons)
    return replace(model, latex=rf"$L_{{{tex(first)}}} - L_{{{tex(second)}}}$", formula=formula)


def dark_photon() -> SignalModel:
    """Return a mediator that couples to the electromagnetic current, and with its own coupling to neutrinos.

    The proton has the charge eps e, so that

        Q_a -> Q_a + g eps e q_nu,a/(sqrt2 G_F (q^2 + M^2)) Z F_Z,   e = sqrt(4 pi alpha),

    and g_V of the electron moves by the opposite without Z F_Z. Rates depend on the product g eps alone: eps is held at 1, where g stands for it.
    With L = -(kappa/2) F F' and a photon that couples by -e A J_em, eps is kappa.
    """
    charges = tuple(charge(f"nu_{flavour}") for flavour in LEPTONS)

    def prepare(target: Target) -> PreparedModel:
        standard = standard_terms(target)
        return lambda shapes: (*standard, *_through_photon(target, "eps", {f: shapes[f"q_nu_{f}"] for f in LEPTONS}, shapes["mass"]))

    def electrons(target: ElectronTarget) -> PreparedModel:
        standard = electron_terms(target, {})
        return lambda shapes: (*standard, *_through_photon(target, "eps", {f: shapes[f"q_nu_{f}"] for f in LEPTONS}, shapes["mass"]))

    lagrangian = "L = A'_mu [eps e J_em^mu + g sum_a q_nu_a nubar_a gamma^mu P_L nu_a], J_em of charge +1 for the proton"
    formula = (
        r"$\mathcal{L} = A'_\mu\,[\epsilon\,e\,J_\mathrm{em}^\mu + g \sum_\alpha q_{\nu_\alpha}\,\bar{\nu}_\alpha\gamma^\mu P_L\nu_\alpha]$"
    )
    references = ("B. Holdom, Phys. Lett. B 166, 196 (1986)", _CADEDDU)
    parameters = (coupling(), mediator_mass(), _mixing("eps", 1.0, "coupling to the electromagnetic current in units of e"), *charges)
    return SignalModel("dark-photon", "dark photon", lagrangian, parameters, prepare, references, CEVNS_ONLY, electrons, formula=formula)


def with_mixing(loop: SignalModel, charges: Mapping[str, float]) -> SignalModel:
    """Return a model of the loop family with kinetic mixing at tree level on top of the loop.

    `eps_tree` is the coupling eps e J_em of `dark_photon`, of either sign. The loop gives the proton the charge (2 alpha/pi) g eps(q^2) in
    `loop_mediator`, so eps_tree = (e g/(2 pi^2)) eps(q^2), 0.0144 g for L_mu - L_tau at q = 0, doubles it, and the opposite cancels it.

    Parameters
    ----------
    loop
        From `loop_mediator`.
    charges
        Charges of the neutrinos.
    """
    ours = loop.electrons

    def prepare(target: Target) -> PreparedModel:
        terms = loop.prepare(target)
        return lambda shapes: (*terms(shapes), *_through_photon(target, "eps_tree", charges, shapes["mass"]))

    def electrons(target: ElectronTarget) -> PreparedModel:
        assert ours is not None
        terms = ours(target)
        return lambda shapes: (*terms(shapes), *_through_photon(target, "eps_tree", charges, shapes["mass"]))

    return replace(
        loop,
        name=f"{loop.name}-mixing",
        title=f"{loop.title} with kinetic mixing",
        latex=f"{loop.latex}, kinetic mixing",
        lagrangian=f"{loop.lagrangian}; + eps_tree e Z'_mu J_em^mu, J_em of charge +1 for the proton",
        formula=rf"{loop.formula}, $+\,\epsilon_\mathrm{{tree}}\,e\,Z'_\mu J_\mathrm{{em}}^\mu$",
        parameters=(*loop.parameters, _mixing("eps_tree", 0.0, "kinetic mixing at tree level")),
        prepare=prepare,
        electrons=electrons,
        label=CEVNS_ONLY,
    )


def loop_function(q2: ArrayLike, mass: float, other_mass: float) -> NDArray[np.float64]:
    """Return eps(q2) = integral_0^1 dx x(1-x) ln[(other^2 + x(1-x) q2)/(mass^2 + x(1-x) q2)].

    Parameters
    ----------
    q2
        Spacelike momentum transfer squared in MeV^2, not negative, any shape.
    mass, other_mass
        Masses of the two leptons in MeV.

    Returns
    -------
    The shape of `q2`; ln(other^2/mass^2)/6 at q2 = 0.
    """
    momentum = np.asarray(q2, dtype=np.float64)
    light, heavy = _polarisation(momentum / mass**2), _polarisation(momentum / other_mass**2)
    return math.log(other_mass / mass) / 3.0 + heavy - light


def _polarisation(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return integral_0^1 dx x(1-x) ln(1 + x(1-x) r) for r >= 0 (Uehling; a series below r = 1/2)."""
    small = r < 0.5
    n = np.arange(1, 25)
    beta = np.cumprod((n + 1.0) ** 2 / ((2.0 * n + 2.0) * (2.0 * n + 3.0))) / 6.0  # B(n + 2, n + 2)
    series = np.polynomial.polynomial.polyval(np.where(small, r, 0.0), [0.0, *(-((-1.0) ** n) * beta / n)])
    safe = np.where(small, 1.0, r)
    root = np.sqrt(1.0 + 4.0 / safe)
    closed = (-5.0 / 3.0 + 4.0 / safe + (1.0 - 2.0 / safe) * root * 2.0 * np.arcsinh(0.5 * np.sqrt(safe))) / 6.0
    return np.where(small, series, closed)


def _leptons(charges: Iterable[tuple[str, float]]) -> tuple[tuple[str, str, float], ...]:
    """Return the vector couplings of electron and muon."""
    return tuple((flavour, "vector", q) for flavour, q in charges if q != 0.0 and flavour != "tau")


def _standard(target: Target) -> dict[str, NDArray[np.float64]]:
    """Return the Standard Model charge of each flavour."""
    return {flavour: sm_charge(target, flavour) for flavour in LEPTONS}


def _exchange(
    target: Target, standard: Mapping[str, NDArray[np.float64]], couplings: Mapping[str, NDArray[np.float64]], mass: float
) -> tuple[Term, ...]:
    """Return Q_SM + g^2 coupling/(q^2 + M^2) for each flavour, Q_SM alone for those without a coupling."""
    propagator = 1.0 / (target.q2 + mass**2)
    charges: dict[str, dict[Monomial, NDArray[np.float64]]] = {flavour: {(): values} for flavour, values in standard.items()}
    for flavour, strength in couplings.items():
        charges[flavour][_SQUARE] = strength * propagator
    return tuple(Term(flavour, "nucleus", "vector", values) for flavour, values in charges.items())


def _electron_exchange(target: ElectronTarget, strengths: Mapping[str, float | NDArray[np.float64]], mass: float) -> tuple[Term, ...]:
    """Return the electron terms with g_V moved by g^2 strength/(q^2 + M^2) for each flavour."""
    propagator = 1.0 / (target.q2 + mass**2)
    return electron_terms(target, {flavour: {power("g", 2): strength * propagator} for flavour, strength in strengths.items()})


def _through_photon(target: Target | ElectronTarget, mixing: str, charges: Mapping[str, float], mass: float) -> tuple[Term, ...]:
    """Return the amplitudes g eps e q_nu Q_em/(sqrt2 G_F (q^2 + M^2)), which interfere with those of the same flavour."""
    strength = math.sqrt(4.0 * math.pi * FINE_STRUCTURE) * _CONTACT / (target.q2 + mass**2)
    product: Monomial = ((mixing, 1), ("g", 1))
    if isinstance(target, Target):
        return tuple(Term(f, "nucleus", "vector", {product: q * strength * target.zf}) for f, q in charges.items())
    return tuple(term for f, q in charges.items() for term in transition_terms(target, f, {product: -q * strength}, "vector"))


def _mixing(name: str, default: float, description: str) -> Parameter:
    latex = r"$\epsilon$" if name == "eps" else r"$\epsilon_\mathrm{tree}$"
    return Parameter(name, "polynomial", default, -1.0, 1.0, fixed=True, description=description, latex=latex)


def _loop_sign() -> Parameter:
    return Parameter(
        "loop_sign",
        "nonlinear",
        1.0,
        -1.0,
        1.0,
        fixed=True,
        description="factor of the lepton loop, +1 as derived",
        latex="sign of the loop",
    )


def _slepton_log() -> Parameter:
    text = "sum over the two mass states of ln(m_stau^2/m_smuon^2)"
    return Parameter(
        "slepton_log",
        "nonlinear",
        0.0,
        -100.0,
        100.0,
        fixed=True,
        description=text,
        latex=r"$\sum\,\ln(m_{\tilde{\tau}}^2/m_{\tilde{\mu}}^2)$",
    )
