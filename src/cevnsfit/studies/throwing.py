"""Pseudo-experiments in worker processes, kept on disk as they finish."""

from __future__ import annotations

import dataclasses
import functools
from concurrent.futures import as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cevnsfit.infer.toys import CHUNK, in_this_process, run_unit
from cevnsfit.io.layouts import load_chunk, open_toys, save_chunk
from cevnsfit.studies.identity import made_from
from cevnsfit.studies.setup import Analysis, build, load_experiments
from cevnsfit.studies.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cevnsfit.infer.feldman_cousins import ToyPlan
    from cevnsfit.infer.toys import Thrower, Unit
    from cevnsfit.io.store import Store

    Floats = NDArray[np.float64]
    Identity = Callable[[], Mapping[str, object]]
    Progress = Callable[[int, int], None]


GROUP: Final = 8
"""Chunks that one task throws, at most."""


@dataclass(frozen=True, slots=True)
class Run:
    """How pseudo-experiments are run.

    Attributes
    ----------
    plan
        Number and seed.
    jobs
        Worker processes; the numbers do not depend on it.
    folder
        Where they are kept, None to keep none.
    dask
        Address or scheduler file of the Dask cluster that throws them, None for processes of this machine.
    """

    plan: ToyPlan
    jobs: int = 1
    folder: Path | None = None
    dask: str | None = None


def description(analysis: Analysis, at: Mapping[str, float], seed: int, **what: object) -> Identity:
    """Return the function that says what identifies the pseudo-experiments of a study, all but their number; it is asked where they are kept."""
    return functools.partial(_description, analysis, at, {"seed": seed, **what})


def _description(analysis: Analysis, at: Mapping[str, float], what: Mapping[str, object]) -> dict[str, Any]:
    experiments = load_experiments(analysis)
    likelihoods = {" + ".join(experiment.name for experiment in experiments): build(analysis, experiments)}
    made = made_from([analysis], experiments, likelihoods, [at])
    return {**dataclasses.asdict(analysis), "at": dict(at), "chunk": CHUNK, **made, **what}


@contextmanager
def thrower(run: Run, identity: Identity, quantities: int, progress: Progress | None = None) -> Iterator[Thrower]:
    """Yield the function that throws the chunks of a study.

    Parameters
    ----------
    run
        How they are run.
    identity
        What identifies them, see `description`.
    quantities
        Numbers measured on each pseudo-experiment.
    progress
        Called with (finished, asked for so far) chunks.

    Raises
    ------
    ResultError
        If the folder holds the pseudo-experiments of another study, or another process writes there.
    """
    counts = [0, 0]

    def tell(finished: int, asked: int) -> None:
        counts[0] += finished
        counts[1] += asked
        if progress is not None:
            progress(counts[0], counts[1])

    with ExitStack() as stack:
        store = None if run.folder is None else stack.enter_context(open_toys(run.folder, identity(), quantities))
        executor = stack.enter_context(workers(run.jobs, run.dask))
        yield lambda units: _throw(units, executor, store, tell)


def _throw(units: Sequence[Unit], executor: Executor | None, store: Store | None, tell: Progress) -> list[Floats]:
    """Return the chunks of some units, in order; those in the store are not thrown again."""
    found = [None if store is None else load_chunk(store, unit.point, unit.chunk) for unit in units]
    missing = [i for i, chunk in enumerate(found) if chunk is None]
    tell(len(units) - len(missing), len(units))
    for i, chunk in _finished([(i, units[i]) for i in missing], executor):
        if store is not None:
            save_chunk(store, units[i].point, units[i].chunk, chunk)
        found[i] = chunk
        tell(1, 0)
    return [chunk for chunk in found if chunk is not None]


def _finished(tasks: Sequence[tuple[int, Unit]], executor: Executor | None) -> Iterator[tuple[int, Floats]]:
    """Yield (position, chunk) as they finish."""
    if executor is None:
        for i, unit in tasks:
            yield i, run_unit(unit)
        return
    pending = {executor.submit(in_this_process, [unit for _, unit in group]): [i for i, _ in group] for group in _groups(tasks)}
    try:
        for future in as_completed(pending):
            yield from zip(pending[future], future.result(), strict=True)
    finally:
        for future in pending:
            future.cancel()


def _groups(tasks: Sequence[tuple[int, Unit]]) -> list[list[tuple[int, Unit]]]:
    """Return tasks in groups of one likelihood, larger ones where there are many: what is prepared for it serves all of a group."""
    size = min(GROUP, 1 + len(tasks) // (8 * GROUP))
    groups: list[list[tuple[int, Unit]]] = []
    for task in tasks:
        if groups and len(groups[-1]) < size and groups[-1][-1][1].joint is task[1].joint:
            groups[-1].append(task)
        else:
            groups.append([task])
    return groups
