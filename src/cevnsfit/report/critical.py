"""Pictures of critical values: along one parameter, and over a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.intervals import threshold
from cevnsfit.report.legends import finish
from cevnsfit.report.style import PALETTE, SCREEN, Look, axes_of_size, figure_of, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cevnsfit.infer.critical import CriticalValues

SIZE: Final = (6.4, 4.6)


def critical_figure(result: CriticalValues, *, notes: Sequence[str] = (), look: Look = SCREEN, ax: Axes | None = None) -> Figure:
    """Return the critical values along a parameter at each level, or over a plane at the level in the middle; dashed: asymptotic."""
    with style(look):
        alone, ax = ax is None, axes_of_size(ax, *SIZE, look)
        (_draw_line if len(result.axes) == 1 else _draw_plane)(ax, result)
        for axis, way in zip(result.axes, ("x", "y"), strict=False):
            getattr(ax, f"set_{way}scale")(axis.scale)
            getattr(ax, f"set_{way}label")(look.axis(axis.name, axis.unit))
        finish(ax, notes if alone else None, look)
    return figure_of(ax)


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
