"""Do experiments agree on the couplings they share: the parameter goodness of fit.

The statistic is -2 ln lambda at the combined best fit minus its minimum when each experiment has couplings of its own. Systematics that
experiments share stay common to both fits, with their constraint counted once: both are fits to the same data, one nested in the other, so
that the statistic is never negative and asks about the couplings alone. Where nothing else is shared it is chi2_PG = chi2(combined) - sum of
the separate minima.

References
----------
Maltoni and Schwetz, Phys. Rev. D 68 (2003) 033020, hep-ph/0304176, eqs. 5 to 10.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from cevnsfit.core.errors import CevnsfitError, FitError
from cevnsfit.core.parameters import ParameterSet
from cevnsfit.infer.goodness import tail
from cevnsfit.infer.lines import effective
from cevnsfit.infer.minima import free_fits, start_set
from cevnsfit.infer.results import Tested
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import Chunk
from cevnsfit.stats.data import Data, observed_data, observing, toy_data
from cevnsfit.stats.joint import join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cevnsfit.core.arrays import Floats, Ints
    from cevnsfit.infer.results import ToyRecord
    from cevnsfit.infer.runner import Runner
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint


METHOD: Final = "parameter goodness of fit"


@dataclass(frozen=True, slots=True, repr=False)
class Compatibility(Tested):
    """How well experiments agree.

    Attributes
    ----------
    statistic, ndof
        chi2_PG, and the number of couplings that come on top when each experiment has its own.
    p
        Asymptotic p-value, from chi-squared.
    combined
        The shared couplings at the combined best fit, by name.
    separate
        The couplings of each experiment where it has its own, by experiment and name.
    toys
        The p-value of pseudo-experiments at the combined best fit, None without any.
    """

    document: ClassVar[Mapping[str, str | None]] = {"method": "method", "tail": "tail", "valid": "valid", "toys": None}

    statistic: float
    ndof: int
    p: float
    combined: Mapping[str, float]
    separate: Mapping[str, Mapping[str, float]]
    toys: ToyRecord | None = None

    @property
    def method(self) -> str:
        """Return how they are compared."""
        return METHOD


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The combined likelihood, and the one in which each experiment has couplings of its own, with the starts of both.

    `place` holds for each parameter of the split likelihood its index in the combined one.
    """

    combined: Joint
    separate: Joint
    place: Ints
    starts: Floats
    separate_starts: Floats
    at: Mapping[str, float]


def shared_couplings(joint: Joint, at: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Return the free couplings on which at least two experiments depend, with the names of these."""
    found = {}
    for parameter in joint.parameters:
        if parameter.kind != "polynomial" or parameter.fixed or parameter.name in at:
            continue
        names = tuple(dict.fromkeys(c.owner for c in joint.channels if parameter.name in effective(join(joint.parameters, (c,)))))
        if len(names) > 1:
            found[parameter.name] = names
    return found


def own(experiment: str, coupling: str) -> str:
    """Return the name of the coupling that one experiment has for itself."""
    return f"{experiment}.{coupling}"


def separate_couplings(joint: Joint, shared: Mapping[str, Sequence[str]]) -> tuple[Joint, Ints]:
    """Return the likelihood with own couplings for each experiment, and the index of each of its parameters in the combined one."""
    parameters, place = [], []
    for index, parameter in enumerate(joint.parameters):
        names = [own(experiment, parameter.name) for experiment in shared[parameter.name]] if parameter.name in shared else [parameter.name]
        parameters += [replace(parameter, name=name) for name in names]
        place += [index] * len(names)
    channels = []
    for channel in joint.channels:
        rule = channel.coefficients
        renamed = tuple(own(channel.owner, name) if channel.owner in shared.get(name, ()) else name for name in rule.parameters)
        called = dict(zip(rule.parameters, renamed, strict=True))
        moving = None if channel.moving is None else replace(channel.moving, parameter=called[channel.moving.parameter])
        channels.append(replace(channel, coefficients=replace(rule, parameters=renamed), moving=moving))
    used = {name for channel in channels for name in channel.coefficients.parameters}
    kept = [i for i, p in enumerate(parameters) if p.kind != "polynomial" or p.name in used]
    return join(ParameterSet(tuple(parameters[i] for i in kept)), tuple(channels)), np.array([place[i] for i in kept], dtype=np.int64)


def split_likelihood(joint: Joint, at: Mapping[str, float], data: Data) -> Split:
    """Return both likelihoods.

    Raises
    ------
    CevnsfitError
        If no two experiments share a coupling.
    """
    shared = shared_couplings(joint, at)
    if not shared:
        message = "no coupling is shared by two of the experiments: there is nothing to compare"
        raise CevnsfitError(message)
    joint = observing(joint, data)
    separate, place = separate_couplings(joint, shared)
    starts = start_set(joint, data, at=at)
    return Split(
        joint,
        separate,
        place,
        starts,
        np.concatenate([starts[:, place], start_set(separate, _moved(data, place), at=at)]),
        at,
    )


def _moved(data: Data, place: Ints) -> Data:
    return replace(data, aux=data.aux[..., place])


def distance(data: Data, *, split: Split) -> Floats:
    """Return chi2_PG of each data set, shape (P, 1); NaN where a fit fails."""
    combined, theta = free_fits(split.combined, data, split.starts, at=split.at)
    starts = np.broadcast_to(split.separate_starts[:, None], (len(split.separate_starts), len(data.aux), len(split.place)))
    good = np.where(np.isnan(theta), split.starts[0], theta)[:, split.place]
    separate, _ = free_fits(split.separate, _moved(data, split.place), np.concatenate([starts, good[None]]), at=split.at)
    return np.maximum(combined - separate, 0.0)[:, None]


def compatibility(
    joint: Joint, *, at: Mapping[str, float] | None = None, data: Data | None = None, toys: Toys | None = None, run: Runner = HERE
) -> Compatibility:
    """Return how well the experiments of a joint likelihood agree on the couplings they share.

    Parameters
    ----------
    joint, at, data
        As for `infer.hypothesis.hypothesis`; all experiments are in it.
    toys
        Number and seed of pseudo-experiments, generated at the combined best fit; none by default.
    run
        Where they are generated.

    Raises
    ------
    CevnsfitError
        If no two experiments share a coupling.
    FitError
        If a fit does not converge.
    """
    from scipy.stats import chi2

    at = {} if at is None else at
    data = observed_data(joint) if data is None else data
    split = split_likelihood(joint, at, data)
    one = data.batch()
    combined, theta = free_fits(split.combined, one, split.starts, at=at)
    starts = np.concatenate([split.separate_starts, theta[:, split.place]])
    separate, other = free_fits(split.separate, _moved(one, split.place), starts, at=at)
    statistic = float(combined[0] - separate[0])
    if not np.isfinite(statistic):
        message = "a fit does not converge: there is no test of compatibility"
        raise FitError(message)
    statistic, shared = max(statistic, 0.0), shared_couplings(joint, at)
    ndof = sum(len(channels) - 1 for channels in shared.values())
    record = None
    if toys is not None:
        chunk = Chunk(functools.partial(toy_data, split.combined, theta[0]), functools.partial(distance, split=split), toys.seed, 0)
        record = run(tail(chunk, statistic, toys))
    values = dict(zip(split.separate.parameters.names, other[0].tolist(), strict=True))
    owners = dict.fromkeys(channel.owner for channel in joint.channels)
    found = {owner: {name: values[own(owner, name)] for name, users in shared.items() if owner in users} for owner in owners}
    return Compatibility(
        statistic=statistic,
        ndof=ndof,
        p=float(chi2.sf(statistic, ndof)),
        combined={name: float(theta[0, joint.parameters.index(name)]) for name in shared},
        separate={name: couplings for name, couplings in found.items() if couplings},
        toys=record,
    )
