"""What several families share: declared parameters, the Standard Model terms, terms without nonlinear parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.interactions.terms import Monomial, PreparedModel, ReactionTarget, Target, Term, sm_charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float64
    from numpy.typing import NDArray

CEVNS_ONLY: Final = "CEvNS only"
"""Label of models with a tree-level electron coupling while neutrino-electron scattering is not part of the prediction."""


def coupling(symbol: str = "$g_{Z'}$") -> Parameter:
    """Return the coupling g of a light mediator."""
    return Parameter("g", "polynomial", 0.0, 0.0, 1.0, scale="log", description="coupling of the mediator", latex=symbol)


def mediator_mass(symbol: str = "$m_{Z'}$") -> Parameter:
    """Return the mass of a light mediator."""
    return Parameter("mass", "nonlinear", 10.0, 1e-3, 1e7, unit="MeV", scale="log", description="mass of the mediator", latex=symbol)


def charge(particle: str, default: float = 1.0) -> Parameter:
    """Return the user-given charge of a particle ("u", "d", "e", "nu_mu", ...) in units of g, held fixed in fits."""
    text, latex = f"charge of {particle} in units of g", f"$q_{{{tex(particle)}}}$"
    return Parameter(f"q_{particle}", "nonlinear", default, -100.0, 100.0, fixed=True, description=text, latex=latex)


def tex(particle: str) -> str:
    r"""Return a particle, or several flavours in a row, in TeX.

    Examples
    --------
    >>> tex("nu_mu"), tex("emu"), tex("u")
    ('\\nu_{\\mu}', 'e\\mu', 'u')
    """
    if particle.startswith("nubar_"):
        return rf"\bar{{\nu}}_{{{tex(particle.removeprefix('nubar_'))}}}"
    if particle.startswith("nu_"):
        return rf"\nu_{{{tex(particle.removeprefix('nu_'))}}}"
    return particle.replace("mu", r"\mu").replace("tau", r"\tau")


def power(name: str, exponent: int = 1) -> Monomial:
    """Return one parameter to a power as a monomial."""
    return ((name, exponent),)


def standard_terms(target: Target, factor: Monomial = ()) -> tuple[Term, ...]:
    """Return the Standard Model terms of all flavours, times a factor."""
    return vector_terms({flavour: sm_charge(target, flavour) for flavour in LEPTONS}, factor)


def vector_terms(charges: Mapping[str, NDArray[float64]], factor: Monomial = ()) -> tuple[Term, ...]:
    """Return terms of the vector kernel with charges by flavour that hold no coupling."""
    return tuple(Term(flavour, "nucleus", "vector", {(): values}, factor=factor) for flavour, values in charges.items())


def quark_numbers(target: Target) -> dict[str, NDArray[float64]]:
    """Return the numbers of valence u and d quarks with their form factors, 2 Z F_Z + N F_N and Z F_Z + 2 N F_N, shape (n,) each."""
    return {"u": 2.0 * target.zf + target.nf, "d": target.zf + 2.0 * target.nf}


def reaction_terms(target: ReactionTarget, factors: Mapping[str, Monomial] | None = None) -> tuple[Term, ...]:
    """Return the terms of a reaction as its table has it, times factors of some lepton flavours."""
    given = {} if factors is None else factors
    return tuple(Term(f, "reaction", "vector", {(): np.ones_like(target.t)}, factor=given.get(f, ())) for f in LEPTONS)


def fixed(terms: tuple[Term, ...]) -> PreparedModel:
    """Return terms that do not depend on nonlinear parameters as a prepared model."""
    return lambda _: terms
