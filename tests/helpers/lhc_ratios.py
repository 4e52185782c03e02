"""The ratio of each map of the LHC at one point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cevnsfit.moments.lhc import judge

if TYPE_CHECKING:
    from cevnsfit.moments.decays import Decays
    from cevnsfit.moments.lhc import LhcMaps
    from cevnsfit.moments.superpartners import Superpartners


def lhc_ratios(partners: Superpartners, modes: Decays, maps: LhcMaps) -> dict[str, float]:
    """Return the ratios at the first point by the name of the map, where that tests it."""
    verdicts = {entry.name: judge(partners, modes, replace(maps, maps=(entry,))) for entry in maps.maps}
    return {name: float(verdict.ratio[0]) for name, verdict in verdicts.items() if verdict.tested[0]}
