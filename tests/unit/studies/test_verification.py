"""Pages of verification: what stands on them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.errors import SpecError
from cevnsfit.studies import verification
from cevnsfit.studies.germanium import PublishedCurve
from cevnsfit.studies.validate import Check
from cevnsfit.studies.verification import Paper, pages, read_papers, write_pages

if TYPE_CHECKING:
    from pathlib import Path

KEY = "10.1234/some(paper)5"
CHECK = Check(
    id="a.b",
    title="CsI",
    quantity="largest |a_b| <c>",
    unit="MeV",
    published=3.0,
    error=2.0,
    ours=3.5,
    our_error=None,
    tolerance=1.0,
    difference=0.25,
    passed=True,
    source="fig. 1",
    kind="published",
    because="half the error",
    paper=KEY,
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of data with one paper, which rests on one experiment."""
    root = tmp_path / "data"
    (root / "published" / "curves").mkdir(parents=True)
    (root / "experiments" / "one").mkdir(parents=True)
    (root / "published" / "papers.yaml").write_text(
        f"papers:\n  {KEY}: {{name: One, authors: A. B., inputs: [experiments/one]}}\n", encoding="utf-8"
    )
    (root / "published" / "curves" / "one.csv").write_text("x [1],y [1]\n1,2\n", encoding="utf-8")
    (root / "experiments" / "one" / "experiment.yaml").write_text(
        "title: One\nmass: 3 kg\nbins: [1, 2.5, {label: a, on: true}]\n", encoding="utf-8"
    )
    (root / "experiments" / "one" / "counts.csv").write_text("1\n", encoding="utf-8")
    monkeypatch.setattr(verification, "data_root", lambda: root)
    return root


def page(*checks: Check) -> str:
    found = pages(checks)
    assert list(found) == ["10.1234-some-paper-5.md", "index.md"]
    return found["10.1234-some-paper-5.md"]


def test_a_page_has_both_numbers_the_tolerance_and_the_reason() -> None:
    text = page(CHECK)
    assert text.startswith("# One\n\nA. B., [doi:10.1234/some(paper)5](https://doi.org/10.1234/some(paper)5).\n")
    assert r"| ok | largest \|a\_b\| \<c\> \[MeV\] | 3 ± 2 | 3.5 | +0.25 | 1 | half the error |" in text
    assert "does not agree" not in text
    assert "independent program" not in text


def test_titles_stand_where_they_differ() -> None:
    text = page(CHECK, replace(CHECK, title="LAr"))
    assert r"| ok | CsI: largest" in text
    assert r"| ok | LAr: largest" in text


def test_what_does_not_agree_says_why() -> None:
    text = page(CHECK, replace(CHECK, passed=False, disagrees="it is\n  another quantity."))
    assert "**CsI: largest |a_b| <c>** does not agree, because it is another quantity." in text
    assert "| differs |" in text


def test_an_independent_program_has_a_table_of_its_own() -> None:
    text = page(CHECK, replace(CHECK, kind="independent computation"))
    assert text.index("## What it states") < text.index("## An independent program")


def test_a_curve_is_rounded_to_what_its_largest_value_resolves() -> None:
    text = page(
        replace(CHECK, curve=PublishedCurve("published/curves/one.csv", ("x [1]", "y [1]"), ((1.0, 12.5, 12.4999999), (2.0, 0.0, 3e-7))))
    )
    assert "| 1 | 12.5 | 12.500 |" in text
    assert "| 2 | 0 | 0.000 |" in text
    assert "| published/curves/one.csv |" in text


def test_a_curve_of_zeros_is_shown() -> None:
    assert "| 1 | 0 | 0.0000 |" in page(
        replace(CHECK, curve=PublishedCurve("published/curves/one.csv", ("x [1]", "y [1]"), ((1.0, 0.0, 0.0),)))
    )


def test_digests_change_with_numbers_and_not_with_prose(data: Path) -> None:
    description, before = data / "experiments" / "one" / "experiment.yaml", page(CHECK)
    content = description.read_text(encoding="utf-8")
    description.write_text("# a remark\n" + content.replace("title: One", "title: Another"), encoding="utf-8")
    assert page(CHECK) == before
    description.write_text(content.replace("2.5", "2.6"), encoding="utf-8")
    assert page(CHECK) != before
    description.write_text(content, encoding="utf-8")
    (data / "experiments" / "one" / "counts.csv").write_text("2\n", encoding="utf-8")
    assert page(CHECK) != before


def test_numbers_of_no_paper_have_a_page(tmp_path: Path) -> None:
    paths = write_pages((CHECK, replace(CHECK, paper=None, passed=False)), tmp_path / "new" / "pages")
    assert [path.name for path in paths] == ["10.1234-some-paper-5.md", "independent.md", "index.md"]
    index = paths[-1].read_text(encoding="utf-8")
    assert "- [One](10.1234-some-paper-5.md): 1 agrees" in index
    assert "- [numbers of no paper](independent.md): 1 does not" in index


def test_no_checks_make_an_index_alone() -> None:
    assert list(pages(())) == ["index.md"]


def test_bad_papers_are_named_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "papers.yaml").write_text(
        "papers:\n  a:\n    name: A\n  b:\n    name: B\n    authors: C\n    journl: D\n", encoding="utf-8"
    )
    with pytest.raises(SpecError) as caught:
        read_papers(tmp_path)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(2, "authors"), (7, "journl")]


def test_papers_need_a_name_and_authors() -> None:
    assert Paper(name="A", authors="B").inputs == ()
