"""A joint likelihood bound to data and to what floats: what every evaluation shares is prepared once."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.stats.channel import SPLINES
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.moving import BoundMoving
from cevnsfit.stats.poisson import FLOOR, saturated
from cevnsfit.stats.rule import compile_rule, evaluate
from cevnsfit.stats.sparse import OwnBins, own_bins, own_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.stats.channel import Channel, Coefficients
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.gaussian import Errors
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.moving import Moving
    from cevnsfit.stats.rule import Rule


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
    largest force on them. `target` places the local floating parameters among all floating ones. Where the data sets of a batch have events in few of
    many bins, `own` are these, and `counts` theirs.
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
    ratio: float | Floats
    constant: Floats
    active: Ints
    pairs: NDArray[np.float32] | None
    pair_of: Ints
    moving: BoundMoving | None = None
    errors: Errors | None = None
    own: OwnBins | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BoundLikelihood:
    """A joint likelihood bound to data and to the floating parameters (indices, n_f of them).

    `lower` and `upper` are the ends of the domains of the latter; `multiplicative` marks the constrained ones that only scale templates; `stiff` are the
    inverse variances of their constraints with all else held, 0 without one; `total` is the number
    of events, or the square of values in units of their errors (largest of a batch). `stiffness` and `pressure` (P, ne) of each channel keep bins without
    events from being negative, `floor` those with events.
    """

    channels: tuple[BoundChannel, ...]
    floating: Ints
    lower: Floats
    upper: Floats
    constrained: Bools
    aux: Floats
    multiplicative: Bools
    stiff: Floats
    total: float
    stiffness: float = SOFT
    pressure: tuple[Floats, ...] = ()
    floor: float = FLOOR

    @property
    def exact(self) -> BoundLikelihood:
        """Return it without products of templates, which are in single precision: Hessians take the Jacobian of the counts."""
        return replace(self, channels=tuple(replace(channel, pairs=None) for channel in self.channels))


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


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A channel with its data, whatever its templates are: what the likelihoods at all values of the nonlinear parameters share.

    `kept` are the templates that are not left out, `held` (kept,) their amplitudes at the defaults; `seen` (nb,) are the bins with counts, None for
    a batch, and all where they have errors; `own` are the bins with events of each data set of a batch, where they are few. The rest is that of a
    `BoundChannel`.
    """

    rule: Rule
    local: Ints
    target: Ints
    kept: Ints
    held: Floats
    seen: Bools | None
    counts: Floats
    control: Floats | None
    ratio: float | Floats
    constant: Floats
    coefficients: Coefficients
    errors: Errors | None
    own: Ints | None = None

    def fits(self, channel: Channel) -> bool:
        """Return whether the channel has the same rule, errors and control region."""
        same = channel.coefficients is self.coefficients and channel.errors is self.errors
        return same and (channel.control is None or np.array_equal(channel.control.ratio, self.ratio))


@functools.lru_cache(maxsize=64)
def _compiled(coefficients: Coefficients, kept: bytes, columns: bytes) -> Rule:
    """Return the rule of the `kept` templates for derivatives in some columns: likelihoods at other masses have the same coefficients."""
    return compile_rule(coefficients.take(np.frombuffer(kept, dtype=np.int64)), np.frombuffer(columns, dtype=np.int64))


def _frame(joint: Joint, place: int, data: Data, floating: Ints, absent: Ints) -> Frame:
    """Return one channel with its data, prepared for derivatives in `floating`, without the templates that `absent` removes."""
    channel, local, counts, control = joint.channels[place], joint.local[place], data.counts[place], data.control[place]
    kept = _present(channel.coefficients, np.isin(local, absent))
    position = {int(index): number for number, index in enumerate(floating)}
    columns = np.array([column for column, index in enumerate(local) if int(index) in position], dtype=np.int64)
    rule = _compiled(channel.coefficients, kept.tobytes(), columns.tobytes())
    target = np.array([position[int(local[column])] for column in columns], dtype=np.int64)
    held = evaluate(rule, joint.parameters.defaults()[None, local]).amplitudes[0]
    seen = counts + (0.0 if control is None else control) > 0 if counts.ndim == 1 else None
    ratio: float | Floats = 1.0
    few = own_counts(counts) if channel.errors is None and channel.control is None and channel.moving is None else None
    own, counts = (None, counts) if few is None else few
    constant = saturated(counts) if channel.errors is None else np.zeros(counts.shape[:-1])
    if channel.errors is not None:
        seen = np.ones(counts.shape[-1], dtype=np.bool_)
    elif channel.control is not None and control is not None:
        constant, ratio = constant + saturated(control), channel.control.ratio
    elif seen is not None:
        counts = counts[seen]
    return Frame(rule, local, target, kept, held, seen, counts, control, ratio, constant, channel.coefficients, channel.errors, own)


def _bind_channel(frame: Frame, merge: Floats, templates: Floats, moving: Moving | None, *, paired: bool) -> BoundChannel:
    """Return a channel with its distinct templates, and what moves of them."""
    if len(frame.kept) < len(merge):
        used = np.any(merge[frame.kept] != 0, axis=0)
        merge, templates = merge[np.ix_(frame.kept, used)], templates[used]
    content = np.abs(frame.held @ merge) @ np.abs(templates)
    content = np.where(content > 0, np.clip(content, *CONTENT), CONTENT[1])
    counted = frame.errors is None and frame.control is None
    sums, strongest = templates.sum(axis=1) if counted else np.zeros(len(templates)), np.full(len(content), np.inf)
    if frame.control is not None:
        strongest = 2.0 * (1.0 + frame.ratio) * content
    empty = templates / content
    bound = None if moving is None else _bound_moving(frame, moving, content)
    if frame.seen is not None:
        empty, strongest = np.ascontiguousarray(empty[:, ~frame.seen]), strongest[~frame.seen]
        if counted:
            templates = np.ascontiguousarray(templates[:, frame.seen])
    active = _active(frame.rule, merge)
    own = None if frame.own is None else own_bins(frame.own, templates, empty, active)
    paired = paired and bound is None and own is None and frame.errors is None
    pairs, pair_of = _pairs(templates, active, len(frame.target)) if paired else (None, _NONE)
    return BoundChannel(
        frame.rule, frame.local, frame.target, merge, templates, sums, empty, strongest,
        frame.counts, frame.control, frame.ratio, frame.constant, active, pairs, pair_of, bound, frame.errors, own,
    )  # fmt: skip


def _bound_moving(frame: Frame, moving: Moving, content: Floats) -> BoundMoving | None:
    """Return what moves among the rows that are kept."""
    kept = moving.kept(frame.kept)
    if kept is None:
        return None
    constants = np.zeros((len(frame.kept), *kept.constants.shape[1:]))
    constants[kept.rows] = kept.constants
    kept = replace(kept, rows=np.arange(len(constants)), constants=constants)
    local = frame.coefficients.parameters.index(moving.parameter)
    column = next((place for place, one in enumerate(frame.rule.floating) if one == local), -1)
    everything = np.arange(len(content))
    empty = everything if frame.seen is None else everything[~frame.seen]
    templates = everything if frame.seen is None or frame.control is not None else everything[frame.seen]
    return BoundMoving(kept, local, column, templates, empty, content[empty])


def _present(rule: Coefficients, zero: Bools) -> Ints:
    """Return the templates whose amplitude does not vanish where the local parameters marked `zero` are zero."""
    vanishing = (rule.powers[:, zero] > 0).any(axis=1)
    bent = (rule.excursion_kind > 0) & (rule.excursion_kind < SPLINES)
    vanishing |= bent & zero[rule.excursion_index] if len(zero) else False
    return np.flatnonzero(~vanishing)


def frames(joint: Joint, data: Data, floating: Ints, absent: Ints = _NONE) -> tuple[Frame, ...]:
    """Return the channels with data, for `bind`; see `bind_data` for the parameters."""
    return tuple(_frame(joint, place, data, floating, absent) for place in range(len(joint.channels)))


def bind_data(joint: Joint, data: Data, floating: Ints, absent: Ints = _NONE) -> BoundLikelihood:
    """Return the likelihood bound to data, for derivatives with respect to the parameters with indices `floating`.

    Parameters with indices `absent` are zero at every point that is evaluated and do not float: what they multiply is left out, which keeps
    models with many couplings fast when few are used.
    """
    return bind(joint, data, floating, frames(joint, data, floating, absent))


def bind(joint: Joint, data: Data, floating: Ints, known: Sequence[Frame], *, paired: bool = True) -> BoundLikelihood:
    """Return `bind_data` with the `known` frames of this likelihood at any nonlinear parameters; Hessians of few points do not need products: `paired`."""
    parts = zip(known, joint.merge, joint.distinct, joint.channels, strict=True)
    channels = tuple(_bind_channel(frame, merge, templates, channel.moving, paired=paired) for frame, merge, templates, channel in parts)
    floating = np.array(floating, dtype=np.int64)
    multiplicative = np.array([p.constrained for p in joint.parameters], dtype=np.bool_)[floating]
    for channel in channels:
        multiplicative[channel.target[channel.rule.excursion_columns]] = False
    stiff = joint.constrained[floating].astype(np.float64)
    for channel, own in zip(channels, joint.channels, strict=True):
        if own.name == CONSTRAINTS and channel.errors is not None and channel.errors.precision is not None:
            stiff[channel.target] = np.diag(channel.errors.precision)[channel.rule.floating]
    seen = zip(joint.channels, data.counts, strict=True)
    sizes = (counts if channel.errors is None else channel.errors.standard(counts) ** 2 for channel, counts in seen)
    total = sum(float(np.max(size.sum(axis=-1), initial=0.0)) for size in sizes)
    lower, upper = joint.parameters.domains()
    return BoundLikelihood(
        channels, floating, lower[floating], upper[floating], joint.constrained, data.aux, multiplicative, stiff, max(total, 1.0)
    )
