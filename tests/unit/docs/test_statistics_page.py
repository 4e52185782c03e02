"""docs/statistics.md: the nuisance parameters of each experiment with data, the thresholds, and the branches of L_mu - L_tau."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from scipy.stats import chi2

import cevnsfit as cf

if TYPE_CHECKING:
    from pathlib import Path

SHARED = {"sns_flux", "b8_flux", "conus_reactor_flux", "xenonnt_charge_yield"}
COMBINED = ("coherent-csi-2021", "coherent-lar-2020")


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "statistics.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_nuisances_are_those_of_the_likelihoods(page: str) -> None:
    found = re.search(r"<!-- nuisances -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    listed: dict[str, list[str]] = {}
    experiment = ""
    for row in found.group(1).splitlines()[2:]:
        first, second, effect = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
        experiment = experiment if first == "" else first
        assert effect
        listed.setdefault(experiment, []).append(second if second in SHARED else f"{experiment}.{second}")
    data = [name for name in cf.experiment_names() if cf.load_experiment(name).spec.observed is not None]
    assert sorted(listed) == data
    for name, parameters in listed.items():
        likelihood = cf.build_likelihood(name, model="sm")
        assert sorted(parameters) == sorted(likelihood.parameters.names)


def test_thresholds(page: str) -> None:
    for dof, row in re.findall(r"^\| (\d) degrees? of freedom \| (.*) \|$", page, re.MULTILINE):
        assert [float(cell) for cell in row.split("|")] == [round(chi2.ppf(cl, int(dof)), 2) for cl in (0.90, 0.95)]


def test_branches_of_the_coupling(page: str) -> None:
    likelihood = cf.build_likelihood(*COMBINED, model="lmu-ltau")
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \| (\S*) ?\| (.*) \|$", page, re.MULTILINE)
    assert [row[0] for row in rows] == ["10", "50", "100", "300", "1000"]
    for mass, first, second, difference, allowed in rows:
        found = cf.intervals(likelihood, "g", at={"mass": float(mass)}, cl=0.90, dof=1)
        near = [minimum for minimum in found.minima if minimum[1] - found.nll2 < 100.0]
        assert near[0][0] == pytest.approx(float(first), rel=0.02)
        if difference:
            assert near[1][0] == pytest.approx(float(second), rel=0.01)
            assert near[1][1] - near[0][1] == pytest.approx(float(difference), abs=0.1)
        else:
            assert (second, len(near)) == ("none", 1)
        ends = [tuple(float(end) for end in text.split(" to ")) for text in allowed.split(" and ")]
        assert [pytest.approx(pair, rel=0.005) for pair in ends] == list(found.allowed)
