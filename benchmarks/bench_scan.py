"""A scan of the combination as a user starts it: from the start of the process to the written contour."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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
