from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dirac_sums import HBAR_C, fermion_pseudoscalar, tensor_current
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.kernels import KERNELS, WeightedKernel, fold, fold_channel, named_kernel, vector
from cevnsfit.physics.kinematics import e_min, recoil_nodes, t_max
from cevnsfit.physics.sources import Spectrum, histogram, pion_decay_at_rest

if TYPE_CHECKING:
    from dirac_sums import Amplitude

ARGON = 37215.53


@given(energy=st.floats(0.1, 300.0), mass=st.floats(500.0, 2e5), fraction=st.floats(1e-6, 1.0))
def test_vector_kernel_lies_between_zero_and_one(energy: float, mass: float, fraction: float) -> None:
    t = fraction * t_max(energy, mass)
    assert -1e-12 <= vector(np.float64(energy), t, mass) <= 1.0
    assert vector(np.float64(energy), t_max(energy, mass), mass) == pytest.approx(0.0, abs=1e-12)


@given(energy=st.floats(0.1, 300.0), mass=st.floats(0.5, 2e5))
def test_least_energy_is_the_inverse_of_largest_recoil(energy: float, mass: float) -> None:
    assert e_min(t_max(energy, mass), mass) == pytest.approx(energy, rel=1e-9, abs=0.0)


def test_line_is_zero_above_its_end() -> None:
    line = pion_decay_at_rest()["nu_mu"]
    end = float(t_max(line.end, ARGON))
    values = fold(KERNELS["vector"], [line], ARGON, [end * 0.999, end * 1.001])[0]
    assert values[0] > 0.0
    assert values[1] == 0.0


@pytest.mark.parametrize("flavour", ["nubar_mu", "nu_e"])
def test_fold_of_muon_decay_is_exact(flavour: str) -> None:
    spectrum = pion_decay_at_rest()[flavour]
    t = np.array([1e-4, 0.01, 0.1, 0.14])
    values = fold(KERNELS["vector"], [spectrum], ARGON, t)[0]
    for recoil, value in zip(t, values, strict=True):
        low = float(e_min(recoil, ARGON))
        expected = quad(lambda e, r=recoil: float(spectrum.density(e) * vector(e, r, ARGON)), low, spectrum.end, epsrel=1e-12)[0]
        assert value == pytest.approx(KERNELS["vector"].prefactor(ARGON) * expected, rel=1e-10, abs=0.0)
    assert fold(KERNELS["vector"], [spectrum], ARGON, t, order=3)[0] == pytest.approx(values, rel=1e-12, abs=0.0)


def test_fold_of_a_fine_histogram_is_that_of_the_curve() -> None:
    curve = pion_decay_at_rest()["nu_e"]
    edges = np.linspace(0.0, curve.end, 401)
    contents = curve.density((edges[1:] + edges[:-1]) / 2.0)
    t = np.array([0.005, 0.05, 0.1])
    kernel = KERNELS["vector"]
    assert fold(kernel, [histogram(edges, contents)], ARGON, t)[0] == pytest.approx(fold(kernel, [curve], ARGON, t)[0], rel=1e-3, abs=0.0)


@pytest.mark.parametrize("flavour", ["nu_mu", "nu_e"])
def test_weight_multiplies_the_flux(flavour: str) -> None:
    spectrum = pion_decay_at_rest()[flavour]
    kernel, t = KERNELS["vector"], np.array([0.001, 0.02])
    halved = fold(kernel, [spectrum], ARGON, t, weight=lambda energy, _: np.full_like(energy, 0.5))[0]
    assert halved == pytest.approx(0.5 * fold(kernel, [spectrum], ARGON, t)[0], rel=1e-6, abs=0.0)
    varying = fold(kernel, [spectrum], ARGON, t, weight=lambda energy, _: 1.0 - np.exp(-energy))[0]
    assert np.all((varying < 2.0 * halved) & (varying > 1.9 * halved))


def test_fold_refuses_zero_recoil() -> None:
    with pytest.raises(DomainError, match="positive"):
        fold(KERNELS["vector"], [pion_decay_at_rest()["nu_e"]], ARGON, [0.0, 0.1])[0]


def test_nodes_have_edges_at_ends_and_kinks() -> None:
    spectra = pion_decay_at_rest()
    last = float(t_max(spectra["nu_e"].end, ARGON))
    t, w = recoil_nodes(ARGON, spectra.values(), kinks=(0.025, 0.0501, 5.0, -1.0))
    assert np.all(np.diff(t) > 0.0)
    assert np.all(w > 0.0)
    assert 100 <= t.size <= 150
    assert w.sum() == pytest.approx(last, rel=1e-13, abs=0.0)
    for edge in (0.025, 0.0501, float(t_max(spectra["nu_mu"].end, ARGON))):
        assert w[t < edge].sum() == pytest.approx(edge, rel=1e-12, abs=0.0)


def test_a_kink_at_an_end_makes_no_empty_panel() -> None:
    spectra = pion_decay_at_rest()
    last = float(t_max(spectra["nu_e"].end, ARGON))
    t, w = recoil_nodes(ARGON, spectra.values(), kinks=(last * (1 - 1e-13), last))
    assert t.size == recoil_nodes(ARGON, spectra.values())[0].size
    assert w.sum() == pytest.approx(last, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("mass", [1.0, 10.0])
def test_nodes_resolve_light_propagators(mass: float) -> None:
    spectrum = pion_decay_at_rest()["nubar_mu"]

    def integral(**options: int) -> float:
        t, w = recoil_nodes(ARGON, pion_decay_at_rest().values(), **options)
        return float(w @ (fold(KERNELS["vector"], [spectrum], ARGON, t)[0] / (2.0 * ARGON * t + mass**2) ** 2))

    assert integral() == pytest.approx(integral(panels=14, order=40), rel=1e-8, abs=0.0)


def test_unknown_kernel() -> None:
    with pytest.raises(UnknownNameError, match="vector"):
        named_kernel("vectors")


class Widened:
    """A weight that is 1 where nothing is averaged, and grows with the width of a cell where something is."""

    def __init__(self, turns: float) -> None:
        self.turns = turns

    def __call__(self, energy: np.ndarray, baseline: float, cells: np.ndarray | float = 0.0) -> np.ndarray:
        return np.asarray(1.0 + cells + 0.0 * energy * baseline)

    def phase(self, energy: np.ndarray, baseline: float) -> np.ndarray:
        return np.asarray(self.turns + 0.0 * energy * baseline)


@pytest.mark.parametrize(("phase", "averaged"), [(0.0, False), (399 * 12.0, False), (399 * 12.0 + 0.1, True)])
def test_only_what_turns_too_often_is_averaged_and_a_line_never(phase: float, averaged: bool) -> None:
    key, recoils = WeightedKernel("vector", Widened(phase)), np.array([1e-3, 5e-3])
    line = Spectrum(lines=((30.0, 1.0),))
    found = fold_channel(key, "nu_mu", [line], 1e5, recoils, baseline=1.0)[0]
    np.testing.assert_allclose(found, fold(KERNELS["vector"], [line], 1e5, recoils)[0], rtol=1e-14)
    broad = histogram(np.array([10.0, 50.0]), np.array([1.0]))
    ratio = fold_channel(key, "nu_mu", [broad], 1e5, recoils, baseline=1.0)[0] / fold(KERNELS["vector"], [broad], 1e5, recoils)[0]
    assert np.all(ratio > 1.0 + 1e-6) if averaged else np.allclose(ratio, 1.0, rtol=1e-9, atol=0.0)


def test_every_kernel_says_where_it_is_from() -> None:
    assert all(kernel.source and kernel.name == name for name, kernel in KERNELS.items())


@pytest.mark.parametrize(("name", "amplitude", "rel"), [("pseudoscalar", fermion_pseudoscalar, 1e-6), ("tensor", tensor_current, 1e-6)])
@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.98])
def test_helicity_flip_by_sums_of_dirac_matrices(name: str, amplitude: Amplitude, rel: float, fraction: float) -> None:
    energy, mass = 30.0, 1.2e5
    t = fraction * float(t_max(energy, mass))
    kernel = KERNELS[name]
    expected = HBAR_C**2 * amplitude(energy, t, mass) / (32.0 * math.pi * mass * energy**2)
    found = kernel.prefactor(mass) * kernel.function(np.float64(energy), np.float64(t), mass)
    assert found == pytest.approx(expected, rel=rel, abs=0.0)
