"""docs/susy.md: its table is what `susy-scan` prints for the inputs of the study, and its numbers of points are those of the scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cevnsfit.report.tables import ResultTable
from cevnsfit.studies.analysis import read_study
from cevnsfit.studies.shown import table
from cevnsfit.studies.sleptons import summary
from cevnsfit.studies.susy import susy_scan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_table_is_what_one_million_points_say(project_root: Path) -> None:
    page = (project_root / "docs" / "susy.md").read_text(encoding="utf-8")
    study = read_study(project_root / "analyses" / "two-moments.yaml")
    scan = susy_scan(study.points, study.superpartners)
    (sheet,) = table(summary(scan)).parts
    (found,) = re.findall(r"<!-- statements -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found.strip() == ResultTable((sheet,)).markdown().partition("\n\n")[2]
    assert scan.kept_without_boson == 0
    assert scan.electron_explained == 27_328
    assert scan.draw.window is not None
    largest = scan.draw.window.largest
    assert largest is not None
    assert (f"{largest.value:.1e}", f"{largest.mass:.0f}", f"{largest.g:.2e}") == ("7.6e-09", "26", "1.02e-03")
    assert "at most 7.6e-9, at 26 MeV and g = 1.02e-3" in page
