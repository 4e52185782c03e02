"""Nuisances with two minima: found where their excursions resemble each other, and the lower minimum is taken."""

from __future__ import annotations

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.nuisance_minima import two_sided
from cevnsfit.infer.profile import floating_indices, profile
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import Data, observed_data, toy_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import Joint, join


def joint_with(up: np.ndarray, down: np.ndarray, observed: np.ndarray) -> Joint:
    """Return 100 events in each of four bins with one shape nuisance."""
    nominal = np.full(4, 100.0)
    templates = np.array([nominal, (up - down) / 2, (up + down - 2 * nominal) / 16])
    rule = Coefficients(("a",), np.zeros((3, 1)), np.ones((3, 1)), np.ones((3, 1)), np.array([-1, 0, 0]), np.array([0, 1, 2]))
    channel = Channel("one", templates, rule, ("background",) * 3, observed, None, (4,))
    return join(ParameterSet((Parameter("a", "nuisance", 0.0, constrained=True),)), (channel,))


def resembling(observed: np.ndarray) -> Joint:
    both, little = np.array([25.0, -25.0, 0.0, 0.0]), np.array([0.0, 0.0, 3.0, -3.0])
    return joint_with(100 + both + little, 100 + both - little, observed)


@pytest.mark.parametrize("lean", [-1.0, 1.0])
def test_the_lower_of_two_minima_is_found_from_either_side(lean: float) -> None:
    joint = resembling(np.array([122.0, 78.0, 100.0 + 4 * lean, 100.0 - 4 * lean]))
    line = np.linspace(-4, 4, 4001)[:, None]
    curve = nll2(joint, line, observed_data(joint))
    inner = np.flatnonzero((curve[1:-1] < curve[:-2]) & (curve[1:-1] < curve[2:])) + 1
    assert len(inner) == 2
    for start in (-1.0, 1.0):
        found = profile(joint, {}, start=np.array([start]))
        assert found.converged.all()
        assert found.nll2[0] == pytest.approx(curve.min(), abs=1e-4)
        assert np.sign(found.theta[0, 0]) == lean


def test_data_sets_of_a_batch_find_their_own_side() -> None:
    joint = resembling(np.full(4, 100.0))
    toys = toy_data(joint, np.array([1.0]), np.random.default_rng(3), 200)
    line = np.linspace(-4, 4, 801)
    best = np.min([nll2(joint, np.full((200, 1), value), toys) for value in line], axis=0)
    for start in (-1.0, 1.0):
        found = profile(joint, {}, data=toys, start=np.array([start]))
        assert np.all(found.nll2 <= best + 1e-6)


def test_opposite_excursions_are_not_looked_at_twice() -> None:
    step = np.array([25.0, -25.0, 10.0, 0.0])
    for joint, expected in ((joint_with(100 + step, 100 - step, np.full(4, 100.0)), 0), (resembling(np.full(4, 100.0)), 1)):
        bound = bind_data(joint, observed_data(joint), np.array([0]))
        assert len(two_sided(bound, np.zeros((3, 1)), np.arange(3))) == expected


def test_of_lar_the_energy_of_the_neutrons_is_two_sided_and_starts_do_not_matter() -> None:
    joint = cf.build_likelihood("coherent-lar-2020", model="sm").at({})
    names, data = joint.parameters.names, observed_data(joint)
    floating = floating_indices(joint, (), None)
    bound = bind_data(joint, data, floating)
    theta = profile(joint, {}).theta
    assert [names[floating[i]] for i in two_sided(bound, theta, np.zeros(1, dtype=np.int64))] == ["coherent-lar-2020.neutron_energy"]
    toys = toy_data(joint, theta[0], np.random.default_rng(8), 64)
    place = joint.parameters.index("coherent-lar-2020.neutron_energy")
    minima = []
    for side in (-0.8, 0.8):
        start = theta[0].copy()
        start[place] = side
        minima.append(profile(joint, {}, data=toys, start=start).nll2)
    np.testing.assert_allclose(minima[0], minima[1], rtol=0, atol=1e-5)
    assert isinstance(toys, Data)
