"""What a fit does to its parameters: pulls and constraints, their correlations, and the impact of nuisances on one of interest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.report.legends import one_plot
from cevnsfit.report.style import PALETTE, SCREEN, Look, axes_of_size, caption, figure_of, new_figure, setting, smaller, style
from cevnsfit.report.tables import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.core.documents import Result
    from cevnsfit.infer.breakdown import GroupError
    from cevnsfit.infer.impacts import Impact, Ranking
    from cevnsfit.infer.results import FitResult, Pull

MOST: Final = 30
"""Parameters that a picture shows, at most."""

_ROWS: Final = 14
"""Rows from which on a picture takes both columns of a paper."""

_LONG: Final = 26
"""Letters of a name from which on a picture takes both columns."""

_SLIDE: Final = 0.75
"""Size of the letters of many rows on a slide."""


def draw_pulls(ax: Axes, pulls: Sequence[Pull]) -> list[Artist]:
    """Draw how far each parameter with a constraint is from the centre of its prior, a grey band, in units of its width, first one on top; return the artists.

    The values of all others are written.
    """
    rows = [row for row, pull in enumerate(pulls) if pull.constrained]
    values = [pulls[row].pull for row in rows]
    errors = [pulls[row].error / pulls[row].sigma for row in rows]
    band = ax.barh(rows, 2.0, left=-1.0, height=1.0, color="0.9", zorder=0, label="before the fit" if rows else None)
    line = ax.axvline(0.0, color="0.6", linewidth=0.8, zorder=1)
    points = ax.errorbar(values, rows, xerr=errors, fmt="o", color="black", capsize=2, zorder=3, label="after the fit")
    free = [
        ax.text(
            0.0,
            row,
            format_value(pull.value, pull.error).replace("+-", r"$\pm$"),
            va="center",
            ha="center",
            fontsize=setting("legend.fontsize"),
        )
        for row, pull in enumerate(pulls)
        if not pull.constrained
    ]
    reach = max(1.6, 1.1 * float(np.nanmax(np.abs(values) + np.nan_to_num(errors), initial=0.0)))
    ax.set_xlim(-reach, reach)
    return [*band.patches, line, *points.get_children(), *free]


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


def draw_correlations(ax: Axes, matrix: NDArray[np.float64]) -> list[Artist]:
    """Draw the lower half of a correlation matrix, shape (n, n), with its numbers in per cent, and return the artists; NaN is left blank."""
    size = len(matrix)
    shown = np.where(np.tri(size, dtype=np.bool_), matrix, np.nan)
    artists: list[Artist] = [ax.imshow(shown, cmap="RdBu_r", vmin=-1.3, vmax=1.3, aspect="auto")]
    letters = min(setting("legend.fontsize"), 0.42 * 72.0 * 0.75 * figure_of(ax).get_figheight() / size)
    for row, column in zip(*np.nonzero(np.abs(np.nan_to_num(shown)) >= 0.005), strict=True):
        text = f"{100 * shown[row, column]:.0f}".replace("-", "\N{MINUS SIGN}")
        artists.append(ax.text(column, row, text, ha="center", va="center", fontsize=letters))
    ax.tick_params(which="both", length=0)
    ax.spines[["top", "right"]].set_visible(False)
    return artists


def row_names(names: Sequence[str], look: Look) -> list[str]:
    """Return how parameters are printed one below the other: without their experiment where all belong to one."""
    owners = {name.partition(".")[0] for name in names if "." in name}
    texts = [name.partition(".")[2] if len(owners) == 1 and "." in name and name not in look.printed else look.name(name) for name in names]
    return [text if "$" in text else text.replace("_", " ") for text in texts]


def _are_long(names: Sequence[str], look: Look) -> bool:
    """Return whether names leave too little of a column for what they name."""
    return look.style == "paper" and max(map(len, names), default=0) > _LONG


def pulls_figure(fit: FitResult, *, most: int = MOST, look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the parameters of a fit before and after it, of many the `most` of which it says most: those without a constraint, far, or narrow.

    Raises
    ------
    AxisError
        If nothing floats.
    """
    look = look.naming(fit.about)
    told = [(pull.constrained, -max(abs(pull.pull), 1.0 - np.nan_to_num(pull.error / pull.sigma))) for pull in fit.pulls]
    chosen = sorted(sorted(range(len(told)), key=told.__getitem__)[:most], key=lambda row: (told[row][0], row))
    if not chosen:
        message = "a picture of pulls needs a parameter that floats"
        raise AxisError(message)
    pulls = [fit.pulls[row] for row in chosen]
    with style(look), smaller(_SLIDE if look.style == "talk" else 1.0):
        names = [pull.name for pull in pulls]
        wide = len(pulls) > _ROWS or _are_long(row_names(names, look), look)
        alone, ax = ax is None, axes_of_size(ax, 8.6 if wide else 7.0, (1.6 if look.title is None else 2.3) + 0.27 * len(pulls), look)
        draw_pulls(ax, pulls)
        _name_rows(ax, names, look)
        ax.set_xlabel("pull and constraint")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2, **_caveat(look))
        look.finish(ax)
        if look.title is not None:
            ax.set_title(look.title, loc="left", pad=(4.2 if fit.about.caveat else 2.8) * setting("legend.fontsize"))
        caption(figure_of(ax), _notes(fit, len(pulls), len(fit.floating), look) if alone else None, look)
    return figure_of(ax)


def correlations_figure(fit: FitResult, *, most: int = MOST, look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the correlation matrix of a fit in per cent, of many parameters of the `most` with the largest correlations.

    Raises
    ------
    AxisError
        If nothing floats.
    """
    look, matrix = look.naming(fit.about), np.asarray(fit.correlation, dtype=np.float64)
    if not matrix.size:
        message = "a matrix of correlations needs a parameter that floats"
        raise AxisError(message)
    largest = np.abs(np.nan_to_num(matrix - np.diag(np.diag(matrix)))).max(axis=1)
    chosen = np.sort(np.argsort(-largest, kind="stable")[:most])
    names = row_names([fit.floating[row] for row in chosen], look)
    with style(look), smaller(_SLIDE if look.style == "talk" else 1.0):
        wide = max(4.0 + 0.3 * len(chosen), 8.6 if _are_long(names, look) else 0.0)
        alone, ax = ax is None, axes_of_size(ax, wide, 4.0, look)
        if alone:
            figure, lines = figure_of(ax), 0.5 if look.captioned else 0.0
            beside = 0.5 * setting("ytick.labelsize") / 72.0 * (4 + max(map(len, names)))
            figure.set_figheight(max(figure.get_figwidth() - beside, 1.0) + 3.0 * setting("xtick.labelsize") / 72.0 + lines)
        draw_correlations(ax, matrix[np.ix_(chosen, chosen)])
        numbers = [str(number) for number in range(1, len(chosen) + 1)]
        ax.set_xticks(range(len(chosen)), numbers)
        ax.set_yticks(range(len(chosen)), [f"{name}  {number}" for name, number in zip(names, numbers, strict=True)])
        ax.minorticks_off()
        ax.text(0.98, 0.98, "\n".join(look.caveats), ha="right", va="top", weight="bold", transform=ax.transAxes)
        look.finish(ax)
        caption(figure_of(ax), ["correlations in per cent", *_notes(fit, len(chosen), len(fit.floating), look)] if alone else None, look)
    return figure_of(ax)


def _notes(result: Result, shown: int, number: int, look: Look) -> list[str]:
    """Return the caption of a fit: experiments, model and Lagrangian, a doubt, and how many parameters are left out."""
    left_out = f"{shown} of {number} parameters" if shown < number else ""
    return [text for text in (look.headline(result.about), result.about.lagrangian, result.doubt, left_out) if text]


def _caveat(look: Look) -> dict[str, Any]:
    """Return the title of a legend: what the prediction leaves out."""
    return {"title": "\n".join(look.caveats) if look.caveats else None, "title_fontproperties": {"weight": "bold"}}


def _name_rows(ax: Axes, names: Sequence[str], look: Look) -> None:
    """Give axes a row for each parameter, the first one on top."""
    ax.set_yticks(np.arange(len(names)), row_names(names, look))
    ax.tick_params(axis="y", which="both", length=0)
    ax.set_ylim(len(names) - 0.4, -0.6)


def ranking_figure(ranking: Ranking, *, most: int = MOST, look: Look = SCREEN) -> Figure:
    """Return the ranking plot of at most `most` nuisances.

    Raises
    ------
    AxisError
        If no nuisance floats.
    """
    look, impacts = look.naming(ranking.about), ranking.impacts[:most]
    if not impacts:
        message = "a ranking needs at least one nuisance that floats"
        raise AxisError(message)
    with style(look), smaller(_SLIDE if look.style == "talk" else 1.0):
        figure = new_figure(8.4, 1.8 + 0.28 * len(impacts), look)
        left, right = figure.subplots(1, 2, sharey=True)
        draw_pulls(left, impacts)
        draw_impacts(right, impacts)
        _name_rows(left, [impact.name for impact in impacts], look)
        left.set_xlabel("pull and constraint")
        right.set_xlabel(f"shift of {look.name(ranking.poi)}")
        right.legend(loc="lower right", **_caveat(look))
        found = f"{look.name(ranking.poi)} = {ranking.value:.4g} $\\pm$ {ranking.error:.2g}"
        title = look.titled(found).title
        if title is not None:
            figure.suptitle(title, fontsize=setting("axes.titlesize"))
        caption(figure, [found, *_notes(ranking, len(impacts), len(ranking.impacts), look)][look.captioned :], look)
    return figure


def draw_groups(ax: Axes, groups: Sequence[GroupError]) -> list[Artist]:
    """Draw what groups contribute to an error, first one on top, with the shifts of fits with moved centres; return the artists."""
    errors = np.nan_to_num([entry.error for entry in groups])
    moved = np.flatnonzero([np.isfinite(entry.up) for entry in groups])
    ends = np.nan_to_num([[-entry.down for entry in groups], [entry.up for entry in groups]])
    bars = ax.barh(np.arange(len(groups)), 2.0 * errors, left=-errors, height=0.7, color=PALETTE[0], alpha=0.6, label="linear")
    fits = ax.errorbar(0.0 * moved, moved, xerr=ends[:, moved], fmt="none", color="black", capsize=3, label="centres moved")
    reach = 1.1 * max(ends.max(initial=0.0), errors.max(initial=0.0))
    ax.set_xlim(*((-reach, reach) if reach > 0.0 else (-1.0, 1.0)))
    return [*bars.patches, *fits.get_children(), ax.axvline(0.0, color="0.4", linewidth=0.8)]


def groups_figure(ranking: Ranking, *, look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the contributions of counts and groups of nuisances to the error of a parameter."""
    look, groups = look.naming(ranking.about), ranking.groups
    found = f"{look.name(ranking.poi)} = {ranking.value:.4g} $\\pm$ {ranking.error:.2g}"
    with one_plot(ax, 6.4, 2.2 + 0.3 * len(groups), look, [found, *_notes(ranking, 0, 0, look)]) as axes:
        draw_groups(axes, groups)
        axes.set_yticks(np.arange(len(groups)), [entry.group.replace("-", " ").replace("_", " ") for entry in groups])
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.set_xlabel(f"contribution to the error of {look.name(ranking.poi)}")
    return figure_of(axes)
