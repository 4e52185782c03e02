"""A mixing matrix of the light neutrinos that is not unitary, as where heavy singlets mix with them."""

from __future__ import annotations

import cmath
import math

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.common import vector_terms
from cevnsfit.physics.interactions.terms import PreparedModel, Shapes, SignalModel, Target, Term, sm_charge


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (non_unitarity(),)


def non_unitarity() -> SignalModel:
    r"""Return the Standard Model with N = T U in the place of a unitary U, T lower triangular (arXiv:1503.08879), without oscillations.

    With H = N N^+ = T T^+ the decay that makes nu_a emits sum_i N*_ai |nu_i>, and the neutral current couples nu_i to nu_j by
    sum_b N*_bj Q_b N_bi. The sum of the squares over the final j is (H Q H Q H)_aa, Q = diag(Q_e, Q_mu, Q_tau), or (H^3)_aa Q^2 for equal charges. Two
    conventions make it a rate (derived by us):

    - The flux is one neutrino for each decay, whatever N: the state is normalised by H_aa, so that the rate of the decay does not count.
    - G_F is measured in the decay of the muon, G_F^2 = G_mu^2/(H_ee H_mumu) (S. Antusch et al., arXiv:hep-ph/0607020).

        Q_a^2 -> (H Q H Q H)_aa/(H_aa H_ee H_mumu)

    A common factor of N drops out; with a diagonal T, nu_mu has (alpha_22/alpha_11)^2 and nu_e its inverse. The weak mixing angle is that of the
    couplings in use, which is measured at low energy. arXiv:2008.02759 has (H^2)_aa Q^2 instead, the sum of |H_ab|^2 over flavours without either
    convention (assumed: its text was not at hand).
    For singlets that are not produced |alpha_ij|^2 <= (1 - alpha_ii^2)(1 - alpha_jj^2), which is not enforced. All are held unless they are scanned
    or asked to float: the rates leave most of them degenerate.
    """
    parameters = (
        *(_alpha(f"{i}{i}", 1.0, f"diagonal element of nu_{f}") for i, f in enumerate(LEPTONS, start=1)),
        *(
            _alpha(f"{i}{j}", 0.0, f"modulus of the element of nu_{LEPTONS[i - 1]} and nu_{LEPTONS[j - 1]}")
            for i, j in ((2, 1), (3, 1), (3, 2))
        ),
        Parameter(
            "alpha_phase",
            "nonlinear",
            0.0,
            -180.0,
            180.0,
            "deg",
            fixed=True,
            description="phase of alpha_31 alpha_21^* alpha_32^*",
            latex=r"$\arg(\alpha_{31}\alpha_{21}^*\alpha_{32}^*)$",
        ),
    )

    def prepare(target: Target) -> PreparedModel:
        charges = np.array([sm_charge(target, flavour) for flavour in LEPTONS])

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            a = {name.removeprefix("alpha_"): value for name, value in shapes.items()}
            t = np.array([[a["11"], 0.0, 0.0], [a["21"], a["22"], 0.0], [cmath.rect(a["31"], math.radians(a["phase"])), a["32"], a["33"]]])
            h = t @ t.conj().T
            norm = h.diagonal().real * h[0, 0].real * h[1, 1].real
            squares = np.einsum("ab,bn,bc,cn,ca->an", h, charges, h, charges, h).real / norm[:, None]
            return vector_terms(dict(zip(LEPTONS, np.sqrt(squares), strict=True)))

        return terms

    lagrangian = "L = -sqrt2 G_F sum_(i,j) (N^+ N)_ij [nubar_i gamma^mu P_L nu_j] sum_N g_V^N [Nbar gamma_mu N], N = T U, G_F^2 = G_mu^2/[(N N^+)_ee (N N^+)_mumu]"
    formula = (
        r"$\mathcal{L} = -\sqrt{2}\,G_F \sum_{ij} (N^\dagger N)_{ij}\,[\bar{\nu}_i\gamma^\mu P_L\nu_j] \sum_N g_V^N\,[\bar{N}\gamma_\mu N]$, "
        r"$G_F^2 = G_\mu^2/[(NN^\dagger)_{ee}(NN^\dagger)_{\mu\mu}]$"
    )
    references = (
        "F. J. Escrihuela et al., Phys. Rev. D 92, 053009 (2015), arXiv:1503.08879",
        "S. Antusch et al., JHEP 10 (2006) 084, arXiv:hep-ph/0607020",
        "O. G. Miranda et al., arXiv:2008.02759",
    )
    return SignalModel("non-unitarity", "non-unitary mixing", lagrangian, parameters, prepare, references, formula=formula)


def _alpha(indices: str, default: float, description: str) -> Parameter:
    latex = rf"$\alpha_{{{indices}}}$" if default else rf"$|\alpha_{{{indices}}}|$"
    least = 0.1 if default else 0.0
    return Parameter(f"alpha_{indices}", "nonlinear", default, least, 1.0, fixed=True, description=description, latex=latex)
