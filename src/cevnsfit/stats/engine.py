"""The engine: -2 ln lambda of a joint likelihood bound to data, with gradient and Hessian for chunks of points.

Expected counts and gradients are matrix products with the templates. The Hessian is J^T G J + sum_m (df/dA_m) d2A_m with
G_mn = sum_bin w B_m B_n for all points of the chunk in one product of the bin weights with the pairwise products of the templates, or, where
templates are many and parameters few, with the Jacobian of the counts built point by point. G is computed in single precision (1e-6 relative),
which a minimiser does not feel; values and gradients are double.

Expected counts below 0 are outside the domain of the likelihood. Bins with events have a logarithm that keeps them inside; the others are kept
inside by the method of multipliers. The depth d of a bin are its counts over what it holds at the defaults (at most 1, so that a depth of -1 costs as
much in a bin with few counts as in one with many). A minimiser adds the largest of -f d - (f - pressure)^2/(2 stiffness) over the force f >= 0: a
penalty where the pressure is 0, and with the right pressure the minimum is at d = 0. On/off bins without any counts have a kink instead of a wall,
-2 ln lambda = 2 max(s, -t s): for them the force is at most 2 (1 + t). The part of the force in the Hessian is double.

References
----------
Nocedal and Wright, Numerical Optimization (2006), section 17.3; Bertsekas, Constrained Optimization and Lagrange Multiplier Methods (1982),
section 3.3 (kinks).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.gaussian import Measured, measured
from cevnsfit.stats.poisson import Events, OnOff, events, logarithms, on_off, on_off_weight
from cevnsfit.stats.rule import curvature, evaluate, jacobian, pull_back, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.stats.binding import BoundChannel, BoundLikelihood
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.moving import BoundMoving, Moved
    from cevnsfit.stats.rule import Terms

    AnyFloats = NDArray[np.floating[Any]]

DEEPEST: Final = 1e-10
"""Depth of a bin below 0 up to which a point belongs to the domain of the likelihood."""

_NONE: Final = np.empty(0, dtype=np.int64)


class Piece(NamedTuple):
    """One channel of an evaluation: terms, slopes df/dA (P, M), the bins, and the force on those without events (P, ne), None where there is none.

    Where templates move, `moved` are they, and `by_count` (P, nb) the slopes in the counts of all bins.
    """

    terms: Terms
    slope: Floats
    bins: Events | OnOff | Measured
    force: Floats | None
    moved: Moved | None = None
    by_count: Floats | None = None


class Evaluation(NamedTuple):
    """-2 ln lambda (P,), its gradient in the floating parameters (P, n_f), what keeps points inside, and what the Hessian needs.

    `blocked` (P,) are the points at which the model expects nothing in a bin with events, `depth` (P,) is that of the deepest plain bin without,
    <= 0, and `pressed` (P,) are those with a force on some bin: there the value is that of the minimiser.
    """

    value: Floats
    gradient: Floats
    blocked: Bools
    depth: Floats
    pressed: Bools
    pieces: tuple[Piece, ...]

    @property
    def impossible(self) -> Bools:
        """Return which points are outside the domain of the likelihood, shape (P,)."""
        return self.blocked | (self.depth < -DEEPEST)


def _rows(item: Floats, rows: Ints) -> Floats:
    """Return the data of some points; data without a leading axis are shared."""
    return item[rows] if item.ndim == 2 else item


def _depth(
    channel: BoundChannel,
    factors: Floats,
    mu: Floats,
    counts: Floats,
    control: Floats | None,
    moved: Moved | None,
    *,
    pressed: bool = False,
) -> Floats | None:
    """Return the depths of the bins without any counts, shape (P, ne), 1 for others; None where none is negative, unless they are `pressed`."""
    if channel.errors is not None:
        return None
    if counts.ndim == 2 and not pressed and mu.min(initial=0.0) >= 0.0:
        return None
    found = factors @ channel.empty
    if channel.moving is not None and moved is not None:
        found = found + moved.counts[:, channel.moving.empty] / channel.moving.content
    if counts.ndim == 1:
        return found if pressed or found.min(initial=0.0) < 0.0 else None
    return np.where(counts + (0.0 if control is None else control) > 0, 1.0, found)


def _evaluate_channel(
    bound: BoundLikelihood, channel: BoundChannel, theta: Floats, rows: Ints, pressure: Floats | None
) -> tuple[Floats, Floats, Floats, Piece]:
    """Return value (P,), gradient (P, n local floating), lowest depth (P,) and the piece of one channel."""
    terms = evaluate(channel.rule, theta[:, channel.local])
    factors = terms.amplitudes @ channel.merge
    own = None if channel.own is None else channel.own.at(rows)
    moved, mu = _counts(channel, terms.amplitudes, theta, factors, own)
    counts, control = _rows(channel.counts, rows), None if channel.control is None else _rows(channel.control, rows)
    bins: Events | OnOff | Measured
    if channel.errors is not None:
        bins = measured(mu, counts, channel.errors)
        slope = bins.slope @ channel.templates.T
    elif control is None:
        bins = events(mu, counts, bound.floor)
        slope = -(bins.pull @ channel.templates.T if own is None else np.einsum("pkn,pn->pk", own, bins.pull))
    else:
        bins = on_off(mu, counts, control, channel.ratio)
        slope = bins.slope @ channel.templates.T
    value = bins.value + 2 * _sums(channel, factors, moved) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
    pressed, force, lowest = pressure is not None, None, np.zeros(len(theta))
    if channel.own is None:
        depth = _depth(channel, factors, mu, counts, control, moved, pressed=pressed)
    else:
        depth = channel.own.depth(factors, channel.empty, rows, pressed=pressed)
    push: Floats | None = None
    if depth is not None:
        before = np.zeros_like(depth) if pressure is None else pressure
        force = np.clip(before - bound.stiffness * depth, 0.0, channel.strongest)
        value = value - np.sum(force * depth + (force - before) ** 2 / (2.0 * bound.stiffness), axis=1)
        push = force
        if control is None:
            lowest = depth.min(axis=1, initial=0.0)
        else:  # without the kink
            push = force - np.where(depth < 0.0, channel.strongest, 0.0)
            value = value + np.minimum(depth, 0.0) @ channel.strongest
        slope = slope - push @ channel.empty.T
    slope = (slope + 2 * channel.sums) @ channel.merge.T
    if channel.moving is None or moved is None:
        return value, pull_back(channel.rule, terms, slope), lowest, Piece(terms, slope, bins, force)
    by_count = _by_count(channel.moving, bins, push, moved.counts.shape)
    along = channel.moving.slopes(moved, by_count, slope)
    gradient = pull_back(channel.rule, terms, slope)
    if channel.moving.column >= 0:
        gradient[:, channel.moving.column] += along
    return value, gradient, lowest, Piece(terms, slope, bins, force, moved, by_count)


def _counts(channel: BoundChannel, amplitudes: Floats, theta: Floats, factors: Floats, own: Floats | None) -> tuple[Moved | None, Floats]:
    """Return what moves, and the expected counts in the bins of the templates, (P, nb), or in those of each point, `own` (P, K, nb), given the factors, (P, K)."""
    if own is not None:
        return None, np.einsum("pkn,pk->pn", own, factors)
    mu = factors @ channel.templates
    if channel.moving is None:
        return None, mu
    moved = channel.moving.at(amplitudes, theta[:, channel.local])
    return moved, mu + moved.counts[:, channel.moving.seen]


def _sums(channel: BoundChannel, factors: Floats, moved: Moved | None) -> Floats:
    """Return the sum of the expected counts over all plain bins, (P,)."""
    total = factors @ channel.sums
    return total if moved is None or channel.control is not None or channel.errors is not None else total + moved.counts.sum(axis=1)


def _by_count(moving: BoundMoving, bins: Events | OnOff | Measured, push: Floats | None, shape: tuple[int, ...]) -> Floats:
    """Return the slopes of the value in the expected counts of all bins, (P, nb)."""
    result = np.full(shape, 2.0) if isinstance(bins, Events) else np.zeros(shape)
    result[:, moving.seen] = 2.0 - bins.pull if isinstance(bins, Events) else bins.slope
    if push is not None:
        result[:, moving.empty] -= push / moving.content
    return result


def evaluate_problem(bound: BoundLikelihood, theta: Floats, rows: Ints, points: Ints = _NONE) -> Evaluation:
    """Return -2 ln lambda and its gradient.

    Parameters
    ----------
    bound
        From `bind_data`.
    theta
        All parameters, shape (P, n).
    rows
        Which data set of a batch each point belongs to, shape (P,); not used for single data sets.
    points
        The place of each point in the `pressure`, shape (P,); not used without one.
    """
    pull = np.where(bound.constrained, theta - _rows(bound.aux, rows), 0.0)
    value = np.einsum("pi,pi->p", pull, pull)
    gradient = 2 * pull[:, bound.floating]
    blocked, pressed, depth = np.zeros(len(theta), dtype=np.bool_), np.zeros(len(theta), dtype=np.bool_), np.zeros(len(theta))
    pieces = []
    for place, channel in enumerate(bound.channels):
        pressure = bound.pressure[place][points] if bound.pressure else None
        with np.errstate(over="ignore", invalid="ignore"):
            part, slope, lowest, piece = _evaluate_channel(bound, channel, theta, rows, pressure)
        value = value + part
        gradient[:, channel.target] += slope
        blocked |= piece.bins.blocked
        depth = np.minimum(depth, lowest)
        pressed |= False if piece.force is None else np.any(piece.force > 0.0, axis=1)
        pieces.append(piece)
    return Evaluation(value, gradient, blocked, depth, pressed, tuple(pieces))


def _weights(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints) -> NDArray[np.float32] | Floats:
    """Return the curvature in the expected counts, shape (P, nb)."""
    bins, everything = piece.bins, len(chosen) == len(piece.slope)
    if isinstance(bins, Measured):
        return bins.curvature[chosen]
    if isinstance(bins, Events):
        pull, mu = (bins.pull, bins.mu) if everything else (bins.pull[chosen], bins.mu[chosen])
        return np.divide(pull, mu, out=np.empty(pull.shape, dtype=np.float32), casting="same_kind")
    control = np.zeros(0) if channel.control is None else _rows(channel.control, rows)
    total, background = bins.total[chosen], bins.background[chosen]
    return on_off_weight(total, background, _rows(channel.counts, rows), control).astype(np.float32)


def _slopes(channel: BoundChannel, slopes: Floats) -> Floats:
    """Return the slopes of the factors of the active templates, shape (P, n local floating, active), from those of the amplitudes."""
    count, n, m = slopes.shape
    return (slopes.reshape(count * n, m) @ channel.merge[:, channel.active]).reshape(count, n, len(channel.active))


def _channel_hessian(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints, stiffness: float) -> tuple[Floats, Floats]:
    """Return the Gauss-Newton Hessian (P, n, n) in the local floating parameters and the part from second derivatives."""
    terms = piece.terms if len(chosen) == len(piece.slope) else select(piece.terms, chosen)
    bare = jacobian(channel.rule, terms)
    slopes = _slopes(channel, bare)
    n = slopes.shape[1]
    weights = _weights(channel, piece, chosen, rows)
    moving, moved, by_count = channel.moving, piece.moved, piece.by_count
    added: AnyFloats | None = None
    second = curvature(channel.rule, terms, piece.slope[chosen])
    if moving is not None and moved is not None and by_count is not None:
        moved, held = moved.take(chosen), moving.moving.spread(bare)
        added = moving.jacobian(moved, held.astype(np.float32))
        second += moving.curvature(moved, held, by_count[chosen])
    if channel.pairs is None:
        counts: AnyFloats
        if channel.own is not None:
            counts = slopes.astype(np.float32) @ channel.own.roughly_at(rows)
        elif moving is None or added is None:
            counts = slopes @ channel.templates[channel.active]
        else:  # in single precision, as products of templates are
            templates, weights = moving.everywhere(channel.templates[channel.active]), moving.everywhere(weights)
            counts = slopes.astype(np.float32) @ templates + added
        precision = None if channel.errors is None else channel.errors.precision
        weighted = counts * weights[:, None, :] if precision is None else counts @ (2.0 * precision)
        gauss_newton = weighted @ counts.transpose(0, 2, 1)
    else:
        products = weights @ channel.pairs.T
        gauss_newton = slopes @ products[:, channel.pair_of].astype(np.float64) @ slopes.transpose(0, 2, 1)
    if piece.force is not None:
        pushed = (piece.force[chosen] > 0.0) & (piece.force[chosen] < channel.strongest)
        low = np.flatnonzero(pushed.any(axis=1))
        depths = slopes[low] @ channel.empty[channel.active]
        depths = depths if moving is None or added is None else depths + added[np.ix_(low, np.arange(n), moving.empty)] / moving.content
        depths = depths * pushed[low, None, :]
        gauss_newton[low] += stiffness * (depths @ depths.transpose(0, 2, 1))
    return gauss_newton, second


def hessian(bound: BoundLikelihood, evaluation: Evaluation, chosen: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """Return the Gauss-Newton Hessian and the part from second derivatives of the amplitudes, each (P, n_f, n_f).

    Their sum is the exact Hessian. `chosen` are the positions in the evaluation, `rows` their data sets.
    """
    size = len(bound.floating)
    gauss_newton = np.zeros((len(chosen), size, size))
    second = np.zeros_like(gauss_newton)
    diagonal = np.arange(size)
    gauss_newton[:, diagonal, diagonal] += 2.0 * bound.constrained[bound.floating]
    for channel, piece in zip(bound.channels, evaluation.pieces, strict=True):
        first_part, second_part = _channel_hessian(channel, piece, chosen, rows, bound.stiffness)
        place = (slice(None), channel.target[:, None], channel.target)
        gauss_newton[place] += first_part
        second[place] += second_part
    return gauss_newton, second


class Walls(NamedTuple):
    """The k bins that hold a point: depths (k,), slopes in the floating parameters (k, n_f), and which are plain bins (k,), not kinks."""

    depths: Floats
    slopes: Floats
    plain: Bools


def walls(bound: BoundLikelihood, evaluation: Evaluation, point: int) -> Walls:
    """Return the bins that hold one point of an evaluation."""
    size = len(bound.floating)
    found = [(np.empty(0), np.empty((0, size)), np.empty(0, dtype=np.bool_))]
    for channel, piece in zip(bound.channels, evaluation.pieces, strict=True):
        if piece.force is None:
            continue
        low = np.flatnonzero((piece.force[point] > 0.0) & (piece.force[point] < channel.strongest))
        templates, terms, moving, moved = channel.empty[:, low], select(piece.terms, np.array([point])), channel.moving, piece.moved
        slopes = np.zeros((len(low), size))
        bare = jacobian(channel.rule, terms)
        slopes[:, channel.target] = (_slopes(channel, bare)[0] @ templates[channel.active]).T
        depths = (piece.terms.amplitudes[point] @ channel.merge) @ templates
        if moving is not None and moved is not None:
            places, here = moving.empty[low], moved.take(np.array([point]))
            added = moving.jacobian(here, moving.moving.spread(bare))[0]
            slopes[:, channel.target] += (added[:, places] / moving.content[low]).T
            depths = depths + here.counts[0, places] / moving.content[low]
        found.append((depths, slopes, np.full(len(low), channel.control is None)))
    return Walls(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def walls_at(bound: BoundLikelihood, theta: Floats, row: Ints) -> Walls:
    """Return the bins without any counts that hold nothing at theta (1, n)."""
    touching = tuple(np.where(np.isinf(channel.strongest), 1.0, 0.5 * channel.strongest)[None] for channel in bound.channels)
    hard = replace(bound, pressure=touching, stiffness=1.0 / DEEPEST)
    return walls(hard, evaluate_problem(hard, theta, row, np.zeros(1, dtype=np.int64)), 0)


def nll2_at(bound: BoundLikelihood, theta: Floats, rows: Ints) -> Floats:
    """Return -2 ln lambda alone, shape (P,), infinite outside its domain; see `evaluate_problem` for the parameters."""
    pull = np.where(bound.constrained, theta - _rows(bound.aux, rows), 0.0)
    value: Floats = np.einsum("pi,pi->p", pull, pull)
    for channel in bound.channels:
        with np.errstate(over="ignore", invalid="ignore"):
            amplitudes = evaluate(channel.rule, theta[:, channel.local]).amplitudes
            factors, counts = amplitudes @ channel.merge, _rows(channel.counts, rows)
            moved, mu = _counts(channel, amplitudes, theta, factors, None if channel.own is None else channel.own.at(rows))
            if channel.control is not None:
                value += on_off(mu, counts, _rows(channel.control, rows), channel.ratio).value
            elif channel.errors is not None:
                value += measured(mu, counts, channel.errors).value
            else:
                value += logarithms(mu, counts)
                own = channel.own
                depth = _depth(channel, factors, mu, counts, None, moved) if own is None else own.depth(factors, channel.empty, rows)
                if depth is not None:
                    value[depth.min(axis=1, initial=0.0) < -DEEPEST] = np.inf
        value += 2 * _sums(channel, factors, moved) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
    return value


def nll2(joint: Joint, theta: Floats, data: Data) -> Floats:
    """Return -2 ln lambda with the constraint terms, shape (P,), at theta of shape (P, n); infinite outside its domain."""
    return nll2_at(bind_data(joint, data, _NONE), theta, np.arange(len(theta)))


def nll2_gradient(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and its gradient (P, n) at theta of shape (P, n)."""
    evaluation = evaluate_problem(bind_data(joint, data, np.arange(len(joint.parameters))), theta, np.arange(len(theta)))
    return evaluation.value, evaluation.gradient


def gauss_newton(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """Return -2 ln lambda (P,), its gradient (P, n) and its Gauss-Newton Hessian (P, n, n) at theta of shape (P, n)."""
    bound, rows = bind_data(joint, data, np.arange(len(joint.parameters))), np.arange(len(theta))
    evaluation = evaluate_problem(bound, theta, rows)
    return evaluation.value, evaluation.gradient, hessian(bound, evaluation, rows, rows)[0]
