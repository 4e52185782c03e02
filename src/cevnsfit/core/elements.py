"""Elements and their isotopes: masses and natural abundances, as they are frozen in the table `nuclei/isotopes.csv`."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cevnsfit.core.paths import data_root

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Isotope:
    """An isotope: symbol, atomic and mass number, mass of the neutral atom in u, natural abundance in %."""

    symbol: str
    Z: int
    A: int
    mass: float
    abundance: float


@dataclass(frozen=True, slots=True)
class Element:
    """An element: its standard atomic weight in u, and its isotopes by their mass number."""

    weight: float
    isotopes: Mapping[int, Isotope]

    @property
    def natural(self) -> list[int]:
        """Return the mass numbers of the natural isotopes."""
        return [number for number, isotope in self.isotopes.items() if isotope.abundance > 0.0]


@functools.cache
def elements() -> Mapping[str, Element]:
    """Return all elements by their symbol, in the order of their atomic number."""
    with (data_root() / "nuclei" / "isotopes.csv").open(encoding="utf-8") as file:
        _, *rows = csv.reader(line for line in file if not line.startswith("#"))
    weights = {symbol: float(mass) for _, symbol, a, mass, _ in rows if a == "0"}
    isotopes: dict[str, dict[int, Isotope]] = {symbol: {} for symbol in weights}
    for z, symbol, a, mass, abundance in rows:
        if a != "0":
            isotopes[symbol][int(a)] = Isotope(symbol, int(z), int(a), float(mass), float(abundance))
    return MappingProxyType({symbol: Element(weight, MappingProxyType(isotopes[symbol])) for symbol, weight in weights.items()})
