"""Where a curve of one parameter crosses a level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDING: Final = 1e-9
"""An end of a bracket is a zero itself when its height is this small a fraction of the other one."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """Two values of a parameter, and the heights of a curve there.

    Attributes
    ----------
    first, last
        The values, in any order.
    at_first, at_last
        The heights above the level; infinite outside the domain, NaN where the curve is not known.
    """

    first: float
    last: float
    at_first: float
    at_last: float


class _UnknownHeightError(Exception):
    """A curve has no height at a value."""


def zero(curve: Callable[[float], float], bracket: Bracket, *, xtol: float = 2e-12, rtol: float = 1e-14) -> float:
    """Return where a curve passes through zero inside a bracket; NaN where that cannot be found.

    Parameters
    ----------
    curve
        The height at a value, NaN where it is not known. It is not evaluated at the ends of the bracket again: a curve of fits that start
        elsewhere may have another height there.
    bracket
        The ends. When both heights have one sign, an end within `ROUNDING` of zero is the crossing, and there is none otherwise.
    xtol, rtol
        Largest error, absolute and relative.

    Returns
    -------
    The crossing. NaN if an end is not known, if the ends do not bracket a crossing, or if the curve is not known where it has to be.
    """
    from scipy.optimize import brentq

    ends = {bracket.first: bracket.at_first, bracket.last: bracket.at_last}
    if any(math.isnan(height) for height in ends.values()):
        return math.nan
    if (bracket.at_first > 0.0) == (bracket.at_last > 0.0):
        nearest = min(ends, key=lambda value: abs(ends[value]))
        return nearest if abs(ends[nearest]) <= ROUNDING * max(map(abs, ends.values())) else math.nan

    def height(value: float) -> float:
        found = ends[value] if value in ends else curve(value)
        if math.isnan(found):
            raise _UnknownHeightError
        return found

    try:
        found, report = brentq(height, bracket.first, bracket.last, xtol=xtol, rtol=rtol, full_output=True, disp=False)
    except _UnknownHeightError:
        return math.nan
    return float(found) if report.converged else math.nan
