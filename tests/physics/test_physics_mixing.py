"""Mixing with singlets, heavy and light, against states and currents written out in the basis of masses."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from dirac_sums import E_PION, G_F, HBAR_C, integrated, spinless_vector

from cevnsfit.physics.couplings import COUPLING_SETS, LEPTONS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import Target, signal_model, sm_charge, target_at
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import lepton_flavour, pion_decay_at_rest

BASELINE = 1930.0


def caesium(form_factor: str = "helm") -> Target:
    return target_at(composition("Cs")[0][0], [1e-3, 5e-3, 0.012], COUPLING_SETS["default"], FORM_FACTORS[form_factor])


def cross_section(model: str, source: str, values: dict[str, float], on: Target | None = None) -> np.ndarray:
    spectrum = pion_decay_at_rest()[source]
    return differential_cross_section(signal_model(model), caesium() if on is None else on, source, spectrum, values, baseline=BASELINE)


def unitary(size: int, seed: int, spread: float) -> np.ndarray:
    """Return a unitary matrix whose last states mix little with the first three."""
    rng = np.random.default_rng(seed)
    light, _ = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
    whole = np.eye(size, dtype=complex)
    whole[:3, :3] = light
    hermitian = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    values, vectors = np.linalg.eigh(hermitian + hermitian.conj().T)
    return (vectors * np.exp(1j * spread * values)) @ vectors.conj().T @ whole


def alphas(n: np.ndarray) -> dict[str, float]:
    """Return the elements of T in N = T U: T is lower triangular with a positive diagonal, up to the phases of the charged leptons."""
    t = np.linalg.cholesky(n @ n.conj().T)
    found = {f"alpha_{i + 1}{j + 1}": abs(t[i, j]) for i in range(3) for j in range(i + 1)}
    return {**found, "alpha_phase": math.degrees(cmath.phase(t[2, 0] * np.conj(t[1, 0] * t[2, 1])))}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("source", ["nu_e", "nu_mu", "nubar_mu"])
def test_heavy_singlets_leave_what_light_states_do(source: str, seed: int) -> None:
    n = unitary(6, seed, 0.12)[:3, :3]
    on, a = caesium(), LEPTONS.index(lepton_flavour(source))
    if source.startswith("nubar"):
        n = n.conj()
    # each decay emits one neutrino, sum_i N*_ai |i>; the current takes i to j by sum_b N*_bj Q_b N_bi
    state = n[a].conj() / math.sqrt(np.sum(abs(n[a]) ** 2))
    charges = np.array([sm_charge(on, flavour) for flavour in LEPTONS])
    final = np.einsum("bj,bt,bi,i->jt", n.conj(), charges, n, state)
    # the muon decays into each pair of light states: Gamma = G_F^2 sum_ij |N_ei|^2 |N_muj|^2 = G_mu^2
    muon = sum(abs(n[0, i]) ** 2 * abs(n[1, j]) ** 2 for i in range(3) for j in range(3))
    expected = np.sum(abs(final) ** 2, axis=0) / muon / charges[a] ** 2 * cross_section("sm", source, {})
    found = cross_section("non-unitarity", source, alphas(n))
    assert found == pytest.approx(expected, rel=1e-10, abs=0.0)
    assert np.all(abs(found / cross_section("sm", source, {}) - 1.0) > 1e-3)


def test_a_common_factor_of_the_mixing_matrix_is_not_seen() -> None:
    values = dict.fromkeys(("alpha_11", "alpha_22", "alpha_33"), 0.9)
    assert cross_section("non-unitarity", "nu_mu", values) == pytest.approx(cross_section("sm", "nu_mu", {}), rel=1e-12, abs=0.0)


def test_diagonal_elements_move_the_flavours_oppositely() -> None:
    values = {"alpha_11": 0.98, "alpha_22": 0.95}
    for source, ratio in (("nu_mu", (0.95 / 0.98) ** 2), ("nubar_mu", (0.95 / 0.98) ** 2), ("nu_e", (0.98 / 0.95) ** 2)):
        assert cross_section("non-unitarity", source, values) == pytest.approx(ratio * cross_section("sm", source, {}), rel=1e-12, abs=0.0)


def test_phases_enter_where_all_elements_do() -> None:
    small = {"alpha_21": 0.1, "alpha_31": 0.1}
    turned = {**small, "alpha_phase": 60.0}
    one, two = (cross_section("non-unitarity", "nu_mu", values) for values in (small, turned))
    assert one == pytest.approx(two, rel=1e-12, abs=0.0)
    one, two = (cross_section("non-unitarity", "nu_mu", {**values, "alpha_32": 0.1}) for values in (small, turned))
    assert np.all(abs(one / two - 1.0) > 1e-4)


def mixings(u: np.ndarray) -> dict[str, float]:
    return {f"u2_{flavour}4": abs(u[i, 3]) ** 2 for i, flavour in enumerate(LEPTONS)}


@pytest.mark.parametrize("seed", [4, 5])
def test_oscillations_of_four_states(seed: int) -> None:
    u, on, splitting = unitary(4, seed, 0.3), caesium(), 1.7
    phase = 1e-12 * splitting * BASELINE / (2.0 * HBAR_C * E_PION)
    amplitude = np.einsum("bi,i,i->b", u, u[1].conj(), np.exp(-1j * phase * np.array([0.0, 0.0, 0.0, 1.0])))
    probabilities = abs(amplitude) ** 2
    assert probabilities.sum() == pytest.approx(1.0, rel=1e-12)
    rate = sum(probabilities[b] * sm_charge(on, flavour) ** 2 for b, flavour in enumerate(LEPTONS)) / sm_charge(on, "mu") ** 2
    found = cross_section("sterile-mixing", "nu_mu", {**mixings(u), "delta_m2": splitting}) / cross_section("sm", "nu_mu", {})
    assert found == pytest.approx(rate, rel=1e-6, abs=0.0)
    assert np.all(found < 1.0 - 0.05 * probabilities[3])


@pytest.mark.parametrize("source", ["nu_e", "nubar_mu"])
def test_one_mixing_is_the_usual_amplitude(source: str) -> None:
    flavour = lepton_flavour(source)
    mixing = cross_section("sterile-mixing", source, {f"u2_{flavour}4": 0.2, "delta_m2": 2.0})
    amplitude = cross_section("sterile", source, {f"sin2_2theta_{2 * flavour}": 4.0 * 0.2 * 0.8, "delta_m2": 2.0})
    assert mixing == pytest.approx(amplitude, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("source", ["nu_mu", "nubar_mu", "nu_e"])
def test_mixings_against_an_independent_integration(source: str) -> None:
    nuclide, low, spectrum = composition("Cs")[0][0], 5e-4, pion_decay_at_rest()[source]
    t, weights = recoil_nodes(nuclide.mass, [spectrum], kinks=(low,), panels=9)
    fine = target_at(nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["unity"])
    u2 = {"e": 0.05, "mu": 0.2, "tau": 0.3}
    found = cross_section("sterile-mixing", source, {**{f"u2_{f}4": value for f, value in u2.items()}, "delta_m2": 3.0}, fine)
    charges = {f: p * nuclide.Z - 0.5117 * nuclide.N for f, p in (("e", 0.0382), ("mu", 0.0300), ("tau", 0.0256))}
    a = lepton_flavour(source)

    def rate(energy: float) -> float:
        s = math.sin(1e-12 * 3.0 * BASELINE / (4.0 * HBAR_C * energy)) ** 2
        probabilities = {b: (b == a) - 4.0 * u2[a] * ((b == a) - u2[b]) * s for b in LEPTONS}
        return sum(probabilities[b] * charges[b] ** 2 for b in LEPTONS)

    expected = 2.0 * G_F**2 * integrated(spinless_vector, source, nuclide.mass, low, lambda _: 1.0, rate)
    assert float((weights * found)[t > low].sum()) == pytest.approx(expected, rel=1e-6, abs=0.0)
