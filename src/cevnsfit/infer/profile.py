"""Batched profile: the minimum over the floating parameters at many points together.

A projected Newton method with a trust region, on chunks of points. Each round evaluates one trial of every point in the chunk; accepted
points get a new Hessian, refused ones a smaller region; finished points make room for waiting ones. The Hessian is exact (Gauss-Newton plus
the second derivatives of the amplitudes). What does not converge goes to iminuit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.nuisance_minima import other_side, two_sided
from cevnsfit.infer.polish import polish
from cevnsfit.infer.results import ProfileResult
from cevnsfit.infer.steps import newton, trust_region
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import BoundLikelihood, bind_data, evaluate_problem, hessian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.engine import Evaluation
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CHUNK: Final = 128
"""Points that are iterated together."""

TOLERANCE: Final = 1e-8
"""Estimated distance to the minimum at which a point is done."""

FAR: Final = 100.0
"""Distance from the best point beyond which a relative `FAR_TOLERANCE` is enough."""

FAR_TOLERANCE: Final = 3e-4
"""Estimated distance to the minimum, relative to the distance from the best point, beyond `FAR`."""

PILOT: Final = 24
"""Points from which on it pays to minimise one of them first and start the others there."""

NEAR: Final = 30.0
"""Distance to the minimum within which the last Hessian is tried again."""

REUSE: Final = 1e-3
"""Distance to the minimum, estimated with the last Hessian, below which it is used again."""

REMOTE: Final = 1e3
"""Distance from the best point beyond which a point is excluded by any measure: after `REMOTE_ROUNDS` evaluations its value, an upper
bound on the minimum, is kept as it is. There the expected counts exceed the data many times over, and the minimum lies where nuisances
at their bounds push templates to zero."""

REMOTE_ROUNDS: Final = 6

HOPELESS: Final = 1e5
"""Distance at which the value at the start is kept at once: no nuisance within its bounds brings such a point within `REMOTE`."""

MAX_ROUNDS: Final = 120
"""Evaluations of one point before it goes to iminuit."""

FIRST_RADIUS: Final = 10.0
"""First radius of the trust region, in standard deviations of the constraints."""

MIN_RADIUS: Final = 1e-9
"""Smallest radius before a point goes to iminuit."""


@dataclass(slots=True, eq=False)
class _State:
    """Running state of P points; `source` (P,) is the data set of each. Arrays are updated in place."""

    source: Ints
    theta: Floats
    value: Floats
    gradient: Floats
    matrix: Floats
    step: Floats
    radius: Floats
    coarse: Bools
    impossible: Bools
    edm: Floats
    tolerance: Floats
    rounds: Ints
    status: NDArray[np.int8]


_RUNNING: Final = 0
_DONE: Final = 1
_FAILED: Final = 2


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
    at: Mapping[str, NDArray[np.float64]],
    *,
    data: Data | None = None,
    start: NDArray[np.float64] | None = None,
    floating: Sequence[str] | None = None,
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

    Raises
    ------
    UnknownNameError
        If a name is not a parameter.
    """
    data = observed_data(joint) if data is None else data
    theta = _start(joint, at, data, start)
    moving = floating_indices(joint, tuple(at), floating)
    bound = bind_data(joint, data, moving, zero_indices(theta, moving))
    theta[:, bound.floating] = np.clip(theta[:, bound.floating], bound.lower, bound.upper)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if start is None and data.size is None and len(theta) >= PILOT:
            theta[:, bound.floating] = _pilot(bound, theta)
        state = _minimise(bound, theta, np.arange(len(theta)))
        fallbacks = np.flatnonzero(state.status != _DONE)
        for row in fallbacks:
            polished = polish(bound, state.theta[row], state.source[[row]])
            if polished.value <= state.value[row] + 1e-9:
                state.theta[row], state.value[row], state.edm[row] = polished.theta, polished.value, polished.edm
                state.status[row] = _DONE if polished.valid else _FAILED
        _look_on_the_other_side(bound, state)
    converged = (state.status == _DONE) & ~state.impossible
    return ProfileResult(np.where(state.impossible, np.inf, state.value), state.theta, state.edm, converged, state.rounds, len(fallbacks))


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
    state = _minimise(bound, some[[best]], np.zeros(1, dtype=np.int64))
    result: Floats = state.theta[0, bound.floating] if state.status[0] == _DONE else theta[0, bound.floating]
    return result


def _minimise(bound: BoundLikelihood, theta: Floats, source: Ints) -> _State:
    """Return the state of all points after the rounds; theta (P, n) is updated in place, `source` (P,) are their data sets."""
    count, size = len(theta), len(bound.floating)
    state = _State(
        source=source,
        theta=theta,
        value=np.full(count, np.inf),
        gradient=np.zeros((count, size)),
        matrix=np.zeros((count, size, size)),
        step=np.zeros((count, size)),
        radius=np.full(count, FIRST_RADIUS),
        coarse=np.zeros(count, dtype=np.bool_),
        impossible=np.zeros(count, dtype=np.bool_),
        edm=np.full(count, np.inf),
        tolerance=np.full(count, TOLERANCE),
        rounds=np.zeros(count, dtype=np.int64),
        status=np.zeros(count, dtype=np.int8),
    )
    shared = _shared(bound)
    working, waiting = np.arange(min(CHUNK, count)), CHUNK
    best = np.inf
    while working.size:
        _round(bound, state, working)
        finite = state.value[working]
        best = min(best, float(np.min(finite[np.isfinite(finite)], initial=np.inf))) if shared else best
        _judge(state, working, best)
        working = working[state.status[working] == _RUNNING]
        fresh = np.arange(waiting, min(waiting + CHUNK - working.size, count))
        waiting += fresh.size
        working = np.concatenate([working, fresh])
    return state


def _shared(bound: BoundLikelihood) -> bool:
    """Return whether all points share one data set."""
    return bound.aux.ndim == 1 and all(channel.counts.ndim == 1 for channel in bound.channels)


def _round(bound: BoundLikelihood, state: _State, working: Ints) -> None:
    """Evaluate one trial of every working point; accept it with a new Hessian, or shrink its trust region; then set the next steps."""
    here = state.theta[np.ix_(working, bound.floating)]
    moved = np.clip(here + state.step[working], bound.lower, bound.upper)
    trial = state.theta[working]
    trial[:, bound.floating] = moved
    evaluation = evaluate_problem(bound, trial, state.source[working])
    state.rounds[working] += 1
    finite = np.isfinite(evaluation.value) & np.isfinite(evaluation.gradient).all(axis=1)
    first = ~np.isfinite(state.value[working])
    state.status[working[first & ~finite]] = _FAILED
    accepted = finite & (first | _accept(bound, state, working, evaluation.value, moved - here))
    chosen, settled = np.flatnonzero(accepted), np.zeros(len(working), dtype=np.bool_)
    if chosen.size:
        rows = working[chosen]
        state.theta[rows] = trial[chosen]
        state.value[rows] = evaluation.value[chosen]
        state.gradient[rows] = evaluation.gradient[chosen]
        state.impossible[rows] = evaluation.impossible[chosen]
        settled[chosen] = _renew(bound, state, evaluation, chosen, rows)
    _new_step(bound, state, working[~settled & (state.status[working] == _RUNNING)])


def _renew(bound: BoundLikelihood, state: _State, evaluation: Evaluation, chosen: Ints, rows: Ints) -> Bools:
    """Compute the Hessians of accepted points, except close to the minimum while the last Hessian still brings the point on fast.

    `chosen` are their positions in the evaluation, `rows` those in the state. Returns the points that kept the last Hessian and have their
    next step already, shape (P,).
    """
    before = state.edm[rows]
    old = np.zeros(len(rows), dtype=np.bool_)
    close = np.flatnonzero((before < NEAR) & ~state.coarse[rows])
    if close.size:
        _step(bound, state, rows[close])
        edm = state.edm[rows[close]]
        old[close] = (edm <= np.maximum(REUSE, state.tolerance[rows[close]])) & (edm <= 0.01 * before[close])
    fresh = np.flatnonzero(~old)
    if fresh.size:
        first, second = hessian(bound, evaluation, chosen[fresh], state.source[rows[fresh]])
        state.matrix[rows[fresh]] = first + second
    return old


def _accept(bound: BoundLikelihood, state: _State, working: Ints, value: Floats, move: Floats) -> Bools:
    """Return whether trial values are good enough, shape (P,), and adapt the radii; `move` is the step after the bounds."""
    old, gradient = np.where(np.isfinite(state.value[working]), state.value[working], np.inf), state.gradient[working]
    curved = np.einsum("pij,pj->pi", state.matrix[working], move)
    predicted = np.einsum("pi,pi->p", gradient + 0.5 * curved, move)
    gain = value - old
    small = 1e-12 * (1 + np.abs(old))
    ratio = np.where(predicted < 0, gain / np.where(predicted < 0, predicted, -1.0), np.where(gain < 0, 0.5, -1.0))
    accepted = (gain <= 1e-4 * np.minimum(predicted, 0.0)) & (ratio > 0) | (np.abs(gain) <= small) & (predicted > -small)
    length = np.sqrt(np.einsum("pi,pi->p", move * move, _metric(bound, state.matrix[working]) ** 2))
    radius = state.radius[working]
    radius = np.where((ratio > 0.75) & (length > 0.8 * radius), 2.5 * radius, radius)
    radius = np.where(accepted, np.where(ratio < 0.25, np.minimum(0.5 * length, radius), radius), 0.25 * np.minimum(length, radius))
    started = np.isfinite(state.value[working])
    state.radius[working] = np.where(started, radius, state.radius[working])
    state.status[working[started & (radius < MIN_RADIUS)]] = _FAILED
    result: Bools = accepted
    return result


def _metric(bound: BoundLikelihood, matrix: Floats) -> Floats:
    """Return 1 over the natural size of each floating parameter, shape (P, n): 1 when constrained, else from the curvature."""
    diagonal = np.abs(np.einsum("pii->pi", matrix))
    natural = np.sqrt(np.where(diagonal > 0, diagonal / 2, 1.0))
    result: Floats = np.where(bound.constrained[bound.floating], 1.0, natural)
    return result


def _new_step(bound: BoundLikelihood, state: _State, rows: Ints) -> None:
    """Set step and estimated distance to the minimum of some points.

    Points whose counts are far off move their multiplicative parameters first (no bin can turn negative): the step is stretched, since one
    Newton step lowers an exponential by just a factor e.
    """
    if not rows.size:
        return
    beginning = rows[state.rounds[rows] == 1]
    _step(bound, state, rows)
    state.coarse[beginning] = (state.edm[beginning] > FAR) & bound.multiplicative.any()
    coarse = rows[state.coarse[rows]]
    if coarse.size:
        _step(bound, state, coarse)
        fine = state.edm[coarse] < 1 + 0.01 * state.value[coarse]
        state.coarse[coarse[fine]] = False
        state.radius[coarse[fine]] = FIRST_RADIUS
        _step(bound, state, coarse[fine])
        state.step[coarse[~fine]] *= np.maximum(1.0, 0.8 * np.log(state.value[coarse[~fine]] / bound.total))[:, None]


def _step(bound: BoundLikelihood, state: _State, rows: Ints) -> None:
    """Set the step within the trust region and the estimated distance to the minimum of some points."""
    here, gradient, matrix = state.theta[np.ix_(rows, bound.floating)], state.gradient[rows], state.matrix[rows]
    stuck = ((here <= bound.lower) & (gradient > 0)) | ((here >= bound.upper) & (gradient < 0))
    stuck |= state.coarse[rows, None] & ~bound.multiplicative
    step = newton(matrix, gradient, stuck)
    edm = -0.5 * np.einsum("pi,pi->p", step, gradient)
    outward = ((here <= bound.lower) & (step < 0)) | ((here >= bound.upper) & (step > 0))
    leaving = np.flatnonzero(outward.any(axis=1))
    if leaving.size:
        inside = newton(matrix[leaving], gradient[leaving], stuck[leaving] | outward[leaving])
        useful = -0.5 * np.einsum("pi,pi->p", inside, gradient[leaving]) > 0.1 * edm[leaving]
        step[leaving[useful]] = inside[useful]
        stuck[leaving[useful]] |= outward[leaving[useful]]
    metric = _metric(bound, matrix)
    bent = np.any((np.einsum("pii->pi", matrix) < 0) & ~stuck, axis=1) | ~(edm >= 0)
    long = np.einsum("pi,pi->p", step * step, metric**2) > state.radius[rows] ** 2
    far = np.flatnonzero(bent | long)
    if far.size:
        step[far] = trust_region(matrix[far], gradient[far], stuck[far], metric[far], state.radius[rows[far]])
    state.edm[rows] = np.where(bent, np.inf, edm)
    state.step[rows] = step


def _judge(state: _State, working: Ints, best: float) -> None:
    """Mark converged points done and points out of rounds failed."""
    running = working[state.status[working] == _RUNNING]
    distance = state.value[running] - best
    tolerance = np.where(distance > FAR, np.maximum(FAR_TOLERANCE * distance, TOLERANCE), TOLERANCE)
    tolerance = np.maximum(tolerance, 1e-12 * np.abs(state.value[running]))
    state.tolerance[running] = tolerance
    done = (state.edm[running] <= tolerance) & (state.edm[running] >= 0) & ~state.coarse[running]
    done |= (distance > REMOTE) & (state.rounds[running] >= REMOTE_ROUNDS) | (distance > HOPELESS)
    state.status[running[done]] = _DONE
    state.status[running[~done & (state.rounds[running] >= MAX_ROUNDS)]] = _FAILED


def _look_on_the_other_side(bound: BoundLikelihood, state: _State) -> None:
    """Move points to a lower minimum on the other side of a nuisance where there is one, see `infer.nuisance_minima`."""
    for place in two_sided(bound, state.theta, state.source):
        done = state.status == _DONE
        near = np.flatnonzero(done & (state.value < np.min(state.value) + FAR) if _shared(bound) else done)
        found, starts = other_side(bound, state.theta[near], state.source[near], int(place))
        if not found.size:
            continue
        rows = near[found]
        other = _minimise(bound, starts, state.source[rows])
        better = (other.status == _DONE) & (other.value < state.value[rows])
        for name in ("theta", "value", "edm", "impossible"):
            getattr(state, name)[rows[better]] = getattr(other, name)[better]
        state.rounds[rows] += other.rounds
