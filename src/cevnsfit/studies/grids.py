"""Grids as text: "name=start:stop:count[:log]"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_grid(text: str) -> tuple[str, np.ndarray]:
    """Return name and values of "name=start:stop:count[:log]".

    Raises
    ------
    CevnsfitError
        If the text is not of this form.
    """
    name, equals, rest = text.partition("=")
    parts = rest.split(":")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        equals = ""
        start, stop, count = 0.0, 0.0, 0
    log = len(parts) == 4 and parts[3] == "log"
    if not equals or not name or len(parts) not in {3, 4} or (len(parts) == 4 and not log):
        message = f"'{text}' should read name=start:stop:count or name=start:stop:count:log, for example mass=1:1000:60:log"
        raise CevnsfitError(message)
    if count < 3 or count > 100_000 or not -math.inf < start < stop < math.inf or (log and start <= 0):
        message = f"'{text}' needs 3 to 100000 points, start < stop, and start > 0 on a log grid"
        raise CevnsfitError(message)
    return name, np.geomspace(start, stop, count) if log else np.linspace(start, stop, count)


def parse_grids(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the grids of several texts; a name given twice is an error."""
    grids: dict[str, np.ndarray] = {}
    for text in texts:
        name, values = parse_grid(text)
        if name in grids:
            message = f"{name} has two grids"
            raise CevnsfitError(message)
        grids[name] = values
    return grids
