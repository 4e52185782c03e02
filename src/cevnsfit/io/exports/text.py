"""Limits as text: one CSV table of all branches, and one JSON document of everything, which can be read back."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from cevnsfit.core.documents import read_document
from cevnsfit.core.errors import ResultError
from cevnsfit.io.exports.limits import document, from_document, header, plain, points

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.io.exports.limits import Limits


def write_csv(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write every point of every branch as one table; the metadata are comment lines `# name: value` with JSON values."""
    x, y = limits.axes
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("# boundaries between allowed and excluded; a region may have several branches\n")
        file.writelines(f"# {key}: {json.dumps(plain(value), sort_keys=True)}\n" for key, value in limits.metadata.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("label", "cl", "dof", "threshold", "branch", "point", header(x), header(y)))
        for p, r, b, branch in points(limits):
            plane, regions = limits.results[p]
            start = (plane.label, regions[r].cl, regions[r].dof, regions[r].threshold, b + 1)
            writer.writerows((*start, k, repr(float(u)), repr(float(v))) for k, (u, v) in enumerate(branch, 1))
    return (path,)


def write_json(limits: Limits, path: Path) -> tuple[Path, ...]:
    """Write everything as one JSON document."""
    path.write_text(json.dumps(document(limits), allow_nan=False) + "\n", encoding="utf-8")
    return (path,)


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
