from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest

from cevnsfit.core.errors import DomainError
from cevnsfit.moments.boson_loops import axial_contribution, pseudoscalar_contribution, scalar_contribution, vector_contribution
from cevnsfit.physics.constants import ELECTRON_MASS, FERMI_CONSTANT, FINE_STRUCTURE, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable

# Leveille's parametrisation x -> 1 - x for the scalars, as in the literature
KINDS = {
    "vector": (vector_contribution, lambda x, r: 2 * x**2 * (1 - x) / (x**2 + (1 - x) * r)),
    "axial": (axial_contribution, lambda x, r: (2 * x * (1 - x) * (x - 4) * r - 4 * x**3) / (r * (x**2 + (1 - x) * r))),
    "scalar": (scalar_contribution, lambda x, r: (1 + x) * (1 - x) ** 2 / ((1 - x) ** 2 + x * r)),
    "pseudoscalar": (pseudoscalar_contribution, lambda x, r: -((1 - x) ** 3) / ((1 - x) ** 2 + x * r)),
}


@pytest.mark.parametrize(("mass", "expected"), [(1.0, 3.077e-9), (10.0, 2.478e-9), (20.0, 2.030e-9), (100.0, 7.009e-10)])
def test_reference_points(mass: float, expected: float) -> None:
    assert vector_contribution(5e-4, mass, MUON_MASS) == pytest.approx(expected, rel=2e-4, abs=0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lepton", [ELECTRON_MASS, MUON_MASS])
@pytest.mark.parametrize("mass", [1e-3, 0.3, 17.0, 250.0, 1e5])
def test_against_mpmath(kind: str, mass: float, lepton: float) -> None:
    contribution, integrand = KINDS[kind]
    with mpmath.workdps(30):
        r = (mpmath.mpf(mass) / mpmath.mpf(lepton)) ** 2
        steps = [mpmath.sqrt(r) * k for k in (0.1, 1, 10)] + [r * k for k in (0.1, 1, 10)] + [1 / r * k for k in (0.1, 1, 10)]
        inner = {edge for step in steps for edge in (step, 1 - step) if 0 < edge < 1}
        expected = mpmath.quad(lambda x: integrand(x, r), [0, *sorted(inner), 1]) / (8 * mpmath.pi**2)
    assert contribution(1.0, mass, lepton) == pytest.approx(float(expected), rel=1e-8, abs=0.0)


@pytest.mark.parametrize(
    ("contribution", "light"),
    [(vector_contribution, 1 / 8), (scalar_contribution, 3 / 16), (pseudoscalar_contribution, -1 / 16)],
)
def test_light_limits(contribution: Callable[..., np.ndarray], light: float) -> None:
    assert contribution(0.1, 0.0, MUON_MASS) == pytest.approx(0.01 * light / math.pi**2, rel=1e-9, abs=0.0)
    assert contribution(0.1, 1e-4, MUON_MASS) == pytest.approx(0.01 * light / math.pi**2, rel=1e-4, abs=0.0)


def test_light_axial_mediator_grows_as_the_inverse_mass_squared() -> None:
    for mass in (1e-3, 1e-2):
        assert axial_contribution(0.1, mass, MUON_MASS) == pytest.approx(
            -0.01 * (MUON_MASS / mass) ** 2 / (4 * math.pi**2), rel=1e-6, abs=0.0
        )


def test_heavy_limits() -> None:
    mass = 1e7
    unit = (MUON_MASS / mass) ** 2 / (4 * math.pi**2)
    log = math.log(mass / MUON_MASS)
    assert vector_contribution(1.0, mass, MUON_MASS) == pytest.approx(unit / 3, rel=1e-6, abs=0.0)
    assert axial_contribution(1.0, mass, MUON_MASS) == pytest.approx(-unit * 5 / 3, rel=1e-6, abs=0.0)
    assert scalar_contribution(1.0, mass, MUON_MASS) == pytest.approx(unit * (log - 7 / 12), rel=1e-6, abs=0.0)
    assert pseudoscalar_contribution(1.0, mass, MUON_MASS) == pytest.approx(-unit * (log - 11 / 12), rel=1e-6, abs=0.0)


@pytest.mark.parametrize("ratio", [2.001, 2.5, 4.0, 12.0, 80.0])
def test_a_vector_above_threshold_is_the_kernel_of_hadronic_vacuum_polarisation(ratio: float) -> None:
    """g^2/(4 pi^2) K(M^2), which weights a photon of mass M (S. J. Brodsky and E. de Rafael, Phys. Rev. 168, 1620 (1968))."""
    with mpmath.workdps(40):
        beta = mpmath.sqrt(1 - 4 / mpmath.mpf(ratio) ** 2)
        x = (1 - beta) / (1 + beta)
        kernel = x**2 / 2 * (2 - x**2) + (1 + x) / (1 - x) * x**2 * mpmath.log(x)
        kernel += (1 + x**2) * (1 + x) ** 2 / x**2 * (mpmath.log(1 + x) - x + x**2 / 2)
        expected = float(mpmath.mpf("0.09") / (4 * mpmath.pi**2) * kernel)
    assert vector_contribution(0.3, ratio * MUON_MASS, MUON_MASS) == pytest.approx(expected, rel=1e-8, abs=0.0)


def test_schwinger_term() -> None:
    assert vector_contribution(math.sqrt(4 * math.pi * FINE_STRUCTURE), 0.0, ELECTRON_MASS) == pytest.approx(
        FINE_STRUCTURE / (2 * math.pi), rel=1e-6, abs=0.0
    )


def test_electroweak_contribution_of_the_z_boson() -> None:
    # -193.89e-11 with the on-shell s_W^2 (Gnendiger, Stoeckinger and Stoeckinger-Kim, Phys. Rev. D 88, 053005 (2013); Jegerlehner 2009)
    s2, z_mass = 0.22301, 91187.6
    scale = math.sqrt(math.sqrt(2) * FERMI_CONSTANT) * z_mass
    found = vector_contribution(scale * (2 * s2 - 0.5), z_mass, MUON_MASS) + axial_contribution(scale * 0.5, z_mass, MUON_MASS)
    assert float(found) == pytest.approx(-193.89e-11, rel=1e-3, abs=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_broadcasts_and_shrinks_with_the_mass(kind: str) -> None:
    values = np.abs(KINDS[kind][0](np.array([[1e-4], [2e-4]]), np.geomspace(1e-3, 1e7, 50), MUON_MASS))
    assert values.shape == (2, 50)
    assert np.all(np.diff(values, axis=1) < 0.0)
    assert values[1] == pytest.approx(4.0 * values[0], rel=1e-6, abs=0.0)


def test_refuses_negative_masses_and_massless_axial_mediators() -> None:
    with pytest.raises(DomainError, match="negative"):
        vector_contribution(0.1, -1.0, MUON_MASS)
    with pytest.raises(DomainError, match="massless"):
        axial_contribution(0.1, [0.0, 1.0], MUON_MASS)
