"""Tables of words and numbers."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import pytest

from cevnsfit.core.version import VERSION
from cevnsfit.io.tables import cell, write_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_comments_are_one_line_each_and_cells_are_quoted(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "new" / "a.csv", ["two\nlines", "wide   gaps"], ("label", "g [1]"), [("a, b", cell(1e-3)), ("c", cell(math.nan))]
    )
    lines = path.read_bytes().decode().split("\n")
    assert lines[:4] == ["# two lines", "# wide   gaps", f"# cevnsfit {VERSION}", "label,g [1]"]
    assert list(csv.reader(lines[4:6])) == [["a, b", "0.001"], ["c", ""]]
    assert lines[6:] == [""]
    assert write_rows(tmp_path / "b.csv", ["one"], ("g [1]",), [], signed=False).read_text(encoding="utf-8") == "# one\ng [1]\n"


@pytest.mark.parametrize(("value", "text"), [(0.1234567890123, "0.123456789"), (math.inf, ""), (3.0, "3")])
def test_a_cell_has_ten_digits(value: float, text: str) -> None:
    assert cell(value) == text
