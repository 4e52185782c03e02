"""What identifies a stored result, and where two of them differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.stats.fingerprint import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

LIKELIHOOD: Final = "likelihood"
"""Entry of a description with the fingerprint of each likelihood by its label, which are compared within their tolerance."""

_ABSENT: Final[tuple[Any, ...]] = (None, [])
"""An option that an earlier version did not have is that of which nothing was given."""

_DIGEST: Final = 64
"""Length of a SHA-256 in hexadecimal digits."""


def unlike(known: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Return in what two descriptions differ, in words; an empty text for those of one result."""
    return "; ".join(text for key in sorted({*known, *asked}) if (text := _difference(key, known.get(key), asked.get(key))))


def _difference(key: str, known: Any, asked: Any) -> str:
    """Return in what an entry of a description differs, an empty text where it does not."""
    if key == LIKELIHOOD and isinstance(known, dict) and isinstance(asked, dict) and known.keys() == asked.keys():
        found = [text for label in known for text in differences(known[label], asked[label])]
        return f"{key}: {'; '.join(found)}" if found else ""
    if known == asked or (known in _ABSENT and asked in _ABSENT):
        return ""
    there, here = _brief(known, asked), _brief(asked, known)
    return f"{key}: {json.dumps(there, sort_keys=True)} there, {json.dumps(here, sort_keys=True)} asked"


def _brief(value: object, other: object) -> object:
    """Return what `value` has and `other` has not: of mappings the entries that differ, of digests the first digits."""
    if isinstance(value, dict) and isinstance(other, dict):
        return {name: _brief(entry, other.get(name)) for name, entry in value.items() if name not in other or other[name] != entry}
    if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        return [_brief(mine, theirs) for mine, theirs in zip(value, other, strict=True)]
    if isinstance(value, dict):
        return sorted(value)
    return f"{value[:8]}..." if isinstance(value, str) and len(value) == _DIGEST else value
