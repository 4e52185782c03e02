"""The page of a study, from a small run: what is on it, what it shows, and what it says when nothing is left."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.integrate import trapezoid

import cevnsfit as cf
from cevnsfit.core.errors import SpecError
from cevnsfit.studies.analysis import read_study, run_study
from cevnsfit.studies.page import write_study
from cevnsfit.studies.sleptons import summary
from cevnsfit.studies.susy import susy_scan
from cevnsfit.studies.susy_inputs import SusyInputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cevnsfit.studies.susy import SusyScan

HEAD = """\
schema_version: 1
title: A small study
description: What the reader should know.
model: lmu-ltau
grid: ["mass=10:200:3:log", "g=1e-4:1e-1:7:log"]
results: [{label: CCM, experiments: [ccm-200]}]
g_2: none
"""
SLICE = """\
slice:
  limits: [ccfr-trident, borexino]
  bands: [muon-2006/muon-2020]
  masses: "mass=10:200:9:log"
  results: [CCM]
"""
SUSY = """\
susy:
  points: 20000
  mu_sign: -1
  electron: electron-cs-2018
  electron_measured: electron-2008
  muon: muon-2020
  muon_measured: muon-2006
"""
INPUTS = SusyInputs(mu_sign=-1, electron="electron-cs-2018", electron_measured="electron-2008", muon="muon-2020", muon_measured="muon-2006")


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def scan() -> SusyScan:
    return susy_scan(20_000, INPUTS)


@pytest.mark.slow
def test_a_section_is_the_scan_of_the_command(command: Callable[..., Result], scan: SusyScan, tmp_path: Path) -> None:
    result = command("run", write(tmp_path, HEAD + SLICE + SUSY), "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["susy"]["kept"] == scan.kept > 300
    assert found["susy"]["smallest_hierarchy"] == pytest.approx(scan.smallest_hierarchy)
    names = ["exclusion.csv", "exclusion_intervals.csv", "slice.csv", "exclusion.png", "susy-masses.png", "susy-scenarios.png", "study.md"]
    assert [file.rpartition("/")[2] for file in found["files"]] == names
    page = (tmp_path / "out" / "study.md").read_text(encoding="utf-8")
    assert page.startswith("# A small study\n\nWhat the reader should know.")
    assert all((tmp_path / "out" / picture).is_file() for picture in re.findall(r"\]\(([^)]*)\)", page))
    assert len(re.findall(r"!\[", page)) == 3
    assert f"{scan.kept} explain both moments with some boson that passes" in page
    assert "95 % CL" in page
    assert "not tested" in page
    assert "allowed" not in page.replace("allowed intervals", "").replace("nothing here is called allowed", "")
    text = command("run", tmp_path / "study.yaml", "-o", tmp_path / "out").stdout
    assert "What each result takes from it" in text
    assert "smallest tan beta" in text


@pytest.mark.slow
def test_the_study_of_both_moments_can_be_read(project_root: Path) -> None:
    study = read_study(project_root / "analyses" / "two-moments.yaml")
    assert study.superpartners == INPUTS
    assert study.points == 1_000_000
    assert study.rest is not None
    assert {label for label in study.rest.results if "CCM" in label} == {label for label in study.analyses if "CCM" in label}
    assert [analysis.experiments[0].rpartition("/")[2] for analysis in study.analyses.values()][2:5] == [
        "ccm-200",
        "ccm-200-recoil",
        "ccm-120",
    ]


def test_each_result_is_held_against_what_limits_leave(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD.replace('"g=1e-4:1e-1:7:log"', '"g=1e-4:1e-2:25:log"') + SLICE)
    result = run_study(read_study(path), tmp_path / "out")
    first, ccm = result.remainders
    assert (first.result, ccm.result, first.removed) == ("", "CCM", 0.0)
    widths = [sum(high - low for low, high in column.allowed) for column in first.left.columns]
    area = trapezoid(widths, np.log([column.mass for column in first.left.columns]))
    left = [sum(high - low for low, high in column.allowed) for column in ccm.left.columns]
    assert ccm.removed == pytest.approx(1.0 - trapezoid(left, np.log([column.mass for column in ccm.left.columns])) / area, abs=1e-9)
    files = {file.name for file in write_study(result, tmp_path / "out", picture=False)}
    assert files == {"exclusion.csv", "exclusion_intervals.csv", "slice.csv", "study.md"}
    assert "![" not in (tmp_path / "out" / "study.md").read_text(encoding="utf-8")


def test_statements_are_the_ends_of_the_columns(scan: SusyScan) -> None:
    found = {one.quantity: one.values for one in summary(scan)}
    columns, neutral = scan.columns, ~np.isin(scan.columns["lsp"], [5, 6])
    left = neutral & ~(columns["lhc_ratio"] > 1.0) & ~(columns["lifetime"] > 1.0)
    assert found["points"]["kept, 2 sigma"] == (scan.kept,)
    assert found["points"]["left, 2 sigma"] == (left.sum(),) == (scan.kept_alive,)
    assert found["upper limit on the lightest selectron"]["left, 2 sigma"] == (columns["selectron"][left].max(),)
    assert found["smallest tan beta"]["left, 2 sigma"] == (columns["tan_beta"][left].min(),)
    own = left & (columns["drawn"] == 1.0)
    assert found["mass of these bosons"]["left, 2 sigma"] == (columns["boson_mass"][own].min(), columns["boson_mass"][own].max())
    assert found["smallest hierarchy, ranges of the boson alone"] == {"kept, 2 sigma": (scan.smallest_hierarchy_ranges,)}
    text = str(cf.table(scan))
    assert f"{columns['selectron'][left].max():.4g}" in text
    assert "LHC at 95 % CL" in text


@pytest.mark.slow
def test_the_command_leaves_pictures_and_statements(command: Callable[..., Result], scan: SusyScan, tmp_path: Path) -> None:
    moments = (
        "--electron",
        INPUTS.electron,
        "--electron-measured",
        INPUTS.electron_measured,
        "--muon",
        INPUTS.muon,
        "--muon-measured",
        INPUTS.muon_measured,
    )
    result = command("susy-scan", "-n", 20_000, "--mu-sign", -1, *moments, "-o", tmp_path / "points", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [file.rpartition("/")[2] for file in found["files"]] == ["susy-masses.png", "susy-scenarios.png"]
    assert all((tmp_path / "points" / file).stat().st_size > 10_000 for file in ("susy-masses.png", "susy-scenarios.png"))
    assert found["statements"] == [one.to_dict() | {"values": {k: list(v) for k, v in one.values.items()}} for one in summary(scan)]


@pytest.mark.slow
def test_within_fewer_errors_a_scan_is_the_one_that_asks_for_them() -> None:
    wide, narrow = (susy_scan(100_000, replace(INPUTS, sigmas=sigmas)) for sigmas in (2.0, 1.0))
    first, second = ({one.quantity: one.values for one in summary(scan)} for scan in (wide, narrow))
    assert narrow.kept > 5
    for quantity, values in second.items():
        if "ranges" not in quantity:
            assert first[quantity]["kept, 1 sigma"] == pytest.approx(values["kept, 1 sigma"])
            assert first[quantity]["left, 1 sigma"] == pytest.approx(values["left, 1 sigma"])


def test_without_a_boson_nothing_is_said_of_it() -> None:
    scan = susy_scan(20_000, replace(INPUTS, boson=False, muon="muon-2025", muon_measured="muon-2025"))
    assert scan.kept > 10
    assert [one.quantity for one in summary(scan)][-1] == "smallest tan beta"
    assert summary(scan)[0].values["kept, 2 sigma"] == (scan.kept,)


@pytest.mark.slow
def test_a_scan_that_keeps_nothing_says_so(command: Callable[..., Result], tmp_path: Path) -> None:
    text = HEAD + SUSY.replace("20000", "200").replace("mu_sign: -1", "mu_sign: 1")
    result = command("run", write(tmp_path, text), "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["susy"]["kept"] == 0
    page = (tmp_path / "out" / "study.md").read_text(encoding="utf-8")
    assert "No point is kept" in page
    assert "susy-masses.png" not in page
    assert cf.plot(susy_scan(200, SusyInputs(electron="electron-cs-2018", electron_measured="electron-2008"))).axes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "  ranges: {selectrn_L: '100:500'}",
            "susy.ranges.selectrn_L: unknown parameter of the scan 'selectrn_L'; did you mean selectron_L",
        ),
        ("  ranges: {tan_beta: '50:10'}", "susy.ranges.tan_beta: tan_beta: a range needs LOW <= HIGH"),
        ("  ranges: {M1: '100:500:lin'}", "susy.ranges.M1: M1: '100:500:lin' should read LOW:HIGH"),
        ("  ranges: {M1: '0:500'}", "susy.ranges: M1 must be positive"),
        ("  boson_limits: [ccfrr]", "susy.boson_limits: unknown limit on the boson 'ccfrr'; did you mean ccfr"),
        ("  boson_limits: ['ccfr:many']", "susy.boson_limits: 'ccfr:many' should read NAME or NAME:CL"),
        ("  experiments: [coherent-csi-2012]", "susy.experiments.0: unknown experiment 'coherent-csi-2012'"),
        ("  sigmas: -1", "susy.sigmas: it should be greater than 0"),
        ("  m1_sign: 2", "susy.m1_sign: it should be -1, 1 or 'both'"),
        ("  point: 3", "susy.point: unknown field 'point'; did you mean points"),
    ],
)
def test_each_kind_of_bad_input_has_its_line_and_field(tmp_path: Path, change: str, message: str) -> None:
    text = HEAD + SUSY + change + "\n"
    with pytest.raises(SpecError) as error:
        read_study(write(tmp_path, text))
    assert f"study.yaml:{text.count(chr(10))}: {message}" in str(error.value)


def test_moments_that_are_none_are_found(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        read_study(
            write(
                tmp_path, HEAD + SUSY.replace("electron-cs-2018", "electron-cs-2081").replace("muon: muon-2020", "muon: electron-cs-2018")
            )
        )
    assert "study.yaml:11: susy.electron: unknown prediction 'electron-cs-2081'; did you mean electron-cs-2018" in str(error.value)
    assert "study.yaml:13: susy.muon: 'muon-2006' is a moment of mu, 'electron-cs-2018' one of e" in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("borexino", "borexin", "9: slice.limits.1: unknown overlay 'borexin'; did you mean borexino"),
        ("borexino", "muon-2020", "9: slice.limits.1: 'muon-2020' is a band and does not belong to limits"),
        ("muon-2006/muon-2020", "borexino", "10: slice.bands.0: 'borexino' is a limit and does not belong to bands"),
        ("[CCM]", "[CMC]", "12: slice.results.0: unknown label of a result 'CMC'; did you mean CCM"),
        ("mass=10:200:9:log", "mass=10", "11: slice.masses: 'mass=10' should read name=start:stop:count"),
        ("mass=10:200:9:log", "g=1e-4:1:9", "11: slice.masses: the grid is over mass, not over g"),
        (
            "mass=10:200:9:log",
            "mass=1:200:9:log",
            "11: slice.masses: results are known from 10 to 200 MeV (grid), not from 1 to 200 MeV",
        ),
        ("[ccfr-trident, borexino]", f"[{'long ' * 2000}]", "9: slice.limits.0: unknown overlay 'long long"),
        ("[ccfr-trident, borexino]", "[]", "9: slice.limits: at least 1 entries are needed, not 0"),
    ],
)
def test_a_slice_names_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        read_study(write(tmp_path, HEAD + SLICE.replace(old, new)))
    assert f"study.yaml:{message}" in str(error.value)


def test_a_limit_in_a_file_lies_beside_that_of_the_analysis(tmp_path: Path) -> None:
    text = HEAD + SLICE.replace("borexino", "limit.csv")
    with pytest.raises(SpecError, match=r"limit\.csv: is missing"):
        read_study(write(tmp_path, text))
    (tmp_path / "limit.csv").write_text("# source: us\nmass [GeV],g [1]\n0.001,5e-4\n1,5e-4\n", encoding="utf-8")
    found = read_study(write(tmp_path, text)).rest
    assert found is not None
    assert [limit.name for limit in found.limits] == ["ccfr-trident", "limit", "muon-2006/muon-2020"]


def test_a_slice_is_one_of_mass_and_coupling(tmp_path: Path) -> None:
    text = HEAD.replace("mass=10:200:3:log", "loop_sign=-1:1:3") + SLICE
    with pytest.raises(SpecError, match="slice: a slice needs mass and g, but the plane is one of loop_sign and g"):
        read_study(write(tmp_path, text))
