"""The splitting of winos and higgsinos, and how far a chargino flies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cevnsfit.moments.chargino_lifetime import chargino_length, chargino_splitting, higgsino_loop, wino_loop
from cevnsfit.moments.couplings import ordered
from cevnsfit.moments.superpartners import gauginos
from cevnsfit.physics.constants import FERMI_CONSTANT, HBAR_C

WINO = ordered(gauginos(3e7, 6e5, 2e7, 20.0))
HIGGSINO = ordered(gauginos(3e9, 3e9, 2e5, 20.0))


def test_loops_of_pure_multiplets() -> None:
    # arXiv:1212.5989, (12), a fit of the two-loop splitting of winos (digits from memory)
    log = np.log([100.0, 200.0, 500.0, 1000.0])
    fit = -413.315 + 305.383 * log - 60.8831 * log**2 + 5.41948 * log**3 - 0.181509 * log**4
    np.testing.assert_allclose(wino_loop(np.array([1e5, 2e5, 5e5, 1e6])), fit, atol=1.0)
    assert wino_loop(1e9) == pytest.approx(164.5, rel=1e-4)
    # hep-ph/9804359: 257 MeV at 100 GeV (m_Z of the pole there), 355 for heavy ones
    assert higgsino_loop(1e5) == pytest.approx(257.0, rel=0.01)
    assert higgsino_loop(1e9) == pytest.approx(355.0, rel=0.01)
    assert np.isfinite(wino_loop(np.array([0.0, 1.0, 4e4]))).all()


def test_a_pure_wino_lives_for_a_fifth_of_a_nanosecond() -> None:
    assert chargino_length(WINO, np.array([164.5]))[0] == pytest.approx(5.88, rel=0.01)  # 0.196 ns
    splitting = chargino_splitting(WINO)
    assert splitting[0] == pytest.approx(wino_loop(6e5), abs=1.0)
    # below the mass of a pion leptons are left: 2 G_F^2 Delta^5/(15 pi^3), to electrons only below a muon
    width = 2.0 * FERMI_CONSTANT**2 * 100.0**5 / (15.0 * math.pi**3)
    assert chargino_length(WINO, np.array([100.0]))[0] == pytest.approx(HBAR_C / width, rel=1e-3)


def test_a_pure_higgsino_flies_less_far() -> None:
    splitting = chargino_splitting(HIGGSINO)
    assert splitting[0] == pytest.approx(higgsino_loop(2e5), abs=2.0)
    # to both neutralinos, which are degenerate here, and leptons: hep-ph/9804359
    assert chargino_length(HIGGSINO, np.array([355.0]))[0] == pytest.approx(0.64, rel=0.03)
    # two neutralinos, each with half the current of a wino
    ratio = chargino_length(HIGGSINO, np.array([300.0]))[0] / chargino_length(WINO, np.array([300.0]))[0]
    assert ratio == pytest.approx(2.0, rel=0.02)
    # N2 out of reach: one of them
    split = ordered(gauginos(3e5, 3e6, 2e5, 20.0))
    assert chargino_length(split, np.array([300.0]))[0] > 1.6 * chargino_length(HIGGSINO, np.array([300.0]))[0]


def test_no_decay_no_end() -> None:
    fields = ordered(gauginos([3e7] * 5, [6e5] * 5, [2e7] * 5, [20.0] * 5))
    lengths = chargino_length(fields, np.array([-10.0, 0.0, 0.4, 1.0, 5e4]))
    assert list(np.isinf(lengths)) == [True, True, True, False, False]
    assert 0.0 < lengths[4] < 1e-9


def test_lengths_fall_with_the_splitting() -> None:
    points = np.linspace(1.0, 3000.0, 200)
    fields = ordered(gauginos(*(np.full(200, x) for x in (3e7, 6e5, 2e7, 20.0))))
    assert (np.diff(chargino_length(fields, points)) < 0.0).all()
