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


_JOINED: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([a-zµ].*)", re.IGNORECASE)
"""A number with a unit and nothing between them."""

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


def split(text: str) -> tuple[float, str]:
    """Return number and unit text of "19.3 m" or "0.05 / us"; a bare number has the unit ""."""
    number, _, unit = text.strip().replace("%", " percent").partition(" ")
    try:
        value = float(number)
    except ValueError:
        joined = _JOINED.fullmatch(text.strip())
        example = "write for example '19.3 m'" if joined is None else f"write '{' '.join(joined.groups())}'"
        message = f"'{text}' does not start with a number{'' if joined is None else ' and a space'}; {example}"
        raise UnitError(message) from None
    unit = unit.strip()
    return value, f"1 {unit}" if unit.startswith("/") else unit


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

    value, given = (float(text), "") if isinstance(text, int | float) else split(text)
    if not math.isfinite(value):
        message = f"'{text}' is not a finite number"
        raise UnitError(message)
    if given == unit:
        return value
    if not given:
        message = f"{value:g} has no unit; it should be convertible to {unit}, for example '{value:g} {unit}'"
        raise UnitError(message)
    registry = _registry()
    wanted = unit if unit else "no unit"
    try:
        return float(registry.Quantity(value, given).to(unit if unit else "dimensionless").magnitude)
    except pint.PintError as error:
        message = f"'{text}': {error}; wanted {wanted}"
    except _MALFORMED:
        message = f"'{text}': '{given}' is not a unit; wanted {wanted}"
    raise UnitError(message)
