"""Pictures of points of the MSSM: their masses, their hierarchy, and the orders of gaugino and higgsino masses, with what the LHC says of each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.report.style import PALETTE, SCREEN, Look, caption, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

VERDICTS: Final = ("not tested by the LHC", "tested, not excluded", "excluded")
"""What the LHC says of a point, by its code."""

_MARKERS: Final = ("o", "s", "x")
_COLOURS: Final = (PALETTE[4], PALETTE[2], PALETTE[1])
_ORDER: Final = (2, 0, 1)
"""Codes as they are drawn and stacked."""

_LAYERS: Final = 20
"""Points are drawn in so many layers, each with all verdicts, so that no verdict hides another."""

_MARKER: Final = 5.0
"""Size of markers on a screen, in points."""

_SHORT: Final = ("not tested", "tested, left", "excluded")
_BOX: Final = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Points that are drawn.

    Attributes
    ----------
    columns
        Shape (n,) each: selectron and neutralino (lightest masses), first and second (the two smallest of M1, M2 and mu, as absolute values), all in
        GeV; hierarchy and tan_beta.
    verdict
        Index into `VERDICTS`, shape (n,).
    scenario
        Index into `scenarios`, shape (n,).
    scenarios
        Orders of M1, M2 and mu in words.
    notes
        Lines to print below: what the points are.
    """

    columns: Mapping[str, NDArray[np.float64]]
    verdict: NDArray[np.int64]
    scenario: NDArray[np.int64]
    scenarios: Sequence[str]
    notes: Sequence[str] = ()


def masses_figure(cloud: Cloud, look: Look = SCREEN) -> Figure:
    """Return selectron against neutralino mass, the selectron mass against the hierarchy, and tan beta."""
    with style(look):
        figure = new_figure(13.2, 5.0, look)
        _masses(figure, cloud, look)
        _below(figure, cloud, look)
    return figure


def scenarios_figure(cloud: Cloud, look: Look = SCREEN) -> Figure:
    """Return the two smallest of M1, M2 and mu for each order of the three; what the LHC leaves open are the gaps."""
    with style(look):
        figure = new_figure(13.2, 7.6, look)
        _scenarios(figure, cloud)
        _below(figure, cloud, look)
    return figure


def sleptons_figure(cloud: Cloud, look: Look = SCREEN) -> Figure:
    """Return both pictures in one."""
    with style(look):
        figure = new_figure(13.2, 12.0, look)
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.4, 7.0])[:, 0]
        _masses(above, cloud, look)
        _scenarios(below, cloud)
        _below(figure, cloud, look)
    return figure


def draw_points(ax: Axes, cloud: Cloud, x: str, y: str, shown: NDArray[np.bool_] | None = None) -> list[Artist]:
    """Draw two columns against each other, by verdict, and return the artists.

    Parameters
    ----------
    ax
        Axes to draw on.
    cloud, x, y
        The points and the names of two columns.
    shown
        Which points, shape (n,); all by default.
    """
    from matplotlib import rcParams

    artists: list[Artist] = []
    size = float(np.clip(3e4 / max(len(cloud.verdict), 1), 2.0, 16.0)) * (rcParams["lines.markersize"] / _MARKER) ** 2
    layer = np.arange(len(cloud.verdict)) % _LAYERS
    for number, code in product(range(_LAYERS), _ORDER):
        which = (layer == number) & (cloud.verdict == code) & (True if shown is None else shown)
        if which.any():
            cross = _MARKERS[code] == "x"
            points = (cloud.columns[x][which], cloud.columns[y][which])
            looks: dict[str, Any] = {"marker": _MARKERS[code], "color": _COLOURS[code], "linewidth": 0.6 if cross else 0.0}
            artists.append(ax.scatter(*points, s=1.5 * size if cross else size, zorder=2, rasterized=True, **looks))
    return artists


def draw_shares(ax: Axes, cloud: Cloud, x: str, bins: int = 20) -> list[Artist]:
    """Draw how many points of each verdict have which value of a column, stacked, and return the artists."""
    parts = [cloud.columns[x][cloud.verdict == code] for code in _ORDER]
    _, _, found = ax.hist(parts, bins=bins, stacked=True, color=[_COLOURS[code] for code in _ORDER])
    return [patch for bars in found for patch in bars.patches]  # type: ignore[union-attr]


def _masses(part: Figure | SubFigure, cloud: Cloud, look: Look) -> None:
    left, middle, right = part.subplots(1, 3)
    neutralino, selectron, hierarchy = (
        ("lightest neutralino ", "lighter selectron ", "hierarchy of the soft masses ") if look.captioned else [""] * 3
    )
    draw_points(left, cloud, "neutralino", "selectron")
    left.set(xlim=(0.0, None), ylim=(0.0, None))
    left.axline((0.0, 0.0), slope=1.0, color="0.5", linewidth=0.8, linestyle=":")
    left.set(xlabel=rf"{neutralino}$m_{{\tilde\chi_1^0}}$ [GeV]", ylabel=rf"{selectron}$m_{{\tilde e_1}}$ [GeV]")
    draw_points(middle, cloud, "hierarchy", "selectron")
    middle.set_xscale("log" if len(cloud.verdict) else "linear")
    middle.set(xlabel=rf"{hierarchy}$m_{{\tilde\mu}}/m_{{\tilde e}}$", ylabel=rf"{selectron}$m_{{\tilde e_1}}$ [GeV]")
    draw_shares(right, cloud, "tan_beta")
    right.set(xlabel=r"$\tan\beta$", ylabel="points")


def _scenarios(part: Figure | SubFigure, cloud: Cloud) -> None:
    rows = -(-len(cloud.scenarios) // 3)
    panels = part.subplots(rows, 3, squeeze=False, sharex=True, sharey=True)
    for place, ax in enumerate(panels.flat):
        if place >= len(cloud.scenarios):
            ax.set_axis_off()
            continue
        shown = cloud.scenario == place
        draw_points(ax, cloud, "first", "second", shown)
        names = [_printed(name) for name in cloud.scenarios[place].split(" < ")]
        ax.set_title(f"${' < '.join(names)}$", fontsize="medium")
        ax.set(xlabel=f"${names[0]}$ [GeV]", ylabel=f"${names[1]}$ [GeV]")
        ax.tick_params(labelbottom=True)
        shares = [f"{np.count_nonzero(shown & (cloud.verdict == code))} {text}" for code, text in enumerate(_SHORT)]
        ax.text(0.97, 0.95, "\n".join(shares), transform=ax.transAxes, ha="right", va="top", fontsize="x-small", bbox=_BOX)


def _printed(name: str) -> str:
    return {"M1": "|M_1|", "M2": "|M_2|", "|mu|": r"|\mu|"}.get(name, name)


def _below(figure: Figure, cloud: Cloud, look: Look) -> None:
    """Print the legend of the verdicts above the panels, with the title, and make the notes the caption."""
    from matplotlib.lines import Line2D

    counts = [np.count_nonzero(cloud.verdict == code) for code in range(len(VERDICTS))]
    labels = look.labelled([f"{text} ({count})" for text, count in zip(VERDICTS, counts, strict=True)])
    kinds = zip(_MARKERS, _COLOURS, labels, strict=True)
    handles = [Line2D([], [], linestyle="none", marker=marker, color=colour, label=label) for marker, colour, label in kinds]
    caption(figure, cloud.notes, look)
    legend = figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize="medium")
    if look.title is not None:
        legend.set_title(look.title)
