"""N_eff of a light boson: massless and heavy limits, and the published bound."""

from __future__ import annotations

import pytest

from cevnsfit.physics.early_universe import LARGEST_EXCESS, equilibrium_coupling, excess_neutrinos, smallest_mass


def test_a_massless_boson_adds_its_degrees_of_freedom() -> None:
    assert float(excess_neutrinos(1e-4)) == pytest.approx(2.0 * ((1.0 + 3.0 / 3.5) ** (4.0 / 3.0) - 1.0), rel=1e-3)


def test_a_heavy_boson_adds_nothing() -> None:
    assert 0.0 < float(excess_neutrinos(40.0)) < 1e-7


def test_the_published_bound_is_found() -> None:
    assert smallest_mass(0.7) == pytest.approx(5.3, abs=0.1)
    assert 5.3 < smallest_mass(LARGEST_EXCESS) < 10.0


def test_equilibrium_needs_tiny_couplings_only() -> None:
    assert 1e-10 < float(equilibrium_coupling(5.0)) < 1e-8
