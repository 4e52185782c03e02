"""Proton pulses, and the arrival times of the neutrinos that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import erfcx, ndtr

from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.physics.constants import MUON_LIFETIME, PION_LIFETIME
from cevnsfit.physics.sources import Arrival, decay_arrivals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.physics.sources import ArrivalTimes


@dataclass(frozen=True, slots=True)
class Pulse:
    """Time profile of the protons on the target, and of the neutrinos that follow.

    Prompt neutrinos come with exp(-t/tau_pi) after the protons, delayed ones with a further exp(-t/tau_mu).

    Attributes
    ----------
    kind
        "gaussian" or "rectangle".
    weights
        Fraction in each component; they sum to 1.
    means
        Centres in s.
    widths
        Standard deviations of Gaussians, full widths of rectangles, in s.
    """

    kind: Literal["gaussian", "rectangle"]
    weights: tuple[float, ...]
    means: tuple[float, ...]
    widths: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.weights) == len(self.means) == len(self.widths) > 0:
            message = f"a pulse needs as many weights as means and widths, got {len(self.weights)}, {len(self.means)}, {len(self.widths)}"
            raise CevnsfitError(message)
        if min(self.widths) <= 0.0 or min(self.weights) < 0.0 or not math.isclose(sum(self.weights), 1.0, rel_tol=1e-9):
            message = f"a pulse needs positive widths and weights that sum to 1, got widths {self.widths} s, weights {self.weights}"
            raise DomainError(message)

    def mean(self) -> float:
        """Return the mean time of the protons in s."""
        return sum(weight * mean for weight, mean in zip(self.weights, self.means, strict=True))

    def arrivals(self) -> Mapping[str, ArrivalTimes]:
        """Return the arrival times of each flavour."""
        return decay_arrivals(Arrival(self.prompt_density), Arrival(self.delayed_density))

    def cdf(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the protons that came before `t` [s], in the shape of `t`."""
        return self._sum(t, None)

    def prompt_cdf(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the prompt neutrinos that came before `t` [s], in the shape of `t`."""
        return np.maximum(self.cdf(t) - self._sum(t, PION_LIFETIME), 0.0)

    def delayed_cdf(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the fraction of the delayed neutrinos that came before `t` [s], in the shape of `t`."""
        slow, fast = MUON_LIFETIME * self._sum(t, MUON_LIFETIME), PION_LIFETIME * self._sum(t, PION_LIFETIME)
        return np.maximum(self.cdf(t) - (slow - fast) / (MUON_LIFETIME - PION_LIFETIME), 0.0)

    def prompt_density(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the arrival-time density of the prompt neutrinos in 1/s, in the shape of `t` [s]."""
        return self._sum(t, PION_LIFETIME) / PION_LIFETIME

    def delayed_density(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the arrival-time density of the delayed neutrinos in 1/s, in the shape of `t` [s]."""
        difference = self._sum(t, MUON_LIFETIME) - self._sum(t, PION_LIFETIME)
        return np.maximum(difference, 0.0) / (MUON_LIFETIME - PION_LIFETIME)

    def _sum(self, t: ArrayLike, lifetime: float | None) -> NDArray[np.float64]:
        """Return sum_i w_i D_i(t), D the integral of the pulse up to t, each proton weighted with exp(-(t - t')/lifetime)."""
        time = np.asarray(t, dtype=np.float64)
        total = np.zeros_like(time)
        for weight, mean, width in zip(self.weights, self.means, self.widths, strict=True):
            if self.kind == "gaussian":
                total = total + weight * _gaussian((time - mean) / width, width, lifetime)
            else:
                total = total + weight * _rectangle(time - mean + width / 2.0, width, lifetime)
        return total


def _gaussian(z: NDArray[np.float64], sigma: float, lifetime: float | None) -> NDArray[np.float64]:
    """Return exp(r^2/2 - r z) Phi(z - r) with r = sigma/lifetime, without overflow (Phi(z) for no lifetime)."""
    if lifetime is None:
        return np.asarray(ndtr(z))
    r = sigma / lifetime
    late = z > r
    tail = np.exp(-r * (np.where(late, z, r) - r / 2.0)) * ndtr(z - r)
    early = 0.5 * np.exp(-0.5 * z**2) * erfcx(np.where(late, 0.0, r - z) / math.sqrt(2.0))
    return np.asarray(np.where(late, tail, early))


def _rectangle(elapsed: NDArray[np.float64], width: float, lifetime: float | None) -> NDArray[np.float64]:
    """Return the same for protons that come evenly in [0, width], at `elapsed` after the first."""
    inside = np.clip(elapsed, 0.0, width)
    if lifetime is None:
        return np.asarray(inside / width)
    after = np.maximum(elapsed - width, 0.0)
    return np.asarray(-lifetime / width * np.exp(-after / lifetime) * np.expm1(-inside / lifetime))
