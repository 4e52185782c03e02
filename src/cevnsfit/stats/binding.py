"""A joint likelihood bound to data and to what floats: what every evaluation shares is prepared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.stats.moving import BoundMoving
from cevnsfit.stats.poisson import FLOOR, saturated
from cevnsfit.stats.rule import compile_rule, evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.stats.channel import Channel, Coefficients
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.rule import Rule

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_PAIR_NUMBERS: Final = 16_000_000
"""Largest table of template products (64 MB)."""

NEGLIGIBLE: Final = 1e-30
"""Products of templates (their largest entry is 1) that are left out. No weight exceeds 2 n/`FLOOR`^2, about 1e20; smaller numbers would be
denormal in single precision, which makes matrix products several times slower."""

SOFT: Final = 100.0
"""Stiffness with which a minimiser begins."""

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
    moving: BoundMoving | None = None


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
    moving = _bound_moving(channel, columns, kept, content, _seen(counts, control))
    if counts.ndim == 1:
        seen = counts + (0.0 if control is None else control) > 0
        empty, strongest = np.ascontiguousarray(empty[:, ~seen]), strongest[~seen]
        if control is None:
            templates, counts = np.ascontiguousarray(templates[:, seen]), counts[seen]
    active = _active(rule, merge)
    pairs, pair_of = (
        _pairs(templates, active, len(columns)) if moving is None else (None, np.zeros((len(active), len(active)), dtype=np.int64))
    )
    target = np.array([position[int(local[column])] for column in columns], dtype=np.int64)
    return BoundChannel(
        rule, local, target, merge, templates, sums, empty, strongest, counts, control, ratio, constant, active, pairs, pair_of, moving
    )


def _seen(counts: Floats, control: Floats | None) -> NDArray[np.bool_] | None:
    """Return which bins have counts; None for a batch."""
    return None if counts.ndim == 2 else counts + (0.0 if control is None else control) > 0


def _bound_moving(channel: Channel, columns: Ints, kept: Ints, content: Floats, seen: NDArray[np.bool_] | None) -> BoundMoving | None:
    """Return what moves in a channel, given the local parameters that float, the rows that are kept and the bins with counts."""
    moving = None if channel.moving is None else channel.moving.kept(kept)
    if moving is None:
        return None
    local = channel.coefficients.parameters.index(moving.parameter)
    column = next((place for place, one in enumerate(columns) if one == local), -1)
    everything = np.arange(len(content))
    empty = everything if seen is None else everything[~seen]
    templates = everything if seen is None or channel.control is not None else everything[seen]
    return BoundMoving(moving, local, column, templates, empty, content[empty])


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
