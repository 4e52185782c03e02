from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import cevnsfit
from cevnsfit.core.errors import ResourceError
from cevnsfit.spec import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

COMMANDS = ("experiments", "models", "rates", "fit", "spectra", "intervals", "scan", "plot", "run", "validate", "import-release")


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[str, ...]:
        raise error

    monkeypatch.setattr(catalog, "experiment_names", fail)


def program(project_root: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src")}
    return subprocess.run(
        [sys.executable, "-m", "cevnsfit", *arguments], text=True, capture_output=True, check=False, env=environment, **options
    )


def test_help_names_every_command(command: Callable[..., Result]) -> None:
    result = command("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(command: Callable[..., Result], name: str) -> None:
    result = command(name, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_help_imports_nothing_heavy(project_root: Path) -> None:
    heavy = {"numpy", "scipy", "pydantic", "matplotlib", "iminuit", "zarr", "pint", "ruamel"}
    code = f"import sys, cevnsfit, cevnsfit.cli.main; print(sorted({heavy!r} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src")}
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_version(command: Callable[..., Result]) -> None:
    result = command("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, cevnsfit.__version__)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("cevnsfit sig", ["significance"]),
        ("cevnsfit fit coherent-csi", ["coherent-csi-2017", "coherent-csi-2021"]),
        ("cevnsfit fit coherent-csi-2021 coherent-l", ["coherent-lar-2020"]),
        ("cevnsfit fit coherent-csi-2021 --model lmu", ["lmu-ltau", "lmu-ltau-mixing"]),
        ("cevnsfit forecast ccm-200 --with ccm-200-rec", ["ccm-200-recoil"]),
        ("cevnsfit models show released", ["released-templates"]),
        ("cevnsfit experiments show ./mi", []),
        ("cevnsfit fit coherent-csi-2021 -m lmu-ltau --at ma", ["mass="]),
        ("cevnsfit intervals coherent-csi-2021 -m lmu-ltau --poi lo", ["loop_sign"]),
        ("cevnsfit fit coherent-csi-2021 --profile m", []),
        ("cevnsfit fit coherent-csi-2021 ccm-200 -m sm --set coherent-csi", ["coherent-csi-2017:", "coherent-csi-2021:"]),
    ],
)
def test_a_shell_completes_names(project_root: Path, monkeypatch: pytest.MonkeyPatch, words: str, wanted: list[str]) -> None:
    monkeypatch.setenv("_CEVNSFIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    done = program(project_root)
    assert done.stderr == ""
    assert sorted(done.stdout.split()) == wanted


def test_completion_is_installed_for_a_shell(project_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # the shell is named, and not that of the test
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = program(project_root, "--show-completion", "bash").stdout
    assert "_CEVNSFIT_COMPLETE=complete_bash" in shown
    assert program(project_root, "--install-completion", "bash").returncode == 0
    (script,) = tmp_path.rglob("*cevnsfit*")
    assert script.read_text(encoding="utf-8").strip() == shown.strip()


@pytest.mark.parametrize(
    "arguments", [("ft",), ("fit", "--modell", "sm"), ("fit", "coherent-csi-2021"), ("intervals", "a", "-m", "sm", "--cl", "x")]
)
def test_usage_errors_are_bad_input(refused: Callable[..., str], arguments: tuple[str, ...]) -> None:
    assert "Error" in refused(*arguments)


def test_an_internal_error_is_one_message_without_traceback(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CEVNSFIT_DEBUG", raising=False)
    fail_with(ZeroDivisionError("no\nway"), monkeypatch)
    result = command("experiments")
    assert result.exit_code == 1
    assert result.stderr.startswith("internal error: ZeroDivisionError: no way\n")
    assert "report" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("debug", ["option", "environment"])
def test_debug_shows_the_traceback_of_an_internal_error(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, debug: str
) -> None:
    monkeypatch.setenv("CEVNSFIT_DEBUG", "" if debug == "option" else "1")
    fail_with(ZeroDivisionError(), monkeypatch)
    result = command(*(["--debug"] if debug == "option" else []), "experiments")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_bad_input_has_no_traceback_with_debug_either(refused: Callable[..., str]) -> None:
    assert "unknown experiment 'nothing'" in refused("--debug", "experiments", "show", "nothing")


def test_an_error_of_the_operating_system_is_bad_input(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(PermissionError(13, "Permission denied", "/some/where"), monkeypatch)
    assert refused("experiments") == "error: /some/where: Permission denied\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            MemoryError("Unable to allocate 7.28 TiB for an array"),
            "not enough memory for `cevnsfit experiments`: Unable to allocate 7.28 TiB for an array; ask for fewer",
        ),
        (MemoryError(), "not enough memory for `cevnsfit experiments`; ask for fewer points, bins"),
        (ResourceError("a worker process died"), "error: a worker process died"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x.csv"), "error: out/x.csv: No space left on device; make room"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; ask for fewer processes"),
    ],
)
def test_a_machine_that_is_too_small_is_no_bug(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    fail_with(error, monkeypatch)
    result = command("experiments")
    assert result.exit_code == 4
    assert words in result.stderr
    assert "bug" not in result.stderr


def test_a_disk_without_room_for_a_store_is_no_bug_either(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cevnsfit.io.store._make", full)
    result = command("scan", "coherent-lar-2020", "-m", "lmu-ltau", "--grid", "mass=10:20:3", "--grid", "g=1e-4:1e-3:3", "-o", tmp_path)
    assert "no scan can be stored here" in result.stderr
    assert result.exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("scan", "coherent-csi-2021", "-m", "lmu-ltau", "--grid", "mass=1:1000:100000:log", "--grid", "g=1e-4:1e-3:100000"),
            "a plane of 1e+10 points; at most 1e+07",
        ),
        (("gof", "coherent-csi-2021", "-m", "sm", "--toys", "1000000000000"), "at most 1e+08"),
        (("susy-scan", "--points", "1000000000000"), "at most 1e+09"),
        (("gof", "coherent-csi-2021", "-m", "sm", "--toys", "128", "--jobs", "100000"), "at most"),
    ],
)
def test_what_no_machine_can_do_is_refused_at_once(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refused(*arguments, "-o", tmp_path / "out")


def test_more_is_not_seen_of_a_recoil_than_it_has(refused: Callable[..., str]) -> None:
    message = refused("experiments", "check", "ccm-200", "--set", "response.quenching.slope=0.078 keVee/keVnr**2")
    assert "ccm-200: response: the quenching factor reaches 3.4" in message
    assert "41.02 keVnr, and is at most 1" in message


def test_what_a_message_quotes_does_not_act_on_a_terminal(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text('schema_version: 1\nname: "\\e]0;x\\a\\u202e"\n', encoding="utf-8")
    message = refused("experiments", "check", tmp_path)
    assert message.replace("\n", "").isprintable()
    assert len(refused("fit", 100_000 * "x", "-m", "sm")) < 3000


def test_interrupted(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    result = command("experiments")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_an_interrupted_scan_says_that_it_can_be_continued(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    result = command("scan", "coherent-csi-2021", "-m", "lmu-ltau", "-o", tmp_path)
    assert result.exit_code == 130
    assert result.stderr == "interrupted; finished work is kept: run the same command again to resume\n"
    result = command("gof", "coherent-csi-2021", "-m", "sm")
    assert result.stderr == "interrupted; nothing is kept without --output DIR\n"


def test_the_module_runs(project_root: Path) -> None:
    done = program(project_root, "--version")
    assert (done.returncode, done.stdout.strip()) == (0, cevnsfit.__version__)


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(project_root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project_root / "src")}
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "cevnsfit", "models"], stdout=gone, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert (done.returncode, done.stderr) == (0, "")
