"""Results in a plane of two parameters: a profiled grid, and the regions that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneAxis:
    """One parameter of a plane.

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
    scale: Literal["linear", "log"]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The allowed region of one confidence level.

    Attributes
    ----------
    cl, dof
        Confidence level and degrees of freedom of the threshold.
    threshold
        Delta(-2 ln L) at its boundary.
    columns
        Allowed intervals of the second parameter at each value of the first, exact crossings, clipped to the domain.
    allowed, excluded
        Polygons in the plane, each a tuple (outer ring, holes...), rings of shape (n, 2).
    branches
        Boundary lines between allowed and excluded, shape (n, 2) each; a region may have several.
    """

    cl: float
    dof: int
    threshold: float
    columns: tuple[tuple[Interval, ...], ...]
    allowed: tuple[tuple[NDArray[np.float64], ...], ...]
    excluded: tuple[tuple[NDArray[np.float64], ...], ...]
    branches: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A profiled grid in two parameters.

    Attributes
    ----------
    label
        The experiments, joined with " + ".
    experiments, model
        Names.
    x, y
        The axes; `x` is a nonlinear parameter (mass) where there is one.
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
    """

    experiment: str
    axis: str
    unit: str
    edges: NDArray[np.float64]
    observed: NDArray[np.float64] | None
    components: Mapping[str, NDArray[np.float64]]
