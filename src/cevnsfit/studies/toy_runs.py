"""Pseudo-experiments in worker processes, kept on disk as they finish."""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cevnsfit.core.documents import plain
from cevnsfit.infer.runner import Runner
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io.layouts import load_chunk, open_toys, save_chunk
from cevnsfit.studies.identity import made_from
from cevnsfit.studies.setup import build, load_experiments
from cevnsfit.studies.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cevnsfit.core.analysis import Analysis
    from cevnsfit.infer.toys import Toys

    Identity = Callable[[], Mapping[str, object]]
    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Run:
    """How pseudo-experiments are run.

    Attributes
    ----------
    toys
        Number and seed.
    jobs
        Worker processes; the numbers do not depend on it.
    folder
        Where they are kept, None to keep none.
    dask
        Address or scheduler file of the Dask cluster that generates them, None for processes of this machine.
    """

    toys: Toys
    jobs: int = 1
    folder: Path | None = None
    dask: str | None = None


def description(analysis: Analysis, seed: int, **what: object) -> Identity:
    """Return the function that says what identifies the pseudo-experiments of a study, all but their number; it is asked where they are kept."""
    return functools.partial(_description, analysis, {"seed": seed, **what})


def _description(analysis: Analysis, what: Mapping[str, object]) -> dict[str, Any]:
    experiments = load_experiments(analysis)
    likelihoods = {" + ".join(experiment.name for experiment in experiments): build(analysis, experiments)}
    made = made_from([analysis], experiments, likelihoods, [analysis.held])
    return {**plain(analysis), "chunk": CHUNK, **made, **what}


@contextmanager
def runner(run: Run, identity: Identity, quantities: int, progress: Progress | None = None) -> Iterator[Runner]:
    """Yield what generates and keeps the pseudo-experiments of a study.

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
    load = save = None
    with ExitStack() as stack:
        if run.folder is not None:
            store = stack.enter_context(open_toys(run.folder, identity(), quantities))
            load, save = functools.partial(load_chunk, store), functools.partial(save_chunk, store)
        yield Runner(stack.enter_context(workers(run.jobs, run.dask)), load, save, progress)
