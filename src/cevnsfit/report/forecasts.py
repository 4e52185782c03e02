"""Plots of forecasts: expected limits with their bands, and limits against the fields of an experiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.core.words import wrapped
from cevnsfit.infer.limit import UNBOUNDED
from cevnsfit.report.legends import finish, one_plot
from cevnsfit.report.style import PALETTE, SCREEN, AxisLabel, Look, figure_of, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


_ALPHA: Final = (0.18, 0.30)
"""Opacity of the 95 % band and of the 68 % band on top of it."""

BANDED: Final = 2
"""Lines in a what-if plot up to which each is drawn with its bands."""


@dataclass(frozen=True, slots=True, eq=False)
class LimitBand:
    """An expected limit against one parameter, or against a varied field.

    Attributes
    ----------
    label
        The experiments, or the setting of the other varied fields.
    x
        Values of the parameter or the field, shape (n,).
    limit
        Median limit, shape (n,), infinite where nothing is excluded.
    bands
        Limits at -2, -1, 0, 1, 2 standard deviations, shape (n, 5).
    others
        The discovery reach at each significance, shape (n, m), or the limit with statistical errors alone, shape (n, 1).
    """

    label: str
    x: NDArray[np.float64]
    limit: NDArray[np.float64]
    bands: NDArray[np.float64]
    others: NDArray[np.float64]


def draw_limit(ax: Axes, band: LimitBand, *, colour: str, filled: bool) -> list[Artist]:
    """Draw a median limit, with its 68 % and 95 % bands when `filled`, and return the artists.

    A band that reaches values that are not excluded leaves the axes.
    """
    artists: list[Artist] = list(
        ax.plot(band.x, _shown(band.limit), color=colour, linestyle="-" if filled else "--", zorder=4, label=f"{band.label}, median")
    )
    return [*artists, *draw_bands(ax, band.x, band.bands, colour=colour)] if filled else artists


def draw_bands(ax: Axes, x: NDArray[np.float64], bands: NDArray[np.float64], *, colour: str) -> list[Artist]:
    """Draw the 95 % and the 68 % band of limits at -2, -1, 0, 1, 2 standard deviations, shape (n, 5), and return the artists.

    Where nothing is excluded at the upper end the band goes on to `UNBOUNDED`, which widens no view.
    """
    finite = np.isfinite(bands[:, [0, 4]])
    before, points = ax.dataLim.frozen(), np.column_stack([np.repeat(x, 2), bands[:, [0, 4]].ravel()])[finite.ravel()]
    artists: list[Artist] = []
    for (low, high), alpha, text in zip(((0, 4), (1, 3)), _ALPHA, ("95 %", "68 %"), strict=True):
        label = f"{text} of results"
        bottom, top = bands[:, low], np.where(np.isinf(bands[:, high]), UNBOUNDED, bands[:, high])
        shown = np.isfinite(bottom) & np.isfinite(top)
        artists.append(ax.fill_between(x, bottom, top, where=shown, color=colour, alpha=alpha, linewidth=0, zorder=2, label=label))
    ax.dataLim.set(before)
    ax.update_datalim(points)
    return artists


def forecast_figure(
    bands: Sequence[LimitBand],
    x: AxisLabel,
    y: AxisLabel,
    *,
    discovery: Sequence[float] = (),
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return a plot of expected limits; the last one is drawn with its bands and its discovery reach, the others as dashed lines.

    Parameters
    ----------
    bands
        The limits.
    x, y
        The parameter, and the limit.
    discovery
        Significances of the discovery reach.
    notes
        Lines of the caption: data, method.
    ax
        Axes to draw on, without the lines below; in a new figure by default.

    Raises
    ------
    AxisError
        If there is no limit to draw.
    """
    if not bands:
        message = "a plot of expected limits needs at least one limit"
        raise AxisError(message)
    bands = _named(bands, look)
    main = bands[-1]
    with one_plot(ax, 7.4, (6.0 if look.captioned else 5.4) + _room(notes, look), look, notes) as axes:
        axes.set_ylim(*_reach(bands))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(float(main.x[0]), float(main.x[-1]))
        for rank, band in enumerate(bands):
            draw_limit(axes, band, colour=PALETTE[(len(bands) - 1 - rank) % len(PALETTE)], filled=band is main)
        for sigma, values, dashes in zip(discovery, main.others.T, (":", "-."), strict=False):
            axes.plot(main.x, _shown(values), color="black", linestyle=dashes, zorder=3, label=rf"discovery at {sigma:g}$\,\sigma$")
        axes.set_xlabel(look.axis(*x))
        axes.set_ylabel(look.axis(*y))
    return figure_of(axes)


def _named(bands: Sequence[LimitBand], look: Look) -> list[LimitBand]:
    """Return limits under the labels of a look."""
    return [replace(band, label=label) for band, label in zip(bands, look.labelled([band.label for band in bands]), strict=True)]


def _room(notes: Sequence[str], look: Look) -> float:
    """Return the height of lines below a figure, in inches."""
    return 0.25 * len(notes) if look.captioned else 0.0


def expected_figure(
    bands: Sequence[LimitBand],
    poi: str,
    *,
    discovery: Sequence[float] = (),
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return expected limits at one place as bars, one below the other; the arguments are those of `forecast_figure`."""
    from matplotlib import rcParams
    from matplotlib.ticker import FormatStrFormatter, LogLocator

    rows, bands = np.arange(len(bands)), _named(bands, look)
    with one_plot(ax, 7.4, 2.0 + 0.8 * len(bands) + _room(notes, look), look, notes) as axes:
        axes.set_xscale("log")
        axes.set_xlim(*_reach(bands))
        ends = np.array([band.bands[0] for band in bands])
        ends = np.where(np.isinf(ends), UNBOUNDED, ends)
        for (low, high), alpha, text in zip(((0, 4), (1, 3)), _ALPHA, ("95 %", "68 %"), strict=True):
            looks: dict[str, Any] = {"height": 0.6, "color": PALETTE[0], "alpha": alpha, "label": f"{text} of results"}
            axes.barh(rows, ends[:, high] - ends[:, low], left=ends[:, low], **looks)
        axes.plot(
            [band.limit[0] for band in bands], rows, "|", color=PALETTE[0], markersize=4 * rcParams["lines.markersize"], label="median"
        )
        for place, (sigma, marker) in enumerate(zip(discovery, "ox", strict=False)):
            found = [band.others[0, place] for band in bands]
            axes.plot(found, rows, marker, color="black", linestyle="none", label=rf"discovery at {sigma:g}$\,\sigma$")
        axes.set_yticks(rows, [wrapped(band.label, 22) for band in bands])
        axes.tick_params(axis="y", which="minor", length=0)
        axes.set_ylim(len(bands) - 0.5, -0.5)
        axes.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        for form in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            form(FormatStrFormatter("%g"))
        axes.set_xlabel(look.axis(poi, "1"))
    return figure_of(axes)


def _reach(bands: Sequence[LimitBand], below: float = 0.5, above: float = 2.0) -> tuple[float, float]:
    """Return the ends of an axis of limits, in units of the smallest and of the largest one."""
    values = np.concatenate([values.ravel() for band in bands for values in (band.limit, band.bands, band.others)])
    shown = values[np.isfinite(values) & (values > 0.0)]
    return (below * float(shown.min()), above * float(shown.max())) if len(shown) else (1e-5, 1.0)


def whatif_figure(
    lines: Sequence[LimitBand], field: AxisLabel, poi: str, *, scale: str, notes: Sequence[str] = (), look: Look = SCREEN
) -> Figure:
    """Return a plot of limits against a field; below it their ratio to the limits of statistical errors alone, which shows the floor.

    Parameters
    ----------
    lines
        One for each setting of the other fields.
    field
        Path and unit of the field.
    poi
        Parameter that is limited.
    scale
        Scale of the field, "linear" or "log".
    notes
        Lines of the caption.

    Raises
    ------
    AxisError
        If there is no line to draw.
    """
    if not lines:
        message = "a what-if plot needs at least one line"
        raise AxisError(message)
    with style(look):
        figure = new_figure(7.4, (6.6 if look.captioned else 6.0) + _room(notes, look), look)
        ax, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, 1.0])
        ax.set_ylim(*_reach(lines, 0.7, 1.4))
        lines = _named(lines, look)
        for rank, line in enumerate(lines):
            colour = PALETTE[rank % len(PALETTE)]
            if len(lines) <= BANDED:
                draw_bands(ax, line.x, line.bands, colour=colour)
            ax.plot(line.x, _shown(line.limit), color=colour)
            ax.plot(line.x, _shown(line.others[:, 0]), color=colour, linestyle="--")
            with np.errstate(invalid="ignore"):
                below.plot(line.x, _shown(line.limit / line.others[:, 0]), color=colour)
        ax.set_yscale("log")
        ax.set_xscale(scale)
        below.axhline(1.0, color="0.5", linewidth=0.8, zorder=0)
        ax.set_ylabel(f"limit on {look.name(poi)}")
        below.set_ylabel("ratio")
        below.set_xlabel(look.axis(*field))
        _name_lines(ax, lines)
        finish(ax, notes, look)
    return figure


def _name_lines(ax: Axes, lines: Sequence[LimitBand]) -> None:
    """Give the legend of a what-if plot a line for each setting, by its colour, and what solid and dashed lines are."""
    settings = [(line.label, PALETTE[rank % len(PALETTE)], "-") for rank, line in enumerate(lines) if line.label]
    colour = "black" if settings else PALETTE[0]
    for label, shown, dashes in (*settings, ("all systematics", colour, "-"), ("statistical errors alone", colour, "--")):
        ax.plot([], [], color=shown, linestyle=dashes, label=label)


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with gaps where they are not finite."""
    return np.where(np.isfinite(values), values, np.nan)
