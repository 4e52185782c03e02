"""The nuclei of a detector: how many there are of each nuclide, and their part of its mass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cevnsfit.physics.constants import ELECTRON_MASS
from cevnsfit.physics.form_factors import Tabulated, form_factor
from cevnsfit.physics.nuclei import Nuclide, composition, formula_units_per_gram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cevnsfit.physics.form_factors import FormFactor
    from cevnsfit.spec.load import Experiment


def nuclei_of(experiment: Experiment) -> tuple[tuple[Nuclide, float], ...]:
    """Return every nuclide of the detector with the number of its nuclei."""
    target = experiment.spec.target
    radii = {name: (entry.proton, entry.neutron) for name, entry in target.radii.items()}
    units = formula_units_per_gram(target.compound, isotopes=target.isotopes, dopants=target.dopants) * target.mass
    nuclei = composition(target.compound, radii, isotopes=target.isotopes, dopants=target.dopants)
    return tuple((nuclide, units * number) for nuclide, number in nuclei)


def mass_fractions(experiment: Experiment) -> dict[str, float]:
    """Return the part of the detector's mass in each nuclide, by name."""
    masses: dict[str, float] = {}
    for nuclide, number in nuclei_of(experiment):  # one that is in the formula and a dopant comes twice
        masses[nuclide.name] = masses.get(nuclide.name, 0.0) + number * (nuclide.mass + nuclide.Z * ELECTRON_MASS)
    return {name: mass / sum(masses.values()) for name, mass in masses.items()}


def elements_of(nuclei: Sequence[tuple[Nuclide, float]]) -> list[tuple[Nuclide, float]]:
    """Return one nuclide of each element with the number of its atoms."""
    first: dict[int, Nuclide] = {}
    count: dict[int, float] = {}
    for nuclide, number in nuclei:
        first.setdefault(nuclide.Z, nuclide)
        count[nuclide.Z] = count.get(nuclide.Z, 0.0) + number
    return [(nuclide, count[z]) for z, nuclide in first.items()]


def form_factors_of(experiment: Experiment, nuclei: tuple[tuple[Nuclide, float], ...]) -> tuple[FormFactor, FormFactor]:
    """Return the form factors of protons and of neutrons."""
    spec, named = experiment.spec, form_factor(experiment.spec.form_factor)
    protons, neutrons = {}, {}
    for name, entry in spec.target.form_factors.items():
        q, *columns = entry.of(experiment.tables[entry.table])
        for nuclide in (nuclide for nuclide, _ in nuclei if name in {nuclide.symbol, nuclide.name}):
            protons[nuclide.A], neutrons[nuclide.A] = (q, columns[0], nuclide.r_p), (q, columns[1], nuclide.r_n)
    return (Tabulated(protons, named), Tabulated(neutrons, named)) if protons else (named, named)
