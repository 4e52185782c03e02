"""Posteriors of the shipped data against direct integration."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf

pytest.importorskip("emcee")
pytest.importorskip("arviz_stats")


@pytest.mark.slow
def test_the_limit_of_csi_and_argon_is_that_of_integration() -> None:
    """90 % of the posterior of g at 100 MeV lie below 2.37e-3, 3.3 % in the second minimum.

    Integrated over 241 values of g, at each of which the 18 nuisances are integrated by importance sampling around their conditional minimum.
    """
    found = cf.posterior(cf.build_likelihood("coherent-csi-2021", "coherent-lar-2020", model="lmu-ltau"), at={"mass": 100.0})
    assert found.numbers.valid
    assert np.mean(found.sample < 2.374e-3) == pytest.approx(0.900, abs=0.009)
    assert np.mean(found.sample > 5e-3) == pytest.approx(0.033, abs=0.006)
    assert found.sample.mean() == pytest.approx(1.430e-3, rel=0.03)
