"""What makes a function of a likelihood a verb."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cevnsfit.core.documents import About, Result, brief
from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.core.threads import one_thread
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.toys import Toys
from cevnsfit.stats.likelihood import Likelihood
from cevnsfit.studies.setup import caveat, check_model, lagrangian_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cevnsfit.physics.interactions import SignalModel

Asked = ParamSpec("Asked")
Found = TypeVar("Found", bound=Result)


def verb(function: Callable[Asked, Found]) -> Callable[Asked, Found]:
    """Return a function of a likelihood, its first argument, as a verb: on one thread of BLAS, with a result that knows what it is about.

    A function that sets `about` itself knows better. Parameters that are scanned are arguments of their own names.
    """
    signature = inspect.signature(function)
    own = signature.parameters

    @functools.wraps(function)
    def run(*args: Asked.args, **options: Asked.kwargs) -> Found:
        if "blind" in options and "blind" not in own:
            message = f"`{function.__name__}` would show the value of a blinded parameter: `fit` alone can hide it"
            raise CevnsfitError(message)
        given = signature.bind(*args, **options).arguments
        likelihood = given["likelihood"]
        at = checked_at(likelihood, given.get("at"))
        if "toys" in given:
            checked_toys(given["toys"], own["toys"].default)
        checked: Any = {**options, "at": at} if "at" in options else options
        with one_thread():
            found = function(*args, **checked)
            scanned = [str(name) for name in (*options, given.get("poi")) if name is not None and name not in own]
            return found if found.about.experiments else replace(found, about=about(likelihood, at, scanned))

    return run


def checked_toys(toys: object, default: object = None) -> None:
    """Raise KindError unless what is asked for are pseudo-experiments, or of the kind of the default, such as None for none."""
    if not isinstance(toys, Toys | type(default)):
        message = f"toys are a number and a seed, Toys(2048, seed=1), not {brief(toys)}"
        raise KindError(message)


def checked_at(likelihood: object, at: object) -> dict[str, float]:
    """Return what is held, by name.

    Raises
    ------
    KindError
        If the likelihood is none, or held parameters are not a mapping to numbers.
    UnknownNameError, DomainError
        If a parameter is unknown, or a value outside its domain.
    """
    if not isinstance(likelihood, Likelihood):
        message = (
            f"a verb needs a likelihood, which build_likelihood(experiment, ..., model=...) returns, not a {type(likelihood).__name__}"
        )
        raise KindError(message)
    if at is None:
        return {}
    if not isinstance(at, Mapping):
        message = f"held parameters are a mapping, at={{'mass': 100.0}}, not {brief(at)}"
        raise KindError(message)
    return {name: likelihood.parameters[name].number(value) for name, value in at.items()}


def about(likelihood: Likelihood, at: Mapping[str, float], free: Iterable[str] = ()) -> About:
    """Return what the results of a likelihood are about; `free` are the parameters that are scanned."""
    if likelihood.origin is None:
        joint_at(likelihood, at)
        held = _held(likelihood, at, free)
        return About(likelihood.experiments, constraints=likelihood.constraints, printed=_printed(likelihood, None), held=held)
    analysis = likelihood.origin.holding(at)
    physics = check_model(analysis.model)
    printed = _printed(likelihood, physics)
    return About(
        likelihood.experiments,
        analysis.model,
        lagrangian_of(analysis.model),
        caveat(analysis, free),
        likelihood.constraints,
        printed,
        _held(likelihood, analysis.held, free),
    )


def _held(likelihood: Likelihood, at: Mapping[str, float], free: Iterable[str]) -> tuple[tuple[str, float, str], ...]:
    """Return what is held: what was asked for, and what has a unit and rebuilds the templates, such as the mass of a heavy neutrino."""
    taken = {*free}
    by_default = [p.name for p in likelihood.parameters if p.fixed and p.kind == "nonlinear" and p.unit != "1"]
    names = [name for name in dict.fromkeys([*at, *by_default]) if name not in taken]
    known = likelihood.parameters
    return tuple((name, float(at.get(name, known[name].default)), known[name].unit) for name in names)


def _printed(likelihood: Likelihood, model: SignalModel | None) -> dict[str, str]:
    """Return how names are printed in pictures: experiments, the model, its Lagrangian, and parameters that have a symbol."""
    symbols = {p.name: p.latex for p in likelihood.parameters if p.latex}
    return {**dict(likelihood.labels), **({} if model is None else model.printed), **symbols}
