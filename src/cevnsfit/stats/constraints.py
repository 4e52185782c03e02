"""Gaussian constraints that are given: one block of a likelihood, with a covariance between parameters of any kind.

The block is a channel of values with errors: the centres are what was observed, the parameters what is expected, and -2 ln L gets
(theta - a)^T V^-1 (theta - a). Pseudo-experiments, Asimov data, gradients and Hessians are those of any other channel, also of a parameter that
rebuilds the templates, which a `Joint` does not have. Of a parameter of the block its own unit normal does not count (`Joint.constrained`).

References
----------
Cranmer, Lewis, Moneta, Shibata, Verkerke, CERN-OPEN-2012-016, section 2 (constraint terms are auxiliary measurements).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.gaussian import correlated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cevnsfit.stats.data import Data
    from cevnsfit.stats.joint import Joint

    Floats = NDArray[np.float64]

BLOCK: Final = "constraints"
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

    names: tuple[str, ...]
    centres: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Constraining:
    """Channels, and the block of constraints beside them; made by `constraining`.

    Attributes
    ----------
    build
        Returns the channels at values of all nonlinear parameters.
    block
        The channel of the block where parameters that rebuild the templates are 1.
    nonlinear
        Which of its bins are theirs.
    """

    build: Callable[[Mapping[str, float]], tuple[Channel, ...]]
    block: Channel
    nonlinear: tuple[str, ...]

    def __call__(self, values: Mapping[str, float]) -> tuple[Channel, ...]:
        """Return the channels at values of all nonlinear parameters, the block last."""
        templates = self.block.templates.copy()
        for row, name in enumerate(self.nonlinear, len(templates) - len(self.nonlinear)):
            templates[row, row] = values[name]
        return (*self.build(values), replace(self.block, templates=templates))


def constraining(
    build: Callable[[Mapping[str, float]], tuple[Channel, ...]], constraints: Constraints, nonlinear: Sequence[str]
) -> Constraining:
    """Return channels with constraints beside them; CevnsfitError unless the covariance is positive definite."""
    size, linear = len(constraints.names), len(constraints.names) - len(nonlinear)
    one, none = np.ones((size, linear)), np.zeros(size, dtype=np.int64)
    rule = Coefficients(constraints.names[:linear], np.eye(size, linear, dtype=np.int64), one, one, none - 1, none)
    errors, bins = correlated(constraints.covariance), (size,)
    block = Channel(BLOCK, np.eye(size), rule, constraints.names, constraints.centres, None, bins, errors=errors, auxiliary=True)
    return Constraining(build, block, tuple(nonlinear))


def constraints_of(joint: Joint, data: Data | None = None) -> Constraints | None:
    """Return what the block of a likelihood says, with the centres of a single data set where one is given; None without a block."""
    for place, channel in enumerate(joint.channels):
        if channel.name == BLOCK and channel.errors is not None and channel.errors.covariance is not None:
            centres = channel.observed if data is None else data.counts[place]
            assert centres is not None
            return Constraints(channel.components, centres, channel.errors.covariance)
    return None


def entries_of(joint: Joint, data: Data) -> dict[str, Constrained]:
    """Return the constraint of each parameter that has one, by name, with the centres of a single data set: of the block, and unit normals."""
    unit = zip(joint.parameters.names, data.aux.tolist(), joint.constrained, strict=True)
    found = {name: Constrained(centre, 1.0) for name, centre, own in unit if own}
    block = constraints_of(joint, data)
    if block is None:
        return found
    sigmas = np.sqrt(np.diag(block.covariance)).tolist()
    return {**found, **{name: Constrained(*one) for name, *one in zip(block.names, block.centres.tolist(), sigmas, strict=True)}}
