"""The uncertainty of expected counts against exact ones, and against a sample of the covariance of a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.spread import Spread, spread_after, spread_before
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.joint import expected_totals
from cevnsfit.stats.likelihood import Likelihood


def counting(events: float, control: ControlRegion | None = None, *, nonlinear: bool = False) -> Likelihood:
    """Return one bin in which 100 s are expected, or 100 (1 + x) with a nonlinear x."""
    rule = Coefficients(("s",), np.array([[1]]), np.ones((1, 1)), np.ones((1, 1)), np.array([-1]), np.array([0]))
    names = [Parameter("s", "polynomial", 1.0, lower=0.0, upper=10.0, fixed=nonlinear)]
    names += [Parameter("x", "nonlinear", 0.0, lower=-0.9, upper=5.0)] if nonlinear else []

    def build(values: dict[str, float]) -> tuple[Channel, ...]:
        return (Channel("x", np.array([[100.0 * (1.0 + values.get("x", 0.0))]]), rule, ("cevns",), np.array([events]), control, (1,)),)

    return Likelihood(ParameterSet(tuple(names)), build)


def sigma(likelihood: Likelihood) -> float:
    (found,) = spread_after(likelihood, cf.fit(likelihood)).values()
    return float(found.along((1,), 0)[0])


def test_a_free_strength_makes_the_counts_as_uncertain_as_the_data() -> None:
    assert sigma(counting(90.0)) == pytest.approx(np.sqrt(90.0), rel=1e-4)
    assert sigma(counting(90.0, nonlinear=True)) == pytest.approx(np.sqrt(90.0), rel=1e-3)


def test_a_background_of_a_control_region_leaves_the_sum_as_uncertain_as_the_data() -> None:
    likelihood = counting(150.0, ControlRegion(np.array([400.0]), 8.0))
    assert cf.fit(likelihood).errors["s"] == pytest.approx(np.sqrt(150.0 + 400.0 / 64.0) / 100.0, rel=1e-3)
    assert sigma(likelihood) == pytest.approx(np.sqrt(150.0), rel=1e-3)


def test_before_a_fit_control_regions_have_the_error_of_their_counts_and_what_is_free_has_none() -> None:
    (found,) = spread_before(counting(150.0, ControlRegion(np.array([400.0]), 8.0)), {}).values()
    assert found.along((1,), 0) == pytest.approx([20.0 / 8.0])
    assert not found.fitted


def test_sums_of_bins_have_the_uncertainty_of_sums() -> None:
    spread = Spread(np.array([[1.0, -1.0, 2.0, 2.0]]), np.array([0.0, 0.0, 0.0, 9.0]), fitted=True)
    assert spread.along((2, 2), 0) == pytest.approx([0.0, 5.0])
    assert spread.along((2, 2), 1) == pytest.approx([3.0, np.sqrt(1.0 + 9.0)])


def test_the_band_of_a_fit_is_the_scatter_of_counts_in_a_sample_of_its_covariance() -> None:
    likelihood = cf.build_likelihood("coherent-lar-2020", model="signal-strength")
    best = cf.fit(likelihood)
    errors = np.array([best.errors[name] for name in best.floating])
    assert np.isfinite(errors).all()
    joint = likelihood.at({})
    theta = np.tile(joint.parameters.vector(best.values), (4000, 1))
    places = [joint.parameters.index(name) for name in best.floating]
    rng = np.random.default_rng(7)
    theta[:, places] += rng.multivariate_normal(np.zeros(len(errors)), 0.01 * best.correlation * errors * errors[:, None], len(theta))
    (counts,) = expected_totals(joint, theta)
    (rates,) = best.counts.values()
    for place, projection in enumerate(rates.projections):
        others = tuple(1 + i for i in range(3) if i != place)
        scatter = counts.reshape(-1, *rates.contents.shape).sum(axis=others).std(axis=0) / 0.1
        assert projection.fitted
        np.testing.assert_allclose(projection.uncertainty, scatter, rtol=0.06)
        assert np.all(projection.uncertainty < np.sqrt(projection.total) + 1e-9)


def test_the_band_before_a_fit_is_that_of_the_constraints() -> None:
    likelihood = cf.build_likelihood("coherent-csi-2021", model="sm")
    (rates,) = cf.rates(likelihood).values()
    (one,) = (cf.rates(likelihood, at={"coherent-csi-2021.steady_state_norm": 0.0})).values()
    whole, held = (found.projections[0].uncertainty for found in (rates, one))
    steady = rates.projections[0].components["steady_state"]
    size = np.sqrt(whole**2 - held**2) / steady
    assert size == pytest.approx(np.full(len(steady), size[0]), rel=1e-6)


def test_many_bins_are_joined_where_they_divide() -> None:
    from cevnsfit.core.axes import Axis
    from cevnsfit.core.documents import About
    from cevnsfit.studies.rates import MOST, Rates

    axis = Axis("pe", tuple(np.linspace(0.0, 1.0, 100_001)), "PE")
    counts = np.arange(100_000.0)
    spread = Spread(np.ones((1, 100_000)), np.zeros(100_000), fitted=False)
    (found,) = Rates((axis,), counts, "x", {"cevns": counts}, counts, {}, About(), spread=spread).projections
    assert len(found.edges) - 1 <= MOST
    assert found.total.sum() == counts.sum()
    assert found.uncertainty == pytest.approx(np.full(400, 250.0))


def test_a_fit_without_errors_has_no_spread() -> None:
    likelihood = counting(90.0)
    best = cf.fit(likelihood)
    assert spread_after(likelihood, replace(best, errors=dict.fromkeys(best.errors, float("nan")))) == {}
