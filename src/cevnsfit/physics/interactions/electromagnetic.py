r"""Electromagnetic properties of neutrinos: magnetic moments, charge radii, millicharges.

A photon couples to neutrinos of flavours a, b with the vertex e F_ab(q^2), F = q_ab - Q^2 <r^2>_ab/6 + ..., Q^2 = -q^2 > 0.
Compared with a mediator of couplings g^2 q_nu q_f -> e^2 F and no mass, whose shift of the weak charge is
g^2 q_nu q_f/(sqrt2 G_F Q^2), the nucleus of charge Z F_Z gives

    Q_a -> Q_a + [ 2 sqrt2 pi alpha q_aa/(G_F Q^2) - sqrt2 pi alpha <r^2>_aa/(3 G_F) ] Z F_Z,

the electron of charge -1 the opposite in g_V, and each off-diagonal q_ab or <r^2>_ab adds its square incoherently, since the outgoing flavour differs. Antineutrinos have the
opposite charge and the opposite weak charge, so nothing changes for them. Moments flip the helicity and add incoherently.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, HBAR_C, MUON_MASS, TAU_MASS, W_MASS
from cevnsfit.physics.interactions.common import CEVNS_ONLY, fixed, power, standard_terms, tex
from cevnsfit.physics.interactions.electron_scattering import electron_terms, transition_terms
from cevnsfit.physics.interactions.terms import ElectronTarget, PreparedModel, SignalModel, Target, Term, sm_charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float64
    from numpy.typing import NDArray

RADIUS_UNIT: Final = 1e-32
"""cm^2 in one unit of the charge-radius parameters."""

_MASSES: Final[Mapping[str, float]] = {"e": ELECTRON_MASS, "mu": MUON_MASS, "tau": TAU_MASS}
_MEASURED: Final = ("e", "mu")
_PAIRS: Final = (("e", "mu"), ("e", "tau"), ("mu", "tau"))
_REVIEW: Final = "C. Giunti and A. Studenikin, Rev. Mod. Phys. 87, 531 (2015), arXiv:1403.6344"
_RADII: Final = "M. Cadeddu et al., Phys. Rev. D 98, 113010 (2018), arXiv:1810.05606"
_CORONA: Final = "M. Atzori Corona et al., JHEP 09 (2022) 164, arXiv:2205.09484"
_BERNABEU: Final = "J. Bernabeu, J. Papavassiliou and J. Vidal, Nucl. Phys. B 680, 450 (2004), arXiv:hep-ph/0210055"
_VOGEL: Final = "P. Vogel and J. Engel, Phys. Rev. D 39, 3378 (1989)"


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return magnetic_moment(), charge_radius(), millicharge()


def magnetic_moment() -> SignalModel:
    """Return magnetic moments of nu_e and nu_mu and those between flavours, dsigma/dT = pi alpha^2/m_e^2 (1/T - 1/E) Z^2 F_Z^2 mu_a^2.

    The outgoing neutrino is not seen, so a flavour scatters with mu_a^2 = sum_b |mu_ab|^2 in Bohr magnetons, which is also what a baseline
    too short for oscillations leaves of mass states (arXiv:1403.6344). With the transition moments at zero, where they are held,
    `mu_nu_e` and `mu_nu_mu` are these effective moments; for Majorana neutrinos there are transition moments only.
    """
    diagonal = tuple(_moment(f"nu_{f}", f"magnetic moment of nu_{f}, the effective one while transitions are 0") for f in _MEASURED)
    transition = tuple(_moment(f"{a}{b}", f"modulus of the transition moment nu_{a}-nu_{b}") for a, b in _PAIRS)
    moments = {f: [f"mu_nu_{f}", *(f"mu_{a}{b}" for a, b in _PAIRS if f in {a, b})] for f in _MEASURED}

    def prepare(target: Target) -> PreparedModel:
        flips = (Term(f, "nucleus", "magnetic", {power(m): target.zf}, group=m) for f, names in moments.items() for m in names)
        return fixed((*standard_terms(target), *flips))

    def electrons(target: ElectronTarget) -> PreparedModel:
        flips = (Term(f, "electron", "magnetic", {power(m): target.root}, group=m) for f, names in moments.items() for m in names)
        return fixed((*electron_terms(target, {}), *flips))

    references, parameters = (_VOGEL, _REVIEW, _CORONA), (*diagonal, *transition)
    lagrangian = "L = -(mu_ab/2) nubar_a sigma_(mu nu) nu_b F^(mu nu)"
    formula = r"$\mathcal{L} = -\frac{\mu_{\alpha\beta}}{2}\,\bar{\nu}_\alpha\sigma_{\mu\nu}\nu_\beta\,F^{\mu\nu}$"
    model = SignalModel("magnetic-moment", "neutrino magnetic moment", lagrangian, parameters, prepare, references, CEVNS_ONLY, electrons)
    return replace(model, formula=formula)


def charge_radius() -> SignalModel:
    """Return charge radii: the full diagonal <r^2> of nu_e and nu_mu, and the transition ones.

    The couplings in use hold the Standard Model radii; the model replaces them, Q_a -> Q_a - c (<r^2>_a - <r^2>_a,SM) Z F_Z with
    c = sqrt2 pi alpha/(3 G_F). A diagonal parameter is thus the whole radius, whose default is the Standard Model one
    (`standard_radius`), as in the literature since Cadeddu et al.; transition radii vanish in the Standard Model and enter as |<r^2>_ab|.
    """
    diagonal = tuple(_radius(f"nu_{f}", standard_radius(f), f"charge radius of nu_{f}, with the Standard Model part") for f in _MEASURED)
    transition = tuple(_radius(f"{a}{b}", 0.0, f"modulus of the transition charge radius nu_{a}-nu_{b}") for a, b in _PAIRS)

    def prepare(target: Target) -> PreparedModel:
        slope = -radius_strength() * target.zf
        offsets = {f: sm_charge(target, f) - standard_radius(f) * slope for f in _MEASURED}
        terms = [Term("tau", "nucleus", "vector", {(): sm_charge(target, "tau")})]
        terms += [Term(f, "nucleus", "vector", {(): offsets[f], power(f"r2_nu_{f}"): slope}) for f in _MEASURED]
        return fixed((*terms, *_transitions("r2", slope)))

    def electrons(target: ElectronTarget) -> PreparedModel:
        slope = radius_strength() * np.ones_like(target.t)
        shifts = {f: {(): -standard_radius(f) * slope, power(f"r2_nu_{f}"): slope} for f in _MEASURED}
        return fixed((*electron_terms(target, shifts), *_electron_transitions(target, "r2", slope)))

    lagrangian = "L = (e <r^2>_ab/6) [nubar_a gamma^mu P_L nu_b] d^nu F_(mu nu)"
    references = (_RADII, _BERNABEU, _CORONA)
    formula = (
        r"$\mathcal{L} = \frac{e}{6}\,\langle r^2\rangle_{\alpha\beta}\,"
        r"[\bar{\nu}_\alpha\gamma^\mu P_L\nu_\beta]\,\partial^\nu F_{\mu\nu}$"
    )
    parameters = (*diagonal, *transition)
    model = SignalModel("charge-radius", "neutrino charge radius", lagrangian, parameters, prepare, references, CEVNS_ONLY, electrons)
    return replace(model, formula=formula)


def millicharge() -> SignalModel:
    """Return electric charges of nu_e and nu_mu, and transition charges, in units of e.

    They interfere with the Standard Model as 2 sqrt2 pi alpha q/(G_F Q^2) Z F_Z: a positive charge is repelled by the nucleus, opposite
    to the Standard Model.
    """
    diagonal = tuple(_millicharge(f"nu_{f}", f"electric charge of nu_{f}") for f in _MEASURED)
    transition = tuple(_millicharge(f"{a}{b}", f"modulus of the transition charge nu_{a}-nu_{b}") for a, b in _PAIRS)

    def prepare(target: Target) -> PreparedModel:
        strength = millicharge_strength() / (2.0 * target.nuclide.mass * target.t) * target.zf
        terms = [Term("tau", "nucleus", "vector", {(): sm_charge(target, "tau")})]
        terms += [Term(f, "nucleus", "vector", {(): sm_charge(target, f), power(f"millicharge_nu_{f}"): strength}) for f in _MEASURED]
        return fixed((*terms, *_transitions("millicharge", strength)))

    def electrons(target: ElectronTarget) -> PreparedModel:
        strength = -millicharge_strength() / target.q2
        shifts = {f: {power(f"millicharge_nu_{f}"): strength} for f in _MEASURED}
        return fixed((*electron_terms(target, shifts), *_electron_transitions(target, "millicharge", strength)))

    references = (_REVIEW, _CORONA)
    lagrangian = "L = -e q_ab A_mu [nubar_a gamma^mu P_L nu_b]"
    formula = r"$\mathcal{L} = -e\,q_{\alpha\beta}\,A_\mu\,[\bar{\nu}_\alpha\gamma^\mu P_L\nu_\beta]$"
    parameters = (*diagonal, *transition)
    model = SignalModel("millicharge", "neutrino millicharge", lagrangian, parameters, prepare, references, CEVNS_ONLY, electrons)
    return replace(model, formula=formula)


def standard_radius(flavour: str) -> float:
    """Return <r^2> of the Standard Model in 1e-32 cm^2: -0.83 (e), -0.48 (mu), -0.30 (tau).

    <r^2> = -G_F/(2 sqrt2 pi^2) [3 - 2 ln(m_l^2/M_W^2)] (Bernabeu, Papavassiliou and Vidal, Nucl. Phys. B 680, 450 (2004), eq. (1.1)).
    """
    bracket = 3.0 - 2.0 * math.log((_MASSES[flavour] / W_MASS) ** 2)
    return -FERMI_CONSTANT / (2.0 * math.sqrt(2.0) * math.pi**2) * bracket * HBAR_C**2 / RADIUS_UNIT


def radius_strength() -> float:
    """Return sqrt2 pi alpha/(3 G_F) in units of 1/(1e-32 cm^2): the fall of g_V^p with <r^2>."""
    return math.sqrt(2.0) * math.pi * FINE_STRUCTURE / (3.0 * FERMI_CONSTANT) * RADIUS_UNIT / HBAR_C**2


def millicharge_strength() -> float:
    """Return 2 sqrt2 pi alpha/G_F in MeV^2."""
    return 2.0 * math.sqrt(2.0) * math.pi * FINE_STRUCTURE / FERMI_CONSTANT


def _transitions(prefix: str, strength: NDArray[float64]) -> tuple[Term, ...]:
    pairs = [(a, b, {power(f"{prefix}_{a}{b}"): strength}) for a, b in _PAIRS]
    return tuple(Term(f, "nucleus", "vector", amplitude, group=f"{a}-{b}") for a, b, amplitude in pairs for f in (a, b))


def _electron_transitions(target: ElectronTarget, prefix: str, strength: NDArray[float64]) -> tuple[Term, ...]:
    pairs = [(a, b, {power(f"{prefix}_{a}{b}"): strength}) for a, b in _PAIRS]
    return tuple(term for a, b, amplitude in pairs for f in (a, b) for term in transition_terms(target, f, amplitude, f"{a}-{b}"))


def _moment(name: str, description: str) -> Parameter:
    held, latex = not name.startswith("nu_"), rf"$\mu_{{{tex(name)}}}$"
    return Parameter(f"mu_{name}", "polynomial", 0.0, 0.0, 1e-3, "mu_B", "log", fixed=held, description=description, latex=latex)


def _radius(name: str, default: float, description: str) -> Parameter:
    lower, held, latex = -1e4 if default != 0.0 else 0.0, default == 0.0, rf"$\langle r^2_{{{tex(name)}}}\rangle$"
    return Parameter(f"r2_{name}", "polynomial", default, lower, 1e4, "1e-32 cm2", fixed=held, description=description, latex=latex)


def _millicharge(name: str, description: str) -> Parameter:
    transition = not name.startswith("nu_")
    lower, latex = 0.0 if transition else -1e-3, rf"$q_{{{tex(name)}}}$"
    return Parameter(f"millicharge_{name}", "polynomial", 0.0, lower, 1e-3, "e", fixed=transition, description=description, latex=latex)
