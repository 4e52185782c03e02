"""Results in a plane of two parameters: a profiled grid, and the regions that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from cevnsfit.core.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Interval = tuple[float, float]
Spacing = Literal["linear", "log"]

_NEAR: Final = 100.0
"""Points farther than this above the minimum in -2 ln lambda cannot move a boundary."""


def spacing(values: NDArray[np.float64]) -> Spacing:
    """Return how increasing values are spaced: "log" where their ratios are equal.

    Examples
    --------
    >>> spacing(np.array([1.0, 10.0, 100.0])), spacing(np.array([0.0, 1.0, 2.0]))
    ('log', 'linear')
    """
    ratios = np.diff(np.log(values)) if values[0] > 0.0 else np.array([0.0, 1.0])
    return "log" if np.allclose(ratios, ratios[0], rtol=1e-6) else "linear"


@dataclass(frozen=True, slots=True, eq=False)
class PlaneAxis:
    """One parameter of a plane; two axes are equal when all that they hold is.

    Attributes
    ----------
    name, unit
        The parameter and the unit of its values.
    values
        Increasing grid values, shape (n,).
    scale
        How it is spaced and drawn.
    """

    name: str
    unit: str
    values: NDArray[np.float64]
    scale: Spacing

    @property
    def header(self) -> str:
        """Return "name [unit]"."""
        return f"{self.name} [{self.unit}]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlaneAxis) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str, bytes]:
        return self.name, self.unit, self.scale, np.asarray(self.values, dtype=np.float64).tobytes()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Region(Document):
    """The allowed region of one confidence level.

    Attributes
    ----------
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    threshold
        Delta(-2 ln L) at its boundary.
    columns
        Allowed intervals of the second parameter at each value of the first, clipped to the domain.
    allowed, excluded
        Polygons in the plane, each a tuple (outer ring, holes...), rings of shape (n, 2).
    branches
        Boundary lines between allowed and excluded, shape (n, 2) each; a region may have several.
    known
        Points of them that are exact, where a column ends an interval, shape (n, 2): between these lines are interpolated. None on a surface over the plane.
    """

    document: ClassVar[Mapping[str, str | None]] = {"known": None}

    cl: float
    dof: int
    threshold: float
    columns: tuple[tuple[Interval, ...], ...]
    allowed: tuple[tuple[NDArray[np.float64], ...], ...]
    excluded: tuple[tuple[NDArray[np.float64], ...], ...]
    branches: tuple[NDArray[np.float64], ...]
    known: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))


def known_ends(x: PlaneAxis, y: PlaneAxis, columns: Sequence[Sequence[Interval]]) -> NDArray[np.float64]:
    """Return the ends of the intervals of columns that lie inside a plane, shape (n, 2)."""
    low, high = float(y.values[0]), float(y.values[-1])
    ends = [
        (float(value), end) for value, pairs in zip(x.values, columns, strict=True) for pair in pairs for end in pair if low < end < high
    ]
    return np.array(ends, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plane(Document):
    """A profiled grid in two parameters.

    Attributes
    ----------
    label
        The experiments, joined with " + ".
    experiments, model
        Names.
    x, y
        The axes, in the order that was asked for.
    nll2
        Profiled -2 ln lambda, shape (nx, ny).
    valid
        True where the profile converged, shape (nx, ny).
    best
        Best fit in the plane: parameter values, and its -2 ln lambda under "nll2".
    reference_nll2
        -2 ln lambda of the Standard Model (couplings at 0), NaN where there is none.
    fallbacks
        Number of points that the batched kernel handed to iminuit.
    caveat
        What is left out ("CEvNS only"), or an empty string.
    """

    document: ClassVar[Mapping[str, str]] = {"best_fit": "best"}

    label: str
    experiments: tuple[str, ...]
    model: str
    x: PlaneAxis
    y: PlaneAxis
    nll2: NDArray[np.float64]
    valid: NDArray[np.bool_]
    best: Mapping[str, float]
    reference_nll2: float
    fallbacks: int
    caveat: str = ""

    @property
    def axes(self) -> tuple[PlaneAxis, PlaneAxis]:
        """Return both axes."""
        return self.x, self.y

    @property
    def doubtful(self) -> int:
        """Return the number of points without a valid minimum that could move a boundary."""
        far = self.nll2 - self.best["nll2"] > _NEAR
        return int(np.count_nonzero(~self.valid & ~far))

    @property
    def best_described(self) -> str:
        """Return the best fit, and its -2 ln lambda beside that without new physics, in words."""
        found = ", ".join(f"{one.name} = {self.best[one.name]:.6g}{'' if one.unit == '1' else f' {one.unit}'}" for one in self.axes)
        reference = "" if math.isnan(self.reference_nll2) else f", {self.reference_nll2:z.4f} without new physics"
        return f"best fit {found}, -2 ln lambda = {self.best['nll2']:z.4f}{reference}"

    def turned(self) -> Plane:
        """Return the same plane with its axes exchanged."""
        return replace(self, x=self.y, y=self.x, nll2=self.nll2.T, valid=self.valid.T)


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Counts of one experiment along one axis, for a plot of data against components.

    Attributes
    ----------
    experiment, axis, unit
        Names, and the unit of `edges` ("1" for none).
    edges
        Bin edges, shape (nbins + 1,).
    observed
        Counts, shape (nbins,), or None for a projection without data.
    components
        Expected counts by component at the best fit, shape (nbins,) each; "cevns" is the signal.
    errors
        Errors of the observed values (of the expected ones without data), below and above, shape (2, nbins); None for counts.
    uncertainty
        One standard deviation of what is expected, shape (nbins,), None where it is not known.
    fitted
        Whether it is that of a fit, and not that of what is known before one.
    caveat
        What is left out ("CEvNS only"), or an empty string.
    """

    experiment: str
    axis: str
    unit: str
    edges: NDArray[np.float64]
    observed: NDArray[np.float64] | None
    components: Mapping[str, NDArray[np.float64]]
    errors: NDArray[np.float64] | None = None
    uncertainty: NDArray[np.float64] | None = None
    fitted: bool = False
    caveat: str = ""

    @property
    def total(self) -> NDArray[np.float64]:
        """Return what is expected in all, shape (nbins,)."""
        return np.sum([*self.components.values()], axis=0, dtype=np.float64) + np.zeros(len(self.edges) - 1)
