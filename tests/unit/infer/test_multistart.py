"""Couplings that float are minimised over all minima."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.infer.intervals import intervals
from cevnsfit.infer.lines import curved_couplings
from cevnsfit.infer.multistart import _fewest, profile_minima
from cevnsfit.infer.profile import profile
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import asimov_data, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable

    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


def released(likelihood: Likelihood, *names: str) -> Joint:
    joint = likelihood.at({})
    return replace(joint, parameters=joint.parameters.released(names))


@pytest.fixture(scope="module")
def nsi() -> Likelihood:
    return cf.build_likelihood("coherent-csi-2021", model="nsi")


def test_held_parameters_are_released_by_name(nsi: Likelihood) -> None:
    assert [p.name for p in released(nsi, "eps_ee_d").parameters if not p.fixed and p.kind == "polynomial"] == ["eps_ee_d"]
    assert all(p.fixed for p in nsi.parameters if p.kind == "polynomial")
    with pytest.raises(UnknownNameError, match="eps_ee_d"):
        released(nsi, "eps_ee_s")


def test_only_couplings_in_which_counts_are_curved_have_basins(nsi: Likelihood) -> None:
    joint = released(nsi, "eps_ee_d", "eps_tautau_u")
    assert curved_couplings(joint, {}) == ("eps_ee_d",)
    assert curved_couplings(joint, {"eps_ee_d": 0.0}) == ()
    strengths = cf.build_likelihood("coherent-csi-2021", model="signal-strength").at({})
    assert curved_couplings(strengths, {}) == ()


def test_without_curved_couplings_it_is_the_profile(nsi: Likelihood) -> None:
    joint, grid = nsi.at({}), {"eps_ee_u": np.linspace(-0.1, 0.5, 5)}
    np.testing.assert_array_equal(profile_minima(joint, grid).nll2, profile(joint, grid).nll2)


@pytest.mark.parametrize("name", ["eps_mumu_u", "eps_ee_d", "eps_emu_u"])
def test_it_is_not_above_any_value_of_the_coupling(nsi: Likelihood, name: str) -> None:
    joint = released(nsi, name)
    first = np.array([-0.15, 0.0, 0.2, 0.45])
    found = profile_minima(joint, {"eps_ee_u": first})
    assert found.converged.all()
    tried = np.linspace(-1.0, 1.0, 41)
    grid = {"eps_ee_u": np.repeat(first, 41), name: np.tile(tried, 4)}
    lowest = profile(joint, grid).nll2.reshape(4, 41).min(axis=1)
    assert np.all(found.nll2 <= lowest + 1e-6)
    again = profile(joint, {"eps_ee_u": first, name: found.theta[:, joint.parameters.index(name)]})
    np.testing.assert_allclose(again.nll2, found.nll2, atol=1e-5)


def test_the_start_does_not_matter(nsi: Likelihood) -> None:
    joint = released(nsi, "eps_mumu_u")
    start = joint.parameters.vector({"eps_mumu_u": 0.36})
    one, other = (profile_minima(joint, {"eps_ee_u": np.array([0.05, 0.3])}, start=begin) for begin in (None, start))
    np.testing.assert_allclose(one.nll2, other.nll2, atol=1e-6)


def test_the_minimum_over_everything_is_that_of_a_fit(nsi: Likelihood) -> None:
    joint = released(nsi, "eps_ee_u", "eps_mumu_u")
    assert profile_minima(joint, {}).nll2[0] == pytest.approx(fit(joint, minos=()).nll2, abs=1e-5)


def test_batches_of_data_are_minimised_each(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(1, g=1.2)
    data = toy_data(joint, joint.parameters.vector({"g": 1.2}), np.random.default_rng(3), 4)
    found = profile_minima(joint, {}, data=data)
    tried = np.linspace(0.0, 2.5, 51)
    lowest = np.min([profile(joint, {"g": np.full(4, g)}, data=data).nll2 for g in tried], axis=0)
    assert np.all(found.nll2 <= lowest + 1e-6)


def test_a_profiled_coupling_opens_the_interval_along_the_valley(nsi: Likelihood) -> None:
    single = intervals(nsi.at({}), "eps_ee_u", cl=0.9)
    assert len(single.allowed) == 2
    both = intervals(released(nsi, "eps_ee_d"), "eps_ee_u", cl=0.9)
    assert len(both.allowed) == 1
    assert both.allowed[0][0] < -2.0
    assert both.allowed[0][1] > 2.0


def test_counts_are_fewest_between_the_zeros_of_squared_charges() -> None:
    rule = Coefficients(("g",), np.array([[0], [1], [2]]), np.ones((3, 1)), np.ones((3, 1)), np.full(3, -1), np.zeros(3, dtype=np.int64))
    templates = np.array([[9.0, 1.0], [-6.0, -2.0], [1.0, 1.0]])  # (3 - g)^2 and (1 - g)^2
    channel = Channel("c", templates, rule, ("cevns",) * 3, np.array([4.0, 1.0]), None, (2,))
    joint = join(ParameterSet((Parameter("g", "polynomial", 0.0),)), (channel,))
    lowest, _ = _fewest(joint, np.array([[0.0], [7.0]]), np.array([0]), np.array([0.5]))
    np.testing.assert_allclose(lowest, 2.0, rtol=1e-9)


def test_where_effects_of_a_coupling_cancel_it_is_not_above_the_standard_model() -> None:
    """Tree mixing that cancels the mixing by a loop leaves hardly any effect of g: the parabola of its counts has its minimum far beyond the domain."""
    likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau-mixing")
    joint = likelihood.at({"mass": 30.0})
    data = asimov_data(joint, joint.parameters.defaults())
    values = -5.4310505577333145e-05 * (1.0 + np.append(0.0, np.linspace(-1e-3, 1e-3, 20)))
    assert profile_minima(joint, {"eps_tree": values}, data=data).nll2 == pytest.approx(0.0, abs=1e-6)
