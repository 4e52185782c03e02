"""Where boundaries in a plane are computed, and where they are interpolated: dots on coarse grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.report.style import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from cevnsfit.infer.planes import Plane, Region

COARSE: Final = 25
"""Columns with an end of an interval below which these are marked."""

DOTS: Final = "Dots: computed ends of the allowed intervals; the lines between them are interpolated"


def is_coarse(plane: Plane, region: Region) -> bool:
    """Return whether a boundary rests on so few columns that its computed points are marked."""
    upright = np.isin(region.known[:, 0], plane.x.values).all()
    return 0 < len(np.unique(region.known[:, 0 if upright else 1])) < COARSE


def draw_known(ax: Axes, plane: Plane, regions: Sequence[Region], *, colour: str) -> list[Artist]:
    """Mark the computed points of coarse boundaries, and return the artists."""
    size, coarse = 0.6 * setting("lines.markersize"), [region for region in regions if is_coarse(plane, region)]
    return [dots for region in coarse for dots in ax.plot(*region.known.T, "o", color=colour, markersize=size, zorder=4.2)]
