"""The picture of a significance at an unknown place: q0 along the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cevnsfit.report.legends import finish
from cevnsfit.report.style import PALETTE, SCREEN, SIGNAL, Look, axes_of_size, figure_of, style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.elsewhere import GlobalSignificance


def draw_scan(ax: Axes, result: GlobalSignificance) -> list[Artist]:
    """Draw q0 against the scanned parameter, its maximum, and the level at which upcrossings are counted; return the artists."""
    artists: list[Artist] = [*ax.plot(result.axis.values, result.q0, ".-", color=PALETTE[0], zorder=3, label="observed")]
    if result.toys is not None:
        artists.append(ax.axhline(result.level, color="0.4", linestyle="--", zorder=2, label="level of upcrossings"))
    known = f"$p$ = {result.local_p:.2g}" + (" (local)" if result.toys is None else f", global {result.global_p:.2g}")
    artists += ax.plot([result.maximum[result.axis.name]], [result.q0_max], "o", color=SIGNAL, zorder=4, label=known)
    ax.set_xscale(result.axis.scale)
    ax.set_ylim(0.0, 1.1 * max(result.q0_max, result.level))
    return artists


def scan_figure(result: GlobalSignificance, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the picture of q0 along the scan."""
    look = look.naming(result.about)
    with style(look):
        alone, ax = ax is None, axes_of_size(ax, 6.4, 4.4, look)
        draw_scan(ax, result)[0].set_label(look.labelled(["observed"])[0])
        ax.set_xlabel(look.axis(result.axis.name, result.axis.unit))
        ax.set_ylabel("$q_0$")
        notes = [text for text in (look.headline(result.about), result.about.lagrangian, result.doubt) if text]
        finish(ax, notes if alone else None, look)
    return figure_of(ax)
