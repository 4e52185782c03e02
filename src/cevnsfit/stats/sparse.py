"""The bins with events of each data set of a batch, where these are few among many: each data set is compared with its own bins alone.

Bins without events are just 2 mu, and enter through sums over all bins. They must not become negative: the depth of a bin is linear in the factors of
the templates, and in a block of bins at least the sum of max(f, 0) min + min(f, 0) max, with the ends of each template in the block. Only bins
of blocks in which that is negative are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Floats, Ints


FEW: Final = 8
"""A batch is sparse where it has this many times more bins than any of its data sets has bins with events."""

MANY: Final = 3000
"""Bins below which matrix products with all of them are as fast."""

BLOCK: Final = 16
"""Bins of a block."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnBins:
    """Templates for the bins with events of each data set.

    `bins` (P, N) are those of `own_counts`, `templates` (nb, K) are in all bins, `single` the active ones in single precision; `least` and `most` (K, blocks) are their ends in each block, over what
    the bins hold.
    """

    bins: Ints
    templates: Floats
    single: NDArray[np.float32]
    least: Floats
    most: Floats

    def at(self, rows: Ints) -> Floats:
        """Return the templates in the bins of some data sets, shape (P, K, N)."""
        taken: Floats = self.templates.take(self.bins[rows], axis=0).transpose(0, 2, 1)
        return taken

    def roughly_at(self, rows: Ints) -> NDArray[np.float32]:
        """Return `at` in single precision, as Hessians need it."""
        taken: NDArray[np.float32] = self.single.take(self.bins[rows], axis=0).transpose(0, 2, 1)
        return taken

    def depth(self, factors: Floats, empty: Floats, rows: Ints, *, pressed: bool = False) -> Floats | None:
        """Return the depths of bins without events, shape (P, nb), 1 for others; None where none is negative, unless they are `pressed`.

        `factors` (P, K) are those of the templates, `empty` (K, nb) the templates over what the bins hold.
        """
        low = np.maximum(factors, 0.0) @ self.least + np.minimum(factors, 0.0) @ self.most < 0.0
        bins = (np.flatnonzero(low.any(axis=0))[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        if not pressed and (factors @ empty[:, bins[bins < empty.shape[1]]]).min(initial=0.0) >= 0.0:
            return None
        found = factors @ empty
        np.put_along_axis(found, self.bins[rows], 1.0, axis=1)
        return found


def own_counts(counts: Floats) -> tuple[Ints, Floats] | None:
    """Return the bins with events of each data set of a batch (P, nb), and the counts there; None where they are not few, or a data set has none.

    Both have the shape (P, N): data sets with fewer bins are filled up with their first one, whose further counts are 0.
    """
    if counts.ndim == 1 or counts.shape[1] < MANY:
        return None
    sets, where = np.nonzero(counts)
    sizes = np.bincount(sets, minlength=len(counts))
    if not sizes.all() or sizes.max(initial=1) * FEW > counts.shape[1]:
        return None
    first = np.cumsum(sizes) - sizes
    bins = np.repeat(where[first][:, None], sizes.max(), axis=1)
    place, own = np.arange(len(sets)) - np.repeat(first, sizes), np.zeros(bins.shape)
    bins[sets, place], own[sets, place] = where, counts[sets, where]
    return bins, own


def own_bins(bins: Ints, templates: Floats, empty: Floats, active: Ints) -> OwnBins:
    """Return templates (K, nb) for the bins of each data set (P, N); `empty` (K, nb) are they over what the bins hold."""
    begins = np.arange(0, empty.shape[1], BLOCK)
    ends = (np.minimum.reduceat(empty, begins, axis=1), np.maximum.reduceat(empty, begins, axis=1))
    return OwnBins(bins, np.ascontiguousarray(templates.T), np.ascontiguousarray(templates[active].T, dtype=np.float32), *ends)
