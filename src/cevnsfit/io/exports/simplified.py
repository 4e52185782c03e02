"""A simplified likelihood: Delta chi2 over a mass and a coupling on a grid that a few lines of numpy interpolate.

The second coordinate is v = ln(g) - ln(scale), where the scale is the coupling at which new physics balances the Standard Model: features run
along it, so that few masses are enough. t = ln(1 + Delta chi2) is interpolated with cubic polynomials through the four nearest nodes of each
axis. The grid is refined until it is good to `ACCURACY` where Delta chi2 < `FAR`, and to that fraction of `FAR` up to `CAP`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cevnsfit.core.documents import plain, read_document, write_document
from cevnsfit.core.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cevnsfit.core.arrays import Floats, Ints

    Evaluate = Callable[[float, Floats], Floats]

SCHEMA: Final = "cevnsfit-simplified/1"
ACCURACY: Final = 0.02
FAR: Final = 30.0
CAP: Final = 100.0
MAX_BYTES: Final = 100_000_000
MAX_NODES: Final = (200, 1000)
"""Most nodes in the mass and in v."""

_SAFETY: Final = 0.25
_START: Final = (9, 41)
_FLAT: Final = 1e-3
_LOWEST, _HIGHEST = -12.0, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Simplified:
    """Delta chi2 on a grid.

    Attributes
    ----------
    metadata
        What the numbers are.
    x, y
        Names of the mass and of the coupling.
    unit
        Unit of the mass.
    log_x, log_scale
        ln(mass) and ln(scale) at the nodes, shape (nx,).
    v
        Nodes of ln(coupling/scale), shape (nv,); below the first the value is that of the first, the limit of small couplings.
    t
        ln(1 + Delta chi2), shape (nx, nv).
    minimum
        -2 ln lambda at the best fit, which Delta chi2 is counted from.
    accuracy
        Largest error found at random points with Delta chi2 < `FAR`.
    """

    metadata: Mapping[str, Any]
    x: str
    y: str
    unit: str
    log_x: Floats
    log_scale: Floats
    v: Floats
    t: Floats
    minimum: float
    accuracy: float


def weights(nodes: Floats, at: Floats) -> tuple[Ints, Floats]:
    """Return the four nearest nodes of each point, shape (P, 4), and their Lagrange weights."""
    near = np.clip(np.searchsorted(nodes, at) - 2, 0, len(nodes) - 4)[:, None] + np.arange(4)
    own = nodes[near]
    result = np.ones_like(own)
    for i in range(4):
        for j in range(4):
            if i != j:
                result[:, i] *= (at - own[:, j]) / (own[:, i] - own[:, j])
    return near, result


def evaluate(table: Simplified, x: Floats, y: Floats) -> Floats:
    """Return Delta chi2 at masses and couplings, shape (P,); couplings may be 0."""
    rows, row_weights = weights(table.log_x, np.log(np.asarray(x, dtype=np.float64)))
    scale = np.sum(row_weights * table.log_scale[rows], axis=1)
    v = np.log(np.maximum(y, 1e-300)) - scale
    columns, column_weights = weights(table.v, np.clip(v, table.v[0], table.v[-1]))
    t = np.einsum("pi,pj,pij->p", row_weights, column_weights, table.t[rows[:, :, None], columns[:, None, :]])
    return np.asarray(np.expm1(t))


# --- making it ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Grid:
    """A growing grid; -2 ln lambda is kept, so that the minimum may still move, and every value once computed is remembered."""

    nll2: Evaluate
    log_scale_of: Callable[[float], float]
    log_x: Floats
    v: Floats
    log_scale: Floats
    values: Floats
    known: dict[float, dict[float, float]]

    def column(self, log_x: float, v: Floats) -> Floats:
        """Return -2 ln lambda at one mass."""
        known = self.known.setdefault(float(log_x), {})
        missing = np.array([value for value in v if float(value) not in known])
        if len(missing):
            found = self.nll2(float(np.exp(log_x)), np.exp(missing + self.log_scale_of(log_x)))
            known.update(zip(missing.tolist(), found.tolist(), strict=True))
        return np.array([known[float(value)] for value in v])

    def add(self, log_x: Floats, columns: Floats) -> None:
        """Add masses with their values, shape (k, nv)."""
        order = np.argsort(np.concatenate([self.log_x, log_x]))
        self.log_x = np.concatenate([self.log_x, log_x])[order]
        self.log_scale = np.array([self.log_scale_of(u) for u in self.log_x])
        self.values = np.concatenate([self.values, columns])[order]

    def widen(self, v: Floats, rows: Floats) -> None:
        """Add values of v with their values, shape (nx, k)."""
        order = np.argsort(np.concatenate([self.v, v]))
        self.v = np.concatenate([self.v, v])[order]
        self.values = np.concatenate([self.values, rows], axis=1)[:, order]


def tabulate(
    nll2: Evaluate,
    scale: Callable[[float], float],
    ends: tuple[float, float],
    *,
    names: tuple[str, str, str],
    metadata: Mapping[str, Any],
    minimum: float = np.inf,
) -> Simplified:
    """Return the simplified likelihood of a profiled one.

    Parameters
    ----------
    nll2
        Profiled -2 ln lambda at one mass and some couplings.
    scale
        Coupling scale at a mass.
    ends
        Smallest and largest mass.
    names
        Names of mass and coupling, unit of the mass.
    metadata
        What the numbers are.
    minimum
        A known value of the smallest -2 ln lambda.

    Raises
    ------
    ResultError
        If there is nothing to constrain, or the accuracy is not reached.
    """
    grid = _start(nll2, scale, ends)
    for attempt in range(4):
        _refine(grid, _SAFETY / 2.0**attempt, minimum)
        floor = min(minimum, float(grid.values.min()))
        t = np.log1p(grid.values - floor)
        table = Simplified(metadata, *names, grid.log_x, grid.log_scale, grid.v, t, floor, 0.0)
        worst = _check(grid, table)
        if worst <= ACCURACY:
            return Simplified(metadata, *names, grid.log_x, grid.log_scale, grid.v, t, floor, worst)
    message = f"the grid is good to {worst:.3g} in Delta chi2, but {ACCURACY:g} is needed; use a smaller range of {names[0]}"
    raise ResultError(message)


def _start(nll2: Evaluate, scale: Callable[[float], float], ends: tuple[float, float]) -> _Grid:
    """Return the first grid, from where the coupling does nothing to where it is excluded at every mass."""
    log_x = np.linspace(np.log(ends[0]), np.log(ends[1]), _START[0])

    def log_scale(u: float) -> float:
        return float(np.log(scale(float(np.exp(u)))))

    empty = np.zeros(0)
    grid = _Grid(nll2, log_scale, log_x, empty, empty, np.zeros((len(log_x), 0)), {})
    low, high = -4.0, 0.25
    while low > _LOWEST and max(np.ptp(grid.column(u, np.array([low, low - 20.0]))) for u in log_x) > _FLAT:
        low -= 1.0
    while high < _HIGHEST and min(np.ptp(grid.column(u, np.array([-20.0, high]))) for u in log_x) < CAP:
        high += 0.25
    if not low > _LOWEST or not high < _HIGHEST:
        message = "the data do not constrain this coupling over the whole range of masses"
        raise ResultError(message)
    grid.v = np.linspace(low, high, _START[1])
    grid.values = np.array([grid.column(u, grid.v) for u in log_x])
    grid.log_scale = np.array([log_scale(u) for u in log_x])
    return grid


def _excess(true: Floats, guess: Floats) -> Floats:
    """Return the error of an interpolated Delta chi2 over what is allowed there."""
    allowed = ACCURACY * np.maximum(true / FAR, 1.0)
    return np.asarray(np.where(true < CAP, np.abs(guess - true) / allowed, np.where(guess > CAP / 2.0, 0.0, np.inf)))


def _refine(grid: _Grid, tolerance: float, minimum: float) -> None:
    """Divide intervals of both axes until their middles are interpolated well enough."""
    changed = True
    while changed:
        changed = _refine_v(grid, tolerance, minimum) or _refine_x(grid, tolerance, minimum)
        if len(grid.log_x) > MAX_NODES[0] or len(grid.v) > MAX_NODES[1]:
            message = f"more than {MAX_NODES[0]} masses or {MAX_NODES[1]} couplings are needed; use a smaller range"
            raise ResultError(message)


def _refine_v(grid: _Grid, tolerance: float, minimum: float) -> bool:
    middle = (grid.v[1:] + grid.v[:-1]) / 2.0
    true = np.array([grid.column(u, middle) for u in grid.log_x])
    floor = min(minimum, float(grid.values.min()), float(true.min()))
    near, factors = weights(grid.v, middle)
    guess = np.expm1(np.sum(np.log1p(grid.values - floor)[:, near] * factors, axis=2))
    wanted = np.any(_excess(true - floor, guess) > tolerance, axis=0)
    grid.widen(middle[wanted], true[:, wanted])
    return bool(wanted.any())


def _refine_x(grid: _Grid, tolerance: float, minimum: float) -> bool:
    middle = (grid.log_x[1:] + grid.log_x[:-1]) / 2.0
    true = np.array([grid.column(u, grid.v) for u in middle])
    floor = min(minimum, float(grid.values.min()), float(true.min()))
    guess = np.array([_guess(grid, u, grid.v, floor) for u in middle])
    wanted = np.any(_excess(true - floor, guess) > tolerance, axis=1)
    grid.add(middle[wanted], true[wanted])
    return bool(wanted.any())


def _guess(grid: _Grid, u: float, v: Floats, floor: float) -> Floats:
    """Return what a reader of the table finds at one mass: the scale is interpolated too."""
    table = Simplified({}, "", "", "", grid.log_x, grid.log_scale, grid.v, np.log1p(grid.values - floor), floor, 0.0)
    return evaluate(table, np.full(len(v), np.exp(u)), np.exp(v + grid.log_scale_of(u)))


def _check(grid: _Grid, table: Simplified) -> float:
    """Return the largest error found with Delta chi2 < `FAR`: in every interval of the mass one random value, with random values of v in every interval.

    The points are always the same.
    """
    rng = np.random.default_rng(20)
    worst = 0.0
    for low, high in pairwise(table.log_x):
        u = float(rng.uniform(low, high))
        v = rng.uniform(table.v[:-1], table.v[1:])
        true = grid.nll2(float(np.exp(u)), np.exp(v + grid.log_scale_of(u))) - table.minimum
        wrong = np.abs(_guess(grid, u, v, table.minimum) - true)
        worst = max(worst, float(np.max(wrong[true < FAR], initial=0.0)))
    return worst


# --- files -------------------------------------------------------------------------------------------------------------------------


def write_simplified(table: Simplified, path: Path) -> tuple[Path, ...]:
    """Write a simplified likelihood as JSON."""
    values = {
        "schema": SCHEMA,
        "metadata": plain(table.metadata),
        "parameters": [{"name": table.x, "unit": table.unit}, {"name": table.y, "unit": "1"}],
        "nll2_min": table.minimum,
        "accuracy": {"wanted": ACCURACY, "below": FAR, "cap": CAP, "found": table.accuracy},
        "log_mass": table.log_x.tolist(),
        "log_scale": table.log_scale.tolist(),
        "v": table.v.tolist(),
        "t": np.round(table.t, 9).tolist(),
    }
    write_document(path, values)
    return (path,)


def read_simplified(path: Path) -> Simplified:
    """Return a simplified likelihood.

    Raises
    ------
    ResultError
        If the file is missing, too large, or not such a document.
    """
    values = read_document(path, MAX_BYTES)
    try:
        if values["schema"] != SCHEMA:
            message = f"schema {values['schema']!r}, expected {SCHEMA!r}"
            raise ValueError(message)  # noqa: TRY301
        log_x, log_scale, v, t = (np.array(values[key], dtype=np.float64) for key in ("log_mass", "log_scale", "v", "t"))
        _check_shapes(log_x, log_scale, v, t)
        (x, y), accuracy = values["parameters"], values["accuracy"]
        names = (str(x["name"]), str(y["name"]), str(x["unit"]))
        return Simplified(dict(values["metadata"]), *names, log_x, log_scale, v, t, float(values["nll2_min"]), float(accuracy["found"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        message = f"{path}: not a simplified likelihood ({type(error).__name__}: {error})"
        raise ResultError(message) from None


def _check_shapes(log_x: Floats, log_scale: Floats, v: Floats, t: Floats) -> None:
    if log_x.ndim != 1 or v.ndim != 1 or min(len(log_x), len(v)) < 4 or log_scale.shape != log_x.shape or t.shape != (len(log_x), len(v)):
        message = f"shapes disagree: log_mass {log_x.shape}, log_scale {log_scale.shape}, v {v.shape}, t {t.shape}"
        raise ValueError(message)
    if not all(np.isfinite(array).all() for array in (log_x, log_scale, v, t)) or np.any(np.diff(log_x) <= 0) or np.any(np.diff(v) <= 0):
        message = "nodes must increase, and all numbers be finite"
        raise ValueError(message)
