"""Gaussian constraints that are given: one block of a likelihood, with a covariance between parameters of any kind.

The block is a channel of values with errors: the centres are what was observed, the parameters what is expected, and -2 ln L gets
(theta - a)^T V^-1 (theta - a). Pseudo-experiments, Asimov data, gradients and Hessians are those of any other channel, also of a parameter that
rebuilds the templates, which a `Joint` does not have. Of a parameter of the block its own unit normal does not count (`Joint.constrained`).

References
----------
Cranmer, Lewis, Moneta, Shibata, Verkerke, CERN-OPEN-2012-016, section 2 (constraint terms are auxiliary measurements).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.gaussian import correlated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cevnsfit.core.arrays import Floats

    Build = Callable[[Mapping[str, float]], tuple[Channel, ...]]

CONSTRAINTS: Final = "constraints"
"""Name of the channel."""


class Constrained(NamedTuple):
    """Centre of the constraint of a parameter, and its standard deviation."""

    centre: float
    sigma: float


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """What a block says of k parameters.

    Attributes
    ----------
    names
        The parameters, those that rebuild the templates last.
    centres, covariance
        a, shape (k,), and V, shape (k, k).
    """

    names: tuple[str, ...] = ()
    centres: Floats = field(default_factory=lambda: np.zeros(0))
    covariance: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def of(self, names: Collection[str]) -> Constraints:
        """Return what is left for some of the parameters where nothing else knows of the others."""
        kept = [place for place, name in enumerate(self.names) if name in names]
        return Constraints(tuple(self.names[place] for place in kept), self.centres[kept], self.covariance[np.ix_(kept, kept)])

    def given(self, held: Mapping[str, float]) -> Constraints:
        """Return what is said of the others where some parameters are held.

        With the precision P = V^-1 it is a normal distribution with P_ff, around a_f - P_ff^-1 P_fh (theta_h - a_h).
        """
        known = np.array([name in held for name in self.names], dtype=np.bool_)
        away = np.array([held.get(name, 0.0) for name in self.names])[known] - self.centres[known]
        precision = np.linalg.inv(self.covariance)
        covariance = np.asarray(np.linalg.inv(precision[np.ix_(~known, ~known)]), dtype=np.float64)
        centres = self.centres[~known] - covariance @ precision[np.ix_(~known, known)] @ away
        return Constraints(tuple(name for name in self.names if name not in held), centres, covariance)


def constraining(build: Build, constraints: Constraints, nonlinear: Sequence[str]) -> Build:
    """Return a function that returns channels at values of all nonlinear parameters, of which some are the last of the constraints, and the block last.

    Raises
    ------
    CevnsfitError
        Unless the covariance is positive definite.
    """
    size, linear = len(constraints.names), len(constraints.names) - len(nonlinear)
    one, none = np.ones((size, linear)), np.zeros(size, dtype=np.int64)
    rule = Coefficients(constraints.names[:linear], np.eye(size, linear, dtype=np.int64), one, one, none - 1, none)
    errors, bins = correlated(constraints.covariance), (size,)
    block = Channel(CONSTRAINTS, np.eye(size), rule, constraints.names, constraints.centres, None, bins, errors=errors, auxiliary=True)
    return functools.partial(_with_block, build, block, tuple(nonlinear))


def _with_block(build: Build, block: Channel, nonlinear: tuple[str, ...], values: Mapping[str, float]) -> tuple[Channel, ...]:
    templates = block.templates.copy()
    for row, name in enumerate(nonlinear, len(templates) - len(nonlinear)):
        templates[row, row] = values[name]
    return (*build(values), replace(block, templates=templates))
