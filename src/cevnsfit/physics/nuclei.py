"""Nuclides, and the nuclei of a compound with natural isotopic abundances."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.physics.constants import ATOMIC_MASS_UNIT, AVOGADRO, ELECTRON_MASS, FM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Radii = Mapping[str, tuple[float, float]]
"""(r_p, r_n) in cm by element symbol ("Cs") or nuclide name ("Cs-133")."""

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


def composition(compound: str, radii: Radii | None = None) -> tuple[tuple[Nuclide, float], ...]:
    """Return every nuclide of a compound with its number of nuclei per formula unit.

    Parameters
    ----------
    compound
        A chemical formula, "CsI" or "NaI"; "Ar[40]" picks one isotope, an element alone is its natural mixture.
    radii
        Radii in cm that replace those of the shipped table; a nuclide name goes before an element symbol.

    Returns
    -------
    Pairs (nuclide, nuclei per formula unit), in the order of the formula and of the mass number.

    Raises
    ------
    UnknownNameError
        If an element is unknown.
    CevnsfitError
        If the formula cannot be read or an element has no natural abundances.
    """
    overrides = {} if radii is None else radii
    table = _read_radii(data_root() / "nuclei" / "radii.csv")
    nuclei: list[tuple[Nuclide, float]] = []
    for atom, count in _formula(compound).atoms.items():
        for isotope, fraction in _isotopes(atom):
            z, a, symbol = int(isotope.number), int(isotope.isotope), str(isotope.symbol)
            r_p, r_n = _radii(symbol, z, a, table, overrides)
            mass = float(isotope.mass) * ATOMIC_MASS_UNIT - z * ELECTRON_MASS
            nuclei.append((Nuclide(symbol, z, a, mass, r_p, r_n), float(count) * fraction))
    return tuple(nuclei)


def formula_units_per_gram(compound: str) -> float:
    """Return the number of formula units in one gram of the compound, in 1/g."""
    return AVOGADRO / float(_formula(compound).mass)


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


def _formula(compound: str) -> Any:
    """Return the parsed formula; the parser is imported here because it is slow to load."""
    import periodictable
    from pyparsing import ParseBaseException

    symbols = [element.symbol for element in periodictable.elements if element.number > 0]
    for symbol in re.findall(r"[A-Z][a-z]*", compound):
        if symbol not in symbols:
            raise UnknownNameError("element", symbol, symbols)
    try:
        formula = periodictable.formula(compound)
    except (ValueError, KeyError, ParseBaseException) as error:
        message = f"'{compound}' is not a chemical formula: {error}"
        raise CevnsfitError(message) from None
    if not formula.atoms:
        message = f"'{compound}' is not a chemical formula; write for example 'CsI'"
        raise CevnsfitError(message)
    return formula


def _isotopes(atom: Any) -> Iterator[tuple[Any, float]]:
    """Yield the isotopes of an atom with fractions that sum to 1."""
    if hasattr(atom, "isotope"):
        yield atom, 1.0
        return
    natural = [atom[number] for number in atom.isotopes if atom[number].abundance > 0.0]
    total = sum(isotope.abundance for isotope in natural)
    if not natural:
        message = f"{atom.symbol} has no natural isotopes; name one, in the way of 'Ar[40]'"
        raise CevnsfitError(message)
    for isotope in natural:
        yield isotope, isotope.abundance / total


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
