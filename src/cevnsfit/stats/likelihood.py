"""A likelihood over all parameters: nonlinear parameters rebuild the channels, the rest enter a joint likelihood."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from cevnsfit.core.documents import Document, brief
from cevnsfit.core.errors import CevnsfitError, UnknownNameError
from cevnsfit.core.histograms import Histogram
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.core.parcels import SentOnce
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.data import asked_data, data_text, kept_channels
from cevnsfit.stats.joint import expected, join
from cevnsfit.stats.points import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import ArrayLike

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.core.arrays import Floats
    from cevnsfit.core.axes import Axis
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.gaussian import Errors
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.points import Minimised

    Theta = Mapping[str, ArrayLike] | ArrayLike | None


@dataclass(frozen=True, slots=True, eq=False)
class Observing:
    """Channels with other counts in the place of the observed ones.

    Attributes
    ----------
    build
        Returns the channels at values of all nonlinear parameters.
    counts, control
        Counts, and those of the control region where there is one, by channel, shape (nb,) each.
    """

    build: Callable[[Mapping[str, float]], tuple[Channel, ...]]
    counts: Mapping[str, Floats]
    control: Mapping[str, Floats]

    def __call__(self, values: Mapping[str, float]) -> tuple[Channel, ...]:
        """Return the channels at values of all nonlinear parameters."""
        return tuple(self._filled(channel) for channel in self.build(values))

    def _filled(self, channel: Channel) -> Channel:
        name, control = channel.name, channel.control
        if control is not None and name in self.control:
            control = replace(control, counts=self.control[name])
        return replace(channel, observed=self.counts.get(name, channel.observed), control=control)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Likelihood(Document, SentOnce):
    """Channels as a function of the nonlinear parameters; it pickles if `build`, `nominal` and `profiler` do.

    Attributes
    ----------
    parameters
        Parameters of all kinds.
    build
        Returns the channels at given values of all nonlinear parameters; a pure function.
    nominal
        Returns the expected counts (nb,) of each channel by name at values of all parameters, nuisances at their defaults, faster than through
        `build`; None where there is no faster way.
    origin
        What it was built from, as plain values; None for one that was built by hand.
    profiler
        Returns the profile over all parameters that are not in a mapping of held ones, for `logpdf`.
    axes
        Axes of each channel by name, for `counts`; one that was built by hand need not have them.
    data
        Which data it has, in words.
    inputs
        Digests of the files that each experiment was read from, by its name.
    labels
        Names of experiments in pictures, by name; one that is missing is printed by its name.
    constraints
        The constraints and correlations that were given, in words.
    """

    parameters: ParameterSet
    build: Callable[[Mapping[str, float]], tuple[Channel, ...]]
    nominal: Callable[[Mapping[str, float]], dict[str, Floats]] | None = None
    origin: Analysis | None = None
    profiler: Callable[[Joint, Mapping[str, Floats]], Minimised] | None = None
    axes: Mapping[str, tuple[Axis, ...]] = field(default_factory=dict)
    data: str = "observed"
    inputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the model, the bins of each channel, the parameters of interest that float, and numbers of nuisances; None for no model."""
        channels = self.build({p.name: p.default for p in self.nonlinear})
        uses = Counter(name for channel in channels for name in channel.coefficients.parameters)
        nuisances = [name for name in self.names if name not in self.interest]
        return {
            "model": None if self.origin is None else self.origin.model,
            "bins": {channel.name: channel.templates.shape[1] for channel in channels if not channel.auxiliary},
            "floating": list(self.interest),
            "nuisances": len(nuisances),
            "shared": sum(uses[name] > 1 for name in nuisances),
            "data": self.data,
        }

    def __repr__(self) -> str:
        known = self.to_dict()
        model = "" if known["model"] is None else f"{known['model']}, "
        numbers = f"{sum(known['bins'].values())} bins; {brief(known['floating'], 40)} floating, {known['nuisances']} nuisances, {known['shared']} shared"
        data = "" if self.data == "observed" else f"; {self.data}"
        return f"Likelihood({model}{brief(list(known['bins']), 60)}: {numbers}{data})"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of what floats, in order."""
        return tuple(p.name for p in self.parameters if not p.fixed)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Return the names of the experiments, those of the channels where it was built by hand."""
        if self.inputs:
            return tuple(self.inputs)
        return tuple(dict.fromkeys(channel.owner for channel in self.at({}).channels if channel.name != CONSTRAINTS))

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
        settings = dict(zip(nonlinear.names, nonlinear.vector(values).tolist(), strict=True))
        return join(self.parameters.of_kind("polynomial", "nuisance"), self.build(settings))

    @overload
    def counts(
        self, values: Mapping[str, float] | None = ..., /, *, components: Literal[False] = ..., **more: float
    ) -> dict[str, Histogram]: ...

    @overload
    def counts(
        self, values: Mapping[str, float] | None = ..., /, *, components: Literal[True], **more: float
    ) -> dict[str, dict[str, Histogram]]: ...

    def counts(
        self, values: Mapping[str, float] | None = None, /, *, components: bool = False, **more: float
    ) -> dict[str, Histogram] | dict[str, dict[str, Histogram]]:
        """Return the expected counts of each channel by name, as histograms.

        Nuisances are nominal, and a background that a control region measures is what was counted there over the ratio.

        Parameters
        ----------
        values, **more
            Couplings and nonlinear parameters, in their units; defaults where not given.
        components
            Return a histogram of each component by name, a stack, in the place of one of their sum.

        Raises
        ------
        UnknownNameError
            If a name is not that of a coupling or nonlinear parameter.
        DomainError
            If a value is outside its domain.

        Examples
        --------
        >>> import cevnsfit as cf
        >>> likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
        >>> found = likelihood.counts(mass=20.0, g=5e-4)["coherent-csi-2021"]
        >>> found.values().shape, [axis.label for axis in found.axes]
        ((9, 11), ['pe [PE]', 'time [us]'])
        """
        settings = self._settings({**({} if values is None else values), **more})
        if self.nominal is not None and not components:
            return {name: self._histogram(name, counts, None) for name, counts in self.nominal(settings).items()}
        joint = self.at({name: settings[name] for name in self.nonlinear.names})
        errors = {channel.name: channel.errors for channel in joint.channels}
        shown = [channel.name for channel in joint.channels if not channel.auxiliary]
        found = expected(joint, np.array([settings[name] for name in joint.parameters.names]))
        found = {name: found[name] for name in shown}
        if components:
            return {
                name: {part: self._histogram(name, counts, errors[name]) for part, counts in parts.items()} for name, parts in found.items()
            }
        return {name: self._histogram(name, np.sum([*parts.values()], axis=0), errors[name]) for name, parts in found.items()}

    def _settings(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values of all parameters, checked; nuisances at their defaults."""
        settings = {p.name: p.default for p in self.parameters}
        for name, value in values.items():
            parameter = self.parameters[name]
            if parameter.kind == "nuisance":
                kind = "coupling or nonlinear parameter"
                raise UnknownNameError(kind, name, [p.name for p in self.parameters if p.kind != "nuisance"])
            settings[name] = parameter.number(value)
        return settings

    def _histogram(self, channel: str, counts: Floats, errors: Errors | None) -> Histogram:
        if channel not in self.axes:
            message = f"{channel} has no histogram: the axes of its bins were not given to this likelihood, built by hand"
            raise CevnsfitError(message)
        shape = [axis.nbins for axis in self.axes[channel]]
        squares = None if errors is None else errors.variances.reshape(shape)
        return Histogram(self.axes[channel], counts.reshape(shape), squares=squares)

    def with_data(
        self,
        data: Literal["asimov", "toy"] | Mapping[str, ArrayLike],
        truth: Mapping[str, float] | None = None,
        /,
        *,
        seed: int | None = None,
        keep: Collection[str] = (),
        **true: float,
    ) -> Likelihood:
        """Return the likelihood with other data in the place of the observed ones.

        Parameters
        ----------
        data
            "asimov" for the expectation, "toy" for a pseudo-experiment, in which counts and centres of constraints fluctuate; or counts by channel.
        seed
            Of the pseudo-experiment.
        keep
            Experiments or channels that keep their observed counts.
        truth, **true
            True values of parameters of any kind by name; defaults (the Standard Model) for the rest.

        Raises
        ------
        UnknownNameError, DomainError
            If a true parameter or a channel is unknown, or a value outside its domain.
        CevnsfitError
            If data are not numbers of the right shape, >= 0 for counts, or a seed is missing or one too many.
        """
        asked = {**({} if truth is None else truth), **true}
        values = {name: self.parameters[name].number(value) for name, value in asked.items()}
        joint = self.at({name: values[name] for name in self.nonlinear.names if name in values})
        found = asked_data(joint, data, values, seed)
        kept = kept_channels(joint, keep)
        names = [channel.name for channel in joint.channels]
        counts = {name: n for name, n in zip(names, found.counts, strict=True) if name not in kept}
        control = {name: m for name, m in zip(names, found.control, strict=True) if name not in kept and m is not None}
        centres = dict(zip(joint.parameters.names, found.aux.tolist(), strict=True)) if isinstance(data, str) else {}
        parameters = tuple(replace(p, centre=centres.get(p.name, p.centre)) for p in self.parameters)
        words = data_text(data, values, seed)
        return replace(self, parameters=ParameterSet(parameters), build=Observing(self.build, counts, control), data=words)

    @overload
    def logpdf(self, theta: Theta = ..., *, gradient: Literal[False] = ..., profiled: bool = ...) -> Floats: ...

    @overload
    def logpdf(self, theta: Theta = ..., *, gradient: Literal[True], profiled: bool = ...) -> tuple[Floats, Floats]: ...

    def logpdf(self, theta: Theta = None, *, gradient: bool = False, profiled: bool = False) -> Floats | tuple[Floats, Floats]:
        """Return the logarithm of the likelihood, minus half of -2 ln lambda with the constraints; -inf outside its domain.

        Parameters
        ----------
        theta
            Values by name, numbers or shape (P,), others at their defaults; or those of `names` in order, shape (n,) or (P, n).
        gradient
            Return the gradient too, in `names`; central differences in nonlinear parameters, NaN outside the domain.
        profiled
            Minimise over the nuisances that float; an array then holds the values of those of `names` that are no nuisances, and so does a gradient.

        Returns
        -------
        A number for a single point, else shape (P,); with a gradient also shape (n,) or (P, n).

        Raises
        ------
        UnknownNameError
            If a name is not a parameter.
        CevnsfitError
            If an array has another length, or no profiler was given to a likelihood that was built by hand.

        Examples
        --------
        >>> import cevnsfit as cf
        >>> likelihood = cf.build_likelihood("coherent-lar-2020", model="lmu-ltau")
        >>> values = likelihood.logpdf({"mass": 20.0, "g": [0.0, 1e-3]}, profiled=True)
        >>> values.shape
        (2,)
        """
        points = Points(self.parameters, self.at, self.profiler, self.interest if profiled else self.names, profiled)
        rows, single = points.rows(theta)
        values = -0.5 * points.nll2(rows)
        if not gradient:
            return values[0] if single else values
        slopes = -0.5 * points.gradient(rows)
        return (values[0], slopes[0]) if single else (values, slopes)

    @property
    def interest(self) -> tuple[str, ...]:
        """Return the names of what floats and is no nuisance, in order."""
        return tuple(p.name for p in self.parameters if not p.fixed and p.kind != "nuisance")
