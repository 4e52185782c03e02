"""Spectra: data against stacked components along each axis of each experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.report.style import BACKGROUNDS, COMPONENTS, SCREEN, SIGNAL, STEADY, UNITS, Look, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Projection

_SIGNAL_NAME = "cevns"
_STEADY_NAME = "steady_state"


def spectra_figure(projections: Sequence[Projection], *, look: Look = SCREEN) -> Figure:
    """Return one row of panels for each experiment, one column for each axis.

    Components are stacked, the steady-state background at the bottom and the signal on top; counts carry the central 68.3 % Poisson
    intervals, values their errors, and a panel below shows (data - expected)/sqrt(expected), or over the error. A projection without data is drawn as the stack alone.

    Parameters
    ----------
    projections
        In any order; those of one experiment share a row.
    """
    rows: dict[str, list[Projection]] = {}
    for projection in projections:
        rows.setdefault(projection.experiment, []).append(projection)
    columns = max((len(row) for row in rows.values()), default=1)
    heights = [4.1 if any(p.observed is not None for p in row) else 3.3 for row in rows.values()]
    with style(look):
        figure = new_figure(max(4.3 * columns, 6.0), max(sum(heights), 1.0), look)
        if rows:
            parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
            for part, row in zip(parts, rows.values(), strict=True):
                _draw_row(part, row, columns, look)
    return figure


def draw_spectrum(ax: Axes, projection: Projection) -> list[Artist]:
    """Draw stacked components and data of one projection and return the artists.

    Bins of unequal width are drawn as counts per unit width, and the label of the axis says so.

    Parameters
    ----------
    ax
        Axes to draw on.
    projection
        Counts along one axis.
    """
    widths, label = _density(projection)
    colours = component_colours(projection.components)
    base = np.zeros(len(projection.edges) - 1)
    artists: list[Artist] = []
    for name, colour in colours.items():
        top = base + projection.components[name] / widths
        artists.append(ax.stairs(top, projection.edges, baseline=base, fill=True, facecolor=colour, label=_printed(name), zorder=1))
        base = top
    ax.stairs(base, projection.edges, color="black", linewidth=0.9, zorder=2)
    if projection.observed is not None:
        errors = projection.errors
        if errors is None:
            low, high = poisson_interval(projection.observed)
            errors = np.stack([projection.observed - low, high - projection.observed])
        points = projection.observed / widths
        centres = 0.5 * (projection.edges[1:] + projection.edges[:-1])
        drawn = ax.errorbar(centres, points, yerr=errors / widths, fmt="ko", markersize=3.5, elinewidth=1.0, label="data", zorder=3)
        artists += drawn.get_children()
    ax.set_xlim(projection.edges[0], projection.edges[-1])
    ax.set_ylim(0.0 if projection.errors is None else min(0.0, ax.get_ylim()[0]), 1.04 * ax.get_ylim()[1])
    ax.set_ylabel(label)
    return artists


def draw_residuals(ax: Axes, projection: Projection) -> list[Artist]:
    """Draw the residuals of one projection over bands of 1 and 2 and return the artists."""
    artists: list[Artist] = [ax.axhspan(-size, size, facecolor="0.5", edgecolor="none", alpha=0.22, zorder=0) for size in (2.0, 1.0)]
    values = residuals(projection)
    centres = 0.5 * (projection.edges[1:] + projection.edges[:-1])
    ax.axhline(0.0, color="0.3", linewidth=0.8, zorder=1)
    artists += ax.plot(centres, values, "ko", markersize=3.5, zorder=2)
    reach = max(3.4, 1.25 * float(np.nanmax(np.abs(values), initial=0.0)))
    ax.set_xlim(projection.edges[0], projection.edges[-1])
    ax.set_ylim(-reach, reach)
    ax.locator_params(axis="y", nbins=4, integer=True)
    over = r"\sqrt{\mathrm{fit}}" if projection.errors is None else r"\mathrm{error}"
    ax.set_ylabel(rf"$\frac{{\mathrm{{data}} - \mathrm{{fit}}}}{{{over}}}$")
    return artists


def residuals(projection: Projection) -> NDArray[np.float64]:
    """Return (data - expected)/sqrt(expected), of values over the error towards what is expected, shape (nbins,).

    It is NaN without data, and of counts where nothing is expected.

    Parameters
    ----------
    projection
        Counts along one axis.
    """
    expected = np.sum([*projection.components.values()], axis=0, dtype=np.float64)
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


def _draw_row(part: SubFigure, row: Sequence[Projection], columns: int, look: Look) -> None:
    """Draw the panels of one experiment."""
    with_data = any(projection.observed is not None for projection in row)
    ratios = [3.0, 1.0] if with_data else [1.0]
    grid = part.subplots(len(ratios), columns, sharex="col", squeeze=False, gridspec_kw={"height_ratios": ratios})
    handles: dict[str, Artist] = {}
    for column, projection in enumerate(row):
        draw_spectrum(grid[0, column], projection)
        drawn, labels = grid[0, column].get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
        if projection.observed is not None:
            draw_residuals(grid[1, column], projection)
        grid[-1, column].set_xlabel(look.axis(projection.axis, projection.unit))
    for panel in grid[:, len(row) :].flat:
        panel.set_visible(False)
    part.align_ylabels()
    columns = min(len(handles), 2 + 2 * len(row))
    legend = part.legend(
        [*handles.values()][::-1],
        [*handles][::-1],
        title=look.name(row[0].experiment),
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.2,
    )
    legend.set_alignment("left")
    legend.get_title().set_fontsize(15)


def _density(projection: Projection) -> tuple[NDArray[np.float64], str]:
    """Return what the counts are divided by, shape (nbins,), and the label that says so."""
    widths = np.diff(projection.edges)
    unit = UNITS.get(projection.unit, projection.unit)
    if np.allclose(widths, widths[0], rtol=1e-6):
        size = f"{widths[0]:.4g} {unit}".strip()
        return np.ones_like(widths), f"counts / {size}"
    return widths, f"counts / {unit if unit else 'unit'}"


def _printed(component: str) -> str:
    return COMPONENTS.get(component, component.replace("_", " "))
