"""A vector mediator with opposite charges of the u and the d quark."""

from math import sqrt

from cevnsfit.plugins import (
    FERMI_CONSTANT,
    LEPTONS,
    PreparedModel,
    Shapes,
    SignalModel,
    Target,
    Term,
    coupling,
    mediator_mass,
    power,
    sm_charge,
)


def isovector() -> SignalModel:
    """Return the model: the charge is +1 for a proton (u u d) and -1 for a neutron (u d d).

    Q_f -> Q_f + g^2 (Z F_Z - N F_N) / (sqrt2 G_F (q^2 + M^2)): it adds to the Standard Model in nuclei with more neutrons than protons,
    little in argon (Z - N = -4) and much in caesium and iodine (-23 and -21).
    """

    def prepare(target: Target) -> PreparedModel:
        nucleus = (target.zf - target.nf) / (sqrt(2.0) * FERMI_CONSTANT)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            mediator = nucleus / (target.q2 + shapes["mass"] ** 2)
            return tuple(Term(f, "nucleus", "vector", {(): sm_charge(target, f), power("g", 2): mediator}) for f in LEPTONS)

        return terms

    lagrangian = "L = g Z'_mu [sum_f nubar_f gamma^mu P_L nu_f + ubar gamma^mu u - dbar gamma^mu d]"
    return SignalModel("isovector", "isovector mediator", lagrangian, (coupling(), mediator_mass()), prepare)
