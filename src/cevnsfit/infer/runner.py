"""Procedures, and the runner that keeps all of them going at once.

A procedure is a generator that yields the calls, or the procedures, whose results it needs next, and is sent these results in order; what it
returns is its own result. Nothing waits for what it does not need: all values of a study fill the workers together. No result of a call is
None.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

_log = logging.getLogger(__name__)

T = TypeVar("T")
Procedure = Generator["Sequence[Any]", "list[Any]", T]

IN_FLIGHT: Final = 4096
"""Calls that an executor holds at once, where it does not say how many it can use (`in_flight`): enough for a thousand workers."""

AHEAD: Final = 4
"""Calls that each of a few processes holds while this one makes calls of its own and hands out none."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function with its arguments, for any process, and the place of its result among those that are kept; None for one that is not kept."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    key: tuple[int, int] | None = None


def every(items: Sequence[Any]) -> Procedure[list[Any]]:
    """Return the results of some calls or procedures, in order."""
    return (yield items)


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """Where calls run, and where their results are kept.

    Attributes
    ----------
    executor
        Where they run; this process for None. Beside a few `others` it makes those calls that they have no room for.
    load
        Returns a result that is kept, given both numbers of its key, or None; None where nothing is kept.
    save
        Keeps a result, given its key; None to keep none.
    progress
        Called with the numbers of calls that are finished, and asked for so far.
    """

    executor: Executor | None = None
    load: Callable[[int, int], Any] | None = None
    save: Callable[[int, int, Any], None] | None = None
    progress: Callable[[int, int], None] | None = None

    def __call__(self, procedure: Procedure[T]) -> T:
        """Return the result of a procedure."""
        root = _Task(procedure)
        ready, pending, done, finished = [root], dict["Future[Any]", _Task](), SimpleQueue["Future[Any]"](), 0
        try:
            while ready or pending:
                task, result = self._next(ready, pending, done)
                ready += task.go_on() if result is None else task.finish(result)
                finished += result is not None
                if result is not None and self.progress is not None:
                    self.progress(finished, finished + len(pending) + sum(isinstance(other.item, Call) for other in ready))
        finally:
            for future in pending:
                future.cancel()
        _log.info("%d parts of the work are done", finished)
        answer: T = root.answers[0]
        return answer

    def _next(self, ready: list[_Task], pending: dict[Future[Any], _Task], done: SimpleQueue[Future[Any]]) -> tuple[_Task, Any]:
        """Return a call that is done with its result, or a procedure that can go on, and None; the calls before it begin."""
        while ready and ((room := len(pending) < self._most(len(ready))) or (self._others and done.empty())):
            task = ready.pop()
            if not isinstance(task.item, Call):
                return task, None
            result = None if self.load is None or task.item.key is None else self.load(*task.item.key)
            if result is not None:
                _log.debug("part %s was stored", task.item.key)
                return task, result
            future = _submitted(task.item, self.executor if room else None)
            pending[future] = task
            future.add_done_callback(done.put)
        future = done.get()
        task, result = pending.pop(future), future.result()
        if self.save is not None and task.item.key is not None:
            self.save(task.item.key[0], task.item.key[1], result)
            _log.debug("part %s is stored", task.item.key)
        return task, result

    @property
    def _others(self) -> int:
        """Return how many processes there are beside this one, if it makes calls as they do; 0 if it makes none, or all."""
        return getattr(self.executor, "others", 0)

    def _most(self, waiting: int) -> int:
        """Return how many calls the executor holds at most, given those that wait: few at the end, so that no process is left with many."""
        if self.executor is None:
            return 1
        if self._others:
            return self._others * min(AHEAD, 1 + waiting // (2 * self._others))
        return getattr(self.executor, "in_flight", IN_FLIGHT)


def _submitted(call: Call, executor: Executor | None) -> Future[Any]:
    """Return the future of a call; it is done where there is no executor."""
    if executor is not None:
        return executor.submit(call.function, *call.arguments)
    future: Future[Any] = Future()
    future.set_result(call.function(*call.arguments))
    return future


HERE: Final = Runner()
"""This process; nothing is kept."""


@dataclass(slots=True, eq=False)
class _Task:
    """A call, or a procedure with the answers that it waits for; and the place of its result among those that its parent waits for."""

    item: Any
    parent: _Task | None = None
    place: int = 0
    answers: Any = None
    missing: int = 0

    def go_on(self) -> list[_Task]:
        """Send a procedure its answers, and return what can go on next, last first."""
        try:
            wanted = self.item.send(self.answers)
        except StopIteration as end:
            return self.finish(end.value)
        self.answers, self.missing = [None] * len(wanted), len(wanted)
        return [_Task(item, self, place) for place, item in enumerate(wanted)][::-1] if wanted else [self]

    def finish(self, result: Any) -> list[_Task]:
        """Hand the result to the parent, and return it if it has all answers."""
        if self.parent is None:
            self.answers = [result]
            return []
        self.parent.answers[self.place] = result
        self.parent.missing -= 1
        return [] if self.parent.missing else [self.parent]
