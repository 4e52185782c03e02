from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS, TAU_MASS
from cevnsfit.physics.interactions.vector_mediators import loop_function

POINTS = [
    (MUON_MASS, TAU_MASS, 0.0, 0.940797),
    (MUON_MASS, TAU_MASS, 50.0, 0.93353),
    (MUON_MASS, TAU_MASS, 100.0, 0.91358),
    (ELECTRON_MASS, MUON_MASS, 0.0, 1.777),
    (ELECTRON_MASS, MUON_MASS, 50.0, 0.534),
    (ELECTRON_MASS, MUON_MASS, 100.0, 0.323),
    (ELECTRON_MASS, TAU_MASS, 0.0, 2.718),
    (ELECTRON_MASS, TAU_MASS, 50.0, 1.468),
    (ELECTRON_MASS, TAU_MASS, 100.0, 1.237),
]


@pytest.mark.parametrize(("light", "heavy", "q", "expected"), POINTS)
def test_reference_points(light: float, heavy: float, q: float, expected: float) -> None:
    digits = 5e-5 if light == MUON_MASS else 6e-4
    assert float(loop_function(q**2, light, heavy)) == pytest.approx(expected, abs=digits)


@pytest.mark.parametrize(("light", "heavy"), [(MUON_MASS, TAU_MASS), (ELECTRON_MASS, MUON_MASS), (ELECTRON_MASS, TAU_MASS)])
@pytest.mark.parametrize("q", [1e-6, 0.01, 0.36, 0.37, 1.0, 74.0, 75.0, 300.0, 1e5])
def test_against_mpmath(light: float, heavy: float, q: float) -> None:
    def integrand(x: mpmath.mpf) -> mpmath.mpf:
        y = x * (1 - x)
        return y * mpmath.log((mpmath.mpf(heavy) ** 2 + y * mpmath.mpf(q) ** 2) / (mpmath.mpf(light) ** 2 + y * mpmath.mpf(q) ** 2))

    with mpmath.workdps(30):
        expected = float(mpmath.quad(integrand, [0, 1e-6, 1e-3, 0.5, 1 - 1e-3, 1 - 1e-6, 1]))
    assert float(loop_function(q**2, light, heavy)) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_falls_with_momentum_and_changes_sign_with_the_order() -> None:
    q2 = np.geomspace(1e-8, 1e10, 400)
    eps = loop_function(q2, ELECTRON_MASS, TAU_MASS)
    assert np.all(np.diff(eps) <= 1e-14)
    assert loop_function(q2, TAU_MASS, ELECTRON_MASS) == pytest.approx(-eps, rel=1e-6, abs=0.0)
    assert float(loop_function(0.0, MUON_MASS, TAU_MASS)) == math.log(TAU_MASS / MUON_MASS) / 3.0
