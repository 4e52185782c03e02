"""Results as plain values, and JSON files of them; strangers' files are data, their size is bounded.

The keys of a result follow from its fields. What differs is declared at its class, in `document`, a mapping of keys to attributes:

- a field or a property under another name, also that of a part ("valid": "fit.valid");
- None: the field of this name is left out. A field that is shown under another name is not shown under its own;
- `keys_of(Part, "field")`: the keys of a part as those of the whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import ResultError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 500_000_000
"""Largest document that is read, unless a smaller bound is given."""


def plain(value: object) -> Any:
    """Return a value as JSON knows it.

    Results become objects of their keys, arrays nested lists, other things (paths) text, and numbers that are not finite None.
    """
    if hasattr(value, "document") or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return {key: plain(attrgetter(path)(value)) for key, path in keys_of(type(value)).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def keys_of(kind: type[Any], part: str = "") -> dict[str, str]:
    """Return the attribute behind each key of a result; `part` is the attribute of another result that shows these keys as its own."""
    declared: Mapping[str, str | None] = getattr(kind, "document", {})
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
    keys = {name: name for name in fields if name not in {*declared, *declared.values()}}
    keys |= {key: path for key, path in declared.items() if path is not None}
    return {key: f"{part}.{path}" if part else path for key, path in keys.items()}


def write_document(path: Path, values: object, *, indent: int | None = None) -> Path:
    """Write plain values as a JSON file, make the folder where it is missing, and return the path.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=indent, allow_nan=False) + "\n", encoding="utf-8")
    return path


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
