"""Published numbers and those of independent programs, from data/published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cevnsfit.core.errors import Problem, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["published", "independent computation"]


class Published(BaseModel):
    """One number that a correct program reproduces.

    Attributes
    ----------
    id
        Key of the check that computes it.
    title, quantity, unit
        What it is the number of, which number, and its unit.
    value, error
        The number and its error; None when there is none.
    tolerance
        Largest deviation allowed, in the unit of the value or as text in percent of it.
    error_tolerance
        The same for the error; None when errors are not compared.
    because
        Why the tolerance is what it is.
    source, kind
        Paper, and whether the number was published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    quantity: str
    unit: str = "1"
    value: float
    error: float | None = None
    tolerance: float | str
    error_tolerance: float | str | None = None
    because: str
    source: str
    kind: Kind

    @field_validator("tolerance", "error_tolerance")
    @classmethod
    def _is_tolerance(cls, tolerance: float | str | None) -> float | str | None:
        if tolerance is not None and not absolute(tolerance, 1.0) >= 0.0:
            message = f"a tolerance is not negative, got {tolerance}"
            raise ValueError(message)
        return tolerance


def absolute(tolerance: float | str, value: float) -> float:
    """Return a tolerance in the unit of `value`; text is read as percent ("2 %").

    Raises
    ------
    ValueError
        If the text is not a number followed by a percent sign.
    """
    if isinstance(tolerance, str):
        number, percent, rest = tolerance.partition("%")
        if not percent or rest.strip():
            message = f"'{tolerance}' should be a number or a percentage such as '2 %'"
            raise ValueError(message)
        return float(number) / 100.0 * abs(value)
    return tolerance


def read_published(folder: Path | None = None) -> tuple[Published, ...]:
    """Return every number in the files with a list `checks`; what stands under `defaults` holds for all of a file.

    Parameters
    ----------
    folder
        Where the files are; data/published by default.

    Raises
    ------
    SpecError
        With every problem of all files, an id that is used twice included.
    """
    root = data_root() / "published" if folder is None else folder
    numbers: dict[str, Published] = {}
    problems: list[Problem] = []
    for path in sorted(root.glob("*.yaml")):
        source = read_yaml(path)
        defaults: Mapping[str, Any] = source.data.get("defaults", {})
        for index, entry in enumerate(source.data.get("checks", ())):
            try:
                number = Published.model_validate({**defaults, **entry})
            except ValidationError as error:
                problems += _problems(source, index, error)
                continue
            if number.id in numbers:
                problems.append(Problem(path.name, source.line(("checks", index)), "id", f"'{number.id}' is used twice"))
            numbers[number.id] = number
    if problems:
        raise SpecError(problems)
    return tuple(numbers.values())


def _problems(source: YamlSource, index: int, error: ValidationError) -> list[Problem]:
    return [
        Problem(source.name, source.line(("checks", index, *detail["loc"])), ".".join(map(str, detail["loc"])), detail["msg"])
        for detail in error.errors()
    ]
