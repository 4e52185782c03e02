"""Where boundaries in a plane are computed, and where they are interpolated: dots on coarse grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.report.style import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from cevnsfit.infer.planes import Region

COARSE: Final = 25
"""Columns with an end of an interval below which these are marked."""

DOTS: Final = "Dots: computed ends of the allowed intervals; the lines between them are interpolated"


def is_coarse(region: Region) -> bool:
    """Return whether a boundary rests on so few computed points that they are marked."""
    return len(region.known) > 0 and min(len(np.unique(values)) for values in region.known.T) < COARSE


def draw_known(ax: Axes, regions: Sequence[Region], *, colour: str) -> list[Artist]:
    """Mark the computed points of coarse boundaries, and return the artists."""
    size = 0.6 * setting("lines.markersize")
    return [
        line for region in regions if is_coarse(region) for line in ax.plot(*region.known.T, "o", color=colour, markersize=size, zorder=4.2)
    ]
