"""Text with units to internal numbers."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import INTERNAL, UnitError, familiar, parse, plain_number, split


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("19.3 m", "cm", 1930.0),
        ("14.57 kg", "g", 14570.0),
        ("7 t", "g", 7e6),
        ("0.52 us", "s", 0.52e-6),
        ("0.52 µs", "s", 0.52e-6),
        ("440 ns", "s", 440e-9),
        ("5 keVnr", "MeVnr", 5e-3),
        ("13.348 PE / keVee", "PE / MeVee", 13348.0),
        ("0.00078 / keVnr", "1 / MeVnr", 0.78),
        ("0.0494 / us", "1 / s", 0.0494e6),
        ("10 %", "", 0.1),
        ("10%", "", 0.1),
        ("5 fm", "cm", 5e-13),
        ("1.5 MeVee / MeVnr**2", "MeVee / MeVnr**2", 1.5),
        ("1e-4", "", 1e-4),
        (0.25, "", 0.25),
        (3, "", 3.0),
        ("3.198e23 POT", "POT", 3.198e23),
        ("5000 h", "s", 1.8e7),
        ("1.4 MW", "W", 1.4e6),
    ],
)
def test_quantities(text: str | float, unit: str, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("wanted", ["MeV", "MeVee", "MeVnr", "PE"])
@pytest.mark.parametrize("given_unit", ["keV", "keVee", "keVnr", "PE"])
def test_the_four_energies_never_mix(given_unit: str, wanted: str) -> None:
    if given_unit.replace("k", "M") == wanted:
        assert parse(f"2 {given_unit}", wanted) == pytest.approx(2 if wanted == "PE" else 2e-3)
        return
    with pytest.raises(UnitError, match=rf"2 {given_unit}.*wanted {familiar(wanted)}$"):
        parse(f"2 {given_unit}", wanted)


@pytest.mark.parametrize("text", [19.3, "19.30"])
def test_a_bare_number_is_an_error_that_shows_the_remedy(text: str | float) -> None:
    with pytest.raises(UnitError, match=r"has no unit.*'19\.3 m'"):
        parse(text, "cm")


def test_a_unit_on_a_pure_number_is_an_error() -> None:
    with pytest.raises(UnitError, match="wanted no unit"):
        parse("0.0878 keVee", "")


@pytest.mark.parametrize("text", ["m 19.3", "", "nineteen m", "% 5"])
def test_text_without_a_number_in_front(text: str) -> None:
    with pytest.raises(UnitError, match=r"is not a number with a unit; write for example '1\.5 m'"):
        parse(text, "cm")


@pytest.mark.parametrize(
    ("text", "unit", "plain"),
    [
        ("30m", "cm", "30 m"),
        (" 1.5e3MeV", "MeV", "1500 MeV"),
        ("-.5\u00b5s", "s", "-0.5 us"),
        ("10 \u03bcs", "s", "10 us"),
        ("20\u00a0ns", "s", "20 ns"),
        ("20\u202fns", "s", "20 ns"),
        ("\u22125 ns", "s", "-5 ns"),
        ("3keVee / keVnr", "MeVee / MeVnr", "3 keVee / keVnr"),
        ("5.16e6 cm-2 s-1", "1/cm**2/s", "5.16e6 / cm**2 / s"),
        ("5.16e6 / cm\u00b2 / s", "1/cm**2/s", "5.16e6 / cm**2 / s"),
        ("5.16e6 cm\u207b\u00b2 s\u207b\u00b9", "1/cm**2/s", "5.16e6 / cm**2 / s"),
        ("0.58 keVee^0.5", "MeVee**0.5", "0.58 keVee**0.5"),
        ("\u201320\u200bns", "s", "-20 ns"),
        ("1.5 keV_ee", "MeVee", "1.5 keVee"),
        ("1.5 keV$_{nr}$", "MeVnr", "1.5 keVnr"),
        ("1.5 keV\u2091\u2091", "MeVee", "1.5 keVee"),
        ("\uff12\uff10 m", "cm", "20 m"),
        ("20 metres", "cm", "20 m"),
        ("5 min", "s", "300 s"),
        ("5 \u2030", "", "0.5 %"),
        ("5\uff05", "", "5 %"),
        ("6\u00d710\u00b9\u00b3 cm\u207b\u00b2 s\u207b\u00b9", "1/cm**2/s", "6e13 / cm**2 / s"),
        ("6 x 10^13 cm^{-2} s^{-1}", "1/cm**2/s", "6e13 / cm**2 / s"),
        ("6*10**-3 m", "cm", "6e-3 m"),
        ("2.5\u00b710\u207b\u00b3 m", "cm", "2.5e-3 m"),
    ],
)
def test_other_ways_to_write_a_quantity(text: str, unit: str, plain: str) -> None:
    assert parse(text, unit) == pytest.approx(parse(plain, unit), rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "text",
    [
        "1,5 m",
        "20\u202f000 m",
        "1 2",
        "10 \u00b1 1 m",
        "1 m**9**9**9",
        "1 m / (9*9)^9",
        "10\u00b2 m",
        "6\u00d71013 m",
        "20 m; 3",
        "20 m # 3",
        "5 %%",
        "1}2 min",
        "5 % percent",
    ],
)
def test_other_texts_are_told_what_would_be_right(text: str) -> None:
    with pytest.raises(UnitError, match=rf"^'{re.escape(text)}' is not a number with a unit.*; write for example '1\.5 m'$"):
        parse(text, "cm")


@pytest.mark.parametrize("text", ["19.3 parsecs", "19.3 m /", "19.3 ( m", "1 m + s", "1 kg m", "1 m / 0", "1 m0", "1 m**0"])
def test_unknown_or_malformed_units(text: str) -> None:
    with pytest.raises(UnitError, match=r"wanted m$"):
        parse(text, "cm")


@pytest.mark.parametrize("text", ["nan m", "inf m", "infe3 m", "-nane3", float("nan")])
def test_what_is_not_finite(text: str | float) -> None:
    with pytest.raises(UnitError, match="not a finite number"):
        parse(text, "cm")


def test_split_makes_an_inverse_unit_readable() -> None:
    assert split("0.05 / us") == (0.05, "1 / us")
    assert split(" 3 ") == (3.0, "")


def test_a_unit_error_is_one_of_ours() -> None:
    assert issubclass(UnitError, CevnsfitError)


@given(value=st.floats(1e-30, 1e30), unit=st.sampled_from([unit for unit in INTERNAL.values() if unit]))
def test_internal_units_pass_unchanged(value: float, unit: str) -> None:
    assert parse(f"{value!r} {unit}", unit) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("\u22121.5", -1.5), ("\u20131e\u20132", -0.01), (' "3" ', 3.0), ("\u00a0\uff13\u200b", 3.0), ("1e5", 1e5), ("-.5", -0.5)],
)
def test_plain_numbers_of_sheets_and_pdfs(text: str, value: float) -> None:
    assert plain_number(text) == value


@pytest.mark.parametrize("text", ["", "1,5", "1 000", "1\u202f000", "1_000", "10\u00b2", "1e5m", "5 %", "{1}", "$1", "0x10", "three"])
def test_other_cells_are_no_numbers(text: str) -> None:
    assert math.isnan(plain_number(text))
