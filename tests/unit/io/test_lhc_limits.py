"""Maps of limits and cross sections of others to tables: units are converted, what cannot be read is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.io.releases import import_release
from cevnsfit.io.releases.lhc import CrossSections, LimitMap

if TYPE_CHECKING:
    from pathlib import Path

MAP = LimitMap("ATLAS-SUSY-2018-32", "TSlepSlep")
FIRST = "upperLimits: [[[[9.0E+01*GeV,1.0*GeV],[9.0E+01*GeV,1.0*GeV]],1.5*pb],\n"
LAST = "[[[1.0E-01*TeV,1.0*GeV],[1.0E-01*TeV,1.0*GeV]],2.5E+01*fb]]\n"
EXPECTED = "expectedUpperLimits: [[[[9.0E+01*GeV,1.0*GeV],[9.0E+01*GeV,1.0*GeV]],9.9*pb]]\n"
SECTIONS = CrossSections("s", "pairs")
INFO = '{"columns": [{"name": "m", "unit": "GeV"}, {"name": "xsec", "unit": "pb"}, {"name": "-", "unit": "%"}, {"name": "+", "unit": "%"}]}'


def folder(path: Path, content: str) -> Path:
    (path / "limits").mkdir()
    (path / MAP.key).write_text(f"txName: TSlepSlep\naxes: [[x, y], [x, y]]\n{content}", encoding="utf-8")
    return path


def test_observed_limits_alone_are_read_in_gev_and_fb(tmp_path: Path) -> None:
    rows = MAP.read(folder(tmp_path, FIRST + LAST + EXPECTED))
    assert rows.tolist() == [[90, 1, 90, 1, 1500], [100, 1, 100, 1, 25]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "should have rows with the masses of slepton, neutralino in each chain"),
        (FIRST + "[[[1.0E+02*GeV],[1.0E+02*GeV]],2.5E+01*fb]]", "should have rows with the masses of"),
        (FIRST.replace("9.0E+01*GeV,1.0*GeV]]", "9.5E+01*GeV,1.0*GeV]]"), "has chains of different masses"),
        (FIRST.replace("*pb", "*barn"), r"txt:3: upperLimits: cannot be read; expected \[\[\[MASS\*GeV"),
        (FIRST.replace("1.5*pb", "0.0*pb"), "cannot be read"),
        (FIRST.replace("1.5*pb", "nan*pb"), "cannot be read"),
        (FIRST.replace("1.5*pb", "__import__('os')"), "cannot be read"),
        (FIRST + "here is text\n", "txt:4: upperLimits: cannot be read"),
    ],
)
def test_wrong_limits_are_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=message):
        MAP.read(folder(tmp_path, content))


def sections(path: Path, info: str, rows: str = "mass [GeV], xsec [pb], unc. (down), unc. (up)\n100.0, 0.2, -3.0, 2.0\n") -> Path:
    (path / "cross-sections").mkdir()
    (path / "cross-sections" / "s.info").write_text(info, encoding="utf-8")
    (path / "cross-sections" / "s.csv").write_text(rows, encoding="utf-8")
    return path


def test_errors_of_cross_sections_are_relative_or_absolute(tmp_path: Path) -> None:
    """The larger of 3 % and 2 % of 200 fb; 0.5 fb as it stands."""
    assert SECTIONS.read(sections(tmp_path, INFO))[0] == pytest.approx([100, 200, 6])
    absolute = INFO.replace('"pb"', '"fb"').replace('"%"', '"fb"')
    (tmp_path / "other").mkdir()
    assert SECTIONS.read(sections(tmp_path / "other", absolute, "100, 0.2, -0.5, 0.1"))[0] == pytest.approx([100, 0.2, 0.5])


@pytest.mark.parametrize(
    "info", ["", "[]", '{"columns": 3}', INFO.replace('"pb"', '"m"'), INFO.replace('"%"', '"per mille"'), '{"columns": []}']
)
def test_units_of_cross_sections_must_be_known(info: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"s\.info: columns: should list columns with name and unit"):
        SECTIONS.read(sections(tmp_path, info))


def test_all_files_that_are_missing_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        import_release("lhc-limits", tmp_path, tmp_path / "out")
    assert len(caught.value.problems) == 20 + 6
    assert not (tmp_path / "out").exists()
