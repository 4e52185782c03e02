"""The distribution of a statistic in pseudo-experiments, with the observed value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.words import wrapped
from cevnsfit.report.legends import finish
from cevnsfit.report.style import PALETTE, SCREEN, SIGNAL, Look, axes_of_size, figure_of, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cevnsfit.infer.results import PointTest

    Floats = NDArray[np.float64]

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
    with style(look):
        alone, ax = ax is None, axes_of_size(ax, 6.4, 4.2, look)
        draw_toys(ax, test, asymptotic)
        ax.set_xlabel(wrapped(name, 40))
        ax.set_ylabel("density of toys")
        finish(ax, notes if alone else None, look)
    return figure_of(ax)


def comparison_figure(
    samples: Mapping[str, Floats], observed: float, *, notes: Sequence[str] = (), look: Look = SCREEN, ax: Axes | None = None
) -> Figure:
    """Return the picture of the likelihood ratio of two models in pseudo-experiments of each, with the observed one and lines below it."""
    with style(look):
        alone, ax = ax is None, axes_of_size(ax, 6.4, 4.2, look)
        everything = np.concatenate([*samples.values(), [observed]])
        low, high = np.percentile(everything, [0.0, 99.8])
        edges = np.linspace(min(low, observed), max(high, observed) + 0.06 * (high - low if high > low else 1.0), BINS + 1)
        for (name, sample), colour in zip(samples.items(), PALETTE, strict=False):
            heights = np.histogram(sample, edges)[0] / (max(len(sample), 1) * np.diff(edges))
            ax.stairs(heights, edges, fill=True, color=colour, alpha=0.4, label=f"{len(sample)} toys of {name}")
        ax.axvline(observed, color="0.1", label="observed")
        ax.set_xlim(edges[0], edges[-1])
        first, second = samples
        ax.set_xlabel(f"$-2 \\ln L$({first}) / $L$({second})")
        ax.set_ylabel("density of toys")
        finish(ax, notes if alone else None, look)
    return figure_of(ax)
