"""Cross sections of every model on nuclei, above a threshold and averaged over pion decay at rest, against sums of Dirac matrices.

Nuclei have spin 0, those with an axial current spin 1/2. Charges and Helm's form factor are written down again here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dirac_sums import (
    ALPHA,
    G_F,
    HBAR_C,
    M_E,
    M_MU,
    M_TAU,
    STANDARD_RADIUS,
    V2,
    axial_current,
    dipole,
    integrated,
    loop,
    photon_shift,
    spinless_scalar,
    spinless_vector,
    tensor_current,
)
from scipy.special import spherical_jn

from cevnsfit.physics.constants import FM
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section, flux_averaged_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import model_names, signal_model, target_at
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.nuclei import Nuclide, composition
from cevnsfit.physics.sources import pion_decay_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Function = Callable[[float], float]

PROTON, NEUTRON = {"e": 0.0382, "mu": 0.0300, "tau": 0.0256}, -0.5117  # arXiv:2303.09360
RADII = {"Ar-40": (3.448, 3.55), "Cs-133": (4.804, 5.01)}  # rms, fm (arXiv:2008.05022)


def helm(q: float, radius: float) -> float:
    """Return Helm's form factor of an rms radius in fm, q in MeV (R. H. Helm, Phys. Rev. 104, 1466 (1956); s = 0.9 fm)."""
    s = 0.9
    x = q * 1e-13 / HBAR_C
    sharp = math.sqrt(5.0 / 3.0 * (radius**2 - 3.0 * s**2))
    return float(3.0 * spherical_jn(1, x * sharp) / (x * sharp)) * math.exp(-((x * s) ** 2) / 2.0)


@dataclass(frozen=True)
class Nucleus:
    """A nuclide as the test sees it: protons and neutrons at a recoil energy."""

    nuclide: Nuclide
    radii: tuple[float, float]
    low: float

    def q(self, t: float) -> float:
        return math.sqrt(2.0 * self.nuclide.mass * t)

    def protons(self, t: float) -> float:
        return self.nuclide.Z * helm(self.q(t), self.radii[0])

    def neutrons(self, t: float, radius: float | None = None) -> float:
        return self.nuclide.N * helm(self.q(t), self.radii[1] if radius is None else radius)

    def weak(self, t: float, flavour: str) -> float:
        return PROTON[flavour] * self.protons(t) + NEUTRON * self.neutrons(t)


ARGON, CAESIUM = (
    Nucleus(composition(compound)[0][0], RADII[name], low) for compound, name, low in (("Ar[40]", "Ar-40", 2e-3), ("Cs", "Cs-133", 5e-4))
)
NUCLEI = {"argon": ARGON, "caesium": CAESIUM}
LEPTON = {"nu_mu": "mu", "nubar_mu": "mu", "nu_e": "e"}


def found(nucleus: Nucleus, model: str, source: str, values: Mapping[str, float], baseline: float | None = None) -> float:
    """Return the package's cross section above the threshold of the test."""
    sources = pion_decay_at_rest()
    t, weights = recoil_nodes(nucleus.nuclide.mass, [sources[source]], kinks=(nucleus.low,), panels=9)
    target = target_at(nucleus.nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["helm"])
    values_at = differential_cross_section(signal_model(model), target, source, sources[source], values, baseline=baseline)
    return float((weights * values_at)[t > nucleus.low].sum())


def vector_like(nucleus: Nucleus, source: str, charge: Function) -> float:
    """Return the cross section of L = -sqrt2 G_F Q [nubar gamma^m P_L nu] J_m."""
    return 2.0 * G_F**2 * integrated(spinless_vector, source, nucleus.nuclide.mass, nucleus.low, lambda t: charge(t) ** 2)


def mediator(nucleus: Nucleus, flavour: str, up: float, down: float, neutrino: float, g: float, mass: float) -> Function:
    """Return Q + g^2 q_nu [...]/(sqrt2 G_F (q^2 + M^2)), the sum over the valence quarks."""

    def charge(t: float) -> float:
        quarks = (2 * up + down) * nucleus.protons(t) + (up + 2 * down) * nucleus.neutrons(t)
        return nucleus.weak(t, flavour) + g**2 * neutrino * quarks * V2 / (2 * nucleus.nuclide.mass * t + mass**2)

    return charge


TREE = {
    "universal": (1.0, (1, 1, 1)),
    "b-l": (1 / 3, (-1, -1, -1)),
    "b-3l-e": (1 / 3, (-3, 0, 0)),
    "b-3l-mu": (1 / 3, (0, -3, 0)),
    "b-3l-tau": (1 / 3, (0, 0, -3)),
    "b-2l-e-l-mu": (1 / 3, (-2, -1, 0)),
    "b-y-l-mu-l-tau": (1 / 3, (0, 1, 1)),
}
LOOP = {"lmu-ltau": (M_MU, M_TAU, {"e": 0, "mu": 1}), "le-lmu": (M_E, M_MU, {"e": 1, "mu": -1}), "le-ltau": (M_E, M_TAU, {"e": 1, "mu": 0})}


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("where", NUCLEI)
def test_standard_model(where: str, source: str) -> None:
    nucleus, flavour = NUCLEI[where], LEPTON[source]
    expected = vector_like(nucleus, source, lambda t: nucleus.weak(t, flavour))
    assert found(nucleus, "sm", source, {}) == pytest.approx(expected, rel=1e-6, abs=0.0)
    assert found(nucleus, "signal-strength", source, {"signal_strength": 0.7}) == pytest.approx(0.7 * expected, rel=1e-6, abs=0.0)
    assert found(nucleus, "source-strengths", source, {f"rate_{source}": 0.7}) == pytest.approx(0.7 * expected, rel=1e-6, abs=0.0)
    strengths = {"strength_nu_e": 0.4, "strength_nu_mu": 1.6}
    assert found(nucleus, "flavour-strengths", source, strengths) == pytest.approx(
        strengths[f"strength_nu_{flavour}"] * expected, rel=1e-6, abs=0.0
    )


@pytest.mark.parametrize("where", NUCLEI)
def test_quantities_of_the_standard_model(where: str) -> None:
    nucleus, source = NUCLEI[where], "nubar_mu"
    angle = vector_like(nucleus, source, lambda t: nucleus.weak(t, "mu") - 2.0 * (0.21 - 0.23863) * nucleus.protons(t))
    assert found(nucleus, "weak-mixing-angle", source, {"sin2_theta_w": 0.21}) == pytest.approx(angle, rel=1e-6, abs=0.0)

    def with_radius(radius: float) -> float:
        return vector_like(nucleus, source, lambda t: PROTON["mu"] * nucleus.protons(t) + NEUTRON * nucleus.neutrons(t, radius))

    assert found(nucleus, "neutron-radius", source, {"r_n": 4.2}) == pytest.approx(with_radius(4.2), rel=1e-6, abs=0.0)
    assert found(nucleus, "neutron-radii", source, {f"r_n_{nucleus.nuclide.symbol.lower()}": 4.6}) == pytest.approx(
        with_radius(4.6), rel=1e-6, abs=0.0
    )
    assert found(nucleus, "neutron-skin", source, {"skin": 0.5}) == pytest.approx(with_radius(nucleus.radii[0] + 0.5), rel=1e-6, abs=0.0)


@pytest.mark.parametrize(("where", "name", "value"), [("argon", "sigma_ar", 25.0), ("caesium", "sigma_csi", 150.0)])
def test_the_mean_cross_section_is_the_parameter(where: str, name: str, value: float) -> None:
    nucleus = NUCLEI[where]
    target = target_at(nucleus.nuclide, [0.01], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    sources = pion_decay_at_rest()
    means = [flux_averaged_cross_section(signal_model("cross-section"), target, LEPTON[s], sources[s], {name: value}) for s in LEPTON]
    assert np.mean(means) == pytest.approx(value * 1e-40, rel=1e-6, abs=0.0)
    standard = vector_like(nucleus, "nu_e", lambda t: nucleus.weak(t, "e")) / vector_like(nucleus, "nu_mu", lambda t: nucleus.weak(t, "mu"))
    ratio = found(nucleus, "cross-section", "nu_e", {name: value}) / found(nucleus, "cross-section", "nu_mu", {name: value})
    assert ratio == pytest.approx(standard, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("name", TREE)
def test_tree_level_mediators(name: str, source: str) -> None:
    quark, neutrinos = TREE[name]
    neutrino = neutrinos[["e", "mu", "tau"].index(LEPTON[source])]
    for nucleus, g, mass in ((ARGON, 4e-4, 15.0), (CAESIUM, 5e-3, 200.0)):
        expected = vector_like(nucleus, source, mediator(nucleus, LEPTON[source], quark, quark, neutrino, g, mass))
        assert found(nucleus, name, source, {"g": g, "mass": mass}) == pytest.approx(expected, rel=1e-6, abs=0.0)


def test_general_vector_mediator() -> None:
    charges = {"q_u": 0.7, "q_d": -0.4, "q_nu_e": 1.3, "q_nu_mu": -0.6}
    for source, flavour in LEPTON.items():
        expected = vector_like(CAESIUM, source, mediator(CAESIUM, flavour, 0.7, -0.4, charges[f"q_nu_{flavour}"], 3e-4, 8.0))
        assert found(CAESIUM, "vector", source, {**charges, "g": 3e-4, "mass": 8.0}) == pytest.approx(expected, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("name", LOOP)
def test_loop_mediators(name: str, source: str) -> None:
    light, heavy, signs = LOOP[name]
    sleptons = 5.0 if name == "lmu-ltau" else 0.0
    values = {"g": 3e-3, "mass": 25.0} | ({"slepton_log": sleptons, "loop_sign": -1.0} if sleptons else {})
    flavour = LEPTON[source]

    def charge(t: float) -> float:
        q2 = 2.0 * CAESIUM.nuclide.mass * t
        # the charge of the proton, e Pi/g = (2 alpha/pi) eps
        proton = 2.0 * ALPHA / math.pi * (loop(q2, light, heavy) + sleptons / 24.0) * (-1.0 if sleptons else 1.0)
        return CAESIUM.weak(t, flavour) + V2 * (3e-3) ** 2 * signs[flavour] * proton * CAESIUM.protons(t) / (q2 + 25.0**2)

    assert found(CAESIUM, name, source, values) == pytest.approx(vector_like(CAESIUM, source, charge), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_mixing_with_the_photon(source: str) -> None:
    flavour, e, g, mass = LEPTON[source], math.sqrt(4.0 * math.pi * ALPHA), 3e-3, 25.0

    def charge(t: float, proton: float, neutrino: float) -> float:
        return ARGON.weak(t, flavour) + V2 * g * neutrino * proton * ARGON.protons(t) / (2.0 * ARGON.nuclide.mass * t + mass**2)

    values = {"g": g, "mass": mass, "eps": -2e-5, "q_nu_e": 1.5, "q_nu_mu": -0.5}
    expected = vector_like(ARGON, source, lambda t: charge(t, -2e-5 * e, values[f"q_nu_{flavour}"]))
    assert found(ARGON, "dark-photon", source, values) == pytest.approx(expected, rel=1e-6, abs=0.0)
    values = {"g": g, "mass": mass, "eps_tree": 6e-5}

    def mixed(t: float) -> float:
        proton = 2.0 * ALPHA / math.pi * g * loop(2.0 * ARGON.nuclide.mass * t, M_MU, M_TAU) + 6e-5 * e
        return charge(t, proton, {"e": 0.0, "mu": 1.0}[flavour])

    assert found(ARGON, "lmu-ltau-mixing", source, values) == pytest.approx(vector_like(ARGON, source, mixed), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_non_standard_interactions(source: str) -> None:
    flavour = LEPTON[source]
    diagonal = {"ee": (0.12, -0.07), "mumu": (-0.21, 0.05)}
    changing = {"emu": (0.10 + 0.04j, -0.30j), "etau": (-0.2 + 0j, 0.15 - 0.11j), "mutau": (0.05j, 0.33 + 0j)}
    values = {f"eps_{pair}_{quark}": eps for pair, both in diagonal.items() for quark, eps in zip("ud", both, strict=True)}
    for pair, both in changing.items():
        for quark, eps in zip("ud", both, strict=True):
            values |= {f"eps_{pair}_{quark}": eps.real, f"eps_{pair}_{quark}_im": eps.imag}
    own = diagonal[2 * flavour]
    others = [eps for pair, eps in changing.items() if pair.startswith(flavour) or (flavour == "mu" and pair == "emu")]

    def charge(t: float) -> float:
        up, down = 2 * ARGON.protons(t) + ARGON.neutrons(t), ARGON.protons(t) + 2 * ARGON.neutrons(t)
        amplitudes = [ARGON.weak(t, flavour) + own[0] * up + own[1] * down, *(u * up + d * down for u, d in others)]
        return math.sqrt(sum(abs(a) ** 2 for a in amplitudes))

    assert len(others) == 2
    expected = vector_like(ARGON, source, charge)
    assert found(ARGON, "nsi", source, values) == pytest.approx(expected, rel=1e-6, abs=0.0)
    nucleons = {}
    for name in [key for key in values if "_u" in key]:
        up, down = values[name], values[name.replace("_u", "_d")]
        nucleons |= {name.replace("_u", "_p"): 2.0 * up + down, name.replace("_u", "_n"): up + 2.0 * down}
    assert found(ARGON, "nsi-nucleons", source, nucleons) == pytest.approx(expected, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_non_standard_interactions_in_one_direction(source: str) -> None:
    flavour, eta, phi = LEPTON[source], math.radians(-40.0), math.radians(25.0)
    values = {"eps_ee": 0.12, "eps_mumu": -0.2, "eps_emu": 0.1, "eps_etau": -0.3, "eps_mutau": 0.2, "eta": -40.0, "phi": 25.0}
    proton, neutron = math.sqrt(5.0) * math.cos(eta) * math.cos(phi), math.sqrt(5.0) * math.sin(eta)
    others = {"e": (0.1, -0.3), "mu": (0.1, 0.2)}[flavour]

    def charge(t: float) -> float:
        nucleus = proton * ARGON.protons(t) + neutron * ARGON.neutrons(t)
        return math.hypot(ARGON.weak(t, flavour) + values[f"eps_{2 * flavour}"] * nucleus, *(eps * nucleus for eps in others))

    assert found(ARGON, "nsi-eta", source, values) == pytest.approx(vector_like(ARGON, source, charge), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("mass", [4.0, 300.0])
def test_scalar_mediators(source: str, mass: float) -> None:
    flavour, g = LEPTON[source], 2e-5 * (1.0 + mass / 10.0)
    # <N|qbar q|N> = f_q m_N/m_q (arXiv:1506.04142; quark masses 2.16 and 4.67 MeV)
    proton = [20.8e-3 * 938.27209 / 2.16, 41.1e-3 * 938.27209 / 4.67]
    neutron = [18.9e-3 * 939.56542 / 2.16, 45.1e-3 * 939.56542 / 4.67]
    for name, values, protons, neutrons in (
        ("scalar-universal", {}, 17.3, 17.3),
        ("scalar-universal", {"q_p": 15.1, "q_n": 14.0}, 15.1, 14.0),
        ("scalar", {"q_u": 0.5, "q_d": -1.5, f"q_nu_{flavour}": 2.0}, *(2.0 * (0.5 * u - 1.5 * d) for u, d in (proton, neutron))),
    ):

        def charge(t: float, protons: float = protons, neutrons: float = neutrons) -> float:
            nucleus = protons * ARGON.protons(t) + neutrons * ARGON.neutrons(t)
            return g**2 * nucleus / (2.0 * ARGON.nuclide.mass * t + mass**2)

        scalar = integrated(spinless_scalar, source, ARGON.nuclide.mass, ARGON.low, lambda t, charge=charge: charge(t) ** 2)
        standard = vector_like(ARGON, source, lambda t: ARGON.weak(t, flavour))
        assert scalar > 0.02 * standard
        assert found(ARGON, name, source, {"g": g, "mass": mass, **values}) == pytest.approx(standard + scalar, rel=1e-6, abs=0.0)


def spin_average(spin: float, aligned: float) -> float:
    """Return the mean over m of sigma_z^2 for the operator 2 <S> J_z/J."""
    steps = np.arange(-spin, spin + 0.5)
    return float(np.mean((2.0 * aligned * steps / spin) ** 2))


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize(
    ("compound", "spin", "aligned"), [("Cs", 3.5, -0.318 - 0.021), ("I", 2.5, 0.342 - 0.031), ("Na", 1.5, 0.224 - 0.024)]
)
def test_axial_current(compound: str, spin: float, aligned: float, source: str) -> None:
    # the isovector current g_A/2 (sigma_p - sigma_n); the free nucleon has <sigma_z^2> = 1
    nuclide = composition(compound)[0][0]
    t, weights = recoil_nodes(nuclide.mass, [pion_decay_at_rest()[source]], kinks=(5e-4,), panels=9)
    target = target_at(nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["unity"])
    with_axial, without = (
        differential_cross_section(signal_model(name), target, LEPTON[source], pion_decay_at_rest()[source]) for name in ("sm-axial", "sm")
    )
    part = float((weights * (with_axial - without))[t > 5e-4].sum())
    strength = 2.0 * G_F**2 * (1.2754 / 2.0) ** 2 * spin_average(spin, aligned)
    expected = strength * integrated(axial_current, source, nuclide.mass, 5e-4, lambda _: 1.0)
    assert part == pytest.approx(expected, rel=2e-6, abs=0.0)


# of the proton; those of the neutron with u and d exchanged (arXiv:1806.10604, arXiv:1808.07597)
DELTA, TENSOR = {"u": 0.777, "d": -0.438, "s": -0.053}, {"u": 0.784, "d": -0.204}
G_A, SPIN, SPINS = 1.2754, 3.5, (-0.318, 0.021)
QUARKS = {"u": 0.7, "d": -0.4}
OTHER = {"u": "d", "d": "u"}


def aligned(proton: float, neutron: float) -> float:
    """Return the root of the mean over the orientations of caesium of (a_p sigma_p + a_n sigma_n)_z^2, with the sign."""
    return math.sqrt(spin_average(SPIN, 1.0)) * (proton * SPINS[0] + neutron * SPINS[1])


def spin_form(t: float) -> float:
    return CAESIUM.protons(t) / CAESIUM.nuclide.Z


def axial_part(source: str, shift: Function, quarks: Mapping[str, float]) -> float:
    """Return the axial cross section with g_A of each quark moved by shift(t) times its charge."""

    def square(t: float) -> float:
        proton = G_A / 2.0 - shift(t) * sum(q * DELTA[name] for name, q in quarks.items())
        neutron = -G_A / 2.0 - shift(t) * sum(q * DELTA[OTHER[name]] for name, q in quarks.items())
        return (aligned(proton, neutron) * spin_form(t)) ** 2

    return 2.0 * G_F**2 * integrated(axial_current, source, CAESIUM.nuclide.mass, CAESIUM.low, square)


def pseudoscalar_part(source: str, strength: Function, quarks: Mapping[str, float]) -> float:
    """Return that of h sigma q/(2 m_N) in each nucleon, h by the Goldberger-Treiman relation and the pole of the eta."""
    nucleon, light, pion, eta = 938.9, (2.16 + 4.67) / 2.0, 134.9768, 547.862

    def square(t: float) -> float:
        q2 = 2.0 * CAESIUM.nuclide.mass * t
        isovector = G_A * nucleon / light * pion**2 / (pion**2 + q2)
        isoscalar = nucleon * pion**2 / light * (DELTA["u"] + DELTA["d"] - 2.0 * DELTA["s"]) / 3.0 / (eta**2 + q2)
        difference, total = (quarks["u"] - quarks["d"]) / 2.0 * isovector, (quarks["u"] + quarks["d"]) / 2.0 * isoscalar
        return (strength(t) * spin_form(t) * aligned(total + difference, total - difference)) ** 2 * q2 / (2.0 * nucleon) ** 2

    return integrated(spinless_scalar, source, CAESIUM.nuclide.mass, CAESIUM.low, square)


def tensor_part(source: str, strength: Function, quarks: Mapping[str, float]) -> float:
    def square(t: float) -> float:
        protons = CAESIUM.protons(t) * sum(q * TENSOR[name] for name, q in quarks.items())
        return (strength(t) * (protons + CAESIUM.neutrons(t) * sum(q * TENSOR[OTHER[name]] for name, q in quarks.items()))) ** 2

    return integrated(tensor_current, source, CAESIUM.nuclide.mass, CAESIUM.low, square)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("mass", [4.0, 300.0])
def test_mediators_of_spin_dependent_currents(mass: float, source: str) -> None:
    flavour, scale = LEPTON[source], 1.0 + mass / 30.0

    def strength(g: float) -> Function:
        return lambda t: -1.5 * g**2 / (2.0 * CAESIUM.nuclide.mass * t + mass**2)

    vector = vector_like(CAESIUM, source, lambda t: CAESIUM.weak(t, flavour))
    expected = {
        ("axial", 3e-4): axial_part(source, lambda t: V2 * strength(3e-4 * scale)(t), QUARKS),
        ("pseudoscalar", 4e-4): pseudoscalar_part(source, strength(4e-4 * scale), QUARKS),
        ("tensor", 5e-4): tensor_part(source, strength(5e-4 * scale), QUARKS),
    }
    for (name, g), part in expected.items():
        values = {"q_u": 0.7, "q_d": -0.4, f"q_nu_{flavour}": -1.5, "g": g * scale, "mass": mass}
        assert part > 0.01 * vector, name
        assert found(CAESIUM, name, source, values) == pytest.approx(vector + part, rel=3e-6, abs=0.0), name


@pytest.mark.parametrize("source", LEPTON)
def test_contact_interactions(source: str) -> None:
    eps = {"S": (0.05, -0.02), "P": (10.0, -8.0), "V": (0.1, -0.2), "A": (90.0, 40.0), "T": (0.3, 0.1)}
    values = {f"eps_{letter}_{q}": value for letter, both in eps.items() for q, value in zip("ud", both, strict=True)}
    quarks = {letter: dict(zip("ud", both, strict=True)) for letter, both in eps.items()}
    protons = sum(e * f / m for e, f, m in zip(eps["S"], (20.8e-3, 41.1e-3), (2.16, 4.67), strict=True)) * 938.27209
    neutrons = sum(e * f / m for e, f, m in zip(eps["S"], (18.9e-3, 45.1e-3), (2.16, 4.67), strict=True)) * 939.56542

    def scalar(t: float) -> float:
        return ((protons * CAESIUM.protons(t) + neutrons * CAESIUM.neutrons(t)) / V2) ** 2

    def vector(t: float) -> float:
        u, d = eps["V"]
        return CAESIUM.weak(t, LEPTON[source]) + (2 * u + d) * CAESIUM.protons(t) + (u + 2 * d) * CAESIUM.neutrons(t)

    parts = (
        vector_like(CAESIUM, source, vector),
        integrated(spinless_scalar, source, CAESIUM.nuclide.mass, CAESIUM.low, scalar),
        axial_part(source, lambda _: 1.0, quarks["A"]),
        pseudoscalar_part(source, lambda _: 1.0 / V2, quarks["P"]),
        tensor_part(source, lambda _: 1.0 / V2, quarks["T"]),
    )
    assert min(parts) > 0.01 * sum(parts)
    assert found(CAESIUM, "contact", source, values) == pytest.approx(sum(parts), rel=3e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
def test_magnetic_moments(source: str) -> None:
    flavour = LEPTON[source]
    values = {"mu_nu_e": 3e-9, "mu_nu_mu": 5e-9, "mu_emu": 1e-9, "mu_etau": 2e-9, "mu_mutau": 4e-9}
    squared = {"e": 9.0 + 1.0 + 4.0, "mu": 25.0 + 1.0 + 16.0}[flavour] * 1e-18
    magneton = math.sqrt(4.0 * math.pi * ALPHA) / (2.0 * M_E)
    moment = integrated(dipole, source, ARGON.nuclide.mass, ARGON.low, lambda t: ARGON.protons(t) ** 2) * magneton**2 * squared
    standard = vector_like(ARGON, source, lambda t: ARGON.weak(t, flavour))
    assert moment > 0.02 * standard
    assert found(ARGON, "magnetic-moment", source, values) == pytest.approx(standard + moment, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("source", LEPTON)
@pytest.mark.parametrize("kind", ["millicharge", "radius2"])
def test_photon_exchange(kind: str, source: str) -> None:
    flavour, mass = LEPTON[source], ARGON.nuclide.mass
    model, prefix, unit = ("millicharge", "millicharge", 1e-8) if kind == "millicharge" else ("charge-radius", "r2", 10.0)
    own, transitions = {"e": 1.5 * unit, "mu": -2.0 * unit}, {"emu": 1.2 * unit, "etau": 0.5 * unit, "mutau": 2.5 * unit}
    values = {f"{prefix}_nu_{f}": value for f, value in own.items()} | {f"{prefix}_{pair}": value for pair, value in transitions.items()}
    standard = 0.0 if kind == "millicharge" else STANDARD_RADIUS[flavour]
    others = [value for pair, value in transitions.items() if pair.startswith(flavour) or (flavour == "mu" and pair == "emu")]

    def charge(t: float) -> float:
        shifts = [photon_shift(t, mass, **{kind: value}) * ARGON.protons(t) for value in (own[flavour] - standard, *others)]
        return math.hypot(ARGON.weak(t, flavour) + shifts[0], *shifts[1:])

    assert len(others) == 2
    assert found(ARGON, model, source, values) == pytest.approx(vector_like(ARGON, source, charge), rel=1e-6, abs=0.0)


def survival_of(amplitude: float, splitting: float, metres: float) -> Function:
    """Return 1 - A sin^2(1.267 Delta m^2 L/E), the number being 1e-12 MeV^2 m/(4 hbar c MeV)."""
    number = 1e-12 * 100.0 / (4.0 * HBAR_C)
    assert number == pytest.approx(1.267, rel=1e-3, abs=0.0)
    return lambda energy: 1.0 - amplitude * math.sin(number * splitting * metres / energy) ** 2


@pytest.mark.parametrize("source", LEPTON)
def test_sterile_neutrinos(source: str) -> None:
    flavour = LEPTON[source]
    values = {"sin2_2theta_ee": 0.3, "sin2_2theta_mumu": 0.6, "delta_m2": 2.5}
    survival = survival_of(values[f"sin2_2theta_{2 * flavour}"], 2.5, 19.3)
    amplitude = integrated(spinless_vector, source, CAESIUM.nuclide.mass, CAESIUM.low, lambda t: CAESIUM.weak(t, flavour) ** 2, survival)
    assert found(CAESIUM, "sterile", source, values, baseline=1930.0) == pytest.approx(2.0 * G_F**2 * amplitude, rel=1e-6, abs=0.0)


def test_every_shipped_model_is_integrated() -> None:
    nuclei = {"sm", "signal-strength", "flavour-strengths", "weak-mixing-angle", "neutron-radius", "neutron-radii", "neutron-skin"}
    nuclei |= {"electroweak"}  # in test_electroweak.py
    nuclei |= {"cross-section", *TREE, "vector", *LOOP, "nsi", "scalar-universal", "scalar", "sm-axial", "magnetic-moment"}
    nuclei |= {"charge-radius", "millicharge", "sterile", "axial", "pseudoscalar", "tensor", "contact"}
    nuclei |= {"dipole-portal", "upscatter-vector", "upscatter-scalar", "upscatter-tensor"}  # in test_upscattering.py
    nuclei |= {"nsi-nucleons", "nsi-eta", "source-strengths", "dark-photon", "lmu-ltau-mixing"}
    nuclei |= {"muon-decay", "sterile-mixing", "non-unitarity"}  # in test_physics_production.py and test_physics_mixing.py
    assert {name for name in model_names() if signal_model(name).name == name and name not in nuclei} == set()


def test_nuclides_are_those_of_the_test() -> None:
    for nucleus, name in ((ARGON, "Ar-40"), (CAESIUM, "Cs-133")):
        assert nucleus.nuclide.name == name
        assert (nucleus.nuclide.r_p / FM, nucleus.nuclide.r_n / FM) == pytest.approx(nucleus.radii, rel=1e-6, abs=0.0)
