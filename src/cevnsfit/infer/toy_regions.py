"""Feldman-Cousins regions in a plane of two parameters, column by column.

The best fit of a pseudo-experiment is looked for over the whole plane, or in the column of the tested point alone. The first is the region
of Feldman and Cousins for two parameters. The second is a raster scan: at each value of the first parameter an interval of the second that
covers by itself, whatever the goodness of fit of the column.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, section V.
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
from cevnsfit.infer.planes import Region

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
) -> tuple[Hypothesis, ...]:
    """Return the hypotheses of each column, on the observed data.

    Parameters
    ----------
    axes
        The two parameters; the second must not be a nonlinear parameter.
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
    alone = []
    for value in x.values:
        joint, held = joint_at(likelihood, {**at, x.name: float(value)})
        alone.append(default_hypothesis(joint.physical, y.name, at=held))
    if ordering == "column":
        return tuple(alone)
    best = float(np.fmin.reduce([test.best for test in alone]))
    shared = {int(i) for i in np.linspace(0, len(alone) - 1, ALTERNATIVES).round()}
    return tuple(
        replace(test, alternatives=tuple(alone[i].alternatives[0] for i in sorted({*shared, own})), best=best)
        for own, test in enumerate(alone)
    )


def column_intervals(tests: Sequence[Hypothesis], *, cl: float, toys: Toys) -> Procedure[tuple[Intervals, ...]]:
    """Return the Feldman-Cousins interval of each column, with random streams of its own.

    Raises
    ------
    CevnsfitError
        If a column has more values than random streams.
    """
    found = yield [construction(test, cl=cl, toys=toys, first=index * STRIDE) for index, test in enumerate(tests)]
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
    return Region(found[0].cl, 2, math.nan, tuple(tuple(entry) for entry in columns), allowed, excluded, branches)
