"""Data that a model cannot make: events in bins in which nothing is expected, and expectations below 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import FitError
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint

    Axes = tuple[Axis, ...]

NOTHING: Final = 1e-12
"""Content of a bin, relative to the fullest one of a template, that counts as none."""


def require_possible(joint: Joint, axes: Mapping[str, Axes]) -> None:
    """Raise FitError if there are events in a bin in which no template has anything, whatever the parameters are.

    Parameters
    ----------
    axes
        The axes of each channel, by which its bins are named; those of a channel without axes are numbered.
    """
    found = [text for channel in joint.channels for text in impossible_bins(channel, axes.get(channel.name, ()))]
    if found:
        raise FitError("; ".join(found))


def impossible_bins(channel: Channel, axes: Axes) -> list[str]:
    """Return the bins with events in which no template has anything, in words; the background of a control region is in all of its bins."""
    if channel.observed is None or channel.control is not None or channel.errors is not None:
        return []
    peaks = np.abs(channel.templates).max(axis=1, initial=0.0, keepdims=True)
    empty = np.all(np.abs(channel.templates) <= NOTHING * peaks, axis=0)
    if channel.moving is not None:  # a shift fills any bin of time
        filled = np.any(channel.moving.constants != 0.0, axis=(0, 2))
        empty &= ~np.repeat(filled, len(empty) // len(filled))
    return [
        f"{channel.name}: the model expects nothing in {text}, where {channel.observed[place]:g} events were seen"
        for place, text in _named(empty & (channel.observed > 0), axes)
    ]


def negative_bins(joint: Joint, axes: Mapping[str, Axes]) -> list[str]:
    """Return the bins in which less than nothing is expected at the defaults, in words; the arguments are those of `require_possible`."""
    totals = expected_totals(joint, joint.parameters.defaults())
    return [
        f"{channel.name}: the model expects {total[0, place]:.3g} events in {text}"
        for channel, total in zip(joint.channels, totals, strict=True)
        if channel.errors is None
        for place, text in _named(total[0] < 0.0, axes.get(channel.name, ()))
    ]


def _named(chosen: NDArray[np.bool_], axes: Axes) -> list[tuple[int, str]]:
    """Return the chosen bins, with their edges in words, or their numbers where there are no axes."""
    shape = tuple(axis.nbins for axis in axes)
    found = []
    for place in map(int, np.flatnonzero(chosen)):
        edges = [
            f"{axis.name} {axis.display_edges[k]:g} to {axis.display_edges[k + 1]:g} {axis.unit}"
            for axis, k in zip(axes, np.unravel_index(place, shape) if axes else (), strict=True)
        ]
        found.append((place, ", ".join(edges) if edges else f"bin {place}"))
    return found
