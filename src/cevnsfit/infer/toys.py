"""Pseudo-experiments in chunks of fixed size, each with a random stream of its own.

A chunk depends on the seed, its point and its number alone: the numbers are the same for any number of workers and any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.minima import NEAR_ZERO, conditional_fits, couplings_of, free_fits
from cevnsfit.infer.starts import dominance_scale
from cevnsfit.stats.data import Data, toy_data

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
            rows.append(measure(data.take(row).batch())[0])
        except _NUMERICAL:
            rows.append(None)
    width = max((len(row) for row in rows if row is not None), default=1)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows])


def in_this_process(units: Sequence[Unit]) -> list[Floats]:
    """Return the chunks of some units, one after the other; those of one likelihood share what is prepared for it."""
    return [run_unit(unit) for unit in units]


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
    couplings, place = couplings_of(joint), joint.parameters.index(poi)
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
