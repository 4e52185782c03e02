from __future__ import annotations

import pytest
from particle import Particle

from cevnsfit.physics import constants


@pytest.mark.parametrize(
    ("name", "value"),
    [("e-", constants.ELECTRON_MASS), ("mu-", constants.MUON_MASS), ("tau-", constants.TAU_MASS), ("pi+", constants.PION_MASS)],
)
def test_masses_agree_with_the_pdg_listings(name: str, value: float) -> None:
    assert value == pytest.approx(Particle.from_name(name).mass, rel=1e-7, abs=0.0)


def test_lifetimes_agree_with_the_pdg_listings() -> None:
    assert Particle.from_name("pi+").lifetime == pytest.approx(constants.PION_LIFETIME * 1e9, rel=2e-5, abs=0.0)
    assert Particle.from_name("mu+").lifetime == pytest.approx(constants.MUON_LIFETIME * 1e9, rel=1e-7, abs=0.0)
