"""The best fit: starts in every basin, a batched profile to choose among them, iminuit to finish, MINOS for the errors.

Nonlinear parameters float in the same iminuit call; their gradient comes from central differences of -2 ln lambda between joint likelihoods
rebuilt at shifted values. Those with scale "log" are fitted as logarithms.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.ends import profile_end
from cevnsfit.infer.objective import Objective, from_internal, internal_domain, migrad, minuit_at, to_internal
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import FitResult
from cevnsfit.infer.starts import Candidate, Search, search
from cevnsfit.stats.data import entries_of, observed_data
from cevnsfit.stats.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from iminuit import Minuit
    from numpy.typing import NDArray

    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Progress = Callable[[int, int], None]

STEPS: Final = 3
"""Steps of a fit: all minima, the lowest one, and its errors."""

POLISHED: Final = 3
"""Local minima that iminuit finishes."""

IMPOSSIBLE: Final = "the model expects nothing in a bin with events, or less than nothing in a bin"

ON_EDGE: Final = "at the edge of the domain of the likelihood: a bin without events holds nothing"

FIRST_STEP: Final = 0.02
"""First step in a nonlinear parameter, over the width of its domain."""

DESCENT: Final = 1e-4
"""Precision of -2 ln lambda with which the descent in nonlinear parameters ends; iminuit goes on from there."""

MOST: Final = 60
"""Values of each nonlinear parameter at which that descent looks, at most."""

NO_EDGE: Final = "no minimum was found at the edge of the domain of the likelihood"

UNMOVED: Final = 1e-20
"""Variance, in natural units, below which a parameter cannot move along a wall."""

WITHIN: Final = 10.0
"""Only local minima this close to the best in -2 ln lambda are finished."""


def _quiet(_finished: int, _number: int) -> None:
    """Tell nobody."""


@on_one_thread
def fit(
    target: Joint | Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    floating: Iterable[str] = (),
    data: Data | None = None,
    minos: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Return the global best fit with profile errors.

    Parameters
    ----------
    target
        A joint likelihood, or a likelihood whose nonlinear parameters float too.
    at
        Values of parameters to hold.
    floating
        Names to float although they are held by default (`Parameter.fixed`).
    data
        The data set; the observed one by default.
    minos
        Names that get profile errors; by default all that float and are no nuisances.
    progress
        Called with (finished, all) steps.

    Raises
    ------
    UnknownNameError, DomainError
        If a name is not a parameter, or a value is outside its domain.
    """
    at = {} if at is None else dict(at)
    parameters = target.parameters
    held = dict(zip(parameters.names, parameters.vector(at).tolist(), strict=True))
    wanted = _wanted(parameters, at, tuple(floating))
    if data is None:
        nonlinear = {p.name: held[p.name] for p in parameters if p.kind == "nonlinear"}
        data = observed_data(target.at(nonlinear) if isinstance(target, Likelihood) else target)
    tell = _quiet if progress is None else progress
    found = search(target, data, held, wanted)
    tell(1, STEPS)
    names = tuple(name for name in wanted if name not in found.without_effect)
    objective = Objective(target, data, names, held)
    if not names:
        return _evaluated(objective, found)
    minuit, reason = _best(objective, found)
    tell(2, STEPS)
    wished = [name for name in names if parameters[name].kind != "nuisance"] if minos is None else minos
    asked = tuple(name for name in wished if parameters[name].name in names)
    result = _describe(objective, minuit, reason, found, asked)
    tell(STEPS, STEPS)
    return result


def _wanted(parameters: ParameterSet, at: Mapping[str, float], floating: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that float."""
    both = [name for name in floating if parameters[name].name in at]
    if both:
        message = f"{both[0]} cannot be both fixed and floating"
        raise CevnsfitError(message)
    return tuple(p.name for p in parameters if p.name not in at and (not p.fixed or p.name in floating))


def _evaluated(objective: Objective, found: Search) -> FitResult:
    """Return the result when nothing floats."""
    x = np.empty(0)
    joint = objective.joint_at(objective.values(x))
    bad = objective.impossible(x)
    return FitResult(
        valid=not bad,
        reason=IMPOSSIBLE if bad else "",
        nll2=objective.value(x),
        values=objective.values(x),
        errors={},
        lower={},
        upper={},
        floating=(),
        correlation=np.empty((0, 0)),
        ndof=joint.nbins,
        at_limit=(),
        at_domain_end=(),
        on_edge=bool(objective.walls(x).plain.any()),
        without_effect=found.without_effect,
        n_starts=found.n_starts,
        n_minima=1,
    )


def _snapped(objective: Objective, candidate: Candidate) -> Candidate:
    """Return the candidate with parameters that are within 1e-3 of their error of a limit put on it, where that is no worse."""
    x = np.array([to_internal(p, candidate.values[p.name]) for p in objective.parameters])
    matrix = objective.hessian(x) if not objective.moving else np.eye(len(x))
    values = dict(candidate.values)
    for index, parameter in enumerate(objective.parameters):
        if parameter.kind == "nonlinear" or not matrix[index, index] > 0:
            continue
        margin = 1e-3 / math.sqrt(matrix[index, index] / 2)
        for limit in (parameter.lower, parameter.upper):
            moved = np.where(np.arange(len(x)) == index, limit, x)
            if abs(x[index] - limit) < margin and objective.value(moved) <= objective.value(x) + 1e-8:
                x, values = moved, values | {parameter.name: limit}
    return replace(candidate, nll2=objective.value(x), values=values)


def _finished(objective: Objective, candidate: Candidate) -> tuple[float, str, Minuit]:
    """Return -2 ln lambda, why it is not valid, and iminuit at the minimum beside a candidate.

    Where a bin without any counts holds the minimum, iminuit cannot find it: it is that of the profile at the nonlinear parameters that iminuit finds.
    """
    if candidate.on_edge and not objective.moving:
        return candidate.nll2, "" if candidate.converged else NO_EDGE, minuit_at(objective, candidate.values)
    minuit = minuit_at(objective, _snapped(objective, candidate).values)
    reason = migrad(minuit)
    if objective.evaluation(np.array(minuit.values)).pressed[0]:
        found = _profiled(objective, objective.values(np.array(minuit.values)))
        minuit.values = [to_internal(p, found.values[p.name]) for p in objective.parameters]
        reason = "" if found.converged else NO_EDGE
    return objective.value(np.array(minuit.values)), reason, minuit


def _profiled(objective: Objective, values: Mapping[str, float]) -> Candidate:
    """Return the minimum at the nonlinear parameters among the values of all parameters, from which it starts."""
    joint = objective.joint_at(values)
    theta = np.array([values[name] for name in joint.parameters.names])
    floating = [name for name in joint.parameters.names if name in objective.names]
    found = profile(joint, {}, data=objective.data, start=theta, floating=floating, known=objective.frames_of(joint))
    best = {**values, **dict(zip(joint.parameters.names, found.theta[0].tolist(), strict=True))}
    return Candidate(float(found.nll2[0]), best, bool(found.converged[0]), bool(found.on_edge[0]))


def _descended(objective: Objective, candidate: Candidate) -> Candidate:
    """Return the minimum over the nonlinear parameters beside a candidate, all others profiled at each of their values.

    iminuit would need hundreds of steps, since the minimum in the others follows the nonlinear parameters.
    """
    from scipy.optimize import minimize

    moving = [p for p in objective.parameters if p.kind == "nonlinear"]
    if not moving:
        return candidate
    best = candidate

    def height(x: NDArray[np.float64]) -> float:
        nonlocal best
        values = {p.name: from_internal(p, float(value)) for p, value in zip(moving, x, strict=True)}
        here = _profiled(objective, {**best.values, **values})
        if here.converged and here.nll2 < best.nll2:
            best = here
        return here.nll2 if math.isfinite(here.nll2) else np.finfo(np.float64).max

    domains = [internal_domain(p) for p in moving]
    start = np.array([to_internal(p, candidate.values[p.name]) for p in moving])
    steps = [
        FIRST_STEP * (high - low) if math.isfinite(high - low) else FIRST_STEP * max(abs(x), 1.0)
        for x, (low, high) in zip(start, domains, strict=True)
    ]
    corners = [
        start,
        *(
            np.where(np.arange(len(start)) == k, start + (step if start[k] + step <= domains[k][1] else -step), start)
            for k, step in enumerate(steps)
        ),
    ]
    options = {"initial_simplex": np.array(corners), "xatol": 1e-3 * min(steps), "fatol": DESCENT, "maxfev": MOST * len(moving)}
    minimize(height, start, method="Nelder-Mead", bounds=domains, options=options)
    return best


def _best(objective: Objective, found: Search) -> tuple[Minuit, str]:
    """Return iminuit at the lowest of the finished minima, and why it is not valid; in nonlinear parameters they descend first."""
    near = [item for item in found.candidates if item.nll2 <= found.candidates[0].nll2 + WITHIN][:POLISHED]
    near = near if near else list(found.candidates[:1])
    if objective.moving:
        near = [min((_descended(objective, item) for item in near), key=lambda item: (not item.converged, item.nll2))]
    finished = [_finished(objective, candidate) for candidate in near]
    best = min(finished, key=lambda item: (bool(item[1]), item[0]))
    lowest = min(item[0] for item in finished)
    reason = best[1]
    if not reason and lowest < best[0] - 1e-3:
        reason = "a lower point exists where MIGRAD did not converge"
    return best[2], reason


def _describe(objective: Objective, minuit: Minuit, reason: str, found: Search, minos: tuple[str, ...]) -> FitResult:
    """Return the result with errors and correlations."""
    remarks = [reason] if reason else []
    x = np.array(minuit.values)
    nll2 = objective.value(x)
    if objective.impossible(x):
        remarks.append(IMPOSSIBLE)
    if not math.isfinite(nll2):
        remarks.append("-2 ln lambda is not finite")
    valid, on_edge = not remarks, bool(objective.walls(x).plain.any())
    errors, correlation = _hesse(minuit, objective)
    lower, upper, notes = _intervals(objective, minuit, minos, valid=valid)
    notes = [*([ON_EDGE] if on_edge else []), *notes]
    values = objective.values(x)
    at_limit = tuple(p.name for p, value in zip(objective.parameters, x, strict=True) if _at_limit(objective, minuit, p.name, value))
    joint = objective.joint_at(values)
    normal = dict(zip(joint.parameters.names, joint.constrained.tolist(), strict=True))
    return FitResult(
        valid=valid,
        reason="; ".join([*remarks, *notes]),
        nll2=nll2,
        values=values,
        errors=errors,
        lower=lower,
        upper=upper,
        floating=objective.names,
        correlation=correlation,
        ndof=joint.nbins - sum(not normal.get(name, False) for name in objective.names),
        at_limit=at_limit,
        at_domain_end=tuple(name for name in at_limit if round(values[name], 12) not in {0.0, objective.target.parameters[name].least}),
        on_edge=on_edge,
        without_effect=found.without_effect,
        n_starts=found.n_starts,
        n_minima=sum(item.converged for item in found.candidates),
        constrained={name: entry for name, entry in entries_of(joint, objective.data).items() if name in objective.names},
    )


def _at_limit(objective: Objective, minuit: Minuit, name: str, value: float) -> bool:
    """Return whether a parameter sits at an end of its domain, within 1e-3 of its error."""
    if minuit.fixed[name]:
        return True
    low, high = internal_domain(objective.target.parameters[name])
    margin = 1e-3 * minuit.errors[name]
    return bool(value - low < margin or high - value < margin)


def _hesse(minuit: Minuit, objective: Objective) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Return Hesse errors by name and the correlation matrix; NaN for parameters held at a limit."""
    size = len(objective.names)
    errors, correlation = dict.fromkeys(objective.names, math.nan), np.full((size, size), np.nan)
    held = list(minuit.fixed)
    if (any(held) or _walled(objective, minuit)) and not objective.moving:
        covariance = _covariance(objective, np.array(minuit.values), held)
    else:
        minuit.hesse()
        if minuit.covariance is None:
            return errors, correlation
        covariance = np.array(minuit.covariance)
    with np.errstate(invalid="ignore"):
        sigma = np.where(held, np.nan, np.sqrt(np.diag(covariance)))
        correlation = covariance / sigma / sigma[:, None]
    for parameter, width, value in zip(objective.parameters, sigma, minuit.values, strict=True):
        log = parameter.kind == "nonlinear" and parameter.scale == "log"
        errors[parameter.name] = float(width * math.exp(value) if log else width)
    return errors, correlation


def _walled(objective: Objective, minuit: Minuit) -> bool:
    """Return whether bins without any counts hold the minimum."""
    return len(objective.walls(np.array(minuit.values)).depths) > 0


def _covariance(objective: Objective, x: NDArray[np.float64], at: Sequence[bool]) -> NDArray[np.float64]:
    """Return twice the inverse Hessian of the parameters that are not held, along the walls at x; zero for the others."""
    from scipy.linalg import null_space

    covariance = np.zeros((len(x), len(x)))
    free = np.flatnonzero(~np.array(at))
    if len(free):
        matrix, slopes = objective.hessian(x, at), objective.walls(x).slopes[:, free]
        size = np.maximum(np.sqrt(np.abs(np.diag(matrix))), np.abs(slopes).max(axis=0, initial=0.0))
        unit = 1.0 / np.where(size > 0, size, 1.0)
        along = unit[:, None] * (null_space(slopes * unit) if len(slopes) else np.eye(len(free)))
        found = 2.0 * along @ np.linalg.pinv(along.T @ matrix @ along, hermitian=True) @ along.T
        covariance[np.ix_(free, free)] = np.where(np.diag(found) > UNMOVED * unit**2, found, np.nan)
    return covariance


def _intervals(
    objective: Objective, minuit: Minuit, names: tuple[str, ...], *, valid: bool
) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Return lower and upper ends by name and remarks; NaN where no end was found."""
    lower, upper = dict.fromkeys(names, math.nan), dict.fromkeys(names, math.nan)
    notes: list[str] = []
    if not valid:
        return lower, upper, ["no MINOS errors from an invalid minimum"]
    values, fixed, walled = minuit.values[:], minuit.fixed[:], _walled(objective, minuit)
    for name in names:
        ends = [math.nan, math.nan] if minuit.fixed[name] or walled else _minos(minuit, name, notes)
        minuit.values, minuit.fixed = values, fixed
        parameter = objective.target.parameters[name]
        for side, end in enumerate(ends):
            if math.isnan(end):
                ends[side] = profile_end(objective, minuit, name, side)
        lower[name], upper[name] = (from_internal(parameter, end) if math.isfinite(end) else end for end in ends)
        notes += [f"{name}: no {word} end" for word, end in zip(("lower", "upper"), ends, strict=True) if math.isnan(end)]
    return lower, upper, notes


def _minos(minuit: Minuit, name: str, notes: list[str]) -> list[float]:
    """Return both ends found by MINOS (NaN where it fails, or finds one on the wrong side), and note a lower minimum."""
    try:
        minuit.minos(name)
    except RuntimeError:
        return [math.nan, math.nan]
    error = minuit.merrors[name]
    if error.lower_new_min or error.upper_new_min:
        notes.append(f"{name}: MINOS met a lower minimum")
    value = minuit.values[name]
    low = value + error.lower if error.lower_valid and error.lower < 0 else math.nan
    high = value + error.upper if error.upper_valid and error.upper > 0 else math.nan
    return [low, high]
