"""Experiments whose counts and backgrounds are a pyhf workspace: the same likelihood as the description, and what is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.io.exports.workspace import read_workspace
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2
from cevnsfit.studies.export_likelihood import workspaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

COUNTING = """\
schema_version: 1
name: counter
title: A counting experiment
source: {name: sns, exposure_pot: 1e+23, yield_per_pot: 0.08, distance: 20 m}
target: {compound: Ge, mass: 50 kg}
axes:
  e_ee: {unit: keVee, edges: [0.5, 1, 2, 6]}
response:
  quenching: {kind: constant-quenching, factor: 0.2}
systematics:
  sns_flux: {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}
workspace: {file: workspace.json, signal: [signal]}
"""


def sample(name: str, data: list[float], *modifiers: tuple[str, str, Any]) -> dict[str, Any]:
    return {"name": name, "data": data, "modifiers": [{"name": n, "type": kind, "data": values} for n, kind, values in modifiers]}


def document() -> dict[str, Any]:
    samples = [
        sample("signal", [30.0, 20.0, 10.0], ("mu", "normfactor", None), ("flux", "normsys", {"hi": 1.1, "lo": 0.9})),
        sample("neutrons", [40.0, 30.0, 20.0], ("n", "normsys", {"hi": 1.2, "lo": 0.9}), ("stat", "staterror", [2.0, 1.0, 1.0])),
        sample("other", [10.0, 10.0, 10.0], ("tilt", "histosys", {"hi_data": [12.0, 10.0, 8.0], "lo_data": [9.0, 10.0, 11.0]})),
    ]
    return {
        "channels": [{"name": "region", "samples": samples}],
        "observations": [{"name": "region", "data": [82.0, 57.0, 43.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiment.yaml").write_text(COUNTING, encoding="utf-8")
    (tmp_path / "workspace.json").write_text(json.dumps(document()), encoding="utf-8")
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = document()
    change(values)
    (folder / "workspace.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("name", ["coherent-csi-2021", "coherent-csi-2017"])
def test_a_workspace_in_place_of_backgrounds_is_the_same_likelihood(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(data_root() / "experiments" / name, folder)
    still = {"systematics.onset.enabled": False} if name == "coherent-csi-2021" else {}  # a workspace does not move in time
    made = workspaces(cf.build_likelihood(name, model="b-l", changes=still), at={"mass": 30.0}).base
    (folder / "counts.json").write_text(json.dumps(made), encoding="utf-8")
    yaml = YAML()
    spec = yaml.load(folder / "experiment.yaml")
    for section in ("observed", "backgrounds", "control_region", "released"):
        spec.pop(section, None)
    nested = [entry["name"] for entry in made["measurements"][0]["config"]["parameters"]]
    spec["workspace"] = {"file": "counts.json", "signal": ["sm", "int", "quad"]}
    spec["systematics"] = {key: value for key, value in spec["systematics"].items() if {*value.get("components", ["cevns"])} <= {"cevns"}}
    yaml.dump(spec, folder / "experiment.yaml")
    original = cf.build_likelihood(name, model="lmu-ltau", changes=still).at({"mass": 100.0})
    joint = cf.build_likelihood(folder, model="lmu-ltau").at({"mass": 100.0})
    own = {f"{name}.{entry}": entry for entry in nested}
    order = [original.parameters.index(own.get(parameter, parameter)) for parameter in joint.parameters.names]
    assert sorted(order) == list(range(len(original.parameters.names)))
    theta = np.random.default_rng(2).uniform(-1.0, 1.0, (20, len(order)))
    theta[:, original.parameters.index("g")] = 10 ** np.random.default_rng(3).uniform(-5.0, -3.0, 20)
    np.testing.assert_allclose(
        nll2(joint, theta[:, order], observed_data(joint)), nll2(original, theta, observed_data(original)), rtol=1e-11
    )


def test_its_own_signal_is_a_released_template(folder: Path) -> None:
    joint = cf.build_likelihood(folder, model="released-templates").at({})
    theirs = read_workspace(folder / "workspace.json").at({})
    names = {"signal_strength": "mu", **{f"counter.{name}": name for name in theirs.parameters.names}}
    order = [theirs.parameters.index(names[name]) for name in joint.parameters.names]
    assert sorted(order) == list(range(len(theirs.parameters.names)))
    theta = np.random.default_rng(2).uniform(0.1, 1.0, (20, len(order)))
    np.testing.assert_allclose(nll2(joint, theta[:, order], observed_data(joint)), nll2(theirs, theta, observed_data(theirs)), rtol=1e-12)


def test_the_prediction_replaces_the_signal_and_joins_others(folder: Path) -> None:
    experiment = cf.load_experiment(folder)
    assert set(experiment.digests) == {"experiment.yaml", "workspace.json"}
    alone = cf.build_likelihood(experiment, model="lmu-ltau")
    assert set(alone.parameters.names) == {"g", "mass", "loop_sign", "slepton_log", "sns_flux"} | {
        f"counter.{name}" for name in ("n", "tilt", "stat[0]", "stat[1]", "stat[2]")
    }
    both = cf.build_likelihood(experiment, "coherent-csi-2021", model="lmu-ltau")
    assert [channel.name for channel in both.at({}).channels] == ["counter", "coherent-csi-2021"]
    assert both.parameters.names.count("sns_flux") == 1
    result = CliRunner().invoke(app, ["fit", str(folder), "--model", "sm", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["observed"]["counter"] == 182
    shown = CliRunner().invoke(app, ["experiments", "show", str(folder)], catch_exceptions=False)
    assert "observed counts: 182" in shown.stdout


def several(values: dict[str, Any]) -> None:
    """Add a region with signal, a side region without, a luminosity and counts that measure each bin of a background."""
    first = values["channels"][0]["samples"]
    first[1]["modifiers"] += sample("", [], ("lumi", "lumi", None), ("each", "shapesys", [4.0, 3.0, 2.0]))["modifiers"]
    second = [sample("signal", [5.0, 5.0, 5.0], ("mu", "normfactor", None)), sample("neutrons", [9.0, 9.0, 9.0], ("lumi", "lumi", None))]
    side = [sample("neutrons", [90.0, 80.0], ("n", "normsys", {"hi": 1.2, "lo": 0.9}), ("lumi", "lumi", None))]
    values["channels"] += [{"name": "second", "samples": second}, {"name": "side", "samples": side}]
    values["observations"] += [{"name": "second", "data": [15.0, 12.0, 14.0]}, {"name": "side", "data": [95.0, 77.0]}]
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.05], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    values["measurements"][0]["config"]["parameters"].append(lumi)
    values["measurements"].append({"name": "other", "config": {"poi": "mu", "parameters": [{**lumi, "fixed": True}]}})


def test_regions_of_a_workspace_are_channels_and_the_others_stand_beside(folder: Path) -> None:
    rewrite(folder, several)
    text = COUNTING.replace("signal: [signal]", "signal: [signal], channel: region, measurement: m")
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CevnsfitError, match="counter: second of the workspace has signal too; describe it as one of the `channels`"):
        cf.build_likelihood(folder, model="sm")
    (folder / "experiment.yaml").write_text(f"{text}channels: {{one: {{}}, two: {{workspace.channel: second}}}}\n", encoding="utf-8")
    likelihood, theirs = (
        cf.build_likelihood(folder, model="released-templates"),
        cf.load_likelihood(folder / "workspace.json", measurement="m"),
    )
    mine, other = likelihood.at({}), theirs.at({})
    assert [channel.name for channel in mine.channels] == ["counter.one", "counter.two", "counter.side", "counter.each_auxiliary"]
    names = {"signal_strength": "mu", **{f"counter.{name}": name for name in other.parameters.names}}
    order = [other.parameters.index(names[name]) for name in mine.parameters.names]
    assert sorted(order) == list(range(len(other.parameters.names)))
    theta = np.random.default_rng(2).uniform(0.5, 1.5, (20, len(order)))
    np.testing.assert_allclose(nll2(mine, theta[:, order], observed_data(mine)), nll2(other, theta, observed_data(other)), rtol=1e-12)
    fitted, again = cf.fit(likelihood), cf.fit(theirs)
    assert fitted.values["signal_strength"] == pytest.approx(again.values["mu"], abs=1e-5)
    assert fitted.nll2 == pytest.approx(again.nll2, abs=1e-7)
    assert set(likelihood.to_dict()["bins"]) == {"counter.one", "counter.two"}
    shown = cf.rates(likelihood)["counter"]
    assert list(shown.channels) == ["one", "two"]
    result = CliRunner().invoke(app, ["fit", str(folder), "--model", "sm", "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["observed"]["counter"] == 182 + 41
    done = CliRunner().invoke(app, ["experiments", "check", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_a_measurement_is_chosen_or_refused(folder: Path) -> None:
    rewrite(folder, lambda values: values["measurements"].append({**values["measurements"][0], "name": "n"}))
    with pytest.raises(CevnsfitError, match="choose the measurement: there are m, n"):
        cf.build_likelihood(folder, model="sm")
    for measurement, channel, wanted in (
        ("nn", "region", "unknown measurement 'nn'; did you mean n"),
        ("n", "regio", "unknown channel 'regio'"),
    ):
        text = COUNTING.replace("signal: [signal]", f"signal: [signal], measurement: {measurement}, channel: {channel}")
        (folder / "experiment.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(SpecError, match=wanted):
            cf.load_experiment(folder)
    text = COUNTING.replace("signal: [signal]", "signal: [signal], measurement: n, shared: {tlit: sns_flux}")
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CevnsfitError, match="it has no parameter tlit to share"):
        cf.build_likelihood(folder, model="sm")


def test_a_parameter_of_the_workspace_may_be_shared(folder: Path) -> None:
    rewrite(folder, lambda v: v["channels"][0]["samples"][1]["modifiers"][0].update(name="sns"))
    text = COUNTING.replace("signal: [signal]", "signal: [signal], shared: {sns: common}")
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    assert "common" in cf.build_likelihood(folder, model="sm").parameters
    (folder / "experiment.yaml").write_text(text.replace("common", "sns_flux"), encoding="utf-8")
    likelihood = cf.build_likelihood(folder, "coherent-csi-2021", model="sm")
    assert likelihood.parameters["sns_flux"].description
    assert "counter.sns" not in likelihood.parameters


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("signal: [signal]", "signal: [signl]", "workspace.signal: unknown sample 'signl'; did you mean signal"),
        ("file: workspace.json", "file: other.json", "other.json: no such file"),
        ("file: workspace.json", "file: ../workspace.json", "workspace.file"),
        ("target:", "observed: {table: a.csv, column: b}\ntarget:", "observed: leave it out: the workspace workspace.json has it"),
        (
            "target:",
            "backgrounds: {b: {shape: {kind: product, factors: {}}, count: {kind: free, mean: 1}}}\ntarget:",
            "backgrounds: leave it",
        ),
    ],
)
def test_descriptions_that_are_refused(folder: Path, old: str, new: str, wanted: str) -> None:
    assert old in COUNTING
    (folder / "experiment.yaml").write_text(COUNTING.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        cf.load_experiment(folder)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "not readable as JSON"),
        (json.dumps(document())[:300].encode(), "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 100_000, "not readable as JSON"),
        (json.dumps(document()).replace("82.0", "NaN").encode(), "not a number in JSON"),
        (b"{}", "not a workspace of pyhf"),
    ],
    ids=["empty", "truncated", "no text", "nested", "NaN", "another document"],
)
def test_broken_workspaces_are_refused(folder: Path, content: bytes, wanted: str) -> None:
    (folder / "workspace.json").write_bytes(content)
    with pytest.raises(SpecError, match=wanted):
        cf.load_experiment(folder)


def test_a_workspace_outside_the_folder_is_refused(folder: Path) -> None:
    inside = folder / "inside"
    inside.mkdir()
    shutil.copy(folder / "experiment.yaml", inside)
    (inside / "workspace.json").symlink_to(folder / "workspace.json")
    with pytest.raises(SpecError, match="links out of the folder"):
        cf.load_experiment(inside)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            lambda v: v["channels"][0]["samples"][2]["modifiers"].append({"name": "mu", "type": "normfactor", "data": None}),
            "mu scales samples",
        ),
        (
            lambda v: (
                v["channels"].append({"name": "more", "samples": [sample("signal", [1.0])]})
                or v["observations"].append({"name": "more", "data": [1.0]})
            ),
            r"name the channel of this experiment in workspace\.channel: there are region, more",
        ),
        (
            lambda v: v["channels"][0]["samples"].append(sample("x", [1.0, 1.0, 1.0], ("lumi", "lumi", None))),
            "the lumi lumi need auxdata and sigmas",
        ),
        (lambda v: v["channels"][0]["samples"][2]["modifiers"][0].update(name="sns_flux"), None),
        (
            lambda v: (
                [s.update(data=s["data"][:2], modifiers=[]) for s in v["channels"][0]["samples"]]
                and v["observations"][0].update(data=[1.0, 2.0])
            ),
            "2 bins, the axes e_ee\\(3\\) have 3",
        ),
    ],
    ids=["poi elsewhere", "two channels", "lumi", "not shared", "bins"],
)
def test_workspaces_that_are_no_counting_experiment(folder: Path, change: Callable[[dict[str, Any]], object], wanted: str | None) -> None:
    rewrite(folder, change)
    experiment = cf.load_experiment(folder)
    if wanted is None:
        assert {"sns_flux", "counter.sns_flux"} <= set(cf.build_likelihood(experiment, model="sm").parameters.names)
        return
    with pytest.raises(CevnsfitError, match=wanted):
        cf.build_likelihood(experiment, model="sm")


def test_a_name_that_is_also_a_systematic_is_refused(folder: Path) -> None:
    text = COUNTING.replace("systematics:\n", "systematics:\n  tilt: {kind: normalisation, sigma: 1 %, components: [cevns]}\n")
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CevnsfitError, match=r"counter\.tilt is a systematic and a parameter of workspace\.json"):
        cf.build_likelihood(folder, model="sm")


def test_check_names_bins_in_which_less_than_nothing_is_expected(folder: Path) -> None:
    def emptied(values: dict[str, Any]) -> None:
        values["channels"][0]["samples"][1] = sample("neutrons", [40.0, 30.0, -9000.0], ("n", "normsys", {"hi": 1.2, "lo": 0.9}))

    rewrite(folder, emptied)
    done = CliRunner().invoke(app, ["experiments", "check", str(folder)])
    assert done.exit_code == 2
    assert "the model expects -" in done.stderr
    assert "events in e_ee 2 to 6 keVee" in done.stderr
