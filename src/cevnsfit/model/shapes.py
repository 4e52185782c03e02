"""Shapes of backgrounds in bins: tables and formulas, at any value of a number that floats, and on axes whose scale is wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import exprel, ndtr

from cevnsfit.core.axes import overlap
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter
from cevnsfit.core.units import parse
from cevnsfit.model.rows import MAX_NUMBERS, through_grid, through_nodes
from cevnsfit.model.stages import detector_stages, gaussian_width, reconstructed_efficiency
from cevnsfit.model.times import losses
from cevnsfit.spec.instrument import GaussianSmearing
from cevnsfit.spec.shapes import Formula, JointShape, LineFactor, PolynomialFactor, ProductShape, Span, TableFactor, span
from cevnsfit.stats.interpolation import spline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.model.rows import Excursion
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.shapes import Factor, Shape, ShapeNumber


FIRST: Final = 9
"""Nodes of a number that floats, to begin with; their distance is halved until the shape between them is good."""

MOST: Final = 129
"""Nodes beyond which the range is too wide."""

ACCURACY: Final = (1e-5, 1e-6)
"""Largest error between two nodes, relative to the bin, and to all bins."""

NONE: Final[Mapping[str, Mapping[str, float]]] = {}
"""Nothing that is held."""


def counts_of(experiment: Experiment, shape: Shape, axes: Sequence[Axis], held: Mapping[str, Mapping[str, float]] = NONE) -> Floats:
    """Return a shape in the bins of some axes, those of the experiment or others of the same names, in any normalisation, shape (bins,).

    Numbers that float are at their values, or where they are `held`, by axis and field, in internal units.
    """
    if isinstance(shape, JointShape):
        table = experiment.tables[shape.table]
        if axes is experiment.axes:
            return table.on(axes, shape.column).ravel()
        own = next(entry for entry in table.axes if entry.name == axes[0].name)
        values = table.on((own, *axes[1:]), shape.column)
        return np.asarray(np.tensordot(_divided(own, axes[0]), values, axes=(1, 0)).ravel())
    total = np.ones(1)
    for axis in axes:
        total = np.outer(total, _factor(experiment, axis, shape.factors[axis.name], held.get(axis.name, {}))).ravel()
    return total


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
    if isinstance(factor, PolynomialFactor):
        window = next(entry.edges for entry in experiment.axes if entry.name == axis.name)
        numbers |= {"low": window[0], "high": window[-1]}
    with np.errstate(all="ignore"):
        values = FORMULAS[factor.kind](np.asarray(axis.edges), **numbers)
    if not (np.isfinite(values).all() and np.all(values >= 0.0) and (values.sum() > 0.0 or factor.kind == "line")):
        written = ", ".join(f"{field} = {number:g}" for field, number in numbers.items())
        message = (
            f"{experiment.label}: the shape '{factor.kind}' in {axis.name} is negative, infinite or empty at {written} (internal units)"
        )
        raise CevnsfitError(message)
    return values if factor.kind == "line" else np.asarray(values / values.sum())


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


def _polynomial(edges: Floats, slope: float, curvature: float, low: float, high: float) -> Floats:
    z = (2.0 * edges - low - high) / (high - low)
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


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of a shape that floats: its place, its range in the unit in which it is written, and that unit in internal ones."""

    axis: str
    field: str
    range: Span
    unit: float

    def parameter(self, name: str) -> Parameter:
        """Return its parameter of a name: the number itself, or its deviation in standard errors."""
        low, high, sigma, unit = self.range.low, self.range.high, self.range.sigma, self.range.unit
        about = f"{self.field} in {self.axis}"
        if sigma is None:
            return Parameter(name, "nuisance", self.range.value, low, high, unit=unit if unit else "1", description=about)
        about = f"{about}: {self.range.value:g} +- {sigma:g}{f' {unit}' if unit else ''}, in units of the error"
        low, high = self.nodes(np.array([low, high]))
        return Parameter(name, "nuisance", 0.0, low, high, constrained=True, description=about)

    def nodes(self, grid: Floats) -> tuple[float, ...]:
        """Return values of the number as values of its parameter."""
        sigma = self.range.sigma
        return tuple((grid if sigma is None else (grid - self.range.value) / sigma).tolist())


def shape_rows(experiment: Experiment, name: str, mean: float) -> tuple[tuple[Parameter, ...], tuple[tuple[Excursion, Floats], ...]]:
    """Return the parameters of the shape of a background, one or two if there are any, and the templates that they add.

    Shapes are normalised to `mean` counts in the window at any value of the parameters; lines keep their area.

    Raises
    ------
    CevnsfitError
        If too many nodes are needed.
    """
    shape, axes = experiment.spec.backgrounds[name].shape, {axis.name: axis for axis in experiment.axes}
    if not isinstance(shape, ProductShape) or not shape.floating:
        return (), ()
    numbers = [_number(shape.factors[place], axes[place], field, number) for place, field, number in shape.floating]
    scale = mean / counts_of(experiment, shape, experiment.axes).sum()

    def at(*values: float) -> Floats:
        held: dict[str, dict[str, float]] = {}
        for number, value in zip(numbers, values, strict=True):
            held.setdefault(number.axis, {})[number.field] = number.unit * value
        return np.asarray(scale * counts_of(experiment, shape, experiment.axes, held))

    def along(k: int, value: float) -> Floats:
        """Return the shape with one number at a value, the others at their own and at their ends."""
        others = [(value,) if other is numbers[k] else (other.range.value, other.range.low, other.range.high) for other in numbers]
        return np.concatenate([at(*place) for place in product(*others)])

    grids = [
        _nodes(partial(along, k), entry.range, f"{experiment.label}: {name}: {entry.axis}.{entry.field}") for k, entry in enumerate(numbers)
    ]
    bins, needed = math.prod(axis.nbins for axis in experiment.axes), math.prod(len(grid) for grid in grids)
    if bins * needed > MAX_NUMBERS:
        message = f"{experiment.label}: {name}: {needed} templates of {bins} bins are too many; give narrower ranges, or float one number"
        raise CevnsfitError(message)
    twice = len({entry.field for entry in numbers}) < len(numbers)
    keys = (f"{entry.axis}_{entry.field}" if twice else entry.field for entry in numbers)
    parameters = tuple(entry.parameter(f"{experiment.label}.{name}_{key}") for entry, key in zip(numbers, keys, strict=True))
    nodes = [entry.nodes(grid) for entry, grid in zip(numbers, grids, strict=True)]
    nominal = [places.index(parameter.default) for places, parameter in zip(nodes, parameters, strict=True)]
    if len(numbers) == 1:
        return parameters, through_nodes(parameters[0].name, nodes[0], nominal[0], [at(float(value)) for value in grids[0]])
    values = np.array([[at(float(one), float(other)) for other in grids[1]] for one in grids[0]])
    names = parameters[0].name, parameters[1].name
    return parameters, through_grid(names, (nodes[0], nodes[1]), (nominal[0], nominal[1]), values)


def _number(factor: Factor, axis: Axis, field: str, number: ShapeNumber) -> _Number:
    assert isinstance(factor, Formula)
    unit = factor.unit(field, axis)
    found = span(number, unit)
    return _Number(axis.name, field, found, parse(f"1 {found.unit}", unit) if found.unit else 1.0)


def _nodes(at: Callable[[float], Floats], within: Span, what: str) -> Floats:
    """Return nodes within a range, its value among them, between which a spline through templates is good."""
    low, value, high = within.low, within.value, within.high
    number = FIRST
    while number <= MOST:
        grid = np.linspace(low, high, number)
        if value not in (low, high):
            grid[1 + int(np.argmin(np.abs(grid[1:-1] - value)))] = value
        middle = (grid[1:] + grid[:-1]) / 2.0
        templates, true = (np.array([at(float(node)) for node in places]) for places in (grid, middle))
        wrong = np.abs(spline(grid, templates).at(middle).value - true)
        if np.all(wrong <= ACCURACY[0] * true + ACCURACY[1] * true.sum(axis=1, keepdims=True)):
            return grid
        number = 2 * number - 1 if templates.size <= MAX_NUMBERS else MOST + 1
    message = f"{what}: from {low:g} to {high:g} the shape changes too much; give a narrower range"
    raise CevnsfitError(message)
