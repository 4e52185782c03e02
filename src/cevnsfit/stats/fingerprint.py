"""What a likelihood is, in few numbers: stored beside results, so that those of a changed likelihood are told apart.

A digest of rounded numbers would be another one wherever a number lies close to the edge of its last digit and two machines add in another
order. So the numbers themselves are kept, and compared within `TOLERANCE`: sums over the bins of each template, at several values of the
parameters that rebuild templates. Machines differ by some 1e-12 of a template, an edit of a model by far more than 1e-8.

A template is the row of a channel with one component and one rule: its name says the monomial, the factors and the excursion. What it is compared
with is the largest template of that component and monomial, as a small excursion is the difference of large numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.stats.channel import SPLINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.stats.channel import Channel, Coefficients
    from cevnsfit.stats.likelihood import Likelihood

TOLERANCE: Final = 1e-8
"""Largest difference of two numbers that are the same, relative to what they are compared with."""

FLOOR: Final = 1e-12
"""Templates that small, relative to the largest of their channel, are noise."""

_DIGITS: Final = 10
_SHOWN: Final = 3
_KINDS: Final = ("", "a", "q")
_WAVES: Final = ((0.5, 0.7548776662466927), (0.0, 0.5698402909980532))
"""Phases and steps of the weights of the bins, in turns: steps without a common multiple, so that no two bins have the same weights."""


def fingerprint(likelihood: Likelihood, points: Sequence[Mapping[str, float]] = ()) -> dict[str, Any]:
    """Return the numbers of a likelihood as plain values, for `differences`.

    Parameters
    ----------
    points
        Values at which templates are looked at too, by name, defaults where not given; names of parameters that rebuild none are left out.
    """
    places = _places(likelihood.parameters.of_kind("nonlinear").parameters, points)
    found: dict[str, Any] = {
        "parameters": {p.name: _parameter(p) for p in likelihood.parameters},
        "rules": {},
        "counts": {},
        "templates": {},
    }
    for place in places:
        at = ", ".join(f"{name} = {value:g}" for name, value in place.items())
        for channel in _channels(likelihood, place):
            names = _names(channel)
            found["rules"].setdefault(channel.name, _rules(channel.coefficients, names))
            found["counts"].setdefault(channel.name, _counts(channel))
            found["templates"].setdefault(channel.name, {})[at] = _templates(channel, names)
    return found


def _channels(likelihood: Likelihood, place: Mapping[str, float]) -> tuple[Channel, ...]:
    """Return the channels at a place; none where the model has none, which can be away from its defaults."""
    try:
        with np.errstate(all="ignore"):
            return likelihood.build(place)
    except (CevnsfitError, ArithmeticError, ValueError):
        return ()


def _places(parameters: Sequence[Parameter], points: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return the values of the parameters that rebuild templates: defaults, two others, and those of some points."""
    defaults = {p.name: p.default for p in parameters}
    places = [defaults, *({p.name: _off_default(p, k) for p in parameters} for k in (0, 1))]
    places += [{name: float(point.get(name, value)) for name, value in defaults.items()} for point in points]
    return [place for i, place in enumerate(places) if place not in places[:i]]


def _off_default(parameter: Parameter, which: int) -> float:
    """Return one of two values away from the default: a factor of 10, or a part of the domain."""
    p = parameter
    if p.scale == "log" and p.default > 0:
        value = p.default * (0.1, 10.0)[which]
    elif math.isfinite(p.lower) and math.isfinite(p.upper):
        value = p.lower + (0.31, 0.73)[which] * (p.upper - p.lower)
    else:
        value = p.default + (-1.0, 1.0)[which]
    return min(max(value, p.lower), p.upper)


def _parameter(parameter: Parameter) -> list[Any]:
    """Return what a parameter is; an infinite end of its domain is text, since JSON has no such number."""
    p = parameter
    ends = (end if math.isfinite(end) else str(end) for end in (p.lower, p.upper))
    return [p.kind, p.unit, p.constrained, p.fixed, p.default, *ends, *([p.centre] if p.centre != 0.0 else [])]


def _names(channel: Channel) -> list[str]:
    """Return for each template what it is: component, monomial, factors and excursion."""
    rule = channel.coefficients
    names = []
    for m, component in enumerate(channel.components):
        powers = [f"{name}^{power}" for name, power in zip(rule.parameters, rule.powers[m], strict=True) if power]
        norms = [rule.parameters[i] for i in _factors(rule, m)]
        excursion = " ".join(f"{_curve(rule, int(kind[m]))}({rule.parameters[index[m]]})" for index, kind in rule.factors if kind[m])
        names.append("; ".join((" ".join((component, *sorted(powers))), " ".join(sorted(norms)), excursion)))
    return names


def _curve(rule: Coefficients, kind: int) -> str:
    """Return what an excursion is a function of: a, q(a), or the spline of one of some nodes."""
    if kind < SPLINES:
        return _KINDS[kind]
    number, node = rule.spline_of(kind)
    nodes = [f"{value:.{_DIGITS}g}" for value in rule.nodes[number]]
    return f"{nodes[node]} of {' '.join(nodes)} "


def _factors(rule: Coefficients, m: int) -> list[int]:
    """Return which parameters multiply a template with a normsys factor, in the order of their names."""
    found = np.flatnonzero(np.maximum(np.abs(rule.norm_hi[m] - 1.0), np.abs(rule.norm_lo[m] - 1.0)) > TOLERANCE)
    return sorted(found.tolist(), key=lambda i: rule.parameters[i])


def _rules(rule: Coefficients, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the normsys factors of each template."""
    return {
        name: [_rounded(value) for i in _factors(rule, m) for value in (rule.norm_hi[m, i], rule.norm_lo[m, i])]
        for m, name in enumerate(names)
    }


def _counts(channel: Channel) -> dict[str, list[float]]:
    """Return what was counted."""
    counts = {"bins": [float(size) for size in channel.bins]}
    if channel.observed is not None:
        counts["observed"] = _sums(channel.observed)
    if channel.errors is not None:
        counts["errors"] = [*_sums(channel.errors.up), *_sums(channel.errors.down)]
        counts["covariance"] = [] if channel.errors.covariance is None else _sums(channel.errors.covariance.ravel())
    if channel.control is not None:
        counts["control region"] = [*_sums(np.atleast_1d(channel.control.ratio)), *_sums(channel.control.counts)]
    return counts


def _templates(channel: Channel, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the sums of the templates of each name."""
    found: dict[str, NDArray[np.float64]] = {}
    for name, template in zip(names, channel.templates, strict=True):
        found[name] = found.get(name, np.zeros(4)) + _sums(template)
    if channel.moving is not None:
        times = channel.moving.times.coefficients
        found["moving"] = np.add(_sums(channel.moving.constants.swapaxes(1, 2).ravel()), _sums(times.sum(axis=0).ravel()))
    return {name: [_rounded(value) for value in sums] for name, sums in found.items()}


def _sums(values: NDArray[np.float64]) -> list[float]:
    """Return the sum of absolute values and three weighted sums."""
    bins = np.arange(len(values))
    waves = [float(values @ np.cos(2 * np.pi * (phase + step * bins))) for phase, step in _WAVES]
    return [float(np.abs(values).sum()), float(values.sum()), *waves]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def differences(known: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return in what two fingerprints differ, in words, the first of many; empty for those of one likelihood."""
    found = [*_different("parameter", known["parameters"], asked["parameters"], 0.0)]
    for what in ("rules", "counts"):
        for channel in sorted({*known[what], *asked[what]}):
            found += _different(channel, known[what].get(channel, {}), asked[what].get(channel, {}), TOLERANCE)
    for channel in sorted({*known["templates"], *asked["templates"]}):
        there, here = known["templates"].get(channel, {}), asked["templates"].get(channel, {})
        for at in sorted({*there, *here}):
            found += _different_templates(f"{channel}{f' at {at}' if at else ''}", there.get(at, {}), here.get(at, {}))
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"and {len(found) - _SHOWN} more"]


def _different(what: str, known: Mapping[str, Sequence[Any]], asked: Mapping[str, Sequence[Any]], slack: float) -> Iterator[str]:
    for name in sorted({*known, *asked}):
        there, here = known.get(name), asked.get(name)
        label = f"{what} {name.strip('; ')}"
        if there is None or here is None:
            yield f"{label} is {'asked and not there' if there is None else 'there and not asked'}"
        elif len(there) != len(here) or not all(_near(a, b, slack) for a, b in zip(there, here, strict=True)):
            yield f"{label} is {_text(there)} there, {_text(here)} asked"


def _near(one: Any, other: Any, slack: float) -> bool:
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=slack)


def _text(values: Sequence[Any]) -> str:
    return ", ".join(f"{value:.7g}" if isinstance(value, float) else str(value) for value in values)


def _different_templates(what: str, known: Mapping[str, Sequence[float]], asked: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the templates that differ by more than the tolerance of the largest one of their component and monomial."""
    sizes: dict[str, float] = {}
    for name, sums in (*known.items(), *asked.items()):
        group = name.split(";")[0]
        sizes[group] = max(sizes.get(group, 0.0), sums[0])
    floor = FLOOR * max(sizes.values(), default=0.0)
    for name in sorted({*known, *asked}):
        there, here = known.get(name, [0.0] * 4), asked.get(name, [0.0] * 4)
        if max(abs(a - b) for a, b in zip(there, here, strict=True)) > TOLERANCE * max(sizes[name.split(";")[0]], floor):
            yield f"{what}: '{name.strip('; ')}' has {there[1]:.7g} counts there, {here[1]:.7g} asked"
