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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.poisson import FLOOR, Events, OnOff, events, logarithms, on_off, on_off_weight, saturated
from cevnsfit.stats.rule import compile_rule, curvature, evaluate, jacobian, pull_back, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.stats.channel import Coefficients
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.rule import Rule, Terms

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_PAIR_NUMBERS: Final = 16_000_000
"""Largest table of template products (64 MB)."""

NEGLIGIBLE: Final = 1e-30
"""Products of templates (their largest entry is 1) that are left out. No weight exceeds 2 n/`FLOOR`^2, about 1e20; smaller numbers would be
denormal in single precision, which makes matrix products several times slower."""

SOFT: Final = 100.0
"""Stiffness with which a minimiser begins."""

DEEPEST: Final = 1e-10
"""Depth of a bin below 0 up to which a point belongs to the domain of the likelihood."""

CONTENT: Final = (1e-6, 1.0)
"""Smallest and largest counts in units of which the depth of a bin is measured."""

_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BoundChannel:
    """A channel with its data, for K distinct templates in the bins that need a logarithm.

    `merge` (M, K) adds up proportional templates; `sums` (K,) are their sums over all plain bins: bins without events are just 2 mu.
    `empty` (K, ne) are the templates in the bins without any counts, or in all bins of a batch, over what these hold; `strongest` (ne,) is the
    largest force on them. `target` places the local floating parameters among all floating ones.
    """

    rule: Rule
    local: Ints
    target: Ints
    merge: Floats
    templates: Floats
    sums: Floats
    empty: Floats
    strongest: Floats
    counts: Floats
    control: Floats | None
    ratio: float
    constant: Floats
    active: Ints
    pairs: NDArray[np.float32] | None
    pair_of: Ints


@dataclass(frozen=True, slots=True, eq=False)
class BoundLikelihood:
    """A joint likelihood bound to data and to the floating parameters (indices, n_f of them).

    `lower` and `upper` are the ends of the domains of the latter; `multiplicative` marks the constrained ones that only scale templates; `total` is the number
    of events (largest of a batch). `stiffness` and `pressure` (P, ne) of each channel keep bins without events from being negative, `floor` those
    with events.
    """

    channels: tuple[BoundChannel, ...]
    floating: Ints
    lower: Floats
    upper: Floats
    constrained: NDArray[np.bool_]
    aux: Floats
    multiplicative: NDArray[np.bool_]
    total: float
    stiffness: float = SOFT
    pressure: tuple[Floats, ...] = ()
    floor: float = FLOOR


class Piece(NamedTuple):
    """One channel of an evaluation: terms, slopes df/dA (P, M), the bins, and the force on those without events (P, ne), None where there is none."""

    terms: Terms
    slope: Floats
    bins: Events | OnOff
    force: Floats | None


class Evaluation(NamedTuple):
    """-2 ln lambda (P,), its gradient in the floating parameters (P, n_f), what keeps points inside, and what the Hessian needs.

    `blocked` (P,) are the points at which the model expects nothing in a bin with events, `depth` (P,) is that of the deepest plain bin without,
    <= 0, and `pressed` (P,) are those with a force on some bin: there the value is that of the minimiser.
    """

    value: Floats
    gradient: Floats
    blocked: NDArray[np.bool_]
    depth: Floats
    pressed: NDArray[np.bool_]
    pieces: tuple[Piece, ...]

    @property
    def impossible(self) -> NDArray[np.bool_]:
        """Return which points are outside the domain of the likelihood, shape (P,)."""
        return self.blocked | (self.depth < -DEEPEST)


def _rows(item: Floats, rows: Ints) -> Floats:
    """Return the data of some points; data without a leading axis are shared."""
    return item[rows] if item.ndim == 2 else item


def _active(rule: Rule, merge: Floats) -> Ints:
    """Return the merged templates whose amplitude depends on a floating parameter."""
    groups = np.zeros(rule.n_groups, dtype=np.bool_)
    groups[rule.slope_places % rule.n_groups] = True
    groups[rule.monomials.first_places % rule.n_groups] = True
    moving = groups[rule.group]
    moving[rule.excursion_rows] = True
    result: Ints = np.flatnonzero(np.any(merge[moving] != 0, axis=0))
    return result


def _pairs(templates: Floats, active: Ints, parameters: int) -> tuple[NDArray[np.float32] | None, Ints]:
    """Return products (pairs, nb) of active templates and the pair of each (m, n), or None where per-point Jacobians are cheaper."""
    size, bins = len(active), templates.shape[1]
    upper = np.triu_indices(size)
    pair_of = np.zeros((size, size), dtype=np.int64)
    pair_of[upper] = np.arange(len(upper[0]))
    pair_of = np.maximum(pair_of, pair_of.T)
    by_pairs, by_jacobian = len(upper[0]) / 2, parameters * size + 2 * parameters**2
    if by_pairs > by_jacobian or len(upper[0]) * bins > MAX_PAIR_NUMBERS:
        return None, pair_of
    chosen = templates[active].astype(np.float32)
    products = chosen[upper[0]] * chosen[upper[1]]
    products[np.abs(products) < NEGLIGIBLE] = 0.0
    return products, pair_of


def _bind_channel(joint: Joint, place: int, data: Data, floating: Ints, absent: Ints) -> BoundChannel:
    """Return one channel with its data, prepared for derivatives in `floating`, without the templates that `absent` removes."""
    channel, local, counts, control = joint.channels[place], joint.local[place], data.counts[place], data.control[place]
    kept = _present(channel.coefficients, np.isin(local, absent))
    merge, templates, coefficients = joint.merge[place], joint.distinct[place], channel.coefficients
    if len(kept) < len(merge):
        used = np.any(merge[kept] != 0, axis=0)
        merge, templates, coefficients = merge[np.ix_(kept, used)], templates[used], coefficients.take(kept)
    position = {int(index): number for number, index in enumerate(floating)}
    columns = np.array([column for column, index in enumerate(local) if int(index) in position], dtype=np.int64)
    rule = compile_rule(coefficients, columns)
    constant = saturated(counts)
    sums, ratio = templates.sum(axis=1), 1.0
    content = _content(rule, joint.parameters.defaults()[local], merge, templates)
    strongest = np.full(len(content), np.inf)
    if channel.control is not None and control is not None:
        constant = constant + saturated(control)
        sums, ratio = np.zeros(len(templates)), channel.control.ratio
        strongest = 2.0 * (1.0 + ratio) * content
    empty = templates / content
    if counts.ndim == 1:
        seen = counts + (0.0 if control is None else control) > 0
        empty, strongest = np.ascontiguousarray(empty[:, ~seen]), strongest[~seen]
        if control is None:
            templates, counts = np.ascontiguousarray(templates[:, seen]), counts[seen]
    active = _active(rule, merge)
    pairs, pair_of = _pairs(templates, active, len(columns))
    target = np.array([position[int(local[column])] for column in columns], dtype=np.int64)
    return BoundChannel(
        rule, local, target, merge, templates, sums, empty, strongest, counts, control, ratio, constant, active, pairs, pair_of
    )


def _content(rule: Rule, defaults: Floats, merge: Floats, templates: Floats) -> Floats:
    """Return what the bins hold at the defaults of the local parameters, all templates counted as positive, within `CONTENT`, shape (nb,)."""
    held: Floats = np.abs(evaluate(rule, defaults[None]).amplitudes[0] @ merge) @ np.abs(templates)
    return np.where(held > 0, np.clip(held, *CONTENT), CONTENT[1])


def _present(rule: Coefficients, zero: NDArray[np.bool_]) -> Ints:
    """Return the templates whose amplitude does not vanish where the local parameters marked `zero` are zero."""
    vanishing = (rule.powers[:, zero] > 0).any(axis=1)
    vanishing |= (rule.excursion_kind > 0) & zero[rule.excursion_index] if len(zero) else False
    return np.flatnonzero(~vanishing)


def bind_data(joint: Joint, data: Data, floating: Ints, absent: Ints = _NONE) -> BoundLikelihood:
    """Return the likelihood bound to data, for derivatives with respect to the parameters with indices `floating`.

    Parameters with indices `absent` are zero at every point that is evaluated and do not float: what they multiply is left out, which keeps
    models with many couplings fast when few are used.
    """
    channels = tuple(_bind_channel(joint, place, data, floating, absent) for place in range(len(joint.channels)))
    floating = np.array(floating, dtype=np.int64)
    multiplicative = joint.constrained[floating]
    for channel in channels:
        multiplicative[channel.target[channel.rule.excursion_columns]] = False
    total = sum(float(np.max(counts.sum(axis=-1), initial=0.0)) for counts in data.counts)
    lower, upper = joint.parameters.domains()
    return BoundLikelihood(
        channels, floating, lower[floating], upper[floating], joint.constrained, data.aux, multiplicative, max(total, 1.0)
    )


def _depth(
    channel: BoundChannel, factors: Floats, mu: Floats, counts: Floats, control: Floats | None, *, pressed: bool = False
) -> Floats | None:
    """Return the depths of the bins without any counts, shape (P, ne), 1 for others; None where none is negative, unless they are `pressed`."""
    if counts.ndim == 1:
        found = factors @ channel.empty
        return found if pressed or found.min(initial=0.0) < 0.0 else None
    if not pressed and mu.min(initial=0.0) >= 0.0:
        return None
    return np.where(counts + (0.0 if control is None else control) > 0, 1.0, factors @ channel.empty)


def _evaluate_channel(
    bound: BoundLikelihood, channel: BoundChannel, theta: Floats, rows: Ints, pressure: Floats | None
) -> tuple[Floats, Floats, Floats, Piece]:
    """Return value (P,), gradient (P, n local floating), lowest depth (P,) and the piece of one channel."""
    terms = evaluate(channel.rule, theta[:, channel.local])
    factors = terms.amplitudes @ channel.merge
    mu = factors @ channel.templates
    counts, control = _rows(channel.counts, rows), None if channel.control is None else _rows(channel.control, rows)
    bins: Events | OnOff
    if control is None:
        bins = events(mu, counts, bound.floor)
        slope = -(bins.pull @ channel.templates.T)
    else:
        bins = on_off(mu, counts, control, channel.ratio)
        slope = bins.slope @ channel.templates.T
    value = bins.value + 2 * (factors @ channel.sums) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
    depth, force, lowest = _depth(channel, factors, mu, counts, control, pressed=pressure is not None), None, np.zeros(len(theta))
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
    return value, pull_back(channel.rule, terms, slope), lowest, Piece(terms, slope, bins, force)


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


def _weights(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints) -> NDArray[np.float32]:
    """Return the curvature in the expected counts, shape (P, nb)."""
    bins, everything = piece.bins, len(chosen) == len(piece.slope)
    if isinstance(bins, Events):
        pull, mu = (bins.pull, bins.mu) if everything else (bins.pull[chosen], bins.mu[chosen])
        return np.divide(pull, mu, out=np.empty(pull.shape, dtype=np.float32), casting="same_kind")
    control = np.zeros(0) if channel.control is None else _rows(channel.control, rows)
    total, background = bins.total[chosen], bins.background[chosen]
    return on_off_weight(total, background, _rows(channel.counts, rows), control).astype(np.float32)


def _slopes(channel: BoundChannel, terms: Terms) -> Floats:
    """Return the slopes of the factors of the active templates, shape (P, n local floating, active)."""
    slopes = jacobian(channel.rule, terms)
    count, n, m = slopes.shape
    return (slopes.reshape(count * n, m) @ channel.merge[:, channel.active]).reshape(count, n, len(channel.active))


def _channel_hessian(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints, stiffness: float) -> tuple[Floats, Floats]:
    """Return the Gauss-Newton Hessian (P, n, n) in the local floating parameters and the part from second derivatives."""
    terms = select(piece.terms, chosen)
    slopes = _slopes(channel, terms)
    count, n, _ = slopes.shape
    weights = _weights(channel, piece, chosen, rows)
    if channel.pairs is None:
        counts = (slopes.reshape(count * n, -1) @ channel.templates[channel.active]).reshape(count, n, -1)
        gauss_newton = (counts * weights[:, None, :]) @ counts.transpose(0, 2, 1)
    else:
        products = weights @ channel.pairs.T
        gauss_newton = slopes @ products[:, channel.pair_of].astype(np.float64) @ slopes.transpose(0, 2, 1)
    if piece.force is not None:
        pushed = (piece.force[chosen] > 0.0) & (piece.force[chosen] < channel.strongest)
        low = np.flatnonzero(pushed.any(axis=1))
        moved = slopes[low] @ channel.empty[channel.active] * pushed[low, None, :]
        gauss_newton[low] += stiffness * (moved @ moved.transpose(0, 2, 1))
    return gauss_newton, curvature(channel.rule, terms, piece.slope[chosen])


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
    plain: NDArray[np.bool_]


def walls(bound: BoundLikelihood, evaluation: Evaluation, point: int) -> Walls:
    """Return the bins that hold one point of an evaluation."""
    size = len(bound.floating)
    found = [(np.empty(0), np.empty((0, size)), np.empty(0, dtype=np.bool_))]
    for channel, piece in zip(bound.channels, evaluation.pieces, strict=True):
        if piece.force is None:
            continue
        low = np.flatnonzero((piece.force[point] > 0.0) & (piece.force[point] < channel.strongest))
        templates = channel.empty[:, low]
        slopes = np.zeros((len(low), size))
        slopes[:, channel.target] = (_slopes(channel, select(piece.terms, np.array([point])))[0] @ templates[channel.active]).T
        depths = (piece.terms.amplitudes[point] @ channel.merge) @ templates
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
            factors = evaluate(channel.rule, theta[:, channel.local]).amplitudes @ channel.merge
            mu, counts = factors @ channel.templates, _rows(channel.counts, rows)
            if channel.control is not None:
                value += on_off(mu, counts, _rows(channel.control, rows), channel.ratio).value
            else:
                value += logarithms(mu, counts)
                depth = _depth(channel, factors, mu, counts, None)
                if depth is not None:
                    value[depth.min(axis=1, initial=0.0) < -DEEPEST] = np.inf
        value += 2 * (factors @ channel.sums) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
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
