"""Background templates of one experiment and the parameters of their counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cevnsfit.core.axes import overlap
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import Parameter, Scaling
from cevnsfit.model.rows import LINEAR, MAX_NUMBERS, Excursion, Factors, TemplateRow, bin_by_bin
from cevnsfit.model.shapes import counts_of, efficiency_on, inside, shape_rows
from cevnsfit.physics import sources
from cevnsfit.spec.shapes import JointShape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.model.effect import Effect
    from cevnsfit.spec import schema
    from cevnsfit.spec.load import Experiment
    from cevnsfit.spec.shapes import Shape


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
    relative = _relative_errors(experiment, counts)
    for name, background in experiment.spec.backgrounds.items():
        template, mean, _ = _normalised(experiment, name, counts)
        acting = [effect for effect in effects if name in effect.entry.acts_on]
        found, scale = _count_of(experiment, name, counts)
        shaping, shapes = shape_rows(experiment, name, mean)
        parameters += [replace(parameter, group=background.group) for parameter in (*found, *shaping)]
        norms = {parameter: sigma for effect in acting for parameter, sigma in effect.norms.items()} | {**scale.norms}
        moved = [(Excursion(parameter, LINEAR), template * error) for parameter, error in scale.linear.items()]
        moved += [entry for effect in acting for entry in effect.background_rows(name, template)]
        moved += [*shapes, *(bin_by_bin(_stat(experiment), template, relative) if _errors(background) else ())]
        rows.append(TemplateRow(Factors(name, scale.powers, norms), template))
        rows += [TemplateRow(Factors(name, scale.powers, norms, excursion), values) for excursion, values in moved]
        rows += [  # a Gaussian count multiplies any shape
            TemplateRow(Factors(name, {**scale.powers, parameter: 1}, norms, excursion), values * error)
            for parameter, error in scale.linear.items()
            for excursion, values in shapes
        ]
    return rows, [*parameters, *_stat_parameters(experiment, relative)]


@dataclass(frozen=True, slots=True)
class Scale:
    """What the count of a background multiplies its templates with: powers, log-normal factors, and 1 + error x deviation."""

    powers: Mapping[str, int]
    norms: Mapping[str, float]
    linear: Mapping[str, float]


def _count_of(experiment: Experiment, name: str, counts: Mapping[str, schema.Count]) -> tuple[list[Parameter], Scale]:
    """Return the parameters of the count of a background, and what they do."""
    count, label = counts[name], f"{experiment.label}.{name}_norm"
    if count.kind == "tied":
        _, other = _count_of(experiment, count.to, counts)
        if count.sigma == 0.0:
            return [], other
        about = f"count over that of {count.to}: {count.ratio:.6g} +- {100.0 * count.sigma:.3g} %"
        scaling = Scaling(1.0 + count.sigma, 1.0 / (1.0 + count.sigma))
        own = Parameter(label, "nuisance", 0.0, -5.0, 5.0, constrained=True, description=about, scaling=scaling)
        return [own], Scale(other.powers, {**other.norms, label: count.sigma}, other.linear)
    _, mean, sigma = _normalised(experiment, name, counts)
    found = _count_parameters(label, count, mean, sigma)
    powers = {parameter.name: 1 for parameter in found if not parameter.constrained}
    return found, Scale(powers, {}, {parameter.name: sigma / mean for parameter in found if parameter.constrained})


# --- statistical errors of templates ---------------------------------------------------------------------------------------------------


def _stat(experiment: Experiment) -> str:
    return f"{experiment.label}.stat"


def _errors(background: schema.Background) -> str | None:
    return background.shape.errors if isinstance(background.shape, JointShape) else None


def _relative_errors(experiment: Experiment, counts: Mapping[str, schema.Count]) -> NDArray[np.float64]:
    """Return the relative error of each bin, shape (bins,): errors of all backgrounds that have them in quadrature, over their sum.

    Barlow and Beeston's method in the form with one factor a bin (Comput. Phys. Commun. 77 (1993) 219; CERN-OPEN-2012-016, section 4.1).

    Raises
    ------
    CevnsfitError
        If there are too many bins.
    """
    bins = math.prod(axis.nbins for axis in experiment.axes)
    squares, sums = np.zeros((2, bins))
    for name, background in experiment.spec.backgrounds.items():
        if (column := _errors(background)) is not None and isinstance(background.shape, JointShape):
            template, mean, _ = _normalised(experiment, name, counts)
            table = experiment.tables[background.shape.table]
            squared = replace(table, columns={column: table.values(column) ** 2}).on(experiment.axes, column).ravel()
            squares += squared * (mean / _total(experiment, background.shape).sum()) ** 2
            sums += template
    if bins**2 > MAX_NUMBERS and squares.any():
        message = f"{experiment.label}: statistical errors of templates are possible with at most {int(MAX_NUMBERS**0.5)} bins, not {bins}"
        raise CevnsfitError(message)
    return np.divide(np.sqrt(squares), sums, out=np.zeros(bins), where=sums > 0)


def _stat_parameters(experiment: Experiment, relative: NDArray[np.float64]) -> list[Parameter]:
    return [
        Parameter(f"{_stat(experiment)}[{k}]", "nuisance", 0.0, max(-5.0, -1.0 / error), 5.0, constrained=True, group="background")
        for k, error in enumerate(relative)
        if error > 0
    ]


# --- counts ------------------------------------------------------------------------------------------------------------------------


def control_counts(experiment: Experiment, control: schema.ControlRegionSpec) -> NDArray[np.float64]:
    """Return the counts of a control region, shape (bins,): the measured ones, or those that a projection expects."""
    if control.expected is None:
        assert control.counted is not None
        return experiment.tables[control.counted.table].on(experiment.axes, control.counted.column).ravel()
    shape = _total(experiment, control.expected.shape)
    return np.asarray(shape * (control.ratio * _at_exposure(experiment, control.expected) / shape.sum()))


def _at_exposure(experiment: Experiment, projected: schema.Projected) -> float:
    protons = experiment.spec.source.exposure("pot")
    assert protons is not None
    return projected.mean * protons / projected.at_pot


def _count_parameters(name: str, count: schema.Count, mean: float, sigma: float) -> list[Parameter]:
    if count.kind == "known":
        return []
    if count.kind == "free":
        name, about = (name, f"factor on {mean:g} expected counts") if count.shared is None else (count.shared, "")
        return [Parameter(name, "nuisance", 1.0, 0.0, 100.0, description=about, least=0.0)]
    lowest = max(-5.0, -mean / sigma) if sigma > 0.0 else -5.0
    about = f"count {mean:.6g} +- {sigma:.4g}, in units of the error"
    scaling = Scaling(1.0 + sigma / mean, 1.0 - sigma / mean, linear=True)
    return [Parameter(name, "nuisance", 0.0, lowest, 5.0, constrained=True, description=about, scaling=scaling)]


def _normalised(experiment: Experiment, name: str, counts: Mapping[str, schema.Count]) -> tuple[NDArray[np.float64], float, float]:
    """Return the template of a background over all bins in counts, its sum and the error of that."""
    background, count = experiment.spec.backgrounds[name], counts[name]
    shape = _total(experiment, background.shape)
    if not shape.sum() > 0.0:
        name = next((key for key, entry in experiment.spec.backgrounds.items() if entry == background), "a background")
        message = f"{experiment.label}: backgrounds.{name}: its shape has nothing in the window of the axes"
        raise CevnsfitError(message)
    if count.kind == "tied":
        _, mean, _ = _normalised(experiment, count.to, counts)
        mean *= count.ratio * inside(experiment, background.shape) / inside(experiment, experiment.spec.backgrounds[count.to].shape)
        sigma = mean * count.sigma
    else:
        mean, sigma = _mean_of(experiment, count, float(shape.sum()))
    return shape * (mean / shape.sum()), mean, sigma


def _mean_of(experiment: Experiment, count: schema.Count, content: float) -> tuple[float, float]:
    """Return a count and its error, given what the shape holds."""
    match count.kind:
        case "gaussian":
            return count.mean, count.sigma
        case "counted":
            number = float(experiment.tables[count.table].on(experiment.axes, count.column).sum())
            return number / count.ratio, float(np.sqrt(number)) / count.ratio
        case "absolute":
            exposure = experiment.spec.source.exposure("gwh") if count.per_gwh else 1.0
            assert exposure is not None
            return content * exposure, content * exposure * count.sigma
        case "free":
            return count.mean, math.inf
        case "known":
            return count.mean, 0.0
        case "projected":
            mean = _at_exposure(experiment, count)
            return mean, mean * count.sigma
    raise AssertionError(count)


def _total(experiment: Experiment, shape: Shape) -> NDArray[np.float64]:
    """Return a shape in the bins of the experiment, in any normalisation, shape (bins,)."""
    return counts_of(experiment, shape, experiment.axes)


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
    weights = efficiency_on(experiment, axis, (fine[1:] + fine[:-1]) / 2.0) if factor.efficiency else np.ones(own.nbins)
    below = sources.cumulative(fine, table.on((own,), factor.column))(fine - shifts[:, None])
    return np.asarray((np.diff(below, axis=1) * weights) @ matrix.T)
