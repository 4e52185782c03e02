"""Short-baseline oscillations as weights of the flux."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.physics.constants import HBAR_C

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEV2_PER_EV2: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Disappearance:
    """The weight -sin^2(Delta m^2 L/(4 E)); times an amplitude and added to 1 it is a survival probability.

    Attributes
    ----------
    delta_m2
        Delta m^2 in eV^2.

    References
    ----------
    PDG 2024, review of neutrino mixing: 1.267 Delta m^2/eV^2 L/km GeV/E.
    """

    delta_m2: float

    def __call__(self, energy: NDArray[np.float64], baseline: float, cells: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
        """Return the weight at `energy` [MeV] and `baseline` [cm], averaged over `cells` [MeV] around the energies, in the shape of `energy`."""
        phase = self.phase(energy, baseline)
        kept = np.sinc(phase / energy * cells / np.pi)
        return np.asarray(-kept * np.sin(phase) ** 2 - 0.5 * (1.0 - kept))

    def phase(self, energy: NDArray[np.float64], baseline: float) -> NDArray[np.float64]:
        """Return Delta m^2 L/(4 E) in rad, in the shape of `energy` [MeV]."""
        return np.asarray(_MEV2_PER_EV2 * self.delta_m2 * baseline / (4.0 * HBAR_C * energy))
