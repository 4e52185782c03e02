from __future__ import annotations

import pytest

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.formulas import Atom, parse_formula, parse_nuclide


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CsI", {Atom("Cs"): 1.0, Atom("I"): 1.0}),
        ("Ge[76]", {Atom("Ge", 76): 1.0}),
        ("D2O", {Atom("H", 2): 2.0, Atom("O"): 1.0}),
        ("Ca(OH)2", {Atom("Ca"): 1.0, Atom("O"): 2.0, Atom("H"): 2.0}),
        ("C2H5OH", {Atom("C"): 2.0, Atom("H"): 6.0, Atom("O"): 1.0}),
        ("Si0.5Ge0.5", {Atom("Si"): 0.5, Atom("Ge"): 0.5}),
        ("(SiO2)0.5", {Atom("Si"): 0.5, Atom("O"): 1.0}),
        ("C60", {Atom("C"): 60.0}),
        ("H2", {Atom("H"): 2.0}),
        ("((CO)2Fe)3", {Atom("C"): 6.0, Atom("O"): 6.0, Atom("Fe"): 3.0}),
    ],
)
def test_formulas(text: str, found: dict[Atom, float]) -> None:
    assert parse_formula(text) == found


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("76Ge", r'"Ge\[76\]", an enriched element by `isotopes: \{Ge-76: 87 %\}`'),
        ("HPGe", "write Ge$"),
        ("LAr", "write Ar$"),
        ("CsI(Na)", r"compound: CsI and dopants: \{Na: 0.1 %\}"),
        ("CaCO3+6H2O", "write for example CsI"),
        ("CsI@4.5", "write for example CsI"),
        ("Ge[120]", "the natural isotopes are 70, 72, 73, 74, 76"),
        ("CaW04", "write for example CsI"),
        ("Ge76", r"is 76 atoms of Ge; the isotope is written \"Ge\[76\]\", the element Ge$"),
        ("He3", r"\"He\[3\]\""),
        ("Gee", "write for example CsI"),
    ],
)
def test_what_is_no_formula_says_what_to_write(text: str, right: str) -> None:
    with pytest.raises(CevnsfitError, match=right):
        parse_formula(text)


def test_nuclides() -> None:
    assert parse_nuclide("Ge-76") == Atom("Ge", 76)
    for text in ("Ge76", "Ge[76]", "76-Ge", "Ge"):
        with pytest.raises(CevnsfitError, match="such as Ge-76"):
            parse_nuclide(text)
