"""Pictures of a posterior: the density of one parameter with its intervals of highest density, and those of two at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.words import wrapped
from cevnsfit.report.legends import one_plot
from cevnsfit.report.rankings import row_names
from cevnsfit.report.style import (
    PALETTE,
    SCREEN,
    UNITS,
    AxisLabel,
    Look,
    caption,
    figure_of,
    new_figure,
    setting,
    smaller,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.pairs import Pair


BINS: Final = 120


@dataclass(frozen=True, slots=True, eq=False)
class Marginals:
    """The parameters of a corner plot.

    Attributes
    ----------
    names, units
        Name and unit of each parameter.
    edges
        Bin edges for each parameter, shape (n + 1,).
    heights
        Density of each parameter in its bins, shape (n,).
    intervals
        Intervals of each parameter that are filled.
    logs
        Whether each density is that of the logarithm.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    edges: tuple[Floats, ...]
    heights: tuple[Floats, ...]
    intervals: tuple[Sequence[tuple[float, float]], ...]
    logs: tuple[bool, ...]


def draw_density(ax: Axes, sample: Floats, intervals: Sequence[tuple[float, float]], *, log: bool) -> list[Artist]:
    """Draw the density of a sample of any shape for each ensemble (first axis) and for all, with the intervals, and return the artists.

    Parameters
    ----------
    ax
        The axes.
    sample
        Draws, shape (ensembles, ...).
    intervals
        Intervals of highest density.
    log
        Whether the density is that of the logarithm.
    """
    low, high = float(sample.min()), float(sample.max())
    edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
    width = np.diff(np.log(edges)) if log else np.diff(edges)

    def density(values: Floats) -> Floats:
        counts: Floats = np.histogram(values, edges)[0] / (values.size * width)
        return counts

    everything = density(sample)
    artists: list[Artist] = [ax.stairs(everything, edges, color=PALETTE[0], linewidth=setting("lines.linewidth"), label="all ensembles")]
    artists += [ax.stairs(density(one), edges, color="0.6", linewidth=0.4 * setting("lines.linewidth"), zorder=1) for one in sample]
    for number, (first, last) in enumerate(intervals):
        inside = np.clip(edges, first, last)
        label = "highest density" if number == 0 else None
        artists.append(ax.stairs(everything, inside, fill=True, color=PALETTE[0], alpha=0.25, label=label, zorder=0))
    return artists


def posterior_figure(
    sample: Floats,
    intervals: Sequence[tuple[float, float]],
    parameter: AxisLabel,
    *,
    log: bool = False,
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return the picture of the posterior of one parameter, grey for each ensemble, on `ax` without notes; see `draw_density`."""
    with one_plot(ax, 7.4, 5.0 + 0.25 * len(notes) * look.captioned, look, notes) as axes:
        draw_density(axes, sample, intervals, log=log)
        axes.set_xscale("log" if log else "linear")
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel(look.axis(*parameter))
        axes.set_ylabel("posterior density of the logarithm" if log else "posterior density")
    return figure_of(axes)


def draw_pair(ax: Axes, pair: Pair) -> list[Artist]:
    """Draw the regions that hold 68 and 95 % of two parameters, and return the artists."""
    levels = sorted({*pair.levels, float(pair.density.max()) + 1.0})
    filled = ax.contourf(pair.x, pair.y, pair.density.T, levels=levels, colors=[PALETTE[0]] * (len(levels) - 1), alpha=0.25)
    lines = ax.contour(pair.x, pair.y, pair.density.T, levels=levels[:-1], colors=[PALETTE[0]], linewidths=0.7 * setting("lines.linewidth"))
    inside = ax.contourf(pair.x, pair.y, pair.density.T, levels=levels[-2:], colors=[PALETTE[0]], alpha=0.35)
    return [filled, lines, inside]


def corner_figure(marginals: Marginals, pairs: Sequence[Pair], *, notes: Sequence[str] = (), look: Look = SCREEN) -> Figure:
    """Return the densities of parameters with their intervals on the diagonal, and below it those of two at a time with 68 and 95 % regions.

    Parameters
    ----------
    marginals
        The parameters.
    pairs
        One for each two parameters, in the order of the parameters.
    notes
        Lines of the caption.
    look
        Style; its ends of axes and labels are not used.
    """
    size, side = len(marginals.names), 1.7 * max(len(marginals.names), 3)
    scale = {"screen": 0.8, "paper": 0.85, "talk": 3.0 / size}[look.style]
    with style(look), smaller(scale):
        figure = new_figure(side, side + 0.3 * look.captioned, look)
        grid = figure.subplots(size, size, squeeze=False, sharex="col")
        found = {pair.names: pair for pair in pairs}
        for row, column in product(range(size), range(size)):
            ax = grid[row, column]
            if row < column:
                ax.set_axis_off()
                continue
            if row == column:
                _draw_marginal(ax, marginals, row)
            else:
                draw_pair(ax, found[marginals.names[column], marginals.names[row]])
            _dress(ax, marginals, row, column, look)
        figure.align_labels()
        corner = grid[0, -1]
        corner.text(1.0, 1.0, "\n".join(look.caveats), ha="right", va="top", weight="bold", transform=corner.transAxes)
        if look.title is not None:
            figure.suptitle(look.title)
        caption(figure, notes, look)
    return figure


def _draw_marginal(ax: Axes, marginals: Marginals, place: int) -> None:
    edges, heights = marginals.edges[place], marginals.heights[place]
    ax.stairs(heights, edges, color=PALETTE[0], linewidth=setting("lines.linewidth"))
    for low, high in marginals.intervals[place]:
        ax.stairs(heights, np.clip(edges, low, high), fill=True, color=PALETTE[0], alpha=0.25)
    ax.set_ylim(0.0, 1.08 * float(heights.max(initial=0.0)) + 1e-300)


def _dress(ax: Axes, marginals: Marginals, row: int, column: int, look: Look) -> None:
    """Give panels their scales, limits and labels; those inside have none."""
    from matplotlib.ticker import MaxNLocator

    for place, scale, limits, axis in ((column, ax.set_xscale, ax.set_xlim, ax.xaxis), (row, ax.set_yscale, ax.set_ylim, ax.yaxis)):
        if axis is ax.yaxis and row == column:
            continue
        scale("log" if marginals.logs[place] else "linear")
        limits(marginals.edges[place][0], marginals.edges[place][-1])
        if not marginals.logs[place]:
            axis.set_major_locator(MaxNLocator(3, prune="both"))
    ax.tick_params(axis="x", labelrotation=45)
    names = [
        wrapped(f"{name} [{UNITS.get(unit, unit)}]" if unit != "1" else name, 13)
        for name, unit in zip(row_names(marginals.names, look), marginals.units, strict=True)
    ]
    if row == len(names) - 1:
        ax.set_xlabel(names[column])
    if column == 0 and row > 0:
        ax.set_ylabel(names[row])
    if row == column:
        ax.set_yticks([])
    elif column > 0:
        ax.tick_params(axis="y", labelleft=False)
