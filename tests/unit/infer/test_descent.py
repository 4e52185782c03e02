"""Steps of the descent."""

from __future__ import annotations

import numpy as np

from cevnsfit.infer.descent import trust_region


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
