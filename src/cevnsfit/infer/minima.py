"""Minima of data sets in batches: where free fits start, and the best of several of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.intervals import coupling_scale
from cevnsfit.infer.profile import profile
from cevnsfit.infer.starts import dominance_scale, search
from cevnsfit.stats.data import asimov_data
from cevnsfit.stats.engine import bind_data, nll2_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

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
    couplings = [i for i in couplings_of(joint) if parameters.names[i] in wanted]
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


def couplings_of(joint: Joint) -> list[int]:
    """Return the indices of the couplings."""
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
    which, rows = np.nonzero(_promising(joint, data, starts, [i for i in couplings_of(joint) if joint.parameters.names[i] in floating]))
    fixed = {name: np.full(len(rows), value) for name, value in held.items()}
    found = profile(joint, fixed, data=data.rows(rows), start=starts[which, rows], floating=floating)
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
    bound = bind_data(joint, data, np.empty(0, dtype=np.int64))
    rows = np.arange(starts.shape[1])
    values = np.array([nll2_at(bound, start, rows) for start in starts])
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
        nominal = (channel.coefficients.excursion_kind == 0) & (channel.coefficients.powers.sum(axis=1) == powers)
        np.add.at(totals, powers[nominal], channel.templates[nominal].sum(axis=1))
    counts = np.polynomial.Polynomial(totals)
    roots = counts.deriv().roots().astype(np.complex128)
    turns = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(turns[np.argmin(counts(turns))]) if turns.size else 0.0


def _even(joint: Joint) -> list[int]:
    """Return the couplings with a domain that starts at 0 of which the counts know even powers alone."""
    return [i for i in _squares(joint, couplings_of(joint)) if joint.parameters.parameters[i].lower == 0.0]


def _both_signs(joint: Joint, even: Sequence[int]) -> Joint:
    """Return the likelihood with both signs of some couplings allowed."""
    if not even:
        return joint
    parameters = tuple(replace(p, lower=-p.upper) if i in even else p for i, p in enumerate(joint.parameters))
    return replace(joint, parameters=ParameterSet(parameters))


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
    free = [i for i in couplings_of(joint) if not joint.parameters.parameters[i].fixed and joint.parameters.names[i] not in held]
    if free:
        return free_fits(joint, data, _apart(joint, starts, free), held=held)
    size = len(data.aux)
    found = profile(joint, {name: np.full(size, value) for name, value in held.items()}, data=data, start=starts[0])
    return np.where(found.converged | np.isposinf(found.nll2), found.nll2, np.nan), found.theta
