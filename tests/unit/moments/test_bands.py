"""Bands of magnetic moments: signs, charges, references, and the file that an analysis overlays."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (pytest reads the annotations)

import numpy as np
import pytest

from cevnsfit.core.documents import plain
from cevnsfit.core.errors import DomainError, UnknownNameError
from cevnsfit.io.overlays import read_overlay
from cevnsfit.moments.bands import band_of, moment_band, write_band
from cevnsfit.moments.boson_loops import axial_contribution, pseudoscalar_contribution, vector_contribution
from cevnsfit.moments.measured import Deviation, latest_deviation
from cevnsfit.physics.constants import ELECTRON_MASS, MUON_MASS

MASS = np.geomspace(1.0, 1e3, 9)


@pytest.mark.parametrize(("name", "lepton", "difference", "error"), [
    ("2025", "mu", 38.5e-11, 63.67e-11), ("muon-2025", "mu", 38.5e-11, 63.67e-11), ("2020", "mu", 261.5e-11, 45.38e-11),
    ("electron-cs-2018", "e", -101.6e-14, 26.4e-14), ("electron-rb-2020", "e", 33.8e-14, 16.1e-14),
])  # fmt: skip
def test_differences_of_measured_and_predicted_moments(name: str, lepton: str, difference: float, error: float) -> None:
    reference = latest_deviation(name)
    assert reference is not None
    assert reference.lepton == lepton
    assert reference.value == pytest.approx(difference, rel=1e-3)
    assert reference.error == pytest.approx(error, rel=2e-3)
    assert f"theory {name.removeprefix('muon-')} (" in reference.label


def test_no_reference_and_an_unknown_one() -> None:
    assert latest_deviation("none") is None
    with pytest.raises(UnknownNameError, match="did you mean 2025"):
        latest_deviation("2024")
    with pytest.raises(UnknownNameError, match="did you mean electron-rb-2020"):
        latest_deviation("electron-rb")


def test_the_band_gives_the_difference_within_two_errors() -> None:
    low, high = moment_band(Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x"), MASS)
    assert vector_contribution(low, MASS, MUON_MASS) == pytest.approx(np.full(9, 1.8e-9), rel=1e-6, abs=0.0)
    assert vector_contribution(high, MASS, MUON_MASS) == pytest.approx(np.full(9, 3.4e-9), rel=1e-6, abs=0.0)
    wide, _ = moment_band(Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x"), MASS, sigmas=3.0)
    assert vector_contribution(wide, MASS, MUON_MASS) == pytest.approx(np.full(9, 1.4e-9), rel=1e-6, abs=0.0)


@pytest.mark.parametrize(("coupling", "contribution"), [("axial", axial_contribution), ("pseudoscalar", pseudoscalar_contribution)])
def test_couplings_that_lower_the_moment_explain_a_deficit_alone(coupling: str, contribution: object) -> None:
    cs, rb = latest_deviation("electron-cs-2018"), latest_deviation("electron-rb-2020")
    assert cs is not None
    assert rb is not None
    low, high = moment_band(cs, MASS, coupling)
    assert callable(contribution)
    assert contribution(low, MASS, ELECTRON_MASS) == pytest.approx(np.full(9, cs.value + 2.0 * cs.error))
    assert contribution(high, MASS, ELECTRON_MASS) == pytest.approx(np.full(9, cs.value - 2.0 * cs.error))
    assert np.all(np.isnan(moment_band(rb, MASS, coupling)))
    assert np.all(np.isnan(moment_band(cs, MASS, "scalar")))


def test_a_difference_that_agrees_with_zero_allows_small_couplings() -> None:
    low, high = moment_band(Deviation("mu", "here", "there", 1e-10, 4e-10, "x"), MASS)
    assert not low.any()
    assert (high > 0).all()


def test_a_charge_scales_the_coupling() -> None:
    reference = Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x")
    np.testing.assert_allclose(moment_band(reference, MASS, charge=-3.0), np.array(moment_band(reference, MASS)) / 3.0)


def test_bad_input_is_named() -> None:
    reference = Deviation("mu", "here", "there", 2.6e-9, 0.4e-9, "x")
    with pytest.raises(UnknownNameError, match="did you mean vector"):
        moment_band(reference, MASS, "vectr")
    with pytest.raises(DomainError, match="charge"):
        moment_band(reference, MASS, charge=0.0)


def test_a_written_band_is_an_overlay(tmp_path: Path) -> None:
    reference = latest_deviation("muon-2020")
    assert reference is not None
    points = read_overlay(write_band(tmp_path / "band.csv", band_of(reference, MASS, "vector", 2.0))).points
    low, high = moment_band(reference, MASS)
    np.testing.assert_allclose(points[:9], np.column_stack([MASS, low]), rtol=1e-9)
    np.testing.assert_allclose(points[10:], np.column_stack([MASS, high]), rtol=1e-9)
    assert np.all(np.isnan(points[9]))
    found = plain(band_of(reference, MASS, "vector", 2.0))
    np.testing.assert_array_equal(found["low"], low)
