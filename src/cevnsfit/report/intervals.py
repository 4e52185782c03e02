"""The picture of an interval: the profile of its parameter with what is allowed, and the thresholds of pseudo-experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.intervals import threshold
from cevnsfit.report.curves import FILL
from cevnsfit.report.legends import one_plot
from cevnsfit.report.style import PALETTE, SCREEN, Look, figure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.intervals import Intervals

_PAD: Final = 0.04
_ABOVE: Final = 2.2
"""Upper end of the axis, in units of the highest threshold."""


def draw_allowed(ax: Axes, result: Intervals) -> list[Artist]:
    """Shade the allowed intervals and return the artists; one that ends with the domain reaches to the end of the profile."""
    last = float(result.profile[0].max(initial=result.best_fit))
    label = f"allowed at {100 * result.cl:g} % CL"
    return [
        ax.axvspan(low, min(high, last), color=PALETTE[0], alpha=FILL, linewidth=0, zorder=1, label="" if number else label)
        for number, (low, high) in enumerate(result.allowed)
    ]


def draw_profile(ax: Axes, result: Intervals) -> list[Artist]:
    """Draw the rise of -2 ln lambda above its minimum, or CLs, against the parameter, and return the artist."""
    values, heights = result.profile
    shown = heights if result.expected else heights - result.nll2
    return list(ax.plot(values, np.where(np.isfinite(shown), shown, np.nan), color=PALETTE[0], zorder=3, label="observed"))


def draw_thresholds(ax: Axes, result: Intervals) -> list[Artist]:
    """Draw the asymptotic threshold, and those of pseudo-experiments with their Monte Carlo errors where there are any; return the artists."""
    if result.expected:
        return [ax.axhline(1.0 - result.cl, color="black", linestyle="--", zorder=2, label=rf"$1-{{}}$CL = {1.0 - result.cl:.2g}")]
    artists: list[Artist] = [
        ax.axhline(threshold(result.cl, result.dof), color="black", linestyle="--", zorder=2, label="asymptotic threshold")
    ]
    points = () if result.toys is None else [point for point in result.toys.points if point.toys]
    if points:
        middle, low, high = np.array([point.critical(result.cl) for point in points]).T
        errors = np.array([middle - low, high - middle])
        looks = {"fmt": "o", "color": PALETTE[1], "zorder": 4, "label": "threshold of toys"}
        artists.append(ax.errorbar([point.value for point in points], middle, yerr=errors, **looks))  # type: ignore[arg-type]
    return artists


def draw_expected(ax: Axes, result: Intervals) -> list[Artist]:
    """Draw the upper ends that data without signal give as spans of 95 and 68 % and a line, and return the artists."""
    if not result.expected:
        return []
    ends = np.minimum(result.expected, result.profile[0].max(initial=0.0))
    spans = [("95 % expected", ends[0], ends[4], 0.15), ("68 % expected", ends[1], ends[3], 0.3)]
    bands: list[Artist] = [
        ax.axvspan(low, high, color="0.5", alpha=alpha, linewidth=0, zorder=0, label=text) for text, low, high, alpha in spans
    ]
    return [*bands, ax.axvline(float(ends[2]), color="0.4", zorder=0, label="median expected")]


def interval_figure(result: Intervals, *, notes: Sequence[str] = (), look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the profile of one parameter with its intervals, thresholds and expected limits.

    Parameters
    ----------
    result
        The intervals, with their profile.
    notes
        Lines of the caption.
    ax
        Axes to draw on, without the caption; in a new figure by default.
    """
    with one_plot(ax, 7.4, 5.2 + (0.25 * len(notes) if look.captioned else 0.0), look, notes) as axes:
        draw_allowed(axes, result)
        (line,) = draw_profile(axes, result)
        line.set_label(look.labelled(["observed"])[0])
        draw_expected(axes, result)
        thresholds = draw_thresholds(axes, result)
        if look.best_fit and not result.expected:
            axes.axvline(result.best_fit, color="0.3", linestyle=":", zorder=2, label="best fit")
        x, y = np.asarray(line.get_xydata()).T  # type: ignore[attr-defined]
        if result.expected:
            top, near = 1.05, np.ones(len(x), dtype=np.bool_)
        else:
            highest = max(threshold(result.cl, result.dof), *(place for one in thresholds[1:] for place in one[0].get_ydata()), 0.0)  # type: ignore[index]
            top, near = _ABOVE * highest, y <= _ABOVE * highest
        seen = x[near] if np.count_nonzero(near) > 1 else x
        pad = _PAD * float(np.ptp(seen))
        axes.set(xlim=(max(x.min(), seen.min() - pad), min(x.max(), seen.max() + pad)), ylim=(0.0, top))
        axes.set_xlabel(look.axis(result.poi, "1"))
        axes.set_ylabel("CLs" if result.expected else r"$-2\,\Delta\,\ln\lambda$")
    return figure_of(axes)
