"""Text with units to internal numbers (MeV, cm, g, s); used where files are read, nowhere else."""

from __future__ import annotations

import functools
import math
import re
from tokenize import TokenError
from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import CevnsfitError

if TYPE_CHECKING:
    import pint

_DEFINITIONS: Final = (
    "milli- = 1e-3 = m-",
    "micro- = 1e-6 = u- = µ-",
    "nano- = 1e-9 = n-",
    "centi- = 1e-2 = c-",
    "kilo- = 1e3 = k-",
    "mega- = 1e6 = M-",
    "giga- = 1e9 = G-",
    "tera- = 1e12 = T-",
    "femto- = 1e-15 = f-",
    "eV = [energy]",
    "eVee = [electron_equivalent_energy]",
    "eVnr = [nuclear_recoil_energy]",
    "PE = [photoelectron]",
    "meter = [length] = m = metre",
    "gram = [mass] = g",
    "tonne = 1e6 * gram = t",
    "second = [time] = s",
    "minute = 60 * second = min",
    "hour = 3600 * second = h",
    "day = 86400 * second = d",
    "year = 31557600 * second = yr",
    "watt = 6.241509074460763e18 * eV / second = W",
    "Hz = 1 / second",
    "POT = [protons_on_target]",
    "percent = 0.01 = pct = PCT",
    "permille = 0.001",
)

INTERNAL: Final = {
    "energy": "MeV",
    "e_nu": "MeV",
    "e_ee": "MeVee",
    "t_recoil": "MeVnr",
    "pe": "PE",
    "length": "cm",
    "mass": "g",
    "time": "s",
    "number": "",
}
"""Internal unit of each kind of quantity."""


_SPELT: Final = str.maketrans(
    {
        **dict.fromkeys("\u00b5\u03bc", "u"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\u207b\u208b", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f${}"),
        **{chr(code): str(k) for k, code in enumerate((0x2070, 0xB9, 0xB2, 0xB3, *range(0x2074, 0x207A)))},
        **dict.fromkeys("\u00b7\u22c5\u00d7", "*"),
        "\u2091": "e",
        "%": " percent",
        "\uff05": " percent",
        "\u2030": " permille",
    }
)
"""Other ways to write a unit, as in a PDF: both letters mu, signs, superscripts, products, marks without a width, and those of LaTeX."""

SPELT_NUMBER: Final = {code: text for code, text in _SPELT.items() if text in {"-", None} and chr(code) not in "${}\u207b\u208b"} | {
    ord('"'): ""
}
"""Other ways to write a plain number, with quotes as sheets have them."""

_SUPERSCRIPTS: Final = "\u2070\u00b9\u00b2\u00b3\u2074-\u2079"
_TIMES_TEN: Final = re.compile(
    rf"(?<=\d)\s*[x*\u00d7\u00b7\u22c5]\s*10(?:(?:\^|\*\*)\{{?|(?=[\u207b{_SUPERSCRIPTS}]))([+\-\u2212\u2013\u207b]?[\d{_SUPERSCRIPTS}]+)\}}?"
)
"""The power of ten in "6x10^13" and in the same with superscripts."""

_QUANTITY: Final = re.compile(
    r"([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan))(?:\s*([a-z/(][\w\s*/^().+-]*|1\s*/[\w\s*/^().+-]*))?", re.IGNORECASE
)
"""A number, with a unit where there is one, with or without a space (of any kind) between them."""

_RAISED: Final = re.compile(rf"(?<![A-Za-z)\u00b5\u03bc\u207b{_SUPERSCRIPTS}])[\u207b{_SUPERSCRIPTS}]|\d[${{}}]+\d")
"""A superscript that belongs to no unit, or a mark of LaTeX inside a number."""

_INDEX: Final = re.compile(r"(?<=eV)[_ ](ee|nr)\b")
"""The index of "keV_ee"."""

_POWER: Final = re.compile(r"(?<=[A-Za-z])\^?(-?\d+(?:\.\d+)?)")
"""The power in "cm2", "cm-2" and "cm^2"."""

_TOWER: Final = re.compile(r"[\d)]\s*(\*\*|\^)|(percent|permille|pct).*(percent|permille|pct)", re.IGNORECASE)
"""A power of a number: no unit has one, and 9**9**9 would be computed; and percent of percent, a slip."""

_HINTS: Final = {
    r"\d,\d": "a comma is not a decimal point",
    r"\d\s\d{3}(?!\d)": "thousands are not parted",
    r"(?i)\d\s*[x\u00d7]\s*10": "a power of ten reads 6e13 or 6x10^13",
}
"""What is wrong with numbers that people write in other ways."""

_LONGEST: Final = 200
"""Characters of a number with its unit: pint takes hours over some that are much longer."""

_FAMILIAR: Final = {"cm": "m", "g": "kg", "MeV/s": "GW"}
"""Units that are asked for, where people would not write the internal one."""

_MALFORMED: Final = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, TokenError)
"""What pint raises for text such as "m /", "( m", "m + s" or "m0"."""


class UnitError(CevnsfitError):
    """A quantity has no unit, an unknown one, or one of the wrong dimension."""


@functools.cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None, cache_folder=None)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


def split(text: str, example: str = "19.3 m") -> tuple[float, str]:
    """Return number and unit text of "19.3 m", "20m" or "0.05 / us"; a bare number has the unit ""; UnitError with the example for other texts."""
    if len(text) > _LONGEST:
        message = f"'{text[:20]}...' has {len(text)} characters, more than any number with a unit; write for example '{example}'"
        raise UnitError(message)
    plain = _INDEX.sub(r"\1", _TIMES_TEN.sub(lambda found: f"e{found[1].translate(_SPELT)}", text).translate(_SPELT)).strip()
    match = _QUANTITY.fullmatch(plain)
    if match is None or _TOWER.search(plain) or _RAISED.search(_TIMES_TEN.sub("", text)):
        hint = next((f" ({words})" for form, words in _HINTS.items() if re.search(form, text)), "")
        message = f"'{text}' is not a number with a unit{hint}; write for example '{example}'"
        raise UnitError(message)
    number, unit = match.groups(default="")
    unit = _POWER.sub(r"**\1", " ".join(unit.split())).strip()
    return float(number), f"1 {unit}" if unit.startswith("/") else unit


def plain_number(text: str) -> float:
    """Return the number that a cell of a table spells, NaN for anything else: also with the signs and spaces of a PDF, without those that part thousands."""
    try:
        return math.nan if "_" in text else float(text.translate(SPELT_NUMBER))
    except ValueError:
        return math.nan


def familiar(unit: str) -> str:
    """Return the unit in which people write what is `unit` inside: keVee for MeVee, m for cm; "no unit" for none."""
    return _FAMILIAR.get(unit, re.sub(r"MeV(ee|nr)", r"keV\1", unit)) if unit else "no unit"


def _example(number: str, unit: str) -> str:
    return f"{number} {familiar(unit)}".replace(" 1/", " / ")


def _bare(dimension: object) -> str:
    """Return a dimension without brackets."""
    return str(dimension).replace("[", "").replace("]", "").replace("_", " ").replace("dimensionless", "none")


def parse(text: str | float, unit: str) -> float:
    """Return the value of `text` in `unit`.

    Parameters
    ----------
    text
        A number with a unit ("19.3 m", "0.00078 / keVnr", "10 %"); a bare number only when `unit` is "".
    unit
        The unit to convert to, for example "cm" or "MeVee / MeVnr**2".

    Raises
    ------
    UnitError
        If the unit is missing, unknown or of another dimension; keVee, keVnr and PE never mix.
    """
    import pint

    value, given = (float(text), "") if isinstance(text, int | float) else split(text, _example("1.5", unit) if unit else "10 %")
    if not math.isfinite(value):
        message = f"'{text}' is not a finite number"
        raise UnitError(message)
    if given == unit:
        return value
    if not given:
        message = f"{value:g} has no unit; write one after it, for example '{_example(f'{value:g}', unit)}'"
        raise UnitError(message)
    registry = _registry()
    try:
        return float(registry.Quantity(value, given).to(unit if unit else "dimensionless").magnitude)
    except pint.DimensionalityError as error:
        message = f"'{text}' has the dimension {_bare(error.dim1)}, not {_bare(error.dim2)}; wanted {familiar(unit)}"
    except pint.UndefinedUnitError as error:
        message = f"'{text}': '{error.args[0]}' is not a known unit; wanted {familiar(unit)}"
    except pint.PintError as error:
        message = f"'{text}': {error}; wanted {familiar(unit)}"
    except _MALFORMED:
        message = f"'{text}': '{given.removeprefix('1 ')}' is not a unit; wanted {familiar(unit)}"
    raise UnitError(message)
