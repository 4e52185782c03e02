"""Where the asymptotic significance holds, and that pseudo-experiments agree where it is said to, and do not where it is said not to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.discovery import discovery, with_toys
from cevnsfit.infer.hypothesis import hypothesis, likelihood_ratio, q0, with_best_fit
from cevnsfit.infer.toys import Toys
from cevnsfit.infer.validity import doubts
from cevnsfit.stats.channel import Channel, Coefficients, ControlRegion
from cevnsfit.stats.data import toy_data
from cevnsfit.stats.joint import Joint, join
from cevnsfit.studies.fitting import prepared


def counts(*rows: tuple[tuple[int, ...], list[float]], observed: list[float], control: ControlRegion | None = None) -> Channel:
    """Return a channel of templates, each with its powers of the couplings a, b, ..."""
    powers = np.array([row for row, _ in rows])
    ones, names = np.ones(powers.shape), tuple("ab"[: powers.shape[1]])
    rule = Coefficients(names, powers, ones, ones, np.full(len(rows), -1), np.zeros(len(rows), dtype=np.int64))
    templates = np.array([template for _, template in rows])
    return Channel(f"bins{len(observed)}", templates, rule, ("cevns",) * len(rows), np.array(observed), control, (len(observed),))


def mirrored(observed: float, *others: Channel) -> Joint:
    """Return 400 (1 - a)^2 counts in one bin, with a >= 0: those of a = 0 and of a = 2 are the same."""
    channel = counts(((0,), [400.0]), ((1,), [-800.0]), ((2,), [400.0]), observed=[observed])
    return join(ParameterSet((Parameter("a", "polynomial", 0.0, 0.0, 10.0),)), (channel, *others))


def linear(background: float, bins: int, *, ratio: float | None = None) -> Joint:
    """Return counts a + background in each bin, the background known or measured."""
    control = None if ratio is None else ControlRegion(np.full(bins, ratio * background), ratio)
    known = [((0,), [background] * bins)] if ratio is None else []
    channel = counts(((1,), [1.0] * bins), *known, observed=[background] * bins, control=control)
    return join(ParameterSet((Parameter("a", "polynomial", 0.0, -10.0, 100.0),)), (channel,))


def doubts_of(joint: Joint, q: float = 1.0) -> tuple[str, ...]:
    return doubts(with_best_fit(hypothesis(joint, "a", 0.0)), q)


def test_a_mirror_of_no_signal_doubles_the_tail() -> None:
    found = discovery(mirrored(424.0), "a")
    assert "second minimum at a = 2," in found.remark
    assert len(found.minima) == 2
    assert found.p == pytest.approx(norm.sf(24 / 20), abs=0.01)
    toys = with_toys(found, Toys(4096, 3))
    assert toys.p == pytest.approx(2 * found.p, abs=4 * toys.toys.points[0].error)  # type: ignore[union-attr]
    assert toys.method.endswith("toys without signal")


def test_a_mirror_that_other_counts_exclude_is_none() -> None:
    other = counts(((0,), [100.0, 100.0]), ((1,), [50.0, 0.0]), observed=[100.0, 100.0])
    joint = mirrored(400.0, other)
    assert len(discovery(joint, "a").minima) == 2
    assert doubts_of(joint) == ()
    assert "second minimum" in doubts_of(joint, 40.0)[0]  # a mirror 61 above matters where so much is asked


@pytest.mark.parametrize(
    ("joint", "text"),
    [
        (linear(5.0, 1), "few events decide: as many as 5 in one bin"),
        (linear(0.1, 100), "few events decide: as many as 10 in one bin"),
        (linear(3.0, 50, ratio=1.0), "backgrounds are measured with few events: 4 in a bin"),
    ],
)
def test_few_events_are_named(joint: Joint, text: str) -> None:
    assert doubts_of(joint) == (text,)


@pytest.mark.parametrize("joint", [linear(100.0, 1), linear(1.0, 100), linear(25.0, 50, ratio=1.0)])
def test_where_there_is_no_doubt_toys_agree(joint: Joint) -> None:
    assert doubts_of(joint) == ()
    test = with_best_fit(hypothesis(joint, "a", 0.0))
    toys = q0(likelihood_ratio(toy_data(test.joint, test.theta, np.random.default_rng(1), 4096), test=test), 0.0)
    for q in (0.5, 1.0, 2.7):
        expected = norm.sf(np.sqrt(q))
        assert np.mean(toys >= q) == pytest.approx(expected, abs=4 * np.sqrt(expected / 4096) + 0.1 * expected)


def test_another_coupling_on_its_edge_is_named() -> None:
    channel = counts(((0, 0), [400.0, 400.0]), ((2, 0), [10.0, 20.0]), ((0, 2), [20.0, 10.0]), observed=[400.0, 400.0])
    joint = join(ParameterSet(tuple(Parameter(name, "polynomial", 0.0, 0.0, 100.0) for name in "ab")), (channel,))
    assert doubts_of(joint) == ("b is on the edge of its domain without signal",)
    alone = with_best_fit(hypothesis(joint, "a", 0.0, at={"b": 0.0}))
    assert doubts(alone, 1.0) == ()


@pytest.mark.parametrize("poi", ["eps_emu_u", "eps_ee_u"])
def test_a_parameter_that_is_held_by_default_floats_in_toys(poi: str) -> None:
    """Half of the toys without signal have an estimate above 0; a flavour-changing coupling is known but for its sign."""
    joint, held = prepared(cf.build_likelihood("coherent-csi-2021", model="nsi"), None)
    test = with_best_fit(hypothesis(joint, poi, 0.0, at=held))
    rows = likelihood_ratio(toy_data(test.joint, test.theta, np.random.default_rng(2), 512), test=test)
    above = np.mean(q0(rows, 0.0) > 1e-3)
    assert above == pytest.approx(0.48, abs=0.08) if poi == "eps_emu_u" else above > 0.6
    assert rows[:, 2].min() >= 0.0 if poi == "eps_emu_u" else rows[:, 2].min() < -0.01


def test_a_significance_beyond_the_toys_stays_asymptotic() -> None:
    found = with_toys(discovery(linear(5.0, 40), "a"), Toys(128, 1))
    assert found.asymptotic is False
    strong = discovery(join(found.test.joint.parameters, (counts(((1,), [1.0]), ((0,), [5.0]), observed=[40.0]),)), "a")
    assert strong.remark.startswith("the asymptotic significance does not hold: few events")
    spare = with_toys(strong, Toys(128, 1), asked=False)
    assert (spare.significance, spare.asymptotic) == (strong.significance, True)
    assert spare.toys is not None
    assert with_toys(strong, Toys(128, 1)).significance == np.inf


@pytest.mark.parametrize(("components", "told"), [(["cevns"], False), (["cevns", "beam_neutrons", "neutrino_induced_neutrons"], True)])
def test_a_shift_that_the_signal_alone_tells_makes_tails_of_two(components: list[str], told: bool) -> None:
    """Where nothing but the signal moves, a fluctuation picks its arrival, and toys without signal exceed q0 = 2.7 twice as often."""
    likelihood = cf.build_likelihood("coherent-csi-2021", model="signal-strength", changes={"systematics.onset.components": components})
    joint, truth = likelihood.at({}), 0.0
    test = with_best_fit(hypothesis(joint, "signal_strength", truth))
    reasons = doubts(test, 4.0)
    assert [reason for reason in reasons if "onset" in reason] == ([] if told else ["without signal nothing tells coherent-csi-2021.onset"])
    held = with_best_fit(hypothesis(joint, "signal_strength", truth, at={"coherent-csi-2021.onset": 0.0}))
    assert not any("onset" in reason for reason in doubts(held, 4.0))
    toys = q0(likelihood_ratio(toy_data(test.joint, test.theta, np.random.default_rng(4), 2048), test=test), truth)
    tail = np.mean(toys > 2.7) / norm.sf(np.sqrt(2.7))
    assert tail == pytest.approx(1.0 if told else 2.0, abs=0.3)
