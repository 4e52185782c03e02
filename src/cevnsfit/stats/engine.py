"""The engine: -2 ln lambda of a joint likelihood bound to data, with gradient and Hessian for chunks of points.

Expected counts and gradients are matrix products with the templates. The Hessian is J^T G J + sum_m (df/dA_m) d2A_m with
G_mn = sum_bin w B_m B_n for all points of the chunk in one product of the bin weights with the pairwise products of the templates, or, where
templates are many and parameters few, with the Jacobian of the counts built point by point. G is computed in single precision (1e-6 relative),
which a minimiser does not feel; values and gradients are double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.poisson import Events, OnOff, events, logarithms, on_off, on_off_weight, saturated
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

_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BoundChannel:
    """A channel with its data, for K distinct templates in the bins that need a logarithm.

    `merge` (M, K) adds up proportional templates; `sums` (K,) are their sums over all plain bins: bins without events are just 2 mu.
    `target` places the local floating parameters among all floating ones.
    """

    rule: Rule
    local: Ints
    target: Ints
    merge: Floats
    templates: Floats
    sums: Floats
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
    of events (largest of a batch).
    """

    channels: tuple[BoundChannel, ...]
    floating: Ints
    lower: Floats
    upper: Floats
    constrained: NDArray[np.bool_]
    aux: Floats
    multiplicative: NDArray[np.bool_]
    total: float


class Piece(NamedTuple):
    """One channel of an evaluation: terms, slopes df/dA (P, M), and the bins."""

    terms: Terms
    slope: Floats
    bins: Events | OnOff


class Evaluation(NamedTuple):
    """-2 ln lambda (P,), its gradient in the floating parameters (P, n_f), impossible points (P,), and what the Hessian needs."""

    value: Floats
    gradient: Floats
    impossible: NDArray[np.bool_]
    pieces: tuple[Piece, ...]


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
    if channel.control is not None and control is not None:
        constant = constant + saturated(control)
        sums, ratio = np.zeros(len(templates)), channel.control.ratio
    elif counts.ndim == 1:
        seen = counts > 0
        templates, counts = np.ascontiguousarray(templates[:, seen]), counts[seen]
    active = _active(rule, merge)
    pairs, pair_of = _pairs(templates, active, len(columns))
    target = np.array([position[int(local[column])] for column in columns], dtype=np.int64)
    return BoundChannel(rule, local, target, merge, templates, sums, counts, control, ratio, constant, active, pairs, pair_of)


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


def _evaluate_channel(channel: BoundChannel, theta: Floats, rows: Ints) -> tuple[Floats, Floats, Piece]:
    """Return value (P,), gradient (P, n local floating) and the piece of one channel."""
    terms = evaluate(channel.rule, theta[:, channel.local])
    factors = terms.amplitudes @ channel.merge
    mu = factors @ channel.templates
    counts = _rows(channel.counts, rows)
    bins: Events | OnOff
    if channel.control is None:
        bins = events(mu, counts)
        slope = -(bins.pull @ channel.templates.T)
    else:
        bins = on_off(mu, counts, _rows(channel.control, rows), channel.ratio)
        slope = bins.slope @ channel.templates.T
    value = bins.value + 2 * (factors @ channel.sums) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
    slope = (slope + 2 * channel.sums) @ channel.merge.T
    return value, pull_back(channel.rule, terms, slope), Piece(terms, slope, bins)


def evaluate_problem(bound: BoundLikelihood, theta: Floats, rows: Ints) -> Evaluation:
    """Return -2 ln lambda and its gradient.

    Parameters
    ----------
    bound
        From `bind_data`.
    theta
        All parameters, shape (P, n).
    rows
        Which data set of a batch each point belongs to, shape (P,); not used for single data sets.
    """
    pull = np.where(bound.constrained, theta - _rows(bound.aux, rows), 0.0)
    value = np.einsum("pi,pi->p", pull, pull)
    gradient = 2 * pull[:, bound.floating]
    impossible = np.zeros(len(theta), dtype=np.bool_)
    pieces = []
    for channel in bound.channels:
        with np.errstate(over="ignore", invalid="ignore"):
            part, slope, piece = _evaluate_channel(channel, theta, rows)
        value = value + part
        gradient[:, channel.target] += slope
        impossible |= piece.bins.impossible
        pieces.append(piece)
    return Evaluation(value, gradient, impossible, tuple(pieces))


def _weights(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints) -> NDArray[np.float32]:
    """Return the curvature in the expected counts, shape (P, nb)."""
    bins, everything = piece.bins, len(chosen) == len(piece.slope)
    if isinstance(bins, Events):
        pull, mu = (bins.pull, bins.mu) if everything else (bins.pull[chosen], bins.mu[chosen])
        return np.divide(pull, mu, out=np.empty(pull.shape, dtype=np.float32), casting="same_kind")
    control = np.zeros(0) if channel.control is None else _rows(channel.control, rows)
    total, background = bins.total[chosen], bins.background[chosen]
    return on_off_weight(total, background, _rows(channel.counts, rows), control).astype(np.float32)


def _channel_hessian(channel: BoundChannel, piece: Piece, chosen: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """Return the Gauss-Newton Hessian (P, n, n) in the local floating parameters and the part from second derivatives."""
    terms = select(piece.terms, chosen)
    slopes = jacobian(channel.rule, terms)
    count, n, m = slopes.shape
    slopes = (slopes.reshape(count * n, m) @ channel.merge[:, channel.active]).reshape(count, n, len(channel.active))
    weights = _weights(channel, piece, chosen, rows)
    if channel.pairs is None:
        counts = (slopes.reshape(count * n, -1) @ channel.templates[channel.active]).reshape(count, n, -1)
        gauss_newton = (counts * weights[:, None, :]) @ counts.transpose(0, 2, 1)
    else:
        products = weights @ channel.pairs.T
        gauss_newton = slopes @ products[:, channel.pair_of].astype(np.float64) @ slopes.transpose(0, 2, 1)
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
        first_part, second_part = _channel_hessian(channel, piece, chosen, rows)
        place = (slice(None), channel.target[:, None], channel.target)
        gauss_newton[place] += first_part
        second[place] += second_part
    return gauss_newton, second


def nll2_at(bound: BoundLikelihood, theta: Floats, rows: Ints) -> Floats:
    """Return -2 ln lambda alone, shape (P,); see `evaluate_problem` for the parameters."""
    pull = np.where(bound.constrained, theta - _rows(bound.aux, rows), 0.0)
    value: Floats = np.einsum("pi,pi->p", pull, pull)
    for channel in bound.channels:
        with np.errstate(over="ignore", invalid="ignore"):
            factors = evaluate(channel.rule, theta[:, channel.local]).amplitudes @ channel.merge
            mu, counts = factors @ channel.templates, _rows(channel.counts, rows)
            if channel.control is None:
                value += logarithms(mu, counts)
            else:
                value += on_off(mu, counts, _rows(channel.control, rows), channel.ratio).value
        value += 2 * (factors @ channel.sums) + (channel.constant[rows] if channel.constant.ndim else channel.constant)
    return value


def nll2(joint: Joint, theta: Floats, data: Data) -> Floats:
    """Return -2 ln lambda with the constraint terms, shape (P,), at theta of shape (P, n)."""
    return nll2_at(bind_data(joint, data, np.empty(0, dtype=np.int64)), theta, np.arange(len(theta)))


def nll2_gradient(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and its gradient (P, n) at theta of shape (P, n)."""
    evaluation = evaluate_problem(bind_data(joint, data, np.arange(len(joint.parameters))), theta, np.arange(len(theta)))
    return evaluation.value, evaluation.gradient


def gauss_newton(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """Return -2 ln lambda (P,), its gradient (P, n) and its Gauss-Newton Hessian (P, n, n) at theta of shape (P, n)."""
    bound, rows = bind_data(joint, data, np.arange(len(joint.parameters))), np.arange(len(theta))
    evaluation = evaluate_problem(bound, theta, rows)
    return evaluation.value, evaluation.gradient, hessian(bound, evaluation, rows, rows)[0]
