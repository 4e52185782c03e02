"""Worker processes for loops over points and toys; one BLAS thread in each, so that the numbers do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cevnsfit.core.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor


@contextmanager
def workers(jobs: int) -> Iterator[Executor | None]:
    """Yield an executor with `jobs` processes, or None for one; BLAS runs on one thread in every process, this one included.

    Raises
    ------
    DomainError
        If `jobs` is less than 1.
    """
    from threadpoolctl import threadpool_limits

    if jobs < 1:
        message = f"the number of jobs must be at least 1, got {jobs}"
        raise DomainError(message)
    with threadpool_limits(1):
        if jobs == 1:
            yield None
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=prepare_worker) as executor:
            try:
                yield executor
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise


def prepare_worker() -> None:
    """Set one BLAS thread in this process, leave interrupts to the parent, and end with it when it is killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads()


def _end_with_parent() -> None:
    """Wait for the parent's end, and end this process: the queue it waits on would never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def limit_threads() -> None:
    """Set one BLAS thread in this process, and leave interrupts to the parent."""
    import signal

    import numpy as np
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    np.linalg.norm(np.ones(2))
    threadpool_limits(1)
