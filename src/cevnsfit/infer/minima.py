"""The minima of -2 ln lambda in the couplings: all distinct ones of one data set, and the lowest of many data sets.

Along a coupling the profiled curve over the grid of `infer.lines` shows its minima, on a window that is widened until its ends are excluded.
Where several couplings float, each is looked at in turn with the others free, and quasi-random starts are added. Two minima are distinct when
-2 ln lambda, profiled on the straight line from one to the other, rises by `infer.curve.BARRIER` above both.

Pseudo-experiments are fitted from starts that were prepared once: the minima of the observed and of Asimov data, and rungs along the couplings,
of which each data set takes those that are promising.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.columns import widened
from cevnsfit.infer.curve import BARRIER
from cevnsfit.infer.lines import coupling_scale, coupling_scales, curved_couplings, even_couplings, free_couplings, rungs, search_grid
from cevnsfit.infer.multistart import APART, REACH, Starts, promising, unit_cloud
from cevnsfit.infer.profile import profile
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import asimov_data
from cevnsfit.stats.engine import nll2_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.infer.curve import Curve
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint


EXCLUDED: Final = 25.0
"""Height above the lowest minimum at which the ends of the window are excluded."""

CLOUD: Final = 48
"""Quasi-random starts for each of several couplings."""

THINNED: Final = 4
"""Of the grid along one of several couplings every fourth value is looked at."""

MOST: Final = 24
"""Minima among which the distinct ones are sought, at most."""

ON_THE_LINE: Final = np.linspace(0.0, 1.0, 9)[1:-1]
"""Points of the line between two minima at which a barrier is looked for."""

SAME: Final = 1e-3
"""Distance in coupling scales within which two minima are the same."""

SPREAD: Final = 30.0
"""Minima that are this much above the best one in -2 ln lambda are still starts."""

MAX_STARTS: Final = 8
"""Minima of one data set that become starts, at most."""

TAKEN: Final = 6
"""Starts of a free fit, at most."""

HOPELESS: Final = 300.0
"""Starts this much above the best one in -2 ln lambda are left out: adjusting nuisances does not make up for it."""

SHALLOW: Final = 25.0
"""The same for starts that are no minimum along the coupling: the way down from them has no barrier until nuisances adjust."""

NEAR_ZERO: Final = 0.15
"""Couplings below this, in units of their scale, are no starts where -2 ln lambda is stationary at 0."""

LOWER: Final = 1e-3
"""A fit fails when one that did not converge ended lower by more than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Minima:
    """Distinct local minima, lowest first.

    Attributes
    ----------
    nll2
        -2 ln lambda, shape (K,).
    theta
        All parameters, shape (K, n).
    converged
        Whether each converged, shape (K,); those that did come first.
    on_edge
        Whether it is held by a bin without any counts, shape (K,).
    tried
        Number of points from which they were found.
    """

    nll2: Floats
    theta: Floats
    converged: Bools
    on_edge: Bools
    tried: int


def minima(joint: Joint, data: Data, *, at: Mapping[str, float]) -> Minima:
    """Return the distinct minima over the parameters that are neither in `at` nor held by default.

    Parameters
    ----------
    joint
        The likelihood at fixed nonlinear parameters.
    data
        One data set.
    at
        Parameters that are held, by name.
    """
    names = free_couplings(joint, at)
    if not names:
        return fitted(joint, data, joint.parameters.vector(at)[None], at=at)
    if len(names) == 1:
        curve = widened(joint, names[0], EXCLUDED, at=at, data=data)
        return fitted(joint, data, _lowest_rows(curve), at=at)
    begin = np.concatenate([_from_cloud(joint, data, names, at), *(_from_line(joint, data, name, at) for name in names)])
    first = fitted(joint, data, begin, at=at)
    again = fitted(joint, data, np.concatenate([first.theta, _reflected(joint, first.theta[:MAX_STARTS], names)]), at=at)
    return replace(again, tried=first.tried + again.tried)


def _reflected(joint: Joint, theta: Floats, names: Sequence[str]) -> Floats:
    """Return points (S, n) with all other signs of the couplings: counts that depend on products and squares do not change with some of them."""
    columns = [joint.parameters.index(name) for name in names]
    signs = np.array(list(itertools.islice(itertools.product((1.0, -1.0), repeat=len(columns)), 1, MAX_STARTS)))
    result = np.repeat(theta, len(signs), axis=0)
    result[:, columns] *= np.tile(signs, (len(theta), 1))
    return result


def fitted(joint: Joint, data: Data, begin: Floats, *, at: Mapping[str, float]) -> Minima:
    """Return the distinct minima reached from starts of all parameters, shape (S, n)."""
    begin = _off_zero(joint, begin, [joint.parameters.index(name) for name in free_couplings(joint, at)], at)
    found = profile(joint, {name: np.full(len(begin), value) for name, value in at.items()}, data=data, start=begin)
    order = np.lexsort((np.where(np.isfinite(found.nll2), found.nll2, np.inf), ~found.converged))
    order = order[_elsewhere(joint, found.theta[order], SAME, at)][:MOST]
    kept = _distinct(joint, data, found.nll2[order], found.theta[order], at)
    best = found.take(order[kept])
    return Minima(best.nll2, best.theta, best.converged, best.on_edge, len(begin))


def _elsewhere(joint: Joint, theta: Floats, apart: float, at: Mapping[str, float]) -> list[int]:
    """Return the points (S, n) that are farther than `apart`, in coupling scales, from all before them."""
    names = free_couplings(joint, at)
    x = theta[:, [joint.parameters.index(name) for name in names]] / coupling_scales(joint, names)
    kept: list[int] = []
    for k in range(len(x)):
        if not np.any(np.all(np.abs(x[kept] - x[k]) <= apart, axis=1)):
            kept.append(k)
    return kept


def _from_line(joint: Joint, data: Data, name: str, at: Mapping[str, float]) -> Floats:
    """Return the minima along one coupling, the others free, shape (k, n)."""
    grid = search_grid(joint, name)
    curve = widened(joint, name, EXCLUDED, at=at, data=data, grid=np.unique(np.append(grid[::THINNED], grid[-1])))
    return _lowest_rows(curve)


def _lowest_rows(curve: Curve) -> Floats:
    """Return all parameters at the minima of a curve, shape (k, n); at its first point where all are infinite."""
    rows: Floats = curve.theta[list(curve.minima) if curve.minima else [curve.lowest]]
    return rows


def _from_cloud(joint: Joint, data: Data, names: Sequence[str], at: Mapping[str, float]) -> Floats:
    """Return the lowest of quasi-random starts, shape (k, n); the parameters that are no couplings fit the data there."""
    begin = _cloud(joint, joint.parameters.vector(at), names)
    columns = [joint.parameters.index(name) for name in names]
    fixed = {name: begin[:, column] for name, column in zip(names, columns, strict=True)}
    first = profile(joint, {**fixed, **{name: np.full(len(begin), value) for name, value in at.items()}}, data=data, start=begin)
    starts = Starts(begin[None][:, :, columns], np.where(np.isfinite(first.nll2), first.nll2, np.finfo(np.float64).max)[None])
    chosen = promising(starts, middle=np.zeros((1, len(names))), apart=APART * coupling_scales(joint, names)[None], kept=MOST)
    return np.asarray(first.theta[chosen[0]])


def _cloud(joint: Joint, base: Floats, names: Sequence[str]) -> Floats:
    """Return `base` (n,), and again with `CLOUD` quasi-random values for each of its couplings, shape (S, n)."""
    unit = unit_cloud(len(names), CLOUD * len(names))
    begin = np.tile(base, (len(unit) + 1, 1))
    for place, name in enumerate(names):
        parameter, reach = joint.parameters[name], REACH * coupling_scale(joint, name)
        low = max(parameter.lower, min(-reach, parameter.upper - reach))
        high = min(parameter.upper, max(reach, parameter.lower + reach))
        begin[1:, joint.parameters.index(name)] = low + (high - low) * unit[:, place]
    return begin


def _distinct(joint: Joint, data: Data, values: Floats, theta: Floats, at: Mapping[str, float]) -> list[int]:
    """Return which minima are not the same as an earlier one."""
    names = free_couplings(joint, at)
    if not names:
        return [0]
    columns, kept = [joint.parameters.index(name) for name in names], [0]
    for k in range(1, len(values)):
        lines = theta[kept][:, None] + (theta[k] - theta[kept])[:, None] * ON_THE_LINE[:, None]
        points = lines.reshape(-1, theta.shape[1])
        fixed = {name: points[:, column] for name, column in zip(names, columns, strict=True)}
        fixed |= {name: np.full(len(points), value) for name, value in at.items()}
        top = profile(joint, fixed, data=data, start=points).nll2.reshape(len(kept), -1).max(axis=1)
        if np.all(top > np.maximum(values[kept], values[k]) + BARRIER):
            kept.append(k)
    return kept


def couplings_of(joint: Joint) -> list[int]:
    """Return the indices of the couplings."""
    return [i for i, p in enumerate(joint.parameters) if p.kind == "polynomial"]


def start_set(joint: Joint, data: Data, *, at: Mapping[str, float], truths: Sequence[Mapping[str, float]] = ({},)) -> Floats:
    """Return starts of all parameters for free fits to pseudo-experiments, shape (S, n): the minima of the data and of Asimov data, and rungs.

    Parameters
    ----------
    data
        The observed data set.
    at
        Parameters that are held, by name.
    truths
        Values at which Asimov data are made, the defaults for what is not named.
    """
    rows, names = _prepared(joint, data, at=at, truths=truths), curved_couplings(joint, at)
    if not names:
        return rows[:1]
    columns = [joint.parameters.index(name) for name in names]
    if len(names) == 1:
        steps = rungs(joint, names[0])
        further = np.tile(rows[0], (len(steps), 1))
        further[:, columns[0]] = steps
    else:
        further = np.concatenate([_combinations(rows, columns), _cloud(joint, rows[0], names)[1:]])
    starts = _off_zero(joint, np.concatenate([rows, further]), columns, at)
    return starts[_elsewhere(joint, starts, SAME, at)]


def _prepared(joint: Joint, data: Data, *, at: Mapping[str, float], truths: Sequence[Mapping[str, float]] = ({},)) -> Floats:
    """Return the minima of the data and of Asimov data that differ in their couplings, shape (S, n); see `start_set`."""
    rows: list[Floats] = []
    for one in (data, *(asimov_data(joint, joint.parameters.vector({**at, **truth})) for truth in truths)):
        lowest = minima(joint, one, at=at)
        rows += list(lowest.theta[lowest.converged & (lowest.nll2 <= lowest.nll2[0] + SPREAD)][:MAX_STARTS])
    found = np.array(rows if rows else [joint.parameters.vector(at)])
    return found[_elsewhere(joint, found, NEAR_ZERO, at)]


def _combinations(rows: Floats, columns: Sequence[int]) -> Floats:
    """Return the first row with each combination of the couplings of all rows, at most `MAX_STARTS`."""
    choices = list(itertools.islice(itertools.product(*(np.unique(rows[:, column]) for column in columns)), MAX_STARTS))
    combined = np.tile(rows[0], (len(choices), 1))
    combined[:, columns] = choices
    return combined


def _off_zero(joint: Joint, rows: Floats, columns: Sequence[int], at: Mapping[str, float]) -> Floats:
    """Return the rows with couplings close to 0 put at `NEAR_ZERO` of their scale where -2 ln lambda is stationary at 0."""
    even = [index for index in even_couplings(joint, at) if index in columns]
    scales = coupling_scales(joint, [joint.parameters.names[index] for index in even])
    values = rows[:, even]
    sign = np.where(values < 0, -1.0, 1.0)
    rows = rows.copy()
    rows[:, even] = np.where(np.abs(values) < NEAR_ZERO * scales, sign * NEAR_ZERO * scales, values)
    return rows


def free_fits(joint: Joint, data: Data, starts: Floats, *, at: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and all parameters (P, n) of the best of several free fits to each data set; NaN where it fails.

    A fit fails when no start converges, or when one that does not ends lower than the others. Where the counts depend on the square of a
    coupling, -2 ln lambda is stationary at 0: such a coupling is fitted with both signs, so that no fit ends on a saddle at the end of the
    domain, and its modulus is returned.

    Parameters
    ----------
    data
        A batch of P data sets.
    starts
        Starting values of all parameters, shape (S, n) or (S, P, n), of which each data set takes the promising ones.
    at
        Parameters that are held, by name.
    """
    free = {joint.parameters.index(name) for name in free_couplings(joint, at)}
    squared = [index for index in even_couplings(joint, at) if index in free]
    joint = _both_signs(joint, [index for index in squared if joint.parameters.parameters[index].lower == 0.0])
    squared = [index for index in squared if joint.parameters.parameters[index].upper >= -joint.parameters.parameters[index].lower]
    size, width = len(data.aux), len(joint.parameters)
    starts = np.array(np.broadcast_to(starts[:, None], (len(starts), size, width)) if starts.ndim == 2 else starts)
    for name, value in at.items():
        starts[:, :, joint.parameters.index(name)] = value
    which, rows = np.nonzero(_chosen(joint, data, starts, at))
    fixed = {name: np.full(len(rows), value) for name, value in at.items()}
    found = profile(joint, fixed, data=data.rows(rows), start=starts[which, rows])
    best, lowest, theta = np.full(size, np.inf), np.full(size, np.inf), np.full((size, width), np.nan)
    np.minimum.at(lowest, rows, np.where(np.isnan(found.nll2), np.inf, found.nll2))
    for row, value, point, good in zip(rows, found.nll2, found.theta, found.converged, strict=True):
        if good and value < best[row]:
            best[row], theta[row] = value, point
    theta[:, squared] = np.abs(theta[:, squared])
    return np.where(np.isfinite(best) & (best <= lowest + LOWER), best, np.nan), theta


def _chosen(joint: Joint, data: Data, starts: Floats, at: Mapping[str, float]) -> Bools:
    """Return which starts (S, P, n) are worth a fit to their data set, shape (S, P)."""
    bound, rows = bind_data(joint, data, np.empty(0, dtype=np.int64)), np.arange(starts.shape[1])
    found = np.array([nll2_at(bound, start, rows) for start in starts]).T
    found = np.where(np.isfinite(found), found, np.finfo(np.float64).max)
    names = free_couplings(joint, at)
    columns = [joint.parameters.index(name) for name in names]
    hopeful = found <= found.min(axis=1, keepdims=True) + HOPELESS
    if not columns:
        return np.asarray(hopeful.T)
    values = starts[:, :, columns].transpose(1, 0, 2)
    even = np.isin(columns, even_couplings(joint, at))
    values = np.where(even, np.abs(values), values)
    middle = np.array([_dip(joint, columns[0], even=bool(even[0]))]) if len(columns) == 1 else np.zeros(1)
    apart = np.broadcast_to(APART * coupling_scales(joint, names), (len(found), len(names)))
    chosen = promising(Starts(values, found), middle=np.broadcast_to(middle, (len(found), 1)), apart=apart, kept=TAKEN, shallow=SHALLOW)
    return np.asarray((chosen & hopeful).T)


def _dip(joint: Joint, index: int, *, even: bool) -> float:
    """Return the value of a coupling with the fewest counts (a positive one of an even coupling), others at zero; NaN where there is none."""
    highest = max(int(channel.coefficients.powers.max(initial=0)) for channel in joint.channels)
    totals = np.zeros(highest + 1)
    for channel, local in zip(joint.channels, joint.local, strict=True):
        powers = channel.coefficients.powers[:, local == index].sum(axis=1)
        nominal = (channel.coefficients.excursion_kind == 0) & (channel.coefficients.powers.sum(axis=1) == powers)
        np.add.at(totals, powers[nominal], channel.templates[nominal].sum(axis=1))
    counts = np.polynomial.Polynomial(totals)
    roots = counts.deriv().roots().astype(np.complex128)
    turns = roots.real[(np.abs(roots.imag) < 1e-9 * np.abs(roots.real)) & ((roots.real > 0) | (not even))]
    return float(turns[np.argmin(counts(turns))]) if turns.size else float("nan")


def _both_signs(joint: Joint, mirrored: Sequence[int]) -> Joint:
    """Return the likelihood with both signs of some couplings allowed."""
    if not mirrored:
        return joint
    parameters = tuple(replace(p, lower=-p.upper) if i in mirrored else p for i, p in enumerate(joint.parameters))
    return replace(joint, parameters=ParameterSet(parameters))


def conditional_fits(joint: Joint, data: Data, starts: Floats, *, at: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and all parameters (P, n) of the fit to each data set with some parameters held; NaN where it fails.

    -2 ln lambda is infinite where the model cannot make the data. Where other couplings float, all starts are used, else the first.

    Parameters
    ----------
    data
        A batch of P data sets.
    starts
        Starting values of all parameters, shape (S, n).
    at
        Parameters that are held, by name.
    """
    if free_couplings(joint, at):
        return free_fits(joint, data, starts, at=at)
    size = len(data.aux)
    found = profile(joint, {name: np.full(size, value) for name, value in at.items()}, data=data, start=starts[0])
    return np.where(found.converged | np.isposinf(found.nll2), found.nll2, np.nan), found.theta
