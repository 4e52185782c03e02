"""Stages of a detector, composed to one matrix: reconstructed bin from true recoil energy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import optimize

from cevnsfit.core.axes import nest
from cevnsfit.core.errors import AxisError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

FINE_BINS: Final = 16
"""Fine bins in an analysis bin when a smearing names no grid."""

SPREAD: Final = np.array([-6.0, -3.0, 0.0, 3.0, 6.0])
"""Ends of panels around an edge, in standard deviations."""

T_MAX: Final = 1.0
"""End of the range in which kinks are looked for [MeV of recoil energy]."""


@dataclass(frozen=True, slots=True)
class Map:
    """A deterministic change of axis, such as quenching or a light yield.

    Attributes
    ----------
    input, output
        Axis names.
    function
        Output value of each input value, both in internal units.
    kinks
        Input values at which the function is not smooth.
    """

    input: str
    output: str
    function: Function
    kinks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """An efficiency: on the true value before the smearing, at the centres of the fine bins after it.

    Attributes
    ----------
    axis
        Axis name.
    function
        Efficiency as a function of the axis value in internal units.
    kinks
        Values at which the function is not smooth.
    """

    axis: str
    function: Function
    kinks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Smear:
    """A resolution; at most one in a chain, the last stage but for weights.

    Attributes
    ----------
    input, output
        Axis names of the mean and of the reconstructed value.
    probabilities
        (mean, shape (nodes,); edges, shape (nbins + 1,)) to probabilities, shape (nbins, nodes).
    integer
        True when the reconstructed value is a count: the fine bins are then [k, k + 1).
    width
        Standard deviation at a mean, for a resolution on its own axis; None for one that grows as the root of the energy, which integrations resolve.
    """

    input: str
    output: str
    probabilities: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    integer: bool = False
    width: Function | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A response that is known at some recoil energies, straight to the bins of the analysis.

    Attributes
    ----------
    energies
        Recoil energies in MeV, increasing, shape (n,).
    probabilities
        Of each bin, not negative, shape (bins, n); nothing is seen of recoils beyond the energies.
    """

    energies: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def at(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities at recoil energies [MeV], shape (bins, nodes): exponential between two that are positive, linear elsewhere."""
        place = np.clip(np.searchsorted(self.energies, t, side="right") - 1, 0, len(self.energies) - 2)
        part = (t - self.energies[place]) / (self.energies[place + 1] - self.energies[place])
        low, high = self.probabilities[:, place], self.probabilities[:, place + 1]
        positive = (low > 0.0) & (high > 0.0)
        logs = np.where(positive, np.log(np.where(positive, low, 1.0)) * (1.0 - part) + np.log(np.where(positive, high, 1.0)) * part, 0.0)
        between = np.where(positive, np.exp(logs), low * (1.0 - part) + high * part)
        return np.asarray(between * ((t >= self.energies[0]) & (t <= self.energies[-1])))


@dataclass(frozen=True, slots=True)
class Rescale:
    """A wrong energy scale, the last stage: what is reconstructed at x is taken for factor x + offset."""

    factor: float
    offset: float = 0.0

    def origin(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values that are taken for some edges."""
        return (edges - self.offset) / self.factor


Stage = Map | Weight | Smear | Matrix | Rescale


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """A detector as a matrix.

    Attributes
    ----------
    axis
        Name of the reconstructed axis.
    edges
        Bin edges in internal units, shape (nbins + 1,).
    matrix
        Probability that a recoil at a node is reconstructed in a bin, shape (nbins, nodes).
    """

    axis: str
    edges: NDArray[np.float64]
    matrix: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Chain:
    """A half-composed chain: node values and weights, then fine bins and a matrix."""

    axis: str
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    grid: NDArray[np.float64] | None = None


def compose(
    stages: Sequence[Stage],
    axis: str,
    edges: NDArray[np.float64],
    t: NDArray[np.float64],
    grid_edges: NDArray[np.float64] | None = None,
) -> Response:
    """Return the response of a chain of stages.

    Parameters
    ----------
    stages
        From the recoil energy ("t_recoil") to the reconstructed axis.
    axis
        The reconstructed axis; the chain must end on it.
    edges
        Its analysis edges in internal units, shape (nbins + 1,). Without smearing a value belongs to [low, high).
    t
        Recoil energies of the nodes [MeV], shape (nodes,).
    grid_edges
        Fine bins of the smearing, in which later weights are evaluated; the analysis edges must be among them.
        By default whole numbers for counts, `FINE_BINS` in an analysis bin otherwise.

    Raises
    ------
    AxisError
        If a stage does not start on the axis on which the one before it ends, or the grids do not nest.
    """
    nodes = np.asarray(t, dtype=np.float64)
    stages, bounds = _unscaled(stages, np.asarray(edges, dtype=np.float64))
    chain, seams = _Chain("t_recoil", nodes, np.ones_like(nodes)), _seams(stages, bounds)
    for stage in stages:
        chain = _matched(chain, stage, axis, bounds) if isinstance(stage, Matrix) else _apply(chain, stage, seams, grid_edges)
    _check(axis, chain.axis, "the analysis")
    if chain.grid is None:
        inside = (chain.values >= bounds[:-1, None]) & (chain.values < bounds[1:, None])
        matrix = inside * chain.weights
    else:
        matrix = nest(chain.grid, bounds) @ chain.weights
    return Response(axis, np.asarray(edges, dtype=np.float64), matrix)


def _unscaled(stages: Sequence[Stage], edges: NDArray[np.float64]) -> tuple[Sequence[Map | Weight | Smear | Matrix], NDArray[np.float64]]:
    """Return the stages before an error of the energy scale, and the edges as they are there."""
    if stages and isinstance(stages[-1], Rescale):
        edges = stages[-1].origin(edges)
    return [stage for stage in stages if not isinstance(stage, Rescale)], edges


def kinks(stages: Sequence[Stage], edges: NDArray[np.float64], t_max: float = T_MAX) -> NDArray[np.float64]:
    """Return the recoil energies at which the composed response is not smooth, increasing, in MeV.

    These are the pre-images of the kinks of maps and weights on the true axes and of the analysis edges, when nothing is smeared;
    of the values around an edge between which a resolution falls off, when something is: end points for the panels of an
    integration over the recoil energy.

    Parameters
    ----------
    stages
        As for `compose`.
    edges
        Analysis edges in internal units, shape (nbins + 1,).
    t_max
        Recoil energies above it are left out [MeV].
    """
    stages, edges = _unscaled(stages, edges)
    maps: list[Map] = []
    found: list[float] = []
    for stage in stages:
        if isinstance(stage, Matrix):
            found += [value for value in stage.energies if value <= t_max]
            break
        if isinstance(stage, Smear):
            for value in () if stage.width is None else _around(_seams(stages, edges), stage.width):
                found += _preimages(maps, value, t_max)
            break
        for value in stage.kinks:
            found += _preimages(maps, value, t_max)
        if isinstance(stage, Map):
            maps.append(stage)
    else:
        for edge in edges:
            found += _preimages(maps, float(edge), t_max)
    return np.unique(np.asarray(found, dtype=np.float64))


def _seams(stages: Sequence[Stage], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges, and between them the values at which weights on the reconstructed axis are not smooth."""
    smeared = next((place for place, stage in enumerate(stages) if isinstance(stage, Smear)), len(stages))
    inner = [value for stage in stages[smeared:] if isinstance(stage, Weight) for value in stage.kinks if edges[0] < value < edges[-1]]
    return np.unique(np.append(edges, inner))


def _around(edges: NDArray[np.float64], width: Function) -> list[float]:
    """Return values around the edges, no closer to each other than a resolution needs, increasing."""
    points = np.sort((edges[:, None] + SPREAD * width(np.maximum(edges, 0.0))[:, None]).ravel())
    kept: list[float] = []
    for point, near in zip(points, width(np.maximum(points, 0.0)), strict=True):
        if point > 0.0 and (not kept or point - kept[-1] > 2.0 * near):
            kept.append(float(point))
    return kept


def _matched(chain: _Chain, stage: Matrix, axis: str, edges: NDArray[np.float64]) -> _Chain:
    """Return the chain after a response matrix, in the bins of the analysis."""
    _check("t_recoil", chain.axis, "a response matrix")
    _check_unsmeared(chain, "a response matrix")
    if len(stage.probabilities) != len(edges) - 1:
        message = f"a response matrix for {len(stage.probabilities)} bins, but the analysis has {len(edges) - 1}"
        raise AxisError(message)
    return _Chain(axis, (edges[1:] + edges[:-1]) / 2, stage.at(chain.values) * chain.weights, edges)


def _apply(chain: _Chain, stage: Map | Weight | Smear, edges: NDArray[np.float64], grid_edges: NDArray[np.float64] | None) -> _Chain:
    """Return the chain with one more stage."""
    match stage:
        case Weight():
            _check(stage.axis, chain.axis, "a weight")
            factors = stage.function(chain.values)
            return replace(chain, weights=chain.weights * (factors if chain.grid is None else factors[:, None]))
        case Map():
            _check(stage.input, chain.axis, f"the map to '{stage.output}'")
            _check_unsmeared(chain, f"the map to '{stage.output}'")
            return replace(chain, axis=stage.output, values=stage.function(chain.values))
        case Smear():
            _check(stage.input, chain.axis, f"the smearing of '{stage.output}'")
            _check_unsmeared(chain, f"the smearing of '{stage.output}'")
            grid = _fine(edges, integer=stage.integer) if grid_edges is None else np.asarray(grid_edges, dtype=np.float64)
            weights = stage.probabilities(chain.values, grid) * chain.weights
            return _Chain(stage.output, (grid[1:] + grid[:-1]) / 2, weights, grid)


def _check(wanted: str, current: str, who: str) -> None:
    if wanted != current:
        message = f"{who} acts on the axis '{wanted}', but the response is on '{current}' there"
        raise AxisError(message)


def _check_unsmeared(chain: _Chain, who: str) -> None:
    if chain.grid is not None:
        message = f"{who} follows a smearing to '{chain.axis}'; only weights on '{chain.axis}' can"
        raise AxisError(message)


def _fine(edges: NDArray[np.float64], *, integer: bool) -> NDArray[np.float64]:
    """Return the default grid of a smearing into analysis bins."""
    if integer:
        return np.arange(np.floor(edges[0]), np.ceil(edges[-1]) + 1.0)
    fractions = np.arange(FINE_BINS) / FINE_BINS
    inner = edges[:-1, None] + np.diff(edges)[:, None] * fractions
    return np.append(inner.ravel(), edges[-1])


def _preimages(maps: Sequence[Map], value: float, t_max: float) -> list[float]:
    """Return every recoil energy in (0, t_max] that the maps send through `value`."""

    def distance(t: NDArray[np.float64]) -> NDArray[np.float64]:
        x = t
        for stage in maps:
            x = stage.function(x)
        return x - value

    grid = np.concatenate([[0.0], np.geomspace(1e-9 * t_max, t_max, 500)])
    below = distance(grid) < 0
    brackets = np.flatnonzero(below[1:] != below[:-1])
    return [
        float(optimize.brentq(lambda t: float(distance(np.array([t]))[0]), grid[i], grid[i + 1], xtol=1e-15, rtol=1e-13)) for i in brackets
    ]
