"""What the error of a parameter is made of: against linear algebra, refits with moved data, and pseudo-experiments of one group."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.breakdown import STATISTICS
from cevnsfit.infer.impacts import ranking
from cevnsfit.infer.profile import profile
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import Data, observed_data, stack, toy_data
from cevnsfit.stats.gaussian import correlated
from cevnsfit.stats.joint import Joint, join

if TYPE_CHECKING:
    from collections.abc import Callable

CSI, LAR = "coherent-csi-2021", "coherent-lar-2020"


def straight() -> tuple[Joint, Any, Any]:
    """Return values x = s T + a U + b W + f Z with a covariance, unit normals a and b and a free f; the matrix of the templates, and the covariance."""
    rng = np.random.default_rng(4)
    templates = np.array([[3.0, 5.0, 4.0, 1.0, 2.0], [1.0, 2.0, 0.0, 1.0, 1.0], [0.5, -1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    root = rng.normal(size=(5, 5))
    covariance = root @ root.T + np.eye(5)
    one = np.ones((4, 4))
    rule = Coefficients(("s", "a", "b", "f"), np.eye(4, dtype=np.int64), one, one, np.full(4, -1), np.zeros(4, dtype=np.int64))
    parameters = ParameterSet(
        (
            Parameter("s", "polynomial", 1.0),
            Parameter("a", "nuisance", 0.0, constrained=True, group="flux"),
            Parameter("b", "nuisance", 0.0, constrained=True),
            Parameter("f", "nuisance", 0.0),
        )
    )
    values = templates[0] + rng.normal(size=5)
    channel = Channel("x", templates, rule, ("cevns", "a", "b", "f"), values, None, (5,), errors=correlated(covariance))
    return join(parameters, (channel,)), templates, covariance


def test_a_linear_model_is_linear_algebra() -> None:
    joint, templates, covariance = straight()
    found = ranking(joint, "s")
    weights = templates @ np.linalg.inv(covariance)
    inverse = np.linalg.inv(weights @ templates.T + np.diag([0.0, 1.0, 1.0, 0.0]))
    slope = (inverse @ weights)[0]
    shown = {entry.group: entry for entry in found.groups}
    assert shown[STATISTICS].error == pytest.approx(math.sqrt(slope @ covariance @ slope), rel=1e-5)
    for group, place in (("flux", 1), ("other", 2)):
        assert shown[group].error == pytest.approx(abs(inverse[0, place]), rel=1e-5)
        assert (shown[group].up, -shown[group].down) == pytest.approx((abs(inverse[0, place]),) * 2, rel=1e-5)
    assert found.quadrature == pytest.approx(math.sqrt(inverse[0, 0]), rel=1e-5)
    assert [entry.nuisances for entry in found.groups if entry.group == STATISTICS] == [("f",)]
    assert found.bent == []
    still = [
        replace(entry, error=0.0, up=up, down=0.0) for entry, up in zip(found.groups, (0.1, 0.1, *[0.0] * len(found.groups)), strict=False)
    ]
    assert replace(found, groups=tuple(still)).bent == [found.groups[1].group]  # at a point around which all is even


@pytest.fixture
def joint(make_joint: Callable[..., Joint]) -> Joint:
    made = make_joint(7, g=0.8)
    groups = {"flux": "flux", "a.rate": "flux", "a.tilt": "quenching"}
    return replace(made, parameters=ParameterSet(tuple(replace(p, group=groups.get(p.name, "")) for p in made.parameters)))


def refits(joint: Joint, sets: list[Data]) -> Any:
    """Return g at the minimum of each data set beside that of the observed data."""
    best = profile(joint, {}, start=joint.parameters.vector({"g": 0.8}))
    found = profile(joint, {}, data=stack(sets), start=best.theta[0])
    assert found.converged.all()
    return found.theta[:, joint.parameters.index("g")]


def moved(data: Data, kind: str, channel: int, place: int, step: float) -> Data:
    several = list(getattr(data, kind))
    several[channel] = several[channel] + step * (np.arange(len(several[channel])) == place)
    return replace(data, **{kind: tuple(several)})


def test_statistics_are_the_response_to_each_count_those_of_control_regions_too(joint: Joint) -> None:
    data, squares = observed_data(joint), 0.0
    for kind in ("counts", "control"):
        for channel, counts in enumerate(getattr(data, kind)):
            if counts is not None:
                ends = [refits(joint, [moved(data, kind, channel, place, step) for place in range(len(counts))]) for step in (0.1, -0.1)]
                squares += float(np.sum(np.where(counts > 0.0, counts, 0.0) * ((ends[0] - ends[1]) / 0.2) ** 2))
    statistics = ranking(joint, "g").groups[0]
    assert statistics.group == STATISTICS
    assert statistics.nuisances == ("a.norm",)
    assert statistics.error == pytest.approx(math.sqrt(squares), rel=1e-3)


def test_groups_are_the_spread_of_pseudo_experiments_in_which_only_they_fluctuate(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint(None, g=0.8)
    groups = {"flux": "flux", "a.rate": "flux", "b.brn": "background"}
    joint = replace(joint, parameters=ParameterSet(tuple(replace(p, group=groups.get(p.name, "")) for p in joint.parameters)))
    data, size, names = observed_data(joint), 600, joint.parameters.names
    toys = toy_data(joint, joint.parameters.vector({"g": 0.8}), np.random.default_rng(5), size)
    shown = {entry.group: entry.error for entry in ranking(joint, "g").groups}
    for group in (STATISTICS, "flux", "background"):
        own = np.array([groups.get(name) == group for name in names])
        sets = [replace(data, aux=np.where(own, toys.aux[row], data.aux)) for row in range(size)]
        if group == STATISTICS:
            sets = [replace(toys.take(row), aux=data.aux) for row in range(size)]
        assert refits(joint, sets).std() == pytest.approx(shown[group], rel=3.0 / math.sqrt(2 * size) + 0.01)


@pytest.mark.parametrize(
    ("names", "model", "true"),
    [
        ((CSI,), "signal-strength", {}),
        ((LAR,), "signal-strength", {}),
        ((CSI,), "lmu-ltau", {"mass": 30.0, "g": 2e-3}),
        ((LAR,), "lmu-ltau", {"mass": 30.0, "g": 3e-3}),
        pytest.param((CSI, LAR), "lmu-ltau", {"mass": 30.0, "g": 2e-3}, marks=pytest.mark.slow),
        pytest.param(("coherent-csi-2017",), "signal-strength", {}, marks=pytest.mark.slow),
    ],
)
def test_on_asimov_data_the_parts_add_up_in_quadrature(names: tuple[str, ...], model: str, true: dict[str, float]) -> None:
    likelihood = cf.build_likelihood(*names, model=model, signal_systematics="profile").with_data("asimov", true)
    found = cf.impacts(likelihood, at={name: value for name, value in true.items() if name == "mass"})
    assert found.quadrature == pytest.approx(found.error, rel=1e-3)
    shown = {entry.group: entry for entry in found.groups}
    assert {STATISTICS, "flux", "background"} <= {*shown}
    assert "other" not in shown
    if names == (CSI,) and model == "signal-strength":
        # a strength s times a flux of 10 %: s falls as 1/1.1 and rises as 1.1
        assert (shown["flux"].up, shown["flux"].down) == pytest.approx((0.1, 1.0 / 1.1 - 1.0), rel=1e-3)
        assert shown["flux"].error == pytest.approx(math.log(1.1), rel=1e-4)
        assert shown[STATISTICS].nuisances == (f"{CSI}.onset",)


def test_an_impact_is_what_the_error_loses_with_the_group_held_and_no_less_than_the_spread_from_its_centre(joint: Joint) -> None:
    joint = replace(joint, parameters=ParameterSet(tuple(replace(p, group=p.name) for p in joint.parameters)))
    found = ranking(joint, "g")
    shown, impacts = {entry.group: entry for entry in found.groups}, {entry.name: entry for entry in found.impacts}
    for name in ("flux", "b.brn"):
        impact, error = 0.5 * abs(impacts[name].up - impacts[name].down), impacts[name].error
        held = ranking(joint, "g", at={name: impacts[name].value}).error
        assert math.sqrt(found.error**2 - held**2) == pytest.approx(impact, rel=0.03)
        assert shown[name].error == pytest.approx(impact * error, rel=0.03)


def test_at_an_end_of_the_domain_only_moved_centres_tell(make_joint: Callable[..., Joint]) -> None:
    found = ranking(make_joint(2), "g")
    assert found.value == 0.0
    assert all(math.isnan(entry.error) for entry in found.groups)
    assert max(entry.up for entry in found.groups[1:]) > 0.0
    assert all(entry.down == 0.0 for entry in found.groups[1:])
    assert found.to_dict()["groups"][0]["error"] is None
    assert "is at an end of its domain: there is no linear response" in str(cf.table(found))


def test_without_nuisances_all_is_statistics(make_joint: Callable[..., Joint]) -> None:
    held = dict.fromkeys(("flux", "a.rate", "a.tilt", "b.brn"), 0.0) | {"a.norm": 1.0}
    found = ranking(make_joint(None, g=0.8), "g", at=held)
    assert [entry.group for entry in found.groups] == [STATISTICS]
    assert found.groups[0].error == pytest.approx(found.error, rel=1e-4)


# --- groups in experiment.yaml -----------------------------------------------------------------------------------------------------


def test_every_shipped_systematic_has_a_group() -> None:
    for name in cf.experiment_names():
        for part in cf.load_experiment(name).parts:
            assert all(entry.group for entry in part.spec.systematics.values()), name


def test_a_group_may_be_left_to_others_but_not_contradicted(tmp_path: Any) -> None:
    folder = tmp_path / "mine"
    cf.new_experiment("mine", folder, like="lar")
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    (folder / "experiment.yaml").write_text(text.replace("group: flux, ", ""), encoding="utf-8")
    both = cf.build_likelihood(CSI, str(folder), model="sm", allow_overlap=True)
    assert both.parameters["sns_flux"].group == "flux"
    assert both.parameters["mine.steady_state_norm"].group == "background"
    (folder / "experiment.yaml").write_text(text.replace("group: flux", "group: beam"), encoding="utf-8")
    line = next(number for number, part in enumerate(text.splitlines(), 1) if "group: flux" in part)
    with pytest.raises(
        cf.CevnsfitError, match=rf"mine/experiment.yaml:{line}: systematics.sns_flux.group: sns_flux is shared, .*'beam' here, but 'flux'"
    ):
        cf.build_likelihood(CSI, str(folder), model="sm", allow_overlap=True)
    (folder / "experiment.yaml").write_text(text.replace("group: flux", "group: 3"), encoding="utf-8")
    with pytest.raises(cf.CevnsfitError, match=rf"experiment.yaml:{line}: systematics.sns_flux.group"):
        cf.load_experiment(str(folder))


# --- constraints with a covariance -------------------------------------------------------------------------------------------------


def test_correlated_centres_contribute_with_their_covariance() -> None:
    asked = {
        "constraints": {"sns_flux": "1.0 +- 0.06"},
        "correlations": {(f"{CSI}.quenching_0", f"{CSI}.quenching_1"): 0.6, ("sns_flux", f"{CSI}.form_factor"): -0.5},
    }
    likelihood = cf.build_likelihood(CSI, model="signal-strength", signal_systematics="profile", **asked).with_data("asimov")
    found = cf.impacts(likelihood)
    shown = {entry.group: entry for entry in found.groups}
    size, joint = 400, likelihood.at({})
    rng, data, names = np.random.default_rng(2), observed_data(joint), (f"{CSI}.quenching_0", f"{CSI}.quenching_1")
    place = [channel.name for channel in joint.channels].index("constraints")
    own = [joint.channels[place].components.index(name) for name in names]
    sets = []
    for draw in rng.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], size):
        counts = list(data.counts)
        counts[place] = counts[place].copy()
        counts[place][own] += draw
        sets.append(replace(data, counts=tuple(counts)))
    toys = profile(joint, {}, data=stack(sets)).theta[:, joint.parameters.index("signal_strength")]
    assert shown["quenching"].error == pytest.approx(toys.std(), rel=3.0 / math.sqrt(2 * size) + 0.02)
    # flux and form factor are two groups with correlated centres: what both contribute together belongs to neither
    flux, form = shown["flux"].error, shown["form-factor"].error
    assert found.error**2 == pytest.approx(found.quadrature**2 - 2.0 * 0.5 * flux * form, rel=2e-3)
    assert flux == pytest.approx(0.06, rel=0.01)


def test_a_constraint_in_the_place_of_the_unit_normal_changes_its_group_alone() -> None:
    options = {"model": "signal-strength", "signal_systematics": "profile"}
    before, after = (
        {entry.group: entry for entry in cf.impacts(cf.build_likelihood(LAR, **options, **more).with_data("asimov")).groups}
        for more in ({}, {"constraints": {"sns_flux": "1.0 +- 0.05"}})
    )
    assert after["flux"].error == pytest.approx(0.05, rel=0.01)
    assert (after["flux"].up, after["flux"].down) == pytest.approx((0.0526, -0.0476), abs=2e-3)
    for group in (STATISTICS, "background", "efficiency", "onset"):
        assert after[group].error == pytest.approx(before[group].error, rel=1e-3)
