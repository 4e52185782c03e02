"""Run the fast tests against mutants of the core modules: `python tests/mutation/run.py --work FOLDER`.

Once, the tests run with their coverage recorded (FOLDER/record). Then they are collected in one process, which branches for each mutant: the branch
has the code of one function exchanged in memory, and runs the tests that run its statement, cheapest first, until one fails. What no test notices
is listed (FOLDER/results.json), apart from those of `equivalent.toml`, which no test can notice. Exit code 1 if less than nine tenths are noticed.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

import mutants
import pytest

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
FAST: Final = "not slow and not nightly"

PATIENCE: Final = 5.0
"""A mutant that takes so many times as long as its tests, plus a minute, hangs: it is noticed."""


class Record:
    """The tests that run each line of a module, and what they cost."""

    def __init__(self, folder: Path, budget: float) -> None:
        self.budget = budget
        self.cost: dict[str, float] = {}
        for file in folder.glob("durations-*.json"):
            self.cost |= json.loads(file.read_text(encoding="utf-8"))
        self.files = sorted(folder.glob("coverage-*"))
        self.of_file: dict[str, list[str]] = defaultdict(list)
        for name in self.cost:
            self.of_file[name.partition("::")[0]].append(name)

    def lines(self, path: str) -> dict[int, set[str]]:
        """Return the tests that run each line; what a fixture runs counts for all tests of its file, what an import runs for none."""
        from coverage import CoverageData

        found: dict[int, set[str]] = defaultdict(set)
        for file in self.files:
            data = CoverageData(str(file))
            data.read()
            for measured in data.measured_files():
                if measured.endswith(f"src/cevnsfit/{path}"):
                    for line, contexts in data.contexts_by_lineno(measured).items():
                        found[line] |= set(contexts)
        return {line: self.tests(contexts) for line, contexts in found.items()}

    def tests(self, contexts: set[str]) -> set[str]:
        """Return the tests behind contexts."""
        shared = {name.partition("::")[0] for name in contexts if name.endswith("|setup")}
        return {name for name in contexts if name in self.cost} | {name for file in shared for name in self.of_file[file]}

    def chosen(self, mutant: mutants.Mutant) -> list[str]:
        """Return the tests of a mutant, cheapest first: of its package up to half the budget, then others, then the rest of its package."""
        lines = self.lines(mutant.path)
        covering = set().union(*(lines.get(line, set()) for line in range(mutant.lines[0], mutant.lines[1] + 1)))
        ranked = sorted(covering, key=lambda name: (self.cost[name], name))
        own = [name for name in ranked if name.startswith(f"tests/unit/{mutant.path.partition('/')[0]}/")]
        first = self.within(own, 0.5 * self.budget)
        return self.within([*first, *(name for name in ranked if name not in own), *own[len(first) :]], self.budget)

    def within(self, names: list[str], budget: float) -> list[str]:
        """Return the first of some tests, as many as the budget allows."""
        costs = itertools.accumulate(self.cost[name] for name in names)
        return [name for name, spent in zip(names, costs, strict=True) if spent <= budget]


def record(folder: Path) -> None:
    """Run the fast tests with coverage."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "contexts", "-m", FAST]
    variables = dict(os.environ) | {"MUTATION_RECORD": str(folder), "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(HERE)])}
    subprocess.run(command, cwd=ROOT, env=variables, check=True)


class Loop:
    """Plug-in of pytest that runs, instead of all tests once, those of each mutant."""

    def __init__(self, drawn: list[mutants.Mutant], known: Record, results: Path) -> None:
        self.drawn, self.known, self.results = drawn, known, results
        self.equivalent = tomllib.loads((HERE / "equivalent.toml").read_text(encoding="utf-8"))
        self.found: list[dict[str, str | int]] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        names = sorted(items.keys() & self.known.cost, key=lambda name: self.known.cost[name])
        if self.noticed(session, [items[name] for name in names[: len(names) // 2 : max(len(names) // 20, 1)]], None):
            message = "tests fail without any change"
            raise pytest.UsageError(message)
        for mutant in self.drawn:
            start = time.monotonic()
            tests = [items[name] for name in self.known.chosen(mutant) if name in items]
            what = self.outcome(session, mutant, tests)
            self.found.append({"path": mutant.path, "line": mutant.lines[0], "name": mutant.name, "outcome": what, "tests": len(tests)})
            sys.__stdout__.write(
                f"{what:10} {time.monotonic() - start:6.1f} s {len(tests):5} tests  {mutant.path}:{mutant.lines[0]} {mutant.name}\n"
            )
            sys.__stdout__.flush()
            self.results.write_text(json.dumps(self.found, indent=1), encoding="utf-8")
        return True

    def outcome(self, session: pytest.Session, mutant: mutants.Mutant, tests: list[pytest.Item]) -> str:
        """Return what becomes of a mutant."""
        if mutant.name in self.equivalent.get(mutant.path, {}):
            return "equivalent"
        return "not run" if not tests else "killed" if self.noticed(session, tests, mutant) else "survived"

    def noticed(self, session: pytest.Session, tests: list[pytest.Item], mutant: mutants.Mutant | None) -> bool:
        """Return whether a test fails, in a process of its own that ends after some time."""
        child = os.fork()
        if not child:
            os.setsid()
            log = os.open(self.results.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            session.config.pluginmanager.unregister(name="terminalreporter")
            if mutant is not None:
                exchange(mutant)
            os._exit(fails(session, tests))
        end = time.monotonic() + 60.0 + PATIENCE * sum(self.known.cost[item.nodeid] for item in tests)
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status) != 0
            time.sleep(0.01)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True


def fails(session: pytest.Session, tests: list[pytest.Item]) -> int:
    """Return whether one of some tests fails; the rest is not run then."""
    session.config.option.maxfail = 1
    for item, following in zip(tests, [*tests[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def exchange(mutant: mutants.Mutant) -> None:
    """Give the functions of a module the code of a mutant."""
    file = ROOT / "src/cevnsfit" / mutant.path
    new = {(code.co_qualname, code.co_firstlineno): code for code in functions(compile(mutant.source, str(file), "exec"))}
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and Path(function.__code__.co_filename) == file:
            code = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if code is not None and code.co_freevars == function.__code__.co_freevars:
                function.__code__ = code


def functions(code: CodeType) -> list[CodeType]:
    """Return all code in some code."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return inner + [deeper for one in inner for deeper in functions(one)]


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the record and the results")
    parser.add_argument("--number", type=int, default=200, help="mutants")
    parser.add_argument("--area", choices=mutants.AREAS, action="append", help="those of one part of the code only")
    parser.add_argument("--again", type=Path, help="results of a run: only what was not killed there")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of tests after which a mutant has survived")
    parser.add_argument("--keep-record", action="store_true", help="use the record that is there")
    return parser.parse_args()


def main() -> int:
    """Run all and return the exit code."""
    options = arguments()
    if not options.keep_record:
        record(options.work / "record")
    known = Record(options.work / "record", options.budget)
    drawn = mutants.draw(ROOT, options.number)
    if options.area is not None:
        drawn = [mutant for mutant in drawn if mutant.path.startswith(tuple(options.area))]
    if options.again is not None:
        left = {(one["path"], one["name"]) for one in json.loads(options.again.read_text(encoding="utf-8")) if one["outcome"] != "killed"}
        drawn = [mutant for mutant in drawn if (mutant.path, mutant.name) in left]
    loop = Loop(drawn, known, options.work / "results.json")
    files = sorted({name for mutant in drawn for name in (test.partition("::")[0] for test in known.chosen(mutant))})
    os.chdir(ROOT)
    code = pytest.main(
        ["-q", "-m", FAST, "--no-showlocals", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", *files], plugins=[loop]
    )
    return summary(loop.found) if loop.found else int(code)


def summary(results: list[dict[str, str | int]]) -> int:
    """Print the counts and return the exit code."""
    table = mutants.counted((str(one["path"]), str(one["outcome"])) for one in results)
    for area, counts in table.items():
        sys.stdout.write(f"{area:20} {', '.join(f'{number} {what}' for what, number in sorted(counts.items()))}\n")
    killed, all_of_them = (
        sum(1 for one in results if one["outcome"] in outcomes) for outcomes in ({"killed"}, {"killed", "survived", "not run"})
    )
    sys.stdout.write(f"{killed} of {all_of_them} killed\n")
    return int(killed < 0.9 * all_of_them)


if __name__ == "__main__":
    raise SystemExit(main())
