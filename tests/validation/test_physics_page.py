"""The tables of docs/physics.md that compare our LAr prediction with the released template are what the code gives, to the printed digits."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.rates import rates
from cevnsfit.studies.setup import Analysis

if TYPE_CHECKING:
    from pathlib import Path

NAME = "coherent-lar-2020"


def table(axis: int) -> list[str]:
    """Return the rows of one projection; energies above 50 keVee are one row."""
    experiment = load_experiment(NAME)
    others = tuple(position for position in range(3) if position != axis)
    template = experiment.tables["templates.csv"].on(experiment.axes, "cevns").sum(axis=others)
    ours = rates(Analysis((NAME,), "sm")).signal.sum(axis=others)
    edges = experiment.axes[axis].display_edges
    if axis == 0:
        edges = np.append(edges[:6], edges[-1])
        template, ours = (np.append(values[:5], values[5:].sum()) for values in (template, ours))
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    ratios = [f"{a / b:.3f}" if b >= 1.0 else "" for a, b in zip(ours, template, strict=True)]
    return [f"| {name} | {a:.2f} | {b:.2f} | {ratio} |" for name, a, b, ratio in zip(names, ours, template, ratios, strict=True)]


@pytest.mark.parametrize(("marker", "axis"), [("lar-energy", 0), ("lar-time", 2)])
def test_projection(marker: str, axis: int, project_root: Path) -> None:
    page = (project_root / "docs" / "physics.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found.group(1).splitlines()[2:] == table(axis)
