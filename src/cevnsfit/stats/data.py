"""Data sets of a joint likelihood: observed, Asimov, and pseudo-experiments; single ones and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.errors import CevnsfitError, DomainError, NoDataError, UnknownNameError
from cevnsfit.core.parcels import SentOnce
from cevnsfit.stats.constraints import CONSTRAINTS, Constrained, Constraints
from cevnsfit.stats.joint import expected_totals, join, measured_backgrounds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import ArrayLike

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.stats.joint import Joint


@dataclass(frozen=True, slots=True, eq=False)
class Data(SentOnce):
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

    def take(self, row: int) -> Data:
        """Return one data set of a batch."""
        return self._each(lambda item: item[row] if item.ndim == 2 else item)

    def rows(self, rows: Ints) -> Data:
        """Return some data sets of a batch; one may be taken several times."""
        return self._each(lambda item: item[rows])

    def batch(self) -> Data:
        """Return a single data set as a batch of one."""
        return self._each(np.atleast_2d)

    def _each(self, change: Callable[[Floats], Floats]) -> Data:
        control = tuple(None if item is None else change(item) for item in self.control)
        return Data(tuple(change(item) for item in self.counts), control, change(self.aux))


def stack(sets: Sequence[Data]) -> Data:
    """Return single data sets of one likelihood as a batch, in their order."""
    control = tuple(
        None if any(m is None for m in parts) else np.array(parts) for parts in zip(*(one.control for one in sets), strict=True)
    )
    counts = tuple(np.array(parts) for parts in zip(*(one.counts for one in sets), strict=True))
    return Data(counts, control, np.array([one.aux for one in sets]))


def observed_data(joint: Joint) -> Data:
    """Return the observed counts, and the centres of the constraints.

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
    return Data(tuple(counts), control, np.array([parameter.centre for parameter in joint.parameters]))


def asimov_data(joint: Joint, theta: Floats) -> Data:
    """Return the data set that equals its expectation at theta, shape (n,); constraint centres are at theta too."""
    counts, control = _means(joint, theta)
    return Data(counts, control, np.where(joint.constrained, theta, 0.0))


def observed_or_asimov(joint: Joint) -> Data:
    """Return the observed data with the centres of the constraints; channels without data contribute their expectation at the default parameters."""
    asimov = asimov_data(joint, joint.parameters.defaults())
    counts, control = list(asimov.counts), list(asimov.control)
    for place, channel in enumerate(joint.channels):
        if channel.observed is not None:
            counts[place] = channel.observed
            control[place] = None if channel.control is None else channel.control.counts
    return Data(tuple(counts), tuple(control), np.array([parameter.centre for parameter in joint.parameters]))


def toy_data(joint: Joint, theta: Floats, rng: np.random.Generator, size: int) -> Data:
    """Return `size` pseudo-experiments at theta, shape (n,).

    Counts and control counts fluctuate as Poisson, values by their errors, the centres of the constraints as unit normals around theta.
    """
    counts, control = _means(joint, theta)
    centres = np.where(joint.constrained, theta + rng.standard_normal((size, len(theta))), 0.0)
    return Data(
        tuple(channel.drawn(mean, rng, size) for channel, mean in zip(joint.channels, counts, strict=True)),
        tuple(None if mean is None else rng.poisson(mean, (size, len(mean))).astype(np.float64) for mean in control),
        centres,
    )


def _means(joint: Joint, theta: Floats) -> tuple[tuple[Floats, ...], tuple[Floats | None, ...]]:
    """Return expected data and control counts, measured background included; negative counts are cut at 0."""
    backgrounds = measured_backgrounds(joint, theta)
    totals = expected_totals(joint, theta)
    parts = zip(joint.channels, totals, backgrounds, strict=True)
    counts = tuple(channel.possible(total[0] + (0.0 if b is None else b)) for channel, total, b in parts)
    control = tuple(
        None if b is None or channel.control is None else channel.control.ratio * b
        for channel, b in zip(joint.channels, backgrounds, strict=True)
    )
    return counts, control


def observing(joint: Joint, data: Data) -> Joint:
    """Return the likelihood with a data set in the place of the observed one: measured backgrounds of pseudo-experiments follow from it."""
    channels = tuple(
        replace(
            channel,
            observed=counts,
            control=channel.control if channel.control is None or measured is None else replace(channel.control, counts=measured),
        )
        for channel, counts, measured in zip(joint.channels, data.counts, data.control, strict=True)
    )
    return replace(joint, channels=channels)


def asked_data(joint: Joint, data: str | Mapping[str, ArrayLike], values: Mapping[str, float], seed: int | None) -> Data:
    """Return the data set that `Likelihood.with_data` is asked for."""
    if (data == "toy") != (seed is not None):
        message = "a pseudo-experiment needs a seed, and nothing else takes one"
        raise CevnsfitError(message)
    if seed is not None and seed < 0:
        message = f"a seed is a whole number of at least 0, got {seed}"
        raise DomainError(message)
    theta = joint.parameters.vector({name: value for name, value in values.items() if name in joint.parameters})
    if isinstance(data, Mapping):
        return _given(joint, data)
    if data == "toy":
        return toy_data(joint, theta, np.random.default_rng(np.random.SeedSequence(seed)), 1).take(0)
    if data == "asimov":
        return asimov_data(joint, theta)
    message = f"data are 'asimov', 'toy', or counts by experiment, got {data!r}"
    raise CevnsfitError(message)


def kept_channels(joint: Joint, keep: Collection[str]) -> set[str]:
    """Return the channels that keep their observed counts; those without any do not. UnknownNameError if there is no such channel."""
    names = [*dict.fromkeys(name for channel in joint.channels for name in (channel.owner, channel.name))]
    for name in keep:
        if name not in names:
            raise UnknownNameError("experiment", name, names)
    return {channel.name for channel in joint.channels if {channel.name, channel.owner} & {*keep} and channel.observed is not None}


def data_text(data: str | Mapping[str, ArrayLike], truth: Mapping[str, float], seed: int | None) -> str:
    """Return which data `Likelihood.with_data` gives, in words."""
    if not isinstance(data, str):
        return "given counts"
    what = "Asimov data" if seed is None else f"toy of seed {seed}"
    return f"{what} at {', '.join(f'{name} = {value:g}' for name, value in truth.items())}" if truth else f"{what} of the Standard Model"


def _given(joint: Joint, counts: Mapping[str, ArrayLike]) -> Data:
    """Return the data set with counts in the place of those of some channels; channels without any keep their Asimov data."""
    before, names = observed_or_asimov(joint), [channel.name for channel in joint.channels]
    for name in counts:
        if name not in names:
            raise UnknownNameError("experiment", name, names)
    return replace(
        before,
        counts=tuple(np.asarray(counts.get(name, n), dtype=np.float64).ravel() for name, n in zip(names, before.counts, strict=True)),
    )


# --- constraints --------------------------------------------------------------------------------------------------------------------


def constraints_of(joint: Joint, data: Data | None = None) -> Constraints:
    """Return what the block of a likelihood says, with the centres of a single data set where one is given: nothing without a block."""
    for place, channel in enumerate(joint.channels):
        if channel.name == CONSTRAINTS and channel.errors is not None and channel.errors.covariance is not None:
            centres = channel.observed if data is None else data.counts[place]
            assert centres is not None
            return Constraints(channel.components, centres, channel.errors.covariance)
    return Constraints()


def entries_of(joint: Joint, data: Data) -> dict[str, Constrained]:
    """Return the constraint of each parameter that has one, by name, with the centres of a single data set: of the block, and unit normals."""
    unit = zip(joint.parameters.names, data.aux.tolist(), joint.constrained, strict=True)
    found = {name: Constrained(centre, 1.0) for name, centre, own in unit if own}
    block = constraints_of(joint, data)
    sigmas = np.sqrt(np.diag(block.covariance)).tolist()
    return {**found, **{name: Constrained(*one) for name, *one in zip(block.names, block.centres.tolist(), sigmas, strict=True)}}


def without_block(joint: Joint, data: Data) -> tuple[Joint, Data, Constraints]:
    """Return a likelihood and a single data set without the block of constraints, and what that says."""
    kept = [place for place, channel in enumerate(joint.channels) if channel.name != CONSTRAINTS]
    rest = Data(tuple(data.counts[place] for place in kept), tuple(data.control[place] for place in kept), data.aux)
    return join(joint.parameters, tuple(joint.channels[place] for place in kept)), rest, constraints_of(joint, data)
