"""Results as plain values, and their files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from cevnsfit.core.documents import Document, brief, plain, read_document, write_document
from cevnsfit.core.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Inner:
    """A part of a result."""

    value: float
    pairs: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """A result with exceptions."""

    document: ClassVar[Mapping[str, str | None]] = {"inner": None, "value": "inner.value", "best_fit": "best", "twice": "double"}

    inner: Inner
    best: float
    hidden: str = "seen"

    @property
    def double(self) -> float:
        """Return a derived number."""
        return 2.0 * self.best


def test_plain_values_are_json() -> None:
    value = {"a": np.array([[1.0, np.nan]]), "b": (np.int64(3), float("inf")), "c": Path("x") / "y", "d": np.bool_(True), "e": None}
    assert plain(value) == {"a": [[1.0, None]], "b": [3, None], "c": "x/y", "d": True, "e": None}
    assert json.loads(json.dumps(plain(value), allow_nan=False))["d"] is True


def test_keys_follow_from_fields() -> None:
    assert plain(Inner(float("nan"), ((1.0, 2.0),))) == {"value": None, "pairs": [[1.0, 2.0]]}


def test_exceptions_are_those_that_the_class_declares() -> None:
    assert plain(Outer(Inner(1.5, ()), 3.0)) == {"hidden": "seen", "value": 1.5, "best_fit": 3.0, "twice": 6.0}
    assert plain([Outer(Inner(1.5, ()), 3.0)])[0]["twice"] == 6.0


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    path = write_document(tmp_path / "new" / "a.json", plain({"x": Inner(1.0, ()), "n": float("nan")}), indent=1)
    assert read_document(path) == {"x": {"value": 1.0, "pairs": []}, "n": None}
    assert path.read_text(encoding="utf-8").endswith("}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_document(path, {"n": float("nan")})


def test_what_is_no_document_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for text in ("[1]", "{", '{"a": NaN}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ResultError, match=r"a\.json"):
            read_document(file)
    with pytest.raises(ResultError, match="larger than 3 bytes"):
        read_document(file, largest=3)


@dataclass(frozen=True, slots=True, repr=False)
class Long(Document):
    """A result with everything that is too long for a screen."""

    names: tuple[Inner, ...]
    texts: tuple[str, ...]
    table: np.ndarray
    parts: Mapping[str, Mapping[str, float]]


def test_a_document_shows_each_value_on_one_line() -> None:
    parts = {f"part {i}": {"a<b": float("nan"), "more": 1.0} for i in range(50)}
    one = Long(tuple(Inner(1.0, ()) for _ in range(100)), ("<script>", "two\nlines"), np.zeros((60, 120)), parts)
    lines = repr(one).split("\n")
    assert lines[0] == "Long"
    assert len(lines) == 5
    assert max(map(len, lines)) <= 100
    assert lines[2:4] == ["  texts  [<script>, two lines]", "  table  array of 60 x 120"]
    assert lines[4].endswith("... 48 more}")
    assert one.to_dict() == plain(one)
    html = one._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "a<b" not in html
    assert html.count("<tr>") == 4 + 50
    assert html.count("<table>") == html.count("</table>") == 2


def test_few_and_short_values_share_a_line() -> None:
    @dataclass(frozen=True, slots=True, repr=False)
    class Short(Document):
        value: float
        few: np.ndarray

    assert repr(Short(float("nan"), np.arange(3))) == "Short(value=nan, few=[0, 1, 2])"


def test_many_keys_are_counted() -> None:
    class Many(Document):
        document: ClassVar[Mapping[str, str]] = {f"key{i}": "value" for i in range(40)}
        _fields = ()
        value = 123456.7

    lines = repr(Many()).split("\n")
    assert len(lines) == 24
    assert lines[-1] == "  ... 18 more"


def test_what_is_left_out_is_counted() -> None:
    for room in range(24, 80):
        text = brief([f"name-{i}" for i in range(9)], room)
        assert len(text) <= room
        shown = text.count("name-")
        assert shown == 9 or text.endswith(f"... {9 - shown} more]")
    assert brief("x" * 90, 20) == "x" * 17 + "..."
