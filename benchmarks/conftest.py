"""Shared likelihoods, and a table of ratios at the end: every figure beside its reference, measured in the same run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from cevnsfit.model.build import build_likelihood
from cevnsfit.spec.load import load_experiment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cevnsfit.stats.likelihood import Likelihood

COMBINATION = ("coherent-csi-2021", "coherent-lar-2020")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def combination() -> Likelihood:
    return build_likelihood([load_experiment(name) for name in COMBINATION], "lmu-ltau")


@pytest.fixture(scope="session")
def masses() -> np.ndarray:
    return np.geomspace(1.0, 1000.0, 10)


@pytest.fixture(scope="session")
def couplings() -> np.ndarray:
    return np.geomspace(1e-5, 1e-1, 100)


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    session = getattr(config, "_benchmarksession", None)
    if session is None or not session.benchmarks:
        return
    groups: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for entry in session.benchmarks:
        per = entry.extra_info.get("per", 1)
        groups[str(entry.group)].append((entry.name, entry.stats.min / per))
    terminalreporter.section("ratios to the reference of the same run (reference: the slowest of its group)")
    for group, rows in groups.items():
        slowest = max(seconds for _, seconds in rows)
        terminalreporter.write_line(group)
        for name, seconds in rows:
            terminalreporter.write_line(f"    {name:60s} {seconds * 1e6:12.1f} us   {slowest / seconds:8.1f} x")
