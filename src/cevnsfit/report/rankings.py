"""The ranking plot: pulls and constraints of the nuisances, and their impact on a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.report.style import PALETTE, SCREEN, Look, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.impacts import Impact, Ranking


def draw_pulls(ax: Axes, impacts: Sequence[Impact]) -> list[Artist]:
    """Draw value and error of each constrained nuisance in units of its prior, first one on top, and return the artists."""
    rows = [row for row, impact in enumerate(impacts) if impact.constrained]
    values = [impacts[row].value for row in rows]
    errors = [impacts[row].error for row in rows]
    band = ax.axvspan(-1.0, 1.0, color="0.92", zorder=0)
    line = ax.axvline(0.0, color="0.6", linewidth=0.8, zorder=1)
    points = ax.errorbar(values, rows, xerr=errors, fmt="o", color="black", markersize=4, capsize=2, zorder=3)
    return [band, line, *points.get_children()]


def draw_impacts(ax: Axes, impacts: Sequence[Impact]) -> list[Artist]:
    """Draw the shift of the parameter for each nuisance one error up and down, first one on top, and return the artists."""
    rows = np.arange(len(impacts))
    artists: list[Artist] = []
    for colour, text, shifts in (
        (PALETTE[1], r"$+1\,\sigma$", [impact.up for impact in impacts]),
        (PALETTE[0], r"$-1\,\sigma$", [impact.down for impact in impacts]),
    ):
        artists += ax.barh(rows, np.nan_to_num(np.array(shifts)), color=colour, alpha=0.75, height=0.7, label=text).patches
    artists.append(ax.axvline(0.0, color="0.4", linewidth=0.8))
    return artists


def ranking_figure(ranking: Ranking, *, most: int = 25, title: str = "", look: Look = SCREEN) -> Figure:
    """Return the ranking plot of at most `most` nuisances.

    Raises
    ------
    AxisError
        If no nuisance floats.
    """
    impacts = ranking.impacts[:most]
    if not impacts:
        message = "a ranking needs at least one nuisance that floats"
        raise AxisError(message)
    with style(look):
        figure = new_figure(8.4, 1.8 + 0.28 * len(impacts), look)
        left, right = figure.subplots(1, 2, sharey=True)
        draw_pulls(left, impacts)
        draw_impacts(right, impacts)
        left.set_yticks(np.arange(len(impacts)), [impact.name for impact in impacts], fontsize=8)
        left.set_ylim(len(impacts) - 0.5, -0.5)
        left.set_xlabel("pull and constraint")
        right.set_xlabel(f"shift of {look.name(ranking.poi)}")
        right.legend(loc="lower right")
        value, error = ranking.fit.values[ranking.poi], ranking.fit.errors[ranking.poi]
        figure.suptitle(f"{title}  {look.name(ranking.poi)} = {value:.4g} $\\pm$ {error:.2g}".strip(), fontsize=10)
    return figure
