"""Best fits in a plane: their marks, and what the legend says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cevnsfit.report.style import SCREEN, Look, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from cevnsfit.infer.planes import Plane, PlaneAxis

_SAME: Final = 1e-3
"""Difference of -2 ln lambda at which a best fit is no better than no new physics."""


def without_signal(plane: Plane) -> bool:
    """Return whether the best fit is that without new physics: no coupling, so that a mass means nothing."""
    vanishes = any(plane.best.get(axis.name) == 0.0 or (axis.scale == "log" and _inside(plane, axis)[1] < 0) for axis in plane.axes)
    return vanishes and plane.best["nll2"] > plane.reference_nll2 - _SAME


def draw_best_fit(ax: Axes, plane: Plane, *, colour: str, look: Look = SCREEN) -> list[Artist]:
    """Mark the best fit with a star, or with an arrow head at the edge when it lies outside the plane, or outside the ends of a look; return the artist.

    One without new physics has no place in a plane.
    """
    if plane.x.name not in plane.best or plane.y.name not in plane.best or without_signal(plane):
        return []
    (x, x_side), (y, y_side) = _inside(plane, plane.x, look.xlim), _inside(plane, plane.y, look.ylim)
    marker = {-1: "v", 1: "^"}.get(y_side, {-1: "<", 1: ">"}.get(x_side, "*"))
    size = (2.6 if marker == "*" else 1.8) * setting("lines.markersize")
    return list(
        ax.plot([x], [y], marker, color=colour, markersize=size, markeredgecolor="white", markeredgewidth=0.8, zorder=6, clip_on=False)
    )


def best_handles(shown: Sequence[tuple[Plane, str]], look: Look) -> list[Artist]:
    """Return the handles for the legend of the best fits of planes with their labels."""
    from matplotlib.lines import Line2D

    known = [(plane, label) for plane, label in shown if plane.x.name in plane.best and plane.y.name in plane.best]
    free = [label for plane, label in known if without_signal(plane)]
    seen = [plane for plane, _ in known if not without_signal(plane)]
    beyond = [_inside(plane, plane.x, look.xlim)[1] != 0 or _inside(plane, plane.y, look.ylim)[1] != 0 for plane in seen]
    which = f" of {', '.join(free)}" if len(free) < len(shown) else ""
    kinds = [("*", 2.4, "best fit", False in beyond), ("v", 1.6, "best fit beyond the axis", True in beyond)]
    kinds.append(("", 0.0, f"best fit{which}: no new physics", bool(free)))
    unit = setting("lines.markersize")
    return [
        Line2D([], [], color="0.25", marker=mark, markersize=size * unit, linestyle="none", label=text)
        for mark, size, text, used in kinds
        if used
    ]


def _inside(plane: Plane, axis: PlaneAxis, ends: tuple[float, float] | None = None) -> tuple[float, int]:
    """Return the best fit moved to the nearer end of an axis, or to given ends, where it lies outside, and the side (-1, 0, 1) on which it lies."""
    best, (low, high) = plane.best[axis.name], map(float, axis.values[[0, -1]]) if ends is None else sorted(ends)
    return min(max(best, low), high), int(best > high) - int(best < low)
