"""Arrival times seen by a detector, in s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

PANEL: Final = 50e-9
"""Longest panel of the quadrature [s]; pulses are wider."""

STEP: Final = 5e-9
"""Step of the grid on which delays act [s], unless the window is long."""

ROOM: Final = 2e-6
"""Least time before and after a window in which delayed times are known [s]: shifts go that far."""

_ORDER: Final = 8


def exponential_efficiency(t: NDArray[np.float64], start: float, rate: float) -> NDArray[np.float64]:
    """Return 1 below `start` and exp(-rate (t - start)) above, shape of `t`.

    Parameters
    ----------
    t
        Time [s].
    start
        Where the loss sets in [s], 0.52e-6 for CsI (2110.07730).
    rate
        Loss per time [1/s], 0.0494e6 for CsI (2110.07730).
    """
    return np.exp(-rate * np.maximum(t - start, 0.0))


def bin_probabilities(
    density: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    edges: NDArray[np.float64],
    efficiency: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    *,
    kinks: Sequence[float] = (),
) -> NDArray[np.float64]:
    """Return the integral of density(t) efficiency(t) over each time bin, shape (nbins,), or (m, nbins).

    Composite Gauss-Legendre quadrature with panels of at most `PANEL`.

    Parameters
    ----------
    density
        Density of arrival times [1/s] as a function of time [s], shape (n,) to shape (n,), or (m, n) for several at once.
    edges
        Bin edges [s], shape (nbins + 1,).
    efficiency
        Efficiency as a function of time [s]; None means 1.
    kinks
        Times [s] at which density or efficiency is not smooth; panels end there.
    """
    inner = [kink for kink in kinks if edges[0] < kink < edges[-1]]
    cuts = np.unique(np.concatenate([edges, inner]))
    wide = [(low, high, number) for low, high, number in zip(cuts, cuts[1:], np.ceil(np.diff(cuts) / PANEL), strict=False) if number > 1]
    bounds = np.unique(np.concatenate([cuts, *(np.linspace(low, high, int(number) + 1) for low, high, number in wide)]))
    half, centre = np.diff(bounds) / 2, (bounds[1:] + bounds[:-1]) / 2
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    times = (centre[:, None] + half[:, None] * nodes).ravel()
    values = density(times) if efficiency is None else density(times) * efficiency(times)
    integrals = half * (values.reshape(*values.shape[:-1], -1, _ORDER) @ weights)
    return np.asarray(np.add.reduceat(integrals, np.searchsorted(bounds, edges[:-1]), axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Delay:
    """By how much later an event is recorded than it happens.

    Attributes
    ----------
    below
        Probability of a delay below a time [s], shape (n,) to shape (n,).
    low, high
        Where it is 0 and 1 [s].
    """

    below: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    low: float
    high: float


def exponential_delay(delay: float, decay: float) -> Delay:
    """Return a fixed delay and an exponential with the time constant `decay`, in s."""
    return Delay(lambda t: -np.expm1(-np.maximum(t - delay, 0.0) / decay), delay, delay + 35.0 * decay)


def gaussian_delay(delay: float, sigma: float) -> Delay:
    """Return a normal distribution around a delay, in s."""
    return Delay(lambda t: np.asarray(ndtr((t - delay) / sigma)), delay - 8.0 * sigma, delay + 8.0 * sigma)


def tabulated_delay(times: NDArray[np.float64], density: NDArray[np.float64]) -> Delay:
    """Return the distribution whose density is linear between points at increasing times [s], 0 beyond them, in any normalisation."""
    from scipy.interpolate import make_interp_spline

    total = make_interp_spline(times, density, k=1).antiderivative()
    start, whole = total(times[0]), total(times[-1]) - total(times[0])
    return Delay(lambda t: (total(np.clip(t, times[0], times[-1])) - start) / whole, float(times[0]), float(times[-1]))


def recorded(
    below: Callable[[NDArray[np.float64]], NDArray[np.float64]], delays: Sequence[Delay], edges: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the density [1/s] of the times at which events are recorded.

    The distribution function is convolved on a grid that is fine against pulses, and a cubic spline between; it holds within the length of the
    window of its edges, and within `ROOM`.

    Parameters
    ----------
    below
        Probability that they happen between the first of some increasing times [s] and each of these.
    delays
        What happens to them one after the other.
    edges
        Bin edges of the analysis [s].
    """
    from scipy.interpolate import CubicSpline

    window, low, high = edges[-1] - edges[0], sum(entry.low for entry in delays), sum(entry.high for entry in delays)
    step, room = max(STEP, (window + high - low) / 20_000), max(window, ROOM)
    count = int(np.ceil((window + 2.0 * room + high - low) / step))
    grid = edges[0] - room - high + step * np.arange(count + 1)
    total, first = below(grid), 0
    for entry in delays:
        places = np.arange(np.floor(entry.low / step), np.ceil(entry.high / step) + 1.0)
        shares = np.diff(entry.below(step * np.append(places - 0.5, places[-1] + 0.5)))
        total, first = np.convolve(total, shares / shares.sum())[: len(grid)], first + int(places[0])
    curve = CubicSpline(grid + first * step, total, extrapolate=False).derivative()
    return lambda t: np.nan_to_num(np.maximum(curve(t), 0.0))
