"""What is said on stderr: what the library logs, also in other processes, and the progress bar."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from cevnsfit.cli import output
from cevnsfit.cli.options import WorkerOptions
from cevnsfit.core.extras import warnings_logged
from cevnsfit.studies.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

LOGGER = logging.getLogger("cevnsfit")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers, level = LOGGER.handlers, LOGGER.level
    LOGGER.handlers = []
    yield
    LOGGER.handlers, LOGGER.level = handlers, level


@pytest.mark.parametrize(("option", "said", "unsaid"), [
    ((), (), ("read", "folded")),
    (("-v",), ("coherent-lar-2020: read ", "sm: folded with coherent-lar-2020\n"), ("cevnsfit.spec.load: ",)),
    (("-vv",), ("cevnsfit.spec.load: coherent-lar-2020: read ", "cevnsfit.model.build: sm: folded"), ()),
])  # fmt: skip
def test_what_is_logged_is_printed_when_it_is_asked_for(
    command: Callable[..., Result], option: tuple[str, ...], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    found = command(*option, "gof", "coherent-lar-2020", "-m", "sm")
    assert all(text in found.stderr for text in said)
    assert not any(text in found.stderr for text in unsaid)
    assert "read" not in found.stdout
    assert found.stderr.count("read ") == len(option)


def test_an_import_sets_nothing_up() -> None:
    code = "import logging, cevnsfit, cevnsfit.cli.main; print(logging.getLogger('cevnsfit').handlers)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.slow
def test_what_other_processes_log_is_heard_here(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO, "cevnsfit"), workers(2) as executor:
        assert executor is not None
        speaker = logging.getLogger("cevnsfit.somewhere")
        for n in range(3):
            executor.submit(speaker.warning, f"part {n}").result()
            executor.submit(speaker.debug, "unheard").result()
    assert sorted(one.getMessage() for one in caplog.records if one.name == "cevnsfit.somewhere") == ["part 0", "part 1", "part 2"]
    assert capfd.readouterr().err == ""


def test_warnings_of_a_package_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "cevnsfit"), warnings.catch_warnings():
        warnings.simplefilter("always")
        with warnings_logged(logging.getLogger("cevnsfit.infer")):
            for _ in range(3):
                warnings.warn("few live points", UserWarning, stacklevel=1)
    assert [one.getMessage() for one in caplog.records] == ["UserWarning: few live points"]


def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the progress bar take stderr for a terminal."""
    make: Any = Console
    monkeypatch.setattr("rich.console.Console", lambda **options: make(**options, force_terminal=True, width=80))


def test_there_is_no_bar_without_a_count_and_then_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal(monkeypatch)
    with WorkerOptions().running():
        pass
    assert "toys" not in capsys.readouterr().err
    with WorkerOptions().running() as where:
        where["progress"](1, 4)
    assert "1/4" in capsys.readouterr().err
    with WorkerOptions().running("blocks", at_once=True):
        pass
    assert "blocks" in capsys.readouterr().err


def test_what_is_logged_stands_above_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal(monkeypatch)
    output.show_log(0)
    with output.progress("work") as step:
        step(1, 2)
        while not hasattr(sys.stderr, "rich_proxied_file"):  # the bar begins in a thread of its own
            pass
        logging.getLogger("cevnsfit.infer").warning("few live points")
    lines = capsys.readouterr().err.replace("\r", "\n").split("\n")
    (line,) = [line for line in lines if "few live points" in line]
    assert line.removeprefix("\x1b[2K") == "few live points"
