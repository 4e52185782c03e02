"""Reactions whose cross sections are numbers of a table: what a spectrum makes of visible energies.

A reaction is known by sigma(E) of a neutrino that is seen as E - Q, or by sigma_k(E) into bins k of the visible energy; both are linear in the neutrino
energy between their points, and 0 below the first. The integral over a spectrum has its nodes in the neutrino energy, the same for all flavours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.physics.kernels import WeightedKernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cevnsfit.physics.kernels import KernelKey
    from cevnsfit.physics.sources import Spectrum

    Floats = NDArray[np.float64]

_PANELS: Final = 64
"""Panels of the neutrino energy before points, kinks and ends of spectra cut them."""

_ORDER: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Reaction:
    """A reaction at nodes of the neutrino energy.

    Attributes
    ----------
    energy
        Neutrino energies in MeV, shape (n,).
    cells
        Weights of their rule in MeV, shape (n,); 0 at lines of spectra, which count as they are.
    sigma
        Cross section in cm^2 by source flavour: shape (n,) where each node has a visible energy of its own, (n, bins) into bins of it.
    """

    energy: Floats
    cells: Floats
    sigma: Mapping[str, Floats]

    def rates(self, flavour: str, spectrum: Spectrum, key: KernelKey, baseline: float) -> Floats:
        """Return cm^2 for each neutrino of a source flavour at the visible energies, shape (n,) or (bins,); of the key the weight of the flux counts."""
        sigma = self.sigma.get(flavour)
        if sigma is None:
            return np.zeros(next(iter(self.sigma.values())).shape[-1])
        share = spectrum.density(self.energy) * self.cells
        for energy, fraction in spectrum.lines:
            share[(self.cells == 0.0) & (self.energy == energy)] = fraction
        if isinstance(key, WeightedKernel):
            share *= key.weight(self.energy, baseline, self.cells)
        return np.asarray(share * sigma if sigma.ndim == 1 else share @ sigma)


def reaction_at(points: Floats, sigma: Mapping[str, Floats], spectra: Iterable[Spectrum], cuts: Iterable[float], least: float) -> Reaction:
    """Return a reaction at nodes for some spectra.

    Parameters
    ----------
    points
        Increasing neutrino energies of the table in MeV, shape (m,).
    sigma
        Cross sections there in cm^2 by source flavour, shape (m,) or (m, bins).
    spectra
        Those that it meets.
    cuts
        Energies in MeV at which something else is not smooth.
    least
        Energy in MeV up to which nothing is seen.
    """
    known = tuple(spectra)
    low, high = max(float(points[0]), least), min(float(points[-1]), max(spectrum.end for spectrum in known))
    ends = [end for spectrum in known for segment in spectrum.segments for end in (segment.low, segment.high)]
    edges = np.unique([*np.linspace(low, max(low, high), _PANELS + 1), *points, *ends, *cuts])
    edges = edges[(edges >= low) & (edges <= high)]
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    half = 0.5 * np.diff(edges)
    lines = sorted({energy for spectrum in known for energy, _ in spectrum.lines if low < energy <= high})
    energy = np.append((edges[:-1, None] + half[:, None] * (1.0 + nodes)).ravel(), lines)
    cells = np.append((half[:, None] * weights).ravel(), np.zeros(len(lines)))
    return Reaction(energy, cells, {flavour: _linear(energy, points, values) for flavour, values in sigma.items()})


def _linear(energy: Floats, points: Floats, values: Floats) -> Floats:
    """Return values at increasing points, linear between them, at energies within these."""
    place = np.clip(np.searchsorted(points, energy, side="right") - 1, 0, len(points) - 2)
    part = (energy - points[place]) / (points[place + 1] - points[place])
    part = part if values.ndim == 1 else part[:, None]
    return np.asarray(values[place] * (1.0 - part) + values[place + 1] * part)
