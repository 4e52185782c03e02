"""The axial part of the cross section."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.physics.constants import FERMI_CONSTANT, HBAR_C
from cevnsfit.physics.couplings import COUPLING_SETS
from cevnsfit.physics.cross_sections import differential_cross_section
from cevnsfit.physics.form_factors import FORM_FACTORS
from cevnsfit.physics.interactions import signal_model, target_at
from cevnsfit.physics.interactions.axial import AXIAL_COUPLING, axial_charge
from cevnsfit.physics.nuclei import composition
from cevnsfit.physics.sources import Spectrum

LINE = Spectrum(lines=((30.0, 1.0),))


def excess(compound: str) -> tuple[np.ndarray, np.ndarray]:
    target = target_at(composition(compound)[0][0], [1e-6, 0.005, 0.012], COUPLING_SETS["default"], FORM_FACTORS["helm"])
    standard = differential_cross_section(signal_model("sm"), target, "mu", LINE)
    return differential_cross_section(signal_model("sm-axial"), target, "mu", LINE) - standard, standard


@pytest.mark.parametrize("compound", ["Cs", "I"])
def test_axial_part_of_csi_is_small_and_positive(compound: str) -> None:
    added, standard = excess(compound)
    assert np.all(added > 0.0)
    assert np.all(added[:2] / standard[:2] < 2e-3)


def test_spinless_argon_has_none() -> None:
    added, _ = excess("Ar[40]")
    assert added.tolist() == [0.0, 0.0, 0.0]


def test_backward_scattering_is_purely_axial() -> None:
    caesium = composition("Cs")[0][0]
    end = 2 * 30.0**2 / (caesium.mass + 60.0)
    target = target_at(caesium, [end * (1 - 1e-9)], COUPLING_SETS["default"], FORM_FACTORS["unity"])
    sigma = differential_cross_section(signal_model("sm-axial"), target, "e", LINE)
    expected = FERMI_CONSTANT**2 * caesium.mass / math.pi * HBAR_C**2 * 2.0 * axial_charge("Cs-133") ** 2
    assert sigma == pytest.approx(expected, rel=2e-3, abs=0.0)


def test_charge_in_units_of_a_free_nucleon() -> None:
    iodine = math.sqrt(4 / 3 * 3.5 / 2.5) * (0.342 - 0.031)
    assert axial_charge("I-127") / (AXIAL_COUPLING / 2) == pytest.approx(iodine, rel=1e-6, abs=0.0)
    assert axial_charge("Cs-133") < 0.0
    assert axial_charge("Ar-40") == 0.0
