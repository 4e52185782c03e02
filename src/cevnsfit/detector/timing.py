"""Arrival times seen by a detector, in s."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

PANEL: Final = 50e-9
"""Longest panel of the quadrature [s]; pulses are wider."""

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
    panels = [np.linspace(low, high, int(np.ceil((high - low) / PANEL)) + 1) for low, high in pairwise(cuts)]
    bounds = np.unique(np.concatenate(panels))
    half, centre = np.diff(bounds) / 2, (bounds[1:] + bounds[:-1]) / 2
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    times = (centre[:, None] + half[:, None] * nodes).ravel()
    values = density(times) if efficiency is None else density(times) * efficiency(times)
    integrals = half * (values.reshape(*values.shape[:-1], -1, _ORDER) @ weights)
    inside = (centre[:, None] >= edges[:-1]) & (centre[:, None] < edges[1:])
    return np.asarray(integrals @ inside)
