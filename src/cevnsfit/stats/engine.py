"""The engine: -2 ln lambda of a joint likelihood bound to data, with gradient and Hessian for chunks of points.

Expected counts and gradients are matrix products with the templates. The Hessian is J^T G J + sum_m (df/dA_m) d2A_m with
G_mn = sum_bin w B_m B_n for all points of the chunk in one product of the bin weights with the pairwise products of the templates, or, where
templates are many and parameters few, with the Jacobian of the counts built point by point. G is computed in single precision (1e-6 relative),
which a minimiser does not feel; values and gradients are double.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.channel import Coefficients
from cevnsfit.stats.poisson import Events, OnOff, events, logarithms, on_off, on_off_weight, saturated
from cevnsfit.stats.rule import compile_rule, curvature, evaluate, jacobian, pull_back, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Data, Joint
    from cevnsfit.stats.rule import Rule, Terms

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_PAIR_NUMBERS: Final = 16_000_000
"""Largest table of template products (64 MB)."""

NEGLIGIBLE: Final = 1e-30
"""Products of templates (their largest entry is 1) that are left out. No weight exceeds 2 n/`FLOOR`^2, about 1e20; smaller numbers would be
denormal in single precision, which makes matrix products several times slower."""

KEPT_PROBLEMS: Final = 4
"""Problems that a joint likelihood remembers."""

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
class Problem:
    """A joint likelihood bound to data and to the floating parameters (indices, n_f of them).

    `absent` are parameters that must be zero; `multiplicative` marks the constrained ones that only scale templates; `total` is the number
    of events (largest of a batch).
    """

    channels: tuple[BoundChannel, ...]
    data: Data
    floating: Ints
    absent: Ints
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


def _merge(templates: Floats) -> tuple[Floats, Floats]:
    """Return merge (M, K) and templates (K, nb) with B = merge @ templates, proportional rows merged, largest entry 1."""
    distinct: dict[bytes, int] = {}
    rows: list[Floats] = []
    entries: list[tuple[int, int, float]] = []
    for m, row in enumerate(templates):
        peak = row[np.argmax(np.abs(row))] if row.size else 0.0
        if peak == 0:
            continue
        scaled = row / peak
        key = (np.round(scaled, 10) + 0.0).tobytes()
        if key not in distinct or not np.allclose(rows[distinct[key]], scaled, rtol=1e-12, atol=0):
            distinct[key] = len(rows)
            rows.append(scaled)
        entries.append((m, distinct[key], peak))
    merge = np.zeros((len(templates), len(rows)))
    for m, k, peak in entries:
        merge[m, k] = peak
    return merge, np.array(rows).reshape(len(rows), templates.shape[1])


def _active(rule: Rule, merge: Floats) -> Ints:
    """Return the merged templates whose amplitude depends on a floating parameter."""
    groups = np.zeros(rule.n_groups, dtype=np.bool_)
    groups[rule.slope_places % rule.n_groups] = True
    groups[rule.monomials.first_places % rule.n_groups] = True
    moving = groups[rule.group]
    moving[rule.shape_rows] = True
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
    chosen = templates[active]
    products = chosen[upper[0]] * chosen[upper[1]]
    products[np.abs(products) < NEGLIGIBLE] = 0.0
    return products.astype(np.float32), pair_of


def _bind_channel(channel: Channel, local: Ints, counts: Floats, control: Floats | None, floating: Ints) -> BoundChannel:
    """Return the channel with its data, prepared for derivatives in `floating`."""
    place = {int(index): position for position, index in enumerate(floating)}
    columns = np.array([column for column, index in enumerate(local) if int(index) in place], dtype=np.int64)
    rule = compile_rule(channel.coefficients, columns)
    merge, templates = _merge(channel.templates)
    constant = saturated(counts)
    sums, ratio = templates.sum(axis=1), 1.0
    if channel.control is not None and control is not None:
        constant = constant + saturated(control)
        sums, ratio = np.zeros(len(templates)), channel.control.ratio
    elif counts.ndim == 1:
        kept = counts > 0
        templates, counts = np.ascontiguousarray(templates[:, kept]), counts[kept]
    active = _active(rule, merge)
    pairs, pair_of = _pairs(templates, active, len(columns))
    target = np.array([place[int(local[column])] for column in columns], dtype=np.int64)
    return BoundChannel(rule, local, target, merge, templates, sums, counts, control, ratio, constant, active, pairs, pair_of)


def _present(channel: Channel, local: Ints, absent: Ints) -> Channel:
    """Return the channel without the templates whose amplitude is zero where the parameters with indices `absent` are zero."""
    rule = channel.coefficients
    zero = np.isin(local, absent)
    vanishing = (rule.powers[:, zero] > 0).any(axis=1)
    vanishing |= (rule.shape_kind > 0) & zero[rule.shape_index] if len(zero) else False
    if not vanishing.any():
        return channel
    kept = np.flatnonzero(~vanishing)
    powers, hi, lo = rule.powers[kept], rule.norm_hi[kept], rule.norm_lo[kept]
    return replace(
        channel,
        templates=channel.templates[kept],
        coefficients=Coefficients(rule.parameters, powers, hi, lo, rule.shape_index[kept], rule.shape_kind[kept]),
        components=tuple(channel.components[row] for row in kept),
    )


def bind(joint: Joint, data: Data, floating: Ints, absent: Ints = _NONE) -> Problem:
    """Return the likelihood bound to data, for derivatives with respect to the parameters with indices `floating`.

    Parameters with indices `absent` are zero at every point that is evaluated and do not float: what they multiply is left out, which keeps
    models with many couplings fast when few are used. The last few problems are kept in the joint likelihood, which never changes, and given
    back for the same arrays of counts.
    """
    alike = [known for known in joint.bound if np.array_equal(known.floating, floating) and np.array_equal(known.absent, absent)]
    for known in alike:
        if _same(known.data, data):
            return known
    batches = [known for known in alike if _is_batch(known.data)] if _is_batch(data) else []
    if batches:
        channels = tuple(map(_with_data, batches[-1].channels, data.counts, data.control))
    else:
        channels = tuple(
            _bind_channel(_present(channel, local, absent), local, counts, control, floating)
            for channel, local, counts, control in zip(joint.channels, joint.local, data.counts, data.control, strict=True)
        )
    floating = np.array(floating, dtype=np.int64)
    multiplicative = joint.constrained[floating]
    for channel in channels:
        multiplicative[channel.target[channel.rule.shape_columns]] = False
    total = sum(float(np.max(counts.sum(axis=-1))) for counts in data.counts)
    problem = Problem(channels, data, floating, np.array(absent), joint.constrained, data.aux, multiplicative, max(total, 1.0))
    joint.bound.append(problem)
    del joint.bound[:-KEPT_PROBLEMS]
    return problem


def _is_batch(data: Data) -> bool:
    """Return whether every channel has its own counts for each point: nothing but the counts then depends on the data set."""
    return all(counts.ndim == 2 for counts in data.counts)


def _with_data(channel: BoundChannel, counts: Floats, control: Floats | None) -> BoundChannel:
    """Return a channel bound to a batch with the counts of another batch."""
    constant = saturated(counts) if control is None else saturated(counts) + saturated(control)
    return replace(channel, counts=counts, control=control, constant=constant)


def _same(one: Data, other: Data) -> bool:
    """Return whether two data sets hold the same arrays of counts and equal constraint centres."""
    arrays = zip((*one.counts, *one.control), (*other.counts, *other.control), strict=True)
    return all(a is b for a, b in arrays) and np.array_equal(one.aux, other.aux)


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


def evaluate_problem(problem: Problem, theta: Floats, rows: Ints) -> Evaluation:
    """Return -2 ln lambda and its gradient.

    Parameters
    ----------
    problem
        From `bind`.
    theta
        All parameters, shape (P, n).
    rows
        Which data set of a batch each point belongs to, shape (P,); not used for single data sets.
    """
    pull = np.where(problem.constrained, theta - _rows(problem.aux, rows), 0.0)
    value = np.einsum("pi,pi->p", pull, pull)
    gradient = 2 * pull[:, problem.floating]
    impossible = np.zeros(len(theta), dtype=np.bool_)
    pieces = []
    for channel in problem.channels:
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


def hessian(problem: Problem, evaluation: Evaluation, chosen: Ints, rows: Ints) -> tuple[Floats, Floats]:
    """Return the Gauss-Newton Hessian and the part from second derivatives of the amplitudes, each (P, n_f, n_f).

    Their sum is the exact Hessian. `chosen` are the positions in the evaluation, `rows` their data sets.
    """
    size = len(problem.floating)
    gauss_newton = np.zeros((len(chosen), size, size))
    second = np.zeros_like(gauss_newton)
    diagonal = np.arange(size)
    gauss_newton[:, diagonal, diagonal] += 2.0 * problem.constrained[problem.floating]
    for channel, piece in zip(problem.channels, evaluation.pieces, strict=True):
        first_part, second_part = _channel_hessian(channel, piece, chosen, rows)
        place = (slice(None), channel.target[:, None], channel.target)
        gauss_newton[place] += first_part
        second[place] += second_part
    return gauss_newton, second


def heights(problem: Problem, theta: Floats, rows: Ints) -> Floats:
    """Return -2 ln lambda alone, shape (P,); see `evaluate_problem` for the parameters."""
    pull = np.where(problem.constrained, theta - _rows(problem.aux, rows), 0.0)
    value: Floats = np.einsum("pi,pi->p", pull, pull)
    for channel in problem.channels:
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
    return heights(bind(joint, data, np.empty(0, dtype=np.int64)), theta, np.arange(len(theta)))


def nll2_gradient(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and its gradient (P, n) at theta of shape (P, n)."""
    evaluation = evaluate_problem(bind(joint, data, np.arange(len(joint.parameters))), theta, np.arange(len(theta)))
    return evaluation.value, evaluation.gradient


def gauss_newton(joint: Joint, theta: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """Return -2 ln lambda (P,), its gradient (P, n) and its Gauss-Newton Hessian (P, n, n) at theta of shape (P, n)."""
    problem, rows = bind(joint, data, np.arange(len(joint.parameters))), np.arange(len(theta))
    evaluation = evaluate_problem(problem, theta, rows)
    return evaluation.value, evaluation.gradient, hessian(problem, evaluation, rows, rows)[0]
