"""Does a model describe the data, do experiments agree, and what do nuisances do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer.compatibility import Compatibility, compatibility
from cevnsfit.infer.goodness import Goodness, goodness_of_fit
from cevnsfit.infer.impacts import Ranking, ranking
from cevnsfit.studies.fitting import SignalStrength, poi_name, prepare, signal_strength
from cevnsfit.studies.setup import check_floating, load_experiments
from cevnsfit.studies.toy_runs import description, runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.toy_runs import Run

    Progress = Callable[[int, int], None]


@on_one_thread
def run_goodness(
    analysis: Analysis, *, at: Mapping[str, float] | None = None, run: Run | None = None, progress: Progress | None = None
) -> Goodness:
    """Return the goodness of fit of an analysis, with pseudo-experiments where `run` says how; nonlinear parameters must be held."""
    chosen = analysis.holding(at)
    joint, held = prepare(chosen)
    check_floating(chosen)
    if run is None:
        return goodness_of_fit(joint, at=held)
    with runner(run, description(chosen, run.toys.seed, method="gof"), 1, progress) as here:
        return goodness_of_fit(joint, at=held, toys=run.toys, run=here)


@on_one_thread
def run_compatibility(
    analysis: Analysis, *, at: Mapping[str, float] | None = None, run: Run | None = None, progress: Progress | None = None
) -> Compatibility:
    """Return how well the experiments of an analysis agree, with pseudo-experiments where `run` says how; nonlinear parameters must be held."""
    chosen = analysis.holding(at)
    joint, held = prepare(chosen)
    check_floating(chosen)
    if run is None:
        return compatibility(joint, at=held)
    with runner(run, description(chosen, run.toys.seed, method="compatibility"), 1, progress) as here:
        return compatibility(joint, at=held, toys=run.toys, run=here)


@on_one_thread
def run_ranking(analysis: Analysis, *, at: Mapping[str, float] | None = None, poi: str | None = None) -> Ranking:
    """Return the nuisances of an analysis by the size of their impact on a parameter; nonlinear parameters must be held."""
    chosen = analysis.holding(at)
    joint, held = prepare(chosen)
    name = poi_name(joint, poi, chosen.held)
    check_floating(chosen, (name,))
    return ranking(joint, name, at=held)


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
