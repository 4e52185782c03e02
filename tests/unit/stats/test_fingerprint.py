"""Fingerprints tell likelihoods apart, and hold where nothing but the last digits differ."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.stats.channel import ControlRegion
from cevnsfit.stats.fingerprint import differences, fingerprint
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.likelihood import Likelihood

    Change = Callable[[Channel], Channel]


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return build(Analysis(("coherent-csi-2021", "coherent-lar-2020"), "lmu-ltau"))


def stored(likelihood: Likelihood, *points: Mapping[str, float]) -> dict[str, Any]:
    """Return a fingerprint as it comes back from a file."""
    return dict(json.loads(json.dumps(fingerprint(likelihood, points))))


def changed(likelihood: Likelihood, change: Change, *, when: Callable[[Mapping[str, float]], bool] = lambda _: True) -> Likelihood:
    """Return a likelihood with a change of its first channel, at some values of the parameters that rebuild templates."""

    def build_changed(values: Mapping[str, float]) -> tuple[Channel, ...]:
        first, *others = likelihood.build(values)
        return (change(first) if when(values) else first, *others)

    return dataclasses.replace(likelihood, build=build_changed)


def scaled(row: int, factor: float, bins: slice = slice(None)) -> Change:
    def change(channel: Channel) -> Channel:
        templates = channel.templates.copy()
        templates[row, bins] *= factor
        return dataclasses.replace(channel, templates=templates)

    return change


def test_a_likelihood_built_again_is_the_same(likelihood: Likelihood) -> None:
    again = build(Analysis(("coherent-csi-2021", "coherent-lar-2020"), "lmu-ltau"))
    assert differences(stored(likelihood), fingerprint(again)) == []


def test_it_is_small(likelihood: Likelihood) -> None:
    assert len(json.dumps(fingerprint(likelihood))) < 50_000


def test_last_digits_make_no_difference(likelihood: Likelihood) -> None:
    """Other machines add in other orders; a rounding of all sums would split some of them."""
    rng = np.random.default_rng(3)

    def noise(channel: Channel) -> Channel:
        size = np.abs(channel.templates).max(axis=1, keepdims=True)
        return dataclasses.replace(channel, templates=channel.templates + 1e-12 * size * rng.standard_normal(channel.templates.shape))

    for _ in range(20):
        assert differences(stored(likelihood), fingerprint(changed(likelihood, noise))) == []


def test_every_template_counts(likelihood: Likelihood) -> None:
    known = stored(likelihood)
    first = likelihood.build({p.name: p.default for p in likelihood.parameters if p.name in ("mass", "loop_sign", "slepton_log")})[0]
    for row, template in enumerate(first.templates):
        assert np.any(template != 0)
        found = differences(known, fingerprint(changed(likelihood, scaled(row, 1.01))))
        assert found, first.components[row]
        assert first.components[row] in found[0]


def test_counts_that_move_between_bins_are_noticed(likelihood: Likelihood) -> None:
    def swap(channel: Channel) -> Channel:
        templates = channel.templates.copy()
        templates[0, [10, 40]] = templates[0, [40, 10]]
        return dataclasses.replace(channel, templates=templates)

    assert differences(stored(likelihood), fingerprint(changed(likelihood, swap)))


@pytest.mark.parametrize(
    "when",
    [lambda v: v["mass"] < 2.0, lambda v: v["mass"] > 50.0, lambda v: v["loop_sign"] < 1.0, lambda v: v["slepton_log"] != 0.0],
    ids=["light", "heavy", "sign", "log"],
)
def test_a_change_away_from_the_defaults_is_noticed(likelihood: Likelihood, when: Callable[[Mapping[str, float]], bool]) -> None:
    other = changed(likelihood, scaled(0, 1.001), when=when)
    (first, *_) = differences(stored(likelihood), fingerprint(other))
    assert first.startswith("coherent-csi-2021 at mass = ")


def test_points_of_the_study_are_looked_at_too(likelihood: Likelihood) -> None:
    other = changed(likelihood, scaled(0, 1.001), when=lambda values: values["mass"] == 777.0)
    assert differences(stored(likelihood), fingerprint(other)) == []
    (first, *_) = differences(stored(likelihood, {"mass": 777.0, "g": 1e-3}), fingerprint(other, [{"mass": 777.0, "g": 1e-3}]))
    assert "mass = 777" in first


def test_a_model_without_counts_away_from_its_defaults_has_a_fingerprint_too(likelihood: Likelihood) -> None:
    def refuse(channel: Channel) -> Channel:
        return dataclasses.replace(channel, templates=channel.templates / (0.0 * channel.templates))

    other = changed(likelihood, refuse, when=lambda values: values["mass"] > 50.0)
    assert list(fingerprint(other)["templates"]["coherent-csi-2021"]) == [
        "mass = 10, loop_sign = 1, slepton_log = 0",
        "mass = 1, loop_sign = -0.38, slepton_log = -38",
    ]
    assert differences(stored(other), fingerprint(other)) == []
    assert differences(stored(likelihood), fingerprint(other))


def _powers(channel: Channel) -> Channel:
    powers = channel.coefficients.powers.copy()
    powers[1] *= 2
    return dataclasses.replace(channel, coefficients=dataclasses.replace(channel.coefficients, powers=powers))


def _norm(channel: Channel) -> Channel:
    high = np.where(channel.coefficients.norm_hi == 1.0, 1.0, channel.coefficients.norm_hi * 1.001)
    return dataclasses.replace(channel, coefficients=dataclasses.replace(channel.coefficients, norm_hi=high))


def _observed(channel: Channel) -> Channel:
    assert channel.observed is not None
    return dataclasses.replace(channel, observed=channel.observed + np.eye(len(channel.observed))[3])


def _without_control(channel: Channel) -> Channel:
    return dataclasses.replace(channel, control=None)


def _ratio(channel: Channel) -> Channel:
    assert channel.control is not None
    return dataclasses.replace(channel, control=ControlRegion(channel.control.counts, channel.control.ratio * 1.01))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_powers, "there and not asked"),
        (_norm, "coherent-csi-2021 cevns"),
        (_observed, "coherent-csi-2021 observed is"),
        (_without_control, "coherent-csi-2021 control region is there and not asked"),
        (_ratio, "coherent-csi-2021 control region is"),
    ],
    ids=["powers", "norm", "observed", "control", "ratio"],
)
def test_rules_and_counts_are_part_of_it(likelihood: Likelihood, change: Change, text: str) -> None:
    if change in (_without_control, _ratio):
        channel = likelihood.build({p.name: p.default for p in likelihood.parameters})[0]
        bins = channel.templates.shape[1]
        likelihood = changed(likelihood, lambda c: dataclasses.replace(c, control=ControlRegion(np.ones(bins), 2.0)))
    (first, *_) = differences(stored(likelihood), fingerprint(changed(likelihood, change)))
    assert text in first


def test_the_ratios_of_bins_are_sums_in_it(likelihood: Likelihood) -> None:
    bins = likelihood.build({p.name: p.default for p in likelihood.parameters})[0].templates.shape[1]
    one, two = (
        changed(likelihood, lambda c, r=ratio: dataclasses.replace(c, control=ControlRegion(np.ones(bins), r)))  # type: ignore[misc]
        for ratio in (np.full(bins, 2.0), np.where(np.arange(bins) == 3, 2.02, 2.0))
    )
    (first, *_) = differences(stored(one), fingerprint(two))
    assert "coherent-csi-2021 control region is" in first
    assert all(len(part["control region"]) < 20 for part in fingerprint(one)["counts"].values() if "control region" in part)


@pytest.mark.parametrize("field", [{"default": 11.0}, {"lower": 2e-3}, {"unit": "GeV"}, {"fixed": True}])
def test_parameters_are_part_of_it(likelihood: Likelihood, field: dict[str, Any]) -> None:
    parameters = tuple(dataclasses.replace(p, **field) if p.name == "mass" else p for p in likelihood.parameters)
    (first, *_) = differences(stored(likelihood), fingerprint(dataclasses.replace(likelihood, parameters=ParameterSet(parameters))))
    assert first.startswith("parameter mass is nonlinear, MeV, False, False, 10, 0.001")


def test_many_differences_are_counted(likelihood: Likelihood) -> None:
    other = dataclasses.replace(likelihood, build=lambda values: likelihood.build(values)[:1])
    found = differences(stored(likelihood), fingerprint(other))
    assert len(found) == 4
    assert found[3].startswith("and ")


def test_an_infinite_end_is_not_a_finite_one(likelihood: Likelihood) -> None:
    parameters = tuple(dataclasses.replace(p, upper=np.inf) if p.name == "mass" else p for p in likelihood.parameters)
    (first, *_) = differences(stored(likelihood), fingerprint(dataclasses.replace(likelihood, parameters=ParameterSet(parameters))))
    assert "inf asked" in first
