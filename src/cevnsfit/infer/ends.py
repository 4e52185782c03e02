"""Ends of profile intervals where MINOS finds none: beside a limit of the domain, and along valleys of degenerate parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.curve import outward_root, root
from cevnsfit.infer.lines import coupling_scale
from cevnsfit.infer.objective import from_internal, internal_domain, migrad, minuit_at
from cevnsfit.infer.profile import profile
from cevnsfit.infer.starts import search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iminuit import Minuit
    from numpy.typing import NDArray

    from cevnsfit.infer.objective import Objective

    Curve = Callable[[float], float]

JUMP: Final = 1e-2
"""Height of -2 ln lambda at an end of an interval from which on the profile has jumped there."""

RISE: Final = 0.5
"""Largest rise of -2 ln lambda in one step along a profile that has jumped."""

STEPS: Final = 60
"""Such steps, at most."""

PRECISION: Final = 1e-5
"""Of an end, relative to its distance from the minimum."""

LEAST: Final = 1e-6
"""Smallest of them, over the distance of the jump from the minimum."""


def profile_end(objective: Objective, minuit: Minuit, name: str, side: int) -> float:
    """Return where the profile of -2 ln lambda is 1 above its minimum, the limit where it never is, or NaN."""
    start = float(minuit.values[name])
    limit = internal_domain(objective.target.parameters[name])[side]
    if start == limit:
        return start
    curve, known = _excess(objective, np.array(minuit.values), name), {start: -1.0}

    def excess(position: float) -> float:
        # fits that start elsewhere may find another minimum: each position has the height that it was first found with
        if position not in known:
            known[position] = curve(position)
        return known[position]

    unknown = minuit.fixed[name] or (minuit.covariance is None and not objective.moving)
    width = _first_width(objective, name) if unknown else minuit.errors[name]
    if objective.target.parameters[name].kind == "polynomial":
        # near 0 the square of a coupling has hardly any curvature: its error may be far beyond the end
        width = min(width, coupling_scale(objective.joint_at(objective.values(np.array(minuit.values))), name))
    end = outward_root(excess, start, width, limit, precision=PRECISION)
    beyond = end + math.copysign(2 * PRECISION * max(abs(end - start), width), limit - start)
    jumps = math.isfinite(end) and end != limit and abs(curve(end)) > JUMP and curve(beyond) < math.inf
    return _followed_on(excess, start, end, limit) if jumps else end


def _followed_on(excess: Curve, start: float, jump: float, limit: float) -> float:
    """Return where a curve that a jump hides crosses zero, the limit where it never does, or NaN.

    A profile has no jumps: at a `jump` fits from beyond it have lost the minimum that those from `start` are in. Steps in which the curve
    rises little keep it.
    """
    step = (jump - start) / 8
    inside, depth = jump - step, excess(jump - step)
    for _ in range(STEPS):
        outside = min(inside + step, limit) if step > 0 else max(inside + step, limit)
        height = excess(outside)
        if not height - depth < RISE:
            step /= 4
            if abs(step) < LEAST * abs(jump - start):
                return math.nan
            continue
        if height > 0:
            return root(excess, inside, outside, precision=PRECISION * abs((outside - start) / (outside - inside)))
        if outside == limit:
            return limit
        inside, depth, step = outside, height, 1.5 * step
    return math.nan


def _excess(objective: Objective, best: NDArray[np.float64], name: str) -> Curve:
    """Return the profile of -2 ln lambda above its minimum, less 1, as a function of one parameter; NaN where no minimum is found."""
    base = objective.value(best)
    values = objective.values(best)
    joint = objective.joint_at(values)
    others, parameter = [other for other in objective.names if other != name], objective.target.parameters[name]
    if objective.moving == (name,):
        return lambda position: _lowest(objective, others, {**objective.held, name: from_internal(parameter, position)}) - base - 1
    if objective.moving:
        return _followed(objective, best, name)
    theta = np.array([values[parameter] for parameter in joint.parameters.names])

    def by_profile(position: float) -> float:
        result = profile(joint, {name: np.array([position])}, data=objective.data, start=theta, floating=others)
        return float(result.nll2[0] - base - 1) if result.converged[0] or np.isposinf(result.nll2[0]) else math.nan

    return by_profile


def _lowest(objective: Objective, names: Sequence[str], values: Mapping[str, float]) -> float:
    """Return the lowest -2 ln lambda over some parameters at values of the others, NaN where no minimum is found."""
    found = search(objective.target, objective.data, values, names).candidates[0]
    return found.nll2 if found.converged else math.nan


def _followed(objective: Objective, best: NDArray[np.float64], name: str) -> Curve:
    """Return `_excess` by iminuit, from the minimum at the nearest allowed position; where that leads above zero, from the nearest excluded too.

    One start alone would stay in a minimum that is not the lowest once it has met it.
    """
    base = objective.value(best)
    held = minuit_at(objective, objective.values(best)).fixed[:]
    known = {float(best[objective.names.index(name)]): (-1.0, np.array(best))}

    def from_start(position: float, start: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        minuit = minuit_at(objective, objective.values(start))
        minuit.fixed = held
        minuit.fixed[name] = True
        minuit.values[name] = position
        reason = migrad(minuit)
        x = np.array(minuit.values)
        return (math.nan if reason else objective.value(x) - base - 1), x

    def by_minuit(position: float) -> float:
        reached: list[tuple[float, NDArray[np.float64]]] = []
        for excluded in (False, True):
            side = [x for x in known if (known[x][0] > 0) == excluded]
            if side and not any(height <= 0 for height, _ in reached):
                found = from_start(position, known[min(side, key=lambda x: abs(x - position))][1])
                reached += [found] if math.isfinite(found[0]) else []
        if not reached:
            return math.nan
        known[position] = min(reached, key=lambda found: found[0])
        return known[position][0]

    return by_minuit


def _first_width(objective: Objective, name: str) -> float:
    """Return a small first step for a parameter that has no Hesse error."""
    joint = objective.joint_at(objective.held)
    return 0.01 * coupling_scale(joint, name)
