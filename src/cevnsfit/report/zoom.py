"""Where an exclusion plot needs a magnified view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Plane, PlaneAxis, Region

    Window = tuple[float, float, float, float]

_NARROW: Final = 0.025
_FEWEST: Final = 3
_SPAN: Final = 0.1
_MARGIN: Final = 0.15


def narrow_window(plane: Plane, regions: Sequence[Region]) -> Window | None:
    """Return a window (x low, x high, y low, y high) around the end of a narrow allowed band, or None where there is none.

    A band is narrow when the exact allowed interval spans less than 2.5 % of the axis and has an end on either side inside the domain;
    it is a band when at least three columns show it, and half of all intervals with two such ends are narrow: the tips of islands are none.
    The window covers at most a tenth of the first axis, at the side where the band is found at the largest values.

    Parameters
    ----------
    plane, regions
        The plane, and its regions; the one of the lowest confidence level counts.
    """
    if not regions:
        return None
    region = min(regions, key=lambda each: each.cl)
    edges = position(plane.x.values, plane.x)
    found = [(x, *position(np.array(interval), plane.y)) for x, column in zip(edges, region.columns, strict=True) for interval in column]
    closed = np.array([interval for interval in found if interval[1] > 0.0 and interval[2] < 1.0]).reshape(-1, 3)
    bands = closed[closed[:, 2] - closed[:, 1] < _NARROW]
    if len(bands) < max(_FEWEST, len(closed) / 2):
        return None
    right = float(bands[:, 0].max())
    shown = bands[bands[:, 0] >= right - _SPAN]
    entered = max(right - _SPAN, float(bands[:, 0].min()))
    lows, highs = (np.interp(entered, bands[:, 0], bands[:, side]) for side in (1, 2))
    bottom, top = min(float(shown[:, 1].min()), float(lows)), max(float(shown[:, 2].max()), float(highs))
    pad = _MARGIN * max(top - bottom, _NARROW)
    x_ends = value(np.clip([right - _SPAN, right], 0.0, 1.0), plane.x)
    y_ends = value(np.clip([bottom - pad, top + pad], 0.0, 1.0), plane.y)
    return (*x_ends, *y_ends)


def position(values: NDArray[np.float64], axis: PlaneAxis) -> NDArray[np.float64]:
    """Return the positions of values on the drawn axis, 0 at its lower and 1 at its upper end."""
    low, high = float(axis.values[0]), float(axis.values[-1])
    if axis.scale == "log":
        return np.asarray(np.log(np.fmax(values, low) / low) / np.log(high / low))
    return np.asarray((values - low) / (high - low))


def value(positions: NDArray[np.float64], axis: PlaneAxis) -> tuple[float, float]:
    """Return the values at two positions on the drawn axis."""
    low, high = float(axis.values[0]), float(axis.values[-1])
    first, last = low * (high / low) ** positions if axis.scale == "log" else low + (high - low) * positions
    return float(first), float(last)
