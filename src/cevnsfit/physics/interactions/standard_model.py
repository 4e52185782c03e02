"""The Standard Model, and fits of its own quantities."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cevnsfit.core.parameters import Parameter
from cevnsfit.physics.constants import FM, SIN2_THETA_W
from cevnsfit.physics.couplings import LEPTONS, weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions.common import fixed, power, reaction_terms, standard_terms, tex, vector_terms
from cevnsfit.physics.interactions.electron_scattering import standard_electrons
from cevnsfit.physics.interactions.terms import (
    Monomial,
    PreparedModel,
    ReactionTarget,
    Shapes,
    SignalModel,
    Target,
    Term,
    sm_charge,
    target_at,
)
from cevnsfit.physics.kernels import fold_channel
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cevnsfit.physics.couplings import WeakCouplings
    from cevnsfit.physics.form_factors import FormFactor
    from cevnsfit.physics.interactions.terms import Compound
    from cevnsfit.physics.nuclei import Nuclide

_LAGRANGIAN = "L = -sqrt2 G_F [nubar gamma^mu P_L nu] sum_N g_V^N [Nbar gamma_mu N] + axial"
_FORMULA = r"$\mathcal{L} = -\sqrt{2}\,G_F\,[\bar{\nu}\gamma^\mu P_L\nu] \sum_N g_V^N\,[\bar{N}\gamma_\mu N]$ + axial"
_FREEDMAN = "D. Z. Freedman, Phys. Rev. D 9, 1389 (1974)"
_CROSS_SECTIONS = {
    "sigma_csi": ("CsI", 185.72692540720),
    "sigma_ar": ("argon", 18.201370074040),
    "sigma_ge": ("germanium", 58.730200924454),
    "sigma_xe": ("xenon", 194.35874322058),
}
"""What is known without a detector: 1e-40 cm^2 in natural targets, with the default couplings and form factor."""

_RADII = {"Cs": 5.01, "I": 4.94, "Ar": 3.55, "Ge": 4.1432541, "Xe": 4.92326209}
"""Neutron rms radii in fm, means over the isotopes of natural elements."""

_TRACE = 0.01
"""Elements with a smaller part of the nuclei are not in the name of a cross section."""
_CSI_2021 = "D. Akimov et al. (COHERENT), Phys. Rev. Lett. 129, 081801 (2022), arXiv:2110.07730"
_LAR_2020 = "D. Akimov et al. (COHERENT), Phys. Rev. Lett. 126, 012002 (2021), arXiv:2003.10630"
_COUPLINGS = "M. Atzori Corona et al., Eur. Phys. J. C 83, 683 (2023), arXiv:2303.09360"


def models() -> tuple[SignalModel, ...]:
    """Return the models of this family."""
    return (
        standard_model(),
        signal_strength(),
        flavour_strengths(),
        weak_mixing_angle(),
        neutron_radius(),
        neutron_radii(),
        electroweak(),
        neutron_skin(),
        cross_section(),
    )


def standard_model() -> SignalModel:
    """Return the Standard Model, without parameters."""
    references = (_FREEDMAN, _COUPLINGS)
    return SignalModel("sm", "Standard Model", _LAGRANGIAN, (), _prepare, references, electrons=standard_electrons, formula=_FORMULA)


def _prepare(target: Target) -> PreparedModel:
    return fixed(standard_terms(target))


def signal_strength() -> SignalModel:
    """Return the Standard Model times a factor, reactions included; the factor may be negative, so that a fit to noise is unbiased."""
    strength = Parameter(
        "signal_strength", "polynomial", 1.0, description="CEvNS rate over the Standard Model one", least=0.0, latex=r"$\mu$"
    )

    factor = power(strength.name)

    def prepare(target: Target) -> PreparedModel:
        return fixed(standard_terms(target, factor))

    def reactions(target: ReactionTarget) -> PreparedModel:
        return fixed(reaction_terms(target, dict.fromkeys(LEPTONS, factor)))

    references, title = (_FREEDMAN, _COUPLINGS), "Standard Model, free strength"
    return SignalModel("signal-strength", title, _LAGRANGIAN, (strength,), prepare, references, formula=_FORMULA, reactions=reactions)


_ANGLE = Parameter(
    "sin2_theta_w", "polynomial", SIN2_THETA_W, 0.0, 1.0, description="sin^2 theta_W at low momentum transfer", latex=r"$\sin^2\theta_W$"
)


def weak_mixing_angle() -> SignalModel:
    """Return the Standard Model as a function of s_W^2 at low momentum transfer.

    Q = Q_SM - 2 (s_W^2 - 0.23863) Z F_Z: the tree-level derivative d g_V^p / d s_W^2 = -2 around the couplings in use, whose
    radiative corrections are kept. The coupling of the neutron does not depend on s_W^2 at tree level.
    """

    def prepare(target: Target) -> PreparedModel:
        return fixed(_at_any_angle(target, standard_terms(target)))

    references = (_FREEDMAN, _COUPLINGS)
    return SignalModel("weak-mixing-angle", "weak mixing angle", _LAGRANGIAN, (_ANGLE,), prepare, references, formula=_FORMULA)


def _at_any_angle(target: Target, terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms of the vector current with s_W^2 as a coupling."""
    slope = -2.0 * target.zf
    moved = {power(_ANGLE.name): slope}
    return tuple(replace(term, charge={(): term.charge[()] - SIN2_THETA_W * slope, **moved}) for term in terms)


def neutron_radius() -> SignalModel:
    """Return the Standard Model with one neutron rms radius for every nuclide of the target.

    Form factors that do not depend on the radius ("coherent", "unity") make the model blind to it.
    """
    radius = Parameter("r_n", "nonlinear", 5.0, 2.0, 10.0, unit="fm", description="rms radius of the neutron density", latex="$R_n$")

    def prepare(target: Target) -> PreparedModel:
        return lambda shapes: _with_neutrons(target, shapes["r_n"] * FM)

    references = (_FREEDMAN, _COUPLINGS)
    return SignalModel("neutron-radius", "neutron radius", _LAGRANGIAN, (radius,), prepare, references, formula=_FORMULA)


def neutron_radii() -> SignalModel:
    """Return the Standard Model with the neutron rms radii of the elements of the targets as parameters.

    That of an element is the mean over its isotopes, which keep their differences. All are held at the shipped values unless they are scanned or
    asked to float: one target knows nothing of the others.
    """
    return _with_radii(_RADII)


def electroweak() -> SignalModel:
    """Return the Standard Model with s_W^2 and the neutron rms radii of the elements of the targets, the latter held unless they are asked to float.

    Parity violation in atoms measures a combination of both: it enters as constraints with a correlation.
    """
    return _with_radii(_RADII, angle=True)


def _with_radii(defaults: Mapping[str, float], *, angle: bool = False) -> SignalModel:
    """Return the model of neutron radii, or that with the weak mixing angle besides."""
    radii = {
        symbol: Parameter(
            f"r_n_{symbol.lower()}",
            "nonlinear",
            default,
            2.0,
            10.0,
            "fm",
            fixed=True,
            description=f"neutron rms radius of {symbol}",
            latex=rf"$R_n(\mathrm{{{symbol}}})$",
        )
        for symbol, default in defaults.items()
    }

    def prepare(target: Target) -> PreparedModel:
        nuclide = target.nuclide
        name, rest = f"r_n_{nuclide.symbol.lower()}", nuclide.r_n - _mean_radius(target.compound, nuclide)

        def terms(shapes: Shapes) -> tuple[Term, ...]:
            standard = _with_neutrons(target, shapes[name] * FM + rest) if name in shapes else standard_terms(target)
            return _at_any_angle(target, standard) if angle else standard

        return terms

    references, targets = (_FREEDMAN, _COUPLINGS), partial(_radii_in, angle=angle)
    name, title = ("electroweak", "weak mixing angle and neutron radii") if angle else ("neutron-radii", "neutron radii of the elements")
    parameters = (*((_ANGLE,) if angle else ()), *radii.values())
    return SignalModel(name, title, _LAGRANGIAN, parameters, prepare, references, targets=targets, formula=_FORMULA)


def _radii_in(compounds: Sequence[Compound], *, angle: bool) -> SignalModel:
    """Return the model with the radii of the elements of some detectors."""
    nuclei = [(nuclide, compound) for compound in compounds for nuclide, _ in compound]
    found = {nuclide.symbol: round(_mean_radius(compound, nuclide) / FM, 12) for nuclide, compound in reversed(nuclei) if nuclide.N}
    return _with_radii(
        {symbol: _RADII.get(symbol, found[symbol]) for symbol in dict.fromkeys(n.symbol for n, _ in nuclei) if symbol in found},
        angle=angle,
    )


def _mean_radius(compound: Compound, nuclide: Nuclide) -> float:
    """Return the mean neutron radius of the isotopes of an element in a detector, in cm."""
    isotopes = [(other.r_n, number) for other, number in (compound or ((nuclide, 1.0),)) if other.Z == nuclide.Z]
    return isotopes[0][0] + sum((r_n - isotopes[0][0]) * number for r_n, number in isotopes) / sum(number for _, number in isotopes)


def neutron_skin() -> SignalModel:
    """Return the Standard Model with one neutron skin, R_n = R_p + skin, for every nuclide of the target."""
    skin = Parameter(
        "skin", "nonlinear", 0.2, -1.0, 3.0, "fm", description="neutron skin R_n - R_p, common to all nuclides", latex="$R_n - R_p$"
    )

    def prepare(target: Target) -> PreparedModel:
        return lambda shapes: _with_neutrons(target, target.nuclide.r_p + shapes["skin"] * FM)

    return SignalModel("neutron-skin", "common neutron skin", _LAGRANGIAN, (skin,), prepare, (_FREEDMAN, _COUPLINGS), formula=_FORMULA)


def flavour_strengths() -> SignalModel:
    """Return the Standard Model with a factor each for nu_e and for nu_mu with nubar_mu, which arrival times tell apart, reactions included."""
    strengths = tuple(
        Parameter(
            f"strength_nu_{f}",
            "polynomial",
            1.0,
            description=f"nu_{f} rate over the Standard Model one",
            least=0.0,
            latex=rf"$\mu_{{{tex(f'nu_{f}')}}}$",
        )
        for f in ("e", "mu")
    )

    factors: dict[str, Monomial] = {"e": power(strengths[0].name), "mu": power(strengths[1].name), "tau": ()}

    def prepare(target: Target) -> PreparedModel:
        return fixed(tuple(Term(f, "nucleus", "vector", {(): sm_charge(target, f)}, factor=factors[f]) for f in LEPTONS))

    def reactions(target: ReactionTarget) -> PreparedModel:
        return fixed(reaction_terms(target, factors))

    references, title = (_FREEDMAN, _COUPLINGS), "Standard Model, free flavours"
    return SignalModel("flavour-strengths", title, _LAGRANGIAN, strengths, prepare, references, formula=_FORMULA, reactions=reactions)


def cross_section() -> SignalModel:
    """Return the Standard Model scaled to the flux-averaged cross sections on the targets, in 1e-40 cm^2.

    As COHERENT quotes it, sigma is the mean over the nuclei of the detector and over nu_mu, nubar_mu and nu_e from decays at rest, of all
    recoil energies; the rate is that of the Standard Model times sigma/sigma_SM, with the shapes of the Standard Model.
    All are held at the default prediction unless they are scanned or asked to float.
    """
    return _with_cross_sections(_CROSS_SECTIONS)


def _with_cross_sections(known: Mapping[str, tuple[str, float]]) -> SignalModel:
    parameters = tuple(
        Parameter(
            name,
            "polynomial",
            value,
            unit="1e-40 cm2",
            fixed=True,
            description=f"mean cross section on {title}",
            least=0.0,
            latex=rf"$\langle\sigma\rangle_\mathrm{{{title}}}$",
        )
        for name, (title, value) in known.items()
    )

    def prepare(target: Target) -> PreparedModel:
        symbol = target.nuclide.symbol
        name = _sigma(target.compound) if target.compound else "sigma_csi" if symbol in {"Cs", "I"} else f"sigma_{symbol.lower()}"
        if name not in known:
            return fixed(standard_terms(target))
        compound = target.compound if target.compound else ((target.nuclide, 1.0),)
        root = math.sqrt(_average_cross_section(compound, target.couplings, target.form_factor, target.of_protons))
        return fixed(vector_terms({f: sm_charge(target, f) / root for f in LEPTONS}, power(name)))

    references, title = (_FREEDMAN, _COUPLINGS, _CSI_2021, _LAR_2020), "flux-averaged cross section"
    return SignalModel("cross-section", title, _LAGRANGIAN, parameters, prepare, references, targets=_cross_sections_on, formula=_FORMULA)


def _cross_sections_on(compounds: Sequence[Compound]) -> SignalModel:
    """Return the model with the cross sections on some detectors."""
    several = {_sigma(compound): compound for compound in reversed(compounds)}
    new = {name: compound for name, compound in several.items() if name not in _CROSS_SECTIONS}
    couplings, shape = weak_couplings("default"), form_factor("helm")
    found = {name: ("".join(_elements(compound)), _average_cross_section(compound, couplings, shape)) for name, compound in new.items()}
    return _with_cross_sections({name: {**_CROSS_SECTIONS, **found}[name] for name in dict.fromkeys(map(_sigma, compounds))})


def _sigma(compound: Compound) -> str:
    """Return the name of the cross section on a detector: that of its elements."""
    return f"sigma_{''.join(_elements(compound)).lower()}"


def _elements(compound: Compound) -> list[str]:
    """Return the elements of a detector but for traces."""
    counts: dict[str, float] = {}
    for nuclide, number in compound:
        counts[nuclide.symbol] = counts.get(nuclide.symbol, 0.0) + number
    return [symbol for symbol, number in counts.items() if number > _TRACE * sum(counts.values())]


def _average_cross_section(compound: Compound, couplings: WeakCouplings, shape: FormFactor, of_protons: FormFactor | None = None) -> float:
    """Return the mean over the nuclei of a detector and over the flavours of pion decay at rest in 1e-40 cm^2."""
    spectra = pion_decay_at_rest()
    total = 0.0
    for nuclide, number in compound:
        t, weights = recoil_nodes(nuclide.mass, spectra.values())
        on = target_at(nuclide, t, couplings, shape, of_protons=of_protons)
        for source, spectrum in spectra.items():
            rate = fold_channel("vector", source, [spectrum], nuclide.mass, t)[0] * sm_charge(on, lepton_flavour(source)) ** 2
            total += number * float(weights @ rate)
    return 1e40 * total / (len(spectra) * sum(number for _, number in compound))


def _with_neutrons(target: Target, r_n: float) -> tuple[Term, ...]:
    """Return the Standard Model terms with the neutron radius `r_n` in cm."""
    neutrons = target.couplings.neutron * target.neutrons(r_n)
    return vector_terms({f: target.couplings.proton[f] * target.zf + neutrons for f in LEPTONS})
