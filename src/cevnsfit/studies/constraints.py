"""External constraints and correlations, from what is said of them to the block of a likelihood.

A given constraint is the entry of its parameter: it takes the place of that of the release, as the settings of a measurement do in pyhf. What a
normalisation is measured to be is its factor f(a) on the nominal rate (interpolation code 4); centre and error of the unit normal a follow from the
inverse of f and its slope there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.analysis import Constraint, Correlation
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.core.units import UnitError, parse
from cevnsfit.stats.constraints import Constrained, Constraints, constraining
from cevnsfit.stats.interpolation import code4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter, Scaling
    from cevnsfit.stats.likelihood import Likelihood

WIDEST: Final = 5.0
"""Standard deviations around the centre of its constraint within which a normalisation floats at least."""

_FURTHEST: Final = 60.0
"""Deviations of a normalisation among which that of a factor is looked for."""


def constrained(likelihood: Likelihood, constraints: Sequence[Constraint], correlations: Sequence[Correlation]) -> Likelihood:
    """Return a likelihood with constraints in the place of those that its parameters have, and correlations; their parameters float.

    Raises
    ------
    UnknownNameError, DomainError
        If a parameter is unknown, or a value outside its domain.
    CevnsfitError
        If a parameter is held or given twice, a correlation is one of a parameter without a constraint, or the covariance is not positive definite.
    """
    everything = likelihood.parameters
    placed: dict[str, Parameter] = {}
    entries, texts = dict[str, Constrained](), list[str]()
    for given in constraints:
        placed[given.name], entries[given.name], text = _placed(everything[given.name], given)
        texts.append(text)
    _check_names(likelihood, [one.name for one in constraints])
    for one in correlations:
        for name in (one.first, one.second):
            if name not in placed and (everything[name].fixed or not everything[name].constrained):
                has = "is held by default" if everything[name].fixed else "has no constraint"
                message = f"the correlation {one}: {name} {has}; give it a constraint, --constrain {name}=VALUE+-ERROR"
                raise CevnsfitError(message)
            if one.value:
                placed.setdefault(name, everything[name])
                entries.setdefault(name, Constrained(everything[name].centre, 1.0))
    if not placed:
        return likelihood
    parameters = ParameterSet(tuple(placed.get(p.name, p) for p in everything))
    nonlinear = [p.name for p in parameters if p.name in placed and p.kind == "nonlinear"]
    names = (*(p.name for p in parameters if p.name in placed and p.name not in nonlinear), *nonlinear)
    centres, sigmas = np.array([entries[name] for name in names]).T
    block = Constraints(names, centres, _correlation(names, correlations) * np.outer(sigmas, sigmas))
    moved = any(p.kind == "nuisance" and p.default != everything[p.name].default for p in parameters)
    texts += [f"correlation of {one.first} and {one.second} = {one.value:g}" for one in correlations]
    return replace(
        likelihood,
        parameters=parameters,
        build=constraining(likelihood.build, block, nonlinear),
        nominal=None if moved else likelihood.nominal,
        constraints=tuple(texts),
    )


def parse_constraints(texts: Sequence[str]) -> tuple[Constraint, ...]:
    """Return the constraints of texts "NAME=VALUE+-ERROR"."""
    return tuple(Constraint.of(name, given) for name, _, given in (text.partition("=") for text in texts))


def parse_correlations(texts: Sequence[str]) -> tuple[Correlation, ...]:
    """Return the correlations of texts "NAME,NAME=VALUE"; CevnsfitError if one is not of this form."""
    found = []
    for text in texts:
        names, _, value = text.partition("=")
        try:
            first, second = (name.strip() for name in names.split(","))
            found.append(Correlation(first, second, float(value)))
        except ValueError:
            message = f"'{text}' should read NAME,NAME=VALUE, for example sns_flux,coherent-csi-2021.quenching_0=0.5"
            raise CevnsfitError(message) from None
    return tuple(found)


def _check_names(likelihood: Likelihood, names: Sequence[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        message = f"{twice[0]} is constrained twice"
        raise CevnsfitError(message)
    if likelihood.origin is not None:
        require_floating(names, likelihood.origin.held)


def require_floating(names: Sequence[str], at: Mapping[str, float]) -> None:
    """Raise CevnsfitError if one of the parameters with a given constraint is held: there it would do nothing."""
    both = [name for name in names if name in at]
    if both:
        message = f"{', '.join(both)} cannot be both held (--at) and constrained (--constrain): a constraint does nothing where its parameter is held"
        raise CevnsfitError(message)


def _placed(parameter: Parameter, given: Constraint) -> tuple[Parameter, Constrained, str]:
    """Return a parameter, a given constraint in its own variable, and both in words."""
    scaling, p = parameter.scaling, parameter
    unit = "" if p.unit == "1" else p.unit
    try:
        value, error = (parse(f"{x!r} {given.unit}", unit) if given.unit else x for x in (given.value, given.error))
    except UnitError as wrong:
        message = f"the constraint {given}: {wrong}"
        raise CevnsfitError(message) from None
    text, instead = f"{p.name} = {value:g} +- {error:g}{f' {unit}' if unit else ''}", ", in the place of its own constraint"
    entry, lower, upper = Constrained(value, error), p.lower, p.upper
    if scaling is not None:
        entry = _deviation(p.name, scaling, value, error)
        text += f" times its nominal rate, {entry.centre:.3g} +- {entry.sigma:.3g} standard deviations"
        if not scaling.linear:
            lower, upper = min(lower, entry.centre - WIDEST * entry.sigma), max(upper, entry.centre + WIDEST * entry.sigma)
    elif p.constrained:
        text += " standard deviations"
    text += (instead if p.constrained else "") + (f" ({given.source})" if given.source else "")
    default = p.default if p.kind == "polynomial" else entry.centre
    found = replace(p, fixed=False, default=default, lower=lower, upper=upper)
    found.checked(entry.centre)
    return found, entry, text


def _deviation(name: str, scaling: Scaling, value: float, error: float) -> Constrained:
    """Return where a normalisation has a factor, with the error by the slope there."""
    if scaling.linear:
        slope = 0.5 * (scaling.hi - scaling.lo)
        return Constrained((value - 1.0) / slope, error / slope)
    from scipy.optimize import brentq

    def factor(a: float) -> float:
        return float(code4(a, scaling.hi, scaling.lo).value) - value

    ends = (-_FURTHEST, _FURTHEST)
    if not factor(ends[0]) < 0.0 < factor(ends[1]):
        message = f"{name} is a factor on the nominal rate, between {factor(ends[0]) + value:.3g} and {factor(ends[1]) + value:.3g}, not {value:g}"
        raise DomainError(message)
    centre = float(brentq(factor, *ends, xtol=1e-13, rtol=1e-14))
    return Constrained(centre, error / float(code4(centre, scaling.hi, scaling.lo).first))


def _correlation(names: Sequence[str], correlations: Sequence[Correlation]) -> NDArray[np.float64]:
    """Return the correlation matrix; CevnsfitError names a pair that is given twice, or does not go with the others."""
    matrix = np.eye(len(names))
    pairs: dict[tuple[int, int], Correlation] = {}
    for one in correlations:
        if one.value == 0.0:
            continue
        i, j = sorted((names.index(one.first), names.index(one.second)))
        if (i, j) in pairs:
            message = f"the correlation of {one.first} and {one.second} is given twice"
            raise CevnsfitError(message)
        matrix[i, j] = matrix[j, i] = one.value
        pairs[i, j] = one
    values, vectors = np.linalg.eigh(matrix)
    if values[0] <= 1e-12:
        lowest = vectors[:, 0]
        worst = min(pairs, key=lambda pair: round(float(matrix[pair] * lowest[pair[0]] * lowest[pair[1]]), 9))  # the first of equal ones
        message = (
            f"these correlations are those of no covariance matrix, which is positive definite: {pairs[worst]} does not go with the others"
        )
        raise CevnsfitError(message)
    return matrix
