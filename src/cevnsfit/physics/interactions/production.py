"""Effects on the neutrinos where they are produced: the rate of each source flavour, and the spectrum of muon decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import MUON_MASS
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import fixed, power, reaction_terms, standard_terms, tex
from cevnsfit.physics.interactions.terms import PreparedModel, ReactionTarget, SignalModel, Target, Term, sm_charge
from cevnsfit.physics.kernels import WeightedKernel
from cevnsfit.physics.sources import source_flavours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FREE: Final = ("nu_mu", "nubar_mu", "nu_e")


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return source_strengths(), muon_decay()


def source_strengths() -> SignalModel:
    """Return the Standard Model with a factor each for nu_mu, nubar_mu and nu_e.

    It is a factor of the flux or of the cross section, which are not told apart. At a pulsed source of pions at rest nu_mu is prompt; nubar_mu and
    nu_e are both delayed and differ in their spectra alone.
    """
    rates = {
        source: Parameter(
            f"rate_{source}",
            "polynomial",
            1.0,
            description=f"{source} rate over the Standard Model one",
            least=0.0,
            latex=rf"$R_{{{tex(source)}}}$",
        )
        for source in _FREE
    }

    def of(kind: Literal["nucleus", "reaction"], amplitudes: Mapping[str, NDArray[np.float64]]) -> PreparedModel:
        sources = ((flavour, source) for flavour in LEPTONS for source in source_flavours(flavour))
        factors = {source: power(parameter.name) for source, parameter in rates.items()}
        return fixed(
            tuple(Term(source, kind, "vector", {(): amplitudes[flavour]}, factor=factors.get(source, ())) for flavour, source in sources)
        )

    def prepare(target: Target) -> PreparedModel:
        return of("nucleus", {flavour: sm_charge(target, flavour) for flavour in LEPTONS})

    def reactions(target: ReactionTarget) -> PreparedModel:
        return of("reaction", dict.fromkeys(LEPTONS, np.ones_like(target.t)))

    lagrangian = "L = -sqrt2 G_F [nubar gamma^mu P_L nu] sum_N g_V^N [Nbar gamma_mu N], each source flavour times a factor"
    formula = r"$\mathcal{L} = -\sqrt{2}\,G_F\,[\bar{\nu}\gamma^\mu P_L\nu] \sum_N g_V^N\,[\bar{N}\gamma_\mu N]$, $N_\nu \to R_\nu N_\nu$"
    references = ("D. Z. Freedman, Phys. Rev. D 9, 1389 (1974)",)
    parameters, title = tuple(rates.values()), "Standard Model, free source flavours"
    return SignalModel("source-strengths", title, lagrangian, parameters, prepare, references, formula=formula, reactions=reactions)


@dataclass(frozen=True, slots=True)
class MuonDecayShape:
    """The weight (2/9) (4 x - 3)/(1 - x), x = 2 E/m_mu: times omega_L and added to 1 it makes the spectrum of nu_e from that of the Standard Model."""

    def __call__(self, energy: NDArray[np.float64], baseline: float, cells: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the weight at `energy` [MeV], 0 beyond the end of the spectrum; it does not depend on the baseline."""
        x = 2.0 * energy / MUON_MASS
        return np.asarray(np.divide(2.0 / 9.0 * (4.0 * x - 3.0), 1.0 - x, out=np.zeros_like(x), where=x < 1.0))

    def phase(self, energy: NDArray[np.float64], baseline: float) -> NDArray[np.float64]:  # noqa: ARG002
        """Return 0: nothing oscillates."""
        return np.zeros_like(energy)


def muon_decay() -> SignalModel:
    r"""Return the Standard Model with the nu_e spectrum of a muon that decays by further couplings.

    With massless e, nu_e and nubar_mu the squared matrix element is a sum of (p_mu p_a)(p_b p_c) over the three choices of a. The one with a = nu_e
    gives 12 x^2 (1 - x), each of the others 2 x^2 (3 - 2 x), all normalised to 1, x = 2 E/m_mu. So with a fraction f of the others

        dN/dx = x^2 [12 (1 - x) + (8/3) omega_L (4 x - 3)],   omega_L = 3 f/4,

    which is the spectrum of the electron with omega_L in the place of Michel's rho: 0 for V - A, 3/4 for the shape of nubar_mu. The sum over the
    couplings g^k_(eps chi) of a left-handed nu_e (derived by us with explicit matrices) is

        omega_L = (3/4) (|g^S_RR|^2 + 4 |g^V_LR|^2 + |g^S_RL + 2 g^T_RL|^2)
                  / (|g^S_RL|^2 + |g^S_RR|^2 + 4 |g^V_LL|^2 + 4 |g^V_LR|^2 + 12 |g^T_RL|^2),

    between 0 and 1. It is the omega_L of KARMEN, whose limit of 0.113 at 90 % CL is |g^S_RL + 2 g^T_RL| < 0.78 by this formula, with the
    denominator normalised to 4. There is one left-handed nu_e for each muon: a right-handed one would not scatter. The spectrum of nubar_mu, which has a parameter of
    its own, is that of the Standard Model, and there are no radiative corrections.
    The weight is that of spectra in closed form; with a table of the flux in columns of 1 MeV the effect is right to 1 %. Other sources of nu_e than
    muons at rest have no such parameter.
    """
    omega = Parameter("omega_l", "polynomial", 0.0, 0.0, 1.0, description="shape of the nu_e spectrum of muon decay", latex=r"$\omega_L$")
    kernel = WeightedKernel("vector", MuonDecayShape())

    def prepare(target: Target) -> PreparedModel:
        added = Term("nu_e", "nucleus", kernel, {(): sm_charge(target, "e")}, group="spectrum", factor=power(omega.name))
        return fixed((*standard_terms(target), added))

    def reactions(target: ReactionTarget) -> PreparedModel:
        one = np.ones_like(target.t)
        return fixed((*reaction_terms(target), Term("nu_e", "reaction", kernel, {(): one}, group="spectrum", factor=power(omega.name))))

    lagrangian = "L = -(4 G_F/sqrt2) sum_(k,eps,chi) g^k_(eps chi) [ebar_eps Gamma^k nu_e] [nubar_mu Gamma_k mu_chi], omega_L from the g^k of left-handed nu_e"
    formula = (
        r"$\mathcal{L} = -\frac{4 G_F}{\sqrt{2}} \sum g^k_{\epsilon\chi}\,[\bar{e}_\epsilon\Gamma^k\nu_e][\bar{\nu}_\mu\Gamma_k\mu_\chi]$, "
        r"$\frac{dN}{dx} = x^2\,[12(1-x) + \frac{8}{3}\omega_L(4x-3)]$"
    )
    references = (
        "B. Armbruster et al. (KARMEN), Phys. Rev. Lett. 81, 520 (1998), arXiv:hep-ex/9806024",
        "C. Greub, D. Wyler and W. Fetscher, arXiv:hep-ph/9312301",
    )
    title = "muon decay, free nu_e spectrum"
    return SignalModel("muon-decay", title, lagrangian, (omega,), prepare, references, formula=formula, reactions=reactions)
