"""Pictures of coverage: how often intervals contain the truth, against the true value and a held parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.report.legends import place_legend
from cevnsfit.report.style import PALETTE, SCREEN, AxisLabel, Look, caption, figure_of, new_figure, setting, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from cevnsfit.core.arrays import Floats


NAMES: Final = {"profile": "profile likelihood, asymptotic threshold", "feldman-cousins": "Feldman-Cousins", "cls": "CLs, asymptotic"}
"""Methods as they are printed."""

_MARKERS: Final = {"profile": "o", "feldman-cousins": "s", "cls": "^"}

SPREAD: Final = 0.12
"""Distance from the nominal coverage at which the colours of a map end."""

MAP_ROWS: Final = 3
"""Settings from which on a map is drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class CoverageLine:
    """The coverage of one method at one setting.

    Attributes
    ----------
    method
        "profile", "feldman-cousins" or "cls".
    setting
        Value of a held parameter, None without one.
    values
        True value, coverage, its error, and the quantile of t, shape (n, 4).
    allowed
        What the observed data allow, by profile likelihood.
    """

    method: str
    setting: float | None
    values: Floats
    allowed: tuple[tuple[float, float], ...]


def draw_lines(ax: Axes, lines: Sequence[CoverageLine], *, cl: float) -> list[Artist]:
    """Draw coverage against the true value, one colour for each method, and return the artists; grey: allowed by the observed data."""
    artists: list[Artist] = [ax.axhline(cl, color="0.4", linewidth=0.9)]
    artists += [ax.axvspan(max(low, 1e-300), high, color="0.9", zorder=0) for low, high in lines[0].allowed]
    for line in lines:
        x, y, error = line.values[:, :3].T
        colour = PALETTE[list(NAMES).index(line.method)]
        bars = ax.errorbar(x, y, yerr=error, fmt=_MARKERS[line.method], linestyle="-", color=colour, label=NAMES[line.method], capsize=2)
        artists += bars.get_children()
    return artists


def draw_map(ax: Axes, lines: Sequence[CoverageLine], *, cl: float) -> QuadMesh:
    """Draw the coverage over setting (x) and true value (y), red where it is too small, and return the mesh.

    Bars are the ends of what the observed data allow.
    """
    x, y = np.array([line.setting for line in lines], dtype=np.float64), np.unique(np.concatenate([line.values[:, 0] for line in lines]))
    colours = np.full((len(y), len(x)), np.nan)
    for column, line in enumerate(lines):
        colours[np.searchsorted(y, line.values[:, 0]), column] = line.values[:, 1]
    across, up = _edges(x), _edges(y)
    mesh = ax.pcolormesh(across, up, colours, cmap="RdBu", vmin=cl - SPREAD, vmax=cl + SPREAD, shading="flat")
    for low, high, line in zip(across[:-1], across[1:], lines, strict=True):
        ends = [end for pair in line.allowed for end in pair if up[0] <= end <= up[-1]]
        ax.hlines(ends, low, high, color="black", linewidth=1.2)
    return mesh


def coverage_figure(
    lines: Sequence[CoverageLine],
    poi: str,
    held: AxisLabel | None,
    *,
    cl: float,
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return a map of the coverage of the profile likelihood where there are several settings, else the coverage of each method.

    Parameters
    ----------
    lines
        One for each method and setting.
    poi, held
        The parameter, and the held one.
    cl
        Nominal coverage.
    notes
        Lines printed below.
    ax
        Axes to draw on, without the lines below, where there is one setting or a map; in a new figure by default.

    Raises
    ------
    AxisError
        If there is nothing to draw, or more on `ax` than fits.
    """
    if not lines:
        message = "a picture of coverage needs at least one line"
        raise AxisError(message)
    settings = list(dict.fromkeys(line.setting for line in lines))
    truths = np.unique(np.concatenate([line.values[:, 0] for line in lines]))
    size = 1 if held is not None and len(settings) >= MAP_ROWS else len(settings)
    if ax is not None and size > 1:
        message = f"coverage at {size} settings needs as many axes: draw it without `ax`"
        raise AxisError(message)
    with style(look):
        if ax is None:
            figure = new_figure(7.4, (5.4 if size < len(settings) else 1.2 + 3.2 * size) + 0.25 * len(notes) * look.captioned, look)
            panels = list(figure.subplots(size, 1, sharex=True, squeeze=False)[:, 0])
            caption(figure, notes, look)
        else:
            panels = [ax]
        if held is not None and size < len(settings):
            _label_map(panels[0], lines, held, cl, look)
            _scale(panels[0], "y", truths)
            panels[0].set_ylabel(f"true {look.axis(poi, '1')}")
            panels[0].set_title("\n".join(look.caveats), loc="right", weight="bold")
        else:
            for panel, setting in zip(panels, settings, strict=True):
                draw_lines(panel, [line for line in lines if line.setting == setting], cl=cl)
                panel.set_ylabel("coverage")
                _scale(panel, "x", truths)
                if held is not None and setting is not None:
                    panel.set_title(f"{look.axis(*held)} = {setting:.4g}", loc="left")
            panels[-1].set_xlabel(f"true {look.axis(poi, '1')}")
            place_legend(panels[0], look=look)
        if size == 1:
            look.finish(panels[0])
    return figure_of(panels[0])


def _label_map(ax: Axes, lines: Sequence[CoverageLine], held: AxisLabel, cl: float, look: Look) -> None:
    """Draw a map of the profile likelihood with its colours and the axis of the settings."""
    profiles = [line for line in lines if line.method == "profile"]
    mesh = draw_map(ax, profiles, cl=cl)
    figure_of(ax).colorbar(mesh, ax=ax, extend="both").set_label(f"coverage of {NAMES['profile']}", fontsize=setting("legend.fontsize"))
    ax.set_xlabel(look.axis(*held))
    _scale(ax, "x", np.array([line.setting for line in profiles], dtype=np.float64))


def _is_log(values: Floats) -> bool:
    return bool(values[0] > 0 and values[-1] > 10 * values[0])


def _edges(values: Floats) -> Floats:
    """Return edges half way between increasing values, on the scale on which they are shown, shape (n + 1,)."""
    x = np.log(values) if _is_log(values) else values
    middle = 0.5 * (x[1:] + x[:-1]) if len(x) > 1 else np.array([])
    below, above = (middle[0] - x[0], x[-1] - middle[-1]) if len(x) > 1 else (0.5, 0.5)
    edges = np.concatenate([[x[0] - below], middle, [x[-1] + above]])
    return np.asarray(np.exp(edges) if _is_log(values) else edges)


def _scale(ax: Axes, which: str, values: Floats) -> None:
    """Set scale and limits of the axis of increasing values."""
    edges = _edges(values)
    if _is_log(values):
        (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    (ax.set_xlim if which == "x" else ax.set_ylim)(float(edges[0]), float(edges[-1]))
