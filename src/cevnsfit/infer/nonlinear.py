"""Profiles over parameters that rebuild the templates (masses, radii): every point has templates of its own, and its own fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cevnsfit.infer.curve import Curve, Minimum, changes, complement, interpolated, minima, root
from cevnsfit.infer.fit import fit
from cevnsfit.infer.intervals import METHOD, Intervals, domain_ends, threshold
from cevnsfit.infer.lines import search_grid
from cevnsfit.infer.multistart import profile_minima

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.likelihood import Likelihood

POINTS: Final = (61, 31)
"""Values of one parameter between which minima and crossings are looked for, without and with nonlinear parameters that float."""

NEAR: Final = 100.0
"""Points farther than this above the minimum in -2 ln lambda do not make a result invalid."""


def point_values(
    likelihood: Likelihood, points: Mapping[str, NDArray[np.float64]], *, at: Mapping[str, float], floating: Iterable[str], data: Data
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return -2 ln lambda at P points with all else profiled, and where it converged, shape (P,) each.

    Parameters
    ----------
    points
        Values of the scanned parameters of any kind, shape (P,) each.
    at
        Other held parameters.
    floating
        Nonlinear parameters that are minimised too; all others stay at their defaults unless held.
    data
        The data set.
    """
    free = set(floating) - set(points) - set(at)
    fixed = {p.name: at.get(p.name, p.default) for p in likelihood.nonlinear if p.name not in free} | dict(at)
    size = len(next(iter(points.values())))
    nll2, valid = np.empty(size), np.empty(size, dtype=np.bool_)
    start: NDArray[np.float64] | None = None
    for k in range(size):
        values = fixed | {name: float(entry[k]) for name, entry in points.items()}
        if free:
            found = fit(likelihood, at=values, floating=free, data=data, minos=())
            nll2[k], valid[k] = found.nll2, found.valid
            continue
        shape = {name: value for name, value in values.items() if name in likelihood.nonlinear}
        rest = {name: np.array([value]) for name, value in values.items() if name not in shape}
        result = profile_minima(likelihood.at(shape), rest, data=data, start=start)
        nll2[k], valid[k], start = result.nll2[0], result.converged[0], result.theta[0]
    return nll2, valid


def nonlinear_intervals(
    likelihood: Likelihood, poi: str, *, cl: float, dof: int, at: Mapping[str, float], floating: Iterable[str] = (), data: Data
) -> Intervals:
    """Return the allowed intervals of a parameter that rebuilds the templates, or of one beside which such parameters float.

    Parameters
    ----------
    poi
        The parameter of interest, of any kind.
    cl, dof
        Of the threshold.
    at
        Held parameters.
    floating
        Nonlinear parameters that are profiled.
    data
        The data set.
    """
    parameter = likelihood.parameters[poi]
    free = tuple(floating)

    def heights(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return point_values(likelihood, {poi: values}, at=at, floating=free, data=data)

    def height(value: float) -> float:
        return float(heights(np.array([value]))[0][0])

    grid = _grid(likelihood, poi, at, POINTS[bool(free)])
    nll2, valid = heights(grid)
    lowest = [_minimum(height, grid, i) for i in minima(nll2)]
    values = np.concatenate([grid, [value for value, _ in lowest]])
    values, first = np.unique(values, return_index=True)
    nll2 = np.concatenate([nll2, [found for _, found in lowest]])[first]
    valid = np.concatenate([valid, np.ones(len(lowest), dtype=np.bool_)])[first]
    curve = Curve(values, nll2, valid)
    best = curve.lowest
    level = float(nll2[best]) + threshold(cl, dof)
    brackets = changes(nll2 > level)
    roots = [root(lambda value: height(value) - level, *values[i : i + 2].tolist(), precision=1e-5) for i in brackets]
    found = not any(map(math.isnan, roots))
    straight = [interpolated(values[i : i + 2], nll2[i : i + 2], level) for i in brackets]
    allowed = curve.allowed([b if math.isnan(a) else a for a, b in zip(roots, straight, strict=True)], level)
    domain = (float(grid[0]), float(grid[-1]))
    return Intervals(
        poi=parameter.name,
        best_fit=float(values[best]),
        nll2=float(nll2[best]),
        allowed=allowed,
        excluded=complement(allowed, domain),
        minima=tuple(lowest),
        domain=domain,
        method=METHOD,
        cl=cl,
        dof=dof,
        valid=found and bool(valid[nll2 - nll2[best] < NEAR].all()),
        at_domain_end=domain_ends(allowed, domain, parameter),
        profile=np.array([values, nll2]),
    )


def _grid(likelihood: Likelihood, poi: str, at: Mapping[str, float], points: int) -> NDArray[np.float64]:
    """Return the values between which a curve is looked at."""
    parameter = likelihood.parameters[poi]
    if parameter.kind != "nonlinear":
        shape = {name: value for name, value in at.items() if name in likelihood.nonlinear}
        values = search_grid(likelihood.at(shape), poi)
        return np.unique(np.append(values[:: max(1, len(values) // points)], values[-1]))
    spaced = np.geomspace if parameter.scale == "log" else np.linspace
    return np.asarray(spaced(parameter.lower, parameter.upper, points))


def _minimum(height: Callable[[float], float], grid: NDArray[np.float64], i: int) -> Minimum:
    """Return the minimum beside a grid point."""
    from scipy.optimize import minimize_scalar

    ends = (float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)]))
    found = minimize_scalar(height, bounds=ends, method="bounded", options={"xatol": 1e-4 * (ends[1] - ends[0])})
    here = height(float(grid[i]))
    return Minimum(float(found.x), float(found.fun)) if found.fun < here else Minimum(float(grid[i]), here)
