"""A likelihood for other people's samplers: densities, gradients, other data, and a round trip through pickle."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, FitError, UnknownNameError
from cevnsfit.infer.profile import profile
from cevnsfit.stats.data import observed_data, toy_data
from cevnsfit.stats.engine import nll2
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.likelihood import Likelihood

NAMES = ("coherent-csi-2021", "coherent-lar-2020")


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood(*NAMES, model="lmu-ltau")


def test_names_folders_and_experiments_build_the_same(likelihood: Likelihood) -> None:
    folder = cf.load_experiment(NAMES[1]).folder
    other = cf.build_likelihood(cf.load_experiment(NAMES[0]), folder, model="lmu-ltau")
    assert other.names == likelihood.names
    assert other.origin == likelihood.origin == Analysis(NAMES, "lmu-ltau")
    point = {"mass": 30.0, "g": 1e-3, "sns_flux": 0.4}
    assert other.logpdf(point) == likelihood.logpdf(point)


def test_a_change_is_part_of_the_origin() -> None:
    changed = cf.build_likelihood("ccm-200", model="sm", changes={"source.distance": "40 m"})
    assert changed.origin is not None
    assert dict(changed.origin.overrides) == {"source.distance": "40 m"}
    far = cf.load_experiment("ccm-200", {"source.distance": "40 m"})
    assert cf.build_likelihood(far, model="sm").origin == changed.origin
    near = cf.build_likelihood("ccm-200", model="sm")
    ratio = changed.counts()["ccm-200"].total / near.counts()["ccm-200"].total
    assert ratio < 0.9
    both = cf.build_likelihood(far, "coherent-lar-2020", model="sm")
    assert both.origin == Analysis(("ccm-200", "coherent-lar-2020"), "sm", (("ccm-200:source.distance", "40 m"),))
    assert build(both.origin).counts()["ccm-200"].total == pytest.approx(changed.counts()["ccm-200"].total, rel=1e-14)


def test_a_change_of_one_experiment_leaves_the_others() -> None:
    names = ("ccm-200", "coherent-lar-2020")
    near, far = (
        cf.build_likelihood(*names, model="sm", changes=changes).counts({}) for changes in (None, {"ccm-200:source.distance": "46 m"})
    )
    alone = cf.build_likelihood("ccm-200", model="sm", changes={"source.distance": "46 m"}).counts({})
    np.testing.assert_array_equal(far["ccm-200"].values(), alone["ccm-200"].values())
    assert far["ccm-200"].total < near["ccm-200"].total
    np.testing.assert_array_equal(far["coherent-lar-2020"].values(), near["coherent-lar-2020"].values())
    with pytest.raises(cf.CevnsfitError, match="unknown experiment among those combined 'ccm-20'; did you mean ccm-200"):
        cf.build_likelihood(*names, model="sm", changes={"ccm-20:source.distance": "46 m"})


def test_logpdf_is_minus_half_of_nll2_in_every_form(likelihood: Likelihood) -> None:
    joint = likelihood.at({"mass": 20.0})
    theta = joint.parameters.vector({"g": 5e-4, "sns_flux": 0.3})
    expected = -0.5 * float(nll2(joint, theta[None], observed_data(joint))[0])
    named = likelihood.logpdf({"mass": 20.0, "g": 5e-4, "sns_flux": 0.3})
    assert np.ndim(named) == 0
    assert named == pytest.approx(expected, rel=1e-14, abs=0)
    values = {"mass": 20.0, "g": 5e-4, "sns_flux": 0.3}
    row = np.array([values.get(name, likelihood.parameters[name].default) for name in likelihood.names])
    assert likelihood.logpdf(row) == named
    assert likelihood.logpdf(np.tile(row, (3, 1))) == pytest.approx(np.full(3, named), abs=1e-10)
    assert likelihood.logpdf({**values, "g": [5e-4, 5e-4]}).tolist() == pytest.approx([float(named)] * 2, abs=1e-10)


def test_gradient_agrees_with_differences(likelihood: Likelihood) -> None:
    point = {"mass": 20.0, "g": 5e-4, "sns_flux": 0.3, "coherent-lar-2020.f90": -0.5}
    value, gradient = likelihood.logpdf(point, gradient=True)
    assert value == likelihood.logpdf(point)
    for name, here in point.items():
        step = 1e-5 * max(abs(here), 1e-3)
        up, down = (likelihood.logpdf({**point, name: here + sign * step}) for sign in (1, -1))
        assert gradient[likelihood.names.index(name)] == pytest.approx((up - down) / (2 * step), rel=2e-3)


def test_profiled_is_the_profile_and_its_gradient_that_of_the_profile(likelihood: Likelihood) -> None:
    g = np.array([0.0, 5e-4, 2e-3])
    found = likelihood.logpdf({"mass": 20.0, "g": g}, profiled=True)
    assert found == pytest.approx(-0.5 * profile(likelihood.at({"mass": 20.0}), {"g": g}).nll2, abs=1e-6)
    assert likelihood.interest == ("g", "mass")
    value, slope = likelihood.logpdf([5e-4, 20.0], profiled=True, gradient=True)
    assert value == pytest.approx(found[1], abs=1e-6)
    up, down = likelihood.logpdf({"mass": 20.0, "g": [5.05e-4, 4.95e-4]}, profiled=True)
    assert slope[0] == pytest.approx((up - down) / 1e-5, rel=1e-2)


def test_outside_the_domain_it_is_minus_infinity(likelihood: Likelihood) -> None:
    assert likelihood.logpdf({"mass": 20.0, "g": -1e-3}) == -np.inf
    assert likelihood.logpdf({"mass": [1e-9, 20.0], "g": 1e-3})[0] == -np.inf
    assert np.isnan(likelihood.logpdf({"g": -1e-3}, gradient=True)[1]).all()
    with pytest.raises(UnknownNameError, match="did you mean"):
        likelihood.logpdf({"mas": 20.0})
    with pytest.raises(CevnsfitError, match=r"n = 20"):
        likelihood.logpdf(np.zeros(5))


def test_a_pickled_likelihood_gives_the_same_numbers(likelihood: Likelihood) -> None:
    toy = likelihood.with_data("toy", seed=3)
    point = {"mass": [20.0, 300.0], "g": 1e-3}
    for one in (likelihood, toy):
        again = pickle.loads(pickle.dumps(one))
        assert again.logpdf(point).tolist() == one.logpdf(point).tolist()
        before, after = (of.counts(mass=20.0, g=1e-3)[NAMES[0]] for of in (one, again))
        assert after.axes == before.axes
        assert after.values().tolist() == before.values().tolist()
        assert again.origin == likelihood.origin


def test_other_data_take_the_place_of_the_observed_ones(likelihood: Likelihood) -> None:
    point = {"mass": 20.0, "g": 1e-3}
    assert likelihood.with_data("asimov", **point).logpdf(point) == pytest.approx(0.0, abs=1e-9)
    joint = likelihood.at({})
    expected = toy_data(joint, joint.parameters.defaults(), np.random.default_rng(np.random.SeedSequence(5)), 1).take(0)
    toy = observed_data(likelihood.with_data("toy", seed=5).at({}))
    assert all(np.array_equal(a, b) for a, b in zip(toy.counts, expected.counts, strict=True))
    assert np.array_equal(toy.aux, expected.aux)
    assert np.abs(toy.aux).max() > 0
    zero = likelihood.with_data({NAMES[0]: np.zeros(99)}).at({})
    assert zero.channels[0].observed is not None
    assert not zero.channels[0].observed.any()
    assert zero.channels[1].observed is not None
    assert np.array_equal(zero.channels[1].observed, joint.channels[1].observed)
    kept = likelihood.with_data("asimov", keep=[NAMES[1]]).at({})
    assert kept.channels[1].observed is not None
    assert np.array_equal(kept.channels[1].observed, joint.channels[1].observed)


def test_wrong_data_are_refused(likelihood: Likelihood) -> None:
    with pytest.raises(CevnsfitError, match="needs a seed"):
        likelihood.with_data("toy")
    with pytest.raises(CevnsfitError, match="nothing else takes one"):
        likelihood.with_data("asimov", seed=1)
    with pytest.raises(UnknownNameError, match="coherent-csi-2021"):
        likelihood.with_data({"coherent-csi-2012": np.zeros(99)})
    with pytest.raises(CevnsfitError, match="99 numbers"):
        likelihood.with_data({NAMES[0]: np.zeros(3)}).at({})
    with pytest.raises(DomainError):
        likelihood.with_data("asimov", g=-1.0)


@pytest.mark.parametrize("verb", [cf.intervals, cf.significance, cf.goodness, cf.impacts])
def test_verbs_name_the_bin_of_data_that_the_model_cannot_make(verb: Callable[[Likelihood], object]) -> None:
    likelihood = cf.build_likelihood("coherent-lar-2020", model="signal-strength")
    build = likelihood.build

    def without_first_bin(values: Mapping[str, float]) -> tuple[Channel, ...]:
        (channel,) = build(values)
        return (replace(channel, templates=np.where(np.arange(960) == 0, 0.0, channel.templates), observed=np.ones(960)),)

    emptied = replace(likelihood, build=without_first_bin)
    with pytest.raises(FitError, match=r"the model expects nothing in e_ee .*, where 1 events were seen"):
        verb(emptied)
    with pytest.raises(FitError, match=r"the model expects nothing in bin 0, where 1 events were seen"):
        verb(replace(emptied, axes={}))
