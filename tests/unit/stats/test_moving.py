"""Templates that move in time: values and derivatives of the time factors, and of the likelihood that has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.profile import profile
from cevnsfit.model.rows import LINEAR, Excursion, Factors, coefficients
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.data import Data, observed_data
from cevnsfit.stats.engine import evaluate_problem, hessian, nll2, nll2_gradient
from cevnsfit.stats.joint import Joint, expected, expected_totals, join
from cevnsfit.stats.moving import Moving, time_factors

EDGES = np.linspace(-1.0, 5.0, 7)
SHIFTS = np.linspace(-2.0, 2.0, 201)
WIDTHS = (0.5, 1.2)


def arrival(shift: float) -> np.ndarray:
    return np.array([np.diff(ndtr((EDGES - 1.5 - shift) / width)) for width in WIDTHS])


def rows() -> list[Factors]:
    return [
        Factors("signal", {"g": 2}, {"norm": 0.2}),
        Factors("signal", {"g": 2}, {"norm": 0.2}, Excursion("shape", LINEAR)),
        Factors("flat", {}, {}),
        Factors("beam", {}, {"norm": 0.3}),
    ]


def made(*, control: bool = False, seed: int = 1, rate: float = 30.0) -> Joint:
    """Return a likelihood of 2 energy and 6 time bins with two arrivals: the signal has both, a background the first."""
    rng = np.random.default_rng(seed)
    constants = np.zeros((3, 2, 2))
    constants[:2] = rng.uniform(0.5, 1.5, (2, 2, 2)) * [[[rate]], [[0.1 * rate]]]
    constants[2, :, 0] = [0.3 * rate, 0.1 * rate]
    moving = Moving("shift", np.array([0, 1, 3]), constants, time_factors(SHIFTS, np.array([arrival(s) for s in SHIFTS])))
    templates = np.zeros((4, 12))
    templates[[0, 1, 3]] = np.einsum("mea,at->met", constants, arrival(0.0)).reshape(3, 12)
    templates[2] = 0.2 * rate
    rule = coefficients(rows(), ("shift",))
    counts = rng.poisson(templates[[0, 2, 3]].sum(axis=0)).astype(float)
    measured = ControlRegion(rng.poisson(0.2 * rate * 2.0, 12).astype(float), 2.0) if control else None
    channel = Channel("toy", templates, rule, tuple(row.component for row in rows()), counts, measured, (2, 6), moving)
    parameters = ParameterSet(
        (
            Parameter("g", "polynomial", 1.0, 0.0, 3.0),
            *(Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True) for name in ("norm", "shape")),
            Parameter("shift", "nuisance", 0.0, -2.0, 2.0),
        )
    )
    return join(parameters, (channel,))


THETA = np.array([[1.1, 0.3, -0.4, 0.37], [0.6, -1.0, 0.8, -1.213], [1.0, 0.0, 0.0, 0.0]])


def by_hand(joint: Joint, theta: np.ndarray) -> np.ndarray:
    """Return the counts from the arrival times themselves."""
    constants = joint.channels[0].moving.constants
    times = arrival(theta[3])
    a = np.array([theta[0] ** 2, theta[0] ** 2 * theta[2]]) * code4(theta[1], 0.2)
    b = code4(theta[1], 0.3)
    signal = np.einsum("m,mea,at->et", a, constants[:2], times)
    return (signal + b * np.einsum("ea,at->et", constants[2], times)).ravel() + joint.channels[0].templates[2]


def code4(a: float, sigma: float) -> float:
    from cevnsfit.stats.interpolation import code4 as factor

    return float(factor(a, 1 + sigma, 1 / (1 + sigma)).value)


@pytest.mark.parametrize("theta", THETA)
def test_counts_are_those_of_the_arrival_times_themselves(theta: np.ndarray) -> None:
    joint = made()
    (total,) = expected_totals(joint, theta)
    np.testing.assert_allclose(total[0], by_hand(joint, theta), rtol=1e-6)
    parts = expected(joint, theta)["toy"]
    np.testing.assert_allclose(sum(parts.values()), total[0], rtol=1e-12)
    frozen = joint.channels[0].frozen(theta[3])
    other = join(joint.parameters, (frozen,))
    np.testing.assert_allclose(expected_totals(other, theta)[0], total, rtol=1e-10)


@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("rate", [30.0, 1.0])
def test_derivatives_are_those_of_differences(control: bool, batch: bool, rate: float) -> None:
    joint = made(control=control, rate=rate)
    data = observed_data(joint)
    if batch:
        data = Data(
            tuple(np.tile(n, (3, 1)) for n in data.counts),
            tuple(None if m is None else np.tile(m, (3, 1)) for m in data.control),
            np.tile(data.aux, (3, 1)),
        )
    _, gradient = nll2_gradient(joint, THETA, data)
    bound = bind_data(joint, data, np.arange(4))
    found = sum(hessian(bound, evaluate_problem(bound, THETA, np.arange(3)), np.arange(3), np.arange(3)))
    for k in range(4):
        step = 1e-5 * np.eye(4)[k]
        np.testing.assert_allclose(
            (nll2(joint, THETA + step, data) - nll2(joint, THETA - step, data)) / 2e-5, gradient[:, k], rtol=1e-5, atol=1e-5
        )
        numeric = (nll2_gradient(joint, THETA + step, data)[1] - nll2_gradient(joint, THETA - step, data)[1]) / 2e-5
        np.testing.assert_allclose(found[:, :, k], numeric, rtol=2e-4, atol=2e-4 * np.abs(found).max())


def test_a_held_shift_is_another_likelihood() -> None:
    joint = made()
    frozen = join(joint.parameters, (joint.channels[0].frozen(0.6),))
    moved = profile(joint, {"shift": np.array([0.6])})
    np.testing.assert_allclose(moved.nll2, profile(frozen, {"shift": np.array([0.0])}).nll2, rtol=1e-9)


def test_asimov_data_give_the_shift_back() -> None:
    joint = made(rate=3000.0)
    (total,) = expected_totals(joint, np.array([1.0, 0.0, 0.0, 0.83]))
    data = replace(observed_data(joint), counts=(total[0],))
    found = fit(joint, data=data, minos=())
    assert found.valid
    assert found.values["shift"] == pytest.approx(0.83, abs=1e-5)
    assert found.values["g"] == pytest.approx(1.0, abs=1e-5)


def test_rows_without_a_counterpart_are_refused() -> None:
    moving = made().channels[0].moving
    with pytest.raises(CevnsfitError, match="constants for 3 rows and 2 arrivals"):
        replace(moving, constants=moving.constants[:, :, :1])
