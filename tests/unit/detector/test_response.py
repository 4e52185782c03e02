"""Composition of stages: axes, conservation, weights before and after the smearing, a Monte Carlo of a whole chain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import simpson

from cevnsfit.core.errors import AxisError
from cevnsfit.detector import efficiency, quenching, smearing
from cevnsfit.detector.response import Map, Matrix, Smear, Weight, compose, kinks
from cevnsfit.physics.kinematics import recoil_nodes
from cevnsfit.physics.sources import pion_decay_at_rest

KEV = 1e-3
T = np.linspace(0.0, 60.0, 241) * KEV
QUENCH = Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [0.0878]))
LIGHT = Map("e_ee", "pe", lambda e: e / KEV * 13.348)
COUNT = Smear("pe", "pe", smearing.poisson, integer=True)
ACCEPT = Weight("pe", lambda n: efficiency.logistic(n, 0.6655, 0.4942, 10.8507))
PLATEAUS = Weight("pe", lambda n: efficiency.steps(n, ((5, 0.5), (6, 1))))
PE_EDGES = np.arange(6.0, 31.0, 2.0)


def test_counts_are_conserved_over_the_full_range() -> None:
    response = compose([QUENCH, LIGHT, COUNT], "pe", np.array([0.0, 10.0, 1000.0]), T)
    np.testing.assert_allclose(response.matrix.sum(axis=0), 1.0, rtol=1e-12)


def test_without_smearing_a_value_belongs_to_one_half_open_bin() -> None:
    response = compose([QUENCH], "e_ee", np.array([0.0, 1.0, 2.0]) * 0.0878, np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    np.testing.assert_array_equal(response.matrix, [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])


def test_no_stage_bins_the_recoil_energy() -> None:
    response = compose([], "t_recoil", np.array([25.0, 30.0]) * KEV, T)
    assert response.matrix.sum() == np.count_nonzero((T >= 25 * KEV) & (T < 30 * KEV))


def test_the_efficiency_of_a_count_is_that_of_the_centre_of_its_bin() -> None:
    edges = np.array([10.0, 11.0])
    plain = compose([QUENCH, LIGHT, COUNT], "pe", edges, T).matrix
    weighted = compose([QUENCH, LIGHT, COUNT, ACCEPT, PLATEAUS], "pe", edges, T).matrix
    np.testing.assert_allclose(weighted, plain * ACCEPT.function(np.array([10.5])), rtol=1e-14)


def test_a_weight_before_the_smearing_acts_on_the_true_value() -> None:
    true = compose([QUENCH, LIGHT, PLATEAUS, COUNT], "pe", PE_EDGES, T).matrix
    plain = compose([QUENCH, LIGHT, COUNT], "pe", PE_EDGES, T).matrix
    np.testing.assert_allclose(true, plain * PLATEAUS.function(LIGHT.function(QUENCH.function(T))), rtol=1e-14)


def test_the_grid_of_the_smearing_does_not_matter_without_later_weights() -> None:
    smear = Smear("pe", "pe", lambda mean, edges: smearing.gamma(mean, 3.0, edges))
    coarse = compose([QUENCH, LIGHT, smear], "pe", PE_EDGES, T)
    fine = compose([QUENCH, LIGHT, smear], "pe", PE_EDGES, T, grid_edges=np.linspace(0, 40, 401))
    np.testing.assert_allclose(fine.matrix, coarse.matrix, atol=1e-13)


def test_a_grid_that_does_not_nest_is_refused() -> None:
    with pytest.raises(AxisError, match="7"):
        compose([QUENCH, LIGHT, COUNT], "pe", np.array([6.0, 7.0]), T, grid_edges=np.array([0.0, 6.0, 8.0]))


def test_mismatched_stages_name_both_axes() -> None:
    with pytest.raises(AxisError, match=r"'pe'.*'e_ee'"):
        compose([QUENCH, COUNT], "pe", PE_EDGES, T)
    with pytest.raises(AxisError, match=r"'e_ee'.*'t_recoil'"):
        compose([LIGHT], "pe", PE_EDGES, T)
    with pytest.raises(AxisError, match=r"'pe'.*'e_ee'"):
        compose([QUENCH, ACCEPT], "e_ee", PE_EDGES, T)
    with pytest.raises(AxisError, match=r"the analysis.*'e_ee'.*'pe'"):
        compose([QUENCH, LIGHT, COUNT], "e_ee", PE_EDGES, T)


def test_only_weights_follow_a_smearing() -> None:
    with pytest.raises(AxisError, match="follows a smearing"):
        compose([QUENCH, LIGHT, COUNT, COUNT], "pe", PE_EDGES, T)
    with pytest.raises(AxisError, match="follows a smearing"):
        compose([QUENCH, LIGHT, COUNT, Map("pe", "e_ee", lambda n: n / 13.348e3)], "e_ee", PE_EDGES, T)


@given(unit=st.floats(1e-3, 1e3))
def test_the_unit_of_an_axis_does_not_matter(unit: float) -> None:
    def chain(scale: float) -> np.ndarray:
        stages = [
            Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [0.246, 0.78]) * scale),
            Weight("e_ee", lambda e: efficiency.table(e, np.array([0.0, 5e-3, 20e-3]) * scale, [0.0, 0.4, 0.9])),
            Smear("e_ee", "e_ee", lambda mean, edges: smearing.gaussian(mean, 0.58 * np.sqrt(mean * KEV * scale), edges)),
            Weight("e_ee", lambda e: efficiency.logistic(e, 1.0, 0.4e3 / scale, 4e-3 * scale)),
        ]
        return compose(stages, "e_ee", np.linspace(0, 30e-3, 7) * scale, T).matrix

    np.testing.assert_allclose(chain(unit), chain(1.0), rtol=1e-8, atol=1e-12)


def test_a_whole_chain_against_monte_carlo() -> None:
    # 4e5 recoils of an exponential spectrum, photoelectrons thrown one by one, accepted one by one.
    rng = np.random.default_rng(20170803)
    n, slope = 400_000, 8 * KEV
    pe = rng.poisson(LIGHT.function(QUENCH.function(rng.exponential(slope, n))))
    kept = pe[rng.random(n) < ACCEPT.function(pe + 0.5) * PLATEAUS.function(pe + 0.5)]
    thrown = np.histogram(kept + 0.5, PE_EDGES)[0]

    edges = np.linspace(0, 250 * KEV, 20_001)
    centres, probability = (edges[1:] + edges[:-1]) / 2, -np.diff(np.exp(-edges / slope))
    expected = n * compose([QUENCH, LIGHT, COUNT, ACCEPT, PLATEAUS], "pe", PE_EDGES, centres).matrix @ probability
    chi2 = ((thrown - expected) ** 2 / expected).sum()
    assert chi2 < 30  # 12 bins; the probability to exceed it is 0.3 %
    assert expected.min() > 300


def test_kinks_without_smearing_are_the_preimages_of_the_edges() -> None:
    argon = Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [0.246, 0.78]))
    edges = np.arange(25.0, 151.0, 5.0) * KEV
    found = kinks([argon], edges)
    assert len(found) == len(edges)
    np.testing.assert_allclose(argon.function(found), edges, rtol=1e-11)


def test_kinks_of_a_smeared_chain_are_those_before_the_smearing() -> None:
    threshold = Weight("pe", PLATEAUS.function, kinks=(5.0, 6.0))
    assert kinks([QUENCH, LIGHT, COUNT, threshold], PE_EDGES).size == 0
    found = kinks([QUENCH, LIGHT, threshold, COUNT], PE_EDGES)
    np.testing.assert_allclose(found, np.array([5.0, 6.0]) / (13.348 * 0.0878) * KEV, rtol=1e-11)


def test_kinks_of_a_map_and_beyond_the_range() -> None:
    table = Map("t_recoil", "e_ee", lambda t: quenching.table(t, [0.01, 0.02], [0.06, 0.08]), kinks=(0.01, 0.02))
    np.testing.assert_allclose(kinks([table], np.array([0.0, 0.5 * KEV, 1e3])), [0.5 * KEV / 0.06, 0.01, 0.02], rtol=1e-11)


def test_kinks_find_both_sides_of_a_maximum() -> None:
    hill = Map("t_recoil", "e_ee", lambda t: quenching.polynomial(t, [1.0, -2.0]))
    np.testing.assert_allclose(kinks([hill], np.array([0.08, 0.5])), [0.1, 0.4], rtol=1e-9)


@pytest.mark.parametrize("sigma", [2e-5, 5e-5, 3e-4])
@pytest.mark.parametrize("edges", [(1.6e-4, 8e-4), (1.6e-4, 1.7e-4, 1.8e-4, 1.9e-4), (8.5e-3, 11e-3)])
def test_a_narrow_resolution_is_resolved(sigma: float, edges: tuple[float, ...]) -> None:
    smear = Smear("e_ee", "e_ee", lambda mean, bins: smearing.gaussian(mean, sigma, bins), width=lambda energy: np.full_like(energy, sigma))
    stages = [Map("t_recoil", "e_ee", lambda t: 0.2 * t), smear]
    nodes, weights = recoil_nodes(67_000.0, pion_decay_at_rest().values(), kinks=kinks(stages, np.array(edges)))
    found = compose(stages, "e_ee", np.array(edges), nodes).matrix @ (weights * np.exp(-nodes / 0.01))
    fine = np.linspace(0.0, nodes[-1], 400_001)
    dense = compose(stages, "e_ee", np.array(edges), fine).matrix * np.exp(-fine / 0.01)
    np.testing.assert_allclose(found, simpson(dense, x=fine), rtol=2e-5)


ENERGIES = np.array([0.5, 1.0, 2.0]) * KEV
MATRIX = Matrix(ENERGIES, np.array([[0.1, 0.2, 0.8], [0.0, 0.4, 0.1]]))


def test_a_matrix_goes_straight_to_the_bins() -> None:
    t = np.array([0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.1]) * KEV
    found = compose([MATRIX], "pe", np.array([0.0, 10.0, 20.0]), t).matrix
    np.testing.assert_allclose(found[0], [0.0, 0.1, np.sqrt(0.02), 0.2, 0.4, 0.8, 0.0], rtol=1e-12)
    np.testing.assert_allclose(found[1], [0.0, 0.0, 0.2, 0.4, 0.2, 0.1, 0.0], rtol=1e-12)
    np.testing.assert_array_equal(kinks([MATRIX], np.array([0.0, 10.0, 20.0])), ENERGIES)


def test_efficiencies_may_stand_before_and_behind_a_matrix() -> None:
    t = np.array([1.0]) * KEV
    stages = [Weight("t_recoil", lambda x: 0.5 * np.ones_like(x)), MATRIX, Weight("pe", lambda x: x / 10.0)]
    found = compose(stages, "pe", np.array([0.0, 10.0, 20.0]), t).matrix
    np.testing.assert_allclose(found[:, 0], [0.2 * 0.5 * 0.5, 0.4 * 0.5 * 1.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("stages", "edges", "wanted"),
    [
        ([MATRIX], (0.0, 10.0), "for 2 bins, but the analysis has 1"),
        ([QUENCH, MATRIX], (0.0, 10.0, 20.0), "a response matrix acts on the axis 't_recoil'"),
        ([MATRIX, COUNT], (0.0, 10.0, 20.0), "only weights"),
    ],
)
def test_a_matrix_stands_alone(stages: list[object], edges: tuple[float, ...], wanted: str) -> None:
    with pytest.raises(AxisError, match=wanted):
        compose(stages, "pe", np.array(edges), T)
