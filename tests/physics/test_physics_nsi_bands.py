"""Non-standard interactions allowed by the data: the Standard Model, and its mirror image where a weak charge changes its sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.physics.couplings import weak_couplings
from cevnsfit.physics.form_factors import form_factor
from cevnsfit.physics.interactions import sm_charge, target_at
from cevnsfit.physics.nuclei import composition

if TYPE_CHECKING:
    from cevnsfit.stats.likelihood import Likelihood

EXPERIMENTS = ("coherent-csi-2021", "coherent-lar-2020")
FIXED = {"coherent-csi-2021:systematics.onset.enabled": False}
"""The onset of the beam where it was simulated; where it floats, the flavours are told apart less well, since they arrive at different times."""


def mirror(flavour: str) -> float:
    """Return eps^u with Q + eps u = -Q on caesium at a recoil of 10 keV, u = 2 Z F_Z + N F_N."""
    (caesium, _), _ = composition("CsI", {})
    target = target_at(caesium, np.array([0.01]), weak_couplings("default"), form_factor("helm"))
    return float(-2.0 * sm_charge(target, flavour)[0] / (2.0 * target.zf + target.nf)[0])


@pytest.fixture(scope="module")
def likelihoods() -> dict[bool, Likelihood]:
    """Return the likelihoods in which the onset of CsI 2021 is fixed, and floats."""
    return {fixed: cf.build_likelihood(*EXPERIMENTS, model="nsi", changes=FIXED if fixed else {}) for fixed in (True, False)}


@pytest.mark.parametrize(
    ("name", "flavour", "fixed", "width"),
    [("eps_ee_u", "e", True, 0.07), ("eps_mumu_u", "mu", True, 0.045), ("eps_ee_u", "e", False, 0.11), ("eps_mumu_u", "mu", False, 0.038)],
)
def test_two_bands_at_zero_and_at_the_mirror(
    likelihoods: dict[bool, Likelihood], name: str, flavour: str, fixed: bool, width: float
) -> None:
    found = cf.intervals(likelihoods[fixed], name, cl=0.90)
    assert found.valid
    (low, high), (mirror_low, mirror_high) = found.allowed
    assert low < 0.0 < high
    expected = mirror(flavour)
    assert 0.35 < expected < 0.42
    assert mirror_low < expected < mirror_high
    # The bands are mirror images: a + b = eps for their ends.
    assert [low + mirror_high, high + mirror_low] == pytest.approx([expected, expected], abs=0.02)
    assert max(-low, high) == pytest.approx(width, abs=0.01)
    first, second = [value for value, nll2 in found.minima if nll2 - found.nll2 < 20.0]
    assert first + second == pytest.approx(expected, abs=0.015)


def test_four_islands_in_the_plane_of_two_flavours() -> None:
    csi = cf.build_likelihood("coherent-csi-2021", model="nsi", changes=FIXED)
    scan = cf.scan(csi, eps_ee_u=np.linspace(-0.5, 1.0, 25), eps_mumu_u=np.linspace(-0.5, 1.0, 25))
    standard = cf.fit(cf.build_likelihood("coherent-csi-2021", model="sm", changes=FIXED), minos=())
    assert scan.plane.reference_nll2 == pytest.approx(standard.nll2, abs=1e-5)
    best = cf.fit(cf.build_likelihood("coherent-csi-2021", model="nsi", changes=FIXED, floating=("eps_ee_u", "eps_mumu_u")), minos=())
    assert scan.plane.best["nll2"] == pytest.approx(best.nll2, abs=1e-3)
    region = scan.contour(cl=0.90, dof=2)
    assert [len(polygon) for polygon in region.allowed] == [1, 1, 1, 1]
    centres = np.array(sorted(tuple(np.round(outer.mean(axis=0), 3)) for (outer,) in region.allowed))
    half = np.array([mirror("e"), mirror("mu")]) / 2.0
    np.testing.assert_allclose(np.abs(centres - half), np.abs(centres[0] - half) * np.ones((4, 1)), atol=0.02)


def test_boundaries_pass_through_the_crossings_of_the_columns() -> None:
    csi = cf.build_likelihood("coherent-csi-2021", model="nsi")
    scan = cf.scan(csi, eps_ee_u=np.linspace(-0.3, 0.7, 25), eps_mumu_u=np.linspace(-0.3, 0.7, 25))
    region = scan.contour(cl=0.90, dof=2)
    boundary = np.concatenate(region.branches)
    ends = [(x, end) for x, column in zip(scan.plane.x.values, region.columns, strict=True) for pair in column for end in pair]
    assert len(ends) > 30
    for x, end in ends:
        at_column = boundary[np.abs(boundary[:, 0] - x) < 1e-9, 1]
        assert np.abs(at_column - end).min() < 1.5e-3  # of a step of 0.042
