"""Limits as text: one CSV table of all branches, and one JSON document of everything, which can be read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cevnsfit.core.documents import plain, read_document, write_document
from cevnsfit.core.errors import ResultError
from cevnsfit.io.exports.limits import document, from_document, points
from cevnsfit.io.tables import write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cevnsfit.io.exports.limits import Limits


def write_csv(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write every point of every branch as one table; the metadata are comment lines `# name: value` with JSON values."""
    x, y = limits.axes
    comments = [
        "boundaries between allowed and excluded; a region may have several branches",
        *(f"{key}: {json.dumps(plain(value), sort_keys=True)}" for key, value in limits.metadata.items()),
    ]
    headers = ("label", "cl", "dof", "threshold", "branch", "point", x.header, y.header)
    return (write_rows(path, comments, headers, _rows(limits), signed=False),)


def _rows(limits: Limits) -> Iterator[tuple[object, ...]]:
    for p, r, b, branch in points(limits):
        plane, regions = limits.results[p]
        start = (plane.label, regions[r].cl, regions[r].dof, regions[r].threshold, b + 1)
        for k, (u, v) in enumerate(branch, 1):
            yield *start, k, repr(float(u)), repr(float(v))


def write_json(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write everything as one JSON document."""
    return (write_document(path, document(limits)),)


def read_json(path: Path) -> Limits:
    """Return the limits of a JSON document.

    Raises
    ------
    ResultError
        If the file is missing, too large, or not such a document.
    """
    values = read_document(path)
    try:
        return from_document(values)
    except ResultError as error:
        message = f"{path}: {error}"
        raise ResultError(message) from None
