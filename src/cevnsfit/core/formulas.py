"""Chemical formulas: elements with numbers behind them, isotopes in brackets, groups in parentheses; nothing else is taken for one."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cevnsfit.core.elements import elements
from cevnsfit.core.errors import CevnsfitError, UnknownNameError

_NUMBER: Final = r"(?:[1-9]\d*|0(?=\.))(?:\.\d+)?"
_TOKEN: Final = re.compile(rf"(?P<symbol>[A-Z][a-z]?)(?:\[(?P<isotope>\d+)\])?(?P<count>{_NUMBER})?|(?P<open>\()|\)(?P<group>{_NUMBER})?")
_NUCLIDE: Final = re.compile(r"([A-Z][a-z]?)-(\d+)")

_JARGON: Final = {"HPGe": "Ge", "LAr": "Ar", "GAr": "Ar", "LXe": "Xe", "LNe": "Ne", "LHe": "He"}
"""What detectors are called, and what they are made of."""


class Atom(NamedTuple):
    """An element, or one of its isotopes; `isotope` is the mass number, 0 for the natural mixture."""

    symbol: str
    isotope: int = 0

    def __str__(self) -> str:
        return f"{self.symbol}[{self.isotope}]" if self.isotope else self.symbol


def parse_formula(text: str) -> dict[Atom, float]:
    """Return the number of each atom in a formula unit.

    Raises
    ------
    CevnsfitError
        If it is not a formula; the message says what to write.
    UnknownNameError
        If there is no such element.

    Examples
    --------
    >>> parse_formula("Ge[76]"), parse_formula("Ca(OH)2")
    ({Atom(symbol='Ge', isotope=76): 1.0}, {Atom(symbol='Ca', isotope=0): 1.0, Atom(symbol='O', isotope=0): 2.0, Atom(symbol='H', isotope=0): 2.0})
    """
    if text in _JARGON:
        message = f"'{text}' is not a chemical formula; write {_JARGON[text]}"
        raise CevnsfitError(message)
    groups: list[dict[Atom, float]] = [{}]
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None or (token["symbol"] is None and token["open"] is None and (token["group"] is None or len(groups) == 1)):
            raise CevnsfitError(_wrong(text))
        place = token.end()
        if token["open"] is not None:
            groups.append({})
        elif token["symbol"] is not None:
            _add(groups[-1], {checked(token["symbol"], int(token["isotope"] or 0)): 1.0}, token["count"])
        else:
            inner = groups.pop()
            _add(groups[-1], inner, token["group"])
    if len(groups) > 1 or not groups[0]:
        raise CevnsfitError(_wrong(text))
    alone = re.fullmatch(r"([A-Z][a-z]?)(\d+)", text)
    if alone is not None and alone[1] not in {"H", "D", "T"} and int(alone[2]) in elements()[alone[1]].isotopes:
        message = f"'{text}' is {alone[2]} atoms of {alone[1]}; the isotope is written \"{alone[1]}[{alone[2]}]\", the element {alone[1]}"
        raise CevnsfitError(message)
    return groups[0]


def parse_nuclide(text: str) -> Atom:
    """Return the isotope of a name such as "Ge-76"; CevnsfitError if there is none, or it is not of this form."""
    found = _NUCLIDE.fullmatch(text)
    if found is None:
        message = f"'{text}' is not the name of a nuclide, such as Ge-76"
        raise CevnsfitError(message)
    return checked(found[1], int(found[2]))


def checked(symbol: str, isotope: int) -> Atom:
    """Return an atom that exists; heavy hydrogen may be called D or T."""
    if symbol in {"D", "T"} and not isotope:
        return Atom("H", 2 if symbol == "D" else 3)
    known = elements()
    if symbol not in known:
        kind = "element"
        raise UnknownNameError(kind, symbol, known)
    if isotope and isotope not in known[symbol].isotopes:
        message = f"there is no {symbol}-{isotope}; the natural isotopes are {_listed(known[symbol].natural)}"
        raise CevnsfitError(message)
    return Atom(symbol, isotope)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) if numbers else "none"


def _add(into: dict[Atom, float], atoms: dict[Atom, float], count: str | None) -> None:
    for atom, number in atoms.items():
        into[atom] = into.get(atom, 0.0) + number * (1.0 if count is None else float(count))


def _wrong(text: str) -> str:
    """Return why a text is not a formula, and what to write."""
    mass = re.fullmatch(r"(\d+)([A-Z][a-z]?)(.*)", text)
    if mass is not None:
        return f"'{text}' is not a chemical formula; an isotope is written \"{mass[2]}[{mass[1]}]{mass[3]}\", an enriched element by `isotopes: {{{mass[2]}-{mass[1]}: 87 %}}`"
    doped = re.fullmatch(r"(.+)\(([A-Z][a-z]?)\)", text)
    if doped is not None:
        return f"'{text}' is not a chemical formula; write compound: {doped[1]} and dopants: {{{doped[2]}: 0.1 %}} (mass fraction)"
    return f"'{text}' is not a chemical formula; write for example CsI, D2O, Ca(OH)2 or \"Ge[76]\""
