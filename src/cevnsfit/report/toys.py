"""Statistics in pseudo-experiments: their distributions, with the observed values, q0 along a scan, and critical values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.words import wrapped
from cevnsfit.infer.intervals import threshold
from cevnsfit.report.legends import one_plot
from cevnsfit.report.style import PALETTE, SCREEN, SIGNAL, Look, figure_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.critical import CriticalValues
    from cevnsfit.infer.elsewhere import GlobalSignificance
    from cevnsfit.infer.results import PointTest


BINS: Final = 40


def draw_toys(ax: Axes, test: PointTest, asymptotic: tuple[Floats, Floats] | None = None) -> list[Artist]:
    """Draw the density of a statistic in pseudo-experiments, the observed value, and the asymptotic density where there is one; return the artists.

    Parameters
    ----------
    ax
        The axes.
    test
        With its pseudo-experiments.
    asymptotic
        Values of the statistic and their density.
    """
    sample = test.samples[0][np.isfinite(test.samples[0])]
    shown = np.append(sample, test.statistic)[np.isfinite(np.append(sample, test.statistic))]
    low, high = float(shown.min()), float(shown.max())
    edges = np.linspace(low, high + 0.06 * (high - low if high > low else 1.0), BINS + 1)
    heights = np.histogram(sample, edges)[0] / (max(len(sample), 1) * np.diff(edges))
    artists: list[Artist] = [ax.stairs(heights, edges, fill=True, color=PALETTE[4], alpha=0.6, label=f"{test.toys} toys")]
    if asymptotic is not None:
        artists += ax.plot(*asymptotic, color="0.2", linestyle="--", label="asymptotic")
    artists.append(ax.axvline(test.statistic, color=SIGNAL, label=f"observed: $p$ = {test.p:.3g} $\\pm$ {test.error:.1g}"))
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0.0, 1.1 * float(heights.max(initial=0.0)) + 1e-300)
    return artists


def toys_figure(
    test: PointTest,
    name: str,
    *,
    asymptotic: tuple[Floats, Floats] | None = None,
    notes: Sequence[str] = (),
    look: Look = SCREEN,
    ax: Axes | None = None,
) -> Figure:
    """Return the picture of a statistic called `name`, with lines below it; see `draw_toys`."""
    with one_plot(ax, 6.4, 4.2, look, notes) as axes:
        draw_toys(axes, test, asymptotic)
        axes.set_xlabel(wrapped(name, 40))
        axes.set_ylabel("density of toys")
    return figure_of(axes)


def comparison_figure(
    samples: Mapping[str, Floats], observed: float, *, notes: Sequence[str] = (), look: Look = SCREEN, ax: Axes | None = None
) -> Figure:
    """Return the picture of the likelihood ratio of two models in pseudo-experiments of each, with the observed one and lines below it."""
    everything = np.concatenate([*samples.values(), [observed]])
    low, high = np.percentile(everything, [0.0, 99.8])
    edges = np.linspace(min(low, observed), max(high, observed) + 0.06 * (high - low if high > low else 1.0), BINS + 1)
    with one_plot(ax, 6.4, 4.2, look, notes) as axes:
        for (name, sample), colour in zip(samples.items(), PALETTE, strict=False):
            heights = np.histogram(sample, edges)[0] / (max(len(sample), 1) * np.diff(edges))
            axes.stairs(heights, edges, fill=True, color=colour, alpha=0.4, label=f"{len(sample)} toys of {name}")
        axes.axvline(observed, color="0.1", label="observed")
        axes.set_xlim(edges[0], edges[-1])
        first, second = samples
        axes.set_xlabel(f"$-2 \\ln L$({first}) / $L$({second})")
        axes.set_ylabel("density of toys")
    return figure_of(axes)


def scan_figure(result: GlobalSignificance, ax: Axes | None = None, look: Look = SCREEN) -> Figure:
    """Return the picture of q0 against the scanned parameter, with its maximum and the level at which upcrossings are counted."""
    look = look.naming(result.about)
    known = f"$p$ = {result.local_p:.2g}" + (" (local)" if result.toys is None else f", global {result.global_p:.2g}")
    notes = [text for text in (look.headline(result.about), result.about.lagrangian, result.doubt) if text]
    with one_plot(ax, 6.4, 4.4, look, notes) as axes:
        axes.plot(result.axis.values, result.q0, ".-", color=PALETTE[0], zorder=3, label=look.labelled(["observed"])[0])
        if result.toys is not None:
            axes.axhline(result.level, color="0.4", linestyle="--", zorder=2, label="level of upcrossings")
        axes.plot([result.maximum[result.axis.name]], [result.q0_max], "o", color=SIGNAL, zorder=4, label=known)
        axes.set_xscale(result.axis.scale)
        axes.set_ylim(0.0, 1.1 * max(result.q0_max, result.level))
        axes.set_xlabel(look.axis(result.axis.name, result.axis.unit))
        axes.set_ylabel("$q_0$")
    return figure_of(axes)


def critical_figure(result: CriticalValues, *, notes: Sequence[str] = (), look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the critical values along a parameter at each level, or over a plane at the level in the middle; dashed: asymptotic."""
    with one_plot(ax, 6.4, 4.6, look, notes) as axes:
        (_draw_line if len(result.axes) == 1 else _draw_plane)(axes, result)
        for axis, way in zip(result.axes, ("x", "y"), strict=False):
            axes.set(**{f"{way}scale": axis.scale, f"{way}label": look.axis(axis.name, axis.unit)})
    return figure_of(axes)


def _draw_line(ax: Axes, result: CriticalValues) -> None:
    x = result.axes[0].values
    for k, cl in enumerate(result.cls):
        colour = PALETTE[k % len(PALETTE)]
        ax.errorbar(x, result.critical[k], yerr=result.errors[k], fmt="o-", color=colour, capsize=2, label=f"{100 * cl:g} % CL")
        ax.axhline(threshold(cl, result.dof), color=colour, linestyle="--", linewidth=0.9)
    ax.set_ylabel("critical value of $t$")


def _draw_plane(ax: Axes, result: CriticalValues) -> None:
    k = len(result.cls) // 2
    x, y = (axis.values for axis in result.axes)
    asymptotic = threshold(result.cls[k], result.dof)
    width = max(float(np.abs(result.critical[k] - asymptotic).max()), 1e-3)
    mesh = ax.pcolormesh(x, y, result.critical[k].T, cmap="RdBu_r", vmin=asymptotic - width, vmax=asymptotic + width, shading="gouraud")
    ax.figure.colorbar(mesh, ax=ax, label="critical value of $t$")
    for some, marker, label in ((result.toys > 0, "o", "nodes with toys"), (result.toys == 0, "x", "asymptotic nodes")):
        places = np.nonzero(some)
        if len(places[0]):
            ax.plot(x[places[0]], y[places[1]], marker, color="0.2", markersize=3, linestyle="none", label=label, clip_on=False)
