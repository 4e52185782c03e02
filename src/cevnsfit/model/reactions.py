"""The reactions of a description at nodes, and on how many nuclei they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.physics.reactions import reaction_at
from cevnsfit.spec.tables import NEUTRINO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cevnsfit.model.flux import Flux
    from cevnsfit.physics.nuclei import Nuclide
    from cevnsfit.physics.reactions import Reaction
    from cevnsfit.spec.load import Experiment

    Floats = NDArray[np.float64]


def reaction_of(experiment: Experiment, name: str, flux: Flux, kinks: Iterable[float]) -> tuple[Reaction, Floats]:
    """Return a reaction of the target, and its visible energies in MeV; the response has `kinks` there [MeV].

    Raises
    ------
    DomainError
        If neutrinos have higher energies than its table.
    """
    entry = experiment.spec.target.reactions[name]
    table = experiment.tables[entry.table]
    points = table.values(NEUTRINO)
    several = {flavour: spectra for flavour, spectra in zip(flux.flavours, flux.spectra, strict=True) if flavour in entry.flavours}
    for flavour, spectra in several.items():
        if (end := max(spectrum.end for spectrum in spectra)) > points[-1] * (1.0 + 1e-9):
            message = f"{experiment.label}: target.reactions.{name}: {entry.table} ends at {points[-1]:g} MeV, and {flavour} have up to {end:.4g} MeV"
            raise DomainError(message)
    sigma: dict[str, Floats] = {flavour: entry.cross_section(table, given) for flavour, given in entry.flavours.items()}
    met = [spectrum for own in (several.values() if several else flux.spectra) for spectrum in own]
    if entry.q_value is None:
        edges = np.asarray(table.axes[0].edges)
        return reaction_at(points, sigma, met, (), 0.0), 0.5 * (edges[1:] + edges[:-1])
    reaction = reaction_at(points, sigma, met, [kink + entry.q_value for kink in kinks], entry.q_value)
    return reaction, reaction.energy - entry.q_value


def happens_on(experiment: Experiment, name: str, nuclei: Iterable[tuple[Nuclide, float]]) -> float:
    """Return the number of nuclei on which a reaction happens."""
    entry = experiment.spec.target.reactions[name]
    return sum(number for nuclide, number in nuclei if entry.is_on(nuclide.symbol, nuclide.A))
