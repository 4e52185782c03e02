"""The joint likelihood: derivatives, invariances, data sets and agreement with pyhf."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyhf
import pytest

from cevnsfit.core.errors import CevnsfitError, NoDataError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import Data, asimov_data, observed_data, toy_data
from cevnsfit.stats.engine import evaluate_problem, gauss_newton, hessian, nll2, nll2_gradient
from cevnsfit.stats.joint import expected, expected_totals, join, measured_backgrounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint


def points(joint: Joint, count: int = 6) -> np.ndarray:
    theta = np.random.default_rng(3).normal(size=(count, len(joint.parameters))) * 0.7
    theta[:, 0] = np.linspace(0, 1.2, count)
    theta[:, joint.parameters.index("a.norm")] = 0.8 + 0.1 * np.arange(count)
    return theta


@pytest.mark.parametrize("kind", ["observed", "toys"])
def test_gradient_and_hessian_are_derivatives(make_joint: Callable[..., Joint], kind: str) -> None:
    joint = make_joint()
    theta = points(joint)
    defaults = joint.parameters.defaults()
    data = observed_data(joint) if kind == "observed" else toy_data(joint, defaults, np.random.default_rng(5), len(theta))
    rows, n = np.arange(len(theta)), len(joint.parameters)
    bound = bind_data(joint, data, np.arange(n))
    middle = evaluate_problem(bound, theta, rows)
    exact = np.sum(hessian(bound, middle, rows, rows), axis=0)
    scale = np.sqrt(np.abs(np.einsum("pii->pi", exact)).max(axis=0))
    for i in range(n):
        step = np.zeros(n)
        step[i] = 1e-5
        above, below = evaluate_problem(bound, theta + step, rows), evaluate_problem(bound, theta - step, rows)
        numerical = (above.value - below.value) / 2e-5
        np.testing.assert_allclose(middle.gradient[:, i], numerical, rtol=1e-6, atol=1e-4)
        curvature = (above.gradient - below.gradient) / 2e-5
        assert np.max(np.abs(exact[:, i] - curvature)) <= 1e-5 * (scale[i] + 1) * (scale.max() + 1)


def test_the_scale_of_a_likelihood_is_the_number_of_its_events(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    bound = bind_data(joint, observed_data(joint), np.arange(len(joint.parameters)))
    assert bound.total == sum(float(counts.sum()) for counts in observed_data(joint).counts)
    batch = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(5), 4)
    sums = [counts.sum(axis=1).max() for counts in batch.counts]
    assert bind_data(joint, batch, np.arange(len(joint.parameters))).total == sum(map(float, sums))


def test_gauss_newton_is_the_hessian_of_a_linear_model(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    bound = bind_data(joint, observed_data(joint), np.array([joint.parameters.index("a.norm")]))
    theta, rows = points(joint), np.arange(6)
    first, second = hessian(bound, evaluate_problem(bound, theta, rows), rows, rows)
    assert np.all(first > 0)
    np.testing.assert_allclose(second, 0, atol=1e-10)


def test_per_point_jacobians_give_the_same_hessian_as_template_products(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta, rows = points(joint), np.arange(6)
    bound = bind_data(joint, observed_data(joint), np.arange(len(joint.parameters)))
    assert bound.channels[0].pairs is not None
    plain = replace(bound, channels=tuple(replace(channel, pairs=None) for channel in bound.channels))
    evaluation = evaluate_problem(bound, theta, rows)
    one, other = hessian(bound, evaluation, rows, rows)[0], hessian(plain, evaluation, rows, rows)[0]
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_three_functions_agree(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta, data = points(joint), observed_data(joint)
    value, gradient, matrix = gauss_newton(joint, theta, data)
    np.testing.assert_allclose(nll2(joint, theta, data), value, rtol=1e-13)
    np.testing.assert_allclose(nll2_gradient(joint, theta, data)[1], gradient, rtol=1e-12)
    assert np.all(np.linalg.eigvalsh(matrix) > -1e-4 * np.abs(matrix).max())


def shuffled(channel: Channel, order: np.ndarray) -> Channel:
    control = None if channel.control is None else replace(channel.control, counts=channel.control.counts[order])
    return replace(channel, templates=channel.templates[:, order], observed=channel.observed[order], control=control)


def test_order_of_bins_and_channels_changes_nothing(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    rng = np.random.default_rng(0)
    mixed = tuple(shuffled(channel, rng.permutation(channel.templates.shape[1])) for channel in reversed(joint.channels))
    other = join(joint.parameters, mixed)
    theta = points(joint)
    np.testing.assert_allclose(nll2(joint, theta, observed_data(joint)), nll2(other, theta, observed_data(other)), rtol=1e-12)


def test_asimov_data_have_no_deviance_at_the_truth_and_components_add_up(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta = points(joint, 2)[1]
    value, gradient = nll2_gradient(joint, theta[None], asimov_data(joint, theta))
    np.testing.assert_allclose(value, 0, atol=1e-9)
    np.testing.assert_allclose(gradient, 0, atol=1e-8)
    parts, profiled = expected(joint, theta), expected(joint, theta, profiled=True)
    backgrounds = measured_backgrounds(joint, theta)
    for channel, total, background in zip(joint.channels, expected_totals(joint, theta), backgrounds, strict=True):
        counted = 0.0 if channel.control is None else channel.control.counts / channel.control.ratio
        np.testing.assert_allclose(sum(parts[channel.name].values()), total[0] + counted, rtol=1e-12)
        np.testing.assert_allclose(sum(profiled[channel.name].values()), total[0] + (0.0 if background is None else background), rtol=1e-12)


def test_toys_are_one_by_one_what_they_are_together(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta = points(joint)
    data = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(8), len(theta))
    together = nll2(joint, theta, data)
    alone = [nll2(joint, theta[[row]], data.take(row))[0] for row in range(len(theta))]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_toys_fluctuate_counts_controls_and_centres(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta = joint.parameters.vector({"flux": 0.5})
    mean, data = asimov_data(joint, theta), toy_data(joint, theta, np.random.default_rng(4), 4000)
    for toys, expectation in [*zip(data.counts, mean.counts, strict=True), (data.control[1], mean.control[1])]:
        np.testing.assert_allclose(toys.mean(axis=0), expectation, atol=6 * np.sqrt(expectation.max() / 4000))
        np.testing.assert_allclose(toys.var(axis=0), expectation, rtol=0.2)
    constrained = joint.constrained
    np.testing.assert_allclose(data.aux[:, constrained].mean(axis=0), theta[constrained], atol=0.1)
    np.testing.assert_allclose(data.aux[:, constrained].std(axis=0), 1, rtol=0.1)
    assert np.all(data.aux[:, ~constrained] == 0)


def test_join_checks_names_and_kinds(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    with pytest.raises(CevnsfitError, match="different names"):
        join(joint.parameters, (joint.channels[0], joint.channels[0]))
    with pytest.raises(CevnsfitError, match="unknown parameter"):
        join(ParameterSet(joint.parameters.parameters[:2]), joint.channels)
    with pytest.raises(CevnsfitError, match="rebuild"):
        join(ParameterSet((*joint.parameters.parameters, Parameter("mass", "nonlinear", 1.0))), joint.channels)
    blind = join(joint.parameters, tuple(replace(channel, observed=None) for channel in joint.channels))
    with pytest.raises(NoDataError, match="Asimov"):
        observed_data(blind)


def pyhf_pair() -> tuple[pyhf.Model, list[float], Joint]:
    """Return one workspace as a pyhf model with its data, and as a joint likelihood."""
    signal, up, down = np.array([12.0, 8.0, 3.0]), np.array([13.5, 8.0, 2.6]), np.array([11.0, 8.3, 3.3])
    background = np.array([50.0, 30.0, 22.0])
    observed = [68.0, 34.0, 27.0]
    shape = {"name": "tilt", "type": "histosys", "data": {"hi_data": up.tolist(), "lo_data": down.tolist()}}
    samples = [
        {
            "name": "signal",
            "data": signal.tolist(),
            "modifiers": [
                {"name": "mu", "type": "normfactor", "data": None},
                {"name": "flux", "type": "normsys", "data": {"hi": 1.1, "lo": 1 / 1.1}},
                shape,
            ],
        },
        {
            "name": "background",
            "data": background.tolist(),
            "modifiers": [{"name": "brn", "type": "normsys", "data": {"hi": 1.25, "lo": 0.8}}],
        },
    ]
    spec = {"channels": [{"name": "c", "samples": samples}]}
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    model = pyhf.Model(spec, poi_name="mu", modifier_settings=settings, validate=False)
    names = ("mu", "flux", "tilt", "brn")
    templates = np.array([signal, (up - down) / 2, (up + down - 2 * signal) / 16, background])
    hi = np.array([[1, 1.1, 1, 1]] * 3 + [[1, 1, 1, 1.25]])
    lo = np.array([[1, 1 / 1.1, 1, 1]] * 3 + [[1, 1, 1, 0.8]])
    powers = np.array([[1, 0, 0, 0]] * 3 + [[0, 0, 0, 0]])
    rule = Coefficients(names, powers, hi, lo, np.array([-1, 2, 2, -1]), np.array([0, 1, 2, 0]))
    channel = Channel("c", templates, rule, ("signal",) * 3 + ("background",), np.array(observed), None, (3,))
    parameters = ParameterSet(
        (Parameter("mu", "polynomial", 1.0, lower=0.0, upper=10.0), *(Parameter(n, "nuisance", 0.0, constrained=True) for n in names[1:]))
    )
    return model, [*observed, *model.config.auxdata], join(parameters, (channel,))


def test_pyhf_has_the_same_likelihood() -> None:
    model, data, joint = pyhf_pair()
    theta = np.random.default_rng(1).normal(size=(8, 4))
    theta[:, 0] = np.abs(theta[:, 0]) + 0.2
    order = [model.config.par_map[name]["slice"].start for name in joint.parameters.names]
    shuffled_theta = np.empty_like(theta)
    shuffled_theta[:, order] = theta
    theirs = np.array([-2 * float(model.logpdf(row.tolist(), data)[0]) for row in shuffled_theta])
    counts, constants = np.array(data[:3]), 3 * np.log(2 * np.pi)
    from scipy.special import gammaln

    saturated = 2 * np.sum(gammaln(counts + 1) - counts * np.log(counts) + counts) + constants
    ours = nll2(joint, theta, observed_data(joint))
    np.testing.assert_allclose(ours + saturated, theirs, rtol=1e-10)


def test_data_size_is_the_leading_axis() -> None:
    assert Data((np.zeros(3),), (None,), np.zeros(2)).size is None
    assert Data((np.zeros((5, 3)),), (None,), np.zeros(2)).size == 5


def test_constraints_pull_to_their_centres(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta, data = points(joint), observed_data(joint)
    centres = np.where(joint.constrained, 0.4, 0.0)
    moved = replace(data, aux=centres)
    expected_change = np.sum(joint.constrained * ((theta - centres) ** 2 - theta**2), axis=1)
    np.testing.assert_allclose(nll2(joint, theta, moved) - nll2(joint, theta, data), expected_change, rtol=1e-9)
    np.testing.assert_allclose(nll2_gradient(joint, theta, moved)[0], nll2(joint, theta, moved), rtol=1e-12)


def test_empty_bins_may_hold_nothing_but_not_less() -> None:
    rule = Coefficients(("g",), np.array([[0], [1]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    templates = np.array([[3.0, 5.0], [-3.0, 1.0]])
    channel = Channel("x", templates, rule, ("signal", "signal"), np.array([0.0, 5.0]), None, (2,))
    joint = join(ParameterSet((Parameter("g", "polynomial", 0.0),)), (channel,))
    found = nll2(joint, np.array([[0.0], [0.5], [1.0], [1.5]]), observed_data(joint))
    mu = np.array([5.0, 5.5, 6.0])
    np.testing.assert_allclose(found[:3], 2 * np.array([3.0, 1.5, 0.0]) + 2 * (mu - 5.0 + 5.0 * np.log(5.0 / mu)), atol=1e-9)
    assert np.isinf(found[3])
