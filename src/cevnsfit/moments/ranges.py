"""Where the parameters of superpartners and of the light boson are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cevnsfit.core.arrays import Floats


@dataclass(frozen=True, slots=True)
class Range:
    """Where a parameter is drawn, uniform or uniform in its logarithm; equal ends hold it.

    Raises
    ------
    DomainError
        If the ends are not finite and in order, or a logarithm is asked for that there is not.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not -np.inf < self.low <= self.high < np.inf or (self.log and not self.low > 0.0):
            message = f"a range needs LOW <= HIGH, both positive on a log scale; got {self}"
            raise DomainError(message)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:g}"
        return f"{self.low:g}:{self.high:g}{':log' if self.log else ''}"

    def at(self, uniform: Floats) -> Floats:
        """Return the values at fractions between 0 and 1 of the range."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** uniform)
        return np.asarray(self.low + (self.high - self.low) * uniform)


RANGES: Final[Mapping[str, Range]] = {
    **dict.fromkeys(("M0", "M1", "M2", "mu", "selectron_L", "selectron_R"), Range(100.0, 1000.0)),
    "tan_beta": Range(10.0, 50.0),
    "hierarchy": Range(1.0, 100.0, log=True),
    "stau_ratio": Range(1.0, 1.0),
    "A": Range(0.0, 0.0),
    "boson_mass": Range(10.0, 200.0, log=True),
    "boson_g": Range(5e-4, 2e-3, log=True),
}
"""Where each parameter is drawn by default: soft masses and |mu| in GeV, hierarchy m_smuon/m_selectron, stau_ratio m_stau/m_smuon, the boson in MeV."""

UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("M0", "M1", "M2", "mu", "selectron_L", "selectron_R", "A"), "GeV"),
    **dict.fromkeys(("neutralino", "chargino", "selectron", "smuon", "sneutrino"), "GeV"),
    "boson_mass": "MeV",
    "lifetime": "s",
}
"""Units of the columns that have one."""

SIGNS: Final[Mapping[str, int]] = {"M1": 1, "M2": 1, "mu": 1}
"""Signs by default; 0 draws both."""
