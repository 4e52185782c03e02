"""Does a model describe the data, do experiments agree, and what do nuisances do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from cevnsfit.core.threads import on_one_thread
from cevnsfit.infer import compatibility as pg
from cevnsfit.infer import goodness
from cevnsfit.infer.compatibility import Compatibility, compatibility
from cevnsfit.infer.goodness import Goodness, goodness_of_fit
from cevnsfit.infer.impacts import Ranking, ranking
from cevnsfit.studies.fitting import Consistency, consistency, poi_name, prepare
from cevnsfit.studies.setup import check_floating, load_experiments
from cevnsfit.studies.throwing import description, thrower

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cevnsfit.spec.load import Experiment
    from cevnsfit.studies.setup import Analysis
    from cevnsfit.studies.throwing import Run

    Progress = Callable[[int, int], None]


@on_one_thread
def run_goodness(analysis: Analysis, *, at: Mapping[str, float], run: Run | None = None, progress: Progress | None = None) -> Goodness:
    """Return the goodness of fit of an analysis, with pseudo-experiments where `run` says how; nonlinear parameters must be held."""
    joint, held = prepare(analysis, at)
    check_floating(analysis, tuple(at))
    if run is None:
        return goodness_of_fit(joint, held=held)
    with thrower(run, description(analysis, at, run.plan.seed, method="gof"), 1, progress) as throw:
        return goodness_of_fit(joint, held=held, plan=run.plan, throw=throw)


@on_one_thread
def run_compatibility(
    analysis: Analysis, *, at: Mapping[str, float], run: Run | None = None, progress: Progress | None = None
) -> Compatibility:
    """Return how well the experiments of an analysis agree, with pseudo-experiments where `run` says how; nonlinear parameters must be held."""
    joint, held = prepare(analysis, at)
    check_floating(analysis, tuple(at))
    if run is None:
        return compatibility(joint, held=held)
    with thrower(run, description(analysis, at, run.plan.seed, method="compatibility"), 1, progress) as throw:
        return compatibility(joint, held=held, plan=run.plan, throw=throw)


@on_one_thread
def run_ranking(analysis: Analysis, *, at: Mapping[str, float], poi: str | None = None) -> Ranking:
    """Return the nuisances of an analysis by the size of their impact on a parameter; nonlinear parameters must be held."""
    joint, held = prepare(analysis, at)
    name = poi_name(joint, poi, held)
    check_floating(analysis, (*at, name))
    return ranking(joint, name, held=held)


def goodness_json(result: Goodness) -> dict[str, Any]:
    """Return a goodness of fit as plain values."""
    return {"method": goodness.METHOD, **dataclasses.asdict(result)}


def compatibility_json(result: Compatibility) -> dict[str, Any]:
    """Return how experiments agree as plain values."""
    return {"method": pg.METHOD, **dataclasses.asdict(result)}


@on_one_thread
def strengths(analysis: Analysis, experiments: Sequence[Experiment] | None = None) -> tuple[Consistency, ...]:
    """Return how each experiment that has data sits with the Standard Model, then all together if all have.

    The model of the analysis is not used; `experiments` are its experiments when they are read already.
    """
    loaded = load_experiments(analysis) if experiments is None else experiments
    measured = [(name, entry) for name, entry in zip(analysis.experiments, loaded, strict=True) if entry.spec.has_data]
    found = [consistency(dataclasses.replace(analysis, experiments=(name,)), (entry,)) for name, entry in measured]
    if len(measured) == len(loaded) > 1:
        found.append(consistency(analysis, loaded))
    return tuple(found)


def ranking_json(result: Ranking) -> dict[str, Any]:
    """Return a ranking as plain values."""
    return {
        "method": "profile likelihood, each nuisance held at one error above and below",
        "poi": result.poi,
        "value": result.fit.values[result.poi],
        "error": result.fit.errors[result.poi],
        "lower": result.fit.lower[result.poi],
        "upper": result.fit.upper[result.poi],
        "impacts": [dataclasses.asdict(impact) for impact in result.impacts],
    }
