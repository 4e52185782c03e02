"""Frozen results of fits and profiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cevnsfit.core.documents import Document, Result
from cevnsfit.stats.constraints import Constrained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProfileResult(Document):
    """-2 ln lambda minimised over the floating parameters at P points.

    Attributes
    ----------
    nll2
        -2 ln lambda, shape (P,); inf where the model expects nothing in a bin with events, or less than nothing in a bin.
    theta
        All parameters of the joint likelihood at the minimum, shape (P, n).
    edm
        Estimated distance to the minimum in -2 ln lambda, shape (P,).
    converged
        Whether the point is a valid minimum, shape (P,).
    on_edge
        Whether the minimum is held by a bin without any counts, in which nothing is expected, shape (P,): at the edge of the domain of the
        likelihood, or at a kink (on/off bins).
    iterations
        Evaluations of the likelihood spent on each point, shape (P,).
    fallbacks
        Number of points that were handed to iminuit.
    """

    nll2: NDArray[np.float64]
    theta: NDArray[np.float64]
    edm: NDArray[np.float64]
    converged: NDArray[np.bool_]
    on_edge: NDArray[np.bool_]
    iterations: NDArray[np.int64]
    fallbacks: int

    def take(self, rows: NDArray[np.int64]) -> ProfileResult:
        """Return some of the points, in the order of `rows`."""
        return replace(self, **{name: item[rows] for name, item in self._arrays.items()})

    def extended(self, other: ProfileResult) -> ProfileResult:
        """Return the points of both, those of `other` last."""
        both = {name: np.concatenate([item, other._arrays[name]]) for name, item in self._arrays.items()}
        return replace(self, **both, fallbacks=self.fallbacks + other.fallbacks)

    @property
    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("nll2", "theta", "edm", "converged", "on_edge", "iterations")}


@dataclass(frozen=True, slots=True)
class Pull:
    """A parameter after a fit.

    Attributes
    ----------
    name
        Its name.
    constrained
        Whether it has a constraint.
    value, error
        At the best fit, with the Hesse error; of a constraint of the release in units of its standard deviation, else of the parameter.
    centre, sigma
        Centre and standard deviation of the constraint, in the same units; 0 and 1 without one.
    """

    name: str
    constrained: bool
    value: float
    error: float
    centre: float = field(default=0.0, kw_only=True)
    sigma: float = field(default=1.0, kw_only=True)

    @property
    def pull(self) -> float:
        """Return how far the value is from the centre, in standard deviations of the constraint."""
        return (self.value - self.centre) / self.sigma


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FitResult(Result):
    """The best fit of a likelihood.

    Attributes
    ----------
    valid
        Whether the minimum can be trusted.
    reason
        Why not, or remarks on MINOS; empty when there is nothing to say.
    nll2
        -2 ln lambda (saturated) at the minimum, constraints included.
    values
        Every parameter at the minimum, the held ones included.
    errors
        Hesse errors of the floating parameters (NaN where there is none).
    lower, upper
        Ends of the 68.3 % profile interval, absolute; NaN where not found, the limit of the domain where the interval reaches it.
    floating
        Names in the order of `correlation`.
    correlation
        Hesse correlation matrix of the floating parameters.
    ndof
        Number of bins minus unconstrained floating parameters.
    at_limit
        Floating parameters that sit at an end of their domain.
    at_domain_end
        Those whose end is ours, and not 0 or the least physical value: the result depends on our choice.
    on_edge
        Whether the minimum is at the edge of the domain of the likelihood, where a bin without events holds nothing: it is valid, but not
        stationary, and Hesse errors are those along the edge.
    without_effect
        Parameters that would float but have no effect on this likelihood; they are held.
    n_starts
        Starting points that were tried.
    n_minima
        Distinct local minima found from them.
    constrained
        Constraints of floating parameters.
    """

    document: ClassVar[Mapping[str, str | None]] = {"constrained": None}

    valid: bool
    reason: str
    nll2: float
    values: Mapping[str, float]
    errors: Mapping[str, float]
    lower: Mapping[str, float]
    upper: Mapping[str, float]
    floating: tuple[str, ...]
    correlation: NDArray[np.float64]
    ndof: int
    at_limit: tuple[str, ...]
    at_domain_end: tuple[str, ...]
    on_edge: bool
    without_effect: tuple[str, ...]
    n_starts: int
    n_minima: int
    constrained: Mapping[str, Constrained] = field(default_factory=dict)

    @property
    def pulls(self) -> tuple[Pull, ...]:
        """Return the parameters that float, with their constraints and errors."""
        entries = {name: self.constrained.get(name, Constrained(0.0, 1.0)) for name in self.floating}
        return tuple(
            Pull(name, name in self.constrained, self.values[name], self.errors[name], centre=entry.centre, sigma=entry.sigma)
            for name, entry in entries.items()
        )

    @property
    def doubt(self) -> str:
        """Return why the minimum cannot be trusted."""
        return "" if self.valid else f"the fit is not valid: {self.reason}"


@dataclass(frozen=True, slots=True)
class PointTest:
    """A hypothesis tested with pseudo-experiments.

    Attributes
    ----------
    value
        The value of the parameter; NaN where the hypothesis is a model as a whole.
    statistic
        The observed test statistic.
    p, error
        The p-value (or CLs), and its binomial Monte Carlo error. Values excluded without pseudo-experiments have p = 0.
    toys, failed
        Pseudo-experiments that count, and those whose fits failed.
    decided
        Whether p differs from 1 - CL by more than the Monte Carlo error allows for.
    samples
        The statistic in pseudo-experiments of the hypothesis, and in those without signal where p is CLs; empty where there are none.
    """

    document: ClassVar[Mapping[str, str | None]] = {"samples": None}

    value: float
    statistic: float
    p: float
    error: float
    toys: int
    failed: int
    decided: bool
    samples: tuple[NDArray[np.float64], ...] = field(default=(), repr=False, compare=False)

    def critical(self, cl: float) -> tuple[float, float, float]:
        """Return the statistic that a fraction `cl` of the pseudo-experiments of the hypothesis does not exceed, and both ends of its Monte Carlo error."""
        error = math.sqrt(cl * (1.0 - cl) / len(self.samples[0]))
        middle, low, high = np.quantile(self.samples[0], np.clip([cl, cl - error, cl + error], 0.0, 1.0))
        return float(middle), float(low), float(high)


@dataclass(frozen=True, slots=True, repr=False)
class ToyRecord(Document):
    """The pseudo-experiments behind a result.

    Attributes
    ----------
    seed
        Seed of all random streams.
    points
        The tested values, increasing.
    """

    document: ClassVar[Mapping[str, str]] = {name: name for name in ("toys", "failed", "undecided")}

    seed: int
    points: tuple[PointTest, ...]

    @property
    def toys(self) -> int:
        """Return the number of pseudo-experiments that count."""
        return sum(point.toys for point in self.points)

    @property
    def failed(self) -> int:
        """Return the number of pseudo-experiments whose fits failed."""
        return sum(point.failed for point in self.points)

    @property
    def valid(self) -> bool:
        """Return whether none was lost: those whose fits fail are not like the others."""
        return self.failed == 0

    @property
    def undecided(self) -> int:
        """Return the number of values for which more pseudo-experiments could change the decision."""
        return sum(not point.decided for point in self.points)

    @property
    def tail(self) -> dict[str, float]:
        """Return the p-value of the only hypothesis, and its pseudo-experiments."""
        (point,) = self.points
        return {"p": point.p, "error": point.error, "toys": point.toys, "failed": point.failed, "seed": self.seed}


def lost(failed: int) -> str:
    """Return why a result with pseudo-experiments that were lost is incomplete; empty if there are none."""
    return f"{failed} toys could not be fitted" if failed else ""


class Tested(Result):
    """What tests of a model with pseudo-experiments share: `toys` are those behind the p-value, None without any."""

    __slots__ = ()

    toys: ToyRecord | None

    @property
    def tail(self) -> dict[str, float] | None:
        """Return the p-value of pseudo-experiments, None without any."""
        return None if self.toys is None else self.toys.tail

    @property
    def valid(self) -> bool:
        """Return whether no pseudo-experiment was lost."""
        return self.toys is None or self.toys.valid

    @property
    def doubt(self) -> str:
        """Return how many pseudo-experiments were lost, in words."""
        return "" if self.toys is None else lost(self.toys.failed)
