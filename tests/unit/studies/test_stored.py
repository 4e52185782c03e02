"""Stored results are opened again from Python; scans that are stopped go on there too."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

import cevnsfit as cf
from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.infer.intervals import Level
from cevnsfit.io.layouts import load_columns, open_posterior, read_scan

if TYPE_CHECKING:
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.scan import Scan

NAMES = ("coherent-csi-2021", "coherent-lar-2020")
GRID = {"mass": np.geomspace(100.0, 1000.0, 3), "g": np.geomspace(5e-4, 2e-2, 7)}
LEVELS = (Level(0.683, 2), Level(0.95, 2))
RADII = {"r_n_i": np.linspace(3.5, 7.5, 5), "r_n_cs": np.linspace(3.5, 7.5, 4)}


@pytest.fixture(scope="module")
def likelihood() -> Likelihood:
    return cf.build_likelihood(NAMES[0], model="lmu-ltau")


def command(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def same(one: Scan, other: Scan) -> bool:
    arrays = all(np.array_equal(getattr(one.plane, name), getattr(other.plane, name)) for name in ("nll2", "valid"))
    return arrays and one.to_dict() == other.to_dict()


def interrupt(done: int, _: int) -> None:
    if done == 1:
        raise KeyboardInterrupt


def test_a_scan_that_was_interrupted_goes_on_and_is_opened(likelihood: Likelihood, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cf.scan(likelihood, **GRID, store=tmp_path, progress=interrupt)
    assert [column is None for column in load_columns(read_scan(tmp_path), NAMES[0])] == [False, True, True]
    with pytest.raises(ResultError, match="2 of 3 columns"):
        cf.open(tmp_path)
    told: list[tuple[int, int]] = []
    made = cf.scan(likelihood, **GRID, store=tmp_path, progress=lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]
    again = cf.open(str(tmp_path))
    assert same(again, made)
    assert again.contour(cl=0.90).columns == made.contour(cl=0.90).columns
    assert again.likelihood.origin == likelihood.origin
    assert again.likelihood.logpdf({"mass": 100.0, "g": 1e-3}) == likelihood.logpdf({"mass": 100.0, "g": 1e-3})


@pytest.mark.slow
def test_workers_do_not_change_a_bit(likelihood: Likelihood) -> None:
    one, two = cf.scan(likelihood, **GRID), cf.scan(likelihood, **GRID, workers=2)
    assert same(one, two)
    assert [r.columns for r in one.contours([*LEVELS])] == [r.columns for r in two.contours([*LEVELS], workers=2)]


@pytest.mark.slow
def test_planes_have_labels(tmp_path: Path) -> None:
    grid = ("--grid", "mass=100:1000:3:log", "--grid", "g=5e-4:2e-2:5:log")
    command("scan", *NAMES, "-m", "lmu-ltau", "--each", *grid, "--no-plot", "-o", tmp_path, "--json")
    assert cf.open(tmp_path).plane.label == " + ".join(NAMES)
    assert cf.open(tmp_path, plane=NAMES[1]).plane.experiments == (NAMES[1],)
    with pytest.raises(ResultError, match=rf"no plane 'LAr'; there are {NAMES[0]}, {NAMES[1]}, {NAMES[0]} \+ {NAMES[1]}"):
        cf.open(tmp_path, plane="LAr")


def test_folders_without_a_result_say_what_reads_them(likelihood: Likelihood, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="nowhere: no such folder"):
        cf.open(tmp_path / "nowhere")
    with pytest.raises(ResultError, match="no result is stored here"):
        cf.open(tmp_path)
    cf.goodness(likelihood, at={"mass": 100.0}, toys=cf.Toys(128, seed=7), store=tmp_path / "toys")
    with pytest.raises(ResultError, match=r"cf\.goodness\(likelihood, \.\.\., toys=cf\.Toys\(number, seed=7\), store='.*toys'\)"):
        cf.open(tmp_path / "toys")
    with open_posterior(tmp_path / "chain", {}, ("g",), ensembles=2, shape=(4, 4)):
        pass
    with pytest.raises(ResultError, match="holds a posterior, which has no planes"):
        cf.open(tmp_path / "chain", plane=NAMES[0])
    with pytest.raises(ResultError, match="not that of a posterior"):
        cf.open(tmp_path / "chain")
    (tmp_path / "foreign" / "scan.zarr").mkdir(parents=True)
    with pytest.raises(CevnsfitError, match=r"scan\.zarr"):
        cf.open(tmp_path / "foreign")


def test_given_data_are_told_apart(likelihood: Likelihood, tmp_path: Path) -> None:
    asimov = likelihood.with_data("asimov")
    made = cf.scan(asimov, **GRID, store=tmp_path)
    assert made.plane.caveat == f"not the observed data of {NAMES[0]}"
    assert made.plane.best["g"] == pytest.approx(0.0, abs=1e-12)
    assert same(cf.scan(asimov, **GRID, store=tmp_path), made)
    with pytest.raises(ResultError, match="given data: scan that again with the same store="):
        cf.open(tmp_path)
    with pytest.raises(ResultError, match=r"data: .* there, null asked"):
        cf.scan(likelihood, **GRID, store=tmp_path)


def test_a_likelihood_built_by_hand_is_scanned_but_not_stored(likelihood: Likelihood, tmp_path: Path) -> None:

    bare = replace(likelihood, origin=None)
    made, usual = cf.scan(bare, **GRID), cf.scan(likelihood, **GRID)
    np.testing.assert_array_equal(made.plane.nll2, usual.plane.nll2)
    assert made.contour(cl=0.9).columns == usual.contour(cl=0.9).columns
    assert (made.plane.label, made.plane.model, made.to_dict()["experiments"]) == (NAMES[0], "", [NAMES[0]])
    with pytest.raises(CevnsfitError, match="this likelihood does not know: build it with build_likelihood"):
        cf.scan(bare, **GRID, store=tmp_path)
    assert not list(tmp_path.iterdir())
    local = replace(bare, build=lambda values: likelihood.build({**values}))
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(1) as processes:
        for each in (bare, local):
            np.testing.assert_array_equal(cf.scan(each, **GRID, workers=threads).plane.nll2, usual.plane.nll2)
        with pytest.raises(CevnsfitError, match="can go to workers only if it can be pickled"):
            cf.scan(local, **GRID, workers=processes)


@pytest.mark.slow
def test_two_radii_from_python_and_the_command_line(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood(NAMES[0], model="neutron-radii")
    made = cf.scan(likelihood, **RADII, store=tmp_path / "python")
    grid = ("--grid", "r_n_i=3.5:7.5:5", "--grid", "r_n_cs=3.5:7.5:4")
    command("scan", NAMES[0], "-m", "neutron-radii", *grid, "-o", tmp_path / "command", "--json")
    for folder in ("python", "command"):
        assert same(cf.open(tmp_path / folder), made)
        drawn = command("plot", tmp_path / folder, "-o", tmp_path / f"{folder}.png", "--json")
        assert drawn["planes"][0]["best_fit"] == made.plane.best
        assert Path(drawn["files"][0]).stat().st_size > 0
        assert command("show", tmp_path / folder, "--json")["parts"][0]["model"] == "neutron-radii"
        files = command("export", tmp_path / folder, "--to", "csv", "-o", tmp_path / f"{folder}.csv", "--json")["files"]
        assert files == [str(tmp_path / f"{folder}.csv")]
    assert (tmp_path / "python.csv").read_text("utf-8") == (tmp_path / "command.csv").read_text("utf-8")
    (file,) = cf.export(made, "csv", tmp_path / "memory.csv")
    assert file.read_text("utf-8") == (tmp_path / "python.csv").read_text("utf-8")
    assert made.to_dict()["lagrangian"]


def test_an_exported_likelihood_is_loaded_again(likelihood: Likelihood, tmp_path: Path) -> None:
    onset = {"coherent-csi-2021.onset": 60.0}  # a workspace has one
    at = {"mass": 100.0, **onset}
    cf.export(likelihood, "pyhf", tmp_path / "one.json", at=at)
    cf.export(likelihood, "pyhf", tmp_path / "several", at=onset, grid={"mass": [50.0, 100.0]})
    workspace, patchset = (tmp_path / "several" / f"workspace{end}.json" for end in ("", ".patchset"))
    one = cf.load_likelihood(tmp_path / "one.json")
    patched = cf.load_likelihood(str(workspace), patchset=patchset, patch="mass_100")
    for found in (one, patched):
        lowest = cf.fit(likelihood, at={**at, "g": 1e-3}, minos=()).nll2
        assert cf.fit(found, at={"g": 1e-3}, minos=()).nll2 == pytest.approx(lowest, abs=1e-6)
        assert found.logpdf({"g": 1e-3}, profiled=True) == pytest.approx(-0.5 * lowest, abs=1e-6)
        assert found.logpdf({"g": 1e-3}) == pytest.approx(likelihood.logpdf({**at, "g": 1e-3}), abs=1e-6)
    with pytest.raises(CevnsfitError, match="a patchset and the name of a patch belong together"):
        cf.load_likelihood(workspace, patchset=patchset)
    with pytest.raises(CevnsfitError, match="this likelihood does not know"):
        cf.goodness(one, toys=cf.Toys(128), store=tmp_path / "store")
    with pytest.raises(ResultError, match="no such file"):
        cf.load_likelihood(tmp_path / "nope.json")


def test_an_hs3_document_is_loaded_again(likelihood: Likelihood, tmp_path: Path) -> None:
    pytest.importorskip("pyhs3")
    at = {"mass": 100.0, "coherent-csi-2021.onset": 60.0}
    (file, *_) = cf.export(likelihood, "hs3", tmp_path / "hs3.json", at=at)
    assert cf.load_likelihood(file).logpdf({"g": 1e-3}) == pytest.approx(likelihood.logpdf({**at, "g": 1e-3}), abs=1e-6)
    with pytest.raises(CevnsfitError, match="an HS3 document has no patches"):
        cf.load_likelihood(file, patchset=file, patch="one")


@pytest.mark.slow
def test_what_pseudo_experiments_say_is_opened_again_without_new_ones(tmp_path: Path) -> None:
    likelihood = cf.build_likelihood("coherent-csi-2017", model="signal-strength")
    folders = {name: tmp_path / name for name in ("feldman-cousins", "cls", "coverage")}
    made: dict[str, Any] = {
        method: cf.intervals(likelihood, method=method, toys=cf.Toys(256, seed=3), store=folders[method])
        for method in ("feldman-cousins", "cls")
    }
    made["coverage"] = cf.coverage(likelihood, "signal_strength", [1.0], toys=cf.Toys(128), store=folders["coverage"])
    for name, folder in folders.items():
        assert cf.open(folder).to_dict() == made[name].to_dict()
        assert cf.plot(cf.open(folder)).axes
    chunk = next((folders["cls"] / "toys.zarr" / "status" / "c").glob("*/1"))
    shutil.rmtree(chunk)
    with pytest.raises(ResultError, match="not finished; the same command continues them"):
        cf.open(folders["cls"])
