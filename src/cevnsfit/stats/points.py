"""Points at which the logarithm of a likelihood is asked for: from names or arrays to -2 ln lambda and its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cevnsfit.core.errors import CevnsfitError, KindError
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import nll2, nll2_gradient

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.joint import Joint

    Theta = Mapping[str, ArrayLike] | ArrayLike | None

STEP: Final = 1e-4
"""Step of the central differences in a nonlinear parameter, relative to it."""


class Minimised(Protocol):
    """What a profiler returns: all parameters at the minima, shape (P, n)."""

    @property
    def theta(self) -> Floats:
        """Return all parameters at the minima, shape (P, n)."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """-2 ln lambda of a likelihood at points, rows of all parameters; with the floating nuisances at their minima where `profiled`."""

    parameters: ParameterSet
    at: Callable[[Mapping[str, float]], Joint]
    profiler: Callable[[Joint, Mapping[str, Floats]], Minimised] | None
    names: tuple[str, ...]
    profiled: bool

    def rows(self, theta: Theta) -> tuple[Floats, bool]:
        """Return all parameters at each point, shape (P, n), and whether there is a single one without a leading axis."""
        parameters = self.parameters
        try:
            values: Mapping[str, ArrayLike] = {} if theta is None else theta if isinstance(theta, Mapping) else self._named(theta)
            arrays = {parameters.index(name): np.asarray(value, dtype=np.float64) for name, value in values.items()}
            shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        except (TypeError, ValueError) as error:
            message = f"values are numbers or arrays of one shape, by name, or an array of all: {error}"
            raise KindError(message) from None
        rows = np.tile(parameters.defaults(), (*shape, 1)) if shape else parameters.defaults()[None].copy()
        for index, array in arrays.items():
            rows[..., index] = array
        return rows.reshape(-1, len(parameters)), not shape

    def _named(self, theta: ArrayLike) -> dict[str, ArrayLike]:
        array = np.asarray(theta, dtype=np.float64)
        if array.ndim not in {1, 2} or array.shape[-1] != len(self.names):
            message = f"an array of parameters has the shape (n,) or (P, n) with n = {len(self.names)} ({', '.join(self.names)}), got {array.shape}"
            raise CevnsfitError(message)
        return {name: array[..., place] for place, name in enumerate(self.names)}

    def nll2(self, rows: Floats) -> Floats:
        """Return -2 ln lambda, shape (P,), infinite outside the domain."""
        return self._each(
            rows, lambda joint, theta: nll2(joint, self._minimised(joint, theta), observed_data(joint)), np.full(len(rows), np.inf)
        )

    def gradient(self, rows: Floats) -> Floats:
        """Return the gradient in `names`, shape (P, n), NaN outside the domain."""
        everything = self.parameters.names
        found = self._each(rows, self._slopes, np.full((len(rows), len(everything)), np.nan))
        for index, parameter in enumerate(self.parameters):
            if parameter.kind == "nonlinear" and parameter.name in self.names:
                found[:, index] = self._difference(rows, index)
        return found[:, [everything.index(name) for name in self.names]]

    def _slopes(self, joint: Joint, theta: Floats) -> Floats:
        slopes = np.zeros((len(theta), len(self.parameters)))
        columns = [self.parameters.index(name) for name in joint.parameters.names]
        slopes[:, columns] = nll2_gradient(joint, self._minimised(joint, theta), observed_data(joint))[1]
        return slopes

    def _difference(self, rows: Floats, index: int) -> Floats:
        parameter = self.parameters.parameters[index]
        step = STEP * np.maximum(np.abs(rows[:, index]), STEP)
        ends = []
        for sign in (-1.0, 1.0):
            moved = rows.copy()
            moved[:, index] = np.clip(rows[:, index] + sign * step, parameter.lower, parameter.upper)
            ends.append((moved[:, index], self.nll2(moved)))
        (low, below), (high, above) = ends
        with np.errstate(invalid="ignore"):
            return np.asarray((above - below) / (high - low))

    def _each(self, rows: Floats, evaluate: Callable[[Joint, Floats], Floats], result: Floats) -> Floats:
        """Return what is evaluated at the points inside the domain; points of the same nonlinear parameters share their templates."""
        parameters = self.parameters
        lower, upper = parameters.domains()
        inside = np.flatnonzero(np.all((rows >= lower) & (rows <= upper), axis=1))
        moving = np.array([p.kind == "nonlinear" for p in parameters], dtype=np.bool_)
        places, which = np.unique(rows[np.ix_(inside, moving)], axis=0, return_inverse=True)
        for k, place in enumerate(places):
            joint = self.at(dict(zip(self.parameters.of_kind("nonlinear").names, place.tolist(), strict=True)))
            chosen = inside[which == k]
            result[chosen] = evaluate(joint, rows[chosen][:, ~moving])
        return result

    def _minimised(self, joint: Joint, theta: Floats) -> Floats:
        """Return the parameters with the floating nuisances at their minima, where these are profiled."""
        if not self.profiled:
            return theta
        if self.profiler is None:
            message = "nuisances are profiled by the `profiler` of a likelihood, which this one, built by hand, does not have"
            raise CevnsfitError(message)
        held = [p.name for p in joint.parameters if p.fixed or p.kind != "nuisance"]
        return self.profiler(joint, {name: theta[:, joint.parameters.index(name)] for name in held}).theta
