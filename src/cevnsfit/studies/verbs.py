"""What makes a function of a likelihood a verb."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cevnsfit.core.documents import About, Result
from cevnsfit.core.threads import one_thread
from cevnsfit.studies.setup import TEMPLATES, caveat, check_model, fix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cevnsfit.stats.likelihood import Likelihood

Asked = ParamSpec("Asked")
Found = TypeVar("Found", bound=Result)


def verb(function: Callable[Asked, Found]) -> Callable[Asked, Found]:
    """Return a function of a likelihood, its first argument, as a verb: on one thread of BLAS, with a result that knows what it is about.

    Parameters that are scanned are arguments of their own names.
    """
    own = inspect.signature(function).parameters

    @functools.wraps(function)
    def run(*args: Asked.args, **options: Asked.kwargs) -> Found:
        likelihood: Any = args[0] if args else options["likelihood"]
        at: Any = options.get("at")
        with one_thread():
            found = function(*args, **options)
            return replace(found, about=about(likelihood, {} if at is None else at, [name for name in options if name not in own]))

    return run


def about(likelihood: Likelihood, at: Mapping[str, float], free: Iterable[str] = ()) -> About:
    """Return what the results of a likelihood are about; `free` are the parameters that are scanned."""
    if likelihood.origin is None:
        fix(likelihood, at)
        return About(likelihood.experiments)
    analysis = likelihood.origin.holding(at)
    physics = check_model(analysis.model)
    lagrangian = TEMPLATES if physics is None else physics.lagrangian
    return About(likelihood.experiments, analysis.model, lagrangian, caveat(analysis, free))
