"""Fields of experiment.yaml: names, and numbers with a unit that arrive in internal units (MeV, cm, g, s, photoelectrons)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationInfo,
    model_validator,
)

from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.units import INTERNAL, parse
from cevnsfit.core.words import fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
TABLE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.(csv|ya?ml|root:[^:]+)$"
AXIS_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
WORKSPACE_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.json$"
EnergyAxis = Literal["t_recoil", "e_ee", "pe"]

UNKNOWN: Final = "unknown field"
_LARGEST: Final = 1e60

SIGNAL: Final = "cevns"
"""Name of the signal among the components."""


def quantity(value: object, unit: str) -> object:
    """Return a number, or a text with a unit, as a number in `unit`; anything else as it is, for pydantic to refuse."""
    if value in ("true", "false") or isinstance(value, bool):
        message = f"'{str(value).lower()}' is not a number"
        raise ValueError(message)
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


def _table(value: str) -> str:
    """Return the name of a table; ValueError for what can be none."""
    if not re.match(TABLE_PATTERN, value):
        message = f"'{value}' is not a table; write the name of a file of this folder: NAME.csv, NAME.yaml (HEPData) or NAME.root:HISTOGRAM"
        raise ValueError(message)
    return value


def _drawn(value: str) -> str:
    """Return a name in pictures; ValueError for a text that can be none."""
    if message := fault(value):
        raise ValueError(message)
    return value


def _at_least_a_centimetre(value: float) -> float:
    if value < 1.0:
        message = "a source is at least 1 cm away"
        raise ValueError(message)
    return value


def _at_most_all(value: float) -> float:
    """Return a relative error; ValueError for one of more than 100 %, which can only be a percentage without its sign."""
    if value > 1.0:
        message = f"a relative error of {value:g} is {100 * value:g} %; write {value:g} % for {value / 100:g}"
        raise ValueError(message)
    return value


Printed = Annotated[str, AfterValidator(_drawn)]
TablePath = Annotated[str, AfterValidator(_table), Field(json_schema_extra={"pattern": TABLE_PATTERN})]
Length = Annotated[float, in_unit("cm"), AfterValidator(_at_least_a_centimetre)]
Mass = Annotated[PositiveFloat, in_unit("g")]
Time = Annotated[float, in_unit("s")]
Width = Annotated[PositiveFloat, in_unit("s")]
Rate = Annotated[NonNegativeFloat, in_unit("1/s")]
RelativeError = Annotated[NonNegativeFloat, in_unit(""), AfterValidator(_at_most_all)]
Duration = Annotated[PositiveFloat, in_unit("s")]
Power = Annotated[PositiveFloat, in_unit("MeV/s")]
FluxAtDetector = Annotated[PositiveFloat, in_unit("1/cm**2/s")]
Share = Annotated[float, in_unit(""), Field(gt=0, le=1)]
BeamEnergy = Annotated[PositiveFloat, in_unit("MeV")]


class Spec(BaseModel):
    """Base of all classes here: frozen, every unknown key is an error, and true and false are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth(cls, data: Any) -> Any:
        """Return what is written, a truth value as text where a number is asked for, which it then is not."""
        if not isinstance(data, Mapping):
            return data
        numbers = {name if field.alias is None else field.alias for name, field in cls.model_fields.items() if _is_number(field.annotation)}
        return {key: _spelt(value) if key in numbers else value for key, value in data.items()}

    @model_validator(mode="after")
    def _is_of_this_world(self) -> Self:
        """Return this; ValueError for a number that no unit makes sensible, and whose powers a computer does not hold."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            held = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            if odd := [one for one in held if isinstance(one, float) and abs(one) > _LARGEST]:
                message = f"{name} is {odd[0]:.3g} (in MeV, cm, g, s); no number here is larger than {_LARGEST:.0e}"
                raise ValueError(message)
        return self


def _spelt(value: Any) -> Any:
    """Return a value with the words for truth values, also in a list or a mapping."""
    if isinstance(value, Mapping):
        return {key: _spelt(one) for key, one in value.items()}
    return str(value).lower() if isinstance(value, bool) else [*map(_spelt, value)] if isinstance(value, list) else value


def _is_number(annotation: object) -> bool:
    """Return whether a field holds numbers, and no truth values."""
    kinds = _kinds(annotation)
    return bool({int, float} & kinds) and not {bool, Any} & kinds


def _kinds(annotation: object) -> set[Any]:
    return {annotation}.union(*map(_kinds, get_args(annotation)))


FormFactorName = Literal["helm", "klein-nystrand", "coherent", "symmetrised-fermi", "unity"]
"""Names of form factors."""


class TableAxes(Spec):
    """What the axes of a table in a file of others are, in the order of the file: units by name."""

    axes: Annotated[dict[Annotated[str, Field(pattern=AXIS_PATTERN)], str], Field(min_length=1)]


class TableColumn(Spec):
    """One value column of a table."""

    table: TablePath
    column: str


# --- what is wrong with them ---------------------------------------------------------------------------------------------------------


_WORDS: Final = (
    ("a valid number, unable to parse string as a number", "a plain number without a unit, such as 1.5e3"),
    (r"a valid boolean.*", "true or false"),
    (r"a valid (tuple|list)", "a list, such as [a, b]"),
    (r"a valid dictionary.*", "a mapping, such as {name: value}"),
    (r"(Tuple|Dictionary) should have at least (\d+) items? after validation, not (\d+)", r"at least \2 entries are needed, not \3"),
    (re.escape(f"match pattern '{NAME_PATTERN}'"), "have lower-case letters, digits, - and _ alone, a letter first"),
    (r"Input tag (.*) found using 'kind' does not match any of the expected tags: ", r"\1 is not a known kind: "),
    ("Unable to extract tag using discriminator 'kind'", "a kind is required"),
)
"""What pydantic says, and what is said instead."""


def details(error: ValidationError) -> list[ErrorDetails]:
    """Return all that is wrong, but for lists that are too short because their entries are wrong, and sections that would rather be texts."""
    found = error.errors()
    within = [loc[:depth] for loc in (detail["loc"] for detail in found) for depth in range(len(loc))]

    def follows(detail: ErrorDetails) -> bool:
        loc = detail["loc"]
        return loc in within if detail["type"] == "too_short" else loc[-1:] == ("str",) and within.count(loc[:-1]) > 1

    return [detail for detail in found if not follows(detail)]


def explained(detail: ErrorDetails, loc: Sequence[str | int], schema: type[BaseModel], written: object = None) -> str:
    """Return what is wrong at a location of a schema, where a value is as it is written."""
    if detail["type"] == "extra_forbidden":
        name = str(loc[-1])
        hint = str(UnknownNameError("field", name, known_fields(schema, loc[:-1]))).partition("; ")[2]
        return f"{UNKNOWN} '{name}'; {hint}"
    if detail["type"] == "missing":
        return "this field is required"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for jargon, words in _WORDS:
        message = re.sub(jargon, words, message)
    subject = f"'{written}'" if isinstance(written, str | int | float) else "it"
    if detail["type"] == "value_error" and isinstance(written, str) and written not in message:
        return f"'{written}': {message}"
    return re.sub(r"^(Input|String)(?= should)", lambda _: subject, message)


def known_fields(schema: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the fields that a schema has at a location of pydantic, whose unions appear as tags."""
    models = [schema]
    for part in loc:
        inner = [entry for model in models if part in model.model_fields for entry in _models(model.model_fields[str(part)].annotation)]
        tagged = [model for model in models if "kind" in model.model_fields and part in get_args(model.model_fields["kind"].annotation)]
        models = inner or tagged or models
    return [name if field.alias is None else field.alias for model in models for name, field in model.model_fields.items()]


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
