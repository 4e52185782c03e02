"""A likelihood over all parameters: nonlinear parameters rebuild the channels, the rest enter a joint likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cevnsfit.core.errors import UnknownNameError
from cevnsfit.stats.joint import expected_totals, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False)
class Likelihood:
    """Channels as a function of the nonlinear parameters.

    Attributes
    ----------
    parameters
        Parameters of all kinds.
    build
        Returns the channels at given values of all nonlinear parameters; a pure function.
    nominal
        Returns the expected counts (nb,) of each channel by name at values of all parameters, nuisances at their defaults, faster than through
        `build`; None where there is no faster way.
    """

    parameters: ParameterSet
    build: Callable[[Mapping[str, float]], tuple[Channel, ...]]
    nominal: Callable[[Mapping[str, float]], dict[str, NDArray[np.float64]]] | None = None

    @property
    def nonlinear(self) -> ParameterSet:
        """Return the nonlinear parameters."""
        return self.parameters.of_kind("nonlinear")

    def at(self, values: Mapping[str, float]) -> Joint:
        """Return the joint likelihood over polynomial and nuisance parameters at nonlinear values (defaults where not given).

        Raises
        ------
        UnknownNameError
            If a name is not that of a nonlinear parameter.
        DomainError
            If a value is outside its domain.
        """
        nonlinear = self.nonlinear
        unknown = [name for name in values if name not in nonlinear]
        if unknown:
            kind = "nonlinear parameter"
            raise UnknownNameError(kind, unknown[0], nonlinear.names)
        vector = nonlinear.vector(values)
        settings = {name: float(value) for name, value in zip(nonlinear.names, vector, strict=True)}
        return join(self.parameters.of_kind("polynomial", "nuisance"), self.build(settings))

    def counts(self, values: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
        """Return the expected counts of each channel by name, shape (nb,), in C order of the axes.

        Nuisances are nominal; a background measured in a control region is not in the counts.

        Parameters
        ----------
        values
            Couplings and nonlinear parameters, in the units of the parameters; defaults where not given.

        Raises
        ------
        UnknownNameError
            If a name is not that of a coupling or nonlinear parameter.
        DomainError
            If a value is outside its domain.
        """
        settings = {p.name: p.default for p in self.parameters}
        for name, value in values.items():
            parameter = self.parameters[name]
            if parameter.kind == "nuisance":
                kind = "coupling or nonlinear parameter"
                raise UnknownNameError(kind, name, [p.name for p in self.parameters if p.kind != "nuisance"])
            settings[name] = parameter.checked(value)
        if self.nominal is not None:
            return self.nominal(settings)
        joint = self.at({p.name: settings[p.name] for p in self.nonlinear})
        totals = expected_totals(joint, joint.parameters.vector({name: settings[name] for name in joint.parameters.names}))
        return {channel.name: total[0] for channel, total in zip(joint.channels, totals, strict=True)}


def release(likelihood: Likelihood, names: Iterable[str]) -> Likelihood:
    """Return the likelihood with parameters floating that are held by default (`Parameter.fixed`).

    Raises
    ------
    UnknownNameError
        If a name is not a parameter.
    """
    return replace(likelihood, parameters=likelihood.parameters.released(names))
