"""Results as plain values, and their files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from cevnsfit.core.documents import plain, read_document, write_document
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
