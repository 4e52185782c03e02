"""Plug-in of pytest that records which lines each test runs, and for how long; with a list of tests it runs those, cheapest first.

Environment: MUTATION_RECORD names a folder for the record, MUTATION_SELECT a JSON list of test identifiers in the order in which they run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mutants import AREAS

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = "|setup"


class Recorder:
    """Coverage with the identifier of each test as context; what a fixture runs gets a context of its own."""

    def __init__(self, folder: Path, worker: str) -> None:
        from coverage import Coverage

        self.durations: dict[str, float] = {}
        self.file = folder / f"durations-{worker}.json"
        self.coverage = Coverage(
            data_file=str(folder / f"coverage-{worker}"),
            include=[f"*/src/cevnsfit/{area}{'' if area.endswith('.py') else '/*'}" for area in AREAS],
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid + SETUP)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        self.file.write_text(json.dumps(self.durations), encoding="utf-8")
        self.coverage.save()


def pytest_configure(config: pytest.Config) -> None:
    """Start to record, in each process that runs tests."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    folder = os.environ.get("MUTATION_RECORD")
    if folder is not None and (worker is not None or not config.getoption("numprocesses", None)):
        config.pluginmanager.register(Recorder(Path(folder), worker if worker is not None else "main"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the list, in its order."""
    listed = os.environ.get("MUTATION_SELECT")
    if listed is None:
        return
    order = {name: number for number, name in enumerate(json.loads(Path(listed).read_text(encoding="utf-8")))}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
    items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])
