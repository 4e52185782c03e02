"""The pages of docs/verification are what `cevnsfit validate --pages` writes, to one unit of the last printed digit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.core.paths import data_root
from cevnsfit.io.releases import import_release
from cevnsfit.spec.tables import read_table
from cevnsfit.studies.validate import read_published, validate
from cevnsfit.studies.verification import file_name, pages, read_papers

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
LAR, BOREXINO, HUBER = "10.1103/PhysRevLett.126.012002", "10.1103/PhysRevLett.107.141302", "10.1103/PhysRevC.84.024617"
PAPERS = read_papers()


def last_digit(text: str) -> float:
    mantissa, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def assert_same(found: str, committed: str) -> None:
    """Assert that two pages differ in no word, and in numbers by one unit of the last digit: another machine rounds otherwise."""
    assert NUMBER.sub("#", found) == NUMBER.sub("#", committed)
    for new, old in zip(NUMBER.findall(found), NUMBER.findall(committed), strict=True):
        assert abs(float(new) - float(old)) <= 1.001 * max(last_digit(new), last_digit(old)), (new, old)


def compare_pages(found: dict[str, str], folder: Path) -> None:
    for name, text in found.items():
        assert_same(text, (folder / name).read_text(encoding="utf-8"))


@pytest.fixture
def folder(project_root: Path) -> Path:
    return project_root / "docs" / "verification"


@pytest.mark.slow
def test_three_pages_are_what_is_computed(folder: Path) -> None:
    found = pages(validate((LAR, BOREXINO, HUBER)))
    assert sorted(found) == sorted([*map(file_name, (LAR, BOREXINO, HUBER)), "index.md"])
    compare_pages({name: text for name, text in found.items() if name != "index.md"}, folder)


@pytest.mark.slow
def test_all_pages_are_what_is_computed(folder: Path) -> None:
    found = pages(validate())
    assert sorted(found) == sorted(path.name for path in folder.iterdir())
    compare_pages(found, folder)


def test_a_number_that_changes_is_seen() -> None:
    assert_same("| 1.23 | 5e-38 |", "| 1.24 | 6e-38 |")
    for changed in ("| 1.25 | 5e-38 |", "| 1.23 | 7e-38 |", "| 1.23 | 5e-38 | more"):
        with pytest.raises(AssertionError):
            assert_same("| 1.23 | 5e-38 |", changed)


def test_there_is_a_page_for_each_paper_and_no_other(folder: Path) -> None:
    assert len(PAPERS) >= 12
    assert {path.name for path in folder.iterdir()} == {*map(file_name, PAPERS), "independent.md", "index.md"}
    assert {number.paper for number in read_published()} == {*PAPERS, None}


def test_pages_hold_neither_times_nor_commits(folder: Path) -> None:
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b\d{1,2}:\d{2}\b|\b20\d\d-\d\d-\d\d\b|\b[0-9a-f]{40}\b", text), path.name


def test_papers_have_a_doi_or_say_where_they_are() -> None:
    for key, paper in PAPERS.items():
        assert re.fullmatch(r"10\.\d{4,5}/\S+|arXiv:\S+", key)
        assert not key.startswith("arXiv:") or key == f"arXiv:{paper.arxiv}"
        assert all((data_root() / name).exists() for name in paper.inputs)


def test_every_curve_is_compared_with() -> None:
    curves = {path.name for path in (data_root() / "published" / "curves").iterdir()}
    assert curves == {"lar-2020-fig-8.csv", "7stats-ee.csv", "7stats-mumu.csv", "feldman-cousins-3.csv", "on-off.csv", "huber-u235.csv"}
    for name in curves:
        table = read_table(data_root() / "published" / "curves" / name)
        assert all(np.all(np.isfinite(values)) for values in table.columns.values())


def test_curves_are_those_of_the_files_of_others(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "published-curves"
    if not source.is_dir():
        pytest.skip(f"no files at {source}")
    made = import_release("published-curves", source, tmp_path)
    assert len(made) == 3
    for path in made:
        assert path.read_bytes() == (data_root() / "published" / "curves" / path.name).read_bytes()
