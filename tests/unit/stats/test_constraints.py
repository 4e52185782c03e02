"""Constraints with a covariance: against likelihoods of a few lines, limits, pseudo-experiments, priors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from iminuit import Minuit
from numpy.testing import assert_allclose

from cevnsfit.core.analysis import Constraint, Correlation
from cevnsfit.core.errors import CevnsfitError, DomainError, UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet, Scaling, merge
from cevnsfit.infer.compatibility import compatibility
from cevnsfit.infer.density import from_unit, log_density, log_inside, log_likelihood, target
from cevnsfit.infer.fit import fit
from cevnsfit.infer.goodness import goodness_of_fit
from cevnsfit.infer.impacts import ranking
from cevnsfit.infer.spread import spread_before
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.data import asimov_data, entries_of, observed_data, toy_data
from cevnsfit.stats.engine import gauss_newton, nll2, nll2_gradient
from cevnsfit.stats.gaussian import Errors
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies.constraints import constrained

COUNTS = {"one": (430.0, 400.0, 0.10), "two": (700.0, 800.0, 0.08)}
"""Observed counts, those expected at g = 1, and the relative error of the efficiency."""


def counting(names: tuple[str, str] = ("one.efficiency", "two.efficiency")) -> Likelihood:
    """Return two experiments that count g times what they expect times their efficiency, a log-normal factor exp(a ln(1 + sigma))."""
    channels = []
    for name, efficiency in zip(COUNTS, names, strict=True):
        seen, mean, sigma = COUNTS[name]
        hi = np.array([[1.0, 1.0 + sigma]])
        rule = Coefficients(("g", efficiency), np.array([[1, 0]]), hi, 1.0 / hi, np.array([-1]), np.array([0]))
        channels.append(Channel(name, np.array([[mean]]), rule, ("cevns",), np.array([seen]), None, (1,)))
    nuisances = [
        Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True, scaling=Scaling(1.0 + sigma, 1.0 / (1.0 + sigma)))
        for name, (_, _, sigma) in zip(dict.fromkeys(names), COUNTS.values(), strict=False)
    ]
    return Likelihood(ParameterSet((Parameter("g", "polynomial", 1.0, 0.0, 10.0), *nuisances)), lambda _: tuple(channels))


def by_hand(covariance: np.ndarray, centres: tuple[float, float] = (0.0, 0.0)) -> Minuit:
    """Return the fit of a likelihood that is written out; code 4 is the exponential up to 1e-5 of the factor."""

    def height(g: float, a: float, b: float) -> float:
        total = 0.0
        for (seen, mean, sigma), x in zip(COUNTS.values(), (a, b), strict=True):
            mu = g * mean * (1.0 + sigma) ** x
            total += 2.0 * (mu - seen + seen * math.log(seen / mu))
        away = np.array([a, b]) - centres
        return total + float(away @ np.linalg.inv(covariance) @ away)

    minuit = Minuit(height, 1.0, 0.0, 0.0)
    minuit.errordef, minuit.tol, minuit.strategy = 1.0, 1e-4, 2
    minuit.migrad()
    minuit.hesse()
    return minuit


def correlation(rho: float) -> list[Correlation]:
    return [Correlation("one.efficiency", "two.efficiency", rho)]


@pytest.mark.parametrize("rho", [-0.7, 0.4, 0.95])
def test_correlated_efficiencies_by_hand(rho: float) -> None:
    found = fit(constrained(counting(), [], correlation(rho)), minos=("g",))
    expected = by_hand(np.array([[1.0, rho], [rho, 1.0]]))
    names = ("g", "one.efficiency", "two.efficiency")
    assert found.valid
    assert found.nll2 == pytest.approx(expected.fval, abs=2e-4)
    assert_allclose([found.values[name] for name in names], list(expected.values), atol=1e-3)
    assert_allclose([found.errors[name] for name in names], list(expected.errors), rtol=2e-3)
    assert found.ndof == 1


def test_a_given_constraint_takes_the_place_of_the_other_one() -> None:
    """A measured factor of 0.8 +- 0.02 is ln 0.8/ln 1.1 in standard deviations, where code 4 is an exponential, with the error 0.02/(0.8 ln 1.1)."""
    likelihood = constrained(counting(), [Constraint.of("one.efficiency", "0.8+-0.02")], correlation(0.3))
    log = math.log(1.1)
    entry = entries_of(likelihood.at({}), observed_data(likelihood.at({})))["one.efficiency"]
    assert_allclose(entry, (math.log(0.8) / log, 0.02 / (0.8 * log)), rtol=1e-12)
    covariance = np.array([[entry.sigma**2, 0.3 * entry.sigma], [0.3 * entry.sigma, 1.0]])
    expected, found = by_hand(covariance, (entry.centre, 0.0)), fit(likelihood)
    assert found.values["g"] == pytest.approx(expected.values["g"], rel=1e-4)
    assert found.errors["g"] == pytest.approx(expected.errors["g"], rel=2e-3)
    (pull,) = [pull for pull in found.pulls if pull.name == "one.efficiency"]
    assert pull.pull == pytest.approx((expected.values["a"] - entry.centre) / entry.sigma, abs=1e-3)
    assert "one.efficiency = 0.8 +- 0.02 times its nominal rate, -2.34 +- 0.262 standard deviations" in likelihood.constraints[0]


def test_shared_nuisances_of_one_size_are_the_limit() -> None:
    """With equal errors, a correlation of 0.999 gives what one shared nuisance gives."""
    one, two = counting(("shared", "shared")), counting()
    rules = [channel.coefficients for channel in two.at({}).channels]
    channels = tuple(
        Channel(
            c.name,
            c.templates,
            Coefficients(r.parameters, r.powers, rules[0].norm_hi, rules[0].norm_lo, r.excursion_index, r.excursion_kind),
            c.components,
            c.observed,
            None,
            (1,),
        )
        for c, r in zip(two.at({}).channels, rules, strict=True)
    )
    rule = one.at({}).channels[0].coefficients
    both = tuple(Channel(c.name, c.templates, rule, c.components, c.observed, None, (1,)) for c in one.at({}).channels)
    limit = fit(Likelihood(one.parameters, lambda _: both), minos=())
    found = fit(constrained(Likelihood(two.parameters, lambda _: channels), [], correlation(0.999)), minos=())
    assert found.errors["g"] == pytest.approx(limit.errors["g"], rel=2e-3)
    assert found.values["g"] == pytest.approx(limit.values["g"], rel=2e-2)
    against = fit(constrained(Likelihood(two.parameters, lambda _: channels), [], correlation(-0.999)), minos=())
    assert against.errors["g"] < 0.4 * limit.errors["g"]


def test_nothing_given_changes_nothing() -> None:
    likelihood = counting()
    assert constrained(likelihood, [], []) is likelihood
    assert constrained(likelihood, [], correlation(0.0)) is likelihood


def test_slopes_and_curvature() -> None:
    joint = constrained(counting(), [Constraint("g", 1.2, 0.3)], correlation(0.6)).at({})
    data, theta = observed_data(joint), np.array([[0.9, 0.4, -1.2]])
    value, slope, matrix = gauss_newton(joint, theta, data)
    plain = counting().at({})
    inverse = np.linalg.inv(np.array([[1.0, 0.6], [0.6, 1.0]]))
    added = 0.09 / 0.09 + theta[0, 1:] @ inverse @ theta[0, 1:] - theta[0, 1:] @ theta[0, 1:]
    assert value[0] == pytest.approx(float(nll2(plain, theta, observed_data(plain))[0]) + added, rel=1e-12)
    step = 1e-5
    ends = [nll2(joint, theta + sign * step * np.eye(3), data) for sign in (-1.0, 1.0)]
    assert_allclose(slope[0], (ends[1] - ends[0]) / (2.0 * step), rtol=1e-6, atol=1e-6)
    assert_allclose(nll2_gradient(joint, theta, data)[1], slope, rtol=1e-12)
    bare = gauss_newton(plain, theta, observed_data(plain))[2][0]
    expected = bare + np.diag([2.0 / 0.09, -2.0, -2.0])
    expected[1:, 1:] += 2.0 * inverse
    assert_allclose(matrix[0], expected, rtol=1e-5)


def test_pseudo_experiments_have_the_covariance() -> None:
    likelihood = constrained(counting(), [Constraint("two.efficiency", 1.0, 0.04)], correlation(-0.6))
    joint, theta = likelihood.at({}), np.array([1.0, 0.5, -0.2])
    toys = toy_data(joint, theta, np.random.default_rng(3), 20_000)
    assert joint.channels[-1].name == CONSTRAINTS
    sigma = 0.04 / math.log(1.08)
    assert_allclose(np.mean(toys.counts[-1], axis=0), theta[1:], atol=0.03)
    assert_allclose(np.cov(toys.counts[-1].T), [[1.0, -0.6 * sigma], [-0.6 * sigma, sigma**2]], rtol=0.03)
    plain = toy_data(counting().at({}), theta, np.random.default_rng(3), 20_000)
    for k in range(2):
        np.testing.assert_array_equal(toys.counts[k], plain.counts[k])  # the same random stream
    asimov = asimov_data(joint, theta)
    assert fit(joint, data=asimov, minos=()).nll2 == pytest.approx(0.0, abs=1e-9)


def straight(errors: dict[str, tuple[float, float]]) -> Likelihood:
    """Return experiments that measure a coupling g directly, with Gaussian errors."""
    one = np.ones((1, 1))
    rule = Coefficients(("g",), np.array([[1]]), one, one, np.array([-1]), np.array([0]))
    channels = tuple(
        Channel(name, one, rule, ("cevns",), np.array([value]), None, (1,), errors=Errors(np.array([error]), np.array([error])))
        for name, (value, error) in errors.items()
    )
    return Likelihood(ParameterSet((Parameter("g", "polynomial", 1.0, -10.0, 10.0),)), lambda _: channels)


def test_a_constraint_on_a_coupling_is_one_more_measurement() -> None:
    """Weighted mean, its error, chi-squared, its degrees of freedom, and the test that all three agree."""
    values, errors = np.array([1.3, 0.8, 1.1]), np.array([0.2, 0.4, 0.1])
    likelihood = constrained(straight({"a": (1.3, 0.2), "b": (0.8, 0.4)}), [Constraint("g", 1.1, 0.1)], [])
    weights = errors**-2.0
    mean = float(values @ weights / weights.sum())
    chi2 = float(((values - mean) ** 2 * weights).sum())
    found = fit(likelihood)
    assert (found.values["g"], found.errors["g"]) == (pytest.approx(mean, abs=1e-6), pytest.approx(weights.sum() ** -0.5, rel=1e-6))
    assert (found.nll2, found.ndof) == (pytest.approx(chi2, rel=1e-8), 2)
    joint = likelihood.at({})
    goodness, agreement = goodness_of_fit(joint), compatibility(joint)
    assert (goodness.statistic, goodness.ndof) == (pytest.approx(chi2, rel=1e-6), 2)
    assert (agreement.statistic, agreement.ndof) == (pytest.approx(chi2, rel=1e-6), 2)
    assert agreement.separate[CONSTRAINTS]["g"] == pytest.approx(1.1, abs=1e-5)
    assert likelihood.experiments == ("a", "b")


def test_priors_are_the_block() -> None:
    joint = constrained(counting(), [Constraint("one.efficiency", 1.1, 0.02), Constraint("g", 1.0, 0.3)], correlation(0.8)).at({})
    data = observed_data(joint)
    block = entries_of(joint, data)
    goal = target(joint, data, at={})
    assert goal.priors == ()
    assert goal.constrained.all()
    drawn = from_unit(goal, np.random.default_rng(4).random((40_000, 3)))
    sigma = block["one.efficiency"].sigma
    assert_allclose(drawn.mean(axis=0), [1.0, block["one.efficiency"].centre, 0.0], atol=0.02)
    assert_allclose(np.cov(drawn.T), [[0.09, 0.0, 0.0], [0.0, sigma**2, 0.8 * sigma], [0.0, 0.8 * sigma, 1.0]], rtol=0.04, atol=0.01)
    points = drawn[(drawn[:, 0] > 0.0) & (np.abs(drawn[:, 2]) < 5.0)][:50]
    plain = target(counting().at({}), observed_data(counting().at({})), at={})
    assert_allclose(log_likelihood(goal, points), log_likelihood(plain, points), rtol=1e-9, atol=1e-9)
    assert_allclose(log_density(goal, points), -0.5 * nll2(joint, points, data), rtol=1e-9)
    assert log_inside(goal) == pytest.approx(math.log(0.5 * math.erfc(-(1.0 / 0.3) / math.sqrt(2.0))), abs=1e-5)


def test_the_prior_of_a_parameter_beside_a_held_one_is_conditional() -> None:
    joint = constrained(counting(), [Constraint("one.efficiency", 1.1, 0.02)], correlation(0.8)).at({})
    entry = entries_of(joint, observed_data(joint))["one.efficiency"]
    goal = target(joint, observed_data(joint), at={"two.efficiency": 1.5})
    place = goal.index("one.efficiency")
    assert goal.centre[place] == pytest.approx(entry.centre + 0.8 * entry.sigma * 1.5)
    assert goal.width[place] == pytest.approx(0.6 * entry.sigma)
    spread = spread_before(constrained(counting(), [], correlation(0.8)), {})
    sizes = {name: mean * sigma for name, (_, mean, sigma) in COUNTS.items()}
    for name in COUNTS:
        assert spread[name].along((1,), 0)[0] == pytest.approx(sizes[name], rel=0.06)  # code 4 has another slope at 0
    both = np.hstack([spread[name].modes for name in COUNTS])
    covariance = both.T @ both
    assert covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(0.8)


def test_a_posterior_that_the_priors_decide() -> None:
    pytest.importorskip("emcee")
    from cevnsfit.infer.posterior import run_block, stream_of

    given = [Constraint("one.efficiency", 1.02, 0.002), Constraint("two.efficiency", 0.98, 0.002)]
    likelihood = constrained(counting(), given, correlation(0.7))
    joint = likelihood.at({})
    goal = target(joint, observed_data(joint), at={"g": 1.0})
    blocks = [run_block(goal, None, 64, stream_of(1, 0, 0))]
    for number in range(1, 3):
        blocks.append(run_block(goal, blocks[-1].coordinates[-1], 64, stream_of(1, 0, number)))
    draws = np.concatenate([block.coordinates for block in blocks[1:]]).reshape(-1, 2)
    entries = entries_of(joint, observed_data(joint))
    assert_allclose(draws.mean(axis=0), [entries[one.name].centre for one in given], atol=0.01)
    assert_allclose(draws.std(axis=0), [entries[one.name].sigma for one in given], rtol=0.05)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(0.7, abs=0.05)


def test_impacts_say_where_a_constraint_is_centred() -> None:
    likelihood = constrained(counting(), [Constraint("one.efficiency", 0.8, 0.02)], [])
    found = {entry.name: entry for entry in ranking(likelihood.at({}), "g").impacts}
    assert found["one.efficiency"].sigma == pytest.approx(0.02 / (0.8 * math.log(1.1)))
    assert (found["two.efficiency"].centre, found["two.efficiency"].sigma) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.95+-0.03", (0.95, 0.03, "")),
        ("0.95 +/- 0.03", (0.95, 0.03, "")),
        ("-1e-3 \u00b1 2e-4", (-1e-3, 2e-4, "")),
        ("20 ns +- 0.005 us", (20.0, 5.0, "ns")),
        ("5.0 +- 0.2 fm", (5.0, 0.2, "fm")),
        ("95 % +- 3 %", (95.0, 3.0, "percent")),
    ],
)
def test_texts(text: str, numbers: tuple[float, float, str]) -> None:
    found = Constraint.of("x", text)
    assert (found.value, found.error, found.unit) == (numbers[0], pytest.approx(numbers[1]), numbers[2])


@pytest.mark.parametrize("given", ["0.95", "a+-b", "1+-2+-3", (1.0,), {"value": 1.0}, {"value": 1.0, "error": 0.1, "of": "x"}, 3.0, ""])
def test_what_is_no_constraint(given: object) -> None:
    with pytest.raises(CevnsfitError, match=r"the constraint x.* should read VALUE \+- ERROR, for example x=0.95\+-0.03"):
        Constraint.of("x", given)


@pytest.mark.parametrize(
    ("given", "correlations", "error", "reason"),
    [
        ([("one.eficiency", "1+-0.1")], [], UnknownNameError, "did you mean one.efficiency"),
        ([("g", "1+-0")], [], DomainError, "error above 0"),
        ([("g", "nan+-1")], [], DomainError, "finite value"),
        ([("g", "20+-1")], [], DomainError, "g = 20 is outside its domain"),
        ([("g", "1 m+-0.1 m")], [], CevnsfitError, "dimension length"),
        ([("g", "1+-0.1"), ("g", "1+-0.2")], [], CevnsfitError, "g is constrained twice"),
        ([("one.efficiency", "-0.1+-0.1")], [], DomainError, "a factor on the nominal rate"),
        ([], [("one.efficiency", "g", 0.5)], CevnsfitError, "g has no constraint"),
        ([], [("one.efficiency", "two.efficiency", 1.0)], DomainError, "above -1 and below 1"),
        ([], [("one.efficiency", "one.efficiency", 0.5)], DomainError, "of two parameters"),
        ([], [("one.efficiency", "two.efficiency", 0.5), ("two.efficiency", "one.efficiency", 0.5)], CevnsfitError, "given twice"),
        (
            [("g", "1+-0.1")],
            [("g", "one.efficiency", 0.9), ("g", "two.efficiency", 0.9), ("one.efficiency", "two.efficiency", -0.5)],
            CevnsfitError,
            "no covariance matrix, .* g,one.efficiency = 0.9 does not go with the others",
        ),
    ],
)
def test_what_makes_no_sense(
    given: list[tuple[str, str]], correlations: list[tuple[str, str, float]], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        constrained(counting(), [Constraint.of(*one) for one in given], [Correlation(*one) for one in correlations])


def test_experiments_that_scale_differently_share_no_factor() -> None:
    sides = (Scaling(1.1, 1.0 / 1.1), Scaling(1.2, 1.0 / 1.2), Scaling(1.1, 1.0 / 1.1))
    one, other, again = (Parameter("flux", "nuisance", 0.0, constrained=True, scaling=scaling) for scaling in sides)
    assert merge([[one], [again]])["flux"].scaling == sides[0]
    assert merge([[one], [other], [again]])["flux"].scaling is None
