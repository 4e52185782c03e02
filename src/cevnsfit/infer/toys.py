"""Pseudo-experiments in chunks of fixed size, each with a random stream of its own, and their p-values.

A chunk depends on the seed, its point and its number alone: the numbers are the same for any number of workers and any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import DomainError
from cevnsfit.infer.descent import TOLERANCE
from cevnsfit.infer.results import PointTest
from cevnsfit.infer.runner import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.infer.runner import Procedure
    from cevnsfit.stats.data import Data


CHUNK: Final = 128
"""Pseudo-experiments of one chunk."""

MOST: Final = 100_000_000
"""Most pseudo-experiments of one value."""

SURE: Final = 3.0
"""Monte Carlo errors between p and 1 - CL at which a decision is clear."""

TIE: Final = 100.0 * TOLERANCE
"""Statistics that differ by less are equal. Each is a difference of minima that fits reach to about `TOLERANCE`, from starts of their own:
of equal data they differ by up to 5e-9. Where the statistic takes all values, this changes a p-value by less than 1e-6."""

_NUMERICAL: Final = (ArithmeticError, np.linalg.LinAlgError, RuntimeError, ValueError)
"""What a fit that breaks down raises."""


@dataclass(frozen=True, slots=True)
class Toys:
    """Number and seed of pseudo-experiments.

    Attributes
    ----------
    number
        Pseudo-experiments for one value, at most, in whole chunks.
    seed
        Seed of all random streams.
    """

    number: int = 2048
    seed: int = 1

    def __post_init__(self) -> None:
        whole = all(isinstance(value, Integral) for value in (self.number, self.seed))
        if not whole or not 1 <= self.number <= MOST or self.seed < 0:
            message = f"pseudo-experiments need a number of at least 1, at most {MOST:.0e}, and a seed of at least 0, both whole, got {self.number} and {self.seed}"
            raise DomainError(message)

    @property
    def chunks(self) -> int:
        """Return the number of chunks of one value, at most."""
        return -(-self.number // CHUNK)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A chunk of pseudo-experiments of one hypothesis.

    Attributes
    ----------
    generate
        Returns a batch of data sets, given a random generator and their number.
    measure
        What is measured on a batch of P data sets, shape (P, k); rows with NaN are failures.
    seed
        Of the whole run.
    point
        Place of the hypothesis among all; None where there is one hypothesis, whose chunks are not kept.
    number
        Of the chunk: with the seed and the point it chooses the random stream.
    size
        Number of pseudo-experiments.
    """

    generate: Callable[[np.random.Generator, int], Data]
    measure: Callable[[Data], Floats]
    seed: int
    point: int | None = None
    number: int = 0
    size: int = CHUNK

    @property
    def call(self) -> Call:
        """Return the call of `run_chunk`."""
        return Call(run_chunk, (self,), None if self.point is None else (self.point, self.number))


def run_chunk(chunk: Chunk) -> Floats:
    """Return what is measured on the pseudo-experiments of a chunk, shape (size, k); rows with NaN are failures."""
    key = (chunk.number,) if chunk.point is None else (chunk.point, chunk.number)
    data = chunk.generate(np.random.default_rng(np.random.SeedSequence(chunk.seed, spawn_key=key)), chunk.size)
    try:
        return chunk.measure(data)
    except _NUMERICAL:
        return _one_by_one(chunk.measure, data)


def _one_by_one(measure: Callable[[Data], Floats], data: Data) -> Floats:
    """Return what is measured on each data set alone: one that breaks down becomes a row of NaN."""
    rows: list[Floats | None] = []
    for row in range(len(data.aux)):
        try:
            rows.append(measure(data.take(row).batch())[0])
        except _NUMERICAL:
            rows.append(None)
    width = max((len(row) for row in rows if row is not None), default=1)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows])


def calls(chunk: Chunk, numbers: Iterable[int]) -> list[Call]:
    """Return the calls of the chunks of the same pseudo-experiments with other numbers."""
    return [replace(chunk, number=number).call for number in numbers]


def measured(chunk: Chunk, count: int) -> Procedure[Floats]:
    """Return what is measured on the first `count` chunks of some pseudo-experiments, shape (count * size, k)."""
    return np.concatenate((yield calls(chunk, range(count))))


# --- p-values ----------------------------------------------------------------------------------------------------------------------


def p_value(toys: Floats, observed: float, without: Floats | None = None) -> tuple[float, float]:
    """Return the fraction of pseudo-experiments whose statistic is at least the observed one, and its Monte Carlo error.

    Pseudo-experiments that equal the data count, whatever the rounding of their fits (`TIE`). The error is that of (k + 1)/(N + 2): it does not vanish for k = 0.

    Parameters
    ----------
    toys
        The statistic in pseudo-experiments of the hypothesis, shape (N,).
    observed
        The observed one.
    without
        The statistic in pseudo-experiments without signal: the fraction is divided by theirs, as CLs is.

    Examples
    --------
    >>> p, error = p_value(np.array([0.1, 1.0, 2.0, 5.0]), 2.0)
    >>> p, round(error, 3)
    (0.5, 0.25)
    """
    if not len(toys) or math.isnan(observed):
        return math.nan, math.inf
    above = int(np.count_nonzero(toys >= observed - TIE))
    smooth = (above + 1) / (len(toys) + 2)
    p, error = above / len(toys), math.sqrt(smooth * (1 - smooth) / len(toys))
    if without is None:
        return p, error
    other, other_error = p_value(without, observed)
    return (p / other, math.hypot(error, p / other * other_error) / other) if other > 0 else (math.nan, math.inf)


def point_test(value: float, observed: float, samples: Sequence[Floats], alpha: float | None = None) -> PointTest:
    """Return a value tested with pseudo-experiments.

    Parameters
    ----------
    value
        The value.
    observed
        The observed statistic.
    samples
        The statistic in pseudo-experiments of the value, and in those without signal where CLs is meant; NaN in those that failed.
    alpha
        1 - CL, from which p shall differ; None where any p > 0 will do.
    """
    good = tuple(sample[~np.isnan(sample)] for sample in samples)
    p, error = p_value(good[0], observed, *good[1:])
    toys, every = (sum(map(len, several)) for several in (good, samples))
    decided = p > 0.0 if alpha is None else abs(p - alpha) > SURE * error
    return PointTest(value, observed, p, error, toys, every - toys, decided, good)
