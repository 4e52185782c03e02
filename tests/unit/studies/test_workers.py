"""Work in processes and on a Dask cluster: the same numbers, and what becomes of workers that die."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cevnsfit as cf
from cevnsfit.core.analysis import Analysis
from cevnsfit.core.errors import CevnsfitError, DomainError
from cevnsfit.core.version import package_versions
from cevnsfit.infer.runner import AHEAD
from cevnsfit.infer.toys import Toys
from cevnsfit.io.layouts import load_columns, read_scan
from cevnsfit.studies import workers as workers_module
from cevnsfit.studies.forecast import forecast_curve
from cevnsfit.studies.limits import intervals
from cevnsfit.studies.scan import scan
from cevnsfit.studies.setup import build
from cevnsfit.studies.susy import susy_scan
from cevnsfit.studies.susy_inputs import SusyInputs
from cevnsfit.studies.workers import ClusterExecutor, on_cluster, results, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CSI = Analysis(("coherent-csi-2021",), "lmu-ltau")
GRID = {"mass": np.geomspace(10, 1000, 4), "g": np.geomspace(1e-4, 1e-1, 20)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        yield cluster.scheduler_address


def scanned(folder: Path, jobs: int, dask: str | None = None) -> list[np.ndarray]:
    """Return everything in the store of a scan."""
    with workers(jobs, dask) as executor:
        scan(build(CSI), **GRID, store=folder, workers=executor)
    columns = load_columns(read_scan(folder), "coherent-csi-2021")
    return [np.concatenate([c.nll2, c.minima.ravel(), [c.reference, c.scale]]) for c in columns if c is not None]


def interval(jobs: int, dask: str | None = None) -> object:
    with workers(jobs, dask) as executor:
        return intervals(build(CSI), at={"mass": 100.0}, method="feldman-cousins", toys=Toys(256, 5), workers=executor)


def result_of(function: Callable[[Any], Any], argument: object, jobs: int, dask: str | None = None) -> object:
    with workers(jobs, dask) as executor:
        assert executor is not None
        return executor.submit(function, argument).result(timeout=120)


@pytest.mark.slow
def test_one_worker_is_four_is_a_cluster(cluster: str, tmp_path: Path) -> None:
    one = scanned(tmp_path / "1", 1)
    for folder, jobs, dask in (("4", 4, None), ("dask", 1, cluster)):
        np.testing.assert_array_equal(scanned(tmp_path / folder, jobs, dask), one)
    assert interval(1) == interval(4) == interval(1, cluster)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_survives_a_worker_and_reports_what_kills_all(cluster: str, tmp_path: Path) -> None:
    marker = tmp_path / "died"

    def die_once(value: float) -> float:
        """End the process the first time, as the kernel does when memory runs out; a local function travels by value."""
        if not marker.exists():
            marker.touch()
            os._exit(9)
        return value

    assert result_of(die_once, 2.0, 1, cluster) == 2.0
    with pytest.raises(CevnsfitError, match="died repeatedly"):
        result_of(os._exit, 9, 1, cluster)


@pytest.mark.slow
def test_processes_that_die_are_reported() -> None:
    with pytest.raises(CevnsfitError, match="a worker process died"):
        result_of(os._exit, 9, 2)


class Here(Executor):
    """Runs a call at once."""

    def submit(self, function: object, /, *args: object, **options: object) -> Future:
        future: Future = Future()
        future.set_result(function(*args, **options))
        return future


def test_calls_on_a_cluster_check_the_versions_of_all_packages() -> None:
    assert ClusterExecutor(Here()).submit(max, 1, 3).result() == 3
    here = package_versions()
    assert on_cluster(here, functools.partial(max, 1), 2) == 2
    assert on_cluster({**here, "only-here": "1"}, functools.partial(max, 1), 2) == 2  # makes no numbers where it is not installed
    for name in ("cevnsfit", "numpy", "python", "BLAS"):
        with pytest.raises(CevnsfitError, match=rf"a Dask worker has packages of other versions, .* {name} 0\.0\.1 and {here[name]}\)"):
            on_cluster({**here, name: "0.0.1"}, functools.partial(max, 1), 2)


def test_a_cluster_with_other_packages_is_refused_before_anything_runs() -> None:
    there = {**package_versions(), "scipy": "0.9"}

    class Cluster:
        def run(self, function: Callable[..., object], *_: object, **__: object) -> dict[str, object]:
            return {"tcp://there:1": cf.__version__ if function is importlib.metadata.version else there}

        def run_on_scheduler(self, *_: object) -> str:
            return cf.__version__

    with pytest.raises(CevnsfitError, match=r"the Dask worker at tcp://there:1 has packages .*scipy .* and 0\.9\); install the same"):
        workers_module._check_versions(Cluster(), "tcp://there:8786")
    there["scipy"] = package_versions()["scipy"]
    workers_module._check_versions(Cluster(), "tcp://there:8786")


def test_results_are_in_order_wherever_they_are_made() -> None:
    told: list[tuple[int, int]] = []
    tasks = [(value, 3) for value in range(6)]
    assert results(None, max, tasks, lambda *counts: told.append(counts)) == results(Here(), max, tasks) == [3, 3, 3, 3, 4, 5]
    assert told == [(number, 6) for number in range(1, 7)]


class Beside(Executor):
    """Another process that this one helps, as a thread; `held` is how many calls it has had at once."""

    others = 1

    def __init__(self) -> None:
        self.inner, self.held, self.now = ThreadPoolExecutor(1), 0, 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future:  # type: ignore[override]
        self.now += 1
        self.held = max(self.held, self.now)
        future = self.inner.submit(function, *args, **options)
        future.add_done_callback(lambda _: setattr(self, "now", self.now - 1))
        return future


def meet(main: int, begun: threading.Event, value: int) -> tuple[int, bool]:
    """Return a value and whether this is the main thread; calls elsewhere end when it has begun one."""
    here = threading.get_ident() == main
    if here:
        begun.set()
    assert begun.wait(timeout=60)
    return value, here


@pytest.mark.parametrize("count", [2, 3, 4, 40])
def test_this_process_makes_calls_beside_others(count: int) -> None:
    beside, begun = Beside(), threading.Event()
    found = results(beside, meet, [(threading.get_ident(), begun, value) for value in range(count)])
    assert [value for value, _ in found] == list(range(count))
    assert {here for _, here in found} == {True, False}
    assert beside.held <= AHEAD


def test_an_error_in_a_call_of_this_process_ends_the_rest() -> None:
    with pytest.raises(threading.BrokenBarrierError):  # both wait for a third
        results(Beside(), lambda barrier: barrier.wait(timeout=0.1), [(threading.Barrier(3),)] * 2)


@pytest.mark.slow
def test_forecasts_do_not_depend_on_the_workers() -> None:
    """Points of a curve, toys, and rows of a what-if scan in another process."""
    likelihood = cf.build_likelihood("ccm-200", model="lmu-ltau")
    line = functools.partial(cf.forecast, likelihood, toys=cf.Toys(30))
    found = []
    for jobs in (1, 2):
        with workers(jobs) as executor:
            curve = forecast_curve([line], [{"mass": 10.0}, {"mass": 100.0}], executor)
            one = line(at={"mass": 10.0}, workers=executor)
            table = cf.forecast(likelihood, at={"mass": 10.0}, vary={"source.distance": [20.0, 25.0]}, workers=executor)
        found.append(([entry.to_dict() for (entry,) in curve], one.to_dict(), table.to_dict()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("jobs", "dask", "message"),
    [
        (0, None, "must be at least 1"),
        (2, "tcp://127.0.0.1:1", "choose either --jobs or --dask"),
        (1, "nowhere", "neither the address of a Dask scheduler"),
    ],
)
def test_bad_places(jobs: int, dask: str | None, message: str) -> None:
    with pytest.raises((CevnsfitError, DomainError), match=message), workers(jobs, dask):
        pass


@pytest.mark.parametrize(
    ("where", "message"), [("nowhere", "neither the address"), (0, "at least 1"), (2.5, "not 2.5"), ([2], r"not \[2\]")]
)
def test_verbs_refuse_bad_workers(where: Any, message: str) -> None:
    likelihood = cf.build_likelihood("coherent-csi-2017", model="signal-strength")
    with pytest.raises(CevnsfitError, match=message):
        cf.goodness(likelihood, toys=cf.Toys(128), workers=where)


@pytest.mark.slow
def test_a_verb_takes_the_address_of_a_cluster(cluster: str) -> None:
    likelihood = cf.build_likelihood("coherent-csi-2017", model="signal-strength")
    here, there = (cf.goodness(likelihood, toys=cf.Toys(256, seed=3), workers=where) for where in (None, cluster))
    assert here.to_dict() == there.to_dict()


@pytest.mark.slow
def test_sleptons_do_not_depend_on_the_workers(cluster: str) -> None:
    one, *others = (susy_scan(25_000, SusyInputs(seed=3), workers=where) for where in (1, 2, cluster))
    for other in others:
        assert (one.kept, one.physical, one.tried) == (other.kept, other.physical, 25_000)
        for name, values in one.columns.items():
            np.testing.assert_array_equal(values, other.columns[name])


@pytest.mark.slow
def test_a_script_needs_no_guard_for_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import cevnsfit as cf\n"
        "print('begun')\n"
        'likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")\n'
        "scan = cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 1e-3, 1e-2], workers=2)\n"
        "print(f\"{scan.plane.best['nll2']:.6f}\")\n",
        encoding="utf-8",
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "begun"
    assert run.stdout.count("begun") == 1
    likelihood = cf.build_likelihood("coherent-csi-2021", model="lmu-ltau")
    here = cf.scan(likelihood, mass=[10.0, 30.0, 100.0], g=[1e-4, 1e-3, 1e-2])
    assert run.stdout.split()[1] == f"{here.plane.best['nll2']:.6f}"
