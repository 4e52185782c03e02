"""The significance of a signal at an unknown value of another parameter, such as its mass: the largest q0 of a scan, and how often chance makes one.

Without signal nothing depends on that parameter, and the largest q0 follows no chi-squared (Davies). Its p-value is the fraction of
pseudo-experiments without signal whose own largest q0 is at least the observed one c. Where too few of them are, it is at most

    p(c) <= P(q0 > c at one value) + <N(c)>,    <N(c)> = <N(c0)> exp(-(c - c0)/2),

where N(c) is the number of upcrossings of c by q0 along the scan. Pseudo-experiments give its mean at a low level c0, the second relation is
asymptotic, for one degree of freedom. A grid counts only the upcrossings that it resolves: if q0 is smooth, halving the steps finds a
quarter as many more as the halving before.

References
----------
Gross and Vitells, Eur. Phys. J. C 70 (2010) 525, arXiv:1005.1891, eqs. 2 and 3; for several parameters Vitells and Gross, Astropart. Phys. 35
(2011) 230, arXiv:1105.4355. Davies, Biometrika 74 (1987) 33.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from scipy.special import ndtr, ndtri

from cevnsfit.core.errors import CevnsfitError, FitError
from cevnsfit.infer.discovery import discovery
from cevnsfit.infer.grid import joint_at
from cevnsfit.infer.hypothesis import hypothesis, lowest_fits, q0, ratio_of, with_best_fit
from cevnsfit.infer.lines import coupling_scale, free_couplings
from cevnsfit.infer.results import Tested, ToyRecord
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import Chunk, measured, point_test
from cevnsfit.stats.data import toy_data
from cevnsfit.stats.joint import expected_totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.planes import PlaneAxis
    from cevnsfit.infer.results import PointTest
    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood


LEVEL: Final = 0.5
"""The level c0 at which upcrossings are counted: low, so that there are many."""

RESOLVED: Final = 10
"""Pseudo-experiments that reach the data, at least, for a p-value that is their fraction: its error is then below a third."""

COARSE: Final = 0.75
"""Share of the upcrossings that every second value of the grid still finds, at least, where the grid is fine enough."""

PLACES: Final = 4
"""Points at which the prediction without signal is compared."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GlobalSignificance(Tested):
    """The significance of a signal whose place is unknown.

    Attributes
    ----------
    poi, null
        The parameter of the signal and its value without signal.
    axis
        The scanned parameter with its values.
    q0
        q0 at each of them, shape (n,).
    maximum
        Where it is largest: the scanned parameter and the estimate of the other.
    q0_max
        The largest.
    local_p, local_p_error
        The p-value of a signal at that place alone: from pseudo-experiments where `RESOLVED` reach the data there, otherwise asymptotic.
    upcrossings, upcrossings_error
        Mean number of upcrossings of `level` in pseudo-experiments without signal; NaN without any.
    upcrossings_halved
        That of every second value of the grid.
    bound, bound_error
        The extrapolation to the global p-value, `local_p` + `upcrossings` exp(-(`q0_max` - `level`)/2), at most 1; NaN without pseudo-experiments.
    remark
        What is to be known of these numbers; empty where there is nothing to say.
    level
        The level at which upcrossings are counted.
    toys
        The pseudo-experiments, with the largest q0 of each; None without any.
    """

    document: ClassVar[Mapping[str, str | None]] = {
        "axis": None,
        "scanned": "axis.name",
        "values": "axis.values",
        "unit": "axis.unit",
        **{key: key for key in ("global_p", "global_p_error", "from_toys", "trials_factor", "significance", "local_significance")},
        **{key: key for key in ("method", "valid")},
    }

    poi: str
    null: float
    axis: PlaneAxis
    q0: Floats
    maximum: Mapping[str, float]
    q0_max: float
    local_p: float
    local_p_error: float = 0.0
    upcrossings: float = math.nan
    upcrossings_error: float = math.nan
    upcrossings_halved: float = math.nan
    bound: float = math.nan
    bound_error: float = math.nan
    remark: str = ""
    level: float = LEVEL
    toys: ToyRecord | None = None

    @property
    def from_toys(self) -> bool:
        """Return whether the global p-value is a fraction of pseudo-experiments: where `RESOLVED` reach the data."""
        return self.toys is not None and _resolved(self.toys.points[0])

    @property
    def global_p(self) -> float:
        """Return the global p-value: that of pseudo-experiments where they resolve it, otherwise the bound; NaN without any."""
        return self.toys.points[0].p if self.toys is not None and self.from_toys else self.bound

    @property
    def global_p_error(self) -> float:
        """Return its Monte Carlo error."""
        return self.toys.points[0].error if self.toys is not None and self.from_toys else self.bound_error

    @property
    def trials_factor(self) -> float:
        """Return the global p-value over the local one; NaN where either is missing."""
        return self.global_p / self.local_p if self.local_p > 0.0 else math.nan

    @property
    def significance(self) -> float:
        """Return the global p-value in standard deviations; a p-value above 0.5 is none."""
        return _deviations(self.global_p)

    @property
    def local_significance(self) -> float:
        """Return the local p-value in standard deviations."""
        return _deviations(self.local_p)

    @property
    def method(self) -> str:
        """Return how the global p-value was found."""
        how = "toys without signal" if self.from_toys else "bound from upcrossings in toys without signal"
        return f"profile likelihood, largest q0 of the scan, {'local p-value only' if self.toys is None else how}"


def _deviations(p: float) -> float:
    """Return a p-value in standard deviations, not negative."""
    return math.nan if math.isnan(p) else max(-float(ndtri(p)), 0.0)


def _resolved(point: PointTest) -> bool:
    return round(point.p * point.toys) >= RESOLVED if point.toys else False


def global_significance(
    likelihood: Likelihood, poi: str, axis: PlaneAxis, *, at: Mapping[str, float], toys: Toys | None = None, run: Runner = HERE
) -> GlobalSignificance:
    """Return the significance with which `poi` exceeds its value without signal somewhere on a grid of a nonlinear parameter.

    Parameters
    ----------
    likelihood
        The likelihood, with data.
    poi
        The parameter of the signal.
    axis
        The nonlinear parameter and its values.
    at
        Other parameters that are held, by name.
    toys
        Number and seed of pseudo-experiments without signal; without any there is a local p-value alone.
    run
        Where they are generated.

    Raises
    ------
    CevnsfitError
        If the prediction without signal depends on the scanned parameter.
    FitError
        If a fit to the data does not converge.
    """
    joints = [joint_at(likelihood, {**at, axis.name: float(value)}) for value in axis.values]
    null = likelihood.parameters[poi].null
    tests = [with_best_fit(hypothesis(joint, poi, null, at=others)) for joint, others in joints]
    _require_unknown([test.joint for test in tests], tests[0], axis.name)
    test = replace(tests[0], alternatives=tuple(one.alternatives[0] for one in tests))
    rows = scanned_ratios(test.data.batch(), test=test)[0]
    observed = q0(rows, null)
    if np.isnan(observed).any():
        message = f"no fit of {poi} converges at {axis.name} = {axis.values[np.isnan(observed)][0]:g}: there is no significance"
        raise FitError(message)
    highest = int(np.argmax(observed))
    there = discovery(joints[highest][0], poi, at=joints[highest][1])
    maximum = {axis.name: float(axis.values[highest]), poi: float(rows[highest, 2])}
    top = float(observed[highest])
    found = GlobalSignificance(poi, null, axis, observed, maximum, top, float(ndtr(-math.sqrt(top))), remark=there.remark)
    if toys is None:
        more = f"no global p-value without toys: they show how q0 fluctuates along {axis.name}"
        return replace(found, remark="; ".join(filter(None, (found.remark, more))))
    chunk = Chunk(functools.partial(toy_data, test.joint, test.theta), functools.partial(_scanned_q0, test=test), toys.seed, 0)
    return _with_toys(found, run(measured(chunk, toys.chunks)), toys.seed, highest)


def _require_unknown(joints: Sequence[Joint], test: Hypothesis, name: str) -> None:
    """Raise CevnsfitError if the prediction without signal depends on the scanned parameter, at any values of the others."""
    rng, parameters = np.random.default_rng(0), test.joint.parameters
    steps = [coupling_scale(test.joint, p.name) if p.kind == "polynomial" else max(abs(p.default), 1.0) for p in parameters]
    places = np.clip(test.theta + np.array(steps) * rng.uniform(-1.0, 1.0, (PLACES, len(steps))), *parameters.domains())
    for held, value in test.held.items():
        places[:, parameters.index(held)] = value
    first, *rest = (np.concatenate(expected_totals(joint, places), axis=1) for joint in joints)
    if any(not np.allclose(first, other, rtol=1e-9, atol=1e-12 * np.abs(first).max(initial=0.0)) for other in rest):
        others = free_couplings(test.joint, test.held)
        hint = f", unless {', '.join(others)} is held at a value without signal too" if others else ""
        message = f"the prediction with {test.poi} = {test.value:g} depends on {name}: there is no global significance{hint}"
        raise CevnsfitError(message)


def scanned_ratios(data: Data, *, test: Hypothesis) -> Floats:
    """Return what `likelihood_ratio` measures on P data sets for each alternative alone, shape (P, alternatives, 3); NaN where a fit fails.

    The fit without signal is the same for all of them.
    """
    tested, lowest, estimates = lowest_fits(data, test=test, chained=True)
    return np.stack([ratio_of(tested, *one, test.value) for one in zip(lowest[:, None], estimates[:, None], strict=True)], axis=1)


def _scanned_q0(data: Data, *, test: Hypothesis) -> Floats:
    """Return q0 of each data set at each scanned value, shape (P, n)."""
    rows = scanned_ratios(data, test=test)
    return q0(rows.reshape(-1, 3), test.value).reshape(rows.shape[:2])


def upcrossings(curves: Floats, level: float) -> Ints:
    """Return how often each of some curves, shape (P, n), rises above a level between two neighbouring points, shape (P,)."""
    return np.asarray(np.sum((curves[:, :-1] <= level) & (curves[:, 1:] > level), axis=1))


def _with_toys(found: GlobalSignificance, curves: Floats, seed: int, highest: int) -> GlobalSignificance:
    """Return a significance with the pseudo-experiments whose q0 are `curves`, shape (P, n); rows with NaN are failures."""
    top = found.q0_max
    everywhere, there = (point_test(found.null, top, [sample]) for sample in (curves.max(axis=1), curves[:, highest]))
    good = curves[~np.isnan(curves).any(axis=1)]
    counts, halved = upcrossings(good, found.level), upcrossings(good[:, ::2], found.level)
    mean, less = (float(several.mean()) if len(good) else math.nan for several in (counts, halved))
    error, factor = math.sqrt(counts.var() / len(good)) if len(good) else math.nan, math.exp(-(top - found.level) / 2.0)
    remarks = _remarks(found, mean, less, highest)
    local_p, local_error = (there.p, there.error) if _resolved(there) else (found.local_p, 0.0)
    return replace(
        found,
        local_p=local_p,
        local_p_error=local_error,
        upcrossings=mean,
        upcrossings_error=error,
        upcrossings_halved=less,
        bound=min(local_p + mean * factor, 1.0),
        bound_error=math.hypot(local_error, error * factor),
        remark="; ".join(filter(None, (found.remark, *remarks))),
        toys=ToyRecord(seed, (everywhere,)),
    )


def _remarks(found: GlobalSignificance, mean: float, halved: float, highest: int) -> Iterator[str]:
    name, values = found.axis.name, found.axis.values
    if halved < COARSE * mean:
        yield f"the grid of {name} is coarse: every second value finds {halved:.3g} of {mean:.3g} upcrossings, and more values would find more"
    if found.q0_max > 0.0 and len(values) > 1 and highest in {0, len(values) - 1}:
        yield f"q0 is largest at an end of the scanned range, {name} = {values[highest]:g}"
