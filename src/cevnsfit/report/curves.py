"""Limits of others in a plane of mass and coupling: lines told apart, lightly filled, with their names beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.words import literal
from cevnsfit.infer.limit import is_open
from cevnsfit.report.style import OVERLAYS, figure_of, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.patheffects import AbstractPathEffect
    from numpy.typing import NDArray

    from cevnsfit.infer.limit import Limit

FILL: Final = 0.24
"""Opacity of regions and of bands."""

_LIGHT: Final = 0.07
_SLOPE: Final = 12
_STEEP: Final = 65.0
_CURVE_STYLES: Final = ((0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))


def draw_curves(ax: Axes, limits: Sequence[Limit]) -> list[Artist]:
    """Draw limits of others as lines, what they exclude (of bands: what they allow) lightly filled, and return the lines.

    Parameters
    ----------
    ax
        Axes to draw on, scales and limits set.
    limits
        The limits.
    """
    lines: list[Artist] = []
    for index, limit in enumerate(limits):
        colour, dashes = OVERLAYS[index % len(OVERLAYS)], _CURVE_STYLES[index % len(_CURVE_STYLES)]
        effects = ticked(colour) if limit.kind == "band" and len(limit.pieces) == 1 else None
        lines += ax.plot(*limit.points.T, color=colour, linestyle=dashes, zorder=3.5, label=limit.label, path_effects=effects)
        if limit.kind == "band" and len(limit.pieces) == 2:
            ax.fill(*np.concatenate([limit.pieces[0], limit.pieces[1][::-1]]).T, color=colour, alpha=FILL, linewidth=0, zorder=1.5)
        for piece in limit.pieces if limit.kind == "limit" else ():
            top = ax.get_ylim()[1]
            ends = [[piece[-1, 0], top], [piece[0, 0], top]] if is_open(piece) else []
            ax.fill(*np.array([*piece.tolist(), *ends]).T, color=colour, alpha=_LIGHT, linewidth=0, zorder=1.5)
    return lines


def ticked(colour: str, *, on_left: bool = False) -> list[AbstractPathEffect]:
    """Return the effects of a line of which only one side is meant: short ticks below it, on the left of one that rises along its second axis."""
    from matplotlib.patheffects import Normal, TickedStroke

    spacing, width = 0.5 * setting("font.size"), 0.5 * setting("lines.linewidth")
    return [Normal(), TickedStroke(angle=135.0 if on_left else -135.0, spacing=spacing, length=0.7, linewidth=width, foreground=colour)]


def name_curves(ax: Axes, limits: Sequence[Limit]) -> None:
    """Write the name of each limit along its line, where the lines and names of the others are farthest; names that are there are written anew."""
    from matplotlib.patheffects import withStroke

    for text in [text for text in ax.texts if text.get_text() in {literal(limit.label) for limit in limits}]:
        text.remove()
    if not limits:
        return
    figure_of(ax).draw_without_rendering()
    box, dpi = ax.get_window_extent(), figure_of(ax).dpi
    size, points = np.array([box.width, box.height]), min(0.875 * setting("font.size"), max(7.0, 2.75 * box.width / dpi))
    character = 0.5 * points / 72.0 * dpi / box.width
    lines = [_dense(ax, limit) for limit in limits]
    inside = [np.flatnonzero(np.all((line >= 0.0) & (line <= 1.0), axis=1)) for line in lines]
    seen = [line[places] for line, places in zip(lines, inside, strict=True)]
    taken: list[NDArray[np.float64]] = []
    for index, (limit, here) in enumerate(zip(limits, seen, strict=True)):
        half = 0.5 * character * len(limit.label)
        places = np.flatnonzero((here[:, 0] > half) & (here[:, 0] < 1.0 - half) & (here[:, 1] < 1.0 - 3.0 * character))
        places = places[:: max(1, len(here) // 80)]
        if not len(places):
            continue
        angles = np.array([_angle(lines[index], int(inside[index][place]), size) for place in places])
        along = np.column_stack([np.cos(np.radians(angles)), np.sin(np.radians(angles)) * size[0] / size[1]])
        highest = here[places, 1] + half * np.abs(along[:, 1])
        fits = highest < 1.0 - 3.0 * character
        fits = fits if fits.any() else highest == highest.min()
        places, angles, along = places[fits], angles[fits], along[fits]
        others = np.concatenate([np.full((1, 2), 9.0), *taken, *(seen[k] for k in range(len(seen)) if k != index)])
        room = [np.min(np.hypot(*(here[place] - others).T)) for place in places]
        best = int(np.argmax(room))
        x, y = here[places[best]]
        text = ax.text(
            x, y, literal(limit.label), transform=ax.transAxes, ha="center", va="bottom", fontsize=points, zorder=5, clip_on=True
        )
        text.set(rotation=angles[best], rotation_mode="anchor", color=OVERLAYS[index % len(OVERLAYS)])
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.8)])
        taken.append(here[places[best]] + np.linspace(-half, half, 9)[:, None] * along[best])


def _angle(line: NDArray[np.float64], at: int, size: NDArray[np.float64]) -> float:
    """Return the angle of a name along a line at one of its points, in degrees; it is level where the line is steep."""
    run = (line[min(at + _SLOPE, len(line) - 1)] - line[max(at - _SLOPE, 0)]) * size
    angle = float(np.degrees(np.arctan2(*(run if run[0] >= 0.0 else -run)[::-1])))
    return angle if abs(angle) < _STEEP else 0.0


def _dense(ax: Axes, limit: Limit) -> NDArray[np.float64]:
    """Return points along a line at equal steps of the picture, in units of the axes."""
    parts = [np.empty((0, 2))]
    for piece in limit.pieces:
        shown = ax.transAxes.inverted().transform(ax.transData.transform(piece))
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(shown, axis=0).T))])
        steps = np.linspace(0.0, along[-1], int(np.clip(along[-1] / 0.01, 2, 400)))
        parts.append(np.column_stack([np.interp(steps, along, column) for column in shown.T]))
    return np.concatenate(parts)
