from __future__ import annotations

import pytest

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.physics.couplings import COUPLING_SETS, tree_level, weak_couplings


def test_tree_level_slope_and_values() -> None:
    low, high = tree_level(0.23), tree_level(0.24)
    assert (high.proton["e"] - low.proton["e"]) / 0.01 == pytest.approx(-2.0, rel=1e-6, abs=0.0)
    assert weak_couplings("tree").proton["mu"] == pytest.approx(0.5 - 2 * 0.23863, rel=1e-6, abs=0.0)
    assert low.neutron == -0.5


@pytest.mark.parametrize("name", ["default", "cadeddu2020"])
def test_radiative_corrections_are_small_and_order_the_flavours(name: str) -> None:
    couplings = COUPLING_SETS[name]
    assert couplings.proton["e"] > couplings.proton["mu"] > couplings.proton["tau"]
    # the difference of the charge radii of nu_e and nu_mu
    assert couplings.proton["e"] - couplings.proton["mu"] == pytest.approx(0.0083, abs=2e-4)
    assert abs(couplings.neutron + 0.5) < 0.012


def test_unknown_set() -> None:
    with pytest.raises(UnknownNameError, match="cadeddu2020"):
        weak_couplings("cadeddu")
