"""Workspaces of others against pyhf itself: the same -2 ln L, the same minima, the same after an export; settings and parts of all kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.errors import CevnsfitError, FitError, ResultError
from cevnsfit.infer.fit import fit
from cevnsfit.model.workspace import likelihood_of
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import measured_backgrounds
from cevnsfit.studies.export_likelihood import workspaces

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

    Floats = NDArray[np.float64]
    Spec = dict[str, Any]

pyhf = pytest.importorskip("pyhf")
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")


def modifier(name: str, kind: str, data: object = None) -> Spec:
    return {"name": name, "type": kind, "data": data}


def workspace(channels: dict[str, list[Spec]], counts: dict[str, list[float]], *settings: Spec, poi: str = "mu") -> Spec:
    return {
        "channels": [{"name": name, "samples": samples} for name, samples in channels.items()],
        "observations": [{"name": name, "data": data} for name, data in counts.items()],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": list(settings)}}],
        "version": "1.0.0",
    }


def random_workspace(seed: int) -> Spec:
    """Return a workspace of 1-3 channels, 1-5 bins and 1-3 samples with modifiers of all kinds, some of them shared or with settings."""
    rng = np.random.default_rng(seed)
    counts: dict[str, list[float]] = {}
    channels: dict[str, list[Spec]] = {}
    bins = int(rng.integers(1, 6))
    shared = rng.choice(["pull", "norm", ""], 2)
    for number in range(int(rng.integers(1, 4))):
        name, size = f"region{number}", bins if rng.random() < 0.5 else int(rng.integers(1, 6))
        samples = [_sample(rng, f"sample{k}", name, size, shared, bins) for k in range(int(rng.integers(1, 4)))]
        if number == 0:
            samples[0]["modifiers"].append(modifier("mu", "normfactor"))
            if rng.random() < 0.4:
                samples.append(_measured(rng, size, channels, counts))
        channels[name] = samples
        counts[name] = rng.poisson(np.sum([sample["data"] for sample in samples], axis=0)).astype(float).tolist()
    used = {m["name"]: (m["type"], len(s["data"])) for part in channels.values() for s in part for m in s["modifiers"]}
    settings = [entry for name, (kind, size) in used.items() if (entry := _settings(rng, name, kind, size))]
    return workspace(channels, counts, *settings)


def _measured(rng: np.random.Generator, bins: int, channels: dict[str, list[Spec]], counts: dict[str, list[float]]) -> Spec:
    """Return a background that is measured bin by bin: under a shapesys, or under a shapefactor with a channel of its own."""
    data = rng.uniform(5.0, 60.0, bins)
    if rng.random() < 0.5:
        return {"name": "measured", "data": data.tolist(), "modifiers": [modifier("by", "shapesys", rng.uniform(1.0, 5.0, bins).tolist())]}
    there = rng.uniform(5.0, 60.0, bins)
    channels["control"] = [{"name": "measured", "data": there.tolist(), "modifiers": [modifier("by", "shapefactor")]}]
    counts["control"] = rng.poisson(there).astype(float).tolist()
    return {"name": "measured", "data": data.tolist(), "modifiers": [modifier("by", "shapefactor")]}


def _sample(rng: np.random.Generator, name: str, channel: str, bins: int, shared: Any, common: int) -> Spec:
    data = rng.uniform(5.0, 60.0, bins)
    if rng.random() < 0.2:
        data[int(rng.integers(bins))] = 0.0
    own = f"{channel}_{name}"
    possible = [
        modifier(f"{own}_factor", "normfactor"),
        modifier(shared[0] or f"{own}_rate", "normsys", {"hi": rng.uniform(1.02, 1.4), "lo": rng.uniform(0.7, 0.98)}),
        modifier(
            shared[1] or f"{own}_shape",
            "histosys",
            {f"{side}_data": (data * rng.uniform(0.8, 1.2, bins)).tolist() for side in ("hi", "lo")},
        ),
        modifier("lumi", "lumi"),
        modifier(f"{channel}_stat", "staterror", (data * rng.uniform(0.0, 0.2, bins)).tolist()),
        modifier(f"{own}_other", "histosys", {f"{side}_data": (data * rng.uniform(0.8, 1.2, bins)).tolist() for side in ("hi", "lo")}),
        modifier(f"{own}_sys", "shapesys", (data * rng.uniform(0.05, 0.3, bins) * (rng.random(bins) < 0.9)).tolist()),
    ]
    if bins == common:
        possible.append(modifier("free", "shapefactor"))
    chosen = rng.choice(len(possible), int(rng.integers(0, 4)), replace=False)
    return {"name": name, "data": data.tolist(), "modifiers": [possible[k] for k in chosen]}


def _settings(rng: np.random.Generator, name: str, kind: str, bins: int) -> Spec:
    entry: Spec = {"name": name}
    if kind == "lumi":
        centre = rng.uniform(0.8, 1.2)
        return {**entry, "auxdata": [centre], "sigmas": [rng.uniform(0.01, 0.1)], "bounds": [[0.2, 3.0]], "inits": [1.0]}
    if rng.random() < 0.6:
        return {}
    size = 1 if kind in {"normfactor", "normsys", "histosys"} else bins
    value = 0.0 if kind in {"normsys", "histosys"} else 1.0
    entry["inits"] = (value + rng.uniform(-0.1, 0.1, size)).tolist()
    entry["bounds"] = [[value - 0.9 - rng.random() * 0.1, value + 2.0 + rng.random()] for _ in range(size)]
    if kind in {"normsys", "histosys"}:
        entry["auxdata"] = [rng.uniform(-0.5, 0.5)]
    if kind == "staterror" and rng.random() < 0.5:
        entry |= {"auxdata": rng.uniform(0.9, 1.1, size).tolist(), "sigmas": rng.uniform(0.05, 0.3, size).tolist()}
    if kind == "shapesys" and rng.random() < 0.5:
        entry |= {"auxdata": rng.uniform(20.0, 30.0, size).tolist(), "factors": rng.uniform(20.0, 30.0, size).tolist()}
    if rng.random() < 0.3 and name != "mu":
        entry["fixed"] = bool(rng.random() < 0.7)
    return entry


def points(joint: Joint, seed: int, number: int) -> Floats:
    """Return random parameters within the bounds, not all near the start, where the likelihood is finite."""
    rng = np.random.default_rng(seed)
    theta = np.array([[_drawn(rng, p.default, p.lower, p.upper, fixed=p.fixed) for p in joint.parameters] for _ in range(number)])
    return theta[np.isfinite(nll2(joint, theta, observed_data(joint)))]


def _drawn(rng: np.random.Generator, start: float, lower: float, upper: float, *, fixed: bool) -> float:
    return start if fixed else float(rng.uniform(max(lower, start - 2.0), min(upper, start + 2.0)))


def in_pyhf(model: Any, spec: Spec, joint: Joint, theta: Floats) -> Floats:
    """Return pyhf's parameters at ours: errors are units of ours, and backgrounds that are measured bin by bin are at their best."""
    values = dict(zip(joint.parameters.names, theta, strict=True))
    measured = {c.name: b for c, b in zip(joint.channels, measured_backgrounds(joint, theta), strict=True) if b is not None}
    every = [(m, c["name"], s) for c in spec["channels"] for s in c["samples"] for m in s["modifiers"]]
    kinds = {m["name"]: m["type"] for m, _, _ in every}
    closed = {
        m["name"]: measured[channel] / np.array(sample["data"])
        for m, channel, sample in every
        if channel in measured
        and min(sample["data"]) > 0
        and m["type"] in {"shapesys", "shapefactor"}
        and not _names(m["name"], len(sample["data"])) & {*values}
    }
    found: list[float] = []
    for name in model.config.par_order:
        parameter = model.config.param_set(name)
        if name in closed and not all(parameter.suggested_fixed):
            found += closed[name].tolist()
            continue
        for k in range(parameter.n_parameters):
            own = values.get(name if parameter.is_scalar else f"{name}[{k}]")
            if own is None:
                found.append(parameter.suggested_init[k])
            else:
                found.append(parameter.auxdata[k] + parameter.width()[k] * own if kinds[name] in {"lumi", "staterror"} else own)
    return np.array(found)


def _names(name: str, bins: int) -> set[str]:
    return {f"{name}[{k}]" for k in range(bins)}


POI = modifier("mu", "normfactor")
LUMI = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.05], "bounds": [[0.5, 1.5]], "inits": [1.0]}


def one_region(
    counts: list[float], background: list[float], *modifiers: Spec, settings: tuple[Spec, ...] = (), signal: tuple[Spec, ...] = ()
) -> Spec:
    samples = [
        {"name": "s", "data": [5.0, 10.0], "modifiers": [POI, *signal]},
        {"name": "b", "data": background, "modifiers": list(modifiers)},
    ]
    return workspace({"SR": samples}, {"SR": counts}, *settings)


def close(spec: Spec, likelihood: Likelihood, seed: int, number: int = 10) -> None:
    """Compare differences of -2 ln L with pyhf at random parameters."""
    made, joint = pyhf.Workspace(spec), likelihood.at({})
    model = made.model()
    data, theta = made.data(model), points(joint, seed, number)
    ours = nll2(joint, theta, observed_data(joint))
    theirs = np.array([-2.0 * float(model.logpdf(in_pyhf(model, spec, joint, point), data)[0]) for point in theta])
    assert len(theta) > 1
    np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_random_workspaces_are_the_same_function_in_pyhf(seed: int) -> None:
    spec = random_workspace(seed)
    close(spec, likelihood_of(spec, {}), seed)


def test_models_of_pyhf_are_the_same_function() -> None:
    simple = pyhf.simplemodels
    for model, counts in (
        (simple.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0]), [51.0, 48.0]),
        (simple.correlated_background([5.0, 7.0], [50.0, 60.0], [58.0, 63.0], [44.0, 55.0]), [55.0, 61.0]),
    ):
        spec = json.loads(json.dumps(dict(pyhf.Workspace.build(model, [*counts, *model.config.auxdata]))))
        close(spec, likelihood_of(spec, {}), 1)


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(100, 400, 100))
def test_many_random_workspaces_are_the_same_function_in_pyhf(begin: int) -> None:
    back, refused = 0, list[str]()
    for seed in range(begin, begin + 60):
        spec = random_workspace(seed)
        likelihood = likelihood_of(spec, {})
        close(spec, likelihood, seed)
        try:
            made = workspaces(likelihood)
        except CevnsfitError as error:  # a staterror or lumi times a histosys has no counterpart
            refused.append(str(error)[:40])
            continue
        again, back = likelihood_of(made.base, made.metadata), back + 1
        close(made.base, again, seed)
        one, other = likelihood.at({}), again.at({})
        used = [p.name for p in one.parameters if p.name in other.parameters]
        theta = points(one, seed, 5)
        order = [one.parameters.index(name) for name in other.parameters.names]
        idle = [k for k, p in enumerate(one.parameters) if p.constrained and p.name not in used]
        pulls = np.sum((theta[:, idle] - np.array([p.centre for p in one.parameters])[idle]) ** 2, axis=1)
        np.testing.assert_allclose(
            nll2(other, theta[:, order], observed_data(other)) + pulls, nll2(one, theta, observed_data(one)), rtol=1e-10, atol=1e-10
        )
    assert back > 20
    assert all("HistFactory cannot express" in text or "expects nothing" in text for text in refused)


@pytest.mark.slow
def test_no_minimum_of_pyhf_is_lower() -> None:
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    near = 0
    try:
        for seed in range(20):
            spec = random_workspace(seed)
            made, joint = pyhf.Workspace(spec), likelihood_of(spec, {}).at({})
            model = made.model()
            data, found = made.data(model), fit(joint, minos=())
            best = in_pyhf(model, spec, joint, np.array([found.values[name] for name in joint.parameters.names]))
            low, high = np.array(model.config.suggested_bounds()).T
            assert np.all((best >= low - 1e-9) & (best <= high + 1e-9))
            ours = -2.0 * float(model.logpdf(best, data)[0])
            start = np.where(model.config.suggested_fixed(), best, np.clip(best + 0.01, low, high)).tolist()
            try:
                theirs = float(pyhf.infer.mle.fit(data, model, start, return_fitted_val=True)[1])
            except (pyhf.exceptions.FailedMinimization, AttributeError):  # the latter where it has no covariance
                continue
            assert ours < theirs + 1e-5
            near += ours > theirs - 1e-3
    finally:
        pyhf.set_backend("numpy", "scipy")
    assert near > 12


def strengths(spec: Spec, at: tuple[float, ...] = (0.5, 1.0, 2.0)) -> list[float]:
    """Return how far -2 ln lambda, profiled, lies above its minimum at strengths."""
    likelihood = likelihood_of(spec, {})
    best = fit(likelihood, minos=())
    assert best.valid
    return [fit(likelihood, at={"mu": value}, minos=()).nll2 - best.nll2 for value in at]


def test_settings_of_a_staterror_are_used() -> None:
    region = [30.0, 15.0], [20.0, 20.0], modifier("st", "staterror", [6.0, 6.0])
    held = {"name": "st", "fixed": True, "inits": [1.0, 1.0]}
    assert strengths(one_region(*region, settings=(held,))) == pytest.approx([1.239, 4.447, 14.878], abs=1e-3)
    assert strengths(one_region(*region)) == pytest.approx([0.698, 2.459, 8.856], abs=1e-3)
    tight = {"name": "st", "bounds": [[0.999999, 1.000001]] * 2}
    assert strengths(one_region(*region, settings=(tight,))) == pytest.approx([1.239, 4.447, 14.878], abs=1e-3)
    narrow = {"name": "st", "sigmas": [1e-6, 1e-6]}
    assert strengths(one_region(*region, settings=(narrow,))) == pytest.approx([1.239, 4.447, 14.878], abs=1e-3)
    moved = {"name": "st", "inits": [1.5, 0.75], "fixed": True}
    plain = one_region([30.0, 15.0], [30.0, 15.0])
    assert strengths(one_region(*region, settings=(moved,))) == pytest.approx(strengths(plain), abs=1e-6)


def test_a_staterror_of_two_regions_has_a_parameter_for_each_bin() -> None:
    def sample(data: list[float], error: list[float]) -> Spec:
        return {"name": "b", "data": data, "modifiers": [modifier("st", "staterror", error), modifier("k", "normfactor")]}

    spec = workspace(
        {"two": [sample([20.0, 30.0], [2.0, 3.0])], "one": [sample([10.0], [3.0])]}, {"one": [12.0], "two": [24.0, 30.0]}, poi="k"
    )
    likelihood = likelihood_of(spec, {})
    assert [name for name in likelihood.parameters.names if name != "k"] == ["st[1]", "st[2]", "st[0]"]
    close(spec, likelihood, 3)


def test_errors_of_negative_events_are_named(tmp_path: Path) -> None:
    spec = one_region([45.0, 61.0], [50.0, 60.0])
    spec["channels"][0]["samples"].append({"name": "i", "data": [-10.0, -5.0], "modifiers": [modifier("st", "staterror", [4.0, 4.0])]})
    path = tmp_path / "negative.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(
        ResultError, match=r"the staterror st has an error of events that are not above 0, .*, in the bins 0, 1; give it `fixed`"
    ):
        cf.load_likelihood(path)
    for setting in ({"fixed": True}, {"fixed": False}, {"sigmas": [0.4, 0.8]}):
        spec["measurements"][0]["config"]["parameters"] = [{"name": "st", **setting}]
        close(spec, likelihood_of(spec, {}), 4)
    own = one_region([45.0, 61.0], [50.0, -60.0], modifier("u", "shapesys", [5.0, 6.0]))
    with pytest.raises(ValueError, match="the shapesys u has an error of events that are not above 0"):
        likelihood_of(own, {})


def test_a_measurement_is_chosen() -> None:
    spec = one_region([42.0, 45.0], [50.0, 60.0], modifier("k", "normfactor"))
    spec["measurements"].append({"name": "other", "config": {"poi": "k", "parameters": [{"name": "mu", "fixed": True, "inits": [2.0]}]}})
    with pytest.raises(ValueError, match="choose the measurement: there are m, other"):
        likelihood_of(spec, {})
    with pytest.raises(ValueError, match="there are m, other, and no more"):
        likelihood_of(spec, {}, "more")
    assert fit(likelihood_of(spec, {}, "m"), minos=()).values == pytest.approx({"mu": 0.0, "k": 0.790909}, abs=1e-5)
    held = fit(likelihood_of(spec, {}, "other"), minos=())
    assert held.values["mu"] == 2.0
    assert held.floating == ("k",)
    k = held.values["k"]
    assert 50.0 * (1.0 - 42.0 / (10.0 + 50.0 * k)) + 60.0 * (1.0 - 45.0 / (20.0 + 60.0 * k)) == pytest.approx(0.0, abs=1e-4)


def test_a_shapesys_alone_is_a_control_region_in_each_bin() -> None:
    spec = one_region([52.0, 65.0], [50.0, 60.0], modifier("u", "shapesys", [5.0, 6.0]))
    likelihood = likelihood_of(spec, {})
    (channel,) = likelihood.at({}).channels
    assert channel.control is not None
    np.testing.assert_allclose(channel.control.counts, [100.0, 100.0])
    np.testing.assert_allclose(channel.control.ratio, [2.0, 100.0 / 60.0])
    assert likelihood.parameters.names == ("mu",)
    # the same with a parameter in each bin, where the bounds of one could be met
    bound = one_region(
        [52.0, 65.0], [50.0, 60.0], modifier("u", "shapesys", [5.0, 6.0]), settings=({"name": "u", "bounds": [[0.1, 10.0]] * 2},)
    )
    general = likelihood_of(bound, {})
    assert general.parameters.names == ("mu", "u[0]", "u[1]")
    assert [channel.auxiliary for channel in general.at({}).channels] == [False, True]
    assert strengths(bound) == pytest.approx(strengths(spec), abs=1e-6)
    near = one_region(
        [52.0, 65.0], [50.0, 60.0], modifier("u", "shapesys", [5.0, 6.0]), settings=({"name": "u", "bounds": [[0.9, 1.001]] * 2},)
    )
    assert strengths(near, (0.0,))[0] > strengths(spec, (0.0,))[0] + 0.05
    close(spec, likelihood, 5)
    close(bound, general, 5)


def test_a_luminosity_is_a_factor_with_a_normal_constraint() -> None:
    lumi = modifier("lumi", "lumi")
    spec = one_region([52.0, 65.0], [50.0, 60.0], lumi, settings=(LUMI,), signal=(lumi,))
    likelihood = likelihood_of(spec, {})
    close(spec, likelihood, 6)
    best = fit(likelihood, minos=())
    assert best.values["mu"] == pytest.approx(0.479053, abs=1e-5)
    assert likelihood.parameters["lumi"].lower == pytest.approx(-10.0)
    a = fit(likelihood, at={"mu": 0.0}, minos=()).values["lumi"]
    assert 0.05 * (117.0 / (1.0 + 0.05 * a) - 110.0) == pytest.approx(a, abs=1e-5)


def test_a_bin_in_which_nothing_is_possible_has_no_minimum() -> None:
    spec = one_region([1.0, 65.0], [0.0, 60.0], modifier("f", "normsys", {"hi": 1.1, "lo": 0.9}))
    spec["channels"][0]["samples"][0]["data"][0] = 0.0
    likelihood = likelihood_of(spec, {})
    assert likelihood.logpdf({"mu": 1.0}) == -np.inf
    for verb in (cf.fit, cf.intervals, cf.significance, cf.goodness):
        with pytest.raises(FitError, match="the model expects nothing in bin 0, where 1 events were seen"):
            verb(likelihood)
    assert not fit(likelihood).valid


def test_exported_bounds_are_those_of_the_likelihood() -> None:
    given = (
        {"name": "mu", "bounds": [[-3.0, 7.0]], "inits": [0.5]},
        {"name": "k", "bounds": [[-1.0, 4.0]]},
        {"name": "f", "bounds": [[-2.0, 3.0]]},
    )
    spec = one_region(
        [52.0, 65.0],
        [50.0, 60.0],
        modifier("k", "normfactor"),
        modifier("f", "normsys", {"hi": 1.1, "lo": 0.9}),
        modifier("st", "staterror", [5.0, 6.0]),
        settings=given,
    )
    likelihood = likelihood_of(spec, {})
    made = workspaces(likelihood)
    settings = {entry["name"]: entry for entry in made.base["measurements"][0]["config"]["parameters"]}
    for parameter in likelihood.parameters:
        assert settings[parameter.name]["bounds"] == [[parameter.lower, parameter.upper]]
    assert settings["mu"]["bounds"] == [[-3.0, 7.0]]
    again = likelihood_of(made.base, made.metadata)
    assert {(p.name, p.lower, p.upper, p.least) for p in again.parameters} == {
        (p.name, p.lower, p.upper, p.least) for p in likelihood.parameters
    }
    toy = likelihood.with_data("toy", seed=3)
    shown = {entry["name"]: entry for entry in workspaces(toy).base["measurements"][0]["config"]["parameters"]}
    assert abs(toy.parameters["f"].centre) > 0.01
    assert shown["f"]["auxdata"] == [toy.parameters["f"].centre]
    strength = cf.build_likelihood("coherent-lar-2020", model="signal-strength")
    (entry,) = [e for e in workspaces(strength).base["measurements"][0]["config"]["parameters"] if e["name"] == "signal_strength"]
    assert entry["bounds"] == [[-1e6, 1e6]]


def test_too_many_numbers_are_refused_before_they_are_made() -> None:
    shape = {"hi_data": [1.1] * 9, "lo_data": [0.9] * 9}
    shapes = [modifier(f"h{k}", "histosys", shape) for k in range(100)]
    several = [
        {
            "name": f"b{k}",
            "data": [1.0] * 9,
            "modifiers": [*shapes, modifier("st", "staterror", [0.1] * 9), modifier(f"k{k}", "normfactor")],
        }
        for k in range(12)
    ]
    with pytest.raises(ValueError, match="SR: products of its lumi, staterror, shapesys and shapefactor with its histosys have more than"):
        likelihood_of(workspace({"SR": several}, {"SR": [12.0] * 9}, poi="k0"), {})
    many = 10_000
    sample = {"name": "b", "data": [1.0] * many, "modifiers": [modifier("st", "staterror", [0.1] * many)]}
    with pytest.raises(ValueError, match="more than 20000000 numbers"):
        likelihood_of(workspace({"SR": [sample]}, {"SR": [1.0] * many}, poi=""), {})
