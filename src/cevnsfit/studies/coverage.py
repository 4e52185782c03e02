"""The coverage study: how often intervals of each method contain the truth."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.coverage import QUANTITIES, Coverage, coverage_of, coverage_units
from cevnsfit.infer.feldman_cousins import hypotheses
from cevnsfit.infer.intervals import threshold
from cevnsfit.studies.fitting import prepare
from cevnsfit.studies.setup import check_floating, parse_assignments
from cevnsfit.studies.throwing import description, thrower

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.studies.setup import Analysis
    from cevnsfit.studies.throwing import Run

    Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Truths:
    """What is studied.

    Attributes
    ----------
    poi
        The parameter.
    values
        Its true values.
    cl
        Confidence level.
    nested
        Pseudo-experiments at each true value for Feldman-Cousins intervals, which throw more for each of them; 0 for none. The number in
        `Run.plan` is that for profile-likelihood intervals.
    """

    poi: str
    values: tuple[float, ...]
    cl: float = 0.90
    nested: int = 0


def parse_truths(texts: Sequence[str]) -> tuple[str, tuple[float, ...]]:
    """Return the parameter and its values from texts "name=value".

    Raises
    ------
    CevnsfitError
        If there is none, or they name different parameters.
    """
    pairs = [pair for text in texts for pair in parse_assignments([text]).items()]
    names = sorted({name for name, _ in pairs})
    if len(names) != 1:
        message = f"true values of one parameter are needed, for example --true g=1e-3 --true g=2e-3; got {', '.join(names) or 'none'}"
        raise CevnsfitError(message)
    return names[0], tuple(value for _, value in pairs)


def run_coverage(
    analysis: Analysis, truths: Truths, *, at: Mapping[str, float], run: Run, progress: Progress | None = None
) -> tuple[Coverage, ...]:
    """Return the coverage of each method at each true value.

    Parameters
    ----------
    analysis
        What would be fitted.
    truths
        What is studied.
    at
        Held parameters; a mass must be among them when the model has one.
    run
        How pseudo-experiments are run.
    progress
        Called with (finished, asked for so far) units of work.

    Raises
    ------
    CevnsfitError
        If the parameter is held.
    """
    threshold(truths.cl, 1)
    if truths.poi in at:
        message = f"{truths.poi} is both held (--at) and varied (--true)"
        raise CevnsfitError(message)
    joint, held = prepare(analysis, at)
    check_floating(analysis, (*at, truths.poi))
    tests, seed, alpha = hypotheses(joint, truths.poi, held=held), run.plan.seed, 1 - truths.cl
    identity = description(analysis, at, seed, method="coverage", poi=truths.poi, truths=list(truths.values), cl=truths.cl)
    result: list[Coverage] = []
    with thrower(run, identity, QUANTITIES, progress) as throw:
        for place, value in enumerate(truths.values):
            plain = throw(coverage_units(tests, value, run.plan.toys, (seed, 2 * place), alpha=None))
            result += coverage_of(value, np.concatenate(plain), cl=truths.cl, nested=False)
            if truths.nested > 0:
                inner = throw(coverage_units(tests, value, truths.nested, (seed, 2 * place + 1), alpha=alpha))
                result.append(coverage_of(value, np.concatenate(inner), cl=truths.cl, nested=True)[1])
    return tuple(result)


def coverage_json(result: Sequence[Coverage]) -> list[dict[str, Any]]:
    """Return a coverage study as plain values."""
    return [dataclasses.asdict(entry) for entry in result]
