"""Solar neutrinos on electrons: the rate, its limits, and the bound against the model's own electron scattering."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.borexino import (
    ENERGY,
    FLAVOURS,
    STANDARD_RATE,
    _recoils,
    borexino_limit,
    borexino_tree_limit,
    rate_coefficients,
)
from cevnsfit.physics.constants import AVOGADRO, ELECTRON_MASS, FERMI_CONSTANT, HBAR_C
from cevnsfit.physics.couplings import electron_couplings
from cevnsfit.physics.interactions import ElectronTarget, signal_model, squared
from cevnsfit.physics.interactions.terms import evaluate
from cevnsfit.physics.kernels import KERNELS

LARGEST = (46.0 + 1.959963985 * math.hypot(1.5, 1.6)) / 46.7
CONTACT = 1.0 / (math.sqrt(2.0) * FERMI_CONSTANT)


def ratio(model: str, g: float, **shapes: float) -> float:
    """The ratio of rates from the terms of the signal model itself, with its own kernels."""
    t, weights = _recoils()
    target = ElectronTarget(t, 2.0 * ELECTRON_MASS * t, np.ones_like(t), electron_couplings("default"))

    def rate(name: str, values: dict[str, float]) -> float:
        entry = signal_model(name)
        assert entry.electrons is not None
        parts = squared(entry.electrons(target)(entry.shapes(shapes)))
        couplings = {p.name: p.default for p in entry.parameters} | values
        kernels = {kernel: KERNELS[kernel].function(np.full_like(t, ENERGY), t, ELECTRON_MASS) for _, _, kernel in parts}
        return sum(FLAVOURS[f] * float((weights * kernels[k]) @ evaluate(poly, couplings)) for (f, _, k), poly in parts.items())

    return rate(model, {"g": g}) / rate("sm", {})


def test_the_rate_of_the_standard_model_is_the_published_one() -> None:
    total = 2.0 * ENERGY**2 / (ELECTRON_MASS + 2.0 * ENERGY) / _recoils()[1].sum()
    cross_section = 2.0 * FERMI_CONSTANT**2 * ELECTRON_MASS / math.pi * HBAR_C**2 * total
    electrons = 66 * AVOGADRO / 120.19 * 1e8  # in 100 t of C9H12
    counts = 4.93e9 * 0.8952 * 86400.0 * electrons * cross_section
    assert counts == pytest.approx(STANDARD_RATE, rel=0.03)


def test_the_bound_on_heavy_bosons_is_one_on_g_over_m() -> None:
    mass = np.array([25.0, 50.0, 200.0])
    np.testing.assert_allclose(borexino_limit(mass) / mass, 3.95e-5, rtol=0.015)


def test_recoils_above_the_beginning_of_the_fit_alone_leave_six_per_cent_more(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = borexino_limit(30.0)
    x, w = np.polynomial.legendre.leggauss(200)
    largest = 2.0 * ENERGY**2 / (ELECTRON_MASS + 2.0 * ENERGY)
    cut = 0.27 + 0.5 * (largest - 0.27) * (x + 1.0)
    bracket = np.zeros_like(cut)
    for flavour, share in FLAVOURS.items():
        left, right = electron_couplings("default").left(flavour), electron_couplings("default").right(flavour)
        bracket += share * (left**2 + right**2 * (1.0 - cut / ENERGY) ** 2 - left * right * ELECTRON_MASS * cut / ENERGY**2)
    monkeypatch.setattr("cevnsfit.physics.borexino._recoils", lambda: (cut, w / (w @ bracket)))
    assert borexino_limit(30.0) / whole == pytest.approx(1.06, abs=0.01)


def test_the_propagator_stays_inside_the_integral() -> None:
    light = borexino_limit([1e-3, 2e-3])
    assert light[0] == pytest.approx(light[1], rel=0.2)
    assert borexino_limit(1.0) / 1.0 > 1.05 * borexino_limit(50.0) / 50.0


def test_the_bound_falls_with_slepton_loops_and_broadcasts() -> None:
    found = borexino_limit(np.array([[20.0], [100.0]]), slepton_log=np.array([0.0, 10.0, 18.4]))
    assert found.shape == (2, 3)
    assert np.all(np.diff(found, axis=1) < 0.0)
    eps = 0.940797
    np.testing.assert_allclose(found[:, 2] / found[:, 0], math.sqrt(eps / (eps + 18.4 / 24.0)), rtol=1e-3)


@pytest.mark.parametrize("log", [0.0, 12.0])
def test_the_bound_is_where_the_models_own_scattering_leaves_the_interval(log: float) -> None:
    g = float(borexino_limit(30.0, slepton_log=log))
    assert ratio("lmu-ltau", g, mass=30.0, slepton_log=log) == pytest.approx(LARGEST, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "charges"), [("b-l", (-1.0, -1.0, -1.0)), ("le-lmu", (1.0, -1.0, 0.0)), ("b-2l-e-l-mu", (-2.0, -1.0, 0.0))]
)
@pytest.mark.parametrize("mass", [0.1, 30.0])
def test_tree_level_charges_agree_with_the_models_own_scattering(model: str, charges: tuple[float, ...], mass: float) -> None:
    named = dict(zip(("e", "mu", "tau"), charges, strict=True))
    linear, square = rate_coefficients(mass, {f: charges[0] * q * CONTACT for f, q in named.items()})
    g = 1e-7 * math.hypot(mass, 0.5) * 50.0
    assert 1.0 + linear * g**2 + square * g**4 == pytest.approx(ratio(model, g, mass=mass), rel=1e-9)
    limit = float(borexino_tree_limit(mass, named))
    assert ratio(model, limit, mass=mass) == pytest.approx(LARGEST, rel=1e-8)


def test_what_does_not_suit_is_named() -> None:
    with pytest.raises(DomainError, match="positive"):
        borexino_limit(0.0)
    with pytest.raises(DomainError, match="central interval"):
        borexino_limit(10.0, cl=0.0)
    with pytest.raises(DomainError, match="no charge"):
        borexino_tree_limit(10.0, {"e": 0.0, "mu": 1.0, "tau": -1.0})
    with pytest.raises(DomainError, match="lowers the rate"):
        borexino_tree_limit(10.0, {"e": 1.0, "mu": 9.0, "tau": 9.0})
