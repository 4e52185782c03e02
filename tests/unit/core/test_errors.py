"""What the errors say."""

from __future__ import annotations

import pytest

from cevnsfit.core import errors
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError


@pytest.mark.parametrize(
    "name", ["DomainError", "AxisError", "OverlapError", "NoDataError", "ResultError", "UnknownNameError", "SpecError"]
)
def test_one_root(name: str) -> None:
    assert issubclass(getattr(errors, name), CevnsfitError)


def test_near_names_are_offered_before_all_names() -> None:
    known = ["lmu-ltau", "le-lmu", "b-l", "universal"]
    assert str(UnknownNameError("model", "lmu_ltau", known)).startswith("unknown model 'lmu_ltau'; did you mean lmu-ltau")
    assert str(UnknownNameError("model", "xyz", known)) == "unknown model 'xyz'; known: b-l, le-lmu, lmu-ltau, universal"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.yaml", 3, "source.baseline", "has no unit"), "a.yaml:3: source.baseline: has no unit"),
        (Problem("a.csv", None, "", "is empty"), "a.csv: is empty"),
    ],
)
def test_a_problem_says_where(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_all_problems_are_reported_at_once() -> None:
    problems = [Problem("a.yaml", 1, "name", "is missing"), Problem("b.csv", 2, "", "is empty")]
    assert str(SpecError(problems)).splitlines() == ["2 problems found", "  a.yaml:1: name: is missing", "  b.csv:2: is empty"]
    assert str(SpecError(problems[:1])).startswith("1 problem found\n")
    assert SpecError(problems).problems == tuple(problems)
