"""Goodness of fit, agreement of experiments, and impacts of nuisances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import chi2

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.compatibility import compatibility, shared_couplings
from cevnsfit.infer.fit import fit
from cevnsfit.infer.goodness import deviance, goodness_of_fit
from cevnsfit.infer.impacts import ranking
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.data import asimov_data, observed_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint


def test_asimov_data_fit_perfectly(make_joint: Callable[..., Joint]) -> None:
    found = goodness_of_fit(make_joint(None, g=0.9), toys=Toys(128, 1))
    assert found.statistic == pytest.approx(0.0, abs=1e-5)
    assert found.values["g"] == pytest.approx(0.9, abs=1e-3)
    assert found.p == pytest.approx(1.0)
    assert found.toys is not None
    assert (found.toys.points[0].p, found.toys.toys, found.toys.failed) == (1.0, 128, 0)


def test_the_deviance_is_that_of_the_best_fit(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(4)
    found = goodness_of_fit(joint)
    best = fit(joint, minos=())
    assert found.statistic == pytest.approx(best.nll2, abs=1e-5)
    assert found.ndof == best.ndof
    assert found.p == pytest.approx(chi2.sf(best.nll2, best.ndof), rel=1e-4)
    assert found.toys is None


def test_systematics_that_are_held_do_not_fluctuate(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    held = {p.name: p.default for p in joint.parameters if p.constrained}
    found = goodness_of_fit(joint, at=held, toys=Toys(128, 1))
    every = goodness_of_fit(join(ParameterSet(tuple(replace(p, constrained=False) for p in joint.parameters)), joint.channels), at=held)
    assert found.statistic == pytest.approx(every.statistic, abs=1e-6)
    data = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(1), 3)
    options = {"joint": joint, "at": held, "starts": joint.parameters.defaults()[None], "centres": np.zeros(len(joint.parameters))}
    np.testing.assert_array_equal(deviance(data, **options), deviance(replace(data, aux=np.zeros_like(data.aux)), **options))


def test_bins_that_disagree_are_noticed(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    first = joint.channels[0]
    zigzag = first.observed * (1 + 0.35 * (-1.0) ** np.arange(len(first.observed)))
    found = goodness_of_fit(join(joint.parameters, (replace(first, observed=zigzag), *joint.channels[1:])), toys=Toys(128, 2))
    assert found.p < 0.01
    assert found.toys is not None
    assert found.toys.points[0].p < 0.03
    assert found.toys.seed == 2


@pytest.mark.slow
def test_experiments_that_measure_the_same_agree(make_joint: Callable[..., Joint]) -> None:
    found = compatibility(make_joint(None, g=0.9))
    assert found.statistic == pytest.approx(0.0, abs=1e-4)
    assert found.ndof == 1
    assert {name: values["g"] for name, values in found.separate.items()} == pytest.approx({"a": 0.9, "b": 0.9}, abs=5e-3)


def test_without_shared_systematics_it_is_the_difference_of_minima(make_joint: Callable[..., Joint]) -> None:
    joint, held = make_joint(6, g=0.5), {"flux": 0.0}
    found = compatibility(joint, at=held)
    separate = [fit(join(joint.parameters, (channel,)), at=held, minos=()) for channel in joint.channels]
    combined = fit(joint, at=held, minos=())
    assert found.statistic == pytest.approx(combined.nll2 - sum(one.nll2 for one in separate), abs=1e-4)
    assert found.combined["g"] == pytest.approx(combined.values["g"], abs=1e-3)


def test_a_systematic_that_both_share_is_no_disagreement(make_joint: Callable[..., Joint]) -> None:
    """Both experiments see 20 % too much: a shared flux absorbs it, whatever its constraint costs."""
    joint = make_joint(None)
    more = tuple(replace(channel, observed=1.2 * channel.observed) for channel in joint.channels)
    found = compatibility(join(joint.parameters, more))
    assert 0.0 <= found.statistic < 0.5


@pytest.mark.slow
def test_experiments_that_disagree_are_noticed(make_joint: Callable[..., Joint]) -> None:
    joint, other = make_joint(None, g=0.0), make_joint(None, g=0.62)
    mixed = join(joint.parameters, (other.channels[0], joint.channels[1]))
    found = compatibility(mixed, toys=Toys(128, 1))
    assert found.p < 0.05
    assert found.separate["a"]["g"] > found.separate["b"]["g"]
    assert found.toys is not None
    assert found.toys.points[0].p < 0.1


def test_one_experiment_has_nothing_to_agree_with(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None)
    alone = join(joint.parameters, joint.channels[:1])
    assert shared_couplings(alone, {}) == {}
    with pytest.raises(CevnsfitError, match="nothing to compare"):
        compatibility(alone)


def test_impacts_are_correlations_in_the_gaussian_limit(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.9)
    found = ranking(joint, "g")
    names = list(found.fit.floating)
    sigma = found.fit.errors["g"]
    assert [impact.size for impact in found.impacts] == sorted((impact.size for impact in found.impacts), reverse=True)
    for impact in found.impacts:
        linear = found.fit.correlation[names.index("g"), names.index(impact.name)] * sigma
        assert impact.up == pytest.approx(linear, abs=0.12 * sigma)
        assert impact.down == pytest.approx(-linear, abs=0.12 * sigma)
    flux = next(impact for impact in found.impacts if impact.name == "flux")
    assert flux.constrained
    assert flux.value == pytest.approx(0.0, abs=1e-3)
    assert 0.5 < flux.error < 1.0


def test_impacts_need_a_parameter_that_floats(make_joint: Callable[..., Joint]) -> None:
    with pytest.raises(CevnsfitError, match="is held"):
        ranking(make_joint(None, g=0.9), "g", at={"g": 0.9})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_data_given_by_hand_take_the_place_of_the_observed(make_joint: Callable[..., Joint], seed: int) -> None:
    joint = make_joint()
    theta = joint.parameters.vector({"g": 0.9})
    toy = toy_data(joint, theta, np.random.default_rng(seed), 2).take(0)
    assert goodness_of_fit(joint, data=toy).statistic != pytest.approx(goodness_of_fit(joint).statistic)
    assert ranking(joint, "g", data=asimov_data(joint, theta)).fit.values["g"] == pytest.approx(0.9, abs=1e-3)
    assert compatibility(joint, data=observed_data(joint)).statistic == pytest.approx(compatibility(joint).statistic)
