"""Draw our prediction for LAr 2020 over the released template, along energy and time, into docs/images/lar_template.png."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

import cevnsfit as cf
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

NAME = "coherent-lar-2020"
TARGET = Path(__file__).with_suffix(".png")


def draw(edges: NDArray[np.float64], ours: NDArray[np.float64], template: NDArray[np.float64], panels: tuple[Axes, Axes]) -> None:
    """Draw both histograms and their ratio where the template holds at least one count."""
    top, bottom = panels
    top.stairs(template, edges, fill=True, color="#C4C4C4", label=f"released template, {template.sum():.1f}")
    top.stairs(ours, edges, color="#D55E00", label=f"cevnsfit, {ours.sum():.1f}")
    ratio = np.where(template >= 1.0, ours / np.maximum(template, 1.0), np.nan)
    bottom.axhline(1.0, color="0.5", linewidth=0.8)
    bottom.stairs(ratio, edges, color="#D55E00", baseline=None)
    bottom.set_ylim(0.75, 1.15)


def main() -> None:
    """Compute, draw and save."""
    from matplotlib.figure import Figure

    experiment = load_experiment(NAME)
    template = experiment.tables["templates.csv"].on(experiment.axes, "cevns")
    ours = cf.rates(cf.build_likelihood(NAME, model="sm"))[NAME].signal
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.4, 3.6), layout="constrained")
        axes = figure.subplots(2, 2, sharex="col", height_ratios=(3, 1))
        for column, (axis, others, label) in enumerate(((0, (1, 2), "energy [keVee]"), (2, (0, 1), "arrival time [us]"))):
            edges = experiment.axes[axis].display_edges
            draw(edges, ours.sum(axis=others), template.sum(axis=others), (axes[0, column], axes[1, column]))
            axes[0, column].set_ylabel("CEvNS counts in a bin")
            axes[1, column].set_ylabel("ours / released")
            axes[1, column].set_xlabel(label)
            axes[0, column].legend(frameon=False)
        axes[0, 0].set_xlim(0, 50)
        figure.savefig(TARGET, dpi=140)


if __name__ == "__main__":
    main()
