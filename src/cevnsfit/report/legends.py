"""Legends, where they hide nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cevnsfit.core.words import wrapped
from cevnsfit.report.style import SCREEN, Look, axes_of_size, caption, figure_of, setting, style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend


@contextmanager
def one_plot(ax: Axes | None, width: float, height: float, look: Look, notes: Sequence[str] = ()) -> Iterator[Axes]:
    """Yield axes, by default those of a new figure with lines below it, in the style of a look; then give them title, ends and legend."""
    with style(look):
        axes = axes_of_size(ax, width, height, look)
        yield axes
        finish(axes, notes if ax is None else None, look)


def finish(ax: Axes, notes: Sequence[str] | None, look: Look) -> None:
    """Give axes title, ends and legend, and their figure its caption: None for the figure of somebody else."""
    caption(figure_of(ax), notes, look)
    look.finish(ax)
    place_legend(ax, look=look)


def place_legend(ax: Axes, handles: Sequence[Artist] | None = None, *, look: Look = SCREEN) -> None:
    """Draw the legend, under the caveats, where it hides no line and no text: in the axes, else above them, and beside them on a slide.

    Parameters
    ----------
    ax
        Axes with everything else on them; those of somebody else's figure have it inside in any case.
    handles
        What is named; what has a label by default.
    look
        Style of the figure, and its caveats.
    """
    figure, title = figure_of(ax), "\n".join(map(wrapped, look.caveats))
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    labels = [wrapped(str(handle.get_label()), 26) for handle in handles]
    options: dict[str, Any] = {
        "title": title if title else None,
        "alignment": "left",
        "labelspacing": 0.35,
        "borderaxespad": 0.4,
        "columnspacing": 1.0,
    }
    options["title_fontproperties"] = {"weight": "bold", "size": setting("legend.title_fontsize")}
    legend = ax.legend(handles, labels, loc="best", frameon=True, edgecolor="none", framealpha=0.85, **options)
    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    beside = look.style == "talk"
    for ncols in (1,) if beside else (3, 2, 1):
        if _hides(ax, legend):
            legend.remove()
            legend = figure.legend(handles, labels, loc="outside right upper" if beside else "outside upper left", ncols=ncols, **options)
            figure.draw_without_rendering()
    if ax.get_legend() is None and not beside:
        figure.set_figheight(figure.get_figheight() + legend.get_window_extent().height / figure.dpi)


def _hides(ax: Axes, legend: Legend) -> bool:
    """Return whether a legend lies on a line, a bar or a text of the axes, or leaves these; one of the figure, whether it leaves that."""
    from matplotlib.patches import Rectangle

    inside, box = ax.get_legend() is legend, legend.get_window_extent()
    room = ax.get_window_extent() if inside else figure_of(ax).bbox
    if box.x0 < room.x0 or box.x1 > room.x1 or box.y0 < room.y0 or box.y1 > room.y1:
        return True
    if not inside:
        return False
    paths = [line.get_transform().transform_path(line.get_path()) for line in ax.lines]
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return any(path.intersects_bbox(box, filled=False) for path in paths) or any(
        artist.get_window_extent().overlaps(box) for artist in (*ax.texts, *bars)
    )
