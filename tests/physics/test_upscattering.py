"""Up-scattering to a heavy lepton: kernels against sums of Dirac matrices, limits, thresholds, and rates against double integrals."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dirac_sums import (
    ALPHA,
    E_PION,
    END,
    G_F,
    HBAR_C,
    M_E,
    dipole,
    fermion_scalar,
    fermion_vector,
    spectrum,
    spinless_scalar,
    spinless_vector,
    tensor_current,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

import cevnsfit as cf
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model, target_at
from cevnsfit.physics.interactions.currents import TENSOR_CHARGES
from cevnsfit.physics.interactions.upscattering import upscattering_kernel
from cevnsfit.physics.kernels import KERNELS
from cevnsfit.physics.kinematics import Kinematics, panel_nodes, recoil_edges
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import pion_decay_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.physics.interactions import Target

    Amplitude = Callable[[float, float, float, float], float]

MODELS = ("dipole-portal", "upscatter-vector", "upscatter-scalar", "upscatter-tensor")
VALUES = {"dipole-portal": {"d_e": 3e-9, "d_mu": 5e-9, "d_tau": 4e-9}} | {name: {"g": 2e-4, "mass": 30.0} for name in MODELS[1:]}
NUCLEON, ARGON, CAESIUM = 940.0, 37215.53, 123772.54
MAGNETON = math.sqrt(4.0 * math.pi * ALPHA) / (2.0 * M_E)
POINTS = [
    (energy, m, part) for energy, m in ((52.0, 0.0), (52.0, 10.0), (30.0, 20.0), (45.0, 40.0), (1e3, 300.0)) for part in (0.02, 0.3, 0.9)
]


def boosted(energy: float, mass: float, heavy: float, cosine: float) -> float:
    """Return the recoil at an angle of the centre of mass."""
    s = mass**2 + 2.0 * mass * energy
    momentum = math.sqrt((s - (mass + heavy) ** 2) * (s - (mass - heavy) ** 2) / (4.0 * s))
    return ((energy + mass) * math.sqrt(mass**2 + momentum**2) - energy * momentum * cosine) / math.sqrt(s) - mass


def recoil(energy: float, mass: float, heavy: float, part: float) -> float:
    low, high = (boosted(energy, mass, heavy, cosine) for cosine in (1.0, -1.0))
    return low + part * (high - low)


def spin_part_of_the_vector(energy: float, t: float, mass: float, heavy: float) -> float:
    return 2.0 * (t**2 / (2.0 * energy**2) + heavy**2 * (2.0 * mass * t - heavy**2) / (16.0 * mass**2 * energy**2))


AMPLITUDES: dict[str, tuple[str, Amplitude, Amplitude]] = {
    # kernel, <|M|^2> of a unit G, and what is to be added to K (what the kernel leaves out)
    "vector, spin 0": ("vector", spinless_vector, lambda *_: 0.0),
    "vector, spin 1/2": ("vector", fermion_vector, spin_part_of_the_vector),
    "scalar, spin 0": ("scalar", spinless_scalar, lambda *_: 0.0),
    "scalar, spin 1/2": (
        "scalar",
        fermion_scalar,
        lambda energy, t, mass, heavy: (mass * t + heavy**2 / 2.0) / energy**2 * t / (2.0 * mass),
    ),
    "tensor, spin 1/2": ("tensor", tensor_current, lambda energy, t, *_: 4.0 * t**2 / energy**2),
}


@pytest.mark.parametrize("mass", [NUCLEON, ARGON, CAESIUM])
@pytest.mark.parametrize("case", AMPLITUDES)
def test_kernels_are_sums_of_dirac_matrices(case: str, mass: float) -> None:
    interaction, amplitude, dropped = AMPLITUDES[case]
    for energy, m, part in POINTS:
        t = recoil(energy, mass, m, part)
        expected = amplitude(energy, t, mass, m) / (32.0 * math.pi * mass * energy**2)
        kernel = upscattering_kernel(interaction, m)
        found = kernel.prefactor(mass) * (float(kernel.function(np.array(energy), np.array(t), mass)) + dropped(energy, t, mass, m))
        assert found == pytest.approx(HBAR_C**2 * expected, rel=1e-8, abs=0.0)


@pytest.mark.parametrize("mass", [NUCLEON, ARGON, CAESIUM])
def test_the_dipole_is_a_sum_of_dirac_matrices(mass: float) -> None:
    for energy, m, part in POINTS:
        t = recoil(energy, mass, m, part)
        kernel = upscattering_kernel("dipole", m)
        found = kernel.prefactor(mass) * float(kernel.function(np.array(energy), np.array(t), mass))
        expected = dipole(energy, t, mass, m) / (32.0 * math.pi * mass * energy**2) * (MAGNETON * HBAR_C) ** 2
        assert found == pytest.approx(expected, rel=1e-7, abs=0.0)


@pytest.mark.parametrize("amplitude", [spinless_vector, fermion_vector, spinless_scalar, tensor_current, dipole])
def test_antineutrinos_scatter_alike(amplitude: Amplitude) -> None:
    for energy, m, part in POINTS:
        t = recoil(energy, ARGON, m, part)
        assert amplitude(energy, t, ARGON, -m) == pytest.approx(amplitude(energy, t, ARGON, m), rel=1e-9, abs=0.0)


@pytest.mark.parametrize("case", AMPLITUDES)
@pytest.mark.parametrize(("energy", "m"), [(52.0, 0.0), (52.0, 10.0), (30.0, 20.0), (45.0, 40.0)])
def test_terms_left_out_are_small_for_nuclei(case: str, energy: float, m: float) -> None:
    interaction, _, dropped = AMPLITUDES[case]
    t = np.array([recoil(energy, ARGON, m, part) for part in (0.02, 0.3, 0.9)])
    kernel = upscattering_kernel(interaction, m).function(np.array(energy), t, ARGON)
    assert np.all(np.abs([dropped(energy, x, ARGON, m) for x in t]) <= 1e-5 * kernel.max())


@pytest.mark.parametrize(
    ("interaction", "known", "norm"), [("dipole", "magnetic", 1.0), ("scalar", "scalar", 1.0), ("vector", "vector", None)]
)
def test_a_light_lepton_is_the_limit(interaction: str, known: str, norm: float | None) -> None:
    energy = np.array([20.0, 30.0, 52.0])[:, None]
    t = np.geomspace(1e-3, 5e-3, 7)
    kernel = upscattering_kernel(interaction, 1e-3)
    expected = KERNELS[known].prefactor(CAESIUM) * KERNELS[known].function(energy, t, CAESIUM)
    expected *= 1.0 / (2.0 * G_F**2) if norm is None else norm  # a charge of 1 is G = sqrt2 G_F
    np.testing.assert_allclose(kernel.prefactor(CAESIUM) * kernel.function(energy, t, CAESIUM), expected, rtol=1e-6)


def test_a_light_lepton_gives_the_tensor_kernel() -> None:
    energy, t = np.array([20.0, 30.0, 52.0])[:, None], np.geomspace(1e-3, 5e-3, 7)
    found = upscattering_kernel("tensor", 1e-3).function(energy, t, CAESIUM) / 16.0
    np.testing.assert_allclose(found, 1.0 - t / energy - CAESIUM * t / (4.0 * energy**2), rtol=1e-6)


@given(
    interaction=st.sampled_from(["dipole", "vector", "scalar", "tensor"]),
    m=st.floats(0.0, 300.0),
    above=st.floats(1e-6, 10.0),
    part=st.floats(1e-6, 1.0 - 1e-6),
    mass=st.floats(2e4, 2e5),
)
def test_cross_sections_are_positive(interaction: str, m: float, above: float, part: float, mass: float) -> None:
    kinematics = Kinematics(outgoing=m)
    energy = max(kinematics.threshold(mass), 1.0) * (1.0 + above)
    low, high = kinematics.ends(energy, mass)
    t = low + part * (high - low)
    value = float(upscattering_kernel(interaction, m).function(np.array(energy), np.array(t), mass))
    assert value >= (-1e-9 / t if interaction == "dipole" else -1e-5)


def caesium(t: np.ndarray) -> Target:
    return target_at(composition("Cs")[0][0], t, COUPLING_SETS["default"], FORM_FACTORS["helm"])


def excess(name: str, source: str, m: float, t: np.ndarray, edges: np.ndarray | None = None) -> np.ndarray:
    """Return what a model adds to the Standard Model at recoils."""
    spectra, flavour = pion_decay_at_rest(), {"nu_e": "e"}.get(source, "mu")
    target = caesium(t)
    given = {**VALUES[name], "m_n": m}
    both = [
        differential_cross_section(signal_model(x), target, flavour, spectra[source], v, edges=edges)
        for x, v in ((name, given), ("sm", {}))
    ]
    return both[0] - both[1]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("source", ["nu_mu", "nubar_mu", "nu_e"])
def test_nothing_recoils_outside_the_ends(name: str, source: str) -> None:
    t = np.geomspace(1e-6, 0.06, 400)
    end = E_PION if source == "nu_mu" else END
    for m in (5.0, 29.0, 29.75):
        inside = np.array([boosted(end, CAESIUM, m, 1.0) < x < boosted(end, CAESIUM, m, -1.0) for x in t])
        found = excess(name, source, m, t)
        assert inside.sum() > 5
        assert np.all(found[inside] > 0.0)
        assert np.all(found[~inside] == 0.0)
    for m in (29.8, 52.7, 500.0) if source == "nu_mu" else (52.83, 100.0, 500.0):
        assert np.all(excess(name, source, m, t) == 0.0)


@pytest.mark.parametrize("name", MODELS)
def test_a_lepton_out_of_reach_is_the_standard_model(name: str) -> None:
    at = {**VALUES[name], "m_n": 60.0}
    likelihoods = [cf.build_likelihood("coherent-csi-2021", "coherent-lar-2020", model=model) for model in (name, "sm")]
    found, expected = (cf.rates(likelihood, at=values) for likelihood, values in zip(likelihoods, (at, {}), strict=True))
    lighter = cf.rates(likelihoods[0], at={**at, "m_n": 20.0})
    for experiment in ("coherent-csi-2021", "coherent-lar-2020"):
        np.testing.assert_allclose(found[experiment].signal, expected[experiment].signal, rtol=1e-13)
        assert np.sum(lighter[experiment].signal) > 1.01 * np.sum(expected[experiment].signal)


def test_a_light_lepton_has_the_rates_of_a_magnetic_moment() -> None:
    values = ({"d_e": 3e-9, "d_mu": 5e-9, "m_n": 1e-3}, {"mu_nu_e": 3e-9, "mu_nu_mu": 5e-9})
    portal, moment = (
        cf.rates(cf.build_likelihood("coherent-csi-2021", model=model), at=at)["coherent-csi-2021"].signal
        for model, at in zip(("dipole-portal", "magnetic-moment"), values, strict=True)
    )
    np.testing.assert_allclose(portal, moment, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS[1:])
def test_heavy_and_light_mediators_are_limits(name: str) -> None:
    t = np.geomspace(3e-3, 8e-3, 9)

    def rate(g: float, mass: float) -> np.ndarray:
        return differential_cross_section(
            signal_model(name), caesium(t), "mu", pion_decay_at_rest()["nubar_mu"], {"g": g, "mass": mass, "m_n": 15.0}
        ) - differential_cross_section(signal_model("sm"), caesium(t), "mu", pion_decay_at_rest()["nubar_mu"])

    np.testing.assert_allclose(rate(0.1, 1e5), rate(0.2, 2e5), rtol=1e-5)
    light = rate(1e-4, 1e-3)
    np.testing.assert_allclose(light, rate(1e-4, 2e-3), rtol=1e-6)
    heavy = rate(0.1, 1e5)
    np.testing.assert_allclose(light / light[0], heavy / heavy[0] * (t[0] / t) ** 2, rtol=1e-5)


NORM = {"upscatter-vector": 3.0, "upscatter-scalar": 17.3, "upscatter-tensor": 0.784 - 0.204}
AMPLITUDE = {
    "dipole-portal": dipole,
    "upscatter-vector": spinless_vector,
    "upscatter-scalar": spinless_scalar,
    "upscatter-tensor": tensor_current,
}


def expected_in(name: str, source: str, m: float, bounds: tuple[float, float], charge: Callable[[float], float]) -> float:
    """Return the integral over a bin of recoil and over the spectrum, in cm^2."""
    amplitude, mass = AMPLITUDE[name], CAESIUM_NUCLEUS.mass
    threshold = m + m**2 / (2.0 * mass)

    def at(energy: float, t: float) -> float:
        return amplitude(energy, t, mass, m) / (32.0 * math.pi * mass * energy**2)

    end = E_PION if source == "nu_mu" else END
    if end <= threshold:
        return 0.0
    low, high = (min(max(boosted(end, mass, m, cosine), bounds[0]), bounds[1]) for cosine in (1.0, -1.0))
    valley = boosted(threshold * (1.0 + 1e-12), mass, m, 0.0)  # the recoil at the threshold

    def over_energies(t: float) -> float:
        if source == "nu_mu":
            return at(end, t)
        side = -1.0 if t > valley else 1.0
        begin, stop = threshold * (1.0 + 1e-12), end
        miss = [boosted(e, mass, m, side) - t for e in (begin, stop)]
        least = brentq(lambda e: boosted(e, mass, m, side) - t, begin, stop, xtol=1e-11) if miss[0] * miss[1] < 0.0 else begin
        return quad(lambda e: spectrum(source, e) * at(e, t), least * (1.0 + 1e-13), end, epsabs=0.0, epsrel=1e-7)[0]

    if low >= high:
        return 0.0
    points = sorted({low, high, *([valley] if low < valley < high else [])})
    integral = sum(
        quad(lambda u: 2.0 * u * over_energies(u**2) * charge(u**2) ** 2, math.sqrt(a), math.sqrt(b), epsabs=0.0, epsrel=1e-6, limit=60)[0]
        for a, b in itertools.pairwise(points)
    )
    return HBAR_C**2 * integral


CAESIUM_NUCLEUS = composition("Cs")[0][0]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "source"), [*itertools.product(MODELS, ("nu_mu", "nubar_mu")), (MODELS[0], "nu_e"), (MODELS[3], "nu_e")])
@pytest.mark.parametrize("m", [4.0, 25.0, 29.5, 45.0])
def test_bins_of_recoil_are_double_integrals(name: str, source: str, m: float) -> None:
    bins = np.array([1e-3, 4e-3, 8e-3, 15e-3, 30e-3])
    spectra = pion_decay_at_rest()
    edges = recoil_edges(CAESIUM_NUCLEUS.mass, spectra.values(), kinks=bins)
    t, weights = panel_nodes(edges)
    found = weights * excess(name, source, m, t, edges)
    flavour = "e" if source == "nu_e" else "mu"

    def charge(at: float) -> float:
        target = caesium(np.array([at]))
        if name == "dipole-portal":
            return VALUES[name][f"d_{flavour}"] * MAGNETON * float(target.zf[0])
        nucleus = NORM[name] * float(target.zf[0] + target.nf[0])
        return VALUES[name]["g"] ** 2 * nucleus / (2.0 * CAESIUM_NUCLEUS.mass * at + VALUES[name]["mass"] ** 2)

    expected = [expected_in(name, source, m, bounds, charge) for bounds in itertools.pairwise(bins)]
    assert max(expected) > 0.0 or (source == "nu_mu" and m > E_PION)
    for (low, high), value in zip(itertools.pairwise(bins), expected, strict=True):
        assert float(found[(t > low) & (t < high)].sum()) == pytest.approx(value, rel=1e-4, abs=1e-4 * 1e-3 * max(expected))


def test_the_tensor_charge_is_that_of_the_lattice() -> None:
    # two calculations of g_T^u + g_T^d: arXiv:1808.07597 and arXiv:1703.08788
    error = math.hypot(0.028, 0.010, 0.011, 0.010, 0.016, 0.013, 0.010, 0.013)
    assert abs(sum(TENSOR_CHARGES.values()) - (0.782 - 0.219)) < error
