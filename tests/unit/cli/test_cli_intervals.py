"""`cevnsfit intervals`: what a limit leaves out, and limits with toys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


def test_what_is_left_out_is_said(command: Callable[..., Result]) -> None:
    arguments = ("intervals", "coherent-csi-2021", "-m", "universal", "--at", "mass=100")
    assert "CEvNS only" in command(*arguments).stdout
    assert json.loads(command(*arguments, "--json").stdout)["caveat"] == "CEvNS only"
    assert json.loads(command(*arguments, "--electrons", "--json").stdout)["caveat"] == ""


def test_toys_know_no_parameters_that_rebuild_templates(refused: Callable[..., str]) -> None:
    assert "skin rebuilds the templates" in refused("intervals", "coherent-csi-2021", "-m", "neutron-skin", "--method", "cls")
    for name, experiment, model, poi in (
        ("significance", "coherent-csi-2021", "lmu-ltau", "mass"),
        ("impacts", "coherent-csi-2021", "lmu-ltau", "mass"),
        ("forecast", "ccm-200", "neutron-radii", "r_n_ar"),
        ("forecast", "ccm-200", "lmu-ltau", "mass"),
    ):
        assert f"{poi} rebuilds the templates: only `fit`" in refused(name, experiment, "-m", model, "--poi", poi)


def test_cls_of_a_coupling_without_effect_is_refused(refused: Callable[..., str]) -> None:
    """Nothing depends on the mixing where the coupling of neutrinos is 0, and its null value is the end of its domain."""
    words = ("-m", "dark-photon", "--poi", "eps", "--at", "mass=30", "--at", "g=0", "--method", "cls")
    assert "need counts that grow with eps" in refused("intervals", "coherent-csi-2021", *words)


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """Return the folder of an experiment with one bin, no event, and a known background of 3."""
    lines = (
        "schema_version: 1",
        "name: known",
        "title: one bin",
        "source: {name: sns, exposure_pot: 1.0e+23, yield_per_pot: 0.09, distance: 20 m}",
        "target: {compound: Ge, mass: 0.05 kg}",
        "axes: {e_ee: {unit: keVee, edges: [1, 8]}}",
        "response: {quenching: {kind: constant-quenching, factor: 0.22}}",
        "observed: {table: counts.csv, column: on}",
        "backgrounds: {flat: {shape: {kind: product, factors: {e_ee: {kind: uniform}}}, count: {kind: known, mean: 3}}}",
    )
    (tmp_path / "experiment.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "counts.csv").write_text("# none\ne_ee_low [keVee],e_ee_high [keVee],on [1]\n1,8,0\n", encoding="utf-8")
    return tmp_path


def test_toys_respect_the_physical_domain(command: Callable[..., Result], counting: Path) -> None:
    """Without events above a background of 3 the limit is 0.953 events (the exact construction); a strength of 1 is 0.864."""
    arguments = ("intervals", str(counting), "-m", "signal-strength", "--method", "feldman-cousins", "--toys", "1024", "--json")
    found = json.loads(command(*arguments).stdout)
    ((low, high),) = found["allowed"]
    assert (low, found["domain"][0], found["best_fit"], found["at_domain_end"]) == (0.0, 0.0, 0.0, [])
    assert high == pytest.approx(0.953 / 0.864, abs=0.2)


def test_stored_intervals_are_drawn_under_their_own_name_whatever_an_experiment_is_called(
    command: Callable[..., Result], counting: Path, tmp_path: Path
) -> None:
    file = counting / "experiment.yaml"
    file.write_text(file.read_text("utf-8") + "label: 'R&D_1 <b> $x_, 5 %'\n", encoding="utf-8")
    folder, arguments = tmp_path / "toys", ("intervals", str(counting), "-m", "signal-strength", "--method", "feldman-cousins")
    found = json.loads(command(*arguments, "--toys", "128", "-o", folder, "--plot", tmp_path / "first.svg", "--json").stdout)
    assert found["files"] == [str(tmp_path / "first.svg")]
    drawn = json.loads(command("plot", folder, "--format", "svg", "--json").stdout)
    assert drawn["files"] == [str(folder / "profile.svg")]
    assert (folder / "profile.svg").read_bytes() == (tmp_path / "first.svg").read_bytes()
    page = json.loads(command("report", folder, "--json").stdout)["files"]
    assert "<b> $x_" not in (folder / "report.html").read_text("utf-8")
    assert page == [str(folder / "report.html")]


def test_a_cross_section_that_is_held_by_default_has_an_interval(command: Callable[..., Result]) -> None:
    arguments = ("intervals", "coherent-csi-2021", "-m", "cross-section")
    ((low, high),) = json.loads(command(*arguments, "--json").stdout)["allowed"]
    ((a, b),) = json.loads(command(*arguments, "--method", "feldman-cousins", "--toys", "256", "--json").stdout)["allowed"]
    assert (a, b) == (pytest.approx(low, abs=7.0), pytest.approx(high, abs=7.0))
