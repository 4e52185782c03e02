from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.physics.constants import FM, HBAR_C
from cevnsfit.physics.form_factors import (
    FERMI_DIFFUSENESS,
    FORM_FACTORS,
    SKIN,
    coherent,
    form_factor,
    helm,
    klein_nystrand,
    symmetrised_fermi,
)

RADIAL = ["helm", "klein-nystrand", "symmetrised-fermi"]


@pytest.mark.parametrize("name", FORM_FACTORS)
def test_one_at_zero_exactly(name: str) -> None:
    assert form_factor(name)(0.0, 4.8 * FM, 133) == 1.0
    assert form_factor(name)(np.array([0.0, 1e-300, 1e-12]), 4.8 * FM, 133).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", RADIAL)
@given(radius=st.floats(2.5, 7.0))
def test_the_slope_at_zero_is_the_rms_radius(name: str, radius: float) -> None:
    q = 1e-2 * HBAR_C / (radius * FM)
    assert 6.0 * (1.0 - form_factor(name)(q, radius * FM, 40)) / 1e-4 == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("name", FORM_FACTORS)
@given(q=st.floats(0.0, 1e4), radius=st.floats(2.5, 7.0))
def test_bounded_by_one(name: str, q: float, radius: float) -> None:
    assert abs(float(form_factor(name)(q, radius * FM, 133))) <= 1.0


@pytest.mark.parametrize("name", RADIAL)
def test_series_and_closed_form_meet(name: str) -> None:
    q = np.geomspace(0.1, 40.0, 4000)
    slope = np.diff(np.log(form_factor(name)(q, 4.8 * FM, 133))) / np.diff(q**2)
    assert np.all(np.abs(np.diff(slope)) < 1e-3 * np.abs(slope[0]))


def _transform(density: object, q: float, end: float) -> float:
    """Return the normalised Fourier transform of a radial density (radii in fm)."""
    k = q / (HBAR_C / FM)
    top = quad(lambda r: r**2 * density(r) * np.sinc(k * r / math.pi), 0.0, end, epsabs=0, epsrel=1e-11, limit=400)[0]
    return float(top / quad(lambda r: r**2 * density(r), 0.0, end, epsabs=0, epsrel=1e-11, limit=400)[0])


@pytest.mark.parametrize("q", [1.0, 1.9, 2.5, 30.0, 120.0, 300.0])
def test_symmetrised_fermi_is_the_transform_of_its_density(q: float) -> None:
    a, radius = FERMI_DIFFUSENESS / FM, 4.8
    c = math.sqrt(5.0 / 3.0 * radius**2 - 7.0 / 3.0 * (math.pi * a) ** 2)
    expected = _transform(lambda r: math.sinh(c / a) / (math.cosh(r / a) + math.cosh(c / a)), q, 35.0)
    assert float(symmetrised_fermi(q, radius * FM)) == pytest.approx(expected, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("q", [3.0, 60.0, 150.0])
def test_helm_is_a_sphere_folded_with_a_gaussian(q: float) -> None:
    box = math.sqrt(5.0 / 3.0 * (4.8**2 - 3.0 * 0.81))
    expected = _transform(lambda r: float(r < box), q, box) * math.exp(-0.5 * (q * SKIN / HBAR_C) ** 2)
    assert float(helm(q, 4.8 * FM)) == pytest.approx(expected, rel=1e-9, abs=0.0)


def test_klein_nystrand_preset_is_the_same_function_of_its_own_radius() -> None:
    sphere = 1.2 * 133 ** (1.0 / 3.0)
    rms = math.sqrt(0.6 * sphere**2 + 6.0 * 0.49) * FM
    q = np.linspace(0.0, 150.0, 7)
    assert klein_nystrand(q, rms) == pytest.approx(coherent(q, 133), rel=1e-12, abs=0.0)


def test_usual_form_factors_agree_at_low_momentum() -> None:
    values = [float(form_factor(name)(40.0, 4.8 * FM, 133)) for name in RADIAL]
    assert max(values) - min(values) < 0.005


@pytest.mark.parametrize("name", RADIAL)
def test_a_radius_below_the_surface_is_refused(name: str) -> None:
    with pytest.raises(DomainError, match=rf"{name}.*1 fm"):
        form_factor(name)(10.0, 1.0 * FM, 4)


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="helm"):
        form_factor("helms")
