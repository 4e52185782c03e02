"""HistFactory documents: names, bounds, patches, what is refused; workspaces of others as likelihoods."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import gammaln, xlogy

from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.fit import fit
from cevnsfit.io.exports.histfactory import families, monomial_name, patch_name, without_couplings, workspace
from cevnsfit.io.exports.workspace import read_workspace
from cevnsfit.spec.workspaces import validate
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import asimov_data, observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cevnsfit.stats.joint import Joint

pyhf = pytest.importorskip("pyhf")
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

PLAIN = {
    "channels": [
        {
            "name": "signal_region",
            "samples": [
                {"name": "new", "data": [3.0, 5.0, 2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
                {
                    "name": "old",
                    "data": [40.0, 30.0, 20.0],
                    "modifiers": [
                        {"name": "rate", "type": "normsys", "data": {"hi": 1.2, "lo": 0.9}},
                        {"name": "tilt", "type": "histosys", "data": {"hi_data": [44.0, 30.0, 17.0], "lo_data": [37.0, 30.0, 24.0]}},
                    ],
                },
                {
                    "name": "simulated",
                    "data": [10.0, 0.0, 8.0],
                    "modifiers": [{"name": "stat", "type": "staterror", "data": [1.0, 0.0, 2.0]}],
                },
            ],
        }
    ],
    "observations": [{"name": "signal_region", "data": [50.0, 33.0, 35.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    "version": "1.0.0",
}


def channel(powers: list[list[int]], hi: list[list[float]], names: tuple[str, ...], shape: list[int]) -> Channel:
    rows = len(powers)
    norms = np.array(hi, dtype=np.float64).reshape(rows, len(names))
    kind = np.array([0 if index < 0 else 1 for index in shape])
    rule = Coefficients(names, np.array(powers, dtype=np.int64), norms, 1.0 / norms, np.array(shape), kind)
    return Channel("a", np.ones((rows, 2)), rule, ("cevns",) * rows, np.ones(2), None, (2,))


def test_two_channels_with_everything_are_the_same_in_pyhf(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    data = observed_data(joint)
    made = workspace(joint, data, {})
    validate(made.spec, "workspace")
    assert made.monomials == {"g2": {"g": 2}, "g4": {"g": 4}}
    assert made.without_effect == ()
    names = {entry["name"]: [sample["name"] for sample in entry["samples"]] for entry in made.spec["channels"]}
    assert names["a"] == ["signal", "signal_2", "signal_3", "background"]
    assert names["b_control"] == ["measured_background"]
    assert names["b"][-1] == "measured_background"
    model = pyhf.Workspace(made.spec).model()
    assert model.config.poi_name is None
    fixed = dict(
        zip(model.config.par_order, (model.config.par_map[n]["paramset"].suggested_fixed for n in model.config.par_order), strict=True)
    )
    assert all(fixed["g2"])
    assert all(fixed["g4"])
    assert not any(fixed["flux"])


def test_asimov_data_and_held_values_are_in_the_workspace(make_joint: Callable[..., Joint]) -> None:
    joint = make_joint()
    theta = joint.parameters.vector({"flux": 0.5})
    made = workspace(joint, asimov_data(joint, theta), {"g": 2.0, "a.tilt": 0.25})
    settings = {entry["name"]: entry for entry in made.spec["measurements"][0]["config"]["parameters"]}
    assert settings["flux"]["auxdata"] == [0.5]
    assert settings["g2"]["inits"] == [4.0]
    assert settings["g4"]["inits"] == [16.0]
    assert settings["a.tilt"] == {"name": "a.tilt", "inits": [0.25], "bounds": [[-1e6, 1e6]], "auxdata": [0.0], "fixed": True}
    assert settings["a.norm"]["bounds"] == [[0.0, 1e6]]


def test_names_of_monomials_and_patches() -> None:
    assert monomial_name((("g", 2),)) == "g2"
    assert monomial_name((("eps_d", 1), ("eps_u", 1))) == "eps_d*eps_u"
    assert [patch_name("mass", value) for value in (10.0, 12.5, 1e-5, -3.0, 1e20)] == [
        "mass_10",
        "mass_12p5",
        "mass_1em05",
        "mass_m3",
        "mass_1e20",
    ]


def test_what_histfactory_cannot_express_is_refused() -> None:
    free = ParameterSet((Parameter("onset", "nuisance", 0.0),))
    with pytest.raises(CevnsfitError, match="onset"):
        families(channel([[0], [0]], [[1.0], [1.0]], ("onset",), [-1, 0]), free)
    with pytest.raises(CevnsfitError, match="onset"):
        families(channel([[2]], [[1.0]], ("onset",), [-1]), free)
    with pytest.raises(CevnsfitError, match="onset"):
        families(channel([[0]], [[1.1]], ("onset",), [-1]), free)
    bound = ParameterSet((Parameter("count", "nuisance", 0.0, constrained=True),))
    with pytest.raises(CevnsfitError, match="count"):
        families(channel([[1]], [[1.0]], ("count",), [-1]), bound)


def test_a_normfactor_must_not_be_another_parameter() -> None:
    parameters = ParameterSet((Parameter("g", "polynomial", 0.0), Parameter("g2", "nuisance", 1.0)))
    joint = join(parameters, (channel([[2, 0], [0, 1]], [[1.0, 1.0], [1.0, 1.0]], ("g", "g2"), [-1, -1]),))
    with pytest.raises(CevnsfitError, match="g2"):
        workspace(joint, observed_data(joint), {})


def test_a_signal_alone_leaves_nothing_to_patch() -> None:
    joint = join(ParameterSet((Parameter("mu", "polynomial", 1.0),)), (channel([[1]], [[1.0]], ("mu",), [-1]),))
    made = workspace(joint, observed_data(joint), {})
    assert made.spec["measurements"][0]["config"]["poi"] == "mu"
    with pytest.raises(CevnsfitError, match="no samples"):
        without_couplings(made)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(PLAIN), encoding="utf-8")
    return path


def test_a_workspace_of_others_is_the_same_function(plain: Path) -> None:
    joint = read_workspace(plain).at({})
    model = pyhf.Workspace(PLAIN).model()
    data = pyhf.Workspace(PLAIN).data(model)
    counts = np.array(PLAIN["observations"][0]["data"])  # type: ignore[index]
    # pyhf constrains the factor of the bin without simulation too, and holds it at 1
    relative = {"stat[0]": 0.1, "stat[2]": 0.25}
    widths = np.array([0.1, 0.25])
    shift = 2 * np.sum(counts - xlogy(counts, counts) + gammaln(counts + 1)) + 5 * np.log(2 * np.pi) + 2 * np.sum(np.log(widths))
    rng = np.random.default_rng(0)
    for _ in range(30):
        values = {name: rng.uniform(-2.0, 2.0) for name in joint.parameters.names} | {"mu": rng.uniform(0.0, 5.0)}
        theta = np.array([values[name] for name in joint.parameters.names])
        gammas = [1 + relative["stat[0]"] * values["stat[0]"], 1.0, 1 + relative["stat[2]"] * values["stat[2]"]]
        found = {"mu": [values["mu"]], "rate": [values["rate"]], "tilt": [values["tilt"]], "stat": gammas}
        parameters = np.concatenate([found[name] for name in model.config.par_order])
        theirs = -2.0 * float(model.logpdf(parameters, data)[0]) - shift
        ours = float(nll2(joint, theta[None], observed_data(joint))[0])
        assert theirs == pytest.approx(ours, rel=1e-9)


def test_a_workspace_of_others_can_be_fitted(plain: Path) -> None:
    result = fit(read_workspace(plain))
    assert result.valid
    assert 0.0 < result.values["mu"] < 3.0


def broken(change: Callable[[dict[str, Any]], object]) -> str:
    values = copy.deepcopy(PLAIN)
    change(values)
    return json.dumps(values)


def setting(**entry: object) -> str:
    return broken(lambda v: v["measurements"][0]["config"]["parameters"].append(entry))


def sample(values: dict[str, Any], number: int) -> dict[str, Any]:
    return values["channels"][0]["samples"][number]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (broken(lambda v: v.pop("version")), "not a workspace"),
        (
            broken(lambda v: sample(v, 0)["modifiers"].append({"name": "lumi", "type": "lumi", "data": None})),
            "the lumi lumi need auxdata and sigmas",
        ),
        (
            broken(lambda v: [sample(v, k)["modifiers"].append({"name": "s", "type": "shapesys", "data": [1, 1, 1]}) for k in (0, 1)]),
            "two shapesys, which belong to one sample, have the name shapesys, s",
        ),
        (broken(lambda v: sample(v, 0)["modifiers"].append({"name": "tilt", "type": "shapefactor", "data": None})), "tilt is both a"),
        (
            broken(lambda v: sample(v, 0)["modifiers"].append({"name": "mu", "type": "normfactor", "data": None})),
            "two modifiers have the name",
        ),
        (broken(lambda v: v["channels"][0]["samples"].append(sample(v, 0))), "two samples have the name signal_region, new"),
        (broken(lambda v: v["channels"].append(v["channels"][0])), "two channels have the name signal_region"),
        (broken(lambda v: v["observations"].append(v["observations"][0])), "two observations have the name signal_region"),
        (broken(lambda v: v["observations"].append({"name": "more", "data": [1]})), "the observation more has no counterpart"),
        (broken(lambda v: v["measurements"][0]["config"].update(poi="tilt")), "the parameter of interest tilt has no counterpart"),
        (broken(lambda v: v["measurements"].append({**v["measurements"][0], "name": "n"})), "choose the measurement: there are m, n"),
        (broken(lambda v: sample(v, 2).update(data=[10.0, 0.0, -8.0])), "the staterror stat has an error of events that are not above 0"),
        (setting(name="stta", fixed=True), "the setting stta has no counterpart"),
        (setting(name="stat", inits=[1.0, 1.0]), "the settings of stat have 2 inits in place of 3"),
        (setting(name="stat", bounds=[[0.5, 2.0], [2.0, 0.5], [0.5, 2.0]]), "the settings of stat need increasing bounds"),
        (setting(name="stat", inits=[20.0, 1.0, 1.0]), "the settings of stat need increasing bounds, inits inside"),
        (setting(name="stat", sigmas=[0.0, 1.0, 1.0]), "positive sigmas"),
        (setting(name="stat", factors=[1.0, 1.0, 1.0]), "a staterror has no factors, which the settings of stat give"),
        (setting(name="mu", auxdata=[1.0]), "a normfactor has no auxdata"),
        (setting(name="rate", sigmas=[1.0]), "a normsys or histosys has no sigmas"),
        (broken(lambda v: sample(v, 0)["data"].append(1.0)), "of different lengths"),
        (broken(lambda v: v["observations"][0]["data"].append(1.0)), "of different lengths"),
        (broken(lambda v: v["observations"][0].update(name="elsewhere")), "signal_region"),
        (broken(lambda v: sample(v, 1)["modifiers"][0]["data"].update(hi=-1.0)), r"the factors hi and lo of the normsys .* are positive"),
        (broken(lambda v: sample(v, 1)["modifiers"][1]["data"].update(hi_data=[1.0])), "lists of different"),
        (
            broken(lambda v: sample(v, 0)["modifiers"][0].update(name="rate")),
            "rate is both a normfactor of 1 and a normsys or histosys of 1 values",
        ),
        (json.dumps(PLAIN).replace("[3.0, 5.0", "[1e400, 5.0"), "finite"),
    ],
)
def test_workspaces_that_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match=reason):
        read_workspace(path)


def test_a_patchset_of_another_workspace_is_refused(plain: Path, tmp_path: Path) -> None:
    digest = "0" * 64
    patches = {
        "patches": [{"metadata": {"name": "one", "values": [1.0]}, "patch": [{"op": "remove", "path": "/channels/0/samples/0"}]}],
        "metadata": {"references": {"hepdata": "ins0000000"}, "digests": {"sha256": digest}, "labels": ["x"], "description": ""},
        "version": "1.0.0",
    }
    other = tmp_path / "patchset.json"
    other.write_text(json.dumps(patches), encoding="utf-8")
    with pytest.raises(ResultError, match="verification failed"):
        read_workspace(plain, other, "one")
    patches["metadata"]["digests"]["sha256"] = pyhf.utils.digest(PLAIN)  # type: ignore[index]
    other.write_text(json.dumps(patches), encoding="utf-8")
    assert "mu" not in read_workspace(plain, other, "one").parameters
    with pytest.raises(ResultError, match="two"):
        read_workspace(plain, other, "two")
    patches["patches"][0]["patch"][0]["path"] = "/nowhere/7"  # type: ignore[index]
    other.write_text(json.dumps(patches), encoding="utf-8")
    with pytest.raises(ResultError, match="patch one"):
        read_workspace(plain, other, "one")
