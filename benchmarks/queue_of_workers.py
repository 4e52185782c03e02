"""How long studies take with 1, 2, 64 and 1000 workers, by a simulation of their queue; run it with python, it takes about two minutes.

Each call runs once, in this process, and its time is kept. A study then runs again for each number of workers, with calls that take that long on a
clock of their own. What this process does between calls, and a call's way to a worker and back (measured with processes of this machine), takes its own
time on that clock: no number of workers is faster than that.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
import pickle
import sys
import time
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

import cevnsfit as cf
from cevnsfit.core.threads import one_thread
from cevnsfit.infer import runner
from cevnsfit.studies.workers import Posting, workers

if TYPE_CHECKING:
    from collections.abc import Callable

EXPERIMENTS = ("coherent-csi-2021", "coherent-lar-2020")
NUMBERS = (1, 2, 64, 1000)


class Simulated(Posting):
    """Workers on a clock of their own; `known` are the results and times of calls by their content."""

    def __init__(self, size: int, known: dict[bytes, tuple[Any, float]], way: float) -> None:
        super().__init__(self, lambda _, content: content, in_flight=max(128, 4 * size))
        self.known, self.way, self.size = known, way, size
        self.free, self.running, self.numbers = [0.0] * size, list[tuple[float, int, Future[Any], Any]](), itertools.count()
        self.clock = self.work = self.before = 0.0
        self.most = 0
        self.sizes: list[int] = []
        self.mark = time.process_time()

    def tick(self) -> None:
        """Add what this process has done to the clock."""
        self.clock += time.process_time() - self.mark
        self.mark = time.process_time()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        packed = self.sender.packed(function, *arguments, **options)
        self.tick()
        self.sizes.append(len(packed[0]) + sum(map(len, packed[1])))
        key = hashlib.blake2b(pickle.dumps((function, arguments, options))).digest()
        if key not in self.known:
            begin = time.process_time()
            result = function(*arguments, **options)
            self.known[key] = (result, time.process_time() - begin)
        result, duration = self.known[key]
        self.clock += self.way
        end = max(self.clock, heapq.heappop(self.free)) + duration
        heapq.heappush(self.free, end)
        future: Future[Any] = Future()
        heapq.heappush(self.running, (end, next(self.numbers), future, result))
        self.work += duration
        self.most = max(self.most, len(self.running))
        self.mark = time.process_time()
        return future

    def wait(self) -> None:
        """Go on to the end of the next call."""
        self.tick()
        end, _, future, result = heapq.heappop(self.running)
        self.clock = max(self.clock, end)
        future.set_result(result)


def way_of_a_call() -> float:
    """Return the time that this process needs to send a call to one of five others, and to receive its result; it makes none itself."""
    with workers(5) as executor:
        run = functools.partial(runner.Runner(executor), runner.every([runner.Call(max, (k, 3)) for k in range(10)]))
        run()
        begin = time.process_time()
        runner.Runner(executor)(runner.every([runner.Call(max, (k, 3)) for k in range(2000)]))
        return (time.process_time() - begin) / 2000


def simulated(study: Callable[..., Any], size: int, known: dict[bytes, tuple[Any, float]], way: float) -> Simulated:
    """Return the workers after a study."""
    here = Simulated(size, known, way)

    class Done(SimpleQueue[Any]):
        def get(self) -> Any:  # type: ignore[override]
            if self.empty() and here.running:
                here.wait()
            return super().get()

    usual, runner.SimpleQueue = runner.SimpleQueue, Done  # type: ignore[misc]
    try:
        study(workers=here)
    finally:
        runner.SimpleQueue = usual  # type: ignore[misc]
    here.tick()
    return here


def studies(columns: int, toys: int) -> dict[str, Callable[..., Any]]:
    """Return the studies, each a function of its workers."""
    likelihood = cf.build_likelihood(*EXPERIMENTS, model="lmu-ltau")
    masses, chosen = np.geomspace(10.0, 300.0, columns), cf.Toys(toys)
    held = {"at": {"mass": 10.0}, "toys": chosen}
    grid = {"mass": masses, "g": np.geomspace(1e-5, 1e-1, 30)}
    return {
        "interval": functools.partial(cf.intervals, likelihood, "g", method="feldman-cousins", **held),
        "coverage": functools.partial(cf.coverage, likelihood, "g", np.geomspace(1e-4, 2e-3, 6), over=("mass", masses), toys=chosen),
        "region": functools.partial(cf.region, likelihood, **grid, ordering="column", toys=chosen),
        "scan": functools.partial(cf.scan, likelihood, **grid),
    }


def main(columns: int = 6, toys: int = 256, names: str = "interval,coverage,region,scan") -> None:
    """Print a line for each study and number of workers."""
    with one_thread():
        way, known = way_of_a_call(), studies(columns, toys)
        print(f"a call's way: {1e6 * way:.0f} us of this process")
        print(
            f"{'study':10s} {'workers':>7s} {'time [s]':>9s} {'gain':>7s} {'efficiency':>10s} {'calls':>6s} {'in flight':>9s} {'bytes':>6s} {'most':>6s}"
        )
        for name in names.split(","):
            calls: dict[bytes, tuple[Any, float]] = {}
            simulated(known[name], 1, calls, way)
            for size in NUMBERS:
                here = simulated(known[name], size, calls, way)
                gain = here.work / here.clock
                numbers = (size, here.clock, gain, gain / size, len(here.sizes), here.most, np.mean(here.sizes), max(here.sizes))
                print("{:10s} {:7d} {:9.2f} {:7.1f} {:9.0%}  {:6d} {:9d} {:6.0f} {:6d}".format(name, *numbers), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
