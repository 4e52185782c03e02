"""Pseudo-experiments: one is a fit with g held and a fit with g free from several starts, all nuisances floating, the mass held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.core.parameters import Parameter, ParameterSet
from cevnsfit.infer.hypothesis import at_value, default_hypothesis, toys_of
from cevnsfit.infer.runner import HERE
from cevnsfit.infer.toys import CHUNK, measured, run_chunk
from cevnsfit.stats.channel import Channel, Coefficients
from cevnsfit.stats.data import observing, toy_data
from cevnsfit.stats.joint import join
from cevnsfit.studies.toy_runs import runner

if TYPE_CHECKING:
    from cevnsfit.infer.hypothesis import Hypothesis
    from cevnsfit.infer.runner import Runner
    from cevnsfit.stats.joint import Joint
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


def in_bins(bins: int, events: float = 300.0) -> Joint:
    """Return a signal and a background with the same events in any number of bins, two norms and four tilts of each."""
    x, tilts = np.linspace(0, 1, bins), 4
    signal, background = np.exp(-2 * x), 0.3 + np.exp(-5 * x)
    signal, background = 0.6 * events * signal / signal.sum(), 0.4 * events * background / background.sum()
    plain = [(signal, 0, 0), (-2 * signal * (1.5 - x), 2, 0), (signal * (1.5 - x) ** 2, 4, 0), (background, 0, 1)]
    lines = [np.cos(3 * (k + 1) * x) for k in range(tilts)]
    rows = [
        (template * line, power, norm, k)
        for template, power, norm in plain
        for k, line in enumerate([np.ones(bins), *(0.1 * line for line in lines)])
    ]
    names = ("g", "signal", "background", *(f"tilt.{k}" for k in range(tilts)))
    powers, hi = np.zeros((len(rows), len(names)), dtype=np.int64), np.ones((len(rows), len(names)))
    for row, (_, power, norm, _) in enumerate(rows):
        powers[row, 0], hi[row, 1 + norm] = power, 1.1
    tilted = np.array([k for *_, k in rows])
    rule = Coefficients(names, powers, hi, 1 / hi, np.where(tilted, tilted + 2, -1), (tilted > 0).astype(np.int64))
    channel = Channel("many", np.array([row[0] for row in rows]), rule, ("all",) * len(rows), None, None, (bins,))
    nuisances = (Parameter(name, "nuisance", 0.0, -5.0, 5.0, constrained=True) for name in names[1:])
    joint = join(ParameterSet((Parameter("g", "polynomial", 0.0, lower=0.0), *nuisances)), (channel,))
    return observing(joint, toy_data(joint, joint.parameters.defaults(), np.random.default_rng(1), 1).take(0))


@pytest.mark.parametrize("few", [True, False], ids=["own bins", "all bins"])
@pytest.mark.parametrize("bins", [99, 1600, 10_000, 100_000])
@pytest.mark.benchmark(group="one pseudo-experiment of 300 events in many bins")
def bench_bins(benchmark: Any, bins: int, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not few:
        monkeypatch.setattr("cevnsfit.stats.sparse.MANY", 10 * bins)
    chunk = toys_of(at_value(default_hypothesis(in_bins(bins), "g"), 0.7), 1, 0)
    size = CHUNK if bins <= 10_000 else CHUNK // 4
    benchmark.extra_info["per"] = size
    benchmark.pedantic(run_chunk, (replace(chunk, size=size),), rounds=1, warmup_rounds=1 if bins < 10_000 else 0)
