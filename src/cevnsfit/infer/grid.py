"""A plane of two parameters, column by column: each column is one finished unit of work.

There are three sorts of planes. Where the first parameter rebuilds the templates (a mass) and the second enters their coefficients (a coupling),
a column shares its templates, and its boundaries are exact. Where both enter the coefficients, all columns share them, both directions are
alike, and boundaries are those of the surface over the plane. Where both rebuild the templates (two radii), or such a parameter floats, every
point has templates and a fit of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.core.parcels import SentOnce
from cevnsfit.infer.columns import column
from cevnsfit.infer.descent import REMOTE
from cevnsfit.infer.fit import fit
from cevnsfit.infer.lines import coupling_scale, curved_couplings
from cevnsfit.infer.multistart import profile_minima
from cevnsfit.infer.nonlinear import point_values
from cevnsfit.infer.planes import Plane, PlaneAxis
from cevnsfit.infer.profile import profile
from cevnsfit.stats.data import observed_or_asimov

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Bools, Floats
    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

    Sort = Literal["columns", "surface", "points"]

MAX_MINIMA: Final = 8
"""Local minima kept in a column; counts are a quartic in a coupling, so two are the rule."""

BLOCK: Final = 5
"""Columns that are one unit of work: each starts from the one before, the first from the Standard Model, so that nothing depends on who makes which block."""

KNOWN: Final = 8
"""Points near the data that a column needs for the next one to start from it."""

_NEAR_MIRROR: Final = np.geomspace(0.6, 1.6, 21)


@dataclass(frozen=True, slots=True, eq=False)
class Grid(SentOnce):
    """A plane before its columns are profiled, and what all columns share; made by `prepare_grid`.

    Attributes
    ----------
    likelihood
        The likelihood.
    axes
        The two parameters; columns run along the second, so that the first is the one that rebuilds the templates where only one does.
    at
        Parameters held at other values than their defaults.
    floating
        Parameters that rebuild the templates and are profiled.
    data
        The data set.
    start
        Where the profiles of columns start: all parameters of the fit with the couplings of the plane at their defaults, shape (n,). That is
        the Standard Model, whose fit is the same in every column.
    """

    likelihood: Likelihood
    axes: tuple[PlaneAxis, PlaneAxis]
    at: Mapping[str, float]
    floating: tuple[str, ...]
    data: Data
    start: Floats

    @property
    def sort(self) -> Sort:
        """Return which templates the points share: those of a column, those of the whole plane ("surface"), or none ("points")."""
        x, y = (axis.name in self.likelihood.nonlinear for axis in self.axes)
        if y or self.floating:
            return "points"
        return "columns" if x else "surface"

    @property
    def blocks(self) -> tuple[range, ...]:
        """Return the numbers of the columns of each block; columns without common templates are on their own."""
        size, count = 1 if self.sort == "points" else BLOCK, len(self.axes[0].values)
        return tuple(range(first, min(first + size, count)) for first in range(0, count, size))


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
    theta
        All parameters at the grid values, shape (ny, n), where the next column starts; empty where they are not kept.
    """

    nll2: Floats
    valid: Bools
    minima: Floats
    reference: float
    scale: float
    fallbacks: int
    theta: Floats = field(default_factory=lambda: np.empty((0, 0)))


def joint_at(likelihood: Likelihood, at: Mapping[str, float]) -> tuple[Joint, dict[str, float]]:
    """Return the joint likelihood at the nonlinear parameters among `at` (defaults for the rest), and the other held values; couplings are held there, too.

    Raises
    ------
    UnknownNameError
        If a name is not a parameter of the likelihood.
    DomainError
        If a value is outside its domain.
    """
    values = {name: likelihood.parameters[name].checked(float(value)) for name, value in at.items()}
    shape = {name: value for name, value in values.items() if likelihood.parameters[name].kind == "nonlinear"}
    joint, held = likelihood.at(shape), {name: value for name, value in values.items() if name not in shape}
    couplings = {name: value for name, value in held.items() if joint.parameters[name].kind == "polynomial"}
    if not couplings:
        return joint, held
    parameters = (replace(p, default=couplings[p.name], fixed=True) if p.name in couplings else p for p in joint.parameters)
    return replace(joint, parameters=ParameterSet(tuple(parameters))), held


def columns_first(likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis]) -> tuple[PlaneAxis, PlaneAxis]:
    """Return the axes of a plane in the order of its columns: of two parameters the one that rebuilds the templates is the first."""
    x, y = axes
    return (y, x) if y.name in likelihood.nonlinear and x.name not in likelihood.nonlinear else (x, y)


def prepare_grid(
    likelihood: Likelihood, axes: tuple[PlaneAxis, PlaneAxis], *, at: Mapping[str, float], floating: Sequence[str] = ()
) -> Grid:
    """Return a plane ready to be profiled, on the observed data; experiments without data take part with their expectation.

    Parameters
    ----------
    axes
        The two parameters in any order.
    at
        Parameters held at other values than their defaults.
    floating
        Parameters that float although they are held by default; those that rebuild templates count.
    """
    data = observed_or_asimov(likelihood.at({}))
    rebuilding = tuple(name for name in floating if name in likelihood.nonlinear)
    grid = Grid(likelihood, axes if rebuilding else columns_first(likelihood, axes), dict(at), rebuilding, data, np.empty(0))
    if grid.sort == "points":
        return grid
    x, y = grid.axes
    first = float(x.values[0]) if grid.sort == "columns" else likelihood.parameters[x.name].default
    joint, held = joint_at(likelihood, {**at, x.name: first})
    values = {**held, y.name: joint.parameters[y.name].default}
    found = profile_minima(joint, {name: np.array([value]) for name, value in values.items()}, data=data)
    return replace(grid, start=np.asarray(found.theta[0]))


# --- columns -----------------------------------------------------------------------------------------------------------------------


def grid_block(grid: Grid, block: int) -> tuple[GridColumn, ...]:
    """Return the columns of one of the blocks of a plane."""
    found: list[GridColumn] = []
    for index in grid.blocks[block]:
        found.append(grid_column(grid, index, found[-1] if found else None))
    return tuple(replace(entry, theta=np.empty((0, 0))) for entry in found)


def grid_column(grid: Grid, index: int, before: GridColumn | None = None) -> GridColumn:
    """Return one column of a plane: the second parameter on its grid, the first at its value `index`; it starts from the column `before`."""
    if grid.sort == "points":
        x, y = grid.axes
        points = {x.name: np.full(len(y.values), x.values[index]), y.name: y.values}
        nll2, valid = point_values(grid.likelihood, points, at=grid.at, floating=grid.floating, data=grid.data)
        return GridColumn(nll2, valid, np.full((MAX_MINIMA, 2), np.nan), np.nan, 1.0, 0)
    return _shared_column(grid, index, before)


def _start(grid: Grid, before: GridColumn | None, values: Floats, scale: float) -> Floats:
    """Return where a column of some scale starts at some values: at the same values in units of the scale of the column before, where that is near the data."""
    near = np.empty(0, dtype=np.int64) if before is None else np.flatnonzero(before.valid & (before.nll2 < before.nll2.min() + REMOTE))
    if before is None or len(near) < KNOWN:
        return grid.start
    from scipy.interpolate import CubicSpline

    y, places = grid.axes[1].values[near], values * (before.scale / scale)
    beyond = (places > y[-1]) | (places < y[0])
    return np.where(beyond[:, None], grid.start, CubicSpline(y, before.theta[near])(np.clip(places, y[0], y[-1])))


def _shared_column(grid: Grid, index: int, before: GridColumn | None) -> GridColumn:
    """Return a column whose points share their templates."""
    x, y = grid.axes
    joint, held = joint_at(grid.likelihood, {**grid.at, x.name: float(x.values[index])})
    parameter = joint.parameters[y.name]
    scale = coupling_scale(joint, y.name)
    low, high = float(y.values[0]), float(y.values[-1])
    extra = scale * _NEAR_MIRROR if y.scale == "log" else np.empty(0)
    simple = grid.sort == "columns" and not curved_couplings(joint, {y.name: 0.0, **held})
    origin = [parameter.default] if simple else []
    values = np.unique(np.concatenate([y.values, extra[(extra > low) & (extra < high)], origin]))
    curve = column(joint, y.name, values, at=held, data=grid.data, start=_start(grid, before, values, scale))
    place = np.searchsorted(curve.values, y.values)
    minima = np.full((MAX_MINIMA, 2), np.nan)
    found = [(curve.values[i], curve.nll2[i]) for i in curve.minima if low <= curve.values[i] <= high][:MAX_MINIMA]
    minima[: len(found)] = np.array(found).reshape(-1, 2)
    if simple:
        reference = float(curve.nll2[int(np.searchsorted(curve.values, parameter.default))])
    else:
        reference = _reference(grid, joint) if index == 0 or grid.sort == "columns" else np.nan
    return GridColumn(curve.nll2[place], curve.valid[place], minima, reference, scale, curve.fallbacks, curve.theta[place])


def _reference(grid: Grid, joint: Joint) -> float:
    """Return -2 ln lambda with the scanned and the floating couplings at their defaults."""
    couplings = (p.name for p in joint.parameters if p.kind == "polynomial" and not p.fixed)
    names = {*grid.at, *(axis.name for axis in grid.axes), *couplings}
    fixed = {name: grid.at.get(name, grid.likelihood.parameters[name].default) for name in joint.parameters.names if name in names}
    return float(profile_minima(joint, {name: np.array([value]) for name, value in fixed.items()}, data=grid.data).nll2[0])


# --- the plane ---------------------------------------------------------------------------------------------------------------------


def assemble(grid: Grid, columns: Sequence[GridColumn], *, label: str = "", model: str = "", caveat: str = "") -> Plane:
    """Return the plane made of finished columns; the best fit is looked for between the columns too unless they rebuild the templates.

    Parameters
    ----------
    grid, columns
        The plane and its columns.
    label, model, caveat
        Of the plane; the experiments, joined with " + ", are its label by default.
    """
    x, y = grid.axes
    if len(columns) != len(x.values):
        message = f"{len(columns)} columns for {len(x.values)} values of {x.name}"
        raise CevnsfitError(message)
    names = grid.likelihood.experiments
    best, reference = _lowest(grid, columns)
    return Plane(
        label=label if label else " + ".join(names),
        experiments=names,
        model=model,
        x=x,
        y=y,
        nll2=np.array([entry.nll2 for entry in columns]),
        valid=np.array([entry.valid for entry in columns]),
        best=best if grid.sort == "columns" else _located(grid, best),
        reference_nll2=reference,
        fallbacks=sum(entry.fallbacks for entry in columns),
        caveat=caveat,
    )


def _lowest(grid: Grid, columns: Sequence[GridColumn]) -> tuple[dict[str, float], float]:
    """Return the lowest of all grid points and minima of the columns, and -2 ln lambda without new physics."""
    x, y = grid.axes
    nll2 = np.array([entry.nll2 for entry in columns])
    candidates = [(float(value), float(y_min), i) for i, entry in enumerate(columns) for y_min, value in entry.minima if np.isfinite(value)]
    i, j = np.unravel_index(int(np.nanargmin(nll2)), nll2.shape)
    candidates.append((float(nll2[i, j]), float(y.values[j]), int(i)))
    references = np.array([entry.reference for entry in columns])
    reference = float(np.nanmin(references)) if np.isfinite(references).any() else float("nan")
    value, y_best, column_best = min(candidates)
    if np.isfinite(references).all() and reference < value:
        value, y_best, column_best = reference, 0.0, int(np.nanargmin(references))
    return {x.name: float(x.values[column_best]), y.name: y_best, "nll2": value}, reference


def _located(grid: Grid, lowest: Mapping[str, float]) -> dict[str, float]:
    """Return the best fit of both parameters where it is valid, inside the plane and below the lowest grid point; that point otherwise."""
    found = _fit_of_points(grid) if grid.sort == "points" else _fit_of_surface(grid, lowest)
    inside = all(axis.values[0] <= found.get(axis.name, np.nan) <= axis.values[-1] for axis in grid.axes)
    return found if inside and found["nll2"] < lowest["nll2"] else dict(lowest)


def _fit_of_points(grid: Grid) -> dict[str, float]:
    """Return a fit of both parameters that rebuild the templates, empty where it failed."""
    names = [axis.name for axis in grid.axes]
    free = {*names, *grid.floating}
    fixed = {p.name: p.default for p in grid.likelihood.nonlinear if p.name not in free} | dict(grid.at)
    found = fit(grid.likelihood, at=fixed, floating=free, data=grid.data, minos=())
    return {**{name: found.values[name] for name in names}, "nll2": found.nll2} if found.valid else {}


def _fit_of_surface(grid: Grid, lowest: Mapping[str, float]) -> dict[str, float]:
    """Return a fit of both couplings from the lowest grid point, empty where it failed."""
    names = [axis.name for axis in grid.axes]
    joint, held = joint_at(grid.likelihood, grid.at)
    theta, columns = np.array(grid.start), [joint.parameters.index(name) for name in names]
    theta[columns] = [lowest[name] for name in names]
    free = [p.name for p in joint.parameters if (not p.fixed or p.name in names) and p.name not in held]
    found = profile(joint, {name: np.array([value]) for name, value in held.items()}, data=grid.data, start=theta, floating=free)
    values = dict(zip(names, found.theta[0, columns].tolist(), strict=True))
    return {**values, "nll2": float(found.nll2[0])} if found.converged[0] else {}
