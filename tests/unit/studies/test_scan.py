"""Scans on disk: interrupted and continued, refused where they do not belong, rebuilt from their folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError, ResultError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.infer.intervals import Level
from cevnsfit.io.layouts import load_columns, open_scan, read_scan
from cevnsfit.model.build import likelihood_of
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies import provenance, setup
from cevnsfit.studies.grids import parse_grid, parse_grids
from cevnsfit.studies.scan import plane_axes, scan, scans, stored_scans
from cevnsfit.studies.setup import build, build_each, labelled
from cevnsfit.studies.shown import table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.scan import Scan

CSI = Analysis(("coherent-csi-2021",), "lmu-ltau")
BOTH = Analysis(("coherent-csi-2021", "coherent-lar-2020"), "lmu-ltau")
GRID = {"mass": np.geomspace(100.0, 1000.0, 3), "g": np.geomspace(5e-4, 2e-2, 7)}


class StoppedError(Exception):
    """Raised by a progress callback."""


def stop_after(count: int) -> object:
    def progress(done: int, _: int) -> None:
        if done >= count:
            raise StoppedError

    return progress


def equal(one: Scan, other: Scan) -> bool:
    fields = ("nll2", "valid", "minima")
    arrays = all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for a, b in zip(one.columns, other.columns, strict=True)
        for name in fields
    )
    return arrays and one.plane.best == other.plane.best and one.plane.reference_nll2 == other.plane.reference_nll2


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scan]:
    folder = tmp_path_factory.mktemp("whole")
    result = scan(build(CSI), **GRID, store=folder)
    return folder, result


def test_a_stored_scan_is_the_scan_in_memory(reference: tuple[Path, Scan]) -> None:
    _, stored = reference
    assert equal(scan(build(CSI), **GRID), stored)
    assert stored.plane.label == "coherent-csi-2021"
    assert stored.plane.model == "lmu-ltau"
    assert stored.plane.valid.shape == (3, 7)


def test_a_scan_in_memory_says_what_the_stored_one_says(reference: tuple[Path, Scan]) -> None:
    plane, stored = scan(build(CSI), **GRID).plane, reference[1].plane
    assert (plane.model, plane.label, plane.caveat) == (stored.model, stored.label, stored.caveat) == ("lmu-ltau", "coherent-csi-2021", "")


def test_the_caveat_of_a_scan_follows_what_is_held() -> None:
    likelihood = build(Analysis(("coherent-csi-2021",), "vector"))
    for charge, caveat in ((1.0, "CEvNS only"), (0.0, "")):
        assert scan(likelihood, at={"q_e": charge}, **GRID).plane.caveat == caveat


def test_an_interrupted_scan_goes_on_and_ends_equal(tmp_path: Path, reference: tuple[Path, Scan]) -> None:
    likelihood = build(CSI)
    with pytest.raises(StoppedError):
        scan(likelihood, **GRID, store=tmp_path, progress=stop_after(2))
    known = load_columns(read_scan(tmp_path), "coherent-csi-2021")
    assert [column is None for column in known] == [False, False, True]
    with pytest.raises(ResultError, match="1 of 3 columns of 'coherent-csi-2021' are missing; run the same scan again"):
        stored_scans(tmp_path)
    seen: list[tuple[int, int]] = []
    result = scan(likelihood, **GRID, store=str(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]
    assert equal(result, reference[1])


def test_a_damaged_column_is_computed_again(tmp_path: Path, reference: tuple[Path, Scan]) -> None:
    folder = shutil.copytree(reference[0], tmp_path / "copy")
    shutil.rmtree(folder / "scan.zarr" / "nll2" / "c" / "0" / "1")
    seen: list[int] = []
    result = scan(build(CSI), **GRID, store=folder, progress=lambda done, _: seen.append(done))
    assert seen == [2, 3]
    assert equal(result, reference[1])


def test_a_folder_gives_its_scans_back(reference: tuple[Path, Scan]) -> None:
    folder, result = reference
    (again,) = stored_scans(folder)
    assert equal(again, result)
    one, other = again.contour(0.9, 2), result.contour(0.9, 2)
    assert one.columns == other.columns


@pytest.mark.parametrize(
    ("analysis", "grid", "at", "text"),
    [
        (Analysis(CSI.experiments, "universal"), GRID, {}, "lmu-ltau.*universal"),
        (Analysis(CSI.experiments, "lmu-ltau", (("source.distance", "20"),)), GRID, {}, "source.distance"),
        (CSI, {**GRID, "g": np.geomspace(5e-4, 3e-2, 7)}, {}, "grid"),
        (CSI, {**GRID, "g": np.array([5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2])}, {}, "choose another folder"),
        (CSI, GRID, {"loop_sign": -1.0}, "at: .*loop_sign"),
        (Analysis(("coherent-lar-2020",), "lmu-ltau"), GRID, {}, "coherent-lar-2020"),
    ],
    ids=["model", "change", "ends", "values", "held", "experiments"],
)
def test_another_scan_in_the_same_folder_is_refused(
    reference: tuple[Path, Scan], analysis: Analysis, grid: dict[str, np.ndarray], at: dict[str, float], text: str
) -> None:
    with pytest.raises(ResultError, match=text) as caught:
        scan(build(analysis), **grid, at=at, store=reference[0])
    assert "choose another folder" in str(caught.value)


def test_an_experiment_that_changed_is_noticed(tmp_path: Path) -> None:
    folder = shutil.copytree(data_root() / "experiments" / "coherent-csi-2021", tmp_path / "mine")
    mine = Analysis((str(folder),), "lmu-ltau")
    scan(build(mine), **GRID, store=tmp_path / "out")
    with (folder / "events.csv").open("a", encoding="utf-8") as file:
        file.write("# a remark\n")
    with pytest.raises(ResultError, match="the experiments have changed since this scan was made"):
        stored_scans(tmp_path / "out")
    with pytest.raises(ResultError, match="inputs"):
        scan(build(mine), **GRID, store=tmp_path / "out")


def test_a_likelihood_that_changed_is_noticed(reference: tuple[Path, Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of a plug-in may change while no file of an experiment and no version does."""

    likelihood, whole = build(CSI), setup.build

    def edited(known: Likelihood) -> Likelihood:
        def channels(values: Mapping[str, float]) -> tuple[Channel, ...]:
            return tuple(dataclasses.replace(one, templates=1.001 * one.templates) for one in known.build(values))

        return dataclasses.replace(known, build=channels)

    with pytest.raises(ResultError, match=r"another analysis \(likelihood: coherent-csi-2021 at .* counts there, .* asked") as caught:
        scan(edited(likelihood), **GRID, store=reference[0])
    assert "; and " in str(caught.value)  # not all of the templates
    monkeypatch.setattr(setup, "build", lambda *arguments: edited(whole(*arguments)))
    with pytest.raises(ResultError, match=r"what this scan was made with has changed \(likelihood: "):
        stored_scans(reference[0])


def test_shared_data_and_plugins_are_part_of_what_a_scan_is(reference: tuple[Path, Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    known = read_scan(reference[0]).analysis
    assert {"nuclei/radii.csv", "nuclei/shells.csv", "sources/sns.yaml"} <= known["shared"].keys()
    assert known["plugins"] == {}
    monkeypatch.setattr(provenance, "model_distribution", lambda name: f"{name}-package 1.0")
    with pytest.raises(ResultError, match=r'plugins: \{\} there, \{"lmu-ltau": "lmu-ltau-package 1.0"\} asked'):
        scan(build(CSI), **GRID, store=reference[0])
    monkeypatch.undo()
    monkeypatch.setattr(
        provenance, "_digest", lambda file: "0" * 64 if file.name == "radii.csv" else hashlib.sha256(file.read_bytes()).hexdigest()
    )
    with pytest.raises(
        ResultError, match=r'shared: \{"nuclei/radii.csv": "af52172f..."\} there, \{"nuclei/radii.csv": "00000000..."\} asked'
    ):
        stored_scans(reference[0])


def test_a_store_of_something_else_is_a_result_error(tmp_path: Path, reference: tuple[Path, Scan]) -> None:
    plane = reference[1].plane
    with open_scan(tmp_path, {"who": "someone else"}, ("a",), (plane.x, plane.y)):
        pass
    with pytest.raises(ResultError, match="not that of a scan"):
        stored_scans(tmp_path)


@pytest.mark.slow
def test_each_adds_the_single_experiments(tmp_path: Path) -> None:
    planes = labelled(BOTH, each=True)
    assert [*planes] == ["coherent-csi-2021", "coherent-lar-2020", "coherent-csi-2021 + coherent-lar-2020"]
    assert labelled(CSI, each=True) == {"coherent-csi-2021": CSI}
    grid = {"mass": GRID["mass"], "g": np.array([5e-4, 1e-3, 2e-3])}
    csi, lar, both = scans(build_each(planes), grid, at={"sns_flux": 0.0}, store=tmp_path)  # held: the only thing they share
    assert both.plane.experiments == ("coherent-csi-2021", "coherent-lar-2020")
    np.testing.assert_allclose(both.plane.nll2, csi.plane.nll2 + lar.plane.nll2, atol=1e-5)
    assert both.plane.reference_nll2 == pytest.approx(csi.plane.reference_nll2 + lar.plane.reference_nll2, abs=1e-5)
    assert [entry.plane.label for entry in stored_scans(tmp_path)] == [*planes]


def test_regions_of_two_levels_are_nested(reference: tuple[Path, Scan]) -> None:
    tight, loose = reference[1].contours([Level(0.683, 2), Level(0.95, 2)])
    assert tight.threshold < loose.threshold
    for inner, outer in zip(tight.columns, loose.columns, strict=True):
        assert all(any(a <= low and high <= b for a, b in outer) for low, high in inner)
    assert len(loose.columns[0]) >= 1


# --- grids -------------------------------------------------------------------------------------------------------------------------


def test_grids_are_read_from_text() -> None:
    name, values = parse_grid("mass=1:1000:4:log")
    assert name == "mass"
    np.testing.assert_allclose(values, [1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_allclose(parse_grid("eps=-1:1:5")[1], [-1.0, -0.5, 0.0, 0.5, 1.0])
    assert list(parse_grids(["mass=1:10:3", "g=1e-5:1e-1:9:log"])) == ["mass", "g"]
    with pytest.raises(CevnsfitError, match="mass has two grids"):
        parse_grids(["mass=1:10:3", "mass=1:10:4"])


@pytest.mark.parametrize(
    "text",
    [
        "mass",
        "mass=1:10",
        "mass=1:10:x",
        "=1:10:3",
        "mass=1:10:3:lin",
        "mass=1:10:3:log:4",
        "mass=1:10:2",
        "mass=1:10:100001",
        "mass=10:1:5",
        "mass=0:1:5:log",
        "mass=1:inf:5",
        "mass=nan:1:5",
        "mass=-inf:1:5",
    ],
)
def test_what_is_no_grid_is_refused(text: str) -> None:
    for units in (None, {"mass": "MeV"}):
        with pytest.raises(CevnsfitError, match=r"should read name=start:stop:count|needs 3 to 100000 points"):
            parse_grid(text, units)


def test_ends_of_grids_take_units() -> None:
    units = {"mass": "MeV", "g": "1", "r_n_cs": "fm"}
    for text, ends in (("mass=1MeV:1GeV:60:log", (1.0, 1000.0)), ("mass=500 keV:2:5", (0.5, 2.0)), ("r_n_cs=3fm:7 fm:5", (3.0, 7.0))):
        assert parse_grid(text, units)[1][[0, -1]] == pytest.approx(ends, rel=1e-15)
    np.testing.assert_array_equal(parse_grid("mass=1MeV:1GeV:60:log", units)[1], parse_grid("mass=1:1000:60:log")[1])
    with pytest.raises(CevnsfitError, match=r"mass: '1fm' has the dimension length, not energy; wanted MeV, for example mass=1MeV"):
        parse_grid("mass=1fm:10:5", units)
    with pytest.raises(CevnsfitError, match=r"g: '1e-3MeV' has the dimension energy, not none; wanted no unit, for example g=0.001$"):
        parse_grid("g=1e-5:1e-3MeV:5", units)
    with pytest.raises(UnknownNameError, match="parameter of the model 'masss'"):
        parse_grids(["masss=1MeV:1GeV:5"], units)
    with pytest.raises(CevnsfitError, match="should read name=start:stop:count"):
        parse_grid("source.distance=20m:30m:3")


def test_a_shape_parameter_is_the_first_axis() -> None:
    likelihood = build(CSI)
    x, y = plane_axes(likelihood, {"g": GRID["g"], "mass": GRID["mass"]})
    assert (x.name, x.unit, x.scale) == ("g", "1", "log")
    assert (y.name, y.unit, y.scale) == ("mass", "MeV", "log")
    assert plane_axes(likelihood, {"mass": [1.0, 2.0, 3.0], "g": [0.0, 0.1, 0.2]})[1].scale == "linear"


@pytest.mark.parametrize(
    ("grid", "error", "text"),
    [
        ({"mass": GRID["mass"]}, CevnsfitError, "two parameters, got 1"),
        ({"mass": GRID["mass"], "h": GRID["g"]}, UnknownNameError, "'h'"),
        ({"mass": GRID["mass"][::-1], "g": GRID["g"]}, CevnsfitError, "mass: a grid needs"),
        ({"mass": GRID["mass"], "g": [1e-3, 1e-2]}, CevnsfitError, "g: a grid needs"),
        ({"mass": GRID["mass"], "g": [1e-3, np.nan, 1e-2]}, CevnsfitError, "g: a grid needs"),
        ({"mass": GRID["mass"], "g": [0.1, 0.5, 2.0]}, DomainError, "g = 2 is outside"),
    ],
)
def test_a_plane_needs_two_good_grids(grid: dict[str, np.ndarray], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        plane_axes(build(CSI), grid)


def test_a_parameter_is_scanned_or_held() -> None:
    with pytest.raises(CevnsfitError, match="g cannot be both scanned and held"):
        scan(likelihood_of([load_experiment("coherent-csi-2021")], "lmu-ltau"), at={"g": 1e-3}, **GRID)


# --- tables of others --------------------------------------------------------------------------------------------------------------


def test_a_scan_is_a_data_set_and_a_table(reference: tuple[Path, Scan], tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="the extra [xarray] is not installed")
    pytest.importorskip("pandas", reason="the extra [dataframe] is not installed")
    scan, data = reference[1], reference[1].to_xarray()
    assert dict(data.sizes) == {"mass": 3, "g": 7}
    np.testing.assert_array_equal(data.delta_chi2, scan.plane.nll2 - scan.plane.best["nll2"])
    assert data.mass.attrs == {"units": "MeV", "scale": "log"}
    assert (data.attrs["model"], data.attrs["lagrangian"][:6], data.attrs["method"]) == ("lmu-ltau", "L = g ", scan.method)
    assert json.loads(data.attrs["best_fit"]) == scan.plane.best
    data.to_netcdf(tmp_path / "scan.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "scan.nc", engine="scipy") as again:
        np.testing.assert_array_equal(again.nll2, scan.plane.nll2)
    table = scan.to_dataframe()
    assert list(table.columns) == ["mass", "g", "delta_chi2", "nll2", "valid"]
    assert len(table) == 21
    np.testing.assert_array_equal(table.nll2, scan.plane.nll2.ravel())
    np.testing.assert_array_equal(table.set_index(["mass", "g"]).sort_index().nll2, data.to_dataframe().sort_index().nll2)


def test_a_missing_extra_is_named(reference: tuple[Path, Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    for package, extra, ask in (("xarray", "xarray", reference[1].to_xarray), ("pandas", "dataframe", reference[1].to_dataframe)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(CevnsfitError, match=rf"the package {package} is missing: pip install 'cevnsfit\[{extra}\]'"):
            ask()


def test_a_likelihood_of_nothing_has_no_sign(reference: tuple[Path, Scan]) -> None:
    result = reference[1]
    plane = dataclasses.replace(result.plane, best={**result.plane.best, "nll2": -1e-9}, reference_nll2=-1e-9)
    assert "-2 ln lambda = 0.00 (0.00 without new physics)" in str(table(dataclasses.replace(result, plane=plane)))
