"""The Standard Model, and fits of its own quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import FM, SIN2_THETA_W
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, Shapes, SignalModel, Target, Term, sm_charge

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

_LAGRANGIAN = "L = -sqrt2 G_F [nubar gamma^mu P_L nu] sum_N g_V^N [Nbar gamma_mu N] + axial"
_FREEDMAN = "D. Z. Freedman, Phys. Rev. D 9, 1389 (1974)"
_COUPLINGS = "M. Atzori Corona et al., Eur. Phys. J. C 83, 683 (2023), arXiv:2303.09360"


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return standard_model(), signal_strength(), weak_mixing_angle(), neutron_radius()


def standard_model() -> SignalModel:
    """Return the Standard Model, without parameters."""
    return SignalModel("sm", "Standard Model", _LAGRANGIAN, (), lambda target: _fixed(_standard(target)), (_FREEDMAN, _COUPLINGS))


def signal_strength() -> SignalModel:
    """Return the Standard Model times a factor; the factor may be negative, so that a fit to noise is unbiased."""
    strength = Parameter("signal_strength", "polynomial", 1.0, -10.0, 100.0, description="CEvNS rate over the Standard Model one")

    def prepare(target: Target) -> PreparedModel:
        return _fixed(_standard(target, (("signal_strength", 1),)))

    return SignalModel("signal-strength", "Standard Model, free strength", _LAGRANGIAN, (strength,), prepare, (_FREEDMAN, _COUPLINGS))


def weak_mixing_angle() -> SignalModel:
    """Return the Standard Model as a function of s_W^2 at low momentum transfer.

    Q = Q_SM - 2 (s_W^2 - 0.23863) Z F_Z: the tree-level derivative d g_V^p / d s_W^2 = -2 around the couplings in use, whose
    radiative corrections are kept. The coupling of the neutron does not depend on s_W^2 at tree level.
    """
    angle = Parameter("sin2_theta_w", "polynomial", SIN2_THETA_W, 0.0, 1.0, description="sin^2 theta_W at low momentum transfer")

    def prepare(target: Target) -> PreparedModel:
        slope = -2.0 * target.zf
        charges = {f: {(): sm_charge(target, f) - SIN2_THETA_W * slope, ((angle.name, 1),): slope} for f in LEPTONS}
        return _fixed(tuple(Term(f, "nucleus", "vector", charges[f]) for f in LEPTONS))

    references = (_FREEDMAN, _COUPLINGS)
    return SignalModel("weak-mixing-angle", "weak mixing angle", _LAGRANGIAN, (angle,), prepare, references)


def neutron_radius() -> SignalModel:
    """Return the Standard Model with one neutron rms radius for every nuclide of the target.

    Form factors that do not depend on the radius ("coherent", "unity") make the model blind to it.
    """
    radius = Parameter("r_n", "shape", 5.0, 2.5, 10.0, unit="fm", description="rms radius of the neutron density")

    def prepare(target: Target) -> PreparedModel:
        def terms(shapes: Shapes) -> tuple[Term, ...]:
            neutrons = target.couplings.neutron * target.neutrons(shapes["r_n"] * FM)
            return _terms({f: target.couplings.proton[f] * target.zf + neutrons for f in LEPTONS})

        return terms

    references = (_FREEDMAN, _COUPLINGS)
    return SignalModel("neutron-radius", "neutron radius", _LAGRANGIAN, (radius,), prepare, references)


def _standard(target: Target, factor: Monomial = ()) -> tuple[Term, ...]:
    return _terms({f: sm_charge(target, f) for f in LEPTONS}, factor)


def _terms(charges: dict[str, NDArray[float64]], factor: Monomial = ()) -> tuple[Term, ...]:
    return tuple(Term(f, "nucleus", "vector", {(): charge}, factor=factor) for f, charge in charges.items())


def _fixed(terms: tuple[Term, ...]) -> PreparedModel:
    return lambda _: terms
