"""Shared likelihoods, and a table of ratios at the end: every figure beside its reference, measured in the same run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import cevnsfit as cf
from cevnsfit.infer.objective import Objective
from cevnsfit.stats.data import observed_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cevnsfit.stats.joint import Joint
    from cevnsfit.stats.likelihood import Likelihood

COMBINATION = ("coherent-csi-2021", "coherent-lar-2020")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def combination() -> Likelihood:
    return cf.build_likelihood(*COMBINATION, model="lmu-ltau")


@pytest.fixture(scope="session")
def masses() -> np.ndarray:
    return np.geomspace(1.0, 1000.0, 10)


@pytest.fixture(scope="session")
def couplings() -> np.ndarray:
    return np.geomspace(1e-5, 1e-1, 100)


def _minuit_fit(joint: Joint, start: np.ndarray, held: tuple[str, ...], known: dict) -> tuple[np.ndarray, float]:
    """Return all parameters and -2 ln lambda of a warm-started iminuit fit with gradient; `known` are problems bound before."""
    from iminuit import Minuit

    names = tuple(p.name for p in joint.parameters if not p.fixed and p.name not in held)
    columns = [joint.parameters.index(name) for name in names]
    values = dict(zip(joint.parameters.names, start.tolist(), strict=True))
    objective = Objective(joint, observed_data(joint), names, values, bound=known)
    minuit = Minuit(objective.value, start[columns], grad=objective.gradient, name=names)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.limits = [(joint.parameters[name].lower, joint.parameters[name].upper) for name in names]
    minuit.strategy = 0
    minuit.tol = 1e-3
    minuit.migrad()
    found = start.copy()
    found[columns] = minuit.values
    return found, float(minuit.fval)


@pytest.fixture(scope="session")
def minuit_fit() -> Callable[[Joint, np.ndarray, tuple[str, ...], dict], tuple[np.ndarray, float]]:
    return _minuit_fit


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    session = getattr(config, "_benchmarksession", None)
    if session is None or not session.benchmarks:
        return
    groups: dict[str, list[tuple[str, float, str]]] = defaultdict(list)
    for entry in session.benchmarks:
        per, flop = entry.extra_info.get("per", 1), entry.extra_info.get("flop")
        note = entry.extra_info.get("note", "") if flop is None else f"{flop / entry.stats.min / 1e9:.1f} GFLOP/s"
        groups[str(entry.group)].append((entry.name, entry.stats.min / per, note))
    terminalreporter.section("ratios to the reference of the same run (reference: the slowest of its group)")
    for group, rows in groups.items():
        slowest = max(seconds for _, seconds, _ in rows)
        terminalreporter.write_line(group)
        for name, seconds, note in rows:
            terminalreporter.write_line(f"    {name:60s} {seconds * 1e6:12.1f} us   {slowest / seconds:8.1f} x   {note}".rstrip())
