"""Where a fit starts: coupling scales read off the templates, a coarse grid of the nonlinear parameters, and the basins they lead to."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.profile import profile
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.results import ProfileResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

LADDER: Final = tuple(np.geomspace(0.01, 3.0, 28).tolist())
"""Starts of one coupling, relative to the value at which its templates are as large as everything else."""

SHAPE_GRID: Final = {1: 12, 2: 5}
"""Grid points in each nonlinear parameter by the number of them; 3 when there are more."""

KEPT: Final = 24
"""Starting points at each shape value from which the couplings are set free."""

APART: Final = 0.1
"""Distance of starts in several couplings, in units of their scales."""

SAME: Final = 1e-4
"""Minima that differ less in -2 ln lambda are the same one found twice, unless there is a `BARRIER` between them."""

BARRIER: Final = 1e-2
"""Rise of -2 ln lambda halfway between two minima of different basins."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A local minimum: -2 ln lambda, the values of all parameters, and whether it converged."""

    nll2: float
    values: Mapping[str, float]
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Distinct local minima, best first; unconstrained parameters without effect; and the number of starting points."""

    candidates: tuple[Candidate, ...]
    without_effect: tuple[str, ...]
    n_starts: int


def dominance_scale(joint: Joint, index: int) -> float:
    """Return the value of a polynomial parameter at which one of its templates equals everything it does not scale (1 if there is none)."""
    scales: list[float] = []
    for channel, local in zip(joint.channels, joint.local, strict=True):
        column = np.flatnonzero(local == index)
        rows = channel.coefficients.excursion_kind == 0
        power = channel.coefficients.powers[:, column].sum(axis=1)
        alone = channel.coefficients.powers.sum(axis=1) == power
        content = np.abs(channel.templates).sum(axis=1)
        rest = float(content[rows & (power == 0)].sum())
        scaled = np.flatnonzero(rows & alone & (power > 0) & (content > 0))
        scales += [(rest / content[row]) ** (1 / power[row]) if rest > 0 else 1.0 for row in scaled]
    return float(min(scales, default=1.0))


def effective(joint: Joint) -> tuple[str, ...]:
    """Return the parameters that some template depends on."""
    names: set[str] = set()
    for channel in joint.channels:
        rule = channel.coefficients
        full = np.any(channel.templates != 0, axis=1)
        used = np.any((rule.powers > 0) | (rule.norm_hi != 1) | (rule.norm_lo != 1), axis=0, where=full[:, None])
        shaped = rule.excursion_index[(rule.excursion_kind > 0) & full]
        names |= {name for column, name in enumerate(rule.parameters) if used[column] or column in shaped}
    return tuple(name for name in joint.parameters.names if name in names)


def _clipped(parameter: Parameter, values: Sequence[float]) -> list[float]:
    return sorted({min(max(value, parameter.lower), parameter.upper) for value in values})


def coupling_starts(joint: Joint, names: Sequence[str], held: Mapping[str, float]) -> Floats:
    """Return starting points of all parameters, shape (S, n): a ladder in each coupling, quasi-random points for several."""
    base = np.array([held[name] for name in joint.parameters.names])
    rows = []
    both = []
    for name in names:
        parameter, index = joint.parameters[name], joint.parameters.index(name)
        scale = dominance_scale(joint, index)
        ladder = [scale * rung for rung in LADDER]
        ladder += [-rung for rung in ladder] if parameter.lower < 0 else []
        both.append((index, scale, parameter))
        for value in _clipped(parameter, ladder):
            row = base.copy()
            row[index] = value
            rows.append(row)
    if len(names) > 1:
        from scipy.stats import qmc

        for point in qmc.Halton(len(names), scramble=False).random(32 * len(names)):
            row = base.copy()
            for (index, scale, parameter), fraction in zip(both, point, strict=True):
                value = scale * (4 * fraction - 2 if parameter.lower < 0 else 2 * fraction)
                row[index] = min(max(value, parameter.lower), parameter.upper)
            rows.append(row)
    return np.array(rows if rows else [base])


def shape_grid(parameter: Parameter, count: int) -> list[float]:
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


def _from(joint: Joint, data: Data, starts: Floats, couplings: Sequence[str], others: Sequence[str]) -> ProfileResult:
    """Return the minima reached from starting points: first with the couplings held, then from the better ones with them free."""
    if couplings:
        indices = [joint.parameters.index(name) for name in couplings]
        first = profile(
            joint, {name: starts[:, i] for name, i in zip(couplings, indices, strict=True)}, data=data, start=starts, floating=others
        )
        order = np.argsort(np.where(np.isfinite(first.nll2), first.nll2, np.inf), kind="stable")
        starts = _spread(first.theta[order], indices, np.array([dominance_scale(joint, i) for i in indices]))
    return profile(joint, {}, data=data, start=starts, floating=[*couplings, *others])


def _spread(ordered: Floats, indices: Sequence[int], scales: Floats) -> Floats:
    """Return the first `KEPT` starts; with several couplings, those that are `APART` from the ones before: one basin shall not fill the list."""
    kept: list[Floats] = []
    for row in ordered:
        if len(indices) == 1 or all(np.any(np.abs(row - other)[indices] > APART * scales) for other in kept):
            kept.append(row)
    return np.array(kept[:KEPT])


def search(target: Joint | Likelihood, data: Data, held: Mapping[str, float], wanted: Sequence[str], starts: Floats | None) -> Search:
    """Return the local minima from all starting points.

    Parameters
    ----------
    target, data
        What is fitted.
    held
        Values of all parameters; those of held ones are kept.
    wanted
        Names that float.
    starts
        Starting points, shape (S, n), in the order of `target.parameters`; None chooses them.
    """
    shape = [p for p in target.parameters if p.kind == "nonlinear"]
    points = _shape_points(target, held, wanted, starts)
    minima: list[Candidate] = []
    used: set[str] = set()
    count = 0
    for values, rows in points:
        settings = dict(zip([p.name for p in shape], values, strict=True))
        joint = target.at(settings) if isinstance(target, Likelihood) else target
        used |= set(effective(joint))
        names = [n for n in joint.parameters.names if n in wanted and (n in effective(joint) or joint.parameters[n].constrained)]
        couplings = [n for n in names if joint.parameters[n].kind == "polynomial"]
        begin = coupling_starts(joint, couplings, held) if rows is None else rows
        found = _from(joint, data, begin, couplings if rows is None else [], [n for n in names if rows is not None or n not in couplings])
        count += len(begin)
        for value, theta, good in zip(found.nll2, found.theta, found.converged, strict=True):
            minima.append(Candidate(float(value), dict(zip(joint.parameters.names, theta.tolist(), strict=True)) | settings, bool(good)))
    minima.sort(key=lambda item: (not item.converged, item.nll2))
    idle = [n for n in wanted if target.parameters[n].kind != "nonlinear" and n not in used and not target.parameters[n].constrained]
    if isinstance(target, Likelihood):
        idle += [p.name for p in shape if p.name in wanted and _flat(target, data, minima[0].values, p)]
    return Search(_distinct(minima, target, data), tuple(idle), count)


def _shape_points(
    target: Joint | Likelihood, held: Mapping[str, float], wanted: Sequence[str], starts: Floats | None
) -> list[tuple[tuple[float, ...], Floats | None]]:
    """Return shape values with the starting points (S, n) of the other parameters, or None where these are to be chosen."""
    shape = [p for p in target.parameters if p.kind == "nonlinear"]
    if starts is None:
        free = sum(p.name in wanted for p in shape)
        grids = [shape_grid(p, SHAPE_GRID.get(free, 3)) if p.name in wanted else [held[p.name]] for p in shape]
        return [(values, None) for values in itertools.product(*grids)]
    names = target.parameters.names
    columns = [names.index(p.name) for p in shape]
    others = [i for i in range(len(names)) if i not in columns]
    full = np.array([[row[i] if name in wanted else held[name] for i, name in enumerate(names)] for row in np.atleast_2d(starts)])
    groups: dict[tuple[float, ...], list[Floats]] = {}
    for row in full:
        groups.setdefault(tuple(row[columns].tolist()), []).append(row[others])
    return [(values, np.array(rows)) for values, rows in groups.items()]


def _flat(target: Likelihood, data: Data, values: Mapping[str, float], parameter: Parameter) -> bool:
    """Return whether -2 ln lambda does not depend on a nonlinear parameter at the given values of the others."""
    shape = {p.name: values[p.name] for p in target.nonlinear}
    results = []
    for value in shape_grid(parameter, 3):
        joint = target.at({**shape, parameter.name: value})
        theta = np.array([[values[name] for name in joint.parameters.names]])
        results.append(float(nll2(joint, theta, data)[0]))
    return max(results) - min(results) <= 1e-10 * (1 + abs(results[0]))


def _distinct(minima: Sequence[Candidate], target: Joint | Likelihood, data: Data) -> tuple[Candidate, ...]:
    """Return the minima that differ in -2 ln lambda by more than `SAME`, or lie in different basins; `minima` is sorted."""
    result: list[Candidate] = []
    for item in minima:
        twins = [other for other in result if item.nll2 - other.nll2 <= SAME and item.converged == other.converged]
        if all(_apart(item, other, target, data) for other in twins):
            result.append(item)
    return tuple(result)


def _apart(one: Candidate, other: Candidate, target: Joint | Likelihood, data: Data) -> bool:
    """Return whether -2 ln lambda is higher by `BARRIER` halfway between two minima of the same templates."""
    if isinstance(target, Likelihood):
        shape = {p.name: one.values[p.name] for p in target.nonlinear}
        if any(value != other.values[name] for name, value in shape.items()):
            return False
        target = target.at(shape)
    middle = np.array([[(one.values[name] + other.values[name]) / 2 for name in target.parameters.names]])
    return bool(nll2(target, middle, data)[0] > max(one.nll2, other.nll2) + BARRIER)
