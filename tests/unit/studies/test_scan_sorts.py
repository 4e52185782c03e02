"""Planes of all sorts: two radii, two couplings, a coupling before a mass; each is stored, continued, drawn, exported and opened."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cevnsfit.cli.main import app
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError
from cevnsfit.infer.fit import fit
from cevnsfit.infer.grid import grid_column, prepare_grid
from cevnsfit.infer.intervals import Level
from cevnsfit.infer.planes import PlaneAxis
from cevnsfit.io.layouts import load_columns, read_scan
from cevnsfit.studies.scan import Scan, plane_axes, scan, stored_scans
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema:DeprecationWarning")

CSI = ("coherent-csi-2021",)
RADII = Analysis(CSI, "neutron-radii")
RADIUS_GRID = {"r_n_i": np.linspace(3.5, 7.5, 7), "r_n_cs": np.linspace(3.5, 7.5, 6)}
COUPLINGS = Analysis(CSI, "flavour-strengths")
COUPLING_GRID = {"strength_nu_mu": np.linspace(0.2, 1.8, 7), "strength_nu_e": np.linspace(0.2, 2.2, 6)}
MASSIVE = Analysis(CSI, "lmu-ltau")
COUPLING_FIRST = {"g": np.geomspace(5e-4, 2e-2, 9), "mass": np.geomspace(100.0, 1000.0, 4)}

SORTS = {"radii": (RADII, RADIUS_GRID), "couplings": (COUPLINGS, COUPLING_GRID), "coupling first": (MASSIVE, COUPLING_FIRST)}


class StoppedError(Exception):
    """Raised by a progress callback."""


def stop_after_three(done: int, _: int) -> None:
    if done >= 3:
        raise StoppedError


def command(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Scan]]:
    found = {}
    for name, (analysis, grid) in SORTS.items():
        folder = tmp_path_factory.mktemp("sorts") / "out"
        found[name] = (folder, scan(build(analysis), **grid, store=folder))
    return found


def same(one: Scan, other: Scan) -> bool:
    arrays = all(np.array_equal(getattr(one.plane, name), getattr(other.plane, name)) for name in ("nll2", "valid"))
    return arrays and one.plane.axes == other.plane.axes and one.plane.best == other.plane.best


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SORTS))
def test_axes_keep_the_order_that_was_asked_for(stored: Mapping[str, tuple[Path, Scan]], name: str) -> None:
    analysis, grid = SORTS[name]
    plane = stored[name][1].plane
    assert [axis.name for axis in plane.axes] == list(grid)
    assert plane.nll2.shape == tuple(len(values) for values in grid.values())
    assert same(scan(build(analysis), **grid), stored[name][1])
    places = {name: float(values[2]) for name, values in grid.items()}
    likelihood = build(analysis)
    nonlinear = {key: value for key, value in places.items() if key in likelihood.nonlinear}
    rest = {key: value for key, value in places.items() if key not in nonlinear}
    assert plane.nll2[2, 2] == pytest.approx(fit(likelihood.at(nonlinear), at=rest, minos=()).nll2, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SORTS))
def test_a_stopped_scan_goes_on_and_ends_equal(stored: Mapping[str, tuple[Path, Scan]], name: str, tmp_path: Path) -> None:
    analysis, grid = SORTS[name]
    likelihood = build(analysis)
    with pytest.raises(StoppedError):
        scan(likelihood, **grid, store=tmp_path, progress=stop_after_three)
    known = load_columns(read_scan(tmp_path), CSI[0])
    assert [column is None for column in known] == [False] * 3 + [True] * (len(known) - 3)
    with pytest.raises(ResultError, match=f"{len(known) - 3} of {len(known)} columns"):
        stored_scans(tmp_path)
    with ThreadPoolExecutor(1) as executor:
        found = scan(likelihood, **grid, store=tmp_path, workers=executor)
        assert same(found, stored[name][1])
        regions = found.contours([Level(0.9, 2)], executor)
    assert [region.columns for region in regions] == [stored[name][1].contour(0.9, 2).columns]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SORTS))
def test_a_folder_gives_its_scan_back(stored: Mapping[str, tuple[Path, Scan]], name: str) -> None:
    folder, made = stored[name]
    (again,) = stored_scans(folder)
    assert same(again, made)
    one, other = again.contour(0.9, 2), made.contour(0.9, 2)
    assert one.columns == other.columns
    assert len(one.branches) == len(other.branches) > 0
    for mine, theirs in zip(one.branches, other.branches, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SORTS))
def test_commands_draw_export_and_show_what_is_stored(stored: Mapping[str, tuple[Path, Scan]], name: str, tmp_path: Path) -> None:
    folder, made = stored[name]
    names = list(SORTS[name][1])
    drawn = command("plot", folder, "-o", tmp_path / "plane.svg", "--cl", "0.9", "--json")
    (plane,) = drawn["planes"]
    assert [axis["name"] for axis in plane["axes"]] == names
    assert plane["best_fit"] == made.plane.best
    assert "<svg" in (tmp_path / "plane.svg").read_text(encoding="utf-8")
    for kind in ("csv", "json", "hepdata", "root", "netcdf"):
        target = tmp_path / kind
        assert command("export", folder, "--to", kind, "-o", target, "--cl", "0.9", "--json")["files"]
    document = json.loads((tmp_path / "json").read_text(encoding="utf-8"))
    assert [document["planes"][0][key]["name"] for key in ("x", "y")] == names
    header = next(line for line in (tmp_path / "csv").read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    assert [cell.split(" ")[0] for cell in header.split(",")[-2:]] == names
    if "mass" in names:  # bounds are functions of the mass in any order
        lines = Path(
            command("export", folder, "--to", "darkcast", "-o", tmp_path / "bounds", "--cl", "0.9", "--json")["files"][0]
        ).read_text("utf-8")
        usual = scan(build(MASSIVE), mass=COUPLING_FIRST["mass"], g=COUPLING_FIRST["g"]).contour(0.9, 2)
        limits = [float(line.split()[1]) for line in lines.splitlines() if not line.startswith("#")]
        assert limits[1:-1] == pytest.approx([column[-1][1] for column in usual.columns[1:-1]], rel=1e-6)
    shown = command("show", folder, "--json")
    assert shown["kind"] == "scan"
    assert set(shown["grid"]) == set(names)
    assert shown["parts"][0]["model"] == SORTS[name][0].model


# --- two radii ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_plane_of_two_radii_is_that_of_fits_at_its_points(stored: Mapping[str, tuple[Path, Scan]]) -> None:
    made = stored["radii"][1]
    assert made.plane.valid.all()
    assert np.isnan(made.plane.reference_nll2)
    likelihood = build(RADII)
    for i, j in ((0, 0), (3, 5), (6, 2)):
        at = {"r_n_i": RADIUS_GRID["r_n_i"][i], "r_n_cs": RADIUS_GRID["r_n_cs"][j]}
        assert made.plane.nll2[i, j] == pytest.approx(fit(likelihood.at(at), minos=()).nll2, abs=1e-5)
    best = fit(likelihood, floating=("r_n_cs", "r_n_i"), minos=())
    assert made.plane.best["nll2"] == pytest.approx(best.nll2, abs=1e-4)
    assert made.plane.best["r_n_cs"] == pytest.approx(best.values["r_n_cs"], abs=0.02)


def test_radii_of_caesium_and_iodine_are_anticorrelated(stored: Mapping[str, tuple[Path, Scan]]) -> None:
    narrow, wide = stored["radii"][1].contours([Level(0.30, 2), Level(0.90, 2)])
    middles = [(low + high) / 2.0 for column in narrow.columns for low, high in column]
    assert len(middles) > 3
    assert np.all(np.diff(middles) < 0.0)
    for column in wide.columns:
        for low, high in column:
            assert 3.5 <= low < high <= 7.5


@pytest.mark.slow
def test_a_plane_beside_a_parameter_that_rebuilds_templates_and_floats() -> None:
    likelihood = build(Analysis(CSI, "sterile", floating=("delta_m2",)))
    axes = plane_axes(likelihood, {"sin2_2theta_ee": np.linspace(0.0, 0.6, 3), "sin2_2theta_mumu": [0.0, 0.1, 0.6]})
    free, held = prepare_grid(likelihood, axes, at={}, floating=("delta_m2",)), prepare_grid(likelihood, axes, at={})
    assert (free.sort, held.sort) == ("points", "surface")
    lower, higher = grid_column(free, 1), grid_column(held, 1)
    assert lower.valid.all()
    assert np.all(lower.nll2 <= higher.nll2 + 1e-6)
    assert lower.nll2[2] < higher.nll2[2] - 1e-3


# --- a coupling before a mass ------------------------------------------------------------------------------------------------------


def test_a_coupling_before_a_mass_is_the_same_plane_turned(stored: Mapping[str, tuple[Path, Scan]]) -> None:
    made = stored["coupling first"][1]
    usual = scan(build(MASSIVE), mass=COUPLING_FIRST["mass"], g=COUPLING_FIRST["g"])
    np.testing.assert_array_equal(made.plane.nll2, usual.plane.nll2.T)
    assert made.plane.best == usual.plane.best
    one, other = made.contour(0.9, 2), usual.contour(0.9, 2)
    for mine, theirs in zip(one.branches, other.branches, strict=True):
        np.testing.assert_array_equal(mine, theirs[:, ::-1])
    heavy = COUPLING_FIRST["mass"]
    for g, column in zip(COUPLING_FIRST["g"], one.columns, strict=True):
        for mass, allowed in zip(heavy[1:-1], other.columns[1:-1], strict=True):  # between the columns the boundary is interpolated
            assert any(low <= mass <= high for low, high in column) == any(low <= g <= high for low, high in allowed)


def test_the_other_order_in_the_same_folder_is_another_scan(stored: Mapping[str, tuple[Path, Scan]]) -> None:
    folder = stored["coupling first"][0]
    turned = {"mass": COUPLING_FIRST["mass"], "g": COUPLING_FIRST["g"]}
    with pytest.raises(ResultError, match="drawn"):
        scan(build(MASSIVE), **turned, store=folder)


# --- what is refused ---------------------------------------------------------------------------------------------------------------


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(CevnsfitError, match="r_n_i cannot be both scanned and held"):
        scan(build(RADII), **RADIUS_GRID, at={"r_n_i": 5.0}, store=tmp_path)
    with pytest.raises(DomainError, match="r_n_i = 20"):
        scan(build(RADII), **{**RADIUS_GRID, "r_n_i": np.array([3.0, 5.0, 20.0])}, store=tmp_path)
    assert not list(tmp_path.iterdir())


def test_axes_are_equal_when_all_they_hold_is() -> None:
    axis = PlaneAxis("g", "1", np.array([1.0, 2.0]), "linear")
    assert axis == PlaneAxis("g", "1", np.array([1.0, 2.0]), "linear")
    assert hash(axis) == hash(PlaneAxis("g", "1", np.array([1.0, 2.0]), "linear"))
    assert axis != PlaneAxis("g", "1", np.array([1.0, 2.5]), "linear")
    assert axis != PlaneAxis("g", "1", np.array([1.0, 2.0]), "log")
