"""Minima at the edge of the domain of the likelihood, where a bin without events holds nothing, against SLSQP with the bins as constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.profile import profile
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data, stack
from cevnsfit.stats.engine import nll2, nll2_gradient
from cevnsfit.stats.joint import expected_totals, join

if TYPE_CHECKING:
    from cevnsfit.stats.joint import Joint

BINS = 6

SEEDS = [9, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (*range(9), 10, 11))]


def random_joint(seed: int) -> Joint:
    """Return a strength, a background norm and two excursions over few bins, most of them without events."""
    rng = np.random.default_rng(seed)
    names = ("s", "norm", "tilt", "bend")
    signal, background = rng.exponential(2.0, BINS), rng.exponential(10.0 ** rng.uniform(-2, 0.5), BINS)
    templates = np.array([signal, background, background * rng.normal(0, 0.3, BINS), signal * rng.normal(0, 0.4, BINS)])
    powers = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    width = np.where(np.arange(4) == 1, 1.0 + 0.3 * rng.random(), 1.0) * np.ones((4, 4))
    width[[0, 3]] = 1.0
    rule = Coefficients(names, powers, width, 1 / width, np.array([-1, -1, 2, 3]), np.array([0, 0, 1, 1]))
    counts = rng.poisson(0.4, BINS) * (rng.random(BINS) < 0.4).astype(np.float64)
    channel = Channel("few", templates, rule, ("signal", "background", "background", "signal"), counts, None, (BINS,))
    nuisances = tuple(Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True) for name in names[1:])
    return join(ParameterSet((Parameter("s", "polynomial", 1.0), *nuisances)), (channel,))


def constrained_minimum(joint: Joint, held: dict[str, float]) -> float:
    """Return the lowest -2 ln lambda that SLSQP finds with all totals >= 0, from several starts; infinity where the constraints cannot be met."""
    data, free = observed_data(joint), [i for i, name in enumerate(joint.parameters.names) if name not in held]
    base = joint.parameters.defaults()
    for name, value in held.items():
        base[joint.parameters.index(name)] = value

    def at(x: np.ndarray) -> np.ndarray:
        theta = base.copy()
        theta[free] = x
        return theta

    def totals(x: np.ndarray) -> np.ndarray:
        return expected_totals(joint, at(x))[0][0]

    def height(x: np.ndarray) -> float:
        seen = data.counts[0] > 0
        if np.any(totals(x)[seen] <= 0):
            return 1e6
        n, mu = data.counts[0], totals(x)
        logs = np.where(seen, n * np.log(np.where(seen, np.maximum(n, 1.0) / np.maximum(mu, 1e-300), 1.0)), 0.0)
        return float(2 * np.sum(mu - n + logs) + np.sum(at(x)[1:] ** 2))

    bounds = [(joint.parameters.parameters[i].lower, joint.parameters.parameters[i].upper) for i in free]
    found = [np.inf]
    for start in np.random.default_rng(0).normal(0, 1, (12, len(free))):
        result = minimize(
            height,
            start,
            method="SLSQP",
            bounds=bounds,
            constraints={"type": "ineq", "fun": totals},
            options={"ftol": 1e-13, "maxiter": 500},
        )
        if totals(result.x).min() > -1e-8:
            found.append(height(result.x))
    return min(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_profile_agrees_with_constrained_minima(seed: int) -> None:
    joint = random_joint(seed)
    values = np.array([-3.0, -1.0, -0.3, -0.05, 0.0, 0.5, 2.0])
    found = profile(joint, {"s": values})
    assert found.fallbacks == 0
    for value, nll2_found, theta, edge in zip(values, found.nll2, found.theta, found.on_edge, strict=True):
        expected = constrained_minimum(joint, {"s": value})
        if np.isinf(expected):
            assert np.isinf(nll2_found)
            continue
        assert nll2_found == pytest.approx(expected, abs=2e-5 * (1 + expected))
        totals = expected_totals(joint, theta)[0][0]
        assert totals.min() >= -1e-9
        assert edge == bool(np.any((np.abs(totals) < 1e-6) & (joint.channels[0].templates[1] > 0)))


@pytest.mark.parametrize("seed", SEEDS)
def test_free_minimum_is_inside_the_domain(seed: int) -> None:
    joint = random_joint(seed)
    data = observed_data(joint)
    starts = np.tile(joint.parameters.defaults(), (6, 1))
    starts[:, 0] = [-1.0, -0.1, 0.05, 0.3, 1.0, 3.0]
    several = profile(joint, {}, data=data, start=starts)
    assert several.converged.all()
    found = several.take(np.array([np.argmin(several.nll2)]))
    assert nll2(joint, found.theta, data)[0] == pytest.approx(found.nll2[0], abs=1e-9)
    assert found.nll2[0] <= constrained_minimum(joint, {}) + 2e-5
    assert found.nll2[0] >= -1e-9
    again = profile(joint, {}, data=stack([data, data]), start=np.tile(found.theta, (2, 1)))
    assert again.nll2 == pytest.approx(np.full(2, found.nll2[0]), abs=1e-6)


def test_likelihood_is_infinite_below_zero_counts() -> None:
    joint = random_joint(3)
    data = observed_data(joint)
    theta = joint.parameters.vector({"s": -5.0})[None]
    assert np.isinf(nll2(joint, theta, data)[0])
    assert np.isinf(profile(joint, {"s": np.array([-5.0])}, floating=[]).nll2[0])
    assert np.isfinite(nll2_gradient(joint, theta, data)[1]).all()
