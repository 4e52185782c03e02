"""The descent of many points together: a projected Newton method with a trust region, on chunks of points.

Each round evaluates one trial of every point in the chunk; accepted points get a new Hessian, refused ones a smaller region; finished points make
room for waiting ones. The Hessian is exact (Gauss-Newton plus the second derivatives of the amplitudes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.stats.engine import evaluate_problem, hessian
from cevnsfit.stats.poisson import FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.stats.binding import BoundLikelihood
    from cevnsfit.stats.engine import Evaluation


CHUNK: Final = 128
"""Points that are iterated together."""

TOLERANCE: Final = 1e-8
"""Estimated distance to the minimum at which a point is done."""

FAR: Final = 100.0
"""Distance from the best point beyond which a relative `FAR_TOLERANCE` is enough."""

FAR_TOLERANCE: Final = 3e-4
"""Estimated distance to the minimum, relative to the distance from the best point, beyond `FAR`."""

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
"""Distance of the start at which a value is kept after `HOPELESS_ROUNDS` evaluations already, if it is no smaller then. Not after the first: a scale
of energies that takes the signal out of the window brings a point from above 1e5 to below 100 in its first step."""

HOPELESS_ROUNDS: Final = 3

LATE: Final = 10
"""Evaluations of one point from which on its Hessian is in double precision: where large templates cancel, nothing is left of it in single."""

MAX_ROUNDS: Final = 120
"""Evaluations of one point before it goes to iminuit."""

FIRST_RADIUS: Final = 10.0
"""First radius of the trust region, in standard deviations of the constraints."""

LEVEL: Final = 1e-9
"""A slope is none where along it the curvature alone gains this much more within the radius."""

MIN_RADIUS: Final = 1e-9
"""Smallest radius before a point goes to iminuit."""


@dataclass(slots=True, eq=False)
class State:
    """Running state of P points; `source` (P,) is the data set of each. Arrays are updated in place."""

    source: Ints
    theta: Floats
    value: Floats
    gradient: Floats
    matrix: Floats
    step: Floats
    radius: Floats
    coarse: Bools
    hopeless: Bools
    blocked: Bools
    depth: Floats
    pressed: Bools
    edm: Floats
    tolerance: Floats
    rounds: Ints
    status: NDArray[np.int8]

    def replace(self, rows: Ints, other: State, chosen: Ints) -> None:
        """Take over some points of another state; their rounds add up."""
        for name in ("theta", "value", "blocked", "depth", "pressed", "edm", "status"):
            getattr(self, name)[rows] = getattr(other, name)[chosen]
        self.rounds[rows] += other.rounds[chosen]

    def note(self, rows: Ints, evaluation: Evaluation, chosen: Ints | slice) -> None:
        """Note which points are outside the domain of the likelihood."""
        self.blocked[rows] = evaluation.blocked[chosen]
        self.depth[rows] = evaluation.depth[chosen]
        self.pressed[rows] = evaluation.pressed[chosen]

    def look(self, bound: BoundLikelihood, rows: Ints) -> None:
        """Note which points are outside the domain of the likelihood, where they have been moved."""
        self.note(rows, evaluate_problem(bound, self.theta[rows], self.source[rows]), slice(None))


RUNNING: Final = 0
DONE: Final = 1
FAILED: Final = 2


def minimise(bound: BoundLikelihood, theta: Floats, source: Ints) -> State:
    """Return the state of all points after the rounds; theta (P, n) is updated in place, `source` (P,) are their data sets."""
    count, size = len(theta), len(bound.floating)
    state = State(
        source=source,
        theta=theta,
        value=np.full(count, np.inf),
        gradient=np.zeros((count, size)),
        matrix=np.zeros((count, size, size)),
        step=np.zeros((count, size)),
        radius=np.full(count, FIRST_RADIUS),
        coarse=np.zeros(count, dtype=np.bool_),
        hopeless=np.zeros(count, dtype=np.bool_),
        blocked=np.zeros(count, dtype=np.bool_),
        depth=np.zeros(count),
        pressed=np.zeros(count, dtype=np.bool_),
        edm=np.full(count, np.inf),
        tolerance=np.full(count, TOLERANCE),
        rounds=np.zeros(count, dtype=np.int64),
        status=np.zeros(count, dtype=np.int8),
    )
    together = shared(bound)
    working, waiting = np.arange(min(CHUNK, count)), CHUNK
    best = np.inf
    while working.size:
        _round(bound, state, working)
        finite = state.value[working]
        best = min(best, float(np.min(finite[np.isfinite(finite)], initial=np.inf))) if together else best
        _judge(bound, state, working, best)
        working = working[state.status[working] == RUNNING]
        fresh = np.arange(waiting, min(waiting + CHUNK - working.size, count))
        waiting += fresh.size
        working = np.concatenate([working, fresh])
    return state


def shared(bound: BoundLikelihood) -> bool:
    """Return whether all points share one data set."""
    return bound.aux.ndim == 1 and all(channel.counts.ndim == 1 for channel in bound.channels)


def _round(bound: BoundLikelihood, state: State, working: Ints) -> None:
    """Evaluate one trial of every working point; accept it with a new Hessian, or shrink its trust region; then set the next steps."""
    here = state.theta[working[:, None], bound.floating]
    moved = np.clip(here + state.step[working], bound.lower, bound.upper)
    trial = state.theta[working]
    trial[:, bound.floating] = moved
    evaluation = evaluate_problem(bound, trial, state.source[working], working)
    state.rounds[working] += 1
    finite = np.isfinite(evaluation.value) & np.isfinite(evaluation.gradient).all(axis=1)
    first = ~np.isfinite(state.value[working])
    state.status[working[first & ~finite]] = FAILED
    accepted = finite & (first | _accept(bound, state, working, evaluation.value, moved - here))
    chosen, settled = np.flatnonzero(accepted), np.zeros(len(working), dtype=np.bool_)
    if chosen.size:
        rows = working[chosen]
        state.theta[rows] = trial[chosen]
        state.value[rows] = evaluation.value[chosen]
        state.gradient[rows] = evaluation.gradient[chosen]
        state.note(rows, evaluation, chosen)
        settled[chosen] = _renew(bound, state, evaluation, chosen, rows)
    _new_step(bound, state, working[~settled & (state.status[working] == RUNNING)])


def _renew(bound: BoundLikelihood, state: State, evaluation: Evaluation, chosen: Ints, rows: Ints) -> Bools:
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
    late = state.rounds[rows] > LATE
    for problem, some in ((bound, np.flatnonzero(~old & ~late)), (bound.exact if late.any() else bound, np.flatnonzero(~old & late))):
        if some.size:
            first, second = hessian(problem, evaluation, chosen[some], state.source[rows[some]])
            state.matrix[rows[some]] = first + second
    return old


def _accept(bound: BoundLikelihood, state: State, working: Ints, value: Floats, move: Floats) -> Bools:
    """Return whether trial values are good enough, shape (P,), and adapt the radii; `move` is the step after the bounds."""
    old, gradient = np.where(np.isfinite(state.value[working]), state.value[working], np.inf), state.gradient[working]
    curved = np.einsum("pij,pj->pi", state.matrix[working], move)
    predicted = np.vecdot(gradient + 0.5 * curved, move)
    gain = value - old
    small = 1e-12 * (1 + np.abs(old))
    ratio = np.where(predicted < 0, gain / np.where(predicted < 0, predicted, -1.0), np.where(gain < 0, 0.5, -1.0))
    accepted = (gain <= 1e-4 * np.minimum(predicted, 0.0)) & (ratio > 0) | (np.abs(gain) <= small) & (predicted > -small)
    length = np.sqrt(np.vecdot(move * move, _metric(bound, state.matrix[working], gradient) ** 2))
    radius = state.radius[working]
    radius = np.where((ratio > 0.75) & (length > 0.8 * radius), 2.5 * radius, radius)
    radius = np.where(accepted, np.where(ratio < 0.25, np.minimum(0.5 * length, radius), radius), 0.25 * np.minimum(length, radius))
    started = np.isfinite(state.value[working])
    state.radius[working] = np.where(started, radius, state.radius[working])
    state.status[working[started & (radius < MIN_RADIUS)]] = FAILED
    result: Bools = accepted
    return result


def _metric(bound: BoundLikelihood, matrix: Floats, gradient: Floats) -> Floats:
    """Return 1 over the natural size of each floating parameter, shape (P, n): 1 when constrained, else from the curvature, or the slope."""
    diagonal, slope = np.abs(matrix.diagonal(axis1=1, axis2=2)), np.abs(gradient)
    natural = np.where(diagonal > 0, np.sqrt(diagonal / 2), np.where(slope > 0, slope, 1.0))
    result: Floats = np.where(bound.constrained[bound.floating], 1.0, natural)
    return result


def _new_step(bound: BoundLikelihood, state: State, rows: Ints) -> None:
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


def _step(bound: BoundLikelihood, state: State, rows: Ints) -> None:
    """Set the step within the trust region and the estimated distance to the minimum of some points."""
    here, gradient, matrix = state.theta[rows[:, None], bound.floating], state.gradient[rows], state.matrix[rows]
    stuck = ((here <= bound.lower) & (gradient > 0)) | ((here >= bound.upper) & (gradient < 0))
    stuck |= state.coarse[rows, None] & ~bound.multiplicative
    step = newton(matrix, gradient, stuck)
    edm = -0.5 * np.vecdot(step, gradient)
    outward = ((here <= bound.lower) & (step < 0)) | ((here >= bound.upper) & (step > 0))
    leaving = np.flatnonzero(outward.any(axis=1) & (edm > 0))  # where the matrix is indefinite, the step says nothing of the ends
    if leaving.size:
        inside = newton(matrix[leaving], gradient[leaving], stuck[leaving] | outward[leaving])
        useful = -0.5 * np.vecdot(inside, gradient[leaving]) > 0.1 * edm[leaving]
        step[leaving[useful]] = inside[useful]
        stuck[leaving[useful]] |= outward[leaving[useful]]
    metric = _metric(bound, matrix, gradient)
    diagonal = matrix.diagonal(axis1=1, axis2=2)
    bent = np.any(((diagonal < 0) | (diagonal == 0) & (gradient != 0)) & ~stuck, axis=1) | ~(edm >= 0)
    long = np.vecdot(step * step, metric**2) > state.radius[rows] ** 2
    far = np.flatnonzero(bent | long)
    if far.size:
        step[far] = trust_region(matrix[far], gradient[far], stuck[far], metric[far], state.radius[rows[far]])
    state.edm[rows] = np.where(bent, np.inf, edm)
    state.step[rows] = step


def _judge(bound: BoundLikelihood, state: State, working: Ints, best: float) -> None:
    """Mark converged points done and points out of rounds failed."""
    running = working[state.status[working] == RUNNING]
    rounds, blocked = state.rounds[running], state.blocked[running] & (bound.floor <= FLOOR)
    late = rounds >= REMOTE_ROUNDS
    inside = ~state.blocked[running] & ~state.pressed[running]
    distance = np.where(inside, state.value[running] - best, 0.0)
    tolerance = np.where(distance > FAR, np.maximum(FAR_TOLERANCE * distance, TOLERANCE), TOLERANCE)
    tolerance = np.maximum(tolerance, np.where(inside, 1e-12 * np.abs(state.value[running]), 0.0))
    state.tolerance[running] = tolerance
    done = (state.edm[running] <= tolerance) & (state.edm[running] >= 0) & ~state.coarse[running]
    state.hopeless[running] |= (rounds == 1) & (distance > HOPELESS)
    still = state.hopeless[running] & (state.value[running] - best > HOPELESS) & (rounds >= HOPELESS_ROUNDS)
    done |= (distance > REMOTE) & late | still
    state.status[running[done]] = DONE
    state.status[running[~done & (blocked & late | (rounds >= MAX_ROUNDS))]] = FAILED


# --- steps of many points together: plain, and within a trust region -----------------------------------------------------------------


def newton(matrix: Floats, gradient: Floats, stuck: Bools) -> Floats:
    """Return -H^-1 g with the stuck parameters left out, shape (P, n); scaled to unit diagonal, parameters without effect stay."""
    diagonal = np.abs(matrix.diagonal(axis1=1, axis2=2))
    scale = np.where((diagonal > 0) & ~stuck, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    place = np.arange(gradient.shape[1])
    scaled[:, place, place] += np.where(scale > 0, 1e-12, 1.0)
    step: Floats = -scale * np.linalg.solve(scaled, (gradient * scale)[:, :, None])[:, :, 0]
    return step


def trust_region(matrix: Floats, gradient: Floats, stuck: Bools, metric: Floats, radius: Floats) -> Floats:
    """Return the minimiser of the quadratic model within a radius, shape (P, n), also where the matrix is indefinite.

    In the eigenvectors of the scaled matrix the step is -c/(e + d); the damping d solves |step| = radius. On top of a ridge (a coupling at 0, beside a
    minimum) there is no slope to follow: the step goes the rest of the way along the lowest eigenvector, to positive values.

    References
    ----------
    Moré and Sorensen, SIAM J. Sci. Stat. Comput. 4 (1983) 553, eqs. 3.1-3.4 and the hard case, 3.5.
    """
    scale = np.where(stuck, 0.0, 1 / metric)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(scaled)
    pull = np.einsum("pji,pj->pi", vectors, gradient * scale)
    floor = 1e-9 * np.maximum(np.abs(values).max(axis=1), np.maximum(np.abs(pull).max(axis=1) / radius, 1e-290))
    damping = np.maximum(-values[:, 0], 0.0) + floor
    for _ in range(12):
        shifted = values + damping[:, None]
        length = np.sqrt(np.vecdot(pull / shifted, pull / shifted))
        if np.all(length < 1.05 * radius):
            break
        slope = np.vecdot(pull**2, shifted**-3.0)
        change = length**2 / np.where(slope > 0, slope, 1.0) * (length / radius - 1)
        damping = np.where(length > radius, damping + change, damping)
    parts = pull / (values + damping[:, None])
    level = (values[:, 0] < 0.0) & (np.abs(pull[:, 0]) < LEVEL * np.abs(values[:, 0]) * radius)
    if level.any():
        lowest = vectors[level, :, 0]
        upward = np.sign(np.take_along_axis(lowest, np.abs(lowest).argmax(axis=1)[:, None], axis=1)[:, 0])
        parts[level, 0] = -upward * np.sqrt(np.maximum(radius[level] ** 2 - np.sum(parts[level, 1:] ** 2, axis=1), 0.0))
    step: Floats = -scale * np.einsum("pij,pj->pi", vectors, parts)
    return step
