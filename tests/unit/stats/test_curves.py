"""Rows along splines of a parameter: values, two derivatives, the likelihood, and what is left when the parameter is held."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.io.exports.histfactory import unknown_to, workspace
from cevnsfit.model.rows import LINEAR, QUADRATIC, Excursion, Factors, coefficients, through_grid, through_nodes
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import evaluate_problem, hessian, nll2, nll2_gradient
from cevnsfit.stats.fingerprint import differences, fingerprint
from cevnsfit.stats.interpolation import spline
from cevnsfit.stats.joint import Joint, expected, join
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.stats.moving import Moving, time_factors
from cevnsfit.stats.rule import compile_rule, curvature, evaluate, jacobian, pull_back

NODES = (0.10, 0.13, 0.157, 0.17, 0.20)
SLOPES = (-2.0, 0.0, 1.0, 4.0)
NAMES = ("g", "flux", "shape", "k", "slope", "count", "shift", "bow")
BOWS = (-1.0, 0.0, 0.5, 2.0)
BINS = 12


def at_k(k: float) -> np.ndarray:
    return 20.0 + 400.0 * (k - 0.1) * np.linspace(0.2, 1.0, BINS) ** 2 + 3e4 * (k - 0.15) ** 3 * np.linspace(1, 2, BINS)


def at_slope(slope: float, bow: float = 0.0) -> np.ndarray:
    x = np.linspace(-1.0, 1.0, BINS)
    return 10.0 + slope * x + 0.2 * slope**2 + bow * (1.0 + 0.3 * slope) * x**2 - 0.1 * bow**3 * slope


def made(*, control: bool = False, moving: bool = False, seed: int = 3) -> Joint:
    """Return a likelihood of a signal along k and a background with a Gaussian count along a slope."""
    along_k = through_nodes("k", NODES, 2, [at_k(k) for k in NODES])
    along_slope = through_grid(("slope", "bow"), (SLOPES, BOWS), (1, 1), np.array([[at_slope(s, b) for b in BOWS] for s in SLOPES]))
    rows = [
        (Factors("cevns", {"g": 2}, {"flux": 0.1}), at_k(NODES[2])),
        (Factors("cevns", {"g": 2}, {"flux": 0.1}, Excursion("shape", LINEAR)), np.linspace(-2.0, 3.0, BINS)),
        (Factors("cevns", {"g": 2}, {"flux": 0.1}, Excursion("shape", QUADRATIC)), np.linspace(0.1, 0.3, BINS)),
        *((Factors("cevns", {"g": 2}, {"flux": 0.1}, excursion), values) for excursion, values in along_k),
        (Factors("slope", {}, {}), at_slope(0.0)),
        (Factors("slope", {}, {}, Excursion("count", LINEAR)), 0.1 * at_slope(0.0)),
        *((Factors("slope", {}, {}, excursion), values) for excursion, values in along_slope),
        *((Factors("slope", {"count": 1}, {}, excursion), 0.1 * values) for excursion, values in along_slope),
    ]
    templates = np.array([template for _, template in rows])
    rule = coefficients([factors for factors, _ in rows], ("shift",))
    times = None
    if moving:
        shifts, own = np.linspace(-1.0, 1.0, 41), np.arange(7)
        factors = np.array([[[0.5 + 0.2 * np.sin(s), 0.5 - 0.3 * np.sin(s)]] for s in shifts])
        constants = templates[own].reshape(len(own), BINS // 2, 2).sum(axis=2)[:, None]
        templates[own] = (constants * 0.5).repeat(2, axis=1).transpose(0, 2, 1).reshape(len(own), BINS)
        times = Moving("shift", own, constants.transpose(0, 2, 1), time_factors(shifts, factors))
    rng = np.random.default_rng(seed)
    counts = rng.poisson(templates[[0, 7]].sum(axis=0)).astype(float)
    counts[3] = 0.0
    measured = ControlRegion(rng.poisson(8.0, BINS).astype(float), 2.0) if control else None
    channel = Channel("toy", templates, rule, tuple(factors.component for factors, _ in rows), counts, measured, (BINS // 2, 2), times)
    return join(
        ParameterSet(
            (
                Parameter("g", "polynomial", 1.0, 0.0, 3.0),
                *(Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True) for name in ("flux", "shape")),
                Parameter("k", "nuisance", NODES[2], NODES[0], NODES[-1]),
                Parameter("slope", "nuisance", 0.0, -2.0, 4.0),
                Parameter("count", "nuisance", 0.0, -5.0, 5.0, constrained=True),
                Parameter("shift", "nuisance", 0.0, -1.0, 1.0),
                Parameter("bow", "nuisance", 0.0, -1.0, 2.0),
            )
        ),
        (channel,),
    )


def points(n: int = 4) -> np.ndarray:
    rng = np.random.default_rng(5)
    low, high = np.array([0.4, -1.5, -1.5, 0.101, -1.9, -1.5, -0.9, -0.9]), np.array([1.6, 1.5, 1.5, 0.199, 3.9, 1.5, 0.9, 1.9])
    return rng.uniform(low, high, (n, len(NAMES)))


def test_cardinal_splines_are_one_at_their_node_and_sum_to_one() -> None:
    found = spline(NODES, np.eye(5))
    np.testing.assert_allclose(found.at(np.array(NODES)).value, np.eye(5), atol=1e-14)
    at = found.at(np.linspace(0.09, 0.22, 30))
    np.testing.assert_allclose(at.value.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(at.first.sum(axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(spline((0.0, 2.0), np.eye(2)).at(np.array([0.5])).value, [[0.75, 0.25]], rtol=1e-14)


def test_expected_counts_are_those_of_cubics_and_products() -> None:
    joint, theta = made(), points()
    for point in theta:
        counts = expected(joint, point)["toy"]
        scale = (
            point[0] ** 2 * evaluate(compile_rule(joint.channels[0].coefficients, np.arange(0)), point[None, joint.local[0]]).factors[0, 0]
        )
        a = point[2]
        quadratic = a * a * (15 - 10 * a * a + 3 * a**4) if abs(a) < 1 else 8 * abs(a)
        bent = a * np.linspace(-2.0, 3.0, BINS) + quadratic * np.linspace(0.1, 0.3, BINS)
        np.testing.assert_allclose(counts["cevns"], scale * (at_k(point[3]) + bent), rtol=1e-12)
        np.testing.assert_allclose(counts["slope"], (1 + 0.1 * point[5]) * at_slope(point[4], point[7]), rtol=1e-12)


def test_jacobian_gradient_and_curvature_of_the_rule_are_derivatives() -> None:
    channel, theta, step = made().channels[0], points(), 1e-5
    n = len(channel.coefficients.parameters)
    rule = compile_rule(channel.coefficients, np.arange(n))
    slope = np.random.default_rng(6).normal(size=(len(theta), len(channel.templates)))
    theta = theta[:, [NAMES.index(name) for name in channel.coefficients.parameters]]
    terms = evaluate(rule, theta)
    found = jacobian(rule, terms)
    np.testing.assert_allclose(np.einsum("pnm,pm->pn", found, slope), pull_back(rule, terms, slope), rtol=1e-10, atol=1e-9)
    second = curvature(rule, terms, slope)
    for i in range(n):
        size = step * (0.01 if channel.coefficients.parameters[i] == "k" else 1.0)
        up, down = (evaluate(rule, theta + sign * size * np.eye(n)[i]) for sign in (1, -1))
        np.testing.assert_allclose(found[:, i], (up.amplitudes - down.amplitudes) / (2 * size), rtol=1e-6, atol=1e-5)
        change = (pull_back(rule, up, slope) - pull_back(rule, down, slope)) / (2 * size)
        np.testing.assert_allclose(second[:, i], change, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("control", "moving"), [(False, False), (True, False), (False, True)])
def test_gradient_and_hessian_of_the_likelihood_are_derivatives(control: bool, moving: bool) -> None:
    joint, theta = made(control=control, moving=moving), points(3)
    data, rows, n = observed_data(joint), np.zeros(3, dtype=np.int64), len(NAMES)
    bound = bind_data(joint, data, np.arange(n))
    evaluation = evaluate_problem(bound, theta, rows)
    exact = sum(hessian(bound, evaluation, np.arange(3), rows))
    np.testing.assert_allclose(evaluation.gradient, nll2_gradient(joint, theta, data)[1], rtol=1e-10)
    for i in range(n):
        size = 1e-5 * (0.01 if NAMES[i] == "k" else 1.0)
        steps = size * np.eye(n)[i]
        up, down = (evaluate_problem(bound, theta + sign * steps, rows) for sign in (1, -1))
        np.testing.assert_allclose(evaluation.gradient[:, i], (up.value - down.value) / (2 * size), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(exact[:, i], (up.gradient - down.gradient) / (2 * size), rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("moving", [False, True])
def test_a_held_parameter_leaves_the_same_likelihood_without_splines(moving: bool) -> None:
    joint, theta = made(moving=moving), points(3)
    theta[:, 3], theta[:, 4], theta[:, 7] = 0.144, 2.5, -0.4
    channel = joint.channels[0]
    assert channel.curved == ("k", "slope", "bow")
    data, straight = observed_data(joint), channel
    for name, value in (("slope", 2.5), ("k", 0.144), ("bow", -0.4)):
        assert name in straight.curved
        straight = straight.straightened(name, value, joint.parameters)
        np.testing.assert_allclose(nll2(join(joint.parameters, (straight,)), theta, data), nll2(joint, theta, data), rtol=1e-11)
    assert straight.curved == ()


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_export_is_exact_where_the_parameters_of_splines_are_held() -> None:
    pyhf = pytest.importorskip("pyhf")
    joint = made()
    data = observed_data(joint)
    assert unknown_to(joint.channels[0]) == ("k", "slope", "bow")
    held = {"k": 0.144, "slope": 2.5, "bow": 1.5}
    spec = workspace(joint, data, held).spec
    model = pyhf.Workspace(spec).model(modifier_settings={"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}})
    values = {"g2": 1.44, "flux": 0.7, "shape": -0.4, "count": 1.2}
    counts = model.expected_actualdata([values[name] for name in model.config.par_order])
    theta = joint.parameters.vector({"g": 1.2, "flux": 0.7, "shape": -0.4, "count": 1.2, **held})
    np.testing.assert_allclose(counts, sum(expected(joint, theta)["toy"].values()), rtol=1e-10)


@pytest.mark.slow
def test_a_fit_finds_the_values_that_made_the_data() -> None:
    joint = made()
    truth = joint.parameters.vector({"g": 1.1, "k": 0.142, "slope": 1.7, "bow": 0.8})
    counts = 1e4 * sum(expected(joint, truth)["toy"].values())
    many = replace(joint.channels[0], templates=1e4 * joint.channels[0].templates, observed=counts)
    likelihood = Likelihood(joint.parameters, lambda _: (many,))
    found = fit(likelihood, at={"shift": 0.0, "bow": 0.8})
    assert found.valid
    assert found.values["k"] == pytest.approx(0.142, abs=2e-4)
    assert found.values["slope"] == pytest.approx(1.7, abs=2e-2)


def test_splines_pickle_and_show_in_the_fingerprint() -> None:
    joint = made()
    again = pickle.loads(pickle.dumps(joint))
    data = observed_data(joint)
    np.testing.assert_array_equal(nll2(again, points(), data), nll2(joint, points(), data))
    other = replace(
        joint.channels[0], coefficients=replace(joint.channels[0].coefficients, nodes=((0.10, 0.13, 0.157, 0.17, 0.21), SLOPES, BOWS))
    )
    first, second = (fingerprint(Likelihood(joint.parameters, lambda _, c=c: (c,))) for c in (joint.channels[0], other))
    assert not differences(first, first)
    assert any("0.21" in line for line in differences(first, second))


@pytest.mark.parametrize(
    ("nodes", "text"), [(((0.1,), SLOPES, BOWS), "excursion_kind"), (((0.2, 0.17, 0.157, 0.13, 0.1), SLOPES, BOWS), "increase")]
)
def test_impossible_nodes_are_refused(nodes: tuple[tuple[float, ...], ...], text: str) -> None:
    with pytest.raises(CevnsfitError, match=text):
        replace(made().channels[0].coefficients, nodes=nodes)
