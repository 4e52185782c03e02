"""Nuclides, and the nuclei of a compound with natural isotopic abundances."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cevnsfit.core.elements import Isotope, elements
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError
from cevnsfit.core.formulas import Atom, parse_formula, parse_nuclide
from cevnsfit.core.paths import data_root
from cevnsfit.physics.constants import ATOMIC_MASS_UNIT, AVOGADRO, ELECTRON_MASS, FM

if TYPE_CHECKING:
    from pathlib import Path

Radii = Mapping[str, tuple[float, float]]
"""(r_p, r_n) in cm by element symbol ("Cs") or nuclide name ("Cs-133")."""

Fractions = Mapping[str, float]
"""Fractions by the name of a nuclide or an element."""

_ROUNDING: Final = 1e-9
_COLUMNS: Final = ["Z [1]", "A [1]", "r_p [fm]", "r_n [fm]"]


@dataclass(frozen=True, slots=True)
class Nuclide:
    """One nuclide.

    Attributes
    ----------
    symbol
        Chemical symbol.
    Z, A
        Atomic and mass number.
    mass
        Mass of the bare nucleus in MeV (electron binding, 2e-6 of it at most, is left out).
    r_p, r_n
        rms radii of the proton and neutron densities in cm.
    """

    symbol: str
    Z: int
    A: int
    mass: float
    r_p: float
    r_n: float

    @property
    def N(self) -> int:  # noqa: N802
        """Return the number of neutrons."""
        return self.A - self.Z

    @property
    def name(self) -> str:
        """Return for example "Cs-133"."""
        return f"{self.symbol}-{self.A}"


def composition(
    compound: str, radii: Radii | None = None, *, isotopes: Fractions | None = None, dopants: Fractions | None = None
) -> tuple[tuple[Nuclide, float], ...]:
    """Return every nuclide of a material with its number of nuclei per formula unit of the compound.

    Parameters
    ----------
    compound
        A chemical formula, "CsI" or "NaI"; "Ar[40]" is one isotope, an element alone its natural mixture.
    radii
        Radii in cm that replace those of the shipped table; a nuclide name goes before an element symbol.
    isotopes
        Atom fractions in their element of isotopes ("Ge-76") of an enriched material; the others share the rest as in nature.
    dopants
        Mass fractions in the material of elements, or isotopes, that are not in the formula.

    Returns
    -------
    Pairs (nuclide, nuclei per formula unit), in the order of the formula, the dopants, and of the mass number.

    Raises
    ------
    UnknownNameError
        If an element is unknown.
    CevnsfitError
        If the formula cannot be read, an element has no natural abundances, or fractions are more than all.
    """
    overrides = {} if radii is None else radii
    table = _read_radii(data_root() / "nuclei" / "radii.csv")
    nuclei: list[tuple[Nuclide, float]] = []
    for isotope, number in _atoms(compound, isotopes, dopants):
        symbol, z, a = isotope.symbol, isotope.Z, isotope.A
        r_p, r_n = _radii(symbol, z, a, table, overrides)
        nuclei.append((Nuclide(symbol, z, a, isotope.mass * ATOMIC_MASS_UNIT - z * ELECTRON_MASS, r_p, r_n), number))
    return tuple(nuclei)


def formula_units_per_gram(compound: str, *, isotopes: Fractions | None = None, dopants: Fractions | None = None) -> float:
    """Return the number of formula units of the compound in one gram of the material, in 1/g."""
    host = AVOGADRO / _weight(parse_formula(compound), _named(isotopes))
    return host * (1.0 - sum((dopants or {}).values()))


def fallback_radii(z: int, mass_number: int) -> tuple[float, float]:
    """Return (r_p, r_n) in cm of a nuclide that is in no table.

    The charge radius follows from the systematics of Lewin and Smith, Astropart. Phys. 6, 87 (1996), eq. (4.11) and
    below: r^2 = 3/5 (c^2 + 7/3 pi^2 a^2 - 5 s^2) + 3 s^2 with c = 1.23 A^(1/3) - 0.60, a = 0.52, s = 0.9 fm (1 to 2 %);
    the neutron skin from antiprotonic atoms, r_n - r_p = -0.04 + 1.01 (N - Z)/A fm
    (Trzcinska et al., Phys. Rev. Lett. 87, 082501 (2001)). In nuclei lighter than oxygen it is a rough guide only.
    """
    c = 1.23 * math.cbrt(mass_number) - 0.60
    r_p = math.sqrt(0.6 * (c**2 + 7.0 / 3.0 * (math.pi * 0.52) ** 2 - 5.0 * 0.81) + 3.0 * 0.81)
    skin = -0.04 + 1.01 * (mass_number - 2 * z) / mass_number
    return r_p * FM, (r_p + skin) * FM


def _atoms(compound: str, isotopes: Fractions | None, dopants: Fractions | None) -> list[tuple[Isotope, float]]:
    """Return the isotopes of a material with their numbers per formula unit of the compound."""
    enriched, atoms = _named(isotopes), parse_formula(compound)
    strangers = [str(atom) for atom in enriched if Atom(atom.symbol) not in atoms]
    if strangers:
        message = f"isotopes: {', '.join(strangers)} belongs to no element of {compound} that is a mixture"
        raise CevnsfitError(message)
    rest = 1.0 - sum((dopants or {}).values())
    if rest <= 0.0:
        message = f"dopants: the mass fractions leave nothing for {compound}"
        raise CevnsfitError(message)
    host = [(isotope, count * part) for atom, count in atoms.items() for isotope, part in _isotopes(atom, enriched)]
    for name, fraction in (dopants or {}).items():
        dopant = parse_formula(name)
        count = fraction / rest * _weight(atoms, enriched) / _weight(dopant, {})
        host += [(isotope, count * number * part) for atom, number in dopant.items() for isotope, part in _isotopes(atom, {})]
    return host


def _named(isotopes: Fractions | None) -> dict[Atom, float]:
    return {parse_nuclide(name): fraction for name, fraction in (isotopes or {}).items()}


def _weight(atoms: Mapping[Atom, float], enriched: Mapping[Atom, float]) -> float:
    """Return the mass of a formula unit in g/mol; that of a natural element is its standard atomic weight."""
    changed = {atom.symbol for atom in enriched}
    whole = {atom for atom in atoms if not atom.isotope and atom.symbol not in changed}
    weights = {atom: elements()[atom.symbol].weight for atom in whole}
    mixed = {atom: sum(part * isotope.mass for isotope, part in _isotopes(atom, enriched)) for atom in atoms if atom not in whole}
    return sum(number * {**weights, **mixed}[atom] for atom, number in atoms.items())


def _isotopes(atom: Atom, enriched: Mapping[Atom, float]) -> list[tuple[Isotope, float]]:
    """Return the isotopes of an atom with fractions that sum to 1; those that are enriched have their own, the others share the rest as in nature."""
    element = elements()[atom.symbol]
    if atom.isotope:
        return [(element.isotopes[atom.isotope], 1.0)]
    own = {known.isotope: fraction for known, fraction in enriched.items() if known.symbol == atom.symbol}
    others = [number for number in element.natural if number not in own]
    total, rest = sum(element.isotopes[number].abundance for number in others), 1.0 - sum(own.values())
    if abs(rest) > _ROUNDING and not (rest > 0.0 and others):
        message = (
            f"isotopes: the fractions of {atom.symbol} sum to {1.0 - rest:g}, not to 1"
            if own
            else f'{atom.symbol} has no natural isotopes; name one, in the way of "Ar[40]"'
        )
        raise CevnsfitError(message)
    shared = {number: rest * element.isotopes[number].abundance / total for number in others} if rest > _ROUNDING else {}
    return [(element.isotopes[number], fraction) for number, fraction in sorted({**shared, **own}.items())]


def _radii(symbol: str, z: int, a: int, table: Mapping[tuple[int, int], tuple[float, float]], overrides: Radii) -> tuple[float, float]:
    for name in (f"{symbol}-{a}", symbol):
        if name in overrides:
            return overrides[name]
    for key in ((z, a), (z, 0)):
        if key in table:
            return table[key]
    return fallback_radii(z, a)


def _read_radii(path: Path) -> dict[tuple[int, int], tuple[float, float]]:
    """Return (r_p, r_n) in cm by (Z, A); A = 0 stands for all other isotopes of the element."""
    table: dict[tuple[int, int], tuple[float, float]] = {}
    problems: list[Problem] = []
    header: list[str] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        row = next(csv.reader([line]))
        if header is None:
            header = row
            if header != _COLUMNS:
                problems.append(Problem(path.name, number, "", f"the columns should be {','.join(_COLUMNS)}"))
            continue
        try:
            z, a, r_p, r_n = int(row[0]), int(row[1]), float(row[2]), float(row[3])
        except (ValueError, IndexError):
            problems.append(Problem(path.name, number, "", f"expected four numbers, got '{line}'"))
            continue
        table[z, a] = (r_p * FM, r_n * FM)
    if problems:
        raise SpecError(problems)
    return table
