"""Pseudo-experiments in chunks of fixed size, each with a random stream of its own.

A chunk depends on the seed, its point and its number alone: the numbers are the same for any number of workers and any order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.intervals import coupling_scale
from cevnsfit.infer.profile import profile
from cevnsfit.infer.starts import dominance_scale, search
from cevnsfit.stats.engine import nll2
from cevnsfit.stats.joint import Data, asimov_data, take, toy_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Measure = Callable[[Data], Floats]
    Thrower = Callable[[Sequence["Unit"]], Sequence[Floats]]

CHUNK: Final = 128
"""Pseudo-experiments of one chunk."""

SPREAD: Final = 30.0
"""Minima that are this much above the best one in -2 ln lambda are still starts."""

RUNGS: Final = (0.1, 0.4, 0.8, 1.4)
"""Further starts of one of several couplings, in units of its `dominance_scale`: both sides of a destructive interference, and between them."""

LADDER: Final = tuple(np.linspace(0.1, 2.5, 13).tolist())
"""Further starts of a coupling alone, in units of `coupling_scale`, at which new physics balances the Standard Model; the mirror is at 1.4."""

HOPELESS: Final = 300.0
"""Starts this much above the best one in -2 ln lambda are left out: adjusting nuisances does not make up for it."""

SHALLOW: Final = 25.0
"""The same for starts that are no minimum along the coupling: the basin behind them has no barrier until nuisances adjust."""

ON_TOP: Final = 0.2
"""Distance from the coupling with the fewest counts, relative to it, within which a start says nothing of the side it leads to."""

MAX_STARTS: Final = 8
"""Starts of a free fit, at most."""

NEAR_ZERO: Final = 0.1
"""Couplings below this, in units of their scale, are no starts."""

LOWER: Final = 1e-3
"""A fit fails when one that did not converge ended lower by more than this."""

_NUMERICAL: Final = (ArithmeticError, np.linalg.LinAlgError, RuntimeError, ValueError)
"""What a fit that breaks down raises."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One chunk to be thrown.

    Attributes
    ----------
    point, chunk
        Its place among all: with the seed they choose the random stream.
    joint
        The likelihood in which the pseudo-experiments are thrown.
    truth
        The true parameters, shape (n,).
    measure
        What is measured on a batch of P data sets, shape (P, k); rows with NaN are failures.
    seed
        Of the whole run.
    """

    point: int
    chunk: int
    joint: Joint
    truth: Floats
    measure: Measure
    seed: int


def run_unit(unit: Unit) -> Floats:
    """Return what was measured on the pseudo-experiments of a chunk, shape (`CHUNK`, k); rows with NaN are failures."""
    stream = np.random.SeedSequence(unit.seed, spawn_key=(unit.point, unit.chunk))
    data = toy_data(unit.joint, unit.truth, np.random.default_rng(stream), CHUNK)
    try:
        return unit.measure(data)
    except _NUMERICAL:
        return _one_by_one(unit.measure, data)


def _one_by_one(measure: Measure, data: Data) -> Floats:
    """Return what is measured on each data set alone: one that breaks down becomes a row of NaN."""
    rows: list[Floats | None] = []
    for row in range(len(data.aux)):
        try:
            rows.append(measure(batch(take(data, row)))[0])
        except _NUMERICAL:
            rows.append(None)
    width = max((len(row) for row in rows if row is not None), default=1)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows])


def batch(data: Data) -> Data:
    """Return a single data set as a batch of one."""
    return Data(
        tuple(np.atleast_2d(n) for n in data.counts),
        tuple(None if m is None else np.atleast_2d(m) for m in data.control),
        np.atleast_2d(data.aux),
    )


def in_this_process(units: Sequence[Unit]) -> list[Floats]:
    """Return the chunks of some units, one after the other; those of one likelihood share what is prepared for it."""
    return [run_unit(unit) for unit in units]


def without_cache(joint: Joint) -> Joint:
    """Return the likelihood without the problems it remembers, as it is sent to other processes."""
    return replace(joint, bound=[])


def observing(joint: Joint, data: Data) -> Joint:
    """Return the likelihood with a data set in the place of the observed one: measured backgrounds of pseudo-experiments follow from it."""
    channels = tuple(
        replace(
            channel,
            observed=counts,
            control=channel.control if channel.control is None or measured is None else replace(channel.control, counts=measured),
        )
        for channel, counts, measured in zip(joint.channels, data.counts, data.control, strict=True)
    )
    return replace(joint, channels=channels, bound=[])


def start_set(joint: Joint, data: Data, *, held: Mapping[str, float], truths: Sequence[Mapping[str, float]] = ({},)) -> Floats:
    """Return starts of all parameters for free fits to pseudo-experiments, shape (S, n): the minima of the data and of Asimov data.

    Parameters
    ----------
    joint
        The likelihood.
    data
        The observed data set.
    held
        Parameters that are held, by name.
    truths
        Values at which Asimov data are made, the defaults for what is not named.
    """
    parameters = joint.parameters
    values = dict(zip(parameters.names, parameters.vector(held).tolist(), strict=True))
    wanted = [p.name for p in parameters if not p.fixed and p.name not in held]
    couplings = [i for i in _couplings(joint) if parameters.names[i] in wanted]
    sets = [data, *(asimov_data(joint, parameters.vector({**held, **truth})) for truth in truths)]
    rows: list[Floats] = []
    for one in sets:
        found = search(joint, one, values, wanted, None).candidates
        near = [item for item in found if item.converged and item.nll2 <= found[0].nll2 + SPREAD]
        rows += [np.array([item.values[name] for name in parameters.names]) for item in near[:MAX_STARTS]]
    rows = rows if rows else [parameters.vector(held)]
    rows += _combinations(joint, rows, couplings)
    rungs: list[Floats] = []
    for index in _squares(joint, couplings):
        unit = coupling_scale(joint, parameters.names[index]) if len(couplings) == 1 else dominance_scale(joint, index)
        here = np.arange(len(parameters)) == index
        rungs += [np.where(here, rung * unit, rows[0]) for rung in (LADDER if len(couplings) == 1 else RUNGS)]
    if len(couplings) == 1:
        return np.array([*_apart(joint, _off_zero(joint, np.array(rows), couplings), couplings), *rungs])
    return _apart(joint, _off_zero(joint, np.array(rows + rungs), couplings), couplings)


def _combinations(joint: Joint, rows: Sequence[Floats], couplings: Sequence[int]) -> list[Floats]:
    """Return the first row with each combination of the couplings of all rows, at most `MAX_STARTS`; none for a single coupling."""
    if len(couplings) < 2:
        return []
    values = [_apart(joint, np.array(rows), [index])[:, index] for index in couplings]
    combined = []
    for choice in itertools.islice(itertools.product(*values), MAX_STARTS):
        row = rows[0].copy()
        row[couplings] = choice
        combined.append(row)
    return combined


def _couplings(joint: Joint) -> list[int]:
    return [i for i, p in enumerate(joint.parameters) if p.kind == "polynomial"]


def _squares(joint: Joint, couplings: Sequence[int]) -> list[int]:
    """Return the couplings of which the counts know even powers alone."""
    found = []
    for i in couplings:
        powers = [channel.coefficients.powers[:, local == i] for channel, local in zip(joint.channels, joint.local, strict=True)]
        if all(np.all(part % 2 == 0) for part in powers):
            found.append(i)
    return found


def _off_zero(joint: Joint, rows: Floats, couplings: Sequence[int]) -> Floats:
    """Return the rows with couplings close to 0 put at a tenth of their scale where -2 ln lambda is stationary at 0."""
    squares = _squares(joint, couplings)
    scales = np.array([dominance_scale(joint, i) for i in squares])
    values = rows[:, squares]
    sign = np.where(values < 0, -1.0, 1.0)
    rows = rows.copy()
    rows[:, squares] = np.where(np.abs(values) < NEAR_ZERO * scales, sign * NEAR_ZERO * scales, values)
    return rows


def _apart(joint: Joint, rows: Floats, couplings: Sequence[int]) -> Floats:
    """Return the first of each group of rows whose couplings differ by less than a third, or by little where 0 is no special value."""
    squares = _squares(joint, couplings)
    small = np.array([0.0 if i in squares else NEAR_ZERO * coupling_scale(joint, joint.parameters.names[i]) for i in couplings])
    kept: list[Floats] = []
    for row in rows:
        mine = np.abs(row[couplings])
        if not any(
            np.all(np.abs(other - row)[couplings] <= np.maximum(small, np.maximum(mine, np.abs(other[couplings])) / 3)) for other in kept
        ):
            kept.append(row)
    return np.array(kept[:MAX_STARTS])


def free_fits(joint: Joint, data: Data, starts: Floats, *, held: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and all parameters (P, n) of the best of several free fits to each data set; NaN where it fails.

    A fit fails when no start converges, or when one that does not ends lower than the others. Where the counts depend on the square of a
    coupling, -2 ln lambda is stationary at 0: such a coupling is fitted with both signs, so that no fit ends on a saddle at the end of the
    domain.

    Parameters
    ----------
    joint
        The likelihood.
    data
        A batch of P data sets.
    starts
        Starting values of all parameters, shape (S, n) or (S, P, n); those hopelessly far from a data set are left out, and along a single
        coupling those that have better neighbours.
    held
        Parameters that are held, by name.
    """
    even = _even(joint)
    joint = _both_signs(joint, even)
    size, width = len(data.aux), len(joint.parameters)
    starts = np.array(np.broadcast_to(starts[:, None], (len(starts), size, width)) if starts.ndim == 2 else starts)
    for name, value in held.items():
        starts[:, :, joint.parameters.index(name)] = value
    floating = [p.name for p in joint.parameters if not p.fixed and p.name not in held]
    which, rows = np.nonzero(_promising(joint, data, starts, [i for i in _couplings(joint) if joint.parameters.names[i] in floating]))
    fixed = {name: np.full(len(rows), value) for name, value in held.items()}
    found = profile(joint, fixed, data=rows_of(data, rows), start=starts[which, rows], floating=floating)
    best, lowest, theta = np.full(size, np.inf), np.full(size, np.inf), np.full((size, width), np.nan)
    np.minimum.at(lowest, rows, np.where(np.isnan(found.nll2), np.inf, found.nll2))
    for row, value, point, good in zip(rows, found.nll2, found.theta, found.converged, strict=True):
        if good and value < best[row]:
            best[row], theta[row] = value, point
    theta[:, even] = np.abs(theta[:, even])
    return np.where(np.isfinite(best) & (best <= lowest + LOWER), best, np.nan), theta


def _promising(joint: Joint, data: Data, starts: Floats, couplings: Sequence[int]) -> Bools:
    """Return which starts (S, P, n) are worth a fit to their data set, shape (S, P).

    Along a single coupling of which the counts know even powers alone, these are the minima among the starts and, unless it is far above the
    others, the lowest on each side of the coupling with the fewest counts.
    """
    values = np.array([nll2(joint, start, data) for start in starts])
    promising: Bools = values <= values.min(axis=0) + HOPELESS
    if len(couplings) != 1 or not _squares(joint, couplings):
        return promising
    along = np.abs(starts[:, :, couplings[0]])
    order = np.argsort(along, axis=0, kind="stable")
    ranked = np.pad(np.take_along_axis(values, order, axis=0), ((1, 1), (0, 0)), constant_values=np.inf)
    best = np.zeros_like(promising)
    np.put_along_axis(best, order, (ranked[1:-1] <= ranked[:-2]) & (ranked[1:-1] < ranked[2:]), axis=0)
    dip = _dip(joint, couplings[0])
    for side in (along > (1 + ON_TOP) * dip, along < (1 - ON_TOP) * dip):
        inside = np.where(side, values, np.inf)
        best |= (inside <= inside.min(axis=0)) & (inside <= values.min(axis=0) + SHALLOW)
    promising &= best
    return promising


def _dip(joint: Joint, index: int) -> float:
    """Return the positive value of a coupling with the fewest counts, the others at zero; 0 where counts only grow."""
    highest = max(int(channel.coefficients.powers.max(initial=0)) for channel in joint.channels)
    totals = np.zeros(highest + 1)
    for channel, local in zip(joint.channels, joint.local, strict=True):
        powers = channel.coefficients.powers[:, local == index].sum(axis=1)
        nominal = (channel.coefficients.shape_kind == 0) & (channel.coefficients.powers.sum(axis=1) == powers)
        np.add.at(totals, powers[nominal], channel.templates[nominal].sum(axis=1))
    counts = np.polynomial.Polynomial(totals)
    roots = counts.deriv().roots().astype(np.complex128)
    turns = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(turns[np.argmin(counts(turns))]) if turns.size else 0.0


def _even(joint: Joint) -> list[int]:
    """Return the couplings with a domain that starts at 0 of which the counts know even powers alone."""
    return [i for i in _squares(joint, _couplings(joint)) if joint.parameters.parameters[i].lower == 0.0]


def _both_signs(joint: Joint, even: Sequence[int]) -> Joint:
    """Return the likelihood with both signs of some couplings allowed."""
    if not even:
        return joint
    parameters = tuple(replace(p, lower=-p.upper) if i in even else p for i, p in enumerate(joint.parameters))
    return replace(joint, parameters=ParameterSet(parameters))


def rows_of(data: Data, rows: NDArray[np.int64]) -> Data:
    """Return some data sets of a batch; one may be taken several times."""
    return Data(tuple(n[rows] for n in data.counts), tuple(None if m is None else m[rows] for m in data.control), data.aux[rows])


def conditional_fits(joint: Joint, data: Data, starts: Floats, *, held: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return -2 ln lambda (P,) and all parameters (P, n) of the fit to each data set with some parameters held; NaN where it fails.

    -2 ln lambda is infinite where the model cannot make the data. Where other couplings float, all starts are used, else the first.

    Parameters
    ----------
    joint
        The likelihood.
    data
        A batch of P data sets.
    starts
        Starting values of all parameters, shape (S, n).
    held
        Parameters that are held, by name.
    """
    free = [i for i in _couplings(joint) if not joint.parameters.parameters[i].fixed and joint.parameters.names[i] not in held]
    if free:
        return free_fits(joint, data, _apart(joint, starts, free), held=held)
    size = len(data.aux)
    found = profile(joint, {name: np.full(size, value) for name, value in held.items()}, data=data, start=starts[0])
    return np.where(found.converged | np.isposinf(found.nll2), found.nll2, np.nan), found.theta


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """A likelihood among those that compete for the best fit, with the starts of its fits, shape (S, n)."""

    joint: Joint
    starts: Floats


def likelihood_ratio(data: Data, *, joint: Joint, poi: str, held: Mapping[str, float], start: Floats, rivals: Sequence[Rival]) -> Floats:
    """Return for each data set -2 ln lambda at a point, the lowest one, and the parameter there, shape (P, 3); NaN where a fit fails.

    Parameters
    ----------
    data
        A batch of P data sets.
    joint
        The likelihood of the point.
    poi
        The parameter of interest.
    held
        The parameters that are held at the point, `poi` among them.
    start
        Where the fit at the point starts, shape (n,).
    rivals
        The likelihoods among which the best fit is looked for; all have the parameters of `joint`.
    """
    first = next((rival.starts for rival in rivals if rival.joint is joint), rivals[0].starts)
    tested, theta = conditional_fits(joint, data, np.concatenate([start[None], first]), held=held)
    others = {name: value for name, value in held.items() if name != poi}
    couplings, place = _couplings(joint), joint.parameters.index(poi)
    result = np.stack([tested, tested, np.full(len(tested), held[poi])], axis=1)
    for rival in rivals:
        theta = np.where(np.isnan(theta), start, theta)
        starts = np.repeat(theta[None], len(rival.starts), axis=0)
        starts[:, :, couplings] = rival.starts[:, None, couplings]
        if abs(held[poi]) > NEAR_ZERO * dominance_scale(joint, place):
            starts = np.concatenate([starts, theta[None]])
        lowest, found = free_fits(rival.joint, data, starts, held=others)
        better = ~(lowest >= result[:, 1])
        result[better, 1], result[better, 2] = lowest[better], found[better, place]
    result[np.isnan(result).any(axis=1)] = np.nan
    return result
