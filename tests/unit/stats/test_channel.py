"""The coefficient rule against direct products, with its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.interpolation import code4, code4p
from cevnsfit.stats.rule import amplitudes, compile_rule, evaluate, jacobian


def random_rule(seed: int, rows: int = 14) -> Coefficients:
    """Return a rule over two couplings, two rates, two shapes and one parameter that is both."""
    rng = np.random.default_rng(seed)
    powers = np.zeros((rows, 7), dtype=np.int64)
    powers[:, :2] = rng.integers(0, 3, (rows, 2)) * rng.integers(0, 2, (rows, 2))
    powers[:, 6] = rng.integers(0, 2, rows)
    hi = np.where(rng.random((rows, 7)) < 0.4, 1 + 0.3 * rng.random((rows, 7)), 1.0)
    lo = np.where(hi != 1, 1 / hi + 0.05 * rng.random((rows, 7)), 1.0)
    hi[:, :2], lo[:, :2] = 1.0, 1.0
    kind = rng.integers(0, 3, rows)
    index = np.where(kind > 0, rng.integers(3, 6, rows), -1)
    return Coefficients(("g", "h", "flux", "a", "b", "c", "norm"), powers, hi, lo, index, kind)


def slowly(rule: Coefficients, theta: np.ndarray) -> np.ndarray:
    result = np.ones((len(theta), len(rule.excursion_kind)))
    for point, values in enumerate(theta):
        for m in range(result.shape[1]):
            for i, value in enumerate(values):
                result[point, m] *= value ** int(rule.powers[m, i]) * code4(value, rule.norm_hi[m, i], rule.norm_lo[m, i]).value
            if rule.excursion_kind[m]:
                value = values[rule.excursion_index[m]]
                result[point, m] *= value if rule.excursion_kind[m] == 1 else code4p(value).value
    return result


@pytest.mark.parametrize("seed", range(4))
def test_amplitudes_are_the_products(seed: int) -> None:
    rule = random_rule(seed)
    theta = np.random.default_rng(seed + 10).normal(size=(5, 7)) * 1.2
    np.testing.assert_allclose(amplitudes(rule, theta), slowly(rule, theta), rtol=1e-12, atol=1e-14)


def amplitudes_and_jacobian(coefficients: Coefficients, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return A of shape (P, M) and dA/dtheta of shape (P, M, n), at local parameters theta of shape (P, n)."""
    rule = compile_rule(coefficients, np.arange(len(coefficients.parameters)))
    terms = evaluate(rule, theta)
    return terms.amplitudes, jacobian(rule, terms).transpose(0, 2, 1)


@pytest.mark.parametrize("seed", range(4))
def test_jacobian_is_the_derivative_also_at_zero_couplings(seed: int) -> None:
    rule = random_rule(seed)
    theta = np.random.default_rng(seed + 20).normal(size=(4, 7)) * 0.8
    theta[0, :2], theta[1, 0], theta[2, 6] = 0.0, 0.0, 0.0
    _, slopes = amplitudes_and_jacobian(rule, theta)
    for i in range(7):
        step = np.zeros(7)
        step[i] = 1e-6
        numerical = (slowly(rule, theta + step) - slowly(rule, theta - step)) / 2e-6
        np.testing.assert_allclose(slopes[:, :, i], numerical, atol=1e-8)


def test_zero_to_the_zero_is_one() -> None:
    rule = Coefficients(("g",), np.array([[0], [1], [2]]), np.ones((3, 1)), np.ones((3, 1)), np.full(3, -1), np.zeros(3, dtype=np.int64))
    values, slopes = amplitudes_and_jacobian(rule, np.zeros((1, 1)))
    assert values.tolist() == [[1.0, 0.0, 0.0]]
    assert slopes[0, :, 0].tolist() == [0.0, 1.0, 0.0]


def test_inconsistent_rules_and_channels_are_refused() -> None:
    one = np.ones((1, 1))
    with pytest.raises(CevnsfitError, match="positive normsys"):
        Coefficients(("a",), np.array([[0]]), -one, one, np.array([-1]), np.array([0]))
    with pytest.raises(CevnsfitError, match="index of a local parameter"):
        Coefficients(("a",), np.array([[0]]), one, one, np.array([1]), np.array([1]))
    rule = Coefficients(("a",), np.array([[0]]), one, one, np.array([-1]), np.array([0]))
    with pytest.raises(CevnsfitError, match="disagree"):
        Channel("x", np.ones((1, 4)), rule, ("s",), None, None, (2, 3))
    with pytest.raises(CevnsfitError, match="counts"):
        Channel("x", np.ones((1, 4)), rule, ("s",), np.array([1.0, -1.0, 0.0, 0.0]), None, (4,))
    with pytest.raises(CevnsfitError, match="ratio"):
        ControlRegion(np.ones(4), 0.0)


@pytest.mark.parametrize("nodes", [(0.0,), (0.0, 1.0, 1.0), (1.0, 0.0)])
def test_nodes_that_do_not_increase_are_refused(nodes: tuple[float, ...]) -> None:
    one = np.ones((1, 1))
    with pytest.raises(CevnsfitError, match="at least two and increase"):
        Coefficients(("a",), np.zeros((1, 1), dtype=np.int64), one, one, np.array([-1]), np.array([0]), nodes=(nodes,))
