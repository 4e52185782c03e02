"""A channel: constant templates, the rule of their coefficients, and what was counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.stats.interpolation import spline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.gaussian import Errors
    from cevnsfit.stats.moving import Moving


MEASURED: Final = "measured_background"
"""The background of a control region that names none."""

SPLINES: Final = 3
"""First kind of excursion that is a spline."""


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """The rule A_m(theta) = prod theta^powers x prod code4(theta; hi, lo) x h(theta[excursion_index]) x h(theta[partner_index]).

    Attributes
    ----------
    parameters
        Names of the n local parameters.
    powers
        Monomial powers, integers >= 0, shape (M, n).
    norm_hi, norm_lo
        Positive normsys factors at +1 and -1, shape (M, n); (1, 1) is none.
    excursion_index
        Local index of the excursion's nuisance or -1, shape (M,).
    excursion_kind
        0: h = 1, 1: h = a, 2: h = q(a), from 3 on the cardinal splines of all `nodes` in turn, shape (M,).
    nodes
        Values of a parameter at which templates are given, increasing, one tuple for each set of cardinal splines (`interpolation.spline`).
    partner_index, partner_kind
        A second spline that multiplies the first, of another parameter: -1 and 0 for none, shape (M,); None where no template has one.
    """

    parameters: tuple[str, ...]
    powers: NDArray[np.int64]
    norm_hi: NDArray[np.float64]
    norm_lo: NDArray[np.float64]
    excursion_index: NDArray[np.int64]
    excursion_kind: NDArray[np.int64]
    nodes: tuple[tuple[float, ...], ...] = ()
    partner_index: NDArray[np.int64] | None = None
    partner_kind: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        rows, n = len(self.excursion_index), len(self.parameters)
        if any(item.shape != (rows, n) for item in (self.powers, self.norm_hi, self.norm_lo)) or self.excursion_kind.shape != (rows,):
            message = f"coefficients of {rows} templates over {n} parameters have inconsistent shapes"
            raise CevnsfitError(message)
        if np.any(self.powers < 0) or np.any(self.norm_hi <= 0) or np.any(self.norm_lo <= 0):
            message = "coefficients need powers >= 0 and positive normsys factors"
            raise CevnsfitError(message)
        kinds = SPLINES + sum(len(nodes) for nodes in self.nodes)
        if not np.all((self.excursion_kind >= 0) & (self.excursion_kind < kinds)) or np.any(
            (self.excursion_kind > 0) & ~((self.excursion_index >= 0) & (self.excursion_index < n))
        ):
            message = f"excursion_kind must be 0 to {kinds - 1}, and an excursion needs the index of a local parameter"
            raise CevnsfitError(message)
        if any(len(nodes) < 2 or not np.all(np.diff(nodes) > 0) for nodes in self.nodes):
            message = "nodes must be at least two and increase"
            raise CevnsfitError(message)

    def spline_of(self, kind: int) -> tuple[int, int]:
        """Return which set of nodes a kind of spline has, and which of its nodes."""
        ends = np.cumsum([len(nodes) for nodes in self.nodes])
        number = int(np.searchsorted(ends, kind - SPLINES, side="right"))
        return number, kind - SPLINES - (int(ends[number - 1]) if number else 0)

    @property
    def factors(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
        """Return index and kind of the excursions, then of their partners if there are any."""
        partners = () if self.partner_index is None or self.partner_kind is None else ((self.partner_index, self.partner_kind),)
        return ((self.excursion_index, self.excursion_kind), *partners)

    def take(self, rows: NDArray[np.int64]) -> Coefficients:
        """Return the rule of some templates."""
        return replace(
            self,
            powers=self.powers[rows],
            norm_hi=self.norm_hi[rows],
            norm_lo=self.norm_lo[rows],
            excursion_index=self.excursion_index[rows],
            excursion_kind=self.excursion_kind[rows],
            partner_index=None if self.partner_index is None else self.partner_index[rows],
            partner_kind=None if self.partner_kind is None else self.partner_kind[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ControlRegion:
    """Counts m ~ Poisson(ratio x b) that measure a background b in each bin.

    Attributes
    ----------
    counts
        m, shape (nb,).
    ratio
        Exposure of the control region over that of the signal region, > 0; one number, or shape (nb,).
    component
        Name of the background.
    """

    counts: NDArray[np.float64]
    ratio: float | NDArray[np.float64]
    component: str = MEASURED

    def __post_init__(self) -> None:
        if not np.all(np.asarray(self.ratio) > 0) or np.any(self.counts < 0):
            message = "a control region needs ratio > 0 and counts >= 0"
            raise CevnsfitError(message)


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """Expected counts sum_m A_m(theta) B_m in the bins of one channel, and the observed ones.

    Attributes
    ----------
    name
        Name of the channel.
    templates
        B, counts, shape (M, nb); may be negative.
    coefficients
        The rule A.
    components
        Component ("cevns", "brn", ...) of each template, length M.
    observed
        Counts, or values with `errors`, shape (nb,), or None.
    control
        Control region that measures one more background, or None.
    bins
        Lengths of the axes; nb is their product, in C order.
    moving
        The templates that a parameter moves in time, the last axis: `templates` are those where it is 0. None for none.
    experiment
        The experiment that it is one of several channels of; empty where it is the only one.
    errors
        Those of the observed values; None where these are counts.
    auxiliary
        Whether its counts only constrain nuisances, and are no part of what the experiment shows.
    """

    name: str
    templates: NDArray[np.float64]
    coefficients: Coefficients
    components: tuple[str, ...]
    observed: NDArray[np.float64] | None
    control: ControlRegion | None
    bins: tuple[int, ...]
    moving: Moving | None = None
    experiment: str = ""
    errors: Errors | None = None
    auxiliary: bool = False

    def __post_init__(self) -> None:
        rows, nb = self.templates.shape
        if len(self.coefficients.excursion_index) != rows or len(self.components) != rows or int(np.prod(self.bins)) != nb:
            message = f"channel {self.name}: templates {self.templates.shape}, coefficients, components and bins {self.bins} disagree"
            raise CevnsfitError(message)
        counts = [] if self.observed is None else [self.observed]
        counts += [] if self.control is None else [self.control.counts]
        lowest = 0.0 if self.errors is None else -np.inf
        if any(item.shape != (nb,) or not np.all(item >= lowest) or not np.isfinite(item).all() for item in counts):
            message = f"channel {self.name}: {'counts' if self.errors is None else 'data'} must be {nb} numbers{' >= 0' if self.errors is None else ''}"
            raise CevnsfitError(message)
        if self.errors is not None and (self.control is not None or self.errors.up.shape != (nb,)):
            message = f"channel {self.name}: values need {nb} errors, and a control region goes with counts alone"
            raise CevnsfitError(message)
        if not np.isfinite(self.templates).all():
            message = f"channel {self.name}: templates must be finite"
            raise CevnsfitError(message)

    @property
    def owner(self) -> str:
        """Return the name of its experiment."""
        return self.experiment if self.experiment else self.name

    def possible(self, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return expectations as data: those of counts are cut at 0."""
        return np.maximum(expected, 0.0) if self.errors is None else expected

    def drawn(self, mean: NDArray[np.float64], rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return pseudo-data around expectations (nb,), shape (size, nb)."""
        if self.errors is not None:
            return self.errors.drawn(mean, rng, size)
        return rng.poisson(mean, (size, len(mean))).astype(np.float64)

    def moved(self, factors: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what arrival times add to the expected counts, shape (P, nb), at amplitudes (P, M) and local parameters (P, n)."""
        if self.moving is None:
            return np.zeros((len(theta), self.templates.shape[1]))
        return self.moving.counts(factors, theta[:, self.coefficients.parameters.index(self.moving.parameter)])

    def frozen(self, shift: float) -> Channel:
        """Return the channel with its templates where they have moved to, for good."""
        if self.moving is None:
            return self
        added = np.zeros_like(self.templates)
        factors = np.zeros((len(self.moving.rows), len(self.templates)))
        factors[np.arange(len(self.moving.rows)), self.moving.rows] = 1.0
        added[self.moving.rows] = self.moving.counts(factors, np.full(len(factors), shift))
        return replace(self, templates=self.templates + added, moving=None)

    @property
    def curved(self) -> tuple[str, ...]:
        """Return the parameters whose splines multiply templates."""
        rule = self.coefficients
        return tuple(dict.fromkeys(rule.parameters[i] for index, kind in rule.factors for i in index[kind >= SPLINES]))

    def straightened(self, parameter: str, value: float, parameters: ParameterSet) -> Channel:
        """Return the channel with the splines of a parameter at one value, for good.

        What the deviation of a Gaussian count multiplies then is its linear excursion.
        """
        rule, factors = self.coefficients, np.ones(len(self.templates))
        touched = np.zeros(len(factors), dtype=np.bool_)
        left = []
        for index, kind in rule.factors:
            own = (kind >= SPLINES) & (index == rule.parameters.index(parameter))
            for row in np.flatnonzero(own).tolist():
                number, node = rule.spline_of(int(kind[row]))
                nodes = rule.nodes[number]
                factors[row] = spline(nodes, np.eye(len(nodes))[:, node]).at(np.array([value])).value[0]
            left.append((np.where(own, -1, index), np.where(own, 0, kind)))
            touched |= own
        (index, kind), *partners = left
        partner_index, partner_kind = partners[0] if partners else (None, None)
        if partner_index is not None and partner_kind is not None:
            alone = kind == 0
            index, kind = np.where(alone, partner_index, index), np.where(alone, partner_kind, kind)
            partner_index, partner_kind = np.where(alone, -1, partner_index), np.where(alone, 0, partner_kind)
        counts = rule.powers * [parameters[name].constrained for name in rule.parameters]
        linear = touched & (kind == 0) & (counts.sum(axis=1) == 1)
        rule = replace(
            rule,
            powers=np.where(linear[:, None], rule.powers - counts, rule.powers),
            excursion_index=np.where(linear, counts.argmax(axis=1), index),
            excursion_kind=np.where(linear, 1, kind),
            partner_index=partner_index,
            partner_kind=partner_kind,
        )
        moving = None if self.moving is None else self.moving.scaled(factors)
        return replace(self, templates=self.templates * factors[:, None], coefficients=rule, moving=moving)
