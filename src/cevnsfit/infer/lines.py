"""Along one coupling: which parameters matter, the scale of a coupling, and the grid on which its minima are looked for.

Expected counts are a polynomial in a coupling, sum_k c_k g^k. The scale of the coupling is the value at which its highest power balances the
counts without it, (c_0/c_p)^(1/p): new physics then matters as much as what is there without it, and a mirror of the Standard Model is near.
The curvature of -2 ln lambda in units of the scale depends on exposures alone, not on masses or on the unit of the coupling. So the grid is one
in units of the scale: evenly spaced, or in the logarithm where scans of the parameter are logarithmic. The roots of the counts measure a step:
their change, as a vector over the bins, is half the distance in standard deviations. Steps in which it is more than `RESOLVED` of the root of all
counts of a channel are divided: experiments may have very different scales of their own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.spec.fields import SIGNAL
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.core.parameters import Parameter
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint


POINTS: Final = 161
"""Points of a grid before steps are divided."""

RANGE: Final = (1e-3, 4.0)
"""Smallest and largest value of a grid, in units of the scale."""

SMALL: Final = (1e-5, 1e-4, 1e-3, 1e-2)
"""Further values of a coupling that multiplies another one, in units of the scale."""

RESOLVED: Final = 0.2
"""Change of the roots of the counts of one channel in a step, relative to that of what it has, up to which the step is not divided."""

LADDER: Final = np.linspace(0.1, 2.5, 13)
"""Rungs in units of the scale."""

BESIDE: Final = 0.2
"""Distance from such a rung, in units of the scale, within which there are no others."""

RUNG: Final = 0.1
LOUD: Final = 5.0
"""Change of the roots of the counts from one rung to the next, and counts beyond which there are none, relative to what is observed."""

DIVISIONS: Final = 64
"""Parts of a divided step, at most."""


def effective(joint: Joint) -> tuple[str, ...]:
    """Return the parameters that some template depends on."""
    names: set[str] = set()
    for channel in joint.channels:
        rule = channel.coefficients
        full = np.any(channel.templates != 0, axis=1)
        used = np.any((rule.powers > 0) | (rule.norm_hi != 1) | (rule.norm_lo != 1), axis=0, where=full[:, None])
        shaped = rule.excursion_index[(rule.excursion_kind > 0) & full]
        names |= {name for column, name in enumerate(rule.parameters) if used[column] or column in shaped}
        names |= set() if channel.moving is None else {channel.moving.parameter}
    return tuple(name for name in joint.parameters.names if name in names)


def free_couplings(joint: Joint, at: Mapping[str, object]) -> tuple[str, ...]:
    """Return the couplings that float and that some template depends on."""
    used = effective(joint)
    return tuple(p.name for p in joint.parameters if p.kind == "polynomial" and not p.fixed and p.name not in at and p.name in used)


def curved_couplings(joint: Joint, at: Mapping[str, object]) -> tuple[str, ...]:
    """Return the couplings that float and in which the counts are not linear."""
    free = [i for i, p in enumerate(joint.parameters) if p.kind == "polynomial" and not p.fixed and p.name not in at]
    curved: set[int] = set()
    for channel, local in zip(joint.channels, joint.local, strict=True):
        powers = channel.coefficients.powers * np.isin(local, free)
        rows = powers[powers.sum(axis=1) > 1]
        curved |= {int(local[column]) for column in np.flatnonzero(rows.any(axis=0))}
    return tuple(joint.parameters.names[i] for i in sorted(curved))


def even_couplings(joint: Joint, at: Mapping[str, float]) -> list[int]:
    """Return the indices of the couplings of which the counts know even powers alone, where others are held: -2 ln lambda is stationary at 0."""
    absent = np.array([at.get(p.name, p.default if p.fixed else math.nan) == 0.0 for p in joint.parameters])
    found = []
    for index, parameter in enumerate(joint.parameters):
        others = absent & (np.arange(len(absent)) != index)
        rows = [(channel.coefficients.powers, local) for channel, local in zip(joint.channels, joint.local, strict=True)]
        powers = [power[~(power[:, others[local]] > 0).any(axis=1)][:, local == index] for power, local in rows]
        if parameter.kind == "polynomial" and all(np.all(part % 2 == 0) for part in powers):
            found.append(index)
    return found


def coupling_scale(joint: Joint, name: str) -> float:
    """Return the coupling at which the highest power of `name` matches the signal counts without it, other couplings at zero, those that are held at their values.

    Where there is no such balance it is the default of the coupling, unless that is 0, or the smallest coupling at which one of its templates
    holds as many counts as all that does not depend on it, or as were observed; templates of several couplings count with the others at their
    scales. It is 1 without any effect.
    """
    balanced = _balance(joint, name)
    if balanced is not None:
        return balanced
    index = joint.parameters.index(name)
    if joint.parameters.parameters[index].default != 0.0:
        return abs(joint.parameters.parameters[index].default)
    found = [
        value
        for channel, local in zip(joint.channels, joint.local, strict=True)
        if channel.name != CONSTRAINTS
        for value in _dominances(joint, channel, local == index)
    ]
    return float(min(found, default=1.0))


def coupling_scales(joint: Joint, names: Sequence[str]) -> Floats:
    """Return the scale of each coupling, shape (n,)."""
    return np.array([coupling_scale(joint, name) for name in names])


def _balance(joint: Joint, name: str) -> float | None:
    """Return (A/C)^(1/p) of the signal counts A + ... + C g^p of all channels; None unless both are positive."""
    constant, highest, power = 0.0, 0.0, 0
    for channel in joint.channels:
        rule = channel.coefficients
        if name not in rule.parameters or channel.name == CONSTRAINTS:
            continue
        powers = rule.powers[:, rule.parameters.index(name)]
        held = np.prod(_held(joint, rule.parameters, name) ** rule.powers, axis=1)
        totals = channel.templates.sum(axis=1) * (rule.excursion_kind == 0) * held
        signal = np.array([component == SIGNAL for component in channel.components])
        power = max(power, int(powers.max()))
        constant += float(totals[(powers == 0) & signal].sum())
        highest += float(totals[(powers == power) & (powers > 0)].sum())
    return float((constant / highest) ** (1.0 / power)) if power > 0 and constant > 0.0 and highest > 0.0 else None


def _held(joint: Joint, names: Sequence[str], free: str) -> Floats:
    """Return the values of couplings that are held, 0 for others and 1 for the one that is `free`, shape (n,)."""
    parameters = [joint.parameters[name] for name in names]
    return np.array([1.0 if p.name == free else p.default if p.fixed else 0.0 for p in parameters])


def _dominances(joint: Joint, channel: Channel, column: Bools) -> list[float]:
    """Return the couplings at which the templates of one channel hold as many counts as the rest, the coupling being in one of its columns."""
    rule = channel.coefficients
    content = np.abs(channel.templates).sum(axis=1)
    power = rule.powers[:, column].sum(axis=1)
    plain = (rule.excursion_kind == 0) & (content > 0)
    default = np.array([joint.parameters[name].default for name in rule.parameters])
    rest = float(np.abs(amplitudes(rule, np.where(column, 0.0, default)[None])[0]) @ content)
    rest += 0.0 if channel.control is None else float(np.sum(channel.control.counts / channel.control.ratio))
    if rest <= 0.0 and channel.observed is not None:
        rest = float(np.abs(channel.observed).sum())
    if rest <= 0.0:
        return []
    found = []
    for row in np.flatnonzero(plain & (power > 0)):
        partners = [
            (joint.parameters[name], int(k))
            for name, k in zip(rule.parameters, np.where(column, 0, rule.powers[row]), strict=True)
            if k > 0
        ]
        units = [abs(p.default) if p.fixed else _balance(joint, p.name) if p.kind == "polynomial" else 1.0 for p, _ in partners]
        if all(unit is not None and unit != 0.0 for unit in units):
            size = np.prod([unit**k for unit, (_, k) in zip(units, partners, strict=True) if unit is not None])
            found.append(float((rest / (content[row] * size)) ** (1.0 / power[row])))
    return found


def search_grid(joint: Joint, name: str) -> Floats:
    """Return the values over which minima of `name` are searched, inside the domain, increasing."""
    parameter = joint.parameters[name]
    scale = coupling_scale(joint, name)
    low, high = (max(parameter.lower, -RANGE[1] * scale), min(parameter.upper, RANGE[1] * scale))
    if parameter.scale == "log":
        steps = np.geomspace(*RANGE, POINTS) * min(scale, max(abs(parameter.lower), abs(parameter.upper)))  # the domain may end far below
        steps = np.concatenate([-steps[::-1], [0.0], steps]) if parameter.lower < 0 else steps
        ends = [parameter.lower] if np.isfinite(parameter.lower) else []
        grid = np.concatenate([ends, steps[(steps > parameter.lower) & (steps < parameter.upper)]])
    elif low < high:
        grid = np.linspace(low, high, POINTS)
        if _multiplied(joint, name):  # another coupling, large, makes up for a small one
            small = np.outer((-scale, scale), SMALL).ravel()
            grid = np.concatenate([grid, small[(small > low) & (small < high)]])
    else:  # the domain lies beyond
        grid = np.linspace(parameter.lower, min(parameter.upper, parameter.lower + RANGE[1] * scale), POINTS)
    return divided(joint, name, np.unique(grid))


def _multiplied(joint: Joint, name: str) -> bool:
    """Return whether some template holds the coupling times another one that floats."""
    free = {p.name for p in joint.parameters if p.kind == "polynomial" and not p.fixed} - {name}
    rules = [channel.coefficients for channel in joint.channels if name in channel.coefficients.parameters]
    return any(
        bool(np.any(rule.powers[rule.powers[:, rule.parameters.index(name)] > 0][:, [n in free for n in rule.parameters]]))
        for rule in rules
    )


def divided(joint: Joint, name: str, grid: Floats) -> Floats:
    """Return the grid with the steps divided in which the counts of a channel change more than `RESOLVED`, other parameters at defaults."""
    parts = np.clip(np.ceil(_along(joint, name, grid)[0] / RESOLVED), 1, DIVISIONS).astype(np.int64)
    if parts.max(initial=1) == 1:
        return grid
    cells = [low + (high - low) * np.arange(n) / n for low, high, n in zip(grid[:-1], grid[1:], parts, strict=True)]
    return np.unique(np.append(np.concatenate(cells), grid[-1]))


def rungs(joint: Joint, name: str) -> Floats:
    """Return values of a coupling from which a minimum on each side of a dip can be reached, inside its domain, increasing.

    They are evenly spaced in units of the scale; beyond, and where experiments have scales of their own, the counts of a channel change by a
    `RUNG` from one to the next, up to where they are `LOUD`.
    """
    parameter, scale, grid = joint.parameters[name], coupling_scale(joint, name), search_grid(joint, name)
    even = np.concatenate([-LADDER[::-1], LADDER]) * scale
    even = even[(even > parameter.lower) & (even < parameter.upper)]
    change, loudness = _along(joint, name, grid)
    rung = np.floor(np.append(0.0, np.cumsum(change)) / RUNG)
    further = grid[np.append(True, rung[1:] > rung[:-1]) & (loudness < LOUD) & (grid != 0.0)]
    apart = np.abs(further[:, None] - even).min(axis=1, initial=np.inf)
    return np.union1d(even, further[apart > np.minimum(BESIDE * scale, 0.5 * np.abs(further))])


def _along(joint: Joint, name: str, grid: Floats) -> tuple[Floats, Floats]:
    """Return the largest relative change of the roots of the counts of a channel in each step of a grid (n - 1,) and the largest relative counts (n,).

    Of values with errors, what is in units of these stands for the roots.
    """
    theta = np.tile(joint.parameters.defaults(), (len(grid), 1))
    theta[:, joint.parameters.index(name)] = grid
    change, loudness = np.zeros(len(grid) - 1), np.zeros(len(grid))
    for channel, local in zip(joint.channels, joint.local, strict=True):
        counts = amplitudes(channel.coefficients, theta[:, local]) @ channel.templates
        counts = counts if channel.control is None else counts + channel.control.counts / channel.control.ratio
        roots = np.sqrt(np.maximum(counts, 0.0)) if channel.errors is None else channel.errors.standard(counts)
        total, seen = (roots**2).sum(axis=1), 0.0
        if channel.observed is not None:
            seen = float((channel.observed if channel.errors is None else channel.errors.standard(channel.observed) ** 2).sum())
        known = max(1.0, float(total.min()), seen)
        step = np.sqrt((np.diff(roots, axis=0) ** 2).sum(axis=1))
        change = np.maximum(change, step / np.sqrt(np.maximum(total[:-1], known)))
        loudness = np.maximum(loudness, total / max(known, 10.0))
    return change, loudness


def wider(values: Floats, parameter: Parameter, *, low: bool, high: bool) -> Floats:
    """Return values with as wide a range again at the open ends (a factor on a logarithmic scale), inside the domain."""
    first, last, span = float(values[0]), float(values[-1]), float(values[-1] - values[0])
    parts = [values]
    if low and first > parameter.lower:
        step = span if parameter.scale == "linear" else (RANGE[1] - 1.0) * max(abs(first), span * 1e-3)
        parts.append(np.linspace(max(first - step, parameter.lower), first, POINTS // 2))
    if high and last < parameter.upper and parameter.scale == "linear":
        parts.append(np.linspace(last, min(last + span, parameter.upper), POINTS // 2))
    elif high and last < parameter.upper:
        parts.append(np.geomspace(last, min(last * RANGE[1], parameter.upper), POINTS // 4))
    return np.unique(np.concatenate(parts))
