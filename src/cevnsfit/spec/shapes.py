"""The schema of shapes of backgrounds in experiment.yaml: tables over all axes, and products of tables and formulas over single ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import INTERNAL, parse, split
from cevnsfit.spec.fields import Spec, TableColumn

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from cevnsfit.core.axes import Axis

REACH = 5.0
"""Standard deviations within which a constrained number floats."""

Written = float | str
"""A number as it is written, with the unit of an axis that another field names."""


class ShapeNumber(Spec):
    """A number that may float: anywhere from `low` to `high`, or with a Gaussian constraint `sigma`, within both where they are given."""

    value: Written
    low: Written | None = None
    high: Written | None = None
    sigma: Written | None = None

    @property
    def floats(self) -> bool:
        """Return whether it does."""
        return not (self.low is None and self.high is None and self.sigma is None)


def _as_number(value: object) -> object:
    """Return what is written without braces as a value."""
    return {"value": value} if isinstance(value, str | int | float) else value


Number = Annotated[ShapeNumber, BeforeValidator(_as_number, json_schema_input_type=Written | ShapeNumber)]


class Span(NamedTuple):
    """Where a number floats, in the unit in which it is written; `sigma` is None without a constraint."""

    value: float
    low: float
    high: float
    sigma: float | None
    unit: str


def span(number: ShapeNumber, unit: str) -> Span:
    """Return where a number floats.

    Raises
    ------
    CevnsfitError
        If a text cannot be converted to `unit`, or the ends are missing or do not hold the value.
    """
    value, written = split(number.value) if isinstance(number.value, str) else (number.value, "")
    parse(number.value, unit)
    low, high, sigma = (None if entry is None else parse(entry, written) for entry in (number.low, number.high, number.sigma))
    if sigma is None and (low is None or high is None):
        message = "a number that floats needs low and high, or sigma"
        raise CevnsfitError(message)
    if sigma is not None and not sigma > 0.0:
        message = f"sigma must be above 0, not {sigma:g}"
        raise CevnsfitError(message)
    reach = 0.0 if sigma is None else REACH * sigma
    low, high = (value - reach if low is None else low), (value + reach if high is None else high)
    if sigma is not None:
        low, high = max(low, value - reach), min(high, value + reach)
    if not (low <= value <= high and low < high and math.isfinite(high - low)):
        message = f"the value must lie from low to high: {low:g} <= {value:g} <= {high:g} does not hold"
        raise CevnsfitError(message)
    return Span(value, low, high, sigma, written)


class Formula(Spec):
    """Base of shapes with numbers, whose units follow from that of their axis; `forms` says how, by field."""

    forms: ClassVar[Mapping[str, str]] = {}

    def unit(self, field: str, axis: Axis) -> str:
        """Return the internal unit of a field."""
        unit = "" if axis.quantity == "number" else INTERNAL[axis.quantity]
        return self.forms[field].format(unit) if unit else ""

    def written(self) -> Iterator[tuple[str, ShapeNumber]]:
        """Yield the numbers by field, those that are given."""
        for field in self.forms:
            if (number := getattr(self, field)) is not None:
                yield field, number

    def numbers(self, axis: Axis, others: Container[str] = ()) -> dict[str, float]:
        """Return the numbers in internal units, those that float at their value, without some `others`."""
        return {field: parse(number.value, self.unit(field, axis)) for field, number in self.written() if field not in others}


class TableFactor(TableColumn):
    """A one-dimensional shape; `efficiency` multiplies it with the detector's efficiency on this axis."""

    kind: Literal["table"]
    efficiency: bool = False


class ExponentialFactor(Formula):
    """exp(-rate x)."""

    forms: ClassVar[Mapping[str, str]] = {"rate": "1/{}"}
    kind: Literal["exponential"]
    rate: Number


class PowerLawFactor(Formula):
    """x^-index."""

    forms: ClassVar[Mapping[str, str]] = {"index": ""}
    kind: Literal["power-law"]
    index: Number


class LineFactor(Formula):
    """A Gaussian line; without `width` it has the resolution of the detector."""

    forms: ClassVar[Mapping[str, str]] = {"position": "{}", "width": "{}"}
    kind: Literal["line"]
    position: Number
    width: Number | None = None


class PolynomialFactor(Formula):
    """1 + slope z + curvature (3 z^2 - 1)/2 with z from -1 to 1 through the window."""

    forms: ClassVar[Mapping[str, str]] = {"slope": "", "curvature": ""}
    kind: Literal["polynomial"]
    slope: Number = ShapeNumber(value=0.0)
    curvature: Number = ShapeNumber(value=0.0)


class UniformFactor(Spec):
    """The same density everywhere."""

    kind: Literal["uniform"]


Factor = Annotated[
    TableFactor | ExponentialFactor | PowerLawFactor | LineFactor | PolynomialFactor | UniformFactor, Field(discriminator="kind")
]


class JointShape(TableColumn):
    """Counts over all axes of the experiment, and the column of their statistical errors."""

    kind: Literal["joint"]
    errors: str | None = None


class ProductShape(Spec):
    """A product of one-dimensional shapes, one for each axis."""

    kind: Literal["product"]
    factors: dict[str, Factor]

    @property
    def floating(self) -> tuple[tuple[str, str, ShapeNumber], ...]:
        """Return the numbers that float, each with its axis and its field."""
        formulas = ((name, factor) for name, factor in self.factors.items() if isinstance(factor, Formula))
        return tuple((name, field, number) for name, factor in formulas for field, number in factor.written() if number.floats)


Shape = Annotated[JointShape | ProductShape, Field(discriminator="kind")]
