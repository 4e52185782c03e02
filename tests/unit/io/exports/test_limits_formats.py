"""Every format of limits holds what was written, to the last bit, as other tools read it."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.documents import read_document
from cevnsfit.core.errors import CevnsfitError, ResultError
from cevnsfit.io.exports.darkcast import write_darkcast
from cevnsfit.io.exports.hepdata import write_hepdata
from cevnsfit.io.exports.limits import delta_chi2, document, from_document
from cevnsfit.io.exports.netcdf import write_netcdf
from cevnsfit.io.exports.root import cell_edges, write_root
from cevnsfit.io.exports.text import read_json, write_csv, write_json
from cevnsfit.io.overlays import read_overlay

if TYPE_CHECKING:
    from cevnsfit.io.exports.limits import Limits


def test_json_comes_back_equal(limits: Limits, tmp_path: Path) -> None:
    (file,) = write_json(limits, tmp_path / "limits.json")
    again = read_json(file)
    assert document(again) == document(limits)
    for (before, _), (after, _) in zip(limits.results, again.results, strict=True):
        np.testing.assert_array_equal(after.nll2, before.nll2)
        np.testing.assert_array_equal(after.valid, before.valid)
        assert after.label == before.label
        assert after.caveat == before.caveat
    assert np.isnan(again.results[0][0].reference_nll2)
    np.testing.assert_array_equal(again.results[0][1][0].allowed[0][1], limits.results[0][1][0].allowed[0][1])
    assert again.results[0][1][0].columns == limits.results[0][1][0].columns


def test_planes_of_different_grids_do_not_go_together(limits: Limits) -> None:
    (first, regions), (second, _) = limits.results
    axis = dataclasses.replace(second.y, values=second.y.values * 2.0)
    with pytest.raises(ResultError, match="different models or grids"):
        dataclasses.replace(limits, results=((first, regions), (dataclasses.replace(second, y=axis), regions)))
    with pytest.raises(ResultError, match="different models or grids"):
        dataclasses.replace(limits, results=((first, regions), (dataclasses.replace(second, model="sm"), regions)))
    with pytest.raises(ResultError, match="no planes"):
        dataclasses.replace(limits, results=())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(schema="other/1"), "schema"),
        (lambda d: d["planes"][0]["nll2"].pop(), "shape"),
        (lambda d: d["planes"][0]["x"].update(values=[3.0, 2.0, 1.0]), "do not increase"),
        (lambda d: d["planes"][0]["x"].update(values="123"), "ValueError"),
        (lambda d: d["planes"][0]["best_fit"].pop("g"), "best fit"),
        (lambda d: d["planes"][0]["regions"][0].update(columns=[]), "columns"),
        (lambda d: d["planes"][0]["regions"][0].update(branches=[[[1.0, None]]]), "points"),
        (lambda d: d["planes"][0]["regions"][0].update(cl={}), "TypeError"),
        (lambda d: d.pop("metadata"), "KeyError"),
        (lambda d: d.update(planes=[]), "no planes"),
        (lambda d: d.update(planes=7), "TypeError: "),
    ],
)
def test_documents_that_are_none(limits: Limits, change: object, reason: str) -> None:
    values = json.loads(json.dumps(document(limits)))
    change(values)  # type: ignore[operator]
    with pytest.raises(ResultError, match=reason):
        from_document(values)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"schema": "cevnsfit-limits/1", "planes": [', "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[1, 2]", "expected a JSON object"),
        ('{"schema": NaN}', "NaN is not a number"),
        ('{"schema": -Infinity}', "Infinity is not a number"),
        ("", "not readable as JSON"),
    ],
)
def test_broken_files(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match=reason):
        read_json(path)


def test_binary_missing_and_large_files(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_bytes(b"\x80\x04\x95\xff")
    with pytest.raises(ResultError, match="not readable as JSON"):
        read_json(path)
    with pytest.raises(ResultError, match="no such file"):
        read_json(tmp_path / "nothing.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ResultError, match="no such file"):
        read_json(tmp_path / "pipe.json")
    with pytest.raises(ResultError, match="larger than 3 bytes"):
        read_document(path, 3)


def test_csv_has_every_branch_and_all_metadata(limits: Limits, tmp_path: Path) -> None:
    (file,) = write_csv(limits, tmp_path / "limits.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    comments = dict(line[2:].split(": ", 1) for line in lines[1:] if line.startswith("# "))
    assert {key: json.loads(value) for key, value in comments.items()} == limits.metadata
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert list(rows[0]) == ["label", "cl", "dof", "threshold", "branch", "point", "mass [MeV]", "g [1]"]
    found = [(float(row["mass [MeV]"]), float(row["g [1]"])) for row in rows if row["label"] == "one" and row["branch"] == "2"]
    np.testing.assert_array_equal(found, limits.results[0][1][0].branches[1])
    assert len(rows) == 2 * 5


def test_root_comes_back_equal(limits: Limits, tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    (path,) = write_root(limits, tmp_path / "limits.root")
    with uproot.open(path) as file:
        assert json.loads(str(file["metadata"])) == limits.metadata
        for p, (plane, regions) in enumerate(limits.results):
            assert str(file[f"plane_{p}/label"]) == plane.label
            histogram = file[f"plane_{p}/delta_chi2"]
            assert histogram.classname.startswith("TH2D")
            np.testing.assert_array_equal(histogram.values(), np.nan_to_num(delta_chi2(plane), nan=-1.0))
            np.testing.assert_array_equal(histogram.axis("x").edges(), cell_edges(plane.x))
            for r, region in enumerate(regions):
                assert json.loads(str(file[f"plane_{p}/region_{r}/about"])) == {
                    "cl": region.cl,
                    "dof": region.dof,
                    "threshold": region.threshold,
                }
                for b, branch in enumerate(region.branches):
                    graph = file[f"plane_{p}/region_{r}/branch_{b}"]
                    assert graph.classname == "TGraph"
                    np.testing.assert_array_equal(np.column_stack(graph.values()), branch)
        grid = file["points"].arrays(library="np")
        np.testing.assert_array_equal(grid["nll2"][grid["plane"] == 1].reshape(3, 4), limits.results[1][0].nll2)
        np.testing.assert_array_equal(grid["mass"][:12].reshape(3, 4)[:, 0], limits.axes[0].values)
        np.testing.assert_array_equal(grid["g"][:4], limits.axes[1].values)
        branches = file["branches"].arrays(library="np")
        assert file["branches"].classname == "TTree"
        chosen = (branches["plane"] == 0) & (branches["branch"] == 1)
        np.testing.assert_array_equal(branches["g"][chosen], limits.results[0][1][0].branches[1][:, 1])


def test_cells_of_a_linear_axis_have_the_points_in_the_middle(limits: Limits) -> None:
    axis = dataclasses.replace(limits.axes[0], values=np.array([1.0, 2.0, 4.0]), scale="linear")
    np.testing.assert_allclose(cell_edges(axis), [0.5, 1.5, 3.0, 5.0])


def test_netcdf_comes_back_equal(limits: Limits, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="the extra [xarray] is not installed")
    (path,) = write_netcdf(limits, tmp_path / "limits.nc")
    with xarray.open_dataset(path, engine="scipy") as file:
        assert json.loads(file.attrs["metadata"]) == limits.metadata
        assert json.loads(file.attrs["labels"]) == ["one", "one + two"]
        assert json.loads(file.attrs["regions"])[0][1] == {"cl": 0.95, "dof": 2, "threshold": 6.0}
        assert file.delta_chi2.dims == ("plane", "mass", "g")
        assert file.mass.attrs["units"] == "MeV"
        np.testing.assert_array_equal(file.mass, limits.axes[0].values)
        for p, (plane, _) in enumerate(limits.results):
            np.testing.assert_array_equal(file.delta_chi2[p], delta_chi2(plane))
            np.testing.assert_array_equal(file.valid[p], plane.valid)
        chosen = (file.branch_plane == 1) & (file.branch_index == 1)
        np.testing.assert_array_equal(file.branch_mass[chosen], limits.results[1][1][0].branches[1][:, 0])


def read_datasets(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Read a bound by DARKCAST's rules: names in the first line, `#` starts a comment, every row has all columns."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    keys = first.replace("#", "").split()[1:]
    rows = [[float(item) for item in line.split("#")[0].split()] for line in rest if line.split("#")[0].split()]
    assert all(len(row) == len(keys) + 1 for row in rows)
    return {key: [(row[0], row[k + 1]) for row in rows] for k, key in enumerate(keys)}


def test_darkcast_has_every_excluded_range(limits: Limits, tmp_path: Path) -> None:
    files = write_darkcast(limits, tmp_path / "bounds")
    assert [file.name for file in files[:3]] == ["plane1_90_1.lmt", "plane1_90_2.lmt", "plane1_95_1.lmt"]
    top, island, free = (read_datasets(file) for file in files[:3])
    assert top == {"lower": [(1e-3, 2e-5), (1e-2, 2e-4), (0.1, 1e-5)]}
    assert island == {"lower": [(1e-3, 1e5), (1e-2, 3e-5), (0.1, 1e5)], "upper": [(1e-3, 1e5), (1e-2, 1e-4), (0.1, 1e5)]}
    assert free == {"lower": [(1e-3, 1e5), (1e-2, 1e5), (0.1, 1e5)]}
    assert '# caveat: "CEvNS only"' in files[0].read_text(encoding="utf-8")


def test_darkcast_files_can_be_drawn_over_another_plane(limits: Limits, tmp_path: Path) -> None:
    top, *_ = write_darkcast(limits, tmp_path)
    np.testing.assert_allclose(read_overlay(top).points, [(1.0, 2e-5), (10.0, 2e-4), (100.0, 1e-5)], rtol=1e-14)


def test_darkcast_needs_a_mass(limits: Limits, tmp_path: Path) -> None:
    results = tuple((dataclasses.replace(p, x=dataclasses.replace(p.x, name="eps", unit="1")), regions) for p, regions in limits.results)
    with pytest.raises(CevnsfitError, match="eps \\[1\\] is not a mass"):
        write_darkcast(dataclasses.replace(limits, results=results), tmp_path)


def test_hepdata_keeps_all_digits_and_is_valid(limits: Limits, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason="the extra [hepdata] is not installed")
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    from ruamel.yaml import YAML

    extra = tmp_path / "likelihood.json"
    extra.write_text("{}", encoding="utf-8")
    here = Path.cwd()
    files = write_hepdata(limits, tmp_path / "submission", [extra])
    assert Path.cwd() == here
    assert {"submission.yaml", "submission.tar.gz", "likelihood.json", "delta_chi2_2.yaml"} <= {file.name for file in files}
    yaml = YAML(typ="safe")
    table = yaml.load(tmp_path / "submission" / "boundary_1_cl_90.yaml")
    index, _ = table["independent_variables"]
    mass, g = ([entry["value"] for entry in column["values"]] for column in table["dependent_variables"])
    assert [entry["value"] for entry in index["values"]] == [1, 1, 2, 2, 2]
    np.testing.assert_array_equal(np.column_stack([mass, g]), np.concatenate(limits.results[0][1][0].branches))
    grid = yaml.load(tmp_path / "submission" / "delta_chi2_1.yaml")
    values = [entry["value"] for entry in grid["dependent_variables"][0]["values"]]
    expected = delta_chi2(limits.results[0][0]).ravel()
    np.testing.assert_array_equal([np.nan if value == "-" else value for value in values], expected)
    first = next(iter(yaml.load_all(tmp_path / "submission" / "submission.yaml")))
    assert json.loads(first["comment"]) == limits.metadata
    check = validator.FullSubmissionValidator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves the closing of files to Python
        assert check.validate(directory=str(tmp_path / "submission")), check.get_messages()
        assert check.validate(archive=str(tmp_path / "submission.tar.gz")), check.get_messages()


def test_hepdata_wants_an_empty_folder(limits: Limits, tmp_path: Path) -> None:
    pytest.importorskip("hepdata_lib", reason="the extra [hepdata] is not installed")
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(CevnsfitError, match="not an empty folder"):
        write_hepdata(limits, tmp_path)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "precious"


def test_hepdata_names_its_extra(limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hepdata_lib", None)
    with pytest.raises(CevnsfitError, match=r"cevnsfit\[hepdata\]"):
        write_hepdata(limits, tmp_path / "new")
