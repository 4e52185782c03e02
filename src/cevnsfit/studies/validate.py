"""Comparison of what the code computes with published numbers and those of independent programs, from data/published."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError, Problem, SpecError
from cevnsfit.core.paths import data_root
from cevnsfit.core.threads import on_one_thread
from cevnsfit.spec.yaml_source import YamlSource, read_yaml
from cevnsfit.studies.checks import checks, prepare

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cevnsfit.studies.germanium import Ours, PublishedCurve

Kind = Literal["published", "independent computation"]
Verdict = Literal["ok", "differs", "FAILS"]

COLUMNS: Final = ("", "check", "quantity", "reference", "ours", "difference", "source")
"""Titles of the columns of `rows`; differences are in units of the published error, or of the tolerance where there is none."""


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
    paper
        Key of the paper in papers.yaml, on whose page of verification it stands; None for a number of no paper.
    disagrees
        Why our number is known not to agree; empty where it should. It never agrees by that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    quantity: str
    unit: str = "1"
    paper: str | None = None
    disagrees: str = ""
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
                problems += problems_at(source, ("checks", index), error)
                continue
            if number.id in numbers:
                problems.append(Problem(path.name, source.line(("checks", index)), "id", f"'{number.id}' is used twice"))
            numbers[number.id] = number
    if problems:
        raise SpecError(problems)
    return tuple(numbers.values())


def problems_at(source: YamlSource, place: tuple[str | int, ...], error: ValidationError) -> list[Problem]:
    """Return what is wrong with the entry at a place of a file, with its lines; the field is that of the entry."""
    return [
        Problem(source.name, source.line((*place, *detail["loc"])), ".".join(map(str, detail["loc"])), detail["msg"])
        for detail in error.errors()
    ]


@dataclass(frozen=True, slots=True, repr=False)
class Check(Document):
    """One comparison.

    Attributes
    ----------
    id, title, quantity, unit
        What is compared.
    published, error
        The reference and its error, None when there is none.
    ours, our_error
        What this code computes, and its error where there is one.
    tolerance
        Largest deviation allowed, in the unit of the value.
    difference
        Ours minus the reference in units of its error, or of the tolerance where it has none.
    passed
        Whether the value, and the error where errors are compared, agree within the tolerance.
    source, kind, because
        Where the reference comes from, whether it was published, and why the tolerance is what it is.
    paper, disagrees
        Key of the paper, and why the numbers do not agree, see `Published`.
    curve
        The points of a whole curve, of which the number is the rms difference; None for a single number.
    """

    id: str
    title: str
    quantity: str
    unit: str
    published: float
    error: float | None
    ours: float
    our_error: float | None
    tolerance: float
    difference: float
    passed: bool
    source: str
    kind: Kind
    because: str
    paper: str | None = None
    disagrees: str = ""
    curve: PublishedCurve | None = None

    document: ClassVar[Mapping[str, str | None]] = {"verdict": "verdict"}

    @property
    def verdict(self) -> Verdict:
        """Return "ok" where it agrees, "differs" where it does not and it is known why, "FAILS" otherwise: also where it agrees and should not."""
        if self.passed is bool(self.disagrees):
            return "FAILS"
        return "ok" if self.passed else "differs"


@on_one_thread
def validate(papers: Collection[str] | None = None) -> tuple[Check, ...]:
    """Return every number in data/published compared with what this code computes.

    Parameters
    ----------
    papers
        Keys of papers; only their numbers are computed. All by default.

    Raises
    ------
    CevnsfitError
        If a number has no check, or a check no number.
    """
    numbers = read_published()
    functions = checks()
    unknown = {number.id for number in numbers} ^ set(functions)
    if unknown:
        message = f"numbers without a check, or checks without a number: {', '.join(sorted(unknown))}"
        raise CevnsfitError(message)
    wanted = [number for number in numbers if papers is None or number.paper in papers]
    shared = prepare([number.id for number in wanted])
    return tuple(compare(number, functions[number.id](shared)) for number in wanted)


def compare(number: Published, ours: Ours) -> Check:
    """Return the comparison of a computed number with its reference."""
    allowed = absolute(number.tolerance, number.value)
    passed = abs(ours.value - number.value) <= allowed and _errors_agree(number, ours)
    unit = number.error if number.error is not None else allowed
    return Check(
        id=number.id,
        title=number.title,
        quantity=number.quantity,
        unit=number.unit,
        published=number.value,
        error=number.error,
        ours=ours.value,
        our_error=ours.error,
        tolerance=allowed,
        difference=(ours.value - number.value) / (unit if unit > 0.0 else 1.0),
        passed=passed,
        source=number.source,
        kind=number.kind,
        because=number.because,
        paper=number.paper,
        disagrees=number.disagrees,
        curve=ours.curve,
    )


def _errors_agree(number: Published, ours: Ours) -> bool:
    if number.error_tolerance is None:
        return True
    if number.error is None or ours.error is None:
        return False
    return abs(ours.error - number.error) <= absolute(number.error_tolerance, number.error)


def rows(results: tuple[Check, ...]) -> tuple[tuple[str, ...], ...]:
    """Return one row of texts for each check, in the order of `COLUMNS`."""
    return tuple(
        (
            check.verdict,
            check.title,
            check.quantity if check.unit == "1" else f"{check.quantity} [{check.unit}]",
            _reference(check),
            _computed(check),
            f"{check.difference:+.2f}",
            check.source,
        )
        for check in results
    )


def _reference(check: Check) -> str:
    return f"{check.published:.10g}" if check.error is None else f"{check.published:.10g} +- {check.error:g}"


def _computed(check: Check) -> str:
    """Return our number with one digit more than its error, or than the tolerance, resolves."""
    scale = check.tolerance if check.our_error is None else check.our_error / 100.0
    if not (scale > 0.0 and math.isfinite(check.ours)):
        return f"{check.ours:.10g}"
    digits = max(3, math.ceil(math.log10(max(abs(check.ours) / scale, 1.0))) + (check.our_error is None))
    error = "" if check.our_error is None else f" +- {check.our_error:.3g}"
    return f"{check.ours:.{digits}g}{error}"
