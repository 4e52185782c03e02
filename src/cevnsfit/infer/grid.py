"""A plane of two parameters, column by column: each column is one finished unit of work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.infer.basins import floating_couplings, profile_basins
from cevnsfit.infer.contour import contour, trace
from cevnsfit.infer.intervals import Column, allowed_between, column, coupling_scale, crossings, threshold
from cevnsfit.infer.planes import Plane, PlaneAxis, Region
from cevnsfit.infer.profile import profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.infer.planes import Interval
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

MAX_MINIMA: Final = 8
"""Local minima kept in a column; counts are a quartic in a coupling, so two are the rule."""

_NEAR_MIRROR: Final = np.geomspace(0.6, 1.6, 21)


@dataclass(frozen=True, slots=True, eq=False)
class GridColumn:
    """One profiled column of a plane.

    Attributes
    ----------
    nll2, valid
        Profiled -2 ln lambda at the grid values of the second parameter and whether each converged, shape (ny,).
    minima
        Value and -2 ln lambda of the local minima inside the grid's range, shape (`MAX_MINIMA`, 2), padded with NaN.
    reference
        -2 ln lambda without new physics, couplings at their defaults; NaN in columns where it was not calculated.
    scale
        Coupling at which new physics balances the Standard Model: the features of neighbouring columns line up in its units.
    fallbacks
        Points handed to iminuit.
    """

    nll2: NDArray[np.float64]
    valid: NDArray[np.bool_]
    minima: NDArray[np.float64]
    reference: float
    scale: float
    fallbacks: int


def joint_at(likelihood: Likelihood, values: Mapping[str, float]) -> tuple[Joint, dict[str, float]]:
    """Return the joint likelihood at the nonlinear parameters among `values`, and the values of the others, checked."""
    shape = {name: value for name, value in values.items() if likelihood.parameters[name].kind == "nonlinear"}
    held = {name: likelihood.parameters[name].checked(value) for name, value in values.items() if name not in shape}
    return likelihood.at(shape), held


def scan_column(
    likelihood: Likelihood,
    axes: tuple[PlaneAxis, PlaneAxis],
    index: int,
    *,
    at: Mapping[str, float],
    data: Data | None = None,
    start: NDArray[np.float64] | None = None,
) -> GridColumn:
    """Return one column of the plane: the second parameter on its grid, the first at its value `index`.

    Parameters
    ----------
    likelihood
        The likelihood.
    axes
        The two parameters; the second must not be a nonlinear parameter.
    index
        Which value of the first.
    at
        Parameters held at other values than their defaults.
    data
        The data set; the observed one by default.
    start
        Where the profiles start, see `plane_start`.
    """
    x, y = axes
    joint, held = joint_at(likelihood, {**at, x.name: float(x.values[index])})
    parameter = joint.parameters[y.name]
    scale = coupling_scale(joint, y.name)
    low, high = float(y.values[0]), float(y.values[-1])
    extra = scale * _NEAR_MIRROR if y.scale == "log" else np.empty(0)
    simple = rebuilds(likelihood, x) and not floating_couplings(joint, {y.name: 0.0, **held})
    origin = [parameter.default] if simple else []
    values = np.unique(np.concatenate([y.values, extra[(extra > low) & (extra < high)], origin]))
    curve = column(joint, y.name, values, held=held, data=data, start=start)
    place = np.searchsorted(curve.values, y.values)
    minima = np.full((MAX_MINIMA, 2), np.nan)
    found = [(curve.values[i], curve.nll2[i]) for i in curve.minima if low <= curve.values[i] <= high][:MAX_MINIMA]
    minima[: len(found)] = np.array(found).reshape(-1, 2)
    if simple:
        reference = float(curve.nll2[int(np.searchsorted(curve.values, parameter.default))])
    else:
        reference = _reference(joint, axes, at, data) if index == 0 or rebuilds(likelihood, x) else np.nan
    return GridColumn(curve.nll2[place], curve.valid[place], minima, reference, scale, curve.fallbacks)


def rebuilds(likelihood: Likelihood, x: PlaneAxis) -> bool:
    """Return whether the first parameter of a plane rebuilds templates; if not, both are alike."""
    return likelihood.parameters[x.name].kind == "nonlinear"


def _reference(joint: Joint, axes: tuple[PlaneAxis, PlaneAxis], at: Mapping[str, float], data: Data | None) -> float:
    """Return -2 ln lambda with the scanned and the floating couplings at their defaults."""
    names = {*at, *(axis.name for axis in axes), *(p.name for p in joint.parameters if p.kind == "polynomial" and not p.fixed)}
    fixed = {p.name: at.get(p.name, p.default) for p in joint.parameters if p.name in names}
    return float(profile_basins(joint, {name: np.array([value]) for name, value in fixed.items()}, data=data).nll2[0])


def assemble(
    label: str, experiments: Sequence[str], model: str, axes: tuple[PlaneAxis, PlaneAxis], columns: Sequence[GridColumn], caveat: str = ""
) -> Plane:
    """Return the plane made of finished columns."""
    x, y = axes
    if len(columns) != len(x.values):
        message = f"{len(columns)} columns for {len(x.values)} values of {x.name}"
        raise CevnsfitError(message)
    nll2 = np.array([entry.nll2 for entry in columns])
    candidates = [(float(value), float(y_min), i) for i, entry in enumerate(columns) for y_min, value in entry.minima if np.isfinite(value)]
    i, j = np.unravel_index(int(np.nanargmin(nll2)), nll2.shape)
    candidates.append((float(nll2[i, j]), float(y.values[j]), int(i)))
    references = np.array([entry.reference for entry in columns])
    reference = float(np.nanmin(references)) if np.isfinite(references).any() else float("nan")
    value, y_best, column_best = min(candidates)
    if np.isfinite(references).all() and reference < value:
        value, y_best, column_best = reference, 0.0, int(np.nanargmin(references))
    best = {x.name: float(x.values[column_best]), y.name: y_best, "nll2": value}
    return Plane(
        label=label,
        experiments=tuple(experiments),
        model=model,
        x=x,
        y=y,
        nll2=nll2,
        valid=np.array([entry.valid for entry in columns]),
        best=best,
        reference_nll2=reference,
        fallbacks=sum(entry.fallbacks for entry in columns),
        caveat=caveat,
    )


def column_intervals(  # noqa: PLR0913
    likelihood: Likelihood,
    axes: tuple[PlaneAxis, PlaneAxis],
    index: int,
    finished: GridColumn,
    levels: Sequence[float],
    *,
    at: Mapping[str, float],
    start: NDArray[np.float64],
    data: Data | None = None,
) -> tuple[tuple[Interval, ...], ...]:
    """Return the allowed intervals of one finished column at each level of -2 ln lambda, crossings refined along the second parameter."""
    x, y = axes
    joint, held = joint_at(likelihood, {**at, x.name: float(x.values[index])})
    curve = _curve(y, finished, start)
    cuts = crossings(joint, y.name, curve, levels, held=held, data=data, start=start)
    return tuple(allowed_between(curve, found, level) for found, level in zip(cuts, levels, strict=True))


def _curve(y: PlaneAxis, finished: GridColumn, start: NDArray[np.float64]) -> Column:
    known = finished.minima[np.isfinite(finished.minima[:, 0])]
    new = known[~np.isin(known[:, 0], y.values)]
    values = np.concatenate([y.values, new[:, 0]])
    order = np.argsort(values)
    nll2 = np.concatenate([finished.nll2, new[:, 1]])[order]
    valid = np.concatenate([finished.valid, np.ones(len(new), dtype=np.bool_)])[order]
    return Column(values[order], nll2, valid, np.broadcast_to(start, (len(values), len(start))), (), finished.fallbacks)


def plane_start(
    likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], *, at: Mapping[str, float], data: Data | None = None
) -> NDArray[np.float64]:
    """Return all parameters of the fit with the couplings of the plane at their defaults, shape (n,): where its profiles start.

    That is the Standard Model, whose fit is the same in every column.
    """
    x, y = axes
    first = float(x.values[0]) if rebuilds(likelihood, x) else likelihood.parameters[x.name].default
    joint, held = joint_at(likelihood, {**at, x.name: first})
    values = {**held, y.name: joint.parameters[y.name].default}
    return np.asarray(profile_basins(joint, {name: np.array([value]) for name, value in values.items()}, data=data).theta[0])


def levels_of(plane: Plane, confidence: Sequence[tuple[float, int]]) -> tuple[float, ...]:
    """Return the level of -2 ln lambda of each (cl, dof) above the best fit of the plane."""
    return tuple(plane.best["nll2"] + threshold(cl, dof) for cl, dof in confidence)


def located(plane: Plane, likelihood: Likelihood, *, at: Mapping[str, float], data: Data, start: NDArray[np.float64]) -> Plane:
    """Return a plane of two couplings with its best fit found between the columns too; other planes as they are."""
    x, y = plane.x, plane.y
    if rebuilds(likelihood, x):
        return plane
    joint, held = joint_at(likelihood, at)
    columns = [joint.parameters.index(axis.name) for axis in (x, y)]
    theta = np.array(start)
    theta[columns] = plane.best[x.name], plane.best[y.name]
    free = [p.name for p in joint.parameters if (not p.fixed or p.name in (x.name, y.name)) and p.name not in held]
    found = profile(joint, {name: np.array([value]) for name, value in held.items()}, data=data, start=theta, floating=free)
    point = found.theta[0, columns]
    inside = all(axis.values[0] <= value <= axis.values[-1] for axis, value in zip((x, y), point, strict=True))
    if not (found.converged[0] and inside and found.nll2[0] < plane.best["nll2"]):
        return plane
    return replace(plane, best={x.name: float(point[0]), y.name: float(point[1]), "nll2": float(found.nll2[0])})


def region(
    plane: Plane, columns: Sequence[GridColumn], intervals: Sequence[tuple[Interval, ...]], cl: float, dof: int, *, alike: bool = False
) -> Region:
    """Return the allowed region of one confidence level.

    Parameters
    ----------
    plane, columns
        The plane and its columns.
    intervals
        Allowed intervals of each column.
    cl, dof
        Of the threshold.
    alike
        Whether both parameters are couplings: the boundary is then that of the smooth surface over the plane, see `infer.contour`.
    """
    if alike:
        allowed, excluded, branches = contour(plane.x, plane.y, plane.nll2 - plane.best["nll2"], threshold(cl, dof))
    else:
        scales = np.array([entry.scale for entry in columns])
        allowed, excluded, branches = trace(plane.x, plane.y, intervals, scales)
    return Region(cl, dof, threshold(cl, dof), tuple(tuple(entry) for entry in intervals), allowed, excluded, branches)
