"""One BLAS thread: small matrices are multiplied several times faster, and numbers do not depend on the cores of a machine."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run BLAS on one thread, and on as many as before afterwards; contexts nest.

    To enter takes a millisecond: it is for whole tasks, not for loops. The number is one of the process; while verbs run in several threads
    of Python the first one holds it.
    """
    import scipy.linalg  # noqa: F401 (its BLAS must be loaded before its threads can be limited)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def on_one_thread(verb: Callable[P, R]) -> Callable[P, R]:
    """Return a function that does the same within `one_thread`."""

    @functools.wraps(verb)
    def limited(*args: P.args, **options: P.kwargs) -> R:
        with one_thread():
            return verb(*args, **options)

    return limited
