"""Values with Gaussian errors: fits, intervals and p-values against least squares by scipy, and what needs derivatives and pseudo-data."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, kstest, norm

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.goodness import goodness_of_fit
from cevnsfit.infer.intervals import intervals
from cevnsfit.infer.toys import Toys
from cevnsfit.io.exports import histfactory
from cevnsfit.model.rows import LINEAR, QUADRATIC, Excursion, Factors, coefficients
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, ControlRegion
from cevnsfit.stats.data import asimov_data, observed_data, toy_data
from cevnsfit.stats.engine import evaluate_problem, hessian, nll2, nll2_gradient
from cevnsfit.stats.gaussian import Errors, correlated
from cevnsfit.stats.joint import Joint, join
from cevnsfit.stats.moving import Moving, time_factors
from cevnsfit.studies.possible import impossible_bins, negative_bins

if TYPE_CHECKING:
    from collections.abc import Callable

NB = 12
X = np.linspace(-1.0, 1.0, NB)
SIGNAL = 3.0 * np.exp(-2.0 * (X + 0.4) ** 2)
FLAT = np.full(NB, -1.5)
TILT = 0.4 * X * SIGNAL
BENT = 0.03 * SIGNAL * X**2
PARAMETERS = ParameterSet(
    (
        Parameter("g", "polynomial", 1.0, -5.0, 5.0),
        Parameter("level", "nuisance", 1.0, -10.0, 10.0),
        Parameter("norm", "nuisance", 0.0, -5.0, 5.0, constrained=True),
        Parameter("tilt", "nuisance", 0.0, -5.0, 5.0, constrained=True),
    )
)
RULE = [
    Factors("cevns", {"g": 1}, {"norm": 0.1}),
    Factors("cevns", {"g": 1}, {"norm": 0.1}, Excursion("tilt", LINEAR)),
    Factors("cevns", {"g": 1}, {"norm": 0.1}, Excursion("tilt", QUADRATIC)),
    Factors("flat", {"level": 1}, {}),
]


def matrix(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0, 0.2, (NB, 3))
    return np.diag(rng.uniform(0.05, 0.3, NB)) + common @ common.T


def errors(kind: str, seed: int) -> Errors:
    if kind == "correlated":
        return correlated(matrix(seed))
    rng = np.random.default_rng(seed)
    up = rng.uniform(0.2, 0.6, NB)
    return Errors(up, up if kind == "symmetric" else rng.uniform(0.2, 0.6, NB))


def channel(kind: str, seed: int = 3, name: str = "toy") -> Channel:
    values = SIGNAL + FLAT + np.random.default_rng(seed).normal(0.0, 0.4, NB)
    components = tuple(row.component for row in RULE)
    templates = np.array([SIGNAL, TILT, BENT, FLAT])
    return Channel(name, templates, coefficients(RULE), components, values, None, (NB,), errors=errors(kind, seed))


def made(kind: str, seed: int = 3) -> Joint:
    return join(PARAMETERS, (channel(kind, seed),))


def by_hand(joint: Joint) -> Callable[[np.ndarray], float]:
    """Return -2 ln lambda written down a second time."""
    (one,) = joint.channels
    values, given = one.observed, one.errors
    assert values is not None
    assert given is not None

    def chi_squared(theta: np.ndarray) -> float:
        g, level, size, a = theta
        q = a**2 * (15 - 10 * a**2 + 3 * a**4) if abs(a) < 1 else 8 * abs(a)
        code4 = 1.1**size if abs(size) >= 1 else np.exp(np.log(1.1) * size)
        away = values - g * code4 * (SIGNAL + a * TILT + q * BENT) - level * FLAT
        if given.covariance is not None:
            return float(away @ np.linalg.solve(given.covariance, away) + size**2 + a**2)
        return float(sum((d / (u if d < 0 else w)) ** 2 for d, u, w in zip(away, given.up, given.down, strict=True)) + size**2 + a**2)

    return chi_squared


def minimum(function: Callable[[np.ndarray], float], g: float | None = None) -> float:
    def held(theta: np.ndarray) -> float:
        return function(theta if g is None else np.append(g, theta))

    best = min(
        (minimize(held, [*([] if g is not None else [1.0]), 1.0, 0.0, a], method="BFGS", options={"gtol": 1e-8}).fun for a in (-0.5, 0.5)),
    )
    return float(best)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "correlated"])
def test_fit_interval_and_p_value_against_scipy(kind: str) -> None:
    joint = made(kind)
    function = by_hand(joint)
    best = fit(joint)
    values = np.array([best.values[name] for name in joint.parameters.names])
    assert best.nll2 == pytest.approx(function(values), rel=1e-9)
    lowest = minimum(function)
    assert best.nll2 == pytest.approx(lowest, abs=1e-5)
    ends = [brentq(lambda g: minimum(function, g) - lowest - 1.0, *sides) for sides in ((0.3, values[0]), (values[0], 1.9))]
    (interval,) = intervals(joint, "g", cl=float(chi2.cdf(1.0, 1)), dof=1).allowed
    assert interval == pytest.approx(ends, abs=2e-4)
    found = goodness_of_fit(joint)
    assert found.ndof == NB - 2
    assert found.p == pytest.approx(chi2.sf(lowest, NB - 2), abs=1e-5)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "correlated"])
def test_the_saturated_model_and_asimov_data_have_nothing(kind: str) -> None:
    joint = made(kind)
    theta = np.array([0.7, -2.0, 0.0, 0.0])
    assert nll2(joint, theta[None], asimov_data(joint, theta))[0] == pytest.approx(0.0, abs=1e-20)
    assert asimov_data(joint, theta).counts[0] == pytest.approx(0.7 * SIGNAL + 3.0)
    assert np.any(asimov_data(joint, np.array([0.1, 1.0, 0.0, 0.0])).counts[0] < 0.0)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "correlated"])
@pytest.mark.parametrize("moves", [False, True])
def test_gradient_and_hessian_against_differences(kind: str, moves: bool) -> None:
    joint = moving(kind) if moves else made(kind)
    rng = np.random.default_rng(1)
    theta = joint.parameters.defaults() + rng.normal(0.0, 0.3, (5, len(joint.parameters)))
    data = observed_data(joint)
    value, gradient = nll2_gradient(joint, theta, data)
    assert value == pytest.approx(nll2(joint, theta, data), rel=1e-12)
    every, rows = np.arange(len(joint.parameters)), np.arange(5)
    bound = bind_data(joint, data, every)
    exact = np.sum(hessian(bound, evaluate_problem(bound, theta, rows), rows, rows), axis=0)
    for k in every:
        step = np.zeros(len(every))
        step[k] = 1e-5
        sides = [nll2_gradient(joint, theta + sign * step, data) for sign in (1, -1)]
        assert gradient[:, k] == pytest.approx((sides[0][0] - sides[1][0]) / 2e-5, rel=1e-5, abs=1e-4)
        assert exact[:, k] == pytest.approx((sides[0][1] - sides[1][1]) / 2e-5, rel=1e-4, abs=1e-3)


def moving(kind: str) -> Joint:
    """Return the likelihood with the signal in 3 x 4 bins of energy and time, where a parameter shifts it."""
    shifts, edges = np.linspace(-2.0, 2.0, 101), np.linspace(-2.0, 4.0, 5)
    probabilities = np.array([np.diff(norm.cdf(edges - s))[None] for s in shifts])
    constants = np.array([1.0, 3.0, 2.0]).reshape(1, 1, 3)
    one = channel(kind)
    templates = np.array([np.outer(constants[0, 0], probabilities[50, 0]).ravel(), FLAT])
    rule = coefficients([RULE[0], RULE[3]], ("shift",))
    moved = Moving("shift", np.array([0]), constants.transpose(0, 2, 1), time_factors(shifts, probabilities))
    parameters = ParameterSet((*PARAMETERS.parameters[:3], Parameter("shift", "nuisance", 0.0, -2.0, 2.0)))
    return join(
        parameters, (replace(one, templates=templates, coefficients=rule, components=("cevns", "flat"), bins=(3, 4), moving=moved),)
    )


@pytest.mark.parametrize("kind", ["asymmetric", "correlated"])
def test_a_batch_is_its_data_sets(kind: str) -> None:
    joint = made(kind)
    theta = np.tile([1.2, 0.8, 0.3, -0.2], (4, 1))
    batch = toy_data(joint, theta[0], np.random.default_rng(2), 4)
    assert nll2(joint, theta, batch) == pytest.approx([nll2(joint, theta[:1], batch.take(k))[0] for k in range(4)])


def test_pseudo_data_are_what_the_likelihood_says() -> None:
    rng, mean = np.random.default_rng(5), np.full(NB, -0.3)
    for kind in ("symmetric", "asymmetric"):
        given = errors(kind, 1)
        drawn = given.drawn(mean, rng, 20_000)
        pulls = (drawn - mean) / np.where(drawn < mean, given.up, given.down)
        assert kstest(pulls[:, 0] ** 2, chi2(1).cdf).pvalue > 1e-3
        below = np.mean(drawn < mean, axis=0)
        assert below == pytest.approx(given.up / (given.up + given.down), abs=0.015)
    drawn = correlated(matrix(1)).drawn(mean, rng, 50_000)
    assert np.cov(drawn.T) == pytest.approx(matrix(1), abs=0.02)


def test_goodness_of_pseudo_experiments_follows_chi_squared() -> None:
    joint = made("correlated")
    found = goodness_of_fit(joint, toys=Toys(2048, seed=1))
    assert found.toys is not None
    (test,) = found.toys.points
    assert test.p == pytest.approx(found.p, abs=0.05)


def test_together_with_counts_the_logarithms_add_up() -> None:
    counts = np.array([3.0, 0.0, 7.0])
    poisson = Channel("counts", np.array([[4.0, 1.0, 5.0]]), coefficients([RULE[0]]), ("cevns",), counts, None, (3,))
    both = join(PARAMETERS, (channel("symmetric"), poisson))
    alone = [join(PARAMETERS, (one,)) for one in both.channels]
    theta = np.array([[0.9, 1.1, 0.0, 0.4]])
    parts = [nll2(one, theta, observed_data(one))[0] for one in alone]
    assert nll2(both, theta, observed_data(both))[0] == pytest.approx(sum(parts) - 0.4**2)
    assert fit(both).valid
    assert nll2(both, np.array([[-0.9, 1.1, 0.0, 0.0]]), observed_data(both))[0] == np.inf


def test_bins_with_errors_are_never_impossible() -> None:
    joint = made("symmetric")
    (one,) = joint.channels
    empty = replace(one, templates=one.templates * (X > 0), observed=np.full(NB, 2.0))
    assert impossible_bins(empty, ()) == []
    assert negative_bins(joint, {}) == []


def test_errors_along_an_axis_are_those_of_sums() -> None:
    given, joined = errors("asymmetric", 2), correlated(matrix(2))
    sums = given.along((3, 4), 0)
    assert sums[0] == pytest.approx(np.sqrt((given.down.reshape(3, 4) ** 2).sum(axis=1)))
    assert sums[1] == pytest.approx(np.sqrt((given.up.reshape(3, 4) ** 2).sum(axis=1)))
    chosen = np.kron(np.ones(3), np.eye(4))
    assert joined.along((3, 4), 1) == pytest.approx(np.tile(np.sqrt(np.diag(chosen @ matrix(2) @ chosen.T)), (2, 1)))


def test_a_small_unit_changes_nothing() -> None:
    """Values in units of 1e-9 have the fit that they have in units of 1."""
    one = channel("symmetric")
    assert one.errors is not None
    assert one.observed is not None
    small = replace(
        one, templates=1e-9 * one.templates, observed=1e-9 * one.observed, errors=Errors(1e-9 * one.errors.up, 1e-9 * one.errors.down)
    )
    found, known = (fit(join(PARAMETERS, (each,))) for each in (small, one))
    assert found.nll2 == pytest.approx(known.nll2, rel=1e-9)
    assert found.values["g"] == pytest.approx(known.values["g"], rel=1e-5)
    spans = [intervals(join(PARAMETERS, (each,)), "g", cl=0.9, dof=1).allowed[0] for each in (small, one)]
    assert spans[0] == pytest.approx(spans[1], rel=1e-4)


def test_nonsense_is_refused() -> None:
    one = channel("symmetric")
    sigma = np.ones(NB)
    for up, down in itertools.product((sigma, 0.0 * sigma, -sigma), repeat=2):
        if up[0] <= 0 or down[0] <= 0:
            with pytest.raises(CevnsfitError, match="positive"):
                Errors(up, down)
    with pytest.raises(CevnsfitError, match="positive definite"):
        correlated(np.ones((3, 3)) - 2.0 * np.eye(3))
    with pytest.raises(CevnsfitError, match="control region goes with counts alone"):
        replace(one, control=ControlRegion(sigma, 1.0))
    with pytest.raises(CevnsfitError, match="need 12 errors"):
        replace(one, errors=Errors(sigma[1:], sigma[1:]))
    joint = join(PARAMETERS, (one,))
    with pytest.raises(CevnsfitError, match=r"HistFactory knows Poisson counts alone, toy.*simplified"):
        histfactory.workspace(joint, observed_data(joint), {})


def test_a_channel_in_which_nothing_floats() -> None:
    found = fit(made("symmetric"), at=dict.fromkeys(PARAMETERS.names, 0.0))
    assert found.nll2 == pytest.approx(by_hand(made("symmetric"))(np.zeros(4)))


def test_values_in_units_of_errors_have_the_squares_of_chi_squared() -> None:
    values, up, down = np.array([1.0, -2.0, 3.0]), np.array([0.5, 2.0, 3.0]), np.array([0.7, 1.0, 3.0])
    assert np.sum(Errors(up, down).standard(values) ** 2) == pytest.approx(np.sum(values**2 / ((up**2 + down**2) / 2.0)), rel=1e-12)
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 4.0]])
    assert np.sum(correlated(covariance).standard(values) ** 2) == pytest.approx(values @ np.linalg.solve(covariance, values), rel=1e-12)
