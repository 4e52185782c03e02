"""Exclusion plots: regions in a plane of two parameters, bands and curves on top."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import AxisError
from cevnsfit.core.words import wrapped
from cevnsfit.report.best_fits import best_handles, draw_best_fit
from cevnsfit.report.curves import FILL, draw_curves, name_curves, ticked
from cevnsfit.report.known import DOTS, draw_known, is_coarse
from cevnsfit.report.legends import place_legend
from cevnsfit.report.style import (
    BAND,
    PALETTE,
    SCREEN,
    SIGNAL,
    Look,
    axes_of_size,
    caption,
    figure_of,
    line_style,
    new_figure,
    setting,
    style,
)
from cevnsfit.report.zoom import narrow_window, position, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.path import Path
    from numpy.typing import NDArray

    from cevnsfit.infer.limit import Limit
    from cevnsfit.infer.planes import Plane, Region
    from cevnsfit.report.zoom import Window

    Entry = tuple[Plane, Sequence[Region], str]

_MARGIN: Final = 0.15
"""Room below and above what is drawn, in units of the axis of the whole grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A band in a plane, for example the couplings that explain (g-2) of the muon.

    Attributes
    ----------
    x
        Values of the first parameter, shape (n,).
    low, high
        Ends of the band in the second parameter, shape (n,); 0 where every smaller value is in the band.
    label
        What it is.
    upright
        Whether `x` are values of the second parameter, and the band is one in the first.
    source
        Its reference (experiment and theory), for the caption.
    """

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    label: str
    upright: bool = False
    source: str = ""

    @property
    def one_sided(self) -> bool:
        """Return whether the band has no lower end."""
        return not np.any(self.low > 0.0)


def draw_exclusion(ax: Axes, plane: Plane, regions: Sequence[Region], *, colour: str, label: str, filled: bool) -> list[Artist]:
    """Draw the excluded regions of one result and return the artists.

    Boundaries are solid at 90 % and dashed at 95 % confidence level, one line for each branch, thin enough to keep a narrow
    allowed band between two of them open. The first artist carries the label.

    Parameters
    ----------
    ax
        Axes to draw on; they take scales and limits of `plane`.
    plane, regions
        The plane, and its regions at one or more confidence levels.
    colour, label
        Colour and name of the result.
    filled
        Whether the excluded regions are filled lightly, the more so the higher the confidence level.
    """
    _frame(ax, plane)
    artists: list[Artist] = []
    for region in sorted(regions, key=lambda each: each.cl):
        if filled:
            artists += _fills(ax, region, colour)
        width = (0.6 if filled else 0.7) * setting("lines.linewidth")
        for branch in region.branches:
            artists += ax.plot(*branch.T, color=colour, linestyle=line_style(region.cl), linewidth=width, zorder=3 if filled else 4)
    if artists:
        artists[0].set_label(label)
    return artists


def draw_band(ax: Axes, band: Band, *, colour: str) -> list[Artist]:
    """Draw a band between two curves and return the artist; one without lower end is a line, with ticks on the side that it allows."""
    x, low, high = band.x, band.low, np.where(np.isfinite(band.high), band.high, np.nan)
    if band.one_sided:
        side, ends = ("left of", (high, x)) if band.upright else ("below", (x, high))
        ticks = ticked(colour, on_left=band.upright)
        return list(ax.plot(*ends, color=colour, path_effects=ticks, zorder=2.5, label=f"{band.label}: {side} this line"))
    fill = ax.fill_betweenx if band.upright else ax.fill_between
    return [fill(x, low, high, where=np.isfinite(high), color=colour, alpha=0.45, linewidth=0, zorder=2.5, label=band.label)]


def exclusion_figure(
    entries: Sequence[Entry],
    *,
    band: Band | None = None,
    curves: Sequence[Limit] = (),
    method: str = "profile likelihood, Wilks",
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return an exclusion plot of several results in one plane.

    Parameters
    ----------
    entries
        Plane, regions and label of each result; the last combination of experiments, or a single entry, is drawn filled, others as lines.
    band, curves
        A band and other results to draw on top.
    method
        How the thresholds were found; it is printed.
    notes
        Further lines to print: Lagrangian, choices, references.
    look
        On a screen the legend lies beside the plane and a caption below; elsewhere the legend lies inside, and names beside curves are not repeated.
    ax
        Axes to draw on, with the legend inside; in a new figure by default.

    Returns
    -------
    The figure; on a screen an allowed band too narrow to be seen well in the plane is shown magnified beside it, for its result alone.

    Raises
    ------
    AxisError
        If there is no entry, or the planes differ in their parameters.
    """
    _check(entries)
    look = replace(look, caveats=tuple(dict.fromkeys(look.told(plane.caveat) for plane, _, _ in entries if plane.caveat)))
    results = _styled(entries, look)
    lines = _information([result.entry for result in results], method, look, notes)
    with style(look):
        if ax is None and look.captioned:
            return _beside(results, band, curves, lines, look)
        alone = ax is None
        ax = axes_of_size(ax, 6.4, 4.9 if look.style == "paper" and look.columns == 1 else 3.7, look)
        named = {limit.label for limit in curves}
        handles = [handle for handle in _draw_labelled(ax, results, band, curves, look) if handle.get_label() not in named]
        place_legend(ax, handles, look=look)
        if alone:
            if ax.get_legend() is None:
                name_curves(ax, curves)
            sources = [f"{limit.label}: {', '.join(text for text in (limit.level, limit.source) if text)}" for limit in curves]
            best = [f"{label}: {plane.best_described}" for plane, _, label in (result.entry for result in results)]
            caption(figure_of(ax), [*lines, *([] if band is None else [band.source]), *best, *sources], look)
    return figure_of(ax)


def _beside(results: Sequence[_Styled], band: Band | None, curves: Sequence[Limit], lines: Sequence[str], look: Look) -> Figure:
    """Return the plane with its legend and a magnified view beside it, and with its caption below."""
    figure = new_figure(9.8, 5.9, look)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2.35, 1.0])[0]
    ax = left.add_subplot()
    handles = _draw_labelled(ax, results, band, curves, look)
    beside = _draw_legend(right, handles)
    sources = [] if band is None or not band.source else [band.source]
    below = _draw_caption(figure, [*map(look.name, lines), *sources], look.caveats)
    plot = max(5.4, beside + 3.5)
    figure.set_size_inches(9.8, plot + below)
    for result, window in _windows(results)[:1]:
        top = max(beside + 0.8, plot - 3.3)
        inset = right.add_subplot(right.add_gridspec(2, 1, height_ratios=[top, plot - top])[1, 0])
        _draw_plane(inset, [replace(result, filled=True)], band, curves, look)
        _zoom(ax, inset, window, result.entry[2])
    return figure


def _check(entries: Sequence[Entry]) -> None:
    """Raise AxisError unless all entries lie in one plane."""
    planes = {(plane.x.name, plane.x.unit, plane.y.name, plane.y.unit) for plane, _, _ in entries}
    if len(planes) != 1:
        found = "; ".join(f"{x} [{x_unit}], {y} [{y_unit}]" for x, x_unit, y, y_unit in sorted(planes))
        message = f"an exclusion plot needs results in one plane, here are {len(planes)}: {found}"
        raise AxisError(message)


@dataclass(frozen=True, slots=True)
class _Styled:
    """A result and how it is drawn."""

    entry: Entry
    colour: str
    filled: bool


def _styled(entries: Sequence[Entry], look: Look) -> list[_Styled]:
    """Return the results under their labels, the filled one first; each takes the next colour of the palette."""
    labels = look.labelled([label for _, _, label in entries])
    entries = [(plane, regions, label) for (plane, regions, _), label in zip(entries, labels, strict=True)]
    combined = [index for index, (plane, _, _) in enumerate(entries) if len(entries) == 1 or len(plane.experiments) > 1]
    filled = [index in combined[-1:] for index in range(len(entries))]
    order = sorted(range(len(entries)), key=lambda index: not filled[index])
    return [_Styled(entries[index], PALETTE[rank % len(PALETTE)], filled[index]) for rank, index in enumerate(order)]


def _draw_result(ax: Axes, result: _Styled, look: Look) -> Artist:
    """Draw one result and return its handle for the legend."""
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    (plane, regions, label), colour = result.entry, result.colour
    draw_exclusion(ax, plane, regions, colour=colour, label=label, filled=result.filled)
    draw_known(ax, plane, regions, colour=colour)
    if look.best_fit:
        draw_best_fit(ax, plane, colour=colour, look=look)
    points = np.argwhere(~plane.valid)
    ax.plot(plane.x.values[points[:, 0]], plane.y.values[points[:, 1]], "x", color=colour, markersize=2.5, markeredgewidth=0.6, zorder=2)
    text = f"{label}{_extent(regions, filled=result.filled)}"
    if result.filled:
        return Patch(facecolor=to_rgba(colour, 1.5 * FILL), edgecolor=colour, linewidth=0.8, label=text)
    return Line2D([], [], color=colour, label=text)


def _extent(regions: Sequence[Region], *, filled: bool) -> str:
    """Return what the legend adds to a label: what is filled, or why there is no line."""
    if not any(region.excluded for region in regions):
        return " (nothing excluded)"
    if not any(region.branches for region in regions):
        return " (everything excluded)"
    return ", excluded" if filled else ""


def _level_handles(entries: Sequence[Entry]) -> list[Artist]:
    from matplotlib.lines import Line2D

    levels = sorted({region.cl for _, regions, _ in entries for region in regions})
    return [Line2D([], [], color="black", linestyle=line_style(cl), label=f"{100 * cl:g} % CL") for cl in levels]


def _draw_plane(ax: Axes, results: Sequence[_Styled], band: Band | None, curves: Sequence[Limit], look: Look) -> list[Artist]:
    """Draw everything that lies in the plane and return the handles for the legend."""
    entries = [result.entry for result in results]
    handles = [_draw_result(ax, result, look) for result in results]
    _frame(ax, entries[0][0])
    extra = draw_curves(ax, curves)
    if band is not None:
        extra += draw_band(ax, band, colour=BAND)
    _frame(ax, entries[0][0])
    return [
        *handles,
        *_level_handles(entries),
        *extra,
        *(best_handles([(plane, label) for plane, _, label in entries], look) if look.best_fit else []),
    ]


def _draw_labelled(ax: Axes, results: Sequence[_Styled], band: Band | None, curves: Sequence[Limit], look: Look) -> list[Artist]:
    """Draw everything that lies in the plane with labels and title and return the handles for the legend."""
    handles, plane = _draw_plane(ax, results, band, curves, look), results[0].entry[0]
    ax.set_xlabel(look.axis(plane.x.name, plane.x.unit))
    ax.set_ylabel(look.axis(plane.y.name, plane.y.unit))
    ax.set_ylim(*_reach(ax, results))
    look.finish(ax)
    name_curves(ax, curves)
    return [handle for handle in handles if handle.axes is None or _is_seen(ax, handle)]


def _is_seen(ax: Axes, artist: Artist) -> bool:
    """Return whether a line, or a band, has a part in the view."""
    paths = artist.get_paths() if hasattr(artist, "get_paths") else [artist.get_path()]  # type: ignore[attr-defined]
    return any(ax.transData.transform_path(path).intersects_bbox(ax.bbox) for path in paths)


def _reach(ax: Axes, results: Sequence[_Styled]) -> tuple[float, float]:
    """Return the ends of the second axis: those of the lines and marks in the plane with a margin, within the grid; the grid where a result has no line."""
    axis, places = results[0].entry[0].y, [np.empty(0)]
    if any(not region.branches for result in results for region in result.entry[1]):
        return value(np.array([0.0, 1.0]), axis)
    left, right = sorted(ax.get_xlim())
    for line in ax.lines:
        x, y = np.asarray(line.get_xydata()).T
        found = position(y[(x >= left) & (x <= right) & ~np.isnan(y)], axis)
        places.append(found[(found >= 0.0) & (found <= 1.0)])
    shown = np.concatenate(places)
    return value(np.clip([shown.min(initial=1.0) - _MARGIN, shown.max(initial=0.0) + _MARGIN], 0.0, 1.0), axis)


def _windows(results: Sequence[_Styled]) -> list[tuple[_Styled, Window]]:
    """Return the results with a narrow allowed band and the window around it."""
    found = [(result, narrow_window(result.entry[0], result.entry[1])) for result in results]
    return [(result, window) for result, window in found if window is not None]


def _zoom(ax: Axes, inset: Axes, window: Window, label: str) -> None:
    """Limit `inset` to the window and draw its frame on `ax`."""
    from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullLocator

    low, high, bottom, top = window
    inset.set_xlim(low, high)
    inset.set_ylim(bottom, top)
    inset.set_title(f"narrow allowed band\n{wrapped(label, 26)}", fontsize="small")
    inset.tick_params(labelsize="small")
    for axis in (inset.xaxis, inset.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())
    for line in inset.lines:
        line.set_clip_on(True)
    ax.indicate_inset((low, bottom, high - low, top - bottom), edgecolor="black", alpha=1.0, linewidth=0.8, zorder=5)


def _draw_legend(part: SubFigure, handles: Sequence[Artist]) -> float:
    """Draw the legend in the upper corner and return the height that it needs, in inches."""
    labels = [wrapped(str(handle.get_label()), 27) for handle in handles]
    part.legend(list(handles), labels, loc="upper left", labelspacing=0.6)
    return 0.3 + 0.25 * sum(label.count("\n") + 1 for label in labels)


def _information(entries: Sequence[Entry], method: str, look: Look, notes: Sequence[str]) -> list[str]:
    """Return what a reader must know of the results: model, method, thresholds, failures, and further notes."""
    models = dict.fromkeys(look.name(plane.model) for plane, _, _ in entries)
    levels = sorted({(region.cl, region.dof, region.threshold) for _, regions, _ in entries for region in regions})
    thresholds = ", ".join(rf"{threshold:.2f} ({100 * cl:g} % CL, {dof} dof)" for cl, dof, threshold in levels if np.isfinite(threshold))
    found = rf"$-2\,\Delta\,\ln\lambda$ = {thresholds}" if thresholds else ", ".join(f"{100 * cl:g} % CL" for cl, _, _ in levels)
    failed = sum(int(np.count_nonzero(~plane.valid)) for plane, _, _ in entries)
    failures = [f"Crosses: {failed} points without a valid minimum"] if failed else []
    dots = [DOTS] if any(is_coarse(plane, region) for plane, regions, _ in entries for region in regions) else []
    return [rf"{', '.join(models)}; {method}; {found}", *failures, *dots, *notes]


def _draw_caption(figure: Figure, lines: Sequence[str], caveats: Sequence[str]) -> float:
    """Print lines and caveats below the plot, the caveats in a colour of their own; return the height that they need, in inches."""
    from matplotlib.lines import Line2D

    texts = [*caveats, *lines]
    blanks = [Line2D([], [], linestyle="none") for _ in texts]
    printed = [wrapped(text, 120) for text in texts]
    spaces = {"handlelength": 0.0, "handletextpad": 0.0, "labelspacing": 0.3, "borderpad": 0.0}
    legend = figure.legend(blanks, printed, loc="outside lower left", fontsize="small", **spaces)
    for text in legend.get_texts()[: len(caveats)]:
        text.set(color=SIGNAL, fontweight="bold", fontsize="medium")
    return 0.1 + 0.23 * sum(text.count("\n") + 1 for text in printed)


def _frame(ax: Axes, plane: Plane) -> None:
    """Give `ax` the scales and limits of the plane."""
    ax.set_xscale(plane.x.scale)
    ax.set_yscale(plane.y.scale)
    ax.set_xlim(plane.x.values[0], plane.x.values[-1])
    ax.set_ylim(plane.y.values[0], plane.y.values[-1])


def _fills(ax: Axes, region: Region, colour: str) -> list[Artist]:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import PathPatch

    patches = [
        PathPatch(_path(rings), facecolor=to_rgba(colour, FILL), edgecolor="none", linewidth=0, zorder=1) for rings in region.excluded
    ]
    return [ax.add_patch(patch) for patch in patches]


def _path(rings: Sequence[NDArray[np.float64]]) -> Path:
    """Return the path of a polygon: outer ring anticlockwise, holes clockwise, so that holes stay empty."""
    from matplotlib.path import Path

    paths = []
    for index, ring in enumerate(rings):
        x, y = ring.T
        area = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
        turned = ring if (area > 0.0) == (index == 0) else ring[::-1]
        paths.append(Path(np.vstack([turned, turned[:1]]), closed=True))
    return Path.make_compound_path(*paths)
