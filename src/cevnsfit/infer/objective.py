"""-2 ln lambda as a function of the floating parameters, nonlinear parameters included, in the form that iminuit wants, and iminuit on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from cevnsfit.infer.profile import QUIET
from cevnsfit.stats.binding import bind, frames
from cevnsfit.stats.engine import evaluate_problem, hessian, walls_at
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iminuit import Minuit

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.stats.binding import BoundLikelihood, Frame
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.engine import Evaluation, Walls
    from cevnsfit.stats.joint import Joint


Made = TypeVar("Made")

ROW: Final = np.zeros(1, dtype=np.int64)
STEP: Final = 1e-4
"""Step of the central differences in a nonlinear parameter, relative (or in its logarithm)."""

REMEMBERED: Final = 8
"""Likelihoods at values of the nonlinear parameters that are kept."""

STIFF: Final = 1e7
"""Stiffness of bins without any counts: of the order of 1/`STIFF` is what -2 ln lambda is too low at the edge of its domain."""


@dataclass(slots=True, eq=False)
class Objective:
    """-2 ln lambda as a function of the floating parameters, for iminuit; it remembers the last point and the last joints.

    `names` are the floating parameters; the vector x holds their values, logarithms for nonlinear parameters of scale "log". `parameters` are
    these, `nonlinear` the names of all nonlinear ones, and `frames` what the joints at all of their values share.
    """

    target: Joint | Likelihood
    data: Data
    names: tuple[str, ...]
    held: Mapping[str, float]
    parameters: tuple[Parameter, ...] = field(init=False)
    nonlinear: tuple[str, ...] = field(init=False)
    frames: tuple[Frame, ...] = ()
    joints: dict[tuple[float, ...], Joint] = field(default_factory=dict)
    bound: dict[tuple[float, ...], BoundLikelihood] = field(default_factory=dict)
    last: tuple[Floats, Evaluation] | None = None

    def __post_init__(self) -> None:
        self.parameters = tuple(self.target.parameters[name] for name in self.names)
        self.nonlinear = self.target.parameters.of_kind("nonlinear").names

    @property
    def moving(self) -> tuple[str, ...]:
        """Return the names of the nonlinear parameters that float."""
        return tuple(p.name for p in self.parameters if p.kind == "nonlinear")

    def values(self, x: Floats) -> dict[str, float]:
        """Return the values of all parameters at x."""
        return {**self.held, **{p.name: from_internal(p, value) for p, value in zip(self.parameters, x.tolist(), strict=True)}}

    def joint_at(self, values: Mapping[str, float]) -> Joint:
        """Return the joint likelihood at the nonlinear values."""
        target, nonlinear = self.target, {name: values[name] for name in self.nonlinear}
        return _remembered(
            self.joints, tuple(nonlinear.values()), lambda: target.at(nonlinear) if isinstance(target, Likelihood) else target
        )

    def bound_at(self, values: Mapping[str, float]) -> BoundLikelihood:
        """Return the joint likelihood at the nonlinear values, bound to the data."""
        return _remembered(self.bound, tuple(values[name] for name in self.nonlinear), lambda: self._bind(self.joint_at(values)))

    def _bind(self, joint: Joint) -> BoundLikelihood:
        known = self.frames_of(joint)
        return replace(bind(joint, self.data, self._floating(joint), known, paired=not self.moving), stiffness=STIFF)

    def _floating(self, joint: Joint) -> Ints:
        return np.array([i for i, name in enumerate(joint.parameters.names) if name in self.names], dtype=np.int64)

    def frames_of(self, joint: Joint) -> tuple[Frame, ...]:
        """Return what a joint likelihood shares with those at other nonlinear values, bound to the data."""
        if not self.frames or not all(frame.fits(channel) for frame, channel in zip(self.frames, joint.channels, strict=True)):
            names = joint.parameters.names
            zero = np.array([i for i, name in enumerate(names) if name not in self.names and self.held[name] == 0.0], dtype=np.int64)
            self.frames = frames(joint, self.data, self._floating(joint), zero)
        return self.frames

    def evaluation(self, x: Floats) -> Evaluation:
        """Return the evaluation at x."""
        if self.last is None or not np.array_equal(self.last[0], x):
            values = self.values(x)
            theta = np.array([[value for name, value in values.items() if name not in self.nonlinear]])
            with np.errstate(over="ignore", invalid="ignore"):
                self.last = np.array(x), evaluate_problem(self.bound_at(values), theta, ROW)
        return self.last[1]

    def value(self, x: Floats) -> float:
        """Return -2 ln lambda; NaN, at which iminuit stops, where a step went nowhere."""
        return float(self.evaluation(x).value[0]) if np.isfinite(x).all() else math.nan

    def gradient(self, x: Floats) -> Floats:
        """Return the gradient in x."""
        result = np.zeros(len(x))
        if not np.isfinite(x).all():
            return np.full(len(x), np.nan)
        nonlinear = np.array([p.kind == "nonlinear" for p in self.parameters], dtype=np.bool_)
        result[~nonlinear] = self.evaluation(x).gradient[0][self._order()]
        for index in np.flatnonzero(nonlinear):
            lower, upper = internal_domain(self.parameters[index])
            width = STEP if self.parameters[index].scale == "log" else STEP * max(abs(float(x[index])), 1e-3)
            ends = [min(max(float(x[index]) + sign * width, lower), upper) for sign in (-1, 1)]
            values = [self.value(np.where(np.arange(len(x)) == index, end, x)) for end in ends]
            result[index] = (values[1] - values[0]) / (ends[1] - ends[0])
        return result

    def hessian(self, x: Floats, at: Sequence[bool] = ()) -> Floats:
        """Return the Hessian in x, or in those parameters that are not `at`; only without floating nonlinear parameters.

        It is the exact one, or the Gauss-Newton part alone where the exact one has a diagonal element that is not positive: iminuit
        cannot start from that.
        """
        bound = self.bound_at(self.values(x))
        first, second = hessian(bound, self.evaluation(x), ROW, ROW)
        order = [place for k, place in enumerate(self._order()) if not (at and at[k])]
        exact: Floats = (first + second)[0][np.ix_(order, order)]
        return exact if np.all(np.diag(exact) > 0) else np.asarray(first[0][np.ix_(order, order)])

    def _order(self) -> list[int]:
        """Return the place among the engine's floating parameters of each parameter that is not nonlinear of x."""
        names = [name for name in self.target.parameters.names if name in self.names and self.target.parameters[name].kind != "nonlinear"]
        return [names.index(p.name) for p in self.parameters if p.kind != "nonlinear"]

    def impossible(self, x: Floats) -> bool:
        """Return whether x is outside the domain of the likelihood."""
        return bool(self.evaluation(x).impossible[0])

    def walls(self, x: Floats) -> Walls:
        """Return the bins without any counts that hold nothing at x; their slopes are in the order of x, without nonlinear parameters."""
        values = self.values(x)
        theta = np.array([[value for name, value in values.items() if name not in self.nonlinear]])
        found = walls_at(self.bound_at(values), theta, ROW)
        return found._replace(slopes=found.slopes[:, self._order()])


def _remembered(known: dict[tuple[float, ...], Made], key: tuple[float, ...], make: Callable[[], Made]) -> Made:
    """Return what is known of a key, or make it; the last few are kept."""
    if key not in known:
        if len(known) >= REMEMBERED:
            known.pop(next(iter(known)))
        known[key] = make()
    return known[key]


def to_internal(parameter: Parameter, value: float) -> float:
    """Return the logarithm for nonlinear parameters of scale "log", else the value."""
    return math.log(value) if parameter.kind == "nonlinear" and parameter.scale == "log" else value


def from_internal(parameter: Parameter, value: float) -> float:
    """Return the value of an internal number, within the domain."""
    outside = math.exp(value) if parameter.kind == "nonlinear" and parameter.scale == "log" else value
    return min(max(outside, parameter.lower), parameter.upper)


def internal_domain(parameter: Parameter) -> tuple[float, float]:
    """Return the ends of the domain in internal numbers."""
    if parameter.kind == "nonlinear" and parameter.scale == "log":
        return (math.log(parameter.lower) if parameter.lower > 0 else -math.inf), math.log(parameter.upper)
    return parameter.lower, parameter.upper


# --- a local minimum by iminuit ---------------------------------------------------------------------------------------------------------


def minuit_at(objective: Objective, values: Mapping[str, float]) -> Minuit:
    """Return iminuit at the values of all parameters; those that are exactly at a limit are held there."""
    from iminuit import Minuit

    start = np.array([to_internal(p, values[p.name]) for p in objective.parameters])
    held = [p.kind != "nonlinear" and values[p.name] in (p.lower, p.upper) for p in objective.parameters]
    # with a parameter held iminuit 2.33 mistakes which rows of a given Hessian belong to the others; it then finds its own
    smooth = not any(held) and not objective.moving
    minuit = Minuit(objective.value, start, grad=objective.gradient, hessian=objective.hessian if smooth else None, name=objective.names)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.throw_nan = True
    minuit.print_level = QUIET
    minuit.tol = 1e-4
    minuit.limits = [internal_domain(p) for p in objective.parameters]
    minuit.fixed = held
    return minuit


def migrad(minuit: Minuit) -> str:
    """Minimise and return why it failed, or an empty string."""
    if all(minuit.fixed):
        return ""
    try:
        minuit.migrad(ncall=50_000, iterate=5)
    except RuntimeError as error:
        return f"MIGRAD stopped: {error}"
    if minuit.valid:
        return ""
    return "MIGRAD did not converge" + (" (call limit)" if minuit.fmin is not None and minuit.fmin.has_reached_call_limit else "")
