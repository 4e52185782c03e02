"""Where a fit starts: the minima in the couplings at each point of a coarse grid of the nonlinear parameters."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.lines import effective
from cevnsfit.infer.minima import minima
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


NONLINEAR_GRID: Final = {1: 12, 2: 5}
"""Grid points in each nonlinear parameter by the number of them; 3 when there are more."""

SAME: Final = 1e-4
"""Minima at different values of the nonlinear parameters that differ less in -2 ln lambda are one."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A local minimum: -2 ln lambda, the values of all parameters, whether it converged, and whether a bin without any counts holds it."""

    nll2: float
    values: Mapping[str, float]
    converged: bool
    on_edge: bool


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Distinct local minima, best first; unconstrained parameters without effect; and the number of starting points."""

    candidates: tuple[Candidate, ...]
    without_effect: tuple[str, ...]
    n_starts: int


def search(target: Joint | Likelihood, data: Data, at: Mapping[str, float], wanted: Sequence[str]) -> Search:
    """Return the local minima from all starting points.

    Parameters
    ----------
    target, data
        What is fitted.
    at
        Values of all parameters; those of held ones are kept.
    wanted
        Names that float.
    """
    nonlinear = [p for p in target.parameters if p.kind == "nonlinear"]
    candidates: list[Candidate] = []
    used: set[str] = set()
    count = 0
    free = sum(p.name in wanted for p in nonlinear)
    grids = [nonlinear_grid(p, NONLINEAR_GRID.get(free, 3)) if p.name in wanted else [at[p.name]] for p in nonlinear]
    for point in itertools.product(*grids):
        settings = dict(zip([p.name for p in nonlinear], point, strict=True))
        joint = target.at(settings) if isinstance(target, Likelihood) else target
        used |= set(effective(joint))
        joint = floating_only(joint, wanted, at)
        found = minima(joint, data, at={})
        count += found.tried
        for value, theta, good, edge in zip(found.nll2, found.theta, found.converged, found.on_edge, strict=True):
            values = dict(zip(joint.parameters.names, theta.tolist(), strict=True)) | settings
            candidates.append(Candidate(float(value), values, bool(good), bool(edge)))
    candidates.sort(key=lambda item: (not item.converged, item.nll2))
    idle = [n for n in wanted if target.parameters[n].kind != "nonlinear" and n not in used and not target.parameters[n].constrained]
    if isinstance(target, Likelihood):
        idle += [p.name for p in nonlinear if p.name in wanted and _flat(target, data, candidates[0].values, p)]
    return Search(_distinct(candidates, [p.name for p in nonlinear]), tuple(idle), count)


def floating_only(joint: Joint, wanted: Sequence[str], at: Mapping[str, float]) -> Joint:
    """Return the likelihood in which just the parameters in `wanted` that matter float, and all begin at the values `at`."""
    used = effective(joint)
    parameters = tuple(
        replace(p, default=at[p.name], fixed=p.name not in wanted or not (p.constrained or p.name in used)) for p in joint.parameters
    )
    return replace(joint, parameters=ParameterSet(parameters))


def _clipped(parameter: Parameter, values: Sequence[float]) -> list[float]:
    return sorted({min(max(value, parameter.lower), parameter.upper) for value in values})


def nonlinear_grid(parameter: Parameter, count: int) -> list[float]:
    """Return coarse values of a nonlinear parameter over its domain, the default among them."""
    default = parameter.default
    if not (math.isfinite(parameter.lower) and math.isfinite(parameter.upper)):
        width = 0.3 * abs(default) if default != 0 else 1.0
        return _clipped(parameter, [default + width * step for step in np.linspace(-2, 2, count)])
    if parameter.scale == "log" and parameter.lower > 0:
        grid = np.geomspace(parameter.lower, parameter.upper, count).tolist()
    else:
        grid = np.linspace(parameter.lower, parameter.upper, count).tolist()
    return _clipped(parameter, [*grid, default])


def _flat(target: Likelihood, data: Data, values: Mapping[str, float], parameter: Parameter) -> bool:
    """Return whether -2 ln lambda does not depend on a nonlinear parameter at the given values of the others."""
    point = {p.name: values[p.name] for p in target.nonlinear}
    results = []
    for value in nonlinear_grid(parameter, 3):
        joint = target.at({**point, parameter.name: value})
        theta = np.array([[values[name] for name in joint.parameters.names]])
        results.append(float(nll2(joint, theta, data)[0]))
    return max(results) - min(results) <= 1e-10 * (1 + abs(min(results)))


def _distinct(candidates: Sequence[Candidate], nonlinear: Sequence[str]) -> tuple[Candidate, ...]:
    """Return the minima without those as high as an earlier one at other values of the nonlinear parameters; `candidates` is sorted."""
    result: list[Candidate] = []
    for item in candidates:
        twins = [other for other in result if item.nll2 - other.nll2 <= SAME and item.converged == other.converged]
        if all(item.values[name] == other.values[name] for other in twins for name in nonlinear):
            result.append(item)
    return tuple(result)
