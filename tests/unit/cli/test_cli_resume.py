"""Runs that are killed or interrupted and started again end with the arrays of a run that was not."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

CSI = "coherent-csi-2021"
GRID = ("--grid", "mass=1:1000:12:log", "--grid", "g=1e-5:1e-1:60:log", "--no-plot")
COMMANDS = {
    "scan": (("scan", CSI, "-m", "lmu-ltau", *GRID), "scan.zarr", "scan.zarr/status/c"),
    "toys": (
        ("intervals", CSI, "-m", "lmu-ltau", "--at", "mass=100", "--method", "feldman-cousins", "--toys", "512"),
        "toys.zarr",
        "toys.zarr/status/c",
    ),
    "posterior": (
        ("posterior", CSI, "-m", "signal-strength", "--steps", "400", "--ensembles", "2"),
        "posterior.zarr",
        "posterior.zarr/status/c",
    ),
}
LARGE = 1e5


def start(project_root: Path, *arguments: str, group: bool = False) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src"), "OMP_NUM_THREADS": "1"}
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cevnsfit.cli.main import main_entry; main_entry()"
    command = [sys.executable, "-c", code, *arguments, "--json"]  # a parent in the background hands down that SIGINT is ignored
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=group)


def result(run: subprocess.Popen[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.communicate(timeout=300)[0])
    found.pop("files", None)
    return found


def stored(path: Path) -> dict[str, bytes]:
    """Return the bytes of all arrays of a store, of those that are filled chunk by chunk the files."""
    arrays = {name: array for name, array in zarr.open_group(path, mode="r").members(max_depth=None) if isinstance(array, zarr.Array)}
    small = {name: np.asarray(array[:]).tobytes() for name, array in arrays.items() if array.size < LARGE}
    chunks = {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("c/**/*")) if file.is_file()}
    return {**small, **chunks}


Whole = Callable[[str], tuple[dict[str, Any], Path]]


@pytest.fixture(scope="module")
def whole(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return a function that returns the result of a command that nobody stopped, and its folder."""

    @functools.cache
    def run(name: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp("whole") / name
        return result(start(project_root, *COMMANDS[name][0], "-o", str(folder))), folder

    return run


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("name", list(COMMANDS))
@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"])
def test_a_stopped_run_continues_to_the_same_result(project_root: Path, tmp_path: Path, whole: Whole, name: str, number: str) -> None:
    command, store, done = COMMANDS[name]
    (expected, never), stopped = whole(name), tmp_path / "stopped"
    again = (*command, "-o", str(stopped), "-j", "2")
    run = start(project_root, *again)
    deadline = time.monotonic() + 120
    while sum(1 for path in (stopped / done).rglob("*") if path.is_file()) < 4:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    run.send_signal(getattr(signal, number))
    _, text = run.communicate(timeout=60)
    if number == "SIGINT":
        assert run.returncode == 130
        assert "interrupted; finished work is kept: run the same command again to resume" in text
    else:
        assert run.returncode == -signal.SIGKILL
    finished = sum(1 for path in (stopped / done).rglob("*") if path.is_file())
    assert finished < sum(1 for path in (never / done).rglob("*") if path.is_file())
    assert result(start(project_root, *again)) == expected
    assert stored(stopped / store) == stored(never / store)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no groups of processes here")
@pytest.mark.parametrize("seconds", [0.8, 1.2, 1.6, 2.0])
def test_processes_that_start_say_nothing_of_an_interrupt(project_root: Path, tmp_path: Path, seconds: float) -> None:
    """As a terminal does it, to all of them."""
    run = start(project_root, *COMMANDS["scan"][0], "-o", str(tmp_path), "-j", "3", group=True)
    time.sleep(seconds)
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGINT)
    _, text = run.communicate(timeout=60)
    assert "Traceback" not in text
