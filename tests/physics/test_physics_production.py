"""Effects at production: rates of source flavours, and the spectrum of muon decay against sums of Dirac matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dirac_sums import END, G_F, GAMMA, LEFT, M_MU, METRIC, RIGHT, SIGMA, bar, integrated, slash, spectrum, spinless_vector

import cevnsfit as cf
from cevnsfit.model.signal import counts_of, fold_signal
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import ElectronTarget, Target, Term, signal_model, sm_charge, target_at
from cevnsfit.physics.interactions.common import fixed, standard_terms
from cevnsfit.physics.interactions.production import MuonDecayShape
from cevnsfit.physics.kernels import WeightedKernel, fold_channel
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import pion_decay_at_rest
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from cevnsfit.physics.interactions.terms import Monomial, PreparedModel

RULE = np.polynomial.legendre.leggauss(6)
SCALAR, VECTOR = np.eye(4)[None, None], GAMMA[None]
TENSOR = SIGMA.reshape(1, 16, 4, 4) / math.sqrt(2.0)
LOWER = {"S": np.ones(1), "V": METRIC, "T": np.outer(METRIC, METRIC).ravel()}
MATRICES = {"S": SCALAR[0], "V": VECTOR[0], "T": TENSOR[0]}
# chiralities of the electron and of the muon, which fix that of nu_mu; nu_e is left-handed
COUPLINGS = {("S", "RL"): LEFT, ("S", "RR"): RIGHT, ("V", "LL"): LEFT, ("V", "LR"): RIGHT, ("T", "RL"): LEFT}


def momentum(energy: float, cosine: float) -> np.ndarray:
    return energy * np.array([1.0, math.sqrt(max(1.0 - cosine**2, 0.0)), 0.0, cosine])


def squared_amplitude(g: dict[tuple[str, str], complex], x: float, y: float) -> float:
    """Return the sum over spins of |sum g [ebar Gamma P_L nu_e] [nubar_mu Gamma P mu]|^2 at energies x, y of nu_e and e in m_mu/2."""
    cosine = 1.0 + 2.0 * (1.0 - x - y) / (x * y)
    neutrino, electron = momentum(x * M_MU / 2.0, 1.0), momentum(y * M_MU / 2.0, cosine)
    muon = np.array([M_MU, 0.0, 0.0, 0.0])
    other = muon - neutrino - electron
    total = 0.0 + 0.0j
    for first, a in g.items():
        for second, b in g.items():
            left, right = MATRICES[first[0]] @ LEFT, bar(MATRICES[second[0]] @ LEFT)
            upper, lower = MATRICES[first[0]] @ COUPLINGS[first], bar(MATRICES[second[0]] @ COUPLINGS[second])
            line = np.einsum("ij,ajk,kl,bli->ab", slash(electron), left, slash(neutrino), right, optimize=True)
            decay = np.einsum("ij,ajk,kl,bli->ab", slash(other), upper, slash(muon) + M_MU * np.eye(4), lower, optimize=True)
            total += a * np.conj(b) * np.sum(line * decay * np.outer(LOWER[first[0]], LOWER[second[0]]))
    return float(total.real)


def nu_e_spectrum(g: dict[tuple[str, str], complex], x: float) -> float:
    """Return the unnormalised spectrum of nu_e: the Dalitz plane is flat, 1 - x < y < 1."""
    y = 1.0 - x / 2.0 + x / 2.0 * RULE[0]
    return x / 2.0 * sum(w * squared_amplitude(g, x, float(at)) for at, w in zip(y, RULE[1], strict=True))


def omega(g: dict[tuple[str, str], complex]) -> float:
    s_rl, s_rr, v_ll, v_lr, t_rl = (g.get(key, 0.0) for key in COUPLINGS)
    total = abs(s_rl) ** 2 + abs(s_rr) ** 2 + 4.0 * abs(v_ll) ** 2 + 4.0 * abs(v_lr) ** 2 + 12.0 * abs(t_rl) ** 2
    return 0.75 * (abs(s_rr) ** 2 + 4.0 * abs(v_lr) ** 2 + abs(s_rl + 2.0 * t_rl) ** 2) / total


@pytest.mark.parametrize(
    "g",
    [
        {("V", "LL"): 1.0},
        {("V", "LR"): 1.0},
        {("S", "RR"): 0.3, ("V", "LL"): 0.9},
        {("S", "RL"): 1.0, ("V", "LL"): 0.4},
        {("T", "RL"): 1.0},
        {("S", "RL"): 1.0, ("T", "RL"): 1.0 / 6.0},
        {("V", "LL"): 0.9, ("S", "RL"): 0.3 + 0.2j, ("T", "RL"): -0.1 + 0.25j, ("V", "LR"): 0.2j, ("S", "RR"): 0.1},
    ],
)
def test_the_spectrum_of_muon_decay_is_that_of_omega(g: dict[tuple[str, str], complex]) -> None:
    points = 0.5 * (1.0 + RULE[0])
    found = np.array([nu_e_spectrum(g, float(x)) for x in points])
    expected = points**2 * (12.0 * (1.0 - points) + 8.0 / 3.0 * omega(g) * (4.0 * points - 3.0))
    assert found / (0.5 * RULE[1] @ found) == pytest.approx(expected, rel=1e-9, abs=0.0)
    assert 0.5 * RULE[1] @ expected == pytest.approx(1.0, rel=1e-12)


def test_omega_ends_at_one() -> None:
    assert omega({("S", "RL"): 1.0, ("T", "RL"): 1.0 / 6.0}) == pytest.approx(1.0, rel=1e-12)
    # KARMEN: omega_L <= 0.113 is |g^S_RL + 2 g^T_RL| <= 0.78 (abstract of arXiv:hep-ex/9806024), the couplings normalised to a denominator of 4
    vector = math.sqrt(1.0 - 0.78**2 / 4.0)
    assert omega({("V", "LL"): vector, ("S", "RL"): 0.78}) == pytest.approx(0.113, abs=2e-3)


def argon() -> Target:
    nuclide = composition("Ar[40]")[0][0]
    t, _ = recoil_nodes(nuclide.mass, pion_decay_at_rest().values())
    return target_at(nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["helm"])


def cross_section(model: str, source: str, values: dict[str, float]) -> np.ndarray:
    return differential_cross_section(signal_model(model), argon(), source, pion_decay_at_rest()[source], values, baseline=2000.0)


def test_the_spectrum_with_omega_of_three_quarters_is_that_of_muon_antineutrinos() -> None:
    on, source = argon(), pion_decay_at_rest()["nubar_mu"]
    expected = fold_channel("vector", "nu_e", [source], on.nuclide.mass, on.t)[0] * sm_charge(on, "e") ** 2
    assert cross_section("muon-decay", "nu_e", {"omega_l": 0.75}) == pytest.approx(expected, rel=1e-11, abs=1e-12 * expected.max())


@pytest.mark.parametrize("source", ["nu_mu", "nubar_mu"])
def test_muon_decay_moves_electron_neutrinos_only(source: str) -> None:
    assert cross_section("muon-decay", source, {"omega_l": 0.9}) == pytest.approx(cross_section("sm", source, {}), rel=1e-12, abs=0.0)


def test_muon_decay_against_an_independent_integration() -> None:
    on, low = argon(), 2e-3
    t, weights = recoil_nodes(on.nuclide.mass, [pion_decay_at_rest()["nu_e"]], kinks=(low,), panels=9)
    fine = target_at(on.nuclide, t, COUPLING_SETS["default"], FORM_FACTORS["unity"])
    found = differential_cross_section(signal_model("muon-decay"), fine, "e", pion_decay_at_rest()["nu_e"], {"omega_l": 0.4}, baseline=1.0)

    def survival(energy: float) -> float:
        y = energy / END
        return y**2 * (12.0 * (1.0 - y) + 8.0 / 3.0 * 0.4 * (4.0 * y - 3.0)) / END / spectrum("nu_e", energy)

    charge = 0.0382 * 18 - 0.5117 * 22
    expected = 2.0 * G_F**2 * charge**2 * integrated(spinless_vector, "nu_e", on.nuclide.mass, low, lambda _: 1.0, survival)
    assert float((weights * found)[t > low].sum()) == pytest.approx(expected, rel=1e-6, abs=0.0)
    standard = 2.0 * G_F**2 * charge**2 * integrated(spinless_vector, "nu_e", on.nuclide.mass, low, lambda _: 1.0)
    assert expected > 1.05 * standard


def test_the_weight_ends_with_the_spectrum() -> None:
    weight = MuonDecayShape()
    assert weight(np.array([END, END + 1.0]), 1.0).tolist() == [0.0, 0.0]
    assert weight(np.array([0.75 * END]), 1.0)[0] == pytest.approx(0.0, abs=1e-12)
    assert len({WeightedKernel("vector", MuonDecayShape()), WeightedKernel("vector", weight)}) == 1


def test_source_strengths_scale_one_source() -> None:
    values = {"rate_nu_mu": 0.3, "rate_nubar_mu": 2.0, "rate_nu_e": -1.0}
    for source in pion_decay_at_rest():
        expected = values[f"rate_{source}"] * cross_section("sm", source, {})
        assert cross_section("source-strengths", source, values) == pytest.approx(expected, rel=1e-12, abs=0.0)


def test_amplitudes_of_one_source_add_in_an_experiment() -> None:
    signal = fold_signal(load_experiment("coherent-csi-2021", {"systematics": {}}))
    shift: Monomial = (("a", 1),)

    def interfering(target: Target | ElectronTarget) -> PreparedModel:
        assert isinstance(target, Target)
        added = Term("nu_mu", "nucleus", "vector", {shift: sm_charge(target, "mu")})
        return fixed((*standard_terms(target), added))

    found = counts_of(signal, [interfering(target) for target in signal.targets], {"a": 0.25})
    strengths = signal_model("source-strengths")
    scaled = [strengths.prepare(target) for target in signal.targets if isinstance(target, Target)]
    expected = counts_of(signal, scaled, {"rate_nu_mu": 1.25**2, "rate_nubar_mu": 1.0, "rate_nu_e": 1.0})
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert found.sum() > 1.08 * counts_of(signal, scaled, {"rate_nu_mu": 1.0, "rate_nubar_mu": 1.0, "rate_nu_e": 1.0}).sum()


def test_equal_source_strengths_are_those_of_the_flavours() -> None:
    at = {"rate_nu_mu": 1.3, "rate_nubar_mu": 1.3, "rate_nu_e": 0.6}
    one, two = (cf.rates(cf.build_likelihood("coherent-csi-2021", model=model), at=values)["coherent-csi-2021"].signal
                for model, values in (("source-strengths", at), ("flavour-strengths", {"strength_nu_mu": 1.3, "strength_nu_e": 0.6})))  # fmt: skip
    assert one == pytest.approx(two, rel=1e-12, abs=0.0)
