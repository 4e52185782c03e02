"""Maps of critical values: the t that pseudo-experiments of a point exceed with probability 1 - CL, at nodes of a plane or along one parameter.

Pseudo-experiments are generated at each node with the nuisances that fit the data of one likelihood best there. Between nodes the critical value is
linear in each parameter, in its logarithm where the nodes are spaced so; beyond the last node it is that of the node. A point is allowed for other
data of the same experiments when their t there does not exceed it: this costs no pseudo-experiments, for expected limits neither.

References
----------
Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, sections V and VI.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Result, brief
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.infer.columns import searched
from cevnsfit.infer.curve import Heights, crossings
from cevnsfit.infer.feldman_cousins import FAR, REFINED, STEPS, DecisionRule, decided, first_values, in_intervals
from cevnsfit.infer.hypothesis import at_values, with_best_fit
from cevnsfit.infer.intervals import profiled, threshold
from cevnsfit.infer.results import lost
from cevnsfit.infer.runner import Call, every
from cevnsfit.infer.sensitivity import SIGMAS, Sensitivity, discovery_reach, live_bins, outlook, toy_bands, upper_limit
from cevnsfit.infer.toy_planes import STRIDE, in_plane
from cevnsfit.stats.fingerprint import differences, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.intervals import Intervals
    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.infer.results import PointTest, ProfileResult
    from cevnsfit.infer.runner import Procedure, Runner
    from cevnsfit.infer.sensitivity import Outlook
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.likelihood import Likelihood


REMOTE: Final = 100.0
"""Statistic of the data of a map from which on a node has the asymptotic critical value: other data do not come near."""

WIDER: Final = (*STEPS, 2.2, 3.0, 4.0)
"""Steps of sqrt(t) of expected limits, relative to the threshold: fluctuations of two standard deviations lie between them."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CriticalValues(Result):
    """Critical values of t at nodes of one parameter, or of a plane of two.

    Attributes
    ----------
    axes
        The parameters with their nodes; of a plane the one that rebuilds the templates first.
    at
        Held parameters.
    ordering
        Where the best fit of a pseudo-experiment was looked for, "plane" or "column".
    cls
        Confidence levels, increasing.
    critical, errors
        t that 1 - CL of the pseudo-experiments exceed, and its Monte Carlo error, shape (levels, that of the nodes); asymptotic, with an error of 0, where `toys` is 0.
    toys
        Pseudo-experiments of each node that count, shape of the nodes.
    failed, seed
        Pseudo-experiments whose fits failed, and the seed of all.
    nuisances
        Where they were generated: all parameters that float at each node, by name.
    belongs_to
        The numbers of the likelihood without its data, see `stats.fingerprint`.
    """

    document: ClassVar[Mapping[str, str | None]] = {"belongs_to": None, "left_out": "left_out"}

    axes: tuple[PlaneAxis, ...]
    at: Mapping[str, float]
    ordering: str
    cls: tuple[float, ...]
    critical: Floats
    errors: Floats
    toys: Ints
    failed: int
    seed: int
    nuisances: Mapping[str, Floats]
    belongs_to: Mapping[str, Any]

    @property
    def doubt(self) -> str:
        """Return how many pseudo-experiments were lost, in words."""
        return lost(self.failed)

    @property
    def dof(self) -> int:
        """Return the number of parameters that are free in the best fit of a pseudo-experiment."""
        return 2 if len(self.axes) > 1 and self.ordering == "plane" else 1

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """Return how far critical values are from the line between both neighbours: root mean square, and what their Monte Carlo errors make of it.

        Nodes are twice as close as these neighbours: the error between nodes is about a quarter of what is not Monte Carlo.
        """
        found = []
        for k, cl in enumerate(self.cls):
            for number, axis in enumerate(self.axes):
                values, errors = (np.moveaxis(part[k], number, 0) for part in (self.critical, self.errors))
                known = np.moveaxis(self.toys > 0, number, 0)
                place = np.log(axis.values) if axis.scale == "log" else axis.values
                part = ((place[1:-1] - place[:-2]) / (place[2:] - place[:-2])).reshape(-1, *(1,) * (values.ndim - 1))
                off = values[1:-1] - (1.0 - part) * values[:-2] - part * values[2:]
                noise = errors[1:-1] ** 2 + ((1.0 - part) * errors[:-2]) ** 2 + (part * errors[2:]) ** 2
                used = known[1:-1] & known[:-2] & known[2:]
                sizes = [math.sqrt(np.mean(each[used])) if used.any() else math.nan for each in (off**2, noise)]
                found.append({"cl": cl, "parameter": axis.name, "nodes": int(used.sum()), "rms": sizes[0], "monte_carlo": sizes[1]})
        return found

    def heights(self, cl: float, x: float | None = None) -> Heights:
        """Return the critical values along the last parameter, at a value of the first one in a plane.

        Raises
        ------
        CevnsfitError
            If the map has no such confidence level, or the value is outside its nodes.
        """
        if cl not in self.cls:
            message = f"the map has critical values at {', '.join(f'{one:g}' for one in self.cls)} CL, none at {cl:g}"
            raise CevnsfitError(message)
        rows, y = self.critical[self.cls.index(cl)], self.axes[-1]
        if x is not None:
            first = self.axes[0]
            if not first.values[0] * (1.0 - 1e-9) <= x <= first.values[-1] * (1.0 + 1e-9):
                message = f"{first.name} = {x:g} is outside the nodes of the map, {first.values[0]:g} to {first.values[-1]:g} {first.unit}"
                raise CevnsfitError(message)
            rows = np.array([Heights(first.values, row, first.scale == "log")(x) for row in rows.T])
        return Heights(y.values, rows, y.scale == "log")

    def require(self, likelihood: Likelihood, names: Sequence[str], at: Mapping[str, float], ordering: str = "column") -> None:
        """Raise CevnsfitError unless the map is one of these parameters, and of this likelihood but for its data."""
        asked, own = (tuple(names), dict(at), ordering), (tuple(axis.name for axis in self.axes), dict(self.at), self.ordering)
        for what, here, there in zip(("parameters", "held parameters", "ordering"), asked, own, strict=True):
            if here != there:
                message = f"the map of critical values is one of other {what}: {there}, not {here}"
                raise CevnsfitError(message)
        different = differences(self.belongs_to, without_data(likelihood, self.axes))
        if different:
            message = f"the map of critical values belongs to other experiments, another model or another exposure: {'; '.join(different)}"
            raise CevnsfitError(message)


def require_map(critical: object, *, alone: bool) -> None:
    """Raise KindError unless something is a map of critical values, CevnsfitError unless it is all that decides."""
    if not isinstance(critical, CriticalValues):
        message = f"critical values are those that `critical_values` returns, not {brief(critical)}"
        raise KindError(message)
    if not alone:
        message = "a map of critical values is for the method feldman-cousins, and replaces toys: leave out their number and their store"
        raise CevnsfitError(message)


def without_data(likelihood: Likelihood, axes: Sequence[PlaneAxis]) -> dict[str, Any]:
    """Return the numbers of a likelihood but for its data."""
    points = [{axis.name: float(axis.values[end]) for axis in axes} for end in (0, -1)]
    found = fingerprint(likelihood, points)
    ratios = {name: {**counts, "control region": counts.get("control region", [])[:4]} for name, counts in found["counts"].items()}
    return {**found, "counts": {name: {key: each for key, each in counts.items() if key != "observed"} for name, counts in ratios.items()}}


def node_tests(tests: Sequence[Hypothesis], axes: tuple[PlaneAxis, ...], *, toys: Toys) -> Procedure[tuple[list[list[PointTest]], Floats]]:
    """Return the nodes tested, column by column, and all parameters there, shape (columns, nodes, n); see `toy_planes.column_hypotheses`."""
    columns = yield [Call(at_values, (test, axes[-1].values)) for test in tests]
    dof = 2 if in_plane(tests) else 0
    found = yield [_tested(column, number * STRIDE, toys, dof) for number, column in enumerate(columns)]
    return found, np.array([[one.theta for one in column] for column in columns])


def _tested(tests: Sequence[Hypothesis], first: int, toys: Toys, dof: int = 0) -> Procedure[list[PointTest]]:
    """Return values tested with all pseudo-experiments, unless the data are far; `first` is the place of the first among the random streams."""
    rule = DecisionRule(math.nan, toys, dof, REMOTE)
    return every([decided(one, first + (k << REFINED), rule) for k, one in enumerate(tests)])


def critical_of(points: Sequence[PointTest], cls: Sequence[float], dof: int) -> Floats:
    """Return the critical value and its Monte Carlo error at each level, shape (levels, 2, nodes); the asymptotic one without pseudo-experiments."""

    def of_one(point: PointTest, cl: float) -> tuple[float, float]:
        if not point.toys:
            return threshold(cl, dof), 0.0
        middle, low, high = point.critical(cl)
        return middle, 0.5 * (high - low)

    return np.array([np.transpose([of_one(point, cl) for point in points]) for cl in cls])


def allowed_columns(tests: Sequence[Hypothesis], heights: Sequence[Heights], *, cl: float, dof: int) -> Procedure[tuple[Intervals, ...]]:
    """Return the interval of each column, in which t of its data does not exceed the critical value."""
    found = yield [Call(_allowed, (test, height, cl, dof)) for test, height in zip(tests, heights, strict=True)]
    return tuple(found)


def _allowed(test: Hypothesis, heights: Heights, cl: float, dof: int) -> Intervals:
    curve = searched(test.joint, test.poi, max(FAR, 2.0 * float(heights.values.max())), at=test.at, data=test.data)
    best = float(np.fmin(test.best, curve.nll2.min()))
    profile = profiled(test.joint, test.poi, at=test.at, data=test.data)

    def above(values: Floats, start: Floats | None) -> ProfileResult:
        found = profile(values, start)
        return replace(found, nll2=found.nll2 - best - heights(values))

    lowered = replace(curve, nll2=curve.nll2 - best - heights(curve.values))
    (cuts,) = crossings(above, lowered, [0.0], curve.theta[curve.lowest])
    method = f"Feldman-Cousins, critical values between {len(heights.nodes)} nodes"
    return replace(in_intervals(test, curve, lowered.allowed(cuts, 0.0), cl), method=method, dof=dof)


# --- expected limits ---------------------------------------------------------------------------------------------------------------


def ordered(expected: Outlook, toys: Toys, run: Runner) -> Sensitivity:
    """Return the expected Feldman-Cousins limit, with its median and bands, and the discovery reach.

    The critical values along the parameter are found on Asimov data of the true value, once. The median limit is that of these data, and the bands
    are those of the limits of pseudo-experiments of the true value, each below the same critical values (Feldman and Cousins, section VI).

    Parameters
    ----------
    expected
        From `sensitivity.outlook`.
    toys
        Number, for each critical value and for the bands, and seed of the pseudo-experiments.
    run
        Where they are generated: the numbers do not depend on it.
    """
    real, asimov = (replace(test, joint=test.joint.physical) for test in (expected.real, expected.asimov))
    expected = outlook(asimov, real, expected.fluctuating, cl=expected.cl, dof=1)
    points = run(_along(expected, toys))
    heights = Heights(np.array([point.value for point in points]), critical_of(points, [expected.cl], 1)[0, 0], log=False)
    (median,) = run(allowed_columns([real], [heights], cl=expected.cl, dof=1))
    limit = upper_limit(median.allowed, real.value, expected.top)
    method = f"Feldman-Cousins, critical values at {len(points)} values with {sum(point.toys for point in points)} toys"
    reach = discovery_reach(asimov, expected.curve.values)
    found = Sensitivity(replace(median, method=method), limit, (limit,) * len(SIGMAS), "", reach, expected.top, live_bins(asimov.joint))
    banded = toy_bands(replace(expected, critical=heights), found, toys, run)
    return replace(banded, failed=banded.failed + sum(point.failed for point in points))


def _along(expected: Outlook, toys: Toys) -> Procedure[list[PointTest]]:
    """Return values on every branch of the profiled curve on Asimov data, tested there."""
    curve, root = expected.curve, math.sqrt(threshold(expected.cl, 1))
    values = first_values(curve, float(curve.nll2.min()), np.multiply(WIDER, root))
    (test,) = yield [Call(with_best_fit, (expected.asimov,))]
    (tests,) = yield [Call(at_values, (test, values))]
    found: list[list[PointTest]] = yield [_tested(tests, 1 << REFINED, toys)]
    return found[0]
