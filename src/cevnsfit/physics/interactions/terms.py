"""What an interaction is: amplitudes that are polynomials in the couplings, over recoil nodes.

A model sees a nuclide at recoil nodes (`Target`) and returns terms. The amplitudes of all terms of one
(flavour, target, kernel, group) add and are squared; groups add after squaring. A term of a lepton flavour acts on its neutrinos and
antineutrinos, one of a source flavour on that alone: amplitudes add on each source flavour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.physics.atoms import effective_charge, shells
from cevnsfit.physics.constants import ELECTRON_MASS
from cevnsfit.physics.couplings import LEPTONS
from cevnsfit.physics.kernels import KernelKey
from cevnsfit.physics.sources import lepton_flavour, source_flavours

if TYPE_CHECKING:
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.physics.couplings import ElectronCouplings, WeakCouplings
    from cevnsfit.physics.form_factors import FormFactor
    from cevnsfit.physics.nuclei import Nuclide

Monomial = tuple[tuple[str, int], ...]
"""A product of powers of parameters, sorted pairs (name, power); () is 1."""

Polynomial = Mapping[Monomial, NDArray[np.float64]]
"""A polynomial whose coefficients are vectors over the recoil nodes."""

Compound = tuple[tuple["Nuclide", float], ...]
"""Every nuclide of a detector with the number of its nuclei."""

Channel = tuple[str, str, KernelKey]
"""(flavour, target, kernel): what selects the flux, the response and the energy integral."""


@dataclass(frozen=True, slots=True)
class Term:
    """One contribution to a cross section.

    Attributes
    ----------
    flavour
        Lepton flavour "e", "mu" or "tau", for neutrinos and antineutrinos, one source flavour such as "nubar_mu", or the name of another species of
        the beam; without a flux of it the term is left out.
    target
        "nucleus", "electron" or "reaction": which response applies.
    kernel
        Name of K(E, T) in `physics.kernels`, or that with a weight of the flux; a reaction uses the weight alone.
    charge
        The amplitude.
    group
        Amplitudes interfere inside a group only.
    factor
        A monomial that multiplies the square; the same for all terms of a group.
    weight
        A number that multiplies the square, below 0 for what is taken away; the same for all terms of a group.
    """

    flavour: str
    target: Literal["nucleus", "electron", "reaction"]
    kernel: KernelKey
    charge: Polynomial
    group: str = "vector"
    factor: Monomial = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """A nuclide seen at recoil nodes.

    Attributes
    ----------
    nuclide
        The nuclide.
    t
        Recoil energies in MeV, shape (n,).
    q2
        Squared momentum transfer 2 M T + T^2 in MeV^2, shape (n,).
    zf, nf
        Z F_Z(q2) and N F_N(q2), shape (n,).
    couplings
        Standard Model couplings.
    form_factor
        The form factor of neutrons, for models that change their radius.
    compound
        Every nuclide of the detector with the number of its nuclei; empty for a nuclide alone.
    of_protons
        The form factor of protons where it is another one.
    """

    nuclide: Nuclide
    t: NDArray[np.float64]
    q2: NDArray[np.float64]
    zf: NDArray[np.float64]
    nf: NDArray[np.float64]
    couplings: WeakCouplings
    form_factor: FormFactor
    compound: Compound = ()
    of_protons: FormFactor | None = None

    def neutrons(self, r_n: float) -> NDArray[np.float64]:
        """Return N F_N at the nodes for a neutron radius `r_n` in cm."""
        if self.nuclide.N == 0:
            return np.zeros_like(self.t)
        return self.nuclide.N * self.form_factor(np.sqrt(self.q2), r_n, self.nuclide.A)


@dataclass(frozen=True, slots=True)
class ElectronTarget:
    """The electrons of one atom seen at electron-recoil nodes.

    Attributes
    ----------
    t
        Recoil energies of the electron in MeV, shape (n,).
    q2
        Momentum transfer squared 2 m_e T in MeV^2, shape (n,).
    root
        Square root of the number of electrons that the recoil can eject, shape (n,): amplitudes are per atom.
    couplings
        Standard Model couplings.
    """

    t: NDArray[np.float64]
    q2: NDArray[np.float64]
    root: NDArray[np.float64]
    couplings: ElectronCouplings


@dataclass(frozen=True, slots=True)
class ReactionTarget:
    """A reaction with a tabulated cross section, seen at visible energies; amplitudes are in units of those of the table.

    Attributes
    ----------
    name
        Its name in the description.
    t
        Visible energies in MeV, shape (n,).
    """

    name: str
    t: NDArray[np.float64]


Shapes = Mapping[str, float]
"""Values of the nonlinear parameters of a model."""

PreparedModel = Callable[[Shapes], tuple[Term, ...]]
"""The terms at the nodes of one target, as a function of the nonlinear parameters."""


@dataclass(frozen=True, slots=True, repr=False)
class SignalModel(Document):
    """A signal model.

    Attributes
    ----------
    name, title
        Name in the registry, and one for plots.
    lagrangian
        What the couplings multiply, as text.
    parameters
        Polynomial parameters appear as monomials in the terms, nonlinear parameters are arguments of the prepared function.
    prepare
        Does what does not depend on any parameter for one target, and returns the function that gives the terms.
    references
        Papers.
    label
        A caveat that goes on every plot and table; "CEvNS only" ends where `electrons` are part of the prediction.
    label_unless_zero
        A parameter without which the caveat does not apply, such as the charge of the electron, or several with spaces between them; "" if it always does.
    leptons
        Couplings of electron and muon to the mediator that move their magnetic moments: (lepton "e" or "mu", kind "vector", "axial",
        "scalar" or "pseudoscalar", charge in units of g), at most one for each lepton.
    electrons
        The same as `prepare` for neutrino-electron scattering, terms with the target "electron"; None where the model says nothing.
    reactions
        The same as `prepare` for reactions with a tabulated cross section, terms with the target "reaction"; None where they are as in the table.
    latex, formula
        Its name and its Lagrangian in pictures, with dollar signs around formulas; empty where the title or the text stands for them.
    targets
        The model with the parameters that the nuclei of some detectors have; None where they are the same for all.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        **dict.fromkeys(("prepare", "electrons", "reactions", "label_unless_zero", "leptons", "targets")),
        "label": "whole_label",
    }

    name: str
    title: str
    lagrangian: str
    parameters: tuple[Parameter, ...]
    prepare: Callable[[Target], PreparedModel]
    references: tuple[str, ...] = ()
    label: str = field(default="")
    electrons: Callable[[ElectronTarget], PreparedModel] | None = None
    label_unless_zero: str = ""
    leptons: tuple[tuple[str, str, float], ...] = ()
    targets: Callable[[Sequence[Compound]], SignalModel] | None = None
    latex: str = ""
    formula: str = ""
    reactions: Callable[[ReactionTarget], PreparedModel] | None = None

    @property
    def printed(self) -> dict[str, str]:
        """Return how its name, its Lagrangian and its parameters are printed in pictures, by what they are called elsewhere."""
        own = {self.name: self.title if self.latex == "" else self.latex, self.lagrangian: self.formula}
        return {name: text for name, text in (*own.items(), *((p.name, p.latex) for p in self.parameters)) if text}

    @property
    def whole_label(self) -> str:
        """Return the caveat with the condition under which it does not apply."""
        return f"{self.label} unless {' = '.join(self.label_unless_zero.split())} = 0" if self.label_unless_zero else self.label

    def caveat(self, values: Mapping[str, float], free: Iterable[str] = ()) -> str:
        """Return the label as it applies at values of held parameters, the others at their defaults but for those that are `free`."""
        names = self.label_unless_zero.split()
        if not names or not {*names}.isdisjoint(free):
            return self.label
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        return self.label if any(values.get(name, defaults[name]) != 0.0 for name in names) else ""

    def shapes(self, values: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the nonlinear parameters, those not in `values` at their defaults; other names are ignored."""
        given = {} if values is None else values
        return {p.name: p.checked(given.get(p.name, p.default)) for p in self.parameters if p.kind == "nonlinear"}


def target_at(
    nuclide: Nuclide,
    t: ArrayLike,
    couplings: WeakCouplings,
    form_factor: FormFactor,
    compound: Compound = (),
    of_protons: FormFactor | None = None,
) -> Target:
    """Return the nuclide, one of those of a compound, at recoil energies `t` [MeV], shape (n,), with its form factors."""
    recoil = np.asarray(t, dtype=np.float64)
    q2 = recoil * (2.0 * nuclide.mass + recoil)
    zf = nuclide.Z * (form_factor if of_protons is None else of_protons)(np.sqrt(q2), nuclide.r_p, nuclide.A)
    bare = Target(nuclide, recoil, q2, zf, np.zeros_like(recoil), couplings, form_factor, compound, of_protons)
    return replace(bare, nf=bare.neutrons(nuclide.r_n))


def electrons_at(nuclide: Nuclide, t: ArrayLike, couplings: ElectronCouplings, number: NDArray[np.float64] | None = None) -> ElectronTarget:
    """Return the electrons of the atom of `nuclide` at recoil energies `t` [MeV], shape (n,); their `number` (n,) is that of its shells by default."""
    recoil = np.asarray(t, dtype=np.float64)
    ejected = effective_charge(recoil, shells(nuclide.Z)) if number is None else number
    return ElectronTarget(recoil, 2.0 * ELECTRON_MASS * recoil, np.sqrt(ejected), couplings)


def sm_charge(target: Target, flavour: str) -> NDArray[np.float64]:
    """Return Q_SM = g_V^p(flavour) Z F_Z + g_V^n N F_N at the nodes, shape (n,)."""
    return target.couplings.proton[flavour] * target.zf + target.couplings.neutron * target.nf


def multiply(a: Monomial, b: Monomial) -> Monomial:
    """Return the product of two monomials."""
    powers = dict(a)
    for name, power in b:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted(powers.items()))


def written(monomial: Monomial) -> str:
    """Return a monomial as text.

    Examples
    --------
    >>> written((("epsilon", 1), ("g", 2))), written(())
    ('epsilon g^2', '1')
    """
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in monomial) if monomial else "1"


def on_sources(terms: Iterable[Term], sources: Iterable[str]) -> list[Term]:
    """Return the terms that act on some source flavours.

    Where a term names one source flavour, those of its lepton flavour are repeated for each source, so that `squared` adds them; all others stay as
    they are, one for neutrinos and antineutrinos. UnknownNameError for a flavour that is neither.
    """
    several, there = tuple(terms), tuple(dict.fromkeys(sources))
    reached = {
        flavour: [source for source in source_flavours(flavour) if source in there] for flavour in {term.flavour for term in several}
    }
    split = {lepton_flavour(flavour) for flavour in reached if flavour not in LEPTONS}
    found: list[Term] = []
    for term in several:
        if term.flavour in split:
            found += (replace(term, flavour=source) for source in reached[term.flavour])
        elif reached[term.flavour]:
            found.append(term)
    return found


def squared(terms: Iterable[Term]) -> dict[Channel, dict[Monomial, NDArray[np.float64]]]:
    """Return |Q|^2 of each channel as a polynomial over the nodes.

    Parameters
    ----------
    terms
        The terms of a model on one target.

    Returns
    -------
    For each (flavour, target, kernel) the sum over groups of weight * factor * (sum of the amplitudes)^2.

    Raises
    ------
    CevnsfitError
        If terms of one group have different factors or weights.
    """
    amplitudes: dict[tuple[Channel, str], dict[Monomial, NDArray[np.float64]]] = {}
    factors: dict[tuple[Channel, str], tuple[Monomial, float]] = {}
    for term in terms:
        key: tuple[Channel, str] = ((term.flavour, term.target, term.kernel), term.group)
        scale = (term.factor, term.weight)
        if factors.setdefault(key, scale) != scale:
            message = f"terms of the group {key} have different factors, {factors[key]} and {scale}; give them different groups"
            raise CevnsfitError(message)
        _add(amplitudes.setdefault(key, {}), term.charge)
    total: dict[Channel, dict[Monomial, NDArray[np.float64]]] = {}
    for group, amplitude in amplitudes.items():
        _add(total.setdefault(group[0], {}), _square(amplitude, *factors[group]))
    return total


def evaluate(polynomial: Polynomial, values: Mapping[str, float]) -> NDArray[np.float64]:
    """Return a polynomial at values of its parameters, shape (n,)."""
    parts = [np.prod([values[name] ** power for name, power in monomial]) * vector for monomial, vector in polynomial.items()]
    return np.asarray(np.sum(parts, axis=0))


def _add(total: dict[Monomial, NDArray[np.float64]], part: Polynomial) -> None:
    for monomial, vector in part.items():
        total[monomial] = total[monomial] + vector if monomial in total else vector


def _square(amplitude: Polynomial, factor: Monomial, weight: float) -> dict[Monomial, NDArray[np.float64]]:
    square: dict[Monomial, NDArray[np.float64]] = {}
    parts = list(amplitude.items())
    for i, (a, first) in enumerate(parts):
        _add(square, {multiply(factor, multiply(a, a)): weight * first * first})
        for b, second in parts[i + 1 :]:
            _add(square, {multiply(factor, multiply(a, b)): 2.0 * weight * first * second})
    return square
