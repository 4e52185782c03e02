"""Batches with events in few of many bins: the same numbers as with all bins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.hypothesis import at_value, default_hypothesis, toys_of
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import run_chunk
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observing, toy_data
from cevnsfit.stats.engine import evaluate_problem, hessian, nll2_at
from cevnsfit.stats.joint import join
from cevnsfit.stats.sparse import own_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cevnsfit.stats.binding import BoundLikelihood
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

BINS = 4000


def many_bins(power: int, events: float = 200.0) -> Joint:
    """Return a background and a signal, in proportion to g or g^2, that is negative in the last bins, with a norm and a tilt."""
    x = np.linspace(0, 1, BINS)
    background, signal = events * (1.5 - x) / BINS, events * (1 - 1.4 * x) / BINS
    rows = [
        (template * line, k, tilt) for template, k in ((background, 0), (signal, power)) for line, tilt in ((1.0, 0), (0.2 * (x - 0.5), 1))
    ]
    powers = np.array([[k, 0, 0] for _, k, _ in rows])
    hi = np.array([[1.0, 1.1, 1.0]] * len(rows))
    tilts = np.array([tilt for *_, tilt in rows])
    rule = Coefficients(("g", "norm", "tilt"), powers, hi, 1 / hi, np.where(tilts, 2, -1), tilts)
    channel = Channel("many", np.array([row[0] for row in rows]), rule, ("all",) * len(rows), None, None, (BINS,))
    nuisances = (Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True) for name in ("norm", "tilt"))
    joint = join(ParameterSet((Parameter("g", "polynomial", 0.0, -5.0, 5.0), *nuisances)), (channel,))
    return observing(joint, toy_data(joint, joint.parameters.vector({"g": 0.5}), np.random.default_rng(1), 1).take(0))


def toys(joint: Joint, size: int, g: float = 0.5) -> Data:
    return toy_data(joint, joint.parameters.vector({"g": g}), np.random.default_rng(2), size)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Iterator[bool]]:
    """Return what is iterated over twice: with the bins that have events, and with all."""

    def ways() -> Iterator[bool]:
        yield True
        monkeypatch.setattr("cevnsfit.stats.sparse.MANY", 10 * BINS)
        yield False

    return ways


def numbers(bound: BoundLikelihood, theta: np.ndarray) -> list[np.ndarray]:
    rows = np.arange(len(theta))[::-1] % 4
    found = evaluate_problem(bound, theta, rows)
    curved = sum(hessian(bound, found, np.arange(len(theta)), rows))
    return [found.value, found.gradient, found.depth, found.pressed, found.blocked, curved, nll2_at(bound, theta, rows)]


def test_value_slope_and_hessian_are_those_of_all_bins(both: Callable[[], Iterator[bool]]) -> None:
    """At points with and without negative bins; data sets in any order, and several times."""
    joint, rng = many_bins(1), np.random.default_rng(3)
    theta = np.column_stack([np.linspace(-2.0, 5.0, 12), rng.normal(size=(12, 2))])
    found = []
    for few in both():
        bound = bind_data(joint, toys(joint, 4), np.arange(3))
        assert (bound.channels[0].own is not None) == few
        found.append(numbers(bound, theta))
    (*one, curved, height), (*other, expected, top) = found
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(height, top, rtol=1e-11)
    np.testing.assert_allclose(curved, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())  # single precision
    assert 0 < np.count_nonzero(one[2] < 0) < len(theta)


def test_profiles_at_the_edge_are_those_of_all_bins(both: Callable[[], Iterator[bool]]) -> None:
    """Bins without events keep the signal from becoming as large as the others want it."""
    joint = many_bins(1)
    data, found = toys(joint, 6, 1.2), []
    for _ in both():
        free = profile(joint, {}, data=data, start=np.array([3.0, 0.0, 0.0]))
        held = profile(joint, {"g": np.full(6, 4.0)}, data=data)
        found.append((free, held))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.nll2, other.nll2, rtol=1e-9, atol=1e-7)
        np.testing.assert_array_equal(one.on_edge, other.on_edge)
    assert found[0][0].converged.all()
    assert found[0][0].on_edge.any()
    assert np.isinf(found[0][1].nll2).all()


def test_toys_are_those_of_all_bins(both: Callable[[], Iterator[bool]]) -> None:
    joint = many_bins(2)
    chunk = replace(toys_of(at_value(default_hypothesis(joint, "g"), 0.5), 1, 0), size=8)
    one, other = (run_chunk(chunk) for _ in both())
    np.testing.assert_allclose(one[:, :2], other[:, :2], rtol=0, atol=1e-9 * np.abs(other[:, :2]).max())
    assert not np.isnan(one).any()


def test_which_batches_have_few_bins_with_events() -> None:
    counts = np.zeros((3, BINS))
    counts[0, 5], counts[1, [2, 7]], counts[2, [0, BINS - 1]] = 3.0, (1.0, 2.0), (4.0, 0.5)
    own = own_counts(counts)
    assert own is not None
    np.testing.assert_array_equal(own[0], [[5, 5], [2, 7], [0, BINS - 1]])
    np.testing.assert_array_equal(own[1], [[3.0, 0.0], [1.0, 2.0], [4.0, 0.5]])
    assert own_counts(counts[0]) is None
    assert own_counts(counts[:, :100]) is None
    assert own_counts(np.append(counts, np.zeros((1, BINS)), axis=0)) is None
    assert own_counts(np.append(counts, np.ones((1, BINS)), axis=0)) is None
