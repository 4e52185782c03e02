"""A folder with two channels, through every command, against two experiments and one that are the same written by hand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.io.exports.workspace import read_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Folders = dict[str, Path]

SHARED = """\
schema_version: 1
title: germanium (invented counts)
source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m}
axes:
  e_ee: {unit: keVee, edges: [1, 2, 4, 8]}
response:
  quenching: {kind: constant-quenching, factor: 0.22}
systematics:
  sns_flux: {kind: normalisation, shared: true, sigma: 10 %, components: [cevns]}
  quenching:
    kind: response
    shared: true
    up: {quenching.factor: 0.23}
    down: {quenching.factor: 0.21}
backgrounds:
  flat:
    shape: {kind: product, factors: {e_ee: {kind: uniform}}}
"""
COUNTS = "# Invented\ne_ee_low [keVee],e_ee_high [keVee],a [1],b [1],all [1]\n1,2,14,9,23\n2,4,12,17,29\n4,8,9,11,20\n"
CHANNELS = "channels:\n  a: {observed.column: a}\n  b: {observed.column: b}\n"
STRENGTH = ("-m", "signal-strength", "--profile-signal")
PLANE = ("-m", "lmu-ltau", "--grid", "mass=10:1000:3:log", "--grid", "g=1e-5:1e-1:9:log", "--no-plot")


def described(name: str, column: str, mass: int) -> str:
    """Return the description of a detector of some kilograms."""
    own = f"    count: {{kind: gaussian, mean: {9 * mass}, sigma: {2 * mass}}}\nname: {name}\ntarget: {{compound: Ge, mass: {mass} kg}}\n"
    return f"{SHARED}{own}observed: {{table: counts.csv, column: {column}}}\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Return the folders of an experiment with two channels of half its mass, of each of them alone, of the whole, and of one channel."""
    texts = {
        "two": described("two", "all", 1) + CHANNELS,
        "one": described("one", "all", 2) + "channels: {only: {}}\n",
        "whole": described("whole", "all", 2),
        "a": described("a", "a", 1),
        "b": described("b", "b", 1),
    }
    found = {name: tmp_path_factory.mktemp("channels") / name for name in texts}
    for name, folder in found.items():
        folder.mkdir()
        (folder / "experiment.yaml").write_text(texts[name], encoding="utf-8")
        (folder / "counts.csv").write_text(COUNTS, encoding="utf-8")
    return found


@pytest.fixture
def answer(command: Callable[..., Result]) -> Callable[..., Any]:
    """Return the function that gives the JSON of a command."""

    def run(*arguments: object) -> Any:
        result = command(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def test_two_channels_are_fitted_as_two_experiments(folders: Folders, answer: Callable[..., Any]) -> None:
    together = answer("fit", folders["two"], *STRENGTH)
    apart = answer("fit", folders["a"], folders["b"], *STRENGTH)
    assert together["nll2"] == pytest.approx(apart["nll2"], rel=1e-9)
    assert together["ndof"] == apart["ndof"]
    assert together["significance"] == pytest.approx(apart["significance"], rel=1e-7)
    names = {"signal_strength": "signal_strength", "two.a.flat_norm": "a.flat_norm", "two.b.flat_norm": "b.flat_norm"}
    for ours, theirs in {**names, "quenching": "quenching"}.items():
        for key, value in apart["parameters"][theirs].items():
            assert together["parameters"][ours][key] == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-7))
    assert list(together["expected"]) == ["two"]
    assert together["experiments"] == ["two"]
    assert together["expected"]["two"]["cevns"] == pytest.approx(sum(apart["expected"][name]["cevns"] for name in "ab"), rel=1e-6)
    assert together["observed"] == {"two": 72}


def test_two_channels_have_the_intervals_of_two_experiments(folders: Folders, answer: Callable[..., Any]) -> None:
    for arguments in (STRENGTH, ("-m", "lmu-ltau", "--at", "mass=30")):
        together = answer("intervals", folders["two"], *arguments)
        apart = answer("intervals", folders["a"], folders["b"], *arguments)
        np.testing.assert_allclose(together["allowed"], apart["allowed"], rtol=1e-6)


def test_the_goodness_of_two_channels_is_the_sum_of_two_experiments(folders: Folders, answer: Callable[..., Any]) -> None:
    held = ("-m", "sm", "--set", "systematics.sns_flux.enabled=false", "--set", "systematics.quenching.enabled=false")
    together = answer("gof", folders["two"], *held)
    apart = [answer("gof", folders[name], *held) for name in "ab"]
    assert together["statistic"] == pytest.approx(sum(one["statistic"] for one in apart), rel=1e-9)
    assert together["ndof"] == sum(one["ndof"] for one in apart)


def test_two_halves_have_the_signal_of_the_whole(folders: Folders, answer: Callable[..., Any]) -> None:
    together, whole = answer("rates", folders["two"], "-m", "sm"), answer("rates", folders["whole"], "-m", "sm")
    assert together["components"] == pytest.approx(whole["components"], rel=1e-12)
    assert together["channels"] == ["a", "b"]
    np.testing.assert_allclose(np.sum(together["signal"], axis=0), whole["signal"], rtol=1e-12)
    np.testing.assert_allclose(np.sum(together["total"], axis=0), whole["total"], rtol=1e-12)
    assert together["axes"] == whole["axes"] == {"e_ee": [1.0, 2.0, 4.0, 8.0]}
    assert {*together} == {*whole, "channels"}


def test_one_channel_is_the_whole(folders: Folders, answer: Callable[..., Any]) -> None:
    one, whole = (answer("fit", folders[name], *STRENGTH) for name in ("one", "whole"))
    assert one["nll2"] == pytest.approx(whole["nll2"], rel=1e-10)
    assert one["parameters"]["signal_strength"] == pytest.approx(whole["parameters"]["signal_strength"], rel=1e-8)
    assert "one.only.flat_norm" in one["parameters"]
    found = answer("rates", folders["one"], "-m", "sm")
    assert found["channels"] == ["only"]
    assert len(found["signal"]) == 1


def test_a_change_of_one_channel_and_of_all(folders: Folders, answer: Callable[..., Any]) -> None:
    ask = ("rates", folders["two"], "-m", "sm")
    plain = answer(*ask)["signal"]
    far = answer(*ask, "--set", "source.distance=40 m")["signal"]
    np.testing.assert_allclose(far, np.divide(plain, 4.0), rtol=1e-9)
    double = answer(*ask, "--set", "channels.b.target.mass=2")["signal"]
    np.testing.assert_allclose(double, np.multiply(plain, [[1.0], [2.0]]), rtol=1e-12)
    both = answer("fit", folders["two"], folders["whole"], *STRENGTH, "--set", "two:channels.b.target.mass=2 kg")
    assert list(both["expected"]) == ["two", "whole"]


def test_a_systematic_is_one_parameter_with_a_size_in_each_channel(folders: Folders) -> None:
    changes = {
        "channels.b.systematics.sns_flux.sigma": "20 %",
        "channels.b.systematics.gain": "{kind: normalisation, sigma: 5 %, components: [flat]}",
    }
    likelihood = cf.build_likelihood(folders["two"], model="sm", changes=changes)
    assert sorted(likelihood.parameters.names) == ["quenching", "sns_flux", "two.a.flat_norm", "two.b.flat_norm", "two.gain"]
    nominal, moved = (cf.rates(likelihood, at={"sns_flux": shift})["two"].signal for shift in (0.0, 1.0))
    np.testing.assert_allclose(np.divide(moved, nominal), [[1.1] * 3, [1.2] * 3], rtol=1e-9)
    flat = [cf.rates(likelihood, at={"two.gain": shift})["two"].parts for shift in (0.0, 1.0)]
    assert flat[1]["a"].totals["flat"] == pytest.approx(flat[0]["a"].totals["flat"], rel=1e-12)
    assert flat[1]["b"].totals["flat"] == pytest.approx(1.05 * flat[0]["b"].totals["flat"], rel=1e-9)


def test_axes_of_channels_may_differ(folders: Folders, answer: Callable[..., Any]) -> None:
    found = answer("rates", folders["two"], "-m", "sm", "--set", "channels.b.axes.e_ee.edges=[2, 4, 8]")
    assert [len(values) for values in found["signal"]] == [3, 2]
    assert found["axes"] == [{"e_ee": [1.0, 2.0, 4.0, 8.0]}, {"e_ee": [2.0, 4.0, 8.0]}]


def test_an_experiment_of_channels_is_listed_and_checked(folders: Folders, answer: Callable[..., Any]) -> None:
    checked = answer("experiments", "check", folders["two"])
    assert checked["channels"] == ["a", "b"]
    assert checked["observed"] == 43 + 29
    assert sum(checked["nuclides"].values()) == pytest.approx(1.0)
    shown = answer("experiments", "show", folders["two"])
    assert shown["channels"] == ["a", "b"]
    assert shown["specs"]["b"]["observed"]["column"] == "b"
    assert "channels" not in answer("experiments", "check", folders["whole"])


def test_tables_and_pictures_have_the_channels(folders: Folders, command: Callable[..., Result]) -> None:
    text = command("rates", folders["two"], "-m", "sm").stdout
    assert re.search(r"component +a +b +counts", text)
    both = cf.build_likelihood(folders["two"], model="sm")
    counts = cf.rates(both)["two"]
    assert f"{cf.table(counts)}" in text
    assert repr(counts).startswith("ChannelRates")
    assert len(repr(counts).splitlines()) <= 24
    assert counts._repr_html_().startswith("<table><caption>ChannelRates")
    assert list(both.counts()) == ["two.a", "two.b"]
    found = cf.rates(both)
    assert len(cf.plot(found).axes) == 4
    assert len(cf.plot(found["two"]).axes) == 4
    assert re.search(r"a +Ge, 1 kg +e_ee \(3\) +35", command("experiments", "show", folders["two"]).stdout)
    assert re.search(r"two +all +\d", command("fit", folders["two"], *STRENGTH).stdout)


@pytest.mark.slow
def test_the_channels_of_an_experiment_have_one_coupling(folders: Folders, answer: Callable[..., Any], refused: Callable[..., str]) -> None:
    assert "nothing to compare" in refused("compatibility", folders["two"], *STRENGTH)
    found = answer("compatibility", folders["two"], folders["whole"], *STRENGTH)
    apart = answer("compatibility", folders["two"], folders["whole"], "-m", "signal-strength")
    assert found["ndof"] == apart["ndof"] == 1
    assert set(found["separate"]) == {"two", "whole"}


def test_the_study_of_experiments_has_one_row_for_all_channels(folders: Folders) -> None:
    from cevnsfit.studies.agreement import signal_strengths

    rows = signal_strengths(cf.build_likelihood(folders["two"], folders["whole"], model="sm"))
    assert [row.label for row in rows] == ["two", "whole", "two + whole"]
    assert [row.observed for row in rows] == [72, 72, 144]


def test_a_scan_is_stored_continued_and_opened(
    folders: Folders, answer: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    answer("scan", folders["two"], *PLANE, "-o", tmp_path / "scan")
    plane = cf.open(tmp_path / "scan").plane
    assert plane.experiments == ("two",)
    apart = cf.scan(
        cf.build_likelihood(folders["a"], folders["b"], model="lmu-ltau"), mass=[10.0, 100.0, 1000.0], g=np.geomspace(1e-5, 1e-1, 9)
    )
    np.testing.assert_allclose(plane.nll2, apart.plane.nll2, rtol=1e-6, atol=1e-6)
    answer("scan", folders["two"], *PLANE, "-o", tmp_path / "scan")
    other = refused("scan", folders["two"], *PLANE, "-o", tmp_path / "scan", "--set", "channels.a.target.mass=2 kg")
    assert "channels.a.target.mass" in other


def test_an_exported_workspace_knows_the_experiment_of_its_channels(
    folders: Folders, command: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "workspace.json"
    made = command("export-likelihood", folders["two"], "-m", "signal-strength", "--to", "pyhf", "-o", file)
    assert made.exit_code == 0, made.output
    opened = read_workspace(file)
    assert opened.experiments == ("two",)
    best, again = cf.fit(cf.build_likelihood(folders["two"], model="signal-strength")), cf.fit(opened)
    assert again.nll2 == pytest.approx(best.nll2, rel=1e-6)
    assert again.expected["two"] == pytest.approx(best.expected["two"], rel=1e-3)


@pytest.mark.slow
def test_a_forecast_counts_the_channels_of_an_experiment_together(folders: Folders, answer: Callable[..., Any]) -> None:
    together = answer("forecast", folders["two"], "-m", "lmu-ltau", "--at", "mass=30")
    apart = answer("forecast", folders["a"], folders["b"], "-m", "lmu-ltau", "--at", "mass=30")
    assert together["events"] == {"two": pytest.approx(sum(apart["events"].values()), rel=1e-9)}
    assert together["limit"] == pytest.approx(apart["limit"], rel=1e-6)
    kept = answer("forecast", folders["whole"], "--with", folders["two"], "--observed", "-m", "lmu-ltau", "--at", "mass=30")
    assert "observed data of two" in json.dumps(kept)


def test_a_field_of_one_channel_is_varied(folders: Folders, answer: Callable[..., Any]) -> None:
    ask = ("forecast", folders["two"], "-m", "lmu-ltau", "--at", "mass=30")
    found = answer(*ask, "--vary", "channels.b.target.mass=1:3:3")
    (field,) = found["fields"]
    assert field["unit"] == "kg"
    events = [row["events"] for row in found["rows"]]
    assert events == pytest.approx([events[0] * factor for factor in (1.0, 1.5, 2.0)], rel=1e-9)
    assert found["rows"][0]["limit"] == pytest.approx(answer(*ask)["limit"], rel=1e-6)


@pytest.mark.slow
def test_toys_and_worker_processes_know_channels(folders: Folders, answer: Callable[..., Any]) -> None:
    alone = answer("gof", folders["two"], *STRENGTH, "--toys", "128")
    shared = answer("gof", folders["two"], *STRENGTH, "--toys", "128", "--jobs", "2")
    assert {**alone, "provenance": None} == {**shared, "provenance": None}
    assert "toy" in json.dumps(alone)
