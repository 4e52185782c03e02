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
    "femto- = 1e-15 = f-",
    "eV = [energy]",
    "eVee = [electron_equivalent_energy]",
    "eVnr = [nuclear_recoil_energy]",
    "PE = [photoelectron]",
    "meter = [length] = m",
    "gram = [mass] = g",
    "tonne = 1e6 * gram = t",
    "second = [time] = s",
    "hour = 3600 * second = h",
    "day = 86400 * second = d",
    "year = 31557600 * second = yr",
    "watt = 6.241509074460763e18 * eV / second = W",
    "Hz = 1 / second",
    "POT = [protons_on_target]",
    "percent = 0.01",
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
        "\u00b5": "u",
        "\u03bc": "u",
        "\u2212": "-",
        "\u207b": "-",
        "\u00b9": "1",
        "\u00b2": "2",
        "\u00b3": "3",
        "\u00b7": "*",
        "\u00d7": "*",
        "%": " percent",
    }
)
"""Other ways to write a unit: both letters mu, the minus sign, superscripts, products."""

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+|inf|nan)(?:e[+-]?\d+)?)(?:\s*([a-z/(].*|1\s*/.*))?", re.IGNORECASE)
"""A number, with a unit where there is one, with or without a space (of any kind) between them."""

_POWER: Final = re.compile(r"(?<=[A-Za-z])\^?(-?\d+(?:\.\d+)?)")
"""The power in "cm2", "cm-2" and "cm^2"."""

_TOWER: Final = re.compile(r"[\d)]\s*(\*\*|\^)")
"""A power of a number: no unit has one, and 9**9**9 would be computed."""

_LONGEST: Final = 200
"""Characters of a number with its unit: pint takes hours over some that are much longer."""

_FAMILIAR: Final = {"cm": "m", "g": "kg", "MeV/s": "GW"}
"""Units that are asked for, where people would not write the internal one."""

_MALFORMED: Final = (ArithmeticError, AssertionError, TypeError, ValueError, TokenError)
"""What pint raises for text such as "m /", "( m" or "m + s"."""


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
    plain = text.translate(_SPELT).strip()
    match = _QUANTITY.fullmatch(plain)
    if match is None or _TOWER.search(plain):
        hint = " (a comma is not a decimal point)" if re.search(r"\d,\d", text) else ""
        message = f"'{text}' is not a number with a unit{hint}; write for example '{example}'"
        raise UnitError(message)
    number, unit = match.groups(default="")
    unit = _POWER.sub(r"**\1", " ".join(unit.split())).strip()
    return float(number), f"1 {unit}" if unit.startswith("/") else unit


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
