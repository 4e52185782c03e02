"""Comparison of what the code computes with published numbers and with those of independent programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.studies.checks import Ours, checks, prepare
from cevnsfit.studies.published import Kind, Published, absolute, read_published

COLUMNS: Final = ("", "check", "quantity", "reference", "ours", "difference", "source")
"""Titles of the columns of `rows`; differences are in units of the published error, or of the tolerance where there is none."""


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


@on_one_thread
def validate() -> tuple[Check, ...]:
    """Return every number in data/published compared with what this code computes.

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
    shared = prepare()
    return tuple(compare(number, functions[number.id](shared)) for number in numbers)


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
            "ok" if check.passed else "FAILS",
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
    if not scale > 0.0:
        return f"{check.ours:.10g}"
    digits = max(3, math.ceil(math.log10(max(abs(check.ours) / scale, 1.0))) + (check.our_error is None))
    error = "" if check.our_error is None else f" +- {check.our_error:.3g}"
    return f"{check.ours:.{digits}g}{error}"
