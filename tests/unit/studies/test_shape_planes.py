"""Planes in which every point has templates of its own."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 (pytest reads the annotations)
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.infer.fit import fit
from cevnsfit.studies.parts import parts_of
from cevnsfit.studies.setup import Analysis
from cevnsfit.studies.shape_planes import needs_templates_everywhere, shape_scans

if TYPE_CHECKING:
    from cevnsfit.studies.shape_planes import ShapeScan

ANALYSIS = Analysis(("coherent-csi-2021",), "neutron-radii")
GRID = {"r_n_cs": np.linspace(3.5, 7.5, 7), "r_n_i": np.linspace(3.5, 7.5, 7)}


@pytest.fixture(scope="module")
def radii() -> ShapeScan:
    (found,) = shape_scans(parts_of(ANALYSIS, each=False), GRID, at={})
    return found


def test_the_plane_is_that_of_fits_at_its_points(radii: ShapeScan) -> None:
    assert radii.plane.valid.all()
    for i, j in ((0, 0), (3, 5), (6, 2)):
        at = {"r_n_cs": GRID["r_n_cs"][i], "r_n_i": GRID["r_n_i"][j]}
        assert radii.plane.nll2[i, j] == pytest.approx(fit(radii.likelihood.at(at), minos=()).nll2, abs=1e-5)
    best = fit(radii.likelihood, floating=("r_n_cs", "r_n_i"), fixed={"r_n_ar": 3.55}, minos=())
    assert radii.plane.best["nll2"] == pytest.approx(best.nll2, abs=1e-4)
    assert radii.plane.best["r_n_cs"] == pytest.approx(best.values["r_n_cs"], abs=0.02)


def test_radii_of_caesium_and_iodine_are_anticorrelated(radii: ShapeScan) -> None:
    narrow, wide = radii.all_regions([(0.30, 2), (0.90, 2)])
    middles = [(low + high) / 2.0 for column in narrow.columns for low, high in column]
    assert len(middles) > 3
    assert np.all(np.diff(middles) < 0.0)
    for column in wide.columns:
        for low, high in column:
            assert 3.5 <= low < high <= 7.5


def test_which_planes_have_no_columns() -> None:
    assert needs_templates_everywhere(ANALYSIS, GRID)
    assert not needs_templates_everywhere(Analysis(("coherent-csi-2021",), "lmu-ltau"), {"mass": [1.0], "g": [1.0]})
    floating = Analysis(("coherent-csi-2021",), "sterile", floating=("delta_m2",))
    assert needs_templates_everywhere(floating, {"sin2_2theta_ee": [1.0], "sin2_2theta_mumu": [1.0]})


def test_bad_input_is_named() -> None:
    parts = parts_of(ANALYSIS, each=False)
    with pytest.raises(CevnsfitError, match="r_n_i cannot be both scanned and held"):
        shape_scans(parts, GRID, at={"r_n_i": 5.0})
    with pytest.raises(DomainError, match="r_n_i = 20"):
        shape_scans(parts, {**GRID, "r_n_i": np.array([3.0, 5.0, 20.0])}, at={})


def test_the_command_writes_tables_and_a_picture(tmp_path: Path) -> None:
    arguments = ["scan", "coherent-csi-2021", "-m", "neutron-radii", "--grid", "r_n_cs=3.5:7.5:5", "--grid", "r_n_i=3.5:7.5:5"]
    result = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "new"), "--cl", "0.9", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (plane,) = json.loads(result.stdout)["planes"]
    assert [axis["name"] for axis in plane["axes"]] == ["r_n_cs", "r_n_i"]
    assert plane["reference_nll2"] is None
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["exclusion.csv", "exclusion.png", "exclusion_intervals.csv"]
