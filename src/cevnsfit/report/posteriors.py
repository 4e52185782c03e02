"""The picture of a posterior: its density, and the intervals of highest density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.report.style import PALETTE, SCREEN, Look, axes_of_size, caption, figure_of, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS: Final = 120


def draw_density(ax: Axes, sample: Floats, intervals: Sequence[tuple[float, float]], *, log: bool) -> list[Artist]:
    """Draw the density of a sample of any shape for each ensemble (first axis) and for all, with the intervals, and return the artists.

    Parameters
    ----------
    ax
        The axes.
    sample
        Draws, shape (ensembles, ...).
    intervals
        Of highest density.
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
    artists: list[Artist] = [ax.stairs(everything, edges, color=PALETTE[0], linewidth=1.6, label="all ensembles")]
    artists += [ax.stairs(density(one), edges, color="0.6", linewidth=0.6, zorder=1) for one in sample]
    for number, (first, last) in enumerate(intervals):
        inside = np.clip(edges, first, last)
        label = "highest density" if number == 0 else None
        artists.append(ax.stairs(everything, inside, fill=True, color=PALETTE[0], alpha=0.25, label=label, zorder=0))
    return artists


def posterior_figure(
    sample: Floats,
    intervals: Sequence[tuple[float, float]],
    name: str,
    *,
    log: bool = False,
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return the picture of the posterior of one parameter, grey for each ensemble, on `ax` without notes; see `draw_density`."""
    with style(look):
        alone, ax = ax is None, axes_of_size(ax, 7.4, 5.0 + 0.25 * len(notes), look)
        draw_density(ax, sample, intervals, log=log)
        ax.set_xscale("log" if log else "linear")
        ax.set_ylim(bottom=0.0)
        ax.set_xlabel(look.axis(name, "1"))
        ax.set_ylabel("posterior density of the logarithm" if log else "posterior density")
        ax.legend(loc="best")
        caption(figure_of(ax), notes if alone else ())
    return figure_of(ax)
