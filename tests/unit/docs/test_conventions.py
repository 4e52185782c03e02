"""docs/conventions.md: its formulae and numbers are those of the code."""

from __future__ import annotations

import re
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.physics.constants import FERMI_CONSTANT

if TYPE_CHECKING:
    from pathlib import Path

CSI = "coherent-csi-2021"


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "conventions.md").read_text(encoding="utf-8")


def signal(model: str, **at: float) -> float:
    """Return the expected CEvNS in CsI with the couplings of the tree."""
    likelihood = cf.build_likelihood(CSI, model=model, changes={"couplings": "tree"})
    return float(cf.rates(likelihood, at=at)[CSI].totals["cevns"])


@pytest.mark.slow
def test_where_nuclei_disappear(page: str) -> None:
    found = re.search(r"g = (\S+) \\times 10\^\{-3\} \\ \\text\{for\}\\ M = 1\\ \\text\{GeV and CsI\}\\ \(N/A = (\d+)/(\d+)\)", page)
    assert found is not None
    neutrons, nucleons = int(found.group(2)), int(found.group(3))
    assert (neutrons, nucleons) == (78 + 74, 133 + 127)
    g = sqrt(sqrt(2.0) * FERMI_CONSTANT * 1e6 * neutrons / (6.0 * nucleons))
    assert float(found.group(1)) * 1e-3 == pytest.approx(g, rel=2e-3)
    likelihood = cf.build_likelihood(CSI, model="universal")
    grid = np.geomspace(0.9 * g, 1.1 * g, 41)
    counts = [float(cf.rates(likelihood, at={"mass": 1e3, "g": value})[CSI].totals["cevns"]) for value in (*grid, 0.0)]
    place = grid[int(np.argmin(counts[:-1]))]
    assert place == pytest.approx(0.98 * g, rel=6e-3)
    assert min(counts) < 1e-3 * counts[-1]
    back = cf.rates(likelihood, at={"mass": 1e3, "g": sqrt(2.0) * place})[CSI].totals["cevns"]
    assert back == pytest.approx(counts[-1], rel=0.02)


@pytest.mark.parametrize("g", [2e-3, 5e-3])
def test_a_heavy_mediator_is_a_contact_coupling(g: float) -> None:
    """eps = g^2 q_nu q_q / (sqrt2 G_F M^2), for M far above the momentum transfer."""
    mass = 2e4
    eps = g**2 / (sqrt(2.0) * FERMI_CONSTANT * mass**2)
    contact = signal("nsi", **{f"eps_{pair}_{quark}": eps for pair in ("ee", "mumu") for quark in "ud"})
    assert signal("universal", mass=mass, g=g) == pytest.approx(contact, rel=1e-5)
    assert contact < signal("sm")


def test_one_minus_gamma_5_is_a_factor_root_2() -> None:
    """A neutrino with (1 - gamma_5) = 2 P_L has twice the charge, which sqrt2 in g makes up for."""
    point = {"mass": 20.0, "q_u": 1.0, "q_d": 1.0}
    twice = signal("vector", **point, g=3e-5, q_nu_e=2.0, q_nu_mu=2.0, q_nu_tau=2.0)
    assert signal("vector", **point, g=sqrt(2.0) * 3e-5, q_nu_e=1.0, q_nu_mu=1.0, q_nu_tau=1.0) == pytest.approx(twice, rel=1e-12)


def test_loop_of_l_mu_l_tau_is_destructive(page: str) -> None:
    assert r"\frac{\sqrt2 \alpha g^2}{\pi G_F} \frac{\epsilon(q^2)}{q^2 + M^2} Z F_Z" in page
    assert signal("lmu-ltau", mass=20.0, g=5e-4) < signal("sm") < signal("lmu-ltau", mass=20.0, g=5e-4, loop_sign=-1.0)


def test_thresholds(page: str) -> None:
    from scipy.stats import chi2

    for dof in (1, 2):
        (row,) = re.findall(rf"^\| `.* \| {dof} \| (\S+) \| (\S+) \|$", page, re.MULTILINE)
        assert [float(value) for value in row] == [round(float(chi2.ppf(cl, dof)), 2) for cl in (0.90, 0.95)]
    assert "1.64 as" in page
    assert round(float(chi2.ppf(0.80, 1)), 2) == 1.64
