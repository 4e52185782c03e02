"""Feldman-Cousins regions in a plane of two parameters, column by column.

The best fit of a pseudo-experiment is looked for over the whole plane, or in the column of the tested point alone. The first is the region of
Feldman and Cousins for two parameters. The second is a raster scan: at each value of the first parameter an interval of the second that covers by
itself, whatever the goodness of fit of the column. Where the first parameter rebuilds the templates (a mass), the plane is a choice of columns;
where it is a coupling, all columns share a likelihood, in which both couplings float.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.contour import trace
from cevnsfit.infer.feldman_cousins import REFINED, construction, require_allowed
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.lines import coupling_scale
from cevnsfit.infer.planes import Region, known_ends
from cevnsfit.infer.runner import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.likelihood import Likelihood

ALTERNATIVES: Final = 8
"""Columns, besides its own, in which the best fit of a pseudo-experiment is looked for: templates change slowly from column to column."""

STRIDE: Final = 1 << 14
"""Places among the random streams that each column has."""


def column_hypotheses(
    likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], *, at: Mapping[str, float], ordering: str
) -> Procedure[tuple[Hypothesis, ...]]:
    """Return the hypotheses of each column, on the observed data.

    Parameters
    ----------
    axes
        The two parameters; the second must not be a nonlinear parameter. Where the first is none either, all columns share a likelihood, in which
        both float for a best fit in the plane.
    at
        Other parameters that are held, by name.
    ordering
        Where the best fit is looked for: "plane", or "column" for a raster scan.

    Raises
    ------
    CevnsfitError
        If there is no such ordering.
    """
    if ordering not in {"plane", "column"}:
        message = f"unknown ordering '{ordering}'; known: plane, column"
        raise CevnsfitError(message)
    x, y = axes
    if ordering == "plane" and x.name not in likelihood.nonlinear:
        (whole,) = yield [Call(_alone, (likelihood, at, y.name, x.name))]
        shared = replace(whole.alternatives[0], free=(x.name,))
        return tuple(replace(whole, at={**whole.at, x.name: float(value)}, alternatives=(shared,)) for value in x.values)
    alone = yield [Call(_alone, (likelihood, {**at, x.name: float(value)}, y.name)) for value in x.values]
    if ordering == "column":
        return tuple(alone)
    best = float(np.fmin.reduce([test.best for test in alone]))
    return tuple(
        replace(test, alternatives=tuple(alone[i].alternatives[0] for i in alternative_columns(own, len(alone))), best=best)
        for own, test in enumerate(alone)
    )


def _alone(likelihood: Likelihood, at: Mapping[str, float], poi: str, *floating: str) -> Hypothesis:
    """Return the hypothesis of a column alone, or of a whole plane in which the other coupling floats too."""
    joint, held = joint_at(likelihood, at)
    physical = joint.physical
    return default_hypothesis(replace(physical, parameters=physical.parameters.released(floating)), poi, at=held)


def alternative_columns(own: int, count: int) -> tuple[int, ...]:
    """Return the columns in which the best fit of a pseudo-experiment of one of them is looked for: its own, and others, the farthest from all before first.

    Examples
    --------
    >>> alternative_columns(1, 5)
    (1, 4, 3, 2, 0)
    """
    left, found = {int(i) for i in np.linspace(0, count - 1, ALTERNATIVES).round()} - {own}, [own]
    while left:
        found.append(max(left, key=lambda i: (min(abs(i - j) for j in found), i)))
        left.remove(found[-1])
    return tuple(found)


def in_plane(tests: Sequence[Hypothesis]) -> bool:
    """Return whether the best fit of columns is looked for outside of them too."""
    return any(len(test.alternatives) > 1 or test.alternatives[0].free for test in tests)


def column_intervals(tests: Sequence[Hypothesis], *, cl: float, toys: Toys) -> Procedure[tuple[Intervals, ...]]:
    """Return the Feldman-Cousins interval of each column, with random streams of its own.

    Raises
    ------
    CevnsfitError
        If a column has more values than random streams.
    """
    dof = 2 if in_plane(tests) else 0
    found = yield [construction(test, cl=cl, toys=toys, first=index * STRIDE, dof=dof) for index, test in enumerate(tests)]
    if any(len(column.toys.points) << REFINED > STRIDE for column in found):
        message = f"more than {STRIDE >> REFINED} values in one column"
        raise CevnsfitError(message)
    return tuple(found)


def toy_region(axes: tuple[PlaneAxis, PlaneAxis], tests: Sequence[Hypothesis], found: Sequence[Intervals]) -> Region:
    """Return the region made of the intervals of all columns; its threshold is NaN, since it differs from point to point.

    Raises
    ------
    CevnsfitError
        If no column allows a value.
    """
    require_allowed(*found)
    x, y = axes
    columns = [entry.allowed for entry in found]
    scales = np.array([coupling_scale(entry.joint, y.name) for entry in tests])
    allowed, excluded, branches = trace(x, y, columns, scales)
    known = known_ends(x, y, columns)
    return Region(found[0].cl, 2, math.nan, tuple(tuple(entry) for entry in columns), allowed, excluded, branches, known)
