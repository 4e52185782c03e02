from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread

import cevnsfit as cf
from cevnsfit.io.layouts import load_blocks, open_posterior

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

pytest.importorskip("emcee")
pytest.importorskip("arviz_stats")

CSI = "coherent-csi-2021"
EMPTY = """schema_version: 1
name: onebin
title: one bin
source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m}
target: {compound: Ge, mass: 0.05 kg}
axes:
  e_ee: {unit: keVee, edges: [1, 8]}
response:
  quenching: {kind: constant-quenching, factor: 0.22}
  smearing: {kind: gaussian-smearing, stochastic: 0.1 keVee**0.5}
observed: {table: counts.csv, column: on}
backgrounds:
  flat:
    shape: {kind: product, factors: {e_ee: {kind: uniform}}}
    count: {kind: gaussian, mean: 0.5, sigma: 0.05}
"""
STRENGTH = ("posterior", CSI, "-m", "signal-strength")


@pytest.mark.slow
def test_the_posterior_of_the_signal_strength_is_its_profile(command: Callable[..., Result], tmp_path: Path) -> None:
    """The likelihood is nearly normal: 0.939 +- 0.099 from the fit."""
    found = json.loads(command(*STRENGTH, "--steps", "600", "-o", tmp_path, "--json").stdout)
    fit = json.loads(command("fit", CSI, "-m", "signal-strength", "--json").stdout)["parameters"]["signal_strength"]
    mine = next(one for one in found["marginals"] if one["name"] == "signal_strength")
    assert mine["mean"] == pytest.approx(fit["value"], abs=0.1 * fit["error"])
    assert mine["sd"] == pytest.approx(fit["error"], rel=0.05)
    ((low, high),) = found["intervals"]
    assert (low, high) == pytest.approx((fit["value"] - 1.645 * fit["error"], fit["value"] + 1.645 * fit["error"]), abs=0.02)
    assert (found["valid"], found["cl"], found["seed"], found["ensembles"], found["steps"]) == (True, 0.9, 1, 4, 600)
    assert imread(tmp_path / "posterior.png").shape[1] == pytest.approx(160 * 7.4, abs=2)
    again = json.loads(command("plot", tmp_path, "-o", tmp_path / "corner.png", "--kind", "corner", "--json").stdout)
    assert again["files"] == [str(tmp_path / "corner.png")]
    assert imread(tmp_path / "corner.png").shape[1] == pytest.approx(160 * 1.7 * 5, abs=2)
    assert "signal_strength flat in [0, inf]" in (tmp_path / "posterior.csv").read_text(encoding="utf-8")
    longer = command(*STRENGTH, "--steps", "700", "-o", tmp_path)
    assert "4 ensembles of 32 walkers and 700 steps" in longer.stdout


@pytest.mark.slow
def test_a_verb_gives_the_keys_and_numbers_of_the_command(command: Callable[..., Result]) -> None:
    text = command("posterior", CSI, "-m", "lmu-ltau", "--at", "mass=100", "--prior", "g=1e-5:1e-2:log", "--steps", "100", "--json").stdout
    found = json.loads(text)
    assert found.pop("provenance")["seed"] == 1
    assert found.pop("files") == []
    likelihood = cf.build_likelihood(CSI, model="lmu-ltau")
    mine = cf.posterior(likelihood, at={"mass": 100}, priors=["g=1e-5:1e-2:log"], steps=100)
    assert json.loads(json.dumps(mine.to_dict())) == found
    assert (found["poi"], found["at"], found["model"], found["experiments"]) == ("g", {"mass": 100.0}, "lmu-ltau", [CSI])
    assert found["lagrangian"].startswith("L = g Z'_mu")


def test_a_block_whose_mark_is_missing_is_none(tmp_path: Path) -> None:
    with open_posterior(tmp_path, {"what": "test"}, ["g"], ensembles=2, shape=(100, 32)) as store:
        store.arrays["chain"][0, 0] = np.zeros((100, 32, 1))
        assert load_blocks(store, 0, 3) == []


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """Return an experiment of one bin without events: 0.863 are expected times the strength, over 0.5 +- 0.05."""
    folder = tmp_path / "onebin"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(EMPTY, encoding="utf-8")
    (folder / "counts.csv").write_text("# x\ne_ee_low [keVee],e_ee_high [keVee],on [1]\n1,8,0\n", encoding="utf-8")
    return str(folder)


@pytest.mark.slow
def test_nested_sampling_agrees_with_ensembles_and_gives_the_evidence(command: Callable[..., Result], empty: str, tmp_path: Path) -> None:
    """Without events the likelihood is exp(-0.863 s) times that of the background; a run that is there is not done again."""
    question = ("posterior", empty, "-m", "signal-strength", "--prior", "signal_strength=0:8", "--ensembles", "2", "--json")
    asked = (*question, "--sampler", "nested", "--walkers", "100", "-o", tmp_path / "out")
    found = json.loads(command(*asked).stdout)
    grid = np.linspace(0.0, 8.0, 8001)
    density = np.exp(-0.863 * grid)
    mean = np.trapezoid(density * grid, grid) / np.trapezoid(density, grid)
    mine = next(one for one in found["marginals"] if one["name"] == "signal_strength")
    assert mine["mean"] == pytest.approx(mean, abs=0.35)
    background = -0.5 + 0.5 * 0.05**2
    assert found["log_evidence"] == pytest.approx(
        math.log(np.trapezoid(density, grid) / 8) + background, abs=4 * found["log_evidence_error"]
    )
    assert (found["sampler"], found["walkers"], found["steps"], found["warm_up"]) == ("nested", 100, 200, 0)
    assert found["intervals"][0][0] == 0.0
    again = json.loads(command(*asked).stdout)
    assert again["marginals"] == found["marginals"]
    assert again["log_evidence"] == found["log_evidence"]
    assert "2 nested runs of 100 live points, 200 draws of each; seed 1; ln evidence" in (tmp_path / "out" / "posterior.csv").read_text(
        "utf-8"
    )
    walk = json.loads(command(*question, "--steps", "600").stdout)
    assert (walk["sampler"], walk["log_evidence"], walk["log_evidence_error"]) == ("emcee", None, None)
    assert walk["upper"] == pytest.approx(found["upper"], abs=0.6)


def test_a_sampler_does_not_continue_the_other_one(
    refused: Callable[..., str], command: Callable[..., Result], empty: str, tmp_path: Path
) -> None:
    question = (
        "posterior",
        empty,
        "-m",
        "signal-strength",
        "--prior",
        "signal_strength=gaussian:1:0.5",
        "--ensembles",
        "2",
        "-o",
        tmp_path,
    )
    found = command(*question, "--steps", "100")
    assert "signal_strength normal, 1 +- 0.5, in [0, inf]" in found.stdout
    assert "holds another analysis" in refused(*question, "--sampler", "nested")


@pytest.mark.slow
def test_a_radius_floats_and_is_the_question(command: Callable[..., Result]) -> None:
    """The radius of a model without couplings, with two processes: the numbers do not depend on them."""
    question = ("posterior", CSI, "-m", "neutron-radius", "--steps", "100", "--walkers", "20", "--ensembles", "2", "--json")
    found, again = (json.loads(command(*question, *more).stdout) for more in ((), ("-j", "2", "--profile", "r_n", "--poi", "r_n")))
    assert (found["poi"], found["priors"][0]["name"]) == ("r_n", "r_n")
    assert again["marginals"] == found["marginals"]


def test_another_posterior_is_refused(refused: Callable[..., str], command: Callable[..., Result], tmp_path: Path) -> None:
    command(*STRENGTH, "--steps", "100", "--ensembles", "2", "-o", tmp_path)
    message = refused(*STRENGTH, "--steps", "100", "--ensembles", "2", "--seed", "2", "-o", tmp_path)
    assert "holds another analysis (seed: 1 there, 2 asked)" in message


def test_a_run_that_is_too_short_is_incomplete(command: Callable[..., Result]) -> None:
    found = command(*STRENGTH, "--steps", "100", "--ensembles", "2", "--json")
    assert found.exit_code == 3
    assert not json.loads(found.stdout)["valid"]
    assert "more --steps" in found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prior", "g=1"), "should read name=low:high"),
        (("--prior", "g=0:1:log"), "both finite and above 0"),
        (("--prior", "gg=0:1"), "unknown parameter 'gg'"),
        (("--prior", "g=0:1", "--prior", "g=0:2"), "g has two priors"),
        (("--walkers", "10"), "an even number of at least 20 walkers"),
        (("--ensembles", "1"), "at least 2 ensembles"),
        (("--poi", "mas"), "unknown parameter 'mas'"),
        (("--poi", "mass"), "mass is both held (--at) and the parameter of interest"),
        (("--poi", "loop_sign"), "loop_sign does not float in this posterior"),
        (("--sampler", "nuts"), "there is no sampler 'nuts'"),
        (("--sampler", "nested", "--steps", "100"), "nested sampling ends by itself"),
        (("--prior", "g=gaussian:1"), "or name=gaussian:mean:sigma"),
        (("--prior", "g=gaussian:0.1:0.2:log"), "or name=gaussian:mean:sigma"),
        (("--prior", "g=gaussian:0.1:-1"), "a width above 0"),
        (("--cl", "90"), "a confidence level lies between 0 and 1"),
    ],
)
def test_bad_questions(refused: Callable[..., str], options: tuple[str, ...], message: str) -> None:
    assert message in refused("posterior", CSI, "-m", "lmu-ltau", "--at", "mass=100", *options)
