r"""Up-scattering nu N -> N' N to a neutral lepton N' of mass m: the dipole portal, and light vector, scalar and tensor mediators.

    dipole:  L = (d/2) nubar sigma^{mu nu} P_R N' F_{mu nu} + h.c.,
    vector:  L = g Z'_mu [ Nbar' gamma^mu P_L nu + h.c. + sum_{q=u,d} qbar gamma^mu q ],
    scalar:  L = g phi [ Nbar' P_L nu + h.c. + sum_{q=u,d} qbar q ],
    tensor:  L = g T_{mu nu} [ Nbar' sigma^{mu nu} P_L nu + h.c. + sum_{q=u,d} qbar sigma^{mu nu} q ],

for nu of each flavour. The outgoing lepton differs from the neutrino of the Standard Model, so nothing interferes. N' leaves the detector: its decay is
not described. With q^2 = 2 M T, the exchange of a mediator is G [Nbar' Gamma P_L nu] [Nbar Gamma N], G = g^2 Q/(q^2 + M_med^2), for Gamma = gamma^mu, 1
and sigma^{mu nu} (summed over mu and nu), and

    dsigma/dT = (M/4 pi) G^2 K,    K = a(T) + b(T)/E + c(T)/E^2,

    vector:  K/2  = 1 - T/E - M T/(2 E^2) - m^2/(4 E^2) [1 + 2 E/M - T/(2 M) - m^2/(4 M^2)],
    scalar:  K    = (M T + m^2/2)/E^2,
    tensor:  K/16 = 1 - T/E - M T/(4 E^2) - m^2/(8 E^2) [1 + 4 E/M - T/M],

derived here by traces, with k.k' = M T + m^2/2, k.p = M E, k'.p' = M E - m^2/2, k'.p = M (E - T), k.p' = M E - M T - m^2/2 and p.p' = M^2 + M T:

    vector, spin 0 with the current p + p':  <|M|^2> = 2 G^2 [2 (k.P)(k'.P) - k.k' P^2],  P = p + p',
    scalar, spin 0 with 2 M for Nbar N:      <|M|^2> = 8 G^2 M^2 k.k',
    tensor, spin 1/2:                        <|M|^2> = 64 G^2 [(k.p)(k'.p') + (k.p')(k'.p) - (k.k')(p.p')/2].

Vector and scalar are exact for spin 0, as the kernels of the Standard Model and of scalar mediators are. Spin 1/2 would add T^2/(2 E^2) + m^2 (2 M T - m^2)/(16 M^2 E^2)
to K/2 of the vector, and a factor 1 + T/(2 M) to the scalar; T^2/(4 E^2) is left out of K/16 of the tensor. All are below 1e-5 of
the largest K for argon and heavier nuclei at 52 MeV. For the dipole

    dsigma/dT = alpha d^2 Z^2 F_Z^2 [1/T - 1/E - m^2/(2 E M T) (1 - T/(2 E) + M/(2 E)) - m^4 (M - T)/(8 E^2 M^2 T^2)],

which is exact for spin 1/2; d in Bohr magnetons is e/(2 m_e) (the normalisation of the magnetic moments of neutrinos), so alpha d^2 is pi alpha^2/m_e^2. With the normalisation
L = d nubar sigma^{mu nu} N' F_{mu nu}, which part of the literature uses, d is half as large: d_here = 2 d_there, and the cross section is 4 alpha d_there^2 [...].

Tests compare every kernel with sums of Dirac matrices. The same interactions are in arXiv:2002.10275 and arXiv:2404.12476.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import CEVNS_ONLY, coupling, mediator_mass, power, standard_terms, tex
from cevnsfit.physics.interactions.currents import COHERENT_TENSOR, LATTICE, TENSOR_CHARGES
from cevnsfit.physics.interactions.scalar import NUCLEON_CHARGES
from cevnsfit.physics.interactions.terms import PreparedModel, Shapes, SignalModel, Target, Term
from cevnsfit.physics.kernels import KERNELS, Kernel
from cevnsfit.physics.kinematics import Kinematics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.core.arrays import Floats

    Coefficients = tuple[Floats | float, Floats | float, Floats | float]
    """a, b and c of K = a + b/E + c/E^2 at recoil energies."""

_CHANG: Final = "W.-F. Chang and J. Liao, arXiv:2002.10275"
_CANDELA: Final = "P. M. Candela et al., arXiv:2404.12476"
_BRDAR: Final = "V. Brdar, W. Rodejohann and X.-J. Xu, arXiv:1810.03626"
_MIRANDA: Final = "O. G. Miranda et al., arXiv:2109.09545"
_LI: Final = "Y.-Y. Li, Y.-F. Li and S.-Y. Xia, arXiv:2406.07477"


def _dipole(t: Floats, mass: float, square: float) -> Coefficients:
    return 1.0 / t, -1.0 - square / (2.0 * mass * t), -square * (mass - t) / (4.0 * mass * t) * (1.0 + square / (2.0 * mass * t))


def _vector(t: Floats, mass: float, square: float) -> Coefficients:
    ratio = square / (2.0 * mass)
    return 2.0, -2.0 * (t + ratio), -mass * (t + ratio) + 0.5 * ratio * (t + ratio)


def _scalar(t: Floats, mass: float, square: float) -> Coefficients:
    return 0.0, 0.0, mass * t + 0.5 * square


def _tensor(t: Floats, mass: float, square: float) -> Coefficients:
    ratio = square / (2.0 * mass)
    return 16.0, -16.0 * (t + ratio), -4.0 * mass * (t + ratio) + 4.0 * ratio * t


_COEFFICIENTS: Final[Mapping[str, Callable[[Floats, float, float], Coefficients]]] = {
    "dipole": _dipole,
    "vector": _vector,
    "scalar": _scalar,
    "tensor": _tensor,
}


@dataclass(frozen=True, slots=True)
class Upscattering:
    """K(E, T, M) of one interaction, in 1/MeV for the dipole.

    Attributes
    ----------
    interaction
        "dipole", "vector", "scalar" or "tensor".
    m
        Mass of the outgoing lepton in MeV.
    """

    interaction: str
    m: float

    def __call__(self, energy: Floats, t: Floats, mass: float) -> Floats:
        """Return K, broadcast over E [MeV] and T [MeV], for a target of mass M [MeV]."""
        a, b, c = _COEFFICIENTS[self.interaction](t, mass, self.m**2)
        inverse = 1.0 / energy
        return np.asarray(a + inverse * (b + inverse * c))


def upscattering_kernel(interaction: str, m: float) -> Kernel:
    """Return the kernel of an interaction and a mass of the outgoing lepton in MeV, see `Upscattering`."""
    base, paper = ("magnetic", "arXiv:2109.09545") if interaction == "dipole" else ("scalar", "arXiv:2404.12476")
    source = f"{paper}; derived and tested here for every mass"
    return replace(
        KERNELS[base], name=f"upscatter-{interaction}", function=Upscattering(interaction, m), kinematics=Kinematics(0.0, m), source=source
    )


class _Mediator(NamedTuple):
    """A mediator in text and in TeX: its field, the vertex of the neutrino and that of the quarks; and the charge of a nucleon."""

    field: str
    neutrino: str
    quark: str
    tex_field: str
    tex_neutrino: str
    tex_quark: str
    nucleon: float


_MEDIATORS: Final = {
    "vector": _Mediator("Z'_mu", "gamma^mu P_L", "gamma^mu ", "Z'_\\mu", "\\gamma^\\mu P_L", "\\gamma^\\mu ", 3.0),
    "scalar": _Mediator("phi", "P_L", "", "\\phi", "P_L", "", NUCLEON_CHARGES["arXiv:2202.11002"][0]),
    "tensor": _Mediator(
        "T_(mu nu)",
        "sigma^(mu nu) P_L",
        "sigma^(mu nu) ",
        "T_{\\mu\\nu}",
        "\\sigma^{\\mu\\nu} P_L",
        "\\sigma^{\\mu\\nu} ",
        sum(TENSOR_CHARGES.values()),
    ),
}


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (dipole_portal(), *(upscattering(name) for name in _MEDIATORS))


def dipole_portal() -> SignalModel:
    """Return transition magnetic moments d_a between nu_a and N', in Bohr magnetons; neutrinos that the source does not make play no part."""
    moments = {f: f"d_{f}" for f in LEPTONS}

    def prepare(target: Target) -> PreparedModel:
        standard = standard_terms(target)
        amplitudes = {f: {power(name): target.zf} for f, name in moments.items()}

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            kernel = upscattering_kernel("dipole", shapes["m_n"])
            return (*standard, *(Term(f, "nucleus", kernel, amplitude, group="dipole") for f, amplitude in amplitudes.items()))

        return terms

    lagrangian = "L = sum_a (d_a/2) nubar_a sigma^(mu nu) P_R N' F_(mu nu) + h.c.; with L = d nubar sigma N' F moments are half as large"
    formula = r"$\mathcal{L} = \sum_\alpha \frac{d_\alpha}{2}\,\bar{\nu}_\alpha\sigma^{\mu\nu} P_R N' F_{\mu\nu}$ + h.c."
    parameters = (*(_moment(f) for f in LEPTONS), _lepton_mass())
    references = (_MIRANDA, _LI, _CHANG)
    return SignalModel("dipole-portal", "dipole portal", lagrangian, parameters, prepare, references, CEVNS_ONLY, formula=formula)


def upscattering(name: str) -> SignalModel:
    """Return the exchange of a mediator, "vector", "scalar" or "tensor", that couples in the same way to all flavours and to u and d quarks.

    The vector charge of a nucleon is its number of quarks, the scalar one that of `scalar-universal`. A tensor current couples mainly to the spin of nucleons, which mostly
    cancels in nuclei; that their tensor charges add coherently, as in much of the literature, is a convention (J. Liao, J. Tang and B.-L. Zhang, arXiv:2502.10702, calculate the response).
    """
    mediator = _MEDIATORS[name]

    def prepare(target: Target) -> PreparedModel:
        standard = standard_terms(target)
        nucleus, q2 = mediator.nucleon * (target.zf + target.nf), 2.0 * target.nuclide.mass * target.t

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            kernel = upscattering_kernel(name, shapes["m_n"])
            amplitude = {power("g", 2): nucleus / (q2 + shapes["mass"] ** 2)}
            return (*standard, *(Term(f, "nucleus", kernel, amplitude, group=name) for f in LEPTONS))

        return terms

    lagrangian = f"L = g {mediator.field} [sum_a Nbar' {mediator.neutrino} nu_a + h.c. + sum_(q = u, d) qbar {mediator.quark}q]"
    formula = (
        rf"$\mathcal{{L}} = g\,{mediator.tex_field}\,[\sum_\alpha \bar{{N}}' {mediator.tex_neutrino}\nu_\alpha + \mathrm{{h.c.}}"
        rf" + \sum_{{q=u,d}} \bar{{q}} {mediator.tex_quark}q]$"
    )
    references, label = ((_CHANG, _CANDELA, LATTICE[1]), COHERENT_TENSOR) if name == "tensor" else ((_BRDAR, _CHANG, _CANDELA), "")
    symbol = mediator.tex_field.partition("_")[0]
    parameters = (coupling(f"$g_{{{symbol}}}$"), mediator_mass(f"$m_{{{symbol}}}$"), _lepton_mass())
    return SignalModel(
        f"upscatter-{name}", f"up-scattering by a {name}", lagrangian, parameters, prepare, references, label, formula=formula
    )


def _moment(flavour: str) -> Parameter:
    text = f"transition magnetic moment of nu_{flavour} and the heavy lepton"
    latex = f"$d_{{{tex(flavour)}}}$"
    return Parameter(f"d_{flavour}", "polynomial", 0.0, 0.0, 1e-3, "mu_B", "log", fixed=flavour == "tau", description=text, latex=latex)


def _lepton_mass() -> Parameter:
    text = "mass of the heavy lepton"
    return Parameter("m_n", "nonlinear", 10.0, 1e-3, 500.0, "MeV", "log", fixed=True, description=text, latex="$m_{N'}$")
