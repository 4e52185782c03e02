"""A scan of the combination as a user starts it: from the start of the process to the written contour."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cevnsfit.infer.descent import CHUNK
from cevnsfit.infer.grid import grid_block, prepare_grid
from cevnsfit.infer.profile import floating_indices, profile
from cevnsfit.stats.binding import bind_data
from cevnsfit.stats.data import observed_data
from cevnsfit.stats.engine import evaluate_problem, hessian
from cevnsfit.studies.scan import plane_axes

if TYPE_CHECKING:
    from pathlib import Path

    from cevnsfit.stats.likelihood import Likelihood

RUN = """
import json, resource, sys
from cevnsfit.cli.main import main_entry
sys.argv = ["cevnsfit", *json.loads(sys.argv[1])]
try:
    main_entry()
finally:
    print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)), file=sys.stderr)
"""
IMPORTS = "import numpy, scipy.special, scipy.optimize, pydantic, ruamel.yaml, zarr"


COMBINED = ("coherent-csi-2021", "coherent-lar-2020")


def scan(folder: Path, points: int, jobs: int, *, experiments: tuple[str, ...] = COMBINED, options: tuple[str, ...] = ()) -> float:
    """Return the largest resident memory of one of the processes in MiB."""
    grids = ("--grid", f"mass=1:1000:{points}:log", "--grid", f"g=1e-5:1e-1:{points}:log")
    arguments = [
        "scan",
        *experiments,
        "--model",
        "lmu-ltau",
        *grids,
        *options,
        "--no-plot",
        "-j",
        str(jobs),
        "-o",
        str(folder),
    ]
    done = subprocess.run([sys.executable, "-c", RUN, json.dumps(arguments)], check=True, capture_output=True, text=True)
    return int(done.stderr.split()[-1]) / 1024


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.benchmark(group="cold scan of the combination, 100 x 100 points, against the imports alone")
def bench_cold_scan(benchmark: Any, tmp_path: Path, jobs: int) -> None:
    number = iter(range(10))
    benchmark.pedantic(lambda: scan(tmp_path / str(next(number)), 100, jobs), rounds=3)


@pytest.mark.benchmark(group="cold scan of the combination, 100 x 100 points, against the imports alone")
def bench_imports(benchmark: Any) -> None:
    benchmark.pedantic(lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True), rounds=3)


@pytest.mark.parametrize("onset", ["false", "true"])
@pytest.mark.benchmark(group="cold scan of CsI 2021, 100 x 100 points, its onset fixed and floating")
def bench_onset(benchmark: Any, tmp_path: Path, onset: str) -> None:
    number, options = iter(range(10)), ("--set", f"systematics.onset.enabled={onset}")
    benchmark.pedantic(lambda: scan(tmp_path / str(next(number)), 100, 1, experiments=COMBINED[:1], options=options), rounds=3)


@pytest.mark.benchmark(group="scan of the combination, 200 x 200 points, one process")
def bench_memory(benchmark: Any, tmp_path: Path) -> None:
    memory = benchmark.pedantic(lambda: scan(tmp_path, 200, 1), rounds=1)
    benchmark.extra_info["note"] = f"{memory:.0f} MiB at most"


@pytest.mark.benchmark(group="one profiled point of a scan of 20 x 100, against one evaluation of a full chunk with its Hessian")
def bench_profiled_point(benchmark: Any, combination: Likelihood, couplings: np.ndarray) -> None:
    axes = plane_axes(combination, {"mass": np.geomspace(1.0, 1000.0, 20), "g": couplings})
    grid = prepare_grid(combination, axes, at={})
    benchmark.extra_info["per"] = 20 * len(couplings)
    benchmark.pedantic(lambda: [grid_block(grid, block) for block in range(len(grid.blocks))], rounds=3)


@pytest.mark.benchmark(group="one profiled point of a scan of 20 x 100, against one evaluation of a full chunk with its Hessian")
def bench_full_chunk(benchmark: Any, combination: Likelihood) -> None:
    joint = combination.at({"mass": 10.0})
    theta = profile(joint, {"g": np.linspace(0.0, 1e-3, CHUNK)}).theta
    bound, rows = bind_data(joint, observed_data(joint), floating_indices(joint, ("g",), None)), np.arange(CHUNK)
    benchmark.extra_info["per"] = CHUNK
    benchmark(lambda: hessian(bound, evaluate_problem(bound, theta, rows), rows, rows))
