"""Pseudo-experiments in worker processes, kept on disk as they finish."""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cevnsfit.core.documents import plain
from cevnsfit.infer.runner import Runner
from cevnsfit.infer.toys import CHUNK
from cevnsfit.io.layouts import load_chunk, open_toys, save_chunk
from cevnsfit.studies.provenance import made_from, origin_of
from cevnsfit.studies.workers import executing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cevnsfit.stats.likelihood import Likelihood
    from cevnsfit.studies.workers import Progress, Workers

    Identity = Callable[[], Mapping[str, object]]


def description(likelihood: Likelihood, at: Mapping[str, float], seed: int, **what: object) -> Identity:
    """Return the function that says what identifies the pseudo-experiments of a study, all but their number; it is asked where they are kept."""
    return functools.partial(_description, likelihood, at, {"seed": seed, **what})


def _description(likelihood: Likelihood, at: Mapping[str, float], what: Mapping[str, object]) -> dict[str, Any]:
    analysis = origin_of(likelihood).holding(at)
    return {**plain(analysis), "chunk": CHUNK, **made_from({" + ".join(likelihood.inputs): likelihood}, [analysis.held]), **what}


@contextmanager
def runner(
    identity: Identity, quantities: int, *, store: str | Path | None = None, workers: Workers = None, progress: Progress | None = None
) -> Iterator[Runner]:
    """Yield what generates and keeps the pseudo-experiments of a study.

    Parameters
    ----------
    identity
        What identifies them, see `description`.
    quantities
        Numbers measured on each pseudo-experiment.
    store
        Folder in which they are kept; none by default.
    workers
        Number of processes, or an executor; the numbers do not depend on it.
    progress
        Called with (finished, asked for so far) chunks.

    Raises
    ------
    ResultError
        If the folder holds the pseudo-experiments of another study, or another process writes there.
    """
    load = save = None
    with ExitStack() as stack:
        if store is not None:
            kept = stack.enter_context(open_toys(Path(store), identity(), quantities))
            load, save = functools.partial(load_chunk, kept), functools.partial(save_chunk, kept)
        yield Runner(stack.enter_context(executing(workers)), load, save, progress)
