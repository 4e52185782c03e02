"""Allowed intervals of one parameter from its profiled likelihood, with every branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.special import gammaincinv

from cevnsfit.core.errors import DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.basins import profile_basins
from cevnsfit.infer.curve import Curve, complement, crossings, minima
from cevnsfit.infer.profile import profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.curve import Profiled
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.results import ProfileResult, ToyRecord
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

METHOD: Final = "profile likelihood, asymptotic threshold"
_POINTS: Final = 161
_RANGE: Final = (1e-3, 4.0)
_WIDENINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Intervals:
    """Allowed and excluded values of one parameter.

    Attributes
    ----------
    poi
        The parameter.
    best_fit
        Its value at the global minimum.
    nll2
        -2 ln lambda there.
    allowed, excluded
        Closed intervals, increasing, clipped to the domain; together they cover it.
    minima
        (value, -2 ln lambda) of each local minimum, increasing in value.
    domain
        Ends of the domain.
    method, cl, dof
        How the threshold was found.
    valid
        False when a profiled point did not converge.
    toys
        The pseudo-experiments behind it, None where there are none.
    expected
        Upper ends that data without signal give at -2, -1, 0, 1, 2 standard deviations; empty where they were not asked for.
    """

    document: ClassVar[Mapping[str, str]] = {"minima": "named_minima"}

    poi: str
    best_fit: float
    nll2: float
    allowed: tuple[Interval, ...]
    excluded: tuple[Interval, ...]
    minima: tuple[tuple[float, float], ...]
    domain: Interval
    method: str
    cl: float
    dof: int
    valid: bool
    toys: ToyRecord | None = None
    expected: tuple[float, ...] = ()

    @property
    def named_minima(self) -> list[dict[str, float]]:
        """Return value and -2 ln lambda of each local minimum by these names."""
        return [{"value": value, "nll2": nll2} for value, nll2 in self.minima]


def threshold(cl: float, dof: int) -> float:
    """Return Delta(-2 ln L) of a confidence level: the quantile of chi-squared.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1 and dof >= 1.
    """
    if not 0.0 < cl < 1.0 or dof < 1:
        message = f"a confidence level lies between 0 and 1 and needs dof >= 1, got cl = {cl:g}, dof = {dof}"
        raise DomainError(message)
    return float(2.0 * gammaincinv(dof / 2.0, cl))


def coupling_scale(joint: Joint, name: str) -> float:
    """Return the coupling at which the highest power of `name` matches the counts without it; 1 where there is no such balance.

    Counts are A + ... + C g^p summed over all channels, other couplings at zero: the scale is (A/C)^(1/p), near the mirror of the Standard Model.
    """
    constant, highest, power = 0.0, 0.0, 0
    for channel in joint.channels:
        rule = channel.coefficients
        if name not in rule.parameters:
            continue
        powers = rule.powers[:, rule.parameters.index(name)]
        alone = rule.powers.sum(axis=1) == powers
        totals = channel.templates.sum(axis=1) * ((rule.excursion_kind == 0) & alone)
        signal = np.array([component == "cevns" for component in channel.components])
        power = max(power, int(powers.max()))
        constant += float(totals[(powers == 0) & signal].sum())
        highest += float(totals[(powers == power) & (powers > 0)].sum())
    if power == 0 or constant <= 0.0 or highest <= 0.0:
        return 1.0
    return float((constant / highest) ** (1.0 / power))


def search_grid(joint: Joint, name: str) -> NDArray[np.float64]:
    """Return the values over which minima of `name` are searched: around the coupling scale, inside the domain."""
    parameter = joint.parameters[name]
    scale = coupling_scale(joint, name)
    if parameter.scale == "log":
        steps = np.geomspace(*_RANGE, _POINTS) * scale
        ends = [parameter.lower] if np.isfinite(parameter.lower) else []
        grid = np.concatenate([ends, steps[(steps > parameter.lower) & (steps < parameter.upper)]])
    else:
        low, high = (max(parameter.lower, -_RANGE[1] * scale), min(parameter.upper, _RANGE[1] * scale))
        grid = np.linspace(low, high, _POINTS)
    return np.unique(grid)


def column(
    joint: Joint,
    poi: str,
    values: NDArray[np.float64],
    *,
    held: Mapping[str, float],
    data: Data | None = None,
    start: NDArray[np.float64] | None = None,
) -> Curve:
    """Return the profiled curve of `poi` at `values`, with refined local minima added.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter of interest.
    values
        Increasing values, at least three, shape (n,).
    held
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    start
        Starting values of all parameters, shape (n,), for example a solution nearby.
    """
    first = profile_basins(joint, _at(poi, values, held), data=data, start=start)
    position = joint.parameters.index(poi)
    inner = [i for i in minima(first.nll2) if 0 < i < len(values) - 1]
    if not inner:
        return Curve(values, first.nll2, first.converged, first.theta, first.fallbacks)
    floating = tuple(p.name for p in joint.parameters if (not p.fixed or p.name == poi) and p.name not in held)
    held_arrays = {name: np.full(len(inner), value) for name, value in held.items()}
    free = profile(joint, held_arrays, data=data, start=first.theta[inner], floating=floating)
    found = free.theta[:, position]
    keep = [
        k
        for k, i in enumerate(inner)
        if free.converged[k] and values[i - 1] < found[k] < values[i + 1] and found[k] not in values and free.nll2[k] <= first.nll2[i]
    ]
    all_values = np.concatenate([values, found[keep]])
    order = np.argsort(all_values)
    nll2 = np.concatenate([first.nll2, free.nll2[keep]])[order]
    valid = np.concatenate([first.converged, free.converged[keep]])[order]
    theta = np.concatenate([first.theta, free.theta[keep]])[order]
    return Curve(all_values[order], nll2, valid, theta, first.fallbacks + free.fallbacks)


def profiled(joint: Joint, poi: str, *, held: Mapping[str, float], data: Data | None = None) -> Profiled:
    """Return the profile as a function of values of `poi` and of starts of all parameters, for `infer.curve.crossings`."""

    def at(values: NDArray[np.float64], start: NDArray[np.float64] | None) -> ProfileResult:
        return profile_basins(joint, _at(poi, values, held), data=data, start=start)

    return at


@on_one_thread
def intervals(
    joint: Joint, poi: str, *, cl: float, dof: int = 1, held: Mapping[str, float] | None = None, data: Data | None = None
) -> Intervals:
    """Return the allowed and excluded intervals of `poi`, all other floating parameters profiled.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    poi
        The parameter of interest.
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    held
        Other parameters that are held, by name.
    data
        The data set; the observed one by default.
    """
    fixed = {} if held is None else held
    parameter = joint.parameters[poi]
    rise = threshold(cl, dof)
    curve = _searched(joint, poi, rise, held=fixed, data=data)
    best = curve.lowest
    level = float(curve.nll2[best]) + rise
    (cuts,) = crossings(profiled(joint, poi, held=fixed, data=data), curve, [level], curve.theta[best])
    ends = zip((parameter.lower, parameter.upper), curve.values[[0, -1]], strict=True)
    low, high = (float(limit if np.isfinite(limit) else last) for limit, last in ends)
    domain = (low, high)
    allowed = _to_domain(curve.allowed(cuts, level), curve, domain)
    near = curve.nll2 - curve.nll2[best] < 100.0
    return Intervals(
        poi=poi,
        best_fit=float(curve.values[best]),
        nll2=float(curve.nll2[best]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=tuple((float(curve.values[i]), float(curve.nll2[i])) for i in curve.minima),
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=dof,
        valid=bool(curve.valid[near].all()),
    )


def _searched(joint: Joint, poi: str, rise: float, *, held: Mapping[str, float], data: Data | None) -> Curve:
    """Return the curve over a grid that is widened until both ends are excluded or at the ends of the domain."""
    values = search_grid(joint, poi)
    curve = column(joint, poi, values, held=held, data=data)
    for _ in range(_WIDENINGS):
        level = curve.nll2.min() + rise
        wider = _wider(values, joint.parameters[poi], low=bool(curve.nll2[0] <= level), high=bool(curve.nll2[-1] <= level))
        if len(wider) == len(values):
            return curve
        values = wider
        curve = column(joint, poi, values, held=held, data=data)
    return curve


def _wider(values: NDArray[np.float64], parameter: Parameter, *, low: bool, high: bool) -> NDArray[np.float64]:
    """Return values with as wide a range again at the open ends (a factor on a logarithmic scale), inside the domain."""
    first, last, span = float(values[0]), float(values[-1]), float(values[-1] - values[0])
    parts = [values]
    if low and first > parameter.lower and parameter.scale == "linear":
        parts.append(np.linspace(max(first - span, parameter.lower), first, _POINTS // 2))
    if high and last < parameter.upper and parameter.scale == "linear":
        parts.append(np.linspace(last, min(last + span, parameter.upper), _POINTS // 2))
    elif high and last < parameter.upper:
        parts.append(np.geomspace(last, min(last * _RANGE[1], parameter.upper), _POINTS // 4))
    return np.unique(np.concatenate(parts))


def _to_domain(allowed: tuple[Interval, ...], curve: Curve, domain: Interval) -> tuple[Interval, ...]:
    """Extend an interval that reaches the last searched value to the end of the domain: beyond it nothing excludes."""
    first, last = float(curve.values[0]), float(curve.values[-1])
    return tuple((domain[0] if low == first else low, domain[1] if high == last else high) for low, high in allowed)


def _at(poi: str, values: NDArray[np.float64], held: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    return {poi: values, **{name: np.full(len(values), value) for name, value in held.items()}}
