"""Fields of experiment.yaml: names, and numbers with a unit that arrive in internal units (MeV, cm, g, s, photoelectrons)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationInfo,
)

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.units import INTERNAL, parse

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
TABLE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.csv$"
WORKSPACE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.json$"
TablePath = Annotated[str, Field(pattern=TABLE_PATTERN)]
EnergyAxis = Literal["t_recoil", "e_ee", "pe"]

SIGNAL: Final = "cevns"
"""Name of the signal among the components."""


def quantity(value: object, unit: str) -> object:
    """Return a number, or a text with a unit, as a number in `unit`; anything else as it is, for pydantic to refuse."""
    if isinstance(value, bool):
        message = f"'{str(value).lower()}' is not a number"
        raise ValueError(message)  # noqa: TRY004 (pydantic collects ValueError)
    if not isinstance(value, str | int | float):
        return value
    try:
        return parse(value, unit)
    except CevnsfitError as error:
        raise ValueError(str(error)) from None


def in_unit(unit: str) -> BeforeValidator:
    """Return a conversion to a unit."""
    return BeforeValidator(lambda value: quantity(value, unit), json_schema_input_type=_written(unit) if unit else float | str)


def _written(unit: str) -> Any:
    """Return what a schema says of a number with a unit."""
    return Annotated[str, Field(description="A number with its unit.", examples=[f"1 {unit.removeprefix('1')}"])]


def in_unit_of_axis(form: str) -> BeforeValidator:
    """Return a conversion to the unit of the field `axis`, which is declared before; `form` says "{}" or "1/{}"."""

    def convert(value: object, info: ValidationInfo) -> object:
        if "axis" not in info.data:
            return 1.0  # the axis is reported already
        return quantity(value, form.format(INTERNAL[info.data["axis"]]))

    return BeforeValidator(convert, json_schema_input_type=_written(form.format("PE")))


def steps_on_axis(value: object, info: ValidationInfo) -> object:
    """Return steps with their `from` in the unit of the field `axis`, which is declared before."""
    if not isinstance(value, list) or "axis" not in info.data:
        return value if "axis" in info.data else ()
    unit = INTERNAL[info.data["axis"]]
    return [{**step, "from": quantity(step["from"], unit)} if isinstance(step, dict) and "from" in step else step for step in value]


Length = Annotated[PositiveFloat, in_unit("cm")]
Mass = Annotated[PositiveFloat, in_unit("g")]
Time = Annotated[float, in_unit("s")]
Width = Annotated[PositiveFloat, in_unit("s")]
Rate = Annotated[NonNegativeFloat, in_unit("1/s")]
Fraction = Annotated[NonNegativeFloat, in_unit("")]
BeamEnergy = Annotated[PositiveFloat, in_unit("MeV")]


class Spec(BaseModel):
    """Base of all classes here: frozen, and every unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TableColumn(Spec):
    """One value column of a table."""

    table: TablePath
    column: str
