"""Pseudo-experiments of CsI 2021: pulls of the signal strength, and the coverage of Feldman-Cousins intervals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.coverage import studied
from cevnsfit.infer.hypothesis import at_value, default_hypothesis
from cevnsfit.infer.minima import conditional_fits, free_fits, start_set
from cevnsfit.infer.profile import profile
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import Toys
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data, toy_data
from cevnsfit.stats.engine import evaluate_problem, hessian
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from cevnsfit.stats.joint import Joint

STRENGTH = "signal_strength"
ONSET = "coherent-csi-2021.onset"
FAR = 20.0


def joint_of(model: str, systematics: str | None = None, **shape: float) -> Joint:
    experiment = load_experiment("coherent-csi-2021")
    return likelihood_of([experiment], model, signal_systematics=systematics).at(shape)


def without_bounds(joint: Joint) -> Joint:
    """Return the likelihood with bounds that no pseudo-experiment reaches: a count may turn negative, the sum of all does not.

    The onset keeps its own, which are six of its errors away.
    """
    return join(ParameterSet(tuple(p if p.name == ONSET else replace(p, lower=-FAR, upper=FAR) for p in joint.parameters)), joint.channels)


def pulls(joint: Joint, toys: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (estimate - truth)/error with Hesse errors, and the signed root of the likelihood ratio, shape (toys,)."""
    joint = without_bounds(joint)
    truth, place = joint.parameters.vector({STRENGTH: 1.0}), joint.parameters.index(STRENGTH)
    data = toy_data(joint, truth, np.random.default_rng(seed), toys)
    best, theta = free_fits(joint, data, truth[None], at={})
    assert np.isfinite(best).all()
    floating = np.array([i for i, p in enumerate(joint.parameters) if not p.fixed])
    assert np.all(np.abs(theta[:, floating]) < [joint.parameters.parameters[i].upper for i in floating])
    bound, rows = bind_data(joint, data, floating), np.arange(toys)
    first, second = hessian(bound, evaluate_problem(bound, theta, rows), rows, rows)
    own = list(floating).index(place)
    error = np.sqrt(np.linalg.inv((first + second) / 2)[:, own, own])
    distance = conditional_fits(joint, data, truth[None], at={STRENGTH: 1.0})[0] - best
    shift = theta[:, place] - 1.0
    return shift / error, np.sign(shift) * np.sqrt(np.maximum(distance, 0.0))


@pytest.mark.parametrize(("toys", "seed"), [(500, 1), pytest.param(2000, 2, marks=pytest.mark.slow)])
def test_pulls_of_the_signal_strength_are_unit_normal(toys: int, seed: int) -> None:
    """Mean and width within 3 Monte Carlo errors; with 20 000 toys the mean is -0.027 +- 0.007: errors grow with the estimate."""
    for pull in pulls(joint_of("signal-strength"), toys, seed):
        assert pull.mean() == pytest.approx(0.0, abs=3 / math.sqrt(toys))
        assert pull.std() == pytest.approx(1.0, abs=3 / math.sqrt(2 * toys))


@pytest.mark.parametrize(("toys", "seed"), [(500, 3), pytest.param(2000, 4, marks=pytest.mark.slow)])
def test_with_systematics_the_signed_root_is_unit_normal(toys: int, seed: int) -> None:
    _, root = pulls(joint_of("signal-strength", "profile"), toys, seed)
    assert root.mean() == pytest.approx(0.0, abs=3 / math.sqrt(toys))
    assert root.std() == pytest.approx(1.0, abs=3 / math.sqrt(2 * toys))


def test_without_signal_the_onset_leaves_the_end_of_its_domain() -> None:
    """There -2 ln lambda is concave in the onset, which the neutrons alone tell, and falls towards the middle."""
    joint, toys = joint_of("signal-strength"), 64
    place, lower = joint.parameters.index(ONSET), joint.parameters[ONSET].lower
    truth = profile(joint, {STRENGTH: np.zeros(1)}).theta[0]
    data = toy_data(joint, truth, np.random.default_rng(1), toys)
    begin = truth.copy()
    begin[place] = lower
    found = profile(joint, {STRENGTH: np.zeros(toys)}, data=data, start=begin)
    assert (found.converged.all(), found.fallbacks) == (True, 0)
    shifts = np.linspace(lower, joint.parameters[ONSET].upper, 41)
    rows = np.repeat(np.arange(toys), len(shifts))
    at = {STRENGTH: np.zeros(len(rows)), ONSET: np.tile(shifts, toys)}
    dense = profile(joint, at, data=data.rows(rows), start=truth).nll2.reshape(toys, -1)
    inside = dense.argmin(axis=1) > 0
    assert inside.sum() > 0.9 * toys
    assert np.mean(found.nll2 <= dense.min(axis=1) + 1e-6) > 0.9


@pytest.mark.parametrize("g", [4e-4, 0.032])
def test_free_fits_are_as_low_as_from_dense_starts(g: float) -> None:
    """Each pseudo-experiment is fitted from few of the prepared starts, with the nuisances of its fit at the truth."""
    joint, toys = joint_of("lmu-ltau", mass=1000.0), 24
    place, starts = joint.parameters.index("g"), start_set(joint, observed_data(joint), at={})
    truth = profile(joint, {"g": np.array([g])}).theta[0]
    data = toy_data(joint, truth, np.random.default_rng(11), toys)
    theta = conditional_fits(joint, data, np.concatenate([truth[None], starts]), at={"g": g})[1]
    begin = np.repeat(theta[None], len(starts), axis=0)
    begin[:, :, place] = starts[:, None, place]
    best = free_fits(joint, data, begin, at={})[0]
    rows, dense = np.repeat(np.arange(toys), 20), np.tile(joint.parameters.defaults(), (20 * toys, 1))
    dense[:, place] = np.tile(np.linspace(0.005, 0.12, 20), toys)
    found = profile(joint, {}, data=data.rows(rows), start=dense)
    lowest = np.where(found.converged, found.nll2, np.inf).reshape(toys, 20).min(axis=1)
    assert np.all(best <= lowest + 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("g", [0.001, 0.003])
def test_feldman_cousins_covers_where_wilks_does_not(g: float) -> None:
    test = default_hypothesis(joint_of("lmu-ltau", mass=100.0), "g")
    profiled, ordered = HERE(studied(at_value(test, g), cl=0.90, toys=Toys(1024, 2), nested=160, point=0))
    assert ordered.covered == pytest.approx(0.90, abs=2 * ordered.error)
    assert profiled.covered < 0.90 - 3 * profiled.error
    assert profiled.quantile > 3.0
