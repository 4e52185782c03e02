"""Numbers with units, and grids, as text: "0.1GeV", "name=start:stop:count[:log]"."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.documents import brief
from cevnsfit.core.errors import CevnsfitError, KindError, UnknownNameError
from cevnsfit.core.units import UnitError, parse, split
from cevnsfit.infer.planes import PlaneAxis, spacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from cevnsfit.report.style import Look
    from cevnsfit.stats.likelihood import Likelihood


def numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return values as an array; KindError unless they are numbers."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "iuf":
        message = f"{name} needs numbers, for example [1.0, 2.0], not {brief(values)}"
        raise KindError(message)
    return array.astype(np.float64)


def axis_of(likelihood: Likelihood, name: str, given: ArrayLike, least: int = 3) -> PlaneAxis:
    """Return a parameter with its values; CevnsfitError unless these are increasing and at least so many, DomainError outside its domain."""
    parameter, values = likelihood.parameters[name], numbers(name, given)
    if values.ndim != 1 or len(values) < least or not np.all(np.diff(values) > 0.0):
        message = f"{name}: a grid needs {'at least three ' if least > 1 else ''}increasing values"
        raise CevnsfitError(message)
    for end in values[[0, -1]].tolist():
        parameter.checked(end)
    return PlaneAxis(name, parameter.unit, values, spacing(values) if len(values) > 1 else "linear")


def quantity(name: str, text: str, units: Mapping[str, str]) -> float:
    """Return the value of a parameter in its unit, of a number with or without one.

    Parameters
    ----------
    name, text
        The parameter, and the text.
    units
        Units of parameters by name.

    Raises
    ------
    ValueError
        If the text is not of this form.
    CevnsfitError
        If the unit is not one of the parameter.
    """
    try:
        number, given = split(text)
    except UnitError as error:
        raise ValueError(str(error)) from None
    if not given:
        return number
    if name not in units:
        kind = "parameter of the model"
        raise UnknownNameError(kind, name, units)
    own = units[name]
    scale, unit = (1.0, "") if own == "1" else split(own if own[0].isdigit() else f"1 {own}")
    try:
        return parse(text, unit) / scale
    except UnitError as error:
        message = f"{name}: {error}, for example {name}={number:g}{'' if scale != 1.0 or not unit else own}"
        raise CevnsfitError(message) from None


def parse_grid(text: str, units: Mapping[str, str] | None = None) -> tuple[str, np.ndarray]:
    """Return name and values of "name=start:stop:count[:log]".

    Parameters
    ----------
    text
        Both ends may have a unit (mass=1MeV:1GeV:60:log).
    units
        Those of the parameters; None where ends are numbers.

    Raises
    ------
    CevnsfitError
        If the text is not of this form, or a unit is not one of the parameter.
    """
    name, equals, rest = text.partition("=")
    parts = rest.split(":")
    try:
        start, stop = (float(part) if units is None else quantity(name, part, units) for part in (parts[0], parts[1]))
        count = int(parts[2])
    except (ValueError, IndexError):
        equals = ""
        start, stop, count = 0.0, 0.0, 0
    log = len(parts) == 4 and parts[3] == "log"
    if not equals or not name or len(parts) not in {3, 4} or (len(parts) == 4 and not log):
        message = f"'{text}' should read name=start:stop:count or name=start:stop:count:log, for example mass=1:1000:60:log"
        raise CevnsfitError(message)
    if count < 3 or count > 100_000 or not -math.inf < start < stop < math.inf or (log and start <= 0):
        message = f"'{text}' needs 3 to 100000 points, start < stop, and start > 0 on a log grid"
        raise CevnsfitError(message)
    return name, np.geomspace(start, stop, count) if log else np.linspace(start, stop, count)


def parse_ends(text: str, name: str = "axis", unit: str = "1") -> tuple[float, float]:
    """Return both ends of an axis of "A:B", each with its unit or without; CevnsfitError if the text is not of this form."""
    first, _, second = text.partition(":")
    try:
        return quantity(name, first, {name: unit}), quantity(name, second, {name: unit})
    except ValueError:
        message = f"'{text}' should read A:B, the ends of an axis, for example 1:1000"
        raise CevnsfitError(message) from None


def changed_look(look: Look, given: Mapping[str, Any], axes: Sequence[tuple[str, str]] = ()) -> Look:
    """Return a look with other values, None for those that stay; ends of axes are texts, with the units of `axes` (name and unit of each) or without."""
    known = dict(zip(("xlim", "ylim"), axes, strict=False))
    asked = {name: value for name, value in given.items() if value is not None}
    ends = {name: parse_ends(text, *known.get(name, ())) for name, text in asked.items() if name in {"xlim", "ylim"}}
    return replace(look, **{**asked, **ends})


def parse_masses(text: str) -> np.ndarray:
    """Return masses in MeV of a grid that must be one of "mass", see `parse_grid`."""
    name, mass = parse_grid(text, {"mass": "MeV"})
    if name != "mass":
        message = f"the grid is over mass, not over {name}"
        raise CevnsfitError(message)
    return mass


def parse_grids(texts: Sequence[str], units: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """Return the grids of several texts, see `parse_grid`; a name given twice is an error."""
    grids: dict[str, np.ndarray] = {}
    for text in texts:
        name, values = parse_grid(text, units)
        if name in grids:
            message = f"{name} has two grids"
            raise CevnsfitError(message)
        grids[name] = values
    return grids
