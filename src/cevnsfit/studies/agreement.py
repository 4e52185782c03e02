"""Does a model describe the data, do experiments agree, and what do nuisances do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer import compatibility as agreements
from cevnsfit.infer.goodness import Goodness, goodness_of_fit
from cevnsfit.infer.impacts import Ranking, ranking
from cevnsfit.studies.fitting import SignalStrength, poi_name, prepared, signal_strength
from cevnsfit.studies.setup import load_experiments
from cevnsfit.studies.toy_runs import description, runner
from cevnsfit.studies.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.compatibility import Compatibility
    from cevnsfit.infer.toys import Toys
    from cevnsfit.spec.load import Experiment
    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Workers

    Progress = Callable[[int, int], None]


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
        Held parameters; nonlinear ones must be.
    toys
        Number and seed of pseudo-experiments for the p-value; none by default, where chi-squared is not to be trusted in bins with few events.
    store, workers, progress
        As for `intervals`.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.goodness(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> round(found.statistic), found.ndof
    (94, 98)
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
        Held parameters; nonlinear ones must be.
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
    (0.26, 1)
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
        Held parameters; nonlinear ones must be.

    Examples
    --------
    >>> import cevnsfit as cf
    >>> found = cf.impacts(cf.build_likelihood("coherent-csi-2021", model="signal-strength"))
    >>> found.impacts[0].name
    'coherent-csi-2021.steady_state_norm'
    """
    joint, others = prepared(likelihood, at, () if poi is None else (poi,))
    return ranking(joint, poi_name(joint, poi, {} if at is None else at), at=others)


@on_one_thread
def signal_strengths(analysis: Analysis, experiments: Sequence[Experiment] | None = None) -> tuple[SignalStrength, ...]:
    """Return how each experiment that has data sits with the Standard Model, then all together if all have.

    The model of the analysis is not used; `experiments` are its experiments when they are read already.
    """
    loaded = load_experiments(analysis) if experiments is None else experiments
    measured = [(name, entry) for name, entry in zip(analysis.experiments, loaded, strict=True) if entry.spec.has_data]
    found = [
        signal_strength(dataclasses.replace(analysis, experiments=(name,), overrides=entry.overrides), (entry,)) for name, entry in measured
    ]
    if len(measured) == len(loaded) > 1:
        found.append(signal_strength(analysis, loaded))
    return tuple(found)
