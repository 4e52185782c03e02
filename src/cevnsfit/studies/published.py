"""Published numbers and those of independent programs, from data/published."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cevnsfit.core.errors import CevnsfitError, Problem, SpecError, UnknownNameError
from cevnsfit.core.paths import data_root
from cevnsfit.spec.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["published", "independent computation"]
MOMENTS: Final = "anomalous_magnetic_moments.yaml"


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


class Moment(BaseModel):
    """A value of the anomalous magnetic moment a = (g - 2)/2 of a charged lepton, measured or predicted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    lepton: Literal["e", "mu"]
    title: str
    value: float
    error: float
    source: str


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


def measured_moment(name: str) -> Moment:
    """Return a measured anomalous magnetic moment; UnknownNameError lists the near matches."""
    return _moment("measurements", name)


def predicted_moment(name: str) -> Moment:
    """Return a Standard Model prediction of an anomalous magnetic moment; UnknownNameError lists the near matches."""
    return _moment("predictions", name)


def moment_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the measured and of the predicted moments."""
    return tuple(_moments("measurements")), tuple(_moments("predictions"))


def moment_difference(measured: Moment, predicted: Moment) -> tuple[float, float]:
    """Return the measured moment minus the predicted one, and its error.

    Raises
    ------
    CevnsfitError
        If they are moments of different leptons.
    """
    if measured.lepton != predicted.lepton:
        message = f"'{measured.id}' is a moment of {measured.lepton}, '{predicted.id}' one of {predicted.lepton}"
        raise CevnsfitError(message)
    return measured.value - predicted.value, math.hypot(measured.error, predicted.error)


def _moment(section: str, name: str) -> Moment:
    moments = _moments(section)
    if name not in moments:
        kind = section.removesuffix("s")
        raise UnknownNameError(kind, name, moments)
    return moments[name]


def _moments(section: str) -> dict[str, Moment]:
    source = read_yaml(data_root() / "published" / MOMENTS)
    return {entry["id"]: Moment.model_validate(dict(entry)) for entry in source.data[section]}
