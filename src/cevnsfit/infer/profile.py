"""Batched profile: the minimum over the floating parameters at many points together.

The points descend together (`infer.descent`); what does not converge goes to iminuit. Where the lowest point has less than nothing in a bin without
events, the minimum lies on the edge of the domain, where that bin holds nothing: the pressure on that bin is raised until it does, and the last
distance is made up for by the smallest step. Where no parameters bring all bins to 0 or more, -2 ln lambda is infinite.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.infer.descent import CHUNK, DONE, FAILED, FAR, REMOTE, minimise, shared
from cevnsfit.infer.nuisance_minima import other_side, two_sided
from cevnsfit.infer.results import ProfileResult
from cevnsfit.stats.binding import bind, frames
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import DEEPEST, evaluate_problem, nll2_at, walls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.infer.descent import State
    from cevnsfit.stats.binding import BoundLikelihood, Frame
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


_log = logging.getLogger(__name__)

PILOT: Final = 24
"""Points from which on it pays to minimise one of them first and start the others there."""

STIFFER: Final = 4.0
STIFFEST: Final = 1e6
"""Factor by which the stiffness grows with each new pressure, and its largest value."""

UPDATES: Final = 12
"""New pressures, at most."""

SETTLED: Final = 1e-7
"""Depth that is left over when points are at the edge, on either side."""

QUIET: Final = -1
"""Print level of iminuit: its complaints of a matrix go to the standard output otherwise, into the JSON of a command."""

NEAR_EDGE: Final = 1e-2
"""Depth up to which a point is moved to the edge by one step."""

LOW_FLOOR: Final = 1e-2
"""Expected counts at which the parabola of bins with events begins, for points that begin where these expect nothing."""


def floating_indices(joint: Joint, at: Sequence[str], floating: Sequence[str] | None) -> Ints:
    """Return the indices of the parameters that float.

    They are `floating` when given, else all that are neither in `at` nor held by default (`Parameter.fixed`).

    Raises
    ------
    UnknownNameError
        If a name is not a parameter.
    """
    held = {joint.parameters.index(name) for name in at}
    if floating is not None:
        chosen = [joint.parameters.index(name) for name in floating]
    else:
        chosen = [index for index, parameter in enumerate(joint.parameters) if not parameter.fixed]
    return np.array(sorted(set(chosen) - held), dtype=np.int64)


def zero_indices(theta: Floats, floating: Ints) -> Ints:
    """Return the indices of the parameters that do not float and are zero at all points theta, shape (P, n)."""
    zero = np.all(theta == 0.0, axis=0)
    zero[floating] = False
    return np.flatnonzero(zero)


def profile(
    joint: Joint,
    at: Mapping[str, Floats],
    *,
    data: Data | None = None,
    start: Floats | None = None,
    floating: Sequence[str] | None = None,
    known: tuple[Frame, ...] = (),
) -> ProfileResult:
    """Return -2 ln lambda minimised over the floating parameters at P points.

    It agrees with a polished iminuit fit to 1e-6 up to 100 above the best point of the batch, and to a relative 1e-3 of the distance
    up to `REMOTE`; beyond, it is an upper bound. A local method: where a coupling floats, the minimum belongs to its start, which must not be
    the stationary point 0; far from the data even the nuisances can have several minima.

    Parameters
    ----------
    joint
        The joint likelihood.
    at
        Values of held parameters, scalars or shape (P,).
    data
        A data set, or a batch of P of them; the observed one by default.
    start
        Starting values of all parameters, shape (n,) or (P, n); by default the defaults, or in a large batch the minimum of one of its
        points. `at` goes over it.
    floating
        Names that float; by default all that are not fixed.
    known
        What this likelihood shares with those at other values of the nonlinear parameters, from `stats.binding.frames`, where it is there.

    Raises
    ------
    UnknownNameError
        If a name is not a parameter.
    """
    data = observed_data(joint) if data is None else data
    theta = _start(joint, at, data, start)
    moving = floating_indices(joint, tuple(at), floating)
    bound = bind(joint, data, moving, known if known else frames(joint, data, moving, zero_indices(theta, moving)))
    theta[:, bound.floating] = np.clip(theta[:, bound.floating], bound.lower, bound.upper)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if start is None and data.size is None and len(theta) >= PILOT:
            theta[:, bound.floating] = _pilot(bound, theta)
        begin = theta.copy()
        state = minimise(bound, theta, np.arange(len(theta)))
        _unblock(bound, state, begin)
        fallbacks = np.flatnonzero((state.status != DONE) & ~state.blocked)
        if len(fallbacks):
            _log.debug("%d of %d points go to iminuit", len(fallbacks), len(theta))
        for row in fallbacks:
            polished = polish(bound, state.theta[row], state.source[[row]])
            if polished.value <= state.value[row] + 1e-9:
                state.theta[row], state.value[row], state.edm[row] = polished.theta, polished.value, polished.edm
                state.status[row] = DONE if polished.valid else FAILED
        if len(fallbacks):
            state.look(bound, fallbacks)
        _look_on_the_other_side(bound, state)
        on_edge = _to_the_edge(bound, state)
    impossible = state.blocked | (state.depth < -DEEPEST)
    converged, value = (state.status == DONE) & ~impossible, np.where(impossible, np.inf, state.value)
    return ProfileResult(value, state.theta, state.edm, converged, on_edge, state.rounds, len(fallbacks))


def _start(joint: Joint, at: Mapping[str, Floats], data: Data, start: Floats | None) -> Floats:
    """Return starting values of all parameters, shape (P, n)."""
    theta = joint.parameters.defaults() if start is None else np.asarray(start, dtype=np.float64)
    sizes = [len(np.atleast_1d(values)) for values in at.values()]
    sizes += [theta.shape[0]] if theta.ndim == 2 else []
    sizes += [] if data.size is None else [data.size]
    theta = np.broadcast_to(theta, (max(sizes, default=1), len(joint.parameters))).copy()
    for name, values in at.items():
        theta[:, joint.parameters.index(name)] = values
    return theta


def _pilot(bound: BoundLikelihood, theta: Floats) -> Floats:
    """Return the floating parameters at the minimum of one good point of the batch, from which the others start."""
    some = theta[np.linspace(0, len(theta) - 1, 8).astype(np.int64)]
    value = evaluate_problem(bound, some, np.arange(len(some))).value
    best = int(np.argmin(np.where(np.isfinite(value), value, np.inf)))
    state = minimise(bound, some[[best]], np.zeros(1, dtype=np.int64))
    result: Floats = state.theta[0, bound.floating] if state.status[0] == DONE else theta[0, bound.floating]
    return result


def _look_on_the_other_side(bound: BoundLikelihood, state: State) -> None:
    """Move points to a lower minimum on the other side of a nuisance where there is one, see `infer.nuisance_minima`."""
    for place in two_sided(bound, state.theta, state.source):
        done = state.status == DONE
        near = np.flatnonzero(done & (state.value < np.min(state.value) + FAR) if shared(bound) else done)
        found, starts = other_side(bound, state.theta[near], state.source[near], int(place))
        if not found.size:
            continue
        rows = near[found]
        other = minimise(bound, starts, state.source[rows])
        better = np.flatnonzero((other.status == DONE) & (other.value < state.value[rows]))
        state.replace(rows[better], other, better)


def _unblock(bound: BoundLikelihood, state: State, begin: Floats) -> None:
    """Try again, with a higher floor first, the points that ended where the model expects nothing in a bin with events; they began at `begin` (P, n)."""
    rows = np.flatnonzero(state.blocked)
    if rows.size:
        inside = minimise(replace(bound, floor=LOW_FLOOR), begin[rows], state.source[rows])
        state.replace(rows, minimise(bound, inside.theta, state.source[rows]), np.arange(len(rows)))


def _to_the_edge(bound: BoundLikelihood, state: State) -> Bools:
    """Move points with negative bins to the edge of the domain of the likelihood, or to kinks; return which are held there, shape (P,)."""
    outside = state.pressed & ~state.blocked
    if shared(bound):
        outside &= state.value < np.min(state.value) + REMOTE
    on_edge, rows = np.zeros(len(outside), dtype=np.bool_), np.flatnonzero(outside)
    for block in np.split(rows, np.arange(CHUNK, len(rows), CHUNK)):
        on_edge[block] = block.size and _pressed(bound, state, block)
    return on_edge


def _pressed(bound: BoundLikelihood, state: State, rows: Ints) -> Bools:
    """Raise the pressure on negative bins until points are at the edge; return which are, shape (k,)."""
    source, every = state.source[rows], np.arange(len(rows))
    for _ in range(UPDATES):
        here = evaluate_problem(bound, state.theta[rows], source, every)
        shapes = [(len(rows), channel.empty.shape[1]) for channel in bound.channels]
        pressure = tuple(np.zeros(shape) if piece.force is None else piece.force for shape, piece in zip(shapes, here.pieces, strict=True))
        change = [np.abs(new - old).max(initial=0.0) for new, old in zip(pressure, bound.pressure, strict=False)]
        if bound.pressure and max(change) < SETTLED * bound.stiffness:
            break
        bound = replace(bound, pressure=pressure, stiffness=min(STIFFER * bound.stiffness, STIFFEST))
        state.replace(rows, minimise(bound, state.theta[rows], source), every)
    near = np.flatnonzero(state.depth[rows] > -NEAR_EDGE)
    held = np.zeros(len(rows), dtype=np.bool_)
    held[near] = _step_to_zero(bound, state, rows[near], near)
    return held & (state.depth[rows] > -DEEPEST)


def _step_to_zero(bound: BoundLikelihood, state: State, rows: Ints, points: Ints) -> list[bool]:
    """Take the smallest step that brings the walls of points to 0, parameters at an end of their domain staying there; return which have any."""
    before, held = evaluate_problem(bound, state.theta[rows], state.source[rows], points), []
    for point, row in enumerate(rows):
        found, here = walls(bound, before, point), state.theta[row, bound.floating]
        unit = np.where((here <= bound.lower) | (here >= bound.upper), 0.0, 1.0) / np.maximum(
            np.abs(found.slopes).max(axis=0, initial=0.0), 1.0
        )
        step = -unit * (np.linalg.pinv(found.slopes * unit) @ found.depths)
        state.theta[row, bound.floating] = np.clip(here + step, bound.lower, bound.upper)
        held.append(len(found.depths) > 0)
    state.value[rows] = nll2_at(bound, state.theta[rows], state.source[rows])
    state.look(replace(bound, pressure=()), rows)
    return held


# --- one point, by iminuit: what the descent hands over ---------------------------------------------------------------------------------


class Polished(NamedTuple):
    """All parameters (n,), -2 ln lambda (infinite where there is none), estimated distance to the minimum, and whether it is valid."""

    theta: Floats
    value: float
    edm: float
    valid: bool


def polish(bound: BoundLikelihood, theta: Floats, source: Ints) -> Polished:
    """Return the minimum that iminuit finds from one point.

    Parameters
    ----------
    bound
        The likelihood with its data.
    theta
        All parameters, shape (n,).
    source
        The data set, shape (1,).
    """
    from iminuit import Minuit

    def place(values: Floats) -> Floats:
        placed: Floats = theta[None].copy()
        placed[0, bound.floating] = values
        return placed

    def value(values: Floats) -> float:
        return float(evaluate_problem(bound, place(values), source).value[0])

    def gradient(values: Floats) -> Floats:
        result: Floats = evaluate_problem(bound, place(values), source).gradient[0]
        return result

    minuit = Minuit(value, theta[bound.floating], grad=gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.limits = list(zip(bound.lower, bound.upper, strict=True))
    minuit.print_level = QUIET
    minuit.tol = 1e-4
    minuit.strategy = 1
    minuit.migrad(ncall=20_000, iterate=3)
    found = np.inf if minuit.fval is None or not np.isfinite(minuit.fval) else float(minuit.fval)
    return Polished(place(np.array(minuit.values))[0], found, float(minuit.fmin.edm), bool(minuit.valid))
