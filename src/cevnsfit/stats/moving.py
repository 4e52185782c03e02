"""Templates that arrive later or earlier as a whole: counts in time bins as exact functions of a shift.

Of rows that move, what does not depend on time is a constant C_m[a, e] for each arrival a (prompt and delayed neutrinos, neutrons), and

    mu[e, t] = sum_m A_m(theta) (B_m[e, t] + sum_a C_m[a, e] (P_a[t](s) - P_a[t](0))),

with B_m the template at s = 0 and P_a[t](s) the probability of the time bin t. This is sum_k c_k(theta) D_k, written as the product that it is:
it costs no more than the templates do. P is a cubic spline in s on steps that are short against the pulse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.stats.interpolation import Derivatives, spline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.stats.interpolation import Spline

    AnyFloats = NDArray[np.floating[Any]]


def time_factors(shifts: Floats, probabilities: Floats) -> Spline:
    """Return P_a[t](s) - P_a[t](0), given the probabilities of the time bins at some shifts, 0 among them.

    Parameters
    ----------
    shifts
        In units of the parameter, shape (n,).
    probabilities
        Shape (n, arrivals, time bins).
    """
    return spline(shifts, probabilities - probabilities[int(np.argmin(np.abs(shifts)))])


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """The rows of a channel that a parameter shifts in time, the last axis.

    Attributes
    ----------
    parameter
        Name of the parameter, one of those of the rule.
    rows
        Which rows, shape (m,).
    constants
        C, counts by row, bin of the other axes, and arrival, shape (m, others, arrivals).
    times
        The time factors P_a[t](s) - P_a[t](0) of a shift in units of the parameter, (arrivals, time bins).
    """

    parameter: str
    rows: Ints
    constants: Floats
    times: Spline

    def __post_init__(self) -> None:
        if self.constants.shape[::2] != (len(self.rows), self.times.coefficients.shape[2]):
            message = f"moving templates: {self.constants.shape} constants for {len(self.rows)} rows and {self.times.coefficients.shape[2]} arrivals"
            raise CevnsfitError(message)

    def counts(self, amplitudes: Floats, shifts: Floats) -> Floats:
        """Return what the shift adds to the expected counts, shape (P, bins), given the amplitudes of all rows, (P, M), and the shifts, (P,)."""
        return _product(self.spread(amplitudes[:, self.rows]), self.times.at(shifts).value)

    def spread(self, amplitudes: Floats) -> Floats:
        """Return sum_m A_m C_m of the rows' amplitudes, shape (..., m) to (..., others, arrivals)."""
        flat = amplitudes @ self.constants.reshape(len(self.rows), -1)
        return np.asarray(flat.reshape(*amplitudes.shape[:-1], *self.constants.shape[1:]))

    def scaled(self, factors: Floats) -> Moving:
        """Return what moves when the rows of the channel are multiplied by factors, shape (M,)."""
        return replace(self, constants=self.constants * factors[self.rows, None, None])

    def kept(self, rows: Ints) -> Moving | None:
        """Return what moves among some rows of the channel, counted anew; None where nothing does."""
        places = {int(row): place for place, row in enumerate(rows)}
        found = [k for k, row in enumerate(self.rows) if int(row) in places]
        if not found:
            return None
        return replace(self, rows=np.array([places[int(self.rows[k])] for k in found], dtype=np.int64), constants=self.constants[found])

    def pull_back(self, slopes: Floats, factors: Floats) -> Floats:
        """Return the slopes of the rows' amplitudes, (P, m), from those of the counts, (P, bins), at the time factors (P, arrivals, time bins)."""
        return np.asarray(_pulled(slopes, factors) @ self.constants.reshape(len(self.rows), -1).T)


class Moved(NamedTuple):
    """An evaluation of what moves: sum_m A_m C_m (P, others, arrivals), the time factors, and what they add to the counts, (P, bins)."""

    held: Floats
    factors: Derivatives
    counts: Floats

    def take(self, chosen: Ints) -> Moved:
        """Return that of some of the points."""
        return Moved(self.held[chosen], Derivatives(*(item[chosen] for item in self.factors)), self.counts[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class BoundMoving:
    """What moves in a channel that is bound to data.

    Attributes
    ----------
    moving
        All rows, constants being 0 for those that do not move, and the time factors.
    local
        Place of the parameter among the local ones.
    column
        Its place among the local ones that float, -1 where it does not.
    seen, empty
        Which bins of the channel those of its templates are, and those without counts.
    content
        In units of which depths of the latter are measured.
    """

    moving: Moving
    local: int
    column: int
    seen: Ints
    empty: Ints
    content: Floats

    def at(self, amplitudes: Floats, theta: Floats) -> Moved:
        """Return what moves at amplitudes (P, M) and local parameters (P, n)."""
        held = self.moving.spread(amplitudes)
        factors = self.moving.times.at(theta[:, self.local])
        return Moved(held, factors, _product(held, factors.value))

    def slopes(self, moved: Moved, by_count: Floats, slope: Floats) -> Floats:
        """Return the slope in the shift, (P,), and add those in the amplitudes to `slope`, (P, M); `by_count` are those in the counts, (P, bins)."""
        slope += self.moving.pull_back(by_count, moved.factors.value)
        return np.asarray(np.einsum("pb,pb->p", by_count, _product(moved.held, moved.factors.first)))

    def everywhere(self, values: AnyFloats) -> NDArray[np.float32]:
        """Return values in the bins of the templates, shape (..., seen), in all bins, 0 in the others, shape (..., bins)."""
        bins = self.moving.constants.shape[1] * self.moving.times.coefficients.shape[3]
        result = np.zeros((*values.shape[:-1], bins), dtype=np.float32)
        result[..., self.seen] = values
        return result

    def jacobian(self, moved: Moved, held: AnyFloats) -> AnyFloats:
        """Return what is added to the slopes of the counts, (P, n, bins), given the spread slopes of the amplitudes, (P, n, others, arrivals)."""
        points, n, others, arrivals = held.shape
        factors = moved.factors.value.astype(held.dtype)
        found = (held.reshape(points, n * others, arrivals) @ factors).reshape(points, n, others * factors.shape[2])
        if self.column >= 0:
            found[:, self.column] += _product(moved.held, moved.factors.first)
        return np.asarray(found)

    def curvature(self, moved: Moved, held: Floats, by_count: Floats) -> Floats:
        """Return sum_bins by_count d2 counts that involve the shift, (P, n, n), given the spread slopes of the amplitudes."""
        points, n, others, arrivals = held.shape
        result = np.zeros((points, n, n))
        if self.column < 0:
            return result
        mixed = (held.reshape(points, n, others * arrivals) @ _pulled(by_count, moved.factors.first)[:, :, None])[:, :, 0]
        result[:, self.column] += mixed
        result[:, :, self.column] += mixed
        result[:, self.column, self.column] += np.einsum("pb,pb->p", by_count, _product(moved.held, moved.factors.second))
        return result


def _product(held: Floats, factors: Floats) -> Floats:
    """Return sum_a held[e, a] factors[a, t], shape (P, bins)."""
    return np.asarray((held @ factors).reshape(len(held), held.shape[1] * factors.shape[2]))


def _pulled(by_count: Floats, factors: Floats) -> Floats:
    """Return sum_t by_count[e, t] factors[a, t], shape (P, others x arrivals)."""
    points, arrivals, times = factors.shape
    others = by_count.shape[1] // times
    return np.asarray((by_count.reshape(points, others, times) @ factors.transpose(0, 2, 1)).reshape(points, others * arrivals))
