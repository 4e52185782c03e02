"""The weak mixing angle together with neutron radii."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.physics.constants import SIN2_THETA_W


def counts(model: str, **at: float) -> np.ndarray:
    return np.asarray(cf.rates(cf.build_likelihood("coherent-csi-2021", model=model), at=at)["coherent-csi-2021"].signal)


def test_each_part_alone_is_the_model_of_its_own() -> None:
    np.testing.assert_allclose(counts("electroweak"), counts("sm"), rtol=1e-12)
    np.testing.assert_allclose(counts("electroweak", sin2_theta_w=0.25), counts("weak-mixing-angle", sin2_theta_w=0.25), rtol=1e-12)
    np.testing.assert_allclose(counts("electroweak", r_n_cs=5.5, r_n_i=4.5), counts("neutron-radii", r_n_cs=5.5, r_n_i=4.5), rtol=1e-12)
    together = counts("electroweak", sin2_theta_w=0.25, r_n_cs=5.5)
    assert np.sum(together) > np.sum(counts("electroweak", r_n_cs=5.5))


@pytest.mark.slow
def test_a_measurement_of_a_combination_enters_as_a_correlation() -> None:
    """A narrow band in (s_W^2, R_n(Cs)), such as that of atomic parity violation, moves both parameters along it."""
    given = {"sin2_theta_w": "0.2386 +- 0.006", "r_n_cs": "5.0 +- 0.5 fm"}
    alone = cf.fit(cf.build_likelihood("coherent-csi-2021", model="electroweak", constraints=given))
    tied = cf.build_likelihood("coherent-csi-2021", model="electroweak", constraints=given, correlations={("sin2_theta_w", "r_n_cs"): 0.99})
    both = cf.fit(tied)
    places = [both.floating.index(name) for name in ("sin2_theta_w", "r_n_cs")]
    first, second = places
    assert both.correlation[first, second] == pytest.approx(0.99, abs=0.02)
    assert both.errors["sin2_theta_w"] < alone.errors["sin2_theta_w"]
    assert both.values["sin2_theta_w"] == pytest.approx(SIN2_THETA_W, abs=0.01)
