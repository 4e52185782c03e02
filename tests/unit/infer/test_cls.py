"""CLs limits against pyhf, a closed form and pseudo-experiments; the significance of a signal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import norm, poisson

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.cls import SIGMAS, cls_limit, cls_limit_toys, cls_values, expected_cls, signal_test
from cevnsfit.infer.discovery import discovery, with_toys
from cevnsfit.infer.toys import Toys
from cevnsfit.io.exports.histfactory import INTERPOLATION, workspace
from cevnsfit.model.build import RELEASED, likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint


@pytest.fixture(scope="module")
def released() -> Joint:
    return likelihood_of([load_experiment("coherent-lar-2020")], RELEASED).at({})


def counting(n: float, signal: float = 10.0, background: float = 20.0) -> Joint:
    rule = Coefficients(("mu",), np.array([[1], [0]]), np.ones((2, 1)), np.ones((2, 1)), np.full(2, -1), np.zeros(2, dtype=np.int64))
    channel = Channel("one", np.array([[signal], [background]]), rule, ("cevns", "background"), np.array([n]), None, (1,))
    return join(ParameterSet((Parameter("mu", "polynomial", 0.0, lower=-1.0),)), (channel,))


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_pyhf_on_the_released_argon_templates(released: Joint) -> None:
    """pyhf 0.7 bounds a signal strength to [0, 10], and q~ has the best fit at 0 or above: both as here."""
    pyhf = pytest.importorskip("pyhf")
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    spec = workspace(released, observed_data(released), {}).spec
    spec["measurements"][0]["config"]["poi"] = "signal_strength"
    made = pyhf.Workspace(spec)
    model = made.model(modifier_settings=INTERPOLATION)
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, 10.0)
    test = signal_test(released, "signal_strength")
    values = np.array([1.4, 1.7, 2.0])
    ours, bands = cls_values(test, values), expected_cls(test, values)
    for column, value in enumerate(values):
        theirs, expected = pyhf.infer.hypotest(
            value, made.data(model), model, par_bounds=bounds, test_stat="qtilde", return_expected_set=True
        )
        assert ours[column] == pytest.approx(float(theirs), abs=1e-3)
        np.testing.assert_allclose(bands[:, column], [float(x) for x in expected], atol=1e-3)


def test_the_limit_is_where_cls_is_one_minus_cl(released: Joint) -> None:
    test = signal_test(released, "signal_strength")
    found = cls_limit(test, cl=0.90)
    ((low, high),) = found.allowed
    assert low == 0.0
    assert cls_values(test, np.array([high]))[0] == pytest.approx(0.1, abs=1e-5)
    assert found.method.startswith("CLs")
    assert np.all(np.diff(found.expected) > 0)
    assert expected_cls(test, np.array([found.expected[2]]))[2, 0] == pytest.approx(0.1, abs=1e-5)


def test_cls_is_a_number_where_both_tails_underflow() -> None:
    """No events where 10 000 are expected: exact CLs is P(0; s + b)/P(0; b) = exp(-s)."""
    values = cls_values(signal_test(counting(0.0, background=1e4), "mu"), np.array([0.1, 1.0, 10.0]))
    assert np.isfinite(values).all()
    assert np.all(np.diff(values) < 0.0)
    assert values[1] == pytest.approx(math.exp(-10.0), rel=0.01)


def test_a_deficit_does_not_exclude_no_signal() -> None:
    found = cls_limit(signal_test(counting(5.0), "mu"), cl=0.95)
    assert 0.0 < found.allowed[0][1] < found.expected[1]
    assert found.best_fit == 0.0


@pytest.mark.slow
def test_toys_agree_with_the_exact_counting_experiment() -> None:
    """For one bin CLs is P(n' <= n | s + b)/P(n' <= n | b)."""
    n, background = 24, 20.0
    test = signal_test(counting(float(n)), "mu")
    found = cls_limit_toys(test, cl=0.90, toys=Toys(512, 3))
    mu = np.linspace(0.3, 3.0, 2000)
    exact = mu[np.flatnonzero(poisson.cdf(n, background + 10 * mu) / poisson.cdf(n, background) < 0.1)[0]]
    assert found.allowed[0][1] == pytest.approx(exact, rel=0.08)
    assert found.toys is not None
    assert found.toys.seed == 3
    assert found.toys.failed == 0
    assert found.toys.toys == len(found.toys.points) * 2 * 512
    assert list(found.expected) == sorted(found.expected)
    asymptotic = cls_limit(test, cl=0.90)
    np.testing.assert_allclose(found.expected[1:], asymptotic.expected[1:], rtol=0.25)
    assert len(found.expected) == len(SIGMAS)


@pytest.mark.slow
def test_toys_find_a_limit_far_above_the_expected_ones() -> None:
    """A strong signal: steps are halved around the limit, which is that of a normal estimate of 20 +- 1.48 to a tenth of that error."""
    test = signal_test(counting(220.0), "mu")
    found = cls_limit_toys(test, cl=0.90, toys=Toys(512, 3))
    mu = np.linspace(15.0, 25.0, 4001)
    exact = mu[np.flatnonzero(poisson.cdf(220, 20.0 + 10 * mu) < 0.1)[0]]
    assert found.allowed[0][1] == pytest.approx(exact, abs=0.2)
    assert found.allowed[0][1] > 3 * found.expected[-1]


def test_a_parameter_that_lowers_counts_is_refused(make_joint: Callable[..., Joint]) -> None:
    with pytest.raises(CevnsfitError, match="counts that grow with g"):
        signal_test(make_joint(), "g")


def test_significance_of_a_counting_experiment() -> None:
    n, background = 40.0, 20.0
    found = discovery(counting(n), "mu")
    exact = math.sqrt(2 * (n * math.log(n / background) - (n - background)))
    assert found.significance == pytest.approx(exact, abs=1e-5)
    assert found.p == pytest.approx(norm.sf(exact), rel=1e-3)
    assert found.estimate == pytest.approx(2.0, abs=1e-4)
    assert discovery(counting(15.0), "mu").significance == 0.0


def test_significance_from_toys_is_the_tail_of_the_counts() -> None:
    found = with_toys(discovery(counting(28.0), "mu"), Toys(2048, 4))
    assert found.toys is not None
    (point,) = found.toys.points
    assert point.p == pytest.approx(poisson.sf(27, 20.0), abs=4 * point.error)
    assert found.significance == pytest.approx(norm.isf(point.p))
