"""-2 ln lambda of counts in bins against the saturated model, with slope and curvature in the expected counts.

Plain Poisson bins, 2 (mu - n + n ln(n/mu)); an empty bin is 2 mu, linear also for mu < 0. Where events were seen and
mu < `FLOOR` the function goes on as the parabola with the value, slope and curvature it has at `FLOOR`: convex, finite, and so steep that
no minimum lies there unless the model has nothing in that bin; such a solution is reported as invalid by `impossible`.

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
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FLOOR: Final = 1e-10
"""Expected counts below which a bin with events is continued by a parabola."""

COUNTED: Final = 1e-6
"""Counts above which a bin has events (Asimov counts are not whole)."""


class OnOff(NamedTuple):
    """On/off bins: -2 ln lambda (P,), its slope in s (P, nb), expected counts s + b (P, nb) and background b (P, nb)."""

    value: Floats
    slope: Floats
    total: Floats
    background: Floats


def saturated(counts: Floats) -> Floats:
    """Return 2 sum(n ln n - n) over the last axis."""
    logs = np.log(np.where(counts > 0, counts, 1.0))
    result: Floats = 2 * np.sum(counts * logs - counts, axis=-1)
    return result


def poisson(mu: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return -2 ln lambda without the saturated constant, shape (P,), and its slope in mu, shape (P, nb).

    Parameters
    ----------
    mu
        Expected counts, shape (P, nb).
    counts
        Counts, shape (nb,) or (P, nb).
    """
    inside = np.where(counts > 0, np.maximum(mu, FLOOR), 1.0)
    logs = np.log(inside)
    value = 2 * mu.sum(axis=1)
    value -= 2 * (logs @ counts if counts.ndim == 1 else np.einsum("pb,pb->p", logs, counts))
    slope = 2 - 2 * counts / inside
    below = (mu < FLOOR) & (counts > 0)
    if below.any():
        depth = np.where(below, mu - FLOOR, 0.0)
        pull = 2 * counts / FLOOR
        value += np.sum(-pull * depth + 0.5 * pull / FLOOR * depth**2, axis=1)
        slope += pull / FLOOR * depth
    return value, slope


def poisson_weight(mu: Floats, counts: Floats) -> Floats:
    """Return the curvature in mu, 2 n/mu^2 (at `FLOOR` below it), shape (P, nb)."""
    inside = np.maximum(mu, FLOOR)
    result: Floats = 2 * counts / inside / inside
    return result


def on_off(signal: Floats, counts: Floats, control: Floats, ratio: float) -> OnOff:
    """Return the on/off pieces with the background profiled, without the saturated constants.

    Parameters
    ----------
    signal
        Expected counts s of everything but the measured background, shape (P, nb).
    counts, control
        n and m, shape (nb,) or (P, nb).
    ratio
        t, expected control counts per expected background count.
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
    constant = 2 * np.log(ratio) * np.sum(control, axis=-1)
    return OnOff(2 * bins.sum(axis=1) - constant, slope, total, background)


def on_off_weight(pieces: OnOff, counts: Floats, control: Floats) -> Floats:
    """Return the curvature in s, 2 a c/(a + c) with a = n/(s + b)^2 and c = m/b^2, shape (P, nb); 2 a where b = 0."""
    total, background = pieces.total, pieces.background
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = counts * control / (counts * background**2 + control * total**2)
        alone = counts / total**2
    result: Floats = 2 * np.where(counts > 0, np.where(background > 0, shared, alone), 0.0)
    return result


def impossible(mu: Floats, counts: Floats) -> NDArray[np.bool_]:
    """Return whether a point expects nothing (mu <= `FLOOR`) in a bin with events, shape (P,)."""
    result: NDArray[np.bool_] = np.any((mu <= FLOOR) & (counts > COUNTED), axis=1)
    return result
