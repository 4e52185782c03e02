"""Pseudo-experiments: one is a fit with g held and a fit with g free from several starts, all nuisances floating, the mass held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.infer.hypothesis import at_value, default_hypothesis, toys_of
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import CHUNK, measured
from cevnsfit.stats.data import observing, toy_data
from cevnsfit.studies.toy_runs import runner

if TYPE_CHECKING:
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.runner import Runner
    from cevnsfit.stats.likelihood import Likelihood

G = 5e-4
MASS = 10.0


@pytest.fixture(scope="module")
def hypothesis(combination: Likelihood) -> Hypothesis:
    return at_value(default_hypothesis(combination.at({"mass": MASS}), "g"), G)


def generate(hypothesis: Hypothesis, chunks: int, run: Runner = HERE) -> None:
    assert not np.isnan(run(measured(toys_of(hypothesis, 1, 0), chunks))).any()


@pytest.mark.parametrize("chunks", [1, 4, 16])
@pytest.mark.benchmark(group="one pseudo-experiment of the combination")
def bench_toys(benchmark: Any, hypothesis: Hypothesis, chunks: int) -> None:
    benchmark.extra_info["per"] = chunks * CHUNK
    benchmark.pedantic(generate, (hypothesis, chunks), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="one pseudo-experiment of the combination")
def bench_toys_iminuit(benchmark: Any, hypothesis: Hypothesis, minuit_fit: Any) -> None:
    """The same with iminuit and its gradient: g held, then free from below and from above the coupling with the fewest counts."""
    data, names = toy_data(hypothesis.joint, hypothesis.theta, np.random.default_rng(1), 4), hypothesis.joint.parameters.names
    above = hypothesis.theta.copy()
    above[names.index("g")] = 2e-3

    def fits() -> None:
        for row in range(4):
            joint = observing(hypothesis.joint, data.take(row))
            for start, held in ((hypothesis.theta, ("g",)), (hypothesis.theta, ()), (above, ())):
                minuit_fit(joint, start, held, {})

    benchmark.extra_info["per"] = 4
    benchmark.pedantic(fits, rounds=3)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.benchmark(group="160 chunks of pseudo-experiments in worker processes, each")
def bench_workers(benchmark: Any, hypothesis: Hypothesis, jobs: int) -> None:
    with runner(dict, 3, workers=jobs) as here:
        generate(hypothesis, 2 * jobs, here)  # starts the processes
        benchmark.extra_info["per"] = 160 * CHUNK
        benchmark.pedantic(generate, (hypothesis, 160, here), rounds=1)
