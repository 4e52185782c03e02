"""A run of toys that is killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = ("intervals", "coherent-csi-2021", "-m", "signal-strength", "--method", "feldman-cousins", "--toys", "512", "--json")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_run_of_toys_continues_to_the_same_result(project_root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src"), "OMP_NUM_THREADS": "1"}

    def run(*options: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "cevnsfit", *COMMAND, *options]
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    whole = json.loads(run().communicate(timeout=300)[0])
    kept = ("-o", str(tmp_path), "-j", "2")
    killed = run(*kept)
    finished = tmp_path / "toys.zarr" / "done" / "c"
    deadline = time.monotonic() + 120
    while sum(1 for path in finished.rglob("*") if path.is_file()) < 5:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.kill()
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert json.loads(run(*kept).communicate(timeout=300)[0]) == whole
