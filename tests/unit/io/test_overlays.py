"""Curves of others: units, pieces, closed loops, and errors with their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.io.overlays import PROBLEMS, read_overlay

if TYPE_CHECKING:
    from pathlib import Path


def curve(folder: Path, text: str, name: str = "curve.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_converted_to_the_units_of_the_plane(tmp_path: Path) -> None:
    path = curve(tmp_path, "# source: arXiv:0000.00000, fig. 1\nmass [GeV],g [1]\n0.2,0.01\n1,0.05\n")
    np.testing.assert_allclose(read_overlay(path).points, [[200.0, 0.01], [1000.0, 0.05]], rtol=1e-14)


def test_another_plane(tmp_path: Path) -> None:
    path = curve(tmp_path, "# source: us\neps_ee_u [1],eps_ee_d [1]\n-1,2\n")
    np.testing.assert_array_equal(read_overlay(path, (("eps_ee_u", "1"), ("eps_ee_d", "1"))).points, [[-1.0, 2.0]])
    with pytest.raises(SpecError, match=r"curve\.csv:2: .*mass \[MeV\]"):
        read_overlay(path)


def test_an_empty_line_parts_two_pieces(tmp_path: Path) -> None:
    path = curve(tmp_path, "# source: us\nmass [MeV],g [1]\n1,1\n2,1\n\n\n3,1\n\n")
    np.testing.assert_array_equal(read_overlay(path).points, [[1, 1], [2, 1], [np.nan, np.nan], [3, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a header"),
        ("# nothing\n", "needs a header"),
        ("mass [MeV],g [1]\n1,2\n", "# source:"),
        ("# source: us\nmass,g\n1,2\n", r"csv:2: the header"),
        ("# source: us\n1,2\n", r"csv:2: the header"),
        ("# source: us\nmass [s],g [1]\n1,2\n", r"csv:2: .*MeV"),
        ("# source: us\nmass [MeV],g [1]\n1,2\n3\n", r"csv:4: expected 2 finite numbers, found 1 \(cells: 1\)$"),
        ("# source: us\nmass [MeV],g [1]\n1,nan\n", r"csv:3: .*finite"),
        ("# source: us\nmass [MeV],g [1]\n1,2,3\n", r"csv:3: .*finite"),
        ("# source: us\nmass [MeV],g [1]\n", "at least one row"),
    ],
)
def test_a_broken_curve_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_overlay(curve(tmp_path, text))


def test_a_lower_end_is_an_open_line_in_mev(tmp_path: Path) -> None:
    path = curve(tmp_path, "#      mass       lower\n 1.0e-03  2e-3\n 1.0e-01  3e-3\n", "a.lmt")
    np.testing.assert_allclose(read_overlay(path).points, [[1.0, 2e-3], [100.0, 3e-3]], rtol=1e-14)


def test_two_ends_are_a_closed_loop(tmp_path: Path) -> None:
    path = curve(tmp_path, "# mass lower upper\n 1e-3 1e-6 1e-3\n 2e-3 2e-6 5e-4\n", "a.lmt")
    expected = [[1.0, 1e-6], [2.0, 2e-6], [2.0, 5e-4], [1.0, 1e-3], [1.0, 1e-6]]
    np.testing.assert_allclose(read_overlay(path).points, expected, rtol=1e-14)


def test_masses_without_a_limit_are_gaps(tmp_path: Path) -> None:
    path = curve(tmp_path, "0.5 1e5\n1 0.1\n2 0.2\n3 1.0e+05\n4 0.3\n", "a.lmt")
    gap = [np.nan, np.nan]
    np.testing.assert_allclose(read_overlay(path).points, [[1000.0, 0.1], [2000.0, 0.2], gap, [4000.0, 0.3]], rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# mass lower\n", "needs rows"),
        ("1 2\n1 2 3\n", "needs rows"),
        ("1 2\n1 x\n", r"a\.lmt:2: expected 2 or 3 finite numbers, found 1 \(cells: 2\)$"),
        ("1 2 3 4\n", r"a\.lmt:1"),
        ("1 -2\n", r"a\.lmt:1: .*positive"),
        ("1 1e5\n", "no limit at any mass"),
    ],
)
def test_a_broken_limit_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_overlay(curve(tmp_path, text, "a.lmt"))


def test_a_darkcast_limit_needs_the_plane_of_mass_and_coupling(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\(mass, g\)"):
        read_overlay(curve(tmp_path, "1 2\n", "a.lmt"), (("mass", "MeV"), ("eps", "1")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is missing"):
        read_overlay(tmp_path / "none.csv")


def test_ratios_are_the_couplings_above_one(shared_data: Path) -> None:
    limit = read_overlay(shared_data.parent / "cases" / "rvalues.lmt")
    ((low, high),) = limit.excluded(10.0)
    assert low == pytest.approx(1e-6 * 10.0 ** (np.log(2.0) / np.log(4.0)))
    assert high == pytest.approx(1e-4)
    assert "ratios" in limit.remarks[0]


def test_ratios_of_several_intervals_and_without_a_header_are_refused(tmp_path: Path) -> None:
    rows = "1 1e-6 2\n1 1e-5 0.5\n1 1e-4 2\n"
    with pytest.raises(SpecError, match=r"a\.lmt:2: at 1000 MeV the ratio exceeds 1 in several intervals"):
        read_overlay(curve(tmp_path, "# mass g r\n" + rows, "a.lmt"))
    with pytest.raises(SpecError, match=r"a\.lmt:2: repeats the mass of the row above; .* '# mass g r'"):
        read_overlay(curve(tmp_path, rows, "a.lmt"))
    with pytest.raises(SpecError, match="no limit at any mass"):
        read_overlay(curve(tmp_path, "# mass g r\n1 1e-6 0.2\n", "a.lmt"))


def test_a_row_of_mass_0_is_left_out_with_a_remark(tmp_path: Path) -> None:
    limit = read_overlay(curve(tmp_path, "# mass lower\n0 1e-3\n1 2e-3\n", "a.lmt"))
    np.testing.assert_array_equal(limit.points, [[1000.0, 2e-3]])
    assert limit.remarks == ("a: line 2: a row of mass 0 is left out",)
    with pytest.raises(SpecError, match="no limit at any mass"):
        read_overlay(curve(tmp_path, "0 1e-3\n", "a.lmt"))


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    text = "# title: theirs\n# source: us\n# model: b-l\n# limit: 90 % CL\n# normalisation: L\n# made: by hand\nmass [MeV],g [1]\n1,2\n"
    found = read_overlay(curve(tmp_path, text))
    assert (found.label, found.source, found.model, found.level, found.normalisation, found.made) == (
        "theirs",
        "us",
        "b-l",
        "90 % CL",
        "L",
        "by hand",
    )
    assert read_overlay(curve(tmp_path, text), label="ours").label == "ours"
    assert read_overlay(curve(tmp_path, "# source: us\nmass [MeV],g [1]\n1,-2\n")).kind == "line"


def test_a_sheet_with_a_curve_is_read(tmp_path: Path) -> None:
    text = "# source: a, b\nmass [GeV],g [1]\n0.2,0.01\n1,0.05\n\n2,\u22120.05\n"
    plain = read_overlay(curve(tmp_path, text))
    quoted = '"# source: a, b",\n"mass [GeV]","g [1]"\n"0.2",0.01\n\u00a01,0.05\n,\n2,\u20130.05\n'
    sheet = read_overlay(curve(tmp_path, "\ufeff" + quoted.replace("\n", "\r\n")))
    np.testing.assert_array_equal(sheet.points, plain.points)
    assert sheet.source == plain.source == "a, b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# source: us\nmass [MeV];g [1]\n1;2\n",
            "csv:2: the header should name .*; its cells are separated by semicolons: use commas, and points in numbers",
        ),
        (
            "# source: us\nmass [MeV],g [1]\n1;2\n",
            r"csv:3: expected 2 finite numbers, found 0 \(cells: 1\); its cells are separated by semicolons",
        ),
        ("# source: us\nmass [MeV],g [1]\n1\t2\n", "csv:3: .*; its cells are separated by tabs"),
        ("# source: us\nmass [MeV],g [1]\n1,5,2\n", r"csv:3: expected 2 finite numbers, found 3 \(cells: 3\)\n"),
        ("# source: us\nmass [MeV],g [1]\n1 000,2\n", r"csv:3: expected 2 finite numbers, found 1 \(cells: 2\)\n"),
    ],
)
def test_sheets_of_other_countries(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_overlay(curve(tmp_path, text))


@pytest.mark.parametrize("name", ["a.csv", "a.lmt"])
def test_the_text_of_a_file_that_is_no_curve_is_not_shown(tmp_path: Path, name: str) -> None:
    path = curve(tmp_path, "root:x:0:0:root:/root:/bin/bash\nkey = s3cret, 1\n" * 100, name)
    with pytest.raises(SpecError) as caught:
        read_overlay(path)
    assert not any(word in str(caught.value) for word in ("root:", "s3cret", "key"))
    assert f"{name}:2: " in str(caught.value)
    assert len(caught.value.problems) == PROBLEMS
