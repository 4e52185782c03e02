"""A limit of others, or a band, in a plane of two parameters: polygons and open lines, and the intervals that they leave in a column.

What a limit excludes is the inside of its closed pieces (of one within another: a hole) and what lies above any of its open ones; a band excludes what is
outside of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.words import fault
from cevnsfit.infer.curve import between, complement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.planes import Interval


WHOLE: Interval = (0.0, math.inf)
"""The domain of a coupling."""

_ROUNDING: Final = 1e-9

UNBOUNDED: Final = 1e6
"""Height of an upper edge that stands for none."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Limit(Document):
    """A limit or a band.

    Attributes
    ----------
    label
        Its name in a picture and in tables.
    points
        The boundary in the order of its lines, shape (n, 2), both columns positive where it is a limit on a coupling; a row of NaN parts two pieces.
    kind
        "limit"; "band" for one that says what is allowed, between pairs of pieces or below a single one; "line" for one of which only the boundary is known.
    name, model
        Name in the library and model that it holds for; empty for a file.
    level
        Confidence level in words.
    source, normalisation, made
        Where it comes from, what the coupling multiplies, and how the points were made.
    remarks
        What a reader of the picture must know: rows that were left out, a curve outside of the plane.
    """

    label: str
    points: Floats
    kind: Literal["limit", "band", "line"] = "limit"
    name: str = ""
    model: str = ""
    level: str = ""
    source: str = ""
    normalisation: str = ""
    made: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if why := fault(self.label):
            message = f"the name of a limit: {why}"
            raise CevnsfitError(message)

    @property
    def called(self) -> str:
        """Return the name, or the label of a limit without one."""
        return self.name if self.name else self.label

    @property
    def pieces(self) -> tuple[Floats, ...]:
        """Return the pieces of the boundary."""
        return tuple(self.points[run] for run in np.ma.clump_unmasked(np.ma.masked_invalid(self.points[:, 0])))  # type: ignore[no-untyped-call]

    def excluded(self, x: float) -> tuple[Interval, ...]:
        """Return the excluded intervals of the second parameter, increasing and disjoint, at a value of the first; straight in both logarithms between points."""
        if self.kind == "band":
            ends = sorted(height for piece in self.pieces for height in _crossings(piece, x))
            return complement(between((*[0.0] * (len(ends) % 2), *ends), inside=True), WHOLE)
        above = [(height, math.inf) for piece in self.pieces if is_open(piece) for height in _crossings(piece, x)]
        around = sorted(height for piece in self.pieces if not is_open(piece) for height in _crossings(piece, x))
        return union([above, between([height if height < UNBOUNDED else math.inf for height in around], inside=True)])

    def inside(self, x: tuple[float, float], y: tuple[float, float]) -> Limit:
        """Return the limit with a remark if its boundary has no point in a window; it may still exclude all of it."""
        good = self.points[~np.isnan(self.points[:, 0])]
        seen = len(good) and good[:, 0].max() >= x[0] and good[:, 0].min() <= x[1] and good[:, 1].max() >= y[0] and good[:, 1].min() <= y[1]
        return self if seen else replace(self, remarks=(*self.remarks, f"{self.label}: its boundary lies outside of the plane"))


def is_open(piece: Floats) -> bool:
    """Return whether a piece is a line of which the upper side is meant: it runs one way along the first parameter, with cliffs or without."""
    steps = np.diff(piece[:, 0])
    return bool(np.all(steps >= 0.0) or np.all(steps <= 0.0)) and not np.array_equal(piece[0], piece[-1])


def union(limits: Sequence[Sequence[Interval]]) -> tuple[Interval, ...]:
    """Return the union of intervals, as increasing and disjoint ones.

    Examples
    --------
    >>> union([[(1.0, 2.0)], [(1.5, 3.0), (4.0, 5.0)]])
    ((1.0, 3.0), (4.0, 5.0))
    """
    joined: list[list[float]] = []
    for low, high in sorted(interval for intervals in limits for interval in intervals):
        if joined and low <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], high)
        else:
            joined.append([low, high])
    return tuple((low, high) for low, high in joined)


def _crossings(piece: Floats, x: float) -> list[float]:
    """Return where a piece crosses a value of the first parameter; one that is not open is closed by a straight line."""
    ring = piece if is_open(piece) or np.array_equal(piece[0], piece[-1]) else np.concatenate([piece, piece[:1]])
    first, last = float(ring[:, 0].min()), float(ring[:, 0].max())
    ring = ring.copy()
    for end in (first, last):
        ring[np.abs(ring[:, 0] - end) <= _ROUNDING * end, 0] = end
    if abs(x - last) <= _ROUNDING * last:
        x = math.nextafter(last, -math.inf)
    elif abs(x - first) <= _ROUNDING * first:
        x = first
    (a, low), (b, high) = ring[:-1].T, ring[1:].T
    hit = np.flatnonzero((np.minimum(a, b) <= x) & (x < np.maximum(a, b)))
    across, along = np.log(b[hit]) - np.log(a[hit]), np.log(x) - np.log(a[hit])
    fraction = np.divide(along, across, out=np.zeros_like(across), where=across != 0.0)  # neighbouring numbers may have one logarithm
    half = np.exp(0.5 * fraction * (np.log(high[hit]) - np.log(low[hit])))  # the whole may be larger than any number
    heights: list[float] = (low[hit] * half * half).tolist()
    return heights
