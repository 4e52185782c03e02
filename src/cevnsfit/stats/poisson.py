"""-2 ln lambda of counts in bins against the saturated model, with slope and curvature in the expected counts.

Plain Poisson bins, 2 (mu - n + n ln(n/mu)); it is infinite where mu < 0, and where events were seen and mu = 0. A minimiser needs more: where
events were seen and mu is below a floor the function goes on as the parabola with the value, slope and curvature it has there: convex, finite, and
with `FLOOR` so steep that no minimum lies there unless the model has nothing in that bin; such a solution is `blocked`. An empty bin is 2 mu, for
mu < 0 too: `stats.engine` keeps it at 0 or above.

On/off bins, n ~ Poisson(s + b) and m ~ Poisson(t b), with b at its maximum: the larger root of
(1 + t) b^2 + ((1 + t) s - n - m) b - m s = 0, whose discriminant ((1 + t) s + m - n)^2 + 4 n m is never negative.
The profile of a function convex in (s, b) is convex in s, so it needs no floor.

References
----------
Baker and Cousins, NIM 221 (1984) 437, eq. 18; Rolke, Lopez, Conrad, NIM A 551 (2005) 493, section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Bools, Floats


FLOOR: Final = 1e-10
"""Expected counts below which a bin with events is continued by a parabola."""

COUNTED: Final = 1e-6
"""Counts above which a bin has events (Asimov counts are not whole)."""


class Events(NamedTuple):
    """Plain bins: -2 sum n ln mu (P,), 2 n/mu (P, nb), mu mirrored at the floor (P, nb), whether it is below in a bin with events (P,).

    The slope in mu of -2 ln lambda is 2 - pull, its curvature pull/mu.
    """

    value: Floats
    pull: Floats
    mu: Floats
    blocked: Bools


class OnOff(NamedTuple):
    """On/off bins: -2 ln lambda (P,), its slope in s (P, nb), s + b (P, nb), b (P, nb); no point is blocked (P,)."""

    value: Floats
    slope: Floats
    total: Floats
    background: Floats
    blocked: Bools


def saturated(counts: Floats) -> Floats:
    """Return 2 sum(n ln n - n) over the last axis."""
    logs = np.log(np.where(counts > 0, counts, 1.0))
    result: Floats = 2 * np.sum(counts * logs - counts, axis=-1)
    return result


def events(mu: Floats, counts: Floats, floor: float = FLOOR) -> Events:
    """Return the part -2 sum n ln mu of -2 ln lambda; the rest is 2 sum mu and the saturated constant.

    Parameters
    ----------
    mu
        Expected counts, shape (P, nb).
    counts
        Counts, shape (nb,) or (P, nb).
    floor
        Expected counts at which the parabola begins.
    """
    lowest = mu.min(axis=1, initial=np.inf)
    fine = bool(np.all(lowest > floor))
    inside = mu if fine else np.maximum(mu, floor)
    logs = np.log(inside)
    value = -2 * (logs @ counts if counts.ndim == 1 else np.einsum("pb,pb->p", logs, counts))
    pull = np.divide(2 * counts, inside)
    blocked = np.zeros(len(mu), dtype=np.bool_)
    if not fine:
        rows = np.flatnonzero(~(lowest > floor))
        seen = counts[rows] if counts.ndim == 2 else counts
        depth = np.minimum(mu[rows] - floor, 0.0)
        steep = 2 * seen / floor
        value[rows] += np.sum(steep * depth * (0.5 * depth / floor - 1), axis=1)
        pull[rows] -= steep / floor * depth
        inside[rows] -= depth
        blocked[rows] = np.any((mu[rows] <= floor) & (seen > COUNTED), axis=1)
    return Events(value, pull, inside, blocked)


def logarithms(mu: Floats, counts: Floats) -> Floats:
    """Return the first of what `events` returns, shape (P,); infinite where the model expects nothing in a bin with events."""
    if not np.all(mu > FLOOR):
        found = events(mu, counts)
        return np.where(found.blocked, np.inf, found.value)
    logs = np.log(mu)
    value: Floats = -2 * (logs @ counts if counts.ndim == 1 else np.einsum("pb,pb->p", logs, counts))
    return value


def on_off(signal: Floats, counts: Floats, control: Floats, ratio: float | Floats) -> OnOff:
    """Return the on/off pieces with the background profiled, without the saturated constants.

    Parameters
    ----------
    signal
        Expected counts s of everything but the measured background, shape (P, nb).
    counts, control
        n and m, shape (nb,) or (P, nb).
    ratio
        t, expected control counts per expected background count, one number or shape (nb,).
    """
    linear = (1 + ratio) * signal - counts - control
    root = np.sqrt(((1 + ratio) * signal + control - counts) ** 2 + 4 * counts * control)
    falling = linear <= 0
    background = np.where(falling, (root - linear) / (2 * (1 + ratio)), 2 * control * signal / np.where(falling, 1.0, linear + root))
    total = signal + background
    with np.errstate(divide="ignore", invalid="ignore"):
        bins = total + ratio * background
        bins -= np.where(counts > 0, counts * np.log(total), 0.0) + np.where(control > 0, control * np.log(background), 0.0)
        unseen = np.where(background > 0, control / background - ratio, 1.0)
        slope = 2 * np.where(counts > 0, 1 - counts / total, unseen)
    constant = 2 * np.sum(control * np.log(ratio), axis=-1)
    return OnOff(2 * bins.sum(axis=1) - constant, slope, total, background, np.zeros(len(signal), dtype=np.bool_))


def on_off_weight(total: Floats, background: Floats, counts: Floats, control: Floats) -> Floats:
    """Return the curvature in s, 2 a c/(a + c) with a = n/(s + b)^2 and c = m/b^2, shape (P, nb); 2 a where b = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = counts * control / (counts * background**2 + control * total**2)
        alone = counts / total**2
    result: Floats = 2 * np.where(counts > 0, np.where(background > 0, shared, alone), 0.0)
    return result
