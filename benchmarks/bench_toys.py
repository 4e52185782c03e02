"""Pseudo-experiments: one is a fit with g held and a fit with g free from several starts, all nuisances floating, the mass held."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.infer.feldman_cousins import ToyPlan
from cevnsfit.infer.minima import start_set
from cevnsfit.infer.profile import profile
from cevnsfit.infer.toys import CHUNK, Rival, Unit, in_this_process, likelihood_ratio
from cevnsfit.stats.data import observed_data, observing, toy_data
from cevnsfit.studies.throwing import Run, thrower

if TYPE_CHECKING:
    from cevnsfit.infer.toys import Thrower
    from cevnsfit.stats.likelihood import Likelihood

G = 5e-4
MASS = 10.0


@pytest.fixture(scope="module")
def unit(combination: Likelihood) -> Unit:
    joint = combination.at({"mass": MASS})
    theta = profile(joint, {"g": np.array([G])}).theta[0]
    rivals = (Rival(joint, start_set(joint, observed_data(joint), held={})),)
    measure = functools.partial(likelihood_ratio, joint=joint, poi="g", held={"g": G}, start=theta, rivals=rivals)
    return Unit(0, 0, joint, theta, measure, 1)


def chunks_of(unit: Unit, count: int) -> list[Unit]:
    return [Unit(0, chunk, unit.joint, unit.truth, unit.measure, unit.seed) for chunk in range(count)]


def throw(units: list[Unit], throw: Thrower = in_this_process) -> None:
    assert not np.isnan(np.concatenate(throw(units))).any()


@pytest.mark.parametrize("chunks", [1, 4, 16])
@pytest.mark.benchmark(group="one pseudo-experiment of the combination")
def bench_toys(benchmark: Any, unit: Unit, chunks: int) -> None:
    benchmark.extra_info["per"] = chunks * CHUNK
    benchmark.pedantic(throw, (chunks_of(unit, chunks),), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="one pseudo-experiment of the combination")
def bench_toys_iminuit(benchmark: Any, unit: Unit, minuit_fit: Any) -> None:
    """The same with iminuit and its gradient: g held, then free from below and from above the coupling with the fewest counts."""
    data, names = toy_data(unit.joint, unit.truth, np.random.default_rng(1), 4), unit.joint.parameters.names
    above = unit.truth.copy()
    above[names.index("g")] = 2e-3

    def fits() -> None:
        for row in range(4):
            joint = observing(unit.joint, data.take(row))
            for start, held in ((unit.truth, ("g",)), (unit.truth, ()), (above, ())):
                minuit_fit(joint, start, held, {})

    benchmark.extra_info["per"] = 4
    benchmark.pedantic(fits, rounds=3)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.benchmark(group="160 chunks of pseudo-experiments in worker processes, each")
def bench_workers(benchmark: Any, unit: Unit, jobs: int) -> None:
    with thrower(Run(ToyPlan(160 * CHUNK), jobs), dict, 3) as in_workers:
        throw(chunks_of(unit, 2 * jobs), in_workers)  # starts the processes
        benchmark.extra_info["per"] = 160 * CHUNK
        benchmark.pedantic(throw, (chunks_of(unit, 160), in_workers), rounds=1)
