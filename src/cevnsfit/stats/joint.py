"""The joint likelihood of several channels: data sets, expected counts, and -2 ln lambda with derivatives for batches.

-2 ln L is the sum over channels of `stats.poisson` and of (theta - a)^2 over the constrained parameters, a = 0 for real data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, NoDataError
from cevnsfit.stats.channel import amplitudes
from cevnsfit.stats.poisson import on_off

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.channel import Channel
    from cevnsfit.stats.engine import Problem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Channels over one parameter set; made by `join`.

    Attributes
    ----------
    parameters
        The polynomial and nuisance parameters, n of them.
    channels
        The channels.
    local
        For each channel the index in `parameters` of its local parameters.
    bound
        The problems that `stats.engine.bind` made last; they are used again for the same data and parameters.
    """

    parameters: ParameterSet
    channels: tuple[Channel, ...]
    local: tuple[Ints, ...]
    bound: list[Problem] = field(default_factory=list, repr=False)

    @property
    def nbins(self) -> int:
        """Return the number of bins of all channels."""
        return sum(channel.templates.shape[1] for channel in self.channels)

    @property
    def constrained(self) -> NDArray[np.bool_]:
        """Return which parameters have a unit-normal constraint, shape (n,)."""
        return np.array([parameter.constrained for parameter in self.parameters], dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """One data set, or a batch of P of them where a leading axis is present.

    Attributes
    ----------
    counts
        Per channel, shape (nb,) or (P, nb).
    control
        Counts of the control region per channel, shape (nb,) or (P, nb), or None.
    aux
        Centres of the constraints, shape (n,) or (P, n); only those of constrained parameters count.
    """

    counts: tuple[Floats, ...]
    control: tuple[Floats | None, ...]
    aux: Floats

    @property
    def size(self) -> int | None:
        """Return the number of data sets in the batch, None for a single one."""
        for item in (*self.counts, *self.control, self.aux):
            if item is not None and item.ndim == 2:
                return len(item)
        return None


def join(parameters: ParameterSet, channels: tuple[Channel, ...]) -> Joint:
    """Return the joint likelihood of `channels` over `parameters`.

    Raises
    ------
    CevnsfitError
        If two channels share a name or a shape parameter is among the parameters.
    UnknownNameError
        If a channel uses a parameter that is not listed.
    """
    names = [channel.name for channel in channels]
    if len(set(names)) != len(names):
        message = f"channels must have different names, got {', '.join(names)}"
        raise CevnsfitError(message)
    shapes = [parameter.name for parameter in parameters if parameter.kind == "shape"]
    if shapes:
        message = f"shape parameters ({', '.join(shapes)}) rebuild the templates; they belong to a Likelihood, not to a Joint"
        raise CevnsfitError(message)
    local = tuple(np.array([parameters.index(name) for name in channel.coefficients.parameters], dtype=np.int64) for channel in channels)
    return Joint(parameters, channels, local)


def take(data: Data, row: int) -> Data:
    """Return one data set of a batch."""

    def pick(item: Floats) -> Floats:
        return item[row] if item.ndim == 2 else item

    return Data(
        tuple(pick(item) for item in data.counts),
        tuple(None if item is None else pick(item) for item in data.control),
        pick(data.aux),
    )


def observed_data(joint: Joint) -> Data:
    """Return the observed counts, with constraint centres at 0.

    Raises
    ------
    NoDataError
        If a channel has no observed counts.
    """
    counts = []
    for channel in joint.channels:
        if channel.observed is None:
            message = f"channel {channel.name} has no observed counts; use Asimov data"
            raise NoDataError(message)
        counts.append(channel.observed)
    control = tuple(None if channel.control is None else channel.control.counts for channel in joint.channels)
    return Data(tuple(counts), control, np.zeros(len(joint.parameters)))


def expected_totals(joint: Joint, theta: Floats) -> tuple[Floats, ...]:
    """Return for each channel the expected counts of all templates, shape (P, nb), at theta (P, n); a measured background is not in them."""
    theta = np.atleast_2d(theta)
    return tuple(
        amplitudes(channel.coefficients, theta[:, local]) @ channel.templates
        for channel, local in zip(joint.channels, joint.local, strict=True)
    )


def expected(joint: Joint, theta: Floats) -> dict[str, dict[str, Floats]]:
    """Return expected counts (nb,) by channel and component at theta, shape (n,); a measured background is not in them."""
    result: dict[str, dict[str, Floats]] = {}
    for channel, local in zip(joint.channels, joint.local, strict=True):
        factors = amplitudes(channel.coefficients, theta[None, local])[0]
        counts = {name: np.zeros(channel.templates.shape[1]) for name in dict.fromkeys(channel.components)}
        for name, factor, template in zip(channel.components, factors, channel.templates, strict=True):
            counts[name] += factor * template
        result[channel.name] = counts
    return result


def measured_backgrounds(joint: Joint, theta: Floats) -> tuple[Floats | None, ...]:
    """Return the background (nb,) of each channel with a control region, else None.

    It is the profiled one at theta (n,) when counts were observed, and m/ratio otherwise.
    """
    result: list[Floats | None] = []
    for channel, total in zip(joint.channels, expected_totals(joint, theta), strict=True):
        control = channel.control
        if control is None:
            result.append(None)
        elif channel.observed is None:
            result.append(control.counts / control.ratio)
        else:
            result.append(on_off(total, channel.observed, control.counts, control.ratio).background[0])
    return tuple(result)


def asimov_data(joint: Joint, theta: Floats) -> Data:
    """Return the data set that equals its expectation at theta, shape (n,); constraint centres are at theta too."""
    counts, control = _means(joint, theta)
    return Data(counts, control, np.where(joint.constrained, theta, 0.0))


def toy_data(joint: Joint, theta: Floats, rng: np.random.Generator, size: int) -> Data:
    """Return `size` pseudo-experiments at theta, shape (n,).

    Counts and control counts fluctuate as Poisson, the centres of the constraints as unit normals around theta.
    """
    counts, control = _means(joint, theta)
    centres = np.where(joint.constrained, theta + rng.standard_normal((size, len(theta))), 0.0)
    return Data(
        tuple(rng.poisson(mean, (size, len(mean))).astype(np.float64) for mean in counts),
        tuple(None if mean is None else rng.poisson(mean, (size, len(mean))).astype(np.float64) for mean in control),
        centres,
    )


def _means(joint: Joint, theta: Floats) -> tuple[tuple[Floats, ...], tuple[Floats | None, ...]]:
    """Return expected counts and control counts, measured background included; negative counts are cut at 0."""
    backgrounds = measured_backgrounds(joint, theta)
    totals = expected_totals(joint, theta)
    counts = tuple(np.maximum(total[0] + (0.0 if b is None else b), 0.0) for total, b in zip(totals, backgrounds, strict=True))
    control = tuple(
        None if b is None or channel.control is None else channel.control.ratio * b
        for channel, b in zip(joint.channels, backgrounds, strict=True)
    )
    return counts, control
