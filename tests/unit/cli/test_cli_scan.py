from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.studies import scan as scanning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CSI = "coherent-csi-2021"
GRID = ("--grid", "mass=100:1000:5:log", "--grid", "g=1e-4:2e-2:12:log")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scan")


@pytest.fixture(scope="module")
def result(command: Callable[..., Result], output: Path) -> Result:
    return command("scan", CSI, "-m", "lmu-ltau", *GRID, "-o", output, "--json")


@pytest.fixture(scope="module")
def found(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def test_json(found: dict[str, Any], output: Path) -> None:
    (plane,) = found["planes"]
    assert plane["label"] == CSI
    assert plane["best_fit"]["nll2"] <= plane["reference_nll2"]
    assert [(region["cl"], region["dof"]) for region in plane["regions"]] == [(0.90, 2), (0.95, 2)]
    assert [axis["name"] for axis in plane["axes"]] == ["mass", "g"]
    for region in plane["regions"]:
        assert [column["mass"] for column in region["columns"]] == plane["axes"][0]["values"]
    assert found["files"] == [str(output / name) for name in ("exclusion.csv", "exclusion_intervals.csv", "exclusion.png")]


@pytest.mark.slow
def test_the_first_grid_is_drawn_horizontally(command: Callable[..., Result], tmp_path: Path) -> None:
    grid = ("--grid", "g=5e-4:2e-2:7:log", "--grid", "mass=100:1000:3:log")
    found = json.loads(command("scan", CSI, "-m", "lmu-ltau", *grid, "-o", tmp_path, "--g-2", "2020", "--cl", "0.9", "--json").stdout)
    (plane,) = found["planes"]
    assert [axis["name"] for axis in plane["axes"]] == ["g", "mass"]
    (region,) = plane["regions"]
    assert [column["g"] for column in region["columns"]] == plane["axes"][0]["values"]
    header = next(line for line in (tmp_path / "exclusion.csv").read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    assert header.endswith("point,g [1],mass [MeV]")
    intervals = (tmp_path / "exclusion_intervals.csv").read_text(encoding="utf-8").splitlines()
    assert "label,cl,dof,g [1],interval,mass_low [MeV],mass_high [MeV]" in intervals
    again = json.loads(command("plot", tmp_path, "--cl", "0.9", "--json").stdout)
    assert again["planes"][0]["axes"] == plane["axes"]
    assert again["planes"][0]["best_fit"] == plane["best_fit"]


def test_a_higher_level_allows_more(found: dict[str, Any]) -> None:
    lower, higher = ([column["allowed"] for column in region["columns"]] for region in found["planes"][0]["regions"])

    def length(column: list[list[float]]) -> float:
        return sum(high - low for low, high in column)

    assert all(length(narrow) <= length(wide) for narrow, wide in zip(lower, higher, strict=True))


def test_the_files_hold_what_was_printed(found: dict[str, Any], output: Path) -> None:
    text = (output / "exclusion_intervals.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    allowed = [column["allowed"] for region in found["planes"][0]["regions"] for column in region["columns"]]
    assert [float(row["g_high [1]"]) for row in rows if row["interval"] != "0"] == pytest.approx(
        [high for column in allowed for _, high in column]
    )
    assert (output / "exclusion.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_scan_is_read_and_not_computed_again(
    command: Callable[..., Result], found: dict[str, Any], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(scanning, "grid_block")
    result = command("scan", CSI, "-m", "lmu-ltau", *GRID, "-o", output, "--no-plot", "--cl", "0.9", "--json")
    again = json.loads(result.stdout)
    # boundaries are refined together for all levels asked for, so they agree to the accuracy of the refinement, not to the last bit
    for mine, first in zip(again["planes"][0]["regions"][0]["columns"], found["planes"][0]["regions"][0]["columns"], strict=True):
        assert np.ravel(mine["allowed"]) == pytest.approx(np.ravel(first["allowed"]), rel=1e-7)
    assert len(again["files"]) == 2


def test_the_tables_for_people(command: Callable[..., Result], found: dict[str, Any], output: Path) -> None:
    result = command("scan", CSI, "-m", "lmu-ltau", *GRID, "-o", output, "--no-plot")
    assert result.exit_code == 0
    assert f"{found['planes'][0]['best_fit']['mass']:.4g}" in result.stdout
    row = next(line for line in result.stdout.splitlines() if "1567" in line)
    assert "deficit" in row
    assert "0.9459 +- 0.0988" in row


def test_plot(command: Callable[..., Result], found: dict[str, Any], output: Path, tmp_path: Path) -> None:
    target = tmp_path / "plane.svg"
    result = command("plot", output, "-o", target, "--cl", "0.9", "--g-2", "2020", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["planes"][0]["best_fit"] == found["planes"][0]["best_fit"]
    assert "<svg" in target.read_text(encoding="utf-8")


@pytest.mark.usefixtures("found")
@pytest.mark.slow
def test_plots_have_the_look_that_is_asked_for(
    command: Callable[..., Result], refused: Callable[..., str], output: Path, tmp_path: Path
) -> None:
    looks = (
        "--style",
        "paper",
        "--format",
        "svg,pdf",
        "--label",
        "this work",
        "--xlim",
        "20MeV:0.1GeV",
        "--ylim",
        "1e-4:1e-2",
        "--no-best-fit",
    )
    files = [tmp_path / name for name in ("plane.svg", "plane.pdf", "plane.txt")]
    result = command("plot", output, "-o", tmp_path / "plane.png", *looks, "--json")
    assert json.loads(result.stdout)["files"] == [str(file) for file in files]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert "this work: best fit mass" in files[2].read_text(encoding="utf-8")
    before = [file.read_bytes() for file in files]
    assert command("plot", output, "-o", tmp_path / "plane.png", *looks).exit_code == 0
    assert [file.read_bytes() for file in files] == before
    for wrong, message in (
        (("--style", "poster"), "a style is one of screen, paper, talk"),
        (("--format", "jpg"), "a format is one of png, pdf, svg, pgf"),
        (("--xlim", "1"), "'1' should read A:B"),
        (("--xlim", "1m:2m"), "mass: "),
        (("--ylim", "0:1"), "the axis is logarithmic"),
        (("--label", "a", "--label", "b"), "2 labels, but 1 to name"),
        (("--columns", "3"), "1 or 2 columns"),
    ):
        assert message in refused("plot", output, "-o", tmp_path / "x.png", *wrong)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.usefixtures("found")
def test_another_scan_in_the_same_folder_is_refused(refused: Callable[..., str], output: Path) -> None:
    message = refused("scan", CSI, "-m", "le-ltau", *GRID, "-o", output)
    assert "holds another analysis" in message


def test_an_unfinished_scan_is_not_plotted(
    command: Callable[..., Result], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []
    compute = scanning.grid_block

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return compute(*arguments, **options)

    monkeypatch.setattr(scanning, "grid_block", interrupted)
    arguments = ("scan", CSI, "-m", "lmu-ltau", "--grid", "mass=300:1000:7", "--grid", "g=1e-4:2e-2:4:log", "-o", tmp_path, "--json")
    assert command(*arguments).exit_code == 130
    assert "2 of 7 columns" in refused("plot", tmp_path)
    monkeypatch.setattr(scanning, "grid_block", compute)
    result = command(*arguments)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grid", "mass=1:10:5"), "a scan needs two parameters, got 1"),
        (("--grid", "mass=1:10:5", "--grid", "mass=1:10:6"), "mass has two grids"),
        (("--grid", "mass=1:10", "--grid", "g=0:1:5"), "should read name=start:stop:count"),
        (("--grid", "mas=1:10:5", "--grid", "g=0:1:5"), "unknown parameter 'mas'; did you mean mass"),
        (("--grid", "mass=0:10:5", "--grid", "g=0:1:5"), "mass = 0 is outside its domain"),
        (("--at", "g=1e-3"), "g cannot be both scanned and held"),
        (("--cl", "1.5"), "a confidence level lies between 0 and 1"),
        (("--g-2", "2021"), "unknown prediction of (g - 2)/2 '2021'; did you mean 2025, 2020"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    refused: Callable[..., str], tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in refused("scan", CSI, "-m", "lmu-ltau", *options, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_mass_and_coupling_needs_a_grid(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "needs two --grid" in refused("scan", CSI, "-m", "signal-strength", "-o", tmp_path)


def test_experiments_that_share_events_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused("scan", "coherent-csi-2017", CSI, "-m", "lmu-ltau", *GRID, "-o", tmp_path)
    assert "coherent-csi-2017" in message
    assert CSI in message


def test_a_folder_without_scan(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "no result is stored here" in refused("plot", tmp_path)
    assert "no such folder" in refused("plot", tmp_path / "none")


def test_a_file_in_place_of_the_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "file" in refused("scan", CSI, "-m", "lmu-ltau", *GRID, "-o", tmp_path / "file")


@pytest.mark.slow
def test_a_change_of_one_experiment_is_kept_in_the_store(command: Callable[..., Result], tmp_path: Path) -> None:
    grids = ("--grid", "mass=10:100:3:log", "--grid", "g=1e-4:1e-2:4:log", "--each", "--no-plot")
    options = (*grids, "--set", "ccm-200:source.distance=40 m", "-o", tmp_path, "--json")
    first, again = (json.loads(command("scan", "coherent-csi-2021", "ccm-200", "-m", "lmu-ltau", *options).stdout) for _ in range(2))
    assert first == again
    assert first["provenance"]["overrides"] == [["ccm-200:source.distance", "40 m"]]
    assert [plane["label"] for plane in first["planes"]] == ["coherent-csi-2021", "ccm-200", "coherent-csi-2021 + ccm-200"]
    drawn = json.loads(command("plot", tmp_path, "--json").stdout)
    assert [plane["best_fit"] for plane in drawn["planes"]] == [plane["best_fit"] for plane in first["planes"]]
