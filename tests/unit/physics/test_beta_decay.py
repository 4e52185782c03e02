"""The spectrum of Ar-39."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.physics.beta_decay import AR39_ENDPOINT, ar39_density


def test_spectrum_is_a_density_with_the_measured_mean() -> None:
    t = np.linspace(1e-6, AR39_ENDPOINT, 20001)
    density = ar39_density(t)
    assert np.trapezoid(density, t) == pytest.approx(1.0, abs=1e-4)
    # mean energy 218.8 keV (Nuclear Data Sheets, Ar-39 decay)
    assert np.trapezoid(density * t, t) == pytest.approx(0.2188, rel=0.01, abs=0.0)


def test_spectrum_ends() -> None:
    assert ar39_density([-0.1, 0.0, AR39_ENDPOINT, 1.0]).tolist() == [0.0] * 4
    low = ar39_density([1e-6, 1e-4, 1e-3])
    assert low == pytest.approx(np.full(3, low[0]), rel=0.02, abs=0.0)  # the Coulomb field of the nucleus keeps it finite
