"""The density of a posterior: priors as a map from the unit cube, and what is outside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.density import Prior, from_unit, log_density, log_likelihood, require_proper, target
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import Joint, join

UNIT = np.linspace(0.005, 0.995, 100)[:, None]


def line(observed: float, constant: float, lower: float = -math.inf, least: float = -math.inf) -> Joint:
    """Return one bin with 20 s + constant expected, s of any sign, and a nuisance that scales the 20 by 10 %, between 1 and 6."""
    hi = np.array([[1.0, 1.1], [1.0, 1.0]])
    rule = Coefficients(("s", "a"), np.array([[1, 0], [0, 0]]), hi, 1 / hi, np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[20.0], [constant]]), rule, ("cevns", "background"), np.array([observed]), None, (1,))
    parameters = (
        Parameter("s", "polynomial", 1.0, lower=lower, least=least),
        Parameter("a", "nuisance", 1.0, lower=1.0, upper=6.0, constrained=True),
    )
    return join(ParameterSet(parameters), (channel,))


@pytest.mark.parametrize(
    ("prior", "wanted"),
    [
        (Prior("s", 1.0, 3.0), lambda u: 1.0 + 2.0 * u),
        (Prior("s", 1e-3, 10.0, log=True), lambda u: math.log(1e-3) + u * math.log(1e4)),
        (Prior("s", -math.inf, math.inf, mean=0.5, sigma=2.0), lambda u: norm.ppf(u, 0.5, 2.0)),
        (Prior("s", 0.0, math.inf, mean=-4.0, sigma=0.5), lambda u: -4.0 + 0.5 * truncnorm.ppf(u, 8.0, math.inf)),
        (Prior("s", -1.0, 0.0, mean=3.0, sigma=0.4), lambda u: 3.0 + 0.4 * truncnorm.ppf(u, -10.0, -7.5)),
    ],
    ids=["flat", "log", "normal", "upper tail", "lower tail"],
)
def test_numbers_between_0_and_1_become_values_that_follow_the_prior(prior: Prior, wanted: object) -> None:
    joint = line(25.0, 1.0)
    goal = target(joint, observed_data(joint), at={}, priors=[prior])
    found = from_unit(goal, np.hstack([UNIT, UNIT]))
    np.testing.assert_allclose(found[:, 0], wanted(UNIT[:, 0]), rtol=1e-6, atol=1e-9)  # type: ignore[operator]
    np.testing.assert_allclose(found[:, 1], truncnorm.ppf(UNIT[:, 0], 1.0, 6.0), rtol=1e-9)


def test_likelihood_and_priors_make_the_density() -> None:
    joint = line(25.0, 1.0)
    goal = target(joint, observed_data(joint), at={}, priors=[Prior("s", -math.inf, math.inf, mean=0.5, sigma=0.25)])
    points = np.array([[1.0, 1.5], [1.3, 2.0]])
    height = nll2(joint, points, observed_data(joint))
    np.testing.assert_allclose(log_likelihood(goal, points), -0.5 * (height - points[:, 1] ** 2), rtol=1e-12)
    np.testing.assert_allclose(log_density(goal, points), -0.5 * (height + ((points[:, 0] - 0.5) / 0.25) ** 2), rtol=1e-12)


@pytest.mark.parametrize("observed", [0.0, 3.0])
def test_counts_below_0_and_values_that_are_not_physical_have_no_density(observed: float) -> None:
    joint = line(observed, 1.0)
    goal = target(joint, observed_data(joint), at={})
    assert np.isfinite(log_density(goal, np.array([[-0.03, 1.0]]))).all()
    assert np.isneginf(log_density(goal, np.array([[-0.2, 1.0], [0.1, 0.9], [0.1, 6.1]]))).all()
    physical = target(line(observed, 1.0, least=0.0), observed_data(joint), at={})
    assert np.isneginf(log_density(physical, np.array([[-0.03, 1.0]]))).all()
    assert (physical.priors[0].lower, physical.priors[0].upper) == (0.0, math.inf)


def test_an_evidence_needs_proper_priors() -> None:
    joint = line(3.0, 1.0, least=0.0)
    with pytest.raises(CevnsfitError, match=r"proper priors: --prior s=LOW:HIGH \(flat without an end: s\)"):
        require_proper(target(joint, observed_data(joint), at={}))
    for prior in (Prior("s", 0.0, 9.0), Prior("s", -math.inf, math.inf, mean=0.0, sigma=1.0)):
        require_proper(target(joint, observed_data(joint), at={}, priors=[prior]))


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 0.0), (0.0, -1.0), (math.inf, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_normal_prior_needs_a_mean_and_a_width(mean: float, sigma: float) -> None:
    with pytest.raises(DomainError, match="needs a finite mean and a width above 0"):
        Prior("s", 0.0, 1.0, mean=mean, sigma=sigma)
