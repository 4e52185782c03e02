"""The tables of docs/physics.md are what the code gives, to the printed digits."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.analysis import Analysis
from cevnsfit.spec.load import load_experiment
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.setup import build

if TYPE_CHECKING:
    from pathlib import Path

NAME = "coherent-lar-2020"


def table(axis: int) -> list[str]:
    """Return the rows of one projection; energies above 50 keVee are one row."""
    experiment = load_experiment(NAME)
    others = tuple(position for position in range(3) if position != axis)
    template = experiment.tables["templates.csv"].on(experiment.axes, "cevns").sum(axis=others)
    ours = cf.rates(cf.build_likelihood(NAME, model="sm"))[NAME].signal.sum(axis=others)
    edges = experiment.axes[axis].display_edges
    if axis == 0:
        edges = np.append(edges[:6], edges[-1])
        template, ours = (np.append(values[:5], values[5:].sum()) for values in (template, ours))
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    ratios = [f"{a / b:.3f}" if b >= 1.0 else "" for a, b in zip(ours, template, strict=True)]
    return [f"| {name} | {a:.2f} | {b:.2f} | {ratio} |" for name, a, b, ratio in zip(names, ours, template, ratios, strict=True)]


def printed(marker: str, root: Path) -> list[list[str]]:
    """Return the cells of the rows of a marked table, without its head."""
    page = (root / "docs" / "physics.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found.group(1).splitlines()[2:]]


@pytest.mark.parametrize(("marker", "axis"), [("lar-energy", 0), ("lar-time", 2)])
def test_projection(marker: str, axis: int, project_root: Path) -> None:
    page = (project_root / "docs" / "physics.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    assert found.group(1).splitlines()[2:] == table(axis)


@pytest.mark.slow
def test_bound_on_electrons_in_argon(project_root: Path) -> None:
    at_most = (("auxiliary.f90.electrons", "electrons_at_most"),)
    for name, *ends in printed("electrons", project_root):
        model, poi, at = {
            "universal": ("universal", "g", {"mass": float((re.findall(r"at ([0-9.]+) MeV", name) or ["1"])[0])}),
            "magnetic": ("magnetic-moment", "mu_nu_mu", {}),
            "charge": ("millicharge", "millicharge_nu_mu", {}),
        }[re.split("[ ,]", name)[0]]
        found = [
            intervals(build(Analysis((NAME,), model, changes, electrons=True)), poi, at=at).allowed[-1][1] for changes in ((), at_most)
        ]
        assert [f"{end:.2e}" for end in found] == ends


@pytest.mark.slow
def test_intervals_of_non_standard_interactions(project_root: Path) -> None:
    for name, *cells in printed("nsi", project_root):
        poi = name.removeprefix("modulus of ")
        for experiments, cell in zip((("coherent-csi-2021",), (NAME,), ("coherent-csi-2021", NAME)), cells, strict=True):
            allowed = intervals(build(Analysis(experiments, "nsi")), poi).allowed
            if poi != name:
                allowed = ((0.0, allowed[0][1]),)
            ends = [[float(end) for end in pair.split(" to ")] for pair in cell.split(", ")]
            np.testing.assert_allclose(allowed, ends, rtol=0, atol=5.1e-4)
