"""Intervals and limits of one parameter by any method, and the significance of its signal."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.cls import cls_limit, cls_limit_toys, signal_test
from cevnsfit.infer.discovery import Discovery, discovery, with_toys
from cevnsfit.infer.feldman_cousins import feldman_cousins
from cevnsfit.infer.hypothesis import default_hypothesis
from cevnsfit.infer.toys import Toys
from cevnsfit.studies.fitting import nonlinear_in_question, poi_name, prepare, run_intervals
from cevnsfit.studies.setup import check_floating
from cevnsfit.studies.toy_runs import Run, description, runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.intervals import Intervals

    Progress = Callable[[int, int], None]

METHODS: Final = ("profile", "feldman-cousins", "cls")

SPARE: Final = Run(Toys())
"""Pseudo-experiments where nothing was said of them."""

RATIO: Final = 3
"""Numbers measured on each pseudo-experiment: -2 ln lambda at the tested value, at the best fit, and the parameter there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one parameter.

    Attributes
    ----------
    poi
        The parameter; None for the first polynomial one of the model that is not held.
    cl
        Confidence level.
    dof
        Degrees of freedom of the asymptotic threshold.
    method
        One of `METHODS`.
    """

    poi: str | None = None
    cl: float = 0.90
    dof: int = 1
    method: str = "profile"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            message = f"unknown method '{self.method}'; known: {', '.join(METHODS)}"
            raise CevnsfitError(message)


@on_one_thread
def run_limits(
    analysis: Analysis,
    question: Question,
    *,
    at: Mapping[str, float] | None = None,
    run: Run | None = None,
    progress: Progress | None = None,
) -> Intervals:
    """Return the intervals, or the limit, of one parameter.

    Parameters
    ----------
    analysis
        What to fit.
    question
        Parameter, confidence level and method.
    at
        Held parameters; those of the analysis by default. A mass must be among them when the model has one.
    run
        How pseudo-experiments are run. Feldman-Cousins needs it; with it CLs is that of pseudo-experiments, without asymptotic.
    progress
        Called with (finished, asked for so far) chunks.

    Raises
    ------
    CevnsfitError
        If the method does not fit the question.
    """
    chosen = analysis.holding(at)
    if question.method == "profile":
        if run is not None:
            message = "the profile-likelihood method uses no toys; choose --method feldman-cousins or cls"
            raise CevnsfitError(message)
        return run_intervals(chosen, poi=question.poi, cl=question.cl, dof=question.dof)
    nonlinear = nonlinear_in_question(chosen, question.poi)
    if nonlinear:
        message = f"{', '.join(nonlinear)} rebuilds the templates: only the profile-likelihood method knows such parameters"
        raise CevnsfitError(message)
    joint, held = prepare(chosen)
    name = poi_name(joint, question.poi, held)
    check_floating(chosen, (name,))
    if question.method == "cls" and run is None:
        return cls_limit(signal_test(joint, name, at=held), cl=question.cl)
    if run is None:
        message = "Feldman-Cousins intervals need toys"
        raise CevnsfitError(message)
    identity = description(chosen, run.toys.seed, method=question.method, poi=name, cl=question.cl)
    with runner(run, identity, RATIO, progress) as here:
        if question.method == "cls":
            return cls_limit_toys(signal_test(joint, name, at=held), cl=question.cl, toys=run.toys, run=here)
        return feldman_cousins(default_hypothesis(joint.physical, name, at=held), cl=question.cl, toys=run.toys, run=here)


@on_one_thread
def run_discovery(
    analysis: Analysis,
    *,
    at: Mapping[str, float] | None = None,
    poi: str | None = None,
    run: Run = SPARE,
    asked: bool = False,
    progress: Progress | None = None,
) -> Discovery:
    """Return the significance of a signal, asymptotic where that holds, else from pseudo-experiments.

    Parameters
    ----------
    analysis
        What to fit.
    at
        Held parameters; those of the analysis by default.
    poi
        The parameter; by default the first polynomial one of the model that is not held.
    run
        How pseudo-experiments are run.
    asked
        Whether they are run in any case.
    progress
        Called with (finished, asked for so far) chunks.
    """
    chosen = analysis.holding(at)
    joint, held = prepare(chosen)
    name = poi_name(joint, poi, chosen.held)
    check_floating(chosen, (name,))
    found = discovery(joint, name, at=held)
    if not (asked or (found.remark and math.isfinite(found.statistic))):
        return found
    with runner(run, description(chosen, run.toys.seed, method="discovery", poi=name), RATIO, progress) as here:
        return with_toys(found, run.toys, here, asked=asked)
