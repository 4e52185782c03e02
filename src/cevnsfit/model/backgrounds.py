"""Background templates of one experiment and the parameters of their counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.axes import overlap
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter
from cevnsfit.detector import timing
from cevnsfit.model.rows import LINEAR, Excursion, Factors, TemplateRow
from cevnsfit.model.stages import detector_stages, reconstructed_efficiency
from cevnsfit.model.times import losses
from cevnsfit.physics import sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.core.axes import Axis
    from cevnsfit.model.systematics import Effect
    from cevnsfit.spec import schema
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.tables import InputTable


def background_rows(
    experiment: Experiment, counts: Mapping[str, schema.Count], effects: Sequence[Effect[Any]]
) -> tuple[list[TemplateRow], list[Parameter]]:
    """Return the rows of all backgrounds, templates over all bins, and their parameters; a known count has none.

    Parameters
    ----------
    experiment
        The description.
    counts
        The prior of each background's count.
    effects
        What systematics do.
    """
    rows: list[TemplateRow] = []
    parameters: list[Parameter] = []
    for name, background in experiment.spec.backgrounds.items():
        template, mean, sigma = _normalised(experiment, background, counts[name])
        acting = [effect for effect in effects if name in effect.entry.acts_on]
        norms = {parameter: sigma for effect in acting for parameter, sigma in effect.norms.items()}
        found = _count_parameters(f"{experiment.label}.{name}_norm", counts[name], mean, sigma)
        parameters += found
        powers = {parameter.name: 1 for parameter in found if not parameter.constrained}
        rows.append(TemplateRow(Factors(name, powers, norms), template))
        moved = [(Excursion(parameter.name, LINEAR), template * (sigma / mean)) for parameter in found if parameter.constrained]
        moved += [entry for effect in acting for entry in effect.background_rows(template)]
        rows += [TemplateRow(Factors(name, powers, norms, excursion), values) for excursion, values in moved]
    return rows, parameters


def control_counts(experiment: Experiment, control: schema.ControlRegionSpec) -> NDArray[np.float64]:
    """Return the counts of a control region, shape (bins,): the measured ones, or those that a projection expects."""
    if control.expected is None:
        assert control.counted is not None
        return experiment.tables[control.counted.table].on(experiment.axes, control.counted.column).ravel()
    shape = _shape(experiment, control.expected.shape)
    return np.asarray(shape * (control.ratio * _at_exposure(experiment, control.expected) / shape.sum()))


def _at_exposure(experiment: Experiment, projected: schema.Projected) -> float:
    protons = experiment.spec.source.exposure("pot")
    assert protons is not None
    return projected.mean * protons / projected.at_pot


def _count_parameters(name: str, count: schema.Count, mean: float, sigma: float) -> list[Parameter]:
    if count.kind == "known":
        return []
    if count.kind == "free":
        return [Parameter(name, "nuisance", 1.0, 0.0, 100.0, description=f"factor on {mean:g} expected counts", least=0.0)]
    lowest = max(-5.0, -mean / sigma) if sigma > 0.0 else -5.0
    about = f"count {mean:.6g} +- {sigma:.4g}, in units of the error"
    return [Parameter(name, "nuisance", 0.0, lowest, 5.0, constrained=True, description=about)]


def _normalised(experiment: Experiment, background: schema.Background, count: schema.Count) -> tuple[NDArray[np.float64], float, float]:
    """Return the template over all bins in counts, its sum and the error of that."""
    shape = _shape(experiment, background.shape)
    match count.kind:
        case "gaussian":
            mean, sigma = count.mean, count.sigma
        case "counted":
            number = float(experiment.tables[count.table].on(experiment.axes, count.column).sum())
            mean, sigma = number / count.ratio, np.sqrt(number) / count.ratio
        case "absolute":
            exposure = experiment.spec.source.exposure("gwh") if count.per_gwh else 1.0
            assert exposure is not None
            mean = float(shape.sum()) * exposure
            sigma = mean * count.sigma
        case "free":
            mean, sigma = count.mean, np.inf
        case "known":
            mean, sigma = count.mean, 0.0
        case "projected":
            mean = _at_exposure(experiment, count)
            sigma = mean * count.sigma
    return shape * (mean / shape.sum()), mean, float(sigma)


def _shape(experiment: Experiment, shape: schema.Shape) -> NDArray[np.float64]:
    if shape.kind == "joint":
        return experiment.tables[shape.table].on(experiment.axes, shape.column).ravel()
    product = np.ones(1)
    for axis in experiment.axes:
        product = np.outer(product, _factor(experiment, axis, shape.factors[axis.name])).ravel()
    return product


def _factor(experiment: Experiment, axis: Axis, factor: schema.Factor) -> NDArray[np.float64]:
    edges = np.asarray(axis.edges)
    match factor.kind:
        case "uniform":
            return np.diff(edges)
        case "exponential":
            return timing.bin_probabilities(lambda t: np.exp(-factor.rate * t), edges)
        case "table":
            table = experiment.tables[factor.table]
            if factor.efficiency:
                return _seen(experiment, axis, table, factor.column)
            return table.on((axis,), factor.column, split=True)
    raise AssertionError(factor)


def arrival_of(experiment: Experiment, name: str, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the arrival times of a background at some shifts [s], in any normalisation, shape (n, time bins).

    Raises
    ------
    CevnsfitError
        If it has no table of them.
    """
    shape, axis = experiment.spec.backgrounds[name].shape, experiment.axes[-1]
    factor = shape.factors[axis.name] if shape.kind == "product" else None
    if factor is None or factor.kind != "table":
        message = f"{experiment.name}: {name} cannot be moved: it has no table of arrival times"
        raise CevnsfitError(message)
    table = experiment.tables[factor.table]
    own = next(entry for entry in table.axes if entry.name == axis.name)
    fine, matrix = np.asarray(own.edges), overlap(np.asarray(own.edges), np.asarray(axis.edges))
    weights = _efficiency(experiment, axis, (fine[1:] + fine[:-1]) / 2.0) if factor.efficiency else np.ones(own.nbins)
    below = sources.cumulative(fine, table.on((own,), factor.column))(fine - shifts[:, None])
    return np.asarray((np.diff(below, axis=1) * weights) @ matrix.T)


def _seen(experiment: Experiment, axis: Axis, table: InputTable, column: str) -> NDArray[np.float64]:
    """Return a tabulated shape times the detector's efficiency at the centres of the table's own bins."""
    own = next(entry for entry in table.axes if entry.name == axis.name)
    fine = np.asarray(own.edges)
    centres = (fine[1:] + fine[:-1]) / 2.0
    values = table.on((own,), column) * _efficiency(experiment, axis, centres)
    return np.asarray(overlap(fine, np.asarray(axis.edges)) @ values)


def _efficiency(experiment: Experiment, axis: Axis, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the detector's efficiency on an axis."""
    if axis.name == "time":
        seen = losses(experiment)[0].seen
        return np.ones_like(centres) if seen is None else seen(centres)
    return reconstructed_efficiency(detector_stages(experiment.spec.response, experiment.tables), centres)
