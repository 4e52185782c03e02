"""The joint likelihood of several channels, and what it expects.

-2 ln L is the sum over channels of `stats.poisson` and of (theta - a)^2 over the constrained parameters, a = 0 for real data. Constraints that are
given, with their covariance, are a channel (`stats.constraints`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.documents import Document
from cevnsfit.core.errors import CevnsfitError
from cevnsfit.core.parcels import SentOnce
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.poisson import on_off
from cevnsfit.stats.rule import amplitudes

if TYPE_CHECKING:
    from cevnsfit.core.arrays import Bools, Floats, Ints
    from cevnsfit.core.parameters import ParameterSet
    from cevnsfit.stats.channel import Channel


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Joint(Document, SentOnce):
    """Channels over one parameter set; made by `join`.

    Attributes
    ----------
    parameters
        The polynomial and nuisance parameters, n of them.
    channels
        The channels.
    local
        For each channel the index in `parameters` of its local parameters.
    merge, distinct
        For each channel the distinct templates, up to a factor, and the matrix that adds their coefficients up.
    """

    parameters: ParameterSet
    channels: tuple[Channel, ...]
    local: tuple[Ints, ...]
    merge: tuple[Floats, ...]
    distinct: tuple[Floats, ...]

    @property
    def nbins(self) -> int:
        """Return the number of bins of all channels."""
        return sum(channel.templates.shape[1] for channel in self.channels)

    @property
    def constrained(self) -> Bools:
        """Return which parameters have a unit-normal constraint, shape (n,): those of a block of constraints have another one."""
        block = {name for channel in self.channels if channel.name == CONSTRAINTS for name in channel.components}
        return np.array([parameter.constrained and parameter.name not in block for parameter in self.parameters], dtype=np.bool_)

    @property
    def physical(self) -> Joint:
        """Return the likelihood with the domains of all parameters cut at their least physical values."""
        return replace(self, parameters=self.parameters.physical())


def join(parameters: ParameterSet, channels: tuple[Channel, ...]) -> Joint:
    """Return the joint likelihood of `channels` over `parameters`.

    Raises
    ------
    CevnsfitError
        If two channels share a name or a nonlinear parameter is among the parameters.
    UnknownNameError
        If a channel uses a parameter that is not listed.
    """
    names = [channel.name for channel in channels]
    if len(set(names)) != len(names):
        message = f"channels must have different names, got {', '.join(names)}"
        raise CevnsfitError(message)
    nonlinear = [parameter.name for parameter in parameters if parameter.kind == "nonlinear"]
    if nonlinear:
        message = f"nonlinear parameters ({', '.join(nonlinear)}) rebuild the templates; they belong to a Likelihood, not to a Joint"
        raise CevnsfitError(message)
    places = {name: place for place, name in enumerate(parameters.names)}
    local = tuple(
        np.array([places[name] if name in places else parameters.index(name) for name in channel.coefficients.parameters], dtype=np.int64)
        for channel in channels
    )
    merge, distinct = zip(*(merged(channel.templates) for channel in channels), strict=True) if channels else ((), ())
    return Joint(parameters, channels, local, merge, distinct)


def merged(templates: Floats) -> tuple[Floats, Floats]:
    """Return merge (M, K) and distinct templates (K, nb) with `templates = merge @ distinct`, the largest entry of each being 1."""
    known: dict[bytes, int] = {}
    rows: list[Floats] = []
    entries: list[tuple[int, int, float]] = []
    peaks = np.take_along_axis(templates, np.abs(templates).argmax(axis=1, keepdims=True), axis=1)[:, 0] if templates.size else np.zeros(0)
    full = np.flatnonzero(peaks)
    scaled = templates[full] / peaks[full, None]
    for m, row, rounded in zip(full.tolist(), scaled, np.round(scaled, 10) + 0.0, strict=True):
        key = rounded.tobytes()
        if key not in known or not np.all(np.abs(rows[known[key]] - row) <= 1e-12 * np.abs(row)):
            known[key] = len(rows)
            rows.append(row)
        entries.append((m, known[key], float(peaks[m])))
    merge = np.zeros((len(templates), len(rows)))
    for m, k, peak in entries:
        merge[m, k] = peak
    return merge, np.array(rows).reshape(len(rows), templates.shape[1])


def expected_totals(joint: Joint, theta: Floats) -> tuple[Floats, ...]:
    """Return for each channel the expected counts of all templates, shape (P, nb), at theta (P, n); a measured background is not in them."""
    theta = np.atleast_2d(theta)
    result = []
    for channel, local in zip(joint.channels, joint.local, strict=True):
        factors = amplitudes(channel.coefficients, theta[:, local])
        result.append(factors @ channel.templates + channel.moved(factors, theta[:, local]))
    return tuple(result)


def expected(joint: Joint, theta: Floats, *, profiled: bool = False) -> dict[str, dict[str, Floats]]:
    """Return expected counts (nb,) by channel and component at theta, shape (n,); a measured background is m/ratio, unless it is `profiled`."""
    result: dict[str, dict[str, Floats]] = {}
    nominal = [None if channel.control is None else channel.control.counts / channel.control.ratio for channel in joint.channels]
    backgrounds = measured_backgrounds(joint, theta) if profiled else nominal
    for channel, local, background in zip(joint.channels, joint.local, backgrounds, strict=True):
        factors = amplitudes(channel.coefficients, theta[None, local])[0]
        counts = {name: np.zeros(channel.templates.shape[1]) for name in dict.fromkeys(channel.components)}
        for name in counts:
            own = factors * [component == name for component in channel.components]
            counts[name] += own @ channel.templates + channel.moved(own[None], theta[None, local])[0]
        if channel.control is not None and background is not None:
            counts[channel.control.component] = background
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
