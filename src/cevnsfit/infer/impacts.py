"""What each nuisance does to a parameter of interest: pulls, constraints and impacts; and what its error is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.documents import Result
from cevnsfit.core.errors import CevnsfitError, FitError
from cevnsfit.infer.breakdown import breakdown
from cevnsfit.infer.fit import fit
from cevnsfit.infer.profile import profile
from cevnsfit.infer.results import Pull

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.breakdown import GroupError
    from cevnsfit.infer.results import FitResult
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

METHOD: Final = "profile likelihood, each nuisance held at one error above and below"


@dataclass(frozen=True, slots=True)
class Impact(Pull):
    """One nuisance.

    Attributes
    ----------
    up, down
        Shift of the parameter of interest when the nuisance is held one error above or below its value; NaN where that fit fails.
    """

    up: float
    down: float

    @property
    def size(self) -> float:
        """Return the larger shift; 0 where neither is known."""
        return max((abs(shift) for shift in (self.up, self.down) if math.isfinite(shift)), default=0.0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ranking(Result):
    """The nuisances of a fit, by the size of their impact.

    Attributes
    ----------
    poi
        The parameter of interest.
    fit
        The best fit.
    impacts
        Largest first.
    groups
        What groups of nuisances, and the counts, contribute to the error.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "fit": None,
        **{key: key for key in ("method", "value", "error", "lower", "upper", "failed", "quadrature", "bent")},
    }

    poi: str
    fit: FitResult
    impacts: tuple[Impact, ...]
    groups: tuple[GroupError, ...] = ()

    @property
    def method(self) -> str:
        """Return how impacts are found."""
        return METHOD

    @property
    def failed(self) -> list[str]:
        """Return the nuisances that have no impact above or below: without an error, at an end of their domain, or where the fit failed."""
        return [entry.name for entry in self.impacts if math.isnan(entry.up) or math.isnan(entry.down)]

    @property
    def value(self) -> float:
        """Return the parameter of interest at the best fit."""
        return self.fit.values[self.poi]

    @property
    def error(self) -> float:
        """Return its Hesse error."""
        return self.fit.errors[self.poi]

    @property
    def lower(self) -> float:
        """Return the lower end of its 68.3 % interval."""
        return self.fit.lower[self.poi]

    @property
    def quadrature(self) -> float:
        """Return the contributions of all groups to the error, in quadrature."""
        return math.hypot(*(entry.error for entry in self.groups))

    @property
    def bent(self) -> list[str]:
        """Return the groups whose linear contribution matters, and is not what fits with moved centres give within a factor of two."""
        least = 0.1 * self.quadrature
        return [
            one.group
            for one in self.groups[1:]
            if not one.error < least and not 0.5 * one.error <= max(one.up, -one.down) <= 2.0 * one.error
        ]

    @property
    def upper(self) -> float:
        """Return the upper end of its 68.3 % interval."""
        return self.fit.upper[self.poi]


def ranking(joint: Joint, poi: str, *, at: Mapping[str, float] | None = None, data: Data | None = None) -> Ranking:
    """Return the nuisances that float in the fit of `poi`, by the size of their impact.

    Parameters
    ----------
    joint, at, data
        As for `infer.hypothesis.hypothesis`.
    poi
        The parameter of interest.

    Raises
    ------
    CevnsfitError
        If `poi` is held.
    FitError
        If the fit is not valid, `poi` has no effect on it, or nothing moves it.
    """
    at = {} if at is None else dict(at)
    if poi in at:
        message = f"no impacts on {poi}: it is held"
        raise CevnsfitError(message)
    best = fit(joint, at=at, floating=(poi,), data=data, minos=(poi,))
    names = [name for name in best.floating if joint.parameters[name].kind == "nuisance" and name != poi]
    pulls = {pull.name: pull for pull in best.pulls}
    found = [_impact(joint, poi, pulls[name], best, data) for name in names] if best.valid and poi in best.floating else []
    reason = _reason(poi, best, found)
    if reason:
        message = f"no impacts on {poi}: {reason}"
        raise FitError(message)
    return Ranking(poi, best, tuple(sorted(found, key=lambda impact: -impact.size)), breakdown(joint, poi, best, data))


def _reason(poi: str, best: FitResult, found: Sequence[Impact]) -> str:
    """Return why there is no ranking, empty where there is one."""
    if not best.valid:
        return best.reason
    if poi not in best.floating:
        return "it has no effect"
    if not found or any(entry.size > 0.0 for entry in found):
        return ""
    ends = f"; at an end of their domain: {', '.join(best.at_limit)}" if best.at_limit else ""
    failed = all(math.isnan(entry.up) and math.isnan(entry.down) for entry in found)
    return f"{'no fit with a nuisance held converges' if failed else 'no nuisance moves it'}{ends}"


def _impact(joint: Joint, poi: str, pull: Pull, best: FitResult, data: Data | None) -> Impact:
    name, value, error, place = pull.name, pull.value, pull.error, joint.parameters.index(poi)
    parameter, entry = joint.parameters[name], {"centre": pull.centre, "sigma": pull.sigma}
    if not math.isfinite(error):
        return Impact(name, pull.constrained, value, math.nan, math.nan, math.nan, **entry)
    ends: NDArray[np.float64] = np.clip([value + error, value - error], parameter.lower, parameter.upper)
    theta = np.array([best.values[other] for other in joint.parameters.names])
    floating = [other for other in best.floating if other != name]
    found = profile(joint, {name: ends}, data=data, start=theta, floating=floating)
    shifts = np.where(found.converged, found.theta[:, place] - best.values[poi], np.nan)
    return Impact(name, pull.constrained, value, error, float(shifts[0]), float(shifts[1]), **entry)
