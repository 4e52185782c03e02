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
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.contour import trace
from cevnsfit.infer.feldman_cousins import REFINED, Hypotheses, feldman_cousins, hypotheses
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.intervals import coupling_scale
from cevnsfit.infer.minima import start_set
from cevnsfit.infer.planes import PlaneAxis, Region
from cevnsfit.infer.toys import Rival
from cevnsfit.stats.data import observed_data, observing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.likelihood import Likelihood

    Ordering = Literal["plane", "column"]

RIVALS: Final = 8
"""Columns, besides its own, in which the best fit of a pseudo-experiment is looked for: templates change slowly from column to column."""

STRIDE: Final = 1 << 14
"""Places among the random streams that each column has."""


def column_hypotheses(
    likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], *, at: Mapping[str, float], ordering: Ordering
) -> tuple[Hypotheses, ...]:
    """Return the hypotheses of each column, on the observed data.

    Parameters
    ----------
    likelihood
        The likelihood.
    axes
        The two parameters; the second must not be a nonlinear parameter.
    at
        Other parameters that are held, by name.
    ordering
        Where the best fit is looked for.

    Raises
    ------
    CevnsfitError
        If there is no such ordering.
    """
    if ordering not in {"plane", "column"}:
        message = f"unknown ordering '{ordering}'; known: plane, column"
        raise CevnsfitError(message)
    x, y = axes
    places = [joint_at(likelihood, {**at, x.name: float(value)}) for value in x.values]
    rivals = []
    for joint, held in places:
        data = observed_data(joint)
        rivals.append(Rival(observing(joint, data), start_set(joint, data, held=held)))
    alone = tuple(hypotheses(rival.joint, y.name, held=held, rivals=[rival]) for (_, held), rival in zip(places, rivals, strict=True))
    if ordering == "column":
        return alone
    best = min(tests.best for tests in alone)
    shared = sorted({int(i) for i in np.linspace(0, len(rivals) - 1, RIVALS).round()})
    return tuple(
        Hypotheses(tests.joint, y.name, tests.held, tests.data, tuple(rivals[i] for i in sorted({*shared, own})), best)
        for own, tests in enumerate(alone)
    )


def column_interval(tests: Hypotheses, index: int, *, cl: float, plan: ToyPlan, throw: Thrower) -> Intervals:
    """Return the Feldman-Cousins interval of one column, with random streams of its own.

    Raises
    ------
    CevnsfitError
        If the column has more values than random streams.
    """
    found = feldman_cousins(tests, cl=cl, plan=plan, throw=throw, first=index * STRIDE)
    if found.toys is not None and len(found.toys.points) << REFINED > STRIDE:
        message = f"more than {STRIDE >> REFINED} values in one column"
        raise CevnsfitError(message)
    return found


def toy_region(axes: tuple[PlaneAxis, PlaneAxis], tests: Sequence[Hypotheses], found: Sequence[Intervals]) -> Region:
    """Return the region made of the intervals of all columns; its threshold is NaN, since it differs from point to point."""
    x, y = axes
    columns = [entry.allowed for entry in found]
    scales = np.array([coupling_scale(entry.joint, y.name) for entry in tests])
    allowed, excluded, branches = trace(x, y, columns, scales)
    return Region(found[0].cl, 2, math.nan, tuple(tuple(entry) for entry in columns), allowed, excluded, branches)
