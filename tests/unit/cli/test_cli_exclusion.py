from __future__ import annotations

import csv
import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core import documents
from cevnsfit.core.documents import About
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.moments.boson_loops import scalar_contribution, vector_contribution
from cevnsfit.moments.measured import Deviation, latest_deviation
from cevnsfit.physics.constants import MUON_MASS
from cevnsfit.report.style import save_figure
from cevnsfit.studies.exclusion import Exclusion, coarse, exclusion_picture, plane_band, write_tables

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = About(("a", "b"), "lmu-ltau", "L = g Z'_mu [...]", "CEvNS only")
MASS = np.array([10.0, 100.0, 1000.0])
COUPLING = np.geomspace(1e-5, 1e-1, 5)
LIMIT = np.column_stack([MASS, [1e-3, 3e-3, 3e-2]])
BAND = np.array([[1000.0, 0.066], [500.0, 0.035], [1000.0, 0.073]])


@pytest.fixture
def plane() -> Plane:
    return Plane(
        label="a + b",
        experiments=("a", "b"),
        model="lmu-ltau",
        x=PlaneAxis("mass", "MeV", MASS, "log"),
        y=PlaneAxis("g", "1", COUPLING, "log"),
        nll2=np.full((3, 5), 95.0),
        valid=np.ones((3, 5), dtype=np.bool_),
        best={"mass": 100.0, "g": 1e-3, "nll2": 93.0},
        reference_nll2=94.5,
        fallbacks=2,
        caveat="CEvNS only",
    )


@pytest.fixture
def region() -> Region:
    columns = (((1e-5, 1e-3),), (), ((1e-5, 3e-2), (0.066, 0.073)))
    return Region(0.9, 2, 4.6052, columns, (), (), (LIMIT, BAND))


def read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    return comments, list(csv.DictReader(lines[len(comments) :]))


def test_every_branch_is_written(plane: Plane, region: Region, tmp_path: Path) -> None:
    path, _ = write_tables([Exclusion(plane, (region,), about=ABOUT)], tmp_path)
    comments, rows = read(path)
    assert list(rows[0]) == ["label", "cl", "dof", "branch", "point", "mass [MeV]", "g [1]"]
    for number, branch in enumerate((LIMIT, BAND), 1):
        points = [(float(row["mass [MeV]"]), float(row["g [1]"])) for row in rows if row["branch"] == str(number)]
        np.testing.assert_allclose(points, branch)
    assert {(row["label"], row["cl"], row["dof"]) for row in rows} == {("a + b", "0.9", "2")}
    text = "\n".join(comments)
    assert all(
        part in text for part in ("L = g Z'_mu", "4.6052 (0.9 CL, 2 dof)", "caveat: CEvNS only", "mass = 100 MeV, g = 0.001", "cevnsfit ")
    )


def test_allowed_intervals_are_written_and_none_is_said(plane: Plane, region: Region, tmp_path: Path) -> None:
    _, path = write_tables([Exclusion(plane, (region,), about=ABOUT)], tmp_path)
    _, rows = read(path)
    assert [(row["mass [MeV]"], row["interval"], row["g_low [1]"], row["g_high [1]"]) for row in rows] == [
        ("10", "1", "1e-05", "0.001"),
        ("100", "0", "", ""),
        ("1000", "1", "1e-05", "0.03"),
        ("1000", "2", "0.066", "0.073"),
    ]


def test_json_holds_the_columns(plane: Plane, region: Region) -> None:
    (entry,) = documents.plain([Exclusion(plane, (region,), about=ABOUT)])
    assert entry["regions"][0]["columns"][2] == {"mass": 1000.0, "allowed": [[1e-5, 3e-2], [0.066, 0.073]]}
    assert set(entry) == {
        *("label", "experiments", "model", "lagrangian", "caveat", "constraints", "axes", "best_fit", "reference_nll2"),
        *("method", "doubtful_points", "fallbacks", "regions"),
    }
    assert entry["axes"][0] == {"name": "mass", "unit": "MeV", "scale": "log", "values": MASS.tolist()}
    assert entry["reference_nll2"] == 94.5


def test_only_invalid_points_near_the_minimum_are_doubtful(plane: Plane) -> None:
    nll2, valid = plane.nll2.copy(), plane.valid.copy()
    nll2[0, :3] = [1e4, np.inf, np.nan]
    valid[0, :] = [False, False, False, False, True]
    assert plane.doubtful == 0
    assert dataclasses.replace(plane, nll2=nll2, valid=valid).doubtful == 2


def test_the_band_is_that_of_the_charge_in_the_model(plane: Plane) -> None:
    reference = Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x")
    one, three = (plane_band(dataclasses.replace(plane, model=name), reference) for name in ("lmu-ltau", "b-3l-mu"))
    assert one is not None
    assert three is not None
    assert vector_contribution(one.low, one.x, MUON_MASS) == pytest.approx(np.full(201, 1.8e-9), rel=1e-6, abs=0.0)
    assert vector_contribution(3.0 * three.high, three.x, MUON_MASS) == pytest.approx(np.full(201, 3.4e-9), rel=1e-6, abs=0.0)
    scalar = plane_band(dataclasses.replace(plane, model="scalar-universal"), reference)
    assert scalar is not None
    assert scalar_contribution(scalar.high, scalar.x, MUON_MASS) == pytest.approx(np.full(201, 3.4e-9), rel=1e-6, abs=0.0)


def test_a_band_stands_upright_where_the_mass_is_the_second_parameter(plane: Plane) -> None:
    reference = Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x")
    usual, upright = plane_band(plane, reference), plane_band(plane.turned(), reference)
    assert usual is not None
    assert upright is not None
    assert (usual.upright, upright.upright) == (False, True)
    np.testing.assert_array_equal(upright.x, usual.x)
    np.testing.assert_array_equal(upright.high, usual.high)


def test_no_band_without_a_coupling_or_with_the_wrong_sign(plane: Plane) -> None:
    reference = Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x")
    assert plane_band(dataclasses.replace(plane, model="le-ltau"), reference) is None
    assert plane_band(dataclasses.replace(plane, x=PlaneAxis("r_n", "fm", MASS, "linear")), reference) is None
    assert plane_band(plane, dataclasses.replace(reference, value=-2.6e-9)) is None
    electron = latest_deviation("electron-rb-2020")
    assert electron is not None
    assert plane_band(plane, electron) is None
    assert plane_band(dataclasses.replace(plane, model="le-ltau"), electron) is not None


@pytest.mark.parametrize(("count", "said"), [(9, True), (81, False)])
def test_the_picture_says_that_a_band_falls_into_islands(plane: Plane, region: Region, count: int, said: bool) -> None:
    ends = np.linspace(-1.0, 1.0, count)
    x, y = (PlaneAxis(f"eps_V_{quark}", "1", ends, "linear") for quark in "ud")
    narrow = 95.0 + ((ends[:, None] + 0.9 * ends + 0.05) / 0.03) ** 2
    known = dataclasses.replace(plane, model="contact", x=x, y=y, nll2=narrow, valid=np.isfinite(narrow), best={"nll2": 95.0})
    empty = dataclasses.replace(region, columns=(((-0.5, 0.5),),) * count, branches=())
    result = [Exclusion(known, (empty,), about=dataclasses.replace(ABOUT, model="contact"))]
    assert [text.startswith("a + b: islands are not resolved") for text in coarse(result)] == [True] * said
    legends = exclusion_picture(result, None).legends
    assert any("islands are not resolved" in text.get_text() for legend in legends for text in legend.get_texts()) == said


def test_the_picture_names_the_reference(plane: Plane, region: Region, tmp_path: Path) -> None:
    path = save_figure(exclusion_picture([Exclusion(plane, (region,), about=ABOUT)], latest_deviation("2025")), tmp_path / "plane.svg")
    assert path.stat().st_size > 10_000
