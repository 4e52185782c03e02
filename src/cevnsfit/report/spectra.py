"""Spectra: data against stacked components along each axis of each experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.infer.planes import spacing
from cevnsfit.report.style import BACKGROUNDS, SCREEN, SIGNAL, STEADY, UNITS, Look, new_figure, setting, smaller, style

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Projection

COMPONENTS: Final[Mapping[str, str]] = {
    "cevns": r"CE$\mathrm{\nu}$NS",
    "steady_state": "steady state",
    "brn": "beam-related neutrons",
    "prompt_brn": "prompt beam neutrons",
    "delayed_brn": "delayed beam neutrons",
    "nin": "neutrino-induced neutrons",
    "ac": "accidental coincidences",
    "er": "electronic recoils",
}
"""Components as they are printed; any other name is printed with blanks for underscores."""

_SIGNAL_NAME = "cevns"
_STEADY_NAME = "steady_state"

_FEW: Final = 60
"""Bins up to which points have their full size."""

_SPACED: Final = 4
"""Edges from which on bins can be spaced in their logarithm."""


def spectra_figure(projections: Sequence[Projection], *, subtracted: bool = False, look: Look = SCREEN) -> Figure:
    """Return panels of each experiment, one column for each axis, with its caveat.

    Components are stacked, the steady-state background at the bottom and the signal on top, with the uncertainty of their sum where it is known; counts
    carry the central 68.3 % Poisson intervals, values their errors, and a panel below shows (data - expected)/sqrt(expected), or over the error.
    A projection without data is drawn as the stack with the error that data would have.

    Parameters
    ----------
    projections
        In any order; those of one experiment share a row.
    subtracted
        Whether to draw the data minus the steady-state background, and below minus all backgrounds, in the place of the rest.
    look
        Its labels are those of the experiments.
    """
    rows: dict[str, list[Projection]] = {}
    for projection in projections:
        rows.setdefault(projection.experiment, []).append(projection)
    names = look.labelled([look.name(name) for name in rows])
    columns = max((len(row) for row in rows.values()), default=1)
    across = (2 if look.style == "paper" else 3) if columns == 1 and len(rows) > _UPRIGHT else 1
    heights = [_HEIGHTS[len(_panels(row, subtracted=subtracted)), subtracted] + _legend_height(row) for row in rows.values()]
    heights = [max(heights[first : first + across]) for first in range(0, len(heights), across)]
    width = max(4.3 * columns * across, 6.0)
    with style(look), smaller(_SLIDE / width if look.style == "talk" else 1.0):
        figure = new_figure(width, max(sum(heights), 1.0), look)
        parts = figure.subfigures(len(heights), across, squeeze=False, height_ratios=heights).flat if rows else ()
        for part, row, name in zip(parts, rows.values(), names, strict=False):
            _draw_row(part, row, columns, _Row(name, _panels(row, subtracted=subtracted), look))
        if look.title is not None:
            figure.suptitle(look.title)
    return figure


_UPRIGHT: Final = 2
"""Experiments, or channels, of one axis each that lie above each other; more lie beside each other."""

_SLIDE: Final = 7.5
"""Inches on a screen from which on panels are too small for the text of a slide."""

_HEIGHTS: Final = {(1, False): 3.3, (2, False): 4.1, (1, True): 3.4, (2, True): 5.8}
"""Inches of a row, by its number of panels."""


def _legend_height(row: Sequence[Projection]) -> float:
    """Return the inches that a legend of two columns needs beyond two lines."""
    return 0.13 * max(len({name for projection in row for name in projection.components}) - 2 * len(row), 0)


@dataclass(frozen=True, slots=True)
class _Panel:
    """What is drawn in the panels above each other: components that are subtracted, the title that says so, the share of the height; residuals instead."""

    without: tuple[str, ...] = ()
    title: str = ""
    height: float = 3.0
    residuals: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """An experiment: its name in print, and its panels."""

    name: str
    panels: list[_Panel]
    look: Look


def _panels(row: Sequence[Projection], *, subtracted: bool) -> list[_Panel]:
    """Return the panels of an experiment, top down."""
    if not subtracted:
        return [_Panel(), *([_Panel(height=1.0, residuals=True)] if any(p.observed is not None for p in row) else [])]
    names = dict.fromkeys(name for projection in row for name in projection.components)
    backgrounds = tuple(name for name in names if name != _SIGNAL_NAME)
    steady = [_Panel((_STEADY_NAME,), "minus steady state")] if len(backgrounds) > 1 and _STEADY_NAME in names else []
    return [*steady, _Panel(backgrounds, f"minus {'all backgrounds' if steady or len(backgrounds) != 1 else _printed(backgrounds[0])}")]


def draw_spectrum(ax: Axes, projection: Projection, *, without: Collection[str] = ()) -> list[Artist]:
    """Draw stacked components and data of one projection and return the artists.

    Bins of unequal width are drawn as counts per unit width, and the label of the axis says so.

    Parameters
    ----------
    ax
        Axes to draw on.
    projection
        Counts along one axis.
    without
        Components that are subtracted from the data, and not drawn; errors are those of all counts.
    """
    widths, label = _density(projection)
    colours = component_colours(projection.components)
    edges, base = projection.edges, np.zeros(len(projection.edges) - 1)
    artists: list[Artist] = []
    for name in (name for name in colours if name not in without):
        top = base + projection.components[name] / widths
        artists.append(ax.stairs(top, edges, baseline=base, fill=True, facecolor=colours[name], label=_printed(name), zorder=1))
        base = top
    ax.stairs(base, edges, color="black", linewidth=0.9, zorder=2)
    heights = [np.zeros(1), base]
    if projection.uncertainty is not None and np.any(projection.uncertainty > 0.0):
        low, high = base - projection.uncertainty / widths, base + projection.uncertainty / widths
        text = f"uncertainty {'of the fit' if projection.fitted else 'before a fit'}"
        band = ax.stairs(high, edges, baseline=low, fill=True, facecolor="none", edgecolor="0.25", hatch="/////", linewidth=0.0, label=text)
        band.set_zorder(2.2)
        artists.append(band)
        heights += [low, high]
    subtracted = np.sum([projection.components[name] for name in without if name in projection.components], axis=0)
    values, errors = (item / widths for item in _measured(projection))
    points = values - subtracted / widths
    looks: dict[str, Any] = (
        {"fmt": "ko", "label": "data"} if projection.observed is not None else {"fmt": "k,", "label": "expected error of data"}
    )
    size = setting("lines.markersize") * (0.7 if len(points) <= _FEW else 0.35)
    drawn = ax.errorbar(
        0.5 * (edges[1:] + edges[:-1]),
        points,
        yerr=errors,
        markersize=size,
        elinewidth=0.7 * setting("lines.linewidth"),
        zorder=3,
        **looks,
    )
    _frame(ax, projection, [*heights, points - errors[0], points + errors[1]])
    ax.set_ylabel(label)
    return [*artists, *drawn.get_children()]


def _measured(projection: Projection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the data, and their errors below and above, (2, nbins); without data what is expected, with the errors that data would have."""
    values = projection.total if projection.observed is None else projection.observed
    if projection.errors is not None:
        return values, projection.errors
    if projection.observed is None:
        return values, np.tile(np.sqrt(np.fmax(values, 0.0)), (2, 1))
    low, high = poisson_interval(values)
    return values, np.stack([values - low, high - values])


def _frame(ax: Axes, projection: Projection, heights: Sequence[NDArray[np.float64]]) -> None:
    """Limit axes to the bins, and to what is drawn with the 0."""
    edges, shown = projection.edges, np.concatenate(heights)
    bottom, top = float(np.nanmin(shown)), float(np.nanmax(shown))
    room = 0.06 * (top - bottom if top > bottom else 1.0)
    ax.set_ylim(bottom - room if bottom < 0.0 else 0.0, top + room)
    if bottom < 0.0:
        ax.axhline(0.0, color="0.3", linewidth=0.6, zorder=1.5)
    _along(ax, edges)


def _along(ax: Axes, edges: NDArray[np.float64]) -> None:
    """Give axes the ends of the bins, and a logarithmic scale where these are spaced so."""
    if len(edges) > _SPACED and edges[-1] > 10.0 * edges[0] > 0.0 and spacing(edges) == "log":
        ax.set_xscale("log")
    ax.set_xlim(edges[0], edges[-1])


def draw_residuals(ax: Axes, projection: Projection) -> list[Artist]:
    """Draw the residuals of one projection over bands of 1 and 2 and return the artists."""
    artists: list[Artist] = [ax.axhspan(-size, size, facecolor="0.5", edgecolor="none", alpha=0.22, zorder=0) for size in (2.0, 1.0)]
    values = residuals(projection)
    centres = 0.5 * (projection.edges[1:] + projection.edges[:-1])
    ax.axhline(0.0, color="0.3", linewidth=0.8, zorder=1)
    artists += ax.plot(centres, values, "ko", markersize=0.7 * setting("lines.markersize"), zorder=2)
    reach = max(3.4, 1.25 * float(np.nanmax(np.abs(values), initial=0.0)))
    _along(ax, projection.edges)
    ax.set_ylim(-reach, reach)
    ax.locator_params(axis="y", nbins=4, integer=True)
    what = "fit" if projection.fitted else "exp."
    over = rf"\sqrt{{\mathrm{{{what}}}}}" if projection.errors is None else r"\mathrm{error}"
    ax.set_ylabel(rf"$\frac{{\mathrm{{data}} - \mathrm{{{what}}}}}{{{over}}}$")
    return artists


def residuals(projection: Projection) -> NDArray[np.float64]:
    """Return (data - expected)/sqrt(expected), of values over the error towards what is expected, shape (nbins,).

    It is NaN without data, and of counts where nothing is expected.

    Parameters
    ----------
    projection
        Counts along one axis.
    """
    expected = projection.total
    values = np.full(len(projection.edges) - 1, np.nan)
    if projection.observed is not None and projection.errors is not None:
        values = (projection.observed - expected) / np.where(expected > projection.observed, projection.errors[1], projection.errors[0])
    elif projection.observed is not None:
        np.divide(projection.observed - expected, np.sqrt(np.fmax(expected, 0.0)), out=values, where=expected > 0.0)
    return values


def poisson_interval(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the central 68.27 % interval of Poisson means, each of the shape of `counts`.

    References
    ----------
    F. Garwood, Biometrika 28 (1936) 437; PDG 2024, eq. (40.76).
    """
    from scipy.special import gammaincinv

    tail = 0.158655254
    low = np.where(counts > 0, gammaincinv(np.fmax(counts, 1e-300), tail), 0.0)
    return low, np.asarray(gammaincinv(counts + 1.0, 1.0 - tail))


def component_colours(components: Mapping[str, object]) -> dict[str, str]:
    """Return the colour of each component in the order of stacking: steady state, other backgrounds, signal."""
    others = [name for name in components if name not in {_STEADY_NAME, _SIGNAL_NAME}]
    colours = {_STEADY_NAME: STEADY}
    colours |= {name: BACKGROUNDS[index % len(BACKGROUNDS)] for index, name in enumerate(others)}
    colours[_SIGNAL_NAME] = SIGNAL
    return {name: colour for name, colour in colours.items() if name in components}


def _draw_row(part: SubFigure, row: Sequence[Projection], columns: int, what: _Row) -> None:
    """Draw the panels of one experiment."""
    ratios = [panel.height for panel in what.panels]
    grid = part.subplots(len(ratios), columns, sharex="col", squeeze=False, gridspec_kw={"height_ratios": ratios})
    handles: dict[str, Artist] = {}
    for column, projection in enumerate(row):
        for ax, panel in zip(grid[:, column], what.panels, strict=True):
            if panel.residuals:
                draw_residuals(ax, projection)
                continue
            draw_spectrum(ax, projection, without=panel.without)
            if panel.title:
                ax.set_ylim(top=ax.get_ylim()[1] + 0.18 * float(np.ptp(ax.get_ylim())))
                ax.text(0.97, 0.95, panel.title, transform=ax.transAxes, ha="right", va="top", fontsize=setting("legend.fontsize"))
            drawn, labels = ax.get_legend_handles_labels()
            handles |= dict(zip(labels, drawn, strict=True))
        grid[-1, column].set_xlabel(what.look.axis(projection.axis, projection.unit))
    for ax in grid[:, len(row) :].flat:
        ax.set_visible(False)
    part.align_ylabels()
    _draw_legend(part, handles, ", ".join([what.name, *([row[0].caveat] if row[0].caveat else [])]))


def _draw_legend(part: SubFigure, handles: Mapping[str, Artist], title: str) -> None:
    """Draw the legend above the panels, in as many columns as there is room for."""
    size = setting("legend.fontsize")
    longest = max((len(label) for label in handles), default=1)
    columns = max(1, int(part.bbox.width / part.figure.dpi / (size / 72.0 * (0.45 * longest + 4.0))))
    legend = part.legend(
        [*handles.values()][::-1],
        [*handles][::-1],
        title=title,
        loc="outside upper left",
        ncols=-(-len(handles) // -(-len(handles) // columns)),
        columnspacing=1.2,
    )
    legend.set_alignment("left")
    legend.get_title().set_fontsize(setting("axes.titlesize"))


def _density(projection: Projection) -> tuple[NDArray[np.float64], str]:
    """Return what the counts are divided by, shape (nbins,), and the label that says so."""
    widths = np.diff(projection.edges)
    unit = UNITS.get(projection.unit, projection.unit)
    if np.allclose(widths, widths[0], rtol=1e-6):
        size = unit if unit and f"{widths[0]:.4g}" == "1" else f"{widths[0]:.4g} {unit}".strip()
        return np.ones_like(widths), f"counts / {size}"
    return widths, f"counts / {unit if unit else 'unit'}"


def _printed(component: str) -> str:
    return COMPONENTS.get(component, component.replace("_", " "))
