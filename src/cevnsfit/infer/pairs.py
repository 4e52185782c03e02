"""Densities of two parameters at a time, from draws of a posterior, with the contours that hold given parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.core.arrays import Floats


CONTENTS: Final = (0.68, 0.95)
"""Parts of a posterior in the regions of highest density."""

_BINS: Final = 36
_RANGE: Final = (5e-4, 1.0 - 5e-4)
_SMOOTH: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The density of two parameters.

    Attributes
    ----------
    names
        The parameters.
    x, y
        Values at which the density is given, shapes (n,) and (m,).
    density
        Per cell, smoothed by one cell, shape (n, m).
    levels
        Densities at the boundaries of the regions of highest density that hold `CONTENTS`, decreasing.
    """

    names: tuple[str, str]
    x: Floats
    y: Floats
    density: Floats
    levels: tuple[float, ...]


def edges_of(values: Floats, *, log: bool, bins: int = _BINS) -> Floats:
    """Return the edges of bins that hold all but a thousandth of some values, equal in their logarithm where it is asked for, shape (bins + 1,)."""
    low, high = np.quantile(values, _RANGE)
    high = high if high > low else low + max(abs(low), 1.0) * 1e-6
    return np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)


def pair(names: tuple[str, str], draws: Sequence[Floats], logs: Sequence[bool], contents: Sequence[float] = CONTENTS) -> Pair:
    """Return the density of two parameters.

    A region is made of whole cells, taken in the order of their smoothed density until they hold their part of the draws: smoothing does not widen it.

    Parameters
    ----------
    names
        The parameters.
    draws
        Draws of each of the two, shape (N,).
    logs
        Whether the density is that of the logarithm.
    contents
        Fractions of the draws that the regions hold.
    """
    edges = [edges_of(values, log=log) for values, log in zip(draws, logs, strict=True)]
    counts = np.histogram2d(draws[0], draws[1], bins=edges)[0]
    density = gaussian_filter(counts, _SMOOTH, mode="reflect")
    order = np.argsort(-density, axis=None, kind="stable")
    held = np.cumsum(counts.ravel()[order]) / len(draws[0])
    last = np.minimum(np.searchsorted(held, contents), len(held) - 1)
    levels = tuple(float(level) for level in density.ravel()[order][last])
    x, y = (_middles(ends, log=log) for ends, log in zip(edges, logs, strict=True))
    return Pair(names, x, y, np.pad(density, 1, mode="edge"), levels)


def _middles(edges: Floats, *, log: bool) -> Floats:
    """Return both ends and the middles of bins, shape (bins + 2,)."""
    inside = np.sqrt(edges[1:] * edges[:-1]) if log else 0.5 * (edges[1:] + edges[:-1])
    return np.concatenate([edges[:1], inside, edges[-1:]])
