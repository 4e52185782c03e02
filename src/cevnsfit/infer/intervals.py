"""Allowed intervals of one parameter from its profiled likelihood, with every branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from scipy.special import gammaincinv

from cevnsfit.core.documents import Result
from cevnsfit.core.errors import DomainError
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.columns import at_values, searched
from cevnsfit.infer.curve import complement, crossings
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.results import lost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.parameters import Parameter
    from cevnsfit.infer.curve import Curve, Minimum, Profiled
    from cevnsfit.infer.planes import Interval
    from cevnsfit.infer.results import ProfileResult, ToyRecord
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

BESIDE: Final = 1e-6
"""Distance from an end, over the width of the curve, at which it is tried whether the likelihood ends there."""

CONFIDENCE: Final = (0.90, 0.95)
"""Confidence levels of contours unless others are asked for."""

METHOD: Final = "profile likelihood, asymptotic threshold"


@dataclass(frozen=True, slots=True, repr=False)
class Intervals(Result):
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
    on_edge
        Whether an end of what is allowed is at the edge of the domain of the likelihood: beyond, a bin holds less than nothing, or is held at nothing
        by the nuisances.
    profile
        Values of the parameter and -2 ln lambda there, all others profiled, or CLs of a limit: shape (2, n); empty where it is not known.
    at_domain_end
        "lower", "upper": outer ends of what is allowed that are those of the domain, and not of the data; 0 is no such end.
    """

    document: ClassVar[Mapping[str, str | None]] = {"profile": None}

    poi: str
    best_fit: float
    nll2: float
    allowed: tuple[Interval, ...]
    excluded: tuple[Interval, ...]
    minima: tuple[Minimum, ...]
    domain: Interval
    method: str
    cl: float
    dof: int
    valid: bool
    toys: ToyRecord | None = None
    expected: tuple[float, ...] = ()
    on_edge: bool = False
    at_domain_end: tuple[str, ...] = ()
    profile: NDArray[np.float64] = field(default_factory=lambda: np.empty((2, 0)), compare=False)

    @property
    def doubt(self) -> str:
        """Return why the result cannot be trusted: pseudo-experiments that were lost, or no minimum near what is allowed."""
        if self.valid:
            return ""
        return lost(0 if self.toys is None else self.toys.failed) or "profiled points near the minimum did not converge"


def domain_ends(allowed: Sequence[Interval], domain: Interval, parameter: Parameter) -> tuple[str, ...]:
    """Return which outer ends of allowed intervals are ends of our own domain: "lower", "upper"; 0 and the least physical value are physics'."""
    if not allowed:
        return ()
    low, high = allowed[0][0], allowed[-1][1]
    ours = (low == domain[0] and low not in {0.0, parameter.least}, high == domain[1])
    return tuple(name for name, one in zip(("lower", "upper"), ours, strict=True) if one)


_MOST_DOF: Final = 100


def threshold(cl: float, dof: int) -> float:
    """Return Delta(-2 ln L) of a confidence level: the quantile of chi-squared.

    Raises
    ------
    DomainError
        Unless 0 < cl < 1 and 1 <= dof <= 100.
    """
    if not 0.0 < cl < 1.0 or not 1 <= dof <= _MOST_DOF:
        message = f"a confidence level lies between 0 and 1 and needs dof >= 1, at most {_MOST_DOF}, got cl = {cl:g}, dof = {dof}"
        raise DomainError(message)
    return float(2.0 * gammaincinv(dof / 2.0, cl))


class Level(NamedTuple):
    """A confidence level with its degrees of freedom."""

    cl: float
    dof: int

    @property
    def threshold(self) -> float:
        """Return Delta(-2 ln L), see `threshold`."""
        return threshold(self.cl, self.dof)


def levels_at(cl: float | Sequence[float] | None, dof: int) -> list[Level]:
    """Return the levels, increasing, `CONFIDENCE` where there are none; DomainError for one that is not a confidence level."""
    levels = [Level(float(one), dof) for one in np.unique(CONFIDENCE if cl is None or np.size(cl) == 0 else cl)]
    for level in levels:
        _ = level.threshold
    return levels


def profiled(joint: Joint, poi: str, *, at: Mapping[str, float], data: Data | None = None) -> Profiled:
    """Return the profile as a function of values of `poi` and of starts of all parameters, for `infer.curve.crossings`."""

    def heights(values: NDArray[np.float64], start: NDArray[np.float64] | None) -> ProfileResult:
        return profile_minima(joint, at_values(poi, values, at), data=data, start=start)

    return heights


@on_one_thread
def intervals(
    joint: Joint, poi: str, *, cl: float, dof: int = 1, at: Mapping[str, float] | None = None, data: Data | None = None
) -> Intervals:
    """Return the allowed and excluded intervals of `poi`, all other floating parameters profiled.

    Parameters
    ----------
    joint, at, data
        As for `infer.hypothesis.hypothesis`.
    poi
        The parameter of interest.
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    """
    fixed = {} if at is None else at
    parameter = joint.parameters[poi]
    rise = threshold(cl, dof)
    curve = searched(joint, poi, rise, at=fixed, data=data)
    best = curve.lowest
    level = float(curve.nll2[best]) + rise
    (cuts,) = crossings(profiled(joint, poi, at=fixed, data=data), curve, [level], curve.theta[best])
    ends = zip((parameter.lower, parameter.upper), curve.values[[0, -1]], strict=True)
    low, high = (float(limit if np.isfinite(limit) else last) for limit, last in ends)
    domain = (low, high)
    allowed = _to_domain(curve.allowed(cuts, level), curve, domain)
    near = curve.nll2 - curve.nll2[best] < 100.0
    outside = profiled(joint, poi, at=fixed, data=data)(_beside(allowed, curve, parameter), curve.theta[best])
    return Intervals(
        poi=poi,
        best_fit=float(curve.values[best]),
        nll2=float(curve.nll2[best]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=curve.lows,
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=dof,
        valid=bool(curve.valid[near].all()),
        on_edge=bool(np.any(outside.on_edge | np.isinf(outside.nll2))),
        at_domain_end=domain_ends(allowed, domain, parameter),
        profile=np.array([curve.values, curve.nll2]),
    )


def _beside(allowed: tuple[Interval, ...], curve: Curve, parameter: Parameter) -> NDArray[np.float64]:
    """Return values just outside what is allowed, inside the domain of the parameter, shape (k,)."""
    step = BESIDE * float(curve.values[-1] - curve.values[0])
    return np.unique(
        [np.clip(end + side * step, parameter.lower, parameter.upper) for ends in allowed for end, side in zip(ends, (-1, 1), strict=True)]
    )


def _to_domain(allowed: tuple[Interval, ...], curve: Curve, domain: Interval) -> tuple[Interval, ...]:
    """Extend an interval that reaches the last searched value to the end of the domain: beyond it nothing excludes."""
    first, last = float(curve.values[0]), float(curve.values[-1])
    return tuple((domain[0] if low == first else low, domain[1] if high == last else high) for low, high in allowed)
