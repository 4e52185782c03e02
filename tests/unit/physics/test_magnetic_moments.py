from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS
from cevnsfit.physics.magnetic_moments import vector_contribution


@pytest.mark.parametrize(("mass", "expected"), [(1.0, 3.077e-9), (10.0, 2.478e-9), (20.0, 2.030e-9), (100.0, 7.009e-10)])
def test_reference_points(mass: float, expected: float) -> None:
    assert vector_contribution(5e-4, mass, MUON_MASS) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("lepton", [ELECTRON_MASS, MUON_MASS])
@pytest.mark.parametrize("mass", [1e-3, 0.3, 17.0, 250.0, 1e5])
def test_against_mpmath(mass: float, lepton: float) -> None:
    def integrand(x: mpmath.mpf) -> mpmath.mpf:
        return 2 * x**2 * (1 - x) / (x**2 + (1 - x) * mpmath.mpf(mass / lepton) ** 2)

    points = [0, *sorted({min(0.5, (mass / lepton) / k) for k in (0.1, 1, 10)}), 1]
    expected = mpmath.quad(integrand, points) / (8 * mpmath.pi**2)
    assert vector_contribution(1.0, mass, lepton) == pytest.approx(float(expected), rel=1e-8)


def test_limits() -> None:
    assert vector_contribution(0.1, 0.0, MUON_MASS) == pytest.approx(0.01 / (8 * math.pi**2), rel=1e-9)
    assert vector_contribution(0.1, 1e-3, MUON_MASS) == pytest.approx(0.01 / (8 * math.pi**2), rel=1e-4)
    assert vector_contribution(0.1, 1e7, MUON_MASS) == pytest.approx(0.01 * (MUON_MASS / 1e7) ** 2 / (12 * math.pi**2), rel=1e-6)


def test_broadcasts_and_falls_with_the_mass() -> None:
    values = vector_contribution(np.array([[1e-4], [2e-4]]), np.geomspace(1e-3, 1e7, 50), MUON_MASS)
    assert values.shape == (2, 50)
    assert np.all(np.diff(values, axis=1) < 0.0)
    assert values[1] == pytest.approx(4.0 * values[0])


def test_refuses_negative_masses() -> None:
    with pytest.raises(DomainError, match="negative"):
        vector_contribution(0.1, -1.0, MUON_MASS)
