"""Does a model describe the data, do experiments agree, and what do nuisances do."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cevnsfit.core.parameters import ParameterSet
from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer import compatibility as agreements
from cevnsfit.infer.fit import fit
from cevnsfit.infer.goodness import Goodness, goodness_of_fit
from cevnsfit.infer.impacts import Ranking, ranking
from cevnsfit.infer.profile import profile
from cevnsfit.stats.constraints import CONSTRAINTS
from cevnsfit.stats.joint import expected, join
from cevnsfit.studies.constraints import constrained
from cevnsfit.studies.fitting import poi_name, prepared
from cevnsfit.studies.possible import require_possible
from cevnsfit.studies.setup import build, load_experiments
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.toys import Toys
    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers


@verb
def goodness(
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    toys: Toys | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Goodness:
    """Return the goodness of the best fit: the deviance from the saturated model.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    at
        Held parameters; nonlinear ones must be among them.
    toys
        Number and seed of pseudo-experiments for the p-value; none by default. Do not trust chi-squared if bins have few events.
    store, workers, progress
        As for `intervals`.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.goodness(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> round(found.statistic), found.ndof
    (91, 97)
    """
    joint, held = prepared(likelihood, at)
    if toys is None:
        return goodness_of_fit(joint, at=held)
    identity = description(likelihood, {} if at is None else at, toys.seed, method="gof")
    with runner(identity, 1, store=store, workers=workers, progress=progress) as here:
        return goodness_of_fit(joint, at=held, toys=toys, run=here)


@verb
def compatibility(
    likelihood: Likelihood,
    *,
    at: Mapping[str, float] | None = None,
    toys: Toys | None = None,
    store: str | Path | None = None,
    workers: Workers = None,
    progress: Progress | None = None,
) -> Compatibility:
    """Return how well experiments agree on the couplings they share: the parameter goodness of fit.

    Parameters
    ----------
    likelihood
        Of at least two experiments, from `build_likelihood`.
    at
        Held parameters; nonlinear ones must be among them.
    toys
        Number and seed of pseudo-experiments for the p-value; none by default.
    store, workers, progress
        As for `intervals`.

    References
    ----------
    Maltoni and Schwetz, Phys. Rev. D 68 (2003) 033020, hep-ph/0304176.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.compatibility(cf.build_likelihood("coherent-csi-2021", "coherent-lar-2020", model="signal-strength"))
    >>> round(found.statistic, 2), found.ndof
    (0.24, 1)
    """
    joint, held = prepared(likelihood, at)
    if toys is None:
        return agreements.compatibility(joint, at=held)
    identity = description(likelihood, {} if at is None else at, toys.seed, method="compatibility")
    with runner(identity, 1, store=store, workers=workers, progress=progress) as here:
        return agreements.compatibility(joint, at=held, toys=toys, run=here)


@verb
def impacts(likelihood: Likelihood, poi: str | None = None, *, at: Mapping[str, float] | None = None) -> Ranking:
    """Return the nuisances by the size of their impact on a parameter, each held one error above and below its value.

    Parameters
    ----------
    likelihood
        From `build_likelihood`.
    poi
        The parameter; by default the first coupling of the model that is not held.
    at
        Held parameters; nonlinear ones must be among them.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.impacts(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> found.impacts[0].name
    'coherent-csi-2021.steady_state_norm'
    """
    joint, others = prepared(likelihood, at, () if poi is None else (poi,))
    return ranking(joint, poi_name(joint, poi, {} if at is None else at), at=others)


@dataclass(frozen=True, slots=True)
class SignalStrength:
    """How one experiment, or a combination, sits with the Standard Model.

    Attributes
    ----------
    label
        The experiments.
    observed, expected
        Counts in all bins, and those of the Standard Model at nominal nuisances.
    strength, error
        Signal strength and its error, backgrounds profiled and the signal's systematics held.
    nll2, ndof
        Goodness of fit at the best strength: -2 ln lambda against the saturated model.
    pull
        Signed square root of -2 ln lambda(Standard Model) minus the minimum over the strength, every systematic profiled.
    """

    label: str
    observed: float
    expected: float
    strength: float
    error: float
    nll2: float
    ndof: int
    pull: float


@on_one_thread
def signal_strengths(likelihood: Likelihood) -> tuple[SignalStrength, ...]:
    """Return how each experiment that has data sits with the Standard Model, then all together if all have.

    The model is replaced by `signal-strength`; a likelihood that was built by hand has to be one of it, with the systematics that it has.

    Raises
    ------
    UnknownNameError
        If a likelihood that was built by hand has no parameter `signal_strength`.
    """
    held, free = _of_strength(likelihood)
    require_possible(free, likelihood.axes)
    places: dict[str, list[int]] = {}
    for place, channel in enumerate(free.channels):
        if channel.observed is not None and channel.name != CONSTRAINTS:
            places.setdefault(channel.owner, []).append(place)
    everything = [place for own in places.values() for place in own]
    complete = len(everything) == sum(channel.name != CONSTRAINTS for channel in free.channels)
    wanted = [*places.values(), *([everything] if complete and len(places) > 1 else [])]
    return tuple(_strength(_only(held, chosen), _only(free, chosen)) for chosen in wanted)


def _of_strength(likelihood: Likelihood) -> tuple[Joint, Joint]:
    """Return the data in the model `signal-strength`, with the signal's systematics held, and with all profiled."""
    given, origin = likelihood.at({}), likelihood.origin
    if origin is None:
        return given, given
    experiments, found = load_experiments(origin), []
    data = {(channel.name, channel.bins): channel for channel in given.channels}
    centres = {p.name: p.centre for p in given.parameters}
    for treatment in ("hold", "profile"):
        analysis = replace(origin.within(()), model="signal-strength", signal_systematics=treatment, electrons=False, floating=(), at=())
        bare = build(analysis, experiments)
        own = origin.within({p.name for p in bare.parameters if not p.fixed})
        joint = constrained(bare, own.constraints, own.correlations).at({})
        pairs = [(c, data.get((c.name, c.bins), c)) for c in joint.channels]
        channels = tuple(replace(c, observed=known.observed, control=known.control) for c, known in pairs)
        parameters = ParameterSet(tuple(replace(p, centre=centres.get(p.name, p.centre)) for p in joint.parameters))
        found.append(replace(joint, parameters=parameters, channels=channels))
    return found[0], found[1]


def _only(joint: Joint, places: Sequence[int]) -> Joint:
    """Return the likelihood of some of the channels, with their parameters and the block of constraints."""
    channels = (*(joint.channels[place] for place in places), *(channel for channel in joint.channels if channel.name == CONSTRAINTS))
    used = {name for channel in channels for name in channel.coefficients.parameters}
    return join(ParameterSet(tuple(p for p in joint.parameters if p.name in used)), channels)


def _strength(held: Joint, free: Joint) -> SignalStrength:
    name = "signal_strength"
    counts = {
        channel.name: parts
        for channel, parts in zip(free.channels, expected(free, free.parameters.vector({name: 1.0})).values(), strict=True)
        if not channel.auxiliary
    }
    measured, best, standard = fit(held, minos=()), profile(free, {}), profile(free, {name: np.ones(1)})
    away = float(best.theta[0, free.parameters.index(name)]) - 1.0
    return SignalStrength(
        label=" + ".join(dict.fromkeys(channel.owner for channel in free.channels if channel.name != CONSTRAINTS)),
        observed=float(sum(channel.observed.sum() for channel in free.channels if channel.observed is not None and not channel.auxiliary)),
        expected=float(sum(values.sum() for components in counts.values() for values in components.values())),
        strength=measured.values[name],
        error=measured.errors[name],
        nll2=measured.nll2,
        ndof=measured.ndof,
        pull=math.copysign(math.sqrt(max(float(standard.nll2[0] - best.nll2[0]), 0.0)), away),
    )
