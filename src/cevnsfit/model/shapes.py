"""Shapes of backgrounds in bins: tables and formulas, at any value of a number that floats, and on axes whose scale is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import exprel, ndtr

from cevnsfit.core.axes import overlap
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter
from cevnsfit.core.units import parse
from cevnsfit.model.rows import MAX_NUMBERS, through_nodes
from cevnsfit.model.stages import detector_stages, gaussian_width, reconstructed_efficiency
from cevnsfit.model.times import losses
from cevnsfit.spec.instrument import GaussianSmearing
from cevnsfit.spec.shapes import JointShape, LineFactor, ProductShape, TableFactor, span
from cevnsfit.stats.interpolation import spline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.model.rows import Excursion
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.shapes import Factor, Shape

    Floats = NDArray[np.float64]

FIRST: Final = 9
"""Nodes of a number that floats, to begin with; their distance is halved until the shape between them is good."""

MOST: Final = 129
"""Nodes beyond which the range is too wide."""

ACCURACY: Final = (1e-5, 1e-6)
"""Largest error between two nodes, relative to the bin, and to all bins."""


class Held(NamedTuple):
    """A number of a shape at a value, in internal units."""

    axis: str
    field: str
    value: float


def counts_of(experiment: Experiment, shape: Shape, axes: Sequence[Axis], held: Held | None = None) -> Floats:
    """Return a shape in the bins of some axes, those of the experiment or others of the same names, in any normalisation, shape (bins,).

    Numbers that float are at their values, or one of them where it is `held`.
    """
    if isinstance(shape, JointShape):
        table = experiment.tables[shape.table]
        if axes is experiment.axes:
            return table.on(axes, shape.column).ravel()
        own = next(entry for entry in table.axes if entry.name == axes[0].name)
        values = table.on((own, *axes[1:]), shape.column)
        return np.asarray(np.tensordot(_divided(own, axes[0]), values, axes=(1, 0)).ravel())
    product = np.ones(1)
    for axis in axes:
        here = {held.field: held.value} if held is not None and held.axis == axis.name else {}
        product = np.outer(product, _factor(experiment, axis, shape.factors[axis.name], here)).ravel()
    return product


def _factor(experiment: Experiment, axis: Axis, factor: Factor, held: Mapping[str, float]) -> Floats:
    if factor.kind == "uniform":
        return np.diff(axis.edges)
    if isinstance(factor, TableFactor):
        table = experiment.tables[factor.table]
        own = next(entry for entry in table.axes if entry.name == axis.name)
        values = table.on((own,), factor.column)
        fine = np.asarray(own.edges)
        seen = efficiency_on(experiment, axis, (fine[1:] + fine[:-1]) / 2.0) if factor.efficiency else 1.0
        return np.asarray(_divided(own, axis) @ (values * seen))
    numbers = {**factor.numbers(axis, held), **held}
    if isinstance(factor, LineFactor) and factor.width is None:
        numbers["width"] = _resolution(experiment, axis, numbers["position"])
    with np.errstate(all="ignore"):
        values = FORMULAS[factor.kind](np.asarray(axis.edges), **numbers)
    if not (np.isfinite(values).all() and np.all(values >= 0.0) and (values.sum() > 0.0 or factor.kind == "line")):
        written = ", ".join(f"{field} = {number:g}" for field, number in numbers.items())
        message = (
            f"{experiment.label}: the shape '{factor.kind}' in {axis.name} is negative, infinite or empty at {written} (internal units)"
        )
        raise CevnsfitError(message)
    return values


def _divided(own: Axis, axis: Axis) -> Floats:
    """Return the part of each bin of a table that lies in each bin of an axis; beyond its ends the densities there go on."""
    fine, coarse = np.asarray(own.edges), np.asarray(axis.edges)
    below, above = max(fine[0] - coarse[0], 0.0), max(coarse[-1] - fine[-1], 0.0)
    longer = np.concatenate([[coarse[0]] if below else [], fine, [coarse[-1]] if above else []])
    matrix = overlap(longer, coarse)
    kept = matrix[:, int(below > 0.0) : int(below > 0.0) + own.nbins]
    if below:
        kept[:, 0] += matrix[:, 0] * below / (fine[1] - fine[0])
    if above:
        kept[:, -1] += matrix[:, -1] * above / (fine[-1] - fine[-2])
    return kept


def _exponential(edges: Floats, rate: float) -> Floats:
    heights = -rate * edges[:-1]
    return np.asarray(np.exp(heights - heights.max()) * np.diff(edges) * exprel(-rate * np.diff(edges)))


def _power_law(edges: Floats, index: float) -> Floats:
    steps = np.diff(np.log(edges))
    heights = (1.0 - index) * np.log(edges[:-1])
    return np.asarray(np.exp(heights - heights.max()) * steps * exprel((1.0 - index) * steps))


def _line(edges: Floats, position: float, width: float) -> Floats:
    z = (edges - position) / width
    low, high = z[:-1], z[1:]
    return np.asarray(np.where(low > 0.0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low)))


def _polynomial(edges: Floats, slope: float, curvature: float) -> Floats:
    z = (2.0 * edges - edges[0] - edges[-1]) / (edges[-1] - edges[0])
    return np.diff(z + slope * z**2 / 2.0 + curvature * (z**3 - z) / 2.0)


FORMULAS: Final[Mapping[str, Callable[..., Floats]]] = {
    "exponential": _exponential,
    "power-law": _power_law,
    "line": _line,
    "polynomial": _polynomial,
}
"""The integral over each bin of each kind of formula; that of a line over all energies is 1, others have any normalisation."""


def _resolution(experiment: Experiment, axis: Axis, position: float) -> float:
    """Return the width that the detector gives a line."""
    for stage in experiment.spec.response.values():
        if isinstance(stage, GaussianSmearing) and stage.axis == axis.quantity:
            return float(gaussian_width(stage, np.array(position)))
    message = f"{experiment.label}: a line in {axis.name} needs a width: the response has no gaussian-smearing on this axis"
    raise CevnsfitError(message)


def efficiency_on(experiment: Experiment, axis: Axis, centres: Floats) -> Floats:
    """Return the detector's efficiency on an axis."""
    if axis.name == "time":
        seen = losses(experiment)[0].seen
        return np.ones_like(centres) if seen is None else seen(centres)
    return reconstructed_efficiency(detector_stages(experiment.spec.response, experiment.tables), centres)


def inside(experiment: Experiment, shape: Shape) -> float:
    """Return the part of the lines of a shape that lies in the window."""
    lines = [(axis, shape.factors[axis.name]) for axis in experiment.axes] if isinstance(shape, ProductShape) else []
    return float(np.prod([_factor(experiment, axis, factor, {}).sum() for axis, factor in lines if isinstance(factor, LineFactor)]))


def shape_rows(experiment: Experiment, name: str, mean: float) -> tuple[tuple[Parameter, ...], tuple[tuple[Excursion, Floats], ...]]:
    """Return the parameter of the shape of a background, if it has one, and the templates that it adds.

    Shapes are normalised to `mean` counts in the window at any value of the parameter; lines keep their area.

    Raises
    ------
    CevnsfitError
        If too many nodes are needed.
    """
    shape = experiment.spec.backgrounds[name].shape
    if not isinstance(shape, ProductShape) or not shape.floating:
        return (), ()
    ((place, field, number),) = shape.floating
    axis, factor = next(axis for axis in experiment.axes if axis.name == place), shape.factors[place]
    assert not isinstance(factor, TableFactor)
    assert factor.kind != "uniform"
    floating = span(number, factor.unit(field, axis))
    line = isinstance(factor, LineFactor)
    nominal = counts_of(experiment, shape, experiment.axes).sum()

    unit = parse(f"1 {floating.unit}", factor.unit(field, axis)) if floating.unit else 1.0

    def at(value: float) -> Floats:
        values = counts_of(experiment, shape, experiment.axes, Held(place, field, unit * value))
        return np.asarray(values * (mean / (nominal if line else values.sum())))

    grid, templates = _nodes(at, (floating.low, floating.value, floating.high), f"{experiment.label}: {name}: {place}.{field}")
    about = f"{field} of {name}"
    parameter = Parameter(
        f"{experiment.label}.{name}_{field}",
        "nuisance",
        floating.value,
        floating.low,
        floating.high,
        unit=floating.unit or "1",
        description=about,
    )
    if floating.sigma is not None:
        grid = (grid - floating.value) / floating.sigma
        about = f"{about} {floating.value:g} +- {floating.sigma:g}{f' {floating.unit}' if floating.unit else ''}, in units of the error"
        parameter = Parameter(parameter.name, "nuisance", 0.0, float(grid[0]), float(grid[-1]), constrained=True, description=about)
    nodes = tuple(float(node) for node in grid)
    return (parameter,), through_nodes(parameter.name, nodes, nodes.index(parameter.default), templates)


def _nodes(at: Callable[[float], Floats], ends: tuple[float, float, float], what: str) -> tuple[Floats, list[Floats]]:
    """Return nodes from the first to the last of `ends`, the one in the middle among them, and the templates there, between which a spline is good."""
    low, value, high = ends
    number = FIRST
    while number <= MOST:
        grid = np.linspace(low, high, number)
        if value not in (low, high):
            grid[1 + int(np.argmin(np.abs(grid[1:-1] - value)))] = value
        templates = [at(float(node)) for node in grid]
        if len(templates[0]) * number > MAX_NUMBERS:
            break
        middle = (grid[1:] + grid[:-1]) / 2.0
        true = np.array([at(float(node)) for node in middle])
        wrong = np.abs(spline(grid, np.array(templates)).at(middle).value - true)
        if np.all(wrong <= ACCURACY[0] * true + ACCURACY[1] * true.sum(axis=1, keepdims=True)):
            return grid, templates
        number = 2 * number - 1
    message = f"{what}: from {low:g} to {high:g} the shape changes too much; give a narrower range"
    raise CevnsfitError(message)
