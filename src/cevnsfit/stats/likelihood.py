"""A likelihood over all parameters: shape parameters rebuild the channels, the rest enter a joint likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False)
class Likelihood:
    """Channels as a function of the shape parameters.

    Attributes
    ----------
    parameters
        Parameters of all kinds.
    build
        Returns the channels at given values of all shape parameters; a pure function.
    """

    parameters: ParameterSet
    build: Callable[[Mapping[str, float]], tuple[Channel, ...]]

    @property
    def shape(self) -> ParameterSet:
        """Return the shape parameters."""
        return self.parameters.of_kind("shape")

    def at(self, values: Mapping[str, float]) -> Joint:
        """Return the joint likelihood over polynomial and nuisance parameters at shape values (defaults where not given).

        Raises
        ------
        UnknownNameError
            If a name is not that of a shape parameter.
        DomainError
            If a value is outside its domain.
        """
        shape = self.shape
        unknown = [name for name in values if name not in shape]
        if unknown:
            kind = "shape parameter"
            raise UnknownNameError(kind, unknown[0], shape.names)
        vector = shape.vector(values)
        settings = {name: float(value) for name, value in zip(shape.names, vector, strict=True)}
        return join(self.parameters.of_kind("polynomial", "nuisance"), self.build(settings))


def release(likelihood: Likelihood, names: Iterable[str]) -> Likelihood:
    """Return the likelihood with parameters floating that are held by default (`Parameter.fixed`).

    Raises
    ------
    UnknownNameError
        If a name is not a parameter.
    """
    chosen = {likelihood.parameters[name].name for name in names}
    parameters = tuple(replace(p, fixed=False) if p.name in chosen else p for p in likelihood.parameters)
    return Likelihood(ParameterSet(parameters), likelihood.build)
