"""Two models of the same data: distributions of the likelihood ratio that are known."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, poisson

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, FitError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.comparison import _promise, lowest, rival
from cevnsfit.infer.fit import fit
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.gaussian import Errors
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies import evidences

TOYS = cf.Toys(1024, seed=3)


def rule(powers: list[dict[str, int]]) -> Coefficients:
    names = tuple(dict.fromkeys(name for row in powers for name in row))
    ones = np.ones((len(powers), len(names)))
    table = np.array([[row.get(name, 0) for name in names] for row in powers], dtype=np.int64).reshape(len(powers), len(names))
    return Coefficients(names, table, ones, ones, np.full(len(powers), -1), np.zeros(len(powers), dtype=np.int64))


@dataclass(frozen=True)
class Made:
    """The channel of a sum of templates, each with the powers of its couplings."""

    rows: tuple[tuple[tuple[float, ...], tuple[tuple[str, int], ...]], ...]
    observed: tuple[float, ...]
    errors: tuple[float, ...] = ()

    def __call__(self, values: dict[str, float]) -> tuple[Channel, ...]:
        templates = np.array([template for template, _ in self.rows])
        if "mass" in values:
            templates = templates * np.exp(-np.arange(templates.shape[1]) / values["mass"]) ** np.arange(len(templates))[:, None]
        error = None if not self.errors else Errors(np.array(self.errors), np.array(self.errors))
        powers = rule([dict(row) for _, row in self.rows])
        seen = np.array(self.observed)
        return (Channel("one", templates, powers, ("signal",) * len(templates), seen, None, (len(seen),), errors=error),)


def likelihood(made: Made, *parameters: Parameter) -> Likelihood:
    return Likelihood(ParameterSet(parameters), made)


def simple(mean: tuple[float, ...], seen: tuple[float, ...]) -> Likelihood:
    return likelihood(Made(((mean, ()),), seen))


def linear(seen: tuple[float, ...], *names: str, lower: float = -50.0) -> Likelihood:
    """Return values with errors of 1 around sums of couplings, each in a bin of its own, and 0 in the others."""
    rows = [(tuple(float(k == n) for k in range(len(seen))), ((name, 1),)) for n, name in enumerate(names)]
    nothing = ((0.0,) * len(seen), ())
    return likelihood(
        Made((nothing, *rows), seen, (1.0,) * len(seen)), *(Parameter(name, "polynomial", 0.0, lower, 50.0) for name in names)
    )


def tails(first: tuple[float, float], second: tuple[float, float], seen: tuple[int, int]) -> tuple[float, float]:
    """Return both p-values of two simple hypotheses on two counts, by summation."""
    n = np.arange(80)
    grid = np.array(np.meshgrid(n, n, indexing="ij"))

    def logarithm(mean: tuple[float, float]) -> np.ndarray:
        return poisson.logpmf(grid[0], mean[0]) + poisson.logpmf(grid[1], mean[1])

    ratio = -2.0 * (logarithm(first) - logarithm(second))
    there = ratio[seen]
    return (
        float(np.exp(logarithm(first))[ratio >= there - 1e-9].sum()),
        float(np.exp(logarithm(second))[ratio <= there + 1e-9].sum()),
    )


def test_simple_hypotheses_on_counts_have_the_p_values_of_a_sum() -> None:
    first, second, seen = (8.0, 14.0), (12.0, 9.0), (11, 11)
    found = cf.compare(simple(first, seen), simple(second, seen), toys=TOYS)
    exact = tails(first, second, seen)
    ratio = -2.0 * sum(poisson.logpmf(n, a) - poisson.logpmf(n, b) for n, a, b in zip(seen, first, second, strict=True))
    assert found.statistic == pytest.approx(ratio)
    assert found.nested == ""
    assert math.isnan(found.wilks)
    for name, p in zip(found.models, exact, strict=True):
        assert 0.02 < p < 0.9
        assert found.p[name]["p"] == pytest.approx(p, abs=3.5 * found.p[name]["error"])


def test_nested_linear_models_follow_wilks() -> None:
    seen = (1.9, 1.1, 0.4)
    found = cf.compare(linear(seen, "a"), linear(seen, "a", "b"), toys=TOYS)
    inner, outer = found.models
    assert found.statistic == pytest.approx(1.1**2)
    assert (found.nested, found.wilks) == (inner, pytest.approx(chi2.sf(1.1**2, 1)))
    assert found.p[inner]["p"] == pytest.approx(found.wilks, abs=3.5 * found.p[inner]["error"])
    # of the larger one, thrown at b = 1.1: (b + normal)^2 is at most b^2
    exact = chi2.cdf(0.0, 1) + quad(lambda x: math.exp(-0.5 * (x - 1.1) ** 2) / math.sqrt(2 * math.pi), -1.1, 1.1)[0]
    assert found.p[outer]["p"] == pytest.approx(exact, abs=3.5 * found.p[outer]["error"])
    assert found.best_fits[outer].aic - found.best_fits[inner].aic == pytest.approx(2 - 1.1**2)
    assert found.best_fits[outer].bic - found.best_fits[inner].bic == pytest.approx(math.log(3) - 1.1**2)


def test_the_order_changes_signs_alone() -> None:
    first, second = simple((8.0, 14.0), (11, 11)), simple((12.0, 9.0), (11, 11))
    here, there = cf.compare(first, second, toys=cf.Toys(256)), cf.compare(second, first, toys=cf.Toys(256))
    assert here.statistic == -there.statistic
    assert [here.p[name] for name in here.models] == [there.p[name] for name in reversed(there.models)]


def test_a_ratio_of_nothing_tells_nothing() -> None:
    first, second = (
        simple((10.0,), (7.0,)),
        likelihood(Made((((10.0,), ()), ((0.0,), (("g", 2),))), (7.0,)), Parameter("g", "polynomial", 0.0, 0.0, 1.0)),
    )
    found = cf.compare(first, second, toys=cf.Toys(128))
    assert found.statistic == pytest.approx(0.0, abs=1e-9)
    assert [found.p[name]["p"] for name in found.models] == [1.0, 1.0]
    assert "cannot tell" in found.remark


@pytest.mark.parametrize("seen", [(0.0,), (0.0, 0.0)])
def test_no_events_and_one_bin_are_data(seen: tuple[float, ...]) -> None:
    low, high = (1.0,) * len(seen), (3.0,) * len(seen)
    found = cf.compare(simple(low, seen), simple(high, seen), toys=cf.Toys(256))
    assert found.statistic == pytest.approx(-4.0 * len(seen))
    assert found.p[found.models[0]]["p"] == 1.0
    assert found.p[found.models[1]]["p"] == pytest.approx(math.exp(-3.0 * len(seen)), abs=0.04)


def test_what_cannot_be_compared_is_refused() -> None:
    one = simple((3.0, 4.0), (2.0, 5.0))
    with pytest.raises(CevnsfitError, match="nothing to compare"):
        cf.compare(one, one)
    with pytest.raises(CevnsfitError, match="those of one differ"):
        cf.compare(one, simple((5.0, 4.0), (3.0, 5.0)))
    with pytest.raises(CevnsfitError, match="unknown parameter 'g'"):
        cf.compare(one, simple((5.0, 4.0), (2.0, 5.0)), at={"g": 1.0})
    with pytest.raises(FitError, match=r"model \(2\) cannot make the data: .* nothing in bin 0"):
        cf.compare(one, simple((0.0, 4.0), (2.0, 5.0)))
    with pytest.raises(CevnsfitError, match="needs a likelihood"):
        cf.compare(one, 3)  # type: ignore[arg-type]


def floating_mass(seen: tuple[float, ...]) -> Likelihood:
    made = Made((((6.0,) * len(seen), ()), ((3.0,) * len(seen), (("g", 1),))), seen)
    return likelihood(made, Parameter("g", "polynomial", 0.0, 0.0, 100.0), Parameter("mass", "nonlinear", 3.0, 0.3, 300.0, scale="log"))


def test_the_gain_at_the_vertex_of_a_parabola_is_promised() -> None:
    """Along each axis f = (x - c)^2 / w at 0 and at -1 and 1: the vertex is c^2 / w lower."""
    centres, widths = np.array([[0.3, -0.2], [0.0, 0.45]]), np.array([[1.0, 4.0], [2.0, 0.5]])
    middle = np.sum(centres**2 / widths, axis=1)
    around = middle[:, None, None] + ((np.array([-1.0, 1.0]) - centres[..., None]) ** 2 - centres[..., None] ** 2) / widths[..., None]
    np.testing.assert_allclose(_promise(middle, around), middle, rtol=1e-12)
    np.testing.assert_array_equal(_promise(middle, np.broadcast_to(middle[:, None, None], (2, 2, 2))), 0.0)


@pytest.mark.slow
def test_fits_of_toys_reach_the_minima_of_fits() -> None:
    target = floating_mass((14.0, 11.0, 9.0, 5.0, 7.0, 6.0, 8.0, 5.0))
    model = rival(target, fit(target, minos=()))
    rng = np.random.default_rng(2)
    joint = target.at({})
    counts = rng.poisson(8.0, (12, 8)).astype(np.float64)
    data = replace(observed_data(joint).batch(), counts=(counts,), aux=np.zeros((12, 1)))
    found = lowest(model, data)
    for k in range(12):
        assert found[k] == pytest.approx(fit(target, data=data.take(k), minos=()).nll2, abs=0.03)


def test_workers_do_not_change_the_numbers() -> None:
    first, second = linear((1.9, 1.1), "a"), linear((1.9, 1.1), "b")
    here = cf.compare(first, second, toys=cf.Toys(256))
    with ThreadPoolExecutor(2) as executor:
        there = cf.compare(first, second, toys=cf.Toys(256), workers=executor)
    assert here.p == there.p


@pytest.mark.slow
def test_evidences_are_integrals(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dynesty")
    monkeypatch.setattr(evidences, "LIVE", 120)
    monkeypatch.setattr(evidences, "RUNS", 2)
    seen = (1.9, 1.1)
    found = cf.compare(linear(seen, "a"), linear(seen, "a", "b"), priors=["a=-5:5", "b=0:4"])
    assert found.evidence is not None

    def mean(value: float, low: float, high: float) -> float:
        return quad(lambda x: math.exp(-0.5 * (value - x) ** 2), low, high)[0] / (high - low)

    exact = math.log(math.exp(-0.5 * 1.1**2) / mean(1.1, 0.0, 4.0))
    assert found.evidence.log == pytest.approx(exact, abs=4.0 * found.evidence.error)
    assert found.evidence.error < 0.4
    assert "b flat in [0, 4]" in str(found.evidence.priors)
    first = found.models[0]
    exact = math.log(mean(1.9, -5.0, 5.0)) - 0.5 * 1.1**2
    assert found.evidence.log_evidence[first] == pytest.approx(exact, abs=4.0 * found.evidence.errors[first])


@pytest.mark.slow
def test_the_ratio_is_the_difference_of_two_fits() -> None:
    models = [cf.build_likelihood("coherent-csi-2021", model=name) for name in ("sm", "lmu-ltau")]
    found = cf.compare(*models)
    fits = [cf.fit(one, minos=()) for one in models]
    assert found.statistic == pytest.approx(fits[0].nll2 - fits[1].nll2, abs=1e-9)
    assert found.nested == "sm"
    assert found.to_dict()["ratio"] == found.statistic
    held = cf.compare(*models, at={"mass": 100.0})
    assert held.best_fits["lmu-ltau"].values["mass"] == 100.0
    assert 0.0 < held.statistic < found.statistic
