"""JSON files as plain values; strangers' files are data, their size is bounded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import ResultError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 500_000_000
"""Largest document that is read, unless a smaller bound is given."""


def read_document(path: Path, largest: int = MAX_BYTES) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    ResultError
        If the file is missing, larger than `largest` bytes, not JSON, or not an object.
    """
    try:
        if not path.is_file():
            message = f"{path}: no such file"
            raise ResultError(message)
        if path.stat().st_size > largest:
            message = f"{path}: larger than {largest} bytes"
            raise ResultError(message)
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path}: not readable as JSON ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise ResultError(message) from None
    if not isinstance(values, dict):
        message = f"{path}: expected a JSON object"
        raise ResultError(message)
    return values


def _refuse(constant: str) -> float:
    message = f"{constant} is no number in JSON"
    raise ValueError(message)
