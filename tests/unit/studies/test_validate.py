"""Comparison with references: verdicts, units of the difference, and the files they come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import CevnsfitError, SpecError, UnknownNameError
from cevnsfit.moments.measured import deviation, moment
from cevnsfit.studies import validate as study
from cevnsfit.studies.germanium import Ours
from cevnsfit.studies.nuclides import flux_average, unit_point
from cevnsfit.studies.validate import COLUMNS, Published, absolute, compare, read_published, rows, validate

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = {
    "id": "a.b",
    "title": "thing",
    "quantity": "counts",
    "value": 100.0,
    "tolerance": "5 %",
    "because": "a test",
    "source": "a test",
    "kind": "published",
}
FILE = """title: numbers
defaults: {source: a test, kind: published, because: a test}
checks:
  - {id: a, title: thing, quantity: counts, value: 1.5, tolerance: 1}
  - {id: b, title: thing, quantity: counts, value: 2.0, tolerance: 10 %, kind: independent computation}
"""


def number(**changes: object) -> Published:
    return Published.model_validate({**ENTRY, **changes})


@pytest.mark.parametrize(("ours", "passed"), [(104.99, True), (105.01, False), (95.01, True), (94.99, False), (math.nan, False)])
def test_tolerance_in_percent(ours: float, passed: bool) -> None:
    assert compare(number(), Ours(ours)).passed is passed


def test_difference_is_in_units_of_the_error_where_there_is_one() -> None:
    assert compare(number(error=20.0), Ours(104.0)).difference == pytest.approx(0.2)
    assert compare(number(), Ours(104.0)).difference == pytest.approx(0.8)


@pytest.mark.parametrize(("ours", "disagrees", "verdict"), [
    (101.0, "", "ok"), (110.0, "", "FAILS"), (math.nan, "", "FAILS"), (110.0, "another quantity", "differs"), (101.0, "another quantity", "FAILS"),
])  # fmt: skip
def test_a_reason_makes_no_number_agree(ours: float, disagrees: str, verdict: str) -> None:
    check = compare(number(disagrees=disagrees), Ours(ours))
    assert check.verdict == verdict
    assert check.passed is (ours == 101.0)
    assert rows((check,))[0][0] == verdict


def test_counts_must_agree_exactly() -> None:
    exact = number(tolerance=0)
    assert compare(exact, Ours(100.0)).passed
    off = compare(exact, Ours(101.0))
    assert (off.passed, off.difference) == (False, 1.0)


@pytest.mark.parametrize(("error", "passed"), [(20.3, True), (20.5, False), (None, False)])
def test_errors_are_compared_when_asked(error: float | None, passed: bool) -> None:
    assert compare(number(error=20.0, error_tolerance="2 %"), Ours(100.0, error)).passed is passed


@pytest.mark.parametrize("tolerance", ["5", "5 percent", "-1 %", -0.1, "5 % or so"])
def test_bad_tolerances_are_refused(tolerance: float | str) -> None:
    with pytest.raises(ValueError, match=r"toleranc|percentage"):
        number(tolerance=tolerance)


def test_percentages_are_of_the_magnitude() -> None:
    assert absolute("2 %", -50.0) == pytest.approx(1.0)
    assert absolute(3.0, -50.0) == 3.0


def test_rows_have_the_columns_and_readable_numbers() -> None:
    checks = (
        compare(number(error=20.0, unit="MeV"), Ours(98.76543, 21.23456)),
        compare(number(tolerance=0), Ours(101.0)),
        compare(number(value=5.171e-38, tolerance="0.01 %"), Ours(5.17101e-38)),
    )
    first, second, third = rows(checks)
    assert len(first) == len(second) == len(COLUMNS)
    assert first[:6] == ("ok", "thing", "counts [MeV]", "100 +- 20", "98.8 +- 21.2", "-0.06")
    assert second[:5] == ("FAILS", "thing", "counts", "100", "101")
    assert third[4] == "5.17101e-38"


def test_defaults_of_a_file_hold_for_its_entries(tmp_path: Path) -> None:
    (tmp_path / "numbers.yaml").write_text(FILE, encoding="utf-8")
    first, second = read_published(tmp_path)
    assert (first.id, first.value, first.kind, first.source) == ("a", 1.5, "published", "a test")
    assert (second.tolerance, second.kind) == ("10 %", "independent computation")


def test_all_problems_of_a_file_are_reported_with_lines(tmp_path: Path) -> None:
    text = FILE.replace("id: b,", "id: a,") + "  - {id: c, title: thing, quantity: counts, value: many, tolerance: 1, colour: red}\n"
    (tmp_path / "numbers.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_published(tmp_path)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(5, "id"), (6, "value"), (6, "colour")]


def test_a_number_without_a_check_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "checks", dict)
    with pytest.raises(CevnsfitError, match=r"without a number: 7stats\.ee"):
        validate()


def test_unit_points_scale_with_the_nucleus() -> None:
    # coherence: sigma/N^2 differs by the proton's charge, form factors and kinematics only
    argon, caesium = flux_average("ar-40", "nu-mu") / 22**2, flux_average("cs-133", "nu-mu") / 78**2
    assert 0.8 < caesium / argon < 1.0
    assert unit_point("cs-133", "t-max") * unit_point("cs-133", "mass") == pytest.approx(
        unit_point("ar-40", "t-max") * unit_point("ar-40", "mass"), rel=2e-3
    )


def test_moments_of_different_leptons_are_not_subtracted() -> None:
    with pytest.raises(CevnsfitError, match="'muon-2025' is a moment of mu"):
        deviation("muon-2025", "electron-cs-2018")


def test_unknown_moments_name_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown prediction 'muon-2021'; did you mean muon-20"):
        moment("predictions", "muon-2021")
