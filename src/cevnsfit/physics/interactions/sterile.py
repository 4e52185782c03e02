"""A sterile neutrino: disappearance of the active flux between source and detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import power, reaction_terms, standard_terms, tex
from cevnsfit.physics.interactions.terms import PreparedModel, ReactionTarget, Shapes, SignalModel, Target, Term, multiply, sm_charge
from cevnsfit.physics.kernels import WeightedKernel
from cevnsfit.physics.oscillations import Disappearance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_OSCILLATING: Final = ("e", "mu")
_LAGRANGIAN: Final = "L = -sqrt2 G_F [nubar gamma^mu P_L nu] sum_N g_V^N [Nbar gamma_mu N], nu_a = sum_(k = 1..4) U_ak nu_k"
_FORMULA: Final = r"$\mathcal{L} = -\sqrt{2}\,G_F\,[\bar{\nu}\gamma^\mu P_L\nu] \sum_N g_V^N\,[\bar{N}\gamma_\mu N]$, $\nu_\alpha = \sum_k U_{\alpha k}\nu_k$"
_REFERENCES: Final = (
    "A. J. Anderson et al., Phys. Rev. D 86, 013004 (2012), arXiv:1201.3805",
    "C. Blanco, D. Hooper and P. Machado, Phys. Rev. D 101, 075051 (2020), arXiv:1901.08094",
)


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return sterile(), sterile_mixing()


def sterile() -> SignalModel:
    """Return the disappearance of nu_e and nu_mu in a 3+1 scheme.

    Coherent scattering sees every active flavour, so what is lost is the probability to be sterile,

        P_a = 1 - sin^2(2 theta_aa) sin^2(Delta m^2_41 L/(4 E)),   sin^2(2 theta_aa) = 4 |U_a4|^2 |U_s4|^2,

    which is the usual disappearance amplitude 4 |U_a4|^2 (1 - |U_a4|^2) as long as only one active flavour mixes; the small difference
    between the couplings of the active flavours is neglected. The two amplitudes are free of each other; one baseline is used for the
    whole detector and source, which smears the oscillation only beyond about 100 eV^2 at 20 m. Reactions lose the same: a charged current sees
    the flavours apart, and with both amplitudes the appearance of one from the other is neglected.
    """
    amplitudes = tuple(
        Parameter(
            f"sin2_2theta_{f * 2}",
            "polynomial",
            0.0,
            0.0,
            1.0,
            fixed=f == "e",
            description=f"amplitude of nu_{f} disappearance",
            latex=rf"$\sin^2 2\theta_{{{tex(f * 2)}}}$",
        )
        for f in _OSCILLATING
    )

    def prepare(target: Target) -> PreparedModel:
        standard = standard_terms(target)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            return (*standard, *_lost(shapes, "nucleus", {f: sm_charge(target, f) for f in _OSCILLATING}))

        return terms

    def reactions(target: ReactionTarget) -> PreparedModel:
        one = np.ones_like(target.t)
        return lambda shapes: (*reaction_terms(target), *_lost(shapes, "reaction", dict.fromkeys(_OSCILLATING, one)))

    parameters, title = (*amplitudes, _splitting()), "sterile neutrino"
    return SignalModel("sterile", title, _LAGRANGIAN, parameters, prepare, _REFERENCES, formula=_FORMULA, reactions=reactions)


def sterile_mixing() -> SignalModel:
    """Return the oscillations of all flavours in a 3+1 scheme with |U_e4|^2, |U_mu4|^2 and |U_tau4|^2, the neutral current seen flavour by flavour.

    At distances where only Delta m^2_41 counts, with S = sin^2(Delta m^2_41 L/(4 E)),

        P(a -> b) = 4 |U_a4|^2 |U_b4|^2 S for b != a,   P(a -> a) = 1 - 4 |U_a4|^2 (1 - |U_a4|^2) S,

    so that the rate, sum_b P(a -> b) Q_b^2, is Q_a^2 - 4 |U_a4|^2 S [Q_a^2 - sum_b |U_b4|^2 Q_b^2], a polynomial with one weight of the flux. Where the
    charges are equal it is 1 - P(a -> s) with 4 |U_a4|^2 |U_s4|^2, |U_s4|^2 = 1 - sum_b |U_b4|^2, as it must be. The sum over b is at most 1, which is
    not enforced. Antineutrinos oscillate alike.
    """
    mixings = {
        f: Parameter(f"u2_{f}4", "polynomial", 0.0, 0.0, 1.0, fixed=f != "mu", description=f"|U_{f}4|^2", latex=rf"$|U_{{{tex(f)} 4}}|^2$")
        for f in LEPTONS
    }

    def prepare(target: Target) -> PreparedModel:
        standard, charges = standard_terms(target), {f: 2.0 * sm_charge(target, f) for f in LEPTONS}

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            kernel = WeightedKernel("vector", Disappearance(shapes["delta_m2"]))
            lost = [Term(a, "nucleus", kernel, {(): charges[a]}, group="lost", factor=power(mixings[a].name)) for a in LEPTONS]
            kept = [
                Term(a, "nucleus", kernel, {(): charges[b]}, f"to {b}", multiply(power(mixings[a].name), power(mixings[b].name)), -1.0)
                for a in LEPTONS
                for b in LEPTONS
            ]
            return (*standard, *lost, *kept)

        return terms

    parameters = (*mixings.values(), _splitting())
    return SignalModel("sterile-mixing", "sterile neutrino, mixings", _LAGRANGIAN, parameters, prepare, _REFERENCES, formula=_FORMULA)


def _splitting() -> Parameter:
    return Parameter("delta_m2", "nonlinear", 1.0, 1e-3, 100.0, "eV2", "log", description="Delta m^2_41", latex=r"$\Delta m^2_{41}$")


def _lost(shapes: Shapes, target: Literal["nucleus", "reaction"], charges: Mapping[str, NDArray[np.float64]]) -> tuple[Term, ...]:
    """Return the terms of what is lost, given amplitudes by lepton flavour."""
    kernel = WeightedKernel("vector", Disappearance(shapes["delta_m2"]))
    return tuple(Term(f, target, kernel, {(): q}, group="lost", factor=power(f"sin2_2theta_{f * 2}")) for f, q in charges.items())
