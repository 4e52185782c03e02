"""Steps of the descent."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.infer.descent import trust_region
from cevnsfit.infer.profile import polish, profile
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data


def test_on_top_of_a_ridge_the_step_goes_down_one_side_of_it() -> None:
    """Beside a maximum along the second parameter, without any slope there, all of the radius is used, to positive values (the hard case)."""
    matrix, gradient = np.array([[[2.0, 0.0], [0.0, -1e-3]]]), np.array([[0.2, 0.0]])
    (step,) = trust_region(matrix, gradient, np.zeros((1, 2), dtype=bool), np.ones((1, 2)), np.array([3.0]))
    assert abs(step[0] + 0.1) < 1e-3
    assert step[1] > 0.0
    assert abs(np.hypot(*step) - 3.0) < 1e-6


def test_with_a_slope_the_step_follows_it() -> None:
    matrix, gradient = np.array([[[2.0, 0.0], [0.0, -1e-3]]]), np.array([[0.2, 1e-3]])
    (step,) = trust_region(matrix, gradient, np.zeros((1, 2), dtype=bool), np.ones((1, 2)), np.array([3.0]))
    assert step[1] < 0.0
    assert abs(np.hypot(*step) - 3.0) < 0.2


def test_couplings_that_cancel_need_no_other_minimiser() -> None:
    """Scalar currents of u and d quarks, a thousand times larger than what data allow, cancel: single precision has no curvature along the valley."""
    joint = cf.build_likelihood("coherent-lar-2020", model="contact").at({})
    start = joint.parameters.defaults()
    start[[joint.parameters.index(name) for name in ("eps_S_u", "eps_S_d")]] = -5.0, 5.0
    free = [p.name for p in joint.parameters if not p.fixed] + ["eps_S_d"]
    found = profile(joint, {"eps_S_u": np.array([-5.0])}, start=start, floating=free)
    assert found.fallbacks == 0
    bound = bind_data(joint, observed_data(joint), np.array(sorted(map(joint.parameters.index, free))))
    assert found.nll2[0] == pytest.approx(polish(bound, found.theta[0], np.array([0])).value, abs=1e-6)
    assert found.nll2[0] < profile(joint, {"eps_S_u": np.zeros(1), "eps_S_d": np.zeros(1)}).nll2[0]
