from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from cevnsfit.studies import validate as validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

CHECK = validation.Check(
    id="a.b",
    title="CsI 2021",
    quantity="counts",
    unit="1",
    published=306.0,
    error=20.0,
    ours=307.9,
    our_error=32.4,
    tolerance=10.0,
    difference=0.1,
    passed=True,
    source="arXiv:2110.07730",
    kind="published",
    because="half the error",
)


def test_validate_as_json(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validate", lambda: (CHECK,))
    result = command("validate", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{**dataclasses.asdict(CHECK), "verdict": "ok"}]


def test_a_failed_check_ends_with_3_and_is_named(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validate", lambda: (CHECK, dataclasses.replace(CHECK, id="c.d", passed=False)))
    result = command("validate")
    assert result.exit_code == 3
    assert "1 of 2 checks agree" in result.stdout
    assert "c.d" in result.stderr


def test_what_is_known_to_differ_is_no_failure_and_what_agrees_all_the_same_is(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dataclasses.replace(CHECK, passed=False, disagrees="it is another quantity.")
    monkeypatch.setattr(validation, "validate", lambda: (CHECK, known))
    result = command("validate")
    assert result.exit_code == 0
    assert "1 of 2 checks agree within their tolerance; 1 are known not to" in result.stdout
    monkeypatch.setattr(validation, "validate", lambda: (dataclasses.replace(known, passed=True),))
    assert command("validate").exit_code == 3


def test_pages_are_written_with_either_output(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(validation, "validate", lambda: (CHECK,))
    files = [str(tmp_path / "new" / name) for name in ("independent.md", "index.md")]
    assert command("validate", "--pages", "-o", tmp_path / "new").stdout.splitlines()[-2:] == files
    found = json.loads(command("validate", "--pages", "-o", tmp_path / "new", "--json").stdout)
    assert (found["files"], len(found["checks"])) == (files, 1)
    assert not (tmp_path / "docs").exists()


def test_import_release(command: Callable[..., Result], shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "coherent-lar-2020"
    if not source.is_dir():
        pytest.skip("no release files of this name")
    result = command("import-release", "coherent-lar-2020", source, "-o", tmp_path / "new", "--json")
    files = json.loads(result.stdout)["files"]
    assert result.exit_code == 0
    assert {str(path) for path in (tmp_path / "new").iterdir()} == set(files)


def test_bad_releases(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean coherent-lar-2020" in refused("import-release", "coherent-lar-2021", tmp_path, "-o", tmp_path / "new")
    refused("import-release", "coherent-lar-2020", tmp_path, "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()
